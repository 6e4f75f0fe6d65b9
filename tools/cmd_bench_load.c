/* SPDX-License-Identifier: MIT */

/*
 * The workers of `sojourn bench`.
 *
 * Session n belongs to worker n % workers for creating, verifying and
 * removing; the run goes over all of them.  A value says which session's it
 * is, which write made it, and is filled with words that follow from both, so
 * that a reader can tell a torn one from a foreign one.
 */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmd_bench.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
	stop_signal = number;
}

void bench_load_catch(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

int bench_load_signal(void)
{
	return stop_signal;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- values ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	struct soj_rng rng = {a * UINT64_C(0xd6e8feb86659fd93) ^ b};

	return soj_rng_next(&rng);
}

/* Word i of the value that write `sequence` made for session n. */
static inline uint64_t value_word(uint64_t n, uint64_t sequence, uint64_t base,
				  size_t i)
{
	if (i == 0)
		return n;
	if (i == 1)
		return sequence;
	return base + i * UINT64_C(0x9e3779b97f4a7c15);
}

static void value_fill(uint8_t *data, size_t bytes, uint64_t n,
		       uint64_t sequence)
{
	const uint64_t base = mix(n, sequence);

	for (size_t i = 0; i < bytes; i += 8) {
		const uint64_t word = value_word(n, sequence, base, i / 8);

		memcpy(data + i, &word, bytes - i < 8 ? bytes - i : 8);
	}
}

static void value_check(struct bench_faults *faults, const uint8_t *data,
			size_t bytes, size_t expected, uint64_t n)
{
	uint64_t number, sequence, base, wrong = 0;

	if (bytes != expected) {
		faults->torn++;
		return;
	}
	memcpy(&number, data, 8);
	memcpy(&sequence, data + 8, 8);
	base = mix(number, sequence);
	for (size_t i = 0; i < bytes; i += 8) {
		const size_t part = bytes - i < 8 ? bytes - i : 8;
		const uint64_t word = value_word(number, sequence, base, i / 8);
		uint64_t there = word;

		memcpy(&there, data + i, part);
		wrong |= there ^ word;
	}
	if (wrong != 0)
		faults->torn++;
	else if (number != n)
		faults->foreign++;
}

/* ---- one worker ---- */

struct self {
	struct bench *b;
	struct bench_worker *out;
	uint32_t index;
	uint64_t sequence;
	uint8_t *value; /* room for one */
	char id[SOJOURN_ID_CHARS_MAX + 1];
};

static void keep_error(struct self *w, int error)
{
	if (w->out->error != 0)
		return;
	w->out->error = error;
	snprintf(w->out->text, sizeof(w->out->text), "%s",
		 sojourn_error_text());
}

static void count_error(struct self *w, int error)
{
	struct bench_faults *f = &w->out->faults;
	const enum sojourn_reason reason = sojourn_reason();

	if (error == -ENOENT && reason == SOJOURN_EVICTED) {
		f->evicted++;
	} else if (error == -ENOENT) {
		f->lost++;
	} else if (error == -ENOSPC) {
		f->full++;
	} else if (error == -EBUSY) {
		f->busy++;
	} else if (error == -ENOBUFS) {
		f->torn++; /* no session has that much */
	} else {
		f->errors++;
		keep_error(w, error);
	}
}

static void load_id(struct self *w, uint64_t n)
{
	memcpy(w->id, w->b->ids[n], SOJOURN_ID_CHARS_MAX);
	w->id[SOJOURN_ID_CHARS_MAX] = '\0';
}

static uint64_t next_sequence(struct self *w)
{
	return ++w->sequence << 16 | w->index;
}

static int make(struct self *w, uint64_t n)
{
	char subject[32];
	struct sojourn_new what = {
		.subject = subject,
		.data = w->value,
		.data_bytes = w->b->plan.value_bytes,
		/* A run that is killed leaves nothing behind for long. */
		.ttl_ms = w->b->plan.run_ms + 2 * 3600 * UINT64_C(1000),
		.idle_timeout_ms = SOJOURN_OFF,
	};
	int rc;

	snprintf(subject, sizeof(subject), "bench%u", (unsigned int)n);
	value_fill(w->value, what.data_bytes, n, next_sequence(w));
	rc = sojourn_session_create(w->b->s, &what, w->id, NULL);
	if (rc < 0)
		return rc;
	w->out->created++;
	memcpy(w->b->ids[n], w->id, strnlen(w->id, SOJOURN_ID_CHARS_MAX));
	return 0;
}

static uint64_t read_one(struct self *w, uint64_t n, bool no_touch)
{
	const struct sojourn_read how = {
		.no_touch = no_touch,
		.no_renew = true,
	};
	size_t bytes = w->b->plan.value_bytes;
	uint64_t before_ns, after_ns;
	int rc;

	load_id(w, n);
	before_ns = now_ns();
	rc = sojourn_session_read(w->b->s, w->id, &how, w->value, &bytes, NULL);
	after_ns = now_ns();
	if (rc < 0)
		count_error(w, rc);
	else
		value_check(&w->out->faults, w->value, bytes,
			    w->b->plan.value_bytes, n);
	if (!no_touch)
		soj_hist_record(&w->out->reads, after_ns - before_ns);
	return after_ns;
}

static uint64_t update_one(struct self *w, uint64_t n)
{
	uint64_t before_ns, after_ns;
	int rc;

	load_id(w, n);
	value_fill(w->value, w->b->plan.value_bytes, n, next_sequence(w));
	before_ns = now_ns();
	rc = sojourn_session_update(w->b->s, w->id, w->value,
				    w->b->plan.value_bytes, 0, NULL);
	after_ns = now_ns();
	if (rc < 0)
		count_error(w, rc);
	soj_hist_record(&w->out->updates, after_ns - before_ns);
	return after_ns;
}

static void run(struct self *w)
{
	const struct bench_plan *plan = &w->b->plan;
	const uint64_t start_ns = w->b->start_ns;
	const struct timespec start = {
		.tv_sec = (time_t)(start_ns / NS_PER_S),
		.tv_nsec = (long)(start_ns % NS_PER_S),
	};
	const uint64_t end_ns = start_ns + plan->run_ms * NS_PER_MS;
	struct soj_rng rng = {mix(start_ns, w->index)};
	uint64_t ns = start_ns;

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &start, NULL);
	while (ns < end_ns && stop_signal == 0) {
		const uint64_t n = soj_zipf_next(&w->b->zipf, &rng);

		if (soj_rng_below(&rng, plan->reads + plan->updates) <
		    plan->reads)
			ns = read_one(w, n, false);
		else
			ns = update_one(w, n);
	}
	w->out->run_ns = ns - start_ns;
}

