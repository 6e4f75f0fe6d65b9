/* SPDX-License-Identifier: MIT */

/*
 * Expiry lag: sessions whose ttls are spread over some seconds, ended by the
 * helper; how long after its deadline each was ended, and what the helper
 * used of a processor meanwhile.  Prints; asserts only that all of them ended.
 *
 *   bench_expiry [sessions 1000000] [spread in ms 10000]
 */

#include <inttypes.h>
#include <sojourn/sojourn.h>
#include <sojourn/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

int main(int argc, char **argv)
{
	uint64_t sessions = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	uint64_t spread_ms = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000;
	struct sojourn_new n = {.subject = "s", .data = "x", .data_bytes = 1};
	char id[SOJOURN_ID_CHARS_MAX + 1], subject[32];
	struct sojourn_options o;
	struct sojourn_stat stat;
	struct sojourn *s;
	uint64_t begin_ms;

	sojourn_options_init(&o);
	o.entries_max = (uint32_t)sessions;
	o.segment_bytes = sessions * 400 + (32 << 20);
	if (sojourn_create(NULL, &o, &s) < 0) {
		fprintf(stderr, "%s\n", sojourn_error_text());
		return 1;
	}
	n.subject = subject;
	for (uint64_t i = 0; i < sessions; i++) {
		snprintf(subject, sizeof(subject), "u%" PRIu64, i / 3);
		/* So that all are there before the first ends. */
		n.ttl_ms = 20000 + i * 7919 % spread_ms;
		if (sojourn_session_create(s, &n, id, NULL) < 0) {
			fprintf(stderr, "%s\n", sojourn_error_text());
			return 1;
		}
	}
	begin_ms = sojourn_now_ms(s);
	printf("%" PRIu64 " sessions made in %" PRIu64 " ms\n", sessions,
	       begin_ms);
	do {
		pause_ms(500);
		if (sojourn_stat(s, &stat) < 0)
			return 1;
	} while (stat.entries_free < stat.entries_max &&
		 stat.now_ms < begin_ms + 20000 + spread_ms + 60000);
	printf("expiry lag: p50 %" PRIu64 " ms, p90 %" PRIu64
	       " ms, p99 %" PRIu64 " ms, p99.9 %" PRIu64 " ms, max %" PRIu64
	       " ms\n",
	       quantile_ms(&stat, 0.5), quantile_ms(&stat, 0.9),
	       quantile_ms(&stat, 0.99), quantile_ms(&stat, 0.999),
	       quantile_ms(&stat, 1.0));
	printf("free again: %" PRIu64 " of %" PRIu64 "\n", stat.entries_free,
	       stat.entries_max);
	sojourn_detach(s);
	return stat.entries_free == stat.entries_max ? 0 : 1;
}
