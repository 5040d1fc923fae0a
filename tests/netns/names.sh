#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Names of services, as programs ask for them in every node: by the C library,
# over UDP and TCP; in a node that was booted again; and what is said when
# nobody answers any more.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"
need dig curl busybox python3 getent

records=$work/results
mkdir "$records"
cat >"$work/names.yaml" <<'Y'
version: 1
name: names
topology:
  nodes:
    a: {}
    b: {}
    r: { kind: router }
    lan: { kind: bridge, subnet: ["10.0.0.0/24", "fd00:1::/64"] }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["b:eth0", lan] }
    - { endpoints: ["r:eth0", lan] }
services:
  web: { resolver: sal, port: tcp/80, instances: [b] }
  store: { resolver: nat, address: 198.18.200.7, instances: [b], at: a }
processes:
  serve: { node: b, run: "echo hello >page; exec busybox httpd -f -p 80", ready: { listens: tcp/80 } }
  ask:
    node: a
    run: |
      short() { echo "$* =" $(dig +short +tries=1 +timeout=5 "$@" | sort); }
      status() { echo "$* =" $(dig +tries=1 +timeout=5 "$@" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p'); }
      short web.serval A
      short WeB.SeRvAl AAAA
      short +tcp web.serval A
      short web.serval MX
      status web.serval MX
      short store.serval AAAA
      short -x 198.18.200.7
      status unknown.serval
      status web.serval.example
      echo "libc" $(getent ahostsv4 web.serval | awk '{print $1}' | sort -u)
      echo "node" $(getent ahostsv4 b | awk '{print $1}' | sort -u)
      getent hosts unknown.serval || echo "unknown to libc"
      echo "curl $(curl -4 -sS --max-time 20 http://web.serval/page)"
      python3 -c 'import socket; print("python", sorted({a[4][0] for a in socket.getaddrinfo("web.serval", 80, socket.AF_INET)})[0])'
      python3 -c 'import socket
      # A query cut short, one that is nothing at all, and one that is good.
      q = b"\0\1\1\0\0\1\0\0\0\0\0\0\3web\6serval\0\0\1\0\1"
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10); s.connect(("127.0.0.53", 53))
      for part in b"", b"x" * 5, b"\0\2\1\0\0\1\0\0\0\0\0\0" + b"\xff" * 4000, q[:-3], q: s.send(part)
      print("codes", sorted((d[1], d[3] & 15) for d in (s.recv(4096) for _ in range(3))))
      t = socket.create_connection(("127.0.0.53", 53), 10)
      for b in (len(q).to_bytes(2, "big") + q) * 2: t.send(bytes([b]))
      t.send(b"\377\377")
      got = b""
      while more := t.recv(4096): got += more
      n = int.from_bytes(got[:2], "big")
      print("over TCP", len(got) == 2 * (n + 2), got[2:2 + n] == got[4 + n:])' || echo "failed"
  again: { node: r, start: manual, run: "dig +short +tries=1 +timeout=5 web.serval" }
timeline:
  - { at: 0s, do: [{ crash: r }, { wait: 0s }, { boot: r }, { wait: 0s }, { start: again }] }
expect:
  - { process: ask, exit: 0 }
  - { process: again, exit: 0, prints: "198.18.0.1" }
Y
host_remember "$records"
run_scenario 0 "$records" "$work/names.yaml"
host_is_as_before "by a lab with names"
log=$record/processes/ask.log

says() {
  grep -qxF -- "$1" "$log" || {
    cat "$log" >&2
    fail "the process did not see: $1"
  }
}

says "web.serval A = 198.18.0.1"
says "WeB.SeRvAl AAAA = fd5e:1ab:ffff::1"
says "+tcp web.serval A = 198.18.0.1"
says "web.serval MX ="
says "web.serval MX = NOERROR"
says "-x 198.18.200.7 = store.serval."
says "store.serval AAAA ="
says "unknown.serval = NXDOMAIN"
says "web.serval.example = REFUSED"
says "libc 198.18.0.1"
says "node 10.0.0.2"
says "unknown to libc"
says "curl hello"
says "python 198.18.0.1"
says "codes [(1, 0), (1, 1), (2, 1)]"
says "over TCP True True"

# ---- dns: names that mean instances' own addresses ----------------------------

rm -rf "${records:?}"/*
cat >"$work/dns.yaml" <<'Y'
version: 1
name: dns
topology:
  nodes: { a: {}, b: {}, c: {}, lan: { kind: bridge, subnet: "10.0.0.0/24" } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["b:eth0", lan] }
    - { endpoints: ["c:eth0", lan] }
services:
  web: { resolver: dns, ttl: 7s, instances: [b, { node: c, weight: 3 }] }
  all: { resolver: dns, ttl: 0s, answer: all, instances: [b, c] }
processes:
  ask:
    node: a
    start: manual
    run: |
      n() { for i in 1 2 3 4 5 6 7 8; do dig +noall +answer +tries=1 +timeout=5 web.serval; done | awk '{print $5, $2}' | sort | uniq -c | sed 's/^ */  /'; }
      all() { dig +short +tries=1 +timeout=5 all.serval | sort; dig +noall +answer all.serval | awk '{print "  ttl", $2}' | sort -u; }
      case $(cat step 2>/dev/null) in
      "") echo "weights"; n; echo "all"; all; echo "no pointer" $(dig +short -x 10.0.0.2); echo 1 >step ;;
      1) echo "drained"; n; echo "readdressed"; all; echo 2 >step ;;
      2) echo "gone"; n; echo "left"; all; echo "status" $(dig web.serval | sed -n 's/.*status: \([A-Z]*\),.*/\1/p') ;;
      esac
