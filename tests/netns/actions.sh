#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Actions, as programs in the lab see them, and as they are told: what is gone in
# a crash, that nothing runs in a frozen node, that a partition leaves no trace,
# what fails half-way, what never happens, and times that no machine could keep.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"

records=$work/results
mkdir "$records" /run/mount
host_remember "$records"

head='version: 1
name: lab
topology:
  nodes: { a: {}, c: {}, lan: { kind: bridge, subnet: [10.0.0.0/24, "fd00:1::/64"] } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { name: wire, endpoints: ["c:eth0", lan] }'

# run CODE WHAT [OPTION...]: the scenario on standard input ends with that code.
run() {
  what=$2
  rm -rf "${records:?}"/*
  { printf '%s\n' "$head" && cat; } >"$stage/lab.yaml"
  run_scenario "$1" "$records" "$stage/lab.yaml" "${@:3}"
  mapfile -t found < <(find "$records" -mindepth 2 -maxdepth 2 -type d | sort)
}

says() {
  grep -qE -- "$1" "$records/out" "$records/err" ||
    fail "$what: nothing says '$1': $(cat "$records/out" "$records/err")"
}

# event NAME FILTER: there is one.
event() {
  jq -e -s "map(select(.event == \"$1\" and ($2))) | length > 0" \
    "$record/events.jsonl" >/dev/null || fail "$what: no event $1 with $2"
}

# ---- crash and boot -----------------------------------------------------------

run 0 "a crash" <<'Y'
processes:
  stray: { node: c, run: "echo $$ >pid; setsid sleep 1000 & sleep 1000", start: manual }
timeline:
  - at: 100ms
    do:
      - { start: stray }
      - { exec: "ip addr add 10.0.0.77/32 dev lo; while ! pgrep -f 'sleep 1000' >/dev/null; do sleep 0.05; done", node: c }
      - { wait: 0s }
      - { crash: c }
      - { wait: 0s }
      - { boot: c }
      - { wait: 0s }
      # What it had been told by hand is gone, its own addresses are there, and
      # nobody is left of what ran there.
      - { exec: "! ip addr | grep -q 10.0.0.77 && ip addr | grep -q fd00:1::2", node: c }
      - { exec: "ps -e -o args | grep -v grep | grep 'sleep 1000'", node: c, exit: 1 }
      - { exec: "ping -c1 -W5 10.0.0.2 && ping -c1 -W5 fd00:1::2", node: a }
expect:
  - { process: stray, exit: { signal: KILL } }
Y
for step in cut killed removed built connected ready; do
  event action.step ".step == \"$step\""
done

# A boot of the same list waits until its crash is over, and for no carrier that its
# link has not; what was done to the interface meanwhile is so then.
run 0 "a boot while its link is down" <<'Y'
timeline:
  - at: 100ms
    do:
      - { link: wire, state: down }
      - { crash: c }
      - { interface: "c:eth0", rename: eth7, address: 10.0.0.99/24 }
      - { boot: c }
      - { wait: 0s }
      - { link: wire, state: up }
      - { wait: 0s }
      - { exec: "ping -c1 -W5 10.0.0.1 && test -e /sys/class/net/eth7", node: c }
      - { exec: "ping -c1 -W5 10.0.0.99", node: a }
Y

# Routes go with the last address of their family, and come with the next: whatever
# happens to the interface between.
run 0 "an interface without addresses" <<'Y'
processes:
  list: { node: a, run: [salctl, --version], start: manual }
timeline:
  - { at: 0s, start: list }
  - when: { exit: list }
    do:
      - { route: 10.9.0.0/24, change: add, over: "a:eth0", via: 10.0.0.2 }
      - { route: "fd00:9::/64", change: add, over: "a:eth0", via: "fd00:1::2" }
      - { wait: 0s }
      - { interface: "a:eth0", address: none }
      - { wait: 0s }
      - { crash: a }
      - { wait: 0s }
      - { boot: a }
      - { wait: 0s }
      - { interface: "a:eth0", state: absent }
      - { wait: 0s }
      - { interface: "a:eth0", state: present }
      - { wait: 0s }
      - { interface: "a:eth0", address: [10.0.0.5/24, "fd00:1::5/64"] }
      - { wait: 0s }
      - { exec: "ping -c1 -W5 c && ip route get 10.9.0.1 | grep -q 'via 10.0.0.2' && ip -6 route get fd00:9::1 | grep -q 'via fd00:1::2'", node: a }
expect:
  - { process: list, exit: 0, prints: salctl }
Y

# ---- freeze and thaw ------------------------------------------------------------

# A program that forks all the time writes nothing while its node is frozen: its
# file is looked at from another node, whose folder is beside it.
run 0 "a freeze" <<'Y'
duration: 3s
processes:
  busy: { node: c, run: "while :; do (echo x >>count); done", start: manual }
timeline:
  - at: 100ms
    do:
      - { thaw: c } # it need not be frozen, with the entry below
      - { start: busy }
      - { exec: "while ! [ -s ../c/count ]; do sleep 0.05; done", node: a }
      - { wait: 0s }
      - { freeze: c }
      - { exec: "cp ../c/count one; sleep 0.3; cmp one ../c/count", node: a }
      - { wait: 0s }
      - { thaw: c }
      - { exec: "for i in $(seq 100); do cmp -s one ../c/count || exit 0; sleep 0.05; done; exit 1", node: a }
      - { wait: 0s }
      - { pause: busy }
      - { freeze: c }
      - { wait: 0s }
      - { thaw: c }
      - { wait: 0s }
      - { exec: "cp ../c/count two; sleep 0.3; cmp two ../c/count", node: a }
      - { wait: 0s }
      - { restart: busy }
      - { exec: "for i in $(seq 100); do cmp -s two ../c/count || exit 0; sleep 0.05; done; exit 1", node: a }
      - { mark: "in the end" }
  - { when: { event: action.start, where: { text: "mark: in the end" } }, do: [{ freeze: c }, { thaw: c }] }
Y
for step in silent stopped continued heard; do
  event action.step ".step == \"$step\""
done

# Who waits cannot know what the node is like by then.
run 0 "a node that is so already" <<'Y'
timeline:
  - { at: 100ms, do: [{ crash: c }, { mark: "it is off" }] }
  - when: { event: action.start, where: { text: "mark: it is off" } }
    do:
      - { freeze: c }
      - { thaw: c }
      - { crash: c }
      - { boot: c }
      - { wait: 0s }
      - { boot: c }
      - { thaw: c }
      - { freeze: c }
      - { freeze: c }
      - { boot: c }
      - { thaw: c }
      - { exec: "ping -c1 -W5 10.0.0.2", node: a }
Y
[ "$(jq -c 'select(.event == "action.step" and .step == "unchanged") | .id' "$record/events.jsonl" | tr '\n' ' ')" = "2 3 4 7 8 10 11 " ] ||
  fail "$what: not these were unchanged: $(grep '"action\.' "$record/events.jsonl")"
[ "$(jq -c '.actions | map(.unchanged // "done")' "$record/results.json")" = \
  '["done","done","it was not on","it was not frozen","it was off already","done","done","it was not off","it was not frozen","done","it was not on","it was not off","done","done"]' ] ||
  fail "$what: the results say $(jq -c '.actions | map(.unchanged)' "$record/results.json")"
says '  crash c  \(nothing to do: it was off already\)$'
"$program" run -r "$records" "$stage/lab.yaml" >/dev/null 2>"$records/err" ||
  fail "$what: not so when it is told as it happens: $(<"$records/err")"
says '^ +\(nothing to do: it was not frozen\)$'

# A frozen sald hears of nothing; when it is heard again, it knows.
run 0 "what a frozen sald has missed" <<'Y'
services:
  echo: { resolver: sal, instances: [c] }
timeline:
  - at: 100ms
    do:
      - { exec: "ping -c1 -W5 echo.serval", node: a }
      - { wait: 0s }
      - { freeze: a }
      - { wait: 0s }
      - { interface: "c:eth0", address: [10.0.0.77/24, "fd00:1::77/64"] }
      - { wait: 0s }
      - { thaw: a }
      - { wait: 0s }
      - { exec: "ping -c1 -W5 echo.serval", node: a }
expect:
  - { capture: "ip host 10.0.0.77 or ip6 host fd00:1::77", node: a, count: { min: 2 } }
Y
event action.step '.step == "forward" and .id == 6'

# ---- probes in such nodes --------------------------------------------------------

# Frozen, they stand still, and make up for nothing; crashed, they end, and what they
# know is told; booted, none comes back but those that were still to begin. The one
# of the other node sees it all.
run 0 "probes of a node that freezes and crashes" <<'Y'
processes:
  echo: { node: c, echo: udp/7 }
  server: { node: c, serve: tcp/5001 }
probes:
  own:    { kind: ping, node: a, to: c, interval: 10ms, for: 6s }
  asks:   { kind: tcp_request, node: a, to: c, port: 5001, interval: 10ms, for: 6s }
  stream: { kind: tcp_stream, node: a, to: c, port: 5001, rate: 1mbit, for: 6s }
  brief:  { kind: ping, node: a, to: c, interval: 10ms, for: 200ms }
  away:   { kind: udp_echo, node: a, to: c, port: 7, interval: 10ms, at: 2200ms, for: 2s }
  later:  { kind: udp_echo, node: a, to: c, port: 7, interval: 10ms, at: 5s, for: 1s }
  other:  { kind: ping, node: c, to: a, interval: 10ms, for: 6s }
timeline:
  - { at: 500ms, freeze: a }
  - { at: 1s, thaw: a }
  - { at: 2s, crash: a }
  - { at: 2500ms, boot: a }
expect:
  - { probe: brief, sent: 20, lost: 0 }
  - { probe: later, sent: 100, lost: 0 }
  - { probe: other, sent: 600, lost: { min: 60 }, received: { min: 300 } }
  - { probe: stream, survives: false }
  - { probe: own, received: { min: 100 } }
Y
says 'ended at [0-9.]* s, when a crashed'
# Of 200 that were due before the crash, a quarter was not sent.
jq -e '.probes | (.own, .asks) as $p | $p.skipped >= 20 and $p.skipped <= 120 and
    ($p.sent + $p.skipped) >= 190 and ($p.sent + $p.skipped) <= 260 and
    $p.crashed_t_ns >= 2000000000' "$record/results.json" >/dev/null ||
  fail "$what: $(jq -c '.probes | map_values({sent, skipped, crashed_t_ns})' "$record/results.json")"
jq -e '.probes | .brief.crashed_t_ns == null and .later.crashed_t_ns == null and
    .away.crashed_t_ns == null and .away.skipped >= 30 and .away.sent + .away.skipped == 200 and
    .away.lost == 0 and .stream.stream.end == "crashed" and .other.skipped == 0' \
  "$record/results.json" >/dev/null ||
  fail "$what: $(jq -c '.probes | map_values({sent, lost, skipped, crashed_t_ns})' "$record/results.json")"
event probe.end '.probe == "own" and .crashed and .status == 0'

# A node that is frozen still has its say when the run is over, and when it crashes.
run 0 "probes of a node that stays frozen" <<'Y'
duration: 2s
probes:
  own:   { kind: ping, node: a, to: c, interval: 10ms, for: 6s }
  other: { kind: ping, node: c, to: a, interval: 10ms, for: 6s }
timeline:
  - { at: 500ms, freeze: a }
  - { at: 300ms, freeze: c }
  - { at: 1s, crash: c }
expect:
  - { probe: own, received: { min: 20 } }
  - { probe: other, received: { min: 20 } }
Y
jq -e '.probes | .own.skipped >= 100 and .own.sent <= 70 and .own.crashed_t_ns == null and
    .other.skipped >= 15 and .other.crashed_t_ns >= 1000000000' "$record/results.json" >/dev/null ||
  fail "$what: $(jq -c '.probes | map_values({sent, lost, skipped, crashed_t_ns})' "$record/results.json")"

# ---- partition and heal -----------------------------------------------------------

run 0 "a partition" <<'Y'
timeline:
  - at: 100ms
    do:
      - { exec: "nft list ruleset >before", node: c }
      - { wait: 0s }
      - { partition: [a, c] }
      - { exec: "ping -c1 -W1 10.0.0.2", node: a, exit: 1 }
      - { exec: "ping -c1 -W1 fd00:1::1", node: c, exit: 1 }
      - { wait: 0s }
      - { heal: all }
      - { exec: "nft list ruleset | cmp - before", node: c }
      - { exec: "ping -c1 -W5 10.0.0.2 && ping -c1 -W5 fd00:1::2", node: a }
Y

# ---- what goes wrong ---------------------------------------------------------------

# The first of two that go to the kernel together is to blame, and where it stands.
run 3 "an action that fails" <<'Y'
timeline:
  - at: 100ms
    do:
      - { route: 10.9.0.0/24, change: delete, over: "a:eth0" }
      - { link: wire, state: down }
Y
says 'lab.yaml:11:9: error: delete route to 10.9.0.0/24 over a:eth0: .*No such process'
event action.failed 'true'

run 3 "a command that fails" <<'Y'
timeline:
  - { at: 100ms, exec: "echo so; exit 3", node: a }
Y
says 'it ended with status 3 instead of 0'
grep -q so "$record/actions/0.log" || fail "$what: what it printed is not recorded"

run 3 "a command that takes too long" <<'Y'
timeline:
  - { at: 100ms, exec: "sleep 1000", node: a, timeout: 200ms }
Y
says 'it took longer than 0.2 s'

# ---- commands in a list ----------------------------------------------------------

# Nobody waits for one but a "wait" and an "after"; its end is told with its status.
run 0 "commands in a list" <<'Y'
timeline:
  - name: list
    at: 100ms
    do:
      - { exec: "while ! test -e go; do sleep 0.01; done; exit 5", node: a, exit: 5, timeout: 60s }
      - { exec: "touch go", node: a }
      - { mark: begun }
      - { wait: 0s }
      - { mark: ended }
  - { after: list, mark: behind }
Y
jq -se '
  def at(f): map(select(f))[0].mono_ns;
  at(.event == "action.step" and .id == 0 and .step == "exit" and .status == 5) as $exit |
  at(.event == "action.done" and .id == 0) as $done |
  $exit <= $done and
  at(.event == "action.start" and .text == "mark: begun") < $exit and
  at(.event == "action.start" and .text == "mark: ended") >= $done and
  at(.event == "action.start" and .text == "mark: behind") >= $done' "$record/events.jsonl" >/dev/null ||
  fail "$what: another order: $(grep action "$record/events.jsonl")"
jq -e '.actions | .[0].exit_status == 5 and .[0].exit_signal == null and .[1].exit_status == 0 and
  (map(select(.text == "mark: begun"))[0].exit_status == null)' "$record/results.json" >/dev/null ||
  fail "$what: no status in the results: $(jq -c .actions "$record/results.json")"

# One that fails while others run ends the run, with them.
run 3 "a command in a list that fails" <<'Y'
timeline:
  - at: 100ms
    do:
      - { exec: "sleep 1000", node: c, timeout: 2000s }
      - { exec: "sleep 0.1; exit 3", node: a }
      - { mark: begun }
  - { at: 60s, mark: never }
Y
says 'lab.yaml:[0-9]+:9: error: exec at a: .*it ended with status 3 instead of 0'
event action.step '.id == 0 and .step == "exit" and .signal == 9'
event action.failed '.id == 1'
! grep -q 'mark: never' "$record/events.jsonl" || fail "$what: an action began behind it"

# One that goes on to print what was waited for is nobody's concern any more.
run 0 "a program that prints on" <<'Y'
duration: 1s
processes:
  p: { node: a, run: "for i in 1 2 3 4 5; do echo tick; sleep 0.05; done", start: manual }
timeline:
  - { at: 0s, start: p }
  - { when: { prints: tick, process: p, count: 3 }, mark: third }
Y
event action.start '.text == "mark: third"'

# The end of the run does not wait for one, and says so.
run 4 "a command that outlives the run" <<'Y'
duration: 500ms
timeline:
  - { at: 100ms, exec: "sleep 1000", node: a, timeout: 2000s }
Y
says '0 of 1 action was done; not what is in line 10'
event action.step '.id == 0 and .step == "exit" and .signal == 9'

run 4 "an entry whose condition never comes true" <<'Y'
timeline:
  - { when: { packet: "tcp", interface: "a:eth0" }, mark: "never" }
  - { at: 100ms, mark: "once" }
Y
says '1 of 2 actions was done; not what is in line [0-9]+ \(line [0-9]+ waited for a packet at a:eth0 that matches "tcp"\)'
run 4 "an entry whose delay never passes" <<'Y'
duration: 1s
timeline:
  - { when: { event: action.done, count: 2 }, plus: 500s, do: [{ mark: "x" }, { mark: "y" }] }
  - { at: 0s, do: [{ mark: "once" }, { mark: "twice" }] }
Y
says '2 of 4 actions were done; not what is in line ([0-9]+) \(line \1 waited for the event action.done, 2 times, which came, and then 500 s, which had not passed\)'
event entry.delayed '.delay_ns == 500000000000'
run 4 "an entry that waits for that, and for more" <<'Y'
timeline:
  - { when: { packet: "tcp", interface: "a:eth0" }, plus: 500s, mark: "never" }
  - { at: 0s, mark: "once" }
Y
says 'waited for a packet at a:eth0 that matches "tcp", and then 500 s\)'
run 0 "an entry that waits for another one's delay" <<'Y'
duration: 1s
timeline:
  - { at: 10ms, mark: "once" }
  - { when: { event: action.start, where: { text: "mark: once" } }, plus: 500s, mark: "never", optional: true }
  - { when: { event: entry.delayed }, mark: "now" }
Y
event action.start '.text == "mark: now"'
run 0 "the end of a probe, while another one of its node goes on" <<'Y'
probes:
  short: { kind: ping, node: a, to: c, interval: 10ms, for: 100ms }
  long: { kind: ping, node: a, to: c, interval: 10ms, for: 2s }
timeline:
  - { when: { event: probe.end, where: { probe: short } }, mark: "short is over" }
Y
jq -se '(map(.event == "action.start") | index(true)) <
  (map(.event == "probe.end" and .probe == "long") | index(true))' \
  "$record/events.jsonl" >/dev/null || fail "$what: that is noticed behind it"
run 4 "a text that is not printed often enough" <<'Y'
duration: 300ms
processes:
  p: { node: a, run: "echo tick; sleep 5" }
probes:
  rtt: { kind: ping, node: a, to: c, interval: 10ms, for: 100ms }
timeline:
  - { when: { prints: tick, process: p, count: 3 }, mark: "never" }
Y
says '\(line [0-9]+ waited for p to print "tick", 3 times\)'
run 0 "an optional one" <<'Y'
timeline:
  - { when: { packet: "tcp", interface: "a:eth0" }, mark: "never", optional: true }
  - { at: 100ms, mark: "once" }
Y

# ---- times ---------------------------------------------------------------------------

run 2 "a bound that no machine keeps" <<'Y'
probes:
  rtt: { kind: ping, node: a, to: c, interval: 10ms, for: 100ms }
expect:
  - { probe: rtt, rtt_p50: { max: 1us } }
Y
says 'lab.yaml:11:28: error: a bound of 1 us is less than ten times'
event floor '.count >= 20 and .p99_ns >= .p50_ns'

# Each try is told, and has a record of its own.
run 4 "runs that are invalid" --retry-invalid 2 <<'Y'
timeline:
  - { when: { packet: "tcp", interface: "a:eth0" }, mark: "never" }
Y
says 'the run is invalid: again, 1 of at most 2 times'
says '^runs: 3 invalid, none valid$'
[ ${#found[@]} = 3 ] || fail "$what: ${#found[@]} records instead of 3"

# How close together the actions of a list are.
run 0 "a list" <<'Y'
timeline:
  - at: 100ms
    do: [{ link: wire, state: down }, { partition: [a, c] }, { mark: "both" }]
expect:
  - timing: { lateness: { max: 1min } }
Y
event entry.applied '.actions == 3 and .spread_ns > 0'

# What a stream has still to send when the lab ends is nobody's any more.
run 0 "a stream that was cut off, at the end" <<'Y'
processes:
  server: { node: c, serve: tcp/7000 }
probes:
  cut: { kind: tcp_stream, node: a, to: c, port: 7000, for: 1s, rate: 10mbit }
timeline:
  - { at: 300ms, link: wire, state: down }
expect:
  - { probe: cut, survives: false }
Y
host_is_as_before "after all of these"
