#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# opening.sh SAL_TABLE: checks that two ends which connect to each other at the same
# time become one flow, as the engine's table has it, with SPIN. Each of the broken
# protocols must be found out.
set -euo pipefail
table=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)

for program in spin gcc; do
  command -v "$program" >/dev/null || {
    printf 'opening.sh: %s is missing\n' "$program" >&2
    exit 1
  }
done
work=$(mktemp -d)
trap 'rm -r -- "$work"' EXIT
cd "$work"
cp "$here/opening.pml" .
"$table" promela >transitions.pml
spin -a opening.pml
gcc -O1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c

# How it went, on one line. A search that was not complete is none.
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

failed=0
if result=$(search); then
  printf 'sound: %s\n' "$result"
else
  printf 'FAILED: sound: %s\n' "$result"
  failed=1
fi
broken() {
  if result=$(BREAK=$1 search); then
    printf 'FAILED: "%s" was not found: %s\n' "$2" "$result"
    failed=1
  else
    printf 'found, %s: %s\n' "$2" "$result"
  fi
}
broken 1 'the SYN-ACK of another is none'
broken 2 'no SYN beside the SYN-ACK'
broken 3 'a reset of a forged flow ends ours'
broken 4 'what is repeated is not answered'
exit "$failed"
