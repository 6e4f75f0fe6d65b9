/* SPDX-License-Identifier: MIT */

/*
 * The best case: Sojourn's shape without its promises.  Lines of eight tagged
 * words lead to entries, each with a sequence; a read is two dependent misses
 * and a copy, and is done again if the sequence moved.  Values are overwritten
 * where they lie.  No recovery: who dies while writing leaves an entry that is
 * odd for ever.  No digest, no expiry, no grace periods: an entry that is freed
 * and used again under a reader is noticed by its id and sequence.
 *
 * A word of a line: number of the entry + 1 in 32 bits, 31 bits of the hash,
 * and in the first word one bit: some that belong here are in a following line,
 * at most `reach` away.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "peers.h"

#define WORDS  8u
#define MOVED  (UINT64_C(1) << 63)
#define NUMBER UINT64_C(0xffffffff)
/* What a worker takes from, and gives back to, all at a time. */
#define BATCH 64u
/* Each worker that ends may leave one behind. */
#define SPARE 2048u

struct entry {
	soj_word_t sequence; /* odd while it is written; even and live */
	soj_word_t id[BENCH_ID_CHARS / 8];
	soj_word_t value[];
};

struct own {
	soj_word_t *next_free; /* how many of the pool were ever taken */
	soj_word_t *reach;     /* the farthest that anything ever was put */
	soj_word_t *lines;
	uint8_t *entries;
	uint64_t lines_count;
	uint64_t entries_count;
	size_t stride;
	uint64_t bytes;
};

/* Freed entries stay with the worker that freed them. */
struct mine {
	uint32_t *free;
	uint64_t count;
};

static int open_any(struct bench_store *st)
{
	struct own *own = calloc(1, sizeof(*own));
	uint8_t *p;

	if (own == NULL)
		return -ENOMEM;
	st->own = own;
	own->lines_count = st->sessions / 5 + 16;
	own->entries_count = st->sessions + SPARE;
	own->stride = soj_align_up(sizeof(struct entry) + st->value_bytes, 8);
	own->bytes = 128 + own->lines_count * WORDS * 8 +
		     own->entries_count * own->stride;
	p = bench_shared_of(st, own->bytes);
	if (p == NULL)
		return -ENOMEM;
	own->next_free = (soj_word_t *)p;
	own->reach = (soj_word_t *)(p + 64);
	own->lines = (soj_word_t *)(p + 128);
	own->entries = p + 128 + own->lines_count * WORDS * 8;
	return 0;
}

static int enter(struct bench_worker *w)
{
	struct mine *mine = calloc(1, sizeof(*mine));

	w->own = mine;
	if (mine == NULL)
		return -ENOMEM;
	mine->free = calloc(BATCH, sizeof(*mine->free));
	return mine->free ? 0 : -ENOMEM;
}

static struct entry *entry_at(const struct own *own, uint64_t word)
{
	return (struct entry *)(own->entries +
				((word & NUMBER) - 1) * own->stride);
}

static bool same_id(const struct entry *e, const uint64_t *id)
{
	uint64_t differ = 0;

	for (unsigned i = 0; i < BENCH_ID_CHARS / 8; i++)
		differ |= soj_load_relaxed(&e->id[i]) ^ id[i];
	return differ == 0;
}

struct place {
	soj_word_t *at;
	uint64_t word; /* as it was seen there */
	struct entry *e;
	uint64_t sequence;
};

/* Looks for the id in its line and in those that it overflowed into. */
static bool find(const struct own *own, const char *text, struct place *p)
{
	const uint64_t hash = bench_hash(text);
	const uint64_t tag = (hash & UINT64_C(0x7fffffff)) << 32;
	uint64_t line = soj_scale(hash, own->lines_count), id[4];

	memcpy(id, text, sizeof(id));
	for (uint64_t away = 0;; away++) {
		soj_word_t *words = &own->lines[line * WORDS];
		const uint64_t first = soj_load_acquire(&words[0]);

		for (unsigned i = 0; i < WORDS; i++) {
			const uint64_t word = soj_load_acquire(&words[i]);

			if (((word ^ tag) & ~MOVED) >> 32 != 0 ||
			    (word & NUMBER) == 0)
				continue;
			p->at = &words[i];
			p->word = word;
			p->e = entry_at(own, word);
			p->sequence = soj_load_acquire(&p->e->sequence);
			if (same_id(p->e, id))
				return true;
		}
		if ((first & MOVED) == 0 ||
		    away == soj_load_relaxed(own->reach))
			return false;
		line = line + 1 == own->lines_count ? 0 : line + 1;
	}
}

