/* SPDX-License-Identifier: MIT */
#ifndef SOJ_HELPER_HELPER_H
#define SOJ_HELPER_HELPER_H

/*
 * Layer 6.  The helper: two threads that do for a segment what nobody waits
 * for.  sojournd runs it in a process of its own; tests run it in theirs.
 *
 *   maintenance   holds the helper role, or stands by until it is free; runs
 *                 upkeep: every millisecond while there is work, asleep when
 *                 there is none
 *   expiry        while this process has the role: the timing wheel, each
 *                 tick while maintenance is awake, else for the next timer
 *
 * Any number of helpers may be started on a segment; one of them works.  A
 * helper that is killed, stopped or absent keeps nobody from anything but
 * early reclaiming.
 */

#include "store/store.h"

#define SOJ_HELPER_TICK_MS_MAX 10u

struct soj_helper;

struct soj_helper_options {
	uint32_t tick_ms; /* of the wheel: 1 to 10; 0: the default, 8 */
	/* How long the wheel may stand still if nothing is due and nothing
	 * comes in; 0: as the scrubber needs it. */
	uint32_t slice_ms;
};

struct soj_helper_status {
	bool active; /* has the role; else it stands by */
	/* rounds made; while it works each grows at least once in 2 s */
	uint64_t maintenance_rounds;
	uint64_t expiry_rounds;
	uint64_t timers;  /* armed now */
	uint64_t expired; /* entries that it ended, since it was started */
};

/**
 * soj_helper_start - start the threads, each with a thread slot of its own
 * @st:	mapped for writing and initialised; stays so until soj_helper_stop()
 * @opts:	may be NULL
 *
 * Returns when both threads run and have tried once to take the role.  All
 * signals are blocked in them.  0; -EAGAIN (no two thread slots are free);
 * -EROFS; -EINVAL (tick); -ENOMEM; other -errno of pthread_create().  On
 * failure nothing is left behind.
 */
int soj_helper_start(struct soj_helper **out, struct soj_store *st,
		     const struct soj_helper_options *opts);

/**
 * soj_helper_stop - end the threads, give up role and slots, free the helper
 *
 * Reclaims once more before.  Only in the process that started it: a forked
 * child has no such threads and leaves the helper alone.  NULL is allowed.
 * Blocking, for as long as one round of upkeep takes.
 */
void soj_helper_stop(struct soj_helper *h);

/** soj_helper_status - what it does now; any thread of the process may ask */
void soj_helper_status(struct soj_helper *h, struct soj_helper_status *status);

#endif /* SOJ_HELPER_HELPER_H */
