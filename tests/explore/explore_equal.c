/* SPDX-License-Identifier: MIT */

/*
 * Are the schedules that the explorer leaves out equal to those that it runs
 * instead (lib_equal.h)?
 *
 * For some pairs of operations all schedules with two interruptions are run:
 * each that is left out must end in the state, and with the answers, of the one
 * that stands for it, and all together must end in the same states as those do
 * that are run otherwise, no more and no fewer.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explore/lib_pair.h"

void soj_explore_point(const volatile void *addr, int kind)
{
	sched_point(addr, kind);
}

/*
 * Two that do nothing but look, whose stores are not seen until they go on:
 * each stores a word, reads one that nobody writes, and reads the other one's.
 * No order has what may come of it.  The library's operations hold next to
 * nothing that another looks at.
 */
static void store_and_look(struct actor *a, struct sojourn *s)
{
	soj_word_t *word = s->st.seg.hdr->lag; /* figures of the helper's */
	uint64_t both;

	soj_store_relaxed(&word[a->idx], 1);
	both = soj_load_relaxed(&word[2]);
	if (a->op->name[0] == 'f')
		soj_fence_seq_cst();
	a->r.number = both << 32 | soj_load_relaxed(&word[1 - a->idx]);
	soj_store_relaxed(&word[4 + a->idx], a->r.number + 1);
	a->r.number += soj_add_acq_rel(&word[3], 1) << 8;
	soj_store_relaxed(&word[4 + a->idx], a->r.number + 1);
	a->r.number += soj_load_relaxed(&word[5 - a->idx]) << 16;
}

static const struct operation lookers[] = {
	{.name = "held", .run = store_and_look, .flags = OP_ANY_EFFECT},
	{.name = "fenced", .run = store_and_look, .flags = OP_ANY_EFFECT},
};

static const struct {
	enum scene_kind scene;
	const char *name[2];
} pairs[] = {
	{SCENE_PEOPLE, {"held", "held"}},
	{SCENE_PEOPLE, {"held", "fenced"}},
	{SCENE_PEOPLE, {"fenced", "fenced"}},
	{SCENE_PEOPLE, {"update", "update"}},
	{SCENE_PEOPLE, {"look", "upkeep"}},
	{SCENE_PEOPLE, {"touch", "renew"}},
	{SCENE_PEOPLE, {"modify", "relocate"}},
	{SCENE_PEOPLE, {"lock-unlock", "locked-update"}},
	{SCENE_PEOPLE, {"put-annas", "remove"}},
	{SCENE_PEOPLE, {"add", "get-or-create"}},
	{SCENE_PEOPLE, {"use-token", "forget-token"}},
	{SCENE_REJECT, {"create", "delete"}},
	{SCENE_FULL, {"update", "delete"}},
};

#define PAIRS (sizeof(pairs) / sizeof(pairs[0]))

/* The states that were come to, in the order of their keys. */
struct states {
	uint32_t count;
	uint64_t key[1u << MEMO_LOG2];
};

static int by_key(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static void explore(struct meeting *m, struct scene *scene, bool every,
		    struct tour_totals *totals, struct states *states)
{
	memset(totals, 0, sizeof(*totals));
	judging = (struct judging){
		.totals = totals, .every = every, .compare = !every};
	meeting_begin(m, scene);
	explore_pair(m, 0);
	states->count = 0;
	for (uint32_t i = 0; i < 1u << MEMO_LOG2; i++)
		if (m->memo[i])
			states->key[states->count++] = m->memo[i];
	qsort(states->key, states->count, sizeof(states->key[0]), by_key);
	meeting_end(m);
}

static const struct operation *named(const char *name)
{
	for (unsigned i = 0; i < sizeof(lookers) / sizeof(lookers[0]); i++)
		if (strcmp(lookers[i].name, name) == 0)
			return &lookers[i];
	for (unsigned i = 0; i < operations_count; i++)
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	failed("no operation is called %s", name);
	return &operations[0];
}

static void compare(struct meeting *m, struct scene *scene, unsigned n)
{
	static struct states with, without;
	struct tour_totals few, all;

	m->count = 2;
	for (unsigned i = 0; i < 2; i++)
		m->op[i] = named(pairs[n].name[i]);
	trying("%s and %s", pairs[n].name[0], pairs[n].name[1]);
	explore(m, scene, false, &few, &with);
	explore(m, scene, true, &all, &without);
	trying("%s and %s", pairs[n].name[0], pairs[n].name[1]);
	if (few.two_all != all.two_all ||
	    all.two_run + all.two_equal != all.two_all ||
	    few.two_run + few.compared != few.two_all)
		failed("%llu run, %llu equal, %llu compared, of %llu",
		       (unsigned long long)few.two_run,
		       (unsigned long long)few.two_equal,
		       (unsigned long long)few.compared,
		       (unsigned long long)all.two_all);
	if (with.count != without.count ||
	    memcmp(with.key, without.key, with.count * sizeof(with.key[0])))
		failed("%u states, and %u of all schedules", with.count,
		       without.count);
	printf("%s, %s and %s: %llu for %llu, %u states\n",
	       scene_name(pairs[n].scene), pairs[n].name[0], pairs[n].name[1],
	       (unsigned long long)few.two_run, (unsigned long long)few.two_all,
	       with.count);
}

int main(void)
{
	static struct meeting m;
	static struct scene scene;

	failures_init();
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned kind = 0; kind < SCENES; kind++) {
		if (!scene_open(&scene, kind))
			return 77;
		for (unsigned n = 0; n < PAIRS; n++)
			if (pairs[n].scene == kind)
				compare(&m, &scene, n);
		stage_close(&scene.st);
	}
	printf("result pairs=%zu violations=%u\n", PAIRS, failures());
	return failures() != 0;
}
