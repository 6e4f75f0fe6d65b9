/* SPDX-License-Identifier: MIT */

/*
 * C3: events and hooks.
 *
 * Processes log in, renew, update and log out, and are killed at labels of the
 * library at random; then all is ended.  Of the stream that is left each login
 * has one beginning and one end, and its renewals between.  The naive ways are
 * planted bugs (base/fault.h): telling of an end after it, by who ended it
 * only; and telling again for who died.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sojourn/collection.h>
#include <sojourn/event.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "lib_sem.h"
#include "session/handle.h"

#define WORKERS  4u
#define ENTRIES  256u
#define OPS      120u
#define LIVES    150u /* of each worker's place: so many are killed in turn */
#define SUBJECTS 3u

static const char *const subjects[SUBJECTS] = {"anna", "bert", "carl"};

static struct sojourn *make(uint32_t events_max)
{
	struct sojourn_options o;

	sem_options(&o);
	o.entries_max = ENTRIES;
	o.segment_bytes = 32 << 20;
	o.events_max = events_max;
	return sem_make(&o);
}

/* ---- the stream, followed ---- */

struct ledger {
	uint64_t tip[ENTRIES + 1]; /* reference of who lives there */
	unsigned created, renewed, ended;
	unsigned living;
	unsigned wrong; /* twice, or before its time */
	uint64_t last;
	unsigned gaps;
	unsigned helped;
	uint64_t missed;
};

static uint64_t ref_of(const char *handle)
{
	char half[13];

	memcpy(half, handle, 12);
	half[12] = 0;
	return strtoull(half, NULL, 16);
}

static int follow(void *arg, const struct sojourn_event *e)
{
	struct ledger *l = arg;
	uint64_t ref = ref_of(e->handle);
	uint64_t *at = &l->tip[soj_ref_entry(ref) % (ENTRIES + 1)];

	l->gaps += e->seq != l->last + 1;
	l->last = e->seq;
	l->helped += e->helped;
	switch (e->type) {
	case SOJOURN_EVENT_CREATED:
		l->created++;
		l->living++;
		l->wrong += *at != 0;
		*at = ref;
		break;
	case SOJOURN_EVENT_RENEWED: {
		uint64_t before = ref_of(e->before);
		uint64_t *old = &l->tip[soj_ref_entry(before) % (ENTRIES + 1)];

		l->renewed++;
		l->wrong += *old != before || *at != 0;
		*old = 0;
		*at = ref;
		break;
	}
	case SOJOURN_EVENT_ENDED:
		l->ended++;
		l->living--;
		l->wrong += *at != ref;
		*at = 0;
		break;
	default:
		break;
	}
	return 0;
}

/* ---- work under fire ---- */

static uint64_t dice;
static uint32_t lives_of; /* one label in so many kills */

static uint64_t roll(void)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return dice * UINT64_C(2685821657736338717) >> 33;
}

static void die_sometimes(const struct soj_step *step)
{
	(void)step;
	if (roll() % lives_of == 0)
		kill(getpid(), SIGKILL);
}

static void work(struct sojourn *s, unsigned ops)
{
	char id[4][SOJOURN_ID_CHARS_MAX + 1] = {{0}};
	struct sojourn_info info;

	for (unsigned i = 0; i < ops; i++) {
		char *mine = id[roll() % 4];
		const struct sojourn_new n = {.subject = subjects[roll() % 3]};

		if (mine[0] == 0) {
			(void)!sojourn_session_create(s, &n, mine, NULL);
			continue;
		}
		switch (roll() % 6) {
		case 0:
		case 1:
			if (sojourn_session_renew(s, mine, &info) == 0 &&
			    info.new_id[0])
				strcpy(mine, info.new_id);
			break;
		case 2:
			(void)!sojourn_session_delete_subject(s, n.subject,
							      NULL);
			break;
		case 3:
			(void)!sojourn_session_read(s, mine, NULL, NULL, NULL,
						    NULL);
			break;
		default:
			(void)!sojourn_session_delete(s, mine);
			mine[0] = 0;
		}
	}
}

/* One place: workers that follow each other, as each is killed. */
struct fire {
	struct sojourn *s;
	unsigned lives;
};

