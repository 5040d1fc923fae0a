#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs all scenarios and experiments N times (20) while one core is kept busy, and
# prints the tally:  scripts/soak-scenarios.sh [N] [-j JOBS]
# The load is a shell that counts, at ordinary priority; it ends with this script.
# Exits 0 where nothing failed and fewer than 10 % of the runs were invalid.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

times=20
[ $# = 0 ] || [ "${1#-}" != "$1" ] || {
  times=$1
  shift
}
need_packages "${BUILD_PACKAGES[@]}" "${SCENARIO_PACKAGES[@]}"
build_preset dev

results=$(mktemp -d)
(while :; do :; done) &
load=$!
keep=
clean_up() {
  kill "$load" 2>/dev/null
  wait "$load" 2>/dev/null || true
  [ "$keep" ] || rm -rf "$results"
}
trap clean_up EXIT

files=(scenarios/*.yaml scenarios/experiments/*.yaml)
say "${#files[@]} scenarios, $times times each, beside a shell that counts (one core busy)"
code=0
build/dev/servalab test --repeat "$times" -r "$results" --quiet "$@" "${files[@]}" |
  tee "$results/out" || code=$?
read -r passed failed invalid < <(tail -n 1 "$results/out" | tr -cd '0-9 \n')
say "invalid: $invalid of $((passed + failed + invalid))"
[ "$failed" = 0 ] || {
  keep=1
  die "Some failed: their records are in $results."
}
[ $((invalid * 10)) -lt $((passed + failed + invalid)) ] || die "Too many are invalid."
[ "$code" = 0 ] || [ "$code" = 4 ] || exit "$code"
