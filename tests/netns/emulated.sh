#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Emulated links, from the scenario to the verdict: the same seed gives the same
# fates, and another one others; what one run recorded can be played again; a
# change of one property leaves the rest; and an emulator that dies is noticed,
# said, and makes the run invalid, with nothing left behind. So does servalab
# itself, killed.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"
need jq awk tc

records=$work/results
mine=$stage/mine
mkdir "$records" "$mine"

# run CODE SCENARIO [OPTION...]: sets record.
run() {
  rm -rf "${records:?}"/*
  run_scenario "$1" "$records" "${@:2}"
}

# Of a record's fate lists, what is promised: the fate of the k-th frame of each
# stream, one a line. How many ARP requests are sent depends on when they are
# answered.
fates() {
  local list
  for list in "$record"/fates/*; do
    awk -v list="${list##*/}" '/^#|^servalab/ { next }
      /^stream/ { on = $3 != "control"; name = list " " $0; next }
      on { for (i = 0; i < $2; i++) printf "%s\t%d\t%s\n", name, n[name]++, $1 }' "$list"
  done
}

# agree FILE FILE [PATTERN]: frames that are in both, of lists of that name, have the
# same fates; and most are: a program that gets no CPU for a while may lose a few
# requests, or answer them too late.
agree() {
  awk -F '\t' -v pattern="${3:-.}" '
    $1 !~ pattern { next }
    NR == FNR { fate[$1, $2] = $3; next }
    ($1, $2) in fate {
      n++
      if (fate[$1, $2] != $3) { print "frame " $2 " of " $1 ": " fate[$1, $2] ", and then " $3; bad = 1; exit }
    }
    END {
      if (!bad && n < 1000) { print "only " n + 0 " frames are in both"; bad = 1 }
      exit bad
    }' "$1" "$2" >&2
}

# ---- fates ---------------------------------------------------------------------

# Two streams over one link, and everything that may happen to a frame. The
# nodes know each other's addresses when it begins.
cat >"$mine/fates.yaml" <<'YAML'
version: 1
name: fates
topology:
  defaults: { link: { tolerance: 60s } }
  nodes: { a: {}, b: {} }
  links:
    - name: wire
      endpoints: ["a:eth0", "b:eth0"]
      delay: 2ms
      a>b: { loss: { rate: 10%, burst: 3 }, corrupt: 1%, jitter: 1ms }
      b>a: { loss: 2%, duplicate: 3%, reorder: 4% }
processes:
  one: { node: b, echo: udp/7000 }
  two: { node: b, echo: udp/7001 }
probes:
  meet: { kind: ping, node: a, to: b, interval: 20ms, for: 200ms }
  p1: { kind: udp_echo, node: a, to: b, port: 7000, interval: 1ms, at: 2s, for: 1s }
  p2: { kind: udp_echo, node: a, to: b, port: 7001, interval: 1ms, at: 2s, for: 1s }
expect:
  - { probe: p1, sent: 1000 }
  - { probe: p2, sent: 1000 }
YAML

host_remember "$records"
run 0 "$mine/fates.yaml"
fates >"$mine/first"
# Of the 2,000 frames of the two probes, by the model, and the pings.
lost=$(jq '.links[0].directions[0].realised.frames.lost' "$record/results.json")
((lost > 50 && lost < 500)) || fail "$lost frames were lost, not about 200"
[ "$(cut -f 1 "$mine/first" | sort -u | wc -l)" -ge 6 ] ||
  fail "not all streams are listed: $(cut -f 1 "$mine/first" | sort | uniq -c)"
cp "$record/fates/wire.0.a_eth0.fates" "$mine/recorded.fates"
host_is_as_before "by a run over an emulated link"

run 0 "$mine/fates.yaml"
fates >"$mine/again"
agree "$mine/first" "$mine/again" || fail "the same seed gives other fates (above)"

