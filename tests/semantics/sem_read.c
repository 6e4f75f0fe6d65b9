/* SPDX-License-Identifier: MIT */

/*
 * S2, S4, S13: what a read looks at, in which order, and what it answers.  The
 * naive orders and comparisons are here, too, and fail.
 */

#include <errno.h>
#include <sojourn/remember.h>

#include "lib_sem.h"
#include "session/binding.h"

#define ID (SOJOURN_ID_CHARS_MAX + 1)

/* ---- S4 ---- */

static void s4_idle_to_the_millisecond(void **state)
{
	struct sojourn_options o;
	struct sojourn *s;
	char id[ID];

	(void)state;
	sem_options(&o);
	o.idle_timeout_ms = 1000;
	s = sem_make(&o);
	sem_login(s, "anna", NULL, id);
	sem_advance(s, 251);
	assert_int_equal(sem_look(s, id, NULL), 0);
	sem_advance(s, 748);
	assert_int_equal(sem_look(s, id, NULL), 0);
	sem_advance(s, 1);
	expect_reason(sem_look(s, id, NULL), -ENOENT, SOJOURN_IDLE);
	assert_int_equal(sem_counter(s, "misses_idle"), 1);
	sojourn_detach(s);
	printf("S4 idle 1 s ends it after 1000 ms, not 999: ok\n");
}

/* The naive one: whole seconds. */
static bool naive_idle(uint64_t now_ms, uint64_t accessed_ms, uint64_t idle_ms)
{
	return (now_ms + 999) / 1000 - accessed_ms / 1000 >= idle_ms / 1000;
}

static void s4_trap_whole_seconds(void **state)
{
	struct sojourn_options o;
	struct sojourn *s;
	char id[ID];
	unsigned wrong = 0;

	(void)state;
	sem_options(&o);
	o.idle_timeout_ms = 1000;
	s = sem_make(&o);
	for (unsigned offset = 0; offset < 1000; offset += 83) {
		uint64_t began;

		sem_advance(s, 83);
		sem_login(s, "anna", NULL, id);
		began = sojourn_now_ms(s);
		sem_advance(s, 251);
		assert_int_equal(sem_look(s, id, NULL), 0);
		wrong += naive_idle(began + 251, began, 1000);
	}
	assert_true(wrong > 0);
	sojourn_detach(s);
	printf("S4-trap idle 1 s expired after 251 ms: ok (naive: %u of 13)\n",
	       wrong);
}

/* ---- S2: the order, neighbour by neighbour ---- */

static const struct sojourn_metadata at_home = {.ip = "192.0.2.1"};
static const struct sojourn_metadata abroad = {.ip = "198.51.100.7"};

struct hook {
	unsigned calls, mismatch;
	int answer;
	uint64_t accessed_ms;
	char data[8];
};

static int on_read(void *arg, const struct sojourn_info *info, const void *data,
		   size_t data_bytes)
{
	struct hook *h = arg;

	h->calls++;
	h->accessed_ms = info->accessed_ms;
	h->mismatch = info->mismatch;
	memset(h->data, 0, sizeof(h->data));
	if (data && data_bytes < sizeof(h->data))
		memcpy(h->data, data, data_bytes);
	return h->answer;
}

static struct sojourn *ordered(char *id)
{
	struct sojourn_options o;
	struct sojourn *s;

	sem_options(&o);
	o.ttl_ms = 100000;
	o.idle_timeout_ms = 50000;
	o.renewal_ms = 20000;
	o.ip = SOJOURN_BINDING_REJECT;
	s = sem_make(&o);
	sem_login_from(s, &at_home, id);
	return s;
}

static void s2_absolute_before_idle(void **state)
{
	char id[ID];
	struct sojourn *s = ordered(id);

	(void)state;
	sem_advance(s, 100000); /* both are over */
	expect_reason(sem_read(s, id, NULL), -ENOENT, SOJOURN_EXPIRED);
	assert_int_equal(sem_counter(s, "misses_expired"), 1);
	/* Its entry is unindexed at once: later reads find nothing. */
	expect_reason(sem_read(s, id, NULL), -ENOENT, SOJOURN_NOT_FOUND);
	sojourn_detach(s);
	printf("S2 absolute deadline before idle: ok\n");
}

