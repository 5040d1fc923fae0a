#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How long a dead instance is still asked: a web server is killed while another host
# asks for its service every 2 ms, each time anew.
#   bench/active.sh PROGRAM SOURCE [RUNS]
# Times in ms from the kill on: until the host's own sald has closed the service, until
# all others know, and of the last SYN that was sent there.
set -euo pipefail
program=$(realpath "$1") runs=${3:-10}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/active.yaml" <<'Y'
version: 1
name: active
duration: 1500ms
topology:
  nodes: { a: {}, c: {}, d: {}, lan: { kind: bridge, subnet: 10.0.0.0/24 } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["c:eth0", lan] }
    - { endpoints: ["d:eth0", lan] }
services: { web: { resolver: sal, port: tcp/80, candidates: [c, d] } }
processes:
  at-c: { node: c, serve: tcp/80 }
  at-d: { node: d, serve: tcp/80 }
probes: { ask: { kind: tcp_request, node: a, to: web, interval: 2ms, for: 1s, connection: each } }
timeline: [ { at: 500ms, kill: at-c, signal: KILL } ]
Y
printf '%8s %8s %8s %8s\n' closed known "last SYN" failed
for ((i = 0; i < runs; i++)); do
  rm -rf "$dir/results"
  "$program" run --quiet --results "$dir/results" "$dir/active.yaml" >"$dir/out" 2>&1 ||
    { cat "$dir/out"; exit 1; }
  events=$(echo "$dir"/results/active/*/events.jsonl)
  record=$(dirname "$events")
  kill_ns=$(jq -s 'map(select(.event == "action.start"))[0].mono_ns' "$events")
  offset=$(jq -s 'map(select(.event == "clock"))[0] | .real_ns - .mono_ns' "$events")
  after() {
    jq -s --argjson k "$kill_ns" "(map(select($1))[0].mono_ns - \$k) / 1e6" "$events"
  }
  # A SYN: the first extension is CONTROL (1), with flags 0x80.
  last=$(tshark -n -r "$record/trace.pcapng" -Y 'ip.proto == 144 && ip.src == 10.0.0.1 && ip.dst == 10.0.0.2' \
    -T fields -e frame.time_epoch -e data.data 2>/dev/null |
    awk -v k="$kill_ns" -v o="$offset" 'substr($2, 25, 1) == "1" && substr($2, 29, 2) == "80" { t = $1 }
      END { print (t * 1e9 - o - k) / 1e6 }')
  printf '%8.2f %8.2f %8.2f %8d\n' \
    "$(after '.event == "sal.service.closed" and .node == "c"')" \
    "$(after '.event == "service.instance" and .node == "c" and (.listens | not)')" \
    "$last" "$(awk -F, 'NR > 1 && $4 != "" { n++ } END { print n + 0 }' "$record/probes/ask.csv")"
done
