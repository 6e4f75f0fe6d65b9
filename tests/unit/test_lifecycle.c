/* SPDX-License-Identifier: MIT */

/*
 * Ways of a session and of its users that once went wrong: eviction by one's
 * own update, threads and processes that come and go, lines of renewals that
 * are over.  What needs a thread to stand at a label is in crash_second.c.
 */

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sojourn/collection.h>
#include <sojourn/sojourn.h>

#include "lib/counter.h"
#include "session/handle.h"

#define ID_BYTES (SOJOURN_ID_CHARS_MAX + 1)

static const struct sojourn_read look_only = {.no_touch = true,
					      .no_renew = true};

static void usual(struct sojourn_options *o)
{
	sojourn_options_init(o);
	o->entries_max = 1000;
	o->segment_bytes = 16 << 20;
	o->threads_max = 16;
	o->helper = SOJOURN_HELPER_NONE;
	o->manual_clock = true;
}

static struct sojourn *open_with(const struct sojourn_options *o)
{
	struct sojourn *s;

	assert_int_equal(sojourn_create(NULL, o, &s), 0);
	return s;
}

static struct sojourn *open_usual(void)
{
	struct sojourn_options o;

	usual(&o);
	return open_with(&o);
}

static void login(struct sojourn *s, const char *subject, char id[ID_BYTES])
{
	struct sojourn_new n = {
		.subject = subject, .data = "\0\0\0", .data_bytes = 4};

	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
}

static void renew(struct sojourn *s, const char *id, char new_id[ID_BYTES])
{
	struct sojourn_info info;

	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	strcpy(new_id, info.new_id);
}

static void pass(struct sojourn *s, uint64_t ms)
{
	assert_int_equal(sojourn_clock_advance(s, ms), 0);
}

static int reads(struct sojourn *s, const char *id)
{
	return sojourn_session_read(s, id, NULL, NULL, NULL, NULL);
}

static int looks(struct sojourn *s, const char *id)
{
	return sojourn_session_read(s, id, &look_only, NULL, NULL, NULL);
}

