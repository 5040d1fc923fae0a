#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The Service Access Layer on the wire, read by tshark and by rules of this
# test's own: what is in a packet, who sends to whom, what an RSYN says.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
need tshark jq awk curl busybox

program=$1 scenarios=$2/scenarios
records=$(mktemp -d)
trap 'rm -rf "$records"' EXIT

# run NAME: sets record.
run() {
  name=$1
  rm -rf "$records/results"
  mkdir "$records/results"
  run_scenario 0 "$records/results" "$records/$1.yaml"
}

# see FILTER FIELD...
see() {
  local filter=$1 field
  local -a fields=()
  shift
  for field; do
    fields+=(-e "$field")
  done
  tshark -n -r "$record/trace.pcapng" -Y "$filter" -T fields -E separator=' ' \
    "${fields[@]}" 2>/dev/null
}

# Reads hex digits of SAL packets, one a line; fails on one whose header is not
# right, and prints of each: inner protocol, header's length, first byte behind.
# shellcheck disable=SC2016 # awk's
decode='
  function hex(text, n, i) {
    n = 0
    for (i = 1; i <= length(text); i++)
      n = n * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
    return n
  }
  function byte(i) { return hex(substr($1, 2 * i + 1, 2)) }
  {
    header = byte(8) * 4
    if (header < 12 || header * 2 > length($1)) { print "length:", $1; bad = 1; exit 1 }
    sum = 0
    for (i = 0; i < header; i += 2) sum += hex(substr($1, 2 * i + 1, 4))
    while (sum > 65535) sum = sum % 65536 + int(sum / 65536)
    if (sum != 65535) { print "checksum:", $1; bad = 1; exit 1 }
    print byte(9), header, header * 2 < length($1) ? byte(header) : "-"
  }
  END { exit bad || !NR }'

# ---- what is in a packet ----------------------------------------------------

shorten "$scenarios/ping-migration.yaml" "$records/ping.yaml" \
  's/for: 6s/for: 1500ms/;s/at: 2s/at: 500ms/;s/at: 4s/at: 1s/;s/sent: 600/sent: 150/'
run ping
see 'ip.proto == 144' data.data >"$records/sal"
awk "$decode" "$records/sal" >"$records/decoded" ||
  fail "a SAL header is wrong: $(tail -n 1 "$records/decoded")"
# ICMP behind it at once, no IP header: 8 asks, 0 answers ("-": nothing behind).
bad=$(awk '$1 != 1 || ($3 != 8 && $3 != 0 && $3 != "-")' "$records/decoded" | sort -u)
[ -z "$bad" ] || fail "behind SAL headers (protocol, length, first byte): $bad"
# Data has the base header and no more.
[ "$(awk '$2 == 12 && $3 != "-"' "$records/decoded" | wc -l)" -gt 200 ] ||
  fail "there is hardly any data: $(sort "$records/decoded" | uniq -c)"
[ -z "$(see 'frame.interface_name contains "eth0" && (icmp || tcp || udp || icmpv6.type == 128)' frame.number)" ] ||
  fail "something went around the SAL"
# Straight between the ends.
pairs=$(see 'ip.proto == 144' ip.src ip.dst | sort -u)
[ "$pairs" = $'10.0.0.1 10.0.0.2\n10.0.0.1 10.0.0.3\n10.0.0.2 10.0.0.1\n10.0.0.3 10.0.0.1' ] ||
  fail "who talks to whom: $pairs"
# The program sees the service's address and its own inner one, whoever answers.
[ "$(see 'frame.interface_name == "a:sal0" && icmp' ip.src ip.dst | sort -u)" = \
  $'198.18.0.1 198.19.0.1\n198.19.0.1 198.18.0.1' ] ||
  fail "addresses at a:sal0: $(see 'frame.interface_name == "a:sal0"' ip.src ip.dst | sort -u)"
