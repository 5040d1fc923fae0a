#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is slow to close is also held by a process outside the lab, so that a lab
# that is killed need not close it: each node's packet socket, each device of an
# emulated link, and none that the lab has no more. And all goes well without that
# process.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"
need jq

records=$work/results
mkdir "$records"

# A ring for each of four nodes; two devices, of which one goes and comes; a node
# that gets another namespace. Of the actions but the last, each waits to be seen.
cat >"$stage/lab.yaml" <<'Y'
version: 1
name: lab
duration: 60s
topology:
  nodes: { a: {}, b: {}, c: {}, d: {}, lan: { kind: bridge } }
  links:
    - { name: wire, endpoints: ["a:eth0", "b:eth0"], delay: 1ms }
    - { endpoints: ["c:eth0", lan] }
    - { endpoints: ["d:eth0", lan] }
processes:
  gate: { node: a, run: "until [ -e GATES/1 ]; do sleep 0.01; done" }
  next: { node: a, run: "until [ -e GATES/2 ]; do sleep 0.01; done" }
  last: { node: a, run: "until [ -e GATES/3 ]; do sleep 0.01; done" }
timeline:
  - { when: { event: process.exit, where: { process: gate } }, do: [{ interface: "b:eth0", state: absent }] }
  - { when: { event: process.exit, where: { process: next } }, do: [{ interface: "b:eth0", state: present }] }
  - { when: { event: process.exit, where: { process: last } }, do: [{ crash: d }, { wait: 0s }, { boot: d }] }
Y
gates=$stage/gates
mkdir "$gates"
sed -i "s,GATES,$gates," "$stage/lab.yaml"

# The child of servalab $1 that is in servalab's own pid namespace.
undertaker_of() {
  local child
  for child in $(<"/proc/$1/task/$1/children"); do
    if [ "$(readlink "/proc/$child/ns/pid")" = "$(readlink "/proc/$1/ns/pid")" ]; then
      printf '%s\n' "$child"
    fi
  done
}

# holds SOCKETS DEVICES: whether the undertaker has so many (beside the one socket
# that it is told by).
holds() {
  local fd target sockets=-1 devices=0
  for fd in "/proc/$undertaker"/fd/*; do
    target=$(readlink "$fd") || continue
    case $target in
    socket:*) sockets=$((sockets + 1)) ;;
    /dev/net/tun) devices=$((devices + 1)) ;;
    esac
  done
  seen="$sockets sockets and $devices devices"
  [ "$sockets $devices" = "$1 $2" ]
}

expect_held() {
  wait_until 20 holds "$1" "$2" ||
    fail "$3, the undertaker holds $seen instead of $1 and $2"
}

sockets_of_undertaker() {
  find "/proc/$undertaker/fd" -type l -printf '%l\n' 2>/dev/null | grep socket: | sort
}

d_has_another_socket() {
  [ "$(comm -12 "$stage/sockets" <(sockets_of_undertaker) | wc -l)" = 4 ] && holds 4 2
}

start_run() {
  rm -rf "${records:?}"/* "${gates:?}"/*
  "$program" run -q -r "$records" "$1" >"$records/out" 2>"$records/err" &
  pid=$!
  wait_until 30 has_event "$records" timeline.start ||
    fail "the run does not begin: $(<"$records/err")"
  undertaker=$(undertaker_of "$pid")
  [ "$undertaker" ] || fail "servalab has no child outside of the lab"
}

host_remember "$records"

start_run "$stage/lab.yaml"
expect_held 4 2 "when the run begins"
touch "$gates/1"
expect_held 4 1 "when an interface is taken out"
touch "$gates/2"
expect_held 4 2 "when it is back"
sockets_of_undertaker >"$stage/sockets"
touch "$gates/3"
wait_until 20 has_event "$records" node.boot || fail "d does not boot: $(<"$records/err")"
# Its own, and those of a, b and c.
wait_until 20 d_has_another_socket ||
  fail "when d has booted, the undertaker holds $seen: $(sockets_of_undertaker) of $(<"$stage/sockets")"

# The devices vanish with who carries their frames.
inner=$(jq -r 'select(.event == "emulator.start").pid' "$(only_record)/events.jsonl")
init=
for child in $(<"/proc/$pid/task/$pid/children"); do
  [ "$child" = "$undertaker" ] || init=$child
done
for child in $(<"/proc/$init/task/$init/children"); do
  [ "$(awk '/^NSpid:/ { print $NF }' "/proc/$child/status" 2>/dev/null)" != "$inner" ] ||
    kill -KILL "$child"
done
code=0
wait "$pid" || code=$?
[ "$code" = 4 ] || fail "killing the emulator: exit code $code: $(<"$records/out") $(<"$records/err")"
host_is_as_before "when the emulator was killed"

start_run "$stage/lab.yaml"
expect_held 4 2 "when the run begins"
kill -KILL "$pid"
{ wait "$pid"; } 2>/dev/null || true
host_is_as_before "when servalab was killed"

# Nobody needs it. How late the machine is does not matter.
sed 's/^duration: .*/duration: 1s/;s/delay: 1ms/&, tolerance: 60s/;/^processes:/,$d' \
  "$stage/lab.yaml" >"$stage/short.yaml"
grep -q tolerance "$stage/short.yaml" || fail "the link of lab.yaml has changed"
start_run "$stage/short.yaml"
kill -KILL "$undertaker"
code=0
wait "$pid" || code=$?
[ "$code" = 0 ] || fail "killing the undertaker: exit code $code: $(<"$records/out") $(<"$records/err")"
host_is_as_before "when the undertaker was killed"
