#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `sojourn demo` over HTTP: four worker processes, one segment, many clients.
# Asserts counts and contents; no time.

# shellcheck source=tests/e2e/lib_demo.sh
. "$(dirname "$0")/lib_demo.sh"
needs ab pidwait

# ---- one client ----

test_headers() {
	local head

	section "cookie and headers"
	head=$(curl -si -H 'Accept: application/json' -d user=alice \
		"$demo_url/login" | tr -d '\r')
	has login "$head" '^HTTP/1.1 200'
	has cookie "$head" \
		'^Set-Cookie: sid=[A-Za-z0-9_-]\{32\}; Path=/; HttpOnly; SameSite=Lax$'
	has headers "$head" '^Cache-Control: no-store$'
	has headers "$head" "^Content-Security-Policy: default-src 'none';"
	has headers "$head" '^X-Content-Type-Options: nosniff$'
	has headers "$head" '^X-Worker-Pid: [0-9]*$'
	has body "$head" '"user":"alice","counter":0'
	has_not "the id is in the cookie only" "$(sed '1,/^$/d' <<<"$head")" \
		"$(sed -n 's/^Set-Cookie: sid=\([^;]*\);.*/\1/p' <<<"$head")"

	head=$(browse -i -d user=alice "$demo_url/login" | tr -d '\r')
	has "login by form" "$head" '^HTTP/1.1 303'
	has "login by form" "$head" '^Location: /profile$'
}

test_refusals() {
	local jar=$demo_work/alice long

	section "what is refused"
	equal "not logged in" 401 "$(code_as /dev/null "$demo_url/profile")"
	equal "no such page" 404 "$(code_as /dev/null "$demo_url/nowhere")"
	equal "wrong method" 405 "$(code_as /dev/null "$demo_url/logout")"
	equal "HEAD" 200 "$(curl -sI -o /dev/null -w '%{http_code}' "$demo_url/")"
	equal "no name" 400 "$(code_as /dev/null -d user= "$demo_url/login")"
	equal "control characters" 400 \
		"$(code_as /dev/null -d user=a%0Ab "$demo_url/login")"
	equal "NUL" 400 "$(code_as /dev/null -d user=a%00b "$demo_url/login")"
	equal "not UTF-8" 400 "$(code_as /dev/null -d user=%ff "$demo_url/login")"
	long=$(printf '%300s' '' | tr ' ' a)
	equal "long field" 400 \
		"$(code_as /dev/null -d "user=$long" "$demo_url/login")"
	long=$(printf '%20000s' '' | tr ' ' a)
	equal "long body" 400 \
		"$(code_as /dev/null -d "other=$long" "$demo_url/login")"
	equal "not a form" 400 "$(code_as /dev/null -d '{"user":"a"}' \
		-H 'Content-Type: application/json' "$demo_url/login")"
	equal "login from another site" 403 "$(code_as /dev/null -d user=a \
		-H 'Sec-Fetch-Site: cross-site' "$demo_url/login")"

	as "$jar" -d user=alice "$demo_url/login" >/dev/null
	has "unknown id" "$(curl -si -b sid=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA \
		"$demo_url/profile?json")" '^Set-Cookie: sid=;.*Max-Age=0'
	equal "two cookies of that name" 401 "$(curl -s -o /dev/null \
		-w '%{http_code}' -b "sid=$(id_of "$jar"); sid=x" \
		"$demo_url/profile?json")"
	equal "the session still" 200 "$(code_as "$jar" "$demo_url/profile")"
}

test_csrf() {
	local jar=$demo_work/alice token other path

	section "tokens against forged requests"
	token=$(as "$jar" "$demo_url/profile" | jq -r .csrf)
	other=$(as "$demo_work/bob" -d user=bob "$demo_url/login" | jq -r .csrf)
	for path in counter logout logout-everywhere devices/revoke; do
		equal "$path without token" 403 \
			"$(code_as "$jar" -d x=1 "$demo_url/$path")"
		equal "$path with another's token" 403 \
			"$(code_as "$jar" -d "csrf=$other" "$demo_url/$path")"
		equal "$path with a cut token" 403 "$(code_as "$jar" \
			-d "csrf=${token:0:31}" "$demo_url/$path")"
		equal "$path from another site" 403 "$(code_as "$jar" \
			-d "csrf=$token" -H 'Sec-Fetch-Site: cross-site' \
			"$demo_url/$path")"
	done
	equal "nothing was counted" 0 \
		"$(as "$jar" "$demo_url/profile" | jq .counter)"
	equal "token in the form" 1 \
		"$(as "$jar" -d "csrf=$token" "$demo_url/counter" | jq .counter)"
	equal "token in the header" 2 "$(as "$jar" -X POST \
		-H "X-CSRF-Token: $token" "$demo_url/counter" | jq .counter)"
}

