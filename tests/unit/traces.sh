#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The traces of the folder traces/ are those that its generator makes, byte for
# byte, and are what its README says:  traces.sh SOURCE-FOLDER
set -euo pipefail
cd "$1/traces"
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
./generate.sh "$made"

count=0
for trace in "$made"/*; do
  name=${trace##*/}
  cmp "$trace" "$name"
  awk 'BEGIN { last = 0 } !/^[0-9]+$/ || $1 < last { exit 1 } { last = $1 }' "$name" || {
    echo "$name: not a trace"
    exit 1
  }
  row=$(awk -v name="$name" '{ last = $1 } END {
    printf "| `%s` | %d s | %d kbit/s |", name, last / 1000, NR * 12000 / last }' "$name")
  grep -qF "$row" README.md || {
    echo "README.md should say: $row"
    exit 1
  }
  [ "$(stat -c %s "$name")" -lt 200000 ] || {
    echo "$name is too large"
    exit 1
  }
  count=$((count + 1))
done
for file in *; do # nothing else lies here
  case $file in
  generate.sh | README.md) ;;
  *) [ -e "$made/$file" ] || {
    echo "traces/$file is not made by generate.sh"
    exit 1
  } ;;
  esac
done
[ "$count" = 7 ]
