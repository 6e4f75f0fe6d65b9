/* SPDX-License-Identifier: MIT */

/*
 * S17: what clear must not leave, a login whose renewal stands still in the
 * middle, or that moved to where it has been; and what it must not take, the
 * marks of tokens that were revoked, and who is asked for by an old handle.
 */

#include <errno.h>

#include <sojourn/collection.h>

#include "crash/lib_victim.h"
#include "lib/upkeep.h"
#include "lib_tok.h"
#include "session/session.h"

#define ID (SOJOURN_ID_CHARS_MAX + 1)

struct scene {
	struct sojourn *s;
	char id[ID], first[ID];
};

static void regenerate(void *arg, struct report *r)
{
	const struct scene *x = arg;
	struct sojourn_info info = {0};

	r->rc = sojourn_session_regenerate(x->s, x->id, &info);
	r->renewal = info.renewal;
	memcpy(r->id, info.new_id, sizeof(info.new_id));
}

/* A login; others that end leave places before and behind it. */
static void scene_make(struct scene *x)
{
	struct sojourn_options o;

	sem_options(&o);
	o.grace_window_ms = 0;
	o.entries_max = 60; /* in one word of hints: the lowest place first */
	x->s = sem_make(&o);
	sem_login(x->s, "bert", "x", x->first);
	sem_login(x->s, "anna", "x", x->id);
}

/* Stopped at `label`, cleared, and then it goes on.  True: it was there. */
static bool clear_at(const char *label, unsigned *left)
{
	const struct plan plan = {.fault = FAULT_NONE, .pause = label};
	const struct sojourn_filter f = {.subject = "anna"};
	struct report *r = report_new();
	struct victim victim;
	struct scene x;
	bool stood;

	scene_make(&x);
	victim_run(&victim, r, &plan, regenerate, &x);
	stood = victim.state == VICTIM_STOPPED;
	if (stood) {
		assert_in_range(sojourn_clear(x.s, &f), 0, 1);
		victim_continue(&victim);
		assert_int_equal(victim.state, VICTIM_FINISHED);
		*left += sem_count(x.s, "anna") > 0;
		if (r->id[0])
			*left += sem_read(x.s, r->id, NULL) == 0;
	}
	sojourn_detach(x.s);
	report_free(r);
	return stood;
}

static void s17_clear_during_renewal(void **state)
{
	unsigned stops = 0, left = 0;

	(void)state;
	for (unsigned i = 0; i < label_count(); i++) {
		const unsigned before = left;

		/* It is over then, and the victim at its end. */
		if (strcmp(label_name(i), "renew.settled") == 0)
			continue;
		stops += clear_at(label_name(i), &left);
		if (left > before)
			print_message("S17 left at %s\n", label_name(i));
	}
	printf("S17 clear while a renewal stands at one of %u labels: %u "
	       "logins are left\n",
	       stops, left);
	assert_true(stops > 10);
	assert_int_equal(left, 0);
}

static void clear_sessions(void *arg, struct report *r)
{
	const struct sojourn_filter f = {.collection = 0};
	const struct scene *x = arg;

	r->rc = sojourn_clear(x->s, &f);
}

/* Renewed from where clear has not been to where it has, and nothing left of
 * the old entry: gone all the same.  slow: the renewal began before clear did, by
 * which its new entry is dated. */
