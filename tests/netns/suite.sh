#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# servalab test: many runs, one verdict, in words, in JUnit's XML and in TAP;
# its exit codes; its signals; and that nothing is left.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"
need xmllint prlimit

set -m # jobs get process groups, and SIGINT is not ignored in them
records=$work/results
mkdir "$records"

# scenario NAME FOR: two hosts and a ping; what else, from standard input.
scenario() {
  {
    printf 'version: 1\nname: %s\ntopology:\n  nodes: { a: {}, b: {} }\n' "$1"
    printf '  links:\n    - { name: cable, endpoints: ["a:eth0", "b:eth0"] }\n'
    printf 'probes:\n  rtt: { kind: ping, node: a, to: b, interval: 10ms, for: %s }\n' "$2"
    cat
  } >"$stage/$1.yaml"
}

scenario good 100ms <<<'expect: [{ probe: rtt, sent: 10 }]'
scenario other 200ms <<<'expect: [{ probe: rtt, sent: 20 }]'
# It always fails, and is never invalid: no action could be late.
scenario bad 200ms <<'Y'
duration: 200ms
expect:
  - { probe: rtt, lost: { max: 0 } }
  - { probe: rtt, sent: 20 }
Y
sed -i 's/"b:eth0"\]/&, loss: 100%, tolerance: 60s/' "$stage/bad.yaml"
scenario broken 100ms <<<'processes: { x: { node: a, run: [no-such-program] } }'
scenario wrong 100ms <<<'expect: [{ probe: tt, sent: 10 }]'
scenario long 60s </dev/null
# No machine is in time to a microsecond: its runs are invalid.
scenario late 100ms <<<'expect: [{ probe: rtt, sent: 10 }]'
sed -i 's/"b:eth0"\]/"b:eth0"], delay: 1ms, tolerance: 1us/' "$stage/late.yaml"
mkdir /run/mount # where umount(8) keeps notes
host_remember "$records"

