#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From a fresh clone to the verdict of the ping-migration experiment, over the
# Service Access Layer and by NAT: installs the Debian packages that are missing
# (needs root for that alone), builds, runs, compares.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

servalab=build/release/servalab
records=()

# run SCENARIO: with its summary; the first failure's exit code is the script's.
run() {
  local code=0 out
  out=$(mktemp)
  say "Running $1, which takes 6 s"
  say ""
  "$servalab" run "$1" | tee "$out" || code=$?
  records+=("$(sed -n 's/^record: //p' "$out")")
  rm -f "$out"
  say ""
  [ "$code" = 0 ] || exit "$code"
}

need_packages "${BUILD_PACKAGES[@]}" "${SCENARIO_PACKAGES[@]}"
build_preset release
run scenarios/ping-migration.yaml
run scenarios/ping-migration-nat-client.yaml
say "Side by side:"
say ""
"$servalab" compare "${records[@]}"
say ""
say "Records, with every packet (trace.pcapng), every event and all figures:"
printf '  %s\n' "${records[@]}"
