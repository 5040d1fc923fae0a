#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a lab's program gets: what the scenario gives it, and of the caller's
# and the lab's own only what it needs.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"

records=$work/results
mkdir "$records"
{
  cat <<'Y'
version: 1
name: programs
topology:
  nodes: { a: {} }
processes:
  fds: { node: a, run: "readlink /proc/self/fd/*; true" }
  limit: { node: a, run: "ulimit -Sn" }
  ignored: { node: a, run: ["grep", "SigIgn", "/proc/self/status"] }
  slack: { node: a, run: ["cat", "/proc/self/timerslack_ns"] }
  env:
    node: a
    run: env
    env:
      LANG: other
Y
  printf '      MANY_%d: "%d"\n' {1..300}{,}
} >"$work/programs.yaml"

ulimit -Sn 300
export LANG=caller SECRET=of-the-caller
read -r slack </proc/self/timerslack_ns
run_scenario 0 "$records" "$work/programs.yaml" 7</etc/passwd
logs=$record/processes

! grep passwd "$logs/fds.log" || fail "a descriptor of the caller is open"
[ "$(grep -vcE '^/dev/null$|^pipe:\[[0-9]+\]$|^/proc/[0-9]+/fd$' "$logs/fds.log")" = 0 ] ||
  fail "more is open than input and output: $(<"$logs/fds.log")"
[ "$(<"$logs/limit.log")" = 300 ] ||
  fail "the limit of open files is $(<"$logs/limit.log") instead of the caller's"
[ "$(<"$logs/ignored.log")" = $'SigIgn:\t0000000000000000' ] ||
  fail "signals are ignored: $(<"$logs/ignored.log")"
[ "$(<"$logs/slack.log")" = "$slack" ] ||
  fail "the timer slack is $(<"$logs/slack.log") instead of $slack"
[ "$(grep -c '^MANY_' "$logs/env.log")" = 300 ] ||
  fail "of 300 variables, there are $(grep -c '^MANY_' "$logs/env.log")"
[ "$(grep '^LANG=' "$logs/env.log")" = LANG=other ] ||
  fail "the scenario's LANG is not the one"
grep -qx NODE=a "$logs/env.log" || fail "no NODE"
! grep SECRET "$logs/env.log" || fail "the caller's environment is there"

# A log has its bound, and its program does not notice. What an earlier life
# printed is no sign of readiness; of what the last one printed nothing is lost.
rm -rf "${records:?}"/*
cat >"$work/logs.yaml" <<'Y'
version: 1
name: logs
topology:
  nodes: { a: {} }
processes:
  loud: { node: a, run: ["sh", "-c", "head -c 70M /dev/zero && echo >loud-is-past"] }
  quiet: { node: a, run: ["sh", "-c", "seq 1 100000; echo last >&2"] }
  again:
    node: a
    run: ["sh", "-c", "echo once; sleep 0.5; echo ready; [ -e b ] || { touch b; exec sleep 100; }; sleep 2"]
    ready: { prints: ready }
timeline:
  - { at: 300ms, kill: again }
  - { at: 2s, start: again }
expect:
  - { process: quiet, prints: last }
  - { process: loud, prints: nothing-that-is-kept }
Y
run_scenario 1 "$records" "$work/logs.yaml"
mark='[servalab: this log ends here, at 64 MiB; what was printed after that was not kept]'
[ "$(tail -c $((${#mark} + 1)) "$record/processes/loud.log")" = "$mark" ] ||
  fail "a log that was cut does not say so"
[ "$(stat -c %s "$record/processes/loud.log")" = $(((64 << 20) + ${#mark} + 2)) ] ||
  fail "a log of $(stat -c %s "$record/processes/loud.log") bytes"
[ -e "$record/files/a/loud-is-past" ] || fail "the program with the long log stood still"
jq -es '[.[] | select(.event == "process.log_cut")] |
  length == 1 and .[0].process == "loud" and .[0].kept == 67108864' \
  "$record/events.jsonl" >/dev/null || fail "no event tells of the log that was cut"
grep -q 'bytes, where it was cut)' "$records/out" || fail "the summary does not tell of it"
cmp -s "$record/processes/quiet.log" <(seq 1 100000; echo last) ||
  fail "a log within its bound is not what was printed"
# Ready half a second after each of its starts, not at once; a start may be noted
# late.
jq -es '[.[] | select(.process == "again" and
    (.event == "process.start" or .event == "process.ready"))] |
  length == 4 and .[1].mono_ns - .[0].mono_ns > 9e7 and .[3].mono_ns - .[2].mono_ns > 9e7' \
  "$record/events.jsonl" >/dev/null ||
  fail "what an earlier life printed made it ready: $(grep '"again"' "$record/events.jsonl")"

# So has a sald's, whatever it prints.
cat >"$work/sald" <<Y
#!/bin/sh
head -c 70M /dev/zero >&2
exec "$stage/sald" "\$@"
Y
chmod +x "$work/sald"
rm -rf "${records:?}"/*
shorten "$scenarios/ping-migration.yaml" "$work/ping.yaml" \
  's/for: 6s/for: 900ms/;s/at: 2s/at: 300ms/;s/at: 4s/at: 600ms/;s/sent: 600/sent: 90/;/answered_by/d'
SERVALAB_SALD=$work/sald run_scenario 0 "$records" "$work/ping.yaml"
for node in a c d; do
  [ "$(tail -c $((${#mark} + 1)) "$record/sald/$node.log")" = "$mark" ] ||
    fail "a sald's log that was cut does not say so"
  [ "$(stat -c %s "$record/sald/$node.log")" = $(((64 << 20) + ${#mark} + 2)) ] ||
    fail "a sald's log of $(stat -c %s "$record/sald/$node.log") bytes"
done
