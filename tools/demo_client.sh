# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# A client of `sojourn demo`, sourced by tools/quickstart and tests/e2e/demo.sh:
# starts a demo and sends it many requests at a time by curl. Needs $demo_bin,
# the folder of the executables, and $demo_work, a folder for its files.
#
# Requests and replies are lines of fields with | between them:
#   request  user id method path form     id: session cookie, may be empty;
#                                         form: with CSRF token
#   reply    user id code pid renewal check new_id csrf
# id is the one that was sent, new_id the one that Set-Cookie brought, or
# "cleared"; csrf is the token for the one that is valid then. Ids
# stay in files, never in arguments that a process list shows.

: "${demo_bin:?the folder of the executables}"
: "${demo_work:?a folder for files}"
demo_pid=
demo_url=

# demo_curl WORD...: what the user's .curlrc and proxies say is not about this.
demo_curl() {
	command curl -q --noproxy '*' "$@"
}

# demo_start OPTION...: on a free port; sets demo_pid and demo_url. The server's
# messages are in $demo_work/demo.log.
demo_start() {
	local tries

	: >"$demo_work/demo.out"
	"$demo_bin/sojourn" demo --port 0 "$@" >"$demo_work/demo.out" \
		2>>"$demo_work/demo.log" &
	demo_pid=$!
	for ((tries = 0; tries < 300; tries++)); do
		demo_url=$(sed -n 's/^sojourn demo: \(http[^ ]*\)\/ .*/\1/p' \
			"$demo_work/demo.out")
		[ -z "$demo_url" ] || return 0
		kill -0 "$demo_pid" 2>/dev/null || break
		sleep 0.1
	done
	echo "sojourn demo did not start:" >&2
	cat "$demo_work/demo.log" >&2
	demo_stop
	return 1
}

# Ends the demo; its exit code.
demo_stop() {
	local code=0

	[ -n "$demo_pid" ] || return 0
	kill "$demo_pid" 2>/dev/null || true
	wait "$demo_pid" || code=$?
	demo_pid=
	return $code
}

# The pids of the workers, one a line.
demo_workers() {
	pgrep -P "$demo_pid" || true
}

# demo_segment: the name of the segment.
demo_segment() {
	sed -n 's/.* segment \([^,]*\),.*/\1/p' "$demo_work/demo.out"
}

# demo_run NAME [AT_A_TIME]: sends the requests on standard input, AT_A_TIME of
# them at once, each on its own connection, so that any worker may get it. The
# replies are in $demo_work/NAME.replies, their bodies one a line in
# $demo_work/NAME.bodies.
demo_run() {
	local name=$1 at_a_time=${2:-48} bodies=$demo_work/$1.d

	rm -rf "$bodies"
	mkdir "$bodies"
	awk -F '|' -v url="$demo_url" -v bodies="$bodies" '
		{
			if (NR > 1)
				print "next"
			print "url = \"" url $4 "\""
			print "silent"
			print "max-time = 60"
			print "noproxy = \"*\""
			print "request = \"" $3 "\""
			print "header = \"Accept: application/json\""
			print "header = \"Connection: close\""
			if ($2 != "")
				print "cookie = \"sid=" $2 "\""
			if ($5 != "")
				print "data = \"" $5 "\""
			print "output = \"" bodies "/" NR "\""
			print "write-out = \"" $1 "|" $2 "|%{http_code}|" \
				"%header{x-worker-pid}|" \
				"%header{x-session-renewal}|" \
				"%header{x-session-check}|" \
				"%header{set-cookie}|" \
				"%header{x-csrf-token}\\n\""
		}' >"$demo_work/$name.config"
	demo_curl --parallel --parallel-immediate --parallel-max "$at_a_time" \
		--config "$demo_work/$name.config" 2>"$demo_work/$name.errors" |
		sed -e 's/|sid=;[^|]*/|cleared/' -e 's/|sid=\([^;]*\);[^|]*/|\1/' \
			>"$demo_work/$name.replies" || true
	find "$bodies" -type f -exec cat {} + >"$demo_work/$name.bodies"
	rm -rf "$bodies" "$demo_work/$name.config"
}

