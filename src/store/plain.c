/* SPDX-License-Identifier: MIT */

/*
 * The plain read: all of it, from the digest to the copy, in one pass without a
 * call, for what nearly every read finds: an entry that lives, or no place with
 * the digest's tag at all.  Whatever is not that simple is left to the long way
 * (index.c, entry.c), which begins anew; nothing has been stored by then.
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
 * Crash and stop table: reads only; one that is stopped finds ctl or header
 * changed, or not.
 *
 * Edges
 *   I1  load of the header                 index.c I0
 *   I3  load of a place                    index.c I2
 *   I4  fence before the second look       index.c I0  as there
 *   E1  load of ctl and life               entry.c E0
 *   E2  fence before the second look       slab.c S2   as in entry.c
 *   U1  load of a unit word                page.c U0
 *
 * Progress: wait-free.
 */

#include "store/plain.h"

#include <errno.h>

static __attribute__((noinline)) void fetch(const uint8_t *at, uint64_t bytes)
{
	for (uint64_t line = 0; line < bytes; line += SOJ_CACHELINE_BYTES)
		soj_prefetch(at + line);
}

/* The chunk's words, its first lines on their way; NULL.  coming: what is on
 * its way already. */
static inline soj_word_t *words_of(const struct soj_store *st, uint32_t chunk,
				   const uint8_t *coming, uint32_t lines,
				   uint32_t *bytes)
{
	const uint32_t unit = soj_chunk_unit(chunk);
	const uint32_t slot = soj_chunk_slot(chunk);
	const struct soj_class *c;
	uint8_t *at;
	uint64_t word;

	if (unit >= st->seg.lay.units)
		return NULL;
	word = soj_load_acquire(&st->seg.units[unit]); /* U1 */
	if (soj_unit_phase(word) != SOJ_UNIT_ACTIVE ||
	    soj_unit_class(word) >= SOJ_CLASSES)
		return NULL;
	c = &st->classes[soj_unit_class(word)];
	if (slot >= c->page_slots || unit + c->page_units > st->seg.lay.units)
		return NULL;
	*bytes = c->chunk_bytes;
	at = st->seg.chunks + (uint64_t)unit * SOJ_UNIT_BYTES +
	     (uint64_t)slot * c->chunk_bytes;
	if ((uintptr_t)at / SOJ_CACHELINE_BYTES !=
	    (uintptr_t)coming / SOJ_CACHELINE_BYTES)
		fetch(at, soj_min(lines * SOJ_CACHELINE_BYTES, c->chunk_bytes));
	return (soj_word_t *)(void *)at;
}

/* The entry's own periods, or those that came with the value. */
static inline bool copy_head(soj_word_t *words, uint32_t bytes, uint32_t idx,
			     struct soj_snapshot *snap, soj_word_t **data)
{
	const uint64_t head0 = soj_load_relaxed(&words[0]);
	const uint64_t head1 = soj_load_relaxed(&words[1]);
	const uint32_t record_bytes = soj_head_record_bytes(head0);
	uint64_t at = SOJ_CHUNK_HEAD_BYTES + record_bytes;

	snap->version = soj_head_version(head1);
	snap->data_bytes = soj_head_data_bytes(head0);
	snap->subject_bytes = soj_head_subject_bytes(head0);
	snap->meta_bytes = soj_head_meta_bytes(head0);
	snap->has_record = false;
	snap->has_times = record_bytes != 0;
	at += soj_align_up(snap->subject_bytes, 8);
	at += soj_align_up(snap->meta_bytes, 8);
	*data = words + at / 8;
	if (soj_head_entry(head1) != idx || at + snap->data_bytes > bytes ||
	    (record_bytes != 0 && record_bytes != sizeof(struct soj_shm_times)))
		return false;
	if (snap->has_times) {
		struct soj_shm_times times;

		soj_copy_out(&times, words + SOJ_CHUNK_HEAD_BYTES / 8,
			     sizeof(times));
		snap->times.expires_ms = times.expires_ms;
		snap->times.idle_ms = times.idle_ms;
		snap->times.sliding_ms = times.sliding_ms;
	}
	return true;
}

