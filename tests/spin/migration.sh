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

for program in spin gcc; do
  command -v "$program" >/dev/null || {
    printf 'migration.sh: %s is missing\n' "$program" >&2
    exit 1
  }
done
work=$(mktemp -d)
trap 'rm -r -- "$work"' EXIT
cd "$work"
cp "$here/migration.pml" .
"$table" promela >transitions.pml
spin -a migration.pml
# Their compiler's optimizer takes longer than the small searches.
optimize=-O1
[ -z "$moves" ] || optimize=-O2
gcc "$optimize" -w -DSAFETY -DCOLLAPSE -DMEMLIM="$memory" -o pan pan.c

# search WHAT: how it went, on one line. A search that was not complete is none.
search() {
  ./pan -m1000000 >out 2>&1 || true
  if ! grep -q 'errors: 0' out; then
    grep -m 1 '^pan:1:' out | cut -c 1-72 || true
    if grep -q '^pan:1: assertion violated' out; then
      return 1
    fi
    cat out >&2
    exit 2
  fi
  if grep -qE 'max search depth too small|reached -DMEMLIM|out of memory' out; then
    cat out >&2
    exit 2
  fi
  awk '/states, stored/ { states = $1 } /total actual memory/ { mib = $1 }
    END { print states " states, " mib " MiB" }' out
}

if [ -n "$moves" ]; then
  MOVES=$moves search
  exit
fi

failed=0
sound() {
  local result
  if result=$(search); then
    printf 'sound, %s: %s\n' "$1" "$result"
  else
    printf 'FAILED: sound, %s: %s\n' "$1" "$result"
    failed=1
  fi
}
broken() {
  local result
  if result=$(BREAK=$1 search); then
    printf 'FAILED: "%s" was not found: %s\n' "$2" "$result"
    failed=1
  else
    printf 'found, %s: %s\n' "$2" "$result"
  fi
}

sound '2 moves'
LOSSES=0 EARLY=0 MOVES=3 ADDRS=2 sound '3 moves between 2 addresses'
broken 1 'data is an implicit ACK'
broken 2 'an ACK without version'
broken 3 'waiting for gaps'
broken 4 'RSYN-ACK to the old address'
broken 5 'no RSYN by name'
MOVES=3 broken 6 'a plain ACK that names too much'
exit "$failed"
