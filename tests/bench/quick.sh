#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016 # what is in single quotes is awk's
#
# bench/compare with a handful of sessions: every system that is installed loads,
# does each mix that it can, and gives back no wrong value and no error; after all
# of it each session is there.  Counts only: how fast it was says nothing here.

set -euo pipefail
src=${SOJOURN_SRC:?names the source tree}
build=${SOJOURN_BUILD:?names the build tree}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
bad=0

wrong() {
	echo "$*"
	bad=1
}

# sum FILE CONDITION EXPRESSION: over the lines that meet the condition
sum() {
	awk -F '\t' "$2 { n += $3 } END { print n + 0 }" "$out/$1"
}

# What cannot be meant is refused before anything is loaded.
while read -r option value; do
	rc=0
	"$src/bench/compare" --tiny --build "$build" --out "$out/refused" "$option" \
		${value:+"$value"} 2>"$out/log" || rc=$?
	[ $rc = 64 ] || wrong "$option $value: exit code $rc, not 64"
	grep -qF -e "$option" "$out/log" || wrong "$option is not named"
	[ -z "$value" ] || grep -qF -e "$value" "$out/log" || wrong "$value is not named"
	[ ! -e "$out/refused/results.tsv" ] || wrong "$option $value: something was run"
done <<-'WORDS'
	--frob
	--systems
	--systems nosuch
	--mixes get:zip:2
	--mixes got:zipf:2
	--parts sums
	--repeat 0
	--repeat some
	--workers 257
WORDS

"$src/bench/compare" --tiny --repeat 1 --workers 3 --build "$build" --out "$out" \
	>/dev/null 2>"$out/log" || wrong "bench/compare failed"
[ ! -s "$out/failed.tsv" ] || wrong "failed: $(cat "$out/failed.tsv")"

mapfile -t systems < <("$build/bin/bench_peers" --list | cut -f 1)
[ ${#systems[@]} -ge 8 ] || wrong "only ${#systems[@]} systems"
if php -r 'exit(extension_loaded("apcu") ? 0 : 1);' 2>/dev/null; then
	systems+=(apcu)
fi
for system in "${systems[@]}"; do
	it="\$2 == \"$system\""
	gets=$(sum results.tsv "$it && \$5 == \"get\"" '$12 > 0 && $14 > 0')
	[ "$gets" = 7 ] || wrong "$system: $gets good runs of get, not 7"
	all=$(sum results.tsv "$it && \$5 == \"all\"" '$14')
	[ "$all" = 2100 ] || wrong "$system: $all sessions at the end, not 2100"
	case $system in limit-* | loop) continue ;; esac
	mixes=$(awk -F '\t' "$it { print \$5 }" "$out/results.tsv" | sort -u | wc -l)
	[ "$mixes" -ge 6 ] || wrong "$system: $mixes mixes"
	case $system in
	sojourn*) [ "$mixes" = 9 ] || wrong "$system: $mixes mixes, not 9" ;;
	esac
done
faults=$(sum results.tsv 1 '$15 + $16 + $17')
[ "$faults" = 0 ] || wrong "$faults wrong or missing values or errors"
grep -q '^| sojourn |' "$out/RESULTS.md" || wrong "no table"
three=$(sum results.tsv '$7 == 3 && $2 == "sojourn"' 1)
[ "$three" = 3 ] || wrong "$three runs of three processes, not 3"
[ $bad = 0 ] || cat "$out/log"
echo "result key=bench systems=${#systems[@]} values=$(sum results.tsv 1 '$14') violations=$bad"
exit $bad
