#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill -9 of servalab at any moment leaves nothing of the lab, and a record of
# what was until then. $3: how often (20), $4: the seed, to see the same again.
#
# Every third kill is of a lab made by an ordinary user. Of four kills, one hits
# the first 30 ms, while the sandbox starts and the lab is built, one a run that does
# nothing but act on its lab, one a run anywhere, and one its end. All but the last
# are of a run that would go on for a minute: a lab that outlives its owner must not
# be saved by its own end.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"
need capinfos

times=${3:-20}
seed=${4:-$(($(date +%s) % 32768))}
records=$work/results
echo "seed $seed, $times kills"
RANDOM=$seed

# With programs that have left their parent behind, and now are init's. How many
# packets the moves cost is no matter here.
stray='stray: { node: a, run: "setsid sleep 1000 \& setsid sleep 1000 \&" }'
shorten "$scenarios/udp-survives-nat.yaml" "$work/udp.yaml" \
  's/for: 3s/for: 300ms/;s/at: 1s/at: 100ms/;s/at: 2s/at: 200ms/;s/sent: 300/sent: 30/;s/lost: { max: 40 }/lost: { max: 20 }/;/answered_by/d;/capture:/d'";s/^  echo-d: .*/&\n  $stray/"
grep -q "sleep 1000 & setsid" "$work/udp.yaml" || fail "no stray programs"
shorten "$work/udp.yaml" "$work/long.yaml" 's/for: 300ms/for: 60s/;/sent: 30/d'

# One action after the other, of every kind that takes the lab apart: whenever it is
# killed, it is in the middle of one.
cat >"$work/acts.yaml" <<'Y'
version: 1
name: acts
duration: 60s
topology:
  nodes: { a: {}, c: {}, lan: { kind: bridge }, other: { kind: bridge } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["c:eth0", lan] }
    - { endpoints: ["c:eth1", other] }
    - { endpoints: ["c:eth2", other], delay: 1ms }
services:
  nat: { resolver: nat, instances: [c], at: a, run: [echo] }
processes:
  echo: { node: c, echo: udp/7 }
  stray: { node: c, run: "setsid sleep 1000 & while :; do (:); done" }
timeline:
  - every: 5s
    at: 1ms
    until: 50s
    do:
      - { partition: [a, c] }
      - { exec: "sleep 0.02", node: c }
      - { wait: 0s }
      - { interface: "c:eth1", state: absent }
      - { interface: "c:eth2", state: absent }
      - { heal: all }
      - { freeze: c }
      - { wait: 5ms }
      - { thaw: c }
      - { interface: "c:eth1", state: present }
      - { interface: "c:eth2", state: present, plug: lan }
      - { restart: stray }
      - { interface: "c:eth0", mtu: 1400, plug: other }
      - { interface: "c:eth0", mtu: 1500, plug: lan }
      - { wait: 0s }
      - { crash: c }
      - { wait: 0s }
      - { boot: c }
Y
# Connections whose peers cannot be reached any more, since what carried them is
# gone too, would keep their namespaces for minutes.
cat >"$work/stream.yaml" <<'Y'
version: 1
name: stream
topology:
  nodes: { a: {}, c: {} }
  links:
    - { endpoints: ["a:eth0", "c:eth0"], delay: 20ms }
services:
  bulk: { resolver: sal, instances: [c], port: tcp/5001 }
processes:
  sink: { node: c, serve: tcp/5001 }
  other: { node: c, serve: tcp/5002 }
probes:
  sal: { kind: tcp_stream, node: a, to: bulk, for: 60s, rate: 10mbit }
  plain: { kind: tcp_stream, node: a, to: c, port: 5002, for: 60s, rate: 10mbit }
Y

mkdir "$records"
host_remember "$records"

now_us() {
  local t=${EPOCHREALTIME/[.,]/}
  printf '%s\n' "$t"
}

# How long it takes, be the machine too busy for the run to count.
begin=$(now_us) code=0
"$program" run -q -r "$records" "$work/udp.yaml" >"$records/out" 2>&1 || code=$?
[[ $code =~ ^[04]$ ]] ||
  fail "the scenario fails even if nobody kills it: $(<"$records/out")"
