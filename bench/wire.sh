#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How exact emulated links are, and how fast, from one host to another, beside
# what the machine can do: plain veth, and clock_nanosleep() in the same run;
# and beside Mahimahi (mm-delay, mm-link) and netem where these are there.
#
#     bench/wire.sh WIRE_EMULATOR SOURCES WIRE_PROBE [ROUNDS]    (5 rounds)
#
# SHORT=1: everything once, and briefly: shows that it works, measures nothing.
# KEEP=DIR: leaves the emulators' reports there.
#
# All ways are built once, each with two hosts of its own, and measured in turns:
#
#     a-WAY  w0 10.0.0.1 ==== 10.0.0.2 w0  b-WAY
#
#     veth    nothing in between
#     wire0   an emulated link on which nothing happens
#     wire10  10 ms each way
#     spin10  the same, awake for 200 us before a frame is due
#     netem10 veth and netem, 10 ms each way
#     rateN   N Mbit/s
#     traceN  N Mbit/s by a delivery trace: so many opportunities each millisecond
#     mm0, mm10, mmN  mm-delay of 0 and 10 ms, and mm-link with the trace of traceN
#     idle    200 links, and nobody who sends
#
# Mahimahi's programs must be setuid root, and refuse to be started by root.
#
# All of them use cubic (by route attribute) and windows of up to 64 MiB: under
# bbr plain veth has half of its throughput, and with the usual windows every
# link of 10 ms shows 1.4 Gbit/s. Throughput is measured once TCP has found its
# speed: over 20 ms that takes some 3 s.
set -euo pipefail
# shellcheck source=bench/lib.sh
. "$2/bench/lib.sh"

(: <>/dev/net/tun) 2>/dev/null ||
  die "cannot open /dev/net/tun: be root, or as root chmod 666 /dev/net/tun"
for tool in ip iperf3 jq unshare; do
  command -v "$tool" >/dev/null || die "needs $tool"
done
if [ -z "${SERVALAB_BENCH_INSIDE:-}" ]; then
  user=(--user --map-root-user)
  [ "$(id -u)" != 0 ] || user=() # a user namespace may not have large buffers
  SERVALAB_BENCH_INSIDE=1 exec unshare "${user[@]}" --fork --pid --kill-child \
    --mount --mount-proc --net -- "$0" "$@"
fi
emulator=$(realpath "$1") probe=$(realpath "$3")
rounds=${4:-5} tcp_seconds=3 ramp_seconds=4 delay_seconds=3 rate_seconds=10 idle_seconds=5
trace_seconds=5
[ -z "${SHORT:-}" ] || rounds=1 tcp_seconds=1 ramp_seconds=0 delay_seconds=1 rate_seconds=1 idle_seconds=1 trace_seconds=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mount -t tmpfs tmpfs /run
mkdir -p /run/netns

inside() {
  ip netns exec "$@"
}

load() {
  cut -d ' ' -f 1-3 /proc/loadavg
}

# ---- building ---------------------------------------------------------------

namespaces() {
  ip netns add "a-$1"
  ip netns add "b-$1"
}

declare -A near=() far=() # of a way: the addresses of a and b

large_windows() {
  inside "$1" sh -c 'echo 4096 131072 67108864 >/proc/sys/net/ipv4/tcp_rmem
    echo 4096 131072 67108864 >/proc/sys/net/ipv4/tcp_wmem'
}

# The route of its own is what makes the difference to the default.
addresses() {
  local n=0 host
  near[$1]=10.0.0.1 far[$1]=10.0.0.2
  for host in "a-$1" "b-$1"; do
    n=$((n + 1))
    ip -n "$host" link set lo up
    ip -n "$host" link set w0 up
    ip -n "$host" addr add "10.0.0.$n/24" dev w0 noprefixroute
    ip -n "$host" route add 10.0.0.0/24 dev w0 congctl cubic
    large_windows "$host"
  done
}

veth() {
  namespaces "$1"
  ip link add w0 netns "a-$1" type veth peer name w0 netns "b-$1"
  addresses "$1"
}

declare -A pid=() # of what oversees an emulator

# emulated WAY LINKS DELAY_US RATE_BPS|TRACE QUEUE SPIN_US
emulated() {
  namespaces "$1"
  mkfifo "$folder/$1.fifo"
  "$emulator" "/run/netns/a-$1" "/run/netns/b-$1" "$folder/$1.json" "${@:2}" \
    >"$folder/$1.fifo" 2>"$folder/$1.log" &
  pid[$1]=$!
  local line
  IFS= read -r -t 60 line <"$folder/$1.fifo" || true
  [ "${line:-}" = ready ] || die "no emulator: $(cat "$folder/$1.log")"
  addresses "$1"
}

# trace FILE MBIT: so many opportunities of 1500 bytes a second.
trace() {
  awk -v each="$(($2 / 12))" 'BEGIN {
    for (ms = 1; ms <= 1000; ms++) for (i = 0; i < each; i++) print ms }' >"$1"
}