jq -e -s 'map(select(.event | startswith("sal.flow."))) | length > 4 and
  all(has("node") and has("t_ns") and has("state"))' "$record/events.jsonl" >/dev/null ||
  fail "events of flows are missing"
jq -e -s 'map(select(.event == "action.step") | .step) ==
  ["start", "forward", "stop", "start", "forward", "stop"]' "$record/events.jsonl" >/dev/null ||
  fail "the steps are others"

# The same seed, the same flow IDs.
first_flow() {
  see 'ip.proto == 144' data.data | awk 'NR == 1 { print substr($1, 1, 8) }'
}
first=$(first_flow)
run ping
[ "$first" = "$(first_flow)" ] ||
  fail "the first flow has another ID in the second run"

# ---- addresses that change --------------------------------------------------

# rsyn NODE NEW OLD PEER: an RSYN leaves NODE from its new address, with the flow
# IDs of what left it from the old one.
rsyn() {
  local ids
  # 52 bytes: IPv4, base header, CONTROL; 0x10 0x14 0x40: CONTROL with RSYN.
  ids=$(see "frame.interface_name == \"$1:eth0\" && ip.proto == 144 && ip.len == 52 &&
    ip.src == $2 && ip.dst == $4" data.data |
    awk 'substr($1, 25, 6) == "101440" { print substr($1, 1, 16) }' | sort -u)
  [ "$(wc -w <<<"$ids")" -ge 1 ] || fail "$name: no RSYN leaves $1 from $2"
  for id in $ids; do
    see "frame.interface_name == \"$1:eth0\" && ip.proto == 144 && ip.src == $3" data.data |
      grep "^$id" >/dev/null || fail "$name: $1 has no flow $id before its RSYN"
  done
}

# In its midst: not before it has begun.
small='s/20000000/6000000/;s/plus: 300ms/plus: 100ms/'
shorten "$scenarios/readdress-sal.yaml" "$records/client.yaml" "$small"
shorten "$scenarios/server-readdress-sal.yaml" "$records/server.yaml" "$small"
run client
rsyn client 10.0.0.3 10.0.0.1 10.0.0.2
[ -z "$(see 'frame.interface_name contains "eth0" && tcp' frame.number)" ] ||
  fail "there is TCP on the wire"
run server
rsyn server 10.0.0.3 10.0.0.2 10.0.0.1

# A new address of IPv6 is told to a peer when what comes for it is taken, and not
# before: whoever asks for it too early asks again a second later. (Not so often that an
# address is gone again when it is asked for.)
at=0
{
  cat <<'Y'
version: 1
name: early
topology:
  nodes: { a: {}, b: {}, d: {}, e: {}, c: {}, lan: { kind: bridge, subnet: "fd00:1::/64" } }
  links:
    - { endpoints: ["c:eth0", lan] }
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["b:eth0", lan] }
    - { endpoints: ["d:eth0", lan] }
    - { endpoints: ["e:eth0", lan] }
services:
  echo: { resolver: sal, instances: [c] }
probes:
Y
  for node in a b d e; do
    printf '  of-%s: { kind: ping, node: %s, to: echo, interval: 20ms, for: 4s }\n' $node $node
  done
  printf 'timeline:\n'
  for node in a b d e; do
    printf '  - { at: %dms, every: 400ms, times: 8, interface: "%s:eth0", address: renew }\n' \
      $((300 + at++ * 100)) $node
  done
} >"$records/early.yaml"
run early
# Whoever answers does so at once. (On a busy machine c may ask for an address that is
# gone by then; that does not answer at all.)
see 'frame.interface_name == "c:eth0" && (icmpv6.type == 135 && frame.packet_flags_direction == 2 ||
    icmpv6.type == 136 && frame.packet_flags_direction == 1)' \
  icmpv6.type icmpv6.nd.ns.target_address icmpv6.nd.na.target_address >"$records/asked"
