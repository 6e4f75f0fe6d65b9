#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Tests wait for events (tests/lib/gate.h, wait, pidwait, a pipe), not for time,
# and do not spin. sleeps.txt has what is allowed all the same: the file, how
# many lines of it, and why.
#
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

found() {
	local list

	mapfile -t list < <(files tests -- '*.c' '*.h')
	[ ${#list[@]} -eq 0 ] || awk -f "$lint_dir/code.awk" \
		-f "$lint_dir/sleeps.awk" "${list[@]}"
	mapfile -t list < <(files tests -- '*.sh' run proof soak)
	[ ${#list[@]} -eq 0 ] || grep -HE "$shell" "${list[@]}" |
		cut -d : -f 1
}

allowed() {
	[ ! -f tests/lint/sleeps.txt ] ||
		awk '!/^#/ { for (i = 0; i < $2; i++) print $1 }' \
			tests/lint/sleeps.txt
}

shell='^[^#"]*(^|[[:space:];&|(])sleep [0-9."$]'
[ -n "$(files tests -- '*.c' '*.sh')" ] || fail "no test in $src_root"
if ! diff <(allowed | sort) <(found | sort); then
	echo "a test that sleeps (>), or one that no longer does (<)"
	exit 1
fi
