#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sal_pure.sh LIBSAL NM LIB...: the engine links where there is no socket, no
# clock, no memory to be had and nothing to print to. What it needs from outside
# itself and the layers below (LIB...) must be in this list of pure functions;
# and the same goes for what it draws out of those layers.
set -euo pipefail
sal=$1 nm=$2
shift 2

pure='memcpy memmove memset memcmp
crypto_shorthash crypto_stream_chacha20'
# Into a caller'"'"'s buffer: the text forms, which share their objects with what the
# engine calls.
pure+=' strlen strchr snprintf inet_ntop inet_pton'
# What compilers and sanitizers call on their own.
own='^(__asan_|__ubsan_|__sanitizer_|__tsan_|__gcov_|__llvm_|__stack_chk_fail$|__memcpy_chk$|__memset_chk$|__memmove_chk$|_GLOBAL_OFFSET_TABLE_$|__assert_fail$)'

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# "object symbol" for each symbol, of the kind that $1 picks out.
symbols() {
  "$nm" -A "${@:2}" | awk -v pick="$1" '
    NF > 1 { split($1, at, ":"); object = at[1] ":" at[2]
      type = $(NF - 1); sub(".*:", "", type)
      undefined = type ~ /^[Uw]$/
      if (pick == "undefined" ? undefined : !undefined && type ~ /^[A-TV-Z]$/)
        print object, $NF }'
}

work=$(mktemp -d)
trap 'rm -r -- "$work"' EXIT
symbols defined "$sal" "$@" >"$work/defined"
symbols undefined "$sal" "$@" >"$work/undefined"
grep -q ' sal_init$' "$work/defined" || fail "$sal has no sal_init: is it the engine?"

# The objects that a program needs which uses the engine, and all they lack.
impure=$(awk -v pure="$pure" -v own="$own" -v sal="$sal" '
  BEGIN { n = split(pure, p, /[ \n]+/); for (i = 1; i <= n; i++) ok[p[i]] = 1 }
  FILENAME ~ /\/defined$/ { home[$2] = $1; if (index($1, sal ":") == 1) want[$1] = 1; next }
  { needs[$1] = needs[$1] " " $2 }
  END {
    do {
      grew = 0
      for (o in want) {
        n = split(needs[o], s, " ")
        for (i = 1; i <= n; i++)
          if (s[i] in home && !(home[s[i]] in want)) { want[home[s[i]]] = 1; grew = 1 }
      }
    } while (grew)
    for (o in want) {
      n = split(needs[o], s, " ")
      for (i = 1; i <= n; i++)
        if (!(s[i] in home) && !(s[i] in ok) && s[i] !~ own)
          print o, s[i]
    }
  }' "$work/defined" "$work/undefined" | sort)
if [ -n "$impure" ]; then
  printf 'These objects call what is not pure:\n%s\n' "$impure" >&2
  exit 1
fi
printf 'pure: %s objects of %s\n' "$("$nm" -A "$sal" | cut -d: -f2 | sort -u | wc -l)" "${sal##*/}"
