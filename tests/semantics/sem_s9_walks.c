/* SPDX-License-Identifier: MIT */

/*
 * S9: delete-all walks again over what came in meanwhile, up to where it began
 * before.  That entry was ended, and may be another login's by then, in front
 * of what is to be found.
 */

#include <errno.h>

#include "crash/lib_victim.h"
#include "lib_sem.h"
#include "session/session.h"
#include "upkeep/upkeep.h"

#define ID (SOJOURN_ID_CHARS_MAX + 1)

static struct sojourn *s;

static void delete_all(void *arg, struct report *r)
{
	(void)arg;
	r->rc = sojourn_session_delete_subject(s, "anna", NULL);
}

static uint32_t place_of(const char *id)
{
	struct sojourn_info info;

	assert_int_equal(sem_read(s, id, &info), 0);
	return soj_ref_entry(soj_handle_ref(&s->st, info.handle));
}

/* Without its slot who comes next begins with the places at the front. */
static void full_passes(unsigned times)
{
	struct soj_upkeep_work work;
	struct soj_upkeep up;
	struct soj_self *self;
	int rc;

	self = soj_self_writing(s, &rc);
	assert_int_equal(soj_upkeep_init(&up, &s->st, &self->w), 0);
	while (times-- > 0)
		soj_upkeep_full(&up, &work);
	soj_upkeep_deinit(&up);
	soj_worker_deinit(&s->st, &self->w);
}

static void s9_delete_all_where_it_began(void **state)
{
	const struct plan plan = {.fault = FAULT_STOP,
				  .at = "delete.subject.walked",
				  .nth = 1,
				  .pause = "chain.long.at"};
	struct report *r = report_new();
	struct sojourn_info info;
	char spare[ID], old[ID], first[ID], late[ID];
	struct sojourn_options o;
	struct victim victim;
	uint32_t place;

	(void)state;
	sem_options(&o);
	o.grace_window_ms = 0;
	s = sem_make(&o);
	sem_login(s, "spare", "x", spare);
	sem_login(s, "anna", "x", old);
	/* The head of the chain, and the first of all places. */
	assert_int_equal(sojourn_session_delete(s, spare), 1);
	full_passes(4);
	sem_login(s, "anna", "x", first);
	place = place_of(first);
	assert_true(place < place_of(old));
	victim_run(&victim, r, &plan, delete_all, NULL);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	/* It stands at the head: a login behind it moves in front. */
	assert_int_equal(sojourn_session_regenerate(s, old, &info), 0);
	assert_int_equal(sem_read(s, old, NULL), -ENOENT);
	full_passes(4);
	victim_continue(&victim);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	assert_int_equal(sem_read(s, first, NULL), -ENOENT);
	full_passes(4);
	sem_login(s, "anna", "x", late);
	assert_int_equal(place_of(late), place);
	victim_continue(&victim);
	assert_int_equal(victim.state, VICTIM_FINISHED);
	/* One that began after it did may be ended as well. */
	assert_true(r->rc >= 2);
	assert_int_equal(sem_read(s, info.new_id, NULL), -ENOENT);
	sojourn_detach(s);
	report_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s9_delete_all_where_it_began),
	};

	coverage_init();
	return cmocka_run_group_tests_name("S9", tests, NULL, NULL);
}
