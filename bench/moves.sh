#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A host with many conversations moves once: is that one burst of RSYNs, and how long
# does it take? Real salds, and a program with a UDP socket for each conversation.
#
#     bench/moves.sh SALD SOURCES SALCTL MOVE_FLOWS [FLOWS [ROUNDS]]   (1000 flows, 5)
#
# SHORT=1: 100 flows, once. The host has two links to a router, or one:
#
#     a  eth0 10.1.0.1 ---- 10.1.0.9  r  10.3.0.9 ---- 10.3.0.1 eth0  b
#        eth1 10.2.0.1 ---- 10.2.0.9
#
# Two ways to move: eth0 goes down, and eth1 is there (it was told, and proven); or eth0,
# the only one, gets another address, which nobody has heard of, in the place of its own. Exits 1 where not all have moved, or by more RSYNs than there are flows
# and repetitions.
set -euo pipefail
# shellcheck source=bench/lib.sh
. "$2/bench/lib.sh"

for tool in ip jq ping unshare; do
  command -v "$tool" >/dev/null || die "needs $tool"
done
if [ -z "${SERVALAB_BENCH_INSIDE:-}" ]; then
  SERVALAB_BENCH_INSIDE=1 exec unshare --user --map-root-user --fork --pid --kill-child \
    --mount --mount-proc --net -- "$0" "$@"
fi
sald=$(realpath "$1") salctl=$(realpath "$3") moves=$(realpath "$4")
flows=${5:-1000} rounds=${6:-5}
[ -z "${SHORT:-}" ] || flows=100 rounds=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mount -t tmpfs tmpfs /run

pids=()
# link HOST LINK NET NODE: HOST's LINK to r.
link() {
  ip link add "$2" netns "$1" type veth peer name "$1-$2" netns r
  ip -n "$1" addr add "10.$3.0.1/24" dev "$2"
  ip -n r addr add "10.$3.0.9/24" dev "$1-$2"
  ip -n "$1" link set "$2" up
  ip -n r link set "$1-$2" up
  ip -n "$1" route add default via "10.$3.0.9" dev "$2" metric "$3"
}

# build LINKS: the hosts, and a sald on each.
build() {
  local host n=0 i
  pids=()
  for host in a b r; do
    ip netns add "$host"
    ip -n "$host" link set lo up
  done
  inside r sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
  for ((i = 0; i < $1; i++)); do
    link a "eth$i" $((i + 1))
  done
  link b eth0 3
  until_true inside a ping -q -c 1 -W 1 10.3.0.1
  for host in a b; do
    n=$((n + 1))
    ip netns exec "$host" "$sald" --inner "10.254.0.$n/16" --services 10.255.0.0/16 \
      --flows $((2 * flows)) --control "/run/$host.sock" >"$folder/$host.log" 2>&1 &
    pids+=($!)
    until_true "$salctl" -c "/run/$host.sock" hello
    "$salctl" -c "/run/$host.sock" name set echo 16385 10.255.0.1
  done
  "$salctl" -c /run/b.sock service add 16385 demux
  "$salctl" -c /run/a.sock service add 16385 forward 10.3.0.1
  ip netns exec b "$moves" --echo 7 >"$folder/echo.log" 2>&1 &
  pids+=($!)
}

take_down() {
  kill "${pids[@]}"
  wait "${pids[@]}" 2>/dev/null || true
  ip netns del a
  ip netns del b
  ip netns del r
}

# counter HOST NAME: of its sald.
counter() {
  "$salctl" -c "/run/$1.sock" stats | awk -v name="$2" '$1 == name { print $2 }'
}

# measure WAY LINKS COMMAND...: appends a line of JSON to a file for each way.
measure() {
  local way=$1 out name host sum
  build "$2"
  shift 2
  out=$(inside a "$moves" 10.255.0.1 7 "$flows" "$@") || die "$way: $(cat "$folder"/*.log)"
  for name in retransmissions underlay_full underlay_send_failed underlay_overrun \
    queue_full; do
    sum=0
    for host in a b; do
      sum=$((sum + $(counter "$host" "$name")))
    done
    out=$(jq -c --arg name "$name" --argjson sum "$sum" '.[$name] = $sum' <<<"$out")
  done
  sum=0
  for host in a b; do
    sum=$((sum + $(ip -n "$host" -s -j link show sal0 | jq '.[0].stats64.tx.dropped')))
  done
  out=$(jq -c --argjson sum "$sum" '.tun_full = $sum' <<<"$out")
  printf '%s\n' "$out" >>"$folder/$way"
  take_down
}

for ((i = 0; i < rounds; i++)); do
  measure proven 2 ip link set eth0 down
  measure new 1 sh -c 'ip addr del 10.1.0.1/24 dev eth0 &&
    ip addr add 10.1.0.3/24 dev eth0 && ip route add default via 10.1.0.9'
done

of() { # WAY FIELD
  jq ".\"$2\"" "$folder/$1" | median
}
printf '%s flows of one host moved at once; medians of %s\n\n' "$flows" "$rounds"
printf '| | to a proven address | to a new one |\n|---|---|---|\n'
row() { # FIELD TEXT
  printf '| %s | %s | %s |\n' "$2" "$(of proven "$1")" "$(of new "$1")"
}
row RSYN 'RSYNs in the first second'
row packets 'packets of the SAL in the first second'
row bytes 'their bytes, with IP headers'
row first_rsyn_ms 'first RSYN, ms after the command began'
row burst_ms 'from the first RSYN to the last flow'\''s, ms'
row complete_ms 'last flow ESTABLISHED, ms'
row answered_ms 'last answer to a program, ms'
row asked_again 'questions that programs asked again'
row retransmissions 'control packets sent again (both salds)'
row tun_full 'dropped: no room in the TUN devices (both hosts)'
row underlay_full 'dropped: no room in the way out'
row underlay_overrun 'dropped: no room in the way in'

# Each way: as many flows have moved as there are, by no more RSYNs than they and what
# was sent again explain.
jq -es --argjson n "$flows" 'all(.[]; .moved == $n and
  (.unseen > 0 or .RSYN <= $n + .retransmissions))' "$folder/proven" "$folder/new" >/dev/null ||
  { jq -c . "$folder/proven" "$folder/new" >&2 && exit 1; }
