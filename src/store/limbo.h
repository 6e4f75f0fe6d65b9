/* SPDX-License-Identifier: MIT */
#ifndef SOJ_STORE_LIMBO_H
#define SOJ_STORE_LIMBO_H

/* Layer 3.  What a thread has retired, until its grace period is over; private
 * to the thread. */

#include <stdbool.h>
#include <stdint.h>

struct soj_store;
struct soj_worker;

#define SOJ_LIMBO_MAX 4096u

struct soj_retired {
	uint32_t number; /* of the chunk or entry */
	bool is_entry;
	uint64_t state; /* the exact RETIRED word */
	uint64_t epoch; /* its stamp, all of it */
};

/* A ring of them, oldest first. */
struct soj_limbo {
	uint32_t first;
	uint32_t count;
	uint32_t max;
	struct soj_retired *at;
};

/* Something that the worker has just retired; now and then sees to it that the
 * epoch moves. */
void soj_limbo_add(struct soj_store *st, struct soj_worker *w, uint32_t number,
		   bool is_entry, uint64_t retired);

/* Frees what of the worker's limbo has passed its grace period. */
void soj_limbo_drain(struct soj_store *st, struct soj_worker *w);

/* The same, but stops at a chunk of that class: it is then OWNED by the worker
 * as if by soj_chunk_own().  False: there was none. */
bool soj_limbo_reuse(struct soj_store *st, struct soj_worker *w, uint32_t class,
		     uint32_t *chunk);

/* The same for an entry, if one is the oldest. */
bool soj_limbo_reuse_entry(struct soj_store *st, struct soj_worker *w,
			   uint32_t *idx);

/* How much waits there. */
uint32_t soj_limbo_waiting(const struct soj_worker *w);

#endif /* SOJ_STORE_LIMBO_H */
