#!/bin/sh
# Writes the configuration and becomes Asterisk; the entry point of docker/Dockerfile.asterisk.
set -eu
python3 -m emocx_pbx.lab.conf /srv/emocx "secret=${EMOCX_ASTERISK_SECRET:?}" "external=${EXTERNAL_ADDRESS:-}"
head -c 8000 /dev/zero | tr '\0' '\377' >/srv/emocx/moh/hold.ulaw
exec /usr/sbin/asterisk -f -C /srv/emocx/etc/asterisk.conf
