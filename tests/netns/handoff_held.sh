#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A handoff that is held up holds nothing else up: actions behind it come in time, and
# other handoffs come to their end. And it comes to an end itself: when whoever held it
# up goes on, when a sald dies in the middle, when the run is over before, and when
# somebody never answers.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
need jq pgrep
nested_enter "$@"
host_remember "$work"

# lab NAME PROBES TIMELINE: two services that can be handed over, from c.
lab() {
  cat >"$1.yaml" <<YAML
version: 1
name: $1
topology:
  nodes: { a: {}, c: {}, d: {}, e: {}, lan: { kind: bridge, subnet: [10.0.0.0/24, "fd00:1::/64"] } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["c:eth0", lan] }
    - { endpoints: ["d:eth0", lan] }
    - { endpoints: ["e:eth0", lan] }
services:
  one: { resolver: sal, port: tcp/5001, instances: [c], run: [one-c, one-d] }
  two: { resolver: sal, port: tcp/5002, instances: [c], run: [two-c, two-e] }
processes:
  one-c: { node: c, run: "exec serval-handoff-echo --port 5001", ready: { listens: tcp/5001 } }
  one-d: { node: d, run: "exec serval-handoff-echo --port 5001", ready: { listens: tcp/5001 } }
  two-c: { node: c, run: "exec serval-handoff-echo --port 5002", ready: { listens: tcp/5002 } }
  two-e: { node: e, run: "exec serval-handoff-echo --port 5002", ready: { listens: tcp/5002 } }
  # The file is made by this test.
  gate: { node: a, start: ${4-manual}, run: "until [ -e go ]; do sleep 0.02; done; echo go" }
probes:
$2
timeline:
$3
YAML
}

# begin NAME: in the background; sets owner, and record and events when there are any.
begin() {
  name=$1
  "$program" run -q "$name.yaml" >"$name.out" 2>&1 &
  owner=$!
  wait_until 60 has_event results timeline.start || fail "$name does not begin: $(<"$name.out")"
  events=$(echo results/"$name"/*/events.jsonl)
  record=${events%/*}
}

# happened FILTER: whether there is such an event yet, whose last line may be half.
happened() {
  [ -n "$(jq -c "select($1)" "$events" 2>/dev/null)" ]
}

# await FILTER
await() {
  wait_until 60 happened "$1" || fail "$name: $1 has not happened: $(grep -h action "$events")"
}

# end CODE...: the run ends with one of these.
end() {
  local code=0
  wait "$owner" || code=$?
  [[ " $* " = *" $code "* ]] || fail "$name: exit code $code instead of $*: $(<"$name.out") $(grep -h action "$events")"
  events_are_whole "$record" || fail "$name: the events are not whole"
}

# line FILTER: of the first such event.
line() {
  local n
  n=$(jq -n "first(inputs | select($1) | input_line_number)" "$events")
  [ "$n" ] || fail "$name: no event is $1: $(grep -h action "$events")"
  printf '%s\n' "$n"
}

# before FILTER FILTER
before() {
  [ "$(line "$1")" -lt "$(line "$2")" ] || fail "$name: $1 comes behind $2: $(grep -h action "$events")"
}

# step TEXT STEP: an event of the action of that text.
step() {
  local id
  id=$(jq -n "first(inputs | select(.event == \"action.start\" and .text == \"$1\") | .id)" "$events")
  printf '.id == %s and .step == "%s"' "${id:-null}" "$2"
}
started() { printf '.event == "action.start" and .text == "%s"' "$1"; }

# why TEXT: the action of that text was rolled back.
why() {
  jq -rn --arg text "$1" '[inputs] | (map(select(.event == "action.start" and .text == $text))[0].id) as $id |
    .[] | select(.event == "action.rolled_back" and .id == $id) | .reason' "$events"
}

# is_of_owner PID: it runs in the lab of this run; others go on beside it.
is_of_owner() {
  local pid=$1
  while [ "${pid:-0}" -gt 1 ]; do
    [ "$pid" != "$owner" ] || return 0
    pid=$(awk '$1 == "PPid:" { print $2 }' "/proc/$pid/status" 2>/dev/null)
  done
  return 1
}

# sald_of NODE: its process; they have inner addresses in their order.
sald_of() {
  local -A index=([a]=1 [c]=2 [d]=3 [e]=4)
  local pid
  for pid in $(pgrep -xf "sald .*198\\.19\\.0\\.${index[$1]}/16.*"); do
    ! is_of_owner "$pid" || echo "$pid"
  done | grep . || fail "no sald of $1 runs"
}

# ---- by who never answers, meanwhile -------------------------------------------------

# never NAME SERVER FAIL: in the background, in a folder of its own.
never() {
  mkdir "$work/$1"
  cat >"$work/$1/lab.yaml" <<YAML
version: 1
name: $1
topology:
  nodes: { a: {}, c: {}, d: {}, lan: { kind: bridge, subnet: [10.0.0.0/24, "fd00:1::/64"] } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["c:eth0", lan] }
    - { endpoints: ["d:eth0", lan] }
services:
  one: { resolver: sal, port: tcp/5001, instances: [c], run: [one-c, one-d] }
processes:
  one-c:
    node: c
    ready: { listens: tcp/5001 }
    run: &server |
      $2
  one-d: { node: d, ready: { listens: tcp/5001 }, run: *server }
probes:
  first: { kind: tcp_stream, node: a, to: one, rate: 1mbit, for: 4s }
timeline:
  - when: { event: sal.flow.opened, where: { node: c } }
    plus: 100ms
    migrate: { service: one, from: c, to: d, mode: handoff$3 }
YAML
  (cd "$work/$1" && exec "$program" run -q --timeout 60s lab.yaml) >"$work/$1/out" 2>&1 &
}

# never_ended NAME PID CODE REASON
never_ended() {
  local code=0
  wait "$2" || code=$?
  [ "$code" = "$3" ] || fail "$1: exit code $code instead of $3: $(<"$work/$1/out")"
  grep -qF -- "$4" "$work/$1/out" "$work/$1"/results/*/*/events.jsonl ||
    fail "$1: nothing says '$4': $(<"$work/$1/out") $(grep -h action "$work/$1"/results/*/*/events.jsonl)"
}

# Says "done" to everything, but nothing to go and close. (A message is read as a whole.)
cat >"$work/mute" <<'SH'
env -u SERVALAB_HANDOFF_FD serval-handoff-echo --port 5001 &
while read -r word number _ < <(dd bs=256 count=1 2>/dev/null <&"$SERVALAB_HANDOFF_FD"; echo) && [ "$word" ]; do
  case $word in go | close) ;; *) printf 'done %s' "$number" >&"$SERVALAB_HANDOFF_FD" ;; esac
