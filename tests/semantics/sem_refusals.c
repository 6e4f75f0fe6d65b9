/* SPDX-License-Identifier: MIT */

/*
 * What no call takes: each argument out of its range is refused with a word on
 * it, and nothing has happened.
 */

#include <errno.h>
#include <unistd.h>

#include <sojourn/collection.h>
#include <sojourn/event.h>
#include <sojourn/lock.h>
#include <sojourn/remember.h>

#include "lib_sem.h"

#define MIB 1048576u

#define refused(call)   expect_reason(call, -EINVAL, SOJOURN_INVALID)
#define no_such(call)   expect_reason(call, -ENOENT, SOJOURN_NOT_FOUND)
#define too_large(call) expect_reason(call, -EMSGSIZE, SOJOURN_TOO_LARGE)

static char large[MIB + 1];
static char long_text[SOJOURN_METADATA_BYTES_MAX + 1];

static int keep(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	(void)data;
	*data_bytes = capacity + *(size_t *)arg;
	return 0;
}

static int see(void *arg, const struct sojourn_info *info)
{
	(void)arg;
	(void)info;
	return 0;
}

static int let(void *arg, const struct sojourn_info *info, const void *data,
	       size_t data_bytes)
{
	(void)arg;
	(void)info;
	(void)data;
	(void)data_bytes;
	return 0;
}

static int show(void *arg, const void *data, size_t data_bytes, size_t at)
{
	(void)arg;
	(void)data;
	(void)data_bytes;
	(void)at;
	return 0;
}

static void refuses_what_a_session_cannot_be(void **state)
{
	struct sojourn *s = sem_make(NULL);
	struct sojourn_new what = {.subject = "anna"};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	size_t more = 1;

	(void)state;
	sem_login(s, "anna", "one", id);
	what.data_bytes = 1;
	refused(sojourn_session_create(s, &what, id, NULL));
	what.data = large;
	what.data_bytes = sizeof(large);
	too_large(sojourn_session_create(s, &what, id, NULL));
	what.data_bytes = 0;
	memset(long_text, 'a', sizeof(long_text) - 1);
	what.metadata.location = long_text;
	too_large(sojourn_session_create(s, &what, id, NULL));
	what.metadata.location = NULL;
	what.idle_timeout_ms = UINT64_C(1) << 32;
	refused(sojourn_session_create(s, &what, id, NULL));
	what.idle_timeout_ms = 0;
	what.ttl_ms = UINT64_C(1) << 60;
	refused(sojourn_session_create(s, &what, id, NULL));
	assert_int_equal(sem_count(s, "anna"), 1);

	sem_login(s, "bert", "one", id);
	refused(sojourn_session_update(s, id, NULL, 1, 0, NULL));
	too_large(sojourn_session_update(s, id, large, sizeof(large), 0, NULL));
	refused(sojourn_session_modify(s, id, 64, NULL, NULL, NULL));
	refused(sojourn_session_modify(s, id, sizeof(large), keep, &more,
				       NULL));
	refused(sojourn_session_modify(s, id, 64, keep, &more, NULL));
	sojourn_detach(s);
}

static void refuses_what_a_subject_cannot_be(void **state)
{
	struct sojourn_filter filter = {.collection = SOJOURN_COLLECTION_ANY};
	uint64_t at = 0;
	struct sojourn *s = sem_make(NULL);

	(void)state;
	refused(sojourn_session_delete_subject(s, "", NULL));
	refused(sojourn_session_delete_subject(s, NULL, NULL));
	refused(sojourn_session_list_subject(s, "", NULL, see, NULL));
	refused(sojourn_session_list_subject(s, NULL, NULL, see, NULL));
	refused(sojourn_session_list_subject(s, "anna", NULL, NULL, NULL));
	memset(long_text, 'a', 256);
	long_text[256] = 0;
	refused(sojourn_session_delete_subject(s, long_text, NULL));
	refused(sojourn_session_list_subject(s, long_text, NULL, see, NULL));
	filter.subject = long_text;
	refused(sojourn_count(s, &filter));
	filter.subject = "";
	refused(sojourn_count(s, &filter));
	refused(sojourn_session_list_next(s, "anna", NULL, NULL, 1, see, NULL));
	refused(sojourn_session_list_next(s, "anna", NULL, &at, 0, see, NULL));
	refused(sojourn_session_list_next(s, "anna", NULL, &at, 100001, see,
					  NULL));
	/* Who is no session of the subject is none that is current. */
	assert_int_equal(
		sojourn_session_list_next(s, "anna", "none", &at, 1, see, NULL),
		0);
	assert_int_equal(sojourn_session_delete_handle(s, "no handle"), 0);
	assert_int_equal(
		sojourn_session_delete_handle(s, "00000000000000000000000g"),
		0);
	assert_int_equal(
		sojourn_session_delete_handle(s, "0000000000010000000000001"),
		0);
	sojourn_detach(s);
}

