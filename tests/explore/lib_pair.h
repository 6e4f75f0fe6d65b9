/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_EXPLORE_LIB_PAIR_H
#define SOJ_TESTS_EXPLORE_LIB_PAIR_H

/*
 * Schedules of two operations with one interruption and with two.
 *
 * With one: after each access of either, and the death of one after each; who
 * is interrupted holds none of his stores, then one, two and so on to all.
 * With two: the first does i accesses, the other k, then the first goes on to
 * its end, and the other is resumed, or was killed there; both hold what they
 * can, or nothing.  All i and k, but for those that are equal to one that is
 * run (lib_equal.h).
 */

#include "explore/lib_judge.h"

/* About `budget` of two interruptions are run; 0: all. */
void explore_pair(struct meeting *m, uint32_t budget);

/* Of one interruption those that nobody dies of. */
void explore_weak(struct meeting *m);

#endif /* SOJ_TESTS_EXPLORE_LIB_PAIR_H */
