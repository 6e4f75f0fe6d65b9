/* SPDX-License-Identifier: MIT */

/* Sessions in one process, on a manual clock: what the public calls promise. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sojourn/sojourn.h>

#include "lib/counter.h"

static struct sojourn *open_with(void (*adjust)(struct sojourn_options *))
{
	struct sojourn_options o;
	struct sojourn *s;

	sojourn_options_init(&o);
	o.entries_max = 1000;
	o.segment_bytes = 16 << 20;
	o.threads_max = 64;
	o.helper = SOJOURN_HELPER_NONE;
	o.manual_clock = true;
	o.ttl_ms = 100000;
	o.idle_timeout_ms = 20000;
	o.renewal_ms = 0;
	if (adjust)
		adjust(&o);
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	return s;
}

static void login(struct sojourn *s, const char *subject, const char *data,
		  char *id)
{
	struct sojourn_new n = {
		.subject = subject, .data = data, .data_bytes = strlen(data)};

	n.metadata.ip = "192.0.2.1";
	n.metadata.device_name = "phone";
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
}

static void pass(struct sojourn *s, uint64_t ms)
{
	assert_int_equal(sojourn_clock_advance(s, ms), 0);
}

static int reads(struct sojourn *s, const char *id)
{
	return sojourn_session_read(s, id, NULL, NULL, NULL, NULL);
}

static void creates_and_reads(void **state)
{
	struct sojourn *s = open_with(NULL);
	struct sojourn_read how = {.subject = "alice"};
	struct sojourn_info info;
	char id[SOJOURN_ID_CHARS_MAX + 1], data[64];
	size_t bytes = sizeof(data);

	(void)state;
	login(s, "alice", "hello", id);
	assert_int_equal(strlen(id), 32);
	assert_int_equal(sojourn_session_read(s, id, &how, data, &bytes, &info),
			 0);
	assert_int_equal(bytes, 5);
	assert_memory_equal(data, "hello", 5);
	assert_string_equal(info.subject, "alice");
	assert_string_equal(info.metadata.ip, "192.0.2.1");
	assert_string_equal(info.metadata.device_name, "phone");
	assert_null(info.metadata.location);
	assert_int_equal(info.version, 1);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_NONE);
	how.subject = "bob";
	assert_int_equal(sojourn_session_read(s, id, &how, NULL, NULL, NULL),
			 -ENOENT);
	assert_int_equal(sojourn_reason(), SOJOURN_NOT_FOUND);
	id[3] ^= 1;
	assert_int_equal(reads(s, id), -ENOENT);
	assert_int_equal(reads(s, ""), -ENOENT);
	assert_int_equal(reads(s, "../../etc/passwd"), -ENOENT);
	sojourn_detach(s);
}

static void values_of_all_sizes(void **state)
{
	struct sojourn *s = open_with(NULL);
	uint8_t *in = malloc(SOJOURN_DATA_BYTES_MAX + 1);
	uint8_t *out = malloc(SOJOURN_DATA_BYTES_MAX);
	const size_t sizes[] = {0,      1,      7,       8,      63,   64,
				65,     255,    256,     1000,   4096, 65536,
				100000, 500000, 1048575, 1048576};
	char id[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < SOJOURN_DATA_BYTES_MAX; i++)
		in[i] = (uint8_t)(i * 31 + (i >> 8));
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		struct sojourn_new n = {
			.subject = "s", .data = in, .data_bytes = sizes[k]};
		size_t bytes = SOJOURN_DATA_BYTES_MAX;

		assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
		assert_int_equal(
			sojourn_session_read(s, id, NULL, out, &bytes, NULL),
			0);
		assert_int_equal(bytes, sizes[k]);
		assert_memory_equal(in, out, bytes);
		if (sizes[k] > 0) {
			bytes = sizes[k] - 1;
			assert_int_equal(sojourn_session_read(s, id, NULL, out,
							      &bytes, NULL),
					 -ENOBUFS);
			assert_int_equal(bytes, sizes[k]);
		}
		assert_int_equal(sojourn_session_update(s, id, in, k, 0, NULL),
				 0);
		assert_int_equal(sojourn_session_delete(s, id), 1);
	}
	{
		struct sojourn_new n = {.subject = "s",
					.data = in,
					.data_bytes =
						SOJOURN_DATA_BYTES_MAX + 1};

		assert_int_equal(sojourn_session_create(s, &n, id, NULL),
				 -EMSGSIZE);
	}
	free(in);
	free(out);
	sojourn_detach(s);
}

static void expires_to_the_millisecond(void **state)
{
	struct sojourn *s = open_with(NULL);
	char id[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	login(s, "a", "", id);
	for (int i = 0; i < 9; i++) {
		pass(s, 10000);
		assert_int_equal(reads(s, id), 0);
	}
	pass(s, 9999);
	assert_int_equal(reads(s, id), 0);
	pass(s, 1);
	assert_int_equal(reads(s, id), -ENOENT);
	assert_int_equal(sojourn_reason(), SOJOURN_EXPIRED);
	assert_int_equal(reads(s, id), -ENOENT);
	assert_int_equal(counter_of(s, "expirations"), 1);
	sojourn_detach(s);
}

static void idles_out(void **state)
{
	struct sojourn *s = open_with(NULL);
	struct sojourn_read quiet = {.no_touch = true};
	char id[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	login(s, "a", "", id);
	pass(s, 19999);
	assert_int_equal(reads(s, id), 0); /* touches */
	pass(s, 19999);
	assert_int_equal(sojourn_session_read(s, id, &quiet, NULL, NULL, NULL),
			 0);
	pass(s, 1);
	assert_int_equal(reads(s, id), -ENOENT);
	assert_int_equal(sojourn_reason(), SOJOURN_IDLE);
	assert_int_equal(sojourn_session_touch(s, id), -ENOENT);
	assert_int_equal(sojourn_session_update(s, id, "x", 1, 0, NULL),
			 -ENOENT);
	sojourn_detach(s);
}

