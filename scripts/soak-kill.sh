#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Kills servalab N times (1000) at random moments of a run, and looks each time
# whether anything of the lab is left:  scripts/soak-kill.sh [N] [SEED]
# About 0.4 s a kill. As root it also has the kernel count the network
# namespaces that are alive in all of the machine, before and after.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

times=${1:-1000} seed=${2:-$(date +%s)}
need_packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
build_preset dev

# The kernel's statistics lag behind by what the CPUs keep at hand.
slack=$((16 * $(nproc)))
alive() {
  awk '$1 == "net_namespace" { print $2 }' /proc/slabinfo 2>/dev/null
}

before=$(alive)
SECONDS=0
tests/netns/kill_owner.sh build/dev/servalab . "$times" "$seed"
say "$times kills in $SECONDS s"
if [ -z "$before" ]; then
  say "The network namespaces of the whole machine were not counted: only root may."
  exit 0
fi
for ((wait = 0; wait < 60; wait++)); do
  after=$(alive)
  [ "$after" -gt $((before + slack)) ] || break
  sleep 1
done
say "network namespaces on the machine: $before before, $after after"
[ "$after" -le $((before + slack)) ] || die "They are not gone."
