/* SPDX-License-Identifier: MIT */

/* The audit log, beside writers of events. */

#include "lib_handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib_audit.h"
#include "session/session.h"
#include "store/event.h"

static struct sojourn *s;
static char path[] = "/tmp/sojourn-audit-XXXXXX";

static int set_up(void **state)
{
	struct sojourn_options o;

	handle_options(&o, 16 << 20);
	o.events_max = 4096;
	close(mkstemp(path));
	return handle_set_up(&o, &s, state);
}

static int tear_down(void **state)
{
	unlink(path);
	return handle_tear_down(state);
}

static void tell_some(unsigned count)
{
	const struct soj_event_what what = {.type = SOJ_EVENT_CLEARED};
	int rc;

	for (unsigned i = 0; i < count; i++)
		soj_event_tell(&s->st, &soj_self_writing(s, &rc)->w, &what);
}

/* The events in the file, which come one by one. */
static unsigned lines(void)
{
	FILE *f = fopen(path, "r");
	unsigned long long seq;
	unsigned count = 0;

	assert_non_null(f);
	while (fscanf(f, "%*[^q]q\":%llu,%*[^\n]\n", &seq) == 1)
		assert_int_equal(seq, ++count);
	assert_true(feof(f));
	fclose(f);
	return count;
}

/* Else who writes faster than the log keeps its helper from all else. */
static void a_step_is_bounded(void **state)
{
	struct soj_audit a;

	(void)state;
	assert_int_equal(soj_audit_init(&a, path, "s"), 0);
	tell_some(2 * SOJ_AUDIT_STEP + 10);
	assert_int_equal(soj_audit_step(&a, &s->st), 0);
	assert_true(a.behind);
	assert_int_equal(lines(), SOJ_AUDIT_STEP);
	tell_some(5);
	assert_int_equal(soj_audit_step(&a, &s->st), 0);
	assert_true(a.behind);
	assert_int_equal(soj_audit_step(&a, &s->st), 0);
	assert_false(a.behind);
	assert_int_equal(lines(), 2 * SOJ_AUDIT_STEP + 15);
	soj_audit_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_is_bounded),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
