/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_STORE_H
#define SOJ_TESTS_LIB_STORE_H

/* A store on an anonymous segment with a manual clock, and workers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store.h"

struct soj_store *store_open(uint32_t entries_max, uint64_t segment_bytes);
struct soj_store *store_open_slots(uint32_t entries_max, uint64_t segment_bytes,
				   uint32_t slots_max);
void store_close(struct soj_store *st);
/* With a thread slot; pages of its own, wiped on fork. */
struct soj_worker *worker_open(struct soj_store *st);
void worker_close(struct soj_store *st, struct soj_worker *w);

/* For cmocka, of tests with one of each. */
int store_set_up(struct soj_store **st, struct soj_worker **w,
		 uint32_t entries_max, uint64_t segment_bytes);
int store_tear_down(void **state);

void clock_pass(struct soj_store *st, uint64_t ms);
struct soj_digest digest_of(uint64_t number);

/* A LIVE entry with that key and subject; returns its reference. */
uint64_t put(struct soj_store *st, struct soj_worker *w, struct soj_digest key,
	     struct soj_digest subject, const void *data, uint32_t data_bytes);
/* The same, but OWNED and neither chained nor indexed. */
uint64_t make_owned(struct soj_store *st, struct soj_worker *w,
		    struct soj_digest key, struct soj_digest subject,
		    const void *data, uint32_t data_bytes, uint64_t *owned);
uint64_t state_of_entry(struct soj_store *st, uint64_t ref);

#endif /* SOJ_TESTS_LIB_STORE_H */
