/* SPDX-License-Identifier: MIT */

/*
 * Expiry lag: sessions whose ttls are spread over some seconds, ended by the
 * helper; how long after its deadline each was ended, and what the helper
 * used of a processor meanwhile.  Another process reads sessions that stay, at
 * full speed: how long its reads took while the others ended.
 * Prints; asserts only that all of them ended and none of the others did.
 *
 *   bench_expiry [sessions 1000000] [spread in ms 10000]
 */

#include <inttypes.h>
#include <sojourn/sojourn.h>
#include <sojourn/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/hist.h"

#define LEAD_MS 20000u
#define STAY    10000u

/* What the reader found, in memory that is shared with it. */
struct found {
	soj_word_t stop;
	uint64_t failed;
	struct soj_hist hist;
};

static char stay[STAY][SOJOURN_ID_CHARS_MAX + 1];

static uint64_t lag_floor_ms(unsigned bucket)
{
	return bucket < 48 ? bucket : UINT64_C(48) << (bucket - 48);
}

static uint64_t quantile_ms(const struct sojourn_stat *stat, double q)
{
	uint64_t total = 0, seen = 0;

	for (unsigned i = 0; i < SOJOURN_STAT_LAGS; i++)
		total += stat->lag[i];
	for (unsigned i = 0; i < SOJOURN_STAT_LAGS; i++) {
		seen += stat->lag[i];
		if (total > 0 && (double)seen >= q * (double)total)
			return lag_floor_ms(i);
	}
	return 0;
}

static void pause_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* Reads from the first deadline on, until it is told to stop. */
static pid_t start_reader(struct sojourn *s, struct found *found,
			  uint64_t from_ms)
{
	const pid_t pid = fork();
	uint64_t ns, before_ns;
	char data[8];

	if (pid != 0)
		return pid;
	while (sojourn_now_ms(s) < from_ms)
		pause_ms(1);
	for (uint32_t i = 0; soj_load_acquire(&found->stop) == 0; i++) {
		size_t bytes = sizeof(data);

		before_ns = now_ns();
		found->failed += sojourn_session_read(s, stay[i % STAY], NULL,
						      data, &bytes, NULL) < 0;
		ns = now_ns();
		soj_hist_record(&found->hist, ns - before_ns);
	}
	_exit(0);
}

static int make(struct sojourn *s, uint64_t number, uint64_t ttl_ms, char *id)
{
	char subject[32];
	const struct sojourn_new n = {
		.subject = subject,
		.data = "x",
		.data_bytes = 1,
		.ttl_ms = ttl_ms,
	};

	snprintf(subject, sizeof(subject), "u%" PRIu64, number / 3);
	if (sojourn_session_create(s, &n, id, NULL) == 0)
		return 0;
	fprintf(stderr, "%s\n", sojourn_error_text());
	return -1;
}

static void report_reader(const struct found *found)
{
	printf("reads meanwhile: %" PRIu64 ", p50 %" PRIu64 " ns, p99 %" PRIu64
	       " ns, p99.9 %" PRIu64 " ns, max %" PRIu64 " ns, failed %" PRIu64
	       "\n",
	       soj_hist_count(&found->hist),
	       soj_hist_quantile(&found->hist, 0.5),
	       soj_hist_quantile(&found->hist, 0.99),
	       soj_hist_quantile(&found->hist, 0.999),
	       soj_hist_max(&found->hist), found->failed);
}

int main(int argc, char **argv)
{
	uint64_t sessions = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	uint64_t spread_ms = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_options o;
	struct sojourn_stat stat;
	struct sojourn *s;
	struct found *found;
	uint64_t begin_ms;
	pid_t reader;

	found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (found == MAP_FAILED)
		return 1;
	soj_hist_init(&found->hist);
	sojourn_options_init(&o);
	o.entries_max = (uint32_t)sessions + STAY;
	o.segment_bytes = o.entries_max * UINT64_C(400) + (32 << 20);
	if (sojourn_create(NULL, &o, &s) < 0) {
		fprintf(stderr, "%s\n", sojourn_error_text());
		return 1;
	}
	for (uint64_t i = 0; i < STAY; i++)
		if (make(s, i, 3600000, stay[i]) < 0)
			return 1;
	begin_ms = sojourn_now_ms(s);
	for (uint64_t i = 0; i < sessions; i++) {
		/* At times of their own, whenever they were made. */
		const uint64_t end_ms = LEAD_MS + i * 7919 % spread_ms;
		const uint64_t past_ms = sojourn_now_ms(s) - begin_ms;

		if (make(s, i, end_ms > past_ms ? end_ms - past_ms : 1, id) < 0)
			return 1;
	}
	printf("%" PRIu64 " sessions made in %" PRIu64 " ms\n", sessions,
	       sojourn_now_ms(s) - begin_ms);
	reader = start_reader(s, found, begin_ms + LEAD_MS);
	do {
		/* Looking takes time, too: seldom, but for the end. */
		pause_ms(sojourn_now_ms(s) < begin_ms + LEAD_MS + spread_ms
				 ? 250
				 : 10);
		if (sojourn_stat(s, &stat) < 0)
			return 1;
	} while (stat.entries_free < sessions &&
		 stat.now_ms < begin_ms + LEAD_MS + spread_ms + 60000);
	soj_store_release(&found->stop, 1);
	waitpid(reader, NULL, 0);
	printf("reclaimed: %" PRIu64
	       " ms after the first deadline, the last is "
	       "at %" PRIu64 " ms\n",
	       stat.now_ms - begin_ms - LEAD_MS, spread_ms);
	report_reader(found);
	printf("expiry lag: p50 %" PRIu64 " ms, p90 %" PRIu64
	       " ms, p99 %" PRIu64 " ms, p99.9 %" PRIu64 " ms, max %" PRIu64
	       " ms\n",
	       quantile_ms(&stat, 0.5), quantile_ms(&stat, 0.9),
	       quantile_ms(&stat, 0.99), quantile_ms(&stat, 0.999),
	       quantile_ms(&stat, 1.0));
	printf("free again: %" PRIu64 " of %" PRIu64 "\n", stat.entries_free,
	       stat.entries_max);
	sojourn_detach(s);
	return stat.entries_free < sessions || found->failed > 0;
}
