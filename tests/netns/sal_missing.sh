#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Without access to /dev/net/tun, or without a sald, run and doctor say so and
# what to do, and exit with 3; labs that need neither can be built all the same.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
nested_enter "$@"

records=$work/results
mkdir "$records"
host_remember "$records"

# refuses WORDS...: the run of a sal scenario, or of $scenario.
refuses() {
  local code=0 word
  "$program" run -q -r "$records" "$scenarios/${scenario:-ping-migration}.yaml" >"$records/out" 2>&1 || code=$?
  [ "$code" = 3 ] || fail "exit code $code instead of 3: $(<"$records/out")"
  for word; do
    grep -q -- "$word" "$records/out" || fail "it does not say '$word': $(<"$records/out")"
  done
  host_is_as_before "by a run that was refused"
}

mv "$stage/sald" "$stage/hidden"
refuses "ping-migration.yaml:.*sald' is missing" "^help: .*SERVALAB_SALD"
mv "$stage/hidden" "$stage/sald"

mount --bind /dev/null /dev/net/tun
host_remember "$records"
refuses "/dev/net/tun" "needed for: services with resolver sal" "^help: .*chmod 666 /dev/net/tun"
scenario=emulated-delay refuses "emulated-delay.yaml:.*add TAP eth0" \
  "needed for: .*emulated links" "^help: .*chmod 666 /dev/net/tun"
code=0
"$program" doctor >"$records/doctor" || code=$?
[ "$code" = 3 ] || fail "the doctor's exit code is $code: $(<"$records/doctor")"
grep -A 2 "^MISSING  tun" "$records/doctor" | grep "help: .*chmod 666 /dev/net/tun" >/dev/null ||
  fail "the doctor does not say what to do: $(<"$records/doctor")"
grep -q "^links of backend emulated: no, for want of tun" "$records/doctor" ||
  fail "the doctor does not tell of links: $(<"$records/doctor")"
what="a lab without sal services"
run_scenario 0 "$records" "$scenarios/two-hosts.yaml"
umount /dev/net/tun
