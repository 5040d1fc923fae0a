#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# --pause-on-failure, at a terminal of script(1): where an expectation does not
# hold the clock stops, and commands and shells can be had in the lab's nodes
# until the one at the terminal goes on. In mid-run all goes on then: the
# timeline with the rest, so much later, and no probe has lived through a pause.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"
need script

set -m # jobs get process groups of their own
records=$work/results
mkdir "$records" /run/mount
typed=$stage/typed seen=$stage/seen

# scenario DURATION FOR EXPECTATION: two hosts; a program counts, and a probe pings
# for FOR. Behind it may stand more probes, and then what else there is.
scenario() {
  cat >"$stage/lab.yaml" <<Y
version: 1
name: lab
topology:
  nodes: { a: {}, b: {}, lan: { kind: bridge } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["b:eth0", lan] }
processes:
  counter: { node: a, run: "i=0; while :; do i=\$((i + 1)); echo \$i >count; sleep 0.02; done" }
  short: { node: b, run: "sleep 0.1; exit 7" }
duration: $1
probes:
  rtt: { kind: ping, node: a, to: b, interval: 10ms, for: $2 }
expect:
  - $3
Y
}

# long SECONDS: one that lasts that long, with a program that fails early on, every
# kind of probe, and a timeline that is under way by then.
long() {
  cat >"$stage/lab.yaml" <<Y
version: 1
name: lab
topology:
  nodes: { a: {}, b: {}, lan: { kind: bridge } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["b:eth0", lan] }
processes:
  counter: { node: a, run: "i=0; while :; do i=\$((i + 1)); echo \$i >count; sleep 0.02; done" }
  short: { node: b, run: "sleep 0.1; exit 7" }
  echo: { node: b, echo: udp/7 }
  server: { node: b, serve: tcp/80 }
duration: ${1}s
probes:
  rtt: { kind: ping, node: a, to: b, interval: 10ms, for: $(($1 * 1000 - 500))ms }
  udp: { kind: udp_echo, node: a, to: b, port: 7, interval: 10ms, for: $(($1 * 1000 - 500))ms }
  down: { kind: tcp_stream, node: a, to: b, port: 80, rate: 8mbit, verify: sha256, for: $(($1 * 1000 - 500))ms }
  asked: { kind: tcp_request, node: a, to: b, port: 80, interval: 20ms, for: $(($1 * 1000 - 500))ms }
timeline:
  - { name: list, at: 0s, do: [{ mark: begins }, { wait: $(($1 - 1))s }, { mark: ends }] }
  - { name: command, at: 0s, exec: "while ! test -e ../../go; do sleep 0.02; done", node: a, timeout: $(($1 - 1))s }
  - { name: late, at: $(($1 - 1))s, mark: late }
  - { name: last, after: late, plus: 100ms, mark: last }
  - { name: packet, when: { packet: "icmp and greater 700", interface: "b:eth0" }, optional: true, mark: packet }
expect:
  - { process: short, exit: 0 }
  - { capture: "icmp and greater 700", node: b, count: 0 }
  - { probe: rtt, lost: 0 }
  - { probe: udp, lost: 0 }
  - { probe: asked, failed: 0 }
  - { probe: down, survives: true, intact: true }
Y
}

