#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Checks every Spin model of this folder, and that each broken variant of it
# is refuted.  A model that no mistake can fail proves nothing.

set -u
export LC_ALL=C

# A search that runs out of depth or memory is no proof: it is reported.
readonly DEPTH=1000000
readonly MEMORY_MIB=4096

here=$(cd "$(dirname "$0")" && pwd)

usage() {
	cat <<-EOF
	Usage: run.sh [--quick | --full] [--jobs N] [--list] [--help]
	              [MODEL[:RUN] ...]

	Runs the Spin models of this folder, two at a time, and prints one line
	for each run: model, run, states stored, result expected, result found.

	  --quick     the runs marked quick (default): a few minutes
	  --full      these and the runs marked full: larger, far longer
	  --jobs N    runs at a time (default 2), each within $MEMORY_MIB MiB
	  --list      print the runs, check nothing
	  MODEL[:RUN] only this model (index, epoch, ...), or one run of it

	The runs of a model are the lines "run MODE EXPECT NAME [-DMACRO ...]"
	of the comment at its head.  EXPECT is
	  pass    no error, by a complete search
	  fail    a broken variant: the search must find a violated assertion
	  reach   a witness: the situation it marks must be found to occur, or
	          the passes would be passes about nothing
	A line "pan OPTIONS" there gives options for all runs of the model.

	To see how a variant fails:
	  spin -a -DVARIANT model.pml && gcc -O1 -DSAFETY -o pan pan.c
	  ./pan -E -m$DEPTH && spin -t -p -g -DVARIANT model.pml

	Exit status: 0 all as expected; 1 a correct model has an error, a
	variant was not refuted, or a search was cut short; 64 wrong use; 77 no
	spin or no gcc.
	EOF
}

# list_runs MODE: "model mode expect name defines..." one a line
list_runs() {
	local file model

	for file in "$here"/*.pml; do
		model=$(basename "$file" .pml)
		sed -n 's/^ \*[ \t]*run \(quick\|full\)[ \t]/\1 /p' "$file" |
			while read -r mode rest; do
				[ "$mode" = "$1" ] || [ "$1" = full ] ||
					continue
				echo "$model $mode $rest"
			done
	done
}

# wanted "model mode expect name ..." FILTER...
wanted() {
	local model name filter

	read -r model _ _ name _ <<<"$1"
	shift
	[ $# -eq 0 ] && return 0
	for filter; do
		case $filter in
		"$model" | "$model:$name") return 0 ;;
		esac
	done
	return 1
}

# report STATES FOUND VERDICT [REMARK]: the one line of a run
report() {
	printf '%-8s %-22s %10s  %-5s %-9s %s%s\n' "$model" "$name" "$1" \
		"$expect" "$2" "$3" "${4:+  $4}"
	[ "$3" = ok ]
}

# run_one DIR model mode expect name defines...
run_one() {
	local dir=$1 model=$2 expect=$4 name=$5
	local file=$here/$2.pml pan_opts states errors broken cut
	shift 5

	dir=$dir/$model.$name
	mkdir "$dir" && cd "$dir" || return 1
	pan_opts=$(sed -n 's/^ \*[ \t]*pan[ \t]\+\(-.*\)/\1/p' "$file")
	# -O1: the search is as fast as with -O2, and most runs are shorter
	# than their compilation.
	if ! spin -a "$@" "$file" >spin.log 2>&1 ||
		! gcc -O1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=$MEMORY_MIB \
			-o pan pan.c >gcc.log 2>&1; then
		cat spin.log gcc.log >&2 2>/dev/null
		report - - FAILED "does not build"
		return
	fi
	# shellcheck disable=SC2086 # options are words
	./pan -m$DEPTH $pan_opts >pan.log 2>&1

	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
	errors=$(sed -n 's/.*errors: \([0-9]*\)$/\1/p' pan.log)
	broken=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' pan.log)
	cut=
	if [ -z "$errors" ] || grep -q -e 'depth too small' -e 'MEMLIM' \
		-e 'out of memory' -e 'hash table full' pan.log; then
		cut=1
	elif [ "$errors" -eq 0 ] &&
		grep -q 'Search not completed' pan.log; then
		cut=1
	fi
	cd / && rm -r "$dir"

	case $expect in
	pass)
		if [ "${errors:-0}" -gt 0 ]; then
			report "$states" error FAILED "$broken"
		elif [ -n "$cut" ]; then
			report "${states:--}" cut FAILED "search cut short"
		else
			report "$states" no-error ok
		fi
		;;
	fail | reach)
		case $broken in
		*assertion*) report "$states" error ok "${broken#*violated }" ;;
		?*) report "$states" other FAILED "$broken" ;;
		*) report "${states:--}" no-error FAILED "not found" ;;
		esac
		;;
	*)
		report - - FAILED "unknown expectation"
		;;
	esac
}

main() {
	local mode=quick jobs=2 list='' filters=() run runs=() dir left failed=0

	while [ $# -gt 0 ]; do
		case $1 in
		--quick) mode=quick ;;
		--full) mode=full ;;
		--jobs) shift; jobs=${1:-} ;;
		--list) list=1 ;;
		--help) usage; exit 0 ;;
		-*) usage >&2; exit 64 ;;
		*) filters+=("$1") ;;
		esac
		shift
	done
	[[ $jobs =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 64; }
	while read -r run; do
		wanted "$run" ${filters[@]+"${filters[@]}"} && runs+=("$run")
	done < <(list_runs "$mode")
	[ ${#runs[@]} -gt 0 ] || { echo "run.sh: no such run" >&2; exit 64; }
	if [ -n "$list" ]; then
		printf '%s\n' "${runs[@]}"
		exit 0
	fi
	for run in spin gcc; do
		command -v $run >/dev/null ||
			{ echo "run.sh: $run is not installed" >&2; exit 77; }
	done

	dir=$(mktemp -d) || exit 1
	# shellcheck disable=SC2064 # the directory of now
	trap "rm -rf '$dir'" EXIT
	trap 'exit 130' INT TERM
	left=0
	for run in "${runs[@]}"; do
		if [ "$left" -ge "$jobs" ]; then
			wait -n || failed=$((failed + 1))
			left=$((left - 1))
		fi
		# shellcheck disable=SC2086 # a run is words
		run_one "$dir" $run &
		left=$((left + 1))
	done
	while [ "$left" -gt 0 ]; do
		wait -n || failed=$((failed + 1))
		left=$((left - 1))
	done
	echo "${#runs[@]} runs, $failed not as expected"
	echo "result model_runs=${#runs[@]} violations=$failed"
	[ "$failed" -eq 0 ]
}

main "$@"