static void clear_who_moves(bool slow)
{
	const struct plan plan = {
		.fault = FAULT_STOP, .at = "clear.one", .nth = 1};
	const struct plan begun = {.fault = FAULT_NONE, .pause = "renew.flag"};
	struct report *r = report_new(), *renewed = report_new();
	struct soj_self *self;
	struct victim victim, renewer;
	struct scene x;
	char second[ID];
	uint32_t old;
	int rc;

	scene_make(&x);
	strcpy(second, x.id);
	sem_login(x.s, "otto", "x", x.id);
	self = soj_self_writing(x.s, &rc);
	old = sem_place(x.s, x.id);
	assert_true(sem_place(x.s, x.first) < sem_place(x.s, second));
	assert_true(sem_place(x.s, second) < old);
	assert_int_equal(sojourn_session_delete(x.s, x.first), 1);
	assert_true(upkeep_passes(x.s, 4, soj_upkeep_full));
	/* That place is the next to be taken by who begins. */
	soj_worker_deinit(&x.s->st, &self->w);
	self = soj_self_writing(x.s, &rc);
	if (slow) {
		victim_run(&renewer, renewed, &begun, regenerate, &x);
		assert_int_equal(renewer.state, VICTIM_STOPPED);
		sem_advance(x.s, 10);
	}
	victim_run(&victim, r, &plan, clear_sessions, &x);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	assert_int_equal(sem_read(x.s, second, NULL), -ENOENT);
	if (slow)
		victim_continue(&renewer);
	else
		regenerate(&x, renewed);
	assert_int_equal(renewed->rc, 0);
	assert_int_equal(sem_read(x.s, x.id, NULL), -ENOENT);
	assert_true(upkeep_passes(x.s, 4, soj_upkeep_full));
	assert_true(sem_place(x.s, renewed->id) < old);
	victim_continue(&victim);
	assert_int_equal(victim.state, VICTIM_FINISHED);
	assert_int_equal(r->rc, 2);
	assert_int_equal(sem_read(x.s, renewed->id, NULL), -ENOENT);
	sojourn_detach(x.s);
	report_free(renewed);
	report_free(r);
}

static void s17_clear_finds_who_moved(void **state)
{
	(void)state;
	clear_who_moves(false);
	clear_who_moves(true);
}

static int delete_it(void *arg, const struct sojourn_info *info)
{
	assert_int_equal(sojourn_session_delete_handle(arg, info->handle), 0);
	return 0;
}

/* Whoever clears everything gives nobody's token back to him. */
static void s17_clear_keeps_revocations(void **state)
{
	const struct sojourn_filter any = {.collection =
						   SOJOURN_COLLECTION_ANY};
	const struct sojourn_filter marks = {
		.collection = SOJOURN_COLLECTION_REVOKED};
	uint64_t cursor = 0;
	struct pair p, q;
	struct tok w;

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &p);
	tok_login(&w, "otto", &q);
	assert_int_equal(sojourn_token_revoke(w.t, p.access), 1);
	assert_int_equal(sojourn_token_revoke_subject(w.t, "otto"), 1);
	expect_token(&w, p.access, SOJOURN_TOKEN_REVOKED);
	assert_true(tok_reason(&w, q.access) != SOJOURN_TOKEN_OK);
	assert_true(sojourn_clear(w.s, &any) >= 0);
	expect_token(&w, p.access, SOJOURN_TOKEN_REVOKED);
	assert_true(tok_reason(&w, q.access) != SOJOURN_TOKEN_OK);
	expect_reason(sojourn_clear(w.s, &marks), -EINVAL, SOJOURN_INVALID);
	expect_token(&w, p.access, SOJOURN_TOKEN_REVOKED);
	/* Nor who goes by their handles. */
	assert_true(sojourn_scan(w.s, &marks, &cursor, 0, delete_it, w.s) > 0);
	expect_token(&w, p.access, SOJOURN_TOKEN_REVOKED);
	assert_true(tok_reason(&w, q.access) != SOJOURN_TOKEN_OK);
	tok_end(&w);
}

/* The handle of an id whose grace window is over names nothing any more. */
static void s17_clear_by_an_old_handle(void **state)
{
	struct sojourn_filter by = {.collection = SOJOURN_COLLECTION_ANY,
				    .match_handle = true};
	struct sojourn_info was, info;
	struct sojourn_options o;
	struct sojourn *s;
	char id[ID];

	(void)state;
	sem_options(&o);
	o.grace_window_ms = 1000;
	s = sem_make(&o);
	sem_login(s, "anna", NULL, id);
	assert_int_equal(sem_read(s, id, &was), 0);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	sem_advance(s, 1001);
	by.match = was.handle;
	assert_int_equal(sojourn_clear(s, &by), 0);
	assert_int_equal(sem_read(s, info.new_id, &was), 0);
	by.match = was.handle;
	assert_int_equal(sojourn_clear(s, &by), 1);
	assert_int_equal(sem_read(s, info.new_id, NULL), -ENOENT);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s17_clear_during_renewal),
		cmocka_unit_test(s17_clear_finds_who_moved),
		cmocka_unit_test(s17_clear_keeps_revocations),
		cmocka_unit_test(s17_clear_by_an_old_handle),
	};

	coverage_init();
	return cmocka_run_group_tests_name("S17", tests, NULL, NULL);
}
