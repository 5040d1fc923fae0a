#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The kernel's emulation and ours, given the same properties, do the same, as far
# as chance tells: two links side by side in one lab, one of each, and the same
# packets over both. Where the kernel has no netem, there is nothing to compare with,
# and the test says so and is skipped. $3: the other backend (kernel); with
# "emulated", what is compared is ours with itself, on other fates.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
need jq awk

program=$1 other=${3:-kernel}
if [ "$other" = kernel ]; then
  state=$({ "$program" doctor 2>/dev/null || true; } |
    awk '/netem queueing discipline/ { print $1 }')
  [ "$state" ] || fail "the doctor does not know of netem"
  if [ "$state" != ok ]; then
    echo "SKIPPED: this kernel has no netem to compare with"
    exit 77
  fi
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

packets=4000
cat >"$folder/both.yaml" <<YAML
version: 1
name: both
topology:
  defaults:
    link:
      delay: 20ms
      jitter: { spread: 8ms, unordered: true }
      loss: 3%
      duplicate: 4%
  nodes: { a: {}, b: {}, c: {} }
  links:
    - { endpoints: ["a:ours", b], name: ours, backend: emulated, tolerance: 60s }
    - { endpoints: ["a:other", c], name: other, backend: $other }
processes:
  at-b: { node: b, echo: udp/7000 }
  at-c: { node: c, echo: udp/7000 }
probes:
  meet-ours: { kind: ping, node: a, to: b, interval: 100ms, for: 1s }
  meet-other: { kind: ping, node: a, to: c, interval: 100ms, for: 1s }
  ours: { kind: udp_echo, node: a, to: b, port: 7000, interval: 2ms, at: 2s, for: $((packets * 2))ms }
  other: { kind: udp_echo, node: a, to: c, port: 7000, interval: 2ms, at: 2s, for: $((packets * 2))ms }
YAML
mkdir "$folder/results"
run_scenario 0 "$folder/results" "$folder/both.yaml"

# Counts of both: they differ by less than six standard deviations.
count() {
  jq ".probes[\"$1\"].$2" "$record/results.json"
}
# Lost on one of two ways: 0.0591; twice, at least: by either of two duplications.
for figure in lost:0.0591 duplicated:0.0752; do
  name=${figure%:*}
  awk -v n="$packets" -v p="${figure#*:}" -v a="$(count ours "$name")" \
    -v b="$(count other "$name")" -v name="$name" 'BEGIN {
      far = 6 * sqrt(2 * n * p * (1 - p))
      print name ": ours " a ", other " b ", may differ by " far
      exit !(a - b < far && b - a < far && a > 0 && b > 0)
    }' || fail "$name differs by more than chance"
done

# The round-trip times of the first answers: Kolmogorov and Smirnov's greatest
# distance of the two distributions. What a busy machine adds, it adds to both.
for name in ours other; do
  awk -F, 'NR > 1 && $4 == 1 { print $3 - $2 }' "$record/probes/$name.csv" |
    sort -n | sed "s/\$/ $name/"
done | sort -n | awk '
  { n[$2]++; name[NR] = $2 }
  END {
    for (i = 1; i <= NR; i++) {
      seen[name[i]]++
      d = seen["ours"] / n["ours"] - seen["other"] / n["other"]
      d = d < 0 ? -d : d
      most = d > most ? d : most
    }
    m = n["ours"] * n["other"] / (n["ours"] + n["other"])
    print "round-trip times: distance " most ", at p = 10^-6 " 2.69 / sqrt(m)
    exit !(most < 2.69 / sqrt(m) + 0.05)
  }' || fail "the distributions of the round-trip times differ"