run 0 "$mine/fates.yaml" --seed 2
fates >"$mine/other"
! agree "$mine/first" "$mine/other" 2>/dev/null || fail "another seed gives the same fates"

# Played again, under yet another seed: the losses are those of the first run.
sed 's/loss: { rate: 10%, burst: 3 }, corrupt: 1%/loss: { file: recorded.fates }/' \
  "$mine/fates.yaml" >"$mine/replay.yaml"
grep -q recorded.fates "$mine/replay.yaml" || fail "nothing is replayed"
run 0 "$mine/replay.yaml" --seed 3
cmp "$mine/recorded.fates" "$record/inputs/recorded.fates" ||
  fail "the record has no copy of the pattern"
fates >"$mine/replayed"
agree "$mine/first" "$mine/replayed" 'wire[.]0' || fail "a recorded pattern is not what is played (above)"

# Without the file the scenario is wrong, and the record still tells of the run.
mv "$mine/recorded.fates" "$mine/elsewhere"
code=0
"$program" check "$mine/replay.yaml" 2>"$mine/err" || code=$?
[ "$code" = 2 ] || fail "a missing file: exit code $code: $(<"$mine/err")"
grep -q "replay.yaml:[0-9]*:[0-9]*: error: cannot read $mine/recorded.fates" \
  "$mine/err" || fail "a missing file is not told of: $(<"$mine/err")"

# ---- changes -------------------------------------------------------------------

cat >"$mine/change.yaml" <<'YAML'
version: 1
name: change
topology:
  defaults: { link: { tolerance: 60s } }
  nodes: { a: {}, b: {} }
  links:
    - { name: wire, endpoints: ["a:eth0", "b:eth0"], delay: 1ms, loss: 100% }
    - { name: spare, endpoints: ["a:eth1", "b:eth1"], loss: 100% }
probes:
  # Who has lost a request for a neighbour's address asks again a second later.
  p: { kind: ping, node: a, to: b, interval: 10ms, for: 4s }
timeline:
  - { at: 500ms, link: wire, loss: 0% }
  - { at: 1s, link: wire, state: down }
  - { at: 2s, link: wire, state: up, a>b: { loss: 1% }, queue: 50 }
  - { at: 3500ms, link: wire, reset: true }
YAML
run 0 "$mine/change.yaml"
jq -e -s 'map(select(.event == "link.change") | [.direction, .old, .new]) == [
    ["a>b", "delay 1ms, loss 100%", "delay 1ms"],
    ["b>a", "delay 1ms, loss 100%", "delay 1ms"],
    ["a>b", "delay 1ms", "delay 1ms, loss 1%"],
    ["b>a", "delay 1ms", "delay 1ms"],
    ["a>b", "delay 1ms, loss 1%", "delay 1ms, loss 100%"],
    ["b>a", "delay 1ms", "delay 1ms, loss 100%"]]' "$record/events.jsonl" >/dev/null ||
  fail "changes are told as $(grep link.change "$record/events.jsonl")"
jq -e '.probes.p | .received > 20 and .lost > 100' "$record/results.json" >/dev/null ||
  fail "changes changed nothing: $(<"$records/out")"
jq -e '.links[0] | .backend == "emulated" and
  .directions[0].realised.frames.lost > 10 and
  (.directions | map(.realised.changes == 3) | all)' \
  "$record/results.json" >/dev/null || fail "the link's figures: $(jq .links "$record/results.json")"

# Over time: as much as in all, and the state changes have lines of their own.
jq -r '.links[].directions[] | [.from, .frames.offered, .frames.delivered, .frames.lost,
  .frames.down_dropped] | join(" ")' "$record/links.json" |
  grep -v ' 0 0 0 0$' | sort >"$mine/totals"
awk -F, 'NR > 1 {
    if ($2 in end && end[$2] != $4) exit 1
    end[$2] = $5
    offered[$2] += $6; delivered[$2] += $8; lost[$2] += $10; dropped[$2] += $12
  } END { for (from in end) print from, offered[from], delivered[from], lost[from], dropped[from] }' \
  "$record/links.csv" | sort >"$mine/sums" || fail "lines of links.csv do not follow each other"
