#!/bin/sh
# Builds both images with buildah, without a registry: their Debian bases are made by debootstrap.
# packaging/images.sh     (as root; tags emocx-pbx and emocx-pbx-asterisk; podman finds them)
#
# Where a registry is at hand, `docker compose -f docker/compose.yaml build` does the same.
# From outside, for machines with their own: EMOCX_BUILD_CA (file of CAs for pip), EMOCX_BUILD_APT (a file of
# apt's settings), EMOCX_WEIGHTS_FROM (a mirror of weights).
set -eu

die() { echo "build-images: $*" >&2; exit 1; }

cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || die "needs root for debootstrap"
command -v buildah >/dev/null || die "needs buildah: apt-get install buildah"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

base() { # SUITE: docker.io/library/debian:SUITE-slim, unless it is there
    name=docker.io/library/debian:$1-slim
    buildah inspect --type image "$name" >/dev/null 2>&1 && return 0
    tree=$(scripts/debian-tree.sh "$1")
    container=$(buildah from scratch)
    mounted=$(buildah mount "$container")
    cp -a "$tree/." "$mounted/"
    rm -rf "$mounted/.complete" "$mounted"/var/lib/apt/lists/*
    buildah umount "$container" >/dev/null
    buildah config --cmd bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah commit -q --rm "$container" "$name" >/dev/null
}

touch "$work/none"
ca=${EMOCX_BUILD_CA:-${PIP_CERT:-}}
: >"$work/pip.conf"
[ -z "$ca" ] || printf '[global]\ncert = /run/secrets/ca\n' >"$work/pip.conf"
build() { # TAG DOCKERFILE
    buildah bud -q --format docker --layers --pull-never --network host \
        --secret "id=pip,src=$work/pip.conf" --secret "id=ca,src=${ca:-$work/none}" \
        --secret "id=apt,src=${EMOCX_BUILD_APT:-$work/none}" --build-arg "EMOCX_WEIGHTS_FROM=${EMOCX_WEIGHTS_FROM:-}" \
        -t "$1" -f "$2" . >&2
}

base trixie
base sid
build emocx-pbx docker/Dockerfile
build emocx-pbx-asterisk docker/Dockerfile.asterisk
for image in emocx-pbx emocx-pbx-asterisk; do
    buildah images --format "{{.Name}} {{.Size}}" "localhost/$image"
done
