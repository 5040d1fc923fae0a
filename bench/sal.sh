#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the Service Access Layer costs: round-trip time, TCP's connect time and
# TCP's throughput from one host to another, three ways in turns; medians; ratios
# to the first. Then, of sald, where the time goes (docs/performance.md).
#
#     veth   nothing in between
#     sal    a sald at both ends
#     toy    a forwarder at both ends that knows no virtio header (sal_toy.c)
#
#     bench/sal.sh SALD SOURCES SALCTL TOY CONNECT_TIME [ROUNDS]    (7 rounds)
#
# SHORT=1: everything once, and briefly: shows that it works, measures nothing.
#
# Each way has two hosts and a veth pair of its own, so that no way's addresses
# or devices are seen by another's sald:
#
#     a-WAY  eth0 10.0.0.1 ---- 10.0.0.2 eth0  b-WAY
#
# All of them use cubic: under bbr, which is the default of some machines, plain
# veth has half of its throughput, and every ratio looks twice as good.
set -euo pipefail
# shellcheck source=bench/lib.sh
. "$2/bench/lib.sh"

(: <>/dev/net/tun) 2>/dev/null ||
  die "cannot open /dev/net/tun: be root, or as root chmod 666 /dev/net/tun"
for tool in ip ping iperf3 jq unshare; do
  command -v "$tool" >/dev/null || die "needs $tool"
done
if [ -z "${SERVALAB_BENCH_INSIDE:-}" ]; then
  user=(--user --map-root-user)
  [ "$(id -u)" != 0 ] || user=() # root may profile, which a user namespace forbids
  SERVALAB_BENCH_INSIDE=1 exec unshare "${user[@]}" --fork --pid --kill-child \
    --mount --mount-proc --net -- "$0" "$@"
fi
sald=$(realpath "$1") salctl=$(realpath "$3") toy=$(realpath "$4")
connect_time=$(realpath "$5")
rounds=${6:-7} seconds=3 pings=200 connects=300
[ -z "${SHORT:-}" ] || rounds=1 seconds=1 pings=5 connects=5
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mount -t tmpfs tmpfs /run

ways=(veth sal toy)
declare -A address=([veth]=10.0.0.2 [sal]=10.255.0.1 [toy]=10.253.0.2)
declare -A pid=() # of the forwarders: a-sal, b-sal, a-toy, b-toy

# ---- building ---------------------------------------------------------------

# start NAME HOST COMMAND...: ip execs it, so the process is the command itself.
start() {
  ip netns exec "${@:2}" >"$folder/$1.log" 2>&1 </dev/null &
  pid[$1]=$!
}

hosts() {
  ip netns add "a-$1"
  ip netns add "b-$1"
  ip link add eth0 netns "a-$1" type veth peer name eth0 netns "b-$1"
  ip -n "a-$1" addr add 10.0.0.1/24 dev eth0
  ip -n "b-$1" addr add 10.0.0.2/24 dev eth0
  for host in a b; do
    ip -n "$host-$1" link set lo up
    ip -n "$host-$1" link set eth0 up
  done
  until_true inside "a-$1" ping -q -c 1 -W 1 10.0.0.2
}

add_sal() {
  local n=0 host
  for host in a b; do
    n=$((n + 1))
    start "$host-sal" "$host-sal" "$sald" --inner "10.254.0.$n/16" \
      --services 10.255.0.0/16 --control "/run/$host.sock"
    until_true "$salctl" -c "/run/$host.sock" hello
    "$salctl" -c "/run/$host.sock" name set web 16385 10.255.0.1
  done
  "$salctl" -c /run/b.sock service add 16385 demux
  "$salctl" -c /run/a.sock service add 16385 forward 10.0.0.2
}

# The MTU leaves room for the headers of IP and UDP.
add_toy() {
  local n=0 host
  for host in a b; do
    n=$((n + 1))
    ip -n "$host-toy" tuntap add dev toy0 mode tun
    ip -n "$host-toy" addr add "10.253.0.$n/24" dev toy0
    ip -n "$host-toy" link set toy0 mtu 1472 up
    start "$host-toy" "$host-toy" "$toy" toy0 "10.0.0.$n" "10.0.0.$((3 - n))" 7000
  done
}

for way in "${ways[@]}"; do
  hosts "$way"
done
add_sal
add_toy
for way in "${ways[@]}"; do
  start "iperf3-$way" "b-$way" iperf3 -s
  start "listen-$way" "b-$way" "$connect_time" --listen 0.0.0.0 80
  until_true inside "a-$way" ping -q -c 1 -W 1 "${address[$way]}"
  until_true inside "a-$way" "$connect_time" "${address[$way]}" 80 1
done

# ---- measuring --------------------------------------------------------------

