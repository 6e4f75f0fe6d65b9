#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What the README shows: its C example compiles without warnings and does what
# it says, its commands by hand work one after the other, and each script that it
# names says which of its options is none.

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

# Its commands, but for the build, with a segment's name of this test's own.
name=sojtest-readme-$$
trap 'rm -rf "$dir"; rm -f "/dev/shm/sojourn.$name"' EXIT
awk '/^## By hand$/ { here = 1 } here && on && /^```$/ { exit }
	on; here && /^```sh$/ { on = 1 }' "$src/README.md" |
	sed -e '/^cmake/d' -e '/^export PATH/d' -e "s/ shop / $name /" \
		-e "s/ shop$/ $name/" \
		-e "s,^sojourn create.*,export XDG_STATE_HOME=$dir\n&," >"$dir/hand.sh"
PATH=$SOJOURN_BIN:$PATH bash -eu -o pipefail "$dir/hand.sh" >"$dir/out" || {
	echo "the commands by hand fail: $(cat "$dir/out")"
	exit 1
}
commands=$(grep -c sojourn "$dir/hand.sh")
[ "$commands" -ge 8 ] || {
	echo "only $commands commands by hand"
	exit 1
}
[ "$(tail -n 1 "$dir/out")" = 1 ] || {
	echo "rm did not end one session: $(tail -n 1 "$dir/out")"
	exit 1
}
rm -f "/var/lib/sojourn/$name.key"
echo "commands by hand: ok ($commands)"

for script in tools/quickstart tests/run tests/proof tests/soak tests/coverage \
	tests/static tests/sanitize bench/compare; do
	rc=0
	"$src/$script" --no-such-option >"$dir/out" 2>&1 || rc=$?
	if [ $rc -ne 64 ] || ! grep -q -e "$script: --no-such-option is no" "$dir/out"; then
		echo "$script --no-such-option: $rc, $(tail -n 1 "$dir/out")"
		exit 1
	fi
done
echo "scripts: ok"
