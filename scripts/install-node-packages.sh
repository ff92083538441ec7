#!/bin/sh
# Gives the tests of webhooks the JavaScript libraries that receivers verify with; safe to run again.
#
# Node 18 or newer is used as it is, or Debian's is installed. The packages of tests/webhooks/js, held by
# their lock, go into ${EMOCX_CACHE:-~/.cache/emocx-pbx}/node-<checksum of the lock>: nothing into the checkout.
set -eu

die() { echo "install-node-packages: $*" >&2; exit 1; }

here=$(cd "$(dirname "$0")/../tests/webhooks/js" && pwd)
cache=${EMOCX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/emocx-pbx}
tree=$cache/node-$(cksum <"$here/package-lock.json" | cut -d' ' -f1)

if ! { command -v node && command -v npm; } >/dev/null; then
    command -v apt-get >/dev/null || die "needs node and npm, and this system has no apt-get: install them yourself"
    root=
    [ "$(id -u)" = 0 ] || root=sudo
    $root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    $root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends nodejs npm >/dev/null
fi
[ "$(node -p 'process.versions.node.split(".")[0] >= 18')" = true ] || die "needs node 18 or newer, got $(node -v)"

if [ ! -e "$tree/complete" ]; then
    mkdir -p "$tree"
    cp "$here/package.json" "$here/package-lock.json" "$tree"
    npm ci --prefix "$tree" --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null
    touch "$tree/complete"
fi
echo "$tree/node_modules"
