/* SPDX-License-Identifier: MIT */

#include "base/ticker.h"

#include "base/bits.h"

#define MS_NS 1000000

/* Longer, and the reading was interrupted: no good for comparing. */
#define READING_TICKS 20000u

/* A processor may read the counter this early, before what comes first in the
 * program is over: about a microsecond. */
#define EARLY_TICKS 4096u

static bool alike(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) <= soj_max(a, b) / 16;
}

/* How many ticks a millisecond has, by what passed since the first reading. */
static void compare(struct soj_ticker *t, uint64_t tick, int64_t ns)
{
	const uint64_t ticks = tick - t->first_tick;
	const int64_t span_ns = ns - t->first_ns;
	uint64_t per_ms;

	if (t->first_ns != 0 && span_ns >= 0 && span_ns < SOJ_TICKER_SPAN_NS)
		return;
	/* Set back, or years: that is no rate. */
	per_ms = t->first_ns == 0 || span_ns <= 0 || ticks >> 43
			 ? 0
			 : (uint64_t)((unsigned __int128)ticks * MS_NS /
				      (uint64_t)span_ns);
	t->agreed = per_ms != 0 && alike(per_ms, t->per_ms);
	t->per_ms = per_ms;
	t->first_tick = tick;
	t->first_ns = ns;
}

void soj_ticker_set(struct soj_ticker *t, uint64_t before, int64_t ns,
		    uint64_t after)
{
	uint64_t left = 0;

	if (after - before < READING_TICKS)
		compare(t, before, ns);
	/* An eighth less, since clocks are slewed and counters drift. */
	if (t->agreed)
		left = (uint64_t)((unsigned __int128)t->per_ms * 7 / 8 *
				  (uint64_t)(MS_NS - ns % MS_NS) / MS_NS);
	t->tick = before;
	t->left = left > EARLY_TICKS ? left - EARLY_TICKS : 0;
	t->ms = ns / MS_NS;
}
