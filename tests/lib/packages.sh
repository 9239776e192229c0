# Which Debian packages each ring needs, by name. Sourced by tests/run.

all_rings=(lint unit fuzz score sim system packaging vm faults bench)

packages_build=$(cat "$(dirname "${BASH_SOURCE[0]}")/../../packaging/build-packages")
packages_lint="python3 universal-ctags $packages_build libcmocka-dev"
packages_unit="python3 libcmocka-dev clang libclang-rt-dev valgrind iproute2 procps $packages_build"
packages_fuzz="python3 clang libclang-rt-dev $packages_build"
packages_score="python3 $packages_build"
packages_sim="python3 $packages_build"
packages_system="python3 python3-cryptography python3-jsonschema openssl iproute2 procps util-linux strace sysstat keystone heat-api heat-api-cfn heat-engine uwsgi-plugin-python3
  heat-cfntools python3-os-collect-config python3-keystoneclient swift-proxy swift-account swift-container swift-object zaqar-server curl prometheus prometheus-node-exporter
  gnocchi-api gnocchi-metricd postgresql $packages_build"
packages_faults="python3 e2fsprogs mount util-linux $packages_build"
packages_bench="python3 strace valgrind heat-cfntools collectd-core prometheus-node-exporter sysstat $packages_build"
packages_vm="python3 qemu-system-x86 mmdebstrap e2fsprogs cpio kmod busybox-static musl-tools genisoimage mtools dosfstools make gcc python3-yaml python3-requests keystone
  heat-api heat-api-cfn heat-engine uwsgi-plugin-python3 python3-keystoneclient $(grep -v '^#' "$(dirname "${BASH_SOURCE[0]}")/../../packaging/static/packages") $packages_build"
packages_packaging="python3 mmdebstrap lintian dpkg-dev rpm mandoc man-db groff cloud-init python3-yaml systemd bash-completion busybox-static musl-tools python3-heat python3-cryptography openssl iproute2 procps util-linux binutils e2fsprogs mount qemu-user-static mkosi systemd-container
  $(cat "$(dirname "${BASH_SOURCE[0]}")"/../../packaging/static/packages* | grep -v '^#') $packages_build"

missing_packages() { # names...: prints those that are not installed
  local name
  for name in $(printf '%s\n' "$@" | sort -u); do
    dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || echo "$name"
  done
}

# The control plane's packages start services and ask for databases; a test machine wants neither.
prepare_debconf() {
  local package
  for package in keystone heat-common zaqar-common gnocchi-common; do
    echo "$package ${package%-common}/configure_db boolean false"
    echo "$package $package/configure_db boolean false"
  done | debconf-set-selections || true
}

apt_install() { # names...
  local policy=/usr/sbin/policy-rc.d made=0
  export DEBIAN_FRONTEND=noninteractive
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && made=1
  fi
  prepare_debconf
  apt-get -o DPkg::Lock::Timeout=300 update -q >/dev/null || echo "package lists could not be updated; trying with the old ones" >&2
  apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "$@" >/dev/null || { [ $made = 0 ] || rm -f $policy; return 1; }
  [ $made = 0 ] || rm -f $policy
}

install_packages() { # rings...
  local ring wanted="" missing variable
  for ring in "$@"; do
    variable=packages_$ring
    wanted="$wanted ${!variable:-}"
  done
  missing=$(missing_packages $wanted)
  [ -n "$missing" ] || return 0
  if [ "${HEAT_PULSE_NO_INSTALL:-0}" = 1 ] || [ "$(id -u)" != 0 ]; then
    echo "not installed (run as root to install them):" $missing >&2
    return 0
  fi
  echo "installing:" $missing >&2
  apt_install $missing
}
