# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the checks of models share. To be sourced by a script that is to be called
# with the path of sal_table.

for program in spin gcc; do
  command -v "$program" >/dev/null || {
    printf '%s: %s is missing\n' "${0##*/}" "$program" >&2
    exit 1
  }
done

# search: how it went, on one line. A search that was not complete is none.
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

# shellcheck disable=SC2034 # whoever sources this exits by it
failed=0
# broken NUMBER WHAT: the protocol without that has to be found out.
broken() {
  local result
  if result=$(BREAK=$1 search); then
    printf 'FAILED: "%s" was not found: %s\n' "$2" "$result"
    # shellcheck disable=SC2034
    failed=1
  else
    printf 'found, %s: %s\n' "$2" "$result"
  fi
}

# prepare MODEL: into a folder of its own, with the engine's $table.
prepare() {
  work=$(mktemp -d)
  trap 'rm -r -- "$work"' EXIT
  cd "$work"
  cp "$here/$1.pml" .
  "$table" promela >transitions.pml
  spin -a "$1.pml"
}

# build_search OPTIMIZATION MIB
build_search() {
  gcc "$1" -w -DSAFETY -DCOLLAPSE -DMEMLIM="$2" -o pan pan.c
}

# sound WHAT: the protocol as it is must be.
sound() {
  local result
  if result=$(search); then
    printf 'sound, %s: %s\n' "$1" "$result"
  else
    printf 'FAILED: sound, %s: %s\n' "$1" "$result"
    # shellcheck disable=SC2034 # for the caller
    failed=1
  fi
}
