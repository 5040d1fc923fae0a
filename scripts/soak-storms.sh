#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# soak-storms.sh [SEEDS [FIRST]]: plays so many storms of the SAL engine in virtual time
# (a million), from seed FIRST on (1000000001), a third each as they are, over emulated
# links, and by way of service routers. It wants a built build/dev. A seed that fails is
# named; the others of its kind are not played then. Exits 1 if any failed.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-1000000} first=${2:-1000000001}
sim=build/dev/tests/sal_sim
[ -x "$sim" ] || {
  printf '%s: %s is not built: cmake --build --preset dev\n' "${0##*/}" "$sim" >&2
  exit 2
}
failed=0
for kind in '' --links --routers; do
  printf 'storms%s: ' "${kind:+, $kind}"
  # shellcheck disable=SC2086 # one word or none
  if ! nice "$sim" $kind --first "$first" --seeds $((seeds / 3)) 2>&1 | tail -n 4; then
    failed=1
  fi
done
exit "$failed"