static int add_one(void *arg, void *data, size_t *bytes, size_t capacity)
{
	uint64_t *n = data;

	assert_int_equal(capacity, 8);
	*n = *bytes == 8 ? *n + 1 : 1;
	*bytes = 8;
	return arg ? -EPERM : 0;
}

static void updates_by_version(void **state)
{
	struct sojourn *s = open_with(NULL);
	char id[SOJOURN_ID_CHARS_MAX + 1];
	uint64_t version, n = 0;
	size_t bytes = sizeof(n);

	(void)state;
	login(s, "a", "", id);
	assert_int_equal(sojourn_session_update(s, id, "x", 1, 1, &version), 0);
	assert_int_equal(version, 2);
	assert_int_equal(sojourn_session_update(s, id, "y", 1, 1, &version),
			 -ESTALE);
	assert_int_equal(version, 2);
	for (int i = 0; i < 100; i++)
		assert_int_equal(sojourn_session_modify(s, id, 8, add_one, NULL,
							&version),
				 0);
	assert_int_equal(sojourn_session_modify(s, id, 8, add_one, &n, NULL),
			 -EPERM);
	assert_int_equal(version, 102);
	assert_int_equal(sojourn_session_read(s, id, NULL, &n, &bytes, NULL),
			 0);
	assert_int_equal(n, 100);
	sojourn_detach(s);
}

static void short_renewal(struct sojourn_options *o)
{
	o->renewal_ms = 10000;
	o->grace_window_ms = 3000;
	o->max_lifetime_ms = 150000;
}

