/* SPDX-License-Identifier: MIT */

/*
 * A day of a web site in a test clock: 50,000 users log in, work, idle, are
 * renewed, log out, log out everywhere and log in once too often, from four
 * processes; a minute at a time, each minute with the wheel and upkeep of a
 * helper. What each user did is worked out beforehand by a sequential model of
 * one user: what every request answers, and when and for what reason every
 * session ends. The event stream must tell of each session once that it was
 * made, and once, with that reason, that it ended.
 *
 * In each minute a user's requests go through another process than in the one
 * before, so every session is seen by all.
 */

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sojourn/event.h>

#include "helper/expiry.h"
#include "lib_sem.h"
#include "session/handle.h"

#define USERS   50000u
#define MINUTES 1440u
#define WORKERS 4u
#define CAP     3u
#define MINUTE  UINT64_C(60000)
#define BEGIN   UINT64_C(1001) /* of the day; as sem_make() leaves it */
/* Not quite minutes, so that no deadline falls on the tick of the wheel at
 * which a minute begins. */
#define IDLE     (30 * MINUTE - 100)
#define TTL      (4 * 60 * MINUTE - 100)
#define LIFETIME (9 * 60 * MINUTE - 100)
#define RENEWAL  (45 * MINUTE)

/* ---- one user, by the book ---- */

enum fate { NONE, ALIVE, DELETED, SUBJECT, OVER, EXPIRED, IDLED };

static const char *const fate_names[] = {
	"none", "alive", "deleted", "subject", "cap", "expired", "idle"};

struct session {
	char id[SOJOURN_ID_CHARS_MAX + 1];
	char handle[SOJOURN_HANDLE_CHARS + 1]; /* of its present id */
	uint64_t created_ms;                   /* of the present id */
	uint64_t accessed_ms, expires_ms, last_ms;
	uint32_t number; /* of all sessions of the day */
	enum fate fate;
};

struct user {
	uint64_t seed;
	struct session session[CAP];
	uint32_t busy_until; /* minute */
};

/* What was to become of a session, by its number, for the end of the day. */
struct ending {
	char handle[SOJOURN_HANDLE_CHARS + 1];
	enum fate fate;
	uint64_t end_ms;
};

#define ENDINGS_MAX (USERS * 24u)

struct day {
	struct sojourn *s;
	_Atomic(uint32_t) sessions;
	struct gate minute, arrived;
	_Atomic(unsigned) wrong;
	_Atomic(uint64_t) requests, renewals;
	struct user user[USERS];
	struct ending ending[ENDINGS_MAX];
};

static uint32_t dice(struct user *u, uint32_t sides)
{
	u->seed ^= u->seed >> 12;
	u->seed ^= u->seed << 25;
	u->seed ^= u->seed >> 27;
	return (uint32_t)((u->seed * UINT64_C(2685821657736338717) >> 33) %
			  sides);
}

/* What time has made of it by now. */
static enum fate judge(const struct session *x, uint64_t now_ms)
{
	if (now_ms >= x->expires_ms)
		return EXPIRED;
	return now_ms >= x->accessed_ms + IDLE ? IDLED : ALIVE;
}

/* The first minute at which a helper finds it over, and why. */
static void close_by_time(struct session *x, struct ending *e)
{
	uint64_t at = x->accessed_ms + IDLE < x->expires_ms
			      ? x->accessed_ms + IDLE
			      : x->expires_ms;

	at = (at - BEGIN + MINUTE - 1) / MINUTE * MINUTE + BEGIN;
	e->fate = judge(x, at);
	e->end_ms = at;
}

static void close_session(struct day *d, struct session *x, enum fate fate,
			  uint64_t now_ms)
{
	struct ending *e = &d->ending[x->number];

	strcpy(e->handle, x->handle);
	if (fate == EXPIRED || fate == IDLED) {
		close_by_time(x, e);
	} else {
		e->fate = fate;
		e->end_ms = now_ms;
	}
	x->fate = NONE;
}

static void forget_the_dead(struct day *d, struct user *u, uint64_t now_ms)
{
	for (unsigned i = 0; i < CAP; i++) {
		struct session *x = &u->session[i];

		if (x->fate == ALIVE && judge(x, now_ms) != ALIVE)
			close_session(d, x, judge(x, now_ms), now_ms);
	}
}

/* ---- what they do ---- */

static bool wrong(struct day *d, const char *what, uint32_t user, int rc)
{
	if (atomic_fetch_add(&d->wrong, 1) < 10)
		fprintf(stderr, "user %u at %u: %s: %d, %s\n", user,
			gate_count(&d->minute), what, rc, sojourn_error_text());
	return false;
}

