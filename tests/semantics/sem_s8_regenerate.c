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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s8_regenerate_during_renewal),
	};

	coverage_init();
	return cmocka_run_group_tests_name("S8", tests, NULL, NULL);
}
