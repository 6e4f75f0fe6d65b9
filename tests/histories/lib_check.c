/* SPDX-License-Identifier: MIT */

/*
 * Looks for an order of the operations that keeps to what was before what and
 * gives the results that were seen (J. Wing and C. Gong, "Testing and Verifying
 * Concurrent Objects", 1993; memoised as by G. Lowe, "Testing for
 * linearizability", 2017).
 *
 * Next may come any operation that began before the first end of those that are
 * left.  One that leaves the state as it is can be taken at once: what is an
 * order with it later is one with it now.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "histories/lib_model.h"

#define WORDS      (OPS_MAX / 64)
#define STATES_MAX 100000u
#define SHOWN_MAX  60u
#define SHRINK_MAX 5000u
#define SEEN_LOG2  22u

struct node {
	uint64_t done[WORDS];
	struct state s;
};

struct search {
	unsigned count;
	struct op *op[OPS_MAX]; /* by their ends, the killed last */
	uint64_t begin[OPS_MAX], end[OPS_MAX];
	struct about about[OPS_MAX];
	uint64_t nonce;
	uint64_t states, states_max;
};

/* Fingerprints of 128 bits: that two states share one will not happen. */
static struct {
	uint64_t a, b;
} * seen;
static uint64_t seen_count, seen_nonce;

static uint64_t stir(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93;
	return x ^ x >> 32;
}

/* Was the state met before in this search? */
static bool met(struct search *f, const struct node *n)
{
	const uint64_t mask = (UINT64_C(1) << SEEN_LOG2) - 1;
	const uint64_t *word = (const uint64_t *)n;
	uint64_t a = f->nonce, b = ~f->nonce;

	for (size_t i = 0; i < sizeof(*n) / 8; i++) {
		a = stir(a + word[i]);
		b = stir(b ^ (word[i] * 0x9e3779b97f4a7c15 + i));
	}
	a |= 1;
	for (uint64_t i = a >> 20;; i++) {
		if (seen[i & mask].a == a && seen[i & mask].b == b)
			return true;
		if (seen[i & mask].a != 0)
			continue;
		seen[i & mask].a = a;
		seen[i & mask].b = b;
		seen_count++;
		return false;
	}
}

static bool is_done(const struct node *n, unsigned i)
{
	return n->done[i / 64] >> i % 64 & 1;
}

static void set_done(struct node *n, unsigned i)
{
	n->done[i / 64] |= UINT64_C(1) << i % 64;
}

/* The end before which the next one must have begun; 0: none is left. */
static uint64_t limit(const struct search *f, const struct node *n)
{
	for (unsigned i = 0; i < f->count; i++)
		if (!is_done(n, i))
			return f->about[i].pending ? 0 : f->end[i];
	return 0;
}

/* Takes all that leave the state as it is; then the limit. */
static uint64_t take_same(struct search *f, struct node *n)
{
	uint64_t until = limit(f, n);
	bool took = until != 0;

	while (took) {
		took = false;
		for (unsigned i = 0; i < f->count; i++) {
			struct state s = n->s;

			if (is_done(n, i) || f->begin[i] >= until ||
			    f->about[i].pending ||
			    state_apply(&s, f->op[i], &f->about[i]) != SAME)
				continue;
			n->s = s;
			set_done(n, i);
			took = true;
		}
		until = limit(f, n);
		if (until == 0)
			return 0;
	}
	return until;
}

static enum verdict go_on(struct search *f, struct node n);

static enum verdict go_parts(struct search *f, const struct node *n, unsigned i)
{
	bool undecided = false;

	for (unsigned nth = 0;; nth++) {
		struct node next = *n;
		enum verdict v;

		if (!state_part(&next.s, f->op[i], &f->about[i], nth))
			return undecided ? UNDECIDED : REFUTED;
		v = go_on(f, next);
		if (v == FINE)
			return FINE;
		undecided |= v == UNDECIDED;
	}
}

static enum verdict go_on(struct search *f, struct node n)
{
	uint64_t until = take_same(f, &n);
	bool undecided = false;

	if (until == 0)
		return FINE;
	if (met(f, &n))
		return REFUTED;
	if (++f->states > f->states_max)
		return UNDECIDED;
	for (unsigned i = 0; i < f->count; i++) {
		struct node next = n;
		enum verdict v = REFUTED;

		if (is_done(&n, i) || f->begin[i] >= until)
			continue;
		if (state_apply(&next.s, f->op[i], &f->about[i]) != ILLEGAL) {
			set_done(&next, i);
			v = go_on(f, next);
		}
		if (v == REFUTED)
			v = go_parts(f, &n, i);
		if (v == FINE)
			return FINE;
		undecided |= v == UNDECIDED;
	}
	return undecided ? UNDECIDED : REFUTED;
}

/* ---- setting out ---- */

static uint64_t end_of(const struct op *op)
{
	return op->end ? op->end : UINT64_MAX;
}

static int by_end(const void *a, const void *b)
{
	uint64_t x = end_of(*(struct op *const *)a);
	uint64_t y = end_of(*(struct op *const *)b);

	return x < y ? -1 : x > y;
}

static bool overlap(const struct search *f, unsigned i, unsigned k)
{
	return f->begin[i] < f->end[k] && f->begin[k] < f->end[i];
}

