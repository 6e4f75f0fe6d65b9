/* SPDX-License-Identifier: MIT */

/*
 * Worker processes under fire: mixed operations while a killer SIGKILLs a
 * random worker each time that OPS_PER_KILL more were made, and the helper with
 * every fiftieth.
 *
 * Each account has one login session.  Only its owner, thread t of worker w,
 * logs it in, renews it and logs it out; every thread reads it and adds one to
 * the counter in its data.  A ledger outside of the segment says what was
 * acknowledged: an operation is noted before it begins and after it returned,
 * so whatever a killed worker was doing is known to be undecided, and only
 * that.
 *
 * Counted, and all must be 0: torn or foreign values, acknowledged sessions
 * that are gone, logged-out sessions that answer, increments lost, calls that
 * gave up (-EBUSY), entries or chunks left over after the drain.
 *
 *   stress_kill [--kills N | --seconds N] [--workers N] [--threads N] [--accounts N]
 *               [--entries N] [--no-helper] [--in-process]
 *
 * --seconds is for soaks, which are to last so long.  With --in-process the
 * workers are threads of one process, and nobody is killed when it is due: the
 * form that ThreadSanitizer can see.
 */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sojourn/sojourn.h>
#include <sojourn/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hist.h"
#include "helper/helper.h"
#include "lib/gate.h"
#include "session/handle.h"
#include "stress/lib_stress.h"

enum pending { NOTHING, LOGIN, RENEW, LOGOUT };

#define LOGINS       16u
#define OPS_PER_KILL 4096u
#define HELPER_EVERY 50u /* kills */

struct account {
	_Atomic(uint32_t) version; /* odd while the owner changes the id */
	_Atomic(uint32_t) pending;
	_Atomic(uint32_t) alive; /* as acknowledged */
	_Atomic(uint32_t) login; /* which one, foreigners check */
	/* increments of the last logins, as one of an older login may still
	 * be under way when the next begins */
	_Atomic(uint64_t) begun[LOGINS];
	_Atomic(uint64_t) done[LOGINS];
	char id[SOJOURN_ID_CHARS_MAX + 1];
};

struct ledger {
	_Atomic(uint64_t) torn, lost, resurrected, busy, errors, ops, kills,
		helper_kills, renewals, logins, logouts, full;
	_Atomic(uint32_t) stop;
	struct gate due, end;      /* kills; set with stop, for the helper */
	struct soj_hist reads[64]; /* one for each thread */
	struct account account[];
};

static struct {
	unsigned kills, seconds, workers, threads, accounts, entries;
	bool helper, in_process;
} opt = {.kills = 200,
	 .workers = 8,
	 .threads = 2,
	 .accounts = 256,
	 .entries = 20000,
	 .helper = true};

static struct ledger *ledger;
static struct sojourn *s;

static void unexpected(const char *what, int rc)
{
	if (rc == -EBUSY)
		ledger->busy++;
	else if (ledger->errors++ < 10)
		fprintf(stderr, "%s: %d %s\n", what, rc, sojourn_error_text());
}

/* ---- what the owner does ---- */

static void id_set(struct account *a, const char *id)
{
	a->version++;
	memcpy(a->id, id, sizeof(a->id));
	a->version++;
}

static void login(struct account *a, unsigned number)
{
	char subject[32], id[SOJOURN_ID_CHARS_MAX + 1];
	struct value v;
	struct sojourn_new n = {
		.subject = subject, .data = &v, .data_bytes = sizeof(v)};
	int rc;

	snprintf(subject, sizeof(subject), "user%u", number / 4);
	a->login++;
	a->begun[a->login % LOGINS] = 0;
	a->done[a->login % LOGINS] = 0;
	value_make(&v, number, a->login, 0);
	a->pending = LOGIN;
	rc = sojourn_session_create(s, &n, id, NULL);
	if (rc == 0) {
		id_set(a, id);
		a->alive = 1;
		ledger->logins++;
	} else if (rc == -ENOSPC) {
		ledger->full++;
	} else {
		unexpected("create", rc);
	}
	a->pending = NOTHING;
}

