/* SPDX-License-Identifier: MIT */

/*
 * Stopped at every label, and continued when the world has moved on.
 *
 * For each operation and each passing of each label on its way a victim stops
 * itself right there.  The survivor makes, changes and ends thousands of
 * sessions in the same small segment meanwhile, so that entries, chunks and
 * places of the index are reused many times; sections are expelled; and the
 * very session that the victim is at is updated, renewed or ended.  Then the
 * victim goes on with whatever it had in its hands, or is killed after all.  It
 * must end with an answer that is true, and nothing may be torn, lost, brought
 * back or left over.
 *
 * Drawn: which operation stops where, how large the world is, how many
 * operations the survivor does, and how often he cleans up, all by the seed, for
 * so long.  A failure says at which draw: --draw N does that one alone.
 *
 *   crash_stops [--full] [--op N] [--point N] [--list]
 *   crash_stops --seconds N --seed S | --draw N --seed S
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crash/lib_life.h"
#include "crash/lib_ops.h"
#include "crash/lib_shards.h"
#include "lib/counter.h"
#include "lib/random.h"

#define OPS_QUICK      1000u /* before, and again after the survivor's act */
#define OPS_FULL       5000u
#define OPS_A_ROUND    5u
#define STOPS_A_DRAW   20u
#define SETTLERS       64u
#define RECLAIMED_EACH 10u /* one reclaimed for at most so many operations */

/* Of each operation: how often it was stopped, and continued after a logout of
 * all of its subject's. */
static _Atomic(uint32_t) *finals;

static struct points opt;

/* Of the drawn ones: 0 where none are. */
struct drawn {
	uint64_t seed, draw;
	uint32_t operations;
	uint32_t pass_every, full_every;
	uint32_t entries;
};
static struct drawn drawn;

/* ---- what the survivor does ---- */

static uint64_t reclaimed(struct world *w)
{
	return counter_of(w->s, "reclaimed");
}

/* What is held back by sections, and not for long. */
static void make_room(struct world *w)
{
	struct soj_upkeep_work work;

	for (unsigned i = 0; i < 4; i++) {
		soj_upkeep_pass(&w->up, &work);
		world_advance(w, w->s->st.seg.policy.expel_after_ms);
	}
}

/* A session's whole life, in the target's chain or another's. */
static void one_life(struct world *w, unsigned round)
{
	bool same = round % 2 && w->s->st.seg.collection[0].cap == 0;
	int made =
		world_create(w, same ? "anna" : "passer", round % 3 ? 120 : 60);

	if (made < 0) {
		make_room(w);
		return;
	}
	for (unsigned i = 0; i < OPS_A_ROUND - 3; i++)
		world_update(w, (unsigned)made, false);
	world_read(w, (unsigned)made);
	world_delete(w, (unsigned)made, false);
	w->count--;
	w->begun++; /* the events tell of it */
}

static void churn(struct world *w)
{
	unsigned operations = drawn.draw ? drawn.operations
			      : opt.full ? OPS_FULL
					 : OPS_QUICK;
	const unsigned pass_every = drawn.draw ? drawn.pass_every : 4;
	const unsigned full_every = drawn.draw ? drawn.full_every : 32;
	struct soj_upkeep_work work;
	uint64_t before, after;
	bool full = w->full;

	w->full = true; /* now and then */
	world_self(w);
	before = reclaimed(w);
	for (unsigned i = 0; i < operations / OPS_A_ROUND; i++) {
		one_life(w, i);
		if (i % pass_every == pass_every - 1)
			soj_upkeep_pass(&w->up, &work);
		if (i % full_every == full_every - 1) {
			world_advance(w, w->s->st.seg.policy.expel_after_ms);
			soj_upkeep_full(&w->up, &work);
			world_verify(w);
		}
	}
	w->full = full;
	after = reclaimed(w);
	/* Else it was not what this test is about. */
	if (after - before < operations / RECLAIMED_EACH)
		failed("only %u entries and chunks were reused in %u "
		       "operations",
		       (unsigned)(after - before), operations);
}

/* Somebody lives in what was reused when the victim goes on. */
static void settle_down(struct world *w)
{
	static struct sojourn_stat stat;
	static char settler[SETTLERS][16];
	bool capped = w->s->st.seg.collection[0].cap > 0;
	bool full = w->full;

	if (sojourn_stat(w->s, &stat) < 0)
		return;
	for (unsigned i = 0; i < SETTLERS; i++)
		snprintf(settler[i], sizeof(settler[i]), "settler %u", i);
	w->full = true;
	/* The victim may need some, too.  Under a cap each is a subject of
	 * its own. */
	for (uint64_t i = 3; i < stat.entries_free && i < SETTLERS; i++)
		world_create(w, capped ? settler[i] : settler[0], 120);
	w->full = full;
}

/* ---- one point ---- */

