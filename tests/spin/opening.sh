#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# opening.sh SAL_TABLE: checks that two ends which connect to each other at the same
# time become one flow, as the engine's table has it, with SPIN. Each of the broken
# protocols must be found out.
set -euo pipefail
table=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)

# shellcheck source=tests/spin/lib.sh
. "$here/lib.sh"
prepare opening
build_search -O1 2000

sound 'both connect at the same time'
broken 1 'the SYN-ACK of another is none'
broken 2 'no SYN beside the SYN-ACK'
broken 3 'a reset of a forged flow ends ours'
broken 4 'what is repeated is not answered'
exit "$failed"