static void renew(struct account *a)
{
	struct sojourn_info info;
	int rc;

	a->pending = RENEW;
	rc = sojourn_session_renew(s, a->id, &info);
	if (rc == 0 && info.new_id[0]) {
		id_set(a, info.new_id);
		ledger->renewals++;
	} else if (rc == -ENOENT) {
		ledger->lost++;
		fprintf(stderr, "renew: lost: %s\n", sojourn_error_text());
		a->alive = 0;
	} else if (rc < 0 && rc != -ENOSPC) {
		unexpected("renew", rc);
	}
	a->pending = NOTHING;
}

static void logout(struct account *a)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	int rc;

	memcpy(id, a->id, sizeof(id));
	a->pending = LOGOUT;
	rc = sojourn_session_delete(s, id);
	if (rc < 0) {
		unexpected("delete", rc);
	} else {
		if (rc != 1 && ledger->lost++ < 10)
			fprintf(stderr, "delete: lost\n");
		a->alive = 0;
		ledger->logouts++;
		if (sojourn_session_read(s, id, NULL, NULL, NULL, NULL) == 0)
			ledger->resurrected++;
	}
	a->pending = NOTHING;
}

/* The owner died and was replaced: what is left of its operation? */
static void recover(struct account *a)
{
	struct sojourn_info info;
	int rc;

	if (a->version % 2)
		a->version++; /* the id may be half written: log in anew */
	else if (a->pending == RENEW && a->alive) {
		rc = sojourn_session_read(s, a->id, NULL, NULL, NULL, &info);
		if (rc == 0 && info.new_id[0])
			id_set(a, info.new_id);
		else if (rc < 0 && ledger->lost++ < 10)
			fprintf(stderr, "recover: renewing lost it: %s\n",
				sojourn_error_text());
		a->pending = NOTHING;
		return;
	} else if (a->pending == NOTHING) {
		return;
	}
	a->alive = 0;
	a->pending = NOTHING;
}

/* ---- what everybody does ---- */

static bool id_get(struct account *a, char *id, uint32_t *version)
{
	*version = a->version;
	if (*version % 2 || !a->alive || a->pending == LOGOUT)
		return false;
	memcpy(id, a->id, SOJOURN_ID_CHARS_MAX + 1);
	return a->version == *version;
}

/* Nothing of the owner's was going on, before or since. */
static bool quiet(struct account *a, uint32_t version, uint32_t pending)
{
	return a->version == version && a->alive && a->pending == NOTHING &&
	       pending == NOTHING;
}

static void read_one(struct account *a, unsigned number, struct soj_hist *hist)
{
	uint32_t version, pending = a->pending;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct value v;
	size_t bytes = sizeof(v);
	uint64_t begin;
	int rc;

	if (!id_get(a, id, &version))
		return;
	begin = now_ns();
	rc = sojourn_session_read(s, id, NULL, &v, &bytes, NULL);
	soj_hist_record(hist, now_ns() - begin);
	if (rc == 0 && !value_ok(&v, bytes, number))
		ledger->torn++;
	else if (rc == -ENOENT && quiet(a, version, pending)) {
		if (ledger->lost++ < 10)
			fprintf(stderr, "read: lost %u: %s\n", number,
				sojourn_error_text());
	} else if (rc < 0 && rc != -ENOENT)
		unexpected("read", rc);
}

static int add_one(void *arg, void *data, size_t *bytes, size_t capacity)
{
	struct value *v = data;

	(void)capacity;
	if (!value_ok(v, *bytes, *(unsigned *)arg)) {
		ledger->torn++;
		return -EIO;
	}
	value_make(v, v->account, v->login, v->counter + 1);
	return 0;
}

