/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_EXPLORE_LIB_TOUR_H
#define SOJ_TESTS_EXPLORE_LIB_TOUR_H

/*
 * Which schedules are run when operations meet, and in how many processes.
 *
 * A tour is a list of jobs: each pair of operations on each scene, and each
 * draw of three.  Which schedules a job has depends on nothing but its place in
 * the list and the budget, so that two runs of a tour are the same, in however
 * many processes and however slow they are.
 */

#include "explore/lib_judge.h"

struct tour {
	/* Bound 2 is sampled so that no pair has more; 0: all of it. */
	uint32_t pair_budget;
	/* With three preemptions so many of each pair are drawn. */
	uint32_t three;
	uint32_t draws, draw_runs; /* of three, on each scene */
	/* Of pairs nothing but late stores and early loads. */
	bool weak;
	/* Pairs with three preemptions, and draws, and nothing else. */
	bool drawn;
	uint64_t seed;
	bool deep; /* each state is asked for fsck and drained */
	/* Of those left out as equal one in so many is compared; 0: none. */
	uint32_t compare;
	/* No job is begun after that, and of each scene none after its share
	 * of it; 0: all are. */
	double seconds;
	unsigned processes;
	/* Operations that take part: one, both of a pair, or just these three. */
	const char *wanted[3];
};

void tour_run(const struct tour *tour, struct tour_totals *totals);

/* Runs again what a failure named; returns 0 if there is no such schedule. */
bool tour_replay(char *text);

#endif /* SOJ_TESTS_EXPLORE_LIB_TOUR_H */
