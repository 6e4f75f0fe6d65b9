/* SPDX-License-Identifier: MIT */

/*
 * The index by id: buckets of two adjacent cache lines, a header word and 15
 * places.  A place is {entry, generation, tag}; the header is {version,
 * bitmap of the committed places}.
 *
 * Insert: load the header; look through the committed places for the key;
 * reserve an empty place by CAS; CAS the header to version + 1 with the
 * place's bit.  That CAS commits.  Any other commit or removal in between
 * changed the version, so the look is still true when it succeeds, and
 * uniqueness needs nothing more.
 * Remove: load the header, re-read the place after every load of the header,
 * CAS the header without the bit, then clear the place.  Anyone may, for an
 * ended entry.  A reservation belongs to its owner: nobody else clears it
 * while the owner lives.
 * Hint: a place that names entry 0 is empty, whatever else it holds.  As places
 * are taken from the lowest on, those of the second line are mostly empty, and
 * say where the values of the places of the first line lie: both lines come
 * at once, and a read waits for entry and value together instead of for one
 * after the other.  Whoever publishes a value puts its hint, by CAS from the
 * empty word seen, so that it never takes a place that was reserved meanwhile.
 * Nobody believes a hint: it is fetched, and who reads by it looks whether ctl
 * names that chunk (plain_read.h).  It may be of an earlier value, or of none, and
 * stays when its place is cleared.
 * Sources: RACE hashing (ATC 2021) and DLHT (HPDC 2024) for the bucket in
 * adjacent lines; the header commit is our own (tests/model/index.pml).
 *
 * Guarantees
 *  1. At most one committed place names a readable entry of a key.
 *  2. A lookup that returns an entry saw its place committed at one instant.
 *  3. A lookup that returns -ENOENT saw an instant without the key.
 *
 * Crash table (killed after the step)
 *   reserved                 a place that no header commits: repair of the
 *                            owner ends the entry and clears it
 *   committed                the entry is found; OWNED: repair decides
 *   header without the bit   place still filled: scrub clears what is not
 *                            committed and not OWNED in that generation
 *   published, not hinted    reads fetch the wrong lines, and then the right
 * Stop table: a remover that comes back finds another header version, or
 * another word in the place (it re-reads it), or clears a word that carries
 * the old generation: nothing else matches.  A hint that comes late is a wrong
 * one at worst.
 *
 * Edges
 *   I0  commit, remove: cas of the header     I1, I4  the entry's fields are seen
 *   I1  load of the header                    I0
 *   I2  reserve, clear, hint: cas of a place  I3
 *   I3  load of a place                       I2
 *   I4  lookup: fence, then the header again  I0  places read between belong to
 *                                                 one version
 *   S1  load of an entry's state (slab.c)     S0
 *   E1  load of ctl and life (entry.c)        E0
 *
 * Progress: insert and remove lock-free; lookup re-runs only when the bucket
 * changed, at most SOJ_FIND_TRIES times.
 */

#include <errno.h>

#include "base/fault.h"
#include "store/fetch.h"
#include "store/locate.h"
#include "store/plain.h"

#define SOJ_FIND_TRIES 4096u

static struct soj_shm_bucket *bucket_of(const struct soj_store *st,
					struct soj_digest digest)
{
	return soj_bucket_of(st, digest.word[0]);
}

/* Does the place name an entry with that digest?  Loads ctl first. */
static bool place_matches(const struct soj_store *st, uint64_t place,
			  struct soj_digest digest, struct soj_found *found)
{
	uint64_t ref = soj_place_ref(place);
	uint32_t idx = soj_ref_entry(ref);
	struct soj_shm_entry *e;

	if (soj_place_tag(place) != (digest.word[1] & 0xffff) ||
	    !soj_entry_idx_ok(st, idx))
		return false;
	e = soj_entry(st, idx);
	found->ref = ref;
	found->ctl = soj_load_acquire(&e->ctl);   /* E1 */
	found->life = soj_load_acquire(&e->life); /* E1 */
	return soj_life_gen(found->life) == soj_ref_gen(ref) &&
	       soj_load_relaxed(&e->digest[0]) == digest.word[0] &&
	       soj_load_relaxed(&e->digest[1]) == digest.word[1];
}

