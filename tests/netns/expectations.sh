#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Expectations that need a living lab: those that the end of a run waits for, a
# host on which nothing is left, and shares of answers, just held and just not.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"

records=$work/results
mkdir "$records"
mkdir /run/mount # where umount(8) keeps notes

# scenario LINE...: two instances, a client that pings for a second, and LINEs.
scenario() {
  {
    cat <<'Y'
version: 1
name: lab
duration: 1s
topology:
  nodes: { a: {}, c: {}, d: {}, lan: { kind: bridge, subnet: 10.0.0.0/24 } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["c:eth0", lan] }
    - { endpoints: ["d:eth0", lan] }
services: { echo: { resolver: nat, instances: [c] } }
processes:
  # It ends, and says so, when the run would be over otherwise.
  late: { node: a, run: "while ! test -e go; do sleep 0.05; done; echo done" }
  never: { node: c, run: "trap 'echo done; exit 0' TERM; while :; do sleep 0.05; done" }
probes:
  rtt: { kind: ping, node: a, to: echo, interval: 10ms, for: 900ms }
timeline:
  - { at: 450ms, migrate: { service: echo, from: c, to: d } }
Y
    printf '%s\n' "$@"
  } >"$stage/lab.yaml"
}

# run CODE WHAT
run() {
  what=$2
  rm -rf "${records:?}"/*
  run_scenario "$1" "$records" "$stage/lab.yaml"
}

# begin, end CODE WHAT: a run in the background, and its end; of one that is invalid
# it returns 4 (until_valid).
begin() {
  rm -rf "${records:?}"/*
  "$program" run -q -r "$records" "$stage/lab.yaml" >"$records/out" 2>&1 &
  pid=$!
}

end() {
  local code=0
  what=$2
  wait "$pid" || code=$?
  [ "$code" != 4 ] || return 4
  [ "$code" = "$1" ] || fail "$what: exit code $code instead of $1: $(<"$records/out")"
  record=$(only_record)
}

# What is left is there before the run's end, however long that takes: 'late' ends when
# all is done.
leaving='{ process: late, exit: 0, within: 60s }'
done_leaving() {
  touch "$(only_record)/files/a/go"
}

# What the tests below have left on the host.
tidy() {
  ip link delete left0
  umount /tmp/left
  rm -rf /tmp/left
  exec 8<&-
} 2>/dev/null

leave_nobody() {
  kill "$holder"
  wait "$holder"
} 2>/dev/null

says() {
  grep -qE -- "$1" "$records/out" || fail "$what: nothing says '$1': $(<"$records/out")"
}

host_remember "$records"

# An expectation is waited for as long as it takes, and no longer than need be.
scenario "expect: [{ process: late, exit: 0, prints: done, within: 60s }]"
ends_late() {
  begin
  wait_until 30 has_event "$records" timeline.start || fail "it never started"
  record=$(only_record)
  last_is_over() {
    [ "$(wc -l <"$record/probes/rtt.csv")" -gt 1 ]
  }
  wait_until 30 last_is_over || fail "the probe never ended"
  # By now the run would be over, or will soon be.
  touch "$record/files/a/go"
  end 0 "a process that ends late" || return
}
until_valid ends_late
jq -se 'map(select(.event == "expect.polled")) | length == 2 and all(.held)' \
  "$record/events.jsonl" >/dev/null || fail "$what: no event says so"
host_is_as_before "after: $what"

# What it does when it is told to stop comes too late, though it is there.
scenario "expect: [{ process: never, prints: done, within: 100ms }]"
run 1 "a process that ends only when it is told to"
says 'never: printed "done", but not within 100 ms'
grep -q done "$record/processes/never.log" || fail "$what: it was not told to"

scenario "expect: [{ capture: icmp, node: a, interface: eth0, count: { min: 100 }, within: 60s }]"
run 0 "packets that are there"
scenario "expect: [{ capture: icmp, node: a, interface: eth0, count: { min: 5000 }, within: 100ms }]"
run 1 "packets that never are"
says 'not within 100 ms; expected at least 5000'

# A probe that runs is looked at while it does. The end of the run waits for it, and
# not longer than need be: it would ping for a minute.
scenario 'expect: [{ probe: long, received: { min: 150 }, within: 50s }]'
sed -i 's/^probes:/&\n  long: { kind: ping, node: a, to: c, interval: 10ms, for: 60s }/' "$stage/lab.yaml"
run 0 "a probe that runs on"
jq -se 'map(select(.event == "expect.polled"))[0] | .held and .waited_ns > 0 and .waited_ns < 50e9' \
  "$record/events.jsonl" >/dev/null || fail "$what: not seen in time"

# From an action on: it comes true in its time, once the cable is back, and is seen
# while the probe still runs; where the time is too short, that is seen as well. A
# look takes as long as the machine needs, so only their order is certain.
scenario 'expect:' \
  '  - { probe: long, received: { min: 20 }, within: 8s, after: cut }' \
  '  - { probe: long, received: { min: 20 }, within: 300ms, after: cut }' \
  '  - { probe: up, bytes: { min: 10kB }, within: 8s, after: back }'
sed -i 's/^probes:/&\n  long: { kind: ping, node: a, to: c, interval: 10ms, for: 9s }/
s/^probes:/&\n  up: { kind: tcp_stream, node: a, to: d, port: 80, direction: upload, rate: 1mbit, for: 9s }/
s/^processes:/&\n  server: { node: d, serve: tcp\/80 }/
s/^timeline:/&\n  - { at: 500ms, name: cut, link: "a:eth0-lan", state: down }\n  - { after: cut, plus: 500ms, name: back, link: "a:eth0-lan", state: up }/
s/^duration: 1s/duration: 10s/' "$stage/lab.yaml"
run 1 "from an action on"
says 'long: received within 300 ms after .cut.: [0-9]+; expected at least 20'
says "long: received within 8 s after 'cut': 20, in [0-9.]+ m?s"
says "up: bytes within 8 s after 'back': [0-9.]+ kB, in"
jq -se '(map(select(.event == "probe.end" and .probe == "long"))[0].mono_ns) as $last |
  map(select(.event == "expect.polled")) |
  map(.held) == [false, true, true] and all(.mono_ns < $last)' "$record/events.jsonl" >/dev/null ||
  fail "$what: not seen in time: $(grep -h polled "$record/events.jsonl")"

# Half and half: one probe has sent all that it has to when the service moves, and
# another begins well behind that.
halves() {
  scenario "expect: [{ service: echo, share: $1, over: $2 }]"
  sed -i 's/^  rtt:.*/  rtt: { kind: ping, node: a, to: echo, interval: 10ms, for: 450ms }\
  later: { kind: ping, node: a, to: echo, at: 2500ms, interval: 10ms, for: 450ms }/
s/at: 450ms, migrate/when: { packet: "icmp[icmptype] == icmp-echo", interface: "a:eth0", count: 45 }, plus: 100ms, migrate/
s/^duration: 1s/duration: 3s/' "$stage/lab.yaml"
}
halves '{ c: 50%, d: 50% }' 80
run 0 "half and half"
halves '{ c: 10%, d: 90% }' 80
run 1 "one to nine"
says 'further off than chance goes \(chi-square'
says 'lab.yaml:[0-9]+$'
halves '{ c: 50%, d: 50% }' 91
run 2 "more than there are"
grep -q "'echo' is asked 90 times, so there cannot be 91 answers" "$records/err" ||
  fail "$what: $(<"$records/err")"
