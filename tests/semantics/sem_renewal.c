/* SPDX-License-Identifier: MIT */

/*
 * S6, S7, S8: what becomes of the old id, what a loser is told, and what goes
 * along into the successor.
 */

#include <errno.h>
#include <pthread.h>

#include "base/fault.h"
#include "crash/lib_victim.h"
#include "lib_sem.h"

#define ID (SOJOURN_ID_CHARS_MAX + 1)

static const struct sojourn_read look_only = {.no_touch = true,
					      .no_renew = true};

static int look(struct sojourn *s, const char *id, struct sojourn_info *info)
{
	return sojourn_session_read(s, id, &look_only, NULL, NULL, info);
}

/* ---- S6: redelivery ---- */

static void s6_redelivery(void **state)
{
	struct sojourn *s = sem_make(NULL);
	struct sojourn_info won, late;
	char id[ID], data[8] = "clean";
	size_t bytes = sizeof(data);
	uint64_t accessed;

	(void)state;
	sem_login(s, "anna", "data", id);
	assert_int_equal(sojourn_session_renew(s, id, &won), 0);
	assert_int_equal(won.renewal, SOJOURN_RENEWAL_WON);
	assert_int_equal(look(s, won.new_id, &late), 0);
	assert_string_equal(late.handle, won.successor);
	accessed = late.accessed_ms;
	/* In the grace window: data, and the new id. */
	assert_int_equal(look(s, id, &late), 0);
	assert_string_equal(late.new_id, won.new_id);
	assert_string_equal(late.successor, won.successor);
	/* After it: the new id, and no data. */
	sem_advance(s, 5000);
	expect_reason(sojourn_session_read(s, id, NULL, data, &bytes, &late),
		      -ENOENT, SOJOURN_RENEWED);
	assert_int_equal(late.renewal, SOJOURN_RENEWAL_DONE);
	assert_string_equal(late.new_id, won.new_id);
	assert_string_equal(late.successor, won.successor);
	assert_int_equal(bytes, 0);
	assert_int_not_equal(memcmp(data, "data", 4), 0);
	assert_int_equal(sem_counter(s, "redelivered"), 1);
	assert_int_equal(sem_count(s, "anna"), 1);
	/* Nothing else goes by the old id. */
	expect_reason(sojourn_session_update(s, id, "x", 1, 0, NULL), -ENOENT,
		      SOJOURN_RENEWED);
	expect_reason(sojourn_session_touch(s, id), -ENOENT, SOJOURN_RENEWED);
	expect_reason(sojourn_session_renew(s, id, &late), -ENOENT,
		      SOJOURN_RENEWED);
	expect_reason(sojourn_session_delete_subject(s, "anna", id), -ENOENT,
		      SOJOURN_RENEWED);
	assert_int_equal(look(s, won.new_id, &late), 0);
	assert_int_equal(late.accessed_ms, accessed);
	/* To the millisecond. */
	sem_advance(s, 59999);
	expect_reason(sem_read(s, id, &late), -ENOENT, SOJOURN_RENEWED);
	assert_string_equal(late.new_id, won.new_id);
	sem_advance(s, 1);
	expect_reason(sem_read(s, id, &late), -ENOENT, SOJOURN_RENEWED);
	assert_string_equal(late.new_id, "");
	assert_int_equal(look(s, won.new_id, NULL), 0);
	sojourn_detach(s);
	printf("S6 redelivery of a lost answer: ok\n");
}

static void s6_redelivery_after_logout(void **state)
{
	struct sojourn *s = sem_make(NULL);
	struct sojourn_info won, late;
	char id[ID];

	(void)state;
	sem_login(s, "anna", NULL, id);
	assert_int_equal(sojourn_session_renew(s, id, &won), 0);
	sem_advance(s, 5000);
	assert_int_equal(sojourn_session_delete(s, won.new_id), 1);
	expect_reason(sem_read(s, id, &late), -ENOENT, SOJOURN_DELETED);
	assert_string_equal(late.new_id, "");
	assert_int_equal(sem_counter(s, "misses_ended"), 1);
	/* And the old id logs out the whole line. */
	sem_login(s, "anna", NULL, id);
	assert_int_equal(sojourn_session_renew(s, id, &won), 0);
	sem_advance(s, 5000);
	assert_int_equal(sojourn_session_delete(s, id), 1);
	expect_reason(sem_read(s, won.new_id, &late), -ENOENT,
		      SOJOURN_NOT_FOUND);
	sojourn_detach(s);
	printf("S6 a logout ends redelivery, and goes by the old id: ok\n");
}

/* No grace window: the old id dies at once, and leads nowhere. */
static void s6_no_redelivery_without_grace(void **state)
{
	struct sojourn_options o;
	struct sojourn_info won, late;
	struct sojourn *s;
	char id[ID];

	(void)state;
	sem_options(&o);
	o.grace_window_ms = 0;
	s = sem_make(&o);
	sem_login(s, "anna", NULL, id);
	assert_int_equal(sojourn_session_renew(s, id, &won), 0);
	expect_reason(sem_read(s, id, &late), -ENOENT, SOJOURN_RENEWED);
	assert_string_equal(late.new_id, "");
	sojourn_detach(s);
	printf("S6 no redelivery without a grace window: ok\n");
}