static int one_place(unsigned i, void *arg)
{
	const struct fire *f = arg;

	for (unsigned life = 0; life < f->lives; life++) {
		int status;
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (pid == 0) {
			dice = 88172645463325252u + i * 7919 + life * 104729;
			lives_of = 300;
			soj_step_hook = die_sometimes;
			work(f->s, OPS);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid ||
		    (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL))
			return 2;
	}
	return 0;
}

/* Repairs after all, ends all, and cleans up until nothing is left. */
static void end_all(struct sojourn *s)
{
	struct soj_upkeep up;
	struct soj_upkeep_work done;
	int rc;
	struct soj_self *self = soj_self_writing(s, &rc);

	/* Not to be had while the dead have all slots: then it repairs. */
	assert_non_null(self);
	assert_int_equal(soj_upkeep_init(&up, &s->st, &self->w), 0);
	for (unsigned i = 0; i < 20; i++) {
		if (i == 4)
			for (unsigned p = 0; p < SUBJECTS; p++)
				assert_true(sojourn_session_delete_subject(
						    s, subjects[p], NULL) >= 0);
		soj_upkeep_full(&up, &done);
		sem_advance(s, 60);
	}
	soj_upkeep_deinit(&up);
}

static void under_fire(struct ledger *l, unsigned lives)
{
	struct sojourn *s = make(1 << 17);
	struct fire fire = {.s = s, .lives = lives};
	uint64_t next = 1;

	memset(l, 0, sizeof(*l));
	sem_workers(WORKERS, one_place, &fire);
	end_all(s);
	assert_true(sojourn_events_read(s, &next, follow, l, &l->missed) > 0);
	sojourn_detach(s);
}

static void c3_one_beginning_and_one_end_each(void **state)
{
	struct ledger l;

	(void)state;
	under_fire(&l, LIVES);
	printf("C3 %u logins, %u renewals, %u events told for the dead: ok\n",
	       l.created, l.renewed, l.helped);
	assert_int_equal(l.wrong, 0);
	assert_int_equal(l.missed, 0);
	assert_int_equal(l.gaps, 0);
	assert_int_equal(l.living, 0);
	assert_int_equal(l.created, l.ended);
	assert_true(l.created > 200 && l.renewed > 50 && l.helped > 10);
}

static bool is_wrong(enum soj_plant plant)
{
	struct ledger l;

	soj_plant = plant;
	under_fire(&l, LIVES);
	soj_plant = SOJ_PLANT_NONE;
	printf("C3 %s: %u twice or too early, %u without an end, %u lost: ok\n",
	       plant == SOJ_PLANT_EVENT_TWICE ? "told twice" : "untold",
	       l.wrong, l.living, (unsigned)l.missed);
	return l.wrong > 0 || l.living > 0 || l.created != l.ended;
}

static void c3_trap_event_lost_with_its_process(void **state)
{
	(void)state;
	assert_true(is_wrong(SOJ_PLANT_EVENT_UNTOLD));
}

static void c3_trap_event_told_twice(void **state)
{
	(void)state;
	assert_true(is_wrong(SOJ_PLANT_EVENT_TWICE));
}

/* ---- missed, and counted ---- */

static struct gate *attempts; /* of both to log in */

static int churn(unsigned i, void *arg)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	const struct sojourn_new n = {.subject = subjects[i % SUBJECTS]};

	for (unsigned k = 0; k < 3000; k++) {
		uint32_t before;
		int rc;

		do {
			before = gate_count(attempts);
			rc = sojourn_session_create(arg, &n, id, NULL);
		} while (sem_no_room(attempts, before, rc));
		if (rc < 0 || sojourn_session_delete(arg, id) != 1)
			return 1;
	}
	gate_open(attempts);
	return 0;
}

static int tally(void *arg, const struct sojourn_event *e)
{
	uint64_t *seen = arg;

	(void)e;
	++*seen;
	return 0;
}

struct consumer {
	struct sojourn *s;
	_Atomic(uint32_t) stop;
	uint64_t next, seen, missed;
};

