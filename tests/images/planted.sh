#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The self-check of crash images: each of these bugs must be found by images_run.
# Some are planted by base/fault.h, in images_planted; the others are changes of
# a copy of the sources, which is built as a release is.

set -uo pipefail
: "${SOJOURN_SRC:?the source tree}" "${SOJOURN_BIN:?where the tests were built}"

seconds_max=300
dir=$(mktemp -d) || exit 73
trap 'rm -rf "$dir"' EXIT
bugs=0
bad=0

# judge NAME COMMAND...: must end with 1, having seen a violation.
judge() {
	local name=$1 status
	shift
	timeout "$seconds_max" "$@" >"$dir/log" 2>&1
	status=$?
	bugs=$((bugs + 1))
	if [ "$status" -eq 1 ] && grep -q VIOLATION "$dir/log"; then
		echo "$name: found"
		grep -m 1 VIOLATION "$dir/log"
		return
	fi
	echo "$name: NOT FOUND (status $status)"
	bad=$((bad + 1))
}

# planted BUG OPERATION/WORLD
planted() {
	judge "$1" env SOJ_PLANT="$1" "$SOJOURN_BIN/images_planted" --only "$2"
}

# patched NAME FILE SED OPERATION/WORLD
patched() {
	local file=$dir/tree/$2

	cp "$SOJOURN_SRC/$2" "$file"
	sed -i "$3" "$file"
	if cmp -s "$SOJOURN_SRC/$2" "$file"; then
		echo "$1: the line to change is not there any more"
		bugs=$((bugs + 1))
		bad=$((bad + 1))
		return
	fi
	if cmake --build "$dir/build" --parallel 2 \
		--target images_run >"$dir/log" 2>&1; then
		judge "$1" "$dir/build/bin/images_run" --only "$4"
	else
		echo "$1: does not build"
		tail -5 "$dir/log"
		bugs=$((bugs + 1))
		bad=$((bad + 1))
	fi
	cp "$SOJOURN_SRC/$2" "$file"
}

[ -x "$SOJOURN_BIN/images_planted" ] || {
	echo "skipped: built without kill points"
	exit 77
}

planted REPAIR_LEAVES_OWNED "create/people"
planted WIPE_SKIPPED "delete/people, warm"
planted LINE_FORGOTTEN "delete by the oldest id/grace window"
planted RETIRE_BEFORE_PUBLISH "update/people"
planted REAP_UNPROVED "update/renewing by another"

mkdir "$dir/tree"
for part in CMakeLists.txt include src tools bench tests; do
	cp -r "$SOJOURN_SRC/$part" "$dir/tree/"
done
cmake -S "$dir/tree" -B "$dir/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
	-DSOJ_FAULTS=OFF >"$dir/log" 2>&1 || {
	cat "$dir/log"
	exit 1
}

patched "a section of the dead stays open" src/rcu/slot.c \
	's/if (section & SOJ_SECTION_ACTIVE)$/if (section == 0)/' \
	"list/people"
patched "slots that the dead were about to take stay" src/rcu/slot.c \
	's/if (!dead && deep)$/if (!dead \&\& deep \&\& idx > 4096)/' \
	"create/people"
patched "a decided renewal is withdrawn" src/upkeep/repair.c \
	's/^	return named;/	return named < 0 ? named : 0;/' \
	"renew/people"
patched "a published value is taken for an unpublished one" \
	src/upkeep/repair.c \
	's/if (soj_chunk_named(up->st, chunk))/if (chunk == 0)/' \
	"update/people"
patched "values that nobody names are not looked for" src/upkeep/upkeep.c \
	's/work->scrubbed += scrub_chunks(up);/(void)scrub_chunks;/' \
	"update/people"
patched "ended entries without a hint are not looked for" \
	src/upkeep/upkeep.c \
	's/^		add_pending(up, e);/		(void)e;/' \
	"delete/people"
patched "units that the dead owned stay" src/store/page.c \
	's/(phase != SOJ_UNIT_OWNED && phase != SOJ_UNIT_DRAINING)/(phase != SOJ_UNIT_DRAINING)/' \
	"page of two units/people"
patched "parts of no page stay" src/store/page.c \
	's/if (soj_unit_phase(word) != SOJ_UNIT_PART)$/if (word != 0)/' \
	"page of two units/people"
patched "digests of freed entries stay" src/store/slab.c \
	's/^	soj_zero_words(e->digest, 2);//' \
	"full upkeep/full of expired ones"

echo "$bugs bugs planted, $bad of them not found"
[ "$bugs" -ge 12 ] && [ "$bad" -eq 0 ]
