/* SPDX-License-Identifier: MIT */

/* Attaching by name: from unrelated processes, read-only, with the wrong key;
 * what several processes see of one another. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sojourn/collection.h>
#include <sojourn/sojourn.h>
#include <sojourn/stat.h>

#include "lib/counter.h"
#include "session/handle.h"

static char name[64], key_file[128], id[SOJOURN_ID_CHARS_MAX + 1];
static struct sojourn *s;

static int open_named(void **state)
{
	struct sojourn_options o;
	struct sojourn_new n = {
		.subject = "alice", .data = "data", .data_bytes = 4};

	(void)state;
	snprintf(name, sizeof(name), "test-attach-%d", (int)getpid());
	snprintf(key_file, sizeof(key_file), "/tmp/test-attach-%d.key",
		 (int)getpid());
	sojourn_options_init(&o);
	o.entries_max = 100;
	o.segment_bytes = 8 << 20;
	o.threads_max = 16;
	o.helper = SOJOURN_HELPER_NONE;
	o.key_file = key_file;
	o.manual_clock = true;
	o.ttl_ms = 1000;
	o.grace_window_ms = 100;
	assert_int_equal(sojourn_create(name, &o, &s), 0);
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	return 0;
}

static int close_named(void **state)
{
	(void)state;
	sojourn_detach(s);
	assert_int_equal(sojourn_destroy(name), 0);
	unlink(key_file);
	return 0;
}

static struct sojourn *attach(bool read_only)
{
	const struct sojourn_attach_options o = {.read_only = read_only,
						 .key_file = key_file};
	struct sojourn *other;

	return sojourn_attach(name, &o, &other) == 0 ? other : NULL;
}

/* Runs fn in a child; its exit status, or minus the signal. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int read_all(struct sojourn *r)
{
	char data[8];
	size_t bytes = sizeof(data);

	return sojourn_session_read(r, id, NULL, data, &bytes, NULL) == 0 &&
	       bytes == 4 && memcmp(data, "data", 4) == 0;
}

static int reads_and_changes_nothing(void)
{
	struct sojourn *r = attach(true);
	struct sojourn_new n = {.subject = "bob"};
	const struct sojourn_item item = {SOJOURN_COLLECTION_CSRF, "k", 1};
	char other[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_stat stat;
	struct sojourn_info info;

	if (r == NULL || !read_all(r))
		return 1;
	if (sojourn_session_create(r, &n, other, NULL) != -EROFS ||
	    sojourn_session_update(r, id, "x", 1, 0, NULL) != -EROFS ||
	    sojourn_session_touch(r, id) != -EROFS ||
	    sojourn_touch(r, &item) != -EROFS ||
	    sojourn_session_renew(r, id, &info) != -EROFS ||
	    sojourn_session_delete(r, id) != -EROFS ||
	    sojourn_session_delete_subject(r, "alice", NULL) != -EROFS ||
	    sojourn_clock_advance(r, 1) != -EROFS)
		return 2;
	if (sojourn_stat(r, &stat) != 0 || stat.entries_live != 1)
		return 3;
	sojourn_detach(r);
	return 0;
}

static void read_only_sees_and_cannot_change(void **state)
{
	size_t bytes = s->st.seg.bytes;
	uint8_t *before = malloc(bytes);

	(void)state;
	assert_non_null(before);
	memcpy(before, s->st.seg.base, bytes);
	assert_int_equal(in_child(reads_and_changes_nothing), 0);
	assert_memory_equal(before, s->st.seg.base, bytes);
	free(before);
}

static int writes_one_byte(void)
{
	struct sojourn *r = attach(true);

	signal(SIGSEGV, SIG_DFL);
	if (r == NULL)
		return 1;
	r->st.seg.base[r->st.seg.bytes - 1] = 1;
	return 2;
}

static int makes_it_writable(void)
{
	struct sojourn *r = attach(true);

	if (r == NULL)
		return 1;
	return mprotect(r->st.seg.base, 4096, PROT_READ | PROT_WRITE) == 0 ? 2
									   : 0;
}

static void read_only_cannot_write_a_byte(void **state)
{
	(void)state;
	assert_int_equal(in_child(writes_one_byte), -SIGSEGV);
	assert_int_equal(in_child(makes_it_writable), 0);
}

static int reads_nothing_expired(void)
{
	struct sojourn *r = attach(true);

	if (r == NULL)
		return 1;
	return sojourn_session_read(r, id, NULL, NULL, NULL, NULL) == -ENOENT &&
			       sojourn_reason() == SOJOURN_EXPIRED
		       ? 0
		       : 2;
}

static void read_only_returns_nothing_expired(void **state)
{
	(void)state;
	assert_int_equal(sojourn_clock_advance(s, 1000), 0);
	assert_int_equal(in_child(reads_nothing_expired), 0);
}

/* A plain read stores nothing, also where it could. */
static void plain_reads_store_nothing(void **state)
{
	struct sojourn *r = attach(false);
	size_t bytes = s->st.seg.bytes;
	uint8_t *before = malloc(bytes);

	(void)state;
	assert_non_null(before);
	assert_non_null(r);
	memcpy(before, s->st.seg.base, bytes);
	for (int i = 0; i < 200; i++)
		assert_true(read_all(r));
	assert_memory_equal(before, s->st.seg.base, bytes);
	free(before);
	sojourn_detach(r);
}

static uint64_t hits(void)
{
	return counter_of(s, "hits");
}

