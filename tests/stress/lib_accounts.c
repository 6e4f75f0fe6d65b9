/* SPDX-License-Identifier: MIT */

#include "stress/lib_accounts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "stress/lib_stress.h"

struct crew crew;
struct ledger *ledger;

static void unexpected(const char *what, int rc)
{
	if (rc == -EBUSY)
		ledger->busy++;
	else if (ledger->errors++ < 10)
		fprintf(stderr, "%s: %d %s\n", what, rc, sojourn_error_text());
}

static uint64_t tally_of(uint32_t login, uint32_t count)
{
	return (uint64_t)login << 32 | count;
}

/* Nothing if a later login has begun, however late this comes: it may be after
 * the caller stood still for a hundred logins. */
static void tally(_Atomic(uint64_t) *word, uint32_t login)
{
	uint64_t old = *word;

	while (old >> 32 == login &&
	       !atomic_compare_exchange_weak(word, &old, old + 1))
		;
}

/* ---- what the owner does ---- */

static void id_set(struct account *a, const char *id)
{
	a->version++;
	memcpy(a->id, id, sizeof(a->id));
	a->id_login = a->login;
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
	a->begun = tally_of(a->login, 0);
	a->done = tally_of(a->login, 0);
	value_make(&v, number, a->login, 0);
	a->pending = LOGIN;
	rc = sojourn_session_create(crew.s, &n, id, NULL);
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
	rc = sojourn_session_renew(crew.s, a->id, &info);
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
	rc = sojourn_session_delete(crew.s, id);
	if (rc < 0) {
		unexpected("delete", rc);
	} else {
		if (rc != 1 && ledger->lost++ < 10)
			fprintf(stderr, "delete: lost\n");
		a->alive = 0;
		ledger->logouts++;
		if (sojourn_session_read(crew.s, id, NULL, NULL, NULL, NULL) ==
		    0)
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
		rc = sojourn_session_read(crew.s, a->id, NULL, NULL, NULL,
					  &info);
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

static bool id_get(struct account *a, char *id, uint32_t *login,
		   uint32_t *version)
{
	*version = a->version;
	if (*version % 2 || !a->alive || a->pending == LOGOUT)
		return false;
	memcpy(id, a->id, SOJOURN_ID_CHARS_MAX + 1);
	*login = a->id_login;
	return a->version == *version;
}

/* Nothing of the owner's was going on, before or since.  In the order opposite
 * to his, who sets the version, then `alive`, then `pending`. */
static bool quiet(struct account *a, uint32_t version, uint32_t pending)
{
	return pending == NOTHING && a->pending == NOTHING && a->alive &&
	       a->version == version;
}

static void read_one(struct account *a, unsigned number, struct soj_hist *hist)
{
	uint32_t login, version, pending = a->pending;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct value v;
	size_t bytes = sizeof(v);
	uint64_t begin;
	int rc;

	if (!id_get(a, id, &login, &version))
		return;
	begin = now_ns();
	rc = sojourn_session_read(crew.s, id, NULL, &v, &bytes, NULL);
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
	uint32_t login, version, pending = a->pending;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	int rc;

	if (!id_get(a, id, &login, &version))
		return;
	tally(&a->begun, login);
	rc = sojourn_session_modify(crew.s, id, sizeof(struct value), add_one,
				    &number, NULL);
	if (rc == 0)
		tally(&a->done, login);
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

void *crew_work(void *arg)
{
	struct job job = *(struct job *)arg;
	unsigned index = job.worker * crew.threads + job.thread;
	unsigned all = crew.workers * crew.threads;
	uint64_t x = now_ns() * 2654435761u + index + 1;
	struct soj_hist *hist = &ledger->reads[index % 64];

	for (unsigned i = index; i < crew.accounts; i += all)
		recover(&ledger->account[i]);
	while (!ledger->stop) {
		unsigned pick = next_random(&x) % crew.accounts;
		unsigned own = pick - pick % all + index;
		struct account *a = &ledger->account[pick];
		unsigned what = next_random(&x) % 100;

		if (ledger->ops++ % crew.ops_per_kill == 0)
			gate_post(&ledger->due);
		if (what < 50)
			read_one(a, pick, hist);
		else if (what < 70)
			increment(a, pick, false);
		if (what < 70 || own >= crew.accounts)
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
			if (sojourn_session_list_subject(crew.s, subject, NULL,
							 count_one, &n) < 0)
				unexpected("list", -1);
		}
	}
	return NULL;
}

void crew_stop(void)
{
	ledger->stop = 1;
	gate_post(&ledger->end);
}

/* ---- when all is over ---- */

/* Increments: what was acknowledged is there, and no more than was begun. */
static uint64_t lost_increments(void)
{
	uint64_t lost = 0;

	for (unsigned i = 0; i < crew.accounts; i++) {
		struct account *a = &ledger->account[i];
		uint64_t begun = (uint32_t)a->begun, done = (uint32_t)a->done;
		struct value v;
		size_t bytes = sizeof(v);

		recover(a);
		if (!a->alive)
			continue;
		if (sojourn_session_read(crew.s, a->id, NULL, &v, &bytes,
					 NULL)) {
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
	for (unsigned i = 0; i <= crew.accounts / 4; i++) {
		char subject[32];

		snprintf(subject, sizeof(subject), "user%u", i);
		if (sojourn_session_delete_subject(crew.s, subject, NULL) < 0)
			unexpected("delete subject", -1);
	}
	return drained(crew.s, stat);
}

uint64_t crew_judge(struct sojourn_stat *stat)
{
	bool clean;

	ledger->increments_lost = lost_increments();
	clean = drain(stat);
	if (!clean)
		print_left(stat);
	return ledger->torn + ledger->lost + ledger->resurrected +
	       ledger->busy + ledger->errors + ledger->increments_lost +
	       !clean + stat->threads_dead;
}

void crew_report(const struct sojourn_stat *stat)
{
	printf("ops %" PRIu64 " kills %" PRIu64 " helper kills %" PRIu64
	       " logins %" PRIu64 " renewals %" PRIu64 " logouts %" PRIu64
	       " full %" PRIu64 " repaired %" PRIu64 " expelled %" PRIu64 "\n",
	       ledger->ops, ledger->kills, ledger->helper_kills, ledger->logins,
	       ledger->renewals, ledger->logouts, ledger->full,
	       counter(stat, "repaired"), counter(stat, "expelled"));
	printf("torn %" PRIu64 " lost %" PRIu64 " resurrected %" PRIu64
	       " increments lost %" PRIu64 " waits %" PRIu64 " errors %" PRIu64
	       " dead %" PRIu64 "\n",
	       ledger->torn, ledger->lost, ledger->resurrected,
	       ledger->increments_lost, ledger->busy, ledger->errors,
	       (uint64_t)stat->threads_dead);
}

static size_t ledger_bytes(void)
{
	return sizeof(*ledger) + crew.accounts * sizeof(struct account);
}

void crew_options(struct sojourn_options *o, unsigned entries)
{
	sojourn_options_init(o);
	o->entries_max = entries;
	o->segment_bytes = (32u << 20) + (uint64_t)entries * 900;
	o->threads_max = 256;
	o->helper = SOJOURN_HELPER_NONE;
	o->ttl_ms = 3600000;
	o->grace_window_ms = 600000;
}

int crew_begin(const struct sojourn_options *o)
{
	int rc;

	ledger = mmap(NULL, ledger_bytes(), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ledger == MAP_FAILED)
		return -ENOMEM;
	for (unsigned i = 0; i < 64; i++)
		soj_hist_init(&ledger->reads[i]);
	rc = sojourn_create(NULL, o, &crew.s);
	if (rc < 0) {
		fprintf(stderr, "create: %s\n", sojourn_error_text());
		munmap(ledger, ledger_bytes());
	}
	return rc;
}

void crew_end(void)
{
	sojourn_detach(crew.s);
	munmap(ledger, ledger_bytes());
}
