#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Each public header compiles alone, as strict C11 and as C++17; each internal
# header compiles alone as this tree is compiled.
#
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

cc=${CC:-gcc}
cxx=${CXX:-g++}
need "$cc"
need "$cxx"

include=(-Iinclude "-I${SOJOURN_BUILD:?names the build tree}/include")
warn=(-Wall -Wextra -Wundef -Werror -fsyntax-only)
bad=0

# Twice, because a guard that fails shows only then; and a declaration, because
# strict C wants one.
alone() {
	local header=$1

	shift
	printf '%s\n' "#include <$header>" "#include <$header>" "int soj_alone;" |
		"$@" "${include[@]}" "${warn[@]}" - || {
		echo "$header does not compile alone: $*"
		bad=1
	}
}

mapfile -t public < <(files include "$SOJOURN_BUILD/include" -- '*.h' |
	sed 's|.*/include/||; s|^include/||' | sort -u)
[ ${#public[@]} -gt 0 ] || fail "no public header in $src_root"
for header in "${public[@]}"; do
	alone "$header" "$cc" -std=c11 -pedantic -x c
	alone "$header" "$cxx" -std=c++17 -pedantic -x c++
done

# The segment's format and the accessors are C; a binding in C++ does not see
# them.
include+=(-Isrc)
mapfile -t internal < <(files src -- '*.h' | sed 's|^src/||')
for header in "${internal[@]}"; do
	case $header in bindings/*) continue ;; esac
	alone "$header" "$cc" -std=gnu11 -D_GNU_SOURCE -x c
done
exit $bad