timeline:
  - { at: 0s, start: ask }
  - { when: { exit: ask }, name: first,
      do: [{ service: web, instance: c, weight: 0 }, { interface: "c:eth0", address: 10.0.0.77/24 }, { start: ask }] }
  - { when: { exit: ask, count: 2 },
      do: [{ unregister: web, node: b }, { unregister: web, node: c }, { unregister: all, node: b }, { start: ask }] }
  - { when: { exit: ask, count: 3 }, do: { mark: over } }
expect: [ { process: ask, exit: 0 } ]
Y
run_scenario 0 "$records" "$work/dns.yaml"
sed 's/^/    /' "$record/processes/ask.log" >"$work/log"
diff "$work/log" - <<'E' || fail "dns services mean something else (< seen, > expected)"
    weights
      2 10.0.0.2 7
      6 10.0.0.3 7
    all
    10.0.0.2
    10.0.0.3
      ttl 0
    no pointer
    drained
      8 10.0.0.2 7
    readdressed
    10.0.0.2
    10.0.0.77
      ttl 0
    gone
    left
    10.0.0.77
      ttl 0
    status NOERROR
E

# ---- names that are none of the lab's, passed on to a name server in it ------------

rm -rf "${records:?}"/*
cat >"$work/others.yaml" <<'Y'
version: 1
name: others
topology:
  nodes: { a: {}, b: {}, ns: {}, z: {}, lan: { kind: bridge, subnet: "10.0.0.0/24" } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["b:eth0", lan] }
    - { endpoints: ["ns:eth0", lan] }
names: { others: 10.0.0.3 }
services:
  web: { resolver: nat, instances: [b] }
processes:
  server:
    node: ns
    ready: { prints: "serves" }
    run: |
      exec python3 -uc 'import socket
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("10.0.0.3", 53))
      stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
      times = {}; print("serves")
      while True:
          q, who = s.recvfrom(4096)
          end = q.index(b"\0", 12) + 5
          name = q[13:13 + q[12]].decode()
          times[name] = times.get(name, 0) + 1
          print("asked", name, who[0], who[1], int.from_bytes(q[:2], "big"))
          def answer(last, question=q[12:end], id=q[:2], n=1, flags=b"\x85\x80"):
              record = b"\xc0\x0c\0\1\0\1\0\0\0\7\0\4\xc0\0\2" + bytes([last])
              return id + flags + b"\0\1" + n.to_bytes(2, "big") + b"\0\0\0\0" + question + record * n
          if name == "silent" or (name == "late" and times[name] == 1): continue
          if name == "forged":
              s.sendto(answer(66, id=bytes([q[0], q[1] ^ 1])), who)
              s.sendto(answer(67, question=b"\6forget" + q[19:end]), who)
              s.sendto(answer(68, flags=b"\5\x80"), who)
              s.sendto(answer(69)[:20], who)
              stranger.sendto(answer(70), who)
          s.sendto(answer(1, n={"big": 100, "bigger": 100}.get(name, 1), flags=b"\x87\x80" if name == "bigger" else b"\x85\x80"), who)
          if name == "stop": break'
  ask:
    node: a
    start: manual
    run: |
      short() { echo "$* =" $(dig +short +tries=1 +timeout=20 "$@" | sort -u); }
      status() { echo "$* =" $(dig +tries=1 +timeout=20 "$@" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p'); }
      short one.example
      short One.Example
      short +tcp two.example
      short forged.example
      short late.example
      echo "libc" $(getent ahostsv4 one.example | awk '{print $1}' | sort -u)
      short big.example
      short +ignore big.example
      status +tcp bigger.example
      short web.serval
      status -x 198.18.99.99
      short -x 10.0.0.2
      for i in $(seq 8); do short many$i.example; done
      # More than may wait: most are told at once, all of them in the end.
      python3 -c 'import socket
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(30); s.connect(("127.0.0.53", 53))
      q = lambda i: bytes([7, i]) + b"\1\0\0\1\0\0\0\0\0\0\6silent\7example\0\0\1\0\1"
      for i in range(100): s.send(q(i))
      got = [s.recv(4096) for _ in range(100)]
      print("all told", sorted(g[:2] + g[12:] for g in got) == [q(i)[:2] + q(i)[12:] for i in range(100)], {g[3] & 15 for g in got})
      # Who hangs up while it is waited for takes nothing along.
      for i in range(20):
          t = socket.create_connection(("127.0.0.53", 53), 10)
          t.send(len(q(i)).to_bytes(2, "big") + q(i)); t.close()'
      short web.serval
      short stop.example
      status gone.example
  elsewhere: { node: z, start: manual, run: "dig +tries=1 +timeout=20 one.example; dig +short web.serval" }
timeline:
  - { at: 0s, start: ask }
  - { at: 0s, start: elsewhere }
expect:
  - { process: ask, exit: 0 }
  - { process: elsewhere, prints: "status: SERVFAIL" }
  - { process: elsewhere, prints: "198.18.0.1" }
Y
host_remember "$records"
run_scenario 0 "$records" "$work/others.yaml"
host_is_as_before "by a lab that passes questions on"
log=$record/processes/ask.log
says "one.example = 192.0.2.1"
says "One.Example = 192.0.2.1"
says "+tcp two.example = 192.0.2.1"
says "forged.example = 192.0.2.1"
says "late.example = 192.0.2.1"
says "libc 192.0.2.1"
says "big.example = 192.0.2.1"
says "+ignore big.example ="
says "+tcp bigger.example = SERVFAIL"
says "web.serval = 198.18.0.1"
says "-x 198.18.99.99 = NXDOMAIN"
says "-x 10.0.0.2 = 192.0.2.1"
for i in 1 2 3 4 5 6 7 8; do says "many$i.example = 192.0.2.1"; done
says "all told True {2}"
says "stop.example = 192.0.2.1"
says "gone.example = SERVFAIL"
seen=$record/processes/server.log
# All from the node that asked; ports and IDs by chance; no more than may wait.
[ "$(awk '$1 == "asked" {print $3}' "$seen" | sort -u)" = 10.0.0.1 ] || fail "asked from elsewhere: $(<"$seen")"
for field in 4 5; do
  [ "$(awk -v f=$field '$2 ~ /^many/ {print $f}' "$seen" | sort -u | wc -l)" -ge 6 ] ||
    fail "ports or IDs can be guessed: $(<"$seen")"
done
[ "$(awk '$2 == "late"' "$seen" | wc -l)" -ge 2 ] || fail "not asked again: $(<"$seen")"
n=$(awk '$2 == "silent" {print $4}' "$seen" | sort -u | wc -l)
[ "$n" -ge 64 ] && [ "$n" -le 84 ] || fail "$n questions were passed on at once"
! grep -q "asked web\|asked 99 " "$seen" || fail "the lab's own names are asked of others: $(<"$seen")"

# No resolver without services: nobody pays for what is not there.
rm -rf "${records:?}"/*
cat >"$work/none.yaml" <<'Y'
version: 1
name: none
topology: { nodes: { a: {} } }
processes:
  look: { node: a, run: "cat /etc/resolv.conf; cat /proc/net/udp | wc -l" }
expect:
  - { process: look, prints: "no name server" }
Y
SERVALAB_RESOLVER=$work/missing run_scenario 0 "$records" "$work/none.yaml"
[ "$(tail -n 1 "$record/processes/look.log")" = 1 ] || fail "sockets in a lab without services"

# What is missing is said, and what has died.
rm -rf "${records:?}"/*
run_refused() {
  local code=0
  SERVALAB_RESOLVER=$work/missing "$program" run --results "$records" "$work/names.yaml" \
    >"$work/out" 2>&1 || code=$?
  [ "$code" = 3 ] || fail "without a resolver, it ends with status $code: $(<"$work/out")"
}
run_refused
grep -q "names.yaml:1[0-9]:.*start the resolver of names: the program 'serval-resolver' is missing" "$work/out" ||
  fail "a missing resolver is not told: $(<"$work/out")"

rm -rf "${records:?}"/*
cat >"$work/killed.yaml" <<'Y'
version: 1
name: killed
topology:
  nodes: { a: {}, b: {} }
  links: [ { endpoints: ["a:eth0", "b:eth0"] } ]
services: { web: { resolver: nat, instances: [b] } }
processes:
  wait:
    node: a
    run: |
      while dig +short +tries=1 +timeout=10 web.serval | grep -q 198; do sleep 0.02; done
      dig +tries=1 +timeout=10 web.serval || echo "nobody answers"
expect: [ { process: wait, exit: 0, prints: "nobody answers" } ]
Y
kill_resolver() {
  local pid
  for ((i = 0; i < 1000; i++)); do
    for pid in /proc/[0-9]*; do
      if [ "$(cat "$pid/comm" 2>/dev/null)" = serval-resolver ]; then
        [ -e "$(find "$records" -name 'wait.log' | head -n 1)" ] || continue
        kill -KILL "${pid#/proc/}" && return
      fi
    done
    sleep 0.05
  done
}
kill_resolver &
killer=$!
run_scenario 1 "$records" "$work/killed.yaml"
wait "$killer"
cp "$records/out" "$work/out"
grep -q "failed: the resolver of names ended unexpectedly, by signal 9" "$work/out" ||
  fail "a killed resolver is not told: $(<"$work/out")"
jq -e '.expectations | all(.held)' "$record/results.json" >/dev/null ||
  fail "programs wait for a dead resolver: $(<"$work/out")"
