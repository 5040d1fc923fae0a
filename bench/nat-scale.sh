#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What many services cost each of them: round trips, TCP's connect time and TCP's
# throughput to one service among N, bound three ways; medians, and ratios to no
# service at all (the same host by its own address) in the same run.
#
#     list   nftables, a rule for each service (nat_rules.c)
#     map    nftables, services found in a map, as labs have them
#     sal    a sald at both ends
#
#     bench/nat-scale.sh SALD SOURCES SALCTL NAT_RULES CONNECT_TIME [ROUNDS]  (5 rounds)
#
# SHORT=1: 10 and 100 services, once and briefly: shows that it works.
#
# The client translates for itself. For each number of services and each way there
# are two hosts, with a veth pair of their own:
#
#     a  eth0 10.0.0.1 ---- 10.0.0.2 eth0  b      service: 10.255.255.1, the last of N
#
# Only the first packet of a flow meets the rules: so "first" is the round trip of
# pings each of which is a flow of its own, and "later" that of those behind the
# first one of a flow.
set -euo pipefail
# shellcheck source=bench/lib.sh
. "$2/bench/lib.sh"

(: <>/dev/net/tun) 2>/dev/null ||
  die "cannot open /dev/net/tun: be root, or as root chmod 666 /dev/net/tun"
for tool in ip ping iperf3 jq unshare; do
  command -v "$tool" >/dev/null || die "needs $tool"
done
if [ -z "${SERVALAB_BENCH_INSIDE:-}" ]; then
  user=(--user --map-root-user)
  [ "$(id -u)" != 0 ] || user=()
  SERVALAB_BENCH_INSIDE=1 exec unshare "${user[@]}" --fork --pid --kill-child \
    --mount --mount-proc --net -- "$0" "$@"
fi
sald=$(realpath "$1") salctl=$(realpath "$3") nat_rules=$(realpath "$4")
connect_time=$(realpath "$5")
rounds=${6:-5} seconds=2 pings=100 firsts=40 connects=200
counts=(10 100 1000 10000)
if [ -n "${SHORT:-}" ]; then
  rounds=1 seconds=1 pings=5 firsts=3 connects=5
  counts=(10 100)
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mount -t tmpfs tmpfs /run
service=10.255.255.1

start() {
  ip netns exec "${@:2}" >"$folder/$1.log" 2>&1 </dev/null &
}

# ---- building ---------------------------------------------------------------

declare -A built=() # ms

hosts() {
  ip netns add "a-$1"
  ip netns add "b-$1"
  ip link add eth0 netns "a-$1" type veth peer name eth0 netns "b-$1"
  ip -n "a-$1" addr add 10.0.0.1/24 dev eth0
  ip -n "b-$1" addr add 10.0.0.2/24 dev eth0
  for host in a b; do
    ip -n "$host-$1" link set lo up
    ip -n "$host-$1" link set eth0 up
  done
  until_true inside "a-$1" ping -q -c 1 -W 1 10.0.0.2
  start "iperf3-$1" "b-$1" iperf3 -s
  start "listen-$1" "b-$1" "$connect_time" --listen 0.0.0.0 80
}

# rules N HOST: what becomes of each service there. The client knows where all of
# them are. Only the last one has a name and an address, and an instance: a sald
# takes 64 of these, and a million other rules.
rules() {
  awk -v n="$1" -v host="$2" -v last="$service" 'BEGIN {
    print "name set last", 16384 + n, last
    if (host == "b")
      print "service add", 16384 + n, "demux"
    for (i = 1; host == "a" && i <= n; i++)
      print "service add", 16384 + i, "forward 10.0.0.2"
  }'
}

add_sal() {
  local n=0 host begin
  for host in a b; do
    n=$((n + 1))
    start "$host-$1" "$host-$1" "$sald" --inner "10.254.0.$n/16" \
      --services 10.255.0.0/16 --rules $(($2 + 16)) --control "/run/$host-$1.sock"
    until_true "$salctl" -c "/run/$host-$1.sock" hello
  done
  begin=${EPOCHREALTIME/[.,]/}
  for host in b a; do
    rules "$2" "$host" >"$folder/rules"
    "$salctl" -c "/run/$host-$1.sock" -b "$folder/rules" >/dev/null
  done
  built[$1]=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
}

declare -A address=([none]=10.0.0.2)
hosts none
ways=(none)
for n in "${counts[@]}"; do
  for way in list map sal; do
    hosts "$way-$n"
    ways+=("$way-$n")
    address[$way-$n]=$service
    if [ $way = sal ]; then
      add_sal "sal-$n" "$n"
      continue
    fi
    ip -n "a-$way-$n" route add 10.255.0.0/16 via 10.0.0.2
    built[$way-$n]=$(inside "a-$way-$n" "$nat_rules" $way "$n" $service 10.0.0.2)
  done
done
for way in "${ways[@]}"; do
  until_true inside "a-$way" ping -q -c 1 -W 1 "${address[$way]}"
  until_true inside "a-$way" "$connect_time" "${address[$way]}" 80 1
done

# ---- measuring --------------------------------------------------------------

note() {
  [ "$3" ] || die "no $2 of $1"
  echo "$3" >>"$folder/$1.$2"
}

figure() {
  median <"$folder/$1.$2"
}

# In us: of one flow, behind its first packet.
later() {
  inside "a-$1" ping -c $((pings + 1)) -i 0.002 -W 5 "${address[$1]}" |
    sed -n 's/.*seq=[^1].* time=\([0-9.]*\) ms/\1/p' | median | awk '{ print $1 * 1000 }'
}

# A flow each.
first() {
  for ((i = 0; i < firsts; i++)); do
    inside "a-$1" ping -c 1 -W 5 "${address[$1]}"
  done | sed -n 's/.* time=\([0-9.]*\) ms/\1/p' | median | awk '{ print $1 * 1000 }'
}

# In Gbit/s.
throughput() {
  iperf3_json "a-$1" "${address[$1]}" "$seconds" |
    jq -r '.end.sum_received.bits_per_second / 1e9'
}

for ((round = 0; round < rounds; round++)); do
  for way in "${ways[@]}"; do
    note "$way" first "$(first "$way")"
    note "$way" later "$(later "$way")"
    note "$way" connect "$(inside "a-$way" "$connect_time" "${address[$way]}" 80 $connects)"
    note "$way" gbits "$(throughput "$way")"
  done
done

printf 'median of %s, and in brackets the ratio to no service\n\n' "$rounds"
printf '%-10s %19s %19s %19s %19s %9s\n' '' 'first ping, us' 'later, us' \
  'connect, us' 'TCP, Gbit/s' 'built, ms'
for way in "${ways[@]}"; do
  printf '%-10s' "$way"
  for what in first later connect gbits; do
    value=$(figure "$way" $what)
    printf ' %9.2f (%7s)' "$value" "$(ratio "$value" "$(figure none $what)")"
  done
  printf ' %9s\n' "${built[$way]:--}"
done
