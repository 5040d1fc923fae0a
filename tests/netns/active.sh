#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs become instances by listening, each by its own way, and are none any more
# when they have closed or died: python3 -m http.server, nginx, iperf3 -s, a plain UDP
# server, and one that binds the service's own address where nobody expected it.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"
need python3 nginx iperf3 curl busybox jq

records=$work/results
mkdir "$records"
cat >"$work/active.yaml" <<'Y'
version: 1
name: active
topology:
  nodes: { a: {}, c: {}, d: {}, lan: { kind: bridge } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["c:eth0", lan] }
    - { endpoints: ["d:eth0", lan] }
services:
  py:    { resolver: sal, port: tcp/8000, candidates: [c] }
  nginx: { resolver: sal, port: tcp/8080, candidates: [c, d] }
  perf:  { resolver: sal, port: tcp/5201, candidates: [c] }
  datagrams: { resolver: sal, port: udp/9, candidates: [c] }
  bound: { resolver: sal, port: tcp/81, address: 198.18.9.9, candidates: [c] }
processes:
  py: { node: c, start: manual, run: "echo py >file; exec python3 -m http.server 8000" }
  nginx:
    node: d
    start: manual
    run: |
      mkdir -p logs; echo nginx >file
      cat >conf <<C
      daemon off; master_process off; pid $PWD/pid; error_log stderr; user root;
      events {}
      http { access_log off; server { listen 8080; root $PWD; }
        client_body_temp_path $PWD/1; proxy_temp_path $PWD/2; fastcgi_temp_path $PWD/3; uwsgi_temp_path $PWD/4; scgi_temp_path $PWD/5; }
      C
      exec nginx -e stderr -c $PWD/conf
  perf: { node: c, start: manual, run: "exec iperf3 -s -p 5201" }
  datagrams:
    node: c
    start: manual
    run: |
      exec python3 -c 'import socket
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 9))
      while True: d, a = s.recvfrom(100); s.sendto(b"udp " + d, a)'
  # No candidate; a server on any address there is none either.
  bound: { node: d, start: manual, run: "mkdir -p own; echo bound >own/file; exec busybox httpd -f -h own -p 198.18.9.9:81" }
  # The same by hand, where the lab watches nobody: the rule comes and goes.
  hand:
    node: a
    run: |
      say() { salctl service listen 4711 tcp/777 any; }
      rules() { echo "$1:" $(salctl -f json service list 4711 | jq -r '.services[] | "\(.kind) \(.weight)"'); }
      serve() { python3 -c 'import signal, socket, sys
      signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
      s = socket.create_server(("", 777)); open(sys.argv[1], "w"); signal.pause()' $1 & while [ ! -e $1 ]; do sleep 0.02; done; }
      say; rules nobody
      serve up; say; rules there
      kill $!; wait $! || :
      say; rules gone
      serve again; say; rules again
      salctl service listen 4711 off; rules off
      kill $!
  stranger: { node: a, run: "exec busybox httpd -f -p 81", ready: { listens: tcp/81 } }
  ask:
    node: a
    start: manual
    run: |
      # Whatever is there by now: what each says, or that nobody is there.
      web() { echo "$1" $(curl -4 -sS --max-time 30 "http://$1.serval:$2/file" 2>&1 | sed 's/.*\(Connection refused\|Couldn.t connect\|Failed to connect\).*/nobody/'); }
      # Until it has come, or gone, as told; a minute at most.
      for i in $(seq 60); do
        now=$(web py 8000; web nginx 8080; web bound 81
          python3 -c 'import socket
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect(("datagrams.serval", 9))
      try: s.send(b"x"); print("datagrams", s.recv(100).decode())
      except OSError: print("datagrams nobody")'
          iperf3 -c perf.serval -n 1000 >/dev/null 2>&1 && echo perf there || echo perf nobody)
        case $(cat step 2>/dev/null) in
        "") want="py nobody
      nginx nobody
      bound nobody
      datagrams nobody
      perf nobody" ;;
        1) want="py py
      nginx nginx
      bound bound
      datagrams udp x
      perf there" ;;
        2) want="py nobody
      nginx nobody
      bound nobody
      datagrams nobody
      perf nobody" ;;
        esac
        [ "$now" = "$want" ] && { echo x >>steps; wc -l <steps >step; echo "step $(cat step)"; exit 0; }
        sleep 0.1
      done
      echo "$now"; exit 1
timeline:
  - { at: 0s, start: ask }
  - { when: { exit: ask }, do: [{ start: py }, { start: nginx }, { start: perf }, { start: datagrams }, { start: bound }, { start: ask }] }
  - { when: { exit: ask, count: 2 },
      do: [{ kill: py, signal: KILL }, { stop: nginx }, { stop: perf }, { kill: datagrams, signal: KILL }, { kill: bound, signal: KILL }, { start: ask }] }
  - { when: { exit: ask, count: 3 }, do: { mark: over } }
