/* SPDX-License-Identifier: MIT */

/* A family of remember-me tokens whose head says of more used tokens than there
 * can be, or than its data has room for: it is refused, and nothing read or
 * written beyond. */

#include <errno.h>
#include <string.h>

#include <sojourn/remember.h>

#include "lib_handle.h"
#include "session/handle.h"

#define MARK "where the data of the family begins"

static struct sojourn *s;

static int set_up(void **state)
{
	struct sojourn_options o;

	handle_options(&o, 8u << 20);
	return handle_set_up(&o, &s, state);
}

/* It lies right before the data. */
static void set_used(uint32_t count)
{
	uint8_t *data =
		memmem(s->st.seg.base, s->st.seg.bytes, MARK, strlen(MARK));

	assert_non_null(data);
	memcpy(data - sizeof(count), &count, sizeof(count));
}

static void spoilt(size_t bytes, uint32_t used)
{
	static char data[100000] = MARK, back[sizeof(data)];
	char token[SOJOURN_REMEMBER_CHARS + 1], next[sizeof(token)];
	const struct sojourn_new n = {
		.subject = "anna", .data = data, .data_bytes = bytes};

	assert_int_equal(sojourn_remember_create(s, &n, token, NULL), 0);
	set_used(used);
	bytes = sizeof(back);
	assert_int_equal(
		sojourn_remember_use(s, token, NULL, next, back, &bytes, NULL),
		-EBADMSG);
	set_used(0);
	bytes = sizeof(back);
	assert_int_equal(
		sojourn_remember_use(s, token, NULL, next, back, &bytes, NULL),
		0);
	assert_int_equal(bytes, n.data_bytes);
	assert_memory_equal(back, data, bytes);
}

static void more_used_than_there_can_be(void **state)
{
	(void)state;
	spoilt(100000, 1000);
}

static void one_more_used_than_there_can_be(void **state)
{
	(void)state;
	spoilt(100000, 5);
}

static void more_used_than_there_is_room_for(void **state)
{
	(void)state;
	spoilt(strlen(MARK), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, handle_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(more_used_than_there_can_be),
		TEST(one_more_used_than_there_can_be),
		TEST(more_used_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
