/* SPDX-License-Identifier: MIT */

/* Items under callers' keys: what victims do to them, and the model of them.
 * They live in the collection of CSRF tokens, which no other test here uses. */

#include "crash/lib_items.h"

#include <errno.h>
#include <sojourn/lock.h>
#include <string.h>

#include "session/policy.h"

static const char *const keys[THINGS] = {"nobody's", "owned", "absent",
					 "counted"};

struct sojourn_item item_of(unsigned thing)
{
	return (struct sojourn_item){.collection = SOJOURN_COLLECTION_CSRF,
				     .key = keys[thing],
				     .key_bytes = strlen(keys[thing])};
}

int item_put(struct world *w, unsigned thing, const char *subject,
	     uint64_t number, uint64_t ttl_ms)
{
	const struct sojourn_item item = item_of(thing);
	const struct sojourn_value v = {.data = value_buffer,
					.data_bytes = THING_BYTES,
					.subject = subject,
					.ttl_ms = ttl_ms};

	value_fill(value_buffer, THING_BYTES, number);
	return sojourn_put(w->s, &item, &v, &w->things[thing].version);
}

/* ---- the model ---- */

void item_lives(struct world *w, unsigned thing, uint64_t number,
		const char *subject)
{
	w->things[thing].subject = subject;
	w->things[thing].lives = true;
	w->things[thing].number = number;
}

static void verify_thing(struct world *w, unsigned thing)
{
	const struct thing *t = &w->things[thing];
	const struct sojourn_item item = item_of(thing);
	const struct sojourn_read look_only = {.no_touch = true};
	size_t bytes = sizeof(value_buffer);
	int rc = sojourn_get(w->s, &item, &look_only, value_buffer, &bytes,
			     NULL);

	if (rc != (t->lives ? 0 : -ENOENT))
		failed("item %s: %d, but it %s", keys[thing], rc,
		       t->lives ? "lives" : "is not there");
	else if (rc == 0 && thing == COUNTED &&
		 (bytes != 8 || memcmp(value_buffer, &t->number, 8) != 0))
		failed("item %s: not the count %d", keys[thing],
		       (int)t->number);
	else if (rc == 0 && thing != COUNTED &&
		 (bytes != THING_BYTES ||
		  !value_is(value_buffer, bytes, t->number)))
		failed("item %s: not the value %u", keys[thing],
		       (unsigned)t->number);
}

static int see(void *arg, const struct sojourn_info *info)
{
	(void)info;
	++*(unsigned *)arg;
	return 0;
}

void items_verify(struct world *w)
{
	const struct sojourn_filter f = {.collection = SOJOURN_COLLECTION_CSRF};
	unsigned living = 0, seen = 0;
	uint64_t cursor = 0;

	for (unsigned i = 0; i < THINGS; i++) {
		verify_thing(w, i);
		living += w->things[i].lives;
	}
	if (sojourn_scan(w->s, &f, &cursor, 0, see, &seen) < 0 ||
	    seen != living)
		failed("scan: %u items instead of %u", seen, living);
}

void items_drain(struct world *w)
{
	const struct sojourn_filter f = {.collection = SOJOURN_COLLECTION_CSRF};
	/* What those who died while they computed have left for an hour. */
	const struct sojourn_filter left = {.collection =
						    SOJ_COLLECTION_FLIGHT};
	int want = 0, rc = sojourn_clear(w->s, &f);

	if (sojourn_clear(w->s, &left) < 0)
		failed("clear: %s", sojourn_error_text());

	for (unsigned i = 0; i < THINGS; i++)
		want += w->things[i].lives;
	if (rc != want)
		failed("clear: %d instead of %d", rc, want);
	memset(w->things, 0, sizeof(w->things));
}

/* What the survivor does to them at once: writes to each. */
void items_go_on(struct world *w)
{
	for (unsigned i = 0; i < COUNTED; i++) {
		uint64_t number = w->next_number++;

		if (!w->things[i].lives)
			continue;
		if (item_put(w, i, NULL, number, 0) != 0)
			failed("put %s: %s", keys[i], sojourn_error_text());
		item_lives(w, i, number, w->things[i].subject);
	}
	verify_thing(w, COUNTED);
}

/* ---- before ---- */

