#!/usr/bin/env bash
# Two shows on SQLite: a workflow running to its end, and one that is killed half-way and goes on where it was.
#   scripts/demo.sh [path of the durable-studio command]
set -eu
cd "$(dirname "$0")/.."

studio="${1:-durable-studio}"
python="$(dirname "$studio")/python"
[ -x "$python" ] || python=python3
place="$(mktemp -d)"
export DURABLE_URL="sqlite:///$place/durable.db"
victim=""

leave() {
    [ -z "$victim" ] || kill -9 "$victim" 2>/dev/null || true
    rm -rf "$place"
}
trap leave EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '\033[2m$ durable-studio %s\033[0m\n' "$*"; "$studio" "$@"; }

completed_steps() {
    "$studio" status "$1" --json 2>/dev/null |
        "$python" -c 'import json, sys; print(sum(s["status"] == "completed" for s in json.load(sys.stdin)["steps"]))' 2>/dev/null || echo 0
}

say "1. An order, step by step. Every step is recorded before the next one begins."
show run examples/order_processing.py --watch

say "2. A document goes through its pipeline in a process of its own ..."
"$studio" run examples/document_pipeline.py --id demo-document >"$place/output" 2>&1 </dev/null &
victim=$!
for _ in $(seq 100); do
    [ "$(completed_steps demo-document)" -ge 1 ] && break
    kill -0 "$victim" 2>/dev/null || break
    sleep 0.1
done

if ! kill -0 "$victim" 2>/dev/null; then
    cat "$place/output" >&2
    echo "the pipeline ended before it could be killed" >&2
    exit 1
fi
say "   ... which is killed in the middle: kill -9 $victim"
kill -9 "$victim"
wait "$victim" 2>/dev/null || true
victim=""
show list

say "3. The same id again: it goes on where it was. Steps that had completed do not run again."
show run examples/document_pipeline.py --id demo-document --watch
show list
