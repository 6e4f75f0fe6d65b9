/* SPDX-License-Identifier: MIT */

/*
 * S9: delete-all walks again over what came in meanwhile, up to where it began
 * before.  That entry was ended, and may be another login's by then, in front
 * of what is to be found.
 */

#include <errno.h>

#include "base/fault.h"
#include "crash/lib_victim.h"
#include "lib/upkeep.h"
#include "lib_sem.h"
#include "session/session.h"

#define ID (SOJOURN_ID_CHARS_MAX + 1)

static struct sojourn *s;

static void delete_all(void *arg, struct report *r)
{
	(void)arg;
	r->rc = sojourn_session_delete_subject(s, "anna", NULL);
}

/* Without its slot who comes next begins with the places at the front. */
static void full_passes(unsigned times)
{
	int rc;

	assert_true(upkeep_passes(s, times, soj_upkeep_full));
	soj_worker_deinit(&s->st, &soj_self_writing(s, &rc)->w);
}

static void s9_delete_all_where_it_began(void **state)
{
	const struct plan plan = {.fault = FAULT_STOP,
				  .at = "delete.subject.walked",
				  .nth = 1,
				  .pause = "chain.at"};
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
	place = sem_place(s, first);
	assert_true(place < sem_place(s, old));
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
	assert_int_equal(sem_place(s, late), place);
	victim_continue(&victim);
	assert_int_equal(victim.state, VICTIM_FINISHED);
	/* One that began after it did may be ended as well. */
	assert_true(r->rc >= 2);
	assert_int_equal(sem_read(s, info.new_id, NULL), -ENOENT);
	sojourn_detach(s);
	report_free(r);
}

/* ---- lists ---- */

struct listed {
	uint32_t renewals[8];
	unsigned count, stop_at;
};

static int list_one(void *arg, const struct sojourn_info *info)
{
	struct listed *l = arg;

	if (l->count < 8)
		l->renewals[l->count] = info->renewals;
	return ++l->count == l->stop_at;
}

/* Of a login the newest id comes first, wherever its entries lie. */
static void s10_newest_id_first(void **state)
{
	char id[ID], spare[6][ID];

	(void)state;
	s = sem_make(NULL);
	for (unsigned round = 0; round < 4; round++) {
		struct listed l = {.count = 0};
		struct sojourn_info info;

		for (unsigned i = 0; i < 6; i++)
			sem_login(s, "spare", "x", spare[i]);
		for (unsigned i = 0; i < 6; i++) {
			unsigned next = round % 2 ? 5 - i : i;

			assert_int_equal(sojourn_session_delete(s, spare[next]),
					 1);
			full_passes(round < 2 ? 4 : 0);
		}
		full_passes(4);
		sem_login(s, "anna", "x", id);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(sojourn_session_renew(s, id, &info),
					 0);
			strcpy(id, info.new_id);
		}
		assert_int_equal(sojourn_session_list_subject(s, "anna", id,
							      list_one, &l),
				 4);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(l.renewals[i], 3 - i);
		assert_int_equal(sojourn_session_delete(s, id), 1);
	}
	sojourn_detach(s);
}

