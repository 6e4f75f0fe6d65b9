/* SPDX-License-Identifier: MIT */

/*
 * S8: a new id for new privileges, while a request with the old one, perhaps of
 * who planted it, stands at any step of a renewal that was due.
 */

#include <errno.h>

#include "crash/lib_victim.h"
#include "lib_sem.h"

#define ID     (SOJOURN_ID_CHARS_MAX + 1)
#define MINUTE 60000u

struct scene {
	struct sojourn *s;
	char id[ID];
};

static void request(void *arg, struct report *r)
{
	const struct scene *x = arg;
	struct sojourn_info info = {0};

	r->rc = sem_read(x->s, x->id, &info);
	memcpy(r->id, info.new_id, sizeof(info.new_id));
}

static void newcomer(void *arg, struct report *r)
{
	const struct scene *x = arg;
	struct sojourn_info info = {0};

	r->rc = sojourn_session_regenerate(x->s, x->id, &info);
	memcpy(r->id, info.new_id, sizeof(info.new_id));
}

/* As below, but who regenerates stands too, right after he decided: the other
 * one, who took the time before, must not be told what comes of it. */
static void beside_newcomer(struct scene *x, struct victim *reader,
			    const struct report *told, unsigned *wrong)
{
	const struct plan plan = {.fault = FAULT_NONE,
				  .pause = "renew.decided"};
	struct report *r = report_new();
	struct victim victim;

	sem_advance(x->s, 1);
	victim_run(&victim, r, &plan, newcomer, x);
	*wrong += victim.state != VICTIM_STOPPED;
	victim_continue(reader);
	victim_continue(&victim);
	assert_int_equal(reader->state, VICTIM_FINISHED);
	assert_int_equal(victim.state, VICTIM_FINISHED);
	*wrong += r->rc != 0 || sem_read(x->s, r->id, NULL) != 0;
	*wrong += told->id[0] && sem_read(x->s, told->id, NULL) != -ENOENT;
	*wrong += sem_read(x->s, x->id, NULL) != -ENOENT;
	report_free(r);
}

/* 1: that label is passed; *wrong counts what must not be. */
static unsigned regenerate_at(const char *label, bool stands, unsigned *wrong)
{
	const struct plan plan = {.fault = FAULT_NONE, .pause = label};
	struct report *r = report_new();
	struct sojourn_info info = {0};
	struct sojourn_options o;
	struct victim victim;
	struct scene x;
	bool stood;

	sem_options(&o);
	o.renewal_ms = 10 * MINUTE;
	o.grace_window_ms = 5 * MINUTE;
	o.redelivery_ms = MINUTE;
	x.s = sem_make(&o);
	sem_login(x.s, "anna", "x", x.id);
	sem_advance(x.s, 10 * MINUTE);
	victim_run(&victim, r, &plan, request, &x);
	stood = victim.state == VICTIM_STOPPED;
	if (stood && stands) {
		beside_newcomer(&x, &victim, r, wrong);
	} else if (stood) {
		*wrong += sojourn_session_regenerate(x.s, x.id, &info) != 0;
		*wrong += info.renewal != SOJOURN_RENEWAL_WON;
		victim_continue(&victim);
		assert_int_equal(victim.state, VICTIM_FINISHED);
		*wrong += sem_read(x.s, info.new_id, NULL) != 0;
		*wrong += sem_count(x.s, "anna") != 1;
		/* Neither id that the other one has leads anywhere. */
		*wrong += strcmp(r->id, info.new_id) == 0;
		*wrong += r->id[0] && sem_read(x.s, r->id, NULL) != -ENOENT;
		*wrong += sem_read(x.s, x.id, &info) != -ENOENT;
		*wrong += info.new_id[0] != 0;
	}
	sojourn_detach(x.s);
	report_free(r);
	return stood;
}

static void s8_regenerate_during_renewal(void **state)
{
	unsigned stops = 0, all = 0;

	(void)state;
	for (unsigned i = 0; i < label_count(); i++) {
		unsigned wrong = 0;

		stops += regenerate_at(label_name(i), false, &wrong);
		regenerate_at(label_name(i), true, &wrong);
		if (wrong)
			print_message("S8 at %s: %u wrong\n", label_name(i),
				      wrong);
		all += wrong;
	}
	printf("S8 a new id while a renewal stands at one of %u labels: %u "
	       "wrong\n",
	       stops, all);
	assert_true(stops > 10);
	assert_int_equal(all, 0);
}

/* ---- who comes by an older id ---- */

static int write_planted(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	(void)capacity;
	memcpy(data, "planted", *bytes = 7);
	return 0;
}

static int look(void *arg, const void *data, size_t bytes, uint64_t version)
{
	(void)version;
	memcpy(arg, data, bytes < ID ? bytes : ID - 1);
	return 0;
}

/* What he reads ends up in r->id. */
static void read_by_old(void *arg, struct report *r)
{
	const struct scene *x = arg;
	size_t bytes = sizeof(r->id);

	r->rc = sojourn_session_read(x->s, x->id, NULL, r->id, &bytes, NULL);
}

static void read_all_by_old(void *arg, struct report *r)
{
	const struct scene *x = arg;
	size_t bytes = sizeof(r->id);
	struct sojourn_info info;

	r->rc = sojourn_session_read(x->s, x->id, NULL, r->id, &bytes, &info);
}

