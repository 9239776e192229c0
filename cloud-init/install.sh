#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs heat-pulse from a URL, once it has the sum that was said, and starts it.
# usage: install.sh URL SHA256     URL ends in .deb, .rpm, .tar.gz (see packaging/), or is the static file itself
set -eu
url=$1 sum=$2
case $sum in *[!0-9a-f]* | '') echo "heat-pulse: the sum must be 64 hex digits in lower case" >&2; exit 2 ;; esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
name=${url%%[?#]*}
file=$folder/${name##*/}

fetch() {
  if command -v curl >/dev/null; then curl -fsSL --connect-timeout 30 -o "$file" "$url"
  elif command -v wget >/dev/null; then wget -q -O "$file" "$url"
  else python3 -c 'import sys, urllib.request; urllib.request.urlretrieve(sys.argv[1], sys.argv[2])' "$url" "$file"; fi
}

for wait in 2 5 10 30 60 0; do
  if fetch; then break; fi
  [ $wait != 0 ] || { echo "heat-pulse: cannot fetch the package" >&2; exit 3; }
  sleep $wait
done
echo "$sum  $file" | sha256sum -c - >/dev/null 2>&1 || { echo "heat-pulse: the package has not the sum that was said; nothing was installed" >&2; exit 1; }

# The static file alone: what a package would bring.
install_file() {
  mkdir -p /usr/sbin /etc/heat-pulse/conf.d
  cp "$file" /usr/sbin/heat-pulse.new
  chmod 755 /usr/sbin/heat-pulse.new
  mv -f /usr/sbin/heat-pulse.new /usr/sbin/heat-pulse
  getent passwd heat-pulse >/dev/null || useradd -r -U -M -d /var/lib/heat-pulse -s /sbin/nologin heat-pulse
  for one in cfn-hup cfn-init cfn-signal cfn-get-metadata cfn-push-stats cfn-create-aws-symlinks heat-config-notify; do [ -e "/usr/bin/$one" ] || ln -sfn ../sbin/heat-pulse "/usr/bin/$one"; done
  cat >/etc/systemd/system/heat-pulse.service <<'UNIT'
[Unit]
Description=OpenStack Heat agent: metadata, hooks, health
Documentation=man:heat-pulse(8) man:heat-pulse.conf(5)
After=network.target cloud-init.service cloud-init-network.service

[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/sbin/heat-pulse run
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=10s
TimeoutStartSec=3min
WatchdogSec=3min
KillMode=process
OOMPolicy=continue
OOMScoreAdjust=-900
LimitMEMLOCK=16M
UMask=0077
RuntimeDirectory=heat-pulse
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
StateDirectory=heat-pulse
StateDirectoryMode=0711
KeyringMode=private

[Install]
WantedBy=multi-user.target
UNIT
  systemctl daemon-reload
}

case $file in
  *.deb) DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$file" ||
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$file"; } ;;
  *.rpm) if command -v dnf >/dev/null; then dnf install -y "$file"
    elif command -v zypper >/dev/null; then zypper --non-interactive --no-gpg-checks install "$file"
    else rpm -U "$file"; fi ;;
  *.tar.gz | *.tgz) tar -xzf "$file" -C "$folder" && "$folder"/heat-pulse-*/install ;;
  *) install_file ;;
esac
# Not waited for: this is run by cloud-init, which the agent is ordered after.
if [ -d /run/systemd/system ]; then systemctl enable heat-pulse.service && systemctl --no-block restart heat-pulse.service; fi
