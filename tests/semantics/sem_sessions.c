/* SPDX-License-Identifier: MIT */

/*
 * The plain rows of sessions: S1, S3, S5, S8, S9, S10, S14, S20, S22, S23, C1.
 * Each trap has the naive way of doing it beside it, which must fail.
 */

#include <errno.h>

#include <sojourn/cookie.h>

#include "lib_sem.h"

#define MINUTE UINT64_C(60000)
#define LOGINS 5u

/* ---- S1: create ---- */

static void s1_ids_are_random_base64url(void **state)
{
	struct sojourn *s = sem_make(NULL);
	char id[64][SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		sem_login(s, "s1", NULL, id[i]);
		assert_int_equal(strlen(id[i]), 32); /* 24 bytes */
		assert_int_equal(strspn(id[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcde"
					       "fghijklmnopqrstuvwxyz0123456789"
					       "-_"),
				 32);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(id[i], id[j]);
	}
	assert_int_equal(sem_read(s, id[0], &info), 0);
	assert_int_equal(info.created_ms, sojourn_now_ms(s));
	assert_int_equal(info.accessed_ms, info.created_ms);
	assert_int_equal(info.expires_ms, info.created_ms + 30 * MINUTE);
	sojourn_detach(s);
}

/* A read for the data alone finds ids of each length that there can be, and
 * nothing by one that is cut short. */
static void s1_ids_of_any_length(void **state)
{
	static const uint32_t lengths[] = {16, 24, 25, 48};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		char id[SOJOURN_ID_CHARS_MAX + 1], data[8] = "";
		size_t bytes = sizeof(data);
		struct sojourn_options o;
		struct sojourn *s;

		sem_options(&o);
		o.id_bytes = lengths[i];
		s = sem_make(&o);
		sem_login(s, "anna", "data", id);
		assert_int_equal(strlen(id), (lengths[i] * 4 + 2) / 3);
		assert_int_equal(
			sojourn_session_read(s, id, NULL, data, &bytes, NULL),
			0);
		assert_int_equal(bytes, 4);
		assert_memory_equal(data, "data", 4);
		id[strlen(id) - 1] = 0;
		bytes = sizeof(data);
		expect_reason(
			sojourn_session_read(s, id, NULL, data, &bytes, NULL),
			-ENOENT, SOJOURN_NOT_FOUND);
		sojourn_detach(s);
	}
}

static void s1_trap_absurd_ttl(void **state)
{
	const uint64_t bad[] = {UINT64_MAX, (uint64_t)-1000,
				UINT64_C(11) * 366 * 86400000};
	struct sojourn *s = sem_make(NULL);
	char id[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const struct sojourn_new n = {.subject = "s1",
					      .ttl_ms = bad[i]};

		expect_reason(sojourn_session_create(s, &n, id, NULL), -EINVAL,
			      SOJOURN_INVALID);
		assert_non_null(strstr(sojourn_error_text(), "ttl_ms"));
		/* The naive deadline is in the past, or never comes. */
		assert_true(sojourn_now_ms(s) + bad[i] < sojourn_now_ms(s) ||
			    bad[i] > UINT64_C(10) * 366 * 86400000);
	}
	assert_int_equal(sem_count(s, "s1"), 0);
	sojourn_detach(s);
}

/* ---- S3: maximum lifetime ---- */

static void s3_trap_renewals_do_not_live_for_ever(void **state)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_options o;
	struct sojourn_info info;
	unsigned renewals = 0;
	uint64_t begin_ms, naive_ms;
	struct sojourn *s;

	(void)state;
	sem_options(&o);
	o.renewal_ms = 10 * MINUTE;
	o.max_lifetime_ms = 60 * MINUTE;
	s = sem_make(&o);
	sem_login(s, "s3", NULL, id);
	begin_ms = sojourn_now_ms(s);
	naive_ms = begin_ms;
	while (sem_read(s, id, &info) == 0) {
		assert_true(info.expires_ms <= begin_ms + 60 * MINUTE);
		if (info.renewal == SOJOURN_RENEWAL_WON) {
			strcpy(id, info.new_id);
			naive_ms = sojourn_now_ms(s);
			renewals++;
		}
		sem_advance(s, MINUTE);
	}
	assert_int_equal(sojourn_reason(), SOJOURN_EXPIRED);
	assert_int_equal(sojourn_now_ms(s) - begin_ms, 60 * MINUTE);
	assert_int_equal(renewals, 5);
	/* The naive one, a full ttl from each renewal, would live on. */
	assert_true(naive_ms + 30 * MINUTE > sojourn_now_ms(s));
	sojourn_detach(s);
}

