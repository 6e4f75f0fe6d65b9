/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_CRASH_LIB_WATCH_H
#define SOJ_TESTS_CRASH_LIB_WATCH_H

/*
 * One who stands in a section, as a reader does, while others end what he may
 * be reading and repair what the dead left: none of it is used again before he
 * is out.
 */

#include "crash/lib_world.h"

struct watch {
	struct soj_thread thr;
	uint32_t count;
	uint32_t *chunk;  /* those that entries name */
	uint64_t *copies; /* of each, as long as the largest */
	bool on;          /* else there was no slot for it */
};

void watch_begin(struct watch *watch, struct world *w);
void watch_end(struct watch *watch, struct world *w);

#endif /* SOJ_TESTS_CRASH_LIB_WATCH_H */
