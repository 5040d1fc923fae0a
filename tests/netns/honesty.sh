#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What goes wrong is told as it is: what was expected, what was, which line of
# the scenario, with the exit code for it; and each time nothing is left.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"

records=$work/results
mkdir "$records"
lab='version: 1
name: lab
topology:
  nodes: { a: {}, b: {} }
  links:
    - { name: cable, endpoints: ["a:eth0", "b:eth0"] }
probes:
  rtt: { kind: ping, node: a, to: b, interval: 10ms, for: 100ms }'

# A scenario of the lab above and of what is read from standard input.
scenario() {
  printf '%s\n' "$lab" >"$stage/lab.yaml"
  cat >>"$stage/lab.yaml"
}

# line_of TEXT: its number in the scenario.
line_of() {
  grep -nF -m 1 -- "$1" "$stage/lab.yaml" | cut -d: -f1
}

# run CODE WHAT [OPTION...]: the scenario ends with that code.
run() {
  what=$2
  rm -rf "${records:?}"/*
  run_scenario "$1" "$records" "$stage/lab.yaml" "${@:3}"
}

says() {
  grep -qE -- "$1" "$records/out" "$records/err" ||
    fail "$what: nothing says '$1': $(cat "$records/out" "$records/err")"
}

scenario </dev/null
mkdir /run/mount # where umount(8) keeps notes
host_remember "$records"
run 0 "nothing is wrong"

scenario <<'Y'
timeline:
  - { at: 50ms, link: cable, state: down }
expect:
  - { probe: rtt, lost: { max: 0 } }
  - { probe: rtt, sent: 60 }
Y
# So long that the action, however late it may be, comes in its midst.
sed -i 's/for: 100ms/for: 600ms/' "$stage/lab.yaml"
run 1 "a link is down, and no packet may be lost"
says "rtt: lost [1-9][0-9]*; expected at most 0"
says "lab.yaml:$(line_of 'lost: { max: 0 }')"
says "1 of 2 held"
record=$(only_record)
jq -e '.verdict == "failed" and ([.expectations[] | .held] == [false, true])' \
  "$record/results.json" >/dev/null || fail "$what: results.json does not say so"
host_is_as_before "after: $what"

scenario <<'Y'
expect:
  - { probe: rtt, lost: { max: 9 } }
  - { capture: "icmp6", node: a, count: 12345 }
Y
run 1 "a count of packets that cannot be"
says "12345"
says "lab.yaml:$(line_of 12345)"

scenario <<'Y'
processes:
  ghost: { node: b, run: ["no-such-program", "-x"] }
Y
run 3 "a program that does not exist"
says "^$stage/lab.yaml:$(line_of ghost):[0-9]+: error: .*ghost.*no-such-program.*No such file"
says "^help: "
says "^record, up to then: $(only_record)$"
jq -e '.verdict == "failed" and (.reasons | length == 1) and
  (.reasons[0] | contains("no-such-program"))' "$(only_record)/results.json" >/dev/null ||
  fail "$what: results.json does not say why"
grep -q no-such-program "$(only_record)/summary.txt" ||
  fail "$what: summary.txt does not say why"
host_is_as_before "after: $what"

mkdir -m 0 /run/closed
scenario <<'Y'
processes:
  ghost: { node: b, run: ["no-such-program", "-x"] }
Y
(
  PATH=/run/closed:$PATH
  unset IFS
  exec "${AS_USER[@]}" "$program" run -q -r /tmp "$stage/lab.yaml"
) >"$records/out" 2>"$records/err" || code=$?
what="a program that does not exist, and a folder of PATH that is closed"
[ "${code:-0}" = 3 ] || fail "$what: exit code ${code:-0} instead of 3: $(<"$records/err")"
says "^help: install the program"
rmdir /run/closed
rm -r /tmp/lab
host_is_as_before "after: $what"

scenario <<'Y'
processes:
  late: { node: b, run: "sleep 60", ready: { listens: tcp/80, timeout: 300ms } }
Y
run 3 "a process that is never ready"
says "lab.yaml:$(line_of late:):[0-9]+: error: .*late.*not ready within 0\.3 s"
says "^help: .*processes/late.log"
host_is_as_before "after: $what"

scenario <<'Y'
processes:
  short: { node: b, run: "echo I am no server; exit 5", ready: { listens: tcp/80 } }
Y
run 3 "a process that ends before it is ready"
says "lab.yaml:$(line_of short:):[0-9]+: error: .*short.*ended before it was ready"
grep -q "I am no server" "$(only_record)/processes/short.log" ||
  fail "$what: its log does not hold what it printed"
host_is_as_before "after: $what"

scenario <<'Y'
processes:
  victim: { node: b, run: "sleep 60 & sleep 60; wait" }
timeline:
  - { at: 50ms, kill: victim, signal: KILL }
expect:
  - { process: victim, exit: 0 }
Y
run 1 "a process that an action kills, and that should end well"
says "victim: .*(KILL|signal)"
says "lab.yaml:$(line_of 'exit: 0')"
jq -e '.processes.victim | .signal == 9 and .signal_name == "KILL" and .expected' \
  "$(only_record)/results.json" >/dev/null || fail "$what: results.json does not say so"
host_is_as_before "after: $what"

# What has ended by itself can be stopped, and killed, once more.
scenario <<'Y'
processes:
  short: { node: b, run: "true" }
timeline:
  - { at: 50ms, stop: short }
  - { at: 60ms, kill: short, signal: HUP }
expect:
  - { process: short, exit: 0 }
Y
run 0 "a process that ended before it was to be stopped"
jq -e -s '[.[] | select(.event == "action.step") | .step] == ["ended", "ended"] and
  ([.[] | select(.event == "action.done")] | length == 2) and
  ([.[] | select(.event == "process.exit")] | length == 1 and .[0].expected == false)' \
  "$(only_record)/events.jsonl" >/dev/null || fail "$what: the events do not say so"
[ ! -e "$(only_record)/trace.pcapng.comments" ] || fail "$what: a file is left in the record"

scenario <<'Y'
processes:
  quiet: { node: b, run: "true" }
expect:
  - { process: quiet, prints: "hello" }
Y
run 1 "a process that prints nothing"
says 'quiet: did not print "hello" \(its log is empty\)'

scenario </dev/null
run 0 "a scenario that expects nothing"
says "passed \(nothing was expected\)"

# child_with FILE: the process of the lab that has it open.
child_with() {
  local child
  for child in $(<"/proc/$init/task/$init/children"); do
    if readlink "/proc/$child/fd/"* | grep "$1" >/dev/null; then
      printf '%s\n' "$child"
      return
    fi
  done
  return 1
}

# start WHAT: the scenario, until its probe has begun; sets pid and init.
start() {
  what=$1
  rm -rf "${records:?}"/*
  "$program" run -q -r "$records" "$stage/lab.yaml" >"$records/out" 2>"$records/err" &
  pid=$!
  wait_until 30 has_event "$records" probe.start || fail "$what: no probe: $(<"$records/err")"
  init=$(child_of "$pid")
  wait_until 30 child_with probes/ >/dev/null || fail "$what: no file of the probe"
}

scenario <<'Y'
duration: 4s
Y
sed -i 's/for: 100ms/for: 3900ms/' "$stage/lab.yaml"
start "a probe that is stopped for ever"
kill -STOP "$(child_with probes/)"
code=0
wait "$pid" || code=$?
[ "$code" = 4 ] || fail "$what: exit code $code instead of 4: $(<"$records/err")"
has_event "$records" probe.abandoned || fail "$what: no event says so"
says "the probe rtt did not end when it was asked to"
host_is_as_before "after: $what"

start "a capture that is killed"
kill -KILL "$(child_with trace.pcapng.part)"
code=0
wait "$pid" || code=$?
[ "$code" = 3 ] || fail "$what: exit code $code instead of 3: $(<"$records/err")"
says "^servalab: error: the capture failed: it ended by SIGKILL"
jq -e '.verdict == "failed" and (.reasons[0] | contains("the capture failed"))' \
  "$(only_record)/results.json" >/dev/null || fail "$what: results.json does not say so"
host_is_as_before "after: $what"

# The scenario is wrong: all that is wrong is told, and nothing is built.
scenario <<'Y'
timeline:
  - { at: 50, link: cabel, state: down }
expect:
  - { prob: rtt, lost: 0 }
Y
run 2 "three mistakes"
says "lab.yaml:$(line_of cabel):.* error: "
says "did you mean 'cable'"
says "lab.yaml:$(line_of prob:):.* error: "
[ "$(find "$records" -mindepth 1 -type d | wc -l)" = 0 ] || fail "$what: a record was made"

code=0
"$program" run -r "$records" "$work/missing.yaml" >"$records/out" 2>"$records/err" || code=$?
what="a file that is not there"
[ "$code" = 2 ] || fail "$what: exit code $code instead of 2"
says "missing.yaml: No such file"

# Nowhere to keep the record: told before anything is built.
scenario </dev/null
: >"$records/file"
code=0
what="results below a file"
"$program" run -q -r "$records/file/deep" "$stage/lab.yaml" \
  >"$records/out" 2>"$records/err" || code=$?
[ "$code" = 3 ] || fail "$what: exit code $code instead of 3: $(<"$records/err")"
says "$records/file.*Not a directory"
says "^help: .*--results"

# A disk with so many KiB left; 0: not even the scenario fits.
mkdir "$records/full"
for left in 0 4 8 12 16; do
  what="a disk with $left KiB left"
  mount -t tmpfs -o size=256k tmpfs "$records/full"
  mkdir "$records/full/lab"
  head -c $((256 - left))k /dev/zero >"$records/full/filler"
  code=0
  "$program" run -q -r "$records/full" "$stage/lab.yaml" \
    >"$records/out" 2>"$records/err" || code=$?
  [ "$code" = 3 ] || fail "$what: exit code $code instead of 3: $(<"$records/err")"
  says "No space left on device"
  [ "$left" = 16 ] || umount "$records/full"
done
mount -o remount,bind,ro "$records/full"
code=0
what="a folder that cannot be written to"
"$program" run -q -r "$records/full/new" "$stage/lab.yaml" \
  >"$records/out" 2>"$records/err" || code=$?
[ "$code" = 3 ] || fail "$what: exit code $code instead of 3: $(<"$records/err")"
says "Read-only file system"
umount "$records/full"
host_is_as_before "after runs whose record could not be written"