diff "$mine/totals" "$mine/sums" >&2 || fail "links.csv has other figures than links.json (above)"
# It was made between the action's begin and the event that tells of it, which on a
# busy machine comes late. (Nobody knows to the nanosecond which was first.)
jq -sr 'sort_by(.mono_ns)[] | if .event == "action.start" then "begin \(.mono_ns)"
  elif .event == "link.change" and .direction == "a>b" then "told \(.mono_ns)" else empty end' \
  "$record/events.jsonl" | while read -r what at; do
  [ "$what" = told ] || { from=$at && continue; }
  awk -F, -v from="$from" -v to="$at" '$2 == "a:eth0" && $4 > from - 1e6 && $4 < to + 1e6 &&
    ($4 - begin) % 1e8 { found = 1 } $2 == "a:eth0" && !begin { begin = $4 }
    END { exit !found }' "$record/links.csv" ||
    fail "no line begins with the change between $from and $at: $(grep a:eth0 "$record/links.csv" | cut -d , -f 4 | xargs)"
done

grep -q '^ *wire, a>b ' "$records/out" || fail "which link is it: $(<"$records/out")"

# ---- ends that go and come -------------------------------------------------------

# However often an end was away: the k-th frame of a stream has the same fate. (None is
# lost, or the nodes would not get to know each other's addresses in time.)
cat >"$mine/ends.yaml" <<'YAML'
version: 1
name: ends
topology:
  defaults: { link: { tolerance: 60s } }
  nodes: { a: {}, b: {} }
  links:
    - { name: wire, endpoints: ["a:eth0", "b:eth0"], delay: 2ms, a>b: { duplicate: 20% } }
    - { name: late, endpoints: ["a:eth1", "b:eth1"], delay: 1ms, start: manual }
processes:
  echo: { node: b, echo: udp/7000 }
probes:
  p: { kind: udp_echo, node: a, to: b, port: 7000, interval: 5ms, for: 4s }
YAML
{
  cat "$mine/ends.yaml"
  cat <<'YAML'
timeline:
  - { at: 1s, crash: b }
  - at: 1500ms
    do:
      - { boot: b }
      - { wait: 0s }
      - { interface: "b:eth1", state: present }
      - { interface: "a:eth1", state: present }
      - { wait: 100ms }
      - { exec: "for i in 1 2 3 4 5; do ping -c1 -W1 -I eth1 $(getent hosts b | awk 'NR == 2 { print $1 }') && exit; done; ip addr; exit 1", node: a }
      - { wait: 0s }
      - { interface: "b:eth0", state: absent }
      - { wait: 100ms }
      - { interface: "b:eth0", state: present }
      # A boot waits for no carrier that a link has not.
      - { link: late, state: down }
      - { crash: b }
      - { wait: 0s }
      - { boot: b }
      - { wait: 0s }
      - { link: late, state: up }
YAML
} >"$mine/away.yaml"

# Those of the probe's packets, one a line.
fates_of_probe() {
  awk '/^stream/ { on = $3 == "udp" && $NF ~ /:7000$/ && $4 != "" } /^stream|^#|^servalab/ { next }
    on { for (i = 0; i < $2; i++) print $1 }' "$record/fates/wire.0.a_eth0.fates"
}

run 0 "$mine/ends.yaml"
fates_of_probe >"$mine/whole"
run 0 "$mine/away.yaml"
fates_of_probe >"$mine/parts"
whole=$(wc -l <"$mine/whole") parts=$(wc -l <"$mine/parts")
((whole > 700 && parts > 200 && parts < whole)) || fail "$whole and $parts frames have a fate"
grep -q duplicate "$mine/parts" || fail "nothing was doubled: $(<"$mine/parts")"
head -n "$parts" "$mine/whole" | diff - "$mine/parts" >&2 ||
  fail "ends that go and come change fates (above)"
