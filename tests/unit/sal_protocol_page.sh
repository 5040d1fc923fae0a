#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sal_protocol_page.sh SAL_TABLE PAGE: the tables in the page are those that the
# engine works by. UPDATE_EXPECTED=1 writes them anew.
set -euo pipefail
table=$1 page=$2

begin='<!-- made by sal_table: begin -->'
end='<!-- made by sal_table: end -->'

work=$(mktemp -d)
trap 'rm -r -- "$work"' EXIT
for mark in "$begin" "$end"; do
  [ "$(grep -cxF -- "$mark" "$page")" = 1 ] || {
    printf '%s: the line "%s" must be there once\n' "$page" "$mark" >&2
    exit 1
  }
done
{
  sed "/^$begin\$/q" "$page"
  printf '\n'
  "$table" markdown
  printf '\n'
  sed -n "/^$end\$/,\$p" "$page"
} >"$work/page"
if [ -n "${UPDATE_EXPECTED:-}" ]; then
  cp "$work/page" "$page"
elif ! diff -u "$page" "$work/page"; then
  printf 'Run this with UPDATE_EXPECTED=1, and read the difference.\n' >&2
  exit 1
fi
