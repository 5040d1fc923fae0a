#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# closing.sh SAL_TABLE [MOVES [MIB]]: checks how a flow ends, as the engine's table has
# it, with SPIN. With MOVES, as a command: just the sound protocol with so many moves,
# in so much memory, and what else the environment says; docs/sal-protocol.md says what
# that costs. Without, as a test: one move or other faults, and each of the broken
# protocols must be found out.
set -euo pipefail
table=$(realpath "$1") moves=${2:-} memory=${3:-4000}
here=$(cd "$(dirname "$0")" && pwd)

# shellcheck source=tests/spin/lib.sh
. "$here/lib.sh"
prepare closing
# The compiler takes longer than these searches.
optimize=-O0
[ -z "$moves" ] || optimize=-O2
build_search "$optimize" "$memory"

if [ -n "$moves" ]; then
  MOVES=$moves search
  exit
fi
export COPIES=0 EARLY=0
sound 'a move and a loss'
MOVES=0 COPIES=1 EARLY=1 sound 'a loss, a copy and an early time-out'
broken 1 'a FIN that comes again is not acknowledged again'
broken 2 'no segments while closing'
COPIES=1 LOSSES=0 broken 3 'a FIN overtakes an RSYN'
broken 4 'a FIN is not said again after a move'
broken 5 'data by one flow ID'
broken 6 'control packets by one flow ID'
broken 7 'no TIME_WAIT'
broken 8 'an ACK of anything acknowledges the FIN'
exit "$failed"