/* ---- S5: touch ---- */

static void s5_touch_extends_and_writes_no_data(void **state)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_options o;
	struct sojourn_info info;
	struct sojourn *s;

	(void)state;
	sem_options(&o);
	o.sliding = true;
	o.max_lifetime_ms = 120 * MINUTE;
	s = sem_make(&o);
	sem_login(s, "s5", "data", id);
	for (unsigned i = 0; i < 4; i++) {
		sem_advance(s, 29 * MINUTE);
		assert_int_equal(sojourn_session_touch(s, id), 0);
	}
	assert_int_equal(sem_read(s, id, &info), 0);
	assert_int_equal(info.version, 1);
	assert_int_equal(sem_counter(s, "touches"), 4);
	assert_int_equal(info.expires_ms, info.created_ms + 120 * MINUTE);
	/* Many uses within the interval: one store. */
	sem_advance(s, 2000);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(sojourn_session_touch(s, id), 0);
	assert_int_equal(sem_counter(s, "touches"), 5);
	sem_advance(s, 4 * MINUTE);
	expect_reason(sojourn_session_touch(s, id), -ENOENT, SOJOURN_EXPIRED);
	sojourn_detach(s);
}

/* A request that was slow: the logout came between its read and its write. */
static void s5_trap_touch_brings_nothing_back(void **state)
{
	struct sojourn *s = sem_make(NULL);
	char id[SOJOURN_ID_CHARS_MAX + 1], again[SOJOURN_ID_CHARS_MAX + 1];
	char data[16];
	size_t bytes = sizeof(data);

	(void)state;
	sem_login(s, "s5", "cart", id);
	assert_int_equal(sojourn_session_read(s, id, NULL, data, &bytes, NULL),
			 0);
	assert_int_equal(sojourn_session_delete_subject(s, "s5", NULL), 1);
	assert_int_equal(sojourn_session_touch(s, id), -ENOENT);
	assert_int_equal(sojourn_session_update(s, id, data, bytes, 0, NULL),
			 -ENOENT);
	assert_int_equal(sem_count(s, "s5"), 0);
	/* Read and set is an insert: logged in again after the logout. */
	sem_login(s, "s5", "cart", again);
	assert_int_equal(sem_count(s, "s5"), 1);
	sojourn_detach(s);
}

/* ---- S8: a new id on demand ---- */

static void s8_regenerate_with_grace_0(void **state)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_options o;
	struct sojourn_info info;
	struct sojourn *s;

	(void)state;
	sem_options(&o);
	o.grace_window_ms = 0;
	s = sem_make(&o);
	sem_login(s, "s8", "data", id);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	assert_string_not_equal(info.new_id, id);
	expect_reason(sem_read(s, id, NULL), -ENOENT, SOJOURN_RENEWED);
	assert_int_equal(sem_read(s, info.new_id, NULL), 0);
	assert_int_equal(sem_count(s, "s8"), 1);
	sojourn_detach(s);
}

/* ---- S9: delete ---- */

static void s9_delete_one_all_but_this_all(void **state)
{
	struct sojourn *s = sem_make(NULL);
	char id[4][SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		sem_login(s, "s9", NULL, id[i]);
	assert_int_equal(sojourn_session_delete(s, id[0]), 1);
	assert_int_equal(sojourn_session_delete(s, id[0]), 0);
	assert_int_equal(sojourn_session_delete_subject(s, "s9", id[2]), 2);
	assert_int_equal(sem_read(s, id[2], NULL), 0);
	assert_int_equal(sem_read(s, id[3], NULL), -ENOENT);
	assert_int_equal(sojourn_session_delete_subject(s, "s9", NULL), 1);
	assert_int_equal(sojourn_session_delete_subject(s, "s9", NULL), 0);
	sojourn_detach(s);
}

/* Found by the simulated day: it was counted, and told as a logout. */
static void s9_what_is_over_is_not_deleted(void **state)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_options o;
	struct sojourn *s;

	(void)state;
	sem_options(&o);
	o.idle_timeout_ms = 10 * MINUTE;
	s = sem_make(&o);
	sem_login(s, "s9", NULL, id);
	sem_advance(s, 10 * MINUTE);
	sem_login(s, "s9", NULL, id);
	assert_int_equal(sojourn_session_delete_subject(s, "s9", NULL), 1);
	assert_int_equal(sem_counter(s, "expirations"), 1);
	assert_int_equal(sem_counter(s, "deletes"), 1);
	sojourn_detach(s);
}

