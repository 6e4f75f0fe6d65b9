/* SPDX-License-Identifier: MIT */

/*
 * A full segment that evicts, and a thread that stands in a section, so that
 * nothing that ended can be used again: then more must not be ended in vain.
 * Found by the schedule explorer: three logins used to empty the segment.
 */

#include <sojourn/stat.h>
#include <stdio.h>

#include "crash/lib_found.h"
#include "crash/lib_ops.h"

#define ENTRIES 2000u
#define LOGINS  50u
#define BATCH   32u /* as room.c has it */

static struct world w;

static uint64_t live(void)
{
	static struct sojourn_stat stat;

	if (sojourn_stat(w.s, &stat) < 0)
		failed("stat");
	return stat.entries_live;
}

int main(void)
{
	const struct world_options o = {
		.entries = ENTRIES, .units = 16, .evict = true};
	const struct sojourn_new n = {.subject = "zoe"};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	unsigned made = 0;
	struct victim v;

	coverage_init();
	failures_init();
	trying("logins while a thread stands in a section");
	if (!world_make(&w, &o))
		return 1;
	prepare_people(&w);
	for (unsigned i = 4; i < ENTRIES; i++)
		if (sojourn_session_create(w.s, &n, id, NULL) < 0)
			failed("a login before");
	park(&v, "alone.seen", run_delete, &w);
	for (unsigned i = 0; i < LOGINS; i++)
		made += sojourn_session_create(w.s, &n, id, NULL) == 0;
	if (live() + 2 * BATCH < ENTRIES)
		failed("%u of %u are left after %u logins, %u of them made",
		       (unsigned)live(), ENTRIES, LOGINS, made);
	/* Once it is expelled there is room again. */
	world_advance(&w, w.s->st.seg.policy.expel_after_ms);
	for (made = 0; made < LOGINS; made++) {
		world_advance(&w, w.s->st.seg.policy.expel_after_ms);
		if (sojourn_session_create(w.s, &n, id, NULL) == 0)
			break;
	}
	if (made == LOGINS)
		failed("no login is possible although nobody stands any more");
	unpark(&v);
	world_free(&w);
	printf("%u failures\n", failures());
	return failures() != 0;
}