/* Counted per account, by its owner only for exactness, by others for load. */
static void increment(struct account *a, unsigned number, bool own)
{
	uint32_t version, pending = a->pending;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	uint32_t which;
	int rc;

	if (!id_get(a, id, &version))
		return;
	which = a->login % LOGINS;
	if (a->version != version)
		return;
	a->begun[which]++;
	rc = sojourn_session_modify(s, id, sizeof(struct value), add_one,
				    &number, NULL);
	if (rc == 0)
		a->done[which]++;
	else if (rc == -ENOENT && (own || quiet(a, version, pending))) {
		if (ledger->lost++ < 10)
			fprintf(stderr, "modify: lost %u: %s\n", number,
				sojourn_error_text());
	} else if (rc < 0 && rc != -ENOENT && rc != -ENOSPC)
		unexpected("modify", rc);
}

static int count_one(void *arg, const struct sojourn_info *info)
{
	(void)info;
	(*(int *)arg)++;
	return 0;
}

struct job {
	unsigned worker, thread;
};

static void *work(void *arg)
{
	struct job job = *(struct job *)arg;
	unsigned index = job.worker * opt.threads + job.thread;
	unsigned all = opt.workers * opt.threads;
	uint64_t x = now_ns() * 2654435761u + index + 1;
	struct soj_hist *hist = &ledger->reads[index % 64];

	for (unsigned i = index; i < opt.accounts; i += all)
		recover(&ledger->account[i]);
	while (!ledger->stop) {
		unsigned pick = next_random(&x) % opt.accounts;
		unsigned own = pick - pick % all + index;
		struct account *a = &ledger->account[pick];
		unsigned what = next_random(&x) % 100;

		if (ledger->ops++ % OPS_PER_KILL == 0)
			gate_post(&ledger->due);
		if (what < 50)
			read_one(a, pick, hist);
		else if (what < 70)
			increment(a, pick, false);
		if (what < 70 || own >= opt.accounts)
			continue;
		a = &ledger->account[own];
		if (!a->alive)
			login(a, own);
		else if (what < 85)
			increment(a, own, true);
		else if (what < 92)
			renew(a);
		else if (what < 98)
			logout(a);
		else {
			char subject[32];
			int n = 0;

			snprintf(subject, sizeof(subject), "user%u", own / 4);
			if (sojourn_session_list_subject(s, subject, NULL,
							 count_one, &n) < 0)
				unexpected("list", -1);
		}
	}
	return NULL;
}

static pid_t start_worker(unsigned worker)
{
	pid_t pid = fork();
	pthread_t thread[16];
	struct job job[16];

	if (pid != 0)
		return pid;
	for (unsigned t = 0; t < opt.threads; t++) {
		job[t] = (struct job){worker, t};
		pthread_create(&thread[t], NULL, work, &job[t]);
	}
	for (unsigned t = 0; t < opt.threads; t++)
		pthread_join(thread[t], NULL);
	sojourn_detach(s);
	_exit(0);
}

static pid_t start_helper(void)
{
	struct soj_helper *helper;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (soj_helper_start(&helper, &s->st, NULL) != 0)
		_exit(1);
	gate_wait(&ledger->end, 1);
	soj_helper_stop(helper);
	_exit(0);
}

/* Workers and, behind the last of them, the helper. */
static pid_t process[65];

static void start_one(unsigned i)
{
	process[i] = i < opt.workers ? start_worker(i) : start_helper();
}

/* The end of one that was not killed, or was: else it died of something. */
static void join_one(unsigned i, int signal)
{
	int status = -1;

	if (waitpid(process[i], &status, 0) == process[i] &&
	    (signal ? WIFSIGNALED(status) && WTERMSIG(status) == signal
		    : status == 0))
		return;
	ledger->errors++;
	fprintf(stderr, "process %u ended with status 0x%x\n", i, status);
}

