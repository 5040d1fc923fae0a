#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Live TCP connections move to another host: whole, at once, and where the new host
# fails not at all. In a world of its own, as root of a user namespace: what
# TCP_REPAIR needs is there too.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
need jq cmp setpriv
nested_enter "$@"
host_remember "$work"

# run NAME [OPTION...]: sets events and results.
run() {
  name=$1
  "$program" run -q --retry-invalid 3 "${@:2}" "$name.yaml" >"$name.out" 2>&1 ||
    fail "$name: exit code $?: $(<"$name.out") $(grep -h rolled_back results/"$name"/*/events.jsonl)"
  record=$(sed -n 's/^record: //p' "$name.out" | tail -n 1)
  events=$record/events.jsonl results=$record/results.json
}

# lab NAME TIMELINE PROBES: a client, two hosts of a service.
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
$3
timeline:
$2
YAML
}

# steps ID: of action ID, in their order.
steps() {
  jq -r "select(.event == \"action.step\" and .id == $1) | .step" "$events"
}

# why PATTERN: why it was rolled back.
why() {
  jq -r 'select(.event == "action.rolled_back") | .reason' "$events" | grep -e "$1"
}

# What the salds tell: at any moment at most one of them leads the flow, that is
# has it in a state in which it sends, and is not told to stand still.
one_owner() {
  jq -rs '[.[] | select(.event | startswith("sal.")) | select(.role == "server")] |
    sort_by(.mono_ns) | .[] | [.node, .flow, .state, .handoff // "own"] | @tsv' "$events" |
    awk '{ acts = $4 == "own" && $3 != "CLOSED"
           if (acts) { owner[$2, $1] = 1; seen = 1 } else delete owner[$2, $1]
           n = 0
           for (k in owner) { split(k, part, SUBSEP); if (part[1] == $2) n++ }
           # Who holds a flow tells nothing of it: it is the giving that is told.
           if (n > 1) { print "two lead flow " $2 ": " $0; bad = 1; exit } }
         END { if (!seen) print "nobody is told to lead any"; exit bad || !seen }' >&2 ||
    fail "$name: not one owner of each flow"
}

# ---- a stream as fast as it goes, and one against its direction -------------

lab fast '
  - { name: there, when: { event: sal.flow.opened, where: { node: c }, count: 2 }, plus: 100ms,
      migrate: { service: bulk, from: c, to: d, mode: handoff } }
  - { after: there, plus: 100ms, migrate: { service: bulk, from: d, to: c, mode: handoff } }' '
probes:
  down: { kind: tcp_stream, node: a, to: bulk, bytes: 30MB }
  up:   { kind: tcp_stream, node: a, to: bulk, direction: upload, bytes: 20MB, family: 6, rate: 100mbit }
expect:
  - { probe: down, survives: true, intact: true }
  - { probe: up, survives: true }'
run fast
jq -e '.sha256 == .peer_sha256 and .bytes == 20000000' "$record"/probes/up.json >/dev/null ||
  fail "the upload is not what was sent: $(<"$record"/probes/up.json)"
for id in 0 1; do
  [ "$(steps $id | grep -c '^handoff.committed$')" -ge 1 ] ||
    fail "action $id handed nothing over: $(steps $id)"
done
one_owner
grep -q "handed over" "$record/processes/at-c.log" || fail "at-c kept its connections"

# ---- an unmodified client: what it sends comes back the same ------------------

cat >client.sh <<'SH'
head -c 3000000 /dev/urandom >sent
exec 3<>/dev/tcp/198.18.0.1/5001
for ((i = 0; i < 30; i++)); do
  tail -c +$((i * 100000 + 1)) sent | head -c 100000 >&3
  sleep 0.05
done &
head -c 3000000 <&3 >got
cmp sent got && echo "all came back"
# Both ends close before the lab does: an orphaned socket would keep its namespace.
exec 3>&-
for ((i = 0; i < 200; i++)); do
  grep -q ' [0-9A-F]*:1389 0[1245] ' /proc/net/tcp || break
  sleep 0.05
done
SH
lab echo '
  - { at: 100ms, start: client }
  - { when: { event: sal.flow.opened, where: { node: c } }, plus: 300ms,
      migrate: { service: bulk, from: c, to: d, mode: handoff } }' '
  client: { node: a, start: manual, run: [bash, '"$work"'/client.sh] }
expect:
  - { process: client, exit: 0 }'
run echo
one_owner
steps 1 | grep -x handoff.committed >/dev/null || fail "the echo was not handed over: $(steps 1)"
grep -qx "all came back" "$record/processes/client.log" || fail "not all came back"

# ---- the new host fails after each step --------------------------------------

for step in hold dump restore import; do
  lab "fails-$step" "
  - { when: { event: sal.flow.opened, where: { node: c } }, plus: 200ms,
      migrate: { service: bulk, from: c, to: d, mode: handoff, fail: $step } }" '
probes:
  down: { kind: tcp_stream, node: a, to: bulk, for: 1500ms, rate: 40mbit }
expect:
  - { probe: down, survives: true, intact: true }
  - { service: bulk, answered_by: [c] }'
  run "fails-$step"
  one_owner
  steps 0 | grep -x handoff.rolled_back >/dev/null || fail "$name: nothing was rolled back"
  ! steps 0 | grep -x handoff.committed >/dev/null || fail "$name: it was committed all the same"
  why '.' >/dev/null || fail "$name: no reason is told"
  [ "$(why .)" = "$(jq -r '.actions[0].rolled_back' "$results")" ] ||
    fail "$name: the results know of no reason"
  grep -q '(rolled back: ' "$record/summary.txt" || fail "$name: nobody is told of it"
