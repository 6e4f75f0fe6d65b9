/* SPDX-License-Identifier: MIT */
#ifndef SOJ_HELPER_EXPIRY_H
#define SOJ_HELPER_EXPIRY_H

/*
 * Layer 6.  Ends what time is over for: a timing wheel in private memory, fed
 * by the armed hints of the segment, by a scan when the helper role is taken,
 * and by a scrubber that goes round slowly for what hints lost.
 *
 * No threads, no waiting, no clock but the one that the caller hands in: the
 * helper's expiry thread steps it, and so do tests.  One thread only.
 */

#include "helper/wheel.h"
#include "store/store.h"

/* The scrubber sees each entry once in this time: what a lost hint left is
 * late by so much at most. */
#define SOJ_EXPIRY_ROUND_MS 30000u
/* For that, steps are at most so far apart. */
#define SOJ_EXPIRY_SLICE_MS 200u

/* So many are looked at together: what it takes is waiting for memory. */
#define SOJ_EXPIRY_BATCH 16u

/* What was done; the step adds to it. */
struct soj_expiry_work {
	uint64_t hinted;   /* armed from hints */
	uint64_t fired;    /* timers */
	uint64_t expired;  /* entries ended by this */
	uint64_t rearmed;  /* fired, but touched or moved: alive */
	uint64_t dropped;  /* fired, but ended by others, reused or owned */
	uint64_t retried;  /* fired, but changing all the time: next tick */
	uint64_t scrubbed; /* armed by the scrubber */
};

struct soj_expiry {
	struct soj_store *st;
	struct soj_worker *w; /* of the calling thread; it has a slot */
	struct soj_wheel wheel;
	struct soj_expiry_work work;
	uint64_t now_ms;   /* of the step that runs */
	uint64_t scrub_ms; /* the scrubber's share is done up to here */
	uint32_t scrub_idx;
	uint32_t slice_ms; /* SOJ_EXPIRY_SLICE_MS, fewer for many entries */
	uint32_t batch[SOJ_EXPIRY_BATCH]; /* fired, not looked at yet */
	uint32_t batch_count;
	bool behind; /* a step did not get through all that was due */
};

/* tick_ms: 1 to SOJ_WHEEL_TICK_MS_MAX.  0, -EINVAL, -ENOMEM. */
int soj_expiry_init(struct soj_expiry *ex, struct soj_store *st,
		    struct soj_worker *w, uint32_t tick_ms);
void soj_expiry_deinit(struct soj_expiry *ex);

/*
 * Looks at every state word and arms what lives: to be called on taking the
 * role, because the hints that a former helper took are lost with it.  What is
 * armed already stays so or is armed anew.  Returns how many timers it set.
 * O(entries).
 */
uint64_t soj_expiry_rebuild(struct soj_expiry *ex);

/*
 * Takes the hints, fires every tick up to now_ms, however many were missed,
 * and lets the scrubber go on.  At most a fixed number of timers a call: while
 * ex->behind is set, step again at once.
 */
void soj_expiry_step(struct soj_expiry *ex, uint64_t now_ms);

/* Lets the scrubber look at the next `count` entries; how many it armed. */
uint64_t soj_expiry_scrub(struct soj_expiry *ex, uint32_t count);

/*
 * How long the next step may wait: 0 if there is work, else to the tick of the
 * next timer.  quiet: the caller hears of hints by other means, so that there
 * is nothing to look for before that, but for the scrubber's next slice; if
 * not, to the end of the current tick at most.
 */
uint64_t soj_expiry_wait_ms(const struct soj_expiry *ex, uint64_t now_ms,
			    bool quiet);

/* Are there hints of new or changed deadlines?  Any thread may ask. */
bool soj_expiry_hinted(const struct soj_store *st);

/* The bucket of header.lag that counts a lag. */
uint32_t soj_expiry_lag_bucket(uint64_t lag_ms);

#endif /* SOJ_HELPER_EXPIRY_H */