/* The next one begins when it is dead, not before: accounts have one owner. */
static void kill_one(unsigned i)
{
	kill(process[i], SIGKILL);
	join_one(i, SIGKILL);
	start_one(i);
}

/* Waits until so many kills are due, or the time is over; false: the end. */
static bool next_kill(uint32_t turn, uint64_t begin_ns)
{
	if (opt.seconds == 0
		    ? turn >= opt.kills
		    : now_ns() - begin_ns >= opt.seconds * UINT64_C(1000000000))
		return false;
	gate_wait(&ledger->due, turn + 1);
	return true;
}

static void stop_all(void)
{
	ledger->stop = 1;
	gate_post(&ledger->end);
}

static void under_fire(void)
{
	unsigned all = opt.workers + opt.helper;
	uint64_t begin = now_ns(), x = begin | 1;

	for (unsigned i = 0; i < all; i++)
		start_one(i);
	for (uint32_t turn = 0; next_kill(turn, begin); turn++) {
		kill_one(next_random(&x) % opt.workers);
		ledger->kills++;
		if (opt.helper && turn % HELPER_EVERY == HELPER_EVERY - 1) {
			kill_one(opt.workers);
			ledger->helper_kills++;
		}
	}
	stop_all();
	for (unsigned i = 0; i < all; i++)
		join_one(i, 0);
}

static void in_process(void)
{
	unsigned count = opt.workers * opt.threads;
	pthread_t thread[64];
	struct job job[64];
	struct soj_helper *helper = NULL;
	uint64_t begin = now_ns();

	if (opt.helper && soj_helper_start(&helper, &s->st, NULL) != 0)
		ledger->errors++;
	for (unsigned i = 0; i < count && i < 64; i++) {
		job[i] = (struct job){i / opt.threads, i % opt.threads};
		pthread_create(&thread[i], NULL, work, &job[i]);
	}
	for (uint32_t turn = 0; next_kill(turn, begin); turn++)
		;
	stop_all();
	for (unsigned i = 0; i < count && i < 64; i++)
		pthread_join(thread[i], NULL);
	soj_helper_stop(helper);
}

/* Increments: what was acknowledged is there, and no more than was begun. */
static uint64_t lost_increments(void)
{
	uint64_t lost = 0;

	for (unsigned i = 0; i < opt.accounts; i++) {
		struct account *a = &ledger->account[i];
		uint64_t begun = a->begun[a->login % LOGINS];
		uint64_t done = a->done[a->login % LOGINS];
		struct value v;
		size_t bytes = sizeof(v);

		recover(a);
		if (!a->alive)
			continue;
		if (sojourn_session_read(s, a->id, NULL, &v, &bytes, NULL)) {
			ledger->lost++;
			continue;
		}
		if (!value_ok(&v, bytes, i))
			ledger->torn++;
		else if (v.login == a->login && v.counter > begun)
			lost += v.counter - begun;
		else if (v.login == a->login && v.counter < done)
			lost += done - v.counter;
	}
	return lost;
}

/* Ends all, lets upkeep finish; true when everything is free again. */
static bool drain(struct sojourn_stat *stat)
{
	for (unsigned i = 0; i <= opt.accounts / 4; i++) {
		char subject[32];

		snprintf(subject, sizeof(subject), "user%u", i);
		if (sojourn_session_delete_subject(s, subject, NULL) < 0)
			unexpected("delete subject", -1);
	}
	return drained(s, stat);
}

