#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every scenario that we ship holds, and what its results say is what others
# find in its trace: tshark and capinfos count again, by rules of their own.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
need tshark capinfos jq awk

program=$1 scenarios=$2/scenarios
records=$(mktemp -d)
trap 'rm -rf "$records"' EXIT

# ---- run them all ------------------------------------------------------------

mapfile -t files < <(find "$scenarios" -maxdepth 1 -name '*.yaml' | sort)
[ ${#files[@]} -ge 12 ] || fail "only ${#files[@]} scenarios in $scenarios"
mapfile -t experiments < <(find "$scenarios/experiments" -maxdepth 1 -name '*.yaml' | sort)
"$program" check "$scenarios"/experiments/long/*.yaml
mkdir "$records/scenarios"
PINGS=4 "$scenarios/experiments/nat-rules.sh" generate 100 >"$records/scenarios/nat-rules-100.yaml"
experiments+=("$records/scenarios/nat-rules-100.yaml")
# They sleep most of the time: three a core are no more than it can do.
jobs=$((3 * $(nproc)))
"$program" test -j $jobs --repeat "${SCENARIO_ROUNDS:-1}" --retry-invalid 3 -r "$records" "${files[@]}"
"$program" test -j $jobs --retry-invalid 3 -r "$records" "${experiments[@]}"
files+=("${experiments[@]}")

# ---- for all of them --------------------------------------------------------

# The last one: of several rounds, and behind those that were invalid.
record_of() {
  local found
  found=$(find "$records/$1" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' |
    sort -n | tail -n 1)
  [ "$found" ] || fail "$1 has no record"
  printf '%s\n' "${found#* }"
}

for file in "${files[@]}"; do
  name=$(basename "$file" .yaml)
  record=$(record_of "$name")
  cmp -s "$file" "$record/scenario.yaml" || fail "$name: another scenario is recorded"
  capinfos -T -M -r -c -o "$record/trace.pcapng" >"$records/info" 2>&1 ||
    fail "$name: capinfos refuses the trace: $(<"$records/info")"
  # Where an expectation needs the trace, it has to be whole to be passed.
  jq -e '.verdict == "passed" and .reasons == []' \
    "$record/results.json" >/dev/null || fail "$name: the results are not those of a passed run"
  IFS=$'\t' read -r _ packets order <"$records/info"
  [ "$order" = True ] || fail "$name: the packets are not in order: $(<"$records/info")"
  [ "$packets" = "$(jq .capture.packets "$record/results.json")" ] ||
    fail "$name: capinfos counts $packets packets"
  # The bridges' own interfaces are no node's, and are not captured; those that
  # a sald makes are, but they are none of the plan's.
  "$program" plan "$file" >"$records/plan"
  diff <(sed -n '/^interfaces$/,/^[^ ]/s/^  *\([^ ]*:[^ ]*\) .*/\1/p' "$records/plan" | sort) \
    <(capinfos -I "$record/trace.pcapng" 2>/dev/null |
      sed -n 's/^ *Name = //p' | grep -v ':sal0$' | sort) >&2 ||
    fail "$name: the trace has other interfaces than the plan (above)"
done

# ---- by tshark, one by one --------------------------------------------------

# open_record NAME: of a run whose capture missed nothing. Where no expectation needs
# the trace, a run passes without all of it, but then nobody can count again: it is
# made once more.
open_record() {
  local try
  name=$1
  for ((try = 0; try <= RETRIES; try++)); do
    record=$(record_of "$1")
    results=$record/results.json
    [ "$(jq .capture.dropped "$results")" != 0 ] || return 0
    echo "$name: the capture missed packets; run again"
    "$program" test -q --retry-invalid 3 -r "$records" "$(file_of "$1")"
  done
  fail "$name: the capture missed packets in $try runs"
}

# file_of NAME
file_of() {
  printf '%s\n' "${files[@]}" | grep "/$1\.yaml\$"
}

# see FILTER FIELD...: these fields of the packets that match, in their order.
see() {
  local filter=$1 field
  local -a fields=() options=()
  [ -z "${reassemble:-}" ] || options=(-o tcp.reassemble_out_of_order:TRUE)
  shift
  for field; do
    fields+=(-e "$field")
  done
  tshark -n "${options[@]}" -r "$record/trace.pcapng" -Y "$filter" -T fields -E separator=' ' \
    "${fields[@]}" 2>/dev/null
}

# on NODE:IFACE in|out: the filter of what came, or left, there.
on() {
  printf 'frame.interface_name == "%s" && frame.packet_flags_direction == %s' \
    "$1" "$([ "$2" = in ] && echo 1 || echo 2)"
}

# same WHAT OURS THEIRS
same() {
  [ "$2" = "$3" ] || fail "$name: $1: servalab says '$2', tshark '$3'"
}

# "real" times, in nanoseconds, of a moment of the run. (Doubles: to 256 ns.)
zero_real_ns() {
  jq -s '(map(select(.event == "clock"))[0]) as $c |
    (map(select(.event == "timeline.start"))[0].mono_ns) - $c.mono_ns + $c.real_ns' \
    "$record/events.jsonl"
}

# served_by PROTOCOL REPLY SEQUENCE NODE...: who answered, by the trace: "NODE FIRST LAST
# COUNT" for each run of sequence numbers, as in results.json.
served_by() {
  local protocol=$1 reply=$2 sequence=$3 node
  shift 3
  for node; do
    see "$(on "$node:eth0" out) && $protocol.type == $reply" "$sequence" |
      sed "s/$/ $node/"
  done | sort -n | awk '
    $2 != node { if (NR > 1) print node, first, last, n; node = $2; first = $1; n = 0 }
    { last = $1; n++ }
    END { print node, first, last, n }'
}

# replies_agree PROBE FILTER FAMILY: as many came from the service's address as
# results.json says. A reply on its way while the NAT forgets its connection
# keeps the instance's address: the probe takes it for lost, and so do we.
replies_agree() {
  local address lost
  address=$(jq -r ".probes[\"$1\"].to" "$results")
  lost=$(jq ".probes[\"$1\"].lost" "$results")
  same "replies to $1" \
    "$(jq ".probes[\"$1\"] | .received + .duplicated" "$results")" \
    "$(see "$(on a:eth0 in) && $2 && $3.src == $address" frame.number | wc -l)"
  [ "$(see "$(on a:eth0 in) && $2 && $3.src != $address" frame.number | wc -l)" -le "$lost" ] ||
    fail "$name: more than the $lost lost replies come from another address"
}

# outage_agrees PROBE FILTER [NODE]: the longest time between two replies at its node (a).
outage_agrees() {
  see "$(on "${3:-a}:eth0" in) && $2" frame.time_epoch |
    awk -v ours="$(jq ".probes[\"$1\"].outage.length_ns" "$results")" '
      NR > 1 && $1 - last > gap { gap = $1 - last }
      { last = $1 }
      END {
        off = gap * 1000 - ours / 1e6
        printf "outage %.3f ms, by tshark %.3f ms\n", ours / 1e6, gap * 1000
        exit !(NR > 1 && off < 1 && off > -1)
      }' >"$records/outage" || fail "$name: $1: $(<"$records/outage")"
}

# stream_outage_agrees PROBE NODE END: the longest time between two pieces that went
# on to the program at NODE, where the probe's port is the source or the destination
# (END). A piece goes on with the segment that closes the hole in front of it. The
# probe tells when it has read it, in bins of 10 ms: near that, or by 20 %, for a machine
# that lets it wait.
stream_outage_agrees() {
  local port
  port=$(jq .local_port "$record/probes/$1.json")
  see "$(on "$2:eth0" in) && tcp.${3}port == $port && tcp.len > 0" \
    frame.time_epoch tcp.seq tcp.len |
    awk -v ours="$(jq ".probes[\"$1\"].outage.length_ns" "$results")" '
      NR == 1 { next_byte = $2 }
      $2 > next_byte { if (held[$2] < $2 + $3) held[$2] = $2 + $3; next }
      $2 + $3 > next_byte {
        next_byte = $2 + $3
        while (next_byte in held) next_byte = held[next_byte]
        if (last && $1 - last > gap) gap = $1 - last
        last = $1
      }
      END {
        off = gap * 1000 - ours / 1e6
        most = ours / 5e6 > 50 ? ours / 5e6 : 50
        printf "outage %.3f ms, by tshark %.3f ms\n", ours / 1e6, gap * 1000
        exit !(NR > 1 && off < most && off > -most)
      }' >"$records/outage" || fail "$name: $1: $(<"$records/outage")"
}

# ping_agrees PROTOCOL FAMILY REQUEST REPLY SEQUENCE: sent, received, outage, who
# answered, of the only probe, "rtt".
ping_agrees() {
  local protocol=$1 family=$2 request=$3 reply=$4
  same sent "$(jq .probes.rtt.sent "$results")" \
    "$(see "$(on a:eth0 out) && $protocol.type == $request" frame.number | wc -l)"
  replies_agree rtt "$protocol.type == $reply" "$family"
  same "who answered" \
    "$(jq -r '.probes.rtt.served[] | "\(.node) \(.first_seq) \(.last_seq) \(.count)"' "$results")" \
    "$(served_by "$protocol" "$reply" "$5" c d)"
  outage_agrees rtt "$protocol.type == $reply && $family.src == $(jq -r .probes.rtt.to "$results")"
}

# rewrites_in_router PROTOCOL FAMILY REQUEST SERVICE C D: who is asked, where.
rewrites_in_router() {
  local protocol=$1 family=$2 request=$3
  same "who is asked by a" "$4" \
    "$(see "$(on a:eth0 out) && $protocol.type == $request" "$family.dst" | sort -u)"
  same "who is asked at c" "$5" \
    "$(see "$(on c:eth0 in) && $protocol.type == $request" "$family.dst" | sort -u)"
  same "who is asked at d" "$6" \
    "$(see "$(on d:eth0 in) && $protocol.type == $request" "$family.dst" | sort -u)"
}

open_record ping-migration-nat
ping_agrees icmpv6 ipv6 128 129 icmpv6.echo.sequence_number
rewrites_in_router icmpv6 ipv6 128 fe00::1 fc01::1 fc02::1
# Every fault is a comment in the trace: tshark shows both migrations.
same "migrations told in the trace" "$(jq '.actions | length' "$results")" \
  "$(see 'frame.comment contains "migrate"' frame.number | wc -l)"

open_record stream-plain
stream_outage_agrees download phone dst
stream_outage_agrees upload server src

open_record ping-migration-nat4
ping_agrees icmp ip 8 0 icmp.seq
rewrites_in_router icmp ip 8 10.9.0.1 10.0.1.1 10.0.2.1

# With the NAT in the client, the service's address is never on the wire.
open_record ping-migration-nat-client
for probe in rtt4:icmp:8:ip rtt6:icmpv6:128:ipv6; do
  IFS=: read -r probe protocol request family <<<"$probe"
  to=$(jq -r ".probes.$probe.to" "$results")
  same "sent by $probe" "$(jq ".probes.$probe.sent" "$results")" \
    "$(see "$(on a:eth0 out) && $protocol.type == $request" frame.number | wc -l)"
  same "packets of $probe to $to" "" \
    "$(see "$protocol && $family.addr == $to" "$family.dst" | sort -u)"
  same "number of addresses asked by $probe" 2 \
    "$(see "$(on a:eth0 out) && $protocol.type == $request" "$family.dst" | sort -u | wc -l)"
done

# Wrong orders change nothing for the ping under way: it stays with c.
open_record nat-flush-order
for service in right:"c d" no-flush:c too-soon:c; do
  probe=to-${service%:*}
  to=$(jq -r ".probes[\"$probe\"].to" "$results")
  id=$(see "$(on a:eth0 out) && icmp.type == 8 && ip.dst == $to" icmp.ident | sort -u)
  [[ $id =~ ^[0-9]+$ ]] || fail "$name: $probe has the ids '$id'"
  nodes=$(for node in c d; do
    see "$(on $node:eth0 out) && icmp.type == 0 && icmp.ident == $id" icmp.ident |
      sed "s/.*/$node/" | sort -u
  done | xargs)
  same "who answers $probe" "${service#*:}" "$nodes"
  same "who answers $probe" "$(jq -r "[.probes[\"$probe\"].served[].node] | unique | join(\" \")" "$results")" \
    "$nodes"
done

# Both instances answer, in the name of the service.
open_record udp-survives-nat
for probe in talk4:ip talk6:ipv6; do
  IFS=: read -r probe family <<<"$probe"
  replies_agree "$probe" "udp.srcport == 7" "$family"
  outage_agrees "$probe" "udp.srcport == 7 && $family.src == $(jq -r ".probes[\"$probe\"].to" "$results")"
done
for node in c d; do
  [ "$(see "$(on $node:eth0 out) && udp.srcport == 7" frame.number | wc -l)" -gt 50 ] ||
    fail "$name: $node hardly answers"
done

# What came to the receiver, by the sequence numbers of its last segment: the content,
# a header of 24 bytes for each block of 64 KiB, and one with the hash behind it.
open_record stream-plain
ports() {
  jq -r ".local_port" "$record/probes/$1.json"
}
stream_bytes() { # NODE:IFACE FILTER
  see "$(on "$1" in) && tcp.len > 0 && $2" tcp.seq tcp.len |
    awk '$1 + $2 > end { end = $1 + $2 } END { print end - 1 }'
}
same "bytes of the file" $((200000 + 4 * 24 + 56)) \
  "$(stream_bytes phone:eth0 "tcp.srcport == 5001 && tcp.dstport == $(ports file)")"
for probe in download upload; do
  jq -r '"\(.sha256) \(.peer_sha256)"' "$record/probes/$probe.json" |
    awk '{ exit !(length($1) == 64 && $1 == $2) }' || fail "$name: $probe: the hashes differ"
  same "bytes of $probe, by its bins" "$(jq ".probes.$probe.stream.bytes" "$results")" \
    "$(awk -F, 'NR > 1 { sum += $2 } END { print sum }' "$record/probes/$probe.csv")"
done
outage_agrees rtt "icmp.type == 0" phone

# The new instance resets what it does not know, and that ends the stream.
open_record stream-nat
same "who serves" "c d" \
  "$(jq -r '[.probes | .before, .after | .served[].node] | join(" ")' "$results")"
[ "$(see "$(on d:eth0 out) && tcp.flags.reset == 1 && tcp.dstport == $(ports before)" frame.number |
  wc -l)" -gt 0 ] || fail "$name: the new instance never reset"
same "content from d to the probe before" 0 \
  "$(see "$(on d:eth0 out) && tcp.dstport == $(ports before) && tcp.flags.reset == 0" frame.number | wc -l)"

# Connections, by their first segment; statuses, by tshark's own reading (which takes
# what it sees at a second interface for sent again), one a connection. An answer whose
# segments were lost comes again as one: without the option, tshark does not put it
# together any more.
open_record requests-nat
same connections "$(jq '[.probes[].connections] | add' "$results")" \
  "$(see "$(on a:eth0 out) && tcp.flags.syn == 1" tcp.srcport | sort -u | wc -l)"
open_record http-plain
same "answers 404" "$(jq '.probes.missing.errors["status 404"]' "$results")" \
  "$(reassemble=1 see "http.response.code == 404" tcp.stream | sort -u | wc -l)"
same "good answers" "$(jq '.probes | .clock.received + .turns.received' "$results")" \
  "$(reassemble=1 see "http.response.code == 200" tcp.stream | sort -u | wc -l)"

# By which way it went. What makes the move leaves by the new interface first, so the
# stream's own segments never leave by it before that does.
open_record wifi-walk
same "interfaces, in order" "wlan0 wwan0" \
  "$(jq -r '[.probes.download.left_by[].interface][0:2] | join(" ")' "$results")"
zero=$(zero_real_ns)
see "$(on phone:wwan0 out) && ip.proto == 144" frame.time_epoch |
  awk -v zero="$zero" -v ours="$(jq '[.probes.download.left_by[] | select(.interface == "wwan0")][0].first_t_ns' "$results")" '
    NR == 1 { first = $1 * 1e9 - zero; print first / 1e6, "ms, and we say", ours / 1e6 }
    END { exit !(NR && ours > first - 1e6) }' >"$records/way" ||
  fail "$name: the first packet by wwan0: $(<"$records/way")"

# The connection lives for two seconds, and is reset by the second instance.
open_record tcp-breaks-nat
zero=$(zero_real_ns)
moved=$(jq '.actions[0].actual_ns' "$results")
see "$(on a:eth0 in) && tcp.flags.reset == 1" frame.time_epoch ip.src |
  awk -v zero="$zero" -v moved="$moved" '
    { at = $1 * 1e9 - zero }
    at < moved || $2 != "198.18.0.1" { print "reset after", at / 1e9, "s by", $2; bad = 1 }
    END { if (!NR) print "none"; exit bad || !NR }' >"$records/resets" ||
  fail "$name: resets at the client, of a service that moved after $moved ns: $(<"$records/resets")"
[ "$(see "$(on d:eth0 out) && tcp.flags.reset == 1" frame.number | wc -l)" -gt 0 ] ||
  fail "$name: the new instance never reset"
[ "$(see "$(on c:eth0 in) && tcp.len > 0" frame.number | wc -l)" -gt 10 ] ||
  fail "$name: there was no conversation before"

# Not a byte is taken by the client for 5 s (what is still sent to its old
# address comes, but is not acknowledged); with the SAL they go on at once.
# curl counts them from when the address went, before that was told to be done.
open_record readdress-plain
zero=$(zero_real_ns)
see "$(on client:eth0 out) && tcp" frame.time_epoch |
  awk -v zero="$zero" -v begun="$(jq '.actions[1].actual_ns' "$results")" \
    -v moved="$(jq '.actions[1] | .actual_ns + .duration_ns' "$results")" '
    { at = $1 * 1e9 - zero }
    at > moved && at < begun + 5e9 { print at / 1e9; bad = 1 }
    at < moved { before++ }
    END { print before + 0, "before"; exit bad || !before }' \
    >"$records/plain" || fail "$name: the client goes on, at: $(<"$records/plain")"
open_record readdress-sal
same "addresses from which the client speaks" "10.0.0.1 10.0.0.3" \
  "$(see "$(on client:eth0 out) && ip.proto == 144" ip.src | sort -u | xargs)"

# A guest speaks from an address of each network that it is in, and of no other.
open_record guest-migration
same "addresses from which the guest speaks" "10.0.1.2 10.0.1.77 10.0.2.2" \
  "$(see "$(on vm:eth0 out) && ip.proto == 144" ip.src | sort -u | xargs)"

# Nothing of a home's network is seen outside, and two flows of the same port are two.
open_record nat-rebind-plain
same "addresses at the server" "203.0.113.1" \
  "$(see "$(on server:eth0 in) && (udp || tcp)" ip.src | grep . | sort -u | xargs)"

# While the carrier is gone nothing crosses the link.
open_record link-flap
zero=$(zero_real_ns)
see '(frame.interface_name == "b:eth0" || frame.interface_name == "r:eth1") && frame.packet_flags_direction == 1' \
  frame.time_epoch |
  awk -v zero="$zero" \
    -v down="$(jq '.actions[0] | .actual_ns + .duration_ns' "$results")" \
    -v up="$(jq '.actions[1].actual_ns' "$results")" '
    { at = $1 * 1e9 - zero }
    at > down && at < up { print at / 1e9; bad = 1 }
    at < down { before++ }
    at > up { after++ }
    END { print before + 0, "before,", after + 0, "after"; exit bad || !before || !after }' \
    >"$records/flap" || fail "$name: packets across a link that is down, at: $(<"$records/flap")"

echo "${#files[@]} scenarios held, and tshark agrees"
