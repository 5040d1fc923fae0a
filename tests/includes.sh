#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# No file includes a header of a layer that its own does not name:
#   tests/includes.sh LAYERS.TXT SOURCE
set -euo pipefail
list=$1
cd "$2"
declare -A folder_of
while read -r name folder _; do
  folder_of[$name]=$folder
done <"$list"
[ "${#folder_of[@]}" -gt 10 ] || { echo "$list names no layers"; exit 1; }

bad=0
while read -r name folder below; do
  allowed="include/serval $folder"
  for layer in $below; do
    [ -z "${folder_of[$layer]:-}" ] || allowed+=" ${folder_of[$layer]}"
  done
  while IFS=: read -r file line text; do
    header=${text#*\"}
    case " $allowed " in
    *" ${header%/*} "*) ;;
    *)
      echo "$file:$line: '$name' does not name the layer of $header"
      bad=1
      ;;
    esac
  done < <(grep -nH '^#include "' "$folder"/*.[ch] | sed 's/"$//')
done <"$list"
exit "$bad"
