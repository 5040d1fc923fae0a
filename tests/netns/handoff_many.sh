#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Twenty connections are handed over side by side, and one of the first eight cannot be:
# all of them go on where they were, whatever had been done for each, what somebody else
# does with that one is left alone, and the next handoff takes all of them along. Where
# it is found out only when flows are given away, each of them goes on at one host.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
need jq cmp
nested_enter "$@"
host_remember "$work"

# Sends on all connections, and then has all of it back, until it is told to end.
cat >client.sh <<'SH'
set -e
head -c 20000 /dev/urandom >sent
for ((i = 0; i < 20; i++)); do
  exec {fd}<>/dev/tcp/198.18.0.1/5001
  fds+=("$fd")
done
end= rounds=0
until [ "$end" ]; do
  [ ! -e done ] || end=1
  for fd in "${fds[@]}"; do cat sent >&"$fd"; done
  for fd in "${fds[@]}"; do timeout 60 head -c 20000 <&"$fd" | cmp - sent; done
  [ $((rounds++)) != 1 ] || echo "all are connected"
done
echo "all came back"
# Both ends close before the lab does: an orphaned socket would keep its namespace.
for fd in "${fds[@]}"; do exec {fd}>&-; done
for ((i = 0; i < 200; i++)); do
  grep -q ' [0-9A-F]*:1389 0[1245] ' /proc/net/tcp || break
  sleep 0.05
done
SH
# At the old host: with the fourth flow.
cat >fourth.sh <<'SH'
[ -e ../fourth ] || salctl -f json flow list | jq '.flows[3].flow' >../fourth
salctl flow "$1" "$(cat ../fourth)" >../fourth-"$1" 2>&1
SH
cat >left.sh <<'SH'
salctl -f json flow list | jq -c '[.flows[] | .flow]' >../left
SH

# lab NAME TIMELINE
lab() {
  cat >"$1.yaml" <<YAML
version: 1
name: $1
topology:
  nodes: { a: {}, c: {}, d: {}, lan: { kind: bridge, subnet: [10.0.0.0/24, "fd00:1::/64"] } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["c:eth0", lan] }
    - { endpoints: ["d:eth0", lan] }
services:
  bulk: { resolver: sal, port: tcp/5001, instances: [c], run: [at-c, at-d] }
processes:
  at-c: { node: c, run: "exec serval-handoff-echo", ready: { listens: tcp/5001 } }
  at-d: { node: d, run: "exec serval-handoff-echo", ready: { listens: tcp/5001 } }
  # What it prints before the timeline begins is not seen.
  client: { node: a, run: [bash, '$work/client.sh'], start: manual }
timeline:
  - { at: 0s, start: client }
$2
expect:
  - { process: client, exit: 0 }
YAML
}

# began NAME: in the background; sets pid.
began() {
  "$program" run -q --timeout 100s "$1.yaml" >"$1.out" 2>&1 &
  pid=$!
}

# steps ID STEP: how many flows took that step of that action.
steps() {
  jq -r "select(.event == \"action.step\" and .id == $1 and .step == \"$2\") | .flow" "$events" |
    sort -u | wc -l
}

# ended NAME PID REASON: sets events. The first migration was rolled back, the second was not.
ended() {
  local code=0 ids
  wait "$2" || code=$?
  events=$(echo results/"$1"/*/events.jsonl)
  # 4: it was late, which changes nothing here.
  [ "$code" = 0 ] || [ "$code" = 4 ] ||
    fail "$1: exit code $code: $(<"$1.out") $(grep -h rolled_back "$events")"
  mapfile -t ids < <(jq 'select(.event == "action.start" and (.text | startswith("migrate"))) | .id' "$events")
  [ ${#ids[@]} = 2 ] || fail "$1: ${#ids[@]} migrations"
  jq -r "select(.event == \"action.rolled_back\" and .id == ${ids[0]}) | .reason" "$events" | grep -e "$3" >/dev/null ||
    fail "$1: nothing says \"$3\": $(grep -h rolled_back "$events")"
  [ "$(steps "${ids[0]}" handoff.rolled_back)" = 20 ] || fail "$1: not all were taken back"
  [ "$(steps "${ids[0]}" handoff.committed)" = 0 ] || fail "$1: some were handed over all the same"
  [ "$(<"results/$1/"*/files/left)" = "[]" ] || fail "$1: d has kept something: $(cat results/"$1"/*/files/left)"
  [ "$(steps "${ids[1]}" handoff.committed)" = 20 ] || fail "$1: not all were handed over in the end"
  grep -qx "all came back" results/"$1"/*/processes/client.log || fail "$1: not all came back"
}

migrate='{ migrate: { service: bulk, from: c, to: d, mode: handoff } }'
behind="{ wait: 0s }, { exec: 'sh $work/left.sh', node: d }, { wait: 0s }"
then_all="$migrate, { wait: 0s }, { exec: 'touch done', node: a }"

# Somebody else hands it over.
lab others "
  - when: { prints: all are connected, process: client }
    do: [{ exec: 'sh $work/fourth.sh hold', node: c }, { wait: 0s }, $migrate, $behind,
         { exec: 'sh $work/fourth.sh abort', node: c }, { wait: 0s }, $then_all]"
began others
others=$pid

# Its hold ends while the new server keeps it and those beside it waiting.
lab midst "
  - { when: { prints: all are connected, process: client }, start: at-d }
  - when: { event: process.ready, where: { process: at-d } }
    do: [{ pause: at-d }, $migrate, $behind, $then_all]
  - when: { event: action.step, where: { step: handoff.dumped }, count: 8 }
    do: [{ exec: 'sh $work/fourth.sh abort', node: c }, { wait: 0s }, { resume: at-d }]"
began midst
midst=$pid

# Its hold ends when it has been imported, and the new server keeps others waiting.
lab late "
  - when: { prints: all are connected, process: client }
    do: [$migrate]
  - when: { event: action.step, where: { step: handoff.imported }, count: 4 }
    do: [{ pause: at-d }, { exec: 'sh $work/fourth.sh abort', node: c }, { wait: 0s }, { resume: at-d }]"
began late
late=$pid

ended others "$others" "a handoff of this flow is under way"
for order in hold abort; do
  said=$(cat results/others/*/files/fourth-$order)
  [ -z "$said" ] || fail "others: $order: $said"
done
ended midst "$midst" "the flow is not held"

code=0
wait "$late" || code=$?
events=$(echo results/late/*/events.jsonl)
[ "$code" = 3 ] || fail "late: exit code $code: $(<late.out)"
grep -q "the flow is not held" late.out || fail "late: $(<late.out)"
id=$(jq 'select(.event == "action.start" and (.text | startswith("migrate"))) | .id' "$events")
there=$(steps "$id" handoff.committed) back=$(steps "$id" handoff.rolled_back)
# Those that were on their way with it are given away.
if [ "$there" -lt 7 ] || [ $((there + back)) != 20 ]; then
  fail "late: $there went, and $back stayed"
fi
jq -e -s --argjson fourth "$(cat results/late/*/files/fourth)" --argjson id "$id" \
  '[.[] | select(.id == $id and .flow == $fourth) | .step] | index("handoff.rolled_back") and (index("handoff.committed") | not)' \
  "$events" >/dev/null || fail "late: the one that could not be given away was"

host_is_as_before "by the handoffs of many"
