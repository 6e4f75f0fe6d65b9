/* SPDX-License-Identifier: MIT */

/*
 * A baseline: what one writes first.  A chained hash table in shared memory
 * under process-shared pthread rwlocks, one for all or one for each of 64
 * shards, with room for one size of values.  It checks deadline and idle time
 * as Sojourn does.  Whoever dies in it leaves it locked or broken.
 */

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "peers.h"

#define NONE UINT32_MAX

struct entry {
	uint32_t next; /* in the chain, or among the free */
	uint32_t bytes;
	uint64_t deadline_ms;
	soj_word_t used_ms; /* readers store it under the read lock */
	char id[BENCH_ID_CHARS];
	uint8_t value[];
};

struct shard {
	alignas(64) pthread_rwlock_t lock;
	uint32_t free;
};

struct own {
	struct shard *shards;
	uint32_t *heads;
	uint8_t *entries;
	uint32_t shards_count;
	uint32_t heads_each;
	uint32_t entries_each;
	size_t stride;
	uint64_t bytes;
};

static struct entry *entry_at(const struct own *own, uint32_t i)
{
	return (struct entry *)(own->entries + i * own->stride);
}

static int lay_out(struct bench_store *st, struct own *own)
{
	uint64_t shards_bytes, heads_bytes;
	uint8_t *p;

	own->heads_each = (uint32_t)(st->sessions / own->shards_count + 1);
	/* Shards fill unevenly: six deviations, and some. */
	own->entries_each =
		own->heads_each + 16 +
		(own->shards_count > 1 ? 6 * (uint32_t)sqrt(own->heads_each)
				       : 0);
	own->stride = soj_align_up(sizeof(struct entry) + st->value_bytes, 8);
	shards_bytes = own->shards_count * sizeof(struct shard);
	heads_bytes = soj_align_up(
		(uint64_t)own->shards_count * own->heads_each * 4, 64);
	own->bytes =
		shards_bytes + heads_bytes +
		(uint64_t)own->shards_count * own->entries_each * own->stride;
	p = bench_shared_of(st, own->bytes);
	if (p == NULL)
		return -ENOMEM;
	own->shards = (struct shard *)p;
	own->heads = (uint32_t *)(p + shards_bytes);
	own->entries = p + shards_bytes + heads_bytes;
	return 0;
}

static int open_with(struct bench_store *st, uint32_t locks)
{
	struct own *own = calloc(1, sizeof(*own));
	pthread_rwlockattr_t attr;
	int rc;

	if (own == NULL)
		return -ENOMEM;
	own->shards_count = locks;
	rc = lay_out(st, own);
	if (rc < 0)
		return rc;
	st->own = own;
	memset(own->heads, 0xff, (size_t)locks * own->heads_each * 4);
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	for (uint32_t s = 0; s < locks; s++) {
		const uint32_t first = s * own->entries_each;

		rc = -pthread_rwlock_init(&own->shards[s].lock, &attr);
		if (rc < 0)
			return rc;
		own->shards[s].free = first;
		for (uint32_t i = 0; i < own->entries_each; i++)
			entry_at(own, first + i)->next =
				i + 1 < own->entries_each ? first + i + 1
							  : NONE;
	}
	return 0;
}

static int open_1(struct bench_store *st)
{
	return open_with(st, 1);
}

static int open_64(struct bench_store *st)
{
	return open_with(st, 64);
}

/* ---- under the lock ---- */

struct place {
	struct own *own;
	struct shard *shard;
	uint32_t *head;
	uint32_t *link; /* what leads to the entry */
	struct entry *e;
};

static struct place place_of(const struct bench_worker *w, const char *id)
{
	struct own *own = w->store->own;
	const uint64_t hash = bench_hash(id);
	const uint32_t s = (uint32_t)(hash & (own->shards_count - 1));

	return (struct place){
		.own = own,
		.shard = &own->shards[s],
		.head = &own->heads[(uint64_t)s * own->heads_each +
				    soj_scale(hash, own->heads_each)],
	};
}

