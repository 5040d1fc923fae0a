#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every command takes its words in the same way, and a wrong one is told.
set -euo pipefail
# shellcheck source=tests/support/nested.sh
. "$2/tests/support/nested.sh"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
program=$1
scenario=$2/scenarios/link-flap.yaml
cp "$scenario" "$folder/-dashed.yaml"
cd "$folder"

# expect CODE TEXT WORD...: exit code and output of the program.
expect() {
  local code=0 out
  out=$("$program" "${@:3}" 2>&1) || code=$?
  [ "$code" = "$1" ] || fail "'${*:3}': exit code $code instead of $1: $out"
  grep -qE -- "$2" <<<"$out" || fail "'${*:3}': nothing says '$2': $out"
}

for command in run test check plan compare doctor version help; do
  expect 0 "^usage: servalab $command" "$command" --help
  expect 0 "^usage: servalab $command" "$command" -h
  expect 0 "^usage: servalab $command" help "$command"
  expect 2 "no option '--nonsense'" "$command" --nonsense
  expect 2 "no option '-x'" "$command" -x
done
! "$program" help doctor | grep ' $' >/dev/null || fail "a blank ends a line of the help"
expect 0 "^usage: servalab run" run "$scenario" --help
expect 0 "^$" check -- -dashed.yaml
expect 0 "^timeline" plan -- -dashed.yaml
# A pipe is read where somebody writes, however late, and else not waited for.
mkfifo "$folder/pipe"
expect 2 "^servalab: error: cannot read $folder/pipe: it is a pipe, and nobody writes to it" check "$folder/pipe"
expect 2 "^servalab: error: cannot read $folder: Is a directory" check "$folder"
expect 2 "^help: name the files in it, as in '$folder/\*.yaml'" test "$folder"
expect 2 "^help: did you mean '${scenario%.yaml}.yaml'\?" plan "${scenario%.yaml}"
expect 2 "^help: standard input is /dev/stdin" check -
expect 2 "^servalab: error: cannot read a file without a name: " check ""
expect 0 "^timeline" plan <(sleep 0.1 && cat "$scenario")
cat "$scenario" | expect 0 "^timeline" plan /dev/stdin
expect 2 "name scenario files" test
expect 2 "a number from 1 to" test -j 0 "$scenario"
expect 2 "a number from 1 to" test --repeat x "$scenario"
expect 2 "'' is no file" test --junit "" "$scenario"
expect 2 "--junit writes a file" test --junit - "$scenario"
# Before anything is read, and nothing is left of the other one.
expect 2 "--junit: cannot write 'no/x.xml': No such file or directory; make its folder first" \
  test --tap x.tap --junit no/x.xml no.yaml
expect 2 "--tap: cannot write '$folder': Is a directory; name a file" test --tap "$folder" no.yaml
[ ! -e x.tap ] || fail "a file for TAP is left behind"
# An output that is a scenario, or the other output, harms neither.
cp "$scenario" mine.yaml
ln mine.yaml other-name.yaml
ln -s mine.yaml link.yaml
echo old >x.xml
for option in --junit --tap; do
  for name in mine.yaml ./mine.yaml other-name.yaml link.yaml; do
    expect 2 "^servalab test: $option: '$name' is one of the scenarios" \
      test "$option" "$name" no.yaml mine.yaml
  done
done
cmp "$scenario" mine.yaml || fail "a scenario was overwritten"
expect 2 "same file, 'x.xml'; name two" test --tap "$PWD/x.xml" --junit x.xml mine.yaml
[ "$(<x.xml)" = old ] || fail "a file that was refused is not as it was"
expect 2 "same file, 'new'; name two" test --tap ./new --junit new mine.yaml
[ ! -e new ] || fail "a file that was refused is left behind"
expect 2 "same file, '/dev/stdout'; name two" test --tap - --junit /dev/stdout mine.yaml
# Nothing of it is there before the end, and then all, whatever it is.
echo 'version: 2' >wrong.yaml
expect 2 "wrong.yaml:1" test --junit x.xml wrong.yaml
grep -q '^</testsuites>$' x.xml || fail "no XML: $(<x.xml)"
expect 2 "^</testsuites>$" test --junit /dev/stdout wrong.yaml
expect 2 "wrong.yaml:1" test --junit /dev/null wrong.yaml
[ -c /dev/null ] || fail "/dev/null was replaced"
ln -s x.xml link.xml
echo old >x.xml
chmod 640 x.xml
expect 2 "wrong.yaml:1" test --junit link.xml wrong.yaml
[ -L link.xml ] || fail "a link was replaced"
grep -q '^</testsuites>$' x.xml || fail "what a link leads to was not written"
[ "$(stat -c %a x.xml)" = 640 ] || fail "the file has another mode"
(umask 027 && expect 2 "wrong.yaml:1" test --junit new.xml wrong.yaml)
[ "$(stat -c %a new.xml)" = 640 ] || fail "a new file has the mode $(stat -c %a new.xml)"
"$program" test --junit >(cat >piped.xml) wrong.yaml 2>/dev/null && fail "no mistake"
wait_until 20 grep -q '^</testsuites>$' piped.xml || fail "a pipe got no XML"
{ echo before && "$program" test --junit /dev/stdout wrong.yaml; } >mixed 2>/dev/null || true
[ "$(sed -n '1p;$p' mixed)" = $'before\n</testsuites>' ] || fail "what a shell has redirected: $(<mixed)"
[ -z "$(find . -name '*.tmp')" ] || fail "files are left: $(find . -name '*.tmp')"
for value in 0s 5 -1s 1x ''; do
  expect 2 "'$value' is no time for --timeout; write one such as 90s" run --timeout "$value" "$scenario"
