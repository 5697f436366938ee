#!/usr/bin/env bash
# Prints the first Python on PATH that is 3.11 or newer and can make virtual environments; PYTHON=... overrides.
set -eu

for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        command -v "$candidate"
        exit 0
    fi
done
echo "no Python 3.11 or newer with the venv module on PATH; install one, or name it: make PYTHON=/path/to/python3.11" >&2
exit 1
