#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Five ways to lose the way in use, four ways to talk: scenarios/failover holds, and
# `servalab compare` sets the outages beside each other.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
need awk

program=$1 events=(down carrier address deleted silent)
records=$(mktemp -d)
trap 'rm -rf "$records"' EXIT

files=() runs=()
for event in "${events[@]}"; do
  files+=("$2/scenarios/failover/$event.yaml")
done
"$program" test -q -j 2 --retry-invalid 4 -r "$records" "${files[@]}"
for event in "${events[@]}"; do
  runs+=("$(find "$records/failover-$event" -mindepth 1 -maxdepth 1 -type d | sort | tail -n 1)")
done
"$program" compare "${runs[@]}" >"$records/compared"

# Plain TCP was still out when each run ended; nobody else was.
sed -n '/^longest outage since the first action$/,$p' "$records/compared" >"$records/outages"
awk 'NR == 1 { next }
  { names = names " " $1 }
  gsub(/> /, "> ") != ($1 == "tcp" ? 5 : 0) || / - / { bad = 1 }
  END { exit bad || names != " tcp mptcp sal-tcp sal-udp" }' "$records/outages" ||
  fail "outages beside each other: $(<"$records/outages")"
cat "$records/outages"
