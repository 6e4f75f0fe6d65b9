#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# No two archives that a command links define one name. The linker takes the
# first it meets and is silent: the library's own call then lands in a tool's
# function.
#
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

build=${SOJOURN_BUILD:?names the build tree}
need nm

archives=()
for name in sojourn sojourn_helper soj_tool_lib; do
	[ ! -f "$build/lib/lib$name.a" ] || archives+=("$build/lib/lib$name.a")
done
if [ ${#archives[@]} -lt 2 ]; then
	echo "skipped, $build has no two archives"
	exit 77
fi
twice=$(nm --defined-only -g "${archives[@]}" 2>/dev/null |
	awk '$2 ~ /^[TDBRC]$/ { print $3 }' | sort | uniq -d)
[ -z "$twice" ] || fail "defined in more than one archive:" "$twice"