static int parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"kills", 1, NULL, 0},       {"seconds", 1, NULL, 0},
		{"workers", 1, NULL, 0},     {"threads", 1, NULL, 0},
		{"accounts", 1, NULL, 0},    {"entries", 1, NULL, 0},
		{"no-helper", 0, NULL, 'n'}, {"in-process", 0, NULL, 'p'},
		{NULL, 0, NULL, 0},
	};
	static unsigned *const number[] = {&opt.kills,    &opt.seconds,
					   &opt.workers,  &opt.threads,
					   &opt.accounts, &opt.entries};
	int c, which;

	while ((c = getopt_long(argc, argv, "", longs, &which)) != -1) {
		if (c == 0)
			*number[which] = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'n')
			opt.helper = false;
		else if (c == 'p')
			opt.in_process = true;
		else
			return 64;
	}
	return opt.workers <= 64 && opt.threads <= 16 ? 0 : 64;
}

static int report(uint64_t increments_lost, bool clean,
		  const struct sojourn_stat *stat)
{
	static struct soj_hist reads;
	bool ok;

	soj_hist_init(&reads);
	for (unsigned i = 0; i < 64; i++)
		soj_hist_merge(&reads, &ledger->reads[i]);
	printf("ops %" PRIu64 " kills %" PRIu64 " helper kills %" PRIu64
	       " logins %" PRIu64 " renewals %" PRIu64 " logouts %" PRIu64
	       " full %" PRIu64 "\n",
	       ledger->ops, ledger->kills, ledger->helper_kills, ledger->logins,
	       ledger->renewals, ledger->logouts, ledger->full);
	printf("reads: p50 %" PRIu64 " ns, p99 %" PRIu64 " ns, p99.9 %" PRIu64
	       " ns, max %" PRIu64 " ns\n",
	       soj_hist_quantile(&reads, 0.5), soj_hist_quantile(&reads, 0.99),
	       soj_hist_quantile(&reads, 0.999), reads.max);
	printf("repaired %" PRIu64 " expelled %" PRIu64 " scrubbed %" PRIu64
	       " reclaimed %" PRIu64 " retries %" PRIu64 "\n",
	       counter(stat, "repaired"), counter(stat, "expelled"),
	       counter(stat, "scrubbed"), counter(stat, "reclaimed"),
	       counter(stat, "retries"));
	printf("torn %" PRIu64 " lost %" PRIu64 " resurrected %" PRIu64
	       " increments lost %" PRIu64 " waits %" PRIu64 " errors %" PRIu64
	       " drained %s\n",
	       ledger->torn, ledger->lost, ledger->resurrected, increments_lost,
	       ledger->busy, ledger->errors, clean ? "yes" : "no");
	if (!clean)
		print_left(stat);
	ok = ledger->torn == 0 && ledger->lost == 0 &&
	     ledger->resurrected == 0 && ledger->busy == 0 &&
	     ledger->errors == 0 && increments_lost == 0 && clean &&
	     stat->threads_dead == 0;
	print_outcome(ok, ledger->ops, ledger->kills);
	return !ok;
}

int main(int argc, char **argv)
{
	struct sojourn_options o;
	struct sojourn_stat stat = {0};
	size_t bytes;
	bool clean;
	uint64_t lost;
	int rc = parse(argc, argv);

	if (rc)
		return rc;
	bytes = sizeof(*ledger) + opt.accounts * sizeof(struct account);
	ledger = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ledger == MAP_FAILED)
		return 71;
	for (unsigned i = 0; i < 64; i++)
		soj_hist_init(&ledger->reads[i]);
	sojourn_options_init(&o);
	o.entries_max = opt.entries;
	o.segment_bytes = (32u << 20) + (uint64_t)opt.entries * 900;
	o.threads_max = 256;
	o.helper = SOJOURN_HELPER_NONE;
	o.ttl_ms = 3600000;
	o.grace_window_ms = 600000;
	rc = sojourn_create(NULL, &o, &s);
	if (rc < 0) {
		fprintf(stderr, "create: %s\n", sojourn_error_text());
		return 71;
	}
	(opt.in_process ? in_process : under_fire)();
	lost = lost_increments();
	clean = drain(&stat);
	rc = report(lost, clean, &stat);
	sojourn_detach(s);
	return rc;
}