static int get(struct bench_worker *w, const char *id, void *to)
{
	const struct own *own = w->store->own;
	struct place p;

	while (find(own, id, &p)) {
		if ((p.sequence & 1) != 0)
			continue;
		soj_copy_out(to, p.e->value, w->store->value_bytes);
		soj_fence_acquire();
		if (soj_load_relaxed(&p.e->sequence) == p.sequence)
			return (int)w->store->value_bytes;
	}
	return -ENOENT;
}

/* Makes the sequence odd; false if somebody else did something meanwhile. */
static bool claim(struct place *p)
{
	if ((p->sequence & 1) != 0 ||
	    !soj_cas_acq_rel(&p->e->sequence, &p->sequence, p->sequence + 1))
		return false;
	soj_fence_release();
	return true;
}

static int update(struct bench_worker *w, const char *id, const void *data)
{
	const struct own *own = w->store->own;
	struct place p;

	while (find(own, id, &p)) {
		if (!claim(&p))
			continue;
		soj_copy_in(p.e->value, data, w->store->value_bytes);
		soj_store_release(&p.e->sequence, p.sequence + 2);
		return 0;
	}
	return -ENOENT;
}

static int drop(struct bench_worker *w, const char *id)
{
	const struct own *own = w->store->own;
	struct mine *mine = w->own;
	struct place p;

	while (find(own, id, &p)) {
		uint64_t word = p.word;

		if (!claim(&p))
			continue;
		/* The bit for the line may be set meanwhile. */
		while (!soj_cas_acq_rel(p.at, &word, word & MOVED))
			;
		if (mine->count < BATCH)
			mine->free[mine->count++] = (uint32_t)(word & NUMBER);
		return 0;
	}
	return -ENOENT;
}

static uint32_t take(const struct own *own, struct mine *mine)
{
	uint64_t i;

	if (mine->count > 0)
		return mine->free[--mine->count];
	i = soj_add_relaxed(own->next_free, 1);
	return i < own->entries_count ? (uint32_t)i + 1 : 0;
}

/* Puts the word into its line, or into the next with room. */
static void link_in(const struct own *own, uint64_t hash, uint32_t number)
{
	const uint64_t tag = (hash & UINT64_C(0x7fffffff)) << 32;
	uint64_t line = soj_scale(hash, own->lines_count);
	uint64_t reach = soj_load_relaxed(own->reach);

	for (uint64_t away = 0;; away++) {
		while (reach < away &&
		       !soj_cas_acq_rel(own->reach, &reach, away))
			;
		soj_word_t *words = &own->lines[line * WORDS];

		for (unsigned i = 0; i < WORDS; i++) {
			uint64_t word = soj_load_relaxed(&words[i]);

			while ((word & NUMBER) == 0)
				if (soj_cas_acq_rel(&words[i], &word,
						    (word & MOVED) | tag |
							    number))
					return;
		}
		soj_or_acq_rel(&words[0], MOVED);
		line = line + 1 == own->lines_count ? 0 : line + 1;
	}
}

static int create(struct bench_worker *w, char *text, const void *data)
{
	const struct own *own = w->store->own;
	const uint32_t number = take(own, w->own);
	uint64_t sequence;
	struct entry *e;

	if (number == 0)
		return -ENOSPC;
	e = entry_at(own, number);
	/* Odd since it was freed: nobody else writes here. */
	sequence = soj_load_relaxed(&e->sequence) | 1;
	soj_store_relaxed(&e->sequence, sequence);
	soj_fence_release();
	soj_copy_in(e->id, text, BENCH_ID_CHARS);
	soj_copy_in(e->value, data, w->store->value_bytes);
	soj_store_release(&e->sequence, sequence + 1);
	link_in(own, bench_hash(text), number);
	return 0;
}

static int touch(struct bench_worker *w, const char *id)
{
	struct place p;

	return find(w->store->own, id, &p) ? 0 : -ENOENT;
}

static uint64_t memory(struct bench_store *st)
{
	return ((const struct own *)st->own)->bytes;
}

#define REST                                                            \
	.open = open_any, .enter = enter, .get = get, .create = create, \
	.update = update, .touch = touch, .remove = drop, .memory = memory

const struct bench_peer bench_sketch = {
	.name = "sketch",
	.what = "tagged lines, a sequence in each entry; no recovery, no "
		"expiry",
	REST,
};

const struct bench_peer bench_sketch_huge = {
	.name = "sketch-huge",
	.what = "the same in pages of 2 MiB",
	.huge = true,
	REST,
};
