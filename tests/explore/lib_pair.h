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

/* So many with three: the first is interrupted a second time.  Where, who holds
 * his stores, and whether the one interrupted last dies is drawn. */
void explore_three(struct meeting *m, uint32_t count, uint64_t seed);

#endif /* SOJ_TESTS_EXPLORE_LIB_PAIR_H */
