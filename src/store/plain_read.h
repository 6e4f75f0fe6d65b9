/* SPDX-License-Identifier: MIT */
#ifndef SOJ_STORE_PLAIN_READ_H
#define SOJ_STORE_PLAIN_READ_H

/*
 * Layer 3.  The plain read: all of it, from the digest to the copy, in one pass
 * without a call, for what nearly every read finds: an entry that lives, or no
 * place with the digest's tag at all.  Whatever is not that simple is left to
 * the long way (index.c, entry.c), which begins anew; nothing has been stored by
 * then.
 *
 * It takes the same steps in the same order: header, place, ctl, life, the
 * entry's fields, the chunk; then ctl again and the header again.  The first
 * says that what was copied is one instant's (entry.c), the second that the
 * place was committed at that instant (index.c, guarantees 2 and 3).
 *
 * What it costs is waiting for memory: for the bucket, then for entry and chunk
 * together, as the bucket has a hint where the chunk begins (index.c).  Whose
 * chunk that is, and how large, is worked out while both are on their way, so
 * that nothing between the entry's arrival and the copy waits for it: when ctl
 * has come it names that chunk or not, and the unit word is the same as it was,
 * or not.  If it does and is, then the chunk lies where ctl says by the unit word
 * that was loaded after ctl, as it has to be (locate.h).  Where a hint was missing
 * or wrong, the chunk is looked for by ctl, and all of its lines are asked for
 * before its head says how many are needed.
 *
 * That it can be at the next call's waits takes that there are few instructions
 * between two calls' loads: a processor looks some hundreds ahead.  Hence a
 * header: with what calls it (session/plain.c) it is one function, in which no
 * field is filled in that its caller does not look at.
 *
 * Crash and stop table: reads only; one that is stopped finds ctl or header
 * changed, or not.
 *
 * Edges
 *   I1  load of the header                 index.c I0
 *   I3  load of a place                    index.c I2
 *   I4  fence before the second look       index.c I0  as there
 *   E1  load of ctl and life               entry.c E0
 *   E2  fence before the second look       slab.c S2   as in entry.c
 *   U1  load of a unit word, again         page.c U0   behind E1
 *
 * Progress: wait-free.
 */

#include <errno.h>

#include "store/locate.h"
#include "store/plain.h"

/* What is wanted. */
struct soj_plain {
	void *data; /* is copied there; NULL: not */
	size_t data_capacity;
	/* Is it the caller's, by its metadata, where it lies?  What is there may
	 * change meanwhile: no answer counts but that of a read that succeeds. */
	bool (*fits)(const void *who, const void *rules, const soj_word_t *meta,
		     uint32_t meta_bytes);
	const void *who; /* NULL: whatever it is */
	const void *rules;
};

/* What was found. */
struct soj_plain_seen {
	uint64_t place;
	uint64_t life;
	uint64_t expires_ms;
	uint32_t idle_ms;
	uint32_t sliding_ms;
	uint32_t data_bytes;
	uint32_t meta_bytes;
};

#define SOJ_PLAIN_INLINE static inline __attribute__((always_inline))

/* Once the first half of a digest is known, before there is the second: where
 * its bucket is, and both lines of it on their way. */
SOJ_PLAIN_INLINE struct soj_shm_bucket *
soj_plain_begin(const struct soj_store *st, uint64_t word)
{
	struct soj_shm_bucket *b = soj_bucket_of(st, word);

	soj_prefetch(&b->header);
	soj_prefetch(&b->place[SOJ_BUCKET_HINT_AT]);
	return b;
}

/* Whose chunk it is that a hint names: worked out while the entry is on its way,
 * which says then whether it is the entry's. */
struct soj_plain_guess {
	soj_word_t *unit;
	uint64_t unit_word; /* as it was seen */
	soj_word_t *words;
	uint32_t bytes;
	uint32_t ctl; /* lower half of one that names it; 0: there is none */
};

