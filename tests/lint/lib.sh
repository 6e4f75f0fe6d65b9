# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the lints share. SOJOURN_SRC is the tree to look at; the self-test points
# it at a small tree with a planted violation.

set -euo pipefail
export LC_ALL=C

lint_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
src_root=${SOJOURN_SRC:-$(cd "$lint_dir/../.." && pwd)}
cd "$src_root"

# files DIR... -- NAME...: the files below the directories that are there,
# sorted, one a line. No file of this tree has white space in its name.
files() {
	local dirs=() names=()

	while [ "$1" != -- ]; do
		[ ! -d "$1" ] || dirs+=("$1")
		shift
	done
	shift
	[ ${#dirs[@]} -gt 0 ] || return 0
	names=(-name "$1")
	shift
	while [ $# -gt 0 ]; do
		names+=(-o -name "$1")
		shift
	done
	find "${dirs[@]}" -type f \( "${names[@]}" \) | sort
}

# scan PROGRAM FILE...: run an awk lint, which gets code.awk's functions. A
# lint that finds no file to look at would pass whatever the tree holds.
scan() {
	local program=$1

	shift
	[ $# -gt 0 ] || fail "no file to look at in $src_root"
	awk -f "$lint_dir/code.awk" -f "$lint_dir/$program" "$@"
}

fail() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# The tool a lint cannot do without; 77 tells ctest that it was skipped.
need() {
	command -v "$1" >/dev/null && return
	echo "$(basename "$0"): skipped, $1 is not installed" >&2
	exit 77
}
