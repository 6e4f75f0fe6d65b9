/* SPDX-License-Identifier: MIT */

#include "explore/lib_access.h"

#include <signal.h>

/* In a victim: what happens before which of its accesses. */
static struct {
	const volatile uint8_t *begin, *end;
	unsigned kinds;
	uint32_t nth, seen;
	int signal;
} at;

__attribute__((weak)) void soj_explore_point(const volatile void *addr,
					     int kind)
{
	const volatile uint8_t *byte = addr;

	if (at.nth == 0 || byte < at.begin || byte >= at.end ||
	    !(at.kinds >> kind & 1) || ++at.seen != at.nth)
		return;
	at.nth = 0;
	raise(at.signal);
}

struct access_range access_all(const struct world *w, unsigned kinds)
{
	return (struct access_range){.words = w->s->st.seg.base,
				     .bytes = w->s->st.seg.bytes,
				     .kinds = kinds};
}

/* The survivor makes no access on its way to the fork. */
static void run_to(struct victim *v, const struct access_range *range,
		   uint32_t nth, int signal, victim_fn fn, struct world *w)
{
	const struct plan none = {.fault = FAULT_NONE};

	at.begin = range->words;
	at.end = at.begin + range->bytes;
	at.kinds = range->kinds;
	at.seen = 0;
	at.nth = nth;
	at.signal = signal;
	victim_run(v, report_new(), &none, fn, w);
	at.nth = 0;
}

bool park_at_access(struct victim *v, const struct access_range *range,
		    uint32_t nth, victim_fn fn, struct world *w)
{
	run_to(v, range, nth, SIGSTOP, fn, w);
	if (v->state != VICTIM_STOPPED)
		unpark(v);
	return v->state == VICTIM_STOPPED;
}

bool kill_at_access(struct victim *v, const struct access_range *range,
		    uint32_t nth, victim_fn fn, struct world *w)
{
	run_to(v, range, nth, SIGKILL, fn, w);
	if (v->state != VICTIM_KILLED)
		unpark(v);
	return v->state == VICTIM_KILLED;
}
