#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The API of `sojourn demo`: access tokens that four workers issue, verify and
# revoke.

set -uo pipefail
export LC_ALL=C

src=${SOJOURN_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
demo_bin=${SOJOURN_BIN:-$src/build/release/bin}
for tool in curl jq pgrep; do
	command -v $tool >/dev/null && continue
	echo "skipped: $tool is not installed" >&2
	exit 77
done
demo_work=$(mktemp -d "${TMPDIR:-/tmp}/sojourn-demo.XXXXXX")
export XDG_STATE_HOME=$demo_work/state
# shellcheck source=tools/demo_client.sh
. "$src/tools/demo_client.sh"

failures=0

clean_up() {
	demo_stop >/dev/null 2>&1
	wait 2>/dev/null
	rm -rf "$demo_work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# equal WHAT WANTED FOUND
equal() {
	[ "$2" = "$3" ] && return
	echo "FAILED: $1: $3 instead of $2" >&2
	failures=$((failures + 1))
}

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

if [ "$failures" -gt 0 ]; then
	echo "$failures failed" >&2
	exit 1
fi
echo "all as it should be"
