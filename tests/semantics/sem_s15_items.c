/* SPDX-License-Identifier: MIT */

/*
 * S15: items under callers' keys.  What they do, one process alone; races are
 * in sem_s15_races.c.
 */

#include <errno.h>

#include "helper/expiry.h"
#include "lib_sem.h"
#include "session/handle.h"

#define MINUTE UINT64_C(60000)

static struct sojourn *s;
static uint32_t carts, quick;

static int set_up(void **state)
{
	struct sojourn_collection own[2];
	struct sojourn_options o;

	sojourn_collection_init(&own[0], "carts");
	own[0].ttl_ms = 60 * MINUTE;
	sojourn_collection_init(&own[1], "quick");
	own[1].ttl_ms = 10 * MINUTE;
	own[1].idle_timeout_ms = MINUTE;
	own[1].ip = SOJOURN_BINDING_REJECT;
	sem_options(&o);
	o.entries_max = 64;
	o.threads_max = 8;
	o.collections = own;
	o.collections_count = 2;
	s = sem_make(&o);
	carts = (uint32_t)sojourn_collection_number(s, "carts");
	quick = (uint32_t)sojourn_collection_number(s, "quick");
	*state = s;
	return 0;
}

static int put(uint32_t collection, const char *key, const char *text,
	       uint64_t *version)
{
	const struct sojourn_item item = sem_item(collection, key);
	const struct sojourn_value v = {.data = text,
					.data_bytes = strlen(text)};

	return sojourn_put(s, &item, &v, version);
}

/* The text of an item, "-" if there is none. */
static const char *get(uint32_t collection, const char *key)
{
	static char text[256];
	const struct sojourn_item item = sem_item(collection, key);
	size_t bytes = sizeof(text) - 1;
	int rc = sojourn_get(s, &item, NULL, text, &bytes, NULL);

	if (rc == -ENOENT)
		return "-";
	assert_int_equal(rc, 0);
	text[bytes] = 0;
	return text;
}

static void s15_put_get_add_has_remove(void **state)
{
	const struct sojourn_item a = sem_item(carts, "a");
	const struct sojourn_value x = {.data = "x", .data_bytes = 1};
	uint64_t first, second, third;
	char small[1];
	size_t bytes = sizeof(small);

	(void)state;
	assert_string_equal(get(carts, "a"), "-");
	assert_int_equal(sojourn_reason(), SOJOURN_NOT_FOUND);
	assert_int_equal(sojourn_has(s, &a), 0);
	assert_int_equal(put(carts, "a", "one", &first), 0);
	assert_string_equal(get(carts, "a"), "one");
	assert_int_equal(sojourn_get(s, &a, NULL, small, &bytes, NULL),
			 -ENOBUFS);
	assert_int_equal(bytes, 3);
	assert_int_equal(put(carts, "a", "two", &second), 0);
	assert_int_equal(second, first + 1);
	assert_string_equal(get(carts, "a"), "two");
	/* The same key elsewhere is another item. */
	assert_string_equal(get(quick, "a"), "-");
	assert_int_equal(sojourn_add(s, &a, &x, &third), -EEXIST);
	assert_int_equal(sojourn_reason(), SOJOURN_EXISTS);
	assert_int_equal(third, second);
	assert_int_equal(sojourn_has(s, &a), 1);
	assert_int_equal(sojourn_remove(s, &a, first), -ESTALE);
	assert_int_equal(sojourn_remove(s, &a, 0), 1);
	assert_int_equal(sojourn_remove(s, &a, 0), 0);
	assert_string_equal(get(carts, "a"), "-");
	assert_int_equal(sojourn_add(s, &a, &x, &third), 0);
	assert_string_equal(get(carts, "a"), "x");
}

static void s15_put_if_exists_and_if_version(void **state)
{
	const struct sojourn_item a = sem_item(carts, "a");
	struct sojourn_value v = {
		.data = "new", .data_bytes = 3, .if_exists = true};
	uint64_t version, old;

	(void)state;
	assert_int_equal(sojourn_put(s, &a, &v, NULL), -ENOENT);
	assert_int_equal(put(carts, "a", "old", &old), 0);
	assert_int_equal(sojourn_put(s, &a, &v, &version), 0);
	v.if_version = old;
	assert_int_equal(sojourn_put(s, &a, &v, &version), -ESTALE);
	assert_int_equal(sojourn_reason(), SOJOURN_STALE);
	assert_int_equal(version, old + 1);
	v.if_version = version;
	assert_int_equal(sojourn_put(s, &a, &v, &version), 0);
	assert_int_equal(version, old + 2);
}

