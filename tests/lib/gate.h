/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_GATE_H
#define SOJ_TESTS_GATE_H

/*
 * What tests wait by, instead of by time: a count that processes and threads
 * post, and wait for.  It lies, zeroed, in memory that they share.  Whoever
 * waits is asleep in the kernel until the count is reached, however long that
 * takes: nothing here gives up, a test that hangs is ended by ctest.
 */

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GATE_OPEN (UINT32_C(1) << 31)

struct gate {
	_Atomic(uint32_t) count;
};

static inline uint32_t gate_count(struct gate *g)
{
	return atomic_load(&g->count);
}

static inline void gate_wake(struct gate *g)
{
	syscall(SYS_futex, &g->count, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* One more.  Also in a signal handler, and as the last act before SIGKILL. */
static inline void gate_post(struct gate *g)
{
	atomic_fetch_add(&g->count, 1);
	gate_wake(g);
}

/* From here on nobody waits at it. */
static inline void gate_open(struct gate *g)
{
	atomic_fetch_or(&g->count, GATE_OPEN);
	gate_wake(g);
}

/* Until that many were posted. */
static inline void gate_wait(struct gate *g, uint32_t count)
{
	uint32_t now;

	while ((now = gate_count(g)) < count && !(now & GATE_OPEN))
		syscall(SYS_futex, &g->count, FUTEX_WAIT, now, NULL, NULL, 0);
}

/* Until `all` have come, again and again: each meeting is of all. */
static inline void gate_meet(struct gate *g, uint32_t all)
{
	uint32_t before = atomic_fetch_add(&g->count, 1);
	uint32_t complete = before - before % all + all;

	if (before + 1 == complete)
		gate_wake(g);
	else
		gate_wait(g, complete);
}

#endif /* SOJ_TESTS_GATE_H */
