/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_CRASH_LIB_SHARDS_H
#define SOJ_TESTS_CRASH_LIB_SHARDS_H

/*
 * What crash_points and crash_stops share: what their arguments ask for, and how
 * it is divided among processes.
 */

#include "crash/lib_ops.h"

#define SHARDS 2u

/* --full, --op N, --point N; -1: all of them. */
struct points {
	bool full;
	int op, point;
};

/* 0, or the exit code.  --list prints the operations and exits. */
int points_parse(struct points *p, int argc, char **argv);
bool points_has_op(const struct points *p, unsigned op);
/*
 * Is that passing of a label, the nth of the dry run, this shard's, and is it
 * tried?  A label that comes again and again need not be each time: `turns`
 * times and the last time, and each time with --full.
 *
 * Worlds have secrets of their own, so a bucket may be shared in one and not in
 * the next, and a step's number differs then, from one shard's dry run to the
 * other's, too.  So a point is a label and which passing of it, not a number.
 */
bool points_has(const struct points *p, unsigned shard, const struct op *op,
		uint32_t nth, const struct report *dry, uint32_t turns);
/* The fault there; with nth 0 nowhere, at "the end".  With threads, at the first
 * passing. */
struct plan points_plan(enum fault fault, const struct op *op, uint32_t nth,
			const struct report *dry);
/* Prints the labels whose count is 0, each a hole in what the test proves;
 * returns how many. */
unsigned points_missed(const _Atomic(uint32_t) *count, const char *what);

/* Runs fn(0) to fn(count - 1), each in a process of its own; one that does not
 * end well is a failure. */
void run_shards(unsigned count, void (*fn)(unsigned shard));

#endif /* SOJ_TESTS_CRASH_LIB_SHARDS_H */
