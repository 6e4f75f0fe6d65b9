/* SPDX-License-Identifier: MIT */

/*
 * S6: a renewal whose maker stands still for long, at any label, while others go
 * on using the session, or that has to wait for the caller's own function: neither
 * id is over before its time.
 */

#include <errno.h>

#include "crash/lib_victim.h"
#include "lib/upkeep.h"
#include "lib_sem.h"

#define ID (SOJOURN_ID_CHARS_MAX + 1)

struct scene {
	struct sojourn *s;
	char id[ID];
};

static void renewer(void *arg, struct report *r)
{
	const struct scene *x = arg;
	struct sojourn_info info;

	r->rc = sojourn_session_renew(x->s, x->id, &info);
	r->renewal = info.renewal;
	strcpy(r->id, info.new_id);
}

/* A request of another worker: by whatever id the last answer told. */
static bool request(struct sojourn *s, char id[ID], bool *renewed)
{
	struct sojourn_info info;
	int rc = sem_read(s, id, &info);

	*renewed = info.renewal != SOJOURN_RENEWAL_NONE;
	if (info.renewal == SOJOURN_RENEWAL_DONE) {
		strcpy(id, info.new_id);
		rc = sem_read(s, id, NULL);
	}
	return rc == 0;
}

/* At the label, while there are four requests. */
static bool stand_at(const char *label, uint64_t idle_ms, uint64_t each_ms,
		     unsigned *wrong)
{
	const struct plan plan = {.fault = FAULT_NONE, .pause = label};
	struct report *r = report_new();
	bool stood, renewed = false;
	struct sojourn_options o;
	struct victim victim;
	struct scene x;
	char id[ID];

	sem_options(&o);
	o.idle_timeout_ms = idle_ms;
	o.grace_window_ms = 5000;
	x.s = sem_make(&o);
	sem_login(x.s, "anna", NULL, x.id);
	strcpy(id, x.id);
	victim_run(&victim, r, &plan, renewer, &x);
	stood = victim.state == VICTIM_STOPPED;
	if (stood) {
		for (unsigned i = 0; i < 4; i++) {
			sem_advance(x.s, each_ms);
			*wrong += !request(x.s, id, &renewed);
		}
		victim_continue(&victim);
		assert_int_equal(victim.state, VICTIM_FINISHED);
		/* Whoever goes on, with what he was told. */
		*wrong += r->rc != 0 || !request(x.s, r->id, &renewed);
		*wrong += !request(x.s, id, &renewed);
		*wrong += sem_count(x.s, "anna") == 0;
	}
	sojourn_detach(x.s);
	report_free(r);
	return stood;
}

static void s6_trap_a_renewer_that_stands(void **state)
{
	unsigned stops = 0, all = 0;

	(void)state;
	for (unsigned i = 0; i < label_count(); i++) {
		unsigned wrong = 0;

		stops += stand_at(label_name(i), 60000, 20000, &wrong);
		stand_at(label_name(i), 0, 20000, &wrong);
		/* For less than a lease, and longer than what is idle. */
		stand_at(label_name(i), 1500, 475, &wrong);
		if (wrong)
			print_message("S6 at %s: %u wrong\n", label_name(i),
				      wrong);
		all += wrong;
	}
	printf("S6-trap a renewal that stands at one of %u labels: %u wrong\n",
	       stops, all);
	assert_true(stops > 10);
	assert_int_equal(all, 0);
}

/* And dies, or stands, when it has decided: whoever judges or settles the new
 * entry hands the use down as well. */
enum next {
	A_REQUEST,
	REPAIR,
	A_LOGIN,
	A_LOGOUT,
	A_LIST,
	A_SCAN,
	A_COUNT_BESIDE
};

static void login_beside(void *arg, struct report *r)
{
	const struct sojourn_new n = {.subject = "anna"};

	r->rc = sojourn_session_create(arg, &n, r->id, NULL);
}

