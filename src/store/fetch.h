/* SPDX-License-Identifier: MIT */
#ifndef SOJ_STORE_FETCH_H
#define SOJ_STORE_FETCH_H

/* Layer 3.  What surrounds a look-up: fetching memory before it is needed, and
 * who shares a bucket. */

#include "store/store.h"

/* For who will look up several: has the memory of each step fetched before the
 * next is taken. */
void soj_index_prefetch(const struct soj_store *st, struct soj_digest digest);
void soj_entry_prefetch(const struct soj_store *st, uint32_t idx);
/* For who will change what may have that digest: what its label is in; ends: what
 * says that it lives, and where it is noted that it ended. */
void soj_index_prefetch_found(const struct soj_store *st,
			      struct soj_digest digest, bool ends);
void soj_chunk_prefetch(const struct soj_store *st, uint32_t idx);

/* soj_index_find(), and so many cache lines of the value are asked for. */
int soj_index_find_fetching(const struct soj_store *st,
			    struct soj_digest digest, unsigned lines,
			    struct soj_found *found);

/* The value that the entry has now lies in that chunk and takes so many bytes:
 * for reads to fetch it sooner (index.c).  Needs nothing to be true. */
void soj_index_hint(const struct soj_store *st, const struct soj_worker *w,
		    struct soj_digest digest, uint64_t ref, uint32_t chunk,
		    uint64_t bytes);

/* hint.c: what will be owned next by who has that word of hints, entries or
 * chunks of the unit. */
void soj_hint_next_entry(const struct soj_store *st,
			 const struct soj_magazine *mag);
void soj_hint_next_chunk(const struct soj_store *st,
			 const struct soj_magazine *mag, uint32_t unit);

/* With the state word, for who will own or reclaim them. */
void soj_entry_prefetch_all(const struct soj_store *st, uint32_t idx);
void soj_chunk_prefetch_all(const struct soj_store *st, uint32_t chunk);
/* The same of the entry's value, but no more of that than its head. */
void soj_chunk_head_prefetch(const struct soj_store *st, uint32_t idx);

/* chain.c: the first entry of a chain; deep: that was asked for before, now the
 * one behind it. */
void soj_chain_prefetch(const struct soj_store *st, uint32_t head, bool deep);

/* event.c: where the next events go. */
void soj_event_prefetch(const struct soj_store *st);

/* Whom the committed places of the digest's bucket name; returns how many. */
unsigned soj_index_neighbours(const struct soj_store *st,
			      struct soj_digest digest,
			      uint64_t refs[SOJ_BUCKET_PLACES]);

#endif /* SOJ_STORE_FETCH_H */
