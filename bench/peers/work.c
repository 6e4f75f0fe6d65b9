/* SPDX-License-Identifier: MIT */

/*
 * The workers.  Each run forks them anew (or starts threads, for a peer whose
 * table lives in one process), pins each to a core of its own, lets all begin
 * at one moment, counts operations for some milliseconds, and then, for half
 * as long, times each single read.  One operation is outstanding at a time.
 *
 * What the loop itself costs (the stream, the check of the value, the call)
 * is part of every system's figures; the driver says how much it is.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"

#define NS_PER_MS UINT64_C(1000000)
/* Between two looks at the clock. */
#define BURST 64u
/* Ids of sessions that come are fetched so far ahead. */
#define AHEAD 8u

static const struct bench_mix mixes[] = {
	{.name = "get", .reads = 100},
	{.name = "95:5", .reads = 95, .other = BENCH_OP_UPDATE},
	{.name = "50:50", .reads = 50, .other = BENCH_OP_UPDATE},
	{.name = "touch", .reads = 50, .other = BENCH_OP_TOUCH},
	{.name = "hot", .reads = 99, .other = BENCH_OP_TOUCH, .hot = true},
	{.name = "churn", .churn = true},
	{.name = "miss", .reads = 100, .miss = true},
	{.name = "many", .reads = 100, .many = true},
	{.name = "all", .reads = 100, .all = true},
};

const struct bench_mix *bench_work_mix(const char *name)
{
	for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++)
		if (strcmp(mixes[i].name, name) == 0)
			return &mixes[i];
	return NULL;
}

bool bench_work_able(const struct bench_peer *peer, const struct bench_mix *mix)
{
	if (mix->churn)
		return peer->create && peer->remove;
	if (mix->many)
		return peer->get_many;
	/* What knows where everything is has no misses. */
	if (mix->miss)
		return peer->update;
	if (mix->other == BENCH_OP_UPDATE)
		return peer->update;
	if (mix->other == BENCH_OP_TOUCH)
		return peer->touch;
	return true;
}

/* ---- one operation ---- */

static void count_error(struct bench_worker *w, int rc)
{
	if (rc == -ENOENT) {
		w->out->missing++;
		return;
	}
	w->out->errors++;
	if (w->out->error == 0)
		w->out->error = rc;
}

static void look(struct bench_worker *w, const uint8_t *value, uint64_t n)
{
	w->out->verified++;
	if (!bench_value_good(value, w->store->value_bytes, n))
		w->out->wrong++;
}

static void get(struct bench_worker *w, uint64_t n)
{
	const int rc = w->store->peer->get(w, w->store->ids[n].text, w->value);

	if (rc < 0)
		count_error(w, rc);
	else if ((size_t)rc != w->store->value_bytes)
		w->out->wrong++;
	else
		look(w, w->value, n);
}

static void miss(struct bench_worker *w)
{
	char id[BENCH_ID_CHARS + 1];
	int rc;

	bench_load_id(&w->rng, id);
	rc = w->store->peer->get(w, id, w->value);
	if (rc == -ENOENT)
		w->out->verified++;
	else if (rc >= 0)
		w->out->wrong++;
	else
		count_error(w, rc);
}

static void other(struct bench_worker *w, const struct bench_run *run,
		  uint64_t n)
{
	const struct bench_store *st = w->store;
	int rc;

	if (run->mix->other == BENCH_OP_TOUCH) {
		rc = st->peer->touch(w, st->ids[n].text);
	} else {
		bench_value_fill(w->value, st->value_bytes, n, ++w->sequence);
		rc = st->peer->update(w, st->ids[n].text, w->value);
	}
	if (rc < 0)
		count_error(w, rc);
}

/* Two operations: one by its first, one by its second half of the calls. */
static void churn(struct bench_worker *w, uint64_t n, bool end)
{
	struct bench_store *st = w->store;
	int rc;

	if (end) {
		rc = st->peer->remove(w, st->ids[n].text);
		/* Now and then: is it gone?  Rare enough to cost nothing. */
		if (rc == 0 && w->sequence % 64 == 0 &&
		    st->peer->get(w, st->ids[n].text, w->value) != -ENOENT)
			w->out->wrong++;
	} else {
		bench_load_id(&w->rng, st->ids[n].text);
		bench_value_fill(w->value, st->value_bytes, n, ++w->sequence);
		rc = st->peer->create(w, st->ids[n].text, w->value);
	}
	if (rc < 0)
		count_error(w, rc);
}

