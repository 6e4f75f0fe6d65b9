/* SPDX-License-Identifier: MIT */

/* What operations find: the leavings of threads killed or stopped at labels. */

#include "crash/lib_ops.h"

#define PERSON_BYTES 120u

/* Kills one at the first passing of a label, on its way in `op`. */
static void casualty(struct world *w, victim_fn run,
		     void (*judge)(struct world *w, const struct report *r),
		     const char *at)
{
	const struct plan plan = {.fault = FAULT_KILL, .at = at, .nth = 1};
	struct report *r = report_new();
	struct victim v;

	victim_run(&v, r, &plan, run, w);
	if (v.state != VICTIM_KILLED)
		failed("no casualty at %s", at);
	judge(w, r);
	report_free(r);
}

/* All that upkeep has to do, at once. */
void prepare_mess(struct world *w)
{
	unsigned target;

	prepare_renewed(w);
	target = w->target;
	w->ttl_ms = 3000;
	world_create(w, "carl", PERSON_BYTES);
	w->ttl_ms = 0;
	world_advance(w, 4000);
	w->known[w->count - 1].fate = GONE;
	for (unsigned i = 0; i < 2; i++) {
		int gone = world_create(w, i ? "anna" : "bert", PERSON_BYTES);

		world_update(w, (unsigned)gone, false);
		world_delete(w, (unsigned)gone, false);
	}
	/* What these leave lies in the survivor's limbo, which it loses. */
	world_update(w, w->bystander, false);
	world_let_go(w);
	casualty(w, run_create, judge_create, "slab.owned");
	casualty(w, run_create, judge_create, "index.reserved");
	casualty(w, run_create, judge_create, "index.committed");
	casualty(w, run_new_page, judge_nothing, "page.parts");
	w->target = 2;
	casualty(w, run_update, judge_update, "update.published");
	w->target = 3;
	casualty(w, run_renew, judge_renew, "renew.decided");
	casualty(w, run_list, judge_nothing, "section.entered");
	w->target = target;
	casualty(w, run_delete_old, judge_delete_old, "entry.ended");
	w->target = 2;
	casualty(w, run_delete, judge_delete, "index.removed");
	w->target = 3;
}

/* A thread stands still in a section. */
void prepare_sleeper(struct world *w)
{
	const struct plan plan = {
		.fault = FAULT_STOP, .at = "section.entered", .nth = 1};

	prepare_people(w);
	world_let_go(w);
	victim_run(&w->sleeper, report_new(), &plan, run_list, w);
	if (w->sleeper.state != VICTIM_STOPPED)
		failed("the sleeper does not sleep");
	w->has_sleeper = true;
	w->standing = true;
	/* What it keeps from being reclaimed. */
	world_delete(w, 2, false);
}

/* ---- the dead have every slot, and owned something ---- */

/* Of one slot: a renewal, with its flag, its successor and that one's chunk. */
void prepare_slot_of_a_renewer(struct world *w)
{
	unsigned target;

	prepare_people(w);
	world_let_go(w);
	target = w->target;
	w->target = 3;
	casualty(w, run_renew, judge_renew, "renew.built");
	w->target = target;
}

/* Of two slots: the flags of two renewals. */
void prepare_slots_of_renewers(struct world *w)
{
	unsigned target;

	prepare_slot_of_a_renewer(w);
	target = w->target;
	w->target = 2;
	casualty(w, run_renew, judge_renew, "renew.built");
	w->target = target;
}

/* Of one slot: a login that is LIVE, and for which others are to be ended. */
void prepare_slot_of_an_intent(struct world *w)
{
	prepare_crowd(w);
	world_let_go(w);
	casualty(w, run_create, judge_create_cap, "entry.live");
}

/* Of one slot: a lock, and the section that its holder died in. */
void prepare_slot_of_a_holder(struct world *w)
{
	prepare_people(w);
	world_let_go(w);
	casualty(w, run_locked_update, judge_update, "update.written");
}

/* Of two slots: a login that was never made, and half a page. */
void prepare_slots_of_makers(struct world *w)
{
	prepare_people(w);
	world_let_go(w);
	casualty(w, run_create, judge_create, "index.committed");
	casualty(w, run_new_page, judge_nothing, "page.parts");
}
