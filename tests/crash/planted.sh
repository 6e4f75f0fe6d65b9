#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The self-check of the crash tests: each bug that base/fault.h can plant must
# make at least one of them fail. A checker that cannot fail is worth nothing.

set -uo pipefail
: "${SOJOURN_BIN:?where the tests were built}"

# Who is to find it; those of access tokens and secrets are planted by their own
# tests (tests/semantics/sem_j*, tests/e2e/secrets.sh).
suites() {
	case $1 in
	TOKEN_* | SECRET_*) ;;
	LOCK_*) echo sem_s25_lock ;;
	ADOPT_*) echo crash_slots ;;
	MAKER_* | CLEAR_* | FLIGHT_*) echo crash_stops ;;
	*) echo crash_traps crash_points crash_stops ;; # the quick ones first
	esac
}
seconds_max=200
log=$(mktemp) || exit 73
trap 'rm -f "$log"' EXIT

# found BUG: some test failed, and none of them hung.
found() {
	local test status

	for test in $(suites "$1"); do
		SOJ_PLANT=$1 timeout "$seconds_max" "$SOJOURN_BIN/$test" \
			>"$log" 2>&1
		status=$?
		case $status in
		0 | 77) continue ;;
		64 | 124 | 126 | 127)
			echo "$1: $test could not tell (status $status)"
			return 1
			;;
		esac
		echo "$1: found by $test"
		grep -m 1 FAILED "$log"
		return 0
	done
	echo "$1: NOT FOUND"
	return 1
}

[ -x "$SOJOURN_BIN/crash_points" ] || {
	echo "skipped: built without kill points"
	exit 77
}

bugs=0
bad=0
while IFS=$'\t' read -r bug what; do
	[ -n "$(suites "$bug")" ] || continue
	echo "-- $what"
	bugs=$((bugs + 1))
	found "$bug" || bad=$((bad + 1))
done < <(SOJ_PLANT=list "$SOJOURN_BIN/crash_traps")

echo "$bugs bugs planted, $bad of them not found"
[ "$bugs" -ge 6 ] && [ "$bad" -eq 0 ]
