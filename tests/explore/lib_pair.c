/* SPDX-License-Identifier: MIT */

#include "explore/lib_pair.h"

#include <stdlib.h>
#include <string.h>

#include "explore/lib_equal.h"

/* The first is interrupted before its access i: all that has this in common. */
struct row {
	struct meeting *m;
	unsigned first;
	uint32_t stride; /* of those that are to be run, one in so many */
	uint32_t i;
	struct trace mine;   /* of the first, alone */
	struct trace others; /* of the other one, after i of the first */
	struct marks met;    /* by the other one in `others` */
	struct marks rest;   /* what the first does when it goes on */
	/* With stores held: does the other one meet those of the first?  And
	 * does the first meet those of the other, who was interrupted at k? */
	bool held_met;
	bool rest_met[TRACE_MAX];
	uint32_t turn; /* of the stride */
};

/* ---- one interruption ---- */

/* Each order of stores and of loads that lib_weak.h has, of that schedule. */
static void reorder(struct meeting *m, struct schedule how,
		    const struct ran *of)
{
	struct ran ran;

	for (how.hold = 1; how.hold <= of->buffered && !m->failed; how.hold++) {
		how.alone = true;
		judge(m, &how, &ran);
		how.alone = false;
		if (how.hold > 1)
			judge(m, &how, &ran);
	}
	how.hold = 0;
	/* One, all from one on, so many. */
	for (uint32_t n = 1; n <= of->early && !m->failed; n++) {
		how.early = (struct weak_loads){n, n};
		judge(m, &how, &ran);
		how.early.last = UINT32_MAX;
		if (n < of->early)
			judge(m, &how, &ran);
		how.early = (struct weak_loads){1, n};
		if (n > 1)
			judge(m, &how, &ran);
	}
}

/* Who is interrupted holds none of his stores, then one, and so on to all. */
static void bound_one(struct meeting *m, unsigned first, enum death die)
{
	struct schedule how = {.first = first, .runs = 1, .die = die};
	struct ran ran = {.switched = 1};

	for (uint32_t i = 0; ran.switched && !m->failed; i++) {
		how.run[0] = i;
		judge(m, &how, &ran);
		if (!ran.dead && ran.switched)
			reorder(m, how, &ran);
	}
}

void explore_weak(struct meeting *m)
{
	for (unsigned first = 0; first < 2; first++)
		bound_one(m, first, DEATH_NONE);
}

/* ---- two ---- */

/* A schedule of two interruptions. */
struct point {
	uint32_t i, k;
	bool held;
	enum death die;
};

static struct schedule at(const struct row *r, struct point p)
{
	return (struct schedule){.first = r->first,
				 .runs = 2,
				 .run = {p.i, p.k},
				 .hold = p.held ? UINT32_MAX : 0,
				 .die = p.die};
}

/* There are far more of these than of those that are run. */
static inline void equal(const struct row *r, struct point p,
			 struct point stands_for_it)
{
	struct tour_totals *totals = judging.totals;

	totals->two_all++;
	totals->two_equal++;
	if (judging.every ||
	    (judging.compare && totals->two_equal % judging.compare == 0)) {
		const struct schedule how = at(r, p);
		const struct schedule other = at(r, stands_for_it);

		judge_equal(r->m, &how, &other);
	}
}

/* True: it was run.  rest: what the first did then. */
static bool run(struct row *r, struct point p)
{
	const struct schedule how = at(r, p);
	struct ran ran;

	judging.totals->two_all++;
	if (r->turn++ % r->stride != 0)
		return false;
	judging.totals->two_run++;
	judge(r->m, &how, &ran);
	marks_begin(&r->rest);
	if (p.held)
		marks_add_held(&r->rest, &r->mine, r->i);
	marks_add(&r->rest, schedule_trace(r->first), r->i);
	return true;
}

/* The first one's step `i` meets nothing of the other one before this one. */
static uint32_t across_to(const struct row *r, bool held)
{
	uint32_t step = marks_meet(&r->met, &r->mine, r->i, held);

	return step < r->others.count ? step : r->others.count;
}

/* The end of those that are equal to one that was run at k: `along`. */
static uint32_t along_to(struct row *r, uint32_t k, bool held)
{
	uint32_t end = k;

	do {
		if (!held)
			r->rest_met[end] =
				marks_meet_held(&r->rest, &r->others, end);
	} while (marks_meet(&r->rest, &r->others, end, held) == STEP_NONE &&
		 ++end < r->others.count);
	return end < r->others.count ? end + 1 : end;
}

static void row_alive(struct row *r, bool held)
{
	uint32_t across = across_to(r, held), count = r->others.count;
	struct point p = {.i = r->i, .k = 1, .held = held}, other = p;

	for (other.i++; p.k <= across && p.k < count; p.k++) {
		other.k = p.k;
		equal(r, p, other);
	}
	while (p.k < count && !r->m->failed) {
		uint32_t end;

		other = p;
		if (held && !r->held_met && !r->rest_met[p.k]) {
			other.held = false;
			equal(r, p, other);
			p.k++;
			continue;
		}
		if (!run(r, p)) {
			r->rest_met[p.k++] = true;
			continue;
		}
		end = along_to(r, p.k, held);
		for (p.k++; p.k < end; p.k++)
			equal(r, p, other);
	}
}