whole_us=$(($(now_us) - begin))
host_is_as_before "by an undisturbed run"
rm -r "${records:?}"/*

# Whether so many bytes have been captured so far.
captured() {
  [ -n "$(find "$records" -name trace.pcapng.part -size "+$1c")" ]
}

begun=0 caught=0
for ((i = 1; i <= times; i++)); do
  scenario=$work/long.yaml from_us=0 span_us=$whole_us
  case $((i % 4)) in
  0) span_us=30000 ;;
  1) scenario=$work/acts.yaml from_us=50000 span_us=900000 ;;
  3) scenario=$work/udp.yaml from_us=$((whole_us * 2 / 3)) span_us=$((whole_us / 2)) ;;
  esac
  at_us=$((from_us + (RANDOM * 32768 + RANDOM) % span_us))
  how=()
  [ $((i % 3)) != 0 ] || how=("${AS_USER[@]}")
  "${how[@]}" "$program" run -q -r "$records" "$scenario" \
    >"$records/out" 2>&1 &
  pid=$!
  sleep "$(printf '%d.%06d' $((at_us / 1000000)) $((at_us % 1000000)))"
  kill -KILL "$pid" 2>/dev/null || true
  code=0
  { wait "$pid"; } 2>/dev/null || code=$?
  [ "$code" != 137 ] || caught=$((caught + 1))
  # The short one may have ended before: held, or not, or invalid, on a busy machine.
  [ "$code" = 137 ] || [[ $scenario == */udp.yaml && $code =~ ^[014]$ ]] ||
    fail "kill $i after $at_us us: exit code $code: $(<"$records/out")"
  host_is_as_before "after kill $i of seed $seed, $at_us us after the start"
  rm -f "$records/out"
  [ $((i % 100)) != 0 ] || echo "$i kills, nothing left"

  # Killed between the two folders, it has left the outer one alone.
  [ -n "$(find "$records" -mindepth 2 -maxdepth 2 -type d)" ] || {
    rm -rf "${records:?}"/*
    continue
  }
  record=$(only_record)
  if [ -e "$record/events.jsonl" ]; then
    begun=$((begun + 1))
    cmp -s "$record/scenario.yaml" "$scenario" ||
      fail "kill $i after $at_us us: the record's scenario is not that of the run"
    events_are_whole "$record" ||
      fail "kill $i after $at_us us: a line of events.jsonl is not whole"
  fi
  if [ -s "$record/trace.pcapng.part" ]; then
    capinfos -c "$record/trace.pcapng.part" >"$records/out" 2>&1 ||
      grep -q "cut short" "$records/out" ||
      fail "kill $i after $at_us us: the trace is no capture: $(<"$records/out")"
  fi
  rm -r "${records:?}"/*
done

[ "$caught" -gt $((times / 2)) ] ||
  fail "only $caught of $times runs were killed before they had ended"
echo "$caught of $times were killed under way, $begun had begun to record; nothing was left"

for who in root user; do
  how=()
  [ "$who" = root ] || how=("${AS_USER[@]}")
  "${how[@]}" "$program" run -q -r "$records" "$work/stream.yaml" >"$records/out" 2>&1 &
  pid=$!
  wait_until 20 captured 500000 || fail "no streams began: $(<"$records/out")"
  kill -KILL "$pid"
  { wait "$pid"; } 2>/dev/null || true
  host_is_as_before "after streams were killed, as $who"
  rm -r "${records:?}"/*
done

# Init killed from outside: the owner says so.
"$program" run -q -r "$records" "$work/long.yaml" >"$records/out" 2>&1 &
pid=$!
wait_until 20 has_event "$records" timeline.start || fail "the run never started"
kill -KILL "$(child_of "$pid")"
code=0
wait "$pid" || code=$?
[ "$code" = 3 ] || fail "init was killed, and the exit code is $code instead of 3"
grep -q "the lab was killed" "$records/out" ||
  fail "init was killed, and the message is: $(<"$records/out")"
host_is_as_before "after init was killed"
