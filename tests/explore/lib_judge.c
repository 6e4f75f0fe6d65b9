/* SPDX-License-Identifier: MIT */

#include "explore/lib_judge.h"

#include <stdio.h>
#include <string.h>

/* Of the states of a job that nobody died on the way to, unless all are. */
#define DEEP_EVERY    4u
#define ESCAPED_EVERY 512u

struct judging judging;

static uint64_t key_of(const struct meeting *m, unsigned dead)
{
	uint64_t key = stage_hash(&m->scene->st) + dead;

	for (unsigned i = 0; i < m->count; i++) {
		const struct result *r = &m->actor[i].r;
		uint64_t word[sizeof(r->id) / 8];

		if (dead >> i & 1)
			continue;
		key = sched_mix(key,
				(uint64_t)r->rc << 32 | (uint32_t)r->renewal);
		key = sched_mix(key, r->number);
		key = sched_mix(key, r->marks.anchor);
		key = sched_mix(key, r->marks.subject);
		memcpy(word, r->id, sizeof(word));
		for (unsigned k = 0; k < sizeof(word) / 8; k++)
			key = sched_mix(key, word[k]);
	}
	return key;
}

static void describe(const struct meeting *m, const struct schedule *how)
{
	char names[128] = "";

	for (unsigned i = 0; i < m->count; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names),
			 "%s,", m->op[i]->name);
	if (how->random)
		trying("--replay %s,%u,%ss,%u,%llu,%u,%d,%u,%u",
		       scene_name(m->scene->kind), m->count, names, how->hold,
		       (unsigned long long)how->seed, how->length, how->may_die,
		       how->corpse, how->die);
	else
		trying("--replay %s,%u,%sr,%u,%d,%u,%u,%u,%d,%u,%u,%u,%u",
		       scene_name(m->scene->kind), m->count, names, how->hold,
		       how->alone, how->early.first, how->early.last,
		       how->first, how->die, how->runs, how->run[0],
		       how->run[1], how->run[2]);
}

/* Returns the key of the state that it ends in. */
static uint64_t run(struct meeting *m, const struct schedule *how,
		    struct ran *ran)
{
	void *arg[ACTORS_MAX];

	stage_restore(&m->scene->st);
	meeting_actors(m);
	for (unsigned i = 0; i < m->count; i++)
		arg[i] = &m->actor[i];
	schedule_run(&m->scene->st, how, m->count, actor_fn, arg, ran);
	return key_of(m, ran->dead);
}

static void look(struct meeting *m, const struct schedule *how,
		 const struct ran *ran)
{
	static struct outcome out;
	uint32_t before = failures_here();
	bool deep = judging.deep || ran->dead ||
		    judging.of_states % DEEP_EVERY == 0;

	describe(m, how);
	if (judging.of_states % ESCAPED_EVERY == 1 &&
	    stage_escaped(&m->scene->st))
		failed("the segment was written to past the accessors");
	if (ran->endless)
		failed("it does not come to an end");
	scene_look(m->scene, m->actor, m->count, ran->dead, deep, &out);
	if (failures_here() == before)
		meeting_compare(m, meeting_reference(m, ran->dead), &out);
	m->failed |= failures_here() != before;
}

void judge(struct meeting *m, const struct schedule *how, struct ran *ran)
{
	uint64_t key = run(m, how, ran);

	judging.totals->schedules++;
	judging.totals->crashes += ran->dead != 0;
	judging.totals->held += how->hold != 0 && !how->alone;
	judging.totals->weak += how->alone || how->early.first != 0;
	if (!meeting_is_new(m, key))
		return;
	judging.totals->states++;
	judging.of_states++;
	look(m, how, ran);
}

void judge_equal(struct meeting *m, const struct schedule *how,
		 const struct schedule *other)
{
	uint64_t is, was;
	struct ran ran;

	if (judging.every)
		judge(m, how, &ran);
	if (judging.compare == 0)
		return;
	judging.totals->compared++;
	is = run(m, how, &ran);
	was = run(m, other, &ran);
	if (is == was)
		return;
	describe(m, how);
	failed("is not as the one that stands for it: %u,%d,%u,%u,%u",
	       other->hold, other->die, other->runs, other->run[0],
	       other->run[1]);
	m->failed = true;
}
