#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs what the SAL is made of under valgrind's memcheck: the unit tests of node/wire,
# node/table, node/sal and node/control, the fuzzers' corpora, some storms of the
# simulator, and real salds under attack. Anything that valgrind has to say is a
# failure. Takes some minutes:  scripts/valgrind.sh
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

need_packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}" valgrind
build_preset dev
cd build/dev/tests
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export CK_FORK=no CK_DEFAULT_TIMEOUT=0 TIMEFORMAT=%R
memcheck=(valgrind -q --error-exitcode=99 --leak-check=full
  --errors-for-leak-kinds=definite,possible)

run() {
  local what=$1 took
  shift
  if took=$({ time "$@" >"$log" 2>&1; } 2>&1); then
    printf 'silent   %5.1f s  %s\n' "$took" "$what"
  else
    printf 'NOT SILENT      %s\n' "$what"
    tail -n 30 "$log" >&2
    failed=1
  fi
}

for test in ./test_sal_* ./test_wire ./test_wire_text ./test_packet ./test_golden \
  ./test_service_* ./test_flow_table ./test_inner ./test_segment ./test_control; do
  run "$test" "${memcheck[@]}" "$test"
done
for name in wire wire_text packet sal sal_play control handoff inner; do
  run "fuzz_$name" "${memcheck[@]}" "./fuzz_$name" ../../../tests/fuzz/corpus/"$name"/*
done
run 'sal_sim --seeds 30' "${memcheck[@]}" ./sal_sim --seeds 30
# Here it is sald that runs under it, and its exit status that the test looks at.
unset CK_FORK CK_DEFAULT_TIMEOUT
CK_RUN_CASE=forged SALD_UNDER="${memcheck[*]}" run 'sald, attacked' ./test_sald_attacks
exit "$failed"