void prepare_items(struct world *w)
{
	const struct sojourn_item item = item_of(COUNTED);

	prepare_people(w);
	w->target = KNOWN_MAX;
	if (item_put(w, NOBODYS, NULL, 1, 0) != 0 ||
	    item_put(w, OWNED, "owner", 2, 0) != 0 ||
	    sojourn_count_add(w->s, &item, 3, 0, NULL) != 0)
		failed("items: %s", sojourn_error_text());
	item_lives(w, NOBODYS, 1, NULL);
	item_lives(w, OWNED, 2, "owner");
	item_lives(w, COUNTED, 3, NULL);
	world_advance(w, 10);
}

void prepare_item_over(struct world *w)
{
	prepare_items(w);
	if (item_put(w, OWNED, NULL, 2, 1000) != 0)
		failed("items: %s", sojourn_error_text());
	world_advance(w, 1000);
	w->things[OWNED].lives = false;
}

/* It runs out a second after. */
void prepare_item_ending(struct world *w)
{
	prepare_items(w);
	if (item_put(w, NOBODYS, NULL, 1, 1000) != 0)
		failed("items: %s", sojourn_error_text());
}

/* ---- what victims do ---- */

void run_put_new(void *arg, struct report *r)
{
	r->rc = item_put(arg, ABSENT, "owner", OP_NUMBER, TTL_MS);
}

void run_put_nobodys(void *arg, struct report *r)
{
	r->rc = item_put(arg, NOBODYS, NULL, OP_NUMBER, TTL_MS);
}

void run_put_owned(void *arg, struct report *r)
{
	r->rc = item_put(arg, OWNED, NULL, OP_NUMBER, TTL_MS);
}

void run_put_for_another(void *arg, struct report *r)
{
	r->rc = item_put(arg, OWNED, "another", OP_NUMBER, TTL_MS);
}

void run_put_if_exists(void *arg, struct report *r)
{
	const struct world *w = arg;
	const struct sojourn_item item = item_of(NOBODYS);
	const struct sojourn_value v = {.data = value_buffer,
					.data_bytes = THING_BYTES,
					.if_exists = true};

	value_fill(value_buffer, THING_BYTES, OP_NUMBER);
	r->rc = sojourn_put(w->s, &item, &v, NULL);
}

/* The version is the one that the survivor had put. */
void run_put_if_version(void *arg, struct report *r)
{
	const struct world *w = arg;
	const struct sojourn_item item = item_of(OWNED);
	const struct sojourn_value v = {.data = value_buffer,
					.data_bytes = THING_BYTES,
					.if_version = w->things[OWNED].version};

	value_fill(value_buffer, THING_BYTES, OP_NUMBER);
	r->rc = sojourn_put(w->s, &item, &v, NULL);
}

void run_add(void *arg, struct report *r)
{
	const struct world *w = arg;
	const struct sojourn_item item = item_of(ABSENT);
	const struct sojourn_value v = {.data = value_buffer,
					.data_bytes = THING_BYTES};

	value_fill(value_buffer, THING_BYTES, OP_NUMBER);
	r->rc = sojourn_add(w->s, &item, &v, NULL);
}

/* Whole, of whatever number. */
static int see_data(void *arg, const void *data, size_t bytes, uint64_t version)
{
	struct report *r = arg;

	(void)version;
	if (bytes != THING_BYTES)
		return -EIO;
	memcpy(&r->number, data, sizeof(r->number));
	return value_is(data, bytes, r->number) ? 0 : -EIO;
}

void run_view(void *arg, struct report *r)
{
	const struct world *w = arg;
	const struct sojourn_item item = item_of(OWNED);

	r->rc = sojourn_view(w->s, &item, NULL, see_data, r);
}

void run_remove(void *arg, struct report *r)
{
	const struct world *w = arg;
	const struct sojourn_item item = item_of(OWNED);

	r->rc = sojourn_remove(w->s, &item, 0);
}

void run_count_add(void *arg, struct report *r)
{
	const struct world *w = arg;
	const struct sojourn_item item = item_of(COUNTED);

	r->rc = sojourn_count_add(w->s, &item, 4, TTL_MS, NULL);
}

void run_clear(void *arg, struct report *r)
{
	const struct world *w = arg;
	const struct sojourn_filter f = {.collection = SOJOURN_COLLECTION_CSRF};

	r->rc = sojourn_clear(w->s, &f);
}

void meddle_remove(struct world *w)
{
	const struct sojourn_item item = item_of(NOBODYS);

	if (sojourn_remove(w->s, &item, 0) != 1)
		failed("remove: %s", sojourn_error_text());
	w->things[NOBODYS].lives = false;
}

