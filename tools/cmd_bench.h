/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_CMD_BENCH_H
#define SOJ_TOOLS_CMD_BENCH_H

/*
 * Between the files of `sojourn bench`.
 *
 *   cmd_bench.c         options, the segment, the order of events
 *   cmd_bench_load.c    the workers: preload, run, verify, remove
 *   cmd_bench_report.c  text and JSON
 *
 * A run has four phases; in each, all workers are forked anew, do their part,
 * detach and end.  So no worker waits for another, one that is killed stops
 * nobody, and results are there when the parent has seen the worker end.
 */

#include <stdbool.h>

#include <sojourn/sojourn.h>

#include "base/hist.h"
#include "lib_zipf.h"

#define BENCH_WORKERS_MAX 1024u
#define BENCH_VALUE_MIN   16u /* number and sequence of a value */
#define BENCH_SUBJECT     16u /* "bench" and a number; fits every class */

struct bench_plan {
	const char *name; /* NULL: an anonymous segment */
	const char *key_file;
	uint32_t workers;
	uint32_t entries;
	size_t value_bytes;
	uint32_t reads; /* of each reads + updates operations */
	uint32_t updates;
	uint64_t run_ms;
	double theta;
	bool json;
	bool seal, huge;
};

/* How often something went otherwise than it should. */
struct bench_faults {
	uint64_t lost;    /* acknowledged, not ended by anyone, not there */
	uint64_t torn;    /* a value that nobody wrote */
	uint64_t foreign; /* another session's value */
	uint64_t crashed; /* workers */
	uint64_t errors;  /* what no run should see */
	uint64_t evicted; /* ended by the segment's policy */
	uint64_t full;    /* updates refused */
	uint64_t busy;    /* given up after too many lost races */
};

/* One worker's part of the results, over all phases. */
struct bench_worker {
	struct bench_faults faults;
	uint64_t created;
	uint64_t run_ns;
	int error; /* what ended the preload, or the first of errors */
	char text[200];
	struct soj_hist reads;
	struct soj_hist updates;
};

struct bench {
	struct bench_plan plan;
	struct sojourn *s;
	bool temporary; /* the segment goes with the run */
	bool pinned;
	struct soj_zipf zipf;

	/* shared by the processes of the run */
	struct bench_worker *workers;
	char (*ids)[SOJOURN_ID_CHARS_MAX]; /* one a line; no NUL if full */
	uint64_t start_ns; /* when the run begins, CLOCK_MONOTONIC */

	/* filled by the parent */
	uint64_t preload_ns;
	uint64_t segment_bytes;
	uint64_t entries_max;
	uint64_t entries_live;
	bool helper_alive;
	struct bench_faults faults; /* sums */
	uint64_t run_ns;            /* the longest */
	struct soj_hist reads;
	struct soj_hist updates;
};

enum bench_phase { BENCH_PRELOAD, BENCH_RUN, BENCH_VERIFY, BENCH_REMOVE };

/* Memory of the run; 0 or -errno.  Then sums up, and gives it back. */
int bench_load_init(struct bench *b);
void bench_load_sum(struct bench *b);
void bench_load_deinit(struct bench *b);

/*
 * Runs one phase to its end, or to a signal that asks to stop (then the
 * workers end early, in order).  0, or -errno if no worker could be made.
 */
int bench_load_phase(struct bench *b, enum bench_phase phase);

/* SIGINT, SIGTERM or SIGHUP since bench_load_catch(); 0: none. */
int bench_load_signal(void);
void bench_load_catch(void);

void bench_report_text(const struct bench *b);
void bench_report_json(const struct bench *b);

#endif /* SOJ_TOOLS_CMD_BENCH_H */
