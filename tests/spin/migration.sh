#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# migration.sh SAL_TABLE [MOVES [MIB]]: checks the migration protocol, as the
# engine's table has it, with SPIN. With MOVES, as a command: just the sound
# protocol with so many moves, in so much memory; docs/sal-protocol.md says what that
# costs. Without, as a test: 2 moves, and 3 with one address to come back to; and
# each of the broken protocols must be found out.
set -euo pipefail
table=$(realpath "$1") moves=${2:-} memory=${3:-4000}
here=$(cd "$(dirname "$0")" && pwd)

# shellcheck source=tests/spin/lib.sh
. "$here/lib.sh"
prepare migration
# Their compiler's optimizer takes longer than the small searches.
optimize=-O1
[ -z "$moves" ] || optimize=-O2
build_search "$optimize" "$memory"

if [ -n "$moves" ]; then
  MOVES=$moves search
  exit
fi

sound '2 moves'
# Proofs make no difference to these, but to how long it takes.
export PROOFS=0
LOSSES=0 EARLY=0 MOVES=3 ADDRS=2 sound '3 moves between 2 addresses'
broken 1 'data is an implicit ACK'
broken 2 'an ACK without version'
broken 3 'waiting for gaps'
broken 4 'RSYN-ACK to the old address'
broken 5 'no RSYN by name'
MOVES=3 broken 6 'a plain ACK that names too much'
export PROOFS=1
broken 7 'data to an address that is not proven'
broken 8 'data though both have moved'
exit "$failed"
