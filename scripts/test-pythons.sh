#!/bin/sh
# All tests that need no Asterisk, on every Python that is supported: test-pythons.sh [VERSION...] [-- PYTEST'S OPTIONS]
# Interpreters: pythonX.Y on the PATH, those of pyenv, or what uv has or brings. Their environments are kept in
# ${EMOCX_CACHE:-~/.cache/emocx-pbx}. Exit status 1: tests failed on one; a Python that can't be had is said, too.
set -eu
cd "$(dirname "$0")/.."

versions=
while [ $# -gt 0 ] && [ "$1" != -- ]; do versions="$versions $1"; shift; done
[ $# -eq 0 ] || shift
cache=${EMOCX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/emocx-pbx}

python_of() { # the path of an interpreter of this version
    for found in "$(command -v "python$1" || true)" "$HOME"/.pyenv/versions/"$1".*/bin/python; do
        if [ -x "$found" ] && "$found" -c 'import ensurepip' 2>/dev/null; then echo "$found"; return; fi
    done
    command -v uv >/dev/null && { uv python find "$1" 2>/dev/null || { uv python install -q "$1" && uv python find "$1"; }; }
}

failed=
for version in ${versions:-3.11 3.12 3.13}; do
    if ! python=$(python_of "$version"); then
        echo "test-pythons: no Python $version here: install it or uv" >&2
        failed="$failed $version"
        continue
    fi
    venv=$cache/python-$version
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements/train.lock
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps -e .
    echo "test-pythons: Python $version"
    # Of this checkout, wherever that environment was made.
    PYTHONPATH=$PWD "$venv/bin/python" -m pytest -p no:cacheprovider --ignore tests/pbx_real "$@" ||
        failed="$failed $version"
done
[ -z "$failed" ] || { echo "test-pythons: not passed on:$failed" >&2; exit 1; }
