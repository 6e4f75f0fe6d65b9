/* SPDX-License-Identifier: MIT */

/* The event ring where its numbers end, and where its hint was spoilt: whoever
 * ends a session goes on in either case. */

#include <unistd.h>

#include <sojourn/event.h>

#include "lib_handle.h"
#include "session/handle.h"
#include "store/event.h"

static struct sojourn *s;

static int set_up(void **state)
{
	struct sojourn_options o;

	handle_options(&o, 2u << 20);
	o.events_max = 64;
	o.manual_clock = true;
	return handle_set_up(&o, &s, state);
}

static void set_hint(uint64_t seq)
{
	soj_store_relaxed(&s->st.seg.hdr->event_next, seq);
}

/* Two events. */
static void login_and_out(void)
{
	const struct sojourn_new n = {.subject = "alice"};
	char id[SOJOURN_ID_CHARS_MAX + 1];

	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	assert_int_equal(sojourn_session_delete(s, id), 1);
}

static uint64_t next(void)
{
	return soj_event_next(&s->st.seg);
}

static void spoilt_hint_is_put_right(void **state)
{
	static const uint64_t hints[] = {0,
					 1,
					 UINT64_MAX,
					 UINT64_MAX - 1,
					 SOJ_EVENT_SEQ_MAX + 2,
					 UINT64_C(1) << 63};

	(void)state;
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		uint64_t before = next();

		set_hint(hints[i]);
		login_and_out();
		assert_int_equal(next(), before + 2);
		assert_int_equal(soj_load_relaxed(&s->st.seg.hdr->event_next),
				 before + 2);
	}
}

/* One that is a whole ring behind, as by who stood still for long. */
static void old_hint_is_put_right(void **state)
{
	uint64_t after;

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		login_and_out();
	after = next();
	assert_true(after > 64);
	set_hint(2);
	assert_int_equal(next(), after);
}

static void after_the_last_number_nothing_is_told(void **state)
{
	struct soj_event event;
	uint64_t oldest = 1;

	(void)state;
	set_hint(SOJ_EVENT_SEQ_MAX);
	for (unsigned i = 0; i < 200; i++)
		login_and_out();
	assert_int_equal(next(), SOJ_EVENT_SEQ_MAX + 1);
	assert_int_equal(
		soj_event_read(&s->st.seg, SOJ_EVENT_SEQ_MAX, &event, &oldest),
		0);
	assert_int_equal(event.type, SOJ_EVENT_CREATED);
}

#define MANY (1u << 19)

static int set_up_many(void **state)
{
	struct sojourn_options o;

	handle_options(&o, 40u << 20);
	o.events_max = MANY;
	return handle_set_up(&o, &s, state);
}

static int nothing_to_see(void *arg, const struct sojourn_event *event)
{
	(void)arg;
	(void)event;
	return 0;
}

/* Each record was overtaken by that of the next number, and the hint is a whole
 * ring behind: no number costs another walk along it. */
static void overtaken_events_are_walked_once(void **state)
{
	struct soj_seg *seg = &s->st.seg;
	uint64_t next = 0, missed;

	(void)state;
	for (uint64_t seq = MANY + 1; seq <= 2 * MANY; seq++)
		soj_store_relaxed(&seg->events[soj_event_place(MANY, seq)].word,
				  soj_event(seq + 1, 0));
	set_hint(MANY + 1);
	assert_int_equal(
		sojourn_events_read(s, &next, nothing_to_see, NULL, &missed),
		0);
	assert_int_equal(next, 2 * MANY + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(spoilt_hint_is_put_right,
						set_up, handle_tear_down),
		cmocka_unit_test_setup_teardown(old_hint_is_put_right, set_up,
						handle_tear_down),
		cmocka_unit_test_setup_teardown(
			after_the_last_number_nothing_is_told, set_up,
			handle_tear_down),
		cmocka_unit_test_setup_teardown(
			overtaken_events_are_walked_once, set_up_many,
			handle_tear_down),
	};

	alarm(60); /* the bug was a loop without an end */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
