/* SPDX-License-Identifier: MIT */

#include "crash/lib_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/layout.h"

uint8_t value_buffer[VALUE_MAX];

/* ---- values ---- */

static uint64_t value_word(uint64_t number, size_t bytes, size_t i)
{
	if (i == 0)
		return number;
	return (number * UINT64_C(0x9e3779b97f4a7c15) + bytes) ^
	       (i * UINT64_C(0xff51afd7ed558ccd));
}

void value_fill(void *buf, size_t bytes, uint64_t number)
{
	uint8_t *to = buf;

	for (size_t i = 0; i * 8 < bytes; i++) {
		uint64_t word = value_word(number, bytes, i);
		size_t left = bytes - i * 8;

		memcpy(to + i * 8, &word, left < 8 ? left : 8);
	}
}

bool value_is(const void *buf, size_t bytes, uint64_t number)
{
	const uint8_t *from = buf;

	for (size_t i = 0; i * 8 < bytes; i++) {
		uint64_t word = value_word(number, bytes, i);
		size_t left = bytes - i * 8;

		if (memcmp(from + i * 8, &word, left < 8 ? left : 8) != 0)
			return false;
	}
	return true;
}

/* ---- worlds ---- */

/* The size of a segment with just so many units. */
static uint64_t bytes_for(const struct world_options *o, uint32_t units)
{
	struct soj_layout lay;
	uint64_t need = 0, bytes;

	soj_layout_fit(&lay, o->entries, 0, o->slots, o->events, &need);
	for (bytes = need;; bytes += 4096)
		if (soj_layout_fit(&lay, o->entries, bytes, o->slots, o->events,
				   &need) == 0 &&
		    lay.units >= units)
			return bytes;
}

bool world_make(struct world *w, const struct world_options *given)
{
	struct world_options wo = *given;
	struct sojourn_collection families;
	struct sojourn_options o;

	memset(w, 0, offsetof(struct world, known));
	w->next_number = 1000;
	wo.entries = wo.entries ? wo.entries : 16;
	wo.slots = wo.slots ? wo.slots : 8;
	wo.events = wo.events == WORLD_NO_EVENTS ? 0
		    : wo.events                  ? wo.events
						 : 1024;
	sojourn_options_init(&o);
	o.entries_max = wo.entries;
	o.threads_max = wo.slots;
	o.segment_bytes = bytes_for(&wo, wo.units ? wo.units : 4);
	o.ttl_ms = WORLD_TTL_MS;
	o.idle_timeout_ms = wo.idle_ms;
	o.renewal_ms = wo.renewal_ms;
	o.grace_window_ms = WORLD_GRACE_MS;
	o.redelivery_ms = 0; /* old ids are gone with their grace window */
	o.events_max = wo.events;
	o.per_subject_max = wo.cap;
	o.when_over = wo.when_over;
	w->events = wo.events;
	o.when_full =
		wo.evict ? SOJOURN_WHEN_FULL_EVICT : SOJOURN_WHEN_FULL_REJECT;
	/* Families are not in the model, and so not in the stream. */
	sojourn_collection_init(&families, "remember-me");
	families.grace_window_ms = WORLD_GRACE_MS;
	families.quiet = true;
	o.collections = &families;
	o.collections_count = 1;
	o.manual_clock = true;
	o.seal = wo.sealed ? SOJOURN_SEAL_ON : SOJOURN_SEAL_OFF;
	o.helper = SOJOURN_HELPER_NONE;
	if (sojourn_create(NULL, &o, &w->s) < 0) {
		failed("create: %s", sojourn_error_text());
		return false;
	}
	world_advance(w, 1000);
	return true;
}

void world_free(struct world *w)
{
	if (w->has_sleeper)
		victim_kill(&w->sleeper);
	if (w->up_ready)
		soj_upkeep_deinit(&w->up);
	sojourn_detach(w->s);
}

struct soj_self *world_self(struct world *w)
{
	int rc;
	struct soj_self *self = soj_self_writing(w->s, &rc);

	if (self == NULL) {
		failed("no thread slot: %d", rc);
		fflush(NULL);
		abort();
	}
	if (!w->up_ready)
		w->up_ready = soj_upkeep_init(&w->up, &w->s->st, &self->w) == 0;
	return self;
}

void world_let_go(struct world *w)
{
	struct soj_self *self = soj_self(w->s);

	soj_worker_deinit(&w->s->st, &self->w);
}

void world_advance(struct world *w, uint64_t ms)
{
	if (sojourn_clock_advance(w->s, ms) < 0)
		failed("clock: %s", sojourn_error_text());
}

/* ---- the survivor's operations ---- */

struct known *world_known(struct world *w, const char *subject, size_t bytes)
{
	struct known *k = &w->known[w->count++];

	if (w->count > KNOWN_MAX)
		abort();
	memset(k, 0, sizeof(*k));
	k->subject = subject;
	k->bytes = bytes;
	k->number = w->next_number++;
	k->version = 1;
	return k;
}

void world_leave(struct world *w, const char *subject, unsigned newest)
{
	for (unsigned i = w->count; i-- > 0;) {
		struct known *k = &w->known[i];

		if (k->fate == GONE || strcmp(k->subject, subject) != 0)
			continue;
		if (newest > 0)
			newest--;
		else
			k->fate = k->later = GONE;
	}
}

/* The model's part of a login: true if there was room for it. */
static bool keep_cap(struct world *w, const char *subject, int rc)
{
	const struct soj_shm_collection *c = &w->s->st.seg.collection[0];

	if (c->cap == 0)
		return rc == 0;
	if (c->cap_policy == SOJ_CAP_REJECT)
		return (rc == -EUSERS) ==
		       (world_living(w, subject) - (rc == 0) >= c->cap);
	if (rc == 0)
		world_leave(w, subject, c->cap);
	return rc == 0;
}