static void log_in(struct day *d, uint32_t number, struct user *u,
		   uint64_t now_ms)
{
	struct session *at = NULL;
	struct sojourn_info info;
	struct sojourn_new n = {0};
	char subject[32];
	int rc;

	for (unsigned i = 0; i < CAP; i++)
		if (u->session[i].fate != ALIVE)
			at = &u->session[i];
	if (at == NULL) { /* one too many: the oldest login goes */
		at = &u->session[0];
		for (unsigned i = 1; i < CAP; i++)
			if (u->session[i].number < at->number)
				at = &u->session[i];
		close_session(d, at, OVER, now_ms);
	}
	snprintf(subject, sizeof(subject), "user %u", number);
	n.subject = subject;
	rc = sojourn_session_create(d->s, &n, at->id, &info);
	if (rc < 0) {
		wrong(d, "login", number, rc);
		return;
	}
	strcpy(at->handle, info.handle);
	at->created_ms = at->accessed_ms = now_ms;
	at->expires_ms = now_ms + TTL;
	at->last_ms = now_ms + LIFETIME;
	at->number = atomic_fetch_add(&d->sessions, 1);
	at->fate = ALIVE;
}

static void request(struct day *d, uint32_t number, struct session *x,
		    uint64_t now_ms)
{
	bool due = now_ms - x->created_ms >= RENEWAL;
	struct sojourn_info info;
	int rc = sojourn_session_read(d->s, x->id, NULL, NULL, NULL, &info);

	atomic_fetch_add(&d->requests, 1);
	if (rc < 0) {
		wrong(d, "request", number, rc);
		return;
	}
	if ((info.renewal == SOJOURN_RENEWAL_WON) != due) {
		wrong(d, "renewal", number, (int)info.renewal);
		return;
	}
	if (!due) {
		x->accessed_ms = now_ms;
		return;
	}
	strcpy(x->id, info.new_id);
	x->created_ms = x->accessed_ms = now_ms;
	x->expires_ms = now_ms + TTL < x->last_ms ? now_ms + TTL : x->last_ms;
	rc = sojourn_session_read(d->s, x->id, NULL, NULL, NULL, &info);
	if (rc < 0 || info.expires_ms != x->expires_ms) {
		wrong(d, "the new id", number, rc);
		return;
	}
	strcpy(x->handle, info.handle);
	atomic_fetch_add(&d->renewals, 1);
}

static void log_out(struct day *d, uint32_t number, struct session *x,
		    uint64_t now_ms)
{
	int rc = sojourn_session_delete(d->s, x->id);

	if (rc != 1)
		wrong(d, "logout", number, rc);
	close_session(d, x, DELETED, now_ms);
}

static void log_out_everywhere(struct day *d, uint32_t number, struct user *u,
			       uint64_t now_ms)
{
	char subject[32];
	int alive = 0, rc;

	for (unsigned i = 0; i < CAP; i++)
		if (u->session[i].fate == ALIVE) {
			close_session(d, &u->session[i], SUBJECT, now_ms);
			alive++;
		}
	snprintf(subject, sizeof(subject), "user %u", number);
	rc = sojourn_session_delete_subject(d->s, subject, NULL);
	if (rc != alive)
		wrong(d, "logout everywhere", number, rc - 1000 * alive);
}

/* One minute of one user: most do nothing in most of them. */
static void live(struct day *d, uint32_t number, unsigned minute,
		 uint64_t now_ms)
{
	struct user *u = &d->user[number];
	uint32_t x = dice(u, 1000);

	/* Who has logged in stays at it for a while, some for all the day. */
	if (x >= (minute < u->busy_until ? 90u : 3u))
		return;
	forget_the_dead(d, u, now_ms);
	x = dice(u, 200);
	if (x < 10 || minute >= u->busy_until) {
		u->busy_until = minute + dice(u, 900);
		log_in(d, number, u, now_ms);
		return;
	}
	for (unsigned i = 0; i < CAP; i++) {
		if (u->session[i].fate != ALIVE)
			continue;
		if (x < 196)
			request(d, number, &u->session[i], now_ms);
		else if (x < 199)
			log_out(d, number, &u->session[i], now_ms);
	}
	if (x >= 199)
		log_out_everywhere(d, number, u, now_ms);
}