test_escaping() {
	local jar=$demo_work/evil name='<script>alert(1)</script>"&' page

	section "names are text"
	as "$jar" --data-urlencode "user=$name" \
		--data-urlencode "device='><img src=x>\"" "$demo_url/login" \
		>/dev/null
	for path in profile devices; do
		page=$(browse -b "$jar" "$demo_url/$path")
		has_not "$path" "$page" '<script'
		has_not "$path" "$page" '<img'
		has "$path" "$page" '&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;'
	done
	has devices "$page" '&#39;&gt;&lt;img src=x&gt;&quot;'
	equal "and come back whole" "$name" \
		"$(as "$jar" "$demo_url/profile" | jq -r .user)"
}

test_devices() {
	local home=$demo_work/carol.home office=$demo_work/carol.office
	local bob=$demo_work/bob token handle victim list

	section "devices"
	as "$bob" -d user=bob "$demo_url/login" >/dev/null
	as "$office" -d 'user=carol&device=work' "$demo_url/login" >/dev/null
	token=$(as "$home" -d 'user=carol&device=home' "$demo_url/login" |
		jq -r .csrf)
	list=$(as "$home" "$demo_url/devices")
	equal "carol's devices" '["home","work"]' \
		"$(jq -c '[.devices[].device]' <<<"$list")"
	equal "the current one" home \
		"$(jq -r '.devices[] | select(.current).device' <<<"$list")"

	victim=$(as "$bob" "$demo_url/profile" | jq -r .handle)
	equal "to end bob's session" 404 "$(code_as "$home" \
		-d "csrf=$token&handle=$victim" "$demo_url/devices/revoke")"
	equal "bob" 200 "$(code_as "$bob" "$demo_url/profile")"
	equal "a handle that is none" 404 "$(code_as "$home" \
		-d "csrf=$token&handle=zz" "$demo_url/devices/revoke")"

	handle=$(jq -r '.devices[] | select(.current | not).handle' <<<"$list")
	equal "ended" 1 "$(as "$home" -d "csrf=$token&handle=$handle" \
		"$demo_url/devices/revoke" | jq .ended)"
	equal "the ended device" 401 "$(code_as "$office" "$demo_url/profile")"
	equal "the other one" 200 "$(code_as "$home" "$demo_url/profile")"
}

test_login_again() {
	local jar=$demo_work/dora first

	section "a login ends the session before"
	as "$jar" -d user=dora "$demo_url/login" >/dev/null
	first=$(id_of "$jar")
	as "$jar" -d user=dora "$demo_url/login" >/dev/null
	equal "the former id" 401 "$(curl -s -o /dev/null -w '%{http_code}' \
		-b "sid=$first" "$demo_url/profile?json")"
	equal "the new id" 200 "$(code_as "$jar" "$demo_url/profile")"
	equal "dora's sessions" 1 \
		"$(as "$jar" "$demo_url/devices" | jq '.devices | length')"
}

