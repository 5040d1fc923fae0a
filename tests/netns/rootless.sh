#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# All of it works for an ordinary user. Run by root, the test goes on as nobody,
# for whom /dev/net/tun is opened up, as distributions ship it.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"
need setpriv jq unshare mount

if [ "$(id -u)" = 0 ]; then
  # A build below root's home is out of nobody's reach.
  if [ -z "${SERVALAB_TEST_NESTED:-}" ]; then
    SERVALAB_TEST_NESTED=1 exec unshare --mount -- "$0" "$@"
  fi
  folder=$(mktemp -d)
  trap 'umount /dev/net/tun; rm -rf "$folder"' EXIT
  mknod -m 666 "$folder/tun" c 10 200
  mount --bind "$folder/tun" /dev/net/tun
  mkdir "$folder/tests" "$folder/home"
  cp "$1" "$folder/servalab"
  cp "${SERVALAB_SALD:-$(dirname "$1")/sald}" "$folder/sald"
  cp "$(dirname "$1")/serval-resolver" "$folder/"
  unset SERVALAB_SALD
  cp -r "$2/scenarios" "$folder/scenarios"
  cp -r "$2/tests/support" "$folder/tests/support"
  cp "$0" "$folder/again.sh"
  chmod -R go+rX "$folder"
  chown 65534:65534 "$folder/home"
  cd "$folder/home"
  env HOME="$folder/home" setpriv --reuid 65534 --regid 65534 --clear-groups \
    "$folder/again.sh" "$folder/servalab" "$folder"
  exit
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ "$(id -u)" != 0 ] || fail "this should be an ordinary user"

"$1" doctor >"$folder/doctor" || fail "the doctor says: $(<"$folder/doctor")"
grep -q "an ordinary user" "$folder/doctor" || fail "the doctor sees no ordinary user"

# quick N FOLDER SCENARIO SUBSTITUTION...
quick() {
  local IFS=';'
  shorten "$2/scenarios/$3.yaml" "$folder/$1.yaml" "${*:4}"
}

quick 1 "$2" ping-migration-nat 's/for: 6s/for: 900ms/' \
  's/at: 2s/at: 300ms/' 's/at: 4s/at: 600ms/' 's/sent: 600/sent: 90/' '/answered_by/d'
quick 2 "$2" ping-migration-nat-client 's/for: 6s/for: 900ms/' \
  's/at: 2s/at: 300ms/' 's/at: 4s/at: 600ms/' 's/sent: 600/sent: 90/' '/answered_by/d'
quick 3 "$2" udp-survives-nat 's/for: 3s/for: 900ms/' \
  's/at: 1s/at: 300ms/' 's/at: 2s/at: 600ms/' 's/sent: 300/sent: 90/' '/answered_by/d' '/capture:/d'
held='sent: 60, lost: { min: 5 }, received: { min: 15 }'
quick 4 "$2" link-flap 's/for: 2s/for: 600ms/' \
  's/at: 700ms/at: 200ms/' 's/plus: 500ms/plus: 200ms/' \
  "s/{ probe: \\(rtt.\\),.*/{ probe: \\1, $held }/"

shorten "$2/scenarios/ping-migration.yaml" "$folder/5.yaml" \
  's/for: 6s/for: 900ms/;s/at: 2s/at: 300ms/;s/at: 4s/at: 600ms/;s/sent: 600/sent: 90/;/answered_by/d'

# Emulated links need the same device.
shorten "$2/scenarios/emulated-delay.yaml" "$folder/6.yaml" \
  's/for: 2s/for: 300ms/;s/sent: 200/sent: 30/'

program=$1
mkdir "$folder/results"
for i in 1 2 3 4 5 6; do
  run_scenario 0 "$folder/results" "$folder/$i.yaml"
  [ -z "$(find "$record" ! -user "$(id -u)")" ] || fail "$record has files of others"
done
