#!/bin/sh
# Gives the demo and the tests a real Asterisk with AudioSocket, and sipp; safe to run again.
#
# An Asterisk >= 20 of this system that has chan_audiosocket is used as it is. Otherwise a Debian
# unstable tree with Asterisk 22 goes into ${EMOCX_CACHE:-~/.cache/emocx-pbx}/asterisk and is used by
# chroot: nothing is installed into this system but debootstrap and sip-tester.
# --system: install Debian's asterisk into this very system instead (for containers made of sid).
set -eu

die() { echo "install-asterisk: $*" >&2; exit 1; }
say() { echo "install-asterisk: $*"; }

cache=${EMOCX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/emocx-pbx}
tree=$cache/asterisk

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo "$@"
    else
        die "needs root for '$1': run as root or with sudo, or install Asterisk >= 20 and sip-tester yourself"
    fi
}

apt_install() {
    command -v apt-get >/dev/null || die "needs $* and this system has no apt-get: install them yourself"
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "installing$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    # shellcheck disable=SC2086 # a list of names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing >/dev/null
}

has_audiosocket() { # ROOT: is there an Asterisk >= 20 with AudioSocket under it?
    binary=$1/usr/sbin/asterisk
    [ -x "$binary" ] || return 1
    ls "$1"/usr/lib/*/asterisk/modules/chan_audiosocket.so "$1"/usr/lib/asterisk/modules/chan_audiosocket.so \
        "$1"/usr/lib64/asterisk/modules/chan_audiosocket.so 2>/dev/null | grep -q . || return 1
    [ -n "$1" ] && return 0
    major=$("$binary" -V | sed -n 's/^Asterisk [^0-9]*\([0-9]*\).*/\1/p')
    [ "${major:-0}" -ge 20 ]
}

mirror() { # the Debian mirror that this machine's apt already uses
    if [ "$(. /etc/os-release && echo "$ID")" = debian ]; then
        cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
            sed -n -e 's/^URIs: *\([^ ]*\).*/\1/p' -e 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\).*/\2/p' |
            grep -E '/debian/?$' | head -n 1
    fi
}

if [ "${1:-}" = --system ]; then
    apt_install asterisk
    has_audiosocket "" || die "the asterisk package of this system is older than 20 or has no chan_audiosocket"
    exit 0
fi
command -v sipp >/dev/null || apt_install sip-tester
if has_audiosocket ""; then
    say "using this system's $(/usr/sbin/asterisk -V)"
    exit 0
fi
if [ -e "$tree/.complete" ]; then
    say "using $tree"
    exit 0
fi

command -v debootstrap >/dev/null || [ -x /usr/sbin/debootstrap ] || apt_install debootstrap
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e $keyring ] || apt_install debian-archive-keyring
from=$(mirror)
from=${from:-http://deb.debian.org/debian}
script=/usr/share/debootstrap/scripts/sid
[ -e $script ] || die "this debootstrap does not know Debian unstable ($script is missing)"

mkdir -p "$cache"
unfinished=$cache/asterisk.unfinished
as_root rm -rf --one-file-system "$unfinished" "$tree"
say "making a Debian unstable tree with Asterisk from $from (about a minute, 500 MB, once)"
PATH=$PATH:/usr/sbin:/sbin
as_root env PATH="$PATH" debootstrap --variant=minbase --keyring=$keyring --include=asterisk,ca-certificates \
    sid "$unfinished" "$from" >"$cache/debootstrap.log" 2>&1 ||
    die "debootstrap failed; the last lines of $cache/debootstrap.log:
$(tail -n 3 "$cache/debootstrap.log")"
has_audiosocket "$unfinished" || die "the tree in $unfinished has no chan_audiosocket"
as_root rm -rf "$unfinished"/var/cache/apt/archives "$unfinished"/usr/share/doc
as_root mkdir -p "$unfinished/srv/emocx"
as_root chmod 1777 "$unfinished/srv/emocx"
as_root touch "$unfinished/.complete"
as_root mv "$unfinished" "$tree"
say "ready: $(as_root chroot "$tree" /usr/sbin/asterisk -V) in $tree"