/* Removed and made again it is another: an old version fits no new one. */
static void s15_versions_do_not_come_again(void **state)
{
	const struct sojourn_item a = sem_item(carts, "a");
	uint64_t seen[40];

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		struct sojourn_value v = {.data = "late", .data_bytes = 4};

		assert_int_equal(put(carts, "a", "x", &seen[i]), 0);
		for (unsigned j = 0; j < i; j++) {
			assert_true(seen[j] != seen[i]);
			v.if_version = seen[j];
			assert_int_equal(sojourn_put(s, &a, &v, NULL), -ESTALE);
		}
		assert_int_equal(sojourn_remove(s, &a, seen[i]), 1);
	}
}

static void s15_bad_input_is_named(void **state)
{
	static const char key[SOJOURN_KEY_BYTES_MAX + 1] = "k";
	const struct sojourn_value v = {0};
	const struct sojourn_value bad_subject = {.subject = ""};
	const struct sojourn_value bad_data = {.data_bytes = 1};
	const struct sojourn_value bad_add = {.if_exists = true};
	struct sojourn_item item = sem_item(0, "k");

	(void)state;
	assert_int_equal(sojourn_put(s, &item, &v, NULL), -EINVAL);
	assert_non_null(strstr(sojourn_error_text(), "session"));
	item.collection = 63;
	assert_int_equal(sojourn_put(s, &item, &v, NULL), -EINVAL);
	assert_non_null(strstr(sojourn_error_text(), "63"));
	item = (struct sojourn_item){carts, key, 0};
	assert_int_equal(sojourn_put(s, &item, &v, NULL), -EINVAL);
	item.key_bytes = SOJOURN_KEY_BYTES_MAX + 1;
	assert_int_equal(sojourn_put(s, &item, &v, NULL), -EINVAL);
	assert_non_null(strstr(sojourn_error_text(), "1025"));
	item.key_bytes = SOJOURN_KEY_BYTES_MAX;
	assert_int_equal(sojourn_put(s, &item, &v, NULL), 0);
	assert_int_equal(sojourn_put(s, &item, &bad_subject, NULL), -EINVAL);
	assert_int_equal(sojourn_put(s, &item, &bad_data, NULL), -EINVAL);
	assert_int_equal(sojourn_add(s, &item, &bad_add, NULL), -EINVAL);
	assert_int_equal(sojourn_collection_number(s, "nothing"), -ENOENT);
}

/* A put brings its own periods; they count from it. */
static void s15_put_brings_its_periods(void **state)
{
	const struct sojourn_item a = sem_item(carts, "a");
	struct sojourn_value v = {.data = "b",
				  .data_bytes = 1,
				  .ttl_ms = 2 * MINUTE,
				  .idle_timeout_ms = MINUTE};

	(void)state;
	assert_int_equal(put(carts, "a", "a", NULL), 0);
	sem_advance(s, 30 * MINUTE);
	assert_int_equal(sojourn_put(s, &a, &v, NULL), 0);
	assert_string_equal(get(carts, "a"), "b");
	sem_advance(s, MINUTE - 1);
	assert_string_equal(get(carts, "a"), "b");
	sem_advance(s, MINUTE - 1);
	assert_string_equal(get(carts, "a"), "b");
	sem_advance(s, 2);
	assert_string_equal(get(carts, "a"), "-");
	assert_int_equal(sojourn_reason(), SOJOURN_EXPIRED);
	/* What is over by time is not in the way. */
	assert_int_equal(sojourn_add(s, &a, &v, NULL), 0);
	sem_advance(s, MINUTE);
	assert_string_equal(get(carts, "a"), "-");
	assert_int_equal(sojourn_reason(), SOJOURN_IDLE);
	/* The collection's own, and those of an item that keeps its own. */
	assert_int_equal(put(carts, "a", "c", NULL), 0);
	sem_advance(s, 59 * MINUTE);
	v.keep_periods = true;
	assert_int_equal(sojourn_put(s, &a, &v, NULL), 0);
	sem_advance(s, MINUTE - 1);
	assert_string_equal(get(carts, "a"), "b");
	sem_advance(s, 1);
	assert_string_equal(get(carts, "a"), "-");
}