void meddle_second(struct world *w)
{
	world_advance(w, 1000);
}

/* ---- and what that means ---- */

static void returned(const struct report *r, int want)
{
	if (r->finished && r->rc != want)
		failed("the victim's call returned %d instead of %d", r->rc,
		       want);
}

void judge_made(struct world *w, const struct report *r)
{
	returned(r, 0);
	if (passed(r, "index.committed"))
		item_lives(w, ABSENT, OP_NUMBER, "owner");
}

void judge_added(struct world *w, const struct report *r)
{
	judge_made(w, r);
	w->things[ABSENT].subject = NULL;
}

void judge_put_nobodys(struct world *w, const struct report *r)
{
	/* Removed while it stood: it came too late. */
	if (!w->things[NOBODYS].lives) {
		returned(r, -ENOENT);
		return;
	}
	returned(r, 0);
	if (passed(r, "update.published"))
		item_lives(w, NOBODYS, OP_NUMBER, NULL);
}

/* Replaced in one step, or ended first and made again. */
void judge_put_owned(struct world *w, const struct report *r)
{
	returned(r, 0);
	if (passed(r, "entry.ended"))
		w->things[OWNED].lives = false;
	if (passed(r, "update.published"))
		item_lives(w, OWNED, OP_NUMBER, "owner");
	if (passed(r, "index.committed"))
		item_lives(w, OWNED, OP_NUMBER, NULL);
}

void judge_put_for_another(struct world *w, const struct report *r)
{
	judge_put_owned(w, r);
	if (passed(r, "index.committed"))
		w->things[OWNED].subject = "another";
}

/* The new one lives, the old one is over. */
void judge_put_ending(struct world *w, const struct report *r)
{
	returned(r, 0);
	world_advance(w, 1000);
	w->things[NOBODYS].lives = false;
	if (passed(r, "update.published"))
		item_lives(w, NOBODYS, OP_NUMBER, NULL);
}

void judge_remove(struct world *w, const struct report *r)
{
	returned(r, 1);
	if (passed(r, "entry.ended"))
		w->things[OWNED].lives = false;
}

void judge_count(struct world *w, const struct report *r)
{
	returned(r, 0);
	if (passed(r, "update.published"))
		item_lives(w, COUNTED, 7, NULL);
}

/* They go in the order of their places, whatever that is. */
void judge_clear(struct world *w, const struct report *r)
{
	unsigned gone = 0;

	returned(r, 3);
	for (unsigned i = 0; i < THINGS; i++) {
		const struct sojourn_item item = item_of(i);

		if (!w->things[i].lives || sojourn_has(w->s, &item))
			continue;
		w->things[i].lives = false;
		gone++;
	}
	if (gone != passed(r, "entry.ended"))
		failed("%u items are gone, but %u were ended", gone,
		       passed(r, "entry.ended"));
}

/* ---- get or create ---- */

static int compute(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	if (capacity < THING_BYTES)
		return -ENOSPC;
	value_fill(data, THING_BYTES, OP_NUMBER);
	*bytes = THING_BYTES;
	return 0;
}

static int get_or_create(struct world *w, bool *made)
{
	const struct sojourn_item item = item_of(ABSENT);
	const struct sojourn_flight how = {.compute = compute};
	size_t bytes = sizeof(value_buffer);

	return sojourn_get_or_create(w->s, &item, &how, value_buffer, &bytes,
				     made);
}

void run_get_or_create(void *arg, struct report *r)
{
	bool made;

	r->rc = get_or_create(arg, &made);
	r->number = made;
}

/* The next one does not wait for the dead: it finds the item, or makes it. */
void judge_get_or_create(struct world *w, const struct report *r)
{
	/* First the entry that is locked, then the item. */
	bool was_made = passed(r, "index.committed") >= 2, made;
	struct sojourn_filter f = {0};
	int rc, flights = sojourn_collection_number(w->s, "flight");

	returned(r, 0);
	if (r->finished && r->number != 1)
		failed("get or create: somebody else did");
	rc = get_or_create(w, &made);
	if (rc != 0 || made == was_made)
		failed("get or create after the dead: %d, %s", rc,
		       made ? "made again" : "not made");
	item_lives(w, ABSENT, OP_NUMBER, NULL);
	/* One that died with the item made leaves what it locked. */
	f.collection = (uint32_t)flights;
	rc = sojourn_clear(w->s, &f);
	if (flights < 0 || rc < 0 || rc > 1)
		failed("flights: %d left", rc);
}
