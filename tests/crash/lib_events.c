/* SPDX-License-Identifier: MIT */

/* The event ring against the model, and writers that died in it. */

#include <errno.h>

#include "crash/lib_ops.h"
#include "store/event.h"

/* What the events say of logins: the entry of each that has not ended. */
struct told {
	uint64_t ref[KNOWN_MAX];
	unsigned count;
	unsigned created;
};

static void tell(struct told *t, const struct soj_event *e)
{
	uint64_t ref = e->type == SOJ_EVENT_RENEWED ? e->detail[0] : e->ref;
	unsigned i = 0;

	while (i < t->count && t->ref[i] != ref)
		i++;
	if (e->type == SOJ_EVENT_CREATED) {
		if (i < t->count)
			failed("event %u: created again", (unsigned)e->seq);
		t->created += e->collection == 0;
		t->ref[t->count++ % KNOWN_MAX] = ref;
		return;
	}
	if (e->type != SOJ_EVENT_RENEWED && e->type != SOJ_EVENT_ENDED)
		return;
	if (i == t->count)
		failed("event %u: %s of %llx, which is not there",
		       (unsigned)e->seq, soj_event_type_name(e->type),
		       (unsigned long long)ref);
	else if (e->type == SOJ_EVENT_RENEWED)
		t->ref[i] = e->ref;
	else
		t->ref[i] = t->ref[--t->count];
}

void world_events(struct world *w, bool over)
{
	struct told t = {.count = 0};
	struct soj_event event;
	uint64_t oldest = 1, seq = 1;
	unsigned living = 0;
	int rc;

	if (w->events == 0)
		return;
	while ((rc = soj_event_read(&w->s->st.seg, seq, &event, &oldest)) ==
	       0) {
		tell(&t, &event);
		seq++;
	}
	if (rc == -ESTALE)
		return; /* more than the ring holds */
	if (seq < soj_load_relaxed(&w->s->st.seg.hdr->event_next))
		failed("events: number %u is not complete", (unsigned)seq);
	for (unsigned i = 0; i < w->count; i++)
		living += w->known[i].fate == LIVES;
	if (t.created < w->count)
		failed("events: %u logins began instead of %u", t.created,
		       w->count);
	if (over ? t.count != 0 : t.count < living)
		failed("events: %u logins have not ended instead of %u",
		       t.count, over ? 0 : living);
}

/* Numbers that their writers took, and then died: before the first payload
 * word, and after some. */
void prepare_half_told(struct world *w)
{
	const struct soj_seg *seg = &w->s->st.seg;

	prepare_people(w);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t seq = soj_load_relaxed(&seg->hdr->event_next);
		struct soj_shm_event *record =
			&seg->events[soj_event_place(w->events, seq)];

		soj_store_relaxed(&record->word, soj_event(seq, 0));
		for (unsigned p = 3 * i; p-- > 0 && p > 0;)
			soj_store_relaxed(&record->payload[p],
					  soj_event_tag(w->events, seq) << 48);
		soj_store_relaxed(&seg->hdr->event_next, seq + 1);
	}
}