done

# ---- one begins before the other is over --------------------------------------

# An action that is late does as much: the second one waits for the first.
lab at-once '
  - { when: { event: sal.flow.opened, where: { node: c } }, plus: 200ms,
      migrate: { service: bulk, from: c, to: d, mode: handoff, fail: import } }
  - { when: { event: sal.flow.opened, where: { node: c } }, plus: 201ms,
      migrate: { service: bulk, from: c, to: d, mode: handoff, fail: import } }' '
probes:
  down: { kind: tcp_stream, node: a, to: bulk, for: 1500ms, rate: 40mbit }
expect:
  - { probe: down, survives: true, intact: true }
  - { service: bulk, answered_by: [c] }'
run at-once
one_owner
for id in 0 1; do
  steps $id | grep -x handoff.restored >/dev/null || fail "action $id did not come as far as that: $(steps $id)"
done
steps 1 | grep -x turn >/dev/null || fail "the second one did not wait: $(steps 1)"

# ---- without the right ---------------------------------------------------------

lab no-right '
  - { when: { event: sal.flow.opened, where: { node: c } }, plus: 200ms,
      migrate: { service: bulk, from: c, to: d, mode: handoff } }' '
probes:
  down: { kind: tcp_stream, node: a, to: bulk, for: 1s, rate: 40mbit }
expect:
  - { probe: down, survives: true, intact: true }'
sed -i 's|at-c: .*|at-c: { node: c, run: "exec setpriv --bounding-set -net_admin serval-handoff-echo", ready: { listens: tcp/5001 } }|' \
  no-right.yaml
run no-right
one_owner
why CAP_NET_ADMIN >/dev/null || fail "it is not said what is missing: $(why . || true)"

# ---- by hand ---------------------------------------------------------------------

cat >by-hand.sh <<'SH'
set -x
id=$(salctl -f json flow list | jq '.flows[0].flow')
salctl flow hold "$id"
salctl flow hold "$id"
salctl flow export "$id" >flow
salctl flow list | grep -w "$id"
salctl flow import <flow
salctl flow abort "$id"
salctl flow release "$id"
salctl flow import </dev/null
sed 's/[A-Z]/a/' flow | salctl flow import
SH
lab by-hand '
  - { when: { event: sal.flow.opened, where: { node: c } }, plus: 100ms, start: hand }' '
  hand: { node: c, start: manual, run: [bash, '"$work"'/by-hand.sh] }
probes:
  down: { kind: tcp_stream, node: a, to: bulk, for: 4s, rate: 40mbit }
expect:
  - { probe: down, survives: true, intact: true }'
run by-hand
for said in 'a handoff of this flow is under way' 'its flow ID is that of another flow here' \
  'the flow is not held' 'there is no flow on standard input' 'this is no flow'; do
  grep -q "^salctl: .*$said" "$record/processes/hand.log" ||
    fail "salctl does not say \"$said\": $(<"$record/processes/hand.log")"
done

# ---- by hand, between two hosts: taken back, and then to the end ------------------

# Flows of UDP: their programs have no state that would have to go along.
cat >flows.sh <<'SH'
set -e
case $1 in
hold)
  salctl flow list | awk '/:7 /{ print $1 }' >../ids
  while read -r id; do
    salctl flow hold "$id"
    salctl flow export "$id" >"../flow-$id"
  done <../ids ;;
import) while read -r id; do salctl flow import <"../flow-$id"; done <../ids ;;
*) while read -r id; do salctl flow "$1" "$id"; done <../ids ;;
esac
SH
cat >two-hands.yaml <<YAML
version: 1
name: two-hands
topology:
  nodes: { a: {}, c: {}, d: {}, lan: { kind: bridge, subnet: [10.0.0.0/24, "fd00:1::/64"] } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["c:eth0", lan] }
    - { endpoints: ["d:eth0", lan] }
services:
  talk: { resolver: sal, port: udp/7, instances: [c] }
processes:
  at-c: { node: c, echo: udp/7 }
  at-d: { node: d, echo: udp/7 }
probes:
  four: { kind: udp_echo, node: a, to: talk, interval: 10ms, for: 8s }
  six:  { kind: udp_echo, node: a, to: talk, interval: 10ms, for: 8s, family: 6 }
timeline:
  - at: 200ms
    do:
      - { register: talk, node: d }
      - { wait: 0s }
      - { exec: "sh $work/flows.sh hold", node: c }
      - { wait: 0s }
      - { exec: "sh $work/flows.sh import", node: d }
      - { wait: 0s }
      - { exec: "sh $work/flows.sh abort", node: d }
      - { wait: 0s }
      - { exec: "sh $work/flows.sh abort", node: c }
      - { wait: 200ms }
      - { exec: "sh $work/flows.sh hold", node: c }
      - { wait: 0s }
      - { exec: "sh $work/flows.sh import", node: d }
      - { wait: 0s }
      - { exec: "sh $work/flows.sh release", node: c }
      - { wait: 0s }
      - { exec: "sh $work/flows.sh commit", node: d }
expect:
  - { service: talk, answered_by: [c, d] }
YAML
run two-hands
one_owner
[ "$(wc -l <"$record/files/ids")" = 2 ] || fail "not both flows were handed over"
# Behind the one that was taken back it was c once more.
jq -e '[.actions[] | select(.text | contains("abort"))][-1] as $back |
  .probes | [.four, .six] | all(.served[0].last_t_ns > $back.actual_ns + $back.duration_ns)' "$results" >/dev/null ||
  fail "c did not go on where it was taken back: $(jq -c '[.probes[].served]' "$results")"

host_is_as_before "by the handoffs"
