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

curl() {
	demo_curl "$@"
}

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

# has WHAT TEXT PATTERN, has_not: a basic regular expression within a text.
has() {
	grep -q -e "$3" <<<"$2" && return
	echo "FAILED: $1: no '$3' in" >&2
	head -n 20 <<<"$2" >&2
	failures=$((failures + 1))
}

has_not() {
	grep -q -e "$3" <<<"$2" || return 0
	echo "FAILED: $1: '$3' in: $(grep -m 1 -e "$3" <<<"$2")" >&2
	failures=$((failures + 1))
}

start() {
	demo_start "$@" || exit 1
}

# stop: the demo ends cleanly and takes its processes and its segment along.
stop() {
	local segment workers pid

	segment=$(demo_segment)
	workers=$(demo_workers)
	demo_stop
	equal "exit code of the demo" 0 $?
	for pid in $workers; do
		kill -0 "$pid" 2>/dev/null && equal "worker $pid" ended running
	done
	[ ! -e "/dev/shm/sojourn.$segment" ] ||
		equal "segment $segment" removed there
}

# as JAR_FILE CURL_ARGUMENT...: the body, as JSON, with that cookie jar.
as() {
	local jar=$1

	shift
	curl -s --max-time 30 -H 'Accept: application/json' -b "$jar" \
		-c "$jar" "$@"
}

# code_as JAR_FILE CURL_ARGUMENT...: the status only.
code_as() {
	as "$@" -o /dev/null -w '%{http_code}'
}

browse() {
	curl -s --max-time 30 -H 'Accept: text/html' "$@"
}

# id_of JAR: the session's id.
id_of() {
	awk '$6 == "sid" { print $7 }' "$1"
}

# token_of JAR: what the browser is remembered by.
token_of() {
	awk '$6 == "remember" { print $7 }' "$1"
}

# without_session JAR: the browser was closed; what remembers stays.
without_session() {
	sed -i '/\tsid\t/d' "$1"
}

# Of a demo with --renewal 1s, by the clock of the host: it has no other.
until_renewal_is_due() { sleep 1.1; }

# The script's last word, and its exit code.
finish() {
	if [ "$failures" -gt 0 ]; then
		echo "$failures failed" >&2
		cat "$demo_work/demo.log" >&2
		exit 1
	fi
	echo "all as it should be"
}