static void s15_touch_keeps_an_item_from_idling(void **state)
{
	const struct sojourn_item a = sem_item(quick, "a");
	const struct sojourn_read look = {.no_touch = true};

	(void)state;
	assert_int_equal(put(quick, "a", "a", NULL), 0);
	for (unsigned i = 0; i < 5; i++) {
		sem_advance(s, MINUTE - 1);
		assert_int_equal(sojourn_touch(s, &a), 0);
	}
	/* has and a read without touch leave no trace. */
	sem_advance(s, MINUTE - 1);
	assert_int_equal(sojourn_has(s, &a), 1);
	assert_int_equal(sojourn_get(s, &a, &look, NULL, NULL, NULL), 0);
	sem_advance(s, 1);
	assert_int_equal(sojourn_has(s, &a), 0);
	assert_int_equal(sojourn_touch(s, &a), -ENOENT);
}

static void c5_has_counts_nothing(void **state)
{
	const struct sojourn_item a = sem_item(carts, "a");

	(void)state;
	assert_int_equal(put(carts, "a", "a", NULL), 0);
	assert_int_equal(sojourn_has(s, &a), 1);
	assert_int_equal(sojourn_remove(s, &a, 0), 1);
	assert_int_equal(sojourn_has(s, &a), 0);
	assert_int_equal(sojourn_remove(s, &a, 0), 0);
	assert_int_equal(sem_counter(s, "hits"), 0);
	assert_int_equal(sem_counter(s, "misses"), 0);
	assert_string_equal(get(carts, "a"), "-");
	assert_int_equal(put(carts, "a", "a", NULL), 0);
	assert_string_equal(get(carts, "a"), "a");
	assert_int_equal(sem_counter(s, "hits"), 1);
	assert_int_equal(
		sem_counter(s, "misses") + sem_counter(s, "misses_ended"), 1);
	assert_int_equal(sem_counter(s, "creates"), 2);
	assert_int_equal(sem_counter(s, "deletes"), 1);
}

/* Whose it is, and what is known of it. */
static void s15_subject_and_metadata(void **state)
{
	const struct sojourn_metadata m = {.ip = "192.0.2.7"};
	const struct sojourn_metadata moved = {.ip = "192.0.2.8"};
	const struct sojourn_item a = sem_item(carts, "a");
	const struct sojourn_item b = sem_item(carts, "b");
	const struct sojourn_read of_bert = {.subject = "bert"};
	struct sojourn_value v = {.data = "1",
				  .data_bytes = 1,
				  .subject = "anna",
				  .metadata = &m};
	struct sojourn_info info;

	(void)state;
	assert_int_equal(sojourn_put(s, &a, &v, NULL), 0);
	assert_int_equal(put(carts, "b", "of nobody", NULL), 0);
	/* NULL: as it is. */
	assert_int_equal(put(carts, "a", "2", NULL), 0);
	assert_int_equal(sojourn_get(s, &a, NULL, NULL, NULL, &info), 0);
	assert_string_equal(info.subject, "anna");
	assert_string_equal(info.metadata.ip, "192.0.2.7");
	assert_int_equal(info.data_bytes, 1);
	assert_int_equal(sojourn_get(s, &a, &of_bert, NULL, NULL, NULL),
			 -ENOENT);
	v.metadata = &moved;
	assert_int_equal(sojourn_put(s, &a, &v, NULL), 0);
	assert_int_equal(sojourn_get(s, &a, NULL, NULL, NULL, &info), 0);
	assert_string_equal(info.metadata.ip, "192.0.2.8");
	assert_null(info.metadata.location);
	/* Put for another it is another item. */
	v.subject = "bert";
	v.if_exists = true;
	assert_int_equal(sojourn_put(s, &a, &v, NULL), -ENOENT);
	v.if_exists = false;
	assert_int_equal(sojourn_put(s, &a, &v, NULL), 0);
	assert_int_equal(sojourn_session_delete_subject(s, "anna", NULL), 0);
	assert_int_equal(sojourn_get(s, &a, &of_bert, NULL, NULL, NULL), 0);
	/* Logout everywhere ends it, and not what is nobody's. */
	assert_int_equal(sojourn_session_delete_subject(s, "bert", NULL), 1);
	assert_string_equal(get(carts, "a"), "-");
	assert_int_equal(sojourn_has(s, &b), 1);
}

