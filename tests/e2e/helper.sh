#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# sojournd beside the command `sojourn`: with no helper, one, a second one, one
# that is killed, one that is stopped; what create starts and destroy ends; the
# unit and the manual page. Waiting is for things that must happen some time;
# how long they take is printed, not asserted.

# shellcheck source=tests/e2e/lib_cli.sh
. "$(dirname "$0")/lib_cli.sh"
needs pidwait "$bin/sojournd"
name=$prefix-helper

# stat FILTER: of the segment.
stat_of() {
	sojourn stat "$name" --json | jq -r "$1"
}

# Destroying a segment ends its helpers; one that stands still as well as soon
# as it goes on.
trap '[ -z "${stopped:-}" ] || kill -CONT "$stopped"; clean_up; rm -rf "$work"' \
	EXIT

# is WANTED GOT WHAT
is() {
	checks=$((checks + 1))
	[ "$1" = "$2" ] || fail "$3 is $2, not $1"
}

# exits CODE COMMAND...
exits() {
	local wanted=$1 code

	shift
	checks=$((checks + 1))
	"$@" >"$out" 2>"$err"
	code=$?
	[ $code -eq "$wanted" ] && return
	fail "exit code $code, not $wanted: $*"
	cat "$err"
}

# becomes WANTED FILTER: of the segment's numbers, some time. Ends the test if
# not: what follows would only wait as well.
becomes() {
	local got=

	checks=$((checks + 1))
	for ((i = 0; i < 3000; i++)); do
		got=$(stat_of "$2")
		[ "$got" != "$1" ] || return 0
		sleep 0.02
	done
	fail "$2 is $got and does not become $1"
	exit 1
}

# gone PID: the process ends, if it has not.
gone() {
	checks=$((checks + 1))
	echo "$1" >"$work/pid"
	timeout 60 pidwait -F "$work/pid" >/dev/null
	[ $? -ne 124 ] || fail "process $1 does not end"
}

# create [OPTION...]
create() {
	exits 0 "$bin/sojourn" create "$name" --entries 2000 --bytes 8MiB \
		--grace-window 0 "$@"
	[ $failures -eq 0 ] || exit 1
}

# logins COUNT [OPTION...]: makes sessions; the last one's id is in $id.
logins() {
	local count=$1

	shift
	for ((i = 0; i < count; i++)); do
		id=$(sojourn new "$name" --subject "user$i" "$@") && continue
		fail "no session"
		exit 1
	done
}

section "no helper: the end of a session is exact all the same"
create --helper none --ttl 1ms
logins 20
exits 1 "$bin/sojourn" get "$name" "$id"
is false "$(stat_of .helper.alive)" "helper alive"
is 19 "$(stat_of .entries.live)" "sessions left for a helper to end"

section "a helper reclaims what is over, and what will be"
exits 0 "$bin/sojournd" "$name"
helper=$(stat_of .helper.pid)
is true "$(stat_of .helper.alive)" "helper alive"
becomes 2000 .entries.free
is 19 "$(stat_of .helper.lag.count)" "expiries by the helper"
logins 20 --ttl 100ms
becomes 2000 .entries.free
is 39 "$(stat_of .helper.lag.count)" "expiries by the helper"

section "a second one stands by, and takes over when the first is killed"
exits 0 "$bin/sojournd" "$name"
is "$helper" "$(stat_of .helper.pid)" "the helper"
is 4 "$(stat_of .threads.attached)" "threads attached"
logins 5 --ttl 1h
logins 20 --ttl 300ms
kill -KILL "$helper"
becomes 2 .threads.attached
becomes true .helper.alive
becomes 1995 .entries.free
second=$(stat_of .helper.pid)
is 1 "$([ "$second" != "$helper" ] && echo 1)" "another process"
exits 0 "$bin/sojourn" fsck "$name"

section "one that stands still delays nobody"
kill -STOP "$second"
stopped=$second
logins 30 --ttl 1h --data /dev/null
exits 0 "$bin/sojourn" get "$name" "$id"
exits 0 "$bin/sojourn" touch "$name" "$id"
exits 0 "$bin/sojourn" set "$name" "$id" --data /dev/null
exits 0 "$bin/sojourn" rm "$name" "$id"
exits 1 "$bin/sojourn" get "$name" "$id"
logins 10 --ttl 1ms
exits 1 "$bin/sojourn" get "$name" "$id"
is "$second" "$(stat_of .helper.pid)" "the helper"
kill -CONT "$second"
stopped=
becomes $((2000 - 5 - 29)) .entries.free
exits 0 "$bin/sojourn" fsck "$name"

section "SIGTERM gives role and slots back; destroy ends it"
kill -TERM "$second"
gone "$second"
is 0 "$(stat_of .threads.attached)" "threads attached"
is 0 "$(stat_of .threads.dead)" "dead threads"
is false "$(stat_of .helper.alive)" "helper alive"
exits 0 "$bin/sojournd" --tick 1ms "$name"
helper=$(stat_of .helper.pid)
exits 0 "$bin/sojourn" destroy "$name"
gone "$helper"
exits 66 "$bin/sojournd" "$name"

section "create starts one"
create --ttl 100ms
helper=$(stat_of .helper.pid)
is true "$(stat_of .helper.alive)" "helper alive"
is sojournd "$(cat "/proc/$helper/comm")" "its name"
is / "$(readlink "/proc/$helper/cwd")" "its directory"
is "" "$(find "/proc/$helper/fd" -lname 'pipe:*')" "pipes it holds"
is 0 "$((0x$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/$helper/status")))" \
	"its capabilities"
logins 50
becomes 2000 .entries.free
printf 'lag of 50 expiries in ms: p50 %s, p99 %s, max %s\n' \
	"$(stat_of .helper.lag.p50_ms)" "$(stat_of .helper.lag.p99_ms)" \
	"$(stat_of .helper.lag.max_ms)"
exits 0 "$bin/sojourn" destroy "$name"
gone "$helper"

section "options"
exits 0 "$bin/sojournd" --help
exits 0 "$bin/sojournd" --version
is 1 "$(grep -cE '^sojournd [0-9]+\.[0-9]+\.[0-9]+$' "$out")" "version lines"
exits 64 "$bin/sojournd"
exits 64 "$bin/sojournd" --tick 0ms "$name"
exits 64 "$bin/sojournd" --unknown "$name"

section "unit and manual page"
if command -v systemd-analyze >/dev/null; then
	unit=$work/sojournd@x.service
	sed "s|^ExecStart=sojournd|ExecStart=$bin/sojournd|" \
		"$src/tools/sojournd@.service" >"$unit"
	exits 0 systemd-analyze verify --man=no "$unit"
	is "" "$(cat "$err")" "what systemd-analyze says"
else
	echo "systemd-analyze is not installed: not looked at"
fi
if command -v mandoc >/dev/null; then
	exits 0 mandoc -T lint -W warning "$src/tools/sojournd.8"
else
	echo "mandoc is not installed: not looked at"
fi

finish
