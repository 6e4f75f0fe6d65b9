/* SPDX-License-Identifier: MIT */
#ifndef SOJ_STORE_PLAIN_H
#define SOJ_STORE_PLAIN_H

/* Layer 3.  Reads in one pass, where all is as it mostly is. */

#include "store/store.h"

static inline struct soj_shm_bucket *soj_bucket_of(const struct soj_store *st,
						   uint64_t word)
{
	return &st->seg.buckets[soj_scale(word, st->seg.lay.buckets)];
}

/* Which places of a bucket have the digest's tag.  A hint: they are loaded
 * again.  The header is the first of sixteen words, place 0 the second. */
static inline uint32_t soj_bucket_tagged(const struct soj_shm_bucket *b,
					 struct soj_digest digest)
{
	return soj_tagged((const soj_word_t *)(uintptr_t)b,
			  (uint16_t)digest.word[1]) >>
	       1;
}

/* Of a value; behind that the processor has seen the way it goes. */
#define SOJ_FETCH_LINES 7u

/* Where the hint for place p says that its chunk begins, and *lines of its
 * value, `most` at most; NULL: there is no hint. */
static inline const uint8_t *soj_bucket_hint(const struct soj_store *st,
					     const struct soj_shm_bucket *b,
					     unsigned p, unsigned most,
					     unsigned *lines)
{
	uint64_t hint;

	if (p >= SOJ_BUCKET_HINTED)
		return NULL;
	hint = soj_load_relaxed(&b->place[p + SOJ_BUCKET_HINT_AT]);
	if (hint == 0 || !soj_place_empty(hint))
		return NULL;
	*lines = (unsigned)soj_min(soj_hint_lines(hint), most);
	return st->seg.chunks + (uint64_t)soj_hint_word(hint) * 8;
}

/* Has the lines fetched that the hint for place p names, wherever they are: to
 * fetch reads nothing, and a wrong hint costs a fetch in vain.  False: there is
 * no hint. */
static inline bool soj_bucket_fetch(const struct soj_store *st,
				    const struct soj_shm_bucket *b, unsigned p,
				    unsigned lines_max)
{
#ifdef SOJ_EXPLORE
	(void)st; /* which is to see each load that counts */
	(void)b;
	(void)p;
	(void)lines_max;
	return false;
#else
	unsigned lines;
	const uint8_t *at = soj_bucket_hint(st, b, p, lines_max, &lines);

	if (at != NULL)
		soj_prefetch_lines(at, lines);
	return at != NULL;
#endif
}

/* For who will look up several, when the digest's bucket has come: has fetched
 * what a plain read looks at of the entry that probably has the digest, and of
 * its value.  Returns the entry if nothing says where that is; else 0. */
static inline uint32_t soj_bucket_guess(const struct soj_store *st,
					struct soj_digest digest)
{
	const struct soj_shm_bucket *b = soj_bucket_of(st, digest.word[0]);
	const uint64_t committed =
		soj_load_relaxed(&b->header) & SOJ_BUCKET_BITS;
	const uint64_t tagged = soj_bucket_tagged(b, digest) & committed;
	const unsigned p = tagged ? soj_ctz64(tagged) : 0;
	const uint32_t idx =
		soj_ref_entry(soj_place_ref(soj_load_relaxed(&b->place[p])));

	if (tagged == 0 || !soj_entry_idx_ok(st, idx))
		return 0;
	soj_prefetch(soj_entry(st, idx));
	return soj_bucket_fetch(st, b, p, SOJ_FETCH_LINES) ? 0 : idx;
}

/* Of an entry whose ctl the caller has loaded: up to that nobody had the flag,
 * so nobody renewed it (entry.c).  False: somebody may have. */
static inline bool soj_entry_never_renewed(const struct soj_shm_entry *e,
					   uint64_t ref)
{
	return soj_load_relaxed(&e->renew) == soj_renew_never(soj_ref_gen(ref));
}

/* The periods that an entry was made with. */
static inline void soj_entry_times(const struct soj_shm_entry *e, uint64_t life,
				   struct soj_times *t)
{
	t->created_ms = soj_load_relaxed(&e->created_ms);
	t->expires_ms = soj_load_relaxed(&e->expires_ms);
	t->idle_ms = soj_load_relaxed(&e->idle_ms);
	t->sliding_ms = soj_load_relaxed(&e->sliding_ms);
	t->accessed_ms = soj_life_accessed_ms(life);
	t->grace_until_ms = UINT64_MAX;
}

#endif /* SOJ_STORE_PLAIN_H */
