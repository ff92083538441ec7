#!/bin/sh
# Makes the virtual environment from a lock file; safe to run again.  setup-venv.sh DIRECTORY [serve|train]
# Needs Python 3.11 to 3.13; on Debian and Ubuntu it is installed when it is missing.
set -eu

die() { echo "setup-venv: $*" >&2; exit 1; }

venv=${1:?usage: setup-venv.sh DIRECTORY [serve|train]}
lock=requirements/${2:-serve}.lock
[ -e "$lock" ] || die "there is no $lock; run this in the checkout"

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo "$@"
    else
        return 1
    fi
}

suitable() { # a Python 3.11 to 3.13 that can make environments
    for name in python3.13 python3.12 python3.11 python3; do
        command -v "$name" >/dev/null || continue
        "$name" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null ||
            continue
        echo "$name"
        return 0
    done
    return 1
}

if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    :
elif python=$(suitable); then
    "$python" -m venv "$venv"
elif command -v uv >/dev/null; then
    uv venv -q --seed --python 3.12 "$venv"
elif command -v apt-get >/dev/null && apt-cache show python3.11-venv >/dev/null 2>&1; then
    # Debian 12, and Ubuntu 22.04 (whose python3 is 3.10)
    as_root apt-get -qq update || die "needs python3.11-venv: run 'apt-get install python3.11-venv' as root"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3.11 python3.11-venv >/dev/null
    python3.11 -m venv "$venv"
elif command -v apt-get >/dev/null; then
    # Debian 13, Ubuntu 24.04
    as_root apt-get -qq update || die "needs python3-venv: run 'apt-get install python3-venv' as root"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3 python3-venv >/dev/null
    python=$(suitable) || die "this system's Python is not 3.11 to 3.13; install uv (https://docs.astral.sh/uv) and try again"
    "$python" -m venv "$venv"
else
    die "needs Python 3.11 to 3.13 with venv, or uv (https://docs.astral.sh/uv)"
fi

"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -e .
# Weights that are not in the repository, into weights/; EMOCX_WEIGHTS_FROM names a folder or mirror to try first.
# Without them the service runs without speech-to-text, and tells topics apart by their words; the tests need them.
# Each source that can't be reached is told, so the end is told as well.
if "$venv/bin/emocx-pbx" models fetch ${EMOCX_WEIGHTS_FROM:+--from "$EMOCX_WEIGHTS_FROM"} >/dev/null; then
    echo "setup-venv: all weights are in weights/"
elif [ "$lock" = requirements/serve.lock ]; then
    echo "setup-venv: goes on without these weights" >&2
else
    exit 1
fi