static void view_by_old(void *arg, struct report *r)
{
	const struct scene *x = arg;

	r->rc = sojourn_session_view(x->s, x->id, NULL, look, r->id);
}

static void update_by_old(void *arg, struct report *r)
{
	const struct scene *x = arg;

	r->rc = sojourn_session_update(x->s, x->id, "planted", 7, 0, NULL);
}

static void modify_by_old(void *arg, struct report *r)
{
	const struct scene *x = arg;

	r->rc = sojourn_session_modify(x->s, x->id, 64, write_planted, NULL,
				       NULL);
}

/* Anna's id, and the second, to which it was renewed. */
static void scene_with_older(struct scene *x, char second[ID])
{
	struct sojourn_info info;
	struct sojourn_options o;

	sem_options(&o);
	o.grace_window_ms = 5 * MINUTE;
	x->s = sem_make(&o);
	sem_login(x->s, "anna", "public", x->id);
	assert_int_equal(sojourn_session_renew(x->s, x->id, &info), 0);
	strcpy(second, info.new_id);
	/* Touches are due. */
	sem_advance(x->s, MINUTE);
}

/* He goes on, and what the new id leads to stays as it is. */
static unsigned goes_on(struct scene *x, struct victim *victim,
			const char *new_id)
{
	char before[64] = "", after[64] = "";
	size_t before_bytes = sizeof(before), after_bytes = sizeof(after);
	struct sojourn_info was, is;
	unsigned wrong = 0;

	assert_int_equal(sojourn_session_read(x->s, new_id, NULL, before,
					      &before_bytes, &was),
			 0);
	victim_continue(victim);
	assert_int_equal(victim->state, VICTIM_FINISHED);
	wrong += memcmp(victim->report->id, "secret", 6) == 0;
	assert_int_equal(sojourn_session_read(x->s, new_id, NULL, after,
					      &after_bytes, &is),
			 0);
	wrong += is.version != was.version;
	wrong += memcmp(before, after, sizeof(before)) != 0;
	return wrong;
}

/* He has the id that was renewed to the one that is regenerated now, and stands
 * at the label. */
static unsigned by_old_at(const char *label, victim_fn fn, bool written,
			  unsigned *wrong)
{
	const struct plan plan = {.fault = FAULT_NONE, .pause = label};
	struct report *r = report_new();
	struct sojourn_info info;
	struct victim victim;
	struct scene x;
	char second[ID];
	bool stood;

	scene_with_older(&x, second);
	victim_run(&victim, r, &plan, fn, &x);
	stood = victim.state == VICTIM_STOPPED;
	if (stood) {
		assert_int_equal(sojourn_session_regenerate(x.s, second, &info),
				 0);
		if (written)
			assert_int_equal(
				sojourn_session_update(x.s, info.new_id,
						       "secret", 6, 0, NULL),
				0);
		strcpy(second, info.new_id);
		*wrong += goes_on(&x, &victim, second);
	}
	sojourn_detach(x.s);
	report_free(r);
	return stood;
}

/* And who regenerates stands, too, when his new id leads on and the older ones
 * are not over yet. */
static unsigned by_old_between(const char *label, victim_fn fn, unsigned *wrong)
{
	const struct plan decided = {.fault = FAULT_NONE,
				     .pause = "line.forget"};
	const struct plan plan = {.fault = FAULT_NONE, .pause = label};
	struct report *r = report_new(), *new_report = report_new();
	struct victim victim, regenerator;
	struct scene x, y;
	bool stood;

	scene_with_older(&x, y.id);
	y.s = x.s;
	victim_run(&regenerator, new_report, &decided, newcomer, &y);
	assert_int_equal(regenerator.state, VICTIM_STOPPED);
	victim_run(&victim, r, &plan, fn, &x);
	stood = victim.state == VICTIM_STOPPED;
	victim_continue(&regenerator);
	assert_int_equal(regenerator.state, VICTIM_FINISHED);
	assert_int_equal(new_report->rc, 0);
	if (stood)
		*wrong += goes_on(&x, &victim, new_report->id);
	sojourn_detach(x.s);
	report_free(new_report);
	report_free(r);
	return stood;
}

static void s8_trap_an_older_id_leads_on(void **state)
{
	static const victim_fn fns[] = {read_by_old, read_all_by_old,
					view_by_old, update_by_old,
					modify_by_old};
	unsigned stops = 0, all = 0;

	(void)state;
	for (unsigned i = 0; i < label_count(); i++) {
		unsigned wrong = 0;

		for (unsigned k = 0; k < 5; k++) {
			stops +=
				by_old_at(label_name(i), fns[k], false, &wrong);
			by_old_at(label_name(i), fns[k], true, &wrong);
			stops += by_old_between(label_name(i), fns[k], &wrong);
		}
		if (wrong)
			print_message("S8 at %s: %u wrong\n", label_name(i),
				      wrong);
		all += wrong;
	}
	printf("S8-trap an older id at %u points sees what is new: %u "
	       "wrong\n",
	       stops, all);
	assert_true(stops > 20);
	assert_int_equal(all, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s8_regenerate_during_renewal),
		cmocka_unit_test(s8_trap_an_older_id_leads_on),
	};

	coverage_init();
	return cmocka_run_group_tests_name("S8", tests, NULL, NULL);
}