test_remember() {
	local jar=$demo_work/ruth thief=$demo_work/thief head first second csrf

	section "remember me"
	head=$(curl -si -H 'Accept: application/json' -c "$jar" \
		-d 'user=ruth&device=desk&remember=1' "$demo_url/login" |
		tr -d '\r')
	has "the second cookie" "$head" \
		'^Set-Cookie: remember=[A-Za-z0-9_-]\{54\}; Path=/; Max-Age=2592000;'
	equal "listed beside the session" '[false,true]' "$(as "$jar" \
		"$demo_url/devices" | jq -c '[.devices[].remembers] | sort')"
	first=$(token_of "$jar")
	equal "with a session it stays" ruth \
		"$(as "$jar" "$demo_url/profile" | jq -r .user)"
	equal "unused" "$first" "$(token_of "$jar")"

	without_session "$jar"
	cp "$jar" "$thief"
	equal "a POST does not use it" 401 \
		"$(code_as "$jar" -d x=1 "$demo_url/counter")"
	equal "logged in again" '"ruth" "desk"' "$(as "$jar" \
		"$demo_url/profile" | jq -c '.user, .device' | xargs -d '\n')"
	second=$(token_of "$jar")
	[ "$second" != "$first" ] ||
		equal "the token after its use" another "the same"
	equal "its length" 54 "${#second}"
	equal "with a session" 32 "$(id_of "$jar" | tr -d '\n' | wc -c)"

	# Another request of the same start, and one whose answer was lost.
	equal "at the same time" ruth \
		"$(as "$thief" "$demo_url/" -L "$demo_url/profile" |
			jq -sr '.[1].user')"
	equal "the token it got" "$second" "$(token_of "$thief")"

	without_session "$jar"
	as "$jar" "$demo_url/profile" >/dev/null
	head=$(curl -si -b "remember=${first:0:40}AAAAAAAAAAAAAA" \
		"$demo_url/profile?json" | tr -d '\r')
	has "a stolen one" "$head" '^HTTP/1.1 401'
	has "what is said" "$head" 'ended, everywhere'
	has "its cookie" "$head" '^Set-Cookie: remember=;.*Max-Age=0'
	equal "the session of the browser" 401 \
		"$(code_as "$jar" "$demo_url/profile")"
	equal "its token" "" "$(token_of "$jar")"

	csrf=$(as "$jar" -d 'user=ruth&remember=1' "$demo_url/login" |
		jq -r .csrf)
	as "$thief" -d 'user=ruth&remember=1' "$demo_url/login" >/dev/null
	as "$jar" -d "csrf=$csrf&keep=1" "$demo_url/logout-everywhere" \
		>/dev/null
	without_session "$jar"
	without_session "$thief"
	equal "the others logged out" 401 "$(code_as "$thief" \
		"$demo_url/profile")"
	equal "remembered where it was kept" 200 \
		"$(code_as "$jar" "$demo_url/profile")"
	csrf=$(as "$jar" "$demo_url/profile" | jq -r .csrf)
	cp "$jar" "$thief"
	as "$jar" -d "csrf=$csrf" "$demo_url/logout" >/dev/null
	equal "forgotten at logout" 401 "$(code_as "$jar" "$demo_url/profile")"
	without_session "$thief"
	equal "for good" 401 "$(code_as "$thief" "$demo_url/profile")"
}

# ---- many clients ----

# Each request of a session that ended is refused, by all workers.
gone() {
	local what=$1 jar=$2

	demo_requests "$jar" 64 GET /profile | demo_run gone
	equal "$what: answers other than 401" 0 "$(demo_others gone 3 401)"
	equal "$what: workers asked" 4 \
		"$(cut -d '|' -f 4 "$demo_work/gone.replies" | sort -u | wc -l)"
}

test_counting() {
	local id token

	section "counting in all workers at once"
	demo_login counter 20 >"$demo_work/jar"
	demo_requests "$demo_work/jar" 40 POST /counter | demo_run count
	equal "counts answered" 800 "$(demo_count count 3 200)"
	equal "data that add up" 800 "$(demo_count count 6 ok)"
	demo_requests "$demo_work/jar" 1 GET /profile | demo_run counted
	equal "counters" "20 40" "$(jq .counter "$demo_work/counted.bodies" |
		uniq -c | xargs)"
	# Each number was given out once: no increment was made on an old value.
	equal "numbers given" 40 "$(jq -r 'select(.user == "counter1").counter' \
		"$demo_work/count.bodies" | sort -u | wc -l)"

	# One session, as fast as it goes.
	demo_login hammered 1 >"$demo_work/jar"
	IFS='|' read -r _ id token <"$demo_work/jar"
	printf 'csrf=%s' "$token" >"$demo_work/form"
	ab -q -n 6000 -c 24 -C "sid=$id" -p "$demo_work/form" \
		-T application/x-www-form-urlencoded "$demo_url/counter?json" \
		>"$demo_work/ab" 2>&1
	has "ab" "$(cat "$demo_work/ab")" '^Complete requests: *6000$'
	has_not "ab" "$(cat "$demo_work/ab")" '^Non-2xx'
	demo_requests "$demo_work/jar" 1 GET /profile | demo_run counted
	equal "the hammered counter" 6000 \
		"$(jq .counter "$demo_work/counted.bodies")"
}

