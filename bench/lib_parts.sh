# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# The parts of bench/compare, each a function part_NAME: what it runs, and in
# which file of the results it leaves what came out.

# Of bench/compare and lib_keepers.sh.
: "${bin:=}" "${out:=}" "${rounds:=}" "${run_ms:=}" "${mixes:=}" "${private:=}"
: "${all_mixes:=}" "${few_mixes:=}" "${few_ms:=}"
[ -n "${loads+set}" ] || loads=()
[ -n "${running+set}" ] || running=()
[ -n "${growth_sizes+set}" ] || growth_sizes=(10000 100000 1000000)

# rounds_of LOAD MIX...: every system in turn, again and again
rounds_of() {
	local load=$1 round mix system

	shift
	for mix in "$@"; do
		for ((round = 1; round <= rounds; round++)); do
			for system in "${running[@]}"; do
				keeper_run "$system" "$load" "$round" "$mix"
			done
		done
	done
}

# results.tsv: all sizes of values, the first with all mixes
part_sizes() {
	local load list

	for load in "${loads[@]}"; do
		note "loading ${load%:*} sessions of ${load#*:} bytes"
		keepers_start "$load"
		note "measuring: ${running[*]}"
		list=$few_mixes
		[ "$load" != "${loads[0]}" ] || list=$all_mixes
		IFS=, read -ra list <<<"${mixes:-$list}"
		rounds_of "$load" "${list[@]}"
		rounds=1 rounds_of "$load" all:uniform:1
		keepers_stop
		run_ms=$few_ms
	done
}

# growth.tsv: a get beside two misses; times.tsv: attach, fsck and the like
part_growth() {
	local sessions
	# shellcheck disable=SC2034 # for lib_keepers.sh
	local results=growth.tsv memory=growth-memory.tsv systems=sojourn,limit-2

	for sessions in "${growth_sizes[@]}"; do
		note "growth: $sessions sessions"
		keepers_start "$sessions:256"
		rounds_of "$sessions:256" get:uniform:1
		keepers_stop
		"$bin/bench_growth" "$sessions" "$private" >>"$out/times.tsv" \
			2>"$private/growth.err" ||
			failed sojourn "growth to $sessions" \
				"$(tail -n 1 "$private/growth.err")"
	done
}

# expiry.txt: a million sessions that end within a second
part_expiry() {
	note "a million sessions expire"
	"$bin/bench_expiry" 1000000 1000 >"$out/expiry.txt" 2>&1 ||
		failed sojourn expiry "$(tail -n 1 "$out/expiry.txt")"
}

# helper.txt: what the helper uses beside a million sessions
part_helper() {
	note "the helper beside a million sessions"
	"$bin/bench_helper" 2000000 10 >"$out/helper.txt" 2>&1 ||
		failed sojourn helper "$(tail -n 1 "$out/helper.txt")"
}