static int append(void *arg, void *data, size_t *bytes, size_t capacity)
{
	const char *text = arg;

	if (text == NULL)
		return -EAGAIN;
	if (*bytes + strlen(text) > capacity)
		return -E2BIG;
	memcpy((char *)data + *bytes, text, strlen(text));
	*bytes += strlen(text);
	return 0;
}

static void s15_modify(void **state)
{
	const struct sojourn_item a = sem_item(carts, "a");
	const struct sojourn_value v = {.subject = "anna"};
	char x[] = "x", y[] = "y";
	uint64_t first, second;

	(void)state;
	assert_int_equal(sojourn_modify_item(s, &a, NULL, 8, append, x, NULL),
			 -ENOENT);
	assert_int_equal(sojourn_modify_item(s, &a, &v, 8, append, x, &first),
			 0);
	assert_int_equal(
		sojourn_modify_item(s, &a, NULL, 8, append, y, &second), 0);
	assert_string_equal(get(carts, "a"), "xy");
	assert_int_equal(second, first + 1);
	/* Any errno of the function is the answer. */
	assert_int_equal(
		sojourn_modify_item(s, &a, NULL, 8, append, NULL, NULL),
		-EAGAIN);
	assert_int_equal(sojourn_modify_item(s, &a, NULL, 2, append, y, NULL),
			 -E2BIG);
	assert_int_equal(sojourn_modify_item(s, &a, NULL, 1, append, y, NULL),
			 -ENOBUFS);
	assert_string_equal(get(carts, "a"), "xy");
}

/* What an item is made with is not what it gets later, by whoever changes it. */
static void s15_modify_keeps_whose_it_is(void **state)
{
	static const struct sojourn_metadata home = {.ip = "192.0.2.1"},
					     away = {.ip = "198.51.100.7"};
	const struct sojourn_read from_home = {.client = &home};
	const struct sojourn_value annas = {.subject = "anna",
					    .metadata = &home},
				   berts = {.subject = "bert",
					    .metadata = &away};
	const struct sojourn_item a = sem_item(carts, "a");
	struct sojourn_info info;
	char x[] = "x";

	(void)state;
	assert_int_equal(sojourn_modify_item(s, &a, &annas, 8, append, x, NULL),
			 0);
	assert_int_equal(sojourn_modify_item(s, &a, &berts, 8, append, x, NULL),
			 0);
	assert_string_equal(get(carts, "a"), "xx");
	assert_int_equal(sojourn_get(s, &a, &from_home, NULL, NULL, &info), 0);
	assert_string_equal(info.subject, "anna");
	assert_string_equal(info.metadata.ip, home.ip);
	assert_int_equal(info.mismatch, 0);
}

/* Five attempts a minute: the window begins with the first. */
static void s15_count_add_is_a_window(void **state)
{
	const struct sojourn_item a = sem_item(quick, "192.0.2.1");
	const struct sojourn_item b = sem_item(quick, "b");
	int64_t n;

	(void)state;
	for (int64_t i = 1; i <= 5; i++) {
		assert_int_equal(sojourn_count_add(s, &a, 1, 2 * MINUTE, &n),
				 0);
		assert_int_equal(n, i);
		sem_advance(s, 23000);
	}
	sem_advance(s, 4999);
	assert_int_equal(sojourn_count_add(s, &a, -2, 2 * MINUTE, &n), 0);
	assert_int_equal(n, 3);
	sem_advance(s, 1);
	assert_int_equal(sojourn_count_add(s, &a, INT64_MAX, MINUTE, &n), 0);
	assert_int_equal(n, INT64_MAX);
	assert_int_equal(sojourn_count_add(s, &a, 1, MINUTE, &n), -ERANGE);
	assert_int_equal(sojourn_count_add(s, &a, -1, MINUTE, &n), 0);
	assert_int_equal(n, INT64_MAX - 1);
	assert_int_equal(put(quick, "b", "text", NULL), 0);
	assert_int_equal(sojourn_count_add(s, &b, 1, 0, &n), -EINVAL);
	assert_int_equal(put(quick, "b", "a longer text", NULL), 0);
	assert_int_equal(sojourn_count_add(s, &b, 1, 0, &n), -EINVAL);
}

