/* SPDX-License-Identifier: MIT */

/*
 * Operations of the library as it is, interleaved access by access.
 *
 * Pairs are explored exhaustively: with one preemption after each access of
 * either, with the death of one at each access, and with two preemptions, where
 * the one preempted last may die (--quick: of long pairs one in so many of
 * those).  Of two preemptions those are left out that come to the same as one
 * that is run (lib_equal.h): some 140 of them for each that is.  --full runs
 * one in a thousand of these all the same and compares, and draws schedules of
 * each pair with three preemptions.  Three at a time run by random priorities
 * (PCT, d = 3), one of them perhaps dying; or the first is dead after its first
 * access, its second and so on, before the other two begin.  In a part of them
 * who is interrupted holds stores back, as a processor with a store buffer does
 * (lib_sched.h); with one preemption also a single one, or his next loads give
 * what was there before: what weaker processors do unless an order is named
 * that forbids it (lib_weak.h).
 *
 * After each schedule what was returned and what is there must be as after some
 * order of the operations one after the other, a dead one's done or not; fsck
 * must find nothing; and the segment must drain to nothing.  That is looked at
 * once for each state that schedules of a job end in (fsck and drain, unless
 * --full: for each after a death, and for one of four others).
 *
 *   explore_schedules [--quick | --full] [--budget SCHEDULES] [--draws N]
 *                     [--three N] [--drawn] [--compare N] [--seed N]
 *                     [--seconds N] [--processes N] [--weak]
 *                     [OPERATION [OPERATION [OPERATION]]]
 *   explore_schedules --replay SCHEDULE
 *
 * --weak: of pairs nothing but one preemption that nobody dies of, with stores
 * late and loads early: what shows an order that is missing.
 *
 * How much is run depends on the arguments only, unless --seconds bounds it:
 * then what was left out is said.  --drawn: only pairs with three preemptions,
 * --three of each, and --draws of three operations.
 */

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "explore/lib_tour.h"

void soj_explore_point(const volatile void *addr, int kind)
{
	sched_point(addr, kind);
}

static void summary(const struct tour_totals *t, time_t seconds)
{
	printf("%llu jobs, %llu left out; %llu states looked at, %llu orders; "
	       "of two preemptions %llu run, %llu equal (%llu compared), of "
	       "%llu; %lld s\n",
	       (unsigned long long)t->jobs, (unsigned long long)t->left_out,
	       (unsigned long long)t->states, (unsigned long long)t->orders,
	       (unsigned long long)t->two_run, (unsigned long long)t->two_equal,
	       (unsigned long long)t->compared, (unsigned long long)t->two_all,
	       (long long)seconds);
	printf("result schedules=%llu equal_schedules=%llu "
	       "buffered_schedules=%llu weak_schedules=%llu "
	       "three_preemptions=%llu drawn_schedules=%llu crashes=%llu "
	       "violations=%u\n",
	       (unsigned long long)t->schedules,
	       (unsigned long long)t->two_equal, (unsigned long long)t->held,
	       (unsigned long long)t->weak, (unsigned long long)t->three,
	       (unsigned long long)t->drawn, (unsigned long long)t->crashes,
	       failures());
}

int main(int argc, char **argv)
{
	struct tour tour = {.pair_budget = 2500,
			    .draws = 120,
			    .draw_runs = 300,
			    .seed = 1,
			    .processes = (unsigned)get_nprocs()};
	struct tour_totals totals;
	time_t began = time(NULL);
	unsigned names = 0;
	char *again = NULL;

	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : "0";

		if (strcmp(argv[i], "--full") == 0) {
			tour.pair_budget = 0;
			tour.three = 1000;
			tour.draws = 3000;
			tour.draw_runs = 1000;
			tour.deep = true;
			tour.compare = 1000;
		} else if (strcmp(argv[i], "--weak") == 0) {
			tour.weak = true;
			tour.deep = true;
			tour.draws = 0;
		} else if (strcmp(argv[i], "--budget") == 0) {
			tour.pair_budget = (uint32_t)atoi(next), i++;
		} else if (strcmp(argv[i], "--three") == 0) {
			tour.three = (uint32_t)atoi(next), i++;
		} else if (strcmp(argv[i], "--drawn") == 0) {
			tour.drawn = true;
		} else if (strcmp(argv[i], "--draws") == 0) {
			tour.draws = (uint32_t)atoi(next), i++;
		} else if (strcmp(argv[i], "--seconds") == 0) {
			tour.seconds = atof(next), i++;
		} else if (strcmp(argv[i], "--compare") == 0) {
			tour.compare = (uint32_t)atoi(next), i++;
		} else if (strcmp(argv[i], "--seed") == 0) {
			tour.seed = strtoull(next, NULL, 10), i++;
		} else if (strcmp(argv[i], "--processes") == 0) {
			tour.processes = (unsigned)atoi(next), i++;
		} else if (strcmp(argv[i], "--replay") == 0 && i + 1 < argc) {
			again = argv[++i];
		} else if (argv[i][0] != '-' && names < 3) {
			tour.wanted[names++] = argv[i];
		} else if (strcmp(argv[i], "--quick") != 0) {
			fprintf(stderr, "explore_schedules: what is %s?\n",
				argv[i]);
			return 64;
		}
	}
	failures_init();
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* What a look allocates is not given back and asked for again. */
	mallopt(M_TRIM_THRESHOLD, 1 << 28);
	mallopt(M_TOP_PAD, 1 << 20);
	mallopt(M_MMAP_THRESHOLD, 1 << 24);
	if (again) {
		if (!tour_replay(again))
			return 64;
	} else {
		tour_run(&tour, &totals);
		if (totals.jobs + totals.left_out == 0)
			return 64;
		summary(&totals, time(NULL) - began);
	}
	return failures() != 0;
}
