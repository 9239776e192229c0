#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cloud-boothook, on every boot before anything else of cloud-init's network stage; from user data before Heat's own parts are written, from
# vendor data after them. Does two things and never fails:
# - Heat's part handler writes each part twice; the copies below /var/lib/cloud/data, credentials among them, come out readable for everybody.
#   It opens files that are there without changing their mode, so what is made here beforehand stays closed.
# - An agent that is baked into the image must not look for credentials before cloud-init has written them.
root=${HEAT_PULSE_ROOT:-}
data=$root/var/lib/cloud/data
unit=heat-pulse.service

mkdir -p "$data"
for name in cfn-init-data cfn-userdata cfn-boto-cfg; do
  [ -e "$data/$name" ] || (umask 077 && : >"$data/$name")
done
for file in "$data"/cfn-*; do
  [ ! -e "$file" ] || chmod 600 "$file"
done

for folder in /etc/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
  [ -f "$root$folder/$unit" ] || continue
  grep -q '^After=.*cloud-init' "$root$folder/$unit" && break
  mkdir -p "$root/etc/systemd/system/$unit.d"
  printf '[Unit]\nAfter=cloud-init.service cloud-init-network.service\n' >"$root/etc/systemd/system/$unit.d/cloud-init.conf"
  [ -n "$root" ] || systemctl --no-block daemon-reload || true
  break
done
exit 0
