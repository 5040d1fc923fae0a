#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs of one scenario at the same time, into the same folder and in the same
# second, know nothing of each other: two, then four.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"

records=$work/results
mkdir "$records"
shorten "$scenarios/ping-migration-nat.yaml" "$work/ping.yaml" \
  's/for: 6s/for: 900ms/;s/at: 2s/at: 300ms/;s/at: 4s/at: 600ms/;s/sent: 600/sent: 90/;/answered_by/d'
host_remember "$records"

at_once() {
  local n=$1 i code folder busy=0
  local -a pids=() folders=()
  rm -rf "${records:?}"/*
  for ((i = 0; i < n; i++)); do
    "$program" run -q -r "$records" "$work/ping.yaml" >"$records/out.$i" 2>&1 &
    pids+=($!)
  done
  for ((i = 0; i < n; i++)); do
    code=0
    wait "${pids[i]}" || code=$?
    [ "$code" != 4 ] || busy=4
    [ "$busy" = 0 ] || continue
    [ "$code" = 0 ] || fail "$n at once: one ends with $code: $(<"$records/out.$i")"
    folder=$(sed -n 's/^record: //p' "$records/out.$i")
    [ -d "$folder" ] || fail "$n at once: '$folder' is no record"
    folders+=("$folder")
    jq -e '.verdict == "passed" and .probes.rtt.sent == 90 and
      .probes.rtt.received >= 89 and .probes.rtt.duplicated == 0' \
      "$folder/results.json" >/dev/null || fail "$n at once: wrong figures in $folder"
  done
  [ "$busy" = 0 ] || return "$busy"
  [ "$(printf '%s\n' "${folders[@]}" | sort -u | wc -l)" = "$n" ] ||
    fail "$n at once share a record: ${folders[*]}"
  [ "$(find "$records" -mindepth 2 -maxdepth 2 | wc -l)" = "$n" ] ||
    fail "$n at once made another number of records"
  host_is_as_before "by $n at once"
}

until_valid at_once 2
until_valid at_once 4
