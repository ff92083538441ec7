#!/bin/sh
# Gives the tests a PostgreSQL 15 or newer to run privately; safe to run again.
#
# What is there is used. Otherwise Debian's or Ubuntu's package is installed, without the cluster that it would
# make and start: tests make their own, in a folder that goes with them.
set -eu

die() { echo "install-postgresql: $*" >&2; exit 1; }

there() { # is there one that is new enough?
    for binary in /usr/lib/postgresql/*/bin/postgres $(command -v postgres || true); do
        [ -x "$binary" ] || continue
        version=$("$binary" --version | sed -n 's/.*) \([0-9]*\).*/\1/p')
        [ "${version:-0}" -ge 15 ] && return 0
    done
    return 1
}

there && exit 0
command -v apt-get >/dev/null || die "needs PostgreSQL 15 or newer, and this system has no apt-get: install it yourself"
root=
[ "$(id -u)" = 0 ] || root=sudo
echo "install-postgresql: installing postgresql"
$root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
$root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends postgresql-common >/dev/null
settings=/etc/postgresql-common/createcluster.conf
grep -q '^create_main_cluster = false' $settings || echo 'create_main_cluster = false' | $root tee -a $settings >/dev/null
$root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends postgresql >/dev/null
there || die "this system's postgresql is older than 15"