static int worker(unsigned i, void *arg)
{
	struct day *d = arg;

	for (unsigned minute = 0; minute < MINUTES; minute++) {
		uint64_t now_ms;

		gate_wait(&d->minute, minute + 1);
		now_ms = sojourn_now_ms(d->s);
		for (uint32_t u = (i + minute) % WORKERS; u < USERS;
		     u += WORKERS)
			live(d, u, minute, now_ms);
		gate_post(&d->arrived);
	}
	return atomic_load(&d->wrong) != 0;
}

/* ---- what was told ---- */

/* All sessions of the day by handle: where the id was when it ended. */
struct told {
	struct day *d;
	uint32_t *slot, slots; /* number of a session + 1; 0: free */
	uint8_t *ended;        /* by number */
	uint64_t next, made, missed;
	uint64_t *end_time_ms; /* and what was told, */
	uint8_t *end;          /* kept until the day is over */
	char (*end_handle)[SOJOURN_HANDLE_CHARS + 1];
	uint32_t ends;
};

static void told_init(struct told *t, struct day *d)
{
	memset(t, 0, sizeof(*t));
	t->d = d;
	t->slots = 1u << 22;
	t->slot = calloc(t->slots, sizeof(t->slot[0]));
	t->ended = calloc(ENDINGS_MAX, 1);
	t->end = calloc(ENDINGS_MAX, 1);
	t->end_time_ms = calloc(ENDINGS_MAX, sizeof(t->end_time_ms[0]));
	t->end_handle = calloc(ENDINGS_MAX, sizeof(t->end_handle[0]));
	assert_non_null(t->slot);
	assert_non_null(t->ended);
	assert_non_null(t->end);
	assert_non_null(t->end_time_ms);
	assert_non_null(t->end_handle);
}

static void told_free(struct told *t)
{
	free(t->slot);
	free(t->ended);
	free(t->end);
	free(t->end_time_ms);
	free(t->end_handle);
}

static uint32_t *find(struct told *t, const char *handle)
{
	uint32_t h = 2166136261u;

	for (const char *c = handle; *c; c++)
		h = (h ^ (uint8_t)*c) * 16777619u;
	for (;; h++) {
		uint32_t *at = &t->slot[h & (t->slots - 1)];

		if (*at == 0 ||
		    strcmp(t->d->ending[*at - 1].handle, handle) == 0)
			return at;
	}
}

static int keep(void *arg, const struct sojourn_event *event)
{
	struct told *t = arg;

	t->made += event->type == SOJOURN_EVENT_CREATED;
	if (event->type != SOJOURN_EVENT_ENDED)
		return 0;
	if (t->ends == ENDINGS_MAX)
		return 1;
	t->end[t->ends] = (uint8_t)event->ended;
	t->end_time_ms[t->ends] = event->time_ms;
	strcpy(t->end_handle[t->ends++], event->handle);
	return 0;
}

static void listen(struct told *t)
{
	uint64_t missed;

	assert_true(sojourn_events_read(t->d->s, &t->next, keep, t, &missed) >=
		    0);
	t->missed += missed;
}

static const uint8_t ends[] = {[DELETED] = SOJOURN_END_DELETED,
			       [SUBJECT] = SOJOURN_END_SUBJECT,
			       [OVER] = SOJOURN_END_CAP,
			       [EXPIRED] = SOJOURN_END_EXPIRED,
			       [IDLED] = SOJOURN_END_IDLE};

/* Every end that was told is the one that was to be, and none was told twice;
 * returns how many are of the kind. */
static void compare(struct told *t, uint32_t by_fate[])
{
	uint32_t bad = 0;

	for (uint32_t i = 0; i < t->d->sessions; i++)
		if (t->d->ending[i].fate > ALIVE)
			*find(t, t->d->ending[i].handle) = i + 1;
	for (uint32_t i = 0; i < t->ends; i++) {
		uint32_t number = *find(t, t->end_handle[i]);
		const struct ending *e;

		if (number == 0 || t->ended[number - 1]++) {
			bad++;
			continue;
		}
		e = &t->d->ending[number - 1];
		if (ends[e->fate] != t->end[i] ||
		    e->end_ms != t->end_time_ms[i]) {
			if (bad < 10)
				fprintf(stderr,
					"%s: told %s at %llu, to be %s at "
					"%llu\n",
					e->handle, sojourn_end_name(t->end[i]),
					(unsigned long long)t->end_time_ms[i],
					fate_names[e->fate],
					(unsigned long long)e->end_ms);
			bad++;
		}
		by_fate[e->fate]++;
	}
	for (uint32_t i = 0; i < t->d->sessions; i++)
		bad += t->d->ending[i].fate > ALIVE && t->ended[i] != 1;
	assert_int_equal(bad, 0);
}

