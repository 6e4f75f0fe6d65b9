/* SPDX-License-Identifier: MIT */

/*
 * Each allocation of setting up, and of calls that walk or compute, fails once:
 * the call says -ENOMEM, has left nothing, and the next one gets what it wants.
 * (tests/crash/crash_inside.c: those of operations.)
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>
#include <sojourn/collection.h>
#include <sojourn/event.h>
#include <sojourn/lock.h>
#include <sojourn/remember.h>
#include <sojourn/stat.h>

#include "lib/scarce.h"
#include "lib_shm.h"

/* How many of its allocations end the call; of the others (qsort's) it does
 * without. */
static unsigned each_fails(int (*call)(void))
{
	struct sojourn *none;
	unsigned ended = 0;

	for (unsigned n = 1;; n++) {
		int rc;

		/* What is said then is not of an earlier call. */
		assert_int_equal(sojourn_attach(NULL, NULL, &none), -EINVAL);
		assert_non_null(strstr(sojourn_error_text(), "anonymous"));
		memory.seen = 0;
		memory.nth = n;
		rc = call();
		memory.nth = 0;
		if (rc < 0) {
			assert_int_equal(rc, -ENOMEM);
			assert_null(strstr(sojourn_error_text(), "anonymous"));
			ended++;
		} else if (memory.seen < n) {
			return ended;
		}
	}
}

/* ---- calls ---- */

static struct sojourn *s;
static const char *name, *key_file;
static const struct sojourn_item item = {SOJOURN_COLLECTION_CSRF, "key", 3};

static int create(void)
{
	struct sojourn_options o;
	struct sojourn *made;
	int rc;

	sojourn_options_init(&o);
	o.entries_max = 100;
	o.segment_bytes = 4 << 20;
	o.threads_max = 8;
	o.helper = SOJOURN_HELPER_NONE;
	o.manual_clock = true;
	o.ip = SOJOURN_BINDING_DELETE;
	o.key_file = key_file;
	rc = sojourn_create(name, &o, &made);
	assert_true(rc == 0 || made == NULL);
	if (rc == 0 && s == NULL)
		s = made;
	else if (rc == 0)
		sojourn_detach(made);
	return rc;
}

static int attach(void)
{
	const struct sojourn_attach_options o = {.key_file = key_file};
	struct sojourn *other;
	int rc = sojourn_attach(name, &o, &other);

	assert_true(rc == 0 || other == NULL);
	if (rc == 0)
		sojourn_detach(other);
	return rc;
}

static unsigned heard;

static void hear(void *arg, struct sojourn *of,
		 const struct sojourn_hook_call *call)
{
	(void)arg;
	(void)of;
	(void)call;
	heard++;
}

static int set_hooks(void)
{
	const struct sojourn_hooks hooks = {.created = hear};

	return sojourn_hooks_set(s, &hooks, NULL);
}

/* Of a collection that nothing is put into. */
static int set_validator(void)
{
	return sojourn_validator_set(s, SOJOURN_COLLECTION_REVOKED,
				     sojourn_json_validator, NULL);
}

static const struct sojourn_filter some = {.collection = SOJOURN_COLLECTION_ANY,
					   .match = "a*"};

static int count_some(void)
{
	return sojourn_count(s, &some);
}

static int clear_some(void)
{
	return sojourn_clear(s, &some);
}

static int see(void *arg, const struct sojourn_info *info)
{
	(void)arg;
	(void)info;
	return 0;
}

static int list_some(void)
{
	return sojourn_session_list_subject(s, "anna", NULL, see, NULL);
}

static int scan_some(void)
{
	uint64_t cursor = 0;

	return sojourn_scan(s, &some, &cursor, 0, see, NULL);
}

static int numbers(void)
{
	struct sojourn_session_stat stat;

	return sojourn_session_stat(s, &stat);
}

/* A family that nobody has the token of must not be left. */
static int remember(void)
{
	const struct sojourn_new n = {.subject = "bert"};
	char token[SOJOURN_REMEMBER_CHARS + 1];
	struct sojourn_info info;
	int rc = sojourn_remember_create(s, &n, token, &info);

	memory.nth = 0;
	assert_int_equal(
		sojourn_session_list_subject(s, "bert", NULL, see, NULL),
		rc == 0);
	if (rc == 0)
		assert_int_equal(sojourn_remember_forget(s, token), 1);
	else
		assert_string_equal(token, "");
	return rc;
}

static int keep(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	(void)data;
	(void)bytes;
	(void)capacity;
	return 0;
}

static int modify(void)
{
	const struct sojourn_value absent = {.data = "x", .data_bytes = 1};

	return sojourn_modify_item(s, &item, &absent, 64, keep, NULL, NULL);
}

static int shape(void)
{
	struct sojourn_json_shape *made;
	int rc = sojourn_json_shape_create(
		"{\"required\": {\"a\": \"string\", \"b\": {\"optional\": "
		"{\"c\": \"any\"}}}, \"closed\": true}",
		&made);

	if (rc == 0)
		sojourn_json_shape_destroy(made);
	/* The parser does not tell why it could not parse. */
	return rc == -EINVAL ? -ENOMEM : rc;
}

