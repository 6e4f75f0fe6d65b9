#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The README's table of features, made from tests/semantics/rows.txt and the
# names of the tests: --write puts it into README.md, and without an option it
# is checked that it is there and that each row has a test.

set -euo pipefail
cd "${SOJOURN_SRC:-$(dirname "$0")/../..}"

# Every test function that is named after a row.
names() {
	grep -rhoE "^static void (s|c|j)[0-9]+_[a-z0-9_]+" tests/semantics \
		--include='*.c' | sed 's/^static void //' | sort -u
}

table() {
	local row text lower tests traps list

	list=$(names)
	echo '| row | feature | tests | traps of others shown not to be here |'
	echo '|---|---|---|---|'
	while IFS=$'\t' read -r row text; do
		lower=${row,,}
		tests=$(grep -cE "^${lower}_" <<<"$list" || true)
		traps=$(grep -E "^${lower}_trap_" <<<"$list" |
			sed "s/^${lower}_trap_//; s/_/ /g" |
			awk '{ printf "%s%s", (NR > 1) ? "; " : "", $0 }' || true)
		if [ "$tests" -eq 0 ]; then
			echo "row $row has no test named ${lower}_..." >&2
			exit 1
		fi
		echo "| $row | $text | $tests | $traps |"
	done < <(grep -v '^#' tests/semantics/rows.txt)
}

made=$(table)
begin='<!-- features: tests/semantics/table.sh --write -->'
end='<!-- end of features -->'

if [ "${1:-}" = --write ]; then
	awk -v begin="$begin" -v end="$end" -v made="$made" '
		$0 == begin { print; print made; skip = 1 }
		$0 == end { skip = 0 }
		!skip { if ($0 != begin) print }' README.md >README.md.new
	mv README.md.new README.md
	exit
fi
if ! diff <(awk -v begin="$begin" -v end="$end" '
	$0 == end { on = 0 } on { print } $0 == begin { on = 1 }' README.md) \
	<(echo "$made"); then
	echo "README.md: run tests/semantics/table.sh --write" >&2
	exit 1
fi
