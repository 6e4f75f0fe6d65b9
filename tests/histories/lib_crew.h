/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_CREW_H
#define SOJ_TESTS_LIB_CREW_H

/* A segment, processes at work on it, their helper, and who kills them. */

#include "histories/lib_work.h"

struct crew {
	struct work work; /* what each process begins with */
	uint64_t seed;
	unsigned processes; /* at most PROCESSES_MAX */
	uint64_t kills, helper_kills, started;
};

/* With notes of its own.  never: small, with eviction, and a clock that is
 * moved.  0 or a negative errno. */
int crew_init(struct crew *c, uint64_t seed, bool never);
/* Everything ended, is all memory free again? */
bool crew_drained(struct crew *c);
void crew_deinit(struct crew *c);

/* One batch: all notes of it are there when it returns. */
void crew_run(struct crew *c, uint64_t ops);

#endif /* SOJ_TESTS_LIB_CREW_H */
