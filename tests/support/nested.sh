# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A private world that plays the host. To be sourced by the system tests.
#
# "Nothing is left on the host" cannot be told on a real host: other tests and
# other people come and go there. So the test is run again as PID 1 of user,
# pid, mount, net, ipc and uts namespaces of its own, with a /tmp, /run and
# /dev/shm of its own, and what is left in there is all that a lab has left:
# every orphan becomes a child of PID 1, and nobody else is there.
#
# Namespaces are counted exactly. One that is held by a forgotten descriptor or
# mount, or still being taken down, is in no list that a program could read. But
# the kernel counts those made in a user namespace, against a limit in
# /proc/sys/user: with the limit set to what there was before and one more, the
# one more can be made only if all the others are gone.

# The tests set pipefail, so nothing in them is piped into a "grep -q": it leaves at the
# first line that it was looking for, and who has more to write fails then, or does not.

NS_TYPES=(user pid mnt net uts ipc)
NS_OPTIONS=(--user --pid --mount --net --uts --ipc) # of unshare(1), likewise
SETTLE_SECONDS=${SETTLE_SECONDS:-60} # for the kernel to take down what a lab was, and no more

# $stage holds the program and the scenarios, $work is the working directory.
stage=/dev/shm/stage
work=/tmp/work

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || fail "this test needs the program $tool"
  done
}

# wait_until SECONDS COMMAND...: whether the command succeeds within that time.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -le "$deadline" ] || return 1
    sleep 0.005
  done
}

