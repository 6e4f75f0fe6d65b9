/* SPDX-License-Identifier: MIT */

/*
 * Interleavings that once went wrong: what a deletion says of a login that had
 * several ids.  See crash_found.c.
 *
 *   crash_found_line [--list] [CASE...]
 */

#include <errno.h>

#include "crash/lib_found.h"
#include "crash/lib_ops.h"

static void run_read_oldest(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_read(w->s, w->known[w->target].old_id[0], NULL,
				     NULL, NULL, NULL);
}

static void delete_newest(struct world *w)
{
	MUST(sojourn_session_delete(w->s, w->known[w->target].id) == 1);
	w->known[w->target].fate = GONE;
}

/*
 * A login that was renewed twice is deleted by its newest id, and its oldest is
 * asked for.  A deletion by that one, which others had left behind, ended the
 * id in between, and said that it had ended a login.
 */
static void deleted_again_by_an_old_id(void)
{
	const struct world_options o = {0};
	struct victim reader;
	struct world w;

	if (!world_make(&w, &o))
		return;
	prepare_renewed_twice(&w);
	delete_newest(&w);
	run_alone(&reader, run_read_oldest, &w);
	MUST(reader.report->rc == -ENOENT);
	MUST(sojourn_session_delete(w.s, w.known[w.target].old_id[0]) == 0);
	world_upkeep(&w);
	world_verify(&w);
	world_drain(&w, 0);
	world_free(&w);
}

static void run_delete_middle(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_delete(w->s, w->known[w->target].old_id[1]);
}

/*
 * Somebody deletes a login by an id that was renewed, and is killed when he has
 * ended that one.  Who then read by an older id took it out of the index, so a
 * deletion by the older one found nothing, and the newest id went on answering
 * after it had returned.
 */
static void half_deleted(void)
{
	const struct world_options o = {0};
	struct victim deleter, reader;
	struct known *k;
	struct world w;

	if (!world_make(&w, &o))
		return;
	prepare_renewed_twice(&w);
	k = &w.known[w.target];
	park(&deleter, "line.ended", run_delete_middle, &w);
	kill_parked(&deleter);
	MUST(sojourn_session_read(w.s, k->id, NULL, NULL, NULL, NULL) == 0);
	run_alone(&reader, run_read_oldest, &w);
	MUST(reader.report->rc == -ENOENT);
	MUST(sojourn_session_delete(w.s, k->old_id[0]) == 1);
	MUST(sojourn_session_read(w.s, k->id, NULL, NULL, NULL, NULL) ==
	     -ENOENT);
	k->fate = GONE;
	world_upkeep(&w);
	world_verify(&w);
	world_drain(&w, 0);
	world_free(&w);
}

/* A login that has ended, by the handle of an old id, which nobody needed to stop for. */
static void deleted_again_by_a_handle(void)
{
	const struct world_options o = {0};
	struct sojourn_info info;
	struct world w;

	if (!world_make(&w, &o))
		return;
	prepare_renewed_twice(&w);
	MUST(sojourn_session_read(w.s, w.known[w.target].old_id[0], NULL, NULL,
				  NULL, &info) == 0);
	delete_newest(&w);
	MUST(sojourn_session_delete_handle(w.s, info.handle) == 0);
	world_upkeep(&w);
	world_verify(&w);
	world_drain(&w, 0);
	world_free(&w);
}

static const struct found_case cases[] = {
	{"deleted again by an old id", deleted_again_by_an_old_id},
	{"half deleted", half_deleted},
	{"deleted again by a handle", deleted_again_by_a_handle},
};

int main(int argc, char **argv)
{
	return found_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
