/* SPDX-License-Identifier: MIT */

/* C3: functions of the caller's in the midst of a call: hooks, events, forks. */

#include <errno.h>
#include <sojourn/collection.h>
#include <sojourn/event.h>
#include <sojourn/lock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_sem.h"

static struct sojourn *shared;
static char shared_id[SOJOURN_ID_CHARS_MAX + 1];
static const struct sojourn_item shared_item = {SOJOURN_COLLECTION_CSRF, "k",
						1};
static bool has_forked, is_child;
static bool child_calls; /* before it comes back from the function */

static void fork_once(void)
{
	if (has_forked)
		return;
	has_forked = true;
	is_child = fork() == 0;
	/* So it has a part of its own when the function returns. */
	if (is_child && child_calls &&
	    sojourn_session_touch(shared, shared_id) != 0)
		_exit(2);
}

static int fork_in_veto(void *arg, const struct sojourn_info *info,
			const void *data, size_t data_bytes)
{
	(void)arg;
	(void)info;
	(void)data;
	(void)data_bytes;
	fork_once();
	return 0;
}

static int fork_in_change(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	assert_true(capacity > 0);
	memcpy(data, "n", 1);
	*bytes = 1;
	fork_once();
	return 0;
}

static int fork_in_check(void *arg, const void *data, size_t bytes, char *why,
			 size_t why_bytes)
{
	(void)arg;
	(void)data;
	(void)bytes;
	(void)why;
	(void)why_bytes;
	fork_once();
	return 0;
}

static int call_veto(void)
{
	const struct sojourn_read how = {.veto = fork_in_veto};

	return sojourn_session_read(shared, shared_id, &how, NULL, NULL, NULL);
}

static int call_modify(void)
{
	return sojourn_session_modify(shared, shared_id, 8, fork_in_change,
				      NULL, NULL);
}

static int call_modify_item(void)
{
	return sojourn_modify_item(shared, &shared_item, NULL, 8,
				   fork_in_change, NULL, NULL);
}

static int call_put(void)
{
	const struct sojourn_value v = {.data = "v", .data_bytes = 1};
	int rc = sojourn_validator_set(shared, SOJOURN_COLLECTION_CSRF,
				       fork_in_check, NULL);

	return rc < 0 ? rc : sojourn_put(shared, &shared_item, &v, NULL);
}

static int compute_n(void *arg, void *data, size_t *bytes, size_t capacity)
{
	++*(unsigned *)arg;
	return fork_in_change(NULL, data, bytes, capacity);
}

static int call_flight(void)
{
	struct sojourn_item absent = shared_item;
	unsigned computed = 0;
	const struct sojourn_flight how = {.compute = compute_n,
					   .arg = &computed};
	char data[8];
	size_t bytes = sizeof(data);
	bool made;
	int rc;

	absent.key = "absent";
	absent.key_bytes = 6;
	rc = sojourn_get_or_create(shared, &absent, &how, data, &bytes, &made);
	if (!is_child)
		assert_int_equal(sojourn_remove(shared, &absent, 0), 1);
	return rc;
}

/* The child has no part in what its parent is at: it is told so, and can work
 * for itself from then on. */
