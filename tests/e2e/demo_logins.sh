#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `sojourn demo`: who is logged in after a logout, a lost answer, a refusal, or
# the end of the demo.

# shellcheck source=tests/e2e/lib_demo.sh
. "$(dirname "$0")/lib_demo.sh"
needs pidwait

# ended PID: soon.
ended() {
	echo "$1" >"$demo_work/pid"
	timeout 30 pidwait -F "$demo_work/pid" >/dev/null
	[ $? -ne 124 ]
}

# logged_out WHAT JAR: neither this browser is let in again nor one that has a
# copy of what it was remembered by.
logged_out() {
	local page

	page=$(browse -i -b "$2" -c "$2" "$demo_url/")
	has "$1: the login page" "$page" '<h2>Log in</h2>'
	has_not "$1: no session" "$page" '^Set-Cookie: sid=[^;]'
	equal "$1: what remembers" "" "$(token_of "$2")"
	without_session "$2.copy"
	equal "$1: the copy" 401 "$(code_as "$2.copy" "$demo_url/profile")"
}

# expires JAR: logs in for a second, remembered, until that is over; sets csrf.
expires() {
	csrf=$(as "$1" -d 'user=olga&remember=1&stay=1s' "$demo_url/login" |
		jq -r .csrf)
	cp "$1" "$1.copy"
	head -n 1 <(timeout 60 "$demo_bin/sojourn" events "$(demo_segment)" \
		--since "$(events_seen)" --follow --json |
		jq --unbuffered -c 'select(.reason == "expired")') >/dev/null
}

events_seen() {
	"$demo_bin/sojourn" events "$(demo_segment)" --json | wc -l
}

test_logout_forgets() {
	local jar=$demo_work/olga csrf handle

	section "a logout is one of the remembered browser, too"
	as "$jar" -d 'user=olga&remember=1' "$demo_url/login" >"$demo_work/olga.in"
	cp "$jar" "$jar.copy"
	csrf=$(jq -r .csrf "$demo_work/olga.in")
	handle=$(jq -r .handle "$demo_work/olga.in")
	equal "this device revoked" 1 "$(as "$jar" \
		-d "csrf=$csrf&handle=$handle" "$demo_url/devices/revoke" |
		jq .ended)"
	logged_out "revoked" "$jar"

	expires "$jar"
	has "logout after expiry" "$(browse -i -b "$jar" -c "$jar" \
		-d "csrf=$csrf" "$demo_url/logout")" '^HTTP/1.1 303'
	logged_out "after expiry" "$jar"

	# Another site cannot have it forgotten.
	expires "$jar"
	as "$jar" -d "csrf=${csrf:0:20}" "$demo_url/logout" >/dev/null
	equal "a forged logout after expiry" olga \
		"$(as "$jar" "$demo_url/profile" | jq -r .user)"
}

# What the client asks for goes to the demo, whatever the user's proxies are.
test_proxies() {
	local -x http_proxy=http://127.0.0.1:9 CURL_HOME=$demo_work/curl

	section "proxies of the user"
	mkdir "$CURL_HOME"
	echo 'user-agent = "from .curlrc"' >"$CURL_HOME/.curlrc"
	demo_login proxied 3 >"$demo_work/jar"
	equal "logins" 3 "$(wc -l <"$demo_work/jar")"
	demo_requests "$demo_work/jar" 1 GET /devices | demo_run proxied
	has_not "user agents" "$(cat "$demo_work/proxied.bodies")" curlrc
	equal "numbers" 20000 "$(demo_stat entries_max)"
}

