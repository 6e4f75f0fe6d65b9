/* SPDX-License-Identifier: MIT */

/*
 * What memory allows: a table that knows where everything is.
 *
 *   limit-1   a value at a computed place: one miss (its further lines are
 *             fetched together with the first) and the copy
 *   limit-2   a line that says where the value is, then the value: two misses,
 *             the second of which cannot begin before the first is over
 *   loop      no memory at all: the value is made in the cache and looked at.
 *             So much of every system's time is the harness, at most.
 *
 * No hash, no comparison of keys, no writers.  Ids hold the number itself.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/bits.h"
#include "peers.h"

#define LINE 64u

struct own {
	uint8_t *lines;
	uint8_t *values;
	size_t stride;
	uint64_t bytes;
};

static int open_any(struct bench_store *st)
{
	struct own *own = calloc(1, sizeof(*own));

	if (own == NULL)
		return -ENOMEM;
	st->own = own;
	/* A line of head, as whoever stores a key and a deadline needs it. */
	own->stride = soj_align_up(st->value_bytes, LINE) + LINE;
	own->bytes = st->sessions * (own->stride + LINE);
	own->lines = bench_shared(own->bytes);
	own->values = own->lines + st->sessions * LINE;
	return own->lines ? 0 : -ENOMEM;
}

/* The line's place is a permutation of the number, the value's another. */
static uint64_t shuffle(uint64_t n, uint64_t count)
{
	return n * UINT64_C(4294967291) % count;
}

static int create(struct bench_worker *w, char *id, const void *data)
{
	const struct own *own = w->store->own;
	uint64_t n, line, place;

	/* The value says whose it is. */
	memcpy(&n, data, 8);
	line = shuffle(n, w->store->sessions);
	place = shuffle(w->store->sessions - 1 - n, w->store->sessions);
	memcpy(own->lines + line * LINE, &place, 8);
	memcpy(own->values + place * own->stride, &n, 8);
	memcpy(own->values + place * own->stride + LINE, data,
	       w->store->value_bytes);
	memcpy(id, &line, 8);
	memcpy(id + 8, &place, 8);
	memcpy(id + 16, &n, 8);
	return 0;
}

static int copy(struct bench_worker *w, uint64_t place, uint64_t n, void *to)
{
	const struct own *own = w->store->own;
	const uint8_t *value = own->values + place * own->stride;

	if (memcmp(value, &n, 8) != 0)
		return -ENOENT;
	memcpy(to, value + LINE, w->store->value_bytes);
	return (int)w->store->value_bytes;
}

static int get_one(struct bench_worker *w, const char *id, void *to)
{
	uint64_t place, n;

	memcpy(&place, id + 8, 8);
	memcpy(&n, id + 16, 8);
	return copy(w, place, n, to);
}

static int get_two(struct bench_worker *w, const char *id, void *to)
{
	const struct own *own = w->store->own;
	uint64_t line, place, n;

	memcpy(&line, id, 8);
	memcpy(&n, id + 16, 8);
	memcpy(&place, own->lines + line * LINE, 8);
	return copy(w, place, n, to);
}

static uint64_t memory(struct bench_store *st)
{
	return ((const struct own *)st->own)->bytes;
}

static int open_none(struct bench_store *st)
{
	(void)st;
	return 0;
}

static int create_none(struct bench_worker *w, char *id, const void *data)
{
	(void)w;
	memcpy(id + 16, data, 8);
	return 0;
}

static int get_none(struct bench_worker *w, const char *id, void *to)
{
	uint64_t n;

	memcpy(&n, id + 16, 8);
	bench_value_fill(to, w->store->value_bytes, n, 1);
	return (int)w->store->value_bytes;
}

const struct bench_peer bench_limit_one = {
	.name = "limit-1",
	.what = "one miss and a copy",
	.open = open_any,
	.create = create,
	.get = get_one,
	.memory = memory,
};

const struct bench_peer bench_limit_two = {
	.name = "limit-2",
	.what = "two dependent misses and a copy",
	.open = open_any,
	.create = create,
	.get = get_two,
	.memory = memory,
};

const struct bench_peer bench_loop = {
	.name = "loop",
	.what = "the harness itself, values made in the cache",
	.open = open_none,
	.create = create_none,
	.get = get_none,
};