static unsigned things(const struct world *w)
{
	unsigned living = 0;

	for (unsigned i = 0; i < THINGS; i++)
		living += w->things[i].lives;
	return living;
}

/* What its labels tell, of the victim and of the model. */
static void stopped_at(struct stopped *stop, struct world *w,
		       const struct report *r)
{
	unsigned count = w->count, living = things(w);
	unsigned gives = stop->op->run == run_locked_renew ? 2 : 1;

	stop->target = w->target;
	stop->op->judge(w, r);
	stop->decided = stop->op->decided && passed(r, stop->op->decided) != 0;
	if (stop->op->judge == judge_flight)
		stop->decided = things(w) > living;
	stop->pushed = passed(r, "chain.pushed") != 0;
	stop->held =
		passed(r, "lock.word") != 0 && passed(r, "lock.given") < gives;
	stop->taking = stop->held && passed(r, "lock.taken") == 0;
	stop->made = w->count > count ? count : KNOWN_MAX;
	stop->ended = living - things(w);
}

static void meanwhile(struct world *w, struct stopped *stop,
		      const struct report *r)
{
	/* Of the dead whose slot it adopts, and is to repair. */
	unsigned leavings = w->in_flight;

	world_fsck(w, false);
	stopped_at(stop, w, r);
	world_verify(w);
	if (stop->op->look)
		stop->op->look(w);
	churn(w);
	world_settle(w);
	/* What is half-way is not the dead's: its owner only stands still. */
	if (stop->op->effect == EFFECT_CREATES && !stop->decided)
		w->in_flight = stop->pushed + leavings;
	/* Any lease is over. */
	world_advance(w, w->s->st.seg.policy.lease_ms + 1000);
	if (stop->op->act)
		stop->op->act(w, stop);
	else
		act_session(w, stop);
	w->in_flight = 0;
	churn(w);
	settle_down(w);
	memcpy(stop->things, w->things, sizeof(stop->things));
}

/* Then it goes on, or is killed after all. */
static void stop_ends(struct world *w, const struct stopped *stop,
		      struct victim *v, bool killed)
{
	if (killed) {
		victim_kill(v);
		if (stop->op->killed)
			stop->op->killed(w, stop);
		return;
	}
	victim_continue(v);
	/* Stopped before its pause: that one is passed over. */
	if (v->state == VICTIM_STOPPED && v->paused)
		victim_continue(v);
	finals[stop->op - ops] += stop->act == DELETE_SUBJECT;
	if (v->state != VICTIM_FINISHED)
		failed("the victim, continued, is in state %d", v->state);
	else if (stop->op->resume)
		stop->op->resume(w, stop, v->report);
	else
		resume_by_effect(w, stop, v->report);
}

static bool make_world(struct world *w, const struct op *op)
{
	struct world_options o = op->world;

	if (drawn.draw && o.entries == 0)
		o.entries = drawn.entries;
	return world_make(w, &o);
}

static void one_stop(const struct op *op, uint32_t nth,
		     const struct report *dry, enum act_id act, bool killed,
		     struct report *r)
{
	const struct plan plan = points_plan(FAULT_STOP, op, nth, dry);
	struct stopped stop = {.op = op, .act = act};
	static struct world w;
	struct victim v;

	trying("%s, stopped at step %u (%s), the survivor %s", op->name, nth,
	       plan.at, act_names[act]);
	if (!make_world(&w, op))
		return;
	op->prepare(&w);
	world_let_go(&w);
	victim_run(&v, r, &plan, op->run, &w);
	if (v.state == VICTIM_STOPPED && v.paused) {
		op->meddle(&w);
		victim_continue(&v);
	}
	trying("%s, stopped at step %u (%s), the survivor %s, %s", op->name,
	       nth, plan.at, act_names[act],
	       killed ? "then killed" : "then continued");
	if (v.state == VICTIM_STOPPED) {
		meanwhile(&w, &stop, r);
		stop_ends(&w, &stop, &v, killed);
	} else {
		op->judge(&w, r);
	}
	world_verify(&w);
	world_upkeep(&w);
	if (killed && v.state == VICTIM_KILLED && op->repaired)
		op->repaired(&w, &stop);
	world_settle(&w);
	world_fsck(&w, true);
	world_verify(&w);
	world_drain(&w, 0);
	world_free(&w);
}

/* ---- all of them ---- */

static void dry_run(const struct op *op, struct report *dry)
{
	const struct plan none = {.fault = FAULT_NONE, .pause = op->pause};
	static struct world w;
	struct victim v;

	trying("%s, not stopped", op->name);
	if (!make_world(&w, op))
		return;
	op->prepare(&w);
	world_let_go(&w);
	victim_run(&v, dry, &none, op->run, &w);
	if (v.state == VICTIM_STOPPED) {
		op->meddle(&w);
		victim_continue(&v);
	}
	op->judge(&w, dry);
	world_verify(&w);
	world_upkeep(&w);
	world_settle(&w);
	world_drain(&w, 0);
	world_free(&w);
}