static void renews_once(void **state)
{
	struct sojourn *s = open_with(short_renewal);
	char id[SOJOURN_ID_CHARS_MAX + 1], data[8];
	struct sojourn_info info, again;
	size_t bytes = sizeof(data);

	(void)state;
	login(s, "a", "data", id);
	pass(s, 9999);
	assert_int_equal(sojourn_session_read(s, id, NULL, NULL, NULL, &info),
			 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_NONE);
	pass(s, 1);
	assert_int_equal(sojourn_session_read(s, id, NULL, NULL, NULL, &info),
			 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	assert_string_not_equal(info.new_id, id);
	pass(s, 2999);
	assert_int_equal(sojourn_session_read(s, id, NULL, NULL, NULL, &again),
			 0);
	assert_int_equal(again.renewal, SOJOURN_RENEWAL_DONE);
	assert_string_equal(again.new_id, info.new_id);
	assert_true(again.renewed);
	/* A write with the old id goes to the successor. */
	assert_int_equal(sojourn_session_update(s, id, "new", 3, 0, NULL), 0);
	assert_int_equal(sojourn_session_read(s, info.new_id, NULL, data,
					      &bytes, &again),
			 0);
	assert_int_equal(bytes, 3);
	assert_int_equal(again.renewals, 1);
	pass(s, 1);
	assert_int_equal(reads(s, id), -ENOENT);
	assert_int_equal(sojourn_reason(), SOJOURN_RENEWED);
	assert_int_equal(reads(s, info.new_id), 0);
	assert_int_equal(counter_of(s, "renewals_won"), 1);
	sojourn_detach(s);
}

static void max_lifetime_stands(void **state)
{
	struct sojourn *s = open_with(short_renewal);
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;

	(void)state;
	login(s, "a", "", id);
	for (int i = 0; i < 14; i++) {
		pass(s, 10000);
		assert_int_equal(
			sojourn_session_read(s, id, NULL, NULL, NULL, &info),
			0);
		assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
		memcpy(id, info.new_id, sizeof(id));
	}
	pass(s, 9999);
	assert_int_equal(
		sojourn_session_read(s, id,
				     &(struct sojourn_read){.no_renew = true},
				     NULL, NULL, NULL),
		0);
	pass(s, 1);
	assert_int_equal(reads(s, id), -ENOENT);
	assert_int_equal(sojourn_reason(), SOJOURN_EXPIRED);
	sojourn_detach(s);
}

static void logout_takes_the_successor(void **state)
{
	struct sojourn *s = open_with(short_renewal);
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;

	(void)state;
	login(s, "a", "", id);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	assert_int_equal(sojourn_session_delete(s, id), 1);
	assert_int_equal(reads(s, info.new_id), -ENOENT);
	assert_int_equal(reads(s, id), -ENOENT);
	assert_int_equal(sojourn_session_delete(s, id), 0);
	sojourn_detach(s);
}

/* The old id must not outlive a logout that was made with the new one. */
static void logout_takes_the_old_id(void **state)
{
	struct sojourn *s = open_with(short_renewal);
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info, second;

	(void)state;
	login(s, "a", "", id);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(sojourn_session_renew(s, info.new_id, &second), 0);
	assert_int_equal(reads(s, id), 0);
	assert_int_equal(sojourn_session_delete(s, second.new_id), 1);
	assert_int_equal(reads(s, id), -ENOENT);
	assert_int_equal(sojourn_reason(), SOJOURN_DELETED);
	assert_int_equal(reads(s, info.new_id), -ENOENT);
	assert_int_equal(sojourn_session_update(s, id, "x", 1, 0, NULL),
			 -ENOENT);
	sojourn_detach(s);
}

static void refuses_options(void **state)
{
	const struct {
		const char *word; /* in the text */
		uint64_t ttl, idle, renewal, grace, life, bytes;
		const char *name;
	} bad[] = {
		{"ttl_ms", 0, 0, 0, 0, 0, 1 << 24, "x"},
		{"idle_timeout_ms", 9, 9, 0, 0, 0, 1 << 24, "x"},
		{"renewal_ms", 9, 1, 9, 0, 0, 1 << 24, "x"},
		{"grace_window_ms", 9, 1, 1, 9, 0, 1 << 24, "x"},
		{"max_lifetime_ms", 9, 1, 1, 1, 8, 1 << 24, "x"},
		{"at least", 9, 1, 1, 1, 9, 1 << 16, "x"},
		{"at most", 9, 1, 1, 1, 9, UINT64_C(1) << 36, "x"},
		{"segment name", 9, 1, 1, 1, 9, 1 << 24, "a b"},
		{"segment name", 9, 1, 1, 1, 9, 1 << 24, "../x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sojourn_options o;
		struct sojourn *s;

		sojourn_options_init(&o);
		o.helper = SOJOURN_HELPER_NONE;
		o.key_file = "/nowhere/at/all";
		o.entries_max = 1000;
		o.ttl_ms = bad[i].ttl;
		o.idle_timeout_ms = bad[i].idle;
		o.renewal_ms = bad[i].renewal;
		o.grace_window_ms = bad[i].grace;
		o.max_lifetime_ms = bad[i].life;
		o.segment_bytes = bad[i].bytes;
		assert_int_equal(sojourn_create(strstr(bad[i].word, "at ")
							? NULL
							: bad[i].name,
						&o, &s),
				 -EINVAL);
		assert_null(s);
		if (strstr(sojourn_error_text(), bad[i].word) == NULL)
			fail_msg("%s: %s", bad[i].word, sojourn_error_text());
	}
}

struct listing {
	int count, current;
	char handle[SOJOURN_HANDLE_CHARS + 1];
};

static int note(void *arg, const struct sojourn_info *info)
{
	struct listing *l = arg;

	l->count++;
	l->current += info->current;
	if (!info->current)
		memcpy(l->handle, info->handle, sizeof(l->handle));
	return 0;
}

static void lists_and_ends_all(void **state)
{
	struct sojourn *s = open_with(NULL);
	char id[5][SOJOURN_ID_CHARS_MAX + 1], other[SOJOURN_ID_CHARS_MAX + 1];
	struct listing l = {0};

	(void)state;
	for (int i = 0; i < 5; i++)
		login(s, "alice", "", id[i]);
	login(s, "bob", "", other);
	assert_int_equal(
		sojourn_session_list_subject(s, "alice", id[2], note, &l), 5);
	assert_int_equal(l.current, 1);
	assert_int_equal(sojourn_session_delete_handle(s, l.handle), 1);
	assert_int_equal(sojourn_session_delete_handle(s, l.handle), 0);
	assert_int_equal(sojourn_session_delete_subject(s, "alice", other),
			 -ENOENT);
	assert_int_equal(sojourn_session_delete_subject(s, "alice", id[2]), 3);
	assert_int_equal(reads(s, id[2]), 0);
	assert_int_equal(sojourn_session_delete_subject(s, "alice", NULL), 1);
	assert_int_equal(reads(s, id[2]), -ENOENT);
	assert_int_equal(reads(s, other), 0);
	sojourn_detach(s);
}

static void evicting(struct sojourn_options *o)
{
	o->when_full = SOJOURN_WHEN_FULL_EVICT;
}

static void full_by_policy(void **state)
{
	struct sojourn *s = open_with(NULL);
	struct sojourn_new n = {.subject = "a"};
	char id[SOJOURN_ID_CHARS_MAX + 1], first[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	login(s, "first", "", first);
	for (int i = 1; i < 1000; i++)
		assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), -ENOSPC);
	assert_int_equal(sojourn_reason(), SOJOURN_FULL);
	assert_int_equal(reads(s, first), 0);
	assert_int_equal(sojourn_session_delete(s, first), 1);
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	/* What expired makes room, without a helper. */
	pass(s, 100000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), -ENOSPC);
	sojourn_detach(s);

	s = open_with(evicting);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	assert_int_equal(reads(s, id), 0);
	assert_true(counter_of(s, "evictions") >= 4000);
	sojourn_detach(s);
}

static void forked_child_works(void **state)
{
	struct sojourn *s = open_with(NULL);
	char id[SOJOURN_ID_CHARS_MAX + 1];
	int status;
	pid_t pid;

	(void)state;
	login(s, "a", "", id);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int bad = reads(s, id) != 0 ||
			  sojourn_session_update(s, id, "c", 1, 0, NULL) != 0;

		sojourn_detach(s);
		_exit(bad);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(sojourn_session_update(s, id, "p", 1, 2, NULL), 0);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_options),
		cmocka_unit_test(creates_and_reads),
		cmocka_unit_test(values_of_all_sizes),
		cmocka_unit_test(expires_to_the_millisecond),
		cmocka_unit_test(idles_out),
		cmocka_unit_test(updates_by_version),
		cmocka_unit_test(renews_once),
		cmocka_unit_test(max_lifetime_stands),
		cmocka_unit_test(logout_takes_the_successor),
		cmocka_unit_test(logout_takes_the_old_id),
		cmocka_unit_test(lists_and_ends_all),
		cmocka_unit_test(full_by_policy),
		cmocka_unit_test(forked_child_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