/* Of a child that must have called _exit(). */
static int exit_code(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* ---- memory pressure ---- */

#define CROWD       2000u
#define VALUE_BYTES 8000u

static char crowd[CROWD][ID_BYTES];
static char value[VALUE_BYTES];

/* The first in the crowd that lives: nobody was used longer ago. */
static unsigned oldest(struct sojourn *s, unsigned from)
{
	while (looks(s, crowd[from]) != 0)
		assert_true(++from < CROWD);
	return from;
}

static uint64_t crowd_in(struct sojourn *s, unsigned which)
{
	struct sojourn_new n = {
		.subject = "x", .data = value, .data_bytes = VALUE_BYTES};

	pass(s, 2000);
	assert_int_equal(sojourn_session_create(s, &n, crowd[which], NULL), 0);
	return counter_of(s, "evictions");
}

/*
 * An update needs a second chunk, and in a full segment somebody has to go for
 * it: the one who was not used for longest, which is the one being updated.
 */
static void update_does_not_evict_itself(void **state)
{
	struct sojourn_options o;
	struct sojourn_info info;
	struct sojourn *s;
	unsigned made = 0, old = 0;

	(void)state;
	usual(&o);
	o.segment_bytes = 3 << 20;
	o.when_full = SOJOURN_WHEN_FULL_EVICT;
	o.ttl_ms = 24 * UINT64_C(3600000);
	s = open_with(&o);
	while (crowd_in(s, made++) == 0)
		assert_true(made < CROWD / 2);
	/* One eviction makes room for many: each of two is for an update. */
	for (unsigned i = 0; i < 600; i++) {
		old = oldest(s, old);
		assert_int_equal(sojourn_session_update(s, crowd[old], value,
							VALUE_BYTES, 0, NULL),
				 0);
		assert_int_equal(looks(s, crowd[old]), 0);
		crowd_in(s, made++);
	}
	/* Nor does a renewal take the session that it renews. */
	for (unsigned i = 0; i < 300; i++) {
		old = oldest(s, old);
		assert_int_equal(sojourn_session_renew(s, crowd[old], &info),
				 0);
		assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
		assert_int_equal(looks(s, info.new_id), 0);
		assert_int_equal(sojourn_session_delete(s, info.new_id), 1);
		crowd_in(s, made++);
		crowd_in(s, made++);
	}
	assert_true(counter_of(s, "evictions") > 300);
	sojourn_detach(s);
}

/* ---- threads ---- */

static struct sojourn *shared;
static char shared_id[ID_BYTES];

static void use_at_exit(void *arg)
{
	(void)arg;
	if (reads(shared, shared_id) != 0 ||
	    sojourn_session_touch(shared, shared_id) != 0)
		_exit(3);
}

static void *use_and_exit(void *arg)
{
	/* The second key's destructor is run after the library's own. */
	for (unsigned i = 0; i < 2; i++)
		if (pthread_setspecific(((pthread_key_t *)arg)[i], arg) != 0)
			_exit(4);
	if (sojourn_session_touch(shared, shared_id) != 0)
		_exit(5);
	return NULL;
}

/* Keys of the host before and after the library's: what they free may want
 * the session once more, when the library has let its pages go. */
static void destructor_calls_the_library(void **state)
{
	pthread_key_t keys[2];
	pthread_t t;
	pid_t pid;

	(void)state;
	assert_int_equal(pthread_key_create(&keys[0], use_at_exit), 0);
	shared = open_usual();
	login(shared, "anna", shared_id);
	assert_int_equal(pthread_key_create(&keys[1], use_at_exit), 0);
	pid = fork();
	if (pid == 0) {
		for (unsigned i = 0; i < 40; i++) {
			if (pthread_create(&t, NULL, use_and_exit, keys) != 0 ||
			    pthread_join(t, NULL) != 0)
				_exit(6);
			if (sojourn_session_touch(shared, shared_id) != 0)
				_exit(7);
		}
		_exit(0);
	}
	assert_int_equal(exit_code(pid), 0);
	sojourn_detach(shared);
	for (unsigned i = 0; i < 2; i++)
		pthread_key_delete(keys[i]);
}

static int end_the_thread(void *arg, const void *data, size_t bytes,
			  uint64_t version)
{
	(void)data;
	(void)bytes;
	(void)version;
	pthread_exit(arg);
}

static void *look_and_end(void *arg)
{
	return sojourn_view(shared, arg, NULL, end_the_thread, arg) < 0
		       ? NULL
		       : &shared;
}

/* The others go on, and nothing waits for its section. */
static void thread_ends_in_a_view(void **state)
{
	const struct sojourn_value v = {.data = "data", .data_bytes = 4};
	struct sojourn_item item = {.key = "key", .key_bytes = 3};
	struct sojourn_collection carts;
	struct sojourn_options o;
	pthread_t t;
	void *told;
	pid_t pid;

	(void)state;
	usual(&o);
	sojourn_collection_init(&carts, "carts");
	o.collections = &carts;
	o.collections_count = 1;
	assert_int_equal(sojourn_create(NULL, &o, &shared), 0);
	item.collection = (uint32_t)sojourn_collection_number(shared, "carts");
	assert_int_equal(sojourn_put(shared, &item, &v, NULL), 0);
	pid = fork();
	if (pid == 0)
		_exit(pthread_create(&t, NULL, look_and_end, &item) != 0 ||
		      pthread_join(t, &told) != 0 || told != &item);
	assert_int_equal(exit_code(pid), 0);
	for (uint32_t i = 0; i < shared->st.seg.lay.slots_max; i++)
		assert_false(
			soj_load_relaxed(&shared->st.seg.slots[i].section) &
			SOJ_SECTION_ACTIVE);
	assert_int_equal(sojourn_remove(shared, &item, 0), 1);
	sojourn_detach(shared);
}

/* A group that the caller is not of is no theft. */
static void refused_by_the_system(void **state)
{
	struct sojourn_options o;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct sojourn *s;

		usual(&o);
		o.group = "root";
		if (geteuid() == 0 &&
		    (setgroups(0, NULL) != 0 || setgid(65534) != 0 ||
		     setuid(65534) != 0))
			_exit(2);
		_exit(sojourn_create(NULL, &o, &s) == -EPERM &&
				      sojourn_reason() == SOJOURN_SYSTEM
			      ? 0
			      : 1);
	}
	assert_int_equal(exit_code(pid), 0);
}

/* Not -EAGAIN, which speaks of thread slots. */
static void no_thread_key_left(void **state)
{
	struct sojourn_options o;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct sojourn *s;
		pthread_key_t key;

		usual(&o);
		while (pthread_key_create(&key, NULL) == 0)
			;
		_exit(sojourn_create(NULL, &o, &s) == -ENOMEM ? 0 : 1);
	}
	assert_int_equal(exit_code(pid), 0);
}

/* ---- forks ---- */

struct forking {
	unsigned calls;
	bool writes;
	pid_t child;
};

