/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BENCH_PEER_H
#define SOJ_BENCH_PEER_H

/*
 * The side-by-side harness: one workload generator and one driver for all that
 * can keep sessions, and one small file for each of these (a peer).
 *
 *   driver.c     commands from stdin, results to stdout; the table of peers
 *   load.c       ids, values, the order in which sessions are asked for
 *   work.c       workers: pinned processes (or threads), loops, times
 *   PEER.c       how one system creates, reads, updates, touches and removes
 *   apcu.php     the same, all in one file, in the only language APCu has
 *
 * A keeper (one process for each system) loads its store once and stays, so
 * that repetitions can go round all systems within seconds: what the machine
 * does meanwhile meets all of them.
 *
 * Every peer gets the same: ids of 32 characters, values of one size, a time
 * of an hour after which a session ends and half an hour of idleness, in
 * whatever way it can be told.  Each value is checked when it is read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/atomic.h"
#include "base/hist.h"
#include "lib_zipf.h"

#define BENCH_ID_CHARS    32u
#define BENCH_VALUE_MIN   24u
#define BENCH_WORKERS_MAX 256u
#define BENCH_MANY        16u
#define BENCH_TTL_S       3600u
#define BENCH_IDLE_S      1800u
#define BENCH_TTL_MS      (1000u * BENCH_TTL_S)
#define BENCH_IDLE_MS     (1000u * BENCH_IDLE_S)
/* An access time older than this is stored anew, as Sojourn does it. */
#define BENCH_TOUCH_MS 1000u

enum bench_dist { BENCH_UNIFORM, BENCH_ZIPF, BENCH_DISTS };

/* One line of the cache each, so that none is read with its neighbour. */
struct bench_id {
	char text[BENCH_ID_CHARS + 1];
	char pad[64 - BENCH_ID_CHARS - 1];
};

struct bench_peer;

/* Workers begin together: the last to arrive says when. */
struct bench_gate {
	soj_word_t arrived;
	soj_word_t start_ns; /* 0: not yet */
};

struct bench_store {
	const struct bench_peer *peer;
	uint64_t sessions;
	size_t value_bytes;
	const char *dir;                /* of sockets and files of the run */
	struct bench_id *ids;           /* shared by the workers */
	uint32_t *streams[BENCH_DISTS]; /* bench_load_word() takes it apart */
	uint64_t stream_count;          /* a power of two */
	struct bench_out *outs;         /* one for each worker, shared */
	struct bench_gate *gate;        /* shared */
	uint64_t runs;                  /* so far */
	void *own;                      /* the peer's */
};

/* What one worker found in one run. */
struct bench_out {
	uint64_t ops;
	uint64_t ns;
	uint64_t verified; /* values that were read and looked at */
	uint64_t wrong;    /* another's value, or one that nobody wrote */
	uint64_t missing;  /* a session that was there, or one that was not */
	uint64_t errors;
	int error; /* the first of these */
	struct soj_hist hist;
};

struct bench_worker {
	struct bench_store *store;
	struct bench_out *out;
	struct soj_rng rng;
	uint32_t index;
	uint32_t workers;
	uint64_t sequence; /* of values; no two workers or runs share one */
	uint8_t *value;    /* room for BENCH_MANY of them */
	void *own;         /* the peer's */
};

/*
 * How one system does it.  All but name, open and get may be NULL: then the
 * mixes that need it are left out.  Functions return 0 (get: the bytes that
 * there were), or a negative errno: -ENOENT if there is no such session.
 */
struct bench_peer {
	const char *name;
	const char *what; /* for the report */
	bool threads;     /* workers are threads of the keeper */
	bool one;         /* one worker only */
	bool huge;        /* its memory in pages of 2 MiB, if they can be had */

	int (*open)(struct bench_store *st);
	/* Fills the store; NULL: enter, create for each, leave. */
	int (*load)(struct bench_store *st);
	/* In the worker: attach, connect, register. */
	int (*enter)(struct bench_worker *w);
	void (*leave)(struct bench_worker *w);
	/* In the keeper after each run, untimed: wait for what is deferred. */
	void (*settle)(struct bench_store *st);

