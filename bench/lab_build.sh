#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A star of N hosts on one bridge: how long until it carries packets, and how
# long until nothing of it is left. servalab, beside the floor (the same requests
# to the kernel from a bare loop, lab_build_floor.c) and beside a script of ip(8)
# that batches what it can. Taken in turns; medians; ratios to the floor.
#
#     bench/lab_build.sh PROGRAM SOURCES FLOOR UNTIL_GONE [N...]
#
# SHORT=1: ten hosts, once: shows that it works, and measures nothing.
#
# "ready" is servalab's lab alone, from the first request to the kernel until
# every interface carries packets, which is what the floor does; "from start"
# is all of it, from starting the program. "whole run" also starts the capture
# at every interface, runs for 1 ms, stops, judges, and lasts until all is gone.
set -euo pipefail
# shellcheck source=bench/lib.sh
. "$2/bench/lib.sh"
program=$(realpath "$1") floor=$(realpath "$3") until_gone=$(realpath "$4")
sizes=("${@:5}")
rounds=3
[ ${#sizes[@]} -gt 0 ] || sizes=(10 100 500 1000)
[ -z "${SHORT:-}" ] || { sizes=(10) rounds=1; }
command -v ip unshare >/dev/null || die "needs ip and unshare"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

scenario() {
  local i
  echo "version: 1"
  echo "name: star"
  echo "duration: $2"
  echo "topology:"
  echo "  nodes:"
  echo '    lan: { kind: bridge, subnet: "10.64.0.0/16" }'
  for ((i = 0; i < $1; i++)); do
    echo "    h$i: {}"
  done
  echo "  links:"
  for ((i = 0; i < $1; i++)); do
    echo "    - { endpoints: [\"h$i:eth0\", lan] }"
  done
}

# What one would write for ip(8), with as few processes as it allows.
cat >"$folder/star.sh" <<'E2'
set -e
n=$1 folder=$2
mount -t tmpfs tmpfs /run
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
ip link add name sw type bridge forward_delay 0 mcast_snooping 0
ip link set sw up
for ((i = 0; i < n; i++)); do echo "netns add h$i"; done | ip -batch -
for ((i = 0; i < n; i++)); do
  echo "link add p$i master sw type veth peer name eth0 netns h$i"
  echo "link set p$i up"
done | ip -batch -
for ((i = 0; i < n; i++)); do
  ip -n "h$i" -batch - <<B
link set lo up
link set eth0 addrgenmode none up
addr add 10.64.$((i / 250 + 1)).$((i % 250 + 1))/16 dev eth0
B
done
echo "built by ip" >&2
for ((i = 0; i < n; i++)); do echo "netns del h$i"; done | ip -batch -
E2

# note WAY FIGURE VALUE
note() {
  [ "$3" ] || die "no $2 of $1"
  echo "$3" >>"$folder/$1.$2"
}

once() {
  local n=$1 out events
  out=$("$floor" "$n") || die "the floor failed"
  note floor build "$(field build_ms "$out")"
  note floor gone "$(field teardown_ms "$out")"

  rm -rf "$folder/results"
  out=$("$until_gone" --kill "$program" run -r "$folder/results" "$folder/star.yaml" \
    2>"$folder/err") || die "servalab failed: $(<"$folder/err")"
  events=$(cat "$folder"/results/*/*/events.jsonl)
  note own ready "$(awk -v ns="$(field duration_ns "$(grep lab.ready <<<"$events")")" \
    'BEGIN { printf "%.3f", ns / 1e6 }')"
  note own build "$(field build_ms "$out")"
  note own gone "$(field teardown_ms "$out")"

  out=$("$until_gone" unshare --mount --net bash "$folder/star.sh" "$n" "$folder" \
    2>"$folder/err") || die "the script of ip failed: $(<"$folder/err")"
  note ip build "$(field build_ms "$out")"
  note ip gone "$(field teardown_ms "$out")"

  out=$("$until_gone" "$program" run -r "$folder/results" "$folder/whole.yaml" \
    2>"$folder/err" | tail -n 1) || die "servalab failed: $(<"$folder/err")"
  note own whole "$(awk -v a="$(field build_ms "$out")" -v b="$(field teardown_ms "$out")" \
    'BEGIN { printf "%.3f", a + b }')"
}

# cell WAY FIGURE FLOOR'S: the median in ms, and in brackets what it is of that.
cell() {
  local value floor_value
  value=$(median <"$folder/$1.$2")
  floor_value=$(median <"$folder/floor.$3")
  printf '%9.1f (%5s)' "$value" "$(ratio "$value" "$floor_value")"
}

printf 'ms, and in brackets the ratio to the floor; median of %s\n\n' "$rounds"
printf '      |       floor       |               servalab: build                       | whole run |      ip: build    |     gone: servalab        gone: ip\n'
printf '    N |    build     gone |        ready            from start                  |           |                   |\n'
for n in "${sizes[@]}"; do
  rm -f "$folder"/*.build "$folder"/*.gone "$folder"/*.ready "$folder"/*.whole
  scenario "$n" 60s >"$folder/star.yaml"
  scenario "$n" 1ms >"$folder/whole.yaml"
  for ((round = 0; round < rounds; round++)); do
    once "$n"
  done
  printf '%5s | %8.1f %8.1f | %s  %s | %9.1f | %s | %s  %s\n' "$n" \
    "$(median <"$folder/floor.build")" "$(median <"$folder/floor.gone")" \
    "$(cell own ready build)" "$(cell own build build)" \
    "$(median <"$folder/own.whole")" "$(cell ip build build)" \
    "$(cell own gone gone)" "$(cell ip gone gone)"
done
