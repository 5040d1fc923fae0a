#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzzes one harness of tests/fuzz with libFuzzer, AddressSanitizer and
# UndefinedBehaviorSanitizer:  scripts/fuzz.sh NAME [SECONDS] [SEED-FILE...]
# What it finds is left in build/fuzz/NAME, next to the corpus that it grows.
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

mapfile -t sources < <(ls base/*.c orchestrator/link/*.c orchestrator/scenario/*.c orchestrator/observe/*.c node/wire/*.c node/table/*.c \
  node/sal/*.c node/io/*.c node/control/*.c 2>/dev/null)
read -ra flags < <(pkg-config --cflags --libs yaml-0.1 jansson libsodium libmnl)
clang -g -O1 -std=gnu17 -D_GNU_SOURCE -I. -fsanitize=fuzzer,address,undefined \
  -fno-sanitize-recover=all "tests/fuzz/fuzz_$name.c" "${sources[@]}" "${flags[@]}" \
  -lm -lpthread -o "$out/fuzz"
cd "$out"
exec ./fuzz -max_total_time="$seconds" -print_final_stats=1 corpus
