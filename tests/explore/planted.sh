#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The self-check of the schedule explorer: bugs that base/fault.h can plant, each
# with a pair of operations that must show it within seconds.

set -uo pipefail
: "${SOJOURN_BIN:?where the tests were built}"

explorer=$SOJOURN_BIN/explore_schedules
seconds=10
log=$(mktemp) || exit 73
trap 'rm -f "$log"' EXIT

[ -x "$explorer" ] || {
	echo "skipped: built without switch points"
	exit 77
}

bad=0
bugs=0
# found BUG OPERATION OPERATION
found() {
	bugs=$((bugs + 1))
	SOJ_PLANT=$1 timeout 300 "$explorer" --seconds "$seconds" "$2" "$3" \
		>"$log" 2>&1
	if [ $? -eq 1 ] && grep -q FAILED "$log"; then
		echo "$1: found by $2 and $3"
		grep -m 1 FAILED "$log"
	else
		echo "$1: NOT FOUND by $2 and $3"
		bad=$((bad + 1))
	fi
}

found PUBLISH_EARLY update look
found UPDATE_STORES update update
found RETIRE_BEFORE_PUBLISH update update
found REPAIR_LEAVES_OWNED create upkeep
found WITHDRAW_SKIPPED renew delete
found LINE_FORGOTTEN renew delete-old

# And without one there is nothing to be found there.
for pair in "update look" "update update" "create upkeep" "renew delete"; do
	# shellcheck disable=SC2086
	"$explorer" --seconds "$seconds" $pair >"$log" 2>&1 || {
		echo "$pair: a failure without a bug"
		cat "$log"
		bad=$((bad + 1))
	}
done

echo "$bugs bugs planted, $bad failures"
[ "$bad" -eq 0 ]