static bool find(struct place *p, const char *id)
{
	p->link = p->head;
	while (*p->link != NONE) {
		p->e = entry_at(p->own, *p->link);
		if (memcmp(p->e->id, id, BENCH_ID_CHARS) == 0)
			return true;
		p->link = &p->e->next;
	}
	p->e = NULL;
	return false;
}

static bool alive(struct entry *e, uint64_t now_ms)
{
	const uint64_t used_ms = soj_load_relaxed(&e->used_ms);

	if (now_ms >= e->deadline_ms || now_ms >= used_ms + BENCH_IDLE_MS)
		return false;
	if (now_ms - used_ms >= BENCH_TOUCH_MS)
		soj_store_relaxed(&e->used_ms, now_ms);
	return true;
}

/* ---- operations ---- */

static int get(struct bench_worker *w, const char *id, void *to)
{
	struct place p = place_of(w, id);
	int rc = -ENOENT;

	pthread_rwlock_rdlock(&p.shard->lock);
	if (find(&p, id) && alive(p.e, bench_now_ms())) {
		memcpy(to, p.e->value, p.e->bytes);
		rc = (int)p.e->bytes;
	}
	pthread_rwlock_unlock(&p.shard->lock);
	return rc;
}

static int touch(struct bench_worker *w, const char *id)
{
	struct place p = place_of(w, id);
	int rc;

	pthread_rwlock_rdlock(&p.shard->lock);
	rc = find(&p, id) && alive(p.e, bench_now_ms()) ? 0 : -ENOENT;
	pthread_rwlock_unlock(&p.shard->lock);
	return rc;
}

static int create(struct bench_worker *w, char *id, const void *data)
{
	struct place p = place_of(w, id);
	uint32_t i;

	pthread_rwlock_wrlock(&p.shard->lock);
	i = p.shard->free;
	if (i != NONE) {
		p.e = entry_at(p.own, i);
		p.shard->free = p.e->next;
		p.e->bytes = (uint32_t)w->store->value_bytes;
		p.e->deadline_ms = bench_now_ms() + BENCH_TTL_MS;
		soj_store_relaxed(&p.e->used_ms, bench_now_ms());
		memcpy(p.e->id, id, BENCH_ID_CHARS);
		memcpy(p.e->value, data, w->store->value_bytes);
		p.e->next = *p.head;
		*p.head = i;
	}
	pthread_rwlock_unlock(&p.shard->lock);
	return i != NONE ? 0 : -ENOSPC;
}

static int update(struct bench_worker *w, const char *id, const void *data)
{
	struct place p = place_of(w, id);
	int rc = -ENOENT;

	pthread_rwlock_wrlock(&p.shard->lock);
	if (find(&p, id) && alive(p.e, bench_now_ms())) {
		memcpy(p.e->value, data, w->store->value_bytes);
		rc = 0;
	}
	pthread_rwlock_unlock(&p.shard->lock);
	return rc;
}

static int drop(struct bench_worker *w, const char *id)
{
	struct place p = place_of(w, id);
	int rc = -ENOENT;

	pthread_rwlock_wrlock(&p.shard->lock);
	if (find(&p, id)) {
		const uint32_t i = *p.link;

		*p.link = p.e->next;
		p.e->next = p.shard->free;
		p.shard->free = i;
		rc = 0;
	}
	pthread_rwlock_unlock(&p.shard->lock);
	return rc;
}

static uint64_t memory(struct bench_store *st)
{
	return ((const struct own *)st->own)->bytes;
}

#define REST                                                            \
	.get = get, .create = create, .update = update, .touch = touch, \
	.remove = drop, .memory = memory

const struct bench_peer bench_rwlock_1 = {
	.name = "rwlock-1",
	.what = "chained table under one process-shared rwlock",
	.open = open_1,
	REST,
};

const struct bench_peer bench_rwlock_64 = {
	.name = "rwlock-64",
	.what = "the same in 64 shards with a lock each",
	.open = open_64,
	REST,
};

const struct bench_peer bench_rwlock_64_huge = {
	.name = "rwlock-64-huge",
	.what = "the latter in pages of 2 MiB",
	.huge = true,
	.open = open_64,
	REST,
};
