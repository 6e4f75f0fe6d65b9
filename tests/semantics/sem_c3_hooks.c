/* SPDX-License-Identifier: MIT */

/* C3: hooks tell a process what it did itself. */

#include <errno.h>
#include <pthread.h>
#include <sojourn/collection.h>
#include <sojourn/event.h>
#include <sojourn/lock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_sem.h"

#define LOG_MAX 64u

struct heard {
	struct sojourn_hook_call call[LOG_MAX];
	unsigned count;
};

static void hear(void *arg, struct sojourn *s,
		 const struct sojourn_hook_call *call)
{
	struct heard *h = arg;

	(void)s;
	h->call[h->count++ % LOG_MAX] = *call;
}

static struct sojourn_hooks all(sojourn_hook_fn fn)
{
	return (struct sojourn_hooks){fn, fn, fn, fn, fn, fn, fn, fn,
				      fn, fn, fn, fn, fn, fn, fn};
}

/* The calls since the last look: names, with a blank between. */
static void expect(struct heard *h, const char *names)
{
	char text[512] = "";

	for (unsigned i = 0; i < h->count; i++) {
		strcat(text, i ? " " : "");
		strcat(text, h->call[i].name);
	}
	h->count = 0;
	assert_string_equal(text, names);
}

static void c3_hooks_tell_each_thing_done(void **state)
{
	const struct sojourn_hooks hooks = all(hear);
	const struct sojourn_new bert = {.subject = "bert",
					 .idle_timeout_ms = 1000};
	const struct sojourn_new carl = {.subject = "carl", .ttl_ms = 1000};
	char id[SOJOURN_ID_CHARS_MAX + 1], old[SOJOURN_ID_CHARS_MAX + 1];
	struct heard h = {.count = 0};
	struct sojourn *s = sem_make(NULL);
	struct sojourn_info info;

	(void)state;
	assert_int_equal(sojourn_hooks_set(s, &hooks, &h), 0);
	sem_login(s, "anna", "x", id);
	expect(&h, "created");
	assert_int_equal(sem_read(s, id, &info), 0);
	assert_string_equal(h.call[0].handle, info.handle);
	expect(&h, "hit");
	sem_advance(s, 2000);
	assert_int_equal(sem_read(s, id, &info), 0);
	expect(&h, "touched hit");
	assert_int_equal(sojourn_session_update(s, id, "y", 1, 0, NULL), 0);
	expect(&h, "updated");
	strcpy(old, id);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	strcpy(id, info.new_id);
	expect(&h, "hit renewed");
	assert_int_equal(sojourn_session_renew(s, old, &info), 0);
	assert_int_equal(h.call[1].renewal, SOJOURN_RENEWAL_DONE);
	expect(&h, "hit renewal_lost");
	assert_int_equal(sojourn_session_delete(s, id), 1);
	assert_int_equal(h.call[0].ended, SOJOURN_END_DELETED);
	expect(&h, "deleted");
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
	assert_int_equal(h.call[0].reason, SOJOURN_NOT_FOUND);
	expect(&h, "missed");
	assert_int_equal(sojourn_session_create(s, &bert, id, NULL), 0);
	sem_advance(s, 1000);
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
	assert_int_equal(h.call[1].ended, SOJOURN_END_IDLE);
	assert_int_equal(h.call[2].reason, SOJOURN_IDLE);
	expect(&h, "created expired missed");
	assert_int_equal(sojourn_session_create(s, &carl, id, NULL), 0);
	sem_advance(s, 1000);
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
	assert_int_equal(h.call[1].ended, SOJOURN_END_EXPIRED);
	expect(&h, "created expired missed");
	sem_login(s, "anna", "x", id);
	sem_login(s, "anna", "x", id);
	assert_int_equal(sojourn_session_delete_subject(s, "anna", id), 1);
	assert_int_equal(sojourn_session_delete_subject(s, "anna", NULL), 1);
	expect(&h, "created created deleted deleted");
	assert_int_equal(sojourn_hooks_set(s, NULL, NULL), 0);
	sem_login(s, "anna", "x", id);
	expect(&h, "");
	sojourn_detach(s);
}

