/* SPDX-License-Identifier: MIT */

/*
 * What happens inside of an operation to the one who runs it, and leaves it
 * alive.  For each operation (lib_ops.c)
 *   - and each label on its way: a handler of a signal forks there, and the
 *     child goes on with what its parent is at.  It must come to an end, and do
 *     nothing of it; the parent's happens as if there had been no child;
 *   - and each of its allocations: that fails.  The operation says so or does
 *     without, and nothing is left half done.
 * Afterwards the survivor goes on, and all memory can be freed.
 *
 *   crash_inside [--op N]
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "crash/lib_ops.h"
#include "lib/scarce.h"

#define ALLOCATIONS_MAX 64u

static int only = -1;

/* ---- one operation ---- */

static struct world w;
static const struct op *op;
static unsigned fail_nth;

static void run_failing(void *arg, struct report *r)
{
	memory.seen = 0;
	memory.nth = fail_nth;
	op->run(arg, r);
	memory.nth = 0;
	/* Of those that do not answer with an id, where the number is free. */
	r->paused = memory.seen;
}

/* False: no world.  The report is the victim's. */
static bool inside(const struct plan *plan, victim_fn fn, struct report *r)
{
	struct victim v;

	if (!world_make(&w, &op->world))
		return false;
	op->prepare(&w);
	world_let_go(&w);
	victim_run(&v, r, plan, fn, &w);
	if (v.state == VICTIM_STOPPED && v.paused) {
		op->meddle(&w);
		victim_continue(&v);
	}
	if (v.state != VICTIM_FINISHED)
		failed("the victim, or its child, is in state %d", v.state);
	/* The model does not know which parts of it have happened then. */
	if (fail_nth > 0 && r->rc < 0) {
		world_fsck(&w, false);
		world_upkeep(&w);
		world_fsck(&w, true);
		world_free(&w);
		return true;
	}
	op->judge(&w, r);
	world_end(&w);
	return true;
}

/*
 * Between a look at `alive` and a store: a handler that forks there must not
 * return (sojourn.h).  And where a login or a logout is decided, but not done,
 * a child would complete its parent's, whose labels then do not tell of it.
 */
static bool is_left_out(const char *label)
{
	static const char *const labels[] = {
		"slab.own.seen", "slab.owned",        "chain.linked",
		"cap.intent",    "create.chunk.live", "token.subject.marked"};

	for (unsigned i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (strcmp(label, labels[i]) == 0)
			return true;
	return false;
}

/* Of several calls a child does the later ones for itself; upkeep goes on until
 * there is nothing to do; a refresh answers in memory that a child shares. */
static bool is_one_call(const struct op *o)
{
	return strcmp(o->name, "get or create, and by the next one") != 0 &&
	       o->run != run_refresh && o->run != run_pass &&
	       o->run != run_update_again && o->run != run_full &&
	       o->run != run_expel && o->run != run_expiry &&
	       o->run != run_drain_page && o->run != run_helper;
}

static unsigned split_everywhere(const struct report *dry, struct report *r)
{
	unsigned splits = 0;

	for (uint32_t nth = 1; nth <= dry->steps; nth++) {
		/* By its name: which step of how many it is depends on ids. */
		const struct plan plan = {.fault = FAULT_SPLIT,
					  .at = step_name(dry, nth),
					  .nth = step_turn(dry, nth),
					  .pause = op->pause};

		if (is_left_out(step_name(dry, nth)) || step_turn(dry, nth) > 2)
			continue;
		trying("%s, forked at step %u (%s)", op->name, nth,
		       step_name(dry, nth));
		splits += inside(&plan, op->run, r);
	}
	return splits;
}

static unsigned fail_everywhere(unsigned allocations, struct report *r)
{
	const struct plan plan = {.pause = op->pause};

	for (fail_nth = 1; fail_nth <= allocations; fail_nth++) {
		trying("%s, allocation %u fails", op->name, fail_nth);
		inside(&plan, run_failing, r);
	}
	return allocations;
}

int main(int argc, char **argv)
{
	unsigned splits = 0, failing = 0;
	struct report *dry, *r;

	if (argc == 3 && strcmp(argv[1], "--op") == 0)
		only = atoi(argv[2]);
	else if (argc != 1)
		return 64;
	failures_init();
	coverage_init();
	dry = report_new();
	r = report_new();
	for (unsigned i = 0; i < ops_count; i++) {
		const struct plan plan = {.pause = ops[i].pause};

		if ((only >= 0 && only != (int)i) || ops[i].threads ||
		    !is_one_call(&ops[i]))
			continue;
		op = &ops[i];
		fail_nth = 0;
		trying("%s", op->name);
		if (!inside(&plan, run_failing, dry))
			break;
		failing += fail_everywhere(dry->paused < ALLOCATIONS_MAX
						   ? dry->paused
						   : ALLOCATIONS_MAX,
					   r);
		splits += split_everywhere(dry, r);
	}
	printf("result splits=%u failed_allocations=%u violations=%u\n", splits,
	       failing, failures());
	return failures() > 0 || (only < 0 && splits < 400);
}