# note WAY FIGURE VALUE
note() {
  [ "$3" ] || die "no $2 of $1"
  echo "$3" >>"$folder/$1.$2"
}

figure() {
  median <"$folder/$1.$2"
}

# user and system time of a process, in ticks; its name may hold no blank.
cpu_of() {
  awk '{ print $14, $15 }' "/proc/${pid[$1]}/stat"
}

# counter HOST NAME: of its sald.
counter() {
  "$salctl" -c "/run/$1.sock" stats | awk -v name="$2" '$1 == name { print $2 }'
}

# In us.
round_trip() {
  inside "a-$1" ping -c "$pings" -i 0.002 -W 5 "${address[$1]}" |
    sed -n 's/.* time=\([0-9.]*\) ms/\1/p' | median | awk '{ print $1 * 1000 }'
}

# throughput WAY [SECONDS]: in Gbit/s, as received, and how many segments TCP sent
# again. An iperf3 server that still
# says farewell to its last client turns the next one away.
throughput() {
  iperf3_json "a-$1" "${address[$1]}" "${2:-$seconds}" |
    jq -r '"\(.end.sum_received.bits_per_second / 1e9) \(.end.sum_sent.retransmits)"'
}

# Ticks that no core had anything to do.
idle_ticks() {
  awk '$1 == "cpu" { print $5 + $6 }' /proc/stat
}

ticks=$(getconf CLK_TCK)
# percent TICKS US: how much of one core that is.
percent() {
  awk -v n="$1" -v hz="$ticks" -v us="$2" 'BEGIN { printf "%.1f", n / hz / us * 1e8 }'
}

# Throughput, and what the forwarders (if any) did for it. Their time for a Gbit
# hardly depends on who else is using the machine; their share of it does.
clocked_throughput() {
  local way=$1 host out gbits again user0 sys0 user1 sys1 start us idle
  local -A before=()
  local spent=0
  for host in a b; do
    [ "$way" = veth ] || before[$host]=$(cpu_of "$host-$way")
  done
  idle=$(idle_ticks) start=${EPOCHREALTIME/[.,]/}
  out=$(throughput "$way")
  us=$((${EPOCHREALTIME/[.,]/} - start))
  read -r gbits again <<<"$out"
  note "$way" gbits "$gbits"
  note "$way" again "$again"
  note "$way" idle "$(percent $(($(idle_ticks) - idle)) "$us")"
  [ "$way" != veth ] || return 0
  for host in a b; do
    read -r user0 sys0 <<<"${before[$host]}"
    read -r user1 sys1 < <(cpu_of "$host-$way")
    note "$host-$way" user "$(percent $((user1 - user0)) "$us")"
    note "$host-$way" sys "$(percent $((sys1 - sys0)) "$us")"
    spent=$((spent + user1 - user0 + sys1 - sys0))
  done
  note "$way" cost "$(awk -v n="$spent" -v hz="$ticks" -v gbit_s="$gbits" -v s="$seconds" \
    'BEGIN { printf "%.2f", n / hz / (gbit_s * s) }')"
}

for ((round = 0; round < rounds; round++)); do
  for way in "${ways[@]}"; do
    note "$way" rtt "$(round_trip "$way")"
    note "$way" connect "$(inside "a-$way" "$connect_time" "${address[$way]}" 80 "$connects")"
    clocked_throughput "$way"
  done
done

printf 'median of %s, and in brackets the ratio to veth\n\n' "$rounds"
printf '         RTT, us             connect, us         TCP, Gbit/s\n'
for way in "${ways[@]}"; do
  printf '%-5s' "$way"
  for what in rtt connect gbits; do
    value=$(figure "$way" "$what")
    printf ' %9.2f (%6s) ' "$value" "$(ratio "$value" "$(figure veth "$what")" 3)"
  done
  echo
done
printf '\nthroughput of sal / toy: %s\n' "$(ratio "$(figure sal gbits)" "$(figure toy gbits)")"

# ---- where the time goes ----------------------------------------------------

printf '\nCPU in the throughput runs, %% of one core of %s:\n' "$(nproc)"
for name in a-sal b-sal a-toy b-toy; do
  printf '  %s (%s): user %.0f, system %.0f\n' "$name" \
    "$([[ $name = a-* ]] && echo sender || echo receiver)" \
    "$(figure "$name" user)" "$(figure "$name" sys)"
done
printf '  of both, core seconds a Gbit: sal %s, toy %s\n' "$(figure sal cost)" "$(figure toy cost)"
printf '  segments sent again in %s s: veth %s, sal %s, toy %s\n' "$seconds" \
  "$(figure veth again)" "$(figure sal again)" "$(figure toy again)"