done
SH
never to-go "exec bash $work/mute" ""
to_go=$!
# Is killed, and is not gone.
never to-die "setsid -w serval-handoff-echo --port 5001" ", fail: dump"
to_die=$!

probes='
  first:  { kind: tcp_stream, node: a, to: one, rate: 20mbit, for: 3s }
  second: { kind: tcp_stream, node: a, to: two, rate: 20mbit, for: 3s }
expect:
  - { probe: first, survives: true, intact: true }
  - { probe: second, survives: true, intact: true }'

# ---- by the new server, which is stopped ------------------------------------------

lab held-by-server "$probes" '
  - { when: { event: sal.flow.opened, where: { node: c }, count: 2 }, start: one-d }
  - when: { event: process.ready, where: { process: one-d } }
    plus: 100ms
    do: [{ pause: one-d },
         { migrate: { service: one, from: c, to: d, mode: handoff } }, { wait: 0s }, { mark: "handed over" }]
  # Flows stand still: it is under way. It goes on when the other one has come to its end.
  - when: { event: action.step, where: { step: handoff.hold } }
    plus: 10ms
    do: [{ mark: "10 ms behind it" }, { migrate: { service: two, from: c, to: e, mode: handoff } },
         { service: one, instance: d, weight: 2 }]
  - { when: { event: action.step, where: { step: handoff.committed } }, resume: one-d }'
one='migrate one: c -> d, handing over' two='migrate two: c -> e, handing over'
begin held-by-server
end 0 4
before "$(started "mark: 10 ms behind it")" "$(step "$one" handoff.restored)"
before "$(step "$two" handoff.committed)" "$(step "$one" handoff.restored)"
# What depends on it waits for it.
before "$(step "$one" handoff.committed)" "$(started "mark: handed over")"
before "$(step "$one" handoff.committed)" "$(step "weight of one: d 2" turn)"
rm -r results

# ---- by a sald, which is stopped -------------------------------------------------

lab held-by-sald "$probes" '
  - when: { prints: go, process: gate }
    migrate: { service: one, from: c, to: d, mode: handoff }
  - { when: { prints: go, process: gate }, plus: 10ms, mark: "10 ms behind it" }' auto
begin held-by-sald
sald=$(sald_of d)
kill -STOP "$sald"
mkdir -p "$record/files/a"
touch "$record/files/a/go"
await "$(started "mark: 10 ms behind it")"
kill -CONT "$sald"
end 0 4
before "$(started "mark: 10 ms behind it")" "$(step "$one" start)"
line "$(step "$one" stop)" >/dev/null
rm -r results

# ---- the run is ended in the middle of one; a sald dies in the middle of another ------

lab to-the-end "${probes%%expect:*}" '
  - { when: { event: sal.flow.opened, where: { node: c }, count: 2 }, do: [{ start: one-d }, { start: two-e }] }
  - when: { event: process.ready, where: { process: one-d } }
    plus: 100ms
    do: [{ pause: one-d }, { migrate: { service: one, from: c, to: d, mode: handoff } }]
  - when: { event: process.ready, where: { process: two-e } }
    plus: 100ms
    do: [{ pause: two-e }, { migrate: { service: two, from: c, to: e, mode: handoff } }]
  - { when: { event: sald.exit, where: { node: e } }, resume: two-e }'
begin to-the-end
# Whether its dump waits to be read or has come to an end: nobody takes it.
for text in "$one" "$two"; do
  await "$(started "$text")"
  await "$(step "$text" handoff.hold)"
done
kill -KILL "$(sald_of e)"
await '.event == "action.rolled_back"'
# On a busy machine both may have been given up by now, and all is over.
kill -TERM "$owner" 2>/dev/null || true
end 1 # the dead sald makes it a failed one
for text in "$one" "$two"; do
  line "$(step "$text" handoff.rolled_back)" >/dev/null
  ! happened "$(step "$text" handoff.committed)" || fail "$name: '$text' was committed all the same"
done
# That it was the end of the run takes less than the 8 s that a handoff has: more, on a
# busy machine, and it has given up before.
case $(why "$one") in
  "the run ended before it was complete" | *" does not answer to "*) ;;
  *) fail "$name: it is not told why '$one' was taken back: $(why "$one")" ;;
esac
# Whoever finds it out first says so: the server has lost its address, too.
[ -n "$(why "$two")" ] || fail "$name: it is not told why '$two' was taken back"
rm -r results

never_ended to-go "$to_go" 3 "process 'one-d' does not answer to \"go\""
never_ended to-die "$to_die" 0 "process 'one-d' was killed, and something that it began"

host_is_as_before "by handoffs that were held up"