/* Who planted an id before the login does not get the one after it. */
static void s8_trap_planted_id_leads_on(void **state)
{
	struct sojourn *s = sem_make(NULL);
	struct sojourn_info info, first, stolen;
	char id[ID];

	(void)state;
	sem_login(s, "anna", NULL, id);
	/* The naive one: an ordinary renewal tells the thief. */
	assert_int_equal(sojourn_session_renew(s, id, &first), 0);
	assert_int_equal(look(s, id, &stolen), 0);
	assert_string_equal(stolen.new_id, first.new_id);
	/* Whichever of its ids it is called with. */
	assert_int_equal(sojourn_session_regenerate(s, id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	assert_true(sem_read(s, id, &stolen) == -ENOENT);
	assert_string_equal(stolen.new_id, "");
	assert_true(sem_read(s, first.new_id, &stolen) == -ENOENT);
	assert_string_equal(stolen.new_id, "");
	assert_int_equal(look(s, info.new_id, &first), 0);
	assert_int_equal(first.renewals, 2);
	sojourn_detach(s);
	printf("S8-trap a planted id leads to the session after login: ok\n");
}

/* ---- S7 ---- */

static struct {
	struct sojourn *s;
	const char *id;
	struct sojourn_info info;
	int rc;
	pthread_t thread;
} other;

static void *read_beside(void *arg)
{
	(void)arg;
	other.rc = sojourn_session_renew(other.s, other.id, &other.info);
	return NULL;
}

/* While one thread has the flag, another asks. */
static void at_flag(const struct soj_step *step)
{
	if (strcmp(step->label, "renew.flag") != 0)
		return;
	soj_step_hook = NULL;
	assert_int_equal(pthread_create(&other.thread, NULL, read_beside, NULL),
			 0);
	pthread_join(other.thread, NULL);
}

static void s7_here(void **state)
{
	struct sojourn *s = sem_make(NULL);
	struct sojourn_info info;
	char id[ID];

	(void)state;
	sem_login(s, "anna", NULL, id);
	other.s = s;
	other.id = id;
	soj_step_hook = at_flag;
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	assert_int_equal(other.rc, 0);
	assert_int_equal(other.info.renewal, SOJOURN_RENEWAL_HERE);
	assert_string_equal(other.info.new_id, "");
	assert_string_equal(other.info.successor, "");
	sojourn_detach(s);
	printf("S7 already being renewed by this process: ok\n");
}

static void run_renew_other(void *arg, struct report *r)
{
	struct sojourn_info info = {0};

	(void)arg;
	r->rc = sojourn_session_renew(other.s, other.id, &info);
	strcpy(r->id, info.new_id);
}

static void s7_elsewhere_then_its_successor(void **state)
{
	const struct plan plan = {
		.fault = FAULT_STOP, .at = "renew.flag", .nth = 1};
	struct sojourn *s = sem_make(NULL);
	struct report *r = report_new();
	struct sojourn_info info;
	struct victim v;
	char id[ID];

	(void)state;
	sem_login(s, "anna", NULL, id);
	other.s = s;
	other.id = id;
	victim_run(&v, r, &plan, run_renew_other, NULL);
	assert_int_equal(v.state, VICTIM_STOPPED);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_ELSEWHERE);
	assert_string_equal(info.successor, "");
	victim_continue(&v);
	assert_int_equal(v.state, VICTIM_FINISHED);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_DONE);
	assert_string_equal(info.new_id, r->id);
	assert_int_equal(strlen(info.successor), SOJOURN_HANDLE_CHARS);
	assert_int_equal(sojourn_session_delete_handle(s, info.successor), 1);
	report_free(r);
	sojourn_detach(s);
	printf("S7 renewed by another process, and by its handle: ok\n");
}

/* Everything goes along. */
static void s7_lineage(void **state)
{
	struct sojourn_options o;
	struct sojourn_info info, now;
	struct sojourn *s;
	uint64_t began;
	char id[ID];

	(void)state;
	sem_options(&o);
	o.max_lifetime_ms = 86400000;
	s = sem_make(&o);
	{
		const struct sojourn_new n = {.subject = "anna",
					      .metadata = {.ip = "192.0.2.1"}};

		assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	}
	began = sojourn_now_ms(s);
	for (unsigned i = 1; i <= 3; i++) {
		sem_advance(s, 1000);
		assert_int_equal(sojourn_session_renew(s, id, &info), 0);
		strcpy(id, info.new_id);
		assert_int_equal(look(s, id, &now), 0);
		assert_int_equal(now.renewals, i);
		assert_int_equal(now.login_created_ms, began);
		assert_int_equal(now.created_ms, began + i * 1000);
		assert_string_equal(now.metadata.ip, "192.0.2.1");
		assert_string_equal(now.subject, "anna");
		assert_string_equal(now.collection, "session");
		assert_int_equal(now.version, 1);
	}
	sojourn_detach(s);
	printf("S7 binding, data, subject, collection, lineage: ok\n");
}

/* What slides goes on to slide under its new id, by the same ttl. */
static void s7_slides_on(void **state)
{
	const struct sojourn_new n = {.subject = "anna", .ttl_ms = 20000};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_options o;
	struct sojourn_info info;
	struct sojourn *s;

	(void)state;
	sem_options(&o);
	o.sliding = true;
	s = sem_make(&o);
	if (sojourn_session_create(s, &n, id, NULL) != 0)
		fail_msg("%s", sojourn_error_text());
	sem_advance(s, 15000);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	strcpy(id, info.new_id);
	for (unsigned i = 0; i < 3; i++) {
		sem_advance(s, 19999);
		assert_int_equal(sem_read(s, id, NULL), 0);
	}
	sem_advance(s, 20000);
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s6_redelivery),
		cmocka_unit_test(s6_redelivery_after_logout),
		cmocka_unit_test(s6_no_redelivery_without_grace),
		cmocka_unit_test(s8_trap_planted_id_leads_on),
		cmocka_unit_test(s7_here),
		cmocka_unit_test(s7_elsewhere_then_its_successor),
		cmocka_unit_test(s7_lineage),
		cmocka_unit_test(s7_slides_on),
	};

	coverage_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
