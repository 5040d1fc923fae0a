#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# --pause-on-failure, at a terminal of script(1): where an expectation does not
# hold the clock stops, and commands and shells can be had in the lab's nodes
# until the one at the terminal goes on.
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
# for FOR.
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

finish() {
  exec 9>&-
  wait "$pid" || true
  sees "the code is $1" || fail "$what: the exit code is not $1: $(<"$seen")"
  host_is_as_before "after: $what"
}

host_remember "$records"

what="no terminal"
code=0
"$program" run -r "$records" --pause-on-failure "$stage/none.yaml" </dev/null >"$stage/err" 2>&1 || code=$?
[ "$code" = 2 ] || fail "$what: exit code $code"
grep -q "needs a terminal" "$stage/err" || fail "$what: $(<"$stage/err")"

what="all holds"
scenario 2s 300ms "{ probe: rtt, sent: 30 }"
begin
await sees "the code is 0"
! sees "paused> " || fail "$what: it paused: $(<"$seen")"
finish 0

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
finish 1
jq -se '[.[] | .event] | index("run.paused") < index("run.continued")' "$record/events.jsonl" >/dev/null ||
  fail "$what: the record does not tell of it"
jq -e '.verdict == "failed" and .duration_ns < 10e9' "$record/results.json" >/dev/null ||
  fail "$what: another verdict"
# What was tried out is not in the record.
[ "$(jq .capture.packets "$record/results.json")" -lt 200 ] || fail "$what: too many packets"

# It stops as soon as it is certain: the program's exit. All is frozen then.
what="while it is played"
scenario 60s 60s "{ process: short, exit: 0 }"
begin
await prompts 1
sees "short: exit status 7; expected exit status 0" || fail "$what: not told why: $(<"$seen")"
record=$(only_record)
before=$(<"$record/files/a/count")
type_line "exec a sleep 0.3; cat count"
await prompts 2
[ "$(<"$record/files/a/count")" = "$before" ] || fail "$what: the counter is not frozen"
type_line continue
finish 1
jq -e '.verdict == "failed" and .probes.rtt.sent < 5000' "$record/results.json" >/dev/null ||
  fail "$what: another verdict, or the probe went on"

what="quit"
begin
await prompts 1
type_line quit
finish 130
jq -e '.verdict == "interrupted"' "$(only_record)/results.json" >/dev/null || fail "$what: verdict"

what="the terminal's end"
begin
await prompts 1
printf '\004' >&9
finish 1

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
