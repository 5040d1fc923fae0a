#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The kernel's token bucket and our rate, side by side in one lab: of the same rate,
# and with queues of the same time, they let the same stream through at the same speed,
# before a change and behind it. (equivalence.sh compares the rest, where there is netem.)
# Where the kernel has no tbf, the test says so and is skipped.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
need jq awk

program=$1
state=$({ "$program" doctor 2>/dev/null || true; } |
  awk '/tbf queueing discipline/ { print $1 }')
[ "$state" ] || fail "the doctor does not know of tbf"
if [ "$state" != ok ]; then
  echo "SKIPPED: this kernel has no tbf to compare with"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/rates.yaml" <<'YAML'
version: 1
name: rates
topology:
  defaults: { link: { rate: 4mbit, queue: 100ms, tolerance: 60s } }
  nodes: { a: {}, b: {}, c: {} }
  links:
    - { endpoints: ["a:ours", b], name: ours, backend: emulated }
    - { endpoints: ["a:kernels", c], name: kernels, backend: kernel }
processes:
  at-b: { node: b, serve: tcp/5001 }
  at-c: { node: c, serve: tcp/5001 }
probes:
  ours: { kind: tcp_stream, direction: upload, node: a, to: b, port: 5001, for: 4s }
  kernels: { kind: tcp_stream, direction: upload, node: a, to: c, port: 5001, for: 4s }
timeline:
  - { at: 2s, do: [{ link: ours, rate: 12mbit }, { link: kernels, rate: 12mbit }] }
expect:
  - { probe: ours, intact: true }
  - { probe: kernels, intact: true }
YAML
mkdir "$folder/results"
run_scenario 0 "$folder/results" "$folder/rates.yaml"

# What came from a second after the beginning of the one rate to its end, and of the
# other, in bytes a second. Of a frame of 1514 bytes 1448 are the stream's.
zero=$(jq -s 'map(select(.event == "timeline.start").mono_ns)[0]' "$record/events.jsonl")
for name in ours kernels; do
  for phase in 1:2:4 3:4:12; do
    IFS=: read -r from to mbit <<<"$phase"
    awk -F, -v from="$from" -v to="$to" -v zero="$zero" \
      'NR > 1 && $1 >= zero + from * 1e9 && $1 < zero + to * 1e9 { n += $2 } END { print n + 0 }' \
      "$record/probes/$name.csv" >"$folder/$name.$mbit"
  done
done
for mbit in 4 12; do
  ours=$(<"$folder/ours.$mbit") kernels=$(<"$folder/kernels.$mbit")
  echo "$mbit Mbit/s: ours $ours, the kernel's $kernels bytes of the stream in a second"
  # Neither is faster than asked, but for what waits for a segment that is sent again, and
  # is all there when that comes. A bucket loses what its tokens are worth while it is not looked after, and we
  # lose nothing by being late: on a busy machine the kernel's may be slower.
  awk -v mbit="$mbit" -v ours="$ours" -v kernels="$kernels" 'BEGIN {
      most = mbit * 1e6 / 8 * 1448 / 1514
      exit !(ours < 1.3 * most && ours > 0.6 * most && kernels < 1.7 * most &&
        kernels > 0.4 * ours)
    }' || fail "the rates of $mbit Mbit/s differ by more than a busy machine explains"
done