# demo_login PREFIX COUNT [FORM] [NAME]: logs PREFIX1 to PREFIXCOUNT in and
# prints the jar: user|id|csrf. FORM: more fields. PREFIX@: one user, COUNT
# times.
demo_login() {
	local prefix=$1 count=$2 form=${3:-} name=${4:-login}

	awk -v prefix="$prefix" -v count="$count" -v form="$form" 'BEGIN {
		for (i = 1; i <= count; i++) {
			user = prefix ~ /@$/ ? substr(prefix, 1,
				length(prefix) - 1) : prefix i
			print prefix i "||POST|/login|user=" user form \
				"&device=" prefix i
		}
	}' | demo_run "$name"
	jq -r '"csrf|\(.device)|\(.csrf)"' "$demo_work/$name.bodies" |
		awk -F '|' '
			$1 == "csrf" && NF == 3 { csrf[$2] = $3; next }
			$3 == 200 { print $1 "|" $7 "|" csrf[$1] }
		' - "$demo_work/$name.replies"
}

# demo_follow JAR NAME: the jar after the replies of NAME, as a browser's would
# be: new ids instead of old ones, and none where the cookie was cleared.
demo_follow() {
	awk -F '|' -v OFS='|' '
		FNR == NR {
			if ($7 == "cleared")
				gone[$1, $2] = 1
			else if ($7 != "") {
				id[$1, $2] = $7
				csrf[$1, $2] = $8
			}
			next
		}
		gone[$1, $2] { next }
		{
			if (($1, $2) in id) {
				$3 = csrf[$1, $2]
				$2 = id[$1, $2]
			}
			print
		}
	' "$demo_work/$2.replies" "$1" >"$demo_work/follow.new"
	mv "$demo_work/follow.new" "$1"
}

# demo_requests JAR TIMES METHOD PATH [FORM]: TIMES requests in a row for each
# session of the jar; the form gets the CSRF token.
demo_requests() {
	awk -F '|' -v times="$2" -v method="$3" -v path="$4" \
		-v form="${5:-}" -v OFS='|' '
		{
			data = method == "POST" ? "csrf=" $3 form : ""
			for (i = 0; i < times; i++)
				print $1, $2, method, path, data
		}
	' "$1"
}

# demo_renewals NAME...: counts over the replies of several runs, as lines
# "word number":
#   renewed      ids that were replaced
#   won          replies that made a replacement
#   lost         replies that found it made, or being made
#   twice        ids with two winners or two different replacements: 0
#   unexplained  replacements that nobody made: 0
#   raced        ids that several workers answered while replacing them
demo_renewals() {
	local name files=()

	for name in "$@"; do
		files+=("$demo_work/$name.replies")
	done
	awk -F '|' '
		$5 == "won" || $5 == "done" {
			if (!($2 in new)) {
				new[$2] = $7
				renewed++
			} else if (new[$2] != $7) {
				twice[$2] = 1
			}
		}
		$5 == "won" {
			won++
			if (++winners[$2] > 1)
				twice[$2] = 1
		}
		$5 == "done" || $5 == "here" || $5 == "elsewhere" { lost++ }
		$5 != "" && $5 != "none" && !seen[$2, $4]++ { workers[$2]++ }
		END {
			for (id in new) {
				unexplained += !(id in winners)
				raced += workers[id] > 1
			}
			for (id in twice)
				twices++
			print "renewed " renewed + 0
			print "won " won + 0
			print "lost " lost + 0
			print "twice " twices + 0
			print "unexplained " unexplained + 0
			print "raced " raced + 0
		}
	' "${files[@]}"
}

# demo_count NAME FIELD VALUE: replies of NAME whose field (by number) is VALUE.
demo_count() {
	awk -F '|' -v field="$2" -v value="$3" '$field == value { n++ }
		END { print n + 0 }' "$demo_work/$1.replies"
}

# demo_others NAME FIELD VALUE: replies of NAME whose field is not VALUE.
demo_others() {
	awk -F '|' -v field="$2" -v value="$3" '$field != value { n++ }
		END { print n + 0 }' "$demo_work/$1.replies"
}

# demo_stat KEY: a number of GET /stat; KEY as jq has it.
demo_stat() {
	demo_curl -s --max-time 20 "$demo_url/stat" | jq -r ".$1"
}
