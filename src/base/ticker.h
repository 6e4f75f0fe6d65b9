/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BASE_TICKER_H
#define SOJ_BASE_TICKER_H

/*
 * Layer 0.  The milliseconds of a clock, without asking it each time.
 *
 * A clock that was just read says how long its present millisecond will last.
 * A counter of ticks, which costs a third of the clock and holds up nothing,
 * says whether that is over.  While it is not, the millisecond is known, and
 * exactly: there is no resolution to be taken into account by who compares it
 * with a deadline.
 *
 * Of the counter only this is used: that within one millisecond it does not run
 * much slower than it did when it was last compared with the clock, over two
 * spans of SOJ_TICKER_SPAN_NS, which must agree.  A counter that was set back
 * or forward, or stood still while the machine was suspended, makes them
 * disagree, and is not used until they agree again; the clock is asked then.
 *
 * One thread's; all zero is a ticker that knows nothing.
 */

#include <stdbool.h>
#include <stdint.h>

#define SOJ_TICKER_SPAN_NS 2000000

struct soj_ticker {
	uint64_t tick; /* when the clock was read */
	uint64_t left; /* ticks for which ms holds from there */
	int64_t ms;
	/* of the comparison: */
	uint64_t first_tick;
	int64_t first_ns;
	uint64_t per_ms; /* ticks; 0: not known */
	bool agreed;
};

/* Is *ms what the clock says now, at that tick? */
static inline bool soj_ticker_knows(const struct soj_ticker *t, uint64_t tick,
				    int64_t *ms)
{
	*ms = t->ms;
	return tick - t->tick < t->left;
}

/* The clock said ns, some time between the ticks before and after. */
void soj_ticker_set(struct soj_ticker *t, uint64_t before, int64_t ns,
		    uint64_t after);

#endif /* SOJ_BASE_TICKER_H */