printf '  idle: veth %.0f, sal %.0f, toy %.0f\n' \
  "$(figure veth idle)" "$(figure sal idle)" "$(figure toy idle)"

# What the receiver's raw socket (protocol 144) had no room for.
raw_drops() {
  # shellcheck disable=SC2016 # awk's
  inside b-sal awk '$2 ~ /:0090$/ { n += $NF } END { print n + 0 }' /proc/net/raw
}

# Runs once more and prints what went through each sald a packet.
declare -A was=()
for host in a b; do
  for name in tun_in tun_out underlay_in underlay_out; do
    was[$host-$name]=$(counter "$host" "$name")
  done
done
drops=$(raw_drops)
per() {
  ratio "$(($(counter "$1" "$2") - was[$1-$2]))" "$(($(counter "$3" "$4") - was[$3-$4]))"
}
throughput sal >/dev/null
printf '\nSegments of the stream:\n'
printf '  sender:   %s packets to the underlay for each read from its TUN\n' \
  "$(per a underlay_out a tun_in)"
printf '  receiver: %s packets into its TUN for each one from the underlay\n' \
  "$(per b tun_out b underlay_in)"
printf '  lost for want of room in its socket: %s of %s\n' \
  "$(($(raw_drops) - drops))" "$(($(counter a underlay_out) - was[a-underlay_out]))"

# Every system call stops twice here: only the counts are to be believed, and
# of them only how many packets one carries.
calls() {
  local host=$1 tracer in0 out0
  in0=$(counter "$host" underlay_in) out0=$(counter "$host" underlay_out)
  strace -c -f -o "$folder/calls" -p "${pid[$host-sal]}" 2>/dev/null &
  tracer=$!
  throughput sal 2 >/dev/null
  kill -INT "$tracer"
  wait "$tracer" || true
  awk -v packets_in=$(($(counter "$host" underlay_in) - in0)) \
    -v packets_out=$(($(counter "$host" underlay_out) - out0)) '
    $NF ~ /^(read|writev|recvmmsg|sendmmsg|epoll_pwait2|epoll_wait)$/ { n[$NF] = $4 }
    END {
      if (!n["recvmmsg"] || !n["sendmmsg"])
        exit 1
      printf "%.1f packets a recvmmsg, %.1f a sendmmsg; of 1000 calls:", \
        packets_in / n["recvmmsg"], packets_out / n["sendmmsg"]
      for (name in n)
        sum += n[name]
      for (name in n)
        printf " %s %.0f", name, n[name] / sum * 1000
      print ""
    }' "$folder/calls"
}

# Each sample of perf by the system call it was in, and there by whether it was
# already past the link: veth hands a packet on within the sender's call, so that
# the peer's IP layer runs on our account. Without hardware counters the clock
# will do.
profile() {
  perf record -q -g -e cpu-clock -F 2000 -o "$folder/perf" -p "${pid[$1-sal]}" \
    >/dev/null 2>&1 &
  local tracer=$!
  throughput sal >/dev/null
  kill -INT "$tracer"
  wait "$tracer" || true
  perf script -i "$folder/perf" -F ip,sym 2>/dev/null | awk '
    function count() {
      if (!depth)
        return
      total++
      n[where ? where (remote ? ", at the peer" : "") : kernel ? "entering and leaving calls, being switched" : "in sald itself"]++
      depth = remote = kernel = 0
      where = ""
    }
    !NF { count(); next }
    { depth++ }
    $2 ~ /softirq|net_rx_action/ { remote = 1 }
    $2 ~ /sys_|syscall/ { kernel = 1 }
    $2 ~ /sys_sendmmsg/ { where = "sendmmsg" }
    $2 ~ /sys_recvmmsg/ { where = "recvmmsg" }
    $2 ~ /sys_read$/ { where = "read" }
    $2 ~ /(sys|do)_writev/ { where = "writev" }
    $2 ~ /sys_epoll/ { where = "epoll" }
    END {
      count()
      if (n["in sald itself"] + 0 == total)
        exit 1 # the kernel cannot be seen: we are not root
      for (name in n)
        printf "  %5.1f %%  %s\n", n[name] / total * 100, name
    }' | sort -rg || return 1
  echo "  and by function, without what it calls:"
  perf report -i "$folder/perf" --stdio --no-children -g none --sort symbol 2>/dev/null |
    awk '/%/ { sub(/ +- +- *$/, ""); print }' | sort -rg | awk 'NR <= 12'
}

for host in a b; do
  name=$([ "$host" = a ] && echo sender || echo receiver)
  printf '\nsald of the %s, system calls (strace): ' "$name"
  calls "$host" || echo "not to be had here"
  printf 'sald of the %s, where its time goes (perf):\n' "$name"
  profile "$host" || echo "  not to be had here"
done
