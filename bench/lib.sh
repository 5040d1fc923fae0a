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

# inside HOST COMMAND...: in its network namespace.
inside() {
  ip netns exec "$@"
}

# iperf3_json HOST ADDRESS SECONDS: its results. A server that still says farewell to its
# last client turns the next one away, so it is tried for half a minute.
iperf3_json() {
  local end=$((SECONDS + 30)) out
  until out=$(inside "$1" iperf3 -J -C cubic -t "$3" -c "$2"); do
    [ "$SECONDS" -lt "$end" ] || die "iperf3 from $1: $(jq -r .error <<<"$out")"
    sleep 0.1 # between two tries
  done
  printf '%s\n' "$out"
}

# until_true COMMAND...: it has a minute to become so. $folder: the benchmark's own.
until_true() {
  local end=$((SECONDS + 60))
  until "$@" >"$folder/last.log" 2>&1; do
    [ "$SECONDS" -lt "$end" ] || die "never worked: $*: $(cat "$folder"/*.log)"
    sleep 0.01 # between two looks
  done
}