/* Looks through the committed places of one version of the header. */
static bool bucket_scan(const struct soj_store *st, struct soj_shm_bucket *b,
			uint64_t header, struct soj_digest digest,
			unsigned lines, struct soj_found *found)
{
	struct soj_found ended = {0}, one;

	for (uint64_t bits =
		     soj_bucket_tagged(b, digest) & header & SOJ_BUCKET_BITS;
	     bits; bits &= bits - 1) {
		uint64_t place = soj_load_acquire(/* I3 */
						  &b->place[soj_ctz64(bits)]);

		if (lines > 0)
			soj_bucket_fetch(st, b, soj_ctz64(bits), lines);
		if (!place_matches(st, place, digest, &one))
			continue;
		if (soj_ctl_readable(one.ctl)) {
			*found = one;
			return true;
		}
		if (soj_ctl_ended(one.ctl))
			ended = one;
	}
	*found = ended;
	return ended.ref != 0;
}

int soj_index_find(const struct soj_store *st, struct soj_digest digest,
		   struct soj_found *found)
{
	return soj_index_find_fetching(st, digest, 0, found);
}

int soj_index_find_fetching(const struct soj_store *st,
			    struct soj_digest digest, unsigned lines,
			    struct soj_found *found)
{
	struct soj_shm_bucket *b = bucket_of(st, digest);

	for (unsigned tries = 0; tries < SOJ_FIND_TRIES; tries++) {
		uint64_t header = soj_load_acquire(&b->header); /* I1 */
		bool hit = bucket_scan(st, b, header, digest, lines, found);

		soj_fence_acquire(); /* I4 */
		if (soj_load_relaxed(&b->header) == header)
			return hit ? 0 : -ENOENT;
	}
	return -EBUSY;
}

static int place_reserve(struct soj_shm_bucket *b, uint64_t header,
			 uint64_t place)
{
	for (uint32_t p = 0; p < SOJ_BUCKET_PLACES; p++) {
		uint64_t empty;

		if (header >> p & 1)
			continue;
		empty = soj_load_relaxed(&b->place[p]);
		if (soj_place_empty(empty) &&
		    soj_cas_acq_rel(&b->place[p], &empty, place)) /* I2 */
			return (int)p;
	}
	return -1;
}

static void place_clear(struct soj_shm_bucket *b, int p, uint64_t place)
{
	if (p >= 0)
		soj_cas_acq_rel(&b->place[p], &place, 0); /* I2 */
}

/* As late as can be: who is refused has ended nothing.  0; -EAGAIN: it changed. */
static int end_other(struct soj_store *st, struct soj_worker *w,
		     const struct soj_snapshot *other)
{
	bool ended = soj_entry_end(st, w, other->ref, other->ctl,
				   SOJ_ENDED_REPLACED);

	SOJ_STEP("put.other.ended");
	return ended ? 0 : soj_gone(w) ? -ECANCELED : -EAGAIN;
}