/* More than a page of the walk behind it holds, and where it is to stop. */
static void s10_lists_of_any_length(void **state)
{
	static const char nobody[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	struct listed all = {.count = 0}, some = {.stop_at = 1033};
	struct sojourn_options o;
	uint64_t cursor = 0;
	char id[ID];

	(void)state;
	sem_options(&o);
	o.entries_max = 1200;
	s = sem_make(&o);
	for (unsigned i = 0; i < 1100; i++)
		sem_login(s, "anna", NULL, id);
	assert_int_equal(
		sojourn_session_list_subject(s, "anna", nobody, list_one, &all),
		1100);
	assert_int_equal(all.count, 1100);
	assert_int_equal(
		sojourn_session_list_subject(s, "anna", NULL, list_one, &some),
		1033);
	expect_reason(sojourn_session_list_next(s, "", NULL, &cursor, 1,
						list_one, &all),
		      -EINVAL, SOJOURN_INVALID);
	assert_int_equal(all.count, 1100);
	sojourn_detach(s);
}

/* ---- handles ---- */

/* Which handles end a login: of any of its ids that still answers, as it was
 * given. */
static void s10_handles_end_what_answers(void **state)
{
	char id[ID], handle[SOJOURN_HANDLE_CHARS + 1];
	struct sojourn_info info;

	(void)state;
	s = sem_make(NULL);
	sem_login(s, "anna", "x", id);
	assert_int_equal(sem_read(s, id, &info), 0);
	strcpy(handle, info.handle);
	/* That of another id, in the same place. */
	handle[SOJOURN_HANDLE_CHARS - 1] =
		handle[SOJOURN_HANDLE_CHARS - 1] == '0' ? '1' : '0';
	assert_int_equal(sojourn_session_delete_handle(s, handle), 0);
	strcpy(handle, info.handle);
	handle[SOJOURN_HANDLE_CHARS - 1] = 0; /* cut off */
	assert_int_equal(sojourn_session_delete_handle(s, handle), 0);
	strcpy(handle, info.handle);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(sem_count(s, "anna"), 2);
	assert_int_equal(sojourn_session_delete_handle(s, handle), 1);
	assert_int_equal(sem_read(s, info.new_id, NULL), -ENOENT);
	assert_int_equal(sem_count(s, "anna"), 0);
	/* One that was found over by time is nothing that could be ended. */
	sem_login(s, "anna", "x", id);
	assert_int_equal(sem_read(s, id, &info), 0);
	sem_advance(s, info.expires_ms - sojourn_now_ms(s));
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
	expect_reason(sojourn_session_delete_handle(s, info.handle), 0,
		      SOJOURN_NOT_FOUND);
	assert_int_equal(sem_counter(s, "deletes"), 1);
	sojourn_detach(s);
}

/* ---- many items beside a few logins ---- */

#define MANY 10000u

static _Atomic(unsigned) pauses;

static void count_pauses(const struct soj_step *step)
{
	pauses += strcmp(step->label, "chain.pause") == 0;
}

/* No section of a login lasts for as long as the subject's chain is. */
static void s11_cap_over_a_long_chain(void **state)
{
	struct sojourn_item item = {.key_bytes = sizeof(unsigned)};
	const struct sojourn_value v = {.subject = "anna"};
	struct sojourn_options o;
	char id[ID];

	(void)state;
	sem_options(&o);
	o.entries_max = 4 * MANY; /* no bucket is full */
	o.segment_bytes = 32u << 20;
	o.per_subject_max = 2;
	for (unsigned i = 0; i < 2; i++) {
		o.when_over = i == 0 ? SOJOURN_WHEN_OVER_EVICT_OLDEST
				     : SOJOURN_WHEN_OVER_REJECT;
		s = sem_make_carts(&o, &item.collection);
		sem_login(s, "anna", NULL, id);
		for (unsigned k = 0; k < MANY; k++) {
			item.key = &k;
			assert_int_equal(sojourn_put(s, &item, &v, NULL), 0);
		}
		sem_login(s, "anna", NULL, id);
		pauses = 0;
		soj_step_hook = count_pauses;
		if (i == 0)
			sem_login(s, "anna", NULL, id);
		else
			expect_reason(sojourn_session_create(
					      s,
					      &(struct sojourn_new){
						      .subject = "anna"},
					      id, NULL),
				      -EUSERS, SOJOURN_OVER_CAP);
		soj_step_hook = NULL;
		assert_true(pauses >= MANY / 4096);
		assert_int_equal(sem_count(s, "anna"), MANY + 2);
		sojourn_detach(s);
	}
}

/* ---- who is renewed beside a walk ---- */

static void renew_anna(void *arg, struct report *r)
{
	struct sojourn_info info;

	r->rc = sojourn_session_regenerate(s, arg, &info);
	strcpy(r->id, info.new_id);
}

static void login_anna(void *arg, struct report *r)
{
	r->rc = sojourn_session_create(s, arg, r->id, NULL);
}

/* The successor was passed when it was nobody's yet; then it is named, and what
 * names it is gone before the walk comes there. */
static void count_beside_renewal(enum sojourn_when_over when_over,
				 bool exclusive)
{
	const struct plan built = {.fault = FAULT_NONE, .pause = "renew.built"};
	const struct plan there = {
		.fault = FAULT_STOP, .at = "chain.at", .nth = 3};
	struct sojourn_new n = {.subject = "anna", .exclusive = exclusive};
	struct report *renewed = report_new(), *r = report_new();
	struct victim renewer, login;
	struct sojourn_options o;
	char id[ID];

	sem_options(&o);
	o.grace_window_ms = 0;
	o.per_subject_max = exclusive ? 0 : 1;
	o.when_over = when_over;
	s = sem_make(&o);
	sem_login(s, "anna", "x", id);
	victim_run(&renewer, renewed, &built, renew_anna, id);
	assert_int_equal(renewer.state, VICTIM_STOPPED);
	victim_run(&login, r, &there, login_anna, &n);
	assert_int_equal(login.state, VICTIM_STOPPED);
	victim_continue(&renewer);
	assert_int_equal(renewed->rc, 0);
	assert_true(upkeep_passes(s, 4, soj_upkeep_full));
	victim_continue(&login);
	assert_int_equal(login.state, VICTIM_FINISHED);
	assert_int_equal(r->rc,
			 when_over == SOJOURN_WHEN_OVER_REJECT && !exclusive
				 ? -EUSERS
				 : 0);
	assert_int_equal(sem_count(s, "anna"), 1);
	sojourn_detach(s);
	report_free(renewed);
	report_free(r);
}

static void s11_renewed_beside_a_walk(void **state)
{
	(void)state;
	count_beside_renewal(SOJOURN_WHEN_OVER_REJECT, false);
	count_beside_renewal(SOJOURN_WHEN_OVER_EVICT_OLDEST, false);
	count_beside_renewal(SOJOURN_WHEN_OVER_REJECT, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s9_delete_all_where_it_began),
		cmocka_unit_test(s10_newest_id_first),
		cmocka_unit_test(s10_lists_of_any_length),
		cmocka_unit_test(s10_handles_end_what_answers),
		cmocka_unit_test(s11_cap_over_a_long_chain),
		cmocka_unit_test(s11_renewed_beside_a_walk),
	};

	coverage_init();
	return cmocka_run_group_tests_name("S9", tests, NULL, NULL);
}