/* What is no id at all is the id of no session. */
static void finds_nothing_by_what_is_no_id(void **state)
{
	static const char *const none[] = {"", "short",
					   "an/id/has/no/slash/in/its/text"};
	struct sojourn *s = sem_make(NULL);
	const struct sojourn_new what = {.subject = "anna"};
	struct sojourn_info info;
	size_t more = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		char made[SOJOURN_ID_CHARS_MAX + 1];
		uint64_t fence = 1;

		assert_int_equal(sojourn_session_create(s, &what, made, NULL),
				 0);
		no_such(sem_read(s, none[i], NULL));
		no_such(sojourn_session_view(s, none[i], NULL, show, NULL));
		no_such(sojourn_session_update(s, none[i], "x", 1, 0, NULL));
		no_such(sojourn_session_modify(s, none[i], 8, keep, &more,
					       NULL));
		no_such(sojourn_session_touch(s, none[i]));
		no_such(sojourn_session_renew(s, none[i], &info));
		no_such(sojourn_session_unlock(s, none[i], fence));
		no_such(sojourn_session_delete_subject(s, "anna", none[i]));
		assert_int_equal(sojourn_session_delete(s, none[i]), 0);
		assert_int_equal(sem_count(s, "anna"), 1);
		assert_int_equal(sojourn_session_delete(s, made), 1);
	}
	sojourn_detach(s);
}

static void refuses_what_an_item_cannot_be(void **state)
{
	struct sojourn *s = sem_make(NULL);
	const struct sojourn_item item = {SOJOURN_COLLECTION_CSRF, "k", 1};
	const struct sojourn_read how = {.veto = let};
	struct sojourn_metadata metadata = {.location = long_text};
	struct sojourn_value value = {.data = large,
				      .data_bytes = sizeof(large)};
	struct sojourn_one one;
	char name[SOJOURN_COLLECTION_CHARS_MAX + 1];
	const struct sojourn_item nowhere = {63, "k", 1};
	const struct sojourn_item no_key = {SOJOURN_COLLECTION_CSRF, NULL, 1};
	const struct sojourn_filter pattern = {
		.collection = SOJOURN_COLLECTION_CSRF, .match = "[a"};
	const struct sojourn_flight flight = {.compute = keep, .value = &value};
	size_t more = 1, bytes = 0;
	uint64_t cursor = 0;

	(void)state;
	too_large(sojourn_put(s, &item, &value, NULL));
	value.data_bytes = 0;
	memset(long_text, 'a', sizeof(long_text) - 1);
	value.metadata = &metadata;
	too_large(sojourn_put(s, &item, &value, NULL));
	value.metadata = NULL;
	refused(sojourn_modify_item(s, &item, &value, 64, NULL, NULL, NULL));
	refused(sojourn_modify_item(s, &item, &value, sizeof(large), keep,
				    &more, NULL));
	refused(sojourn_modify_item(s, &item, &value, 64, keep, &more, NULL));
	refused(sojourn_get_or_create(s, &item, &flight, NULL, &bytes, NULL));
	bytes = MIB + 1;
	refused(sojourn_get_or_create(s, &item, &flight, large, &bytes, NULL));
	bytes = 0;
	value.if_exists = true;
	refused(sojourn_get_or_create(s, &item, &flight, large, &bytes, NULL));
	value.if_exists = false;
	value.if_version = 1;
	refused(sojourn_get_or_create(s, &item, &flight, large, &bytes, NULL));
	value.if_version = 0;
	more = 0;
	refused(sojourn_modify_item(s, &nowhere, &value, 64, keep, &more,
				    NULL));
	refused(sojourn_count_add(s, &nowhere, 1, 0, NULL));
	value.if_exists = true;
	refused(sojourn_add(s, &item, &value, NULL));
	value.if_exists = false;
	value.if_version = 1;
	refused(sojourn_add(s, &item, &value, NULL));
	value.if_version = 0;
	value.subject = "";
	refused(sojourn_put(s, &item, &value, NULL));
	value.subject = long_text;
	refused(sojourn_put(s, &item, &value, NULL));
	refused(sojourn_modify_item(s, &item, &value, 64, keep, &more, NULL));
	value.subject = NULL;
	assert_int_equal(sojourn_has(s, &item), 0);
	refused(sojourn_has(s, &no_key));
	refused(sojourn_has(s, &nowhere));
	refused(sojourn_touch(s, &nowhere));
	refused(sojourn_remove(s, &nowhere, 0));
	refused(sojourn_scan(s, &pattern, &cursor, 1, see, NULL));
	assert_non_null(strstr(sojourn_error_text(), "without its ]"));
	refused(sojourn_clear(s, &pattern));
	refused(sojourn_get(s, &item, &how, NULL, &bytes, NULL));
	refused(sojourn_get_many(s, &one, (size_t)INT32_MAX + 1, NULL));
	expect_reason(sojourn_collection_name(s, 63, name), -ENOENT,
		      SOJOURN_NOT_FOUND);
	sojourn_detach(s);
}