int soj_index_insert(struct soj_store *st, struct soj_worker *w,
		     struct soj_digest digest, uint64_t place,
		     const struct soj_snapshot *instead, uint64_t *existing)
{
	struct soj_shm_bucket *b = bucket_of(st, digest);
	struct soj_found found;
	int p = -1, rc;

	for (;;) {
		uint64_t header = soj_load_acquire(&b->header); /* I1 */

		if (soj_gone(w))
			return -ECANCELED;
		if (bucket_scan(st, b, header, digest, 0, &found) &&
		    soj_ctl_readable(found.ctl) &&
		    !(instead && found.ref == instead->ref)) {
			soj_fence_acquire(); /* I4 */
			if (soj_load_relaxed(&b->header) != header)
				continue;
			place_clear(b, p, place);
			*existing = found.ref;
			return -EEXIST;
		}
		if (p < 0)
			p = place_reserve(b, header, place);
		if (p < 0) {
			uint32_t at = (uint32_t)(b - st->seg.buckets);

			if (soj_index_scrub(st, at) > 0)
				continue;
			if (instead == NULL)
				return -EXFULL;
		}
		SOJ_STEP("index.reserved");
		if (soj_gone(w))
			return -ECANCELED;
		if (instead) {
			/* Of a full bucket the place that this leaves. */
			rc = end_other(st, w, instead);
			if (rc == -EAGAIN)
				place_clear(b, p, place);
			if (rc < 0)
				return rc;
			instead = NULL;
			continue;
		}
		if (soj_cas_acq_rel(
			    &b->header, &header, /* I0 */
			    soj_bucket_next(header, (header & SOJ_BUCKET_BITS) |
							    UINT64_C(1)
								    << p))) {
			SOJ_STEP("index.committed");
			return 0;
		}
		soj_count(&w->thr, SOJ_COUNT_retries);
	}
}

static int place_find(struct soj_shm_bucket *b, uint64_t place)
{
	for (uint32_t p = 0; p < SOJ_BUCKET_PLACES; p++)
		if (soj_load_acquire(&b->place[p]) == place) /* I3 */
			return (int)p;
	return -1;
}

bool soj_index_remove(struct soj_store *st, struct soj_worker *w,
		      struct soj_digest digest, uint64_t place)
{
	struct soj_shm_bucket *b = bucket_of(st, digest);
	int p = place_find(b, place);

	while (p >= 0 && !soj_gone(w)) {
		uint64_t header = soj_load_acquire(&b->header); /* I1 */

		/* After every load of the header: another remover may have
		 * cleared the place, and an insert taken it. */
		if (soj_load_acquire(&b->place[p]) != place && /* I3 */
		    !SOJ_PLANT(REMOVE_LOOKS_ONCE))
			return false;
		if (!(header >> p & 1)) {
			place_clear(b, p, place);
			return false;
		}
		SOJ_STEP("index.remove.seen");
		if (soj_cas_acq_rel(
			    &b->header, &header, /* I0 */
			    soj_bucket_next(header,
					    (header & SOJ_BUCKET_BITS) &
						    ~(UINT64_C(1) << p)))) {
			SOJ_STEP("index.removed");
			place_clear(b, p, place);
			SOJ_STEP("index.cleared");
			return true;
		}
		soj_count(&w->thr, SOJ_COUNT_retries);
	}
	return false;
}

void soj_index_hint(const struct soj_store *st, const struct soj_worker *w,
		    struct soj_digest digest, uint64_t ref, uint32_t chunk,
		    uint64_t bytes)
{
	const uint64_t place =
		soj_place_of(soj_ref_entry(ref), soj_ref_gen(ref), digest);
	struct soj_shm_bucket *b = bucket_of(st, digest);
	const soj_word_t *words;
	uint64_t first, seen, hint;
	uint32_t chunk_bytes, p = 0;

	while (p < SOJ_BUCKET_HINTED && soj_load_relaxed(&b->place[p]) != place)
		p++;
	words = soj_chunk_locate(st, chunk, &chunk_bytes);
	if (p == SOJ_BUCKET_HINTED || words == NULL || bytes == 0)
		return;
	p += SOJ_BUCKET_HINT_AT;
	first = (uintptr_t)words - (uintptr_t)st->seg.chunks;
	hint = soj_hint(first / 8, (first + bytes - 1) / SOJ_CACHELINE_BYTES -
					   first / SOJ_CACHELINE_BYTES + 1);
	seen = soj_load_relaxed(&b->place[p]);
	SOJ_STEP("index.hint.seen");
	if (!soj_place_empty(seen) || seen == hint || soj_gone(w))
		return;
	if (SOJ_PLANT(HINT_STORES))
		soj_store_relaxed(&b->place[p], hint);
	else
		soj_cas_acq_rel(&b->place[p], &seen, hint); /* I2 */
}

