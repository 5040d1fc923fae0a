#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whichever operation on the kernel fails, in the middle of building or later:
# the error names the line of the scenario that asked for it and the kernel's
# reason, the exit code is 3, no results are claimed, and nothing is left.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"

records=$work/results
scenario=$work/ping.yaml
mkdir "$records"

run() {
  code=0
  rm -rf "${records:?}"/*
  "$program" run -q -r "$records" "$@" "$scenario" \
    >"$records/out" 2>"$records/err" || code=$?
  # No operation failed, and the links lived to the end: the machine was too busy
  # for a judgement, that is all.
  [ "$code" != 4 ] || grep -q "injected failure" "$records/out" "$records/err" ||
    cat "$records"/*/*/events.jsonl | jq -es 'any(.event == "emulator.exit" and (.expected | not))' >/dev/null ||
    code=0
}

declare -A lines=()
reasons=([0]="No buffer space available" [1]="Cannot allocate memory")
options=([0]="" [1]=":12") # the errno; ENOBUFS unless told

# The error of the last run, which failed at the operation $1.
judge_failure() {
  local k=$1 message
  message=$(<"$records/err")
  [ "$code" = 3 ] || fail "operation $k fails: exit code $code: $message"
  [[ $message == *"injected failure: ${reasons[k % 2]}"* ]] ||
    fail "operation $k: the kernel's reason is not told: $message"
  [ "$(grep -c 'error: ' "$records/err")" = 1 ] ||
    fail "operation $k: not exactly one error: $message"
  ! has_event "$records" run.start ||
    jq -e '.verdict == "failed" and (.reasons[0] | contains("injected failure"))' \
      "$(only_record)/results.json" >/dev/null ||
    fail "operation $k fails, and results.json does not say so"
  ! grep -q passed "$records/out" || fail "operation $k fails, and the run 'passed'"
  if [[ $message =~ ^"$scenario":([0-9]+):[0-9]+:" error: " ]]; then
    lines[${BASH_REMATCH[1]}]=1
  else
    fail "operation $k: no place in the scenario is told: $message"
  fi
  host_is_as_before "after operation $k failed"
}

# walk NAME SED-SCRIPT: the scenario, with each of its operations failing in turn.
walk() {
  local k built line text
  shorten "$scenarios/$1.yaml" "$scenario" "$2"
  host_remember "$records"
  run
  [ "$code" = 0 ] || fail "the scenario fails by itself: $(<"$records/out")"
  built=$(jq -r 'select(.event == "lab.built").operations' "$(only_record)/events.jsonl")
  [ "$built" -gt 15 ] || fail "only $built operations for a lab?"
  host_is_as_before "by an undisturbed run"
  lines=()

  for ((k = 1; k <= built; k++)); do
    run --inject-failure "$k${options[k % 2]}"
    judge_failure "$k"
    ! has_event "$records" lab.built || fail "operation $k of the build fails, and it goes on"
  done

  # What the lines ask for: nodes, links, the service; and what no single one of
  # them does, the lab's own namespace and the capture of all its nodes. All are
  # among those told.
  while IFS=: read -r line text; do
    [ "${lines[$line]:-}" ] ||
      fail "no failure is blamed on line $line, which says: $text"
  done < <(grep -nE '^topology:|^    [arcd]:|endpoints:|^  echo:' "$scenario")

  # Later ones: starting the probe, then the migrations.
  lines=()
  for ((; k <= built + 50; k++)); do
    run --inject-failure "$k${options[k % 2]}"
    [ "$code" != 0 ] || break
    judge_failure "$k"
    has_event "$records" lab.built || fail "operation $k is one of the build"
  done
  [ "$code" = 0 ] || fail "there seems to be no end of operations: $k so far"
  while IFS=: read -r line text; do
    [ "${lines[$line]:-}" ] ||
      fail "no failure is blamed on line $line, which says: $text"
  done < <(grep -nE '^  rtt:|^  - at:' "$scenario")

  echo "$1: $((k - 1)) operations failed, $built of them while building"
}

