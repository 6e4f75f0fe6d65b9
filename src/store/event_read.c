/* SPDX-License-Identifier: MIT */

/*
 * Reading the event ring (store/event.c), and its names.
 *
 * A record is complete if the tags of all its payload words are those of its
 * round, whenever each of them was copied; so a copy needs no second look, and
 * may be made by pread as well.
 *
 * Edges
 *   V1  load of a record's word    event.c:V0
 *   V3  load of a payload word     event.c:V2  what it tells of happened
 *   H1  load of the hint           event.c:H0
 *
 * Progress: wait-free, but that the next number is looked for while others
 * take numbers.
 */

#include <errno.h>
#include <stdio.h>

#include "store/event.h"

const char *soj_event_type_name(enum soj_event_type type)
{
	static const char *const names[] = {
#define X(name, text, detail) [SOJ_EVENT_##name] = (text),
		SOJ_EVENT_TYPES(X)
#undef X
	};

	return (unsigned)type < SOJ_EVENT_TYPES_USED ? names[type] : "unknown";
}

const char *soj_source_name(enum soj_source source)
{
	static const char *const names[] = {
#define X(name, text) [SOJ_SOURCE_##name] = (text),
		SOJ_SOURCES(X)
#undef X
	};

	return (unsigned)source < SOJ_SOURCES_USED ? names[source] : "unknown";
}

const char *soj_event_end_name(enum soj_status status)
{
	static const char *const names[] = {
		[SOJ_ENDED_DELETED] = "deleted",
		[SOJ_ENDED_SUBJECT] = "subject",
		[SOJ_ENDED_CAP] = "cap",
		[SOJ_ENDED_EXCLUSIVE] = "exclusive",
		[SOJ_ENDED_EXPIRED] = "expired",
		[SOJ_ENDED_IDLE] = "idle",
		[SOJ_ENDED_GRACE] = "renewed",
		[SOJ_ENDED_EVICTED] = "evicted",
		[SOJ_ENDED_WITHDRAWN] = "withdrawn",
		[SOJ_ENDED_REPLACED] = "replaced",
		[SOJ_ENDED_CLEARED] = "cleared",
		[SOJ_ENDED_REUSED] = "reused",
		[SOJ_ENDED_DAMAGED] = "damaged",
	};

	if ((size_t)status >= sizeof(names) / sizeof(names[0]) ||
	    names[status] == NULL)
		return "none";
	return names[status];
}

void soj_event_handle(uint64_t ref, uint64_t digest48,
		      char text[SOJ_EVENT_HANDLE_CHARS + 1])
{
	text[0] = 0;
	if (soj_ref_entry(ref) != 0)
		snprintf(text, SOJ_EVENT_HANDLE_CHARS + 1, "%012llx%012llx",
			 (unsigned long long)(ref & SOJ_MASK(48)),
			 (unsigned long long)(digest48 & SOJ_MASK(48)));
}

static uint64_t word_of(const struct soj_seg *seg, uint64_t seq)
{
	uint32_t place = soj_event_place(seg->lay.events_max, seq);

	return soj_load_acquire(&seg->events[place].word); /* V1 */
}

/* from: all before it are known to be taken. */
static uint64_t next_from(const struct soj_seg *seg, uint64_t from)
{
	uint64_t seq = soj_load_acquire(&seg->hdr->event_next); /* H1 */
	uint64_t taken;

	/* Of a header that somebody spoilt. */
	if (seq == 0 || seq > SOJ_EVENT_SEQ_MAX + 1)
		seq = 1;
	seq = soj_max(seq, from);
	while ((taken = soj_event_seq(word_of(seg, seq))) >= seq)
		seq = taken + 1;
	return seq;
}

uint64_t soj_event_next(const struct soj_seg *seg)
{
	return next_from(seg, 1);
}

int soj_event_decode(uint32_t events_max,
		     const uint64_t raw[1 + SOJ_EVENT_PAYLOADS], uint64_t seq,
		     struct soj_event *event)
{
	const uint64_t *payload = raw + 1;
	const uint64_t tag = soj_event_tag(events_max, seq);
	uint64_t what = payload[0];
	bool whole = true;

	if (soj_event_seq(raw[0]) != seq)
		return soj_event_seq(raw[0]) > seq ? -ESTALE : -EAGAIN;
	for (unsigned i = 0; i < SOJ_EVENT_PAYLOADS; i++)
		whole &= payload[i] >> 48 == tag;
	*event = (struct soj_event){.seq = seq, .type = SOJ_EVENT_LOST};
	if (what >> 48 == tag && soj_field(what, 0, 6) == SOJ_EVENT_LOST)
		return 0;
	if (!whole)
		return -EAGAIN;
	/* Of another build, or spoilt: something happened. */
	if (soj_field(what, 0, 6) > SOJ_EVENT_LOST)
		return 0;
	event->type = (enum soj_event_type)soj_field(what, 0, 6);
	event->status = (enum soj_status)soj_field(what, WHAT_STATUS, 5);
	event->source = (enum soj_source)soj_field(what, WHAT_SOURCE, 5);
	event->collection = (uint32_t)soj_field(what, WHAT_COLLECTION, 6);
	event->helped = soj_field(what, WHAT_HELPED, 1);
	event->pid = (uint32_t)soj_field(what, WHAT_PID, 22);
	event->time_ms = payload[1] & SOJ_MASK(48);
	event->ref = payload[2] & SOJ_MASK(48);
	event->digest48 = payload[3] & SOJ_MASK(48);
	event->subject48 = payload[4] & SOJ_MASK(48);
	event->detail[0] = payload[5] & SOJ_MASK(48);
	event->detail[1] = payload[6] & SOJ_MASK(48);
	return 0;
}

int soj_event_read(const struct soj_seg *seg, uint64_t seq,
		   struct soj_event *event, uint64_t *oldest)
{
	const uint32_t events_max = seg->lay.events_max;
	uint64_t raw[1 + SOJ_EVENT_PAYLOADS];
	struct soj_shm_event *record;
	int rc;

	if (events_max == 0)
		return -EAGAIN;
	record = &seg->events[soj_event_place(events_max, seq)];
	raw[0] = word_of(seg, seq);
	for (unsigned i = 0; i < SOJ_EVENT_PAYLOADS; i++)
		raw[1 + i] = soj_load_acquire(&record->payload[i]); /* V3 */
	rc = soj_event_decode(events_max, raw, seq, event);
	if (rc == -ESTALE) {
		uint64_t next =
			next_from(seg, *oldest > 1 ? *oldest + events_max : 1);

		*oldest = next > events_max ? next - events_max : 1;
	}
	return rc;
}
