/* SPDX-License-Identifier: MIT */

/* memcached over a Unix socket, by libmemcached. */

#include <errno.h>
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "peers.h"

static int code(memcached_return_t rc)
{
	switch (rc) {
	case MEMCACHED_SUCCESS:
	case MEMCACHED_STORED:
	case MEMCACHED_DELETED:
	case MEMCACHED_BUFFERED:
		return 0;
	case MEMCACHED_NOTFOUND:
	case MEMCACHED_NOTSTORED:
		return -ENOENT;
	case MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE:
		return -ENOSPC;
	default:
		fprintf(stderr, "memcached: %s\n",
			memcached_strerror(NULL, rc));
		return -EIO;
	}
}

static int enter(struct bench_worker *w)
{
	char path[512];
	memcached_st *m = memcached_create(NULL);

	w->own = m;
	if (m == NULL)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/memcached.sock", w->store->dir);
	return code(memcached_server_add_unix_socket(m, path));
}

static void leave(struct bench_worker *w)
{
	memcached_free(w->own);
}

static int open_any(struct bench_store *st)
{
	(void)st;
	return 0;
}

static int create(struct bench_worker *w, char *id, const void *data)
{
	return code(memcached_add(w->own, id, BENCH_ID_CHARS, data,
				  w->store->value_bytes, BENCH_TTL_S, 0));
}

/* Without waiting for answers: each session is looked at later on. */
static int load(struct bench_store *st)
{
	uint8_t *value = malloc(st->value_bytes);
	struct bench_worker w = {.store = st};
	int rc = value ? enter(&w) : -ENOMEM;

	if (rc == 0)
		rc = code(memcached_behavior_set(
			w.own, MEMCACHED_BEHAVIOR_NOREPLY, 1));
	for (uint64_t n = 0; rc == 0 && n < st->sessions; n++) {
		bench_value_fill(value, st->value_bytes, n, n);
		rc = create(&w, st->ids[n].text, value);
	}
	if (w.own != NULL)
		leave(&w);
	free(value);
	return rc;
}

static int get(struct bench_worker *w, const char *id, void *to)
{
	memcached_return_t rc;
	uint32_t flags;
	size_t bytes;
	char *value =
		memcached_get(w->own, id, BENCH_ID_CHARS, &bytes, &flags, &rc);

	if (value == NULL)
		return rc == MEMCACHED_SUCCESS ? -EIO : code(rc);
	memcpy(to, value, soj_min(bytes, w->store->value_bytes));
	free(value);
	return (int)bytes;
}

static int update(struct bench_worker *w, const char *id, const void *data)
{
	return code(memcached_replace(w->own, id, BENCH_ID_CHARS, data,
				      w->store->value_bytes, BENCH_TTL_S, 0));
}

static int touch(struct bench_worker *w, const char *id)
{
	return code(memcached_touch(w->own, id, BENCH_ID_CHARS, BENCH_TTL_S));
}

static int drop(struct bench_worker *w, const char *id)
{
	return code(memcached_delete(w->own, id, BENCH_ID_CHARS, 0));
}

static uint64_t memory(struct bench_store *st)
{
	return bench_rss(bench_server_pid(st, "memcached"));
}

const struct bench_peer bench_memcached = {
	.name = "memcached",
	.what = "memcached over a Unix socket, by libmemcached",
	.open = open_any,
	.load = load,
	.enter = enter,
	.leave = leave,
	.get = get,
	.create = create,
	.update = update,
	.touch = touch,
	.remove = drop,
	.memory = memory,
};