static int increment_and_fork(void *arg, void *data, size_t *bytes,
			      size_t capacity)
{
	struct forking *f = arg;
	char id[ID_BYTES];
	int number;

	if (*bytes != sizeof(number) || capacity < *bytes)
		return -EINVAL;
	if (f->calls++ == 0) {
		f->child = fork();
		if (f->child > 0) {
			int status;

			if (waitpid(f->child, &status, 0) != f->child ||
			    status != 0)
				return -ECHILD;
		} else if (f->writes) {
			struct sojourn_new n = {.subject = "child"};

			if (sojourn_session_create(shared, &n, id, NULL) != 0)
				_exit(3);
		} else if (reads(shared, shared_id) != 0) {
			_exit(4);
		}
	}
	memcpy(&number, data, sizeof(number));
	number++;
	memcpy(data, &number, sizeof(number));
	return 0;
}

static int number_of(struct sojourn *s, const char *id)
{
	int number = -1;
	size_t bytes = sizeof(number);

	if (sojourn_session_read(s, id, NULL, &number, &bytes, NULL) != 0 ||
	    bytes != sizeof(number))
		return -1;
	return number;
}

/* What is left to do in the child. */
static int child_goes_on(int rc)
{
	struct forking again = {.calls = 1};
	char id[ID_BYTES];
	struct sojourn_new n = {.subject = "later"};

	if (rc != -ECANCELED || sojourn_reason() != SOJOURN_FORKED)
		return 10;
	if (number_of(shared, shared_id) != 0)
		return 11;
	if (sojourn_session_create(shared, &n, id, NULL) != 0 ||
	    reads(shared, id) != 0)
		return 12;
	if (sojourn_session_modify(shared, id, 8, increment_and_fork, &again,
				   NULL) != -EINVAL)
		return 13; /* it has no number */
	return sojourn_session_delete(shared, id) == 1 ? 0 : 14;
}

/*
 * A callback forks, and its child uses the library before it returns: it has
 * a slot of its own then, and the call that it came from was taken for its
 * own.  Both incremented.
 */
static void fork_in_a_callback(void **state)
{
	(void)state;
	for (unsigned writes = 0; writes < 2; writes++) {
		struct forking f = {.writes = writes};
		const pid_t me = getpid();
		uint64_t version = 0;
		int rc;

		shared = open_usual();
		login(shared, "anna", shared_id);
		rc = sojourn_session_modify(shared, shared_id, 8,
					    increment_and_fork, &f, &version);
		if (getpid() != me)
			_exit(child_goes_on(rc));
		assert_int_equal(rc, 0);
		assert_int_equal(f.calls, 1);
		assert_int_equal(version, 2);
		assert_int_equal(number_of(shared, shared_id), 1);
		sojourn_detach(shared);
	}
}

/* ---- lines that are over ---- */

static int count_listed(void *arg, const struct sojourn_info *info)
{
	*(unsigned *)arg += info->renewed ? 100 : 1;
	return 0;
}

static unsigned listed(struct sojourn *s, const char *subject)
{
	unsigned found = 0;

	assert_true(sojourn_session_list_subject(s, subject, NULL, count_listed,
						 &found) >= 0);
	return found;
}

/* Old ids in their grace window are listed as long as they lead somewhere. */
static void list_after_logout(void **state)
{
	struct sojourn *s = open_usual();
	char id[ID_BYTES], second[ID_BYTES], third[ID_BYTES], other[ID_BYTES];

	(void)state;
	login(s, "anna", id);
	login(s, "anna", other);
	renew(s, id, second);
	renew(s, second, third);
	assert_int_equal(listed(s, "anna"), 202);
	assert_int_equal(sojourn_session_delete(s, third), 1);
	assert_int_equal(listed(s, "anna"), 1);
	assert_int_equal(sojourn_session_delete_subject(s, "anna", NULL), 1);
	assert_int_equal(listed(s, "anna"), 0);
	sojourn_detach(s);
}

/* What ends by time is no login any more, however it is named. */
static void delete_what_is_over(void **state)
{
	struct sojourn *s = open_usual();
	struct sojourn_new n = {.subject = "anna", .ttl_ms = 3000};
	struct sojourn_info info;
	char id[ID_BYTES];

	(void)state;
	assert_int_equal(sojourn_session_create(s, &n, id, &info), 0);
	pass(s, 3000);
	assert_int_equal(sojourn_session_delete_handle(s, info.handle), 0);
	n.ttl_ms = 0;
	n.idle_timeout_ms = 2000;
	assert_int_equal(sojourn_session_create(s, &n, id, &info), 0);
	pass(s, 2000);
	assert_int_equal(sojourn_session_delete_handle(s, info.handle), 0);
	assert_int_equal(sojourn_session_create(s, &n, id, &info), 0);
	assert_int_equal(sojourn_session_delete_handle(s, info.handle), 1);
	sojourn_detach(s);
}

