#!/usr/bin/env bash
# Installs the programs some tests use, where apt-get can be used without asking; only what is missing, never fatal.
set -u

wanted=()
command -v dot >/dev/null 2>&1 || wanted+=(graphviz)
command -v tmux >/dev/null 2>&1 || wanted+=(tmux)
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
    command -v google-chrome >/dev/null 2>&1 || wanted+=(chromium)
{ command -v fc-list >/dev/null 2>&1 && fc-list 2>/dev/null | grep -q DejaVuSansMono; } ||
    [ -e /usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf ] || wanted+=(fonts-dejavu-core)

# A server that answers, one named by the environment, or installed programs to start one from are all enough.
has_postgres() {
    [ -n "${DURABLE_TEST_POSTGRES:-}" ] && return 0
    (exec 3<>/dev/tcp/127.0.0.1/5432) 2>/dev/null && return 0
    command -v initdb >/dev/null 2>&1 && return 0
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}
has_postgres || wanted+=(postgresql)

[ "${#wanted[@]}" -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    else
        echo "not installed, for want of root or passwordless sudo: ${wanted[*]} (tests that need them will say so)"
        exit 0
    fi
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed, for want of apt-get: ${wanted[*]} (tests that need them will say so)"
    exit 0
fi

echo "installing ${wanted[*]}"
apt() { ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" </dev/null >/dev/null 2>&1; }
apt update
# One by one: a name one distribution lacks must not keep the others from being installed.
for package in "${wanted[@]}"; do
    apt install -y --no-install-recommends "$package" ||
        echo "could not install $package (tests that need it will say so)"
done
exit 0