static inline bool lives(const struct soj_times *t, uint64_t now_ms)
{
	return now_ms < t->expires_ms &&
	       (t->idle_ms == 0 || now_ms < t->accessed_ms + t->idle_ms) &&
	       (t->sliding_ms == 0 || now_ms < t->accessed_ms + t->sliding_ms);
}

/* False: not so simple. */
static inline bool copy_entry(const struct soj_store *st, uint64_t place,
			      struct soj_digest digest, uint64_t now_ms,
			      const struct soj_plain *want,
			      const uint8_t *coming, struct soj_snapshot *snap)
{
	const uint64_t ref = soj_place_ref(place);
	const uint32_t idx = soj_ref_entry(ref);
	struct soj_shm_entry *e = soj_entry(st, idx);
	soj_word_t *words, *from;
	struct soj_digest there;
	uint32_t bytes = 0;

	if (!soj_entry_idx_ok(st, idx))
		return false;
	snap->ref = ref;
	snap->ctl = soj_load_acquire(&e->ctl);   /* E1 */
	snap->life = soj_load_acquire(&e->life); /* E1 */
	words = words_of(st, soj_ctl_chunk(snap->ctl), coming,
			 want->data ? SOJ_FETCH_LINES : 1, &bytes);
	there.word[0] = soj_load_relaxed(&e->digest[0]);
	there.word[1] = soj_load_relaxed(&e->digest[1]);
	if (words == NULL || soj_ctl_status(snap->ctl) != SOJ_ACTIVE ||
	    (snap->life & (SOJ_LIFE_EXPIRED | SOJ_MASK(SOJ_REFGEN_BITS))) !=
		    soj_ref_gen(ref) ||
	    !soj_digest_equal(there, digest))
		return false;
	soj_entry_times(e, snap->life, &snap->times);
	if (!copy_head(words, bytes, idx, snap, &from) ||
	    !lives(&snap->times, now_ms) ||
	    (want->meta && snap->meta_bytes > SOJ_PLAIN_META_BYTES) ||
	    (want->data && snap->data_bytes > want->data_capacity))
		return false;
	if (want->meta)
		soj_copy_out(want->meta,
			     from - soj_align_up(snap->meta_bytes, 8) / 8,
			     snap->meta_bytes);
	if (want->data)
		soj_copy_out(want->data, from, snap->data_bytes);
	soj_fence_acquire(); /* E2 */
	return soj_load_relaxed(&e->ctl) == snap->ctl;
}

static inline bool read_place(const struct soj_store *st,
			      struct soj_shm_bucket *b, unsigned p,
			      struct soj_digest digest, uint64_t now_ms,
			      const struct soj_plain *want,
			      struct soj_snapshot *snap)
{
	const uint64_t place = soj_load_acquire(&b->place[p]); /* I3 */
	const uint8_t *coming =
		soj_bucket_fetch(st, b, p, want->data ? SOJ_FETCH_LINES : 1);

	return copy_entry(st, place, digest, now_ms, want, coming, snap);
}

int soj_plain_read(const struct soj_store *st, struct soj_digest digest,
		   uint64_t now_ms, const struct soj_plain *want,
		   struct soj_snapshot *snap)
{
	struct soj_shm_bucket *b = &st->seg.buckets[soj_scale(
		digest.word[0], st->seg.lay.buckets)];
	const uint64_t header = soj_load_acquire(&b->header); /* I1 */
	const uint32_t tagged = soj_bucket_tagged(b, digest) &
				(uint32_t)(header & SOJ_BUCKET_BITS);

	/* What is sealed is opened on the long way. */
	if (st->seal_bytes && (want->data || want->meta))
		return -EAGAIN;
	if (tagged == 0) {
		soj_fence_acquire(); /* I4 */
		return soj_load_relaxed(&b->header) == header ? -ENOENT
							      : -EAGAIN;
	}
	snap->data_bytes = 0;
	/* Two with one tag are rare. */
	if ((tagged & (tagged - 1)) == 0 &&
	    read_place(st, b, soj_ctz64(tagged), digest, now_ms, want, snap) &&
	    soj_load_relaxed(&b->header) == header)
		return 0;
	/* Whatever it was, it is not the caller's. */
	if (want->data)
		soj_wipe(want->data,
			 soj_min(snap->data_bytes, want->data_capacity));
	return -EAGAIN;
}
