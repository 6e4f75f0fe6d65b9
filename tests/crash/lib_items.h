/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_CRASH_LIB_ITEMS_H
#define SOJ_TESTS_CRASH_LIB_ITEMS_H

/* Items under callers' keys, between the files about them. */

#include <sojourn/collection.h>

#include "crash/lib_ops.h"

#define THING_BYTES 72u
#define TTL_MS      1800000u

enum { NOBODYS, OWNED, ABSENT, COUNTED };

struct sojourn_item item_of(unsigned thing);
/* In the segment only; what sojourn_put returns. */
int item_put(struct world *w, unsigned thing, const char *subject,
	     uint64_t number, uint64_t ttl_ms);
/* In the model only. */
void item_lives(struct world *w, unsigned thing, uint64_t number,
		const char *subject);

#endif /* SOJ_TESTS_CRASH_LIB_ITEMS_H */
