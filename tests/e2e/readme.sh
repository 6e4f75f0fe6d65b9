#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The C example of the README compiles without warnings and does what it says.

set -euo pipefail
src=${SOJOURN_SRC:?names the source tree}
build=$(dirname "${SOJOURN_BIN:?names the folder of the programs}")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$src/README.md" \
	>"$dir/app.c"
lines=$(wc -l <"$dir/app.c")
[ "$lines" -le 48 ] || {
	echo "the example has $lines lines"
	exit 1
}
library=$build/lib/libsojourn.a
cc -std=gnu11 -Wall -Wextra -Werror -I "$src/include" -I "$build/include" \
	"$dir/app.c" "$library" -lsodium -lpthread -o "$dir/app"
"$dir/app" | sort >"$dir/out"
for worker in 0 1 2 3; do
	echo "$worker: alice has cart=3"
done | diff - "$dir/out"
echo "README example: ok ($lines lines)"