struct s9 {
	struct sojourn *s;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	_Atomic(int) deleted;
	_Atomic(unsigned) after; /* things that worked after the delete */
};

/* Seven write, touch and renew the session as fast as they can; one ends it. */
static int s9_worker(unsigned i, void *arg)
{
	struct s9 *x = arg;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;

	strcpy(id, x->id);
	for (unsigned n = 0; n < 100000; n++) {
		int before = atomic_load(&x->deleted), rc;

		if (i == 0 && n == 200) {
			if (sojourn_session_delete(x->s, id) < 0)
				return 1;
			atomic_store(&x->deleted, 1);
		}
		if (i == 0)
			continue;
		if (n % 7 == 0 && sojourn_session_renew(x->s, id, &info) == 0 &&
		    info.new_id[0])
			strcpy(id, info.new_id);
		rc = n % 2 ? sojourn_session_update(x->s, id, "x", 1, 0, NULL)
			   : sojourn_session_touch(x->s, id);
		if (before && rc == 0)
			atomic_fetch_add(&x->after, 1);
		if (before)
			break;
	}
	return 0;
}

static void s9_trap_a_write_after_the_logout(void **state)
{
	struct s9 *x = sem_shared(sizeof(*x));
	struct sojourn_options o;

	(void)state;
	sem_options(&o);
	o.grace_window_ms = 20 * MINUTE;
	for (unsigned round = 0; round < 20; round++) {
		memset(x, 0, sizeof(*x));
		x->s = sem_make(&o);
		sem_login(x->s, "s9", "x", x->id);
		sem_workers(8, s9_worker, x);
		assert_int_equal(x->after, 0);
		assert_int_equal(sem_count(x->s, "s9"), 0);
		sojourn_detach(x->s);
	}
	sem_unshare(x, sizeof(*x));
}

/* ---- S10: list ---- */

struct s10 {
	struct sojourn *s;
	char index[SOJOURN_ID_CHARS_MAX + 1]; /* a list kept as a value */
	_Atomic(unsigned) read;               /* who has read it */
};

static int s10_login(unsigned i, void *arg)
{
	const struct sojourn_new n = {.subject = "s10"};
	char id[SOJOURN_ID_CHARS_MAX + 1], list[64];
	size_t bytes = sizeof(list);
	struct s10 *x = arg;

	if (sojourn_session_create(x->s, &n, id, NULL) < 0)
		return 1;
	/* The naive way: read the list, add oneself, write it. */
	if (sojourn_session_read(x->s, x->index, NULL, list, &bytes, NULL) < 0)
		return 1;
	atomic_fetch_add(&x->read, 1);
	while (atomic_load(&x->read) < LOGINS)
		;
	list[bytes++] = (char)('0' + i);
	return sojourn_session_update(x->s, x->index, list, bytes, 0, NULL);
}

static void s10_trap_logins_at_once_are_all_listed(void **state)
{
	struct s10 *x = sem_shared(sizeof(*x));
	struct sojourn_info info;

	(void)state;
	x->s = sem_make(NULL);
	sem_login(x->s, "the index", "", x->index);
	sem_workers(LOGINS, s10_login, x);
	assert_int_equal(sem_count(x->s, "s10"), LOGINS);
	assert_int_equal(sem_read(x->s, x->index, &info), 0);
	assert_int_equal(info.data_bytes, 1); /* the naive list */
	sojourn_detach(x->s);
	sem_unshare(x, sizeof(*x));
}

struct seen {
	unsigned count, current;
	char handle[8][SOJOURN_HANDLE_CHARS + 1];
	char ip[8][16];
};

