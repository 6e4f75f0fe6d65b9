/* SPDX-License-Identifier: MIT */
#ifndef SOJ_STORE_FETCH_H
#define SOJ_STORE_FETCH_H

/* Layer 3.  What surrounds a look-up: fetching memory before it is needed, and
 * who shares a bucket. */

#include "store/store.h"

/* For who will look up several: has the memory of each step fetched before the
 * next is taken.  The guess is the entry that probably has the digest, or 0. */
void soj_index_prefetch(const struct soj_store *st, struct soj_digest digest);
uint32_t soj_index_guess(const struct soj_store *st, struct soj_digest digest);
void soj_entry_prefetch(const struct soj_store *st, uint32_t idx);
void soj_chunk_prefetch(const struct soj_store *st, uint32_t idx);

/* The value that the entry has now lies in that chunk and takes so many bytes:
 * for reads to fetch it sooner (index.c).  Needs nothing to be true. */
void soj_index_hint(const struct soj_store *st, const struct soj_worker *w,
		    struct soj_digest digest, uint64_t ref, uint32_t chunk,
		    uint64_t bytes);

/* For who will reclaim them: with the state word. */
void soj_entry_retired_prefetch(const struct soj_store *st, uint32_t idx);
void soj_chunk_retired_prefetch(const struct soj_store *st, uint32_t chunk);

/* Whom the committed places of the digest's bucket name; returns how many. */
unsigned soj_index_neighbours(const struct soj_store *st,
			      struct soj_digest digest,
			      uint64_t refs[SOJ_BUCKET_PLACES]);

#endif /* SOJ_STORE_FETCH_H */
