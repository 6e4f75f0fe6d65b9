/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_PICTURE_H
#define SOJ_TESTS_LIB_PICTURE_H

/*
 * A picture: a copy in private memory of a segment that the real library has
 * filled, and places in it where something particular is to be found.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define PICTURE_SESSIONS 120u
#define PICTURE_SUBJECTS 12u
#define PICTURE_DATA     "the-secret-value-of-session" /* begins each value */
#define PICTURE_SUBJECT  "subject"                     /* and each subject */

struct picture {
	uint8_t *base; /* bytes of them */
	size_t bytes;
	struct soj_store st; /* its regions point into base */

	uint32_t slot;      /* held by a thread that lives */
	uint32_t live;      /* an entry that is LIVE and readable */
	uint32_t live2;     /* another, of another subject, in another bucket */
	uint32_t renewed;   /* LIVE and RENEWED */
	uint32_t successor; /* its */
	uint32_t ended;     /* LIVE and ended, in its chain */
	uint32_t retired;   /* RETIRED */
	uint32_t owned;     /* OWNED, in the making */
	uint32_t freed;     /* FREE, was in use once */
	uint32_t virgin;    /* FREE, never in use */
	uint32_t chunk_owned;
	uint32_t chunk_retired;
	uint32_t chunk_free; /* of a page */
	uint32_t unit_free;
	uint32_t unit_part; /* of a page that takes more than one unit */
};

/* Fills one; the segment itself is gone afterwards. */
void picture_make(struct picture *p);
void picture_free(struct picture *p);
/* A copy that can be spoilt; given back by picture_free(). */
void picture_copy(struct picture *copy, const struct picture *p);

/* An entry's place in the index: its bucket, and the place's number. */
struct soj_shm_bucket *picture_bucket(const struct picture *p, uint32_t idx,
				      uint32_t *place);
/* Another bucket's number, and a place there that is empty. */
uint32_t picture_other_bucket(const struct picture *p,
			      const struct soj_shm_bucket *bucket,
			      uint32_t *place);
/* The link or head that leads to an entry. */
soj_word_t *picture_link_to(const struct picture *p, uint32_t idx);
/* The words of the chunk that an entry's ctl names. */
soj_word_t *picture_chunk(const struct picture *p, uint32_t idx);

#endif /* SOJ_TESTS_LIB_PICTURE_H */
