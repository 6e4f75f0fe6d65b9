/* SPDX-License-Identifier: MIT */

/*
 * Lists of a subject, beside those who create, renew, regenerate and delete.
 *
 * A list is no instant, so it is not put in an order.  But who was there before
 * it began, and whom nobody had begun to end when it had returned, is in it: by
 * an id that was renewed meanwhile, or by the one that it has now, and by that
 * once.  If nobody renewed it meanwhile, it is in it by that.  Who had ended
 * before it began is not in it, and after somebody regenerated none of the ids
 * before.
 *
 * Where sessions end by time and for lack of memory only the latter is said.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "histories/lib_work.h"
#include "stress/lib_stress.h"

#define PAGE 7u

static bool has(const uint64_t *bits, uint32_t key)
{
	return bits[key / 64] >> key % 64 & 1;
}

/* ---- listing ---- */

struct telling {
	struct work *w;
	struct listing *l;
	const char *subject;
};

static int told(void *arg, const struct sojourn_info *info)
{
	struct telling *t = arg;
	const char *number = info->metadata.device_id;
	uint32_t key = number ? (uint32_t)strtoul(number, NULL, 10) : KEYS_MAX;
	uint64_t bit = UINT64_C(1) << key % 64;

	if (key >= KEYS_MAX || strcmp(info->subject, t->subject) != 0) {
		t->l->strange++;
		return 0;
	}
	if (work_lies(t->w, PLANT_LEFT_OUT))
		return 0;
	if (info->renewed) {
		t->l->old[key / 64] |= bit;
		return 0;
	}
	t->l->twice[key / 64] |= t->l->now[key / 64] & bit;
	t->l->now[key / 64] |= bit;
	return 0;
}

static int list_pages(struct work *w, const char *name, struct telling *t)
{
	uint64_t cursor = 0;
	int rc;

	do {
		rc = sojourn_session_list_next(w->s, name, NULL, &cursor, PAGE,
					       told, t);
	} while (rc >= 0 && cursor != 0);
	return rc < 0 ? rc : 0;
}

void work_list(struct work *w, uint32_t subject)
{
	static struct listing before[SUBJECTS];
	struct op *op = work_begin(w, LIST, KEYS_MAX);
	char name[64];
	struct telling t = {.w = w, .subject = name};
	uint32_t number = w->notes->lists_used++;
	int rc;

	if (op == NULL || number >= LISTS_MAX)
		return;
	t.l = &w->notes->list[number];
	op->subject = subject;
	op->tag = number;
	work_subject(name, sizeof(name), w->batch, subject);
	work_go(w, op);
	if (next_random(&w->random) % 2)
		rc = list_pages(w, name, &t);
	else
		rc = sojourn_session_list_subject(w->s, name, NULL, told, &t);
	if (rc >= 0 && work_lies(w, PLANT_LISTED_OLD))
		*t.l = before[subject];
	else
		before[subject] = *t.l;
	work_done(w, op, rc < 0 ? rc : 0);
}

/* ---- judging ---- */

/* Of a key, as far as one list goes. */
struct facts {
	uint64_t made_begin, made_end; /* UINT64_MAX: not known */
	uint64_t regenerated;          /* its begin; 0: not before the list */
	bool may_end, ended, moving, renewed_since;
};

static void look_at(struct facts *f, const struct op *o, const struct op *list)
{
	bool before = o->end && o->end < list->begin;

	if (o->begin > list->end)
		return;
	if (o->kind == DELETE || o->kind == DELETE_SUBJECT) {
		if (o->end && o->end < f->made_begin)
			return;
		f->may_end = true;
		f->ended |= before &&
			    (o->kind == DELETE
				     ? o->rc == 1
				     : o->rc >= 0 && o->begin > f->made_end);
	} else if (o->kind == RENEW || o->kind == REGENERATE) {
		f->moving |= !before;
		if (o->kind == REGENERATE && before && o->rc == 0 &&
		    o->begin > f->regenerated)
			f->regenerated = o->begin;
	}
}

