#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Does a ping through a NAT take longer, the more services the NAT knows?
#
#   nat-rules.sh generate N               a scenario with N other services, on
#                                         standard output
#   nat-rules.sh measure SERVALAB [N...]  runs them, for N of 0, 1, 10, 100 and
#                                         1,000, and prints a table
#
# A NAT looks into its rules for the first packet of a connection only; the others
# follow what conntrack remembers. So there are many pings here, one after the
# other, each a connection of its own: of interest is how long the first packet of
# each takes, beside all the others. PINGS (20) is how many, PACKETS (20) how many
# packets each has.
set -euo pipefail

pings=${PINGS:-20} packets=${PACKETS:-20}

generate() {
  local n=$1 i
  cat <<Y
version: 1
name: nat-rules-$n
description: A ping to a service at a router whose NAT knows $n others.
seed: 7
topology:
  nodes: { a: {}, r: { kind: router }, c: {} }
  links:
    - { endpoints: ["a:eth0", "r:eth0"], subnet: 10.0.1.0/24 }
    - { endpoints: ["r:eth1", "c:eth0"], subnet: 10.0.2.0/24 }
services:
Y
  # The one that is asked comes last.
  for ((i = 1; i <= n; i++)); do
    printf '  other-%d: { resolver: nat, instances: [c], at: r }\n' "$i"
  done
  printf '  echo: { resolver: nat, instances: [c], at: r }\nprobes:\n'
  for ((i = 0; i < pings; i++)); do
    printf '  ping-%d: { kind: ping, node: a, to: echo, at: %dms, interval: 5ms, for: %dms }\n' \
      "$i" $((i * packets * 5)) $((packets * 5))
  done
  printf 'expect:\n  - { service: echo, answered_by: [c] }\n'
  for ((i = 0; i < pings; i++)); do
    printf '  - { probe: ping-%d, sent: %d, lost: 0 }\n' "$i" "$packets"
  done
}

# median: of the numbers on standard input.
median() {
  sort -n | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "-" }'
}

# times RECORD first|other: round trips in microseconds.
times() {
  awk -F, -v which="$2" 'FNR > 1 && $4 == 1 && (($1 == 0) == (which == "first")) {
    print ($3 - $2) / 1000 }' "$1"/probes/*.csv
}

measure() {
  local servalab=$1 n folder record
  shift
  [ $# -gt 0 ] || set -- 0 1 10 100 1000
  folder=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$folder'" EXIT
  printf '%8s  %22s  %22s\n' "services" "first packet, median" "others, median"
  for n; do
    generate "$n" >"$folder/nat-rules.yaml"
    "$servalab" run -q -r "$folder/results" "$folder/nat-rules.yaml" >"$folder/out" 2>&1 || {
      cat "$folder/out" >&2
      exit 1
    }
    record=$(sed -n 's/^record: //p' "$folder/out")
    printf '%8d  %19.1f us  %19.1f us\n' "$n" "$(times "$record" first | median)" \
      "$(times "$record" other | median)"
  done
}

case "${1:-}" in
generate | measure)
  [ -n "${2:-}" ] || {
    sed -n '4,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
  }
  "$@"
  ;;
*)
  sed -n '4,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