static void refuses_names_that_are_none(void **state)
{
	struct sojourn_collection own;
	struct sojourn_options o;
	struct sojourn *s;

	(void)state;
	sem_options(&o);
	sojourn_collection_init(&own, "");
	o.collections = &own;
	o.collections_count = 1;
	refused(sojourn_create(NULL, &o, &s));
	assert_non_null(strstr(sojourn_error_text(), "1 to 31 letters"));
	own.name = "a-name-of-thirty-two-characters.";
	refused(sojourn_create(NULL, &o, &s));
	own.name = "a-name-of-thirty-one-characters";
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	sojourn_detach(s);
	refused(sojourn_attach("no/name", NULL, &s));
	assert_int_equal(sojourn_attach("sojtest-refused-none", NULL, &s),
			 -ENOENT);
}

/* Options that contradict each other, or what a collection can be. */
static void refuses_what_a_segment_cannot_be(void **state)
{
	static char path[5000];
	static struct sojourn_collection many[58];
	static char names[58][8];
	struct sojourn_collection own[2];
	const struct sojourn_item item = {63, "k", 1};
	struct sojourn_value value = {.data = "v", .data_bytes = 1};
	struct sojourn_options o;
	struct sojourn *s;
	char name[64];

	(void)state;
	sem_options(&o);
	sojourn_collection_init(&own[0], "no/name");
	o.collections = own;
	o.collections_count = 1;
	refused(sojourn_create(NULL, &o, &s));
	sojourn_collection_init(&own[0], "twice");
	sojourn_collection_init(&own[1], "twice");
	o.collections_count = 2;
	refused(sojourn_create(NULL, &o, &s));
	sojourn_collection_init(&own[1], "session");
	refused(sojourn_create(NULL, &o, &s));
	own[0].ttl_ms = 0;
	o.collections_count = 1;
	refused(sojourn_create(NULL, &o, &s));
	for (unsigned i = 0; i < 58; i++) {
		snprintf(names[i], sizeof(names[i]), "c%u", i);
		sojourn_collection_init(&many[i], names[i]);
	}
	o.collections = many;
	o.collections_count = 58;
	refused(sojourn_create(NULL, &o, &s));
	assert_non_null(strstr(sojourn_error_text(), "at most 57"));
	o.collections_count = 0;
	o.seal = (enum sojourn_seal)4;
	refused(sojourn_create(NULL, &o, &s));
	o.seal = SOJOURN_SEAL_OFF;
	o.sliding = true;
	o.ttl_ms = UINT64_C(1) << 33;
	refused(sojourn_create(NULL, &o, &s));
	sem_options(&o);
	o.group = "no such group";
	snprintf(name, sizeof(name), "sojtest-refused-%d", (int)getpid());
	refused(sojourn_create(name, &o, &s));
	sem_options(&o);
	memset(path, 'a', sizeof(path) - 1);
	o.key_file = path;
	refused(sojourn_create(name, &o, &s));
	refused(sojourn_attach(NULL, NULL, &s));
	refused(sojourn_destroy(NULL));
	sem_options(&o);
	o.manual_clock = false;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	refused(sojourn_clock_advance(s, 1));
	sojourn_detach(s);
	/* Fifty-seven there may be, and a period is too long by itself. */
	o.collections = many;
	o.collections_count = 57;
	many[56].sliding = true;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	assert_int_equal(sojourn_put(s, &item, &value, NULL), 0);
	value.ttl_ms = UINT64_C(1) << 32;
	refused(sojourn_put(s, &item, &value, NULL));
	assert_non_null(strstr(sojourn_error_text(), "when it slides"));
	assert_int_equal(sojourn_has(s, &item), 1);
	sojourn_detach(s);
	sojourn_detach(NULL);
}

/* Whose revocation is evicted is logged in again. */
static void refuses_revocations_that_may_be_evicted(void **state)
{
	struct sojourn_collection revoked;
	struct sojourn_options o;
	struct sojourn *s;

	(void)state;
	sem_options(&o);
	sojourn_collection_init(&revoked, "revoked");
	o.collections = &revoked;
	o.collections_count = 1;
	revoked.keep = false;
	refused(sojourn_create(NULL, &o, &s));
	assert_non_null(strstr(sojourn_error_text(),
			       "collection revoked: keep is false"));
	revoked.keep = true;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	sojourn_detach(s);
}

