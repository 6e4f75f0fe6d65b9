#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds and installs as a packager would, without presets and tests, into a
# prefix of its own, and builds a consumer against what is there: by the CMake
# package and by pkg-config, shared and static, as C and as C++.

set -euo pipefail

src=${SOJOURN_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
tmp=$(mktemp -d)
name=install-test-$$
trap 'rm -rf "$tmp" "/dev/shm/sojourn.$name"' EXIT
prefix=$tmp/prefix
spawn=()

fail() {
	echo "install: $*" >&2
	exit 1
}

quietly() {
	"$@" >"$tmp/log" 2>&1 || {
		cat "$tmp/log" >&2
		fail "$*"
	}
}

# runs LABEL PROGRAM: it makes a segment, starts the helper that is installed
# if there is one, and prints the version that all the others print.
runs() {
	local label=$1 out

	out=$("$2" "$name" "$tmp/key" "${spawn[@]}") || fail "$label fails"
	[ "$out" = "$version" ] || fail "$label prints '$out', not '$version'"
	[ ! -e "/dev/shm/sojourn.$name" ] || fail "$label left its segment"
	echo "$label: $out"
}

# needs FILE: does it load the shared library?
needs() {
	readelf -d "$1" | grep -q 'NEEDED.*\[libsojourn\.so\.0\]'
}

quietly cmake -S "$src" -B "$tmp/build" -G Ninja -DSOJ_TESTS=OFF \
	-DSOJ_FAULTS=OFF -DCMAKE_INSTALL_PREFIX="$prefix" \
	-DCMAKE_INSTALL_LIBDIR=lib
quietly cmake --build "$tmp/build" -j "$(nproc)"
quietly cmake --install "$tmp/build"

version=$(sed -n 's/^#define SOJOURN_VERSION *"\(.*\)"/\1/p' \
	"$prefix/include/sojourn/version.h")
[ -n "$version" ] || fail "version.h names no version"

# Nothing is missing, and nothing else got in: no internal header, no test.
(cd "$src/include/sojourn" && ls ./*.h) | sed 's|^\./|include/sojourn/|' \
	>"$tmp/want"
cat >>"$tmp/want" <<-TEXT
	include/sojourn/version.h
	lib/cmake/sojourn/sojourn-config-version.cmake
	lib/cmake/sojourn/sojourn-config.cmake
	lib/cmake/sojourn/sojourn-shared-targets-release.cmake
	lib/cmake/sojourn/sojourn-shared-targets.cmake
	lib/cmake/sojourn/sojourn-static-targets-release.cmake
	lib/cmake/sojourn/sojourn-static-targets.cmake
	lib/libsojourn.a
	lib/libsojourn.so
	lib/libsojourn.so.0
	lib/libsojourn.so.$version
	lib/pkgconfig/sojourn.pc
	lib/systemd/system/sojournd@.service
TEXT
for tool in sojourn sojournd; do
	[ ! -f "$src/tools/$tool.c" ] || echo "bin/$tool" >>"$tmp/want"
done
(cd "$prefix" && find . ! -type d ! -path './share/*') | sed 's|^\./||' |
	sort >"$tmp/got"
sort -u "$tmp/want" | diff -u - "$tmp/got" ||
	fail "installed files differ from what is expected"

# The tools run from where they are installed.
for tool in "$prefix"/bin/*; do
	[ -x "$tool" ] || continue
	"$tool" --version | grep -qF "$version" ||
		fail "$tool --version does not print $version"
done

# The consumers find the helper where the library was told it would be.
unset SOJOURN_HELPER_PATH
[ ! -x "$prefix/bin/sojournd" ] || spawn=(spawn)

# CMake package.
quietly cmake -S "$src/tests/install" -B "$tmp/consumer" -G Ninja \
	-DCMAKE_PREFIX_PATH="$prefix"
quietly cmake --build "$tmp/consumer"
runs "cmake shared" "$tmp/consumer/consumer_shared"
runs "cmake static" "$tmp/consumer/consumer_static"
needs "$tmp/consumer/consumer_shared" || fail "the shared consumer is not"
! needs "$tmp/consumer/consumer_static" || fail "the static consumer is not"

# pkg-config.
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
pc=$(pkg-config --modversion sojourn)
[ "$pc" = "$version" ] || fail "sojourn.pc is of version '$pc'"
read -ra flags < <(pkg-config --cflags --libs sojourn)
read -ra static_flags < <(pkg-config --static --cflags --libs sojourn)
helper=$(pkg-config --variable=helper sojourn)
[ "$helper" = "$prefix/bin/sojournd" ] || fail "sojourn.pc: helper $helper"

consumer=$src/tests/install/consumer.c
quietly gcc -std=c11 -Wall -Werror "$consumer" -o "$tmp/c" "${flags[@]}"
quietly g++ -std=c++17 -Wall -Werror -x c++ "$consumer" -x none -o "$tmp/cxx" \
	"${flags[@]}"
quietly gcc -std=c11 -Wall "$consumer" -o "$tmp/static" -static \
	"${static_flags[@]}"
needs "$tmp/c" || fail "the pkg-config consumer does not load the library"
export LD_LIBRARY_PATH=$prefix/lib
runs "pkg-config C" "$tmp/c"
runs "pkg-config C++" "$tmp/cxx"
runs "pkg-config static" "$tmp/static"

# The helpers end by themselves when their segment is destroyed; or have.
code=0
timeout 60 pidwait -f "^$prefix/bin/sojournd" >/dev/null || code=$?
[ $code -ne 124 ] || fail "a helper outlives its segment"
