# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the scenarios of `sojourn demo` share. It is stopped at their end.

# shellcheck source=tests/e2e/lib_begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib_begin.sh"
needs curl jq pgrep
# shellcheck disable=SC2034 # the client uses them
{
	demo_bin=$bin
	demo_work=$work
}
# shellcheck source=tools/demo_client.sh
. "$src/tools/demo_client.sh"

extra_pid=

clean_up() {
	demo_stop >/dev/null 2>&1
	[ -z "$extra_pid" ] || kill "$extra_pid" 2>/dev/null
	wait 2>/dev/null
}

# equal WHAT WANTED FOUND
equal() {
	[ "$2" = "$3" ] && return
	echo "FAILED: $1: $3 instead of $2" >&2
	failures=$((failures + 1))
}

# The script's last word, and its exit code.
finish() {
	if [ "$failures" -gt 0 ]; then
		echo "$failures failed" >&2
		cat "$demo_work/demo.log" >&2
		exit 1
	fi
	echo "all as it should be"
}
