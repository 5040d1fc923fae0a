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
"$program" run -q -r "$records" "$work/programs.yaml" \
  7</etc/passwd >"$records/out" 2>&1 || fail "exit code $?: $(<"$records/out")"
logs=$(only_record)/processes

! grep passwd "$logs/fds.log" || fail "a descriptor of the caller is open"
[ "$(grep -vcE '^/dev/null$|\.log$|^/proc/[0-9]+/fd$' "$logs/fds.log")" = 0 ] ||
  fail "more is open than input and output: $(<"$logs/fds.log")"
[ "$(<"$logs/limit.log")" = 300 ] ||
  fail "the limit of open files is $(<"$logs/limit.log") instead of the caller's"
[ "$(<"$logs/slack.log")" = "$slack" ] ||
  fail "the timer slack is $(<"$logs/slack.log") instead of $slack"
[ "$(grep -c '^MANY_' "$logs/env.log")" = 300 ] ||
  fail "of 300 variables, there are $(grep -c '^MANY_' "$logs/env.log")"
[ "$(grep '^LANG=' "$logs/env.log")" = LANG=other ] ||
  fail "the scenario's LANG is not the one"
grep -qx NODE=a "$logs/env.log" || fail "no NODE"
! grep SECRET "$logs/env.log" || fail "the caller's environment is there"
