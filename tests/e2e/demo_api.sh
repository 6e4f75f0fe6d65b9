#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The API of `sojourn demo`: access tokens that four workers issue, verify and
# revoke.

# shellcheck source=tests/e2e/lib_demo.sh
. "$(dirname "$0")/lib_demo.sh"

# api TOKEN PATH [WORD...]: with a bearer token; -w adds the status.
api() {
	curl -sS -H "Authorization: Bearer $1" "${@:3}" "$demo_url$2"
}

demo_start --helper none || exit 1
pair=$(curl -sS -d user=una "$demo_url/api/login")
access=$(jq -r .access <<<"$pair")
refresh=$(jq -r .refresh <<<"$pair")
equal "who it is" una "$(api "$access" /api/me | jq -r .user)"
# Each connection may meet another worker: all know the token.
workers=$(for _ in 1 2 3 4 5 6 7 8; do
	api "$access" /api/me | jq -r '"\(.user) \(.pid) \(.cached)"'
done | sort -u)
equal "answers of all workers" 0 \
	"$(grep -cv '^una [0-9]* true$' <<<"$workers")"
equal "without a token" "401 Bearer" "$(curl -sS -o /dev/null \
	-w '%{http_code} %header{www-authenticate}' \
	"$demo_url/api/me")"
equal "with half a token" '401 Bearer error="invalid_token"' \
	"$(api "${access%?????}" /api/me -o /dev/null \
		-w '%{http_code} %header{www-authenticate}')"
pair=$(curl -sS -d refresh="$refresh" "$demo_url/api/refresh")
other=$(jq -r .access <<<"$pair")
equal "after the refresh" una "$(api "$other" /api/me | jq -r .user)"
equal "logout" "logged out" \
	"$(api "$access" /api/logout -X POST | jq -r .done)"
equal "after the logout" 0 "$(for _ in 1 2 3 4 5 6 7 8; do
	api "$access" /api/me -o /dev/null -w '%{http_code}\n'
	api "$other" /api/me -o /dev/null -w '%{http_code}\n'
done | grep -cv 401)"
equal "its refresh token" 401 "$(curl -sS -o /dev/null \
	-w '%{http_code}' -d refresh="$(jq -r .refresh <<<"$pair")" \
	"$demo_url/api/refresh")"
access=$(curl -sS -d user=una "$demo_url/api/login" | jq -r .access)
equal "everywhere" 1 \
	"$(api "$access" /api/logout-everywhere -X POST | jq .ended)"
equal "after it" 401 \
	"$(api "$access" /api/me -o /dev/null -w '%{http_code}')"
access=$(curl -sS -d user=una "$demo_url/api/login" | jq -r .access)
equal "and a new login" una "$(api "$access" /api/me | jq -r .user)"
demo_stop
equal "exit code of the demo" 0 $?

finish