static void c3_functions_may_fork(void **state)
{
	static int (*const calls[])(void) = {call_veto, call_modify,
					     call_modify_item, call_put,
					     call_flight};
	const struct sojourn_value v = {.data = "v", .data_bytes = 1};
	uint64_t version, now;
	int rc, status;

	(void)state;
	shared = sem_make(NULL);
	sem_login(shared, "anna", "x", shared_id);
	assert_int_equal(sojourn_put(shared, &shared_item, &v, &version), 0);
	for (size_t i = 0; i < 2 * sizeof(calls) / sizeof(calls[0]); i++) {
		has_forked = false;
		child_calls = i % 2;
		rc = calls[i / 2]();
		if (is_child)
			_exit(rc != -ECANCELED ||
			      sojourn_session_update(shared, shared_id, "c", 1,
						     0, NULL) != 0);
		assert_int_equal(rc, 0);
		assert_true(has_forked && wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	/* Changed by the parents alone: four times, and now. */
	assert_int_equal(sojourn_put(shared, &shared_item, &v, &now), 0);
	assert_int_equal(now, version + 5);
	sojourn_detach(shared);
}

/* A reader that has written nothing has no slot that could change. */
static void c3_veto_forks_without_a_slot(void **state)
{
	int rc, status;
	pid_t pid;

	(void)state;
	shared = sem_make(NULL);
	sem_login(shared, "anna", "x", shared_id);
	pid = fork();
	if (pid == 0) {
		has_forked = false;
		child_calls = true;
		rc = call_veto();
		if (is_child)
			_exit(rc != -ECANCELED);
		if (rc != 0 || wait(&status) < 0)
			_exit(2);
		_exit(status != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	sojourn_detach(shared);
}

/* ---- nothing is held while hooks are run ---- */

static unsigned computed;
static pid_t hook_forks; /* of the child, if the second miss is to fork */
static unsigned missed, hit;

static int compute_once(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	assert_true(capacity > 0);
	memcpy(data, "n", 1);
	*bytes = 1;
	computed++;
	/* Those of the call that it is in the midst of wait. */
	assert_int_equal(sojourn_has(shared, &shared_item), 1);
	assert_int_equal(sem_read(shared, shared_id, NULL), 0);
	assert_int_equal(missed, 0);
	return 0;
}

static void on_missed(void *arg, struct sojourn *s,
		      const struct sojourn_hook_call *call)
{
	struct sojourn_item absent = shared_item;
	const struct sojourn_flight how = {.compute = compute_once,
					   .timeout_ms = 0};
	char data[8];
	size_t bytes = sizeof(data);
	bool made = true;

	(void)arg;
	(void)call;
	missed++;
	absent.key = "absent";
	absent.key_bytes = 6;
	/* It is made, and nobody has its lock. */
	assert_int_equal(
		sojourn_get_or_create(s, &absent, &how, data, &bytes, &made),
		0);
	assert_false(made);
}

static void c3_hooks_hold_no_flight(void **state)
{
	const struct sojourn_hooks hooks = {.missed = on_missed};
	const struct sojourn_value v = {.data = "v", .data_bytes = 1};
	const struct sojourn_flight how = {.compute = compute_once,
					   .timeout_ms = 60000};
	struct sojourn_item absent;
	char data[8];
	size_t bytes = sizeof(data);
	bool made;

	(void)state;
	shared = sem_make(NULL);
	sem_login(shared, "anna", "x", shared_id);
	assert_int_equal(sojourn_put(shared, &shared_item, &v, NULL), 0);
	assert_int_equal(sojourn_hooks_set(shared, &hooks, NULL), 0);
	absent = shared_item;
	absent.key = "absent";
	absent.key_bytes = 6;
	missed = computed = 0;
	assert_int_equal(sojourn_get_or_create(shared, &absent, &how, data,
					       &bytes, &made),
			 0);
	assert_true(made);
	assert_int_equal(computed, 1);
	assert_int_equal(missed, 2);
	sojourn_detach(shared);
}

static void on_hit(void *arg, struct sojourn *s,
		   const struct sojourn_hook_call *call)
{
	(void)arg;
	(void)s;
	(void)call;
	if (++hit == 1)
		hook_forks = fork();
}

/* All of a call's hooks are run when it is done; a child has none of them. */
static void c3_many_hooks_at_the_end(void **state)
{
	const struct sojourn_hooks hooks = {.hit = on_hit};
	struct sojourn_one list[3];
	char data[3][8];
	int rc, status;

	(void)state;
	shared = sem_make(NULL);
	sem_login(shared, "anna", "x", shared_id);
	assert_int_equal(sojourn_hooks_set(shared, &hooks, NULL), 0);
	memset(list, 0, sizeof(list));
	for (unsigned i = 0; i < 3; i++) {
		list[i].id = shared_id;
		list[i].data = data[i];
		list[i].data_bytes = sizeof(data[i]);
	}
	hit = 0;
	rc = sojourn_get_many(shared, list, 3, NULL);
	if (hook_forks == 0)
		_exit(hit != 1);
	assert_int_equal(rc, 3);
	assert_int_equal(hit, 3);
	assert_int_equal(waitpid(hook_forks, &status, 0), hook_forks);
	assert_int_equal(status, 0);
	sojourn_detach(shared);
}

/* ---- what is told after them ---- */

struct told {
	struct sojourn_event last;
	unsigned count;
};

static int keep(void *arg, const struct sojourn_event *e)
{
	struct told *t = arg;

	t->last = *e;
	t->count++;
	return 0;
}

static struct sojourn_event newest(uint64_t *next)
{
	struct told t = {.count = 0};

	assert_true(sojourn_events_read(shared, next, keep, &t, NULL) >= 1);
	return t.last;
}

static int read_and_change(void *arg, void *data, size_t *bytes,
			   size_t capacity)
{
	(void)arg;
	assert_true(capacity > 0);
	assert_int_equal(sem_read(shared, shared_id, NULL), 0);
	memcpy(data, "n", 1);
	*bytes = 1;
	return 0;
}

/* Whatever the function called in between. */
static void c3_source_is_the_calls(void **state)
{
	char other[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_options o;
	uint64_t next = 0;

	(void)state;
	sem_options(&o);
	o.update_events = true;
	shared = sem_make(&o);
	sem_login(shared, "anna", "x", shared_id);
	sem_login(shared, "bob", "x", other);
	assert_int_equal(sojourn_session_modify(shared, other, 8,
						read_and_change, NULL, NULL),
			 0);
	assert_string_equal(sojourn_source_name(newest(&next).source),
			    "update");
	sojourn_detach(shared);
}

static char anna[SOJOURN_HANDLE_CHARS + 1];

/* Her place is bob's by the time that the veto is told. */
static int veto_late(void *arg, const struct sojourn_info *info,
		     const void *data, size_t data_bytes)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];

	(void)arg;
	(void)data;
	(void)data_bytes;
	strcpy(anna, info->handle);
	assert_int_equal(sojourn_session_delete_handle(shared, info->handle),
			 1);
	for (unsigned i = 0; i < 8; i++)
		sem_login(shared, "bob", NULL, id);
	return 1;
}

static void c3_event_is_of_who_was_seen(void **state)
{
	const struct sojourn_read how = {.veto = veto_late};
	struct sojourn_event e;
	struct sojourn_options o;
	uint64_t next = 0;

	(void)state;
	sem_options(&o);
	o.entries_max = 8;
	shared = sem_make(&o);
	sem_login(shared, "anna", "x", shared_id);
	assert_int_equal(
		sojourn_session_read(shared, shared_id, &how, NULL, NULL, NULL),
		-EPERM);
	assert_int_equal(sem_count(shared, "bob"), 8);
	e = newest(&next);
	assert_int_equal(e.type, SOJOURN_EVENT_VETOED);
	assert_string_equal(e.handle, anna);
	assert_true(e.subject == sojourn_event_subject(shared, "anna"));
	sojourn_detach(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c3_functions_may_fork),
		cmocka_unit_test(c3_veto_forks_without_a_slot),
		cmocka_unit_test(c3_hooks_hold_no_flight),
		cmocka_unit_test(c3_many_hooks_at_the_end),
		cmocka_unit_test(c3_source_is_the_calls),
		cmocka_unit_test(c3_event_is_of_who_was_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
