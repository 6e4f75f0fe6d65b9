/* SPDX-License-Identifier: MIT */

/*
 * C3: a login that was withdrawn while its maker stood still has a beginning
 * and an end among the events, or neither.
 */

#include <errno.h>
#include <sojourn/event.h>

#include "crash/lib_victim.h"
#include "lib/upkeep.h"
#include "lib_sem.h"
#include "session/session.h"

#define MINUTE 60000u

static struct sojourn *s;

static void log_in(void *arg, struct report *r)
{
	const struct sojourn_new n = {.subject = "anna"};

	(void)arg;
	r->rc = sojourn_session_create(s, &n, r->id, NULL);
}

struct ends {
	unsigned made, ended;
};

static int see(void *arg, const struct sojourn_event *e)
{
	struct ends *x = arg;

	x->made += e->type == SOJOURN_EVENT_CREATED;
	x->ended += e->type == SOJOURN_EVENT_ENDED;
	return 0;
}

/* One is late with its login, and is ended for it by another at the moment at
 * which it is done; `label` is where it stands while upkeep clears it away. */
static void withdrawn_at(const char *label, unsigned passes)
{
	const struct plan late = {.fault = FAULT_STOP,
				  .at = label,
				  .nth = 1,
				  .pause = "chain.pushed"};
	const struct plan other = {.fault = FAULT_NONE, .pause = "cap.counted"};
	struct report *r = report_new(), *q = report_new();
	struct sojourn_options o;
	struct victim a, b;
	struct ends x = {0};
	uint64_t next = 1;

	sem_options(&o);
	o.per_subject_max = 1;
	o.when_over = SOJOURN_WHEN_OVER_REJECT;
	o.events_max = 256;
	s = sem_make(&o);
	victim_run(&a, r, &late, log_in, NULL);
	assert_int_equal(a.state, VICTIM_STOPPED);
	sem_advance(s, MINUTE);
	victim_run(&b, q, &other, log_in, NULL);
	assert_int_equal(b.state, VICTIM_STOPPED);
	victim_continue(&a);
	assert_int_equal(a.state, VICTIM_STOPPED);
	victim_continue(&b);
	assert_int_equal(b.state, VICTIM_FINISHED);
	assert_int_equal(q->rc, 0);
	assert_true(upkeep_passes(s, passes, soj_upkeep_pass));
	victim_continue(&a);
	assert_int_equal(a.state, VICTIM_FINISHED);
	assert_int_equal(r->rc, -ECANCELED);
	assert_int_equal(sojourn_session_delete(s, q->id), 1);
	assert_true(upkeep_passes(s, 8, soj_upkeep_pass));
	assert_true(sojourn_events_read(s, &next, see, &x, NULL) > 0);
	assert_int_equal(x.made, x.ended);
	sojourn_detach(s);
	report_free(r);
	report_free(q);
}

static void c3_withdrawn_has_both_or_neither(void **state)
{
	(void)state;
	for (unsigned passes = 0; passes < 4; passes++) {
		withdrawn_at("entry.live", passes);
		withdrawn_at("event.meant", passes);
		withdrawn_at("event.taking", passes);
		withdrawn_at("event.taken", passes);
		withdrawn_at("event.filled", passes);
		withdrawn_at("event.told", passes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c3_withdrawn_has_both_or_neither),
	};

	coverage_init();
	return cmocka_run_group_tests_name("C3", tests, NULL, NULL);
}