SOJ_PLAIN_INLINE struct soj_plain_guess
soj_plain_guess(const struct soj_store *st, const struct soj_shm_bucket *b,
		unsigned p, unsigned lines_max)
{
	/* Also where ctl is 0, as in a damaged image, there is a word to load. */
	struct soj_plain_guess g = {.unit = st->seg.units};
	const struct soj_class *class;
	uint32_t unit, in_unit, slot;
	const uint8_t *at;
	unsigned lines;
	uint64_t from;

	at = soj_bucket_hint(st, b, p, lines_max, &lines);
	if (soj_rarely(at == NULL))
		return g;
	soj_prefetch_lines(at, lines);
	from = (uintptr_t)at - (uintptr_t)st->seg.chunks;
	unit = (uint32_t)(from / SOJ_UNIT_BYTES);
	in_unit = from % SOJ_UNIT_BYTES;
	if (soj_rarely(unit >= st->seg.lay.units))
		return g;
	class = soj_unit_locate(st, unit, &g.unit_word);
	if (soj_rarely(class == NULL))
		return g;
	slot = in_unit / class->chunk_bytes;
	if (soj_rarely(slot * class->chunk_bytes != in_unit ||
		       slot >= class->page_slots))
		return g;
	g.unit += unit;
	g.words = (soj_word_t *)(uintptr_t)at;
	g.bytes = class->chunk_bytes;
	g.ctl = (uint32_t)soj_ctl(SOJ_ACTIVE, soj_chunk(unit, slot), 0);
	return g;
}

struct soj_plain_chunk {
	soj_word_t *words; /* NULL: none that could be read */
	uint64_t bytes;
};

/* Of which there was no guess, or a wrong one. */
static __attribute__((noinline, cold, unused)) struct soj_plain_chunk
soj_plain_locate(const struct soj_store *st, uint64_t ctl, uint32_t lines)
{
	struct soj_plain_chunk c = {.words = NULL};
	uint32_t bytes;

	if (soj_ctl_status(ctl) != SOJ_ACTIVE)
		return c;
	c.words = soj_chunk_locate(st, soj_ctl_chunk(ctl), &bytes);
	if (c.words == NULL)
		return c;
	c.bytes = bytes;
	for (uint64_t at = 0; at < bytes && lines > 0;
	     at += SOJ_CACHELINE_BYTES, lines--)
		soj_prefetch(&c.words[at / sizeof(*c.words)]);
	return c;
}

/* Where the parts of a chunk lie. */
struct soj_plain_parts {
	soj_word_t *meta;
	soj_word_t *data;
};

/* The entry's own periods become those that came with the value. */
static __attribute__((noinline, unused)) bool
soj_plain_times(const soj_word_t *words, uint32_t record_bytes,
		struct soj_plain_seen *seen)
{
	const uint64_t periods = soj_load_relaxed(&words[3]);
	uint32_t half[2];

	if (record_bytes != sizeof(struct soj_shm_times))
		return false;
	memcpy(half, &periods, sizeof(half));
	seen->expires_ms = soj_load_relaxed(&words[2]);
	seen->idle_ms = half[0];
	seen->sliding_ms = half[1];
	return true;
}

/* Sizes, and where the parts begin; periods, if there are any. */
SOJ_PLAIN_INLINE bool soj_plain_head(const struct soj_plain_chunk *c,
				     uint32_t idx, struct soj_plain_seen *seen,
				     struct soj_plain_parts *parts)
{
	const uint64_t head0 = soj_load_relaxed(&c->words[0]);
	const uint64_t head1 = soj_load_relaxed(&c->words[1]);
	const uint32_t record_bytes = soj_head_record_bytes(head0);
	uint64_t at = SOJ_CHUNK_HEAD_BYTES / 8 + record_bytes / 8;

	seen->data_bytes = soj_head_data_bytes(head0);
	seen->meta_bytes = soj_head_meta_bytes(head0);
	at += (soj_head_subject_bytes(head0) + 7) / 8;
	parts->meta = c->words + at;
	at += (seen->meta_bytes + 7) / 8;
	parts->data = c->words + at;
	if (soj_rarely(soj_head_entry(head1) != idx ||
		       at * 8 + seen->data_bytes > c->bytes))
		return false;
	if (soj_rarely(record_bytes != 0)) {
		struct soj_plain_seen own;

		if (!soj_plain_times(c->words, record_bytes, &own))
			return false;
		seen->expires_ms = own.expires_ms;
		seen->idle_ms = own.idle_ms;
		seen->sliding_ms = own.sliding_ms;
	}
	return true;
}

SOJ_PLAIN_INLINE bool soj_plain_lives(const struct soj_plain_seen *seen,
				      uint64_t now_ms)
{
	const uint64_t accessed_ms = soj_life_accessed_ms(seen->life);

	return now_ms < seen->expires_ms &&
	       (seen->idle_ms == 0 || now_ms < accessed_ms + seen->idle_ms) &&
	       (seen->sliding_ms == 0 ||
		now_ms < accessed_ms + seen->sliding_ms);
}

/* False: not so simple. */
SOJ_PLAIN_INLINE bool soj_plain_value(const struct soj_plain *want,
				      const struct soj_plain_chunk *c,
				      uint32_t idx, uint64_t now_ms,
				      struct soj_plain_seen *seen)
{
	struct soj_plain_parts parts;