/* ---- the helper, a minute at a time ---- */

struct helper {
	struct soj_expiry ex;
	struct soj_upkeep up;
	struct soj_self *self;
};

static void helper_init(struct helper *h, struct sojourn *s)
{
	int rc;

	h->self = soj_self_writing(s, &rc);
	assert_non_null(h->self);
	assert_int_equal(soj_expiry_init(&h->ex, &s->st, &h->self->w, 10), 0);
	assert_int_equal(soj_upkeep_init(&h->up, &s->st, &h->self->w), 0);
}

static void helper_minute(struct helper *h, struct sojourn *s)
{
	struct soj_upkeep_work work;

	do
		soj_expiry_step(&h->ex, sojourn_now_ms(s));
	while (h->ex.behind);
	for (unsigned i = 0; i < 3; i++)
		soj_upkeep_pass(&h->up, &work);
}

/* Lets the workers have each minute, after the helper had it. */
static void run_the_day(struct day *d, struct told *t)
{
	pid_t pid[WORKERS];
	struct helper *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	for (unsigned i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(worker(i, d));
	}
	helper_init(h, d->s);
	for (unsigned minute = 0; minute < MINUTES; minute++) {
		helper_minute(h, d->s);
		gate_post(&d->minute);
		gate_wait(&d->arrived, (minute + 1) * WORKERS);
		listen(t);
		sem_advance(d->s, MINUTE);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		int status;

		waitpid(pid[i], &status, 0);
		assert_int_equal(status, 0);
	}
	/* Midnight: who is over by now is ended by the helper. */
	helper_minute(h, d->s);
	listen(t);
	soj_expiry_deinit(&h->ex);
	soj_upkeep_deinit(&h->up);
	free(h);
}

static struct sojourn *open_the_site(void)
{
	struct sojourn_options o;

	sem_options(&o);
	o.entries_max = 300000;
	o.segment_bytes = 160 << 20;
	o.ttl_ms = TTL;
	o.idle_timeout_ms = IDLE;
	o.renewal_ms = RENEWAL;
	o.max_lifetime_ms = LIFETIME;
	o.redelivery_ms = 0;
	o.per_subject_max = CAP;
	o.when_over = SOJOURN_WHEN_OVER_EVICT_OLDEST;
	o.events_max = 1 << 16;
	return sem_make(&o);
}

static void day_of_50000_users_as_the_model_says(void **state)
{
	struct day *d = sem_shared(sizeof(*d));
	uint32_t by_fate[IDLED + 1] = {0}, alive = 0;
	struct told t;

	(void)state;
	d->s = open_the_site();
	assert_int_equal(sojourn_now_ms(d->s), BEGIN);
	for (uint32_t u = 0; u < USERS; u++)
		d->user[u].seed = (u + 1) * UINT64_C(0x9e3779b97f4a7c15);
	told_init(&t, d);
	run_the_day(d, &t);
	assert_int_equal(d->wrong, 0);
	assert_int_equal(t.missed, 0);
	for (uint32_t u = 0; u < USERS; u++) {
		forget_the_dead(d, &d->user[u], sojourn_now_ms(d->s));
		for (unsigned i = 0; i < CAP; i++) {
			struct session *x = &d->user[u].session[i];

			if (x->fate != ALIVE)
				continue;
			alive++;
			assert_int_equal(sem_read(d->s, x->id, NULL), 0);
		}
	}
	compare(&t, by_fate);
	printf("day: %u sessions, %llu requests, %llu renewals; ended: deleted "
	       "%u, logged out everywhere %u, over the cap %u, expired %u, "
	       "idle %u; alive at midnight %u\n",
	       d->sessions, (unsigned long long)d->requests,
	       (unsigned long long)d->renewals, by_fate[DELETED],
	       by_fate[SUBJECT], by_fate[OVER], by_fate[EXPIRED],
	       by_fate[IDLED], alive);
	assert_int_equal(t.made, d->sessions);
	assert_int_equal(t.ends + alive, d->sessions);
	for (enum fate f = DELETED; f <= IDLED; f++)
		assert_true(by_fate[f] > 100);
	told_free(&t);
	sojourn_detach(d->s);
	sem_unshare(d, sizeof(*d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(day_of_50000_users_as_the_model_says),
	};

	return cmocka_run_group_tests_name("a day", tests, NULL, NULL);
}