short='s/for: 6s/for: 100ms/;s/at: 2s/at: 30ms/;s/at: 4s/at: 60ms/;s/sent: 600/sent: 10/;/answered_by/d'
walk ping-migration-nat "$short"
walk ping-migration "$short"

# Emulated links, one of them into a bridge, whose properties and state change.
cat >"$scenarios/emulated.yaml" <<'YAML'
version: 1
name: emulated
topology:
  nodes:
    a: {}
    c: {}
    d: {}
    lan: { kind: bridge }
  links:
    - { endpoints: ["a:eth0", "c:eth0"], name: wire, delay: 1ms }
    - { endpoints: ["c:eth1", lan], name: port, rate: 10mbit }
    - { endpoints: ["d:eth0", lan] }
probes:
  rtt: { kind: ping, node: a, to: c, interval: 10ms, for: 100ms }
timeline:
  - at: 30ms
    link: wire
    loss: 1%
  - at: 50ms
    link: port
    state: down
  - at: 60ms
    link: port
    state: up
    reset: true
YAML
walk emulated 's/for: 100ms/for: 101ms/'

# Actions that take a lab apart and put it together: each operation of each of them
# fails in turn, and the error is at that action.
scenario=$work/acts.yaml
cat >"$scenario" <<'YAML'
version: 1
name: acts
topology:
  nodes: { a: {}, c: {}, lan: { kind: bridge, subnet: 10.0.0.0/24 }, other: { kind: bridge } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["c:eth0", lan] }
services:
  echo: { resolver: nat, instances: [c], at: a }
processes:
  server: { node: c, echo: udp/7 }
timeline:
  - at: 20ms
    do:
      - partition: [a, c]
      - heal: all
      - freeze: c
      - thaw: c
      - interface: "c:eth0"
        state: absent
      - interface: "c:eth0"
        state: present
      - interface: "c:eth0"
        plug: other
        mtu: 1400
      - route: 10.9.0.0/24
        change: add
        over: "a:eth0"
      - unregister: echo
        node: c
      - register: echo
        node: c
      - service: echo
        instance: c
        weight: 3
      - flush: a
      - exec: "true"
        node: c
      - wait: 0s
      - crash: c
      - wait: 0s
      - boot: c
YAML

# walk_acts NAME: each operation of the actions of $scenario.
walk_acts() {
  local k built line text
  run
  [ "$code" = 0 ] || fail "the actions fail by themselves: $(cat "$records/err")"
  built=$(jq -r 'select(.event == "lab.built").operations' "$(only_record)/events.jsonl")
  host_remember "$records"
  lines=()
  for ((k = built + 1; k <= built + 120; k++)); do
    run --inject-failure "$k${options[k % 2]}"
    [ "$code" != 0 ] || break
    judge_failure "$k"
  done
  [ "$code" = 0 ] || fail "there seems to be no end of operations: $k so far"
  while IFS=: read -r line text; do
    [ "${lines[$line]:-}" ] ||
      fail "no failure is blamed on line $line, which says: $text"
  done < <(grep -nE '^      - (partition|heal|freeze|thaw|interface|route|(un)?register|service|flush|exec|crash|boot):' "$scenario")
  echo "$1: $((k - built - 1)) operations of actions failed"
}
walk_acts acts

# The same of ends of emulated links, one of them not there at first.
scenario=$work/ends.yaml
cat >"$scenario" <<'YAML'
version: 1
name: ends
topology:
  defaults: { link: { delay: 1ms, tolerance: 60s } }
  nodes: { a: {}, c: {}, lan: { kind: bridge }, other: { kind: bridge } }
  links:
    - { endpoints: ["a:eth0", "c:eth0"] }
    - { endpoints: ["c:card", lan], start: manual }
timeline:
  - at: 20ms
    do:
      - interface: "c:card"
        state: present
      - interface: "c:card"
        plug: other
      - interface: "a:eth0"
        state: absent
      - interface: "a:eth0"
        state: present
      - crash: c
      - wait: 0s
      - boot: c
YAML
walk_acts ends
