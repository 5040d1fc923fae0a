#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From nothing to the answer of a first ping between two hosts, and back to
# nothing. Taken in turns; medians:
#
# servalab  reads and checks the scenario; namespaces, veth, addresses; a capture of
#           each host; waits until the link carries packets, measures how late the
#           machine is; one ping; one pcapng in true order, an event log, figures, a
#           verdict; waits until all processes of the lab are gone.
# ip        a script of ip(8) and ping(8) that does the bare minimum: namespaces, veth,
#           addresses, one ping, namespaces deleted. Nothing is kept.
# captured  the same, with dumpcap(1) at both interfaces before the ping is sent, which
#           ends with the answer, and their two files merged into one by mergecap(1).
#           Where there are these. (dumpcap reads every 250 ms; tcpdump, which need not
#           wait, refuses to run in a user namespace of one user.)
# nothing   starting any program at all.
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

# capture HOST: returns when dumpcap says that it captures; says is what it says, until
# it ends with the second packet. (Stopped by a signal, it would have none yet.)
capture() {
  local line
  exec {says}< <(exec ip netns exec "$1" dumpcap -q -f icmp -c 2 -i eth0 \
    -w "$folder/$1.pcapng" 2>&1)
  while read -r line <&"$says"; do
    [[ $line != File:* ]] || return 0
  done
  die "dumpcap does not start"
}

by_captured() {
  local host says
  local -a fds=()
  ip netns add a
  ip netns add b
  ip link add eth0 netns a type veth peer name eth0 netns b
  ip -n a addr add 10.64.0.1/24 dev eth0
  ip -n b addr add 10.64.0.2/24 dev eth0
  ip -n a link set eth0 up
  ip -n b link set eth0 up
  for host in a b; do
    capture "$host"
    fds+=("$says")
  done
  ip netns exec a ping -q -c 1 -W 2 10.64.0.2 >"$folder/out" || die "ping: $(<"$folder/out")"
  for says in "${fds[@]}"; do
    cat <&"$says" >/dev/null
    exec {says}<&-
  done
  mergecap -w "$folder/both.pcapng" "$folder/a.pcapng" "$folder/b.pcapng"
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

ways=(servalab ip nothing)
! command -v dumpcap mergecap >/dev/null || ways+=(captured)
for ((i = 0; i < rounds; i++)); do
  for way in "${ways[@]}"; do
    clock "$way"
  done
done

own=$(median <"$folder/servalab.ms")
ip=$(median <"$folder/ip.ms")
none=$(median <"$folder/nothing.ms")
printf 'median of %s, ms: servalab %.1f, script of ip %.1f, starting a program %.2f\n' \
  "$rounds" "$own" "$ip" "$none"
printf 'servalab / script: %s\n' "$(ratio "$own" "$ip")"
[ -e "$folder/captured.ms" ] || exit 0
captured=$(median <"$folder/captured.ms")
printf 'script that captures %.1f; servalab / that: %s\n' "$captured" "$(ratio "$own" "$captured")"