# suite CODE WHAT WORD...: servalab test ends with that code.
# But for those that test what becomes of invalid runs, it tries those again.
suite() {
  local expected=$1 code=0 retry=(--retry-invalid 3)
  what=$2
  [ "$expected" != 4 ] && [[ $what != *invalid* ]] || retry=()
  rm -rf "${records:?}"/*
  (cd "$stage" && "$program" test -r "$records" "${retry[@]}" "${@:3}") \
    >"$records/out" 2>"$records/err" || code=$?
  [ "$code" = "$expected" ] ||
    fail "$what: exit code $code instead of $expected: $(cat "$records/out" "$records/err")"
}

says() {
  grep -qE -- "$1" "$records/out" "$records/err" ||
    fail "$what: nothing says '$1': $(cat "$records/out" "$records/err")"
}

# xml EXPRESSION VALUE
xml() {
  local found
  found=$(xmllint --xpath "$1" "$stage/junit.xml")
  [ "$found" = "$2" ] || fail "$what: $1 is '$found' instead of '$2'"
}

suite 0 "all pass" good.yaml other.yaml
says '^passed +good '
[ "$(tail -n 1 "$records/out")" = "2 passed, 0 failed, 0 invalid" ] || fail "$what: no tally: $(<"$records/out")"
host_is_as_before "after: $what"
[ "$(find "$records" -name results.json | wc -l)" = 2 ] || fail "$what: not a record each"

# Expected beside actual, and the line of the file; the others are run as well.
suite 1 "one fails" --junit junit.xml --tap tap good.yaml bad.yaml other.yaml
says '^failed +bad '
says 'bad.yaml:11:[0-9]+: rtt: lost [1-9][0-9]*; expected at most 0'
says '^            11 \|   - \{ probe: rtt, lost: \{ max: 0 \} \}'
says "record: $records/bad/"
says '^2 passed, 1 failed, 0 invalid$'
xml 'concat(/testsuites/@tests, " ", /testsuites/@failures, " ", /testsuites/@errors)' "3 1 0"
xml 'string(//testcase[2]/@name)' bad
xml 'contains(//testcase[2]/failure/@message, "expected at most 0")' true
xml 'count(//testcase[1]/*[not(self::properties)])' 0
[ "$(head -n 1 "$stage/tap")" = "TAP version 14" ] || fail "$what: no TAP: $(<"$stage/tap")"
[ "$(grep -cE '^ok [13] - (good|other)$' "$stage/tap")" = 2 ] || fail "$what: TAP: $(<"$stage/tap")"
grep -q '^not ok 2 - bad$' "$stage/tap" || fail "$what: TAP: $(<"$stage/tap")"
[ "$(tail -n 1 "$stage/tap")" = 1..3 ] || fail "$what: TAP has no plan"

suite 3 "a lab breaks" --junit junit.xml bad.yaml broken.yaml
says '^broken +broken '
says "broken.yaml:9:.*run 'no-such-program'"
says '^0 passed, 2 failed, 0 invalid$'
xml 'string(//testcase[2]/error/@type)' broken

# Nothing is run where one of the files is wrong.
suite 2 "a file with a mistake" --junit junit.xml --tap - good.yaml wrong.yaml
says "wrong.yaml:9:.*error"
[ -z "$(find "$records" -name events.jsonl)" ] || fail "$what: something was run"
xml 'string(//testcase[2]/error/@type)' wrong
xml 'starts-with(//testcase[2]/error/@message, "wrong.yaml:9:")' true
xml 'count(//testcase[1]/skipped)' 1
suite 2 "a file that is not there" --junit junit.xml --tap tap none.yaml
xml 'string(//error/@message)' "cannot read none.yaml: No such file or directory"
grep -q '^    - "cannot read none.yaml: No such file or directory"$' "$stage/tap" ||
  fail "$what: TAP: $(<"$stage/tap")"
suite 2 "a file that can't be written" --junit none/junit.xml good.yaml
says "none/junit.xml"
[ -z "$(find "$records" -name events.jsonl)" ] || fail "$what: something was run"

# One that takes too long is ended, with all that it has recorded.
suite 124 "one takes too long" -j 1 --timeout 2s --junit junit.xml --tap tap long.yaml bad.yaml
says '^timed out +long '
says '^0 passed, 2 failed, 0 invalid$'
xml 'string(//testcase[1]/error/@type)' "timed out"
xml 'string(//testcase[1]/error/@message)' "the run did not end within 2 s (--timeout)"
grep -q '^  verdict: "timed out"$' "$stage/tap" || fail "$what: TAP: $(<"$stage/tap")"
[ "$(jq -r .verdict "$records"/long/*/results.json)" = "timed out" ] || fail "$what: no verdict"
events_are_whole "$records"/long/* || fail "$what: the events are not whole"
host_is_as_before "after: $what"

# TAP on standard output alone, and what people read beside it.
suite 1 "TAP to standard output" --tap - --repeat 2 bad.yaml good.yaml
[ "$(grep -cE '^(not )?ok [1-4] - (bad|good) \(run [12]\)$' "$records/out")" = 4 ] ||
  fail "$what: $(<"$records/out")"
grep -q '^2 passed, 2 failed, 0 invalid$' "$records/err" || fail "$what: no tally: $(<"$records/err")"
[ "$(find "$records" -name results.json | wc -l)" = 4 ] || fail "$what: not a record each"

suite 1 "until one fails" --until-fail -j 1 --repeat 5 bad.yaml
says '^0 passed, 1 failed'
suite 0 "until one fails, none does" --until-fail --repeat 3 good.yaml
says '^3 passed'
suite 0 "quietly" -q good.yaml
[ "$(wc -l <"$records/out")" = 3 ] || fail "$what: more than the tally: $(<"$records/out")"
suite 0 "with a seed" -s 42 good.yaml
[ "$(cat "$records"/*/*/results.json | jq .seed)" = 42 ] || fail "$what: another seed"

host_is_as_before "after: $what"

