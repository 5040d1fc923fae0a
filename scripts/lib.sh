# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
# Shared by the scripts here: which Debian packages what needs, and installing
# those that are missing. To be sourced.

BUILD_PACKAGES=(
  gcc libc6-dev cmake ninja-build pkg-config
  libyaml-dev libnl-3-dev libnl-route-3-dev libmnl-dev libnftnl-dev
  libnetfilter-conntrack-dev libsystemd-dev libjansson-dev libpcap-dev
  libsodium-dev libldns-dev uthash-dev
)
# What the scenarios run inside their nodes; netbase: names of ports.
SCENARIO_PACKAGES=(iputils-ping iperf3 curl busybox netbase python3)
# Programs that the tests hold our results against, and drive them with.
TEST_PACKAGES=(check spin tshark iproute2 nftables conntrack util-linux procps jq
  libxml2-utils openssh-client dropbear-bin bind9-dnsutils
  libpcre2-8-0 libssl3 libcrypt1 zlib1g) # (the last four: what nginx links)

say() {
  printf '%s\n' "$*"
}

die() {
  printf '%s\n' "$*" >&2
  exit 3
}

# Prints those of the packages that are not installed.
missing_packages() {
  local p
  for p in "$@"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null |
      grep -q '^install ok installed$' || printf '%s\n' "$p"
  done
}

# Installs what is missing of the packages; only root can.
need_packages() {
  local missing
  command -v dpkg-query >/dev/null ||
    die "This script installs Debian packages, and this is no Debian. Install what
these hold by hand:
  $*
then build and install:
  cmake --preset release
  cmake --build --preset release
  sudo cmake --install build/release"
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    say "These Debian packages are missing:"
    printf '  %s\n' "${missing[@]}"
    say "Install them as root, then run this again:"
    say "  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    exit 3
  fi
  say "Installing Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local log
  log=$(mktemp)
  if ! { apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get could not install them; the lines above say why."
  fi
  rm -f "$log"
}

# Where need_program puts programs, and tests/support/nested.sh finds them.
PROGRAMS=$PWD/build/programs

# need_program NAME [PACKAGE]: a program whose package would also start it as a daemon,
# where there is an init. So the package is not installed: its files go below build/.
need_program() {
  local name=$1 package=${2:-$1} work
  ! PATH=$PATH:/usr/sbin:$PROGRAMS/usr/sbin command -v "$name" >/dev/null || return 0
  say "Taking $name out of the Debian package $package"
  work=$(mktemp -d)
  if ! (cd "$work" && { apt-get download -q "$package" || { apt-get update -q && apt-get download -q "$package"; }; } &&
    dpkg-deb -x "$package"_*.deb "$PROGRAMS") >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    rm -r "$work"
    die "apt-get could not fetch $package; the lines above say why."
  fi
  rm -r "$work"
  [ -x "$PROGRAMS/usr/sbin/$name" ] || die "There is no $name in the package $package."
}

# Configures and builds one of the presets, quietly unless it fails.
build_preset() {
  local preset=$1 log
  log=$(mktemp)
  say "Building (preset $preset)"
  if ! { cmake --preset "$preset" && cmake --build --preset "$preset"; } >"$log" 2>&1; then
    grep -E -A 5 'error|FAILED|CMake Error' "$log" | tail -n 60 >&2
    rm -f "$log"
    die "The build failed; the lines above say where."
  fi
  rm -f "$log"
}
