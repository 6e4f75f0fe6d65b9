#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What the explorer reports can be run again: with a bug planted (base/fault.h)
# a replay fails as the schedule did, without it it does not.  And the work is
# the same for the same seed, in however many processes.

set -uo pipefail
: "${SOJOURN_BIN:?where the tests were built}"

explorer=$SOJOURN_BIN/explore_schedules
dir=$(mktemp -d) || exit 73
trap 'rm -rf "$dir"' EXIT

[ -x "$explorer" ] || {
	echo "skipped: built without switch points"
	exit 77
}

bad=0
checks=0
# check TEXT COMMAND...
check() {
	local text=$1

	shift
	checks=$((checks + 1))
	"$@" && return
	echo "FAILED $text"
	bad=$((bad + 1))
}

# failure_in LOG: the first one; threads and claims have other numbers each time
failure_in() {
	grep -m 1 FAILED "$1" | sed "s/: claim .*//"
}

same_failure() {
	[ -n "$(failure_in "$1")" ] && [ "$(failure_in "$1")" = "$(failure_in "$2")" ]
}

# replayed BUG OPERATION...
replayed() {
	local bug=$1 replay

	shift
	SOJ_PLANT=$bug "$explorer" --processes 1 "$@" >"$dir/first" 2>&1
	replay=$(sed -n 's/^FAILED --replay \([^:]*\):.*/\1/p' "$dir/first" |
		head -n 1)
	SOJ_PLANT=$bug "$explorer" --replay "$replay" >"$dir/again" 2>&1
	check "$bug: another failure when $replay is run again" \
		same_failure "$dir/first" "$dir/again"
	check "$bug: $replay fails without it" \
		"$explorer" --replay "$replay" >"$dir/without" 2>&1
}

replayed UPDATE_STORES update update
replayed RETIRE_BEFORE_PUBLISH update update
replayed LINE_FORGOTTEN renew delete-old
replayed GRACE_UNSCANNED list reuse
replayed GRACE_UNSTAMPED list reuse upkeep
replayed UPDATE_STORES --drawn --three 300 --draws 0 update update

for processes in 1 2; do
	"$explorer" --processes $processes --seed 3 --draws 30 --budget 1000 \
		--three 20 touch >"$dir/log" 2>&1
	grep '^result ' "$dir/log" >"$dir/$processes"
done
check "one process did something else than two" cmp "$dir/1" "$dir/2"

echo "$checks checks, $bad failures"
[ "$bad" -eq 0 ]
