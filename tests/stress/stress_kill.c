/* SPDX-License-Identifier: MIT */

/*
 * Worker processes under fire: mixed operations while a killer SIGKILLs a
 * random worker each time that OPS_PER_KILL more were made, and the helper with
 * every fiftieth.  lib_accounts.h says what they do and what is counted.
 *
 *   stress_kill [--kills N | --seconds N] [--workers N] [--threads N]
 *               [--accounts N] [--entries N] [--no-helper] [--in-process]
 *
 * --seconds is for soaks, which are to last so long.  With --in-process the
 * workers are threads of one process, and nobody is killed when it is due: the
 * form that ThreadSanitizer can see.
 */

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "helper/helper.h"
#include "session/handle.h"
#include "stress/lib_accounts.h"
#include "stress/lib_stress.h"

#define OPS_PER_KILL 4096u
#define HELPER_EVERY 50u /* kills */

static struct {
	unsigned kills, seconds, entries;
	bool helper, in_process;
} opt = {.kills = 200, .entries = 20000, .helper = true};

/* Waits until so many kills are due, or the time is over; false: the end. */
static bool next_kill(uint32_t turn, uint64_t begin_ns)
{
	if (opt.seconds == 0
		    ? turn >= opt.kills
		    : now_ns() - begin_ns >= opt.seconds * UINT64_C(1000000000))
		return false;
	gate_wait(&ledger->due, turn + 1);
	return true;
}

static void under_fire(void)
{
	unsigned all = crew.workers + opt.helper;
	uint64_t begin = now_ns(), x = begin | 1;

	for (unsigned i = 0; i < all; i++)
		crew_start(i);
	for (uint32_t turn = 0; next_kill(turn, begin); turn++) {
		crew_kill(next_random(&x) % crew.workers);
		ledger->kills++;
		if (opt.helper && turn % HELPER_EVERY == HELPER_EVERY - 1) {
			crew_kill(crew.workers);
			ledger->helper_kills++;
		}
	}
	crew_stop();
	for (unsigned i = 0; i < all; i++)
		crew_join(i, 0);
}

static void in_process(void)
{
	unsigned count = crew.workers * crew.threads;
	pthread_t thread[64];
	struct job job[64];
	struct soj_helper *helper = NULL;
	uint64_t begin = now_ns();

	if (opt.helper && soj_helper_start(&helper, &crew.s->st, NULL) != 0)
		ledger->errors++;
	for (unsigned i = 0; i < count && i < 64; i++) {
		job[i] = (struct job){i / crew.threads, i % crew.threads};
		pthread_create(&thread[i], NULL, crew_work, &job[i]);
	}
	for (uint32_t turn = 0; next_kill(turn, begin); turn++)
		;
	crew_stop();
	for (unsigned i = 0; i < count && i < 64; i++)
		pthread_join(thread[i], NULL);
	soj_helper_stop(helper);
}

static int parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"kills", 1, NULL, 0},       {"seconds", 1, NULL, 0},
		{"workers", 1, NULL, 0},     {"threads", 1, NULL, 0},
		{"accounts", 1, NULL, 0},    {"entries", 1, NULL, 0},
		{"no-helper", 0, NULL, 'n'}, {"in-process", 0, NULL, 'p'},
		{NULL, 0, NULL, 0},
	};
	static unsigned *const number[] = {&opt.kills,     &opt.seconds,
					   &crew.workers,  &crew.threads,
					   &crew.accounts, &opt.entries};
	int c, which;

	while ((c = getopt_long(argc, argv, "", longs, &which)) != -1) {
		if (c == 0)
			*number[which] = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'n')
			opt.helper = false;
		else if (c == 'p')
			opt.in_process = true;
		else
			return 64;
	}
	return crew.workers <= 64 && crew.threads <= 16 ? 0 : 64;
}

static void report_reads(void)
{
	static struct soj_hist reads;

	soj_hist_init(&reads);
	for (unsigned i = 0; i < 64; i++)
		soj_hist_merge(&reads, &ledger->reads[i]);
	printf("reads: p50 %" PRIu64 " ns, p99 %" PRIu64 " ns, p99.9 %" PRIu64
	       " ns, max %" PRIu64 " ns\n",
	       soj_hist_quantile(&reads, 0.5), soj_hist_quantile(&reads, 0.99),
	       soj_hist_quantile(&reads, 0.999), reads.max);
}

int main(int argc, char **argv)
{
	struct sojourn_options o;
	struct sojourn_stat stat = {0};
	uint64_t violations;
	int rc;

	crew = (struct crew){.workers = 8,
			     .threads = 2,
			     .accounts = 256,
			     .ops_per_kill = OPS_PER_KILL};
	rc = parse(argc, argv);
	if (rc)
		return rc;
	crew_options(&o, opt.entries);
	if (crew_begin(&o) < 0)
		return 71;
	(opt.in_process ? in_process : under_fire)();
	violations = crew_judge(&stat);
	crew_report(&stat);
	report_reads();
	print_outcome(violations == 0, ledger->ops, ledger->kills);
	crew_end();
	return violations > 0;
}