test_everywhere() {
	section "logout everywhere"
	demo_login eve@ 12 >"$demo_work/jar"
	head -n 1 "$demo_work/jar" >"$demo_work/one"
	tail -n +2 "$demo_work/jar" >"$demo_work/rest"
	demo_login frank 1 >"$demo_work/frank"

	demo_requests "$demo_work/one" 1 POST /logout-everywhere '&keep=1' |
		demo_run keep
	equal "others ended" 11 "$(jq .ended "$demo_work/keep.bodies")"
	gone "other devices" "$demo_work/rest"
	demo_requests "$demo_work/one" 8 GET /profile | demo_run one
	equal "the one that was kept" 8 "$(demo_count one 3 200)"

	demo_login eve@ 12 >"$demo_work/rest"
	demo_requests "$demo_work/one" 1 POST /logout-everywhere | demo_run all
	equal "all ended" 13 "$(jq .ended "$demo_work/all.bodies")"
	equal "cookie cleared" 1 "$(demo_count all 7 cleared)"
	cat "$demo_work/one" >>"$demo_work/rest"
	gone "all devices" "$demo_work/rest"
	demo_requests "$demo_work/frank" 4 GET /profile | demo_run frank
	equal "another user" 4 "$(demo_count frank 3 200)"
}

test_expiry() {
	section "a short stay ends by itself"
	demo_login short 4 '&stay=1s' >"$demo_work/jar"
	equal "short stays" 4 "$(wc -l <"$demo_work/jar")"
	head -n 4 <(timeout 60 "$demo_bin/sojourn" events "$(demo_segment)" \
		--follow --json | jq --unbuffered -c 'select(.type == "ended" and
			.reason == "expired")') >"$demo_work/ended"
	equal "ends told" 4 "$(wc -l <"$demo_work/ended")"
	gone "short stays" "$demo_work/jar"
	equal "cookies cleared" 256 "$(demo_count gone 7 cleared)"
}

# Every round all ids are due at once and each is sent 6 times at once: one of
# the six makes the new id, and all that tell one tell the same. Who meets the
# renewal halfway ("here", "elsewhere") is told later; how many do is up to the
# scheduler, so there are many rounds.
test_renewal_race() {
	local round counts raced=0 halfway=0 n=150

	section "races for renewal"
	demo_login racer $n >"$demo_work/jar"
	for round in 1 2 3 4 5 6 7 8; do
		until_renewal_is_due
		cp "$demo_work/jar" "$demo_work/jar.old"
		demo_requests "$demo_work/jar" 6 GET /profile | demo_run race
		demo_follow "$demo_work/jar" race
		demo_requests "$demo_work/jar.old" 1 GET /profile | demo_run late
		counts=$(demo_renewals race late)
		equal "round $round: answers" $((n * 6)) \
			"$(demo_count race 3 200)"
		has "round $round" "$counts" "^renewed $n$"
		has "round $round" "$counts" "^won $n$"
		has "round $round" "$counts" "^lost $((n * 6))$"
		has "round $round" "$counts" '^twice 0$'
		has "round $round" "$counts" '^unexplained 0$'
		equal "round $round: losers told later" $n \
			"$(demo_count late 5 "done")"
		raced=$((raced + $(sed -n 's/^raced //p' <<<"$counts")))
		halfway=$((halfway + $(demo_count race 5 here) +
			$(demo_count race 5 elsewhere)))
	done
	echo "$raced ids raced for by several workers, $halfway met halfway"
	[ "$raced" -gt 0 ] || equal "ids raced for" some none
	demo_requests "$demo_work/jar" 1 GET /devices | demo_run lists
	equal "one login each, however often renewed" $n \
		"$(jq '[.devices[] | select(.renewed | not)] | length' \
			"$demo_work/lists.bodies" | grep -cx 1)"
}

# While several requests renew a session one logs it out: neither the old id nor
# any new one that was handed out is good for anything afterwards.
test_logout_during_renewal() {
	local round winners=0

	section "logout during renewal"
	for round in 1 2 3 4 5; do
		demo_login leaver 40 >"$demo_work/jar"
		until_renewal_is_due
		awk -F '|' -v OFS='|' '{
			for (i = 0; i < 5; i++)
				print $1, $2, i == NR % 5 ? "POST" : "GET",
					i == NR % 5 ? "/logout" : "/profile",
					"csrf=" $3
		}' "$demo_work/jar" | demo_run leave
		equal "round $round: logouts" 40 \
			"$(jq -c 'select(.ended == 1)' \
				"$demo_work/leave.bodies" | wc -l)"
		equal "round $round: errors" 0 \
			"$(awk -F '|' '$3 != 200 && $3 != 401' \
				"$demo_work/leave.replies" | wc -l)"
		winners=$((winners + $(demo_count leave 5 won)))
		awk -F '|' -v OFS='|' '$7 != "" && $7 != "cleared" &&
			!seen[$7]++ { print $1, $7, "" }' \
			"$demo_work/leave.replies" |
			cat - "$demo_work/jar" >"$demo_work/all"
		demo_requests "$demo_work/all" 2 GET /profile | demo_run gone
		equal "round $round: alive after logout" 0 \
			"$(demo_others gone 3 401)"
	done
	[ "$winners" -gt 0 ] || equal "renewals among the logouts" some none
}

