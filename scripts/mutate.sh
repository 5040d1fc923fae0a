#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Plants the single-line faults of tests/mutations/sal.txt, one after the other, in
# a scratch copy of the source, and sees whether the engine's tests find each:
#   scripts/mutate.sh [FIRST [LAST]]
# Says which test caught it. Those that do not apply any more, or do not build, are
# named, the former all at once at the beginning, and the others go on. Exits 1 if one
# was not caught, 2 if one could not be planted. The source itself is not touched.
set -euo pipefail
cd "$(dirname "$0")/.."
first=${1:-1} last=${2:-1000}
list=$PWD/tests/mutations/sal.txt

export CK_DEFAULT_TIMEOUT=120
# The quick ones first.
tests=(open bound bound_moves forward forward_refused many replay_router close pressure encap liveness
  paths prove rules delay handoff refuse room instance parts asked attack native native_peer
  crossing replay move move_both thousand storm)
work=$(mktemp -d)
trap 'rm -r -- "$work"' EXIT
git ls-files -z --cached --others --exclude-standard |
  xargs -0 cp --parents -t "$work"
cd "$work"

number=0 missed=0 unplanted=0 why='' file='' old=''

# Calls $1 with the new text of each fault from the first to the last; its number and
# what it says, and the file and text that it is about, are in why, file, number and old.
each_fault() {
  local line
  number=0
  while IFS= read -r line; do
    case $line in
    '# '*) why=${line#\# } ;;
    node/*) file=$line ;;
    '- '*) old=${line#- } ;;
    '+ '*)
      number=$((number + 1))
      if [ "$number" -ge "$first" ] && [ "$number" -le "$last" ]; then
        "$1" "${line#+ }"
      fi
      ;;
    esac
  done <"$list"
}

applies() {
  [ "$(grep -cF -- "$old" "$file")" = 1 ]
}

name_if_stale() {
  applies && return 0
  printf '%2d STALE: not in %s, or more than once: %s\n' "$number" "$file" "$old" >&2
  unplanted=$((unplanted + 1))
}

each_fault name_if_stale

build() {
  cmake --build build/dev --target sal_sim sal_table fuzz_sal_play \
    "${tests[@]/#/test_sal_}" >build.log 2>&1
}

cmake --preset dev >build.log 2>&1 && build || {
  tail -n 30 build.log >&2
  exit 2
}

# Prints the name of the first test that fails; 1: none does.
caught_by() {
  local t
  for t in "${tests[@]}"; do
    timeout 300 "build/dev/tests/test_sal_$t" >test.log 2>&1 || {
      printf 'unit/test_sal_%s' "$t"
      return 0
    }
  done
  timeout 300 build/dev/tests/fuzz_sal_play tests/fuzz/corpus/sal_play/* >test.log 2>&1 || {
    printf 'fuzz/sal_play'
    return 0
  }
  timeout 600 build/dev/tests/sal_sim --seeds 1000 >test.log 2>&1 || {
    printf 'sim/storms'
    return 0
  }
  timeout 60 build/dev/tests/sal_table check >test.log 2>&1 || {
    printf 'unit/sal_table'
    return 0
  }
  if command -v spin >/dev/null; then
    for t in opening migration closing; do
      timeout 900 "tests/spin/$t.sh" build/dev/tests/sal_table >test.log 2>&1 || {
        printf 'spin/%s' "$t"
        return 0
      }
    done
  fi
  return 1
}

[ "$(caught_by || true)" = '' ] || {
  printf 'The tests fail without any fault:\n' >&2
  tail -n 20 test.log >&2
  exit 2
}

plant() {
  local new=$1 text by
  applies || return 0
  cp -p "$file" saved
  text=$(<"$file")
  printf '%s\n' "${text/"$old"/"$new"}" >"$file"
  if ! build; then
    printf '%2d DOES NOT BUILD: %s\n' "$number" "$why" >&2
    grep -m 3 error build.log >&2 || true
    unplanted=$((unplanted + 1))
  elif by=$(caught_by); then
    printf '%2d caught by %-24s %s\n' "$number" "$by" "$why"
  else
    printf '%2d NOT CAUGHT %-23s %s\n' "$number" "" "$why"
    missed=$((missed + 1))
  fi
  cp saved "$file"
}

each_fault plant
printf '%d of %d not caught, %d not planted\n' "$missed" "$number" "$unplanted"
[ "$unplanted" = 0 ] || exit 2
[ "$missed" = 0 ]