static int see(void *arg, const struct sojourn_info *info)
{
	struct seen *seen = arg;

	strcpy(seen->handle[seen->count], info->handle);
	snprintf(seen->ip[seen->count], sizeof(seen->ip[0]), "%s",
		 info->metadata.ip ? info->metadata.ip : "");
	seen->current += info->current;
	assert_string_equal(info->log_hash, "");
	seen->count++;
	return 0;
}

static void s10_handles_and_the_current_one(void **state)
{
	struct sojourn *s = sem_make(NULL);
	char id[3][SOJOURN_ID_CHARS_MAX + 1];
	struct seen seen = {0};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		sem_login(s, "s10", NULL, id[i]);
	assert_int_equal(
		sojourn_session_list_subject(s, "s10", id[1], see, &seen), 3);
	assert_int_equal(seen.current, 1);
	assert_int_equal(sojourn_session_delete_handle(s, seen.handle[0]), 1);
	assert_int_equal(sojourn_session_delete_handle(s, seen.handle[0]), 0);
	assert_int_equal(sem_read(s, id[2], NULL), -ENOENT); /* newest first */
	assert_int_equal(sem_count(s, "s10"), 2);
	sojourn_detach(s);
}

/* ---- S14: metadata ---- */

static void s14_metadata_as_given(void **state)
{
	const struct sojourn_new n = {.subject = "s14",
				      .metadata = {.ip = "192.0.2.7",
						   .user_agent = "agent/1.0",
						   .location = "Zürich",
						   .device_id = "d-17",
						   .device_name = "laptop",
						   .device_type = "desktop",
						   .device_client = "browser",
						   .device_os = "linux"}};
	struct sojourn *s = sem_make(NULL);
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;

	(void)state;
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	strcpy(id, info.new_id);
	assert_int_equal(sem_read(s, id, &info), 0);
	assert_string_equal(info.metadata.ip, "192.0.2.7");
	assert_string_equal(info.metadata.user_agent, "agent/1.0");
	assert_string_equal(info.metadata.location, "Zürich");
	assert_string_equal(info.metadata.device_id, "d-17");
	assert_string_equal(info.metadata.device_name, "laptop");
	assert_string_equal(info.metadata.device_type, "desktop");
	assert_string_equal(info.metadata.device_client, "browser");
	assert_string_equal(info.metadata.device_os, "linux");
	sojourn_detach(s);
}

/* ---- S20: a hash for logs ---- */

static void s20_log_hash_is_keyed_and_stable(void **state)
{
	struct sojourn *s = sem_make(NULL), *other = sem_make(NULL);
	char id[SOJOURN_ID_CHARS_MAX + 1];
	char a[SOJOURN_LOG_HASH_CHARS + 1], b[SOJOURN_LOG_HASH_CHARS + 1];
	struct sojourn_info info;

	(void)state;
	sem_login(s, "s20", NULL, id);
	sojourn_log_hash(s, id, a);
	assert_int_equal(strlen(a), SOJOURN_LOG_HASH_CHARS);
	assert_int_equal(sem_read(s, id, &info), 0);
	assert_string_equal(info.log_hash, a);
	/* Another segment's key: nothing can be compared. */
	sojourn_log_hash(other, id, b);
	assert_string_not_equal(a, b);
	sojourn_detach(other);
	sojourn_detach(s);
}

/* ---- S22: options ---- */