/* The other phases go over the worker's own sessions. */
static void own_sessions(struct self *w, enum bench_phase phase)
{
	const struct bench_plan *plan = &w->b->plan;
	int rc;

	for (uint64_t n = w->index; n < plan->entries; n += plan->workers) {
		/* What was made is removed also after a signal. */
		if (stop_signal != 0 && phase != BENCH_REMOVE)
			return;
		if (phase == BENCH_PRELOAD) {
			rc = make(w, n);
			if (rc < 0) {
				keep_error(w, rc);
				return;
			}
		} else if (w->b->ids[n][0] == '\0') {
			continue;
		} else if (phase == BENCH_VERIFY) {
			read_one(w, n, true);
		} else {
			load_id(w, n);
			rc = sojourn_session_delete(w->b->s, w->id);
			if (rc < 0)
				count_error(w, rc);
		}
	}
}

/* ---- processes ---- */

/* A core for each worker, if there are that many. */
static bool pin(const struct bench *b, uint32_t index)
{
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all) < 0 ||
	    (uint32_t)CPU_COUNT(&all) < b->plan.workers)
		return false;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || index-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		return sched_setaffinity(0, sizeof(one), &one) == 0;
	}
	return false;
}

static void worker(struct bench *b, uint32_t index, enum bench_phase phase)
	__attribute__((noreturn));
