#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The library and the executables of a hardened build are what the flags ask
# for: relocations read-only from the start, no executable stack, position
# independent, stack protector, fortified calls.
#
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

build=${SOJOURN_BUILD:?names the build tree}
need readelf

if ! grep -qx 'SOJ_HARDEN:BOOL=ON' "$build/CMakeCache.txt" ||
	grep -qx 'SOJ_SANITIZE:STRING=..*' "$build/CMakeCache.txt" ||
	! grep -qx 'CMAKE_BUILD_TYPE:STRING=Release' "$build/CMakeCache.txt"; then
	echo "skipped, $build is not a hardened build"
	exit 77
fi

bad=0

# has FILE WHY PATTERN TEXT
has() {
	grep -qE -e "$3" <<<"$4" && return
	echo "$1: $2"
	bad=1
}

list=("$build/lib/libsojourn.so")
for name in sojourn sojournd; do
	[ ! -x "$build/bin/$name" ] || list+=("$build/bin/$name")
done
for file in "${list[@]}"; do
	segments=$(readelf -lW "$file")
	dynamic=$(readelf -dW "$file")
	has "$file" "no read-only relocations" 'GNU_RELRO' "$segments"
	has "$file" "relocations are bound late" 'BIND_NOW|\bNOW\b' "$dynamic"
	has "$file" "its stack is executable" 'GNU_STACK.* RW ' "$segments"
	has "$file" "not position independent" 'type is DYN' "$segments"
done
symbols=$(nm "$build/lib/libsojourn.a" 2>/dev/null)
has libsojourn.a "no stack protector" '__stack_chk_fail' "$symbols"
has libsojourn.a "no fortified calls" '_chk$' \
	"$(grep -v __stack_chk_fail <<<"$symbols")"
exit $bad