static void c3_hooks_tell_whom_memory_ended(void **state)
{
	const struct sojourn_hooks hooks = {.evicted = hear, .over_cap = hear};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct heard h = {.count = 0};
	struct sojourn_options o;
	struct sojourn *s;
	const struct sojourn_new n = {.subject = "anna"};

	(void)state;
	sem_options(&o);
	o.entries_max = 20;
	o.when_full = SOJOURN_WHEN_FULL_EVICT;
	s = sem_make(&o);
	assert_int_equal(sojourn_hooks_set(s, &hooks, &h), 0);
	for (unsigned i = 0; i < 30; i++)
		sem_login(s, "anna", "x", id);
	assert_true(h.count >= 10);
	assert_int_equal(h.count, sem_counter(s, "evictions"));
	assert_string_equal(h.call[0].name, "evicted");
	sojourn_detach(s);
	o.when_full = SOJOURN_WHEN_FULL_REJECT;
	o.per_subject_max = 1;
	s = sem_make(&o);
	h.count = 0;
	assert_int_equal(sojourn_hooks_set(s, &hooks, &h), 0);
	sem_login(s, "anna", "x", id);
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), -EUSERS);
	assert_int_equal(sojourn_reason(), SOJOURN_OVER_CAP);
	assert_int_equal(h.call[0].detail, 1);
	expect(&h, "over_cap");
	sojourn_detach(s);
}

static int look(void *arg, const void *data, size_t bytes, uint64_t version)
{
	(void)arg;
	(void)data;
	(void)bytes;
	(void)version;
	return 0;
}

static int compute(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)capacity;
	memcpy(data, "x", 1);
	*bytes = 1;
	return *(int *)arg;
}