# nested_enter "$@": runs the calling script, which was given the program and
# the source folder, again in a world of its own; goes on there. Sets program,
# scenarios.
nested_enter() {
  local dir
  need unshare mount ip jq find cksum
  if [ -z "${SERVALAB_TEST_NESTED:-}" ]; then
    # Where the test was begun in a shell's background, SIGINT is ignored, and
    # what is so at a shell's begin stays so.
    SERVALAB_TEST_NESTED=1 exec env --default-signal=INT,HUP,QUIT,TERM unshare --user --map-root-user --fork --pid \
      --kill-child --mount --mount-proc --net --ipc --uts -- "$0" "$@"
  fi
  mount -t tmpfs tmpfs /dev/shm
  mkdir "$stage"
  cp -- "$1" "$stage/servalab"
  cp -- "${SERVALAB_SALD:-$(dirname "$1")/sald}" "$stage/sald"
  # Where the processes of a lab find them: beside sald.
  cp -- "$(dirname "$1")"/serval-handoff-echo "$(dirname "$1")"/salctl \
    "$(dirname "$1")"/serval-resolver "$stage/"
  # What need_program (scripts/lib.sh) has taken out of packages.
  if [ -d "$2/build/programs" ]; then
    cp -- "$2"/build/programs/usr/sbin/* "$stage/"
    export PATH=$PATH:$stage
  fi
  unset SERVALAB_SALD
  cp -r -- "$2/scenarios" "$stage/scenarios"
  for dir in /tmp /run; do
    mount -t tmpfs -o mode=1777 tmpfs "$dir"
  done
  export program=$stage/servalab scenarios=$stage/scenarios
  # A program with AddressSanitizer is to say what it has leaked.
  export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1}
  mkdir "$work"
  cd "$work" || exit
  measure_namespaces
}

limit_of() {
  printf '/proc/sys/user/max_%s_namespaces' "$1"
}

# ns_limits[i]: the lowest limit under which one more can be made now.
measure_namespaces() {
  local i limit file high
  ns_limits=() ns_high=()
  for i in "${!NS_TYPES[@]}"; do
    file=$(limit_of "${NS_TYPES[i]}")
    read -r high <"$file"
    for ((limit = 1; limit < 10; limit++)); do
      echo "$limit" >"$file"
      if unshare "${NS_OPTIONS[i]}" true 2>/dev/null; then
        break
      fi
    done
    [ "$limit" -lt 10 ] || fail "cannot count the ${NS_TYPES[i]} namespaces"
    echo "$high" >"$file"
    ns_limits+=("$limit") ns_high+=("$high")
  done
}

set_limits() {
  local i
  for i in "${!NS_TYPES[@]}"; do
    echo "$((${1:-0} ? ns_high[i] : ns_limits[i]))" >"$(limit_of "${NS_TYPES[i]}")"
  done
}

# Are there as many namespaces as at the start?
namespaces_are_gone() {
  local gone=0
  set_limits
  unshare "${NS_OPTIONS[@]}" true 2>/dev/null || gone=$?
  set_limits 1
  return "$gone"
}

# The kinds of which there are more.
namespaces_left() {
  local i
  set_limits
  for i in "${!NS_TYPES[@]}"; do
    unshare "${NS_OPTIONS[i]}" true 2>/dev/null || printf '%s ' "${NS_TYPES[i]}"
  done
  set_limits 1
}

# host_snapshot RECORDS: the state of the world, as text: processes, mounts,
# interfaces, routes, files but those below RECORDS and $stage, sockets. To be
# redirected, not piped: a pipe's processes would be in it.
host_snapshot() {
  local stat
  for stat in /proc/[0-9]*/stat; do
    # Gone by now, or "PID (NAME) STATE ..."
    { read -r stat <"$stat"; } 2>/dev/null || continue
    stat=${stat%%) *}
    printf 'process %s)\n' "$stat"
  done
  find /proc/[0-9]*/ns -type l -printf 'namespace %l\n' 2>/dev/null | sort -u
  sed 's/^/mount /' /proc/self/mountinfo
  {
    ip -details address
    ip route show table all
    ip -6 route show table all
  } | sed 's/^/network /; s/_lft [0-9a-z]*//g'
  find /tmp /run /dev/shm \( -path "$1" -o -path "$stage" \) -prune -o \
    -printf 'file %p %y %m %s\n' | sort
  sed -n '2,$s/^[^ ]*: \([^ ]* *\)\{5\} *[0-9]* */unix socket /p' /proc/net/unix | sort
  sed -n '2,$s/^ */ipc /p' /proc/sysvipc/*
  cksum /etc/hosts /etc/resolv.conf /etc/hostname /proc/sys/kernel/hostname \
    2>/dev/null | sed 's/^/file /'
}

# host_remember RECORDS: what host_is_as_before compares with.
host_remember() {
  records=$1
  host_snapshot "$records" >"$stage/before"
  host_snapshot "$records" >"$stage/after"
  diff "$stage/before" "$stage/after" >&2 ||
    fail "the world is not at rest before the test"
}

host_is_same() {
  host_snapshot "$records" >"$stage/after"
  cmp -s "$stage/before" "$stage/after" && namespaces_are_gone
}

# host_is_as_before WHEN: fails with the difference where something is left.
host_is_as_before() {
  wait_until "$SETTLE_SECONDS" host_is_same && return
  diff "$stage/before" "$stage/after" >&2 || true
  fail "left behind $1 (above); namespaces too many, of kind: $(namespaces_left)"
}

# In front of a command: as an ordinary user, in another user namespace, where
# nobody is root. An array and not a function, so that $! is the command.
# shellcheck disable=SC2034
AS_USER=(unshare --user --map-user=1000 --map-group=1000 --)

# The first child of a process: of servalab, its lab's init.
child_of() {
  local child
  read -r child <"/proc/$1/task/$1/children" || [ "$child" ] ||
    fail "process $1 has no child"
  printf '%s\n' "${child%% *}"
}

# shorten FROM TO SED-SCRIPT: a quicker copy of a scenario; every substitution
# of the script must have found something to change ("s/a/b/;s/c/d/").
shorten() {
  local part
  local -a parts
  IFS=';' read -ra parts <<<"$3"
  for part in "${parts[@]}"; do
    [ "$(sed "$part" "$1" | cmp -s - "$1" || echo changed)" ] ||
      fail "$1 has changed: '$part' finds nothing in it"
  done
  sed "$3" "$1" >"$2"
}

# ---- runs ----------------------------------------------------------------------

# A run that the machine was too busy for is invalid (exit code 4), and says nothing
# of what is tested: so it is made again, so many times at most, and that is told.
RETRIES=3

# tell_record RECORD: what there is to be seen of a run that went wrong, in a test whose
# output is all that will be left: the ends of its logs and events.
tell_record() {
  local file
  for file in "$1"/sald/*.log "$1"/processes/*.log "$1"/events.jsonl; do
    [ -s "$file" ] || continue
    printf -- '---- the end of %s\n' "$file"
    tail -n 30 "$file" | cut -c 1-400
  done
}

# run_scenario CODE FOLDER SCENARIO [OPTION...]: the run, with its records below
# FOLDER, ends with that code; its output is in FOLDER/out and FOLDER/err. Sets
# record, that of the last try.
run_scenario() {
  local want=$1 folder=$2 scenario=$3 code=0 found
  local -a retry=(--retry-invalid "$RETRIES")
  [ "$want" != 4 ] || retry=()
  "$program" run -q -r "$folder" "${retry[@]}" "${@:4}" "$scenario" \
    >"$folder/out" 2>"$folder/err" || code=$?
  grep '^runs: [1-9]' "$folder/out" || true
  found=$(find "$folder" -mindepth 2 -maxdepth 2 -type d -printf '%T@ %p\n' | sort -n | tail -n 1)
  # shellcheck disable=SC2034 # for the caller
  record=${found#* }
  if [ "$code" != "$want" ]; then
    [ ! "$record" ] || tell_record "$record" >&2
    fail "${what:-$scenario}: exit code $code instead of $want: $(cat "$folder/out" "$folder/err")"
  fi
}

# until_valid FUNCTION [ARGUMENT...]: the same for one that takes part in its run,
# and returns its exit code where that is 4.
until_valid() {
  local try code
  for ((try = 0; try <= RETRIES; try++)); do
    code=0
    "$@" || code=$?
    if [ "$code" != 4 ]; then
      [ "$try" = 0 ] || printf 'runs of %s: %d invalid\n' "$*" "$try"
      return "$code"
    fi
  done
  fail "$*: $try runs were invalid, and none valid"
}

# The only record below $records.
only_record() {
  local found
  mapfile -t found < <(find "$records" -mindepth 2 -maxdepth 2 -type d)
  [ ${#found[@]} = 1 ] || fail "there should be one record, but are ${#found[@]}"
  printf '%s\n' "${found[0]}"
}

# events_are_whole RECORD: every line is an event.
events_are_whole() {
  [ -s "$1/events.jsonl" ] || return 0
  [ -z "$(tail -c 1 "$1/events.jsonl")" ] || return 1
  jq -e -s 'length > 0 and all(has("event") and has("mono_ns"))' \
    "$1/events.jsonl" >/dev/null
}

# has_event RECORDS EVENT: whether the record below RECORDS tells of it yet.
has_event() {
  grep -qs "\"event\":\"$2\"" "$1"/*/*/events.jsonl
}