# The old id's grace window is over before the client asks again.
test_lost_answer() {
	local jar=$demo_work/lost head new id

	section "an answer that was lost for longer than the grace window"
	as "$jar" -d user=lena "$demo_url/login" >/dev/null
	cp "$jar" "$jar.old"
	cp "$jar" "$jar.older"
	until_renewal_is_due
	has "the lost one" "$(as "$jar" -i "$demo_url/profile")" \
		'^X-Session-Renewal: won'
	new=$(id_of "$jar")
	until_renewal_is_due
	head=$(as "$jar.old" -i "$demo_url/profile" | tr -d '\r')
	has "asked again" "$head" '^HTTP/1.1 200'
	has "asked again" "$head" '^X-Session-Renewal: done$'
	has "asked again" "$head" "^Set-Cookie: sid=$new;"
	as "$jar" "$demo_url/profile" >/dev/null
	id=$(id_of "$jar")
	until_renewal_is_due
	[ "$id" != "$new" ] || equal "a second renewal" another "the same"
	equal "asked again after two" lena \
		"$(as "$jar.older" "$demo_url/profile" | jq -r .user)"
	equal "its id" "$id" "$(id_of "$jar.older")"
}

test_over_cap() {
	local name=demo-cap-$$ key=$demo_work/cap.key reply

	section "as many devices as there may be"
	"$demo_bin/sojourn" create "$name" --helper none --entries 100 \
		--bytes 8MiB --per-subject-max 1 --when-over reject \
		--collection refresh,per-subject-max=1,when-over=reject \
		--key-file "$key" >/dev/null
	start --segment "$name" --key-file "$key" --workers 1
	equal "the first" 200 \
		"$(code_as "$demo_work/cap1" -d user=kim "$demo_url/login")"
	reply=$(as "$demo_work/cap2" -i -d user=kim "$demo_url/login")
	has "the second" "$reply" '^HTTP/1.1 403'
	has "the second" "$reply" 'as many devices as you may'
	equal "the first still" 200 \
		"$(code_as "$demo_work/cap1" "$demo_url/profile")"
	code_as /dev/null -d user=kim "$demo_url/api/login" >/dev/null
	equal "by API" 403 \
		"$(code_as /dev/null -d user=kim "$demo_url/api/login")"
	demo_stop
	"$demo_bin/sojourn" destroy "$name"
}

test_not_remembered() {
	local jar=$demo_work/only reply

	section "a login that cannot be remembered"
	start --entries 1 --renewal 0 --helper none --workers 1
	reply=$(as "$jar" -i -d 'user=ina&remember=1' "$demo_url/login")
	has "the answer" "$reply" '^HTTP/1.1 200'
	equal "what remembers" "" "$(token_of "$jar")"
	equal "logged in" ina "$(as "$jar" "$demo_url/profile" | jq -r .user)"
	reply=$(as "$jar.other" -i -d user=eva "$demo_url/login")
	has "another" "$reply" '^HTTP/1.1 503'
	has_not "another" "$reply" '^Set-Cookie: sid=[^;]'
	stop
}

# key_of SEGMENT: its default key file.
key_of() {
	local dir=$XDG_STATE_HOME/sojourn

	[ "$(id -u)" -ne 0 ] || dir=/var/lib/sojourn
	echo "$dir/$1.key"
}

test_hangup() {
	local segment helper key

	section "the terminal is closed"
	start --workers 1
	segment=$(demo_segment)
	helper=$(pgrep -f "sojournd .*$segment\$")
	[ -n "$helper" ] || equal "the helper" running "not there"
	key=$(key_of "$segment")
	[ -e "$key" ] || equal "the key" "in $key" "not there"
	kill -HUP "$demo_pid"
	wait "$demo_pid"
	equal "exit code at SIGHUP" 0 $?
	demo_pid=
	[ ! -e "/dev/shm/sojourn.$segment" ] ||
		equal "segment after SIGHUP" removed there
	[ ! -e "$key" ] || equal "key after SIGHUP" removed there
	ended "$helper" || equal "helper after SIGHUP" ended running
	"$demo_bin/sojourn" destroy "$segment" 2>/dev/null
	rm -f "$key"

	# As nohup has it.
	trap '' HUP
	start --helper none --workers 1
	trap - HUP
	kill -HUP "$demo_pid"
	equal "SIGHUP that is ignored" 200 "$(code_as /dev/null "$demo_url/")"
	stop
}

start --workers 2
test_logout_forgets
test_proxies
stop

start --renewal 1s --grace-window 1ms --helper none --workers 2
test_lost_answer
stop

test_over_cap
test_not_remembered
test_hangup

finish
