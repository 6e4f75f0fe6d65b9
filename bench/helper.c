/* SPDX-License-Identifier: MIT */

/*
 * What the helper costs beside a full segment in which nothing happens, how
 * late it is when everything expires, and what each end takes of it.
 *
 *	bench_helper [ENTRIES [SECONDS]]	default: 1,000,000 and 10
 *
 * The helper runs in this process: its threads are all that uses processor
 * time while the main thread sleeps.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "helper/expiry.h"
#include "helper/helper.h"
#include "session/handle.h"
#include "upkeep/upkeep.h"

static double seconds_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct sojourn *make_segment(uint32_t entries)
{
	struct sojourn_options options;
	struct sojourn *s;

	sojourn_options_init(&options);
	options.entries_max = entries;
	options.segment_bytes = (UINT64_C(16) << 20) + UINT64_C(640) * entries;
	options.helper = SOJOURN_HELPER_NONE;
	if (sojourn_create(NULL, &options, &s) == 0)
		return s;
	fprintf(stderr, "bench_helper: %s\n", sojourn_error_text());
	exit(1);
}

/* Deadlines first_ms from now, spread over spread_ms. */
static uint32_t fill(struct sojourn *s, uint32_t count, uint64_t first_ms,
		     uint64_t spread_ms)
{
	char id[SOJOURN_ID_CHARS_MAX + 1], subject[16], data[200] = "";
	const uint64_t begin_ms = sojourn_now_ms(s);
	uint32_t made = 0;

	for (uint32_t i = 0; i < count; i++) {
		const uint64_t end_ms =
			begin_ms + first_ms + UINT64_C(7919) * i % spread_ms;
		const struct sojourn_new what = {
			.subject = subject,
			.data = data,
			.data_bytes = sizeof(data),
			.ttl_ms = end_ms - sojourn_now_ms(s),
		};

		snprintf(subject, sizeof(subject), "user%u", i);
		made += sojourn_session_create(s, &what, id, NULL) == 0;
	}
	return made;
}

static void time_the_parts(struct sojourn *s)
{
	struct soj_self *self = soj_self(s);
	struct soj_expiry ex;
	double begin;
	uint64_t armed;

	if (soj_expiry_init(&ex, &s->st, &self->w, 8) < 0)
		return;
	begin = seconds_of(CLOCK_MONOTONIC);
	armed = soj_expiry_rebuild(&ex);
	printf("rebuild        %" PRIu64 " timers in %.1f ms\n", armed,
	       (seconds_of(CLOCK_MONOTONIC) - begin) * 1e3);
	begin = seconds_of(CLOCK_MONOTONIC);
	soj_expiry_scrub(&ex, s->st.seg.lay.entries_max);
	printf("scrubber       %.1f ms a round\n",
	       (seconds_of(CLOCK_MONOTONIC) - begin) * 1e3);
	soj_expiry_deinit(&ex);
}

static void use_of_processor(struct soj_helper *h, unsigned seconds,
			     const char *what)
{
	struct soj_helper_status before, after;
	double wall = seconds_of(CLOCK_MONOTONIC);
	double used = seconds_of(CLOCK_PROCESS_CPUTIME_ID);

	soj_helper_status(h, &before);
	sleep(seconds);
	soj_helper_status(h, &after);
	used = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - used;
	wall = seconds_of(CLOCK_MONOTONIC) - wall;
	printf("%-14s %.2f %% of a core, %.0f + %.0f rounds a second, "
	       "%" PRIu64 " timers, %" PRIu64 " expired\n",
	       what, 100 * used / wall,
	       (double)(after.maintenance_rounds - before.maintenance_rounds) /
		       wall,
	       (double)(after.expiry_rounds - before.expiry_rounds) / wall,
	       after.timers, after.expired - before.expired);
}

/* The lag that a fraction q of all expiries did not exceed, by buckets. */
static uint64_t lag_ms(const struct sojourn *s, double q)
{
	const soj_word_t *lag = s->st.seg.hdr->lag;
	double all = 0, seen = 0;

	for (unsigned i = 0; i < SOJ_LAG_BUCKETS; i++)
		all += (double)soj_load_relaxed(&lag[i]);
	for (unsigned i = 0; i < SOJ_LAG_BUCKETS; i++) {
		seen += (double)soj_load_relaxed(&lag[i]);
		if (seen >= q * all)
			return i < 48 ? i : (UINT64_C(96) << (i - 48)) - 1;
	}
	return 0;
}

/* All that live, by one thread that does nothing else: in a time in which they
 * are over, first what expiry does, then what maintenance does. */
static void time_the_ends(struct sojourn *s)
{
	struct soj_self *self = soj_self(s);
	const uint64_t later_ms = sojourn_now_ms(s) + 36000000;
	struct soj_upkeep_work work;
	struct soj_upkeep up;
	struct soj_expiry ex;
	double begin, ended, count;

	if (soj_expiry_init(&ex, &s->st, &self->w, 8) < 0 ||
	    soj_upkeep_init(&up, &s->st, &self->w) < 0)
		exit(1);
	count = (double)soj_expiry_rebuild(&ex);
	begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
	do
		soj_expiry_step(&ex, later_ms);
	while (ex.behind);
	ended = seconds_of(CLOCK_THREAD_CPUTIME_ID);
	do
		soj_upkeep_pass(&up, &work);
	while (work.left || work.retired || work.reclaimed);
	printf("each end       %.0f ns of the expiry thread, %.0f ns of "
	       "maintenance\n",
	       (ended - begin) * 1e9 / count,
	       (seconds_of(CLOCK_THREAD_CPUTIME_ID) - ended) * 1e9 / count);
	soj_upkeep_deinit(&up);
	soj_expiry_deinit(&ex);
}

int main(int argc, char **argv)
{
	uint32_t entries = argc > 1 ? (uint32_t)atol(argv[1]) : 1000000;
	unsigned seconds = argc > 2 ? (unsigned)atoi(argv[2]) : 10;
	struct sojourn *s = make_segment(entries);
	struct soj_helper *h;

	printf("live           %u of %u\n",
	       fill(s, entries / 2, 3600000, 600000), entries);
	time_the_parts(s);
	if (soj_helper_start(&h, &s->st, NULL) < 0)
		return 1;
	sleep(2);
	use_of_processor(h, seconds, "idle");
	/* The other half ends while it is looked at. */
	fill(s, entries / 2, 5000, 1000 * (uint64_t)seconds);
	use_of_processor(h, seconds + 6, "expiring");
	printf("lag            p50 %" PRIu64 " ms, p99 %" PRIu64
	       " ms, p99.9 %" PRIu64 " ms\n",
	       lag_ms(s, 0.5), lag_ms(s, 0.99), lag_ms(s, 0.999));
	soj_helper_stop(h);
	time_the_ends(s);
	sojourn_detach(s);
	return 0;
}
