#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# curl, iperf3, an HTTP client that keeps its connection, and ssh, all unmodified, are
# in the middle of a transfer while their client moves ten times in a row: each goes on,
# over the connection that it had, and what came is what was sent, by its SHA-256. It is
# the client's address that changes (and then ten times the server's), or the client
# loses the one and the other of two ways, or is a guest that goes to and fro between
# two hosts. Each with IPv4 outside and inside, and with IPv6.
#
# The next move waits for the last one to be over, for every flow: by the events of
# the salds, not by a clock. So ten moves are ten, for each of them, on a busy machine
# as well; and what the programs transfer ends when the moves have, not before.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
need jq awk curl iperf3 busybox python3 sha256sum

program=$1 moves=10
records=$(mktemp -d)
trap 'rm -rf "$records"' EXIT

# A server of ssh takes on the user's ids, which takes real ones: root's.
programs=(curl iperf keep) flows=4 # iperf3 has one to say what it does, too
if [ "$(id -u)" = 0 ] && [ "$(awk '{ print $3 }' /proc/self/uid_map)" -gt 1 ]; then
  need ssh ssh-keygen dropbear
  programs+=(ssh) flows=5
else
  echo "NOT TRIED: ssh, whose server needs to be root"
fi

# Random bytes until the moves are over; where they never are, not for ever. Their hash
# is there before their end is.
cat >"$records/produce" <<'PY'
import hashlib, os, sys, time
seen, until = hashlib.sha256(), time.monotonic() + 25
while not os.path.exists("../moved") and time.monotonic() < until:
    block = os.urandom(20000)
    seen.update(block)
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
    time.sleep(0.02)
with open(sys.argv[1], "w") as file:
    print(seen.hexdigest(), file=file)
PY

cat >"$records/stream" <<SH
#!/bin/sh
printf 'Content-Type: application/octet-stream\r\n\r\n'
cd ..
exec /usr/bin/python3 $records/produce curl.sum
SH

# Every answer is of other bytes, and says their hash. Each connection is told.
cat >"$records/keep-server" <<'PY'
import hashlib, http.server, os, socket
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def setup(self):
        super().setup()
        print("connection from", self.client_address[0], flush=True)
    def do_GET(self):
        body = os.urandom(30000)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Hash", hashlib.sha256(body).hexdigest())
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *rest):
        pass
Server(("::", 8080), Answer).serve_forever()
PY
cat >"$records/keep-client" <<'PY'
import hashlib, http.client, os, sys, time
connection = http.client.HTTPConnection(sys.argv[1], 8080, timeout=60)
connection.connect()
connection.auto_open = 0  # never a second one
asked = 0
until = time.monotonic() + 25
while not os.path.exists("../moved") and time.monotonic() < until:
    connection.request("GET", "/")
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200 or hashlib.sha256(body).hexdigest() != answer.headers["X-Hash"]:
        sys.exit("answer %d is wrong" % asked)
    asked += 1
    time.sleep(0.02)
print("asked", asked, "times")
PY

# What dropbear and ssh are to find in a home folder is in the lab's only.
cat >"$records/ssh-server" <<'SH'
set -e
mount -t tmpfs -o mode=700 tmpfs "$HOME"
mkdir -m 700 "$HOME/.ssh"
cp user.pub "$HOME/.ssh/authorized_keys"
chmod 600 "$HOME/.ssh/authorized_keys"
exec dropbear -F -E -R -r host -P pid -s -p 22
SH

# What moves the client, the K-th time: topology KIND FAMILY, move KIND K. Its address
# changes; or it has two ways, and loses the one and the other in turns; or it is a
# guest that goes to and fro between two hosts' networks.
topology() {
  local -a nets=(10.0.1.0/24 10.0.2.0/24 10.0.9.0/24)
  [ "$2" = 4 ] || nets=(fd00:1::/64 fd00:2::/64 fd00:9::/64)
  case $1 in
    address)
      cat <<Y
  nodes: { client: {}, server: {}, lan: { kind: bridge, subnet: "${nets[0]}" } }
  links:
    - { endpoints: ["client:eth0", lan] }
    - { endpoints: ["server:eth0", lan] }
Y
      ;;
    way)
      cat <<Y
  nodes: { client: {}, server: {}, r: { kind: router } }
  links:
    - { name: left, endpoints: ["client:eth0", r], subnet: "${nets[0]}" }
    - { name: right, endpoints: ["client:eth1", r], subnet: "${nets[1]}" }
    - { endpoints: ["server:eth0", r], subnet: "${nets[2]}" }
Y
      ;;
    guest)
      cat <<Y
  nodes:
    client: { kind: guest }
    server: {}
    host1: { kind: router }
    host2: { kind: router }
    lan1: { kind: bridge, subnet: "${nets[0]}" }
    lan2: { kind: bridge, subnet: "${nets[1]}" }
    core: { kind: bridge, subnet: "${nets[2]}" }
  links:
    - { endpoints: ["client:eth0", lan1] }
    - { endpoints: ["host1:eth0", lan1] }
    - { endpoints: ["host2:eth0", lan2] }
    - { endpoints: ["host1:eth1", core] }
    - { endpoints: ["host2:eth1", core] }
    - { endpoints: ["server:eth0", core] }