# ---- processes ----

replaced() {
	local now tries

	for ((tries = 0; tries < 200; tries++)); do
		now=$(demo_workers)
		[ "$(wc -l <<<"$now")" -ne 4 ] || grep -qx "$1" <<<"$now" || return 0
		sleep 0.1
	done
	return 1
}

test_killed_workers() {
	local victim client workers

	section "workers killed under load"
	workers=$(demo_workers)
	demo_login survivor 200 >"$demo_work/jar"
	demo_requests "$demo_work/jar" 30 GET /profile |
		demo_run load 16 &
	client=$!
	for victim in $workers; do
		kill -KILL "$victim"
		replaced "$victim" || equal "worker $victim" replaced missing
	done
	wait "$client"
	# Only who was cut off got no answer, and had it again on asking again.
	equal "answers that are no sessions" 0 "$(awk -F '|' \
		'$3 != 200 && $3 != "000"' "$demo_work/load.replies" | wc -l)"
	equal "torn" 0 "$(demo_count load 6 torn)"
	demo_follow "$demo_work/jar" load
	demo_requests "$demo_work/jar" 2 GET /profile | demo_run load
	equal "sessions afterwards" 400 "$(demo_count load 3 200)"
	equal "by new workers only" 0 "$(cut -d '|' -f 4 \
		"$demo_work/load.replies" | grep -cxF "$workers")"
}

test_killed_master() {
	local workers segment pid

	section "a killed master takes its workers along"
	start --helper none
	workers=$(demo_workers)
	segment=$(demo_segment)
	kill -KILL "$demo_pid"
	demo_stop 2>/dev/null
	for pid in $workers; do
		echo "$pid" >"$demo_work/pid"
		timeout 60 pidwait -F "$demo_work/pid" >/dev/null
		[ $? -ne 124 ] || equal "worker $pid" ended running
	done
	"$demo_bin/sojourn" destroy "$segment"
	equal "exit code of destroy" 0 $?
}

test_full() {
	local codes

	section "a full segment"
	start --entries 32 --bytes 8MiB --helper none
	demo_login crowd 60 >"$demo_work/jar"
	codes=$(cut -d '|' -f 3 "$demo_work/login.replies" | sort | uniq -c | xargs)
	equal "answers" "32 200 28 503" "$codes"
	has "what it says" "$(cat "$demo_work/login.bodies")" \
		'All places for sessions are taken'
	demo_requests "$demo_work/jar" 2 GET /profile | demo_run full
	equal "the others" 64 "$(demo_count full 3 200)"
	stop
}

test_tls_terminated() {
	local head

	section "behind a proxy that speaks https"
	start --tls-terminated --helper none --workers 1
	head=$(curl -si -d user=alice "$demo_url/login?json" | tr -d '\r')
	has cookie "$head" \
		'^Set-Cookie: __Host-sid=[^;]*; Path=/; Secure; HttpOnly; SameSite=Lax$'
	stop
}

test_two_servers() {
	local name=demo-test-$$ jar=$demo_work/shared first_url first_pid

	section "two demos on one segment"
	start --segment "$name" --workers 2
	first_url=$demo_url first_pid=$demo_pid
	as "$jar" -d user=gil "$demo_url/login" >/dev/null
	"$demo_bin/sojourn" demo --port 0 --segment "$name" --ttl 1h \
		2>/dev/null >&2
	equal "policy of a segment that is there" 64 $?
	start --segment "$name" --workers 2
	extra_pid=$first_pid
	equal "the other server" gil \
		"$(as "$jar" "$demo_url/profile" | jq -r .user)"
	demo_stop
	[ -e "/dev/shm/sojourn.$name" ] ||
		equal "the segment of the first" there removed
	demo_url=$first_url demo_pid=$first_pid extra_pid=
	equal "the first server" gil \
		"$(as "$jar" "$demo_url/profile" | jq -r .user)"
	demo_stop
	[ ! -e "/dev/shm/sojourn.$name" ] ||
		equal "the segment at the end" removed there
}

start
test_headers
test_refusals
test_csrf
test_escaping
test_devices
test_login_again
test_remember
test_counting
test_everywhere
test_expiry
stop

start --renewal 1s --grace-window 30s --helper none
test_renewal_race
test_logout_during_renewal
test_killed_workers
stop

test_killed_master
test_full
test_tls_terminated
test_two_servers

finish