static void worker(struct bench *b, uint32_t index, enum bench_phase phase)
{
	struct self w = {
		.b = b,
		.out = &b->workers[index],
		.index = index,
		/* No sequence of another phase comes again. */
		.sequence = (uint64_t)phase << 40,
		.value = malloc(b->plan.value_bytes),
	};

	if (w.value == NULL)
		_exit(1);
	pin(b, index);
	if (phase == BENCH_RUN)
		run(&w);
	else
		own_sessions(&w, phase);
	sojourn_detach(b->s);
	_exit(0);
}

static void ask_to_stop(const pid_t *pids, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		kill(pids[i], SIGTERM);
}

static void reap(struct bench *b, const pid_t *pids, uint32_t count)
{
	bool asked = false;

	for (uint32_t i = 0; i < count; i++) {
		int status = 0;

		do {
			/* The signal may have come to this process only. */
			if (stop_signal != 0 && !asked)
				ask_to_stop(pids + i, count - i);
			asked = stop_signal != 0;
		} while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			b->faults.crashed++;
	}
}

int bench_load_phase(struct bench *b, enum bench_phase phase)
{
	pid_t pids[BENCH_WORKERS_MAX];
	const pid_t parent = getpid();
	uint32_t count = 0;
	int rc = 0;

	fflush(NULL);
	/* All are there before the first of a run begins. */
	b->start_ns = now_ns() + 20 * NS_PER_MS + b->plan.workers * NS_PER_MS;
	for (; count < b->plan.workers; count++) {
		pid_t pid = fork();

		if (pid < 0) {
			rc = -errno;
			break;
		}
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(1);
			worker(b, count, phase);
		}
		pids[count] = pid;
	}
	if (rc < 0)
		ask_to_stop(pids, count);
	reap(b, pids, count);
	return rc;
}

/* ---- memory of the run ---- */

static size_t ids_bytes(const struct bench *b)
{
	return (size_t)b->plan.entries * sizeof(b->ids[0]);
}

static void *shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int bench_load_init(struct bench *b)
{
	cpu_set_t all;

	b->workers = shared(b->plan.workers * sizeof(*b->workers));
	b->ids = shared(ids_bytes(b));
	if (b->workers == NULL || b->ids == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->plan.workers; i++) {
		soj_hist_init(&b->workers[i].reads);
		soj_hist_init(&b->workers[i].updates);
	}
	soj_zipf_init(&b->zipf, b->plan.entries, b->plan.theta);
	b->pinned = sched_getaffinity(0, sizeof(all), &all) == 0 &&
		    (uint32_t)CPU_COUNT(&all) >= b->plan.workers;
	return 0;
}

void bench_load_sum(struct bench *b)
{
	struct bench_faults *sum = &b->faults;

	soj_hist_init(&b->reads);
	soj_hist_init(&b->updates);
	for (uint32_t i = 0; i < b->plan.workers; i++) {
		const struct bench_worker *w = &b->workers[i];

		sum->lost += w->faults.lost;
		sum->torn += w->faults.torn;
		sum->foreign += w->faults.foreign;
		sum->errors += w->faults.errors;
		sum->evicted += w->faults.evicted;
		sum->full += w->faults.full;
		sum->busy += w->faults.busy;
		if (b->run_ns < w->run_ns)
			b->run_ns = w->run_ns;
		soj_hist_merge(&b->reads, &w->reads);
		soj_hist_merge(&b->updates, &w->updates);
	}
}

void bench_load_deinit(struct bench *b)
{
	if (b->workers != NULL)
		munmap(b->workers, b->plan.workers * sizeof(*b->workers));
	if (b->ids != NULL)
		munmap(b->ids, ids_bytes(b));
}
