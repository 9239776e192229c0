#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs heat-pulse from a URL, once it has the sum that was said, and starts it.
# usage: install.sh URL SHA256     URL ends in .deb, .rpm, .tar.gz (see packaging/), or is the static file itself
# Exit codes: 1 another sum, 2 usage, 3 cannot be fetched, 4 cannot be installed or started
# Without words it takes the variables url and sha256 (inputs of a deployment), or what was put into the places below (a script as user data).
set -eu
umask 022
put_url='@URL@' put_sum='@SHA256@'
url=${1:-${url:-$put_url}} sum=${2:-${sha256:-$put_sum}}

fail() { step=; echo "heat-pulse: $2" >&2; exit "$1"; }

case $url in *://?*) ;; *) fail 2 "no URL to install from was said; usage: install.sh URL SHA256" ;; esac
sum=$(echo "$sum" | tr A-F a-f)
case $sum in *[!0-9a-f]*) sum= ;; esac
[ ${#sum} = 64 ] || fail 2 "no SHA-256 sum of 64 hex digits was said for the package; \"sha256sum FILE\" tells it"
# Neither a password nor the signature of a URL belongs into logs.
bare=${url%%[?#]*} rest=${url#*://}
rest=${rest%%[?#]*} host=${rest%%/*}
shown=${bare%%://*}://${host##*@}${rest#"$host"}
again="then run again: sh $0 URL SHA256"

# Copies of what Heat hands out that came out readable for everybody, and what the boothook made for copies that never came.
data=/var/lib/cloud/data
[ ! -d $data ] || for name in "$data"/cfn-*; do
  if [ -s "$name" ]; then chmod 600 "$name"; else rm -f "$name"; fi
done

# Not below /tmp, where programs often cannot be run.
folder=$(mktemp -d /var/lib/heat-pulse-install.XXXXXX)
step=
finish() {
  rm -rf "$folder"
  [ "$1" != 0 ] && [ -n "$step" ] || exit "$1"
  echo "heat-pulse: $shown was fetched, but $step failed, see above why; mend that, $again" >&2
  exit 4
}
trap 'finish $?' EXIT
name=${bare##*/}
file=$folder/${name:-heat-pulse}
stall=${HEAT_PULSE_STALL:-60} # seconds without a byte

fetch() {
  rm -f "$file"
  if command -v curl >/dev/null; then curl -fsSL --connect-timeout 30 --speed-limit 1 --speed-time "$stall" -o "$file" "$url"
  elif command -v wget >/dev/null && wget --version >/dev/null 2>&1; then
    wget -q -T "$stall" -t 1 -O "$file" "$url" || { echo "wget: exit $? (4 network, 5 TLS, 8 refused)" >&2; return 1; }
  elif command -v wget >/dev/null; then timeout $((stall * 10)) wget -q -O "$file" "$url" # busybox's; some end at once by -T
  elif command -v python3 >/dev/null; then
    python3 -c 'import shutil, sys, urllib.request as u
try: shutil.copyfileobj(u.urlopen(sys.argv[1], timeout=int(sys.argv[3])), open(sys.argv[2], "wb"))
except OSError as e: sys.exit("python3: %s" % e)' "$url" "$file" "$stall"
  else fail 3 "neither curl nor wget nor python3 is here to fetch $shown; install one of them, $again"; fi
}

# A network may be on its way, a server restart, a mirror be half-way through; but what comes twice with another sum is another file.
wrong=0
for wait in 2 5 10 30 60 0; do
  if fetch; then
    got=$(sha256sum <"$file")
    got=${got%% *}
    [ "$got" != "$sum" ] || break
    wrong=$((wrong + 1))
    [ $wrong -lt 2 ] || fail 1 "$shown has not the sum that was said, $sum, but $got: nothing was installed. If that is the file that is meant, put its sum into the user data, $again"
  fi
  [ $wait != 0 ] || fail 3 "$shown cannot be fetched, see above why: nothing was installed. See that it is there and that this guest reaches it, $again"
  sleep $wait
done

root=
in_root() { "$@"; }
there() { command -v "$1" >/dev/null; }
add_user() {
  if [ ! -e "$root/etc/passwd" ]; then
    echo "install: there is no $root/etc/passwd: the system user heat-pulse is left to you" >&2
    return
  fi
  if grep -q '^heat-pulse:' "$root/etc/passwd"; then return; fi
  shell=/bin/false
  for one in /usr/sbin/nologin /sbin/nologin; do [ ! -x "$root$one" ] || shell=$one; done
  if there useradd; then in_root useradd -r -U -M -d /var/lib/heat-pulse -s "$shell" -c 'OpenStack Heat agent' heat-pulse
  elif there adduser; then
    grep -q '^heat-pulse:' "$root/etc/group" || in_root addgroup -S heat-pulse
    in_root adduser -S -D -H -h /var/lib/heat-pulse -s "$shell" -g 'OpenStack Heat agent' -G heat-pulse heat-pulse
  else
    # The smallest of systems: the files are all there is.
    id=990
    while grep -q "^[^:]*:[^:]*:$id:" "$root/etc/passwd" "$root/etc/group" 2>/dev/null; do id=$((id - 1)); done
    grep -q '^heat-pulse:' "$root/etc/group" 2>/dev/null || echo "heat-pulse:x:$id:" >>"$root/etc/group"
    echo "heat-pulse:x:$id:$(sed -n 's/^heat-pulse:[^:]*:\([0-9]*\):.*/\1/p' "$root/etc/group"):OpenStack Heat agent:/var/lib/heat-pulse:$shell" >>"$root/etc/passwd"
    [ ! -f "$root/etc/shadow" ] || echo 'heat-pulse:!::0:::::' >>"$root/etc/shadow"
  fi
}

# The static file alone: what a package would bring.
install_file() {
  mkdir -p /usr/sbin /usr/bin /etc/heat-pulse/conf.d
  cp "$file" /usr/sbin/heat-pulse.new
  chmod 755 /usr/sbin/heat-pulse.new
  /usr/sbin/heat-pulse.new --version >/dev/null || { rm -f /usr/sbin/heat-pulse.new; fail 4 "$shown cannot be run here: nothing was installed. It must be the static file for $(uname -m), or its name end in .deb, .rpm or .tar.gz"; }
  add_user
  mv -f /usr/sbin/heat-pulse.new /usr/sbin/heat-pulse
  for one in cfn-hup cfn-init cfn-signal cfn-get-metadata cfn-push-stats cfn-create-aws-symlinks heat-config-notify; do [ -e "/usr/bin/$one" ] || ln -sfn ../sbin/heat-pulse "/usr/bin/$one"; done
  if [ -d /run/systemd/system ]; then
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
  elif [ -x /sbin/openrc-run ]; then
    cat >/etc/init.d/heat-pulse <<'SERVICE'
#!/sbin/openrc-run
description="OpenStack Heat agent: metadata, hooks, health"
extra_started_commands="reload"
command=/usr/sbin/heat-pulse
command_args="run ${HEAT_PULSE_OPTS-}"
supervisor=supervise-daemon
pidfile=/run/heat-pulse.pid
respawn_delay=10
respawn_max=0
retry=TERM/15/KILL/5
umask=077
rc_ulimit="-l 16384"
output_logger="logger -t heat-pulse"
error_logger="logger -t heat-pulse"

depend() {
	need localmount
	use net logger
	after cloud-init cloud-init-network bootmisc
}

reload() {
	ebegin "Reloading ${RC_SVCNAME}"
	supervise-daemon "${RC_SVCNAME}" --signal HUP --pidfile "${pidfile}"
	eend $?
}
SERVICE
    chmod 755 /etc/init.d/heat-pulse
    rc-update -q add heat-pulse default
    rc-service heat-pulse restart
  else echo "heat-pulse: installed, but no service manager is known here: have \"heat-pulse run\" started at boot" >&2; fi
}

# Upgrades that the image does by itself at its first boot may hold dpkg's lock.
apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold install -y --allow-downgrades --no-install-recommends "$file"
}

step='its installation'
case $bare in
  *.deb) apt_install || { apt-get update || true; apt_install; } ;;
  *.rpm) if command -v dnf >/dev/null; then dnf install -y "$file"
    elif command -v zypper >/dev/null; then zypper --non-interactive --no-gpg-checks install --oldpackage "$file"
    else rpm -U --oldpackage --replacepkgs "$file"; fi ;;
  *.tar.gz | *.tgz) tar -xzf "$file" -C "$folder"; "$folder"/heat-pulse-*/install ;;
  *) install_file ;;
esac
# Not waited for: this is run by cloud-init, which the agent is ordered after.
step='its start'
if [ -d /run/systemd/system ]; then
  systemctl enable heat-pulse.service
  systemctl --no-block restart heat-pulse.service
fi
