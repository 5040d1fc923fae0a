#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a process of a scenario sees of the world: its node's name, interfaces,
# names of nodes and services, environment, working directory; and what it does
# not see: the host's. The host's own files stay as they are.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"

records=$work/results
mkdir "$records"
cat >"$work/look.yaml" <<'Y'
version: 1
name: look
topology:
  nodes: { alpha: {}, r: { kind: router }, beta: {}, lan: { kind: bridge, subnet: "fd00:2::/64" } }
  links:
    - { endpoints: ["alpha:eth0", "r:left"], subnet: "10.1.1.0/24" }
    - { endpoints: ["alpha:wlan0", "lan"] }
    - { endpoints: ["beta:eth0", "lan"] }
    - { endpoints: ["beta:eth1", "r:right"], subnet: "10.1.2.0/24" }
services:
  store: { resolver: nat, address: "198.18.7.7", instances: [beta], at: r }
processes:
  look:
    node: alpha
    env: { GREETING: "good day" }
    run: |
      echo "hostname $(hostname) $(uname -n)"
      echo "devices" $(ls /sys/class/net)
      echo "hosts"; cat /etc/hosts; echo "end of hosts"
      echo "resolv"; cat /etc/resolv.conf; echo "end of resolv"
      for n in localhost alpha beta r store.serval; do
        echo "name $n $(getent ahosts $n | awk '{print $1}' | sort -u | tr '\n' ' ')"
      done
      getent hosts host-outside.example || echo "nobody outside"
      echo "env $NODE $GREETING ${SECRET:-no secret}"
      echo "folder $(pwd)"
      echo mine >here; touch /run/of-the-lab
      echo "init $(cat /proc/1/comm)"
      (echo "from inside" >>/etc/hosts) && echo "wrote to the node's own hosts"
      ls /run
  look-again:
    node: beta
    run: "hostname; grep -c 'from inside' /etc/hosts; ls /sys/class/net; pwd"
Y
host_remember "$records"
export SECRET="of the user's"
run_scenario 0 "$records" "$work/look.yaml"
host_is_as_before "by a lab that writes to /run and /etc/hosts"
log=$record/processes/look.log

says() {
  grep -qxE "$1" "$log" || {
    cat "$log" >&2
    fail "the process did not see: $1"
  }
}

says "hostname alpha alpha"
says "devices eth0 lo wlan0"
says "name beta .*10\.1\.2\.[0-9]+ .*"
says "name beta .*fd00:2::[0-9a-f]+ .*"
says "name alpha .*10\.1\.1\.1 .*"
says "name r .*10\.1\.1\.2 .*"
says "name store\.serval 198\.18\.7\.7 "
says "name localhost .*127\.0\.0\.1 .*"
says "nobody outside"
says "env alpha good day no secret"
says "folder .*/files/alpha"
[ "$(<"$record/files/alpha/here")" = mine ] || fail "the working directory is not the record's"
if sed -n '/^resolv$/,/^end of resolv$/p' "$log" | grep '^nameserver' | grep -vx 'nameserver 127.0.0.53' >/dev/null; then
  fail "the lab has the host's name server"
fi
says "nameserver 127\.0\.0\.53"
grep -qx beta "$record/processes/look-again.log" || fail "beta has another host name"
tail -n 1 "$record/processes/look-again.log" | grep '/files/beta$' >/dev/null ||
  fail "beta's process works in another folder"