# And probes beside each other: one asks where nobody is.
scenario "expect:" \
  "  - { service: echo, share: { c: 100% }, over: 80 }" \
  "  - { probe: rtt, received: { min: 150%, of: nobody }, sent: { min: 10%, max: 1000%, of: nobody } }" \
  "  - { probe: nobody, lost: { max: 10%, of: rtt }, rtt_p50: { max: 100%, of: rtt } }"
sed -i 's/^probes:/&\n  nobody: { kind: ping, node: a, to: 10.0.0.99, interval: 10ms, for: 900ms }/' "$stage/lab.yaml"
run 1 "all of them"
says 'd and others [0-9.]+%'
says "rtt: received [0-9]+, more than any share of nobody's 0 \(at least 150%\)"
says "rtt: sent [0-9]+, [0-9.]+% of nobody's [0-9]+ \(10% to 1000%\)"
says "nobody: lost [0-9]+, .* of rtt's [0-9]+; expected at most 10% of rtt's"
says "nobody: rtt_p50 unknown: there was no reply; rtt's is .*; expected at most 100% of rtt's"
jq -e '.expectations | map(.compared) | .[0] == null and
  (.[2] | .figure == "received" and .probe == "rtt" and .value > 0 and .of == "nobody" and .of_value == 0 and .share == null) and
  (.[1] | .share > 0.1) and (.[4] | .value == null and .of_value > 0)' \
  "$record/results.json" >/dev/null || fail "$what: $(jq -c .expectations "$record/results.json")"

