#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `sojourn bench`: its own segments and given ones, reports, interruptions.
#
# shellcheck source=tests/e2e/lib_cli.sh
. "$(dirname "$0")/lib_cli.sh"

has_sessions() {
	[ -n "$(sojourn ls "$1" --subject "$2")" ]
}

test_bench() {
	local name=$prefix-bench id pid word

	section bench on a segment of its own
	run 0 bench --workers 2 --entries 5000 --seconds 1 --json
	equal 1 "$(wc -l <"$out")"
	json '[.lost, .torn, .foreign, .full, .crashed_workers, .errors]' \
		'[0,0,0,0,0,0]'
	json '[.workers, .entries, .value_bytes, .zipf]' '[2,5000,256,0.99]'
	json '.segment | [.temporary, .entries_max, .entries_live]' \
		'[true,5000,5000]'
	json '.reads.count > 0 and .updates.count > 0' true
	json '[.reads, .updates | .p50_ns <= .p99_ns and .p99_ns <= .p999_ns
		and .p999_ns <= .max_ns
		and ([.histogram[][1]] | add) == .count]' '[true,true]'
	run 0 bench "$name" --workers 3 --entries 2000 --value 1000 --mix 1:1 \
		--zipf 0 --seconds 1
	grep -q "^lost 0, torn 0, foreign 0," "$out" || fail "$(cat "$out")"
	for word in "bytes per session" p99.9 operations/s "by worker" "#####"; do
		grep -qF -e "$word" "$out" || fail "the report has no $word"
	done
	run 66 destroy "$name"
	run 0 bench --entries 1 --value 16 --workers 2 --seconds 1 --mix 0:1
	run 64 bench --mix 95
	run 64 bench --mix 0:0
	run 64 bench --zipf 1
	run 64 bench --value 15
	run 64 bench --workers 0
	run 64 bench --seconds 0
	run 64 bench --entries 10 --seconds 1 --key-file "$work/bench.key"
	says "--key-file" "NAME"
	run 66 bench "$name" --entries 10 --seconds 1 --key-file /proc/nope/x
	says "/proc/nope"
	says_not "helper"

	section bench on a given segment
	create "$name"
	new "$name" --subject me --data - <<<mine
	run 0 bench "$name" --entries 199 --seconds 1 --workers 2
	run 0 bench "$name" --entries 199 --seconds 1 --workers 2
	run 0 get "$name" "$id"
	prints mine
	run 0 ls "$name" --subject bench7
	prints ""
	run 75 bench "$name" --entries 200 --seconds 1
	says "199" "too little for 200"
	run 0 get "$name" "$id"

	section bench that is interrupted
	"$bin/sojourn" bench "$name" --entries 150 --seconds 86400 \
		>"$out" 2>"$err" &
	pid=$!
	until_true has_sessions "$name" bench7
	until_true updated "$name"
	kill -TERM $pid
	wait $pid
	equal 143 $?
	run 0 ls "$name" --subject bench7
	prints ""
	run 0 destroy "$name"
	"$bin/sojourn" bench "$name" --entries 1000 --seconds 86400 \
		>"$out" 2>"$err" &
	pid=$!
	until_true updated "$name"
	kill -TERM $pid
	wait $pid
	equal 143 $?
	run 66 destroy "$name"
	equal "" "$(pgrep -f "sojourn bench $name")"
}

test_bench
finish
