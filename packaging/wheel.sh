#!/bin/sh
# Builds the wheel, which brings its models: packaging/wheel.sh [OUT]    (prints its path)
set -eu
cd "$(dirname "$0")/.."
out=${1:-dist}
mkdir -p "$out"
python=${PYTHON:-.venv/bin/python}
[ -x "$python" ] || python=python3
"$python" -m pip wheel -q --disable-pip-version-check --no-deps -w "$out" . >&2
ls "$out"/emocx_pbx-*.whl
