#!/bin/sh
# Builds the wheel, which brings its models: packaging/wheel.sh [OUT]    (prints its path; its size on stderr)
set -eu
cd "$(dirname "$0")/.."
out=${1:-dist}
mkdir -p "$out"
python=${PYTHON:-.venv/bin/python}
[ -x "$python" ] || python=python3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Without what only tuning needs, wherever a training left it.
tar --exclude model.keras --exclude __pycache__ -cf - pyproject.toml README.md LICENSE emocx_pbx models dialplan docker |
    tar -xf - -C "$work"
rm -f "$out"/emocx_pbx-*.whl
"$python" -m pip wheel -q --disable-pip-version-check --no-deps -w "$out" "$work" >&2
wheel=$(ls "$out"/emocx_pbx-*.whl)
echo "wheel: $(($(stat -c %s "$wheel") / 1000)) kB" >&2
echo "$wheel"