# begin: runs it at a terminal. What is typed comes from descriptor 9.
# By bash, which goes on behind a program that took a Ctrl-C for itself; dash ends.
begin() {
  rm -rf "${records:?}"/* "$typed" "$seen"
  mkfifo "$typed"
  SHELL=/bin/bash script -qefc "$program run -r $records --pause-on-failure $stage/lab.yaml; echo the code is \$?" \
    "$seen" <"$typed" >/dev/null 2>"$stage/err" &
  pid=$!
  exec 9>"$typed"
}

sees() {
  grep -qaE -- "$1" "$seen"
}

# prompts N: it has asked N times.
prompts() {
  [ "$(grep -ao 'paused> ' "$seen" | wc -l)" -ge "$1" ]
}

await() {
  wait_until 30 "$@" || fail "$what: not seen: ${*:2}: $(cat "$seen" "$stage/err")"
}

type_line() {
  printf '%s\n' "$1" >&9
}

# finish CODE: returns 4 of a run that was invalid (until_valid).
finish() {
  exec 9>&-
  wait "$pid" || true
  ! sees "the code is 4" || return 4
  sees "the code is $1" || fail "$what: the exit code is not $1: $(<"$seen")"
  host_is_as_before "after: $what"
}

host_remember "$records"

what="no terminal"
code=0
"$program" run -r "$records" --pause-on-failure "$stage/none.yaml" </dev/null >"$stage/err" 2>&1 || code=$?
[ "$code" = 2 ] || fail "$what: exit code $code"
grep -q "needs a terminal" "$stage/err" || fail "$what: $(<"$stage/err")"

all_holds() {
  what="all holds"
  scenario 2s 300ms "{ probe: rtt, sent: 30 }"
  begin
  await sees "the code is 0"
  ! sees "paused> " || fail "$what: it paused: $(<"$seen")"
  finish 0 || return
}
until_valid all_holds

at_the_end() {
  what="at the end"
  # Whether there are enough packets is known only then.
  scenario 600ms 300ms "{ capture: icmp, node: a, count: { min: 5000 } }"
  begin
  await prompts 1
  sees 'match "icmp": [0-9]+; expected at least 5000' || fail "$what: not told why: $(<"$seen")"
  record=$(only_record)
  type_line nodes
  await prompts 2
  sees '^a +host +eth0 10\.' || fail "$what: no nodes: $(<"$seen")"
  type_line "exec b ping -c 1 -W 5 a && hostname && exit 5"
  await prompts 3
  sees '^b.?$' || fail "$what: the command ran elsewhere: $(<"$seen")"
  sees "exit status 5" || fail "$what: the exit status is not told: $(<"$seen")"
  # Left in place, and running: the counter goes on.
  before=$(<"$record/files/a/count")
  counts_on() {
    [ "$(<"$record/files/a/count")" != "$before" ]
  }
  await counts_on
  # A shell with job control, in which Ctrl-C ends a program and not the run.
  type_line "shell a"
  await sees 'a# '
  type_line 'echo shell of $NODE at $(tty), $((6 * 7))'
  await sees 'shell of a at /dev/pts/[0-9]+, 42'
  type_line 'sleep 1000; echo slept: $?'
  await sees 'sleep 1000'
  sleeps() {
    pgrep -fx 'sleep 1000' >/dev/null
  }
  await sleeps
  # A shell may take it before the program is there to get it.
  printf '\003' >&9
  type_line ""
  type_line 'echo "code $?" "again"'
  await sees 'code [0-9]+ again'
  type_line "exit"
  await prompts 4
  type_line contineu
  await prompts 5
  sees "did you mean 'continue'" || fail "$what: no suggestion: $(<"$seen")"
  type_line "shell lan"
  await prompts 6
  type_line continue
  finish 1 || return
  jq -se '[.[] | .event] | index("run.paused") < index("run.continued")' "$record/events.jsonl" >/dev/null ||
    fail "$what: the record does not tell of it"
  jq -e '.verdict == "failed" and .duration_ns < 10e9' "$record/results.json" >/dev/null ||
    fail "$what: another verdict"
  # What was tried out is not in the record.
  [ "$(jq .capture.packets "$record/results.json")" -lt 200 ] || fail "$what: too many packets"
}
until_valid at_the_end

# It stops as soon as it is certain: the program's exit. All is frozen then, and
# goes on.
while_it_is_played() {
  what="while it is played"
  long 5
  begin
  await prompts 1
  sees "short: exit status 7; expected exit status 0" || fail "$what: not told why: $(<"$seen")"
  ! sees "rtt: lost" || fail "$what: what is not lost yet is told as if it were: $(<"$seen")"
  record=$(only_record)
  before=$(<"$record/files/a/count")
  # Longer than all that is left of the run, and than the command may take.
  type_line "exec a ping -q -c 3 -s 800 b; sleep 6; cat count"
  await prompts 2
  [ "$(<"$record/files/a/count")" = "$before" ] || fail "$what: the counter is not frozen"
  ! has_event "$records" action.failed || fail "$what: the command's time went by"
  touch "$record/go"
  type_line continue
  finish 1 || return
  [ "$(<"$record/files/a/count")" != "$before" ] || fail "$what: the counter did not go on"
  holds() { # JQ-FILTER FILE
    jq -e "$1" "$record/$2" >/dev/null || fail "$what: not so: $1: $(jq -c "${3:-.}" "$record/$2")"
  }
  holds '.verdict == "failed" and (.pauses | length == 1) and .pauses[0].duration_ns > 6e9' results.json .pauses
  holds '[.expectations[] | select(.held | not)] | length == 1 and .[0].line > 0' results.json .expectations
  # All that was planned was done, at its time, which the record says both ways.
  jq -se '
    (map(select(.event == "run.continued")) | length == 1 and .[0].paused_ns % 1e7 == 0) and
    (map(select(.event == "run.continued"))[0] as $c |
     map(select(.event == "action.start" and .mono_ns > $c.mono_ns)) |
     map(.text) | sort == ["mark: ends", "mark: last", "mark: late"]) and
    (map(select(.event == "action.done" and .duration_ns > 4.9e9)) == []) and
    (map(select(.event == "run.continued"))[0] as $c |
     map(select(.event == "action.start" and .entry == "late"))[0] |
     .planned_ns == 4e9 and .due_ns == 4e9 + $c.paused_ns and .t_ns >= .due_ns)' \
    "$record/events.jsonl" >/dev/null || fail "$what: another timeline: $(grep -E 'action|run\.' "$record/events.jsonl")"
  holds '[.actions[] | .actual_ns - .planned_ns] | all(. >= 0 and . < 3e9)' results.json .actions
  # No probe has seen a pause, nor sent less, nor another time over.
  holds '.probes.rtt.sent == 450 and .probes.udp.sent == 450 and .probes.asked.sent == 225' \
    results.json '.probes | map_values(.sent)'
  # ... and what was due meanwhile was not sent in one go behind it.
  holds '.probes | .rtt.interval_ns > 8e6 and .udp.interval_ns > 8e6 and .asked.interval_ns > 16e6' \
    results.json '.probes | map_values(.interval_ns)'
  holds '[.probes[] | .outage.length_ns] | all(. < 5e9)' results.json '.probes | map_values(.outage)'
  holds '.duration_ns < 11e9' results.json .duration_ns
  holds '.probes.down.stream.goodput_bps < 12e6' results.json .probes.down.stream
  grep -Eq "paused at .* for ([6-9]|[1-9][0-9])" "$record/summary.txt" || fail "$what: the summary does not tell: $(<"$record/summary.txt")"
}
until_valid while_it_is_played

what="quit"
scenario 60s 60s "{ process: short, exit: 0 }"
begin
await prompts 1
type_line quit
finish 130
jq -e '.verdict == "interrupted"' "$(only_record)/results.json" >/dev/null || fail "$what: verdict"

terminal_ends() {
  what="the terminal's end"
  scenario 2s 1s "{ process: short, exit: 0 }"
  begin
  await prompts 1
  printf '\004' >&9
  finish 1 || return
}
until_valid terminal_ends

what="help"
scenario 60s 60s "{ process: short, exit: 0 }"
begin
await prompts 1
type_line help
await prompts 2
for word in nodes exec shell continue quit; do
  sees "^  $word" || fail "$what: nothing about $word: $(<"$seen")"
done
type_line quit
finish 130

what="Ctrl-C at the prompt"
begin
await prompts 1
printf '\003' >&9
await sees "the code is 130"
finish 130

what="SIGKILL of the owner, with a shell open"
begin
await prompts 1
type_line "shell a"
await sees 'a# '
kill -KILL "$(pgrep -f -o -- "^$program run")"
exec 9>&-
wait "$pid" || true
host_is_as_before "after: $what"

echo "paused, looked into, went on"
