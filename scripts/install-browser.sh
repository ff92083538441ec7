#!/bin/sh
# Gives the tests of the pages a headless Chromium; safe to run again.
#
# Debian's chromium is used where apt has it as a real package; elsewhere (Ubuntu's is a snap) Playwright
# fetches its own build.  install-browser.sh VENV
set -eu

die() { echo "install-browser: $*" >&2; exit 1; }
say() { echo "install-browser: $*"; }

venv=${1:?usage: install-browser.sh VENV}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo "$@"
    else
        die "needs root for '$1': run as root or with sudo, or install chromium yourself"
    fi
}

[ -x /usr/bin/chromium ] && exit 0
if [ -r /etc/os-release ] && [ "$(. /etc/os-release && echo "$ID")" = debian ]; then
    say "installing chromium"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        chromium fonts-dejavu-core >/dev/null
else
    say "fetching Chromium"
    "$venv/bin/playwright" install --with-deps chromium
fi
