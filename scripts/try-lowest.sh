#!/usr/bin/env bash
# Proves the lower bounds of pyproject.toml: installs exactly those versions together and runs the suite on them.
set -eu
cd "$(dirname "$0")/.."

place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
"$(scripts/find-python.sh)" -m venv "$place/venv"
"$place/venv/bin/python" scripts/lowest_versions.py pyproject.toml >"$place/constraints.txt"
cat "$place/constraints.txt"
"$place/venv/bin/python" -m pip install --quiet --constraint "$place/constraints.txt" -e ".[dev,postgres,redis,rabbitmq]"
"$place/venv/bin/python" -m pip check
"$place/venv/bin/python" -m pytest -ra "$@"
