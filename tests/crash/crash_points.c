/* SPDX-License-Identifier: MIT */

/*
 * Killed at every label.
 *
 * For each operation (lib_ops.c) and each passing of each label on its way, a
 * victim runs it on a world of its own and SIGKILLs itself right there.  Then
 * the survivor
 *   1. goes on at once, before any repair: everything that was acknowledged is
 *      read, listed and updated, and the victim's operation has happened or
 *      has not, as its labels say;
 *   2. does something to the very session that the victim was at; or ends all,
 *      and does upkeep, beside one who stands in a section (lib_watch.h);
 *   3. runs upkeep until it comes to rest: now nothing is left half done;
 *   4. ends everything: all memory is free, no slot is taken but its own.
 * In a second round a second victim does the repair, is killed at each label
 * on its way too, and the survivor completes it.
 *
 * Every label of the library must have killed somebody.
 *
 *   crash_points [--full] [--op N] [--point N]
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/lib_life.h"
#include "crash/lib_ops.h"
#include "crash/lib_shards.h"
#include "crash/lib_watch.h"

#define LABELS_LEAST 60u
/* Of the pairs of a kill and a kill in its repair, one in so many by default. */
#define NESTED_STRIDE 16u

static struct points opt;

/* ---- what the survivor does to the session that the victim was at ---- */

static void leave(struct world *w)
{
	(void)w;
}

static void act_update(struct world *w)
{
	world_update(w, w->target, false);
}

static void act_update_old(struct world *w)
{
	world_update(w, w->target, true);
}

static void act_read(struct world *w)
{
	world_read(w, w->target);
}

static void act_renew(struct world *w)
{
	world_renew(w, w->target, false);
}

static void act_renew_old(struct world *w)
{
	world_renew(w, w->target, true);
}

static void act_delete(struct world *w)
{
	world_delete(w, w->target, false);
}

static void act_delete_old(struct world *w)
{
	world_delete(w, w->target, true);
}

static void act_delete_subject(struct world *w)
{
	world_delete_subject(w, "anna", -1);
}

static void act_create(struct world *w)
{
	world_create(w, "anna", 120);
}

/* Upkeep, too, but no time passes. */
static void act_delete_under_a_reader(struct world *w)
{
	struct soj_upkeep_work work;
	struct watch watch;

	world_self(w);
	watch_begin(&watch, w);
	for (unsigned i = 0; i < w->count; i++)
		if (w->known[i].fate == LIVES && w->known[i].id[0])
			world_delete(w, i, false);
	for (unsigned i = 0; i < 3; i++)
		soj_upkeep_full(&w->up, &work);
	watch_end(&watch, w);
}

static const struct act {
	const char *name;
	void (*act)(struct world *w);
	bool takes; /* memory, so that in a full world it evicts somebody */
} acts[] = {
	{"leaves it", leave, false},
	{"deletes all, under a reader", act_delete_under_a_reader, false},
	{"updates it", act_update, true},
	{"deletes it", act_delete, false},
	{"renews it", act_renew, true},
	{"reads it", act_read, false},
	{"deletes all of its subject", act_delete_subject, false},
	{"creates another", act_create, true},
	{"updates it by its old id", act_update_old, true},
	{"deletes it by its old id", act_delete_old, false},
	{"renews it by its old id", act_renew_old, true},
};

#define ACTS (sizeof(acts) / sizeof(acts[0]))

/* ---- one point ---- */

/* Everybody else's sessions can be read, listed, written, made and ended. */
static void go_on(struct world *w)
{
	int made;

	world_verify(w);
	if (w->s->st.seg.policy.when_full != SOJ_FULL_REJECT)
		return;
	items_go_on(w);
	if (w->bystander < w->count)
		world_update(w, w->bystander, false);
	made = world_create(w, "passer", 120);
	if (made < 0)
		return;
	world_update(w, (unsigned)made, false);
	world_delete(w, (unsigned)made, false);
}

static void check_victim(const struct victim *v)
{
	if (v->state == VICTIM_BROKEN)
		failed("the victim crashed, or does not end");
	else if (v->state == VICTIM_STOPPED)
		failed("the victim stands still");
}

/* A world, prepared; then the victim, up to its end.  False: no world. */
static bool interrupt(struct world *w, const struct op *op,
		      const struct plan *plan, struct report *r,
		      struct victim *v)
{
	if (!world_make(w, &op->world))
		return false;
	op->prepare(w);
	world_let_go(w);
	victim_run(v, r, plan, op->run, w);
	if (v->state == VICTIM_STOPPED && v->paused) {
		op->meddle(w);
		victim_continue(v);
	}
	check_victim(v);
	return true;
}