int world_create(struct world *w, const char *subject, size_t bytes)
{
	struct known *k = world_known(w, subject, bytes);
	struct sojourn_new n = {.subject = subject,
				.data = value_buffer,
				.data_bytes = bytes,
				.ttl_ms = w->ttl_ms,
				.metadata = {.ip = "192.0.2.1"}};
	int rc;

	value_fill(value_buffer, bytes, k->number);
	rc = sojourn_session_create(w->s, &n, k->id, NULL);
	w->count -= rc != 0;
	if (!keep_cap(w, subject, rc) && (rc != -ENOSPC || !w->full))
		failed("create: %d %s", rc, sojourn_error_text());
	return rc == 0 ? (int)w->count - 1 : -1;
}

static const char *id_of(const struct known *k, bool by_old)
{
	return by_old && k->old_ids > k->old_gone ? k->old_id[k->old_gone]
						  : k->id;
}

/* Is it an answer that the model allows?  Then: did it work? */
static bool answer(struct world *w, const struct known *k, const char *call,
		   int rc)
{
	if (rc == 0 && k->fate != GONE)
		return true;
	if (rc == -ENOENT && k->fate != LIVES)
		return false;
	if (rc == -ENOSPC && w->full && k->fate != GONE)
		return false;
	failed("%s: %d (%s), but the session %s", call, rc,
	       sojourn_error_text(),
	       k->fate == LIVES  ? "lives"
	       : k->fate == GONE ? "is gone"
				 : "may be either");
	return false;
}

void world_update(struct world *w, unsigned which, bool by_old)
{
	struct known *k = &w->known[which];
	uint64_t number = w->next_number++, version = 0;
	int rc;

	value_fill(value_buffer, k->bytes, number);
	rc = sojourn_session_update(w->s, id_of(k, by_old), value_buffer,
				    k->bytes, 0, &version);
	if (!answer(w, k, "update", rc))
		return;
	k->number = number;
	k->version++;
	if (version != k->version)
		failed("update: version %u instead of %u", (unsigned)version,
		       (unsigned)k->version);
}

void known_renewed(struct known *k, const char *new_id)
{
	if (k->old_ids == 4)
		abort();
	strcpy(k->old_id[k->old_ids++], k->id);
	strcpy(k->id, new_id);
}

void world_renew(struct world *w, unsigned which, bool by_old)
{
	struct known *k = &w->known[which];
	struct sojourn_info info = {0};
	unsigned next = k->old_gone + 1;
	bool old = by_old && k->old_ids >= next;
	int rc = sojourn_session_renew(w->s, id_of(k, by_old), &info);

	if (!answer(w, k, "renew", rc))
		return;
	if (old) {
		if (info.renewal != SOJOURN_RENEWAL_DONE ||
		    strcmp(info.new_id,
			   k->old_ids > next ? k->old_id[next] : k->id) != 0)
			failed("renew by an old id: outcome %d", info.renewal);
		return;
	}
	/* Nobody else is at it who lives. */
	if (info.renewal != SOJOURN_RENEWAL_WON)
		failed("renew: outcome %d", info.renewal);
	else
		known_renewed(k, info.new_id);
}

void world_read(struct world *w, unsigned which)
{
	struct known *k = &w->known[which];
	size_t bytes = sizeof(value_buffer);
	struct sojourn_info info = {0};
	int rc = sojourn_session_read(w->s, k->id, NULL, value_buffer, &bytes,
				      &info);

	if (!answer(w, k, "read", rc))
		return;
	if (bytes != k->bytes || !value_is(value_buffer, bytes, k->number))
		failed("read: not the value");
	if (info.renewal == SOJOURN_RENEWAL_WON)
		known_renewed(k, info.new_id);
	else if (info.renewal != SOJOURN_RENEWAL_NONE)
		failed("read: renewal outcome %d", info.renewal);
}

void world_delete(struct world *w, unsigned which, bool by_old)
{
	struct known *k = &w->known[which];
	int rc = sojourn_session_delete(w->s, id_of(k, by_old));

	if (rc < 0 || rc > 1 || (rc == 0 && k->fate == LIVES) ||
	    (rc == 1 && k->fate == GONE))
		failed("delete: %d %s", rc, sojourn_error_text());
	/* Room for one of those that repair would end for a newer login. */
	for (unsigned i = 0; i < w->count; i++)
		if (w->s->st.seg.collection[0].cap > 0 &&
		    w->known[i].fate == EITHER &&
		    strcmp(w->known[i].subject, k->subject) == 0)
			w->known[i].later = EITHER;
	k->fate = k->later = GONE;
	k->unlisted = false;
}

unsigned world_living(const struct world *w, const char *subject)
{
	unsigned living = 0;

	for (unsigned i = 0; i < w->count; i++)
		living += w->known[i].fate == LIVES &&
			  strcmp(w->known[i].subject, subject) == 0;
	return living;
}

void world_delete_subject(struct world *w, const char *subject, int except)
{
	const char *id = except < 0 ? NULL : w->known[except].id;
	unsigned least = 0, most = w->in_flight;
	int rc = sojourn_session_delete_subject(w->s, subject, id);

	for (unsigned i = 0; i < w->count; i++) {
		struct known *k = &w->known[i];

		if (strcmp(k->subject, subject) != 0 || (int)i == except)
			continue;
		least += k->fate == LIVES;
		most += k->fate != GONE;
		k->fate = k->later = GONE;
		k->unlisted = false;
	}
	if (rc < 0 || (unsigned)rc < least || (unsigned)rc > most)
		failed("delete all: %d instead of %u to %u: %s", rc, least,
		       most, sojourn_error_text());
}