Y
      ;;
  esac
}
move() {
  case $1-$(($2 % 2)) in
    address-?) printf 'interface: "client:eth0", address: renew' ;;
    way-1) printf 'do: [%s{ link: left, state: down }]' "$([ "$2" = 1 ] || printf '{ link: right, state: up }, ')" ;;
    way-0) printf 'do: [{ link: left, state: up }, { link: right, state: down }]' ;;
    guest-?) printf 'migrate: { guest: client, to: lan%d }' $(($2 % 2 + 1)) ;;
  esac
}
# Where the address is what changes, it does at the server, too.
moves_of() {
  [ "$1" != address ] || set -- "$1" $((2 * moves))
  printf '%s' "${2:-$moves}"
}

# lab KIND FAMILY
lab() {
  local k name=ten-moves-$1-$2 kind=$1
  shift
  {
    printf 'version: 1\nname: %s\ntopology:\n' "$name"
    topology "$kind" "$1"
  } >"$records/$name.yaml"
  cat >>"$records/$name.yaml" <<Y
services:
  all: { resolver: sal, instances: [server] }
processes:
  httpd:
    node: server
    run: >-
      mkdir cgi-bin && cp $records/stream cgi-bin && exec busybox httpd -f -p 80
    ready: { listens: tcp/80 }
  iperfd: { node: server, run: "exec iperf3 -s -1 -F iperf.got", ready: { listens: tcp/5201 } }
  keepd:  { node: server, run: "exec /usr/bin/python3 $records/keep-server", ready: { listens: tcp/8080 } }
  curl:
    node: client
    start: manual
    run: "curl -$1 -sS --max-time 60 http://all.serval/cgi-bin/stream | sha256sum >curl.got"
  iperf:
    node: client
    start: manual
    run: >-
      mkfifo data && { /usr/bin/python3 $records/produce iperf.sum >data & } &&
      iperf3 -$1 -c all.serval -t 60 -F data -J >iperf.json
  keep: { node: client, start: manual, run: "exec /usr/bin/python3 $records/keep-client all.serval" }
Y
  [[ " ${programs[*]} " != *" ssh "* ]] || cat >>"$records/$name.yaml" <<Y
  sshd:
    node: server
    run: >-
      ssh-keygen -q -t ed25519 -N '' -f user && dropbearkey -t ed25519 -f host &&
      exec sh $records/ssh-server
    ready: { listens: tcp/22 }
  ssh:
    node: client
    start: manual
    run: >-
      bash -c 'set -o pipefail; /usr/bin/python3 $records/produce ssh.sum |
      ssh -$1 -F none -i ../server/user -o StrictHostKeyChecking=no -o UserKnownHostsFile=known
      -o BatchMode=yes root@all.serval cat | sha256sum >ssh.got'
Y
  {
    printf 'timeline:\n'
    for k in "${programs[@]}"; do
      printf '  - { at: 0s, start: %s }\n' "$k"
    done
    printf '  - { when: { event: sal.flow.opened, where: { node: client }, count: %d }, plus: 300ms, %s }\n' \
      "$flows" "$(move "$kind" 1)"
    for ((k = 1; k < moves; k++)); do
      printf '  - { when: { event: sal.flow.migrated, where: { node: client }, count: %d }, plus: 50ms, %s }\n' \
        $((k * flows)) "$(move "$kind" $((k + 1)))"
    done
    for (( ; k < $(moves_of "$kind"); k++)); do
      printf '  - { when: { event: sal.flow.migrated, where: { node: server }, count: %d }, plus: 50ms, interface: "server:eth0", address: renew }\n' \
        $((k * flows))
    done
    printf '  - { when: { event: sal.flow.migrated, where: { node: server }, count: %d }, plus: 300ms, exec: "touch ../moved", node: client }\n' \
      $((k * flows))
    printf 'expect:\n'
    for k in "${programs[@]}"; do
      printf '  - { process: %s, exit: 0 }\n' "$k"
    done
  } >>"$records/$name.yaml"
}
chmod +x "$records"/*
kinds=(address way guest) files=()
for kind in "${kinds[@]}"; do
  for family in 4 6; do
    lab "$kind" $family
    files+=("$records/ten-moves-$kind-$family.yaml")
  done
done
"$program" test -q -j 3 --retry-invalid 2 -r "$records/results" "${files[@]}" ||
  fail "a program did not survive its moves"

# iperf3 does not always send the file that it is given: after a send that was taken in
# part it goes on at the wrong place. So what it sent is read off its host's TUN: the
# payload of its connection, by sequence numbers, behind the 37 bytes that name the test.
cat >"$records/iperf-sent" <<'PY'
import hashlib, struct, sys
trace = open(sys.argv[1], "rb").read()
names, streams, at = [], {}, 0
while at < len(trace):
    kind, length = struct.unpack_from("<II", trace, at)
    if kind == 1:  # an interface: its name is option 2
        option = at + 16
        code, size = struct.unpack_from("<HH", trace, option)
        while code not in (0, 2):
            option += 4 + (size + 3) // 4 * 4
            code, size = struct.unpack_from("<HH", trace, option)
        names.append(trace[option + 4 : option + 4 + size].decode() if code == 2 else "")
    elif kind == 6:  # a packet
        interface, _, _, taken, _ = struct.unpack_from("<IIIII", trace, at + 8)
        packet = trace[at + 28 + 14 : at + 28 + taken]  # behind an Ethernet header
        if names[interface] == "client:sal0":
            ip = 40 if packet[0] >> 4 == 6 else (packet[0] & 15) * 4
            if packet[6 if packet[0] >> 4 == 6 else 9] == 6:
                source, to, number = struct.unpack_from(">HHI", packet, ip)
                data = packet[ip + (packet[ip + 12] >> 4) * 4 :]
                if to == 5201 and data:
                    streams.setdefault(source, []).append((number, data))
    at += length
pieces = max(streams.values(), key=lambda s: sum(len(data) for _, data in s))
first = pieces[0][0]
stream = bytearray()
for number, data in sorted(((number - first) % 2**32, data) for number, data in pieces):
    if number > len(stream):
        sys.exit("bytes %d to %d are not in the trace" % (len(stream), number))
    stream += data[len(stream) - number :]
with open(sys.argv[2], "wb") as file:
    file.write(stream[37:])
print(hashlib.sha256(stream[37:]).hexdigest())
PY

# check KIND FAMILY: the last run of it.
check() {
  local record name=ten-moves-$1-$2 program sent got asked node all
  all=$(moves_of "$1")
  record=$(find "$records/results/$name" -mindepth 1 -maxdepth 1 -type d | sort | tail -n 1)
  cd "$record/files"
  # What came is what was sent, and there was something.
  for program in "${programs[@]}"; do
    case $program in
      curl) sent=$(<server/curl.sum) got=$(<client/curl.got) ;;
      iperf) sent=$(/usr/bin/python3 "$records/iperf-sent" "$record/trace.pcapng" "$records/iperf.sent") got=$(sha256sum <server/iperf.got) ;;
      ssh) sent=$(<client/ssh.sum) got=$(<client/ssh.got) ;;
      keep) continue ;; # looks at each answer itself
    esac
    if [ "${got%% *}" != "$sent" ]; then
      [ "$program" != iperf ] || cmp "$records/iperf.sent" server/iperf.got >&2 || true
      [ "$program" != iperf ] || jq -c '.end.sum_sent, .end.sum_received, .error' client/iperf.json >&2 || true
      ls -l client server "$records/iperf.sent" >&2
      jq -c .capture "$record/results.json" >&2
      fail "$name: what $program transferred is not what was sent"
    fi
    [ "$got" != "$(sha256sum </dev/null)" ] || fail "$name: $program transferred nothing"
  done
  # iperf3's own count agrees.
  [ "$(jq .end.sum_sent.bytes client/iperf.json)" = "$(stat -c %s server/iperf.got)" ] ||
    fail "$name: iperf3 sent other than came: $(jq -c .end.sum_sent client/iperf.json)"
  [ "$(grep -c '^connection' "$record/processes/keepd.log")" = 1 ] ||
    fail "$name: HTTP took more than one connection: $(<"$record/processes/keepd.log")"
  asked=$(sed -n 's/^asked \([0-9]*\) times$/\1/p' "$record/processes/keep.log")
  [ "${asked:-0}" -ge $moves ] ||
    fail "$name: over it there were ${asked:-no} requests"
  # Each flow was opened once, and has moved that often, as both ends tell; where the
  # addresses are new ones each time, to other ones each time.
  for node in client server; do
    jq -r "select(.node == \"$node\" and (.event == \"sal.flow.opened\" or .event == \"sal.flow.migrated\")) |
      [.flow, .event, .path.local + \" \" + .path.remote] | @tsv" "$record/events.jsonl" |
      awk -F '\t' -v flows=$flows -v all="$all" -v new="$([ "$1" = address ] && echo 1)" '
        $2 == "sal.flow.opened" { opened[$1]++ }
        $3 != at[$1] { at[$1] = $3; changes[$1]++ }
        !seen[$1, $3]++ { pairs[$1]++ }
        END {
          for (flow in at) {
            n++
            if (opened[flow] != 1 || changes[flow] != 1 + all || (new && pairs[flow] != 1 + all)) {
              print "flow", flow, "opened", opened[flow] + 0, "times, and was at", changes[flow],
                "pairs of addresses, of which others", pairs[flow]
              bad = 1
            }
          }
          if (n != flows) { print n, "flows"; bad = 1 }
          exit bad
        }' >"$records/moves" || fail "$name: at the $node: $(<"$records/moves")"
  done
  cd - >/dev/null
  printf '%s: %s: %d moves of %d flows, at %d requests over one connection, contents equal\n' \
    "$name" "${programs[*]}" "$all" "$flows" "$asked"
}
for kind in "${kinds[@]}"; do
  check "$kind" 4
  check "$kind" 6
done
