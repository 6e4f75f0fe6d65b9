/* SPDX-License-Identifier: MIT */

/*
 * A keeper: fills one system's store, says so, and then does what stdin asks.
 *
 *   bench_peers SYSTEM SESSIONS VALUE-BYTES [DIR]
 *   bench_peers --list
 *   bench_peers --stream FILE SESSIONS
 *
 *   stdin                            stdout, one line each, tabs between
 *                                    ready SYSTEM SECONDS BYTES
 *   run MIX uniform|zipf WORKERS MS  ran OPS/S NS P50 P99 P99.9 MAX VERIFIED
 *                                    WRONG MISSING ERRORS LIMBO, or: none
 *   memory                           memory BYTES
 *   quit, or the end of stdin        (nothing)
 *
 * NS is the mean of a worker's operation in the counted part; the others are
 * of reads (in churn: of all) timed one by one, with some 25 ns for the clock.
 * LIMBO is in bytes, right after the workers ended.  Exits 1 with a text on
 * stderr if the system does not work.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "peers.h"

static const struct bench_peer *const peers[] = {
	&bench_sojourn,        &bench_sojourn_id, &bench_sojourn_sealed,
	&bench_sojourn_4k,     &bench_rwlock_1,   &bench_rwlock_64,
	&bench_rwlock_64_huge, &bench_sketch,     &bench_sketch_huge,
	&bench_limit_one,      &bench_limit_two,  &bench_loop,
#ifdef BENCH_LFHT_MEMB
	&bench_lfht_memb,
#endif
#ifdef BENCH_LFHT_QSBR
	&bench_lfht_qsbr,
#endif
#ifdef BENCH_LMDB
	&bench_lmdb,
#endif
#ifdef BENCH_REDIS
	&bench_redis,
#endif
#ifdef BENCH_MEMCACHED
	&bench_memcached,
#endif
};

#define PEERS (sizeof(peers) / sizeof(peers[0]))

static void report(struct bench_store *st, const struct bench_run *run)
{
	const uint64_t limbo = st->peer->limbo ? st->peer->limbo(st) : 0;
	struct bench_out sum = {0};
	double rate = 0, mean = 0;

	soj_hist_init(&sum.hist);
	for (uint32_t i = 0; i < run->workers; i++) {
		const struct bench_out *out = &st->outs[i];

		sum.verified += out->verified;
		sum.wrong += out->wrong;
		sum.missing += out->missing;
		sum.errors += out->errors;
		if (out->ops == 0)
			continue;
		rate += (double)out->ops * 1e9 / (double)out->ns;
		mean += (double)out->ns / (double)out->ops / run->workers;
		soj_hist_merge(&sum.hist, &out->hist);
		if (out->error != 0)
			fprintf(stderr, "%s: %s: %s\n", st->peer->name,
				run->mix->name, strerror(-out->error));
	}
	printf("ran\t%.0f\t%.1f\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
	       "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
	       "\t%" PRIu64 "\n",
	       rate, mean, soj_hist_quantile(&sum.hist, 0.5),
	       soj_hist_quantile(&sum.hist, 0.99),
	       soj_hist_quantile(&sum.hist, 0.999), soj_hist_max(&sum.hist),
	       sum.verified, sum.wrong, sum.missing, sum.errors, limbo);
}

static int fail(const struct bench_store *st, const char *what, int rc)
{
	fprintf(stderr, "%s: %s: %s\n", st->peer->name, what, strerror(-rc));
	return 1;
}

static int command_run(struct bench_store *st, const char *line)
{
	char mix[16], dist[16];
	struct bench_run run = {0};
	int rc;

	if (sscanf(line, "run %15s %15s %" SCNu32 " %" SCNu64, mix, dist,
		   &run.workers, &run.ms) != 4 ||
	    (strcmp(dist, "zipf") != 0 && strcmp(dist, "uniform") != 0) ||
	    (run.mix = bench_work_mix(mix)) == NULL || run.workers == 0 ||
	    run.workers > BENCH_WORKERS_MAX)
		return fail(st, line, -EINVAL);
	if (!bench_work_able(st->peer, run.mix)) {
		printf("none\n");
		return 0;
	}
	run.dist = strcmp(dist, "zipf") == 0 ? BENCH_ZIPF : BENCH_UNIFORM;
	if (run.mix->all)
		run.workers = 1;
	rc = bench_work_run(st, &run);
	if (rc < 0)
		return fail(st, mix, rc);
	report(st, &run);
	return 0;
}

static uint64_t memory_of(struct bench_store *st)
{
	return st->peer->memory ? st->peer->memory(st) : 0;
}

static int serve(struct bench_store *st)
{
	char line[128];
	int rc = 0;

	while (rc == 0 && fgets(line, sizeof(line), stdin) != NULL) {
		if (strncmp(line, "quit", 4) == 0)
			break;
		if (strncmp(line, "memory", 6) == 0)
			printf("memory\t%" PRIu64 "\n", memory_of(st));
		else
			rc = command_run(st, line);
		fflush(stdout);
	}
	if (st->peer->close)
		st->peer->close(st);
	return rc;
}

static int keep(struct bench_store *st)
{
	uint64_t begin_ns;
	int rc = bench_load_init(st);

	if (rc < 0)
		return fail(st, "memory for ids", rc);
	rc = st->peer->open(st);
	if (rc < 0)
		return fail(st, "open", rc);
	begin_ns = bench_now_ns();
	rc = bench_work_load(st);
	if (rc < 0)
		return fail(st, "load", rc);
	printf("ready\t%s\t%.3f\t%" PRIu64 "\n", st->peer->name,
	       (double)(bench_now_ns() - begin_ns) / 1e9, memory_of(st));
	fflush(stdout);
	return serve(st);
}

static int write_stream(const char *path, const char *sessions)
{
	struct bench_store st = {
		.sessions = strtoull(sessions, NULL, 10),
		.value_bytes = BENCH_VALUE_MIN,
	};
	int rc = bench_load_init(&st);

	if (rc == 0)
		rc = bench_load_write(&st, path);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(-rc));
	return rc < 0;
}

int main(int argc, char **argv)
{
	struct bench_store st = {.dir = argc > 4 ? argv[4] : "."};

	if (argc == 4 && strcmp(argv[1], "--stream") == 0)
		return write_stream(argv[2], argv[3]);
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < PEERS; i++)
			printf("%s\t%s\n", peers[i]->name, peers[i]->what);
		return 0;
	}
	for (size_t i = 0; argc >= 4 && i < PEERS; i++)
		if (strcmp(argv[1], peers[i]->name) == 0)
			st.peer = peers[i];
	if (st.peer == NULL) {
		fprintf(stderr, "usage: bench_peers SYSTEM SESSIONS "
				"VALUE-BYTES [DIR], or --list\n");
		return 64;
	}
	st.sessions = strtoull(argv[2], NULL, 10);
	st.value_bytes = strtoull(argv[3], NULL, 10);
	/* A worker that cannot tell its result says so by its status. */
	signal(SIGPIPE, SIG_IGN);
	return keep(&st);
}
