#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From nothing to the answer of a first ping between two hosts, and back to
# nothing: servalab, which also captures, judges and writes a record, beside a
# script of ip(8) and ping(8) that does the bare minimum, beside the cost of
# starting any program at all. Taken in turns; medians.
#
#     bench/cold_start.sh PROGRAM SOURCES [ROUNDS]       (20 rounds)
#
# All of it happens in a user namespace: nothing of it touches the machine.
set -euo pipefail
# shellcheck source=bench/lib.sh
. "$2/bench/lib.sh"

if [ -z "${SERVALAB_BENCH_INSIDE:-}" ]; then
  SERVALAB_BENCH_INSIDE=1 exec unshare --user --map-root-user --fork --pid \
    --kill-child --mount --mount-proc --net -- "$0" "$@"
fi
program=$(realpath "$1") scenario=$(realpath "$2")/scenarios/two-hosts.yaml
rounds=${3:-20}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mount -t tmpfs tmpfs /run
command -v ip ping >/dev/null || die "needs ip and ping"

by_servalab() {
  "$program" run -q -r "$folder/results" "$scenario" >"$folder/out" 2>&1 ||
    die "servalab: $(<"$folder/out")"
}

# As one would write it by hand, with nothing that could be left out.
by_ip() {
  ip netns add a
  ip netns add b
  ip link add eth0 netns a type veth peer name eth0 netns b
  ip -n a addr add 10.64.0.1/24 dev eth0
  ip -n b addr add 10.64.0.2/24 dev eth0
  ip -n a link set eth0 up
  ip -n b link set eth0 up
  ip netns exec a ping -q -c 1 -W 2 10.64.0.2 >"$folder/out" || die "ping: $(<"$folder/out")"
  ip netns del a
  ip netns del b
}

by_nothing() {
  /bin/true
}

# clock NAME: runs by_NAME, notes how long it took, in ms.
clock() {
  local start=${EPOCHREALTIME/[.,]/}
  "by_$1"
  local end=${EPOCHREALTIME/[.,]/}
  awk -v us=$((end - start)) 'BEGIN { printf "%.3f\n", us / 1000 }' >>"$folder/$1.ms"
}

for ((i = 0; i < rounds; i++)); do
  for way in servalab ip nothing; do
    clock "$way"
  done
done

own=$(median <"$folder/servalab.ms")
ip=$(median <"$folder/ip.ms")
none=$(median <"$folder/nothing.ms")
printf 'median of %s, ms: servalab %.1f, script of ip %.1f, starting a program %.2f\n' \
  "$rounds" "$own" "$ip" "$none"
printf 'servalab / script: %s\n' "$(ratio "$own" "$ip")"
