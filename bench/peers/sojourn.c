/* SPDX-License-Identifier: MIT */

/*
 * Sojourn, in full: each read digests the id, looks at deadline and idle
 * timeout, touches when that is due, and looks who asks: a session is bound to
 * the device that it was made with.  sojournd runs beside it.
 *
 * "sojourn" is that; "sojourn-id" is by the id alone, as most caches are;
 * "sojourn-sealed" is the latter with sealed values.  As by default, these are
 * in pages of 2 MiB where the kernel has them; "sojourn-4k" is not.
 */

#include <errno.h>
#include <sched.h>
#include <sojourn/collection.h>
#include <sojourn/sojourn.h>
#include <sojourn/stat.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib_size.h"
#include "peers.h"
#include "shm/format.h"

/* That a full segment is asked. */
#define TRIES_MAX 10000u

static const struct sojourn_metadata device = {.device_id = "d41d8cd98f00b204"};
static const struct sojourn_read bound = {.client = &device};
static const struct sojourn_read by_id = {0};

struct own {
	struct sojourn *s;
	const struct sojourn_read *how;
};

static int fail(int rc)
{
	fprintf(stderr, "sojourn: %s\n", sojourn_error_text());
	return rc;
}

/* As `sojourn size` has it, with some more for what waits for a grace period:
 * under churn as many entries as values. */
static int fit(const struct bench_store *st, struct sojourn_options *o,
	       size_t meta_bytes)
{
	struct soj_size size = {
		.entries = (uint32_t)(st->sessions + st->sessions / 32 + 1024),
		.value_bytes = (uint32_t)st->value_bytes,
		.subject_bytes = 10,
		.meta_bytes = (uint32_t)meta_bytes,
		.sealed = o->seal != SOJOURN_SEAL_OFF,
		.threads_max = o->threads_max,
		.events_max = o->events_max,
	};
	struct soj_layout lay;

	size.spare_values = soj_size_spare(size.entries);
	o->entries_max = size.entries;
	return soj_size_fit(&size, &lay, &o->segment_bytes);
}

static int open_any(struct bench_store *st, const struct sojourn_read *how,
		    enum sojourn_seal seal, enum sojourn_huge huge)
{
	struct own *own = calloc(1, sizeof(*own));
	struct sojourn_options o;
	int rc;

	if (own == NULL)
		return -ENOMEM;
	own->how = how;
	st->own = own;
	sojourn_options_init(&o);
	o.seal = seal;
	rc = fit(st, &o, how->client ? strlen(device.device_id) + 3 : 0);
	if (rc < 0)
		return rc;
	o.ttl_ms = BENCH_TTL_MS;
	o.idle_timeout_ms = BENCH_IDLE_MS;
	o.device = SOJOURN_BINDING_REJECT;
	o.huge = huge;
	if (sojourn_create(NULL, &o, &own->s) < 0)
		return fail(-EIO);
	return 0;
}

static int open_bound(struct bench_store *st)
{
	return open_any(st, &bound, SOJOURN_SEAL_OFF, SOJOURN_HUGE_AUTO);
}

static int open_by_id(struct bench_store *st)
{
	return open_any(st, &by_id, SOJOURN_SEAL_OFF, SOJOURN_HUGE_AUTO);
}

static int open_sealed(struct bench_store *st)
{
	return open_any(st, &by_id, SOJOURN_SEAL_ON, SOJOURN_HUGE_AUTO);
}

static int open_4k(struct bench_store *st)
{
	return open_any(st, &by_id, SOJOURN_SEAL_OFF, SOJOURN_HUGE_OFF);
}

static struct own *own_of(const struct bench_worker *w)
{
	return w->store->own;
}

static int enter(struct bench_worker *w)
{
	w->own = own_of(w)->s;
	return 0;
}

static void leave(struct bench_worker *w)
{
	/* A forked worker gives its thread slot back; the keeper stays. */
	if (w->store->runs > 0)
		sojourn_detach(w->own);
}

static int get(struct bench_worker *w, const char *id, void *to)
{
	size_t bytes = w->store->value_bytes;
	const int rc = sojourn_session_read(w->own, id, own_of(w)->how, to,
					    &bytes, NULL);

	return rc < 0 ? rc : (int)bytes;
}