	if (soj_rarely(!soj_plain_head(c, idx, seen, &parts) ||
		       !soj_plain_lives(seen, now_ms) ||
		       (want->data && seen->data_bytes > want->data_capacity)))
		return false;
	if (want->who && soj_rarely(!want->fits(want->who, want->rules,
						parts.meta, seen->meta_bytes)))
		return false;
	if (want->data)
		soj_copy_out(want->data, parts.data, seen->data_bytes);
	return true;
}

SOJ_PLAIN_INLINE bool soj_plain_entry(const struct soj_store *st,
				      struct soj_shm_bucket *b, unsigned p,
				      struct soj_digest digest, uint64_t now_ms,
				      const struct soj_plain *want,
				      struct soj_plain_seen *seen)
{
	const uint32_t lines = want->data ? SOJ_FETCH_LINES : 1;
	const uint64_t place = soj_load_acquire(&b->place[p]); /* I3 */
	const uint32_t idx = soj_ref_entry(soj_place_ref(place));
	struct soj_shm_entry *e = soj_entry(st, idx);
	struct soj_plain_guess guess;
	struct soj_plain_chunk c;
	uint64_t ctl;

	soj_prefetch(e);
	guess = soj_plain_guess(st, b, p, lines);
	if (soj_rarely(!soj_entry_idx_ok(st, idx)))
		return false;
	seen->place = place;
	ctl = soj_load_acquire(&e->ctl);         /* E1 */
	seen->life = soj_load_acquire(&e->life); /* E1 */
	c = (struct soj_plain_chunk){.words = guess.words,
				     .bytes = guess.bytes};
	if (soj_rarely((uint32_t)ctl != guess.ctl ||
		       soj_load_acquire(guess.unit) !=
			       guess.unit_word)) /* U1 */
		c = soj_plain_locate(st, ctl, lines);
	if (soj_rarely(c.words == NULL))
		return false;
	if (soj_rarely((seen->life &
			(SOJ_LIFE_EXPIRED | SOJ_MASK(SOJ_REFGEN_BITS))) !=
			       soj_ref_gen(soj_place_ref(place)) ||
		       soj_load_relaxed(&e->digest[0]) != digest.word[0] ||
		       soj_load_relaxed(&e->digest[1]) != digest.word[1]))
		return false;
	seen->expires_ms = soj_load_relaxed(&e->expires_ms);
	seen->idle_ms = soj_load_relaxed(&e->idle_ms);
	seen->sliding_ms = soj_load_relaxed(&e->sliding_ms);
	if (!soj_plain_value(want, &c, idx, now_ms, seen))
		return false;
	soj_fence_acquire(); /* E2 */
	return soj_load_relaxed(&e->ctl) == ctl;
}

/*
 * Finds the entry of a digest, whose bucket is b, that lives at now_ms, is no old
 * id, and fits, and copies its data out.  0, and *seen; -ENOENT: there is nothing
 * with that digest; -EAGAIN: it may be anything, look the long way.  But for 0
 * *seen says nothing and data is none.  Stores nothing in the segment.
 */
SOJ_PLAIN_INLINE int soj_plain_read(const struct soj_store *st,
				    struct soj_shm_bucket *b,
				    struct soj_digest digest, uint64_t now_ms,
				    const struct soj_plain *want,
				    struct soj_plain_seen *seen)
{
	const uint64_t header = soj_load_acquire(&b->header); /* I1 */
	const uint32_t tagged = soj_bucket_tagged(b, digest) &
				(uint32_t)(header & SOJ_BUCKET_BITS);

	/* What is sealed is opened on the long way. */
	if (soj_rarely(st->seal_bytes != 0) && (want->data || want->who))
		return -EAGAIN;
	if (tagged == 0) {
		soj_fence_acquire(); /* I4 */
		return soj_load_relaxed(&b->header) == header ? -ENOENT
							      : -EAGAIN;
	}
	seen->data_bytes = 0;
	/* Two with one tag are rare. */
	if ((tagged & (tagged - 1)) == 0 &&
	    soj_plain_entry(st, b, soj_ctz64(tagged), digest, now_ms, want,
			    seen) &&
	    soj_load_relaxed(&b->header) == header)
		return 0;
	/* Whatever it was, it is not the caller's. */
	if (want->data)
		soj_wipe(want->data,
			 soj_min(seen->data_bytes, want->data_capacity));
	return -EAGAIN;
}

#endif /* SOJ_STORE_PLAIN_READ_H */