jq -e '[.links[].directions[] | [.from, .devices, .machine.device_gone, .machine.dropped]] ==
  [["a:eth0", 1, false, 0], ["b:eth0", 4, false, 0], ["a:eth1", 1, false, 0], ["b:eth1", 2, false, 0]]' \
  "$record/links.json" >/dev/null || fail "the ends' devices: $(jq -c .links "$record/links.json")"

# The kernel's queues change as well, and go.
cat >"$mine/kernel.yaml" <<'YAML'
version: 1
name: kernel
topology:
  nodes: { a: {}, b: {} }
  links:
    - { name: wire, endpoints: ["a:eth0", "b:eth0"], backend: kernel, a>b: { rate: 10mbit } }
processes:
  first: { node: a, run: "tc qdisc show dev eth0", start: manual }
  then: { node: a, run: "tc qdisc show dev eth0", start: manual }
  last: { node: a, run: "tc qdisc show dev eth0; echo end", start: manual }
timeline:
  - { at: 0s, start: first }
  - { when: { exit: first }, do: [{ link: wire, rate: 2mbit }, { start: then }] }
  - { when: { exit: then }, do: [{ link: wire, reset: true }, { start: last }] }
expect:
  - { process: first, prints: "rate 10Mbit" }
  - { process: then, prints: "rate 2Mbit" }
  - { process: last, prints: "rate 10Mbit" }
YAML
run 0 "$mine/kernel.yaml"
[ ! -e "$record/links.json" ] || fail "nothing is emulated, and there is a links.json"
jq -e '.links[0] | .backend == "kernel" and .directions[0].asked == "rate 10mbit, queue 1000" and
  .directions[0].realised == null' "$record/results.json" >/dev/null ||
  fail "the kernel's link: $(jq -c .links "$record/results.json")"

# ---- an emulator that dies -------------------------------------------------------

cat >"$mine/long.yaml" <<'YAML'
version: 1
name: long
topology:
  nodes: { a: {}, b: {}, c: {}, lan: { kind: bridge } }
  links:
    - { name: wire, endpoints: ["a:eth0", "b:eth0"], delay: 1ms }
    - { name: port, endpoints: ["b:eth1", lan], loss: 1% }
    - { endpoints: ["c:eth0", lan] }
probes:
  p: { kind: ping, node: a, to: b, interval: 10ms, for: 60s }
expect:
  - { probe: p, lost: 0 }
YAML

# The process with that pid in the lab of servalab $1.
in_lab() {
  local init status
  init=$(child_of "$1")
  for status in /proc/[0-9]*/status; do
    awk -v init="$init" -v pid="$2" '/^Pid:/ { p = $2 } /^PPid:/ { parent = $2 }
      /^NSpid:/ { inner = $NF } END { if (parent == init && inner == pid) print p }' \
      "$status" 2>/dev/null || true
  done
}