static void s2_idle_before_binding(void **state)
{
	char id[ID];
	struct sojourn *s = ordered(id);
	const struct sojourn_read how = {.client = &abroad};

	(void)state;
	sem_advance(s, 50000);
	expect_reason(sojourn_session_read(s, id, &how, NULL, NULL, NULL),
		      -ENOENT, SOJOURN_IDLE);
	assert_int_equal(sem_counter(s, "mismatches"), 0);
	sojourn_detach(s);
	printf("S2 idle before binding: ok\n");
}

static void s2_subject_before_binding(void **state)
{
	char id[ID];
	struct sojourn *s = ordered(id);
	const struct sojourn_read how = {.client = &abroad, .subject = "bert"};

	(void)state;
	expect_reason(sojourn_session_read(s, id, &how, NULL, NULL, NULL),
		      -ENOENT, SOJOURN_NOT_FOUND);
	sojourn_detach(s);
	printf("S2 subject before binding: ok\n");
}

static void s2_binding_before_veto(void **state)
{
	char id[ID], data[8] = "secret";
	size_t bytes = sizeof(data);
	struct sojourn *s = ordered(id);
	struct hook h = {.answer = 1};
	const struct sojourn_read how = {
		.client = &abroad, .veto = on_read, .veto_arg = &h};
	struct sojourn_info info;

	(void)state;
	expect_reason(sojourn_session_read(s, id, &how, data, &bytes, &info),
		      -EPERM, SOJOURN_BINDING);
	assert_int_equal(info.mismatch, SOJOURN_MISMATCH_IP);
	assert_int_equal(h.calls, 0);
	assert_int_not_equal(memcmp(data, "data", 4), 0);
	sojourn_detach(s);
	printf("S2 binding before veto: ok\n");
}

static void s2_veto_before_renewal_and_touch(void **state)
{
	char id[ID], data[8];
	size_t bytes = sizeof(data);
	struct sojourn *s = ordered(id);
	struct hook h = {.answer = 1};
	const struct sojourn_read how = {
		.client = &at_home, .veto = on_read, .veto_arg = &h};
	struct sojourn_info info;
	uint64_t began = sojourn_now_ms(s);

	(void)state;
	sem_advance(s, 20000); /* both are due */
	expect_reason(sojourn_session_read(s, id, &how, data, &bytes, &info),
		      -EPERM, SOJOURN_VETOED);
	assert_int_equal(h.calls, 1);
	assert_string_equal(h.data, "data");
	assert_int_equal(h.accessed_ms, began);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_NONE);
	assert_int_equal(sem_look(s, id, &info), 0);
	assert_int_equal(info.accessed_ms, began);
	assert_int_equal(sem_counter(s, "renewals_won"), 0);
	assert_int_equal(sem_counter(s, "touches"), 0);
	assert_int_equal(sem_counter(s, "vetoes"), 1);
	sojourn_detach(s);
	printf("S2 veto before renewal and touch: ok\n");
}