/* Whatever a call returns, it has told before. */
static void c3_hooks_are_called_by_calls_that_fail(void **state)
{
	const struct sojourn_value one = {
		.data = "x", .data_bytes = 1, .ttl_ms = 1000};
	const struct sojourn_hooks hooks = all(hear);
	const struct sojourn_new n = {.subject = "anna", .ttl_ms = 1000};
	int answer = -EIO;
	const struct sojourn_flight flight = {.compute = compute,
					      .arg = &answer};
	struct sojourn_item item = {.key = "key", .key_bytes = 3};
	char id[SOJOURN_ID_CHARS_MAX + 1], buf[8];
	struct heard h = {.count = 0};
	size_t bytes = sizeof(buf);
	struct sojourn_options o;
	struct sojourn *s;
	uint64_t fence;

	(void)state;
	sem_options(&o);
	s = sem_make_carts(&o, &item.collection);
	assert_int_equal(sojourn_hooks_set(s, &hooks, &h), 0);
	/* An item whose time is over. */
	assert_int_equal(sojourn_put(s, &item, &one, NULL), 0);
	sem_advance(s, 1000);
	assert_int_equal(sojourn_touch(s, &item), -ENOENT);
	expect(&h, "created expired");
	assert_int_equal(sojourn_put(s, &item, &one, NULL), 0);
	sem_advance(s, 1000);
	assert_int_equal(sojourn_remove(s, &item, 0), 0);
	expect(&h, "created expired");
	assert_int_equal(sojourn_put(s, &item, &one, NULL), 0);
	sem_advance(s, 1000);
	assert_int_equal(sojourn_remove(s, &item, 7), 0);
	expect(&h, "created expired");
	assert_int_equal(sojourn_put(s, &item, &one, NULL), 0);
	sem_advance(s, 1000);
	assert_int_equal(sojourn_view(s, &item, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(sojourn_has(s, &item), 0);
	expect(&h, "created");
	assert_int_equal(sojourn_view(s, &item, NULL, look, NULL), -ENOENT);
	expect(&h, "expired missed");
	assert_int_equal(sojourn_put(s, &item, &one, NULL), 0);
	assert_int_equal(sojourn_view(s, &item, NULL, look, NULL), 0);
	expect(&h, "created hit");
	assert_int_equal(sojourn_remove(s, &item, 0), 1);
	expect(&h, "deleted");
	/* A value that is not computed, and one that is. */
	assert_int_equal(
		sojourn_get_or_create(s, &item, &flight, buf, &bytes, NULL),
		-EIO);
	expect(&h, "missed created missed"); /* of "flight" */
	answer = 0;
	bytes = sizeof(buf);
	assert_int_equal(
		sojourn_get_or_create(s, &item, &flight, buf, &bytes, NULL), 0);
	expect(&h, "missed missed created deleted");
	/* A login. */
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	sem_advance(s, 1000);
	assert_int_equal(sojourn_session_lock(s, id, 0, 0, &fence), -ENOENT);
	expect(&h, "created expired");
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	assert_int_equal(sojourn_session_lock(s, id, 0, 0, &fence), 0);
	sem_advance(s, 1000);
	assert_int_equal(sojourn_session_unlock(s, id, fence + 1), -ESTALE);
	expect(&h, "created expired");
	sojourn_detach(s);
}

/* ---- hooks that call the library ---- */

struct nest {
	unsigned depth, deepest, calls;
};

static void log_in_again(void *arg, struct sojourn *s,
			 const struct sojourn_hook_call *call)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct nest *n = arg;

	(void)call;
	n->calls++;
	n->depth++;
	if (n->depth > n->deepest)
		n->deepest = n->depth;
	if (n->calls < 100)
		sem_login(s, "anna", "x", id);
	(void)!sojourn_session_read(s, "none", NULL, NULL, NULL, NULL);
	n->depth--;
}

static void c3_hooks_may_call_the_library(void **state)
{
	const struct sojourn_hooks hooks = {.created = log_in_again};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s = sem_make(NULL);
	struct nest n = {.depth = 0};

	(void)state;
	assert_int_equal(sojourn_hooks_set(s, &hooks, &n), 0);
	sem_login(s, "anna", "x", id);
	assert_int_equal(n.deepest, 8);
	assert_int_equal(n.calls, 8);
	assert_int_equal(sem_count(s, "anna"), 9);
	/* What the call said is what its caller hears. */
	sem_login(s, "anna", "x", id);
	assert_int_equal(sojourn_reason(), SOJOURN_OK);
	assert_string_equal(sojourn_error_text(), "");
	sojourn_detach(s);
}

static void delete_them(void *arg, struct sojourn *s,
			const struct sojourn_hook_call *call)
{
	*(int *)arg += sojourn_session_delete_handle(s, call->handle);
}

static void c3_hooks_have_handles(void **state)
{
	const struct sojourn_hooks hooks = {.hit = delete_them};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s = sem_make(NULL);
	int deleted = 0;

	(void)state;
	sem_login(s, "anna", "x", id);
	assert_int_equal(sojourn_hooks_set(s, &hooks, &deleted), 0);
	assert_int_equal(sem_read(s, id, NULL), 0);
	assert_int_equal(deleted, 1);
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
	sojourn_detach(s);
}

/* The child goes on as a process of its own. */
static void fork_here(void *arg, struct sojourn *s,
		      const struct sojourn_hook_call *call)
{
	int *in_child = arg;

	(void)s;
	(void)call;
	if (*in_child == 0 && fork() == 0)
		*in_child = 1;
}

static void c3_hooks_may_fork(void **state)
{
	const struct sojourn_hooks hooks = {.hit = fork_here};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s = sem_make(NULL);
	int in_child = 0, status;

	(void)state;
	sem_login(s, "anna", "x", id);
	assert_int_equal(sojourn_hooks_set(s, &hooks, &in_child), 0);
	status = sem_read(s, id, NULL);
	if (in_child) {
		char mine[SOJOURN_ID_CHARS_MAX + 1];
		const struct sojourn_new n = {.subject = "child"};

		if (status != 0 || sem_read(s, id, NULL) != 0 ||
		    sojourn_session_create(s, &n, mine, NULL) != 0 ||
		    sojourn_session_delete(s, id) != 1)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(status, 0);
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
	assert_int_equal(sem_count(s, "child"), 1);
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
	sojourn_detach(s);
}

/* ---- tables replaced under readers' feet ---- */

struct table {
	_Atomic(uint32_t) calls;
	uint64_t magic;
};

static void count(void *arg, struct sojourn *s,
		  const struct sojourn_hook_call *call)
{
	struct table *t = arg;

	(void)s;
	(void)call;
	/* Function and argument are of one table. */
	if (t->magic != 0x600d)
		abort();
	t->calls++;
}

static void count_other(void *arg, struct sojourn *s,
			const struct sojourn_hook_call *call)
{
	struct table *t = arg;

	(void)s;
	(void)call;
	if (t->magic != 0xbad)
		abort();
	t->calls++;
}

struct reader {
	struct sojourn *s;
	const char *id;
};

static void *read_on(void *arg)
{
	const struct reader *r = arg;

	for (unsigned i = 0; i < 20000; i++)
		if (sem_read(r->s, r->id, NULL) != 0)
			return arg;
	return NULL;
}

static void c3_hooks_are_replaced_while_called(void **state)
{
	const struct sojourn_hooks one = {.hit = count};
	const struct sojourn_hooks other = {.hit = count_other};
	struct table t[2] = {{.magic = 0x600d}, {.magic = 0xbad}};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s = sem_make(NULL);
	struct reader r = {.s = s, .id = id};
	pthread_t thread[2];
	void *failed;

	(void)state;
	sem_login(s, "anna", "x", id);
	assert_int_equal(sojourn_hooks_set(s, &one, &t[0]), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, read_on, &r),
				 0);
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(sojourn_hooks_set(s, i % 2 ? &one : &other,
						   &t[(i + 1) % 2]),
				 0);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(t[0].calls + t[1].calls, 40000);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c3_hooks_tell_each_thing_done),
		cmocka_unit_test(c3_hooks_tell_whom_memory_ended),
		cmocka_unit_test(c3_hooks_are_called_by_calls_that_fail),
		cmocka_unit_test(c3_hooks_may_call_the_library),
		cmocka_unit_test(c3_hooks_have_handles),
		cmocka_unit_test(c3_hooks_may_fork),
		cmocka_unit_test(c3_hooks_are_replaced_while_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
