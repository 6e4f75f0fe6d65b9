#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# usage: run.sh TARGET SECONDS
#
# Runs a fuzz target for a while, beginning with its seed corpus. What it finds
# on the way goes to a directory that is thrown away, but an input that fails is
# kept below the build tree and named.

set -euo pipefail

target=$1
seconds=$2
src=${SOJOURN_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${SOJOURN_BIN:-$src/build/fuzz/bin}
found=${SOJOURN_BUILD:-$src/build/fuzz}/fuzz-found
seeds=$src/tests/fuzz/corpus/$target
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$found" "$work/corpus"
[ ! -d "$seeds" ] || cp -r "$seeds/." "$work/corpus/"
options=()
[ ! -f "$seeds.dict" ] || options+=("-dict=$seeds.dict")

"$bin/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
	-max_len=20000 -print_final_stats=1 -artifact_prefix="$found/$target-" \
	"${options[@]}" "$work/corpus" 2>"$work/log" || {
	tail -n 60 "$work/log"
	echo "$target failed; its input is in $found"
	exit 1
}
runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
echo "$target: $runs runs"
[ "${runs:-0}" -gt 100 ]