/*
 * The helper looks at what was put with a nearer deadline in time, even if the
 * one who put it died before it left the hint.
 */
static void s15_lost_hint_of_a_nearer_deadline(void **state)
{
	const struct sojourn_item a = sem_item(carts, "a");
	const struct sojourn_value v = {.ttl_ms = 1000};
	struct soj_seg *seg = &s->st.seg;
	struct soj_expiry ex;
	struct soj_self *self;
	int rc;

	(void)state;
	assert_int_equal(put(carts, "a", "for an hour", NULL), 0);
	self = soj_self_writing(s, &rc);
	assert_non_null(self);
	assert_int_equal(soj_expiry_init(&ex, &s->st, &self->w, 8), 0);
	soj_expiry_step(&ex, sojourn_now_ms(s));
	sem_advance(s, 100);
	soj_expiry_step(&ex, sojourn_now_ms(s));
	assert_int_equal(sojourn_put(s, &a, &v, NULL), 0);
	for (uint32_t i = 0; i < seg->lay.entry_hint_words; i++)
		soj_store_relaxed(&seg->armed[i], 0);
	assert_int_equal(soj_expiry_scrub(&ex, seg->lay.entries_max), 1);
	assert_int_equal(soj_expiry_scrub(&ex, seg->lay.entries_max), 0);
	sem_advance(s, 1100);
	soj_expiry_step(&ex, sojourn_now_ms(s));
	assert_int_equal(ex.work.expired, 1);
	soj_expiry_deinit(&ex);
}

/* More keys than places: full, and still right. */
static void s15_full(void **state)
{
	const struct sojourn_value v = {0};
	char key[16];
	unsigned made = 0;
	int rc = 0;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		struct sojourn_item item = {carts, key, 0};

		item.key_bytes = (size_t)snprintf(key, sizeof(key), "k%u", i);
		rc = sojourn_add(s, &item, &v, NULL);
		made += rc == 0;
		if (rc < 0)
			assert_int_equal(rc, -ENOSPC);
		if (rc < 0)
			assert_int_equal(sojourn_reason(), SOJOURN_FULL);
	}
	assert_true(made > 48 && made <= 64);
}

/* Bindings are a matter of the collection's rules, for items as well. */
static void s12_items_are_bound_too(void **state)
{
	const struct sojourn_metadata here = {.ip = "192.0.2.1"},
				      there = {.ip = "198.51.100.1"};
	const struct sojourn_item item = sem_item(quick, "bound");
	const struct sojourn_value v = {.metadata = &here};
	struct sojourn_read how = {.client = &here};
	struct sojourn_info info;

	(void)state;
	assert_int_equal(sojourn_put(s, &item, &v, NULL), 0);
	assert_int_equal(sojourn_get(s, &item, &how, NULL, NULL, &info), 0);
	assert_int_equal(info.mismatch, 0);
	how.client = &there;
	assert_int_equal(sojourn_get(s, &item, &how, NULL, NULL, &info),
			 -EPERM);
	assert_int_equal(sojourn_reason(), SOJOURN_BINDING);
	how.client = NULL;
	assert_int_equal(sojourn_get(s, &item, &how, NULL, NULL, &info), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, sem_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(s15_put_get_add_has_remove),
		TEST(s15_put_if_exists_and_if_version),
		TEST(s15_versions_do_not_come_again),
		TEST(s15_bad_input_is_named),
		TEST(s15_put_brings_its_periods),
		TEST(s15_touch_keeps_an_item_from_idling),
		TEST(c5_has_counts_nothing),
		TEST(s15_subject_and_metadata),
		TEST(s15_modify),
		TEST(s15_modify_keeps_whose_it_is),
		TEST(s15_count_add_is_a_window),
		TEST(s15_lost_hint_of_a_nearer_deadline),
		TEST(s12_items_are_bound_too),
		TEST(s15_full),
	};
	int failed = cmocka_run_group_tests_name("S15", tests, NULL, NULL);

	if (failed == 0)
		printf("S15 items under callers' keys: ok\n"
		       "C5 has: ok\n");
	return failed;
}
