/* SPDX-License-Identifier: MIT */

#include "explore/lib_meeting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void meeting_actors(struct meeting *m)
{
	for (unsigned i = 0; i < m->count; i++)
		m->actor[i] = (struct actor){
			.scene = m->scene, .op = m->op[i], .idx = i};
}

void meeting_begin(struct meeting *m, struct scene *scene)
{
	memset(m->memo, 0, sizeof(m->memo));
	m->memo_count = 0;
	m->scene = scene;
	m->failed = false;
}

void meeting_end(struct meeting *m)
{
	for (unsigned mask = 0; mask < MASKS; mask++) {
		struct reference *ref = &m->reference[mask];

		for (unsigned i = 0; i < ref->count; i++)
			free(ref->outcome[i]);
		memset(ref, 0, sizeof(*ref));
	}
}

bool meeting_is_new(struct meeting *m, uint64_t key)
{
	uint32_t at = (uint32_t)(key >> (64 - MEMO_LOG2));

	if (m->memo_count > (3u << MEMO_LOG2) / 4) {
		memset(m->memo, 0, sizeof(m->memo));
		m->memo_count = 0;
	}
	key |= 1;
	while (m->memo[at] != 0 && m->memo[at] != key)
		at = (at + 1) & SOJ_MASK(MEMO_LOG2);
	if (m->memo[at] == key)
		return false;
	m->memo[at] = key;
	m->memo_count++;
	return true;
}

/* ---- orders ---- */

/* As its name says, or something instead. */
#define WAYS (1 + INSTEADS)

static bool same(const struct outcome *a, const struct outcome *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (strcmp(a->line[i], b->line[i]) != 0)
			return false;
	return true;
}

static void reference_add(struct reference *ref, const struct outcome *out)
{
	for (unsigned i = 0; i < ref->count; i++)
		if (same(ref->outcome[i], out))
			return;
	if (ref->count == ORDERS_MAX)
		abort();
	ref->outcome[ref->count] = malloc(sizeof(*out));
	*ref->outcome[ref->count++] = *out;
}

/* Who is over the cap ends others on one scene only. */
static unsigned flags_of(const struct meeting *m, unsigned actor)
{
	unsigned flags = m->op[actor]->flags;

	if (flags & OP_CAPS && m->scene->kind == SCENE_OLDEST)
		flags |= OP_DELETES;
	return flags;
}

static bool may_do(const struct meeting *m, unsigned actor, unsigned instead,
		   unsigned dead)
{
	const struct operation *op = m->op[actor];
	unsigned flags = 0, of_dead = 0;

	if (instead == 0)
		return true;
	for (unsigned i = 0; i < m->count; i++) {
		if (i == actor)
			continue;
		flags |= flags_of(m, i);
		of_dead |= dead >> i & 1 ? flags_of(m, i) : 0;
	}
	return op->instead[instead - 1].run &&
	       !(op->instead[instead - 1].with & ~flags) &&
	       (flags & op->instead[instead - 1].by ||
		of_dead & op->instead[instead - 1].by_dead);
}

/* One after the other; instead[i] is what actor i may do instead. */
static void one_order(struct meeting *m, const unsigned *order, unsigned count,
		      const unsigned *instead, unsigned dead)
{
	static struct outcome out;

	for (unsigned i = 0; i < count; i++)
		if (!may_do(m, order[i], instead[order[i]], dead))
			return;
	stage_restore(&m->scene->st);
	meeting_actors(m);
	for (unsigned i = 0; i < count; i++) {
		struct actor *a = &m->actor[order[i]];

		a->instead = instead[order[i]];
		actor_run(&m->scene->st, a->idx, actor_fn, a);
	}
	for (unsigned i = 0; i < m->count; i++)
		if (dead >> i & 1)
			actor_die(&m->scene->st, i);
	m->orders++;
	scene_look(m->scene, m->actor, m->count, dead, false, &out);
	reference_add(&m->reference[dead], &out);
}

/* All orders of those in `left` after order[0..count). */
static void all_orders(struct meeting *m, unsigned *order, unsigned count,
		       unsigned left, unsigned dead)
{
	unsigned had = 0;

	for (unsigned i = 0; i < m->count; i++) {
		if (!(left >> i & 1))
			continue;
		order[count] = i;
		all_orders(m, order, count + 1, left & ~(1u << i), dead);
	}
	for (unsigned i = 0; i < count; i++)
		had |= 1u << order[i];
	/* The dead may have done nothing. */
	if ((had | dead) != (1u << m->count) - 1)
		return;
	for (unsigned code = 0; code < WAYS * WAYS * WAYS; code++) {
		const unsigned instead[ACTORS_MAX] = {
			code % WAYS, code / WAYS % WAYS, code / WAYS / WAYS};
		bool some = false;

		for (unsigned i = 0; i < ACTORS_MAX; i++)
			some |= instead[i] && !(had >> i & 1);
		if (!some)
			one_order(m, order, count, instead, dead);
	}
}

const struct reference *meeting_reference(struct meeting *m, unsigned dead)
{
	struct reference *ref = &m->reference[dead];
	struct actor kept[ACTORS_MAX];
	unsigned order[ACTORS_MAX];

	if (ref->made)
		return ref;
	memcpy(kept, m->actor, sizeof(kept));
	ref->made = true;
	all_orders(m, order, 0, (1u << m->count) - 1, dead);
	memcpy(m->actor, kept, sizeof(kept));
	return ref;
}

/* ---- judging ---- */

static bool line_known(const struct reference *ref, const char *line)
{
	for (unsigned i = 0; i < ref->count; i++)
		for (unsigned k = 0; k < ref->outcome[i]->count; k++)
			if (strcmp(ref->outcome[i]->line[k], line) == 0)
				return true;
	return false;
}

static unsigned differing(const struct outcome *a, const struct outcome *b)
{
	unsigned count = 0;

	for (unsigned i = 0; i < a->count && i < b->count; i++)
		count += strcmp(a->line[i], b->line[i]) != 0;
	return count + (a->count > b->count ? a->count - b->count
					    : b->count - a->count);
}

static void complain(const struct reference *ref, const struct outcome *out)
{
	const struct outcome *nearest = ref->outcome[0];

	for (unsigned i = 1; i < ref->count; i++)
		if (differing(ref->outcome[i], out) < differing(nearest, out))
			nearest = ref->outcome[i];
	failed("as after none of %u orders", ref->count);
	for (unsigned i = 0; i < out->count || i < nearest->count; i++) {
		const char *is = i < out->count ? out->line[i] : "";
		const char *was = i < nearest->count ? nearest->line[i] : "";

		if (strcmp(is, was) == 0)
			continue;
		fprintf(stderr, "    is:       %s\n    in order: %s\n", is,
			was);
	}
}

void meeting_compare(struct meeting *m, const struct reference *ref,
		     const struct outcome *out)
{
	unsigned flags = 0;

	for (unsigned i = 0; i < m->count; i++)
		flags |= m->op[i]->flags;
	/* Who is evicted, and how many, depends on who stands in a section:
	 * what was ended meanwhile is no room yet. */
	if (flags & OP_ANY_EFFECT || m->scene->kind == SCENE_FULL)
		return;
	for (unsigned i = 0; i < ref->count; i++)
		if (same(ref->outcome[i], out))
			return;
	for (unsigned i = 0; i < out->count && flags & OP_PARTIAL; i++)
		if (!line_known(ref, out->line[i]))
			flags &= ~(unsigned)OP_PARTIAL;
	if (!(flags & OP_PARTIAL))
		complain(ref, out);
}
