#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Plants the single-line faults of tests/mutations/sal.txt, one after the other, in
# a scratch copy of the source, and sees whether the engine's tests find each:
#   scripts/mutate.sh [FIRST [LAST]]
# Says which test caught it; exits 1 if one was not caught, 2 if one does not apply
# or does not build. The source itself is not touched.
set -euo pipefail
cd "$(dirname "$0")/.."
first=${1:-1} last=${2:-1000}
list=$PWD/tests/mutations/sal.txt

export CK_DEFAULT_TIMEOUT=120
# The quick ones first.
tests=(open bound forward many replay_router close pressure encap liveness paths prove rules handoff refuse instance parts asked attack native native_peer crossing
  replay move storm)
work=$(mktemp -d)
trap 'rm -r -- "$work"' EXIT
git ls-files -z --cached --others --exclude-standard |
  xargs -0 cp --parents -t "$work"
cd "$work"

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
    for t in opening migration; do
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

number=0 missed=0 why='' file='' old=''
plant() {
  local new=$1 text by
  if [ "$(grep -cF -- "$old" "$file")" != 1 ]; then
    printf '%d: "%s" is not in %s, or more than once\n' "$number" "$old" "$file" >&2
    exit 2
  fi
  cp -p "$file" saved
  text=$(<"$file")
  printf '%s\n' "${text/"$old"/"$new"}" >"$file"
  if ! build; then
    printf '%d: %s: does not build\n' "$number" "$why" >&2
    grep -m 3 error build.log >&2 || true
    exit 2
  fi
  if by=$(caught_by); then
    printf '%2d caught by %-24s %s\n' "$number" "$by" "$why"
  else
    printf '%2d NOT CAUGHT %-23s %s\n' "$number" "" "$why"
    missed=$((missed + 1))
  fi
  cp saved "$file"
}

while IFS= read -r line; do
  case $line in
  '# '*) why=${line#\# } ;;
  node/*) file=$line ;;
  '- '*) old=${line#- } ;;
  '+ '*)
    number=$((number + 1))
    if [ "$number" -ge "$first" ] && [ "$number" -le "$last" ]; then
      plant "${line#+ }"
    fi
    ;;
  esac
done <"$list"
printf '%d of %d not caught\n' "$missed" "$number"
[ "$missed" = 0 ]
