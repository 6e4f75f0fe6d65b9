/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_EXPLORE_LIB_JUDGE_H
#define SOJ_TESTS_EXPLORE_LIB_JUDGE_H

/* Runs single schedules of a meeting, counts them, and judges the states that
 * they end in: each state once. */

#include "explore/lib_meeting.h"

/* What came of it; of a process, or of all of them. */
struct tour_totals {
	uint64_t schedules, crashes, states, orders, jobs, left_out;
	uint64_t held; /* schedules with store buffers */
	uint64_t weak; /* with one store that is late, or early loads */
	/* Of preemption bound 2: run, as equal to such a one not run, all. */
	uint64_t two_run, two_equal, two_all;
	uint64_t compared; /* of those that are equal: run all the same */
	uint64_t three;    /* with three preemptions, drawn */
	uint64_t drawn;    /* of three operations */
};

/* How those of this process are to be done. */
struct judging {
	struct tour_totals *totals;
	bool deep;        /* each state is asked for fsck and drained */
	uint32_t compare; /* of those that are equal, one in so many; 0: none */
	bool every;       /* those that are equal are run as others are */
	uint64_t of_states; /* that this job came to */
};

extern struct judging judging;

/* Runs one schedule and judges what came of it; `ran` is filled. */
void judge(struct meeting *m, const struct schedule *how, struct ran *ran);

/* Runs one that was left out, as it ends as `other` does, and compares. */
void judge_equal(struct meeting *m, const struct schedule *how,
		 const struct schedule *other);

#endif /* SOJ_TESTS_EXPLORE_LIB_JUDGE_H */