static void s22_every_option_has_a_rule(void **state)
{
#define BAD(field, bad)                                                   \
	{                                                                 \
#field, offsetof(struct sojourn_options, field),          \
			sizeof(((struct sojourn_options *)0)->field), bad \
	}
	static const struct {
		const char *name;
		size_t off, bytes;
		uint64_t value;
	} rows[] = {
		BAD(entries_max, 0),
		BAD(entries_max, 67108863),
		BAD(segment_bytes, 4096),
		BAD(threads_max, 0),
		BAD(threads_max, 4095),
		BAD(ttl_ms, 0),
		BAD(ttl_ms, UINT64_MAX),
		BAD(idle_timeout_ms, UINT64_MAX),
		BAD(renewal_ms, 1800000),
		BAD(grace_window_ms, 1800000),
		BAD(redelivery_ms, UINT64_C(1) << 32),
		BAD(max_lifetime_ms, 1),
		BAD(lease_ms, 255),
		BAD(expel_after_ms, 0),
		BAD(when_full, 2),
		BAD(when_over, 3),
		BAD(device, 4),
		BAD(ip, 4),
		BAD(user_agent, 4),
		BAD(ip4_prefix_bits, 0),
		BAD(ip6_prefix_bits, 129),
		BAD(per_subject_max, 67108863),
		BAD(events_max, 63),
		BAD(events_max, 96),
		BAD(id_bytes, 15),
		BAD(id_bytes, 49),
		BAD(helper, 3),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sojourn_options o;
		struct sojourn *s;
		char value[32];

		sem_options(&o);
		memcpy((uint8_t *)&o + rows[i].off, &rows[i].value,
		       rows[i].bytes);
		snprintf(value, sizeof(value), "%llu",
			 (unsigned long long)rows[i].value);
		expect_reason(sojourn_create(NULL, &o, &s), -EINVAL,
			      SOJOURN_INVALID);
		assert_null(s);
		if (strcmp(rows[i].name, "segment_bytes") != 0)
			assert_non_null(
				strstr(sojourn_error_text(), rows[i].name));
		assert_non_null(strstr(sojourn_error_text(), value));
	}
#undef BAD
}

/* ---- S23: cookies ---- */

static void s23_cookies_keep_their_rules(void **state)
{
	struct sojourn_cookie c = {.name = "__Host-sid",
				   .value = "0123456789abcdef012345",
				   .path = "/",
				   .secure = true,
				   .http_only = true,
				   .same_site = SOJOURN_SAME_SITE_LAX};
	char line[256];

	(void)state;
	assert_int_equal(sojourn_cookie_format(line, sizeof(line), &c, NULL),
			 0);
	assert_non_null(strstr(line, "HttpOnly"));
	c.secure = false; /* the prefix promises it */
	assert_int_equal(sojourn_cookie_format(line, sizeof(line), &c, NULL),
			 -EINVAL);
	c.secure = true;
	c.domain = "example.org";
	assert_int_equal(sojourn_cookie_format(line, sizeof(line), &c, NULL),
			 -EINVAL);
}

/* ---- C1: reserved up front ---- */

static void c1_as_many_as_promised_and_no_more(void **state)
{
	char id[SOJOURN_ID_CHARS_MAX + 1], first[SOJOURN_ID_CHARS_MAX + 1];
	const struct sojourn_new n = {.subject = "c1"};
	struct sojourn_options o;
	struct sojourn *s;

	(void)state;
	sem_options(&o);
	o.entries_max = 300;
	s = sem_make(&o);
	sem_login(s, "c1", NULL, first);
	for (unsigned i = 1; i < 300; i++)
		sem_login(s, "c1", NULL, id);
	expect_reason(sojourn_session_create(s, &n, id, NULL), -ENOSPC,
		      SOJOURN_FULL);
	assert_int_equal(sem_read(s, first, NULL), 0);
	assert_int_equal(sem_count(s, "c1"), 300);
	assert_int_equal(sem_counter(s, "evictions"), 0);
	assert_int_equal(sem_counter(s, "full"), 1);
	assert_int_equal(sojourn_session_delete(s, first), 1);
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s1_ids_are_random_base64url),
		cmocka_unit_test(s1_ids_of_any_length),
		cmocka_unit_test(s1_trap_absurd_ttl),
		cmocka_unit_test(s3_trap_renewals_do_not_live_for_ever),
		cmocka_unit_test(s5_touch_extends_and_writes_no_data),
		cmocka_unit_test(s5_trap_touch_brings_nothing_back),
		cmocka_unit_test(s8_regenerate_with_grace_0),
		cmocka_unit_test(s9_delete_one_all_but_this_all),
		cmocka_unit_test(s9_what_is_over_is_not_deleted),
		cmocka_unit_test(s9_trap_a_write_after_the_logout),
		cmocka_unit_test(s10_handles_and_the_current_one),
		cmocka_unit_test(s10_trap_logins_at_once_are_all_listed),
		cmocka_unit_test(s14_metadata_as_given),
		cmocka_unit_test(s20_log_hash_is_keyed_and_stable),
		cmocka_unit_test(s22_every_option_has_a_rule),
		cmocka_unit_test(s23_cookies_keep_their_rules),
		cmocka_unit_test(c1_as_many_as_promised_and_no_more),
	};

	return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
