#!/bin/sh
# Installs what packages are built and tried with: install-package-tools.sh boot|all
# boot: Debian trees and a systemd in them; all: containers as well. Says so where it can't, and changes nothing then.
set -eu
tools="debootstrap debian-archive-keyring systemd-container"
[ "${1:?usage: install-package-tools.sh boot|all}" = boot ] ||
    tools="$tools buildah podman runc containernetworking-plugins netavark sip-tester"
lacking=
for tool in $tools; do
    dpkg-query -W -f '${db:Status-Status}' "$tool" 2>/dev/null | grep -qx installed || lacking="$lacking $tool"
done
[ -n "$lacking" ] || exit 0
command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || { echo "install-package-tools: needs$lacking, and root to install" >&2; exit 1; }
apt-get -qq update
# shellcheck disable=SC2086 # a list
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $lacking >/dev/null