static void s2_renewal_before_touch(void **state)
{
	char id[ID];
	struct sojourn *s = ordered(id);
	struct sojourn_info info;

	(void)state;
	sem_advance(s, 20000);
	assert_int_equal(sem_read(s, id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	/* The successor was just made: there is nothing to touch. */
	assert_int_equal(sem_counter(s, "touches"), 0);
	sojourn_detach(s);
	printf("S2 renewal before touch: ok\n");
}

/* A session that was idle for too long must not be renewed instead. */
static void s2_trap_renewal_before_idle(void **state)
{
	char id[ID];
	struct sojourn *s = ordered(id);
	struct sojourn_info info;
	const uint64_t idle_ms = 13 * 3600 * UINT64_C(1000);
	bool naively_renewed = idle_ms >= 20000; /* what it looks at first */

	(void)state;
	sem_advance(s, 60000);
	expect_reason(sem_read(s, id, &info), -ENOENT, SOJOURN_IDLE);
	assert_int_equal(sem_counter(s, "renewals_won"), 0);
	assert_true(naively_renewed);
	sojourn_detach(s);
	printf("S2-trap an idle session is renewed: ok\n");
}

/* ---- S13 ---- */

static void s13_veto_leaves_it_alone(void **state)
{
	struct sojourn *s = sem_make(NULL);
	struct hook h = {.answer = 1};
	struct sojourn_read how = {.veto = on_read, .veto_arg = &h};
	struct sojourn_info info;
	uint64_t began;
	char id[ID];

	(void)state;
	sem_advance(s, 1000);
	sem_login(s, "anna", "data", id);
	began = sojourn_now_ms(s);
	for (unsigned i = 0; i < 5; i++) {
		sem_advance(s, 5000);
		h.accessed_ms = 0;
		expect_reason(
			sojourn_session_read(s, id, &how, NULL, NULL, NULL),
			-EPERM, SOJOURN_VETOED);
		/* It is told of what the caller does not ask for. */
		assert_int_equal(h.accessed_ms, began);
	}
	assert_int_equal(sem_look(s, id, &info), 0);
	assert_int_equal(info.accessed_ms, began);
	h.answer = 0;
	assert_int_equal(sojourn_session_read(s, id, &how, NULL, NULL, NULL),
			 0);
	assert_int_equal(sem_look(s, id, &info), 0);
	assert_int_equal(info.accessed_ms, began + 25000);
	assert_int_equal(h.calls, 6);
	sojourn_detach(s);
	printf("S13 a veto leaves the access time alone: ok\n");
}

static void s13_veto_is_told_what_differs(void **state)
{
	char id[ID];
	struct hook h = {.answer = 0};
	const struct sojourn_read how = {
		.client = &abroad, .veto = on_read, .veto_arg = &h};
	struct sojourn_options o;
	struct sojourn_info info;
	struct sojourn *s;

	(void)state;
	sem_options(&o);
	o.ip = SOJOURN_BINDING_REPORT;
	s = sem_make(&o);
	sem_login_from(s, &at_home, id);
	assert_int_equal(sojourn_session_read(s, id, &how, NULL, NULL, &info),
			 0);
	assert_int_equal(h.mismatch, SOJOURN_MISMATCH_IP);
	h.mismatch = 0;
	assert_int_equal(sojourn_session_read(s, id, &how, NULL, NULL, NULL),
			 0);
	assert_int_equal(h.mismatch, SOJOURN_MISMATCH_IP);
	sojourn_detach(s);
}

/* An old id, past its grace window, is not told the new one against its will. */
static void s13_veto_before_redelivery(void **state)
{
	struct sojourn *s = sem_make(NULL);
	struct hook h = {.answer = 1};
	const struct sojourn_read how = {.veto = on_read, .veto_arg = &h};
	struct sojourn_info info;
	char id[ID];

	(void)state;
	sem_login(s, "anna", "data", id);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	sem_advance(s, 5000);
	expect_reason(sojourn_session_read(s, id, &how, NULL, NULL, &info),
		      -EPERM, SOJOURN_VETOED);
	assert_string_equal(info.new_id, "");
	assert_int_equal(h.calls, 1);
	assert_string_equal(h.data, "");
	h.answer = 0;
	expect_reason(sojourn_session_read(s, id, &how, NULL, NULL, &info),
		      -ENOENT, SOJOURN_RENEWED);
	assert_string_not_equal(info.new_id, "");
	sojourn_detach(s);
}

/* ---- what is told of what is refused ---- */

/* What a worker has from the request before, of another user. */
static void of_another(struct sojourn_info *info)
{
	memset(info, 0xff, sizeof(*info));
	info->renewal = SOJOURN_RENEWAL_WON;
	strcpy(info->new_id, "bert's");
	strcpy(info->subject, "bert");
	strcpy(info->handle, "bert's");
}

#define expect_nothing(call, error)                                   \
	do {                                                          \
		of_another(&info);                                    \
		assert_int_equal(call, error);                        \
		assert_int_equal(info.renewal, SOJOURN_RENEWAL_NONE); \
		assert_string_equal(info.new_id, "");                 \
		assert_string_equal(info.subject, "");                \
		assert_string_equal(info.handle, "");                 \
		assert_int_equal(info.mismatch, 0);                   \
		assert_null(info.metadata.ip);                        \
	} while (0)

static void s2_nothing_is_left_in_info(void **state)
{
	static const char *const ids[] = {"", "?",
					  "AAAAAAAAAAAAAAAAAAAAAAAAAAA",
					  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
	struct sojourn_item none = {SOJOURN_COLLECTION_CSRF, "none", 4},
			    wrong = {63, "none", 4};
	const struct sojourn_new nobody = {.subject = ""};
	char token[SOJOURN_REMEMBER_CHARS + 1];
	struct sojourn *s = sem_make(NULL);
	struct sojourn_info info;
	struct sojourn_one one = {.info = &info};
	char id[ID];

	(void)state;
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		expect_nothing(sem_read(s, ids[i], &info), -ENOENT);
		expect_nothing(sojourn_session_renew(s, ids[i], &info),
			       -ENOENT);
		expect_nothing(sojourn_session_regenerate(s, ids[i], &info),
			       -ENOENT);
		expect_nothing(sojourn_remember_use(s, ids[i], NULL, token,
						    NULL, NULL, &info),
			       -ENOENT);
		one.id = ids[i];
		expect_nothing(sojourn_get_many(s, &one, 1, NULL), 0);
	}
	one.id = NULL;
	one.item = wrong;
	expect_nothing(sojourn_get_many(s, &one, 1, NULL), 0);
	expect_nothing(sojourn_get(s, &wrong, NULL, NULL, NULL, &info),
		       -EINVAL);
	expect_nothing(sojourn_get(s, &none, NULL, NULL, NULL, &info), -ENOENT);
	expect_nothing(sojourn_session_create(s, &nobody, id, &info), -EINVAL);
	expect_nothing(sojourn_remember_create(s, &nobody, token, &info),
		       -EINVAL);
	sojourn_detach(s);
	printf("S2 of what is refused nothing is left: ok\n");
}

/* The id may be what the last call told, in the very place. */
static void s2_the_new_id_in_its_place(void **state)
{
	struct sojourn_options o;
	struct sojourn_info info;
	struct sojourn *s;
	char id[ID], second[ID];

	(void)state;
	sem_options(&o);
	o.redelivery_ms = 60000;
	s = sem_make(&o);
	sem_login(s, "anna", "x", id);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	strcpy(second, info.new_id);
	assert_int_equal(sem_read(s, info.new_id, &info), 0);
	assert_string_equal(info.subject, "anna");
	strcpy(info.new_id, second);
	assert_int_equal(sojourn_session_renew(s, info.new_id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	strcpy(id, info.new_id);
	/* Who has the second is told the third: it was sealed by the second. */
	assert_int_equal(sem_read(s, second, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_DONE);
	assert_string_equal(info.new_id, id);
	assert_int_equal(sojourn_session_regenerate(s, info.new_id, &info), 0);
	assert_int_equal(sem_read(s, info.new_id, &info), 0);
	sojourn_detach(s);
	printf("S2 the new id where it was told: ok\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s4_idle_to_the_millisecond),
		cmocka_unit_test(s4_trap_whole_seconds),
		cmocka_unit_test(s2_absolute_before_idle),
		cmocka_unit_test(s2_idle_before_binding),
		cmocka_unit_test(s2_subject_before_binding),
		cmocka_unit_test(s2_binding_before_veto),
		cmocka_unit_test(s2_veto_before_renewal_and_touch),
		cmocka_unit_test(s2_renewal_before_touch),
		cmocka_unit_test(s2_trap_renewal_before_idle),
		cmocka_unit_test(s13_veto_leaves_it_alone),
		cmocka_unit_test(s13_veto_is_told_what_differs),
		cmocka_unit_test(s13_veto_before_redelivery),
		cmocka_unit_test(s2_nothing_is_left_in_info),
		cmocka_unit_test(s2_the_new_id_in_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