/* All that is spare waits for a grace period, while a worker or the helper waits
 * for a processor: then it is asked again, and the time counts. */
static bool is_to_come(int rc, unsigned *tries)
{
	return rc == -ENOSPC && (*tries)++ < TRIES_MAX && sched_yield() == 0;
}

static int create(struct bench_worker *w, char *id, const void *data)
{
	unsigned tries = 0;
	char fresh[SOJOURN_ID_CHARS_MAX + 1], subject[16] = "u-";
	struct sojourn_new what = {
		.subject = subject,
		.data = data,
		.data_bytes = w->store->value_bytes,
	};
	int rc;

	if (own_of(w)->how->client != NULL)
		what.metadata = device;
	/* A number in hexadecimal: the first letters of the random id. */
	memcpy(subject + 2, id, 8);
	subject[10] = '\0';
	do
		rc = sojourn_session_create(w->own, &what, fresh, NULL);
	while (is_to_come(rc, &tries));
	if (rc == 0)
		memcpy(id, fresh, BENCH_ID_CHARS + 1);
	return rc < 0 ? fail(rc) : 0;
}

static int update(struct bench_worker *w, const char *id, const void *data)
{
	unsigned tries = 0;
	int rc;

	do
		rc = sojourn_session_update(w->own, id, data,
					    w->store->value_bytes, 0, NULL);
	while (is_to_come(rc, &tries));
	return rc;
}

static int touch(struct bench_worker *w, const char *id)
{
	return sojourn_session_touch(w->own, id);
}

static int drop(struct bench_worker *w, const char *id)
{
	const int rc = sojourn_session_delete(w->own, id);

	return rc < 0 ? rc : rc == 1 ? 0 : -ENOENT;
}

static int get_many(struct bench_worker *w, const char *const *ids)
{
	struct sojourn_one list[BENCH_MANY];
	int found;

	for (unsigned i = 0; i < BENCH_MANY; i++)
		list[i] = (struct sojourn_one){
			.id = ids[i],
			.data = w->value + i * w->store->value_bytes,
			.data_bytes = w->store->value_bytes,
		};
	found = sojourn_get_many(w->own, list, BENCH_MANY, own_of(w)->how);
	return found < 0 ? found : found == BENCH_MANY ? 0 : -ENOENT;
}

static uint64_t memory(struct bench_store *st)
{
	const struct own *own = st->own;
	struct sojourn_stat stat;

	if (sojourn_stat(own->s, &stat) < 0)
		return 0;
	/* The sessions' part of those that all of the segment has room for. */
	return (uint64_t)((double)stat.segment_bytes * (double)st->sessions /
			  (double)stat.entries_max);
}

static uint64_t limbo(struct bench_store *st)
{
	const struct own *own = st->own;
	struct sojourn_stat stat;

	if (sojourn_stat(own->s, &stat) < 0)
		return 0;
	return stat.chunk_bytes_retired +
	       stat.entries_retired * sizeof(struct soj_shm_entry);
}

static void shut(struct bench_store *st)
{
	struct own *own = st->own;

	sojourn_detach(own->s);
	free(own);
}

#define REST                                                          \
	.enter = enter, .leave = leave, .get = get, .create = create, \
	.update = update, .touch = touch, .remove = drop,             \
	.get_many = get_many, .memory = memory, .limbo = limbo, .close = shut

const struct bench_peer bench_sojourn = {
	.name = "sojourn",
	.what = "digest, deadline, idle timeout, device binding; sojournd",
	.open = open_bound,
	REST,
};

const struct bench_peer bench_sojourn_id = {
	.name = "sojourn-id",
	.what = "the same without a binding",
	.open = open_by_id,
	REST,
};

const struct bench_peer bench_sojourn_sealed = {
	.name = "sojourn-sealed",
	.what = "sojourn-id, values sealed as the processor does it best",
	.open = open_sealed,
	REST,
};

const struct bench_peer bench_sojourn_4k = {
	.name = "sojourn-4k",
	.what = "sojourn-id in pages of 4 KiB, as the others are",
	.open = open_4k,
	REST,
};
