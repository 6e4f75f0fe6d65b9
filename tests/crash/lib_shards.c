/* SPDX-License-Identifier: MIT */

#include "crash/lib_shards.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/lib_world.h"

int points_parse(struct points *p, int argc, char **argv)
{
	static const struct option longs[] = {
		{"full", 0, NULL, 'f'},  {"op", 1, NULL, 'o'},
		{"point", 1, NULL, 'p'}, {"list", 0, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	bool known = true;
	int c;

	*p = (struct points){.op = -1, .point = -1};
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'f':
			p->full = true;
			break;
		case 'o':
			p->op = atoi(optarg);
			break;
		case 'p':
			p->point = atoi(optarg);
			break;
		case 'l':
			for (unsigned i = 0; i < ops_count; i++)
				printf("%u %s\n", i, ops[i].name);
			exit(0);
		default:
			known = false;
		}
	if (known && optind == argc)
		return 0;
	fprintf(stderr, "usage: %s [--full] [--op N] [--point N] [--list]\n",
		argv[0]);
	return 64;
}

bool points_has_op(const struct points *p, unsigned op)
{
	return p->op < 0 || p->op == (int)op;
}

bool points_has(const struct points *p, unsigned shard, const struct op *op,
		uint32_t nth, const struct report *dry, uint32_t turns)
{
	uint32_t turn;

	if (nth > LOG_MAX) {
		failed("%s: step %u is not in the log", op->name, nth);
		return false;
	}
	turn = step_turn(dry, nth);
	if ((dry->log[nth - 1] + turn) % SHARDS != shard ||
	    (p->point >= 0 && p->point != (int)nth))
		return false;
	if (op->threads)
		return turn == 1;
	return p->full || turn <= turns || step_is_last(dry, nth);
}

struct plan points_plan(enum fault fault, const struct op *op, uint32_t nth,
			const struct report *dry)
{
	return (struct plan){.fault = nth ? fault : FAULT_NONE,
			     .at = step_name(dry, nth),
			     .nth = op->threads ? 1 : step_turn(dry, nth),
			     .pause = op->pause};
}

unsigned points_missed(const _Atomic(uint32_t) *count, const char *what)
{
	unsigned never = 0;

	for (unsigned i = 0; i < label_count(); i++)
		if (count[i] == 0) {
			printf("never %s at: %s (passed %u times)\n", what,
			       label_name(i), coverage->passed[i]);
			never++;
		}
	return never;
}

#define SHARDS_MAX 16u

void run_shards(unsigned count, void (*fn)(unsigned shard))
{
	pid_t pid[SHARDS_MAX];

	if (count > SHARDS_MAX)
		abort();
	fflush(NULL);
	for (unsigned i = 0; i < count; i++) {
		pid[i] = fork();
		if (pid[i] < 0)
			abort();
		if (pid[i] == 0) {
			fn(i);
			fflush(NULL);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < count; i++) {
		int status;

		if (waitpid(pid[i], &status, 0) < 0 || status != 0)
			failed("shard %u ended with status 0x%x", i, status);
	}
}
