/* SPDX-License-Identifier: MIT */

/*
 * LMDB in shared memory: readers take no lock, writers one for all, and nothing
 * is written to a disk (NOSYNC, WRITEMAP).  It knows no expiry.
 */

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "peers.h"

/* How many sessions a transaction of the load makes. */
#define BATCH 10000u

struct session {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *reader; /* reset between reads */
};

static int code(int rc)
{
	if (rc > 0)
		return -rc;
	if (rc == MDB_NOTFOUND)
		return -ENOENT;
	if (rc == MDB_MAP_FULL)
		return -ENOSPC;
	return rc == 0 ? 0 : -EIO;
}

static size_t map_bytes(const struct bench_store *st)
{
	/* Leaves of a tree that grew at random places are two thirds full;
	 * what is over half a page has pages of its own. */
	const uint64_t each =
		st->value_bytes > 1900
			? soj_align_up(st->value_bytes + 16, 4096) + 160
			: (st->value_bytes + 64) * 9 / 5;

	return st->sessions * each * 5 / 4 + (32 << 20);
}

static int open_env(struct bench_store *st, MDB_env **env)
{
	char path[512];
	int rc = mdb_env_create(env);

	if (rc != 0)
		return code(rc);
	snprintf(path, sizeof(path), "%s/lmdb", st->dir);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	rc = mdb_env_set_mapsize(*env, map_bytes(st));
	if (rc == 0)
		rc = mdb_env_open(*env, path, MDB_NOSYNC | MDB_WRITEMAP, 0600);
	return code(rc);
}

static int open_any(struct bench_store *st)
{
	char path[512];

	/* Of the last load. */
	snprintf(path, sizeof(path), "%s/lmdb/data.mdb", st->dir);
	remove(path);
	return 0;
}

/* Once in each process: an environment must not go through a fork. */
static int enter(struct bench_worker *w)
{
	struct session *s = calloc(1, sizeof(*s));
	MDB_txn *txn;
	int rc;

	if (s == NULL)
		return -ENOMEM;
	w->own = s;
	rc = open_env(w->store, &s->env);
	if (rc < 0)
		return rc;
	rc = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (rc == 0)
		rc = mdb_dbi_open(txn, NULL, 0, &s->dbi);
	if (rc == 0)
		rc = mdb_txn_commit(txn);
	if (rc == 0)
		rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->reader);
	if (rc == 0)
		mdb_txn_reset(s->reader);
	return code(rc);
}

static void leave(struct bench_worker *w)
{
	struct session *s = w->own;

	mdb_txn_abort(s->reader);
	mdb_env_close(s->env);
	free(s);
}

static MDB_val key_of(const char *id)
{
	return (MDB_val){BENCH_ID_CHARS, (void *)(uintptr_t)id};
}

static int load(struct bench_store *st)
{
	uint8_t *value = malloc(st->value_bytes);
	struct bench_worker w = {.store = st, .value = value};
	int rc = value ? enter(&w) : -ENOMEM;
	struct session *s = w.own;
	MDB_txn *txn = NULL;

	for (uint64_t n = 0; rc == 0 && n < st->sessions; n++) {
		MDB_val key = key_of(st->ids[n].text);
		MDB_val data = {st->value_bytes, value};

		if (n % BATCH == 0)
			rc = mdb_txn_begin(s->env, NULL, 0, &txn);
		bench_value_fill(value, st->value_bytes, n, n);
		if (rc == 0)
			rc = mdb_put(txn, s->dbi, &key, &data, 0);
		if (rc == 0 &&
		    (n % BATCH == BATCH - 1 || n + 1 == st->sessions))
			rc = mdb_txn_commit(txn);
	}
	if (rc == 0)
		leave(&w);
	free(value);
	return code(rc);
}

static int get(struct bench_worker *w, const char *id, void *to)
{
	struct session *s = w->own;
	MDB_val key = key_of(id), data;
	int rc = mdb_txn_renew(s->reader);

	if (rc != 0)
		return code(rc);
	rc = mdb_get(s->reader, s->dbi, &key, &data);
	if (rc == 0)
		memcpy(to, data.mv_data,
		       soj_min(data.mv_size, w->store->value_bytes));
	mdb_txn_reset(s->reader);
	return rc == 0 ? (int)data.mv_size : code(rc);
}

/* @data NULL: remove.  One transaction. */
static int change(struct bench_worker *w, const char *id, const void *data,
		  unsigned flags)
{
	struct session *s = w->own;
	MDB_val key = key_of(id);
	MDB_val value = {w->store->value_bytes, (void *)(uintptr_t)data};
	MDB_txn *txn;
	int rc = mdb_txn_begin(s->env, NULL, 0, &txn);

	if (rc != 0)
		return code(rc);
	rc = data ? mdb_put(txn, s->dbi, &key, &value, flags)
		  : mdb_del(txn, s->dbi, &key, NULL);
	if (rc == 0)
		return code(mdb_txn_commit(txn));
	mdb_txn_abort(txn);
	return code(rc);
}

static int create(struct bench_worker *w, char *id, const void *data)
{
	return change(w, id, data, MDB_NOOVERWRITE);
}

static int update(struct bench_worker *w, const char *id, const void *data)
{
	return change(w, id, data, 0);
}

static int drop(struct bench_worker *w, const char *id)
{
	return change(w, id, NULL, 0);
}

static uint64_t memory(struct bench_store *st)
{
	MDB_envinfo info;
	MDB_stat stat;
	MDB_env *env;
	uint64_t bytes = 0;

	if (open_env(st, &env) == 0 && mdb_env_info(env, &info) == 0 &&
	    mdb_env_stat(env, &stat) == 0)
		bytes = (info.me_last_pgno + 1) * stat.ms_psize;
	mdb_env_close(env);
	return bytes;
}

const struct bench_peer bench_lmdb = {
	.name = "lmdb",
	.what = "LMDB on /dev/shm, NOSYNC, WRITEMAP; no expiry",
	.open = open_any,
	.load = load,
	.enter = enter,
	.leave = leave,
	.get = get,
	.create = create,
	.update = update,
	.remove = drop,
	.memory = memory,
};
