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
 * together, as the bucket has a hint where the chunk lies (index.c).  So nothing
 * here depends on a guess that is often wrong, and the processor can be at the
 * next call's waits already; and where a hint was missing or wrong, all lines of
 * the chunk are asked for before its head says how many are needed.
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
 *
 * Progress: wait-free.
 */

#include <errno.h>

#include "store/locate.h"
#include "store/plain.h"

/* What is to be copied; NULL: not. */
#define SOJ_PLAIN_META_BYTES 256u

struct soj_plain {
	void *data;
	size_t data_capacity;
	uint8_t *meta; /* SOJ_PLAIN_META_BYTES; whole words of it are written */
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

static __attribute__((noinline, unused)) void
soj_plain_fetch(const soj_word_t *words, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += SOJ_CACHELINE_BYTES)
		soj_prefetch(&words[at / sizeof(*words)]);
}

/* The chunk's words, its first lines on their way; NULL.  coming: what is on
 * its way already. */
SOJ_PLAIN_INLINE soj_word_t *soj_plain_words(const struct soj_store *st,
					     uint32_t chunk,
					     const uint8_t *coming,
					     uint32_t lines, uint32_t *bytes)
{
	soj_word_t *words = soj_chunk_locate(st, chunk, bytes);

	if (soj_rarely(words == NULL))
		return NULL;
	if (soj_rarely((uintptr_t)words / SOJ_CACHELINE_BYTES !=
		       (uintptr_t)coming / SOJ_CACHELINE_BYTES))
		soj_plain_fetch(words,
				soj_min(lines * SOJ_CACHELINE_BYTES, *bytes));
	return words;
}

/* Sizes, and where the data begins; the entry's own periods become those that
 * came with the value, if any did. */
SOJ_PLAIN_INLINE bool soj_plain_head(soj_word_t *words, uint32_t bytes,
				     uint32_t idx, struct soj_plain_seen *seen,
				     soj_word_t **data)
{
	const uint64_t head0 = soj_load_relaxed(&words[0]);
	const uint64_t head1 = soj_load_relaxed(&words[1]);
	const uint32_t record_bytes = soj_head_record_bytes(head0);
	uint32_t at = SOJ_CHUNK_HEAD_BYTES + record_bytes;

	seen->data_bytes = soj_head_data_bytes(head0);
	seen->meta_bytes = soj_head_meta_bytes(head0);
	at += (soj_head_subject_bytes(head0) + 7) & ~7u;
	at += (seen->meta_bytes + 7) & ~7u;
	*data = words + at / 8;
	if (soj_rarely(soj_head_entry(head1) != idx ||
		       at + seen->data_bytes > bytes ||
		       (record_bytes != 0 &&
			record_bytes != sizeof(struct soj_shm_times))))
		return false;
	if (record_bytes != 0) { /* struct soj_shm_times */
		const uint64_t periods = soj_load_relaxed(&words[3]);
		uint32_t half[2];

		memcpy(half, &periods, sizeof(half));
		seen->expires_ms = soj_load_relaxed(&words[2]);
		seen->idle_ms = half[0];
		seen->sliding_ms = half[1];
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
SOJ_PLAIN_INLINE bool soj_plain_entry(const struct soj_store *st,
				      uint64_t place, struct soj_digest digest,
				      uint64_t now_ms,
				      const struct soj_plain *want,
				      const uint8_t *coming,
				      struct soj_plain_seen *seen)
{
	const uint32_t idx = soj_ref_entry(soj_place_ref(place));
	struct soj_shm_entry *e = soj_entry(st, idx);
	soj_word_t *words, *from;
	uint32_t bytes = 0;
	uint64_t ctl;

	if (soj_rarely(!soj_entry_idx_ok(st, idx)))
		return false;
	seen->place = place;
	ctl = soj_load_acquire(&e->ctl);         /* E1 */
	seen->life = soj_load_acquire(&e->life); /* E1 */
	words = soj_plain_words(st, soj_ctl_chunk(ctl), coming,
				want->data ? SOJ_FETCH_LINES : 1, &bytes);
	if (soj_rarely(words == NULL || soj_ctl_status(ctl) != SOJ_ACTIVE ||
		       (seen->life &
			(SOJ_LIFE_EXPIRED | SOJ_MASK(SOJ_REFGEN_BITS))) !=
			       soj_ref_gen(soj_place_ref(place)) ||
		       ((soj_load_relaxed(&e->digest[0]) ^ digest.word[0]) |
			(soj_load_relaxed(&e->digest[1]) ^ digest.word[1])) !=
			       0))
		return false;
	seen->expires_ms = soj_load_relaxed(&e->expires_ms);
	seen->idle_ms = soj_load_relaxed(&e->idle_ms);
	seen->sliding_ms = soj_load_relaxed(&e->sliding_ms);
	if (soj_rarely(
		    !soj_plain_head(words, bytes, idx, seen, &from) ||
		    !soj_plain_lives(seen, now_ms) ||
		    (want->meta && seen->meta_bytes > SOJ_PLAIN_META_BYTES) ||
		    (want->data && seen->data_bytes > want->data_capacity)))
		return false;
	if (want->meta) { /* with what is behind it in its last word */
		const uint64_t whole = soj_align_up(seen->meta_bytes, 8);

		soj_copy_out(want->meta, from - whole / 8, whole);
	}
	if (want->data)
		soj_copy_out(want->data, from, seen->data_bytes);
	soj_fence_acquire(); /* E2 */
	return soj_load_relaxed(&e->ctl) == ctl;
}

SOJ_PLAIN_INLINE bool soj_plain_place(const struct soj_store *st,
				      struct soj_shm_bucket *b, unsigned p,
				      struct soj_digest digest, uint64_t now_ms,
				      const struct soj_plain *want,
				      struct soj_plain_seen *seen)
{
	const uint64_t place = soj_load_acquire(&b->place[p]); /* I3 */
	const uint8_t *coming =
		soj_bucket_fetch(st, b, p, want->data ? SOJ_FETCH_LINES : 1);

	return soj_plain_entry(st, place, digest, now_ms, want, coming, seen);
}

/*
 * Finds the entry of a digest, whose bucket is b, that lives at now_ms, is no old id, and whose
 * data and metadata fit, and copies them out.  0, and *seen; -ENOENT: there is
 * nothing with that digest; -EAGAIN: it may be anything, look the long way.  But
 * for 0 *seen says nothing and data is none.  Stores nothing in the segment.
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
	if (soj_rarely(st->seal_bytes != 0) && (want->data || want->meta))
		return -EAGAIN;
	if (tagged == 0) {
		soj_fence_acquire(); /* I4 */
		return soj_load_relaxed(&b->header) == header ? -ENOENT
							      : -EAGAIN;
	}
	seen->data_bytes = 0;
	/* Two with one tag are rare. */
	if ((tagged & (tagged - 1)) == 0 &&
	    soj_plain_place(st, b, soj_ctz64(tagged), digest, now_ms, want,
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