awk '$1 == 135 { asked[$2]++ }
  $1 == 136 && !answered[$2]++ { if (asked[$2] > 1) { print $2, "after", asked[$2]; bad = 1 } n++ }
  END { print n + 0, "answered"; exit bad || n < 8 }' "$records/asked" >"$records/answered" ||
  fail "c had to ask more than once, or hardly at all: $(<"$records/answered")"

# ---- nobody there, and a sald that dies -------------------------------------

cat >"$records/killed.yaml" <<'Y'
version: 1
name: killed
topology:
  nodes: { a: {}, c: {}, lan: { kind: bridge } }
  links:
    - { endpoints: ["a:eth0", lan], rate: 8mbit }
    - { endpoints: ["c:eth0", lan] }
services:
  web: { resolver: sal, instances: [c] }
processes:
  httpd:
    node: c
    run: "head -c 20000000 /dev/zero >file; exec busybox httpd -f -p 80"
    ready: { listens: tcp/80 }
  fetch:
    node: a
    start: manual
    run: "curl -4 -sS -o file --max-time 60 http://web.serval/file"
  nobody:
    node: a
    start: manual
    run: "ping -c 1 -w 20 198.18.9.9"
  killer:
    node: a
    start: manual
    run: "kill -KILL $(pgrep -xf 'sald .*198\\.19\\.0\\.1/16.*')"
  again:
    node: a
    start: manual
    run: "curl -4 -sS --max-time 60 http://web.serval/file"
timeline:
  - { at: 0s, do: [{ start: fetch }, { start: nobody }] }
  - { at: 1s, start: killer }
  - { when: { event: sald.exit, where: { node: a } }, plus: 500ms, start: again }
expect:
  - { process: nobody, exit: 1, prints: "Unreachable" }
  - { process: killer, exit: 0 }
  - { process: fetch, exit: 56, prints: "Software caused connection abort" }
  - { process: again, exit: 7 }
Y
code=0
run_scenario 1 "$records/results" "$records/killed.yaml"
cp "$records/results/out" "$records/out"
grep -q "failed: the sald of a ended unexpectedly, by signal 9" "$records/out" ||
  fail "a killed sald is not told: $(<"$records/out")"
jq -e '.expectations | length == 6 and all(.held)' "$record/results.json" >/dev/null ||
  fail "programs do not get errors: $(<"$records/out")"
# At once, and not when their own limits of 20 and 60 s have come.
ended() {
  jq -s --arg p "$1" 'map(select(.event == "process.exit" and .process == $p))[0].t_ns' \
    "$record/events.jsonl"
}
[ "$(ended nobody)" -lt 15000000000 ] || fail "the ping to nobody ended at $(ended nobody) ns"
[ "$(ended fetch)" -lt 30000000000 ] || fail "the download ended at $(ended fetch) ns"
[ "$(ended again)" -lt 40000000000 ] || fail "the second download ended at $(ended again) ns"
[ "$(jq -s 'map(select(.event == "sald.exit")) | map([.node, .expected])' -c "$record/events.jsonl")" = \
  '[["a",false],["c",true]]' ] || fail "which salds ended: $(grep sald.exit "$record/events.jsonl")"

# ---- what is none of its business ----------------------------------------------

# A host of a service is one like any other to plain packets, from the first one on.
cat >"$records/plain.yaml" <<'Y'
version: 1
name: plain
topology:
  nodes: { a: {}, r: { kind: router }, c: {} }
  links:
    - { endpoints: [a, r] }
    - { endpoints: [r, c], delay: 1ms, tolerance: 200ms }
services:
  echo: { resolver: sal, instances: [c] }
probes:
  four: { kind: ping, node: a, to: c, interval: 10ms, for: 500ms, family: 4 }
  six:  { kind: ping, node: a, to: c, interval: 10ms, for: 500ms, family: 6 }
expect:
  - { probe: four, sent: 50, lost: { max: 2 } }
  - { probe: six, sent: 50, lost: { max: 2 } }
Y
run plain

echo "SAL packets are right, and so is what becomes of programs without it"
