#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `sojourn demo`: who is logged in after a logout, a lost answer, a refusal, or
# the end of the demo.

# shellcheck source=tests/e2e/lib_demo.sh
. "$(dirname "$0")/lib_demo.sh"

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

start --workers 2
test_proxies
stop

finish