static void survive(struct world *w, const struct act *act)
{
	world_fsck(w, false);
	go_on(w);
	if (w->target < w->count)
		act->act(w);
	world_end(w);
}

/* Kills at the n-th step of those that a run without a kill made; how far the
 * victim got is in *r. */
static enum state one_point(const struct op *op, uint32_t nth,
			    const struct report *dry, const struct act *act,
			    struct report *r)
{
	const struct plan plan = points_plan(FAULT_KILL, op, nth, dry);
	static struct world w;
	struct victim v;

	trying("%s, killed at step %u (%s), the survivor %s", op->name, nth,
	       plan.at, act->name);
	if (!interrupt(&w, op, &plan, r, &v))
		return VICTIM_BROKEN;
	op->judge(&w, r);
	survive(&w, act);
	return v.state;
}

/* ... and the one who repairs it, at its n-th step. */
static enum state one_nested(const struct op *op, uint32_t nth,
			     const struct report *dry, uint32_t second,
			     struct report *r, struct report *r2)
{
	const struct plan plan = points_plan(FAULT_KILL, op, nth, dry);
	const struct plan plan2 = {.fault = second ? FAULT_KILL : FAULT_NONE,
				   .nth = second};
	static struct world w;
	struct victim v, v2;

	trying("%s, killed at step %u (%s), repair at %u", op->name, nth,
	       plan.at, second);
	if (!interrupt(&w, op, &plan, r, &v))
		return VICTIM_BROKEN;
	world_let_go(&w);
	victim_run(&v2, r2, &plan2, run_full, &w);
	trying("%s, killed at step %u (%s), its repair at %u (%s)", op->name,
	       nth, plan.at, second, step_name(r2, second));
	check_victim(&v2);
	/* Not before: the survivor's looking at it would already repair. */
	op->judge(&w, r);
	/* Half repaired, a session may be in either state; whole, in one. */
	if (v2.state == VICTIM_FINISHED)
		world_settle(&w);
	survive(&w, &acts[0]);
	return v2.state;
}

/* ---- all of them ---- */

/* All acts in turn; with the first two every point is visited. */
static void kill_everywhere(unsigned shard, const struct op *op,
			    const struct report *dry, struct report *r)
{
	for (uint32_t nth = 1; nth <= dry->steps; nth++) {
		unsigned other = 2 + (unsigned)(op - ops + nth) % (ACTS - 2);

		if (!points_has(&opt, shard, op, nth, dry, 2))
			continue;
		for (unsigned a = 0; a < ACTS; a++)
			if ((a <= 1 || a == other || opt.full) &&
			    !(acts[a].takes && op->world.evict))
				one_point(op, nth, dry, &acts[a], r);
	}
}

static void kill_repair(unsigned shard, const struct op *op,
			const struct report *dry, struct report *r,
			struct report *r2)
{
	uint32_t turn = (uint32_t)(op - ops);

	for (uint32_t nth = 1; nth <= dry->steps; nth++) {
		uint32_t steps;

		if (!points_has(&opt, shard, op, nth, dry, 2))
			continue;
		one_nested(op, nth, dry, 0, r, r2);
		steps = r2->steps;
		for (uint32_t second = 1; second <= steps; second++)
			if (opt.full || turn++ % NESTED_STRIDE == 0)
				one_nested(op, nth, dry, second, r, r2);
	}
}

static void all_points(unsigned shard)
{
	struct report *dry = report_new(), *r = report_new();
	struct report *r2 = report_new();

	if (shard == 0 && opt.op < 0)
		life_points(r);
	for (unsigned i = 0; i < ops_count; i++) {
		if (!points_has_op(&opt, i))
			continue;
		/* Without a kill: it must work, and shows its labels. */
		one_point(&ops[i], 0, NULL, &acts[0], dry);
		kill_everywhere(shard, &ops[i], dry, r);
		kill_repair(shard, &ops[i], dry, r, r2);
	}
	report_free(dry);
	report_free(r);
	report_free(r2);
}

int main(int argc, char **argv)
{
	unsigned never = 0;
	int rc = points_parse(&opt, argc, argv);

	if (rc)
		return rc;
	coverage_init();
	failures_init();
	trying("labels");
	if (!labels_unique())
		failed("labels are not unique");
	if (label_count() < LABELS_LEAST)
		failed("only %u labels", label_count());
	run_shards(SHARDS, all_points);
	if (opt.op < 0)
		never = points_missed(coverage->killed, "killed");
	printf("%u operations, %u labels, %u of them never killed; "
	       "%u kills, %u failures\n",
	       ops_count, label_count(), never, (unsigned)coverage->kills,
	       failures());
	printf("result points=%u kills=%u violations=%u\n",
	       label_count() - never, (unsigned)coverage->kills,
	       failures() + never);
	return failures() || never ? 1 : 0;
}
