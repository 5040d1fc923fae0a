#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From a fresh clone to the verdict of the ping-migration experiment: installs
# the Debian packages that are missing (needs root for that alone), builds, runs.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

need_packages "${BUILD_PACKAGES[@]}" "${SCENARIO_PACKAGES[@]}"
build_preset release
say "Running scenarios/ping-migration-nat.yaml, which takes 6 s"
say ""
exec build/release/servalab run scenarios/ping-migration-nat.yaml