static void *consume(void *arg)
{
	struct consumer *c = arg;
	bool last;

	do {
		uint64_t missed;

		last = c->stop;
		if (sojourn_events_read(c->s, &c->next, tally, &c->seen,
					&missed) < 0)
			break;
		c->missed += missed;
	} while (!last);
	return NULL;
}

static void c3_what_is_missed_is_counted(void **state)
{
	struct sojourn *s = make(64);
	struct consumer c = {.s = s, .next = 1};
	pthread_t thread;
	uint64_t end = UINT64_MAX;

	(void)state;
	attempts = sem_shared(sizeof(*attempts));
	assert_int_equal(pthread_create(&thread, NULL, consume, &c), 0);
	sem_workers(2, churn, s);
	sem_unshare(attempts, sizeof(*attempts));
	c.stop = 1;
	pthread_join(thread, NULL);
	assert_int_equal(sojourn_events_read(s, &end, tally, &c, NULL), 0);
	printf("C3 %u events: %u seen, %u missed: ok\n", (unsigned)(end - 1),
	       (unsigned)c.seen, (unsigned)c.missed);
	assert_int_equal(end - 1, 2 * 3000 * 2);
	assert_int_equal(c.next, end);
	assert_int_equal(c.seen + c.missed, end - 1);
	/* Who comes anew has what is there, and missed nothing. */
	c = (struct consumer){.s = s, .stop = 1};
	consume(&c);
	assert_int_equal(c.seen, 64);
	assert_int_equal(c.missed, 0);
	/* Who comes back after long is told how many. */
	c = (struct consumer){.s = s, .stop = 1, .next = 11};
	consume(&c);
	assert_int_equal(c.seen, 64);
	assert_int_equal(c.missed, end - 11 - 64);
	sojourn_detach(s);
}

/* A number taken by one who died there: consumers wait for it, but not for
 * ever, and are told. */
static void die_taking(const struct soj_step *step)
{
	if (strcmp(step->label, "event.taken") == 0)
		kill(getpid(), SIGKILL);
}