	int (*get)(struct bench_worker *w, const char *id, void *to);
	/* May put an id of its own choice in place of the one it gets. */
	int (*create)(struct bench_worker *w, char *id, const void *data);
	int (*update)(struct bench_worker *w, const char *id, const void *data);
	int (*touch)(struct bench_worker *w, const char *id);
	int (*remove)(struct bench_worker *w, const char *id);
	/* Into w->value, one after the other; 0 if all were there. */
	int (*get_many)(struct bench_worker *w, const char *const *ids);

	/* All that the store takes now: memory of the machine, in bytes. */
	uint64_t (*memory)(struct bench_store *st);
	/* Of that, what waits for a grace period or the like. */
	uint64_t (*limbo)(struct bench_store *st);
	void (*close)(struct bench_store *st);
};

/* ---- load.c ---- */

/* Ids and streams; 0 or -errno. */
int bench_load_init(struct bench_store *st);
int bench_load_write(const struct bench_store *st, const char *path);

/* A random id that no session has. */
void bench_load_id(struct soj_rng *rng, char id[BENCH_ID_CHARS + 1]);

#define BENCH_STREAM_BITS 25u
/* Which session is asked for, and a number below 100 that chooses what. */
static inline uint32_t bench_word_session(uint32_t word)
{
	return word & ((UINT32_C(1) << BENCH_STREAM_BITS) - 1);
}

static inline uint32_t bench_word_choice(uint32_t word)
{
	return word >> BENCH_STREAM_BITS;
}

/* The value that write `sequence` made for session n. */
void bench_value_fill(void *data, size_t bytes, uint64_t n, uint64_t sequence);
/* Is it one of session n's? */
bool bench_value_good(const void *data, size_t bytes, uint64_t n);

/* Memory that the keeper shares with the processes it forks; NULL: none. */
void *bench_shared(size_t bytes);
/* The same for a store's values, in the pages that its peer wants. */
void *bench_shared_of(const struct bench_store *st, size_t bytes);
uint64_t bench_now_ns(void);
/* Some milliseconds old, and cheap. */
uint64_t bench_now_ms(void);
/* Resident memory of a process that is neither file nor shared, in bytes. */
uint64_t bench_rss(int pid);
/* Whoever started a server left its number in DIR/NAME.pid; 0: nobody did. */
int bench_server_pid(const struct bench_store *st, const char *name);

/* Ids are random: folding is hashing enough for what runs among friends. */
static inline uint64_t bench_hash(const char *id)
{
	uint64_t w[4];
	unsigned __int128 a, b;

	memcpy(w, id, sizeof(w));
	a = (unsigned __int128)(w[0] ^ UINT64_C(0xa0761d6478bd642f)) *
	    (w[1] ^ UINT64_C(0xe7037ed1a0b428db));
	b = (unsigned __int128)(w[2] ^ UINT64_C(0x8ebc6af09c88c6e3)) *
	    (w[3] ^ UINT64_C(0x589965cc75374cc3));
	a ^= b;
	a = (unsigned __int128)(uint64_t)(a >> 64 ^ a) *
	    UINT64_C(0x9e3779b97f4a7c15);
	return (uint64_t)(a >> 64 ^ a);
}

/* ---- work.c ---- */

struct bench_mix {
	const char *name;
	uint32_t reads; /* of 100 */
	enum { BENCH_OP_NONE, BENCH_OP_UPDATE, BENCH_OP_TOUCH } other;
	bool churn; /* instead: remove one's own and create another */
	bool hot;   /* always the same session */
	bool miss;  /* ids that nobody has */
	bool many;  /* BENCH_MANY in one call */
	bool all;   /* each session once, by one worker */
};

struct bench_run {
	const struct bench_mix *mix;
	enum bench_dist dist;
	uint32_t workers;
	uint64_t ms; /* counted, then half of it timed one by one */
};

const struct bench_mix *bench_work_mix(const char *name);
/* Can this peer do it? */
bool bench_work_able(const struct bench_peer *peer,
		     const struct bench_mix *mix);
/* Fills the store, by one worker. */
int bench_work_load(struct bench_store *st);
/* Runs; st->outs[0 .. workers - 1] hold the results.  0 or -errno. */
int bench_work_run(struct bench_store *st, const struct bench_run *run);

#endif /* SOJ_BENCH_PEER_H */
