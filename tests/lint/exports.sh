#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The shared library exports exactly what exports.txt lists, every name begins
# with sojourn_, and every function that a public header declares is there.
#
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

library=${SOJOURN_BUILD:?names the build tree}/lib/libsojourn.so
want=tests/lint/exports.txt
need nm

# The version's own name is an absolute symbol.
exported=$(nm -D --defined-only "$library" |
	awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
[ -n "$exported" ] || fail "$library exports nothing"

bad=0
if stray=$(grep -v '^sojourn_' <<<"$exported"); then
	echo "exported without the prefix sojourn_:"
	echo "$stray"
	bad=1
fi
if ! diff -u --label "$want" --label libsojourn.so "$want" - <<<"$exported"; then
	echo "The export list changed. If that is meant, change $want too;"
	echo "a name that goes away or changes its meaning needs a new SOVERSION."
	bad=1
fi

mapfile -t headers < <(files include "$SOJOURN_BUILD/include" -- '*.h')
declared=$(awk -f "$lint_dir/code.awk" -f "$lint_dir/declared.awk" \
	"${headers[@]}" | sort -u)
if missing=$(comm -23 - <(echo "$exported") <<<"$declared" | grep .); then
	echo "declared in a public header but not exported:"
	echo "$missing"
	bad=1
fi
exit $bad