# mahimahi WAY PROGRAM...: b is where it was started, a the host behind it.
mahimahi() {
  local way=$1 file=$folder/mm/$1 n=0 device
  shift
  ip netns add "b-$way"
  ip -n "b-$way" link set lo up
  # It refuses root, and to be without a way out.
  inside "b-$way" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
  # shellcheck disable=SC2016 # expanded in there
  inside "b-$way" setpriv --reuid=65534 --regid=65534 --clear-groups "$@" \
    sh -c 'echo $$ >"$0.new" && mv "$0.new" "$0" && exec sleep 100000' "$file" \
    >"$file.log" 2>&1 </dev/null &
  until [ -s "$file" ]; do
    n=$((n + 1))
    if [ "$n" = 600 ]; then
      echo "left out: $*: $(cat "$file.log")" >&2
      return 1
    fi
    sleep 0.05
  done
  ip netns attach "a-$way" "$(cat "$file")"
  near[$way]=$(ip -n "a-$way" -o -4 addr show ingress | awk '{ print $4 }')
  near[$way]=${near[$way]%/*}
  far[$way]=$(ip -n "a-$way" -o -4 route show default | awk '{ print $3 }')
  ip -n "a-$way" route replace default via "${far[$way]}" congctl cubic
  device=$(ip -n "b-$way" -o -4 route get "${near[$way]}" | sed 's/.* dev \([^ ]*\).*/\1/')
  ip -n "b-$way" route replace "${near[$way]}" dev "$device" congctl cubic
  large_windows "a-$way"
  large_windows "b-$way"
}

serve() {
  inside "b-$1" iperf3 -s >/dev/null 2>&1 </dev/null &
}

# Queues of half a second: they never run dry, and what they hold at the end comes
# before the probe ends.
declare -A queue=([1]=41 [10]=413 [100]=4128 [1000]=41280)
rates=(1 10 100 1000)
veth veth
emulated wire0 1 0 0 0 0
emulated wire10 1 10000 0 0 0
emulated spin10 1 10000 0 0 200
for r in "${rates[@]}"; do
  emulated "rate$r" 1 0 "${r}000000" "${queue[$r]}" 0
done
emulated idle 200 10000 0 1000 0
tcp=(veth wire0 wire10) delay=(wire10 spin10)
veth netem10
if ip -n a-netem10 qdisc add dev w0 root netem delay 10ms limit 100000 2>/dev/null ||
  inside a-netem10 tc qdisc add dev w0 root netem delay 10ms limit 100000 2>/dev/null; then
  inside b-netem10 tc qdisc add dev w0 root netem delay 10ms limit 100000
  tcp+=(netem10) delay+=(netem10)
fi

# Delivery traces, to both of those who know them.
traces=(12 96 1200)
for t in "${traces[@]}"; do
  trace "$folder/trace$t" "$t"
  emulated "trace$t" 1 0 "$folder/trace$t" 5000 0
done
tcp+=(trace1200) traced=("${traces[@]/#/trace}")
mkdir "$folder/mm"
chmod 711 "$folder"
chmod 777 "$folder/mm"
if command -v mm-delay >/dev/null && command -v mm-link >/dev/null; then
  for d in 0 10; do
    ! mahimahi "mm$d" mm-delay "$d" || tcp+=("mm$d")
  done
  [ -z "${far[mm10]:-}" ] || delay+=(mm10)
  for t in "${traces[@]}"; do
    # By itself it takes any number of packets into its queue.
    ! mahimahi "mmlink$t" mm-link --uplink-queue=droptail --uplink-queue-args=packets=5000 \
      "$folder/trace$t" "$folder/trace$t" -- || traced+=("mmlink$t")
  done
  [ -z "${far[mmlink1200]:-}" ] || tcp+=(mmlink1200)
fi

for way in "${tcp[@]}"; do
  serve "$way"
done
# until_listens WAY: it has 30 s to do so.
until_listens() {
  local end=$((SECONDS + 30))
  until inside "a-$1" iperf3 -c "${far[$1]}" -n 1K >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || die "nobody listens at the other end of $1"
    sleep 0.05
  done
}
for way in "${tcp[@]}"; do
  until_listens "$way"
done

# ---- measuring --------------------------------------------------------------

# note NAME VALUE
note() {
  [ "$2" ] || die "no $1"
  echo "$2" >>"$folder/$1"
}

figure() {
  median <"$folder/$1"
}

measure_tcp() {
  local gbit
  gbit=$(inside "a-$1" iperf3 -J -c "${far[$1]}" -t "$tcp_seconds" -O "$ramp_seconds" |
    jq '.end.sum_received.bits_per_second / 1e9')
  note "tcp.$1" "$gbit"
}

# measure_delay WAY PACKETS_A_SECOND
measure_delay() {
  local p50 p90 p99 floor50 floor99 sent lost
  read -r p50 p90 p99 floor50 floor99 sent lost < <("$probe" delay \
    "/run/netns/a-$1" "/run/netns/b-$1" "${near[$1]}" "${far[$1]}" 7000 "$2" "$delay_seconds" 10000)
  note "delay50.$1.$2" "$p50"
  note "delay99.$1.$2" "$p99"
  note "floor50.$1.$2" "$floor50"
  note "floor99.$1.$2" "$floor99"
  note "over.$1.$2" "$(awk -v x="$p50" -v f="$floor50" 'BEGIN { print x / f }')"
  note "lost.$1.$2" "$lost"
}

# measure_rate WAY MBIT SECONDS: datagrams from the sending host to the receiving one,
# at 1.1 times the rate.
measure_rate() {
  local bps frames
  read -r bps frames < <("$probe" rate "/run/netns/a-$1" "/run/netns/b-$1" \
    "${near[$1]}" "${far[$1]}" 7000 "${2}000000" "$3")
  note "rate.$1" "$bps"
}

cpu_ticks() {
  # Of the emulator, which is the only child of the process that oversees it.
  local child
  child=$(cat "/proc/${pid[idle]}/task/${pid[idle]}/children")
  awk '{ print $14 + $15 }' "/proc/${child%% *}/stat"
}

measure_idle() {
  local before after
  before=$(cpu_ticks)
  sleep "$idle_seconds"
  after=$(cpu_ticks)
  note idle "$(awk -v n="$((after - before))" -v s="$idle_seconds" \
    -v hz="$(getconf CLK_TCK)" 'BEGIN { print 100 * n / hz / s }')"
}

load_before=$(load)
for ((i = 0; i < rounds; i++)); do
  for way in "${tcp[@]}"; do
    measure_tcp "$way"
  done
  for pps in 1000 50000; do
    for way in "${delay[@]}"; do
      measure_delay "$way" "$pps"
    done
  done
  measure_idle
done
for r in "${rates[@]}"; do
  measure_rate "rate$r" "$r" "$rate_seconds"
done
for way in "${traced[@]}"; do
  measure_rate "$way" "${way//[a-z]/}" "$trace_seconds"
done

# ---- telling ----------------------------------------------------------------

printf '%d cores, kernel %s, load before %s, after %s; medians of %d\n\n' \
  "$(nproc)" "$(uname -r)" "$load_before" "$(load)" "$rounds"

printf '%-12s %14s %10s\n' TCP 'Gbit/s' 'of veth'
for way in "${tcp[@]}"; do
  printf '%-12s %14.2f %10s\n' "$way" "$(figure "tcp.$way")" \
    "$(ratio "$(figure "tcp.$way")" "$(figure tcp.veth)")"
done

printf '\n%-8s %10s %12s %12s %12s %12s %10s %6s\n' delay packets/s \
  'error p50 us' 'error p99 us' 'floor p50 us' 'floor p99 us' 'of floor' lost
for pps in 1000 50000; do
  for way in "${delay[@]}"; do
    printf '%-8s %10d %12.1f %12.1f %12.1f %12.1f %10.2f %6d\n' "$way" "$pps" \
      "$(figure "delay50.$way.$pps")" "$(figure "delay99.$way.$pps")" \
      "$(figure "floor50.$way.$pps")" "$(figure "floor99.$way.$pps")" \
      "$(figure "over.$way.$pps")" "$(figure "lost.$way.$pps")"
  done
done

# tell_rate WAY ASKED: of frames; a trace counts what is behind their Ethernet header.
tell_rate() {
  printf '%-12s %16.0f %16.0f %9.3f%%\n' "$1" "$2" "$(figure "rate.$1")" \
    "$(awk -v a="$2" -v b="$(figure "rate.$1")" 'BEGIN { print 100 * (b - a) / a }')"
}
printf '\n%-12s %16s %16s %10s\n' rate 'asked bit/s' 'realised bit/s' 'off by'
for r in "${rates[@]}"; do
  tell_rate "rate$r" "${r}000000"
done
for way in "${traced[@]}"; do
  tell_rate "$way" "$(awk -v mbit="${way//[a-z]/}" 'BEGIN { print mbit * 1e6 * 1514 / 1500 }')"
done

printf '\n200 idle links: %.2f %% of a core\n' "$(figure idle)"

# The emulators' own accounts, written when they end.
for way in "${!pid[@]}"; do
  kill "${pid[$way]}"
  wait "${pid[$way]}" || die "$(cat "$folder/$way.log")"
done
[ -z "${KEEP:-}" ] || cp "$folder"/*.json "$KEEP"
printf 'dropped, but not by the model: '
for way in "${!pid[@]}"; do
  [ -s "$folder/$way.json" ] || die "no report of $way: $(cat "$folder/$way.log")"
  jq '[.links[].directions[].machine.dropped] | add' "$folder/$way.json"
done | awk '{ n += $1 } END { print n + 0 }'
