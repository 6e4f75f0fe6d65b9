/* SPDX-License-Identifier: MIT */

/*
 * Killed before every single write to the segment.
 *
 * crash_points kills at labels; this does so before each store, exchange and
 * compare-and-swap of each operation of crash/lib_ops.c, so every image that a
 * death can leave is seen, but for the middle of long copies into chunks.  The
 * labels that the victim passed still say what it has decided: each stands
 * right after its CAS.  Then everything that was acknowledged must be there at
 * once, repair must come to rest, and all memory must come back.
 *
 *   explore_kills [--list] [OPERATION...]
 */

#include <stdio.h>
#include <string.h>

#include "crash/lib_ops.h"
#include "explore/lib_access.h"

/* Of the words of chunks the first ones, and then one in so many. */
#define CHUNK_FIRST  24u
#define CHUNK_STRIDE 509u

static uint32_t images;

/* False: it makes fewer writes. */
static bool killed_at(const struct op *op, bool in_chunks, uint32_t nth)
{
	struct access_range range = {.kinds = ACCESS_WRITE};
	const struct soj_seg *seg;
	static struct world w;
	struct victim v;
	bool killed;

	if (!world_make(&w, &op->world))
		return false;
	trying("%s, killed before write %u of %s", op->name, nth,
	       in_chunks ? "chunks" : "state");
	op->prepare(&w);
	world_let_go(&w);
	seg = &w.s->st.seg;
	range.words = in_chunks ? seg->chunks : seg->base;
	range.bytes = (size_t)(in_chunks ? seg->base + seg->bytes - seg->chunks
					 : seg->chunks - seg->base);
	killed = kill_at_access(&v, &range, nth, op->run, &w);
	op->judge(&w, v.report);
	world_fsck(&w, false);
	world_verify(&w);
	world_upkeep(&w);
	world_settle(&w);
	world_fsck(&w, true);
	world_verify(&w);
	world_drain(&w, 0);
	report_free(v.report);
	world_free(&w);
	images += killed;
	return killed;
}

static bool is_wanted(const struct op *op, int argc, char **argv)
{
	bool wanted = argc < 2;

	/* Threads write in another order each time; who waits to be disturbed
	 * is crash_points' and crash_stops'. */
	if (op->threads || op->pause)
		return false;
	for (int i = 1; i < argc; i++)
		wanted |= strcmp(argv[i], op->name) == 0;
	return wanted;
}

int main(int argc, char **argv)
{
	coverage_init();
	failures_init();
	for (unsigned i = 0; i < ops_count; i++) {
		if (argc == 2 && strcmp(argv[1], "--list") == 0)
			printf("%s\n", ops[i].name);
		if (!is_wanted(&ops[i], argc, argv))
			continue;
		for (uint32_t nth = 1; killed_at(&ops[i], false, nth); nth++)
			;
		for (uint32_t nth = 1; killed_at(&ops[i], true, nth);)
			nth += nth < CHUNK_FIRST ? 1 : CHUNK_STRIDE;
	}
	printf("%u images, %u failures\n", images, failures());
	printf("result access_images=%u violations=%u\n", images, failures());
	return failures() != 0;
}