expect:
  - { process: ask, exit: 0, prints: "step 3" }
  - { process: hand, exit: 0 }
Y
host_remember "$records"
run_scenario 0 "$records" "$work/active.yaml"
host_is_as_before "by a lab with active sockets"
# Each of the five came once, and went once; but iperf3 closes its listener after each
# client and opens it again, which may be seen.
[ "$(jq -s 'map(select(.event == "service.instance")) | group_by(.service) |
    map((map(.listens) | [range(length) | . % 2 == 0] as $turns | . == $turns and length % 2 == 0) as $fine |
      "\(.[0].service) \(map(.node) | unique | join(",")) " +
      (if $fine and (length == 2 or .[0].service == "perf") then "fine" else "wrong" end))' \
  -c "$record/events.jsonl")" = \
  '["bound d fine","datagrams c fine","nginx d fine","perf c fine","py c fine"]' ] ||
  fail "who was an instance: $(grep service.instance "$record/events.jsonl")"
sed 's/^/    /' "$record/processes/hand.log" >"$work/log"
diff "$work/log" - <<'E' || fail "salctl service listen does something else (< seen, > expected)"
    nobody:
    there: demux 1
    gone:
    again: demux 1
    off:
E

# ---- an instance whose host crashes, and who is frozen meanwhile --------------------

rm -rf "${records:?}"/*
cat >"$work/crash.yaml" <<'Y'
version: 1
name: crash
topology:
  nodes: { a: {}, b: {}, c: {}, d: {}, lan: { kind: bridge } }
  links:
    - { endpoints: ["a:eth0", lan] }
    - { endpoints: ["b:eth0", lan] }
    - { endpoints: ["c:eth0", lan] }
    - { endpoints: ["d:eth0", lan] }
services:
  web: { resolver: sal, port: tcp/80, candidates: [c, d] }
processes:
  web-c: { node: c, run: "echo from c >file; exec busybox httpd -f -p 80", ready: { listens: tcp/80 } }
  web-d: { node: d, start: manual, run: "echo from d >file; exec busybox httpd -f -p 80" }
  one:
    node: a
    start: manual
    run: &ask |
      curl -4 -sS --max-time 30 http://web.serval/file 2>&1 | sed 's/^curl.*/nobody/'
      salctl -f json service list | jq -c '[.services[] | select(.kind == "forward") | .to]'
  two: { node: b, start: manual, run: *ask }
  three: { node: b, start: manual, run: *ask }
  four: { node: a, start: manual, run: *ask }
timeline:
  - { at: 0s, start: one }
  - { when: { exit: one }, do: [{ freeze: a }, { crash: c }, { start: two }] }
  - { when: { exit: two }, do: { start: web-d } }
  - { when: { event: service.instance, where: { service: web, node: d, listens: "true" } }, do: { start: three } }
  - { when: { exit: three }, do: [{ thaw: a }, { start: four }] }
  - { when: { exit: four }, do: { boot: c } }
  # Its program has begun again, and so it is one again. (The run waits for web-d.)
  - { when: { event: service.instance, where: { node: c }, count: 2 }, do: { stop: web-d } }
expect:
  - { process: one, exit: 0 }
  - { process: two, exit: 0 }
  - { process: three, exit: 0 }
  - { process: four, exit: 0 }
Y
host_remember "$records"
run_scenario 0 "$records" "$work/crash.yaml"
host_is_as_before "by a lab whose instances crash"
# (Hosts: c has 10.64.0.3, d 10.64.0.4.)
for i in one two three four; do echo "$i" $(<"$record/processes/$i.log"); done >"$work/log"
diff "$work/log" - <<'E' || fail "crashed instances, and new ones, are not what they should be (< seen, > expected)"
one from c ["10.64.0.3"]
two nobody []
three from d ["10.64.0.4"]
four from d ["10.64.0.4"]
E
[ "$(jq -s 'map(select(.event == "service.instance")) | map("\(.node) \(.listens)") | .[:4]' -c "$record/events.jsonl")" = \
  '["c true","c false","d true","c true"]' ] ||
  fail "who was an instance: $(grep service.instance "$record/events.jsonl")"

# More services than a sald has room for by itself.
rm -rf "${records:?}"/*
{
  echo 'version: 1'
  echo 'name: many'
  echo 'topology: { nodes: { a: {}, c: {} }, links: [ { endpoints: ["a:eth0", "c:eth0"] } ] }'
  echo 'services:'
  for i in $(seq 80); do echo "  s$i: { resolver: sal, port: tcp/$((1000 + i)), candidates: c }"; done
  echo 'processes: { last: { node: c, serve: tcp/1080 } }'
  echo 'probes: { ask: { kind: tcp_request, node: a, to: s80, interval: 50ms, for: 1s, connection: each } }'
  echo 'expect: [ { probe: ask, received: { min: 1 } } ]'
} >"$work/many.yaml"
run_scenario 0 "$records" "$work/many.yaml"
