#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What looking for listeners costs where nothing happens: hosts that are candidates of a
# service, of which one serves.
#   bench/active_cost.sh PROGRAM [CANDIDATES] [SECONDS]
# The processor time of all sald together, in ticks (10 ms) and as a share of one core.
set -euo pipefail
program=$(realpath "$1") hosts=${2:-40} seconds=${3:-8}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
{
  echo 'version: 1'
  echo 'name: active-cost'
  echo "duration: $((seconds + 30))s"
  echo 'topology:'
  echo '  nodes:'
  for ((i = 1; i <= hosts; i++)); do echo "    h$i: {}"; done
  echo '    lan: { kind: bridge, subnet: 10.0.0.0/22 }'
  echo '  links:'
  for ((i = 1; i <= hosts; i++)); do echo "    - { endpoints: [\"h$i:eth0\", lan] }"; done
  echo "services: { web: { resolver: sal, port: tcp/80, candidates: [$(seq -s, -f h%g 1 "$hosts")] } }"
  echo 'processes: { at: { node: h1, serve: tcp/80 } }'
} >"$dir/cost.yaml"
"$program" run --quiet --results "$dir/results" "$dir/cost.yaml" >"$dir/out" 2>&1 &
run=$!
# All sald of this run, and no other's: descendants of its process.
descendants() {
  local pid
  for pid in $(pgrep -P "$1"); do
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) != sald ]] || echo "$pid"
    descendants "$pid"
  done
}
for ((k = 0; k < 1200; k++)); do
  pids=$(descendants "$run")
  [[ $(wc -w <<<"$pids") != "$hosts" ]] || break
  kill -0 "$run" 2>/dev/null || { cat "$dir/out"; exit 1; }
  sleep 0.1 # between two looks
done
# The time itself is what is measured after: behind a start, and what is told it while the
# lab is built, a sald looks more often for a second.
sleep 4
ticks() {
  local pid sum=0
  for pid in $pids; do
    read -r _ _ _ _ _ _ _ _ _ _ _ _ _ u s _ <"/proc/$pid/stat"
    sum=$((sum + u + s))
  done
  echo "$sum"
}
before=$(ticks) start=$(date +%s%N)
sleep "$seconds" # what is measured
after=$(ticks) end=$(date +%s%N)
kill -TERM "$run"
wait "$run" || true
awk -v n="$(wc -w <<<"$pids")" -v t=$((after - before)) -v ns=$((end - start)) -v hz="$(getconf CLK_TCK)" \
  'BEGIN { s = ns / 1e9; printf "%d sald: %d ticks in %.1f s, %.3f of a core\n", n, t, s, t / hz / s }'
