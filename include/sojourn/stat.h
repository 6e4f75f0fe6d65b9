/* SPDX-License-Identifier: MIT */
#ifndef SOJOURN_STAT_H
#define SOJOURN_STAT_H

/*
 * Numbers about a segment.  Counters are kept per thread and summed here; they
 * never go backwards, also when workers die.  Reads that a thread counted
 * reach the segment with its next write, every 256 reads, and at detach.
 */

#include <sojourn/sojourn.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sojourn_counter {
	const char *name; /* static, such as "hits" */
	const char *help; /* static, one line */
	uint64_t value;
};

#define SOJOURN_STAT_COUNTERS_MAX 40u
#define SOJOURN_STAT_LAGS         64u

struct sojourn_stat {
	uint64_t now_ms;
	uint64_t segment_bytes;
	uint64_t entries_max;
	uint64_t
		entries_live; /* sessions, ids in their grace window included */
	uint64_t entries_retired; /* ended, memory not yet reusable */
	uint64_t entries_owned;   /* being made or freed right now */
	uint64_t entries_free;
	uint64_t chunk_bytes;      /* room for values */
	uint64_t chunk_bytes_live; /* of that, in use */
	uint64_t chunk_bytes_retired;
	uint64_t
		chunk_bytes_free; /* in pages of some class, and in free units */
	uint32_t huge_pages_wanted; /* of 2 MiB; 0: nobody asked for them */
	uint32_t huge_pages;
	uint32_t threads_max;
	uint32_t threads_attached;
	uint32_t threads_dead; /* not yet repaired */
	bool helper_alive;
	uint64_t helper_beat_ms; /* 0: never */
	uint64_t epoch;
	/* Lag of expiries by the helper: [i], i < 48: i ms; [48 + k]: at least
	 * 48 << k ms. */
	uint64_t lag[SOJOURN_STAT_LAGS];
	uint32_t counters;
	struct sojourn_counter counter[SOJOURN_STAT_COUNTERS_MAX];
};

/* Fills *stat.  Scans the state words (about 1 ms per million entries), stops
 * nobody.  Needs no thread slot; works read-only. */
SOJOURN_API SOJOURN_MUST_CHECK int sojourn_stat(struct sojourn *s,
						struct sojourn_stat *stat);

/* What the sessions of a segment are like now. */
struct sojourn_session_stat {
	uint64_t total;    /* logins; what one was renewed to counts with it */
	uint64_t active;   /* used within SOJOURN_ACTIVE_MS */
	uint64_t age_ms;   /* average since creation or renewal; of none: 0 */
	uint64_t subjects; /* different ones */
	uint64_t entries[64]; /* by number of collection, session included */
};
#define SOJOURN_ACTIVE_MS 300000u

/* Fills *stat: looks at every entry for itself, stops nobody, works read-only.
 * O(entries) time, 8 bytes of memory per login.  0, -ENOMEM. */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_stat(struct sojourn *s, struct sojourn_session_stat *stat);

#ifdef __cplusplus
}
#endif

#endif /* SOJOURN_STAT_H */
