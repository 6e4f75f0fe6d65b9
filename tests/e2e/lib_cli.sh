# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the scenarios of the command `sojourn` share: running it, and asserting
# exit codes, outputs and texts. Segments and files are removed at the end.

# shellcheck source=tests/e2e/lib_begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib_begin.sh"
needs jq cmp pgrep

prefix=sojtest-$$
checks=0
out=$work/out
err=$work/err

sojourn() {
	"$bin/sojourn" "$@"
}

clean_up() {
	local segment

	for segment in /dev/shm/sojourn."$prefix"*; do
		[ -e "$segment" ] || continue
		sojourn destroy "${segment#/dev/shm/sojourn.}" 2>/dev/null ||
			rm -f "$segment"
	done
}

fail() {
	failures=$((failures + 1))
	echo "FAILED at line ${BASH_LINENO[1]}: $*"
}

# run CODE WORD...: the command ends with that code. Its output is in $out,
# what it says on stderr in $err; exit code 0 says nothing there.
run() {
	local wanted=$1 code

	shift
	checks=$((checks + 1))
	"$bin/sojourn" "$@" >"$out" 2>"$err"
	code=$?
	if [ $code -ne "$wanted" ]; then
		fail "exit code $code, not $wanted: sojourn $*"
		cat "$err"
	elif [ $code -eq 0 ] && [ -s "$err" ]; then
		fail "stderr is not empty: sojourn $*"
		cat "$err"
	elif [ $code -ne 0 ] && ! [ -s "$err" ]; then
		fail "no word on stderr: sojourn $*"
	fi
}

# says TEXT...: the last command's stderr has each of them.
says() {
	local text

	for text; do
		checks=$((checks + 1))
		grep -qF -e "$text" "$err" && continue
		fail "stderr does not have \"$text\":"
		cat "$err"
	done
}

# says_not TEXT: none of the last command's output and stderr has it.
says_not() {
	checks=$((checks + 1))
	if grep -qF -e "$1" "$out" "$err"; then fail "it tells $1"; fi
}

# prints TEXT: the last command's output is that line.
prints() {
	checks=$((checks + 1))
	[ "$(cat "$out")" = "$1" ] || fail "printed $(cat "$out"), not $1"
}

# equal WANTED FOUND
equal() {
	checks=$((checks + 1))
	[ "$1" = "$2" ] || fail "\"$2\", not \"$1\""
}

# json FILTER WANTED: of the object that was printed last.
json() {
	local found

	checks=$((checks + 1))
	found=$(jq -c "$1" <"$out")
	[ "$found" = "$2" ] || fail "$1 is $found, not $2"
}

# same FILE FILE
same() {
	checks=$((checks + 1))
	cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

# until_true COMMAND...: for at most half a minute.
until_true() {
	local i

	checks=$((checks + 1))
	for ((i = 0; i < 600; i++)); do
		"$@" && return
		sleep 0.05
	done
	fail "never: $*"
}

# updated NAME: somebody changes its sessions.
updated() {
	[ "$(sojourn stat "$1" --json 2>/dev/null | jq .counters.updates)" -gt 0 ]
} 2>/dev/null

# create NAME WORD...: a small segment without helper.
create() {
	run 0 create "$1" --entries 200 --bytes 16MiB --helper none "${@:2}"
}

# new NAME WORD...: sets id.
new() {
	run 0 new "$@"
	# shellcheck disable=SC2034 # the scenarios use it
	id=$(cat "$out")
}

# The script's last word, and its exit code.
finish() {
	echo "$checks checks, $failures failed"
	[ $failures -eq 0 ]
}