bool soj_index_committed(const struct soj_store *st, struct soj_digest digest,
			 uint64_t place)
{
	struct soj_shm_bucket *b = bucket_of(st, digest);

	for (unsigned tries = 0; tries < SOJ_FIND_TRIES; tries++) {
		uint64_t header = soj_load_acquire(&b->header); /* I1 */
		int p = place_find(b, place);

		soj_fence_acquire(); /* I4 */
		if (soj_load_relaxed(&b->header) == header)
			return p >= 0 && (header >> p & 1);
	}
	return true; /* in doubt it is: nothing is freed then */
}

void soj_index_prefetch(const struct soj_store *st, struct soj_digest digest)
{
	const struct soj_shm_bucket *b = bucket_of(st, digest);

	soj_prefetch(b);
	soj_prefetch((const uint8_t *)b + SOJ_CACHELINE_BYTES);
}

void soj_index_prefetch_found(const struct soj_store *st,
			      struct soj_digest digest, bool ends)
{
#ifdef SOJ_EXPLORE
	(void)st; /* which is to see each load that counts */
	(void)digest;
	(void)ends;
#else
	struct soj_shm_bucket *b = bucket_of(st, digest);

	for (uint32_t bits = soj_bucket_tagged(b, digest) & SOJ_BUCKET_BITS;
	     bits; bits &= bits - 1) {
		const unsigned p = soj_ctz64(bits);
		uint64_t place = soj_load_relaxed(&b->place[p]);
		uint32_t idx = soj_ref_entry(soj_place_ref(place));

		if (!soj_entry_idx_ok(st, idx))
			continue;
		soj_entry_prefetch(st, idx);
		if (ends) {
			soj_prefetch(&st->seg.entry_states[idx]);
			soj_prefetch(&st->seg.ended[idx / 64]);
		} else {
			soj_bucket_fetch(st, b, p, 2);
		}
	}
#endif
}

unsigned soj_index_neighbours(const struct soj_store *st,
			      struct soj_digest digest,
			      uint64_t refs[SOJ_BUCKET_PLACES])
{
	struct soj_shm_bucket *b = bucket_of(st, digest);
	uint64_t header = soj_load_acquire(&b->header); /* I1 */
	unsigned count = 0;

	for (uint64_t bits = header & SOJ_BUCKET_BITS; bits; bits &= bits - 1) {
		uint64_t place = soj_load_acquire(/* I3 */
						  &b->place[soj_ctz64(bits)]);

		if (place)
			refs[count++] = soj_place_ref(place);
	}
	return count;
}

uint32_t soj_index_scrub(struct soj_store *st, uint32_t bucket)
{
	struct soj_shm_bucket *b = &st->seg.buckets[bucket];
	uint32_t cleared = 0;

	for (uint32_t p = 0; p < SOJ_BUCKET_PLACES; p++) {
		uint64_t place = soj_load_acquire(&b->place[p]); /* I3 */
		uint32_t idx = soj_ref_entry(soj_place_ref(place));
		uint64_t state;

		/* Nobody's; but for hints there is no reason to be anything. */
		if (place == 0 ||
		    (soj_place_empty(place) && p >= SOJ_BUCKET_HINT_AT))
			continue;
		/* Order matters: place, then state, then header.  Not OWNED in
		 * this generation: it was committed before, if ever, so a
		 * clear bit seen after that means removed, not reserved. */
		if (soj_entry_idx_ok(st, idx)) {
			state = soj_load_acquire(/* S1 */
						 &st->seg.entry_states[idx]);
			if (soj_state_phase(state) == SOJ_OWNED &&
			    (soj_state_gen(state) &
			     SOJ_MASK(SOJ_REFGEN_BITS)) ==
				    soj_ref_gen(soj_place_ref(place)))
				continue;
		}
		if (soj_load_acquire(&b->header) >> p & 1) /* I1 */
			continue;
		SOJ_STEP("index.scrub.seen");
		cleared += soj_cas_acq_rel(&b->place[p], &place, 0); /* I2 */
	}
	return cleared;
}