suite 4 "an invalid one" late.yaml good.yaml
says '^invalid +late '
says 'link cable, .* late, and 1 us is allowed'
says '^1 passed, 0 failed, 1 invalid$'
suite 1 "an invalid one and one that failed" bad.yaml late.yaml
suite 4 "one that stays invalid" --retry-invalid 2 --junit junit.xml --tap tap late.yaml good.yaml
[ "$(grep -c 'to be tried again, alone' "$records/out")" = 2 ] || fail "$what: $(<"$records/out")"
says '2 invalid runs were tried again$'
says '^1 passed, 0 failed, 1 invalid$'
[ "$(find "$records/late" -name results.json | wc -l)" = 3 ] || fail "$what: not a record each"
grep -q '^  invalid_runs_before: 2$' "$stage/tap" || fail "$what: TAP: $(<"$stage/tap")"
xml 'string(//testcase[1]/error/@type)' invalid
xml 'string(//property[@name="invalid-runs-before"]/@value)' 2
host_is_as_before "after: $what"

all_run() {
  [ "$(cat "$records"/*/*/events.jsonl 2>/dev/null | grep -c '"event":"timeline.start"')" = "$1" ]
}

# in_background N WORD...: once N runs are under way.
in_background() {
  rm -rf "${records:?}"/*
  (cd "$stage" && exec "$program" test -r "$records" "${@:2}") \
    >"$records/out" 2>"$records/err" &
  pid=$!
  wait_until 30 all_run "$1" || fail "$what: the runs did not start: $(cat "$records"/{out,err})"
}

finish() {
  local code=0
  wait "$pid" || code=$?
  [ "$code" = "$1" ] || fail "$what: exit code $code instead of $1: $(cat "$records"/{out,err})"
  host_is_as_before "after: $what"
}

for signal in INT:2 TERM:15; do
  what="SIG${signal%:*}"
  in_background 2 -j 2 --tap tap --junit junit.xml long.yaml long.yaml good.yaml
  kill "-${signal%:*}" "$pid"
  finish $((128 + ${signal#*:}))
  says '^0 passed, 0 failed, 0 invalid$'
  says '3 not run to their end'
  [ "$(cat "$records"/*/*/results.json | jq -s 'map(.verdict == "interrupted") | length == 2 and all')" = true ] ||
    fail "$what: the records are not those of interrupted runs"
  tail -n 1 "$stage/tap" | grep '^Bail out! ' >/dev/null || fail "$what: TAP: $(<"$stage/tap")"
  xml 'count(//skipped)' 3
done

# The terminal sends it to all of the group; the runs must not see two.
what="SIGINT to the process group"
in_background 1 long.yaml
kill -INT -- "-$pid"
finish 130
[ -n "$(find "$records" -name results.json)" ] || fail "$what: the record is not complete"

what="SIGINT twice"
in_background 1 long.yaml
kill -INT "$pid"
wait_until 30 grep -q stopping "$records/out" || fail "$what: nothing says that it stops"
kill -INT "$pid" 2>/dev/null || true # it may have stopped already
finish 130

what="SIGKILL"
echo old >"$stage/junit.xml"
in_background 2 -j 2 --junit junit.xml long.yaml long.yaml
kill -KILL "$pid"
finish 137
[ "$(<"$stage/junit.xml")" = old ] || fail "$what: the results of before are lost"

what="a run that is killed"
in_background 1 --junit junit.xml long.yaml
kill -KILL "$(<"/proc/$pid/task/$pid/children")"
finish 3
says '^broken +long '
says '^         the process that ran it ended by SIGKILL$'
says "^         record: $records/long/"
xml 'string(//testcase[1]/error/@message)' "the process that ran it ended by SIGKILL"

# What could not be started is no results that are not there.
what="a run that can't be started"
in_background 1 -j 1 --junit junit.xml --tap tap long.yaml good.yaml
prlimit --nofile=5:5 --pid "$pid"
kill -TERM "$(<"/proc/$pid/task/$pid/children")"
finish 3
says '^servalab: error: start a run: Too many open files'
says '^help: raise the limit of open files'
xml 'string(//testcase[2]/error/@message)' "start a run: Too many open files"
grep -q '^not ok 2 - good$' "$stage/tap" || fail "$what: TAP: $(<"$stage/tap")"

echo "one verdict for many runs, and nothing left"
