# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Shared by the benchmarks here. To be sourced.

# Sorted median of the numbers on standard input.
median() {
  sort -g | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)]; else exit 1 }'
}

# ratio A B [DIGITS]
ratio() {
  awk -v a="$1" -v b="$2" -v digits="${3:-2}" \
    'BEGIN { if (b > 0) printf "%." digits "f", a / b; else printf "-" }'
}

# field NAME JSON: a number of a flat object.
field() {
  sed -n "s/.*\"$1\":\\([0-9.]*\\).*/\\1/p" <<<"$2"
}

die() {
  printf '%s\n' "$*" >&2
  exit 3
}