static void late_renewer(enum fault fault, enum next next)
{
	const struct plan plan = {.fault = fault,
				  .at = "renew.decided",
				  .nth = 1,
				  .pause = "renew.record"};
	const struct sojourn_new n = {.subject = "anna"};
	/* It has passed what is in the making, and not what that is made from. */
	const struct plan counts = {
		.fault = FAULT_STOP, .at = "chain.at", .nth = 3};
	const struct sojourn_filter all = {.collection =
						   SOJOURN_COLLECTION_ANY};
	struct report *r = report_new(), *other = report_new();
	struct victim victim, login;
	struct sojourn_options o;
	struct scene x;
	bool renewed;
	char id[ID];

	sem_options(&o);
	o.idle_timeout_ms = 1500;
	o.per_subject_max = 2;
	x.s = sem_make(&o);
	sem_login(x.s, "anna", NULL, x.id);
	victim_run(&victim, r, &plan, renewer, &x);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	for (unsigned i = 0; i < 4; i++) {
		sem_advance(x.s, 475);
		assert_true(request(x.s, x.id, &renewed));
		assert_false(renewed);
	}
	if (next == A_COUNT_BESIDE) {
		victim_run(&login, other, &counts, login_beside, x.s);
		assert_int_equal(login.state, VICTIM_STOPPED);
	}
	victim_continue(&victim);
	assert_int_equal(victim.state,
			 fault == FAULT_KILL ? VICTIM_KILLED : VICTIM_STOPPED);
	if (next == A_COUNT_BESIDE) {
		victim_continue(&login);
		assert_int_equal(other->rc, 0);
	}
	if (next == REPAIR)
		assert_true(upkeep_passes(x.s, 4, soj_upkeep_full));
	if (next == A_LOGIN || next == A_LOGOUT)
		assert_int_equal(sojourn_session_create(x.s, &n, id, NULL), 0);
	if (next == A_LOGOUT)
		assert_int_equal(
			sojourn_session_delete_subject(x.s, "anna", x.id), 1);
	if (next == A_LIST)
		assert_int_equal(sem_count(x.s, "anna"), 2);
	if (next == A_SCAN)
		assert_int_equal(sojourn_count(x.s, &all), 1);
	assert_true(request(x.s, x.id, &renewed));
	assert_true(renewed);
	if (fault == FAULT_STOP) {
		victim_continue(&victim);
		assert_int_equal(r->rc, 0);
		assert_true(request(x.s, r->id, &renewed));
	}
	sojourn_detach(x.s);
	report_free(other);
	report_free(r);
}

static void s6_trap_a_late_renewer_that_dies(void **state)
{
	(void)state;
	late_renewer(FAULT_KILL, A_REQUEST);
	late_renewer(FAULT_KILL, REPAIR);
	late_renewer(FAULT_KILL, A_LOGIN);
	late_renewer(FAULT_STOP, A_REQUEST);
	late_renewer(FAULT_STOP, A_LOGIN);
	late_renewer(FAULT_STOP, A_LOGOUT);
	late_renewer(FAULT_STOP, A_LIST);
	late_renewer(FAULT_STOP, A_SCAN);
	late_renewer(FAULT_STOP, A_COUNT_BESIDE);
}

/* Who only reads the segment hands nothing down. */
static void s6_trap_idle_for_who_only_reads(void **state)
{
	const struct plan plan = {.fault = FAULT_STOP,
				  .at = "renew.decided",
				  .nth = 1,
				  .pause = "renew.built"};
	struct report *r = report_new();
	struct sojourn_options o;
	struct victim victim;
	struct scene x;
	bool renewed;

	(void)state;
	sem_options(&o);
	o.idle_timeout_ms = 1500;
	x.s = sem_make(&o);
	sem_login(x.s, "anna", NULL, x.id);
	victim_run(&victim, r, &plan, renewer, &x);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	sem_advance(x.s, 1000);
	assert_true(request(x.s, x.id, &renewed));
	victim_continue(&victim);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	sem_advance(x.s, 1000);
	x.s->st.seg.readonly = true;
	assert_true(request(x.s, x.id, &renewed));
	x.s->st.seg.readonly = false;
	victim_continue(&victim);
	assert_int_equal(r->rc, 0);
	sojourn_detach(x.s);
	report_free(r);
}