done
expect 2 "is no time for --timeout" test --timeout 0ns "$scenario"
expect 2 "help: name the folder of a run's record" compare "$folder/none"
expect 2 "name the records of runs" compare
expect 2 "it takes no words" version extra
expect 2 "it takes no words" doctor extra
expect 2 "name one command only" help run check
expect 2 "no command 'rum'; did you mean 'run'" rum
expect 2 "did you mean 'servalab run $scenario'" "$scenario"
expect 2 "'--quiet' stands in the place of a command" --quiet
expect 2 "no option '--resuts'; did you mean '--results'" run --resuts x "$scenario"
expect 2 "'--re' could be more than one option" run --re x "$scenario"
expect 2 "'--quiet' takes no value" run --quiet=yes "$scenario"
expect 2 "'--results' wants a value" run --results
expect 2 "no folder" run --results "" "$scenario"
expect 2 "'0x10' is no seed" run --seed 0x10 "$scenario"
expect 2 "'-1' is no seed" run --seed -1 "$scenario"
expect 2 "K from 1" run --inject-failure 0 "$scenario"
expect 2 "a name or a number" run --inject-failure 1:ENOSUCH "$scenario"
expect 3 "injected failure: Input/output error" run -q -r "$folder" --inject-failure 1:EIO "$scenario"
expect 3 "injected failure: Input/output error" run -q -r "$folder" --inject-failure 1:5 "$scenario"
expect 3 "^help: .*ulimit -n" run -q -r "$folder" --inject-failure 1:EMFILE "$scenario"
# Whoever it is that runs out of them: the lab, or its capture, which needs some more.
{
  printf 'version: 1\nname: many\nduration: 1ms\ntopology:\n  nodes:\n'
  printf '    h%d: {}\n' {1..40}
  printf '    lan: { kind: bridge, subnet: 10.0.0.0/24 }\n  links:\n'
  printf '    - { endpoints: ["h%d:eth0", lan] }\n' {1..40}
} >many.yaml
for ((limit = 100, captures = 0; captures < 1; limit += 20)); do
  out=$(prlimit --nofile="$limit:$limit" "$program" run -q -r "$folder" many.yaml 2>&1) &&
    fail "nothing failed with $limit open files"
  grep -q '^help: raise the limit of open files: ulimit -n' <<<"$out" ||
    fail "with $limit open files, nothing says what to do: $out"
  captures=$(grep -c '^many.yaml:4:1: error: the capture failed: .*Too many open files' <<<"$out") || true
done

# Who has read enough changes no verdict; a disk that is full does.
printf 'version: 1\nname: tiny\nduration: 1ms\ntopology: { nodes: { a: {} } }\n' >tiny.yaml
for words in "run -q --retry-invalid 3" "test --retry-invalid 3"; do
  # shellcheck disable=SC2086
  "$program" $words -r "$folder" tiny.yaml 2>err | true ||
    fail "'$words' fails where nobody reads: $(<err)"
  # shellcheck disable=SC2086
  ! "$program" $words -r "$folder" tiny.yaml >/dev/full 2>err || fail "'$words': no output, and no failure"
  grep -q '^servalab: error: standard output: ' err || fail "'$words': nothing says why: $(<err)"
done
# Nobody has the reading end any more.
mkfifo gone
exec {rdwr}<>gone
exec {gone}>gone {rdwr}>&-
records=("$folder"/tiny/*/)
for words in help "help run" version "run --help" "plan $scenario" "compare ${records[0]}" doctor; do
  code=0 now=0
  # shellcheck disable=SC2086
  "$program" $words >/dev/null 2>&1 || code=$?
  # shellcheck disable=SC2086
  "$program" $words 1>&"$gone" 2>err || now=$?
  [ "$now" = "$code" ] || fail "'$words': exit code $now instead of $code where nobody reads"
  [ ! -s err ] || fail "'$words': $(<err)"
done
exec {gone}>&-
expect 3 "^servalab: error: write /dev/full: No space left" test -r "$folder" --tap /dev/full tiny.yaml
expect 3 "^servalab: error: write /dev/full: No space left" test -r "$folder" --junit /dev/full tiny.yaml

# salctl lies beside it; what it cannot send it says before it asks anybody.
program=$(dirname "$program")/salctl
expect 2 "unknown command: no" no such
expect 2 "behind 'flow': expected one of list, show, .*import, not lst" flow lst
expect 2 "behind 'name': expected one of set$" name
expect 2 "^salctl: " -x
expect 2 "this is no text \(UTF-8\)" name set $'\xff' 1
expect 2 "expected tcp/PORT, udp/PORT or off: tcp" service listen 7 tcp
expect 2 "expected tcp/PORT, udp/PORT or off: tcp/0" service listen 7 tcp/0
expect 2 "expected tcp/PORT, udp/PORT or off: udp/65536" service listen 7 udp/65536
expect 2 "expected tcp/PORT, udp/PORT or off$" service listen 7
expect 2 "expected .any., or nothing: all" service listen 7 tcp/80 all
expect 2 "unexpected word: any" service listen 7 off any
expect 3 "cannot reach sald at $folder/none: No such file" -c "$folder/none" flow list