static void many(struct bench_worker *w, const uint32_t *words)
{
	const struct bench_store *st = w->store;
	const char *ids[BENCH_MANY];
	int rc;

	for (unsigned i = 0; i < BENCH_MANY; i++)
		ids[i] = st->ids[bench_word_session(words[i])].text;
	rc = st->peer->get_many(w, ids);
	if (rc < 0)
		count_error(w, rc);
	else
		for (unsigned i = 0; i < BENCH_MANY; i++)
			look(w, w->value + i * st->value_bytes,
			     bench_word_session(words[i]));
}

/* ---- the loop ---- */

/* Session n's neighbour that this worker alone creates and removes. */
static uint64_t own_session(const struct bench_worker *w, uint64_t n)
{
	const uint64_t mine = n - n % w->workers + w->index;

	return mine < w->store->sessions ? mine : w->index;
}

/* Returns how many operations it was. */
static inline unsigned step(struct bench_worker *w, const struct bench_run *run,
			    const uint32_t *words, uint64_t i)
{
	const struct bench_mix *mix = run->mix;
	const uint64_t mask = w->store->stream_count - 1;
	const uint32_t word = words[i & mask];
	const uint32_t next = words[(i + AHEAD) & mask];
	const uint64_t n = mix->hot ? 0 : bench_word_session(word);

	soj_prefetch(&w->store->ids[bench_word_session(next)]);
	if (mix->churn) {
		/* The same session twice: its end, and the next one's begin. */
		churn(w,
		      own_session(w, bench_word_session(
					     words[(i & ~UINT64_C(1)) & mask])),
		      (i & 1) == 0);
	} else if (mix->miss) {
		miss(w);
	} else if (mix->many) {
		const uint64_t at = i * BENCH_MANY & mask;

		for (unsigned k = 0; k < BENCH_MANY; k++)
			soj_prefetch(&w->store->ids[bench_word_session(
				words[(at + BENCH_MANY + k) & mask])]);
		many(w, words + at);
		return BENCH_MANY;
	} else if (bench_word_choice(word) < mix->reads) {
		get(w, n);
	} else {
		other(w, run, n);
	}
	return 1;
}

/* Of a mix with both, the reads alone are timed one by one. */
static bool is_read(const struct bench_worker *w, const struct bench_mix *mix,
		    const uint32_t *words, uint64_t i)
{
	return mix->churn || mix->reads == 100 ||
	       bench_word_choice(words[i & (w->store->stream_count - 1)]) <
		       mix->reads;
}

/*
 * A worker that does not come, because it failed, is waited for for 10 s: its
 * error is reported, whatever the others find.
 */
static uint64_t wait_for_all(struct bench_gate *gate, uint32_t workers)
{
	const uint64_t give_up_ns = bench_now_ns() + 10000 * NS_PER_MS;
	uint64_t start_ns, now_ns;

	if (soj_add_acq_rel(&gate->arrived, 1) + 1 == workers)
		soj_store_release(&gate->start_ns, bench_now_ns() + NS_PER_MS);
	for (;;) {
		start_ns = soj_load_acquire(&gate->start_ns);
		now_ns = bench_now_ns();
		if (start_ns != 0 && now_ns >= start_ns)
			return start_ns;
		if (start_ns == 0 && now_ns >= give_up_ns)
			return now_ns;
		sched_yield();
	}
}

static void loop(struct bench_worker *w, const struct bench_run *run)
{
	const uint32_t *words = w->store->streams[run->dist];
	/* Not the same place for two workers, nor for two runs. */
	uint64_t i = (w->index * UINT64_C(2654435761) +
		      w->store->runs * UINT64_C(40503)) %
			     w->store->stream_count &
		     ~UINT64_C(63);
	uint64_t start_ns, end_ns, stop_ns, before_ns, ns;
	bool reads;

	/* A process's first call registers it, which may take milliseconds. */
	for (unsigned k = 0; k < BURST; k++)
		get(w, bench_word_session(words[k]));
	start_ns = wait_for_all(w->store->gate, w->workers);
	end_ns = start_ns + run->ms * NS_PER_MS;
	stop_ns = end_ns + run->ms * NS_PER_MS / 2;

	do {
		for (unsigned k = 0; k < BURST; k++)
			w->out->ops += step(w, run, words, i++);
		ns = bench_now_ns();
	} while (ns < end_ns && w->out->errors == 0);
	w->out->ns = ns - start_ns;
	do {
		before_ns = bench_now_ns();
		reads = is_read(w, run->mix, words, i);
		step(w, run, words, i++);
		ns = bench_now_ns();
		if (reads)
			soj_hist_record(&w->out->hist, ns - before_ns);
	} while ((ns < stop_ns || (i & 1) != 0) && w->out->errors == 0);
}