/* Also when the old entry, whose uses these were, is gone. */
static void handed_down_for_good(enum fault fault, bool repaired)
{
	const struct plan plan = {.fault = fault,
				  .at = "renew.decided",
				  .nth = 1,
				  .pause = "renew.record"};
	const struct sojourn_read look = {.no_touch = true};
	struct report *r = report_new();
	struct sojourn_options o;
	struct sojourn_info info;
	struct victim victim;
	struct scene x;
	bool renewed;

	sem_options(&o);
	o.idle_timeout_ms = 1500;
	o.grace_window_ms = 1200;
	o.redelivery_ms = 0;
	x.s = sem_make(&o);
	sem_login(x.s, "anna", NULL, x.id);
	victim_run(&victim, r, &plan, renewer, &x);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	sem_advance(x.s, 1000);
	assert_true(request(x.s, x.id, &renewed));
	victim_continue(&victim);
	assert_int_equal(victim.state,
			 fault == FAULT_KILL ? VICTIM_KILLED : VICTIM_FINISHED);
	if (repaired)
		assert_true(upkeep_passes(x.s, 4, soj_upkeep_full));
	assert_int_equal(
		sojourn_session_read(x.s, x.id, &look, NULL, NULL, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_DONE);
	sem_advance(x.s, 250);
	assert_int_equal(sem_read(x.s, x.id, NULL), -ENOENT);
	assert_true(upkeep_passes(x.s, 8, soj_upkeep_full));
	sem_advance(x.s, 750);
	assert_true(request(x.s, info.new_id, &renewed));
	sojourn_detach(x.s);
	report_free(r);
}

static void s6_trap_handed_down_for_good(void **state)
{
	(void)state;
	handed_down_for_good(FAULT_KILL, false);
	handed_down_for_good(FAULT_KILL, true);
	handed_down_for_good(FAULT_NONE, false);
}

static void use(void *arg, struct report *r)
{
	const struct scene *x = arg;

	r->rc = sem_read(x->s, x->id, NULL);
}

/* Who read by the old id before the renewal decided, and comes to count that when
 * it is over: the new id was used then. */
static void late_use(bool ended)
{
	const struct plan plan = {.pause = "renew.record"};
	const struct plan late = {.pause = "touch.seen"};
	struct report *r = report_new(), *used = report_new();
	struct victim victim, user;
	struct sojourn_options o;
	struct scene x;
	bool renewed;

	sem_options(&o);
	o.idle_timeout_ms = 1500;
	o.grace_window_ms = 1200;
	o.redelivery_ms = 0;
	x.s = sem_make(&o);
	sem_login(x.s, "anna", NULL, x.id);
	victim_run(&victim, r, &plan, renewer, &x);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	sem_advance(x.s, 1000);
	victim_run(&user, used, &late, use, &x);
	assert_int_equal(user.state, VICTIM_STOPPED);
	victim_continue(&victim);
	assert_int_equal(r->rc, 0);
	if (!ended)
		victim_continue(&user);
	sem_advance(x.s, 300);
	assert_int_equal(sem_read(x.s, x.id, NULL), -ENOENT);
	if (ended)
		victim_continue(&user);
	assert_int_equal(used->rc, 0);
	assert_true(upkeep_passes(x.s, 8, soj_upkeep_full));
	sem_advance(x.s, 700);
	assert_true(request(x.s, r->id, &renewed));
	sojourn_detach(x.s);
	report_free(used);
	report_free(r);
}

static void s6_trap_a_late_use(void **state)
{
	(void)state;
	late_use(false);
	late_use(true);
}

static void read_old(void *arg, struct report *r)
{
	const struct scene *x = arg;
	struct sojourn_info info;
	char data[64] = "";
	size_t bytes = sizeof(data);

	r->rc = sojourn_session_read(x->s, x->id, NULL, data, &bytes, &info);
	r->renewal = info.renewal;
	strcpy(r->id, info.new_id);
	for (unsigned i = 0; i < sizeof(data); i++)
		r->number += data[i] != 0;
}

/* Whose grace window ends in the midst of a read is told the new id. */
static void s6_read_across_the_end_of_grace(void **state)
{
	const struct plan plan = {.pause = "follow.seen"};
	struct report *r = report_new();
	struct sojourn_options o;
	struct sojourn_info info;
	struct victim victim;
	struct scene x;

	(void)state;
	sem_options(&o);
	o.grace_window_ms = 5000;
	o.redelivery_ms = 60000;
	x.s = sem_make(&o);
	sem_login(x.s, "anna", NULL, x.id);
	assert_int_equal(sojourn_session_renew(x.s, x.id, &info), 0);
	assert_int_equal(sojourn_session_update(x.s, info.new_id,
						"of the new one only", 19, 0,
						NULL),
			 0);
	sem_advance(x.s, 4995);
	victim_run(&victim, r, &plan, read_old, &x);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	sem_advance(x.s, 10);
	victim_continue(&victim);
	assert_int_equal(victim.state, VICTIM_FINISHED);
	assert_int_equal(r->rc, -ENOENT);
	assert_int_equal(r->renewal, SOJOURN_RENEWAL_DONE);
	assert_string_equal(r->id, info.new_id);
	assert_int_equal(r->number, 0); /* bytes of the data */
	sojourn_detach(x.s);
	report_free(r);
}

static int take_long(void *arg, const struct sojourn_info *info,
		     const void *data, size_t data_bytes)
{
	(void)info;
	(void)data;
	(void)data_bytes;
	sem_advance(arg, 6000);
	return 0;
}

static void s6_grace_counts_from_the_renewal(void **state)
{
	struct sojourn_info info;
	struct sojourn_options o;
	char id[ID];
	struct sojourn *s;
	struct sojourn_read how = {.veto = take_long};

	(void)state;
	sem_options(&o);
	o.renewal_ms = 60000;
	o.grace_window_ms = 5000;
	o.redelivery_ms = 0;
	s = sem_make(&o);
	how.veto_arg = s;
	sem_login(s, "anna", NULL, id);
	sem_advance(s, 60000);
	assert_int_equal(sojourn_session_read(s, id, &how, NULL, NULL, &info),
			 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	sem_advance(s, 4999);
	assert_int_equal(sem_read(s, id, NULL), 0);
	sem_advance(s, 1);
	expect_reason(sem_read(s, id, NULL), -ENOENT, SOJOURN_RENEWED);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s6_trap_a_renewer_that_stands),
		cmocka_unit_test(s6_trap_a_late_renewer_that_dies),
		cmocka_unit_test(s6_trap_handed_down_for_good),
		cmocka_unit_test(s6_trap_idle_for_who_only_reads),
		cmocka_unit_test(s6_trap_a_late_use),
		cmocka_unit_test(s6_read_across_the_end_of_grace),
		cmocka_unit_test(s6_grace_counts_from_the_renewal),
	};

	coverage_init();
	return cmocka_run_group_tests_name("S6", tests, NULL, NULL);
}
