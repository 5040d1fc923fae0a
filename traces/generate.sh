#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes the delivery traces of this folder:  traces/generate.sh [FOLDER]
#
# A trace is a rate that varies with time, turned into delivery opportunities:
# each millisecond adds as many bits to a credit as the rate says, and whenever
# that reaches those of 1500 bytes, an opportunity is due. README.md says what
# each rate is.
#
# Made of whole numbers and of a generator of our own (Park and Miller's: 16807 x
# mod 2^31 - 1, all below 2^53), so that every awk makes the same bytes.
set -eu
out=${1:-$(dirname "$0")}

# make NAME SEED LENGTH_MS AWK-PROGRAM: the program defines begin(), which sets
# the first rate in kbit/s (bits/ms), and tick(ms), which sets it for the next
# millisecond.
make() {
  awk -v seed="$2" -v length_ms="$3" "$4"'
    # A whole number below n.
    function draw(n) {
      seed = seed * 16807 % 2147483647
      return int(seed / 2147483647 * n)
    }
    function between(v, low, high) {
      return v < low ? low : v > high ? high : v
    }
    BEGIN {
      begin()
      for (ms = 0; ms < length_ms; ms++) {
        tick(ms)
        credit += rate
        for (; credit >= 12000; credit -= 12000) {
          last = ms + 1
          print last
        }
      }
      # The last time is the length of a turn.
      if (last < length_ms)
        print length_ms
    }' >"$out/$1"
}

make steps 1 30000 '
  function begin() { split("1000 2000 4000 8000 4000 2000", steps, " ") }
  function tick(ms) { rate = steps[int(ms / 5000) + 1] }'

make sawtooth 1 10000 '
  function begin() { }
  function tick(ms) { rate = 1000 + int(ms * 8000 / 10000) }'

make on-off 1 3000 '
  function begin() { }
  function tick(ms) { rate = ms < 1000 ? 0 : 12000 }'

# A walk: ten times a second the rate goes up by up to a quarter, or down by as
# much as undoes that; and now and then nothing comes at all.
cellular='
  function begin() { walk = start }
  function tick(ms) {
    if (ms % 100 == 0) {
      step = 1000 + draw(251)
      walk = draw(2) ? int(walk * step / 1000) : int(walk * 1000 / step)
      walk = between(walk, low, high)
      if (draw(250) == 0)
        until = ms + 200 + draw(800)
    }
    rate = ms < until ? 0 : walk
  }'
make cellular.down 11 60000 "BEGIN { start = 4000; low = 300; high = 9000 } $cellular"
make cellular.up 12 60000 "BEGIN { start = 1500; low = 150; high = 4000 } $cellular"

# Every 15 s another satellite: a gap, then another rate, which varies by a tenth
# each second.
leo='
  function begin() { }
  function tick(ms) {
    if (ms % 15000 == 0) {
      base = low + draw(high - low + 1)
      until = ms + 60 + draw(121)
    }
    if (ms % 1000 == 0)
      varied = int(base * (900 + draw(201)) / 1000)
    rate = ms < until ? 0 : varied
  }'
make leo.down 21 60000 "BEGIN { low = 3000; high = 9000 } $leo"
make leo.up 22 60000 "BEGIN { low = 700; high = 1800 } $leo"