/* One death, seen late and at once. */
static void death_at(struct row *r, uint32_t k, bool held, uint32_t across,
		     bool tells)
{
	bool writes = k == 1 || r->others.step[k - 1].kind != SOJ_POINT_LOAD;
	bool told = true;

	for (enum death die = DEATH_LATE; die < DEATHS; die++) {
		const struct point p = {r->i, k, held, die};
		struct point other = p;

		if (held && !r->held_met) {
			other.held = false;
		} else if (k <= across && !(tells && die == DEATH_SEEN)) {
			other.i++;
		} else if (!writes) {
			other.k--;
		} else if (die == DEATH_SEEN && !told) {
			other.die = DEATH_LATE;
		} else {
			if (run(r, p) && die == DEATH_LATE)
				told = marks_has(&r->rest,
						 actor_life(&r->m->scene->st,
							    1 - r->first));
			continue;
		}
		equal(r, p, other);
	}
}

static void row_dead(struct row *r, bool held, bool last)
{
	const uint32_t life = actor_life(&r->m->scene->st, 1 - r->first);
	const bool tells = r->mine.step[r->i].word == life;
	uint32_t across = last ? 0 : across_to(r, held);

	for (uint32_t k = 1; k < r->others.count && !r->m->failed; k++)
		death_at(r, k, held, across, tells);
}

/* What the other one does after i of the first. */
static void row_begin(struct row *r, bool held)
{
	struct schedule how = {.first = r->first,
			       .runs = 1,
			       .run = {r->i},
			       .hold = held ? UINT32_MAX : 0};
	struct ran ran;

	judge(r->m, &how, &ran);
	trace_copy(&r->others, schedule_trace(1 - r->first));
	marks_begin(&r->met);
	marks_add(&r->met, &r->others, 0);
}

static void rows(struct row *r)
{
	uint32_t count = r->mine.count;

	for (r->i = 1; r->i < count && !r->m->failed; r->i++) {
		bool last = r->i + 1 == count;

		row_begin(r, false);
		r->held_met = marks_meet_held(&r->met, &r->mine, r->i);
		row_alive(r, false);
		row_dead(r, false, last);
		if (r->held_met)
			row_begin(r, true);
		row_alive(r, true);
		row_dead(r, true, last);
	}
}

/* One goes to its end, and then the other does. */
static void alone(struct row *r)
{
	const struct schedule how = {.first = r->first};
	struct ran ran;

	judge(r->m, &how, &ran);
	trace_copy(&r->mine, schedule_trace(r->first));
	trace_copy(&r->others, schedule_trace(1 - r->first));
	if (r->mine.cut || r->others.cut)
		failed("more accesses than were foreseen");
	marks_begin(&r->met);
	marks_add(&r->met, &r->others, 0);
	marks_begin(&r->rest);
	marks_add(&r->rest, &r->mine, 0);
}

/* About so many there will be to run, going by what each does alone. */
static uint64_t foresee(struct row *r)
{
	uint32_t mine = r->mine.count, others = r->others.count;
	uint64_t *after = calloc(others + 2, sizeof(*after)), all = 0;

	if (after == NULL)
		abort();
	for (uint32_t k = others; k-- > 0;) {
		bool writes = r->others.step[k].kind != SOJ_POINT_LOAD;

		after[k] = after[k + 1] + (writes ? 2 : 0) +
			   (marks_meet(&r->rest, &r->others, k, false) !=
			    STEP_NONE);
	}
	for (r->i = 1; r->i < mine; r->i++)
		all += after[across_to(r, false)];
	free(after);
	return all;
}

void explore_pair(struct meeting *m, uint32_t budget)
{
	static struct row r;
	uint64_t all = 0;

	r.m = m;
	for (enum death die = DEATH_NONE; die < DEATHS; die++)
		for (unsigned first = 0; first < 2; first++)
			bound_one(m, first, die);
	for (r.first = 0; r.first < 2 && budget; r.first++) {
		alone(&r);
		all += foresee(&r);
	}
	r.stride = 1 + (budget ? (uint32_t)(all / budget) : 0);
	r.turn = 0;
	for (r.first = 0; r.first < 2 && !m->failed; r.first++) {
		alone(&r);
		rows(&r);
	}
}

/* ---- three ---- */

/* From 1 to `most`. */
static uint32_t one_of(uint64_t random, uint32_t most)
{
	return most > 1 ? 1 + (uint32_t)(random % most) : 1;
}

static struct schedule draw_three(uint64_t seed, const uint32_t count[2])
{
	struct schedule how = {.runs = 3, .first = sched_mix(seed, 0) & 1};
	const uint32_t mine = count[how.first], others = count[1 - how.first];

	how.run[0] = one_of(sched_mix(seed, 1), mine);
	how.run[1] = one_of(sched_mix(seed, 2), others);
	how.run[2] = one_of(sched_mix(seed, 3),
			    mine > how.run[0] ? mine - how.run[0] : 1);
	how.hold = sched_mix(seed, 4) & 1 ? UINT32_MAX : 0;
	/* Half of them nobody. */
	if (sched_mix(seed, 5) & 1)
		how.die = sched_mix(seed, 6) % DEATHS;
	return how;
}

void explore_three(struct meeting *m, uint32_t count, uint64_t seed)
{
	uint32_t accesses[2];
	struct ran ran;

	for (unsigned first = 0; first < 2; first++) {
		const struct schedule how = {.first = first};

		judge(m, &how, &ran);
		accesses[first] = schedule_trace(first)->count;
	}
	for (uint32_t i = 0; i < count && !m->failed; i++) {
		const struct schedule how =
			draw_three(sched_mix(seed, i), accesses);

		judge(m, &how, &ran);
		judging.totals->three += ran.switched == 3;
	}
}