/* One in four is killed; in full, each is continued and is killed. */
static void each_way(const struct op *op, uint32_t nth,
		     const struct report *dry, enum act_id act,
		     struct report *r)
{
	bool killed = (nth + act) % 4 == 3;

	one_stop(op, nth, dry, act, killed, r);
	if (opt.full)
		one_stop(op, nth, dry, act, !killed, r);
}

static void all_stops(unsigned shard)
{
	struct report *dry = report_new(), *r = report_new();

	if (shard == 0 && opt.op < 0)
		life_stops(r);
	for (unsigned i = 0; i < ops_count; i++) {
		const struct op *op = &ops[i];

		if (op->no_stop || !points_has_op(&opt, i))
			continue;
		dry_run(op, dry);
		for (uint32_t nth = 1; nth <= dry->steps; nth++) {
			if (!points_has(&opt, shard, op, nth, dry, 1))
				continue;
			for (unsigned a = 0; a < ACTS; a++)
				each_way(op, nth, dry, a, r);
		}
	}
	report_free(dry);
	report_free(r);
}

/* ---- drawn ---- */

static uint64_t until_ms;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint32_t draw_between(uint64_t *random, uint32_t least, uint32_t most)
{
	return least + (uint32_t)(random_next(random) % (most - least + 1));
}

/* One operation in one world, and where that stops in it. */
static void one_draw(struct report *dry, struct report *r)
{
	uint64_t random = random_of(drawn.seed, drawn.draw);
	const struct op *op = &ops[draw_between(&random, 0, ops_count - 1)];
	uint32_t nth;

	drawn.operations = draw_between(&random, 400, 1600);
	drawn.pass_every = draw_between(&random, 1, 8);
	drawn.full_every = draw_between(&random, 8, 32);
	drawn.entries = draw_between(&random, 12, 40);
	if (op->no_stop)
		return;
	dry_run(op, dry);
	for (unsigned i = 0; i < STOPS_A_DRAW && dry->steps > 0; i++) {
		nth = draw_between(&random, 1, dry->steps);
		if (!op->threads || step_turn(dry, nth) == 1)
			one_stop(op, nth, dry,
				 draw_between(&random, 0, ACTS - 1),
				 random_next(&random) % 4 == 0, r);
	}
}

static void draw_stops(unsigned shard)
{
	struct report *dry = report_new(), *r = report_new();
	const uint64_t only = drawn.draw;

	drawn.draw = only ? only : 1 + shard;
	do {
		if (!only || shard == 0)
			one_draw(dry, r);
		if (failures_here() > 0)
			printf("FAILED: --draw %u --seed %llu\n",
			       (unsigned)drawn.draw,
			       (unsigned long long)drawn.seed);
		drawn.draw += SHARDS;
	} while (!only && now_ms() < until_ms && failures() == 0);
	report_free(dry);
	report_free(r);
}

/* Row S9 of the features: a logout is final. */
static void print_finals(void)
{
	for (unsigned i = 0; i < ops_count; i++)
		if (finals[i] > 0)
			printf("S9 nothing comes back, %s stopped at %u points "
			       "and continued after the logout: %s\n",
			       ops[i].name, finals[i],
			       failures() ? "see above" : "ok");
}

/* False: others are asked for. */
static bool parse_drawn(int argc, char **argv)
{
	if (argc != 5 || strcmp(argv[3], "--seed") != 0)
		return false;
	drawn.seed = strtoull(argv[4], NULL, 10);
	if (strcmp(argv[1], "--seconds") == 0)
		until_ms = now_ms() + strtoull(argv[2], NULL, 10) * 1000;
	else if (strcmp(argv[1], "--draw") == 0)
		drawn.draw = strtoull(argv[2], NULL, 10);
	return until_ms || drawn.draw;
}

int main(int argc, char **argv)
{
	const bool draws = parse_drawn(argc, argv);
	unsigned never = 0;
	int rc = draws ? 0 : points_parse(&opt, argc, argv);

	if (rc)
		return rc;
	coverage_init();
	failures_init();
	finals = report_new()->passed; /* in shared memory */
	run_shards(SHARDS, draws ? draw_stops : all_stops);
	print_finals();
	if (opt.op < 0 && !draws)
		never = points_missed(coverage->stopped, "stopped");
	printf("%u labels, %u of them never stopped at; %u stops, "
	       "%u failures\n",
	       label_count(), never, (unsigned)coverage->stops, failures());
	printf("result stop_points=%u stops=%u violations=%u\n",
	       label_count() - never, (unsigned)coverage->stops,
	       failures() + never);
	return failures() || never ? 1 : 0;
}