/* Who finds all slots taken reads all the same, and tells how often later. */
static void reads_are_counted_without_a_slot(void **state)
{
	struct sojourn *taker[15], *r;
	uint64_t before;

	(void)state;
	/* One has the fixture. */
	for (unsigned i = 0; i < 15; i++) {
		taker[i] = attach(false);
		assert_non_null(taker[i]);
		assert_int_equal(sojourn_session_update(taker[i], id, "data", 4,
							0, NULL),
				 0);
	}
	r = attach(false);
	assert_non_null(r);
	assert_int_equal(sojourn_session_update(r, id, "x", 1, 0, NULL),
			 -EAGAIN);
	before = hits();
	for (unsigned i = 0; i < 300; i++)
		assert_true(read_all(r));
	assert_int_equal(hits(), before);
	for (unsigned i = 0; i < 15; i++)
		sojourn_detach(taker[i]);
	for (unsigned i = 0; i < 300; i++)
		assert_true(read_all(r));
	assert_true(hits() >= before + 300);
	sojourn_detach(r);
	assert_int_equal(hits(), before + 600);
}

static void tells_the_date(void **state)
{
	struct sojourn_info info;

	(void)state;
	assert_int_equal(sojourn_session_read(s, id, NULL, NULL, NULL, &info),
			 0);
	assert_int_equal(sojourn_clock_advance(s, 5000), 0);
	assert_int_equal(sojourn_unix_ms(s, sojourn_now_ms(s)),
			 sojourn_unix_ms(s, info.created_ms) + 5000);
	/* The clock began with the segment. */
	assert_true(sojourn_unix_ms(s, info.created_ms) / 1000 -
			    s->st.seg.hdr->created_unix_ms / 1000 <=
		    1);
}

/* Looks for leaks see the stacks of threads that are no more as lost. */
static void leave_at_once(void)
{
	_exit(0);
}

static void *fork_here(void *arg)
{
	pid_t *child = arg;

	assert_true(read_all(s));
	*child = fork();
	/* In the child this thread is the last one. */
	if (*child == 0)
		atexit(leave_at_once);
	return NULL;
}

/* A thread of a child that never called ends: what was its parent's is left. */
static void a_childs_thread_ends(void **state)
{
	pthread_t thread;
	pid_t child;
	int status;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, fork_here, &child), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(read_all(s));
}

/* Large pages are for speed only: had or not, it is the same segment. */
static void attaches_with_large_pages(void **state)
{
	const struct sojourn_attach_options o = {.key_file = key_file,
						 .huge = true};
	struct sojourn *large;

	(void)state;
	assert_int_equal(sojourn_attach(name, &o, &large), 0);
	assert_true(read_all(large));
	assert_int_equal(sojourn_session_update(large, id, "data", 4, 0, NULL),
			 0);
	assert_true(read_all(s));
	sojourn_detach(large);
}

static int works_on(void)
{
	struct sojourn *r = attach(false);
	uint64_t version;
	int rc = 1;

	if (r == NULL || !read_all(r))
		return 1;
	if (sojourn_session_update(r, id, "more", 4, 1, &version) == 0 &&
	    version == 2)
		rc = 0;
	sojourn_detach(r);
	return rc;
}

static void another_process_attaches(void **state)
{
	struct sojourn *here = attach(false);
	char data[8];
	size_t bytes = sizeof(data);

	(void)state;
	assert_non_null(here);
	assert_ptr_not_equal(here->st.seg.base, s->st.seg.base);
	assert_int_equal(in_child(works_on), 0);
	assert_int_equal(
		sojourn_session_read(here, id, NULL, data, &bytes, NULL), 0);
	assert_memory_equal(data, "more", 4);
	assert_int_equal(sojourn_session_delete(here, id), 1);
	assert_int_equal(sojourn_session_read(s, id, NULL, NULL, NULL, NULL),
			 -ENOENT);
	sojourn_detach(here);
}

static void refuses_strangers(void **state)
{
	struct sojourn_attach_options o = {.key_file = key_file};
	struct sojourn *other;
	FILE *f;

	(void)state;
	assert_int_equal(sojourn_attach("test-attach-none", &o, &other),
			 -ENOENT);
	assert_int_equal(sojourn_attach(NULL, &o, &other), -EINVAL);
	o.key_file = "/nonexistent/key";
	assert_int_equal(sojourn_attach(name, &o, &other), -EACCES);
	/* Another key. */
	unlink(key_file);
	f = fopen(key_file, "w");
	assert_non_null(f);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	fputs("0123456789abcdef0123456789abcdef", f);
	fclose(f);
	o.key_file = key_file;
	assert_int_equal(sojourn_attach(name, &o, &other), -EKEYREJECTED);
	assert_non_null(strstr(sojourn_error_text(), "key"));
	assert_null(other);
}

static void taken_names_stay_untouched(void **state)
{
	struct sojourn_options o;
	struct sojourn *other;

	(void)state;
	sojourn_options_init(&o);
	o.helper = SOJOURN_HELPER_NONE;
	o.key_file = key_file;
	assert_int_equal(sojourn_create(name, &o, &other), -EEXIST);
	assert_int_equal(access(key_file, F_OK), 0);
	assert_true(read_all(s));
}

#define T(test) cmocka_unit_test_setup_teardown(test, open_named, close_named)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(read_only_sees_and_cannot_change),
		T(read_only_cannot_write_a_byte),
		T(read_only_returns_nothing_expired),
		T(plain_reads_store_nothing),
		T(reads_are_counted_without_a_slot),
		T(tells_the_date),
		T(a_childs_thread_ends),
		T(attaches_with_large_pages),
		T(another_process_attaches),
		T(refuses_strangers),
		T(taken_names_stay_untouched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
