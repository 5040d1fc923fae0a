#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzzes one harness of tests/fuzz with libFuzzer, AddressSanitizer and
# UndefinedBehaviorSanitizer:  scripts/fuzz.sh NAME [SECONDS] [SEED-FILE...]
# What it finds is left in build/fuzz/NAME, next to the corpus that it grows, which
# starts with that of the ordinary tests. COVERAGE=1: no fuzzing; the lines of
# node/ that the corpus covers. The second line of a harness may name sources that it
# needs besides (+) or stands in for (-).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

name=${1:-} seconds=${2:-60}
[ -f "tests/fuzz/fuzz_$name.c" ] || {
  say "usage: scripts/fuzz.sh NAME [SECONDS] [SEED-FILE...]; the names are:"
  for f in tests/fuzz/fuzz_*.c; do
    f=${f##*/fuzz_}
    say "  ${f%.c}"
  done
  exit 2
}
shift $(($# > 2 ? 2 : $#))

need_packages "${BUILD_PACKAGES[@]}" clang libclang-rt-14-dev
out=build/fuzz/$name
mkdir -p "$out/corpus"
[ $# = 0 ] || cp -- "$@" "$out/corpus/"
[ ! -d "tests/fuzz/corpus/$name" ] || cp -n "tests/fuzz/corpus/$name"/* "$out/corpus/"

mapfile -t sources < <(ls base/*.c orchestrator/link/*.c orchestrator/scenario/*.c orchestrator/observe/*.c node/wire/*.c node/table/*.c \
  node/sal/*.c node/io/*.c node/control/*.c 2>/dev/null)
for word in $(sed -n '2s|^// scripts/fuzz.sh:||p' "tests/fuzz/fuzz_$name.c"); do
  case $word in
  +*) sources+=("${word#+}") ;;
  -*) mapfile -t sources < <(printf '%s\n' "${sources[@]}" | grep -vxF "${word#-}") ;;
  esac
done
read -ra flags < <(pkg-config --cflags --libs yaml-0.1 jansson libsodium libmnl)
build() {
  clang -g -O1 -std=gnu17 -D_GNU_SOURCE -I. "$@" "tests/fuzz/fuzz_$name.c" \
    "${sources[@]}" "${flags[@]}" -lm -lpthread
}

if [ -n "${COVERAGE:-}" ]; then
  need_packages llvm
  build -fprofile-instr-generate -fcoverage-mapping -fsanitize=fuzzer -o "$out/covered"
  LLVM_PROFILE_FILE=$out/raw "$out/covered" -runs=0 "$out/corpus" 2>"$out/log" || {
    tail -n 5 "$out/log" >&2
    exit 1
  }
  llvm-profdata merge -o "$out/profile" "$out/raw"
  llvm-cov report "$out/covered" -instr-profile="$out/profile" node/
  exit
fi
build -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o "$out/fuzz"
options=(-max_total_time="$seconds" -print_final_stats=1)
[ ! -f "tests/fuzz/$name.dict" ] || options+=(-dict="$PWD/tests/fuzz/$name.dict")
cd "$out"
exec ./fuzz "${options[@]}" corpus
