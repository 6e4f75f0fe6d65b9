#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# look WHY PATTERN FILE...: complain about each line that matches.
look() {
	local why=$1 pattern=$2 hits

	shift 2
	hits=$(grep -nHIiE -e "$pattern" -- "$@") || return 0
	echo "$why:"
	echo "$hits"
	bad=1
}

bad=0
mapfile -t shipped < <(files src tools include -- '*')
[ ${#shipped[@]} -gt 0 ] || fail "no file to look at in $src_root"
look "unfinished" \
	'(^|[^a-z0-9_])(todo|fixme|xxx|not (yet )?implemented|unimplemented)($|[^a-z0-9_])' \
	"${shipped[@]}"

# What is true on one machine only has no place in the tree.
mapfile -t all < <(files src tools include bench tests .ci -- '*'
	find . -maxdepth 1 -type f ! -name .git | sort)
look "a path or host of one machine" \
	'(^|[^a-z0-9_.$}])/([h]ome|[r]oot|[w]ork|[f]arm)/[a-z.]|deb[.]debian[.]org' \
	"${all[@]}"
exit $bad