/* Each session once: are they all there? */
static void look_at_all(struct bench_worker *w)
{
	const uint64_t start_ns = bench_now_ns();

	for (uint64_t n = 0; n < w->store->sessions; n++) {
		get(w, n);
		w->out->ops++;
	}
	w->out->ns = bench_now_ns() - start_ns;
}

/* ---- workers ---- */

static void pin(uint32_t index)
{
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || index-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

/*
 * Maps in the pages of shared memory.  Servers' workers live for hours and
 * have done so; a fault on each page would be most of what a short run sees.
 */
static void populate(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512], rights[8];
	unsigned long from, to;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 ||
		    rights[3] != 's' || to - from < 1 << 16)
			continue;
		/* Without effect on a kernel that does not know it. */
		madvise((void *)from, to - from,
			rights[1] == 'w' ? MADV_POPULATE_WRITE
					 : MADV_POPULATE_READ);
	}
	if (f != NULL)
		fclose(f);
}

static int enter(struct bench_worker *w)
{
	const struct bench_store *st = w->store;
	int rc;

	w->rng.state = bench_now_ns() * (w->index + 1);
	w->sequence = st->runs << 40 | (uint64_t)w->index << 32;
	/* Values of 8-byte alignment, whatever the allocator. */
	w->value = aligned_alloc(64,
				 (BENCH_MANY * st->value_bytes + 63) / 64 * 64);
	if (w->value == NULL)
		return -ENOMEM;
	rc = st->peer->enter ? st->peer->enter(w) : 0;
	populate();
	return rc;
}

static void leave(struct bench_worker *w)
{
	if (w->store->peer->leave)
		w->store->peer->leave(w);
	free(w->value);
}

struct job {
	struct bench_worker w;
	struct bench_run run;
};

static void *work(void *arg)
{
	struct job *job = arg;
	struct bench_worker *w = &job->w;
	int rc;

	pin(w->index);
	rc = enter(w);
	if (rc < 0)
		count_error(w, rc);
	else if (job->run.mix->all)
		look_at_all(w);
	else
		loop(w, &job->run);
	if (rc == 0)
		leave(w);
	return NULL;
}

static int run_threads(struct job *jobs, uint32_t workers)
{
	pthread_t threads[BENCH_WORKERS_MAX];
	uint32_t count = 0;
	int rc = 0;

	for (; count < workers && rc == 0; count++)
		rc = -pthread_create(&threads[count], NULL, work, &jobs[count]);
	if (rc < 0)
		count--;
	while (count-- > 0)
		pthread_join(threads[count], NULL);
	return rc;
}

static int run_processes(struct job *jobs, uint32_t workers)
{
	pid_t pids[BENCH_WORKERS_MAX];
	uint32_t count = 0;
	int status, rc = 0;

	for (; count < workers; count++) {
		pids[count] = fork();
		if (pids[count] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			work(&jobs[count]);
			_exit(0);
		}
		if (pids[count] < 0) {
			rc = -errno;
			break;
		}
	}
	while (count-- > 0) {
		if (waitpid(pids[count], &status, 0) < 0)
			rc = -errno;
		else if (status != 0)
			rc = -ECHILD;
	}
	return rc;
}

int bench_work_run(struct bench_store *st, const struct bench_run *run)
{
	struct job *jobs = calloc(run->workers, sizeof(*jobs));
	int rc;

	if (jobs == NULL)
		return -ENOMEM;
	st->runs++;
	soj_store_relaxed(&st->gate->arrived, 0);
	soj_store_relaxed(&st->gate->start_ns, 0);
	for (uint32_t i = 0; i < run->workers; i++) {
		memset(&st->outs[i], 0, sizeof(st->outs[i]));
		soj_hist_init(&st->outs[i].hist);
		jobs[i] = (struct job){
			.w = {.store = st,
			      .out = &st->outs[i],
			      .index = i,
			      .workers = run->workers},
			.run = *run,
		};
	}
	rc = st->peer->threads ? run_threads(jobs, run->workers)
			       : run_processes(jobs, run->workers);
	if (st->peer->settle)
		st->peer->settle(st);
	free(jobs);
	return rc;
}

int bench_work_load(struct bench_store *st)
{
	struct bench_out out = {0};
	struct bench_worker w = {.store = st, .out = &out, .workers = 1};
	int rc;

	if (st->peer->load)
		return st->peer->load(st);
	rc = enter(&w);
	for (uint64_t n = 0; rc == 0 && n < st->sessions; n++) {
		bench_value_fill(w.value, st->value_bytes, n, ++w.sequence);
		rc = st->peer->create(&w, st->ids[n].text, w.value);
	}
	leave(&w);
	return rc < 0 ? rc : 0;
}