static void look_around(struct search *f, unsigned i)
{
	for (unsigned k = 0; k < f->count; k++) {
		const struct op *other = f->op[k];

		if (k == i || !overlap(f, i, k))
			continue;
		f->about[i].beside_deletion |=
			other->kind == DELETE || other->kind == DELETE_SUBJECT;
		f->about[i].beside_regenerate |= other->kind == REGENERATE;
	}
}

static enum verdict check(struct history *h, uint64_t states_max)
{
	static struct search f;
	struct node first;

	if (seen == NULL || seen_count > 2 * STATES_MAX) {
		free(seen);
		seen = calloc(UINT64_C(1) << SEEN_LOG2, sizeof(*seen));
		seen_count = 0;
	}
	if (seen == NULL)
		return UNDECIDED;
	memset(&f, 0, sizeof(f));
	f.states_max = states_max;
	f.nonce = stir(++seen_nonce);
	for (unsigned i = 0; i < h->count; i++)
		if (!h->beside[i])
			f.op[f.count++] = h->op[i];
	qsort(f.op, f.count, sizeof(f.op[0]), by_end);
	for (unsigned i = 0; i < f.count; i++) {
		f.begin[i] = f.op[i]->begin;
		f.end[i] = end_of(f.op[i]);
		f.about[i].pending = f.op[i]->end == 0;
	}
	for (unsigned i = 0; i < f.count; i++)
		look_around(&f, i);
	memset(&first, 0, sizeof(first));
	return go_on(&f, first);
}

enum verdict history_check(struct history *h)
{
	return check(h, STATES_MAX);
}

/* ---- the refuted ---- */

static bool only_looks(const struct op *op)
{
	return op->kind == READ || op->kind == GET || op->kind == HAS ||
	       (op->rc < 0 && op->kind != RENEW && op->kind != REGENERATE);
}

/* Only what was known at an instant: what ended later had not ended, and what
 * began later is left out.  Gives the ends in *end to put them back. */
static void cut(struct history *h, uint64_t instant, uint64_t *end)
{
	for (unsigned i = 0; i < h->count; i++) {
		end[i] = h->op[i]->end;
		if (end[i] > instant)
			h->op[i]->end = 0;
		h->beside[i] = h->op[i]->begin > instant;
	}
}

static void put_back(struct history *h, const uint64_t *end)
{
	for (unsigned i = 0; i < h->count; i++)
		h->op[i]->end = end[i];
	memset(h->beside, 0, sizeof(h->beside));
}

/* The first instant at which it is refuted: it is from then on. */
static void cut_short(struct history *h)
{
	uint64_t end[OPS_MAX], low = 0, high = 1;

	for (unsigned i = 0; i < h->count; i++)
		if (h->op[i]->end >= high)
			high = h->op[i]->end;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		cut(h, middle, end);
		if (check(h, STATES_MAX) == REFUTED)
			high = middle;
		else
			low = middle + 1;
		put_back(h, end);
	}
	cut(h, high, end);
}

/* What only looks can be left out, and what is refuted without it is refuted
 * with it; and so can those that failed, unless they may have made a new id. */
void history_shrink(struct history *h)
{
	cut_short(h);
	for (unsigned i = 0; i < h->count; i++) {
		if (h->beside[i] || !only_looks(h->op[i]))
			continue;
		h->beside[i] = true;
		if (check(h, SHRINK_MAX) != REFUTED)
			h->beside[i] = false;
	}
}

static int by_begin(const void *a, const void *b)
{
	uint64_t x = (*(struct op *const *)a)->begin;
	uint64_t y = (*(struct op *const *)b)->begin;

	return x < y ? -1 : x > y;
}

static void print_op(const struct op *op)
{
	printf("  %8llu %8llu  process %u  %-14s",
	       (unsigned long long)op->begin, (unsigned long long)op->end,
	       op->process, kind_names[op->kind]);
	if (op->id)
		printf(" id %04x", (unsigned)(op->id & 0xffff));
	if (op->tag)
		printf(" writes %llu", (unsigned long long)op->tag);
	if (op->if_version)
		printf(" if %llx", (unsigned long long)op->if_version);
	if (op->if_exists)
		printf(" if there");
	if (op->end == 0) {
		printf(" -> may have happened\n");
		return;
	}
	printf(" -> %d", op->rc);
	if (op->saw)
		printf(" sees %llu", (unsigned long long)op->saw);
	if (op->version)
		printf(" version %llx", (unsigned long long)op->version);
	if (op->now_ms)
		printf(" after %llu ms", (unsigned long long)op->now_ms);
	if (op->new_id)
		printf(" %s %04x", op->renewed ? "renewed to" : "new id",
		       (unsigned)(op->new_id & 0xffff));
	printf("\n");
}

void history_print(const struct history *h)
{
	struct op *op[OPS_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < h->count; i++)
		if (!h->beside[i])
			op[count++] = h->op[i];
	qsort(op, count, sizeof(op[0]), by_begin);
	printf("key %u, %u of its %u operations, the last of them: begin, "
	       "end\n",
	       count ? op[0]->key : 0, count, h->count);
	for (unsigned i = count > SHOWN_MAX ? count - SHOWN_MAX : 0; i < count;
	     i++)
		print_op(op[i]);
}