# Nothing is left; and what somebody else leaves meanwhile is found.
scenario "expect: [{ host: unchanged }]"
run 0 "a run leaves nothing"
says 'the host is unchanged'
jq -e '.left == []' "$record/host.json" >/dev/null || fail "$what: host.json"
host_is_as_before "after: $what"

scenario "expect: [{ host: unchanged, within: 200ms }, $leaving]"
interface_and_mount() {
  tidy || true
  begin
  wait_until 30 has_event "$records" timeline.start || fail "it never started"
  ip link add left0 type veth peer name left1
  mkdir /tmp/left
  mount -t tmpfs left /tmp/left
  done_leaving
  end 1 "an interface and a mount" || return
}
until_valid interface_and_mount
says 'the host is changed: interface left0, and 2 more; expected unchanged'
jq -e '.left | length == 3 and (.[2] | startswith("mount /tmp/left"))' \
  "$record/host.json" >/dev/null || fail "$what: $(<"$record/host.json")"
tidy || true
host_is_as_before "after: $what"

# Namespaces that nobody is in: one that is mounted, one that is open, and one of
# the lab's own.
scenario "expect: [{ host: unchanged, within: 200ms }, $leaving]"
mounted_namespace() {
  tidy || true
  begin
  wait_until 30 has_event "$records" timeline.start || fail "it never started"
  touch /tmp/left
  unshare --net=/tmp/left true
  done_leaving
  end 1 "a namespace that is mounted" || return
}
until_valid mounted_namespace
says 'the host is changed: mount /tmp/left of net:'
jq -e '.left | map(select(test("^network namespace [0-9]+, mounted at /tmp/left$"))) | length == 1' \
  "$record/host.json" >/dev/null || fail "$what: $(<"$record/host.json")"
tidy || true
host_is_as_before "after: $what"

open_namespace() {
  tidy || true
  begin
  wait_until 30 has_event "$records" timeline.start || fail "it never started"
  unshare --net sleep 1000 &
  holder=$!
  lives_apart() {
    [ "$(readlink "/proc/$holder/ns/net")" != "$(readlink /proc/self/ns/net)" ]
  }
  wait_until 30 lives_apart || fail "no namespace was made"
  exec 8<"/proc/$holder/ns/net"
  leave_nobody || true
  done_leaving
  end 1 "a namespace that is open" || return
}
until_valid open_namespace
says 'the host is changed: network namespace [0-9]+, open in process [0-9]+; expected unchanged'
tidy || true
host_is_as_before "after: $what"

open_node() {
  tidy || true
  begin
  wait_until 30 has_event "$records" timeline.start || fail "it never started"
  exec 8<"/proc/$(pgrep -f 'while ! test -e go' | tail -n 1)/ns/net"
  done_leaving
  end 1 "a node's namespace that is open" || return
}
until_valid open_node
says 'the host is changed: network namespace [0-9]+, open in process [0-9]+; expected unchanged'
tidy || true
host_is_as_before "after: $what"

# Whoever lives in one, too.
lived_in_node() {
  tidy || true
  leave_nobody || true
  begin
  wait_until 30 has_event "$records" timeline.start || fail "it never started"
  nsenter --net="/proc/$(pgrep -f 'while ! test -e go' | tail -n 1)/ns/net" sleep 1000 &
  holder=$!
  wait_until 30 lives_apart || fail "nobody entered"
  done_leaving
  end 1 "a process in a node's namespace" || return
}
until_valid lived_in_node
says 'the host is changed: network namespace [0-9]+, held by process [0-9]+; expected unchanged'
leave_nobody || true
host_is_as_before "after: $what"

# They go in time.
scenario "expect: [{ host: unchanged, within: 60s }, $leaving]"
goes_in_time() {
  tidy || true
  begin
  wait_until 30 has_event "$records" timeline.start || fail "it never started"
  ip link add left0 type veth peer name left1
  done_leaving
  wait_until 30 has_event "$records" run.end || fail "it never ended"
  ip link delete left0
  end 0 "an interface that goes" || return
}
until_valid goes_in_time

echo "expectations hold where they should, and only there"
