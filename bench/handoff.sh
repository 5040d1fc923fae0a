#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Live TCP connections of a service are handed over to another host, and back: how long
# that takes from the first one's hold to the last one's end, and how long each of them
# stands still (from its hold until all that is its own is done). Programs are taken in
# turns, as that of a build before a change and after it; medians, in ms, and ratios to
# the first program.
#
#     bench/handoff.sh SOURCES ROUNDS FLOWS PROGRAM...
#
# Each PROGRAM has its sald and serval-handoff-echo beside it. The flows are streams of
# 400 kbit/s.
set -euo pipefail
# shellcheck source=bench/lib.sh
. "$1/bench/lib.sh"
[ $# -ge 4 ] || die "usage: bench/handoff.sh SOURCES ROUNDS FLOWS PROGRAM..."
rounds=$2 flows=$3
shift 3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

{
  cat <<YAML
version: 1
name: many
topology:
  nodes: { a: {}, c: {}, d: {}, lan: { kind: bridge, subnet: [10.0.0.0/24, "fd00:1::/64"] } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["c:eth0", lan] }
    - { endpoints: ["d:eth0", lan] }
services:
  bulk: { resolver: sal, port: tcp/5001, instances: [c], run: [at-c, at-d] }
processes:
  at-c: { node: c, run: exec serval-handoff-echo, ready: { listens: tcp/5001 } }
  at-d: { node: d, run: exec serval-handoff-echo, ready: { listens: tcp/5001 } }
timeline:
  - { at: 1s, name: there, migrate: { service: bulk, from: c, to: d, mode: handoff } }
  - { after: there, plus: 500ms, migrate: { service: bulk, from: d, to: c, mode: handoff } }
probes:
YAML
  for ((i = 0; i < flows; i++)); do
    echo "  p$i: { kind: tcp_stream, node: a, to: bulk, for: 5s, rate: 400kbit }"
  done
} >"$folder/many.yaml"

# measure PROGRAM: a line for each handoff: all, then the least, median and greatest
# standstill, in ms.
measure() {
  rm -rf "$folder/results"
  "$1" run -q -r "$folder/results" "$folder/many.yaml" >"$folder/out" 2>&1 || [ $? = 4 ] ||
    die "$1: $(<"$folder/out")"
  jq -rs '[.[] | select(.event == "action.step" and (.step | startswith("handoff.")))] | group_by(.id)[] |
    (map(select(.step == "handoff.hold")) | map({ key: (.flow | tostring), value: .mono_ns }) | from_entries) as $hold |
    [.[] | select(.step == "handoff.committed") | .mono_ns - $hold[.flow | tostring]] as $still |
    select($still | length > 0) | ($still | sort) as $s |
    [(map(.mono_ns) | max - min), $s[0], $s[($s | length) / 2 | floor], $s[-1]] | map(. / 1e6) | @tsv' \
    "$folder"/results/*/*/events.jsonl
}

for ((round = 0; round < rounds; round++)); do
  n=0
  for program; do
    measure "$program" >>"$folder/$n"
    n=$((n + 1))
  done
done

printf '%-40s %9s %9s %9s %9s\n' "program ($(wc -l <"$folder/0") handoffs of $flows flows)" all least median greatest
n=0
for program; do
  printf '%-40s' "$program"
  for column in 1 2 3 4; do printf ' %9.1f' "$(cut -f $column "$folder/$n" | median)"; done
  echo
  [ $n = 0 ] || {
    printf '%-40s' "  of the first"
    for column in 1 2 3 4; do
      printf ' %9s' "$(ratio "$(cut -f $column "$folder/$n" | median)" "$(cut -f $column "$folder/0" | median)")"
    done
    echo
  }
  n=$((n + 1))
done
echo "load: $(cut -d ' ' -f 1-3 /proc/loadavg)"