/* A renewal that was not over when the last one regenerated before the list. */
static void look_again(struct facts *f, const struct op *o,
		       const struct op *list)
{
	if ((o->kind != RENEW && o->kind != REGENERATE) ||
	    o->begin > list->end || o->begin == f->regenerated)
		return;
	f->renewed_since |= o->end == 0 || o->end > f->regenerated;
}

static const char *wrong_about(const struct facts *f, const struct listing *l,
			       uint32_t key, bool never)
{
	bool now = has(l->now, key), old = has(l->old, key);
	bool must = !f->may_end && !never;

	if (has(l->twice, key))
		return "is there twice";
	if (f->ended && (now || old))
		return "is there, and had ended";
	if (must && !now && !old)
		return "is missing";
	if (must && !now && !f->moving)
		return "is there by an old id only";
	if (old && f->regenerated && !f->renewed_since)
		return "is there by an id that was regenerated";
	return NULL;
}

/* What was done to the key until then. */
static void print_key(struct notes *n, uint32_t key, const struct op *list)
{
	static struct history h;

	memset(&h, 0, sizeof(h));
	for (unsigned i = 0; i < BATCH_OPS && h.count < OPS_MAX; i++) {
		struct op *o = &n->op[i];

		if (o == list || (o->begin && o->begin < list->end &&
				  (o->key == key ||
				   (o->kind == DELETE_SUBJECT && o->end == 0 &&
				    o->subject == list->subject))))
			h.op[h.count++] = o;
	}
	history_print(&h);
}

static unsigned judge_list(struct notes *n, const struct op *list,
			   struct facts *facts, bool never, bool say)
{
	const struct listing *l = &n->list[list->tag];
	const uint32_t keys = n->keys_used < KEYS_MAX ? n->keys_used : KEYS_MAX;
	unsigned wrong = l->strange > 0;

	for (uint32_t key = 0; key < keys; key++) {
		const struct key *k = &n->key[key];
		const char *what;

		if (!k->is_login || k->subject != list->subject) {
			wrong += has(l->now, key) || has(l->old, key);
			continue;
		}
		if (facts[key].made_end >= list->begin)
			continue;
		what = wrong_about(&facts[key], l, key, never);
		wrong += what != NULL;
		if (what == NULL || !say)
			continue;
		printf("VIOLATION: process %u's list %llu to %llu: key "
		       "%u %s\n",
		       list->process, (unsigned long long)list->begin,
		       (unsigned long long)list->end, key, what);
		print_key(n, key, list);
	}
	return wrong;
}

static void
for_each_op(struct notes *n, const struct op *list, struct facts *facts,
	    void (*fn)(struct facts *, const struct op *, const struct op *))
{
	for (unsigned i = 0; i < BATCH_OPS; i++) {
		const struct op *o = &n->op[i];

		if (o->begin == 0)
			continue;
		if (o->key < KEYS_MAX)
			fn(&facts[o->key], o, list);
		for (uint32_t key = 0; o->kind == DELETE_SUBJECT &&
				       key < KEYS_MAX && key < n->keys_used;
		     key++)
			if (n->key[key].subject == o->subject)
				fn(&facts[key], o, list);
	}
}

unsigned lists_wrong(struct notes *n, bool never, bool say)
{
	static struct facts made[KEYS_MAX], facts[KEYS_MAX];
	unsigned wrong = 0;

	for (unsigned i = 0; i < KEYS_MAX; i++)
		made[i] = (struct facts){.made_end = UINT64_MAX};
	for (unsigned i = 0; i < BATCH_OPS; i++) {
		const struct op *o = &n->op[i];

		if (o->kind != CREATE || o->end == 0 || o->rc != 0)
			continue;
		made[o->key].made_begin = o->begin;
		made[o->key].made_end = o->end;
	}
	for (unsigned i = 0; i < BATCH_OPS; i++) {
		const struct op *list = &n->op[i];

		if (list->kind != LIST || list->end == 0 || list->rc < 0)
			continue;
		memcpy(facts, made, sizeof(facts));
		for_each_op(n, list, facts, look_at);
		for_each_op(n, list, facts, look_again);
		wrong += judge_list(n, list, facts, never, say);
	}
	return wrong;
}