/* Names of what there is not, as a newer library may say. */
static void names_what_it_does_not_know(void **state)
{
	(void)state;
	assert_string_equal(sojourn_reason_name((enum sojourn_reason)999),
			    "unknown");
	assert_string_equal(sojourn_end_name((enum sojourn_end)999), "none");
	assert_string_equal(
		sojourn_event_type_name((enum sojourn_event_type)999),
		"unknown");
	assert_string_equal(sojourn_source_name((enum sojourn_source)999),
			    "unknown");
	assert_string_equal(sojourn_strerror(99999), "unknown error");
	assert_string_equal(sojourn_strerror(-99999), "unknown error");
	assert_string_equal(sojourn_strerror(EBUSY), sojourn_strerror(-EBUSY));
}

/* One option alone, outside of its bounds. */
#define refused_option(member, value)                  \
	do {                                           \
		sem_options(&o);                       \
		o.member = (value);                    \
		refused(sojourn_create(NULL, &o, &s)); \
	} while (0)

static void refuses_options_out_of_their_bounds(void **state)
{
	const uint64_t year_ms = UINT64_C(366) * 86400000;
	struct sojourn_options o;
	struct sojourn *s;

	(void)state;
	refused_option(entries_max, 0);
	refused_option(entries_max, 67108863);
	refused_option(threads_max, 0);
	refused_option(threads_max, 4095);
	for (uint32_t slots = 1; slots <= 2; slots++) {
		char text[128];

		sem_options(&o);
		o.threads_max = slots;
		o.helper = SOJOURN_HELPER_SPAWN;
		refused(sojourn_create(NULL, &o, &s));
		snprintf(text, sizeof(text),
			 "threads_max is %u, but must be at least 3 with a "
			 "helper, which takes two slots",
			 slots);
		assert_non_null(strstr(sojourn_error_text(), text));
	}
	refused_option(events_max, 32);
	refused_option(events_max, 33554432);
	refused_option(events_max, 65);
	refused_option(id_bytes, 15);
	refused_option(id_bytes, 49);
	refused_option(lease_ms, 255);
	refused_option(lease_ms, 3600001);
	refused_option(expel_after_ms, 0);
	refused_option(expel_after_ms, 3600001);
	refused_option(ttl_ms, 0);
	refused_option(ttl_ms, 10 * year_ms + 1);
	refused_option(idle_timeout_ms, o.ttl_ms);
	refused_option(renewal_ms, o.ttl_ms);
	refused_option(grace_window_ms, o.ttl_ms);
	refused_option(redelivery_ms, UINT64_C(1) << 32);
	refused_option(huge, 3);
	s = sem_make(NULL);
	refused(sojourn_clock_advance(s, UINT64_MAX - 5));
	refused(sojourn_clock_advance(s, UINT64_C(1) << 41));
	assert_int_equal(sojourn_clock_advance(s, 1), 0);
	sojourn_detach(s);
	refused_option(max_lifetime_ms, o.ttl_ms - 1);
	refused_option(max_lifetime_ms, 10 * year_ms + 1);
	refused_option(ip4_prefix_bits, 0);
	refused_option(ip4_prefix_bits, 33);
	refused_option(ip6_prefix_bits, 0);
	refused_option(ip6_prefix_bits, 129);
	sem_options(&o);
	o.ttl_ms = year_ms;
	o.idle_timeout_ms = UINT64_C(1) << 32;
	refused(sojourn_create(NULL, &o, &s));
	/* At both ends of what is allowed. */
	sem_options(&o);
	o.threads_max = 1;
	o.events_max = 64;
	o.id_bytes = 48;
	o.lease_ms = 256;
	o.expel_after_ms = 3600000;
	o.ttl_ms = 10 * year_ms;
	o.idle_timeout_ms = UINT32_MAX;
	o.redelivery_ms = UINT32_MAX;
	o.max_lifetime_ms = 10 * year_ms;
	o.ip4_prefix_bits = 1;
	o.ip6_prefix_bits = 1;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_a_session_cannot_be),
		cmocka_unit_test(refuses_what_a_subject_cannot_be),
		cmocka_unit_test(finds_nothing_by_what_is_no_id),
		cmocka_unit_test(refuses_what_an_item_cannot_be),
		cmocka_unit_test(refuses_names_that_are_none),
		cmocka_unit_test(refuses_what_a_segment_cannot_be),
		cmocka_unit_test(refuses_revocations_that_may_be_evicted),
		cmocka_unit_test(refuses_options_out_of_their_bounds),
		cmocka_unit_test(names_what_it_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
