#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A client with two ways to a server loses the one in use: how long does what it was
# doing stand still? By plain TCP, by the kernel's MPTCP (whose endpoints follow the
# addresses, as a daemon would have them), and by TCP and UDP over the SAL.
#
#     bench/failover.sh PROGRAM SOURCES [ROUNDS]       (10 rounds; SHORT=1: one)
#
# All four are under way in the same lab, and so see the same event at the same
# moment; the five events are taken in turns. Silence is noticed by asking: the SAL
# asks who has not answered for 40 ms, twice, 20 ms apart. Medians of the longest time
# without a byte, or an answer, from the event on. The sald beside PROGRAM is used.
set -euo pipefail
# shellcheck source=bench/lib.sh
. "$2/bench/lib.sh"
command -v jq >/dev/null || die "needs jq"
command -v ip >/dev/null || die "needs ip"

program=$(realpath "$1")
rounds=${3:-10} events=(down carrier address deleted silent) last=4000
if [ -n "${SHORT:-}" ]; then
  rounds=1 events=(carrier address) last=2000
fi
ways=(tcp mptcp sal-tcp sal-udp)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# What happens, as an action. Silence is the one that no end can see.
declare -A action=(
  [down]='exec: "ip link set eth0 down", node: client'
  [carrier]='link: first, state: down'
  [address]='interface: "client:eth0", address: none'
  [deleted]='interface: "client:eth0", state: absent'
  [silent]='link: first, loss: 100%'
)
declare -A name=(
  [down]='local link down'
  [carrier]='carrier lost'
  [address]='address removed'
  [deleted]='interface deleted'
  [silent]='silence'
)

scenario() { # EVENT
  cat <<Y
version: 1
name: failover-$1
topology:
  defaults: { link: { backend: emulated } }
  nodes:
    client: {}
    server: {}
    r1:     { kind: router }
    r2:     { kind: router }
    core:   { kind: router }
  links:
    - { name: first,  endpoints: ["client:eth0", "r1:eth0"], delay: 8ms }
    - { name: second, endpoints: ["client:eth1", "r2:eth0"], delay: 8ms }
    - { endpoints: ["r1:eth1", core], delay: 1ms }
    - { endpoints: ["r2:eth1", core], delay: 1ms }
    - { endpoints: ["server:eth0", core], delay: 1ms }
sal: { liveness: 40ms, probe_gap: 20ms, probes: 2 }
services:
  bulk: { resolver: sal, port: tcp/5001, instances: [server] }
  talk: { resolver: sal, port: udp/7, instances: [server] }
processes:
  echo: { node: server, echo: udp/7 }
  bulk: { node: server, serve: tcp/5001 }
probes:
  tcp:     { kind: tcp_stream, node: client, to: server, port: 5001, for: ${last}ms, rate: 8mbit }
  mptcp:   { kind: tcp_stream, node: client, to: server, port: 5001, for: ${last}ms, rate: 8mbit, mptcp: true }
  sal-tcp: { kind: tcp_stream, node: client, to: bulk, for: ${last}ms, rate: 8mbit }
  sal-udp: { kind: udp_echo, node: client, to: talk, interval: 2ms, for: ${last}ms }
  rtt:     { kind: ping, node: client, to: server, interval: 20ms, for: 900ms }
duration: $((last + 200))ms
timeline:
  - { at: 1s, do: { ${action[$1]} } }
Y
}

# measure EVENT: one run; appends to a file for each way, in ms. A way that never came
# back has the rest of the run, and is told as more than that.
measure() {
  local event=$1 record way ms
  scenario "$event" >"$folder/failover-$event.yaml"
  rm -rf "$folder/results"
  "$program" run -q -r "$folder/results" "$folder/failover-$event.yaml" >"$folder/out" 2>&1 ||
    [ $? = 4 ] || die "failover-$event: $(<"$folder/out")"
  record=$(find "$folder/results" -mindepth 2 -maxdepth 2 -type d)
  [ "$(jq -r .verdict "$record/results.json")" != invalid ] || echo x >>"$folder/invalid"
  jq '.probes.rtt.rtt.p50_ns / 1e6' "$record/results.json" >>"$folder/rtt"
  for way in "${ways[@]}"; do
    ms=$(jq --arg way "$way" '[.probes[$way].phases[] | select(.action == 0) |
      .outage.length_ns // 0] | max / 1e6' "$record/results.json")
    printf '%s\n' "$ms" >>"$folder/$event.$way"
  done
  # Where the content is wrong there is nothing to compare.
  jq -e '[.probes["mptcp", "sal-tcp"].stream.intact] | all' "$record/results.json" >/dev/null ||
    die "failover-$event: wrong bytes: $(jq -c .probes "$record/results.json")"
}

for ((i = 0; i < rounds; i++)); do
  for event in "${events[@]}"; do
    measure "$event"
  done
done

rtt=$(median <"$folder/rtt")
invalid=$([ -f "$folder/invalid" ] && wc -l <"$folder/invalid" || echo 0)
printf 'round trip %.1f ms; longest time without a byte or an answer, ms: median of %s (least, most)\n' \
  "$rtt" "$rounds"
printf '%s of %s runs by a machine that was too busy for its links\n\n' "$invalid" \
  $((rounds * ${#events[@]}))
printf '| event |'
printf ' %s |' "${ways[@]}" "sal-tcp / mptcp"
printf '\n|---|---|---|---|---|---|\n'
for event in "${events[@]}"; do
  printf '| %s |' "${name[$event]}"
  for way in "${ways[@]}"; do
    sort -g "$folder/$event.$way" >"$folder/sorted"
    middle=$(median <"$folder/sorted")
    awk -v m="$middle" -v end=$((last - 1100)) -v least="$(head -n 1 "$folder/sorted")" \
      -v most="$(tail -n 1 "$folder/sorted")" 'BEGIN {
        if (m > end) printf " never (> %.0f) |", end
        else printf " %.0f (%.0f, %.0f) |", m, least, most }'
  done
  printf ' %s |\n' "$(ratio "$(median <"$folder/$event.sal-tcp")" "$(median <"$folder/$event.mptcp")")"
done