start_run() {
  rm -rf "${records:?}"/*
  "$program" run -q -r "$records" "$1" >"$records/out" 2>"$records/err" &
  pid=$!
  wait_until 30 has_event "$records" probe.start || fail "the run does not begin"
}

start_run "$mine/long.yaml"
record=$(only_record)
inner=$(jq -r 'select(.event == "emulator.start").pid' "$record/events.jsonl")
emulator=$(in_lab "$pid" "$inner")
[ "$emulator" ] || fail "there is no emulator with pid $inner in the lab"
kill -KILL "$emulator"
code=0
wait "$pid" || code=$?
[ "$code" = 4 ] || fail "killing the emulator: exit code $code: $(<"$records/out") $(<"$records/err")"
jq -e '.verdict == "invalid" and
  (.reasons[0] | test("the emulator of the links ended unexpectedly at [0-9.]+ s, by signal 9"))' \
  "$record/results.json" >/dev/null || fail "killing the emulator: $(jq .reasons "$record/results.json")"
grep -q 'emulator of the links ended unexpectedly' "$records/out" || fail "nobody is told: $(<"$records/out")"
host_is_as_before "when the emulator was killed"

# One that ends by a signal that nobody sent, and one that hangs: it carries nothing,
# and does not answer when it is told to end.
for signal in TERM STOP; do
  sed "s/for: 60s/for: 3s/" "$mine/long.yaml" >"$mine/short.yaml"
  start_run "$mine/short.yaml"
  inner=$(jq -r 'select(.event == "emulator.start").pid' "$(only_record)/events.jsonl")
  kill "-$signal" "$(in_lab "$pid" "$inner")"
  code=0
  wait "$pid" || code=$?
  [ "$code" = 4 ] || fail "SIG$signal to the emulator: exit code $code: $(<"$records/out") $(<"$records/err")"
  grep -q 'emulator of the links ended unexpectedly' "$records/out" ||
    fail "nobody is told of SIG$signal: $(<"$records/out")"
  [ "$signal" != STOP ] || grep -q 'it had not answered for 10 s, and was killed' "$records/out" ||
    fail "nobody is told why it was killed: $(<"$records/out")"
  host_is_as_before "when the emulator got SIG$signal"
done

# One that hangs when an action asks it for something: not for long, since nothing else
# of the lab goes on meanwhile.
{
  sed -e 's/for: 60s/for: 20s/' "$mine/long.yaml"
  cat <<YAML
processes:
  gate: { node: c, run: "until [ -e $mine/gate ]; do sleep 0.01; done" }
timeline:
  - { when: { event: process.exit, where: { process: gate } }, link: wire, state: down }
YAML
} >"$mine/asks.yaml"
start_run "$mine/asks.yaml"
inner=$(jq -r 'select(.event == "emulator.start").pid' "$(only_record)/events.jsonl")
kill -STOP "$(in_lab "$pid" "$inner")"
touch "$mine/gate"
code=0
wait "$pid" || code=$?
[ "$code" = 4 ] || fail "an emulator that hangs: exit code $code: $(<"$records/out") $(<"$records/err")"
grep -q 'it had not answered for 3 s, and was killed' "$records/out" ||
  fail "nobody is told why it was killed: $(<"$records/out")"
host_is_as_before "when the emulator hung in an action"

# One that is held up comes late to frames that wait for it, which no frame shows.
sed -e 's/for: 60s/for: 6s/' -e 's/delay: 1ms/&, tolerance: 1s/' \
  -e 's/loss: 1%/loss: 1%, tolerance: 1s/' "$mine/long.yaml" >"$mine/held.yaml"
start_run "$mine/held.yaml"
inner=$(jq -r 'select(.event == "emulator.start").pid' "$(only_record)/events.jsonl")
emulator=$(in_lab "$pid" "$inner")
kill -STOP "$emulator"
sleep 2
kill -CONT "$emulator"
code=0
wait "$pid" || code=$?
[ "$code" = 4 ] || fail "an emulator that was held up: exit code $code: $(<"$records/out")"
grep -q 'late to read frames in 1 of 100 moments, and link [a-z]* allows 1 s' "$records/out" ||
  fail "nobody is told that it was held up: $(<"$records/out")"
host_is_as_before "when the emulator was held up"

# ---- servalab dies -----------------------------------------------------------------

for how in "" user; do
  rm -rf "${records:?}"/*
  as=()
  [ ! "$how" ] || as=("${AS_USER[@]}")
  "${as[@]}" "$program" run -q -r "$records" "$mine/long.yaml" >"$records/out" 2>&1 &
  pid=$!
  wait_until 30 has_event "$records" probe.start || fail "the run does not begin: $(<"$records/out")"
  kill -KILL "$pid"
  { wait "$pid"; } 2>/dev/null || true
  host_is_as_before "by a kill with emulated links"
done
echo "emulated links: fates, changes, and deaths as they should be"
