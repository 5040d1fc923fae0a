#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what the tests need, builds with warnings as errors, runs every test,
# once plain and once under AddressSanitizer and UndefinedBehaviorSanitizer.
# The scenarios are run five times in a row in the plain build, once in the other;
# the models of the protocol, which have nothing of ours to sanitize, in the plain one.
# Ends with "N passed, N failed"; exits 0 only where none failed.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

need_packages "${BUILD_PACKAGES[@]}" "${SCENARIO_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
need_program nginx

passed=0 failed=0
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1

# run_preset PRESET SECONDS ROUNDS [CTEST-OPTION...]
run_preset() {
  local preset=$1 budget=$2 log total bad
  export SCENARIO_ROUNDS=$3
  build_preset "$preset"
  say "Testing (preset $preset, at most $budget s)"
  log=$(mktemp)
  timeout --foreground "$budget" \
    ctest --preset "$preset" --parallel $((3 * $(nproc))) --no-tests=error "${@:4}" 2>&1 | tee "$log" || true
  # "98% tests passed, 1 tests failed out of 50"
  if read -r bad total < <(sed -n 's/^.* tests passed, \([0-9]*\) tests failed out of \([0-9]*\)$/\1 \2/p' "$log"); then
    passed=$((passed + total - bad)) failed=$((failed + bad))
  else
    say "The tests of preset $preset did not finish within $budget s."
    failed=$((failed + 1))
  fi
  rm -f "$log"
}

run_preset dev 900 5
run_preset asan 840 1 -LE spin

say ""
say "$passed passed, $failed failed"
[ "$failed" = 0 ]
