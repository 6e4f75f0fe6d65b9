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
 *   crash_stops [--full] [--op N] [--point N] [--list]
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/lib_life.h"
#include "crash/lib_ops.h"
#include "crash/lib_shards.h"

#define SHARDS         2u
#define OPS_QUICK      1000u /* before, and again after the survivor's act */
#define OPS_FULL       5000u
#define OPS_A_ROUND    5u
#define RECLAIMED_EACH 10u /* one reclaimed for at most so many operations */

static struct {
	bool full;
	int op, point;
} opt = {.op = -1, .point = -1};

/* ---- what the survivor does ---- */

static uint64_t reclaimed(struct world *w)
{
	static struct sojourn_stat stat;

	if (sojourn_stat(w->s, &stat) == 0)
		for (uint32_t i = 0; i < stat.counters; i++)
			if (strcmp(stat.counter[i].name, "reclaimed") == 0)
				return stat.counter[i].value;
	return 0;
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
	int made = world_create(w, round % 2 ? "anna" : "passer",
				round % 3 ? 120 : 60);

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
	unsigned operations = opt.full ? OPS_FULL : OPS_QUICK;
	struct soj_upkeep_work work;
	uint64_t before, after;
	bool full = w->full;

	w->full = true; /* now and then */
	world_self(w);
	before = reclaimed(w);
	for (unsigned i = 0; i < operations / OPS_A_ROUND; i++) {
		one_life(w, i);
		if (i % 4 == 3)
			soj_upkeep_pass(&w->up, &work);
		if (i % 32 == 31) {
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
	bool full = w->full;

	if (sojourn_stat(w->s, &stat) < 0)
		return;
	w->full = true;
	/* The victim may need some, too. */
	for (uint64_t i = 3; i < stat.entries_free; i++)
		world_create(w, "settler", 120);
	w->full = full;
}

static void leave(struct world *w)
{
	(void)w;
}

static void act_update(struct world *w)
{
	for (unsigned i = 0; i < 3; i++)
		world_update(w, w->target, i == 1);
}

static void act_renew(struct world *w)
{
	world_renew(w, w->target, false);
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

enum act_id { LEAVE, UPDATE, RENEW, DELETE, DELETE_OLD, DELETE_SUBJECT, ACTS };

static const struct act {
	const char *name;
	void (*act)(struct world *w);
} acts[ACTS] = {
	[LEAVE] = {"leaves it", leave},
	[UPDATE] = {"updates it", act_update},
	[RENEW] = {"renews it", act_renew},
	[DELETE] = {"deletes it", act_delete},
	[DELETE_OLD] = {"deletes it by its old id", act_delete_old},
	[DELETE_SUBJECT] = {"deletes all of its subject", act_delete_subject},
};

/* ---- what the victim may answer, and has then done ---- */

struct stopped {
	const struct op *op;
	enum act_id act;
	bool decided;  /* when it stopped */
	bool pushed;   /* its new session was in the chain then */
	unsigned made; /* the session that it had made by then; or KNOWN_MAX */
};

static void answered(const struct report *r, int want)
{
	if (r->rc != want)
		failed("the victim, continued, returned %d instead of %d",
		       r->rc, want);
}

static void resume_value(struct world *w, const struct stopped *stop,
			 const struct report *r)
{
	struct known *k = &w->known[w->target];

	answered(r, stop->decided || k->fate == LIVES ? 0 : -ENOENT);
	if (stop->decided || k->fate == GONE)
		return;
	k->number = OP_NUMBER;
	k->version++;
}

static void resume_renew(struct world *w, const struct stopped *stop,
			 const struct report *r)
{
	struct known *k = &w->known[w->target];

	/* Ended after it was decided: told or not, the new id is worthless. */
	if (stop->decided && k->fate == GONE && r->rc == -ENOENT)
		return;
	answered(r, stop->decided || k->fate == LIVES ? 0 : -ENOENT);
	if (k->fate == GONE)
		return;
	if (!stop->decided && stop->act == RENEW) {
		if (r->renewal != SOJOURN_RENEWAL_DONE ||
		    strcmp(r->id, k->id) != 0)
			failed("renewed by another, outcome %d", r->renewal);
		return;
	}
	if (r->renewal != SOJOURN_RENEWAL_WON)
		failed("renewal outcome %d", r->renewal);
	else if (!stop->decided)
		known_renewed(k, r->id);
	else if (stop->act != RENEW && strcmp(r->id, k->id) != 0)
		failed("the victim was told another id than the survivor");
}

static void resume_ends(struct world *w, const struct stopped *stop,
			const struct report *r)
{
	bool all = stop->op->run == run_delete_subject ||
		   stop->op->run == run_delete_others;

	/* The one that was to stay is gone: then nothing is ended. */
	if (stop->op->run == run_delete_others && r->rc == -ENOENT &&
	    w->known[w->bystander].fate == GONE)
		return;
	if (r->rc < 0)
		failed("the victim, continued, returned %d", r->rc);
	for (unsigned i = 0; i < w->count; i++) {
		struct known *k = &w->known[i];

		if (all ? strcmp(k->subject, "anna") != 0 : i != w->target)
			continue;
		if (stop->op->run == run_delete_others && i == w->bystander)
			continue;
		if (k->fate == LIVES && r->rc == 0)
			failed("it says that it ended nothing");
		k->fate = k->later = GONE;
	}
}

static void resume_create(struct world *w, const struct stopped *stop,
			  const struct report *r)
{
	struct known *k;

	if (w->superseded) {
		answered(r, -ECANCELED);
		return;
	}
	if (stop->made < KNOWN_MAX) {
		/* It lived, but nobody had been told. */
		if (w->known[stop->made].fate == GONE && r->rc == -ECANCELED)
			return;
		answered(r, 0);
		strcpy(w->known[stop->made].id, r->id);
		return;
	}
	/* Ended while it was in the making. */
	if (stop->act == DELETE_SUBJECT && stop->pushed) {
		answered(r, -ECANCELED);
		return;
	}
	answered(r, 0);
	k = world_known(w, "anna", (size_t)r->number);
	k->number = OP_NUMBER;
	strcpy(k->id, r->id);
}

/* It was expelled in the middle, so it has begun again: all and no other. */
static void resume_list(struct world *w, const struct report *r)
{
	unsigned living = 0;

	for (unsigned i = 0; i < w->count; i++) {
		const struct known *k = &w->known[i];

		if (k->fate == LIVES && strcmp(k->subject, "anna") == 0)
			living += 1 + k->old_ids - k->old_gone;
	}
	answered(r, (int)living);
}

static void resume(struct world *w, const struct stopped *stop,
		   const struct report *r)
{
	switch (stop->op->effect) {
	case EFFECT_NONE:
		if (stop->op->run == run_list)
			resume_list(w, r);
		if (stop->op->run == run_use_token)
			resume_token(w, r);
		if (stop->op->run == run_refresh)
			resume_refresh(r);
		/* Draining a page is given up when others are at it. */
		if (r->rc < 0 && r->rc != -ENOENT &&
		    !(r->rc == -EPERM &&
		      (stop->op->run == run_use_stolen ||
		       stop->op->run == run_refresh_stolen)) &&
		    !(r->rc == -ECANCELED &&
		      stop->op->run == run_create_pair) &&
		    !(r->rc == -EBUSY && stop->op->run == run_drain_page))
			failed("the victim, continued, returned %d", r->rc);
		break;
	case EFFECT_VALUE:
		resume_value(w, stop, r);
		break;
	case EFFECT_RENEWS:
		resume_renew(w, stop, r);
		break;
	case EFFECT_ENDS:
		resume_ends(w, stop, r);
		break;
	case EFFECT_CREATES:
		resume_create(w, stop, r);
		break;
	}
}

/* ---- one point ---- */

static void meanwhile(struct world *w, struct stopped *stop,
		      const struct report *r)
{
	unsigned count = w->count;

	world_fsck(w, false);
	stop->op->judge(w, r);
	stop->decided = stop->op->decided && passed(r, stop->op->decided) != 0;
	stop->pushed = passed(r, "chain.pushed") != 0;
	stop->made = w->count > count ? count : KNOWN_MAX;
	world_verify(w);
	churn(w);
	world_settle(w);
	/* What is half-way is not the dead's: its owner only stands still. */
	if (stop->op->effect == EFFECT_CREATES && !stop->decided)
		w->in_flight = stop->pushed;
	/* Any lease is over. */
	world_advance(w, w->s->st.seg.policy.lease_ms + 1000);
	if (w->target < w->count || stop->act == DELETE_SUBJECT)
		acts[stop->act].act(w);
	w->in_flight = 0;
	churn(w);
	settle_down(w);
}

static struct plan plan_of(const struct op *op, uint32_t nth,
			   const struct report *dry)
{
	struct plan plan = {
		.fault = FAULT_STOP, .nth = nth, .pause = op->pause};

	if (op->threads) {
		plan.at = step_name(dry, nth);
		plan.nth = 1;
	}
	return plan;
}

/* Then it goes on, or is killed after all. */
static void stop_ends(struct world *w, const struct stopped *stop,
		      struct victim *v, bool killed)
{
	if (killed) {
		victim_kill(v);
		return;
	}
	victim_continue(v);
	/* Stopped before its pause: that one is passed over. */
	if (v->state == VICTIM_STOPPED && v->paused)
		victim_continue(v);
	if (v->state != VICTIM_FINISHED)
		failed("the victim, continued, is in state %d", v->state);
	else
		resume(w, stop, v->report);
}

static void one_stop(const struct op *op, uint32_t nth,
		     const struct report *dry, enum act_id act, bool killed,
		     struct report *r)
{
	const struct plan plan = plan_of(op, nth, dry);
	struct stopped stop = {.op = op, .act = act};
	static struct world w;
	struct victim v;

	trying("%s, stopped at step %u, the survivor %s", op->name, nth,
	       acts[act].name);
	if (!world_make(&w, &op->world))
		return;
	op->prepare(&w);
	world_let_go(&w);
	victim_run(&v, r, &plan, op->run, &w);
	if (v.state == VICTIM_STOPPED && v.paused) {
		op->meddle(&w);
		victim_continue(&v);
	}
	trying("%s, stopped at step %u (%s), the survivor %s, %s", op->name,
	       nth, step_name(r, nth), acts[act].name,
	       killed ? "then killed" : "then continued");
	if (v.state == VICTIM_STOPPED) {
		meanwhile(&w, &stop, r);
		stop_ends(&w, &stop, &v, killed);
	} else {
		op->judge(&w, r);
	}
	world_verify(&w);
	world_upkeep(&w);
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
	if (!world_make(&w, &op->world))
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

static bool mine(unsigned shard, const struct op *op, uint32_t nth,
		 const struct report *dry)
{
	return (op->threads ? dry->log[nth - 1] : nth) % SHARDS == shard;
}

static bool wanted(const struct op *op, uint32_t nth, const struct report *dry)
{
	if (opt.point >= 0 && opt.point != (int)nth)
		return false;
	if (op->threads)
		return step_turn(dry, nth) == 1;
	return opt.full || step_turn(dry, nth) == 1 || step_is_last(dry, nth);
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

		if (op->no_stop || (opt.op >= 0 && opt.op != (int)i))
			continue;
		dry_run(op, dry);
		for (uint32_t nth = 1; nth <= dry->steps; nth++) {
			if (!mine(shard, op, nth, dry) || !wanted(op, nth, dry))
				continue;
			for (unsigned a = 0; a < ACTS; a++)
				each_way(op, nth, dry, a, r);
		}
	}
	report_free(dry);
	report_free(r);
}

/* Labels that stopped nobody. */
static unsigned uncovered(void)
{
	unsigned never = 0;

	for (unsigned i = 0; i < label_count(); i++)
		if (coverage->stopped[i] == 0) {
			printf("never stopped at: %s (passed %u times)\n",
			       label_name(i), coverage->passed[i]);
			never++;
		}
	return never;
}

static int usage(void)
{
	fprintf(stderr, "usage: crash_stops [--full] [--op N] [--point N] "
			"[--list]\n");
	return 64;
}

static int parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"full", 0, NULL, 'f'},  {"op", 1, NULL, 'o'},
		{"point", 1, NULL, 'p'}, {"list", 0, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'f':
			opt.full = true;
			break;
		case 'o':
			opt.op = atoi(optarg);
			break;
		case 'p':
			opt.point = atoi(optarg);
			break;
		case 'l':
			for (unsigned i = 0; i < ops_count; i++)
				printf("%u %s\n", i, ops[i].name);
			exit(0);
		default:
			return usage();
		}
	return optind == argc ? 0 : usage();
}

int main(int argc, char **argv)
{
	unsigned never = 0;
	int rc = parse(argc, argv);

	if (rc)
		return rc;
	coverage_init();
	failures_init();
	run_shards(SHARDS, all_stops);
	if (opt.op < 0)
		never = uncovered();
	printf("%u labels, %u of them never stopped at; %u stops, "
	       "%u failures\n",
	       label_count(), never, (unsigned)coverage->stops, failures());
	printf("result stop_points=%u stops=%u violations=%u\n",
	       label_count() - never, (unsigned)coverage->stops,
	       failures() + never);
	return failures() || never ? 1 : 0;
}
