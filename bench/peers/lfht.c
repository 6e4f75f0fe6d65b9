/* SPDX-License-Identifier: MIT */

/*
 * liburcu's cds_lfht in one process: the same algorithm as Sojourn's, without
 * processes.  Workers are threads; values come from the process's allocator,
 * and call_rcu() frees them.  Compiled once for each flavour of RCU.
 */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define URCU_API_MAP
#ifdef BENCH_QSBR
#include <urcu/urcu-qsbr.h>
#else
#include <urcu/urcu-memb.h>
#endif
#include <urcu/rculfhash.h>

#include "base/bits.h"
#include "peers.h"

/* caa_container_of() does, and clang counts its expansion as ours. */
#pragma GCC diagnostic ignored "-Wcast-qual"

struct node {
	struct cds_lfht_node at;
	struct rcu_head head;
	uint64_t deadline_ms;
	soj_word_t used_ms;
	char id[BENCH_ID_CHARS];
	uint8_t value[];
};

struct own {
	struct cds_lfht *table;
	uint64_t empty_bytes;
};

static struct cds_lfht *table_of(const struct bench_worker *w)
{
	return ((const struct own *)w->store->own)->table;
}

static int open_table(struct bench_store *st)
{
	struct own *own = calloc(1, sizeof(*own));
	const unsigned long buckets = 1ul << soj_log2_up(st->sessions);

	if (own == NULL)
		return -ENOMEM;
	st->own = own;
	own->empty_bytes = bench_rss(getpid());
	/* As many buckets as it will need: none is added while it runs. */
	own->table = cds_lfht_new(buckets, buckets, buckets, 0, NULL);
	return own->table ? 0 : -ENOMEM;
}

static int enter(struct bench_worker *w)
{
	(void)w;
	rcu_register_thread();
	return 0;
}

static void leave(struct bench_worker *w)
{
	(void)w;
	rcu_unregister_thread();
}

static void settle(struct bench_store *st)
{
	(void)st;
	rcu_register_thread();
	rcu_barrier();
	rcu_unregister_thread();
}

/* One that holds no reference has to say so, if that is how it works. */
static void done(void)
{
#ifdef BENCH_QSBR
	rcu_quiescent_state();
#endif
}

static void reclaim(struct rcu_head *head)
{
	free(caa_container_of(head, struct node, head));
}

static int same_id(struct cds_lfht_node *at, const void *id)
{
	return memcmp(caa_container_of(at, struct node, at)->id, id,
		      BENCH_ID_CHARS) == 0;
}

/* Under rcu_read_lock(). */
static struct node *find(struct bench_worker *w, const char *id,
			 struct cds_lfht_iter *iter)
{
	const uint64_t now_ms = bench_now_ms();
	struct cds_lfht_node *at;
	struct node *n;
	uint64_t used_ms;

	cds_lfht_lookup(table_of(w), bench_hash(id), same_id, id, iter);
	at = cds_lfht_iter_get_node(iter);
	if (at == NULL)
		return NULL;
	n = caa_container_of(at, struct node, at);
	used_ms = soj_load_relaxed(&n->used_ms);
	if (now_ms >= n->deadline_ms || now_ms >= used_ms + BENCH_IDLE_MS)
		return NULL;
	if (now_ms - used_ms >= BENCH_TOUCH_MS)
		soj_store_relaxed(&n->used_ms, now_ms);
	return n;
}

static int get(struct bench_worker *w, const char *id, void *to)
{
	struct cds_lfht_iter iter;
	const struct node *n;
	int rc = -ENOENT;

	rcu_read_lock();
	n = find(w, id, &iter);
	if (n != NULL) {
		memcpy(to, n->value, w->store->value_bytes);
		rc = (int)w->store->value_bytes;
	}
	rcu_read_unlock();
	done();
	return rc;
}

static int touch(struct bench_worker *w, const char *id)
{
	struct cds_lfht_iter iter;
	int rc;

	rcu_read_lock();
	rc = find(w, id, &iter) ? 0 : -ENOENT;
	rcu_read_unlock();
	done();
	return rc;
}

static struct node *make(struct bench_worker *w, const char *id,
			 const void *data)
{
	struct node *n = malloc(sizeof(*n) + w->store->value_bytes);

	if (n == NULL)
		return NULL;
	cds_lfht_node_init(&n->at);
	n->deadline_ms = bench_now_ms() + BENCH_TTL_MS;
	soj_store_relaxed(&n->used_ms, bench_now_ms());
	memcpy(n->id, id, BENCH_ID_CHARS);
	memcpy(n->value, data, w->store->value_bytes);
	return n;
}

static int create(struct bench_worker *w, char *id, const void *data)
{
	struct node *n = make(w, id, data);

	if (n == NULL)
		return -ENOMEM;
	rcu_read_lock();
	cds_lfht_add(table_of(w), bench_hash(id), &n->at);
	rcu_read_unlock();
	done();
	return 0;
}

static int update(struct bench_worker *w, const char *id, const void *data)
{
	struct node *n = make(w, id, data), *old;
	struct cds_lfht_iter iter;
	int rc = -ENOENT;

	if (n == NULL)
		return -ENOMEM;
	rcu_read_lock();
	/* Lost to another update: with what that one put. */
	while ((old = find(w, id, &iter)) != NULL && rc < 0)
		if (cds_lfht_replace(table_of(w), &iter, bench_hash(id),
				     same_id, id, &n->at) == 0) {
			call_rcu(&old->head, reclaim);
			rc = 0;
			break;
		}
	rcu_read_unlock();
	done();
	if (rc < 0)
		free(n);
	return rc;
}

static int drop(struct bench_worker *w, const char *id)
{
	struct cds_lfht_iter iter;
	struct node *n;
	int rc = -ENOENT;

	rcu_read_lock();
	n = find(w, id, &iter);
	if (n != NULL && cds_lfht_del(table_of(w), &n->at) == 0) {
		call_rcu(&n->head, reclaim);
		rc = 0;
	}
	rcu_read_unlock();
	done();
	return rc;
}

static uint64_t memory(struct bench_store *st)
{
	return bench_rss(getpid()) - ((const struct own *)st->own)->empty_bytes;
}

#ifdef BENCH_QSBR
const struct bench_peer bench_lfht_qsbr = {
	.name = "lfht-qsbr",
	.what = "cds_lfht, threads of one process, flavour qsbr",
#else
const struct bench_peer bench_lfht_memb = {
	.name = "lfht-memb",
	.what = "cds_lfht, threads of one process, flavour memb",
#endif
	.threads = true,
	.open = open_table,
	.enter = enter,
	.leave = leave,
	.settle = settle,
	.get = get,
	.create = create,
	.update = update,
	.touch = touch,
	.remove = drop,
	.memory = memory,
};
