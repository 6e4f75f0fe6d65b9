/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_EXPLORE_LIB_ACCESS_H
#define SOJ_TESTS_EXPLORE_LIB_ACCESS_H

/*
 * Victims (crash/lib_victim.h) that stop or die before a single access to the
 * segment.  The library calls soj_explore_point() before each; the one here is
 * weak, so that a test can have its own.
 */

#include "crash/lib_found.h"

/* Kinds of access that count, as bits. */
enum {
	ACCESS_LOAD = 1 << SOJ_POINT_LOAD,
	ACCESS_STORE = 1 << SOJ_POINT_STORE,
	ACCESS_RMW = 1 << SOJ_POINT_RMW,
	ACCESS_WRITE = ACCESS_STORE | ACCESS_RMW,
};

/* Which accesses: of these words only. */
struct access_range {
	const volatile void *words;
	size_t bytes;
	unsigned kinds;
};

/* All of the segment. */
struct access_range access_all(const struct world *w, unsigned kinds);

/* Forks one that stops before its nth access of that kind; false: it has come
 * to its end, as it makes fewer. */
bool park_at_access(struct victim *v, const struct access_range *range,
		    uint32_t nth, victim_fn fn, struct world *w);
/* The same, but it is killed. */
bool kill_at_access(struct victim *v, const struct access_range *range,
		    uint32_t nth, victim_fn fn, struct world *w);

#endif /* SOJ_TESTS_EXPLORE_LIB_ACCESS_H */
