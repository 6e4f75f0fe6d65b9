#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Items of collections by the command: create --collection, put, get and rm
# with --key, has, scan, count, clear.
#
# shellcheck source=tests/e2e/lib_cli.sh
. "$(dirname "$0")/lib_cli.sh"

name=$prefix-items

test_create() {
	local rule

	section create --collection
	for rule in foo foo=1 ttl=5 ttl=1x when-over=never \
		per-subject-max=x; do
		run 64 create "$name" --helper none --collection "carts,$rule"
		says "--collection"
	done
	run 64 create "$name" --helper none --collection "carts,idle=2h"
	says "collection carts" "idle_timeout_ms"
	run 64 create "$name" --helper none --collection "session,ttl=1h"
	run 0 create "$name" --helper none --entries 100 --bytes 8MiB \
		--collection carts,ttl=2h,idle=10min,quiet \
		--collection seats,per-subject-max=2,when-over=reject \
		--collection csrf,ttl=5min
	run 0 stat "$name"
	grep -q "^collection   carts: ttl 2h, idle 10min, quiet$" "$out" ||
		fail "stat does not show the rules of carts"
	run 0 stat "$name" --json
	equal 2:reject "$(jq -r '.collections[] | select(.name == "seats") |
		"\(.per_subject_max):\(.when_over)"' <"$out")"
	run 64 create "$name" --helper none --collection carts,idle=soon
	says "carts: idle is \"soon\""
}

test_put_get() {
	local version

	section put, get, has, rm
	printf hello >"$work/data"
	run 1 has "$name" --collection carts --key a
	run 1 get "$name" --collection carts --key a
	says "no item with that key"
	run 64 get "$name" --collection carts
	says "--collection and --key are wanted"
	run 0 put "$name" --collection carts --key a --data "$work/data" \
		--subject anna
	version=$(cat "$out")
	run 0 get "$name" --collection carts --key=a
	cmp -s "$work/data" "$out" || fail "get prints something else"
	run 0 has "$name" --collection carts --key a
	run 1 has "$name" --collection seats --key a
	run 1 put "$name" --collection carts --key a --if-absent
	run 1 put "$name" --collection carts --key b --if-exists
	run 65 put "$name" --collection carts --key a --if-version 1
	says "has version $version, not 1"
	run 0 put "$name" --collection carts --key a --if-version "$version"
	prints $((version + 1))
	run 65 rm "$name" --collection carts --key a --if-version "$version"
	run 0 rm "$name" --collection carts --key a
	prints 1
	run 0 rm "$name" --collection carts --key a
	prints 0
	run 64 put "$name" --collection nothing --key a
	says nothing
	run 64 put "$name" --collection session --key a
	run 64 put "$name" --collection carts
	run 64 put "$name" --key a
	run 64 put "$name" --collection carts --key a --if-absent --if-exists
}

test_scan() {
	local i cursor

	section scan, count, clear
	for i in 1 2 3 4 5; do
		run 0 put "$name" --collection carts --key "k$i" \
			--subject "user-$i"
	done
	run 0 put "$name" --collection seats --key one --subject user-1
	run 0 put "$name" --collection seats --key two --subject user-1
	run 75 put "$name" --collection seats --key three --subject user-1
	run 0 count "$name" --collection carts
	prints 5
	run 0 count "$name" --subject user-1
	prints 3
	run 64 scan "$name" --match 'user-*' --match-handle '0*'
	run 0 count "$name" --match 'user-[1-3]'
	prints 5
	"$bin/sojourn" scan "$name" --collection carts --limit 3 --json \
		>"$out" 2>"$err"
	cursor=$(awk '/^cursor/ { print $2 }' "$err")
	[ "$(jq -r .subject "$out" | wc -l)" -eq 3 ] || fail "not three"
	"$bin/sojourn" scan "$name" --collection carts --cursor "$cursor" \
		--json >>"$out" 2>"$err"
	[ -s "$err" ] && fail "there is no more"
	[ "$(jq -r .subject "$out" | sort -u | wc -l)" -eq 5 ] ||
		fail "not each once"
	run 64 clear "$name"
	run 64 clear "$name" --match '[a'
	run 0 clear "$name" --match '*-1'
	prints 3
	run 0 clear "$name" --collection carts
	prints 4
	run 0 count "$name"
	prints 0
	run 0 fsck "$name"
	run 0 destroy "$name"
}

test_create
test_put_get
test_scan
finish
