#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# SIGINT and SIGTERM end a run early, with a complete record and the exit code
# that shells expect; a second one ends it at once.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"
need capinfos tshark

# Jobs get process groups of their own, as those of a terminal do, and SIGINT is
# not ignored in them, as it is in a script's background otherwise.
set -m
records=$work/results
shorten "$scenarios/udp-survives-nat.yaml" "$work/long.yaml" \
  's/for: 3s/for: 60s/;s/at: 1s/at: 50ms/;s/at: 2s/at: 100ms/'
# A program that does not stop when told to, for as long as it may.
cat >"$work/stubborn.yaml" <<'Y'
version: 1
name: stubborn
duration: 60s
topology:
  nodes: { a: {}, b: {} }
  links:
    - endpoints: ["a:eth0", "b:eth0"]
processes:
  stubborn:
    node: a
    run: "trap '' TERM INT; echo started; while :; do sleep 1; done"
    ready: { prints: started }
Y
# One that takes a while to build.
{
  printf 'version: 1\nname: large\ntopology:\n  nodes: {'
  printf ' n%d: {},' {1..60}
  printf ' lan: { kind: bridge } }\n  links:\n'
  printf '    - endpoints: ["n%d:eth0", lan]\n' {1..60}
  printf 'processes:\n  server: { node: n1, run: "sleep 60" }\n'
} >"$work/large.yaml"
mkdir "$records"
host_remember "$records"

# start SCENARIO EVENT: runs it in the background until EVENT is recorded.
start() {
  "$program" run -r "$records" "$1" >"$records/out" 2>"$records/err" &
  pid=$!
  wait_until 30 has_event "$records" "$2" ||
    fail "no event $2 within 30 s: $(<"$records/err")"
}

# finish CODE: it ends by itself, with that exit code, and leaves nothing.
finish() {
  local code=0
  wait "$pid" || code=$?
  [ "$code" = "$1" ] ||
    fail "$what: exit code $code instead of $1: $(<"$records/err")"
  host_is_as_before "after: $what"
}

# record_is_complete SIGNAL
record_is_complete() {
  local record order events
  record=$(only_record)
  events=$record/events.jsonl
  events_are_whole "$record" || fail "$what: events.jsonl is not whole"
  [ "$(tail -n 1 "$events" | jq -r .event)" = run.end ] ||
    fail "$what: the last event is not run.end"
  jq -e -s --argjson n "$1" 'map(select(.event == "run.interrupted")) |
    length == 1 and .[0].signal == $n' "$events" >/dev/null ||
    fail "$what: no event says which signal interrupted"
  jq -e -s '[.[] | select(.event == "process.exit")] |
    length == 2 and all(.expected)' "$events" >/dev/null ||
    fail "$what: the processes were not stopped in an orderly way"
  jq -e '.verdict == "interrupted" and .probes.talk4.sent > 0 and
    .probes.talk4.received > 0 and (.expectations | type) == "array"' \
    "$record/results.json" >/dev/null ||
    fail "$what: results.json does not tell of an interrupted run: $(jq -c '{verdict, reasons, talk4: .probes.talk4}' "$record/results.json")"
  grep -q interrupted "$record/summary.txt" ||
    fail "$what: the summary does not say 'interrupted'"
  grep -q interrupted "$records/out" ||
    fail "$what: the terminal was not told 'interrupted'"
  order=$(capinfos -o "$record/trace.pcapng") ||
    fail "$what: the trace is no valid capture: $order"
  grep -q '^Strict time order: *True' <<<"$order" ||
    fail "$what: the packets of the trace are not in order: $order"
  [ ! -e "$record/trace.pcapng.part" ] || fail "$what: the trace has a .part left"
  [ "$(tshark -r "$record/trace.pcapng" -Y 'udp.dstport == 7' 2>/dev/null | wc -l)" -gt 0 ] ||
    fail "$what: the trace has none of the probe's packets"
  jq -e '.actions | length == 2 and all(.error == null)' \
    "$record/results.json" >/dev/null || fail "$what: an action is missing"
  rm -r "${records:?}"/*
}

# ... and some of what the probes send has been captured.
both_actions_done() {
  [ "$(grep -cs '"event":"action.done"' "$records"/*/*/events.jsonl)" = 2 ] &&
    [ -n "$(find "$records" -name trace.pcapng.part -size +20000c)" ]
}

for signal in INT:2 TERM:15 HUP:1; do
  what="SIG${signal%:*}"
  start "$work/long.yaml" timeline.start
  wait_until 30 both_actions_done || fail "$what: the actions were not played"
  kill "-${signal%:*}" "$pid"
  finish $((128 + ${signal#*:}))
  record_is_complete "${signal#*:}"
done

what="SIGINT to the whole process group"
start "$work/long.yaml" timeline.start
wait_until 30 both_actions_done || fail "$what: the actions were not played"
kill -INT -- "-$pid"
finish 130
record_is_complete 2

# Nothing is started any more where the signal came while building. Init is
# held until the signal is there; where it was further already, once more.
what="SIGINT while building"
for ((try = 0; ; try++)); do
  [ "$try" -lt 20 ] || fail "$what: the lab is always built by then"
  start "$work/large.yaml" run.start
  init=$(child_of "$pid")
  kill -STOP "$init"
  has_event "$records" lab.ready || break
  kill -CONT "$init"
  kill -INT "$pid"
  wait "$pid" || true
  rm -r "${records:?}"/*
done
kill -INT "$pid"
wait_until 30 grep -q stopping "$records/err" || fail "$what: the owner does not see it"
kill -CONT "$init"
finish 130
has_event "$records" run.interrupted || fail "$what: no event says so"
! has_event "$records" process.start || fail "$what: the processes were started"
! has_event "$records" timeline.start || fail "$what: the timeline was begun"
rm -r "${records:?}"/*

what="SIGINT while the processes start"
start "$work/long.yaml" lab.built
kill -INT "$pid"
finish 130
rm -r "${records:?}"/*

# After the first the program has 2 s to stop; the second gives it none. Then
# there is no time for a complete record, but what there is must be readable.
what="a second SIGINT"
start "$work/stubborn.yaml" timeline.start
record=$(only_record)
wait_until 30 test -e "$record/trace.pcapng.part" || fail "$what: nothing is captured"
kill -INT "$pid"
wait_until 30 has_event "$records" run.interrupted || fail "$what: the first one is ignored"
kill -INT "$pid"
finish 130
grep -q "what was recorded is in" "$records/err" ||
  fail "$what: not told where the record is: $(<"$records/err")"
events_are_whole "$record" || fail "$what: events.jsonl is not whole"
! has_event "$records" run.end ||
  fail "$what: the run was ended in an orderly way, as after the first"
[ ! -e "$record/results.json" ] || fail "$what: there are results"
# Init's end is the capture's sign to finish, and now and then there is time to.
trace=$record/trace.pcapng.part
[ -e "$trace" ] || trace=$record/trace.pcapng
tshark -r "$trace" >/dev/null 2>"$records/err" ||
  grep -q "cut short" "$records/err" ||
  fail "$what: what was captured cannot be read: $(<"$records/err")"

# As under nohup(1), or in the background of a script.
for signal in HUP INT; do
  what="a SIG$signal that the caller ignores"
  rm -r "${records:?}"/*
  trap '' "$signal"
  start "$work/stubborn.yaml" timeline.start
  trap - "$signal"
  kill "-$signal" "$pid"
  kill -TERM "$pid"
  finish 143
  grep -q '"signal":15' "$records"/*/*/events.jsonl ||
    fail "$what: it is not ignored"
done