/* The idle timeout is shorter than the grace window, and who has the old id
 * uses it: that counts for the successor, and the old id answers. */
static void idle_shorter_than_grace(void **state)
{
	struct sojourn_options o;
	struct sojourn *s;
	char id[ID_BYTES], second[ID_BYTES];

	(void)state;
	usual(&o);
	o.idle_timeout_ms = 2000;
	o.grace_window_ms = 5000;
	s = open_with(&o);
	login(s, "anna", id);
	renew(s, id, second);
	for (unsigned t = 900; t < 5000; t += 900) {
		pass(s, 900);
		assert_int_equal(reads(s, id), 0);
	}
	assert_int_equal(looks(s, second), 0);
	pass(s, 500);
	assert_int_equal(reads(s, id), -ENOENT);
	assert_int_equal(sojourn_reason(), SOJOURN_RENEWED);
	assert_int_equal(reads(s, second), 0);
	/* And idle all the time, they end together. */
	renew(s, second, id);
	pass(s, 2000);
	assert_int_equal(reads(s, second), -ENOENT);
	assert_int_equal(sojourn_reason(), SOJOURN_IDLE);
	assert_int_equal(reads(s, id), -ENOENT);
	sojourn_detach(s);
}

#define LINE 300u

/* All of them are in their grace windows. */
static void long_line(void **state)
{
	struct sojourn_options o;
	struct sojourn *s;
	char id[ID_BYTES], tip[ID_BYTES];

	(void)state;
	usual(&o);
	o.grace_window_ms = 1500000;
	s = open_with(&o);
	login(s, "anna", id);
	strcpy(tip, id);
	for (unsigned i = 0; i < LINE; i++)
		renew(s, tip, tip);
	assert_int_equal(sojourn_session_update(s, id, "\7\0\0", 4, 0, NULL),
			 0);
	assert_int_equal(number_of(s, id), 7);
	assert_int_equal(number_of(s, tip), 7);
	assert_int_equal(listed(s, "anna"), LINE * 100 + 1);
	assert_int_equal(sojourn_session_delete_subject(s, "anna", NULL), 1);
	assert_int_equal(reads(s, id), -ENOENT);
	assert_int_equal(reads(s, tip), -ENOENT);
	assert_int_equal(sojourn_session_delete_subject(s, "anna", NULL), 0);
	sojourn_detach(s);
}

/* ---- arguments ---- */

/* It is copied before the subject is compared. */
static void refused_read_shows_nothing(void **state)
{
	struct sojourn *s = open_usual();
	const struct sojourn_read how = {.subject = "bert"};
	struct sojourn_new n = {.subject = "anna", .data_bytes = 200};
	char secret[200], buffer[256];
	size_t bytes = sizeof(buffer);
	char id[ID_BYTES], second[ID_BYTES];

	(void)state;
	memset(secret, 's', sizeof(secret));
	n.data = secret;
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		memset(buffer, 0, sizeof(buffer));
		bytes = sizeof(buffer);
		assert_int_equal(
			sojourn_session_read(s, id, &how, buffer, &bytes, NULL),
			-ENOENT);
		assert_null(memchr(buffer, 's', sizeof(buffer)));
		if (i == 0)
			renew(s, id, second);
	}
	/* Too small, and refused: what fits is not shown either. */
	memset(buffer, 0, sizeof(buffer));
	bytes = 100;
	assert_true(sojourn_session_read(s, second, &how, buffer, &bytes,
					 NULL) < 0);
	assert_null(memchr(buffer, 's', sizeof(buffer)));
	sojourn_detach(s);
}

static void renew_wants_info(void **state)
{
	struct sojourn *s = open_usual();
	char id[ID_BYTES];

	(void)state;
	login(s, "anna", id);
	assert_int_equal(sojourn_session_renew(s, id, NULL), -EINVAL);
	assert_int_equal(sojourn_reason(), SOJOURN_INVALID);
	assert_int_equal(listed(s, "anna"), 1);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(update_does_not_evict_itself),
		cmocka_unit_test(destructor_calls_the_library),
		cmocka_unit_test(thread_ends_in_a_view),
		cmocka_unit_test(refused_by_the_system),
		cmocka_unit_test(no_thread_key_left),
		cmocka_unit_test(fork_in_a_callback),
		cmocka_unit_test(list_after_logout),
		cmocka_unit_test(delete_what_is_over),
		cmocka_unit_test(idle_shorter_than_grace),
		cmocka_unit_test(long_line),
		cmocka_unit_test(refused_read_shows_nothing),
		cmocka_unit_test(renew_wants_info),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
