/* SPDX-License-Identifier: MIT */

/* The event stream for consumers; the ring and its protocol are in
 * store/event.c. */

#include <errno.h>
#include <sojourn/event.h>
#include <stdio.h>
#include <string.h>

#include "session/hook.h"
#include "session/id.h"

#define SAME(public, internal)                          \
	static_assert((int)(public) == (int)(internal), \
		      #public " has another number inside")
SAME(SOJOURN_EVENT_CREATED, SOJ_EVENT_CREATED);
SAME(SOJOURN_EVENT_RENEWED, SOJ_EVENT_RENEWED);
SAME(SOJOURN_EVENT_UPDATED, SOJ_EVENT_UPDATED);
SAME(SOJOURN_EVENT_ENDED, SOJ_EVENT_ENDED);
SAME(SOJOURN_EVENT_TOKENS_RESTRICTED, SOJ_EVENT_TOKENS_RESTRICTED);
SAME(SOJOURN_EVENT_TOKENS_RESTRICTED + 1, SOJ_EVENT_LOST);
SAME(SOJOURN_END_DELETED, SOJ_ENDED_DELETED);
SAME(SOJOURN_END_EVICTED, SOJ_ENDED_EVICTED);
SAME(SOJOURN_END_REUSED, SOJ_ENDED_REUSED);
SAME(SOJOURN_END_DAMAGED, SOJ_ENDED_DAMAGED);
SAME(SOJOURN_SOURCE_LIST, SOJ_SOURCE_LIST);
SAME(SOJOURN_SOURCE_PRUNE, SOJ_SOURCE_PRUNE);

const char *sojourn_event_type_name(enum sojourn_event_type type)
{
	return soj_event_type_name((enum soj_event_type)type);
}

const char *sojourn_end_name(enum sojourn_end end)
{
	return soj_event_end_name((enum soj_status)end);
}

const char *sojourn_source_name(enum sojourn_source source)
{
	return soj_source_name((enum soj_source)source);
}

uint64_t sojourn_event_subject(const struct sojourn *s, const char *subject)
{
	return soj_subject_digest(s, subject).word[0] & SOJ_MASK(48);
}

static void publish(const struct soj_event *e, struct sojourn_event *out)
{
	*out = (struct sojourn_event){
		.seq = e->seq,
		.time_ms = e->time_ms,
		.type = (enum sojourn_event_type)e->type,
		.ended = (enum sojourn_end)e->status,
		.source = (enum sojourn_source)e->source,
		.pid = e->pid,
		.helped = e->helped,
		.collection = e->collection,
		.subject = e->subject48,
		.detail = e->type == SOJ_EVENT_RENEWED ? 0 : e->detail[0],
	};
	soj_event_handle(e->ref, e->digest48, out->handle);
	if (e->type == SOJ_EVENT_RENEWED)
		soj_event_handle(e->detail[0], e->detail[1], out->before);
}

int sojourn_events_read(struct sojourn *s, uint64_t *next, sojourn_event_fn fn,
			void *arg, uint64_t *missed)
{
	const struct soj_seg *seg = &s->st.seg;
	const bool from_oldest = *next == 0;
	struct sojourn_event out;
	struct soj_event event;
	uint64_t oldest = 1, nowhere;
	int calls = 0, rc = 0;

	if (missed == NULL)
		missed = &nowhere;
	*missed = 0;
	if (seg->lay.events_max == 0)
		return soj_report(-ENOTSUP, SOJOURN_INVALID,
				  "the segment keeps no events: its events_max "
				  "is 0");
	if (*next == UINT64_MAX) {
		*next = soj_event_next(seg);
		return soj_ok();
	}
	*next = soj_max(*next, 1);
	soj_ok();
	while (rc == 0) {
		int found = soj_event_read(seg, *next, &event, &oldest);

		if (found == -EAGAIN)
			break;
		if (found == -ESTALE) {
			uint64_t to = soj_max(oldest, *next + 1);

			/* Who did not ask for it did not miss it. */
			if (!from_oldest || calls > 0)
				*missed += to - *next;
			*next = to;
			continue;
		}
		++*next;
		if (event.type == SOJ_EVENT_LOST) {
			++*missed;
			continue;
		}
		publish(&event, &out);
		calls++;
		rc = fn(arg, &out);
	}
	return calls;
}