/* ---- tests ---- */

static void setting_up(void **state)
{
	(void)state;
	assert_true(each_fails(create) >= 1);
	assert_int_equal(sojourn_destroy(name), 0);
	sojourn_detach(s);
	s = NULL;
	assert_int_equal(create(), 0);
	assert_true(each_fails(attach) >= 1);
}

static void calls(void **state)
{
	const struct sojourn_new n = {.subject = "anna"};
	char id[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	assert_true(each_fails(set_hooks) >= 1);
	/* Without memory a hook is not called, and the login is there. */
	memory.seen = 0;
	memory.nth = 1;
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	memory.nth = 0;
	assert_true(memory.seen >= 1);
	assert_int_equal(heard, 0);
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	assert_int_equal(heard, 1);
	assert_true(each_fails(set_validator) >= 1);
	assert_true(each_fails(count_some) >= 1);
	assert_true(each_fails(scan_some) >= 1);
	assert_true(each_fails(list_some) >= 1);
	assert_true(each_fails(numbers) >= 1);
	assert_true(each_fails(remember) >= 3);
	assert_true(each_fails(modify) >= 1);
	assert_int_equal(sojourn_has(s, &item), 1);
	assert_true(each_fails(shape) >= 6);
	assert_int_equal(sojourn_session_read(s, id, NULL, NULL, NULL, NULL),
			 0);
	assert_true(each_fails(clear_some) >= 1);
	assert_int_equal(sojourn_session_read(s, id, NULL, NULL, NULL, NULL),
			 -ENOENT);
}

/* Renews the login that comes next, whose new id is to be looked for then. */
static int renew_next(void *arg, const struct sojourn_info *info)
{
	struct sojourn_info renewed;
	const char *next = arg;

	if (info->renewed) /* it came */
		return 0;
	assert_int_equal(sojourn_session_renew(s, next, &renewed), 0);
	memory.seen = 0;
	memory.nth = 1;
	return 0;
}

/* A page that ends with an error leaves the cursor where the next begins. */
static void page_after_an_error(void **state)
{
	const struct sojourn_new n = {.subject = "carl"};
	char id[3][SOJOURN_ID_CHARS_MAX + 1];
	uint64_t cursor = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(sojourn_session_create(s, &n, id[i], NULL), 0);
	assert_int_equal(sojourn_session_list_next(s, "carl", NULL, &cursor, 10,
						   renew_next, id[1]),
			 -ENOMEM);
	memory.nth = 0;
	assert_true(cursor != 0);
	/* The second by both of its ids, and the first. */
	assert_int_equal(sojourn_session_list_next(s, "carl", NULL, &cursor, 10,
						   see, NULL),
			 3);
	assert_true(cursor == 0);
	assert_int_equal(sojourn_session_delete_subject(s, "carl", NULL), 3);
}

/* ---- as nobody ---- */

/* No page can be had for a thread's part of a handle. */
static void have_no_pages(bool none)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = none ? 0 : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

#define as_nobody(expected, call)                \
	do {                                     \
		int got;                         \
                                                 \
		have_no_pages(true);             \
		got = call;                      \
		have_no_pages(false);            \
		assert_int_equal(got, expected); \
	} while (0)

static int refuse(void *arg, const struct sojourn_info *info, const void *data,
		  size_t data_bytes)
{
	(void)arg;
	(void)info;
	(void)data;
	(void)data_bytes;
	return 1;
}

static int invalid(void *arg, const void *data, size_t bytes, char *why,
		   size_t why_bytes)
{
	(void)arg;
	(void)data;
	(void)bytes;
	(void)why;
	(void)why_bytes;
	return 1;
}

static struct sojourn *other; /* the same, and this thread is nobody there */
static char home_id[SOJOURN_ID_CHARS_MAX + 1];

static void begin_as_nobody(void)
{
	const struct sojourn_attach_options o = {.key_file = key_file};
	const struct sojourn_hooks hooks = {
		.hit = hear, .missed = hear, .mismatched = hear};
	const struct sojourn_new n = {.subject = "anna",
				      .data = "data",
				      .data_bytes = 4,
				      .metadata = {.ip = "192.0.2.1"}};

	assert_int_equal(sojourn_attach(name, &o, &other), 0);
	assert_int_equal(sojourn_hooks_set(other, &hooks, NULL), 0);
	assert_int_equal(sojourn_session_create(s, &n, home_id, NULL), 0);
	heard = 0;
}

/* A thread that has no memory for its part of a handle reads all the same; but
 * nothing that would have to be written is said to have been. */
static void nobody_reads(void **state)
{
	static const struct sojourn_metadata abroad = {.ip = "192.0.2.2"};
	const struct sojourn_read away = {.client = &abroad},
				  vetoed = {.veto = refuse},
				  of_bert = {.subject = "bert"};
	const struct sojourn_value v = {.data = "v", .data_bytes = 1};
	char old[SOJOURN_ID_CHARS_MAX + 1], data[8];
	struct sojourn_info info;
	size_t bytes = sizeof(data);

	(void)state;
	begin_as_nobody();
	as_nobody(0, sojourn_session_read(other, home_id, NULL, data, &bytes,
					  NULL));
	assert_int_equal(bytes, 4);
	assert_memory_equal(data, "data", 4);
	as_nobody(0, sojourn_session_read(other, home_id, NULL, NULL, NULL,
					  &info));
	assert_string_equal(info.subject, "anna");
	as_nobody(-EPERM, sojourn_session_read(other, home_id, &vetoed, NULL,
					       NULL, NULL));
	/* It was to be ended, and could not be. */
	as_nobody(-ENOMEM, sojourn_session_read(other, home_id, &away, NULL,
						NULL, NULL));
	assert_int_equal(
		sojourn_session_read(s, home_id, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(sojourn_put(s, &item, &v, NULL), 0);
	bytes = sizeof(data);
	as_nobody(0, sojourn_get(other, &item, NULL, data, &bytes, NULL));
	as_nobody(-ENOENT,
		  sojourn_get(other, &item, &of_bert, data, &bytes, NULL));
	assert_int_equal(
		sojourn_validator_set(other, item.collection, invalid, NULL),
		0);
	bytes = sizeof(data);
	as_nobody(-EILSEQ, sojourn_get(other, &item, NULL, data, &bytes, NULL));
	/* An old id tells the new one, after the grace window as well. */
	strcpy(old, home_id);
	assert_int_equal(sojourn_session_renew(s, old, &info), 0);
	strcpy(home_id, info.new_id);
	assert_int_equal(sojourn_clock_advance(s, 5000), 0);
	as_nobody(-ENOENT,
		  sojourn_session_read(other, old, NULL, NULL, NULL, &info));
	assert_string_equal(info.new_id, home_id);
	/* And not when the login has ended. */
	assert_int_equal(sojourn_session_renew(s, home_id, &info), 0);
	assert_int_equal(sojourn_session_delete(s, info.new_id), 1);
	as_nobody(-ENOENT,
		  sojourn_session_read(other, home_id, NULL, NULL, NULL, NULL));
	assert_int_equal(sojourn_reason(), SOJOURN_DELETED);
	assert_int_equal(heard, 0);
	sojourn_detach(other);
}

static int look(void *arg, const void *data, size_t bytes, uint64_t version)
{
	(void)arg;
	(void)data;
	(void)bytes;
	(void)version;
	return 0;
}

static void nobody_writes(void **state)
{
	struct sojourn_info info;
	uint64_t fence;

	(void)state;
	begin_as_nobody();
	assert_int_equal(
		sojourn_session_read(s, home_id, NULL, NULL, NULL, &info), 0);
	as_nobody(-ENOMEM,
		  sojourn_session_update(other, home_id, "x", 1, 0, NULL));
	as_nobody(-ENOMEM, sojourn_session_lock(other, home_id, 0, 0, &fence));
	as_nobody(-ENOMEM, sojourn_session_unlock(other, home_id, 1));
	as_nobody(-ENOMEM,
		  sojourn_session_view(other, home_id, NULL, look, NULL));
	as_nobody(-ENOMEM, sojourn_session_renew(other, home_id, &info));
	as_nobody(-ENOMEM, sojourn_session_delete(other, home_id));
	as_nobody(-ENOMEM, sojourn_session_delete_handle(other, info.handle));
	as_nobody(-ENOMEM, sojourn_session_delete_subject(other, "anna", NULL));
	as_nobody(-ENOMEM,
		  sojourn_session_list_subject(other, "anna", NULL, see, NULL));
	as_nobody(-ENOMEM, sojourn_clear(other, &some));
	as_nobody(-ENOMEM, sojourn_prune(other));
	/* It is nobody for want of memory only. */
	assert_int_equal(sojourn_session_delete(other, home_id), 1);
	sojourn_detach(other);
}

static int end(void **state)
{
	(void)state;
	sojourn_detach(s);
	return unlink(key_file) | sojourn_destroy(name);
}

int main(void)
{
	const struct CMUnitTest with_pages[] = {
		cmocka_unit_test(setting_up),
		cmocka_unit_test(calls),
		cmocka_unit_test(page_after_an_error),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setting_up),
		cmocka_unit_test(calls),
		cmocka_unit_test(page_after_an_error),
		cmocka_unit_test(nobody_reads),
		cmocka_unit_test(nobody_writes),
	};
	char own_name[64], own_key[96];

	snprintf(own_name, sizeof(own_name), "test-scarce-%d", (int)getpid());
	snprintf(own_key, sizeof(own_key), "/tmp/%s.key", own_name);
	name = own_name;
	key_file = own_key;
	/* Without pages a sanitizer would end, too. */
	return SANITIZED ? cmocka_run_group_tests(with_pages, NULL, end)
			 : cmocka_run_group_tests(tests, NULL, end);
}