static void c3_trap_consumer_waits_for_the_dead(void **state)
{
	struct sojourn_options o;
	struct consumer c = {.stop = 1, .next = 1};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	int status;
	pid_t pid;

	(void)state;
	sem_options(&o);
	o.events_max = 64;
	o.update_events = true;
	c.s = sem_make(&o);
	sem_login(c.s, "anna", "x", id);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		soj_step_hook = die_taking;
		(void)!sojourn_session_update(c.s, id, "y", 1, 0, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(sojourn_session_delete(c.s, id), 1);
	consume(&c);
	assert_int_equal(c.seen, 1); /* created; then it waits */
	assert_int_equal(c.missed, 0);
	end_all(c.s);
	consume(&c);
	assert_int_equal(c.seen, 2); /* ended */
	assert_int_equal(c.missed, 1);
	sojourn_detach(c.s);
}

/* ---- what events say ---- */

struct last {
	struct sojourn_event e;
	unsigned count;
};

static int keep(void *arg, const struct sojourn_event *e)
{
	struct last *l = arg;

	l->e = *e;
	l->count++;
	return 0;
}

static void expect(struct sojourn *s, uint64_t *next,
		   enum sojourn_event_type type, enum sojourn_end ended,
		   enum sojourn_source source)
{
	struct last l = {.count = 0};

	assert_true(sojourn_events_read(s, next, keep, &l, NULL) >= 1);
	assert_string_equal(sojourn_event_type_name(l.e.type),
			    sojourn_event_type_name(type));
	assert_string_equal(sojourn_end_name(l.e.ended),
			    sojourn_end_name(ended));
	assert_string_equal(sojourn_source_name(l.e.source),
			    sojourn_source_name(source));
	assert_int_equal(l.e.pid, getpid());
	assert_int_equal(l.e.time_ms, sojourn_now_ms(s));
	assert_false(l.e.helped);
}

static void c3_events_say_who_and_why(void **state)
{
	struct sojourn *s = make(256);
	struct sojourn_info info;
	char id[SOJOURN_ID_CHARS_MAX + 1], handle[SOJOURN_HANDLE_CHARS + 1];
	const struct sojourn_new idle = {.subject = "bert",
					 .idle_timeout_ms = 1000};
	struct last l = {.count = 0};
	uint64_t next = 1;

	(void)state;
	sem_login(s, "anna", "x", id);
	assert_int_equal(sem_read(s, id, &info), 0);
	strcpy(handle, info.handle);
	assert_int_equal(sojourn_events_read(s, &next, keep, &l, NULL), 1);
	assert_int_equal(l.e.seq, 1);
	assert_string_equal(l.e.handle, handle);
	assert_true(l.e.subject == sojourn_event_subject(s, "anna"));
	assert_int_equal(l.e.source, SOJOURN_SOURCE_CREATE);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(sojourn_events_read(s, &next, keep, &l, NULL), 1);
	assert_int_equal(l.e.type, SOJOURN_EVENT_RENEWED);
	assert_string_equal(l.e.before, handle);
	assert_int_equal(sojourn_session_delete(s, id), 1);
	expect(s, &next, SOJOURN_EVENT_ENDED, SOJOURN_END_DELETED,
	       SOJOURN_SOURCE_DELETE);
	sem_login(s, "anna", "x", id);
	assert_int_equal(sojourn_session_delete_subject(s, "anna", NULL), 1);
	expect(s, &next, SOJOURN_EVENT_ENDED, SOJOURN_END_SUBJECT,
	       SOJOURN_SOURCE_DELETE_SUBJECT);
	sem_login(s, "anna", "x", id);
	sem_advance(s, 31 * 60 * 1000);
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
	expect(s, &next, SOJOURN_EVENT_ENDED, SOJOURN_END_EXPIRED,
	       SOJOURN_SOURCE_READ);
	assert_int_equal(sojourn_session_create(s, &idle, id, NULL), 0);
	sem_advance(s, 1000);
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
	expect(s, &next, SOJOURN_EVENT_ENDED, SOJOURN_END_IDLE,
	       SOJOURN_SOURCE_READ);
	/* As one who may not write. */
	s->st.seg.readonly = true;
	next = 1;
	l.count = 0;
	assert_int_equal(sojourn_events_read(s, &next, keep, &l, NULL), 9);
	s->st.seg.readonly = false;
	sojourn_detach(s);
}

static void c3_quiet_collections_have_none(void **state)
{
	struct sojourn_collection rules;
	struct sojourn_options o;
	struct sojourn_item item = {.key = "k", .key_bytes = 1};
	const struct sojourn_value value = {.data = "v", .data_bytes = 1};
	struct last l = {.count = 0};
	uint64_t next = 1;
	struct sojourn *s;
	int number;

	(void)state;
	sojourn_collection_init(&rules, "carts");
	rules.quiet = true;
	sem_options(&o);
	o.collections = &rules;
	o.collections_count = 1;
	s = sem_make(&o);
	number = sojourn_collection_number(s, "carts");
	assert_true(number > 0);
	item.collection = (uint32_t)number;
	assert_int_equal(sojourn_put(s, &item, &value, NULL), 0);
	assert_int_equal(sojourn_remove(s, &item, 0), 1);
	end_all(s);
	/* Why an earlier call failed is not said of this one. */
	assert_true(sem_read(s, "nobody", NULL) < 0);
	assert_int_not_equal(sojourn_reason(), SOJOURN_OK);
	assert_int_equal(sojourn_events_read(s, &next, keep, &l, NULL), 0);
	assert_int_equal(sojourn_reason(), SOJOURN_OK);
	sojourn_detach(s);
	o.events_max = 0;
	s = sem_make(&o);
	assert_int_equal(sojourn_events_read(s, &next, keep, &l, NULL),
			 -ENOTSUP);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c3_one_beginning_and_one_end_each),
		cmocka_unit_test(c3_trap_event_lost_with_its_process),
		cmocka_unit_test(c3_trap_event_told_twice),
		cmocka_unit_test(c3_what_is_missed_is_counted),
		cmocka_unit_test(c3_trap_consumer_waits_for_the_dead),
		cmocka_unit_test(c3_events_say_who_and_why),
		cmocka_unit_test(c3_quiet_collections_have_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
