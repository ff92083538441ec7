#!/bin/sh
# Makes a bare Debian tree, once, and prints its folder: debian-tree.sh SUITE [PACKAGES]
# PACKAGES: parted by commas, beside debootstrap's minimum; each choice is a tree of its own in
# ${EMOCX_CACHE:-~/.cache/emocx-pbx}. Packages are built in such trees, tried in them, and images made of them.
set -eu

die() { echo "debian-tree: $*" >&2; exit 1; }

suite=${1:?usage: debian-tree.sh SUITE [PACKAGES]}
packages=${2:-}
[ "$(id -u)" = 0 ] || die "needs root for debootstrap and chroot"
PATH=$PATH:/usr/sbin:/sbin
command -v debootstrap >/dev/null || die "needs debootstrap: apt-get install debootstrap"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e $keyring ] || die "needs debian-archive-keyring: apt-get install debian-archive-keyring"

cache=${EMOCX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/emocx-pbx}
tree=$cache/debian-$suite${packages:+-$(echo "$packages" | tr , -)}
mkdir -p "$cache"
# Two that ask for the same tree at once: the second waits and finds it.
exec 9>"$tree.lock"
flock 9
if [ ! -e "$tree/.complete" ]; then
    rm -rf --one-file-system "$tree" "$tree.unfinished"
    debootstrap --variant=minbase --keyring=$keyring ${packages:+--include="$packages"} \
        "$suite" "$tree.unfinished" "${EMOCX_DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$tree.log" 2>&1 9>&- ||
        die "debootstrap failed; the last lines of $tree.log:
$(tail -n 3 "$tree.log")"
    rm -rf "$tree.unfinished"/var/cache/apt/archives/*.deb "$tree.unfinished"/usr/share/doc/*
    touch "$tree.unfinished/.complete"
    mv "$tree.unfinished" "$tree"
fi
echo "$tree"
