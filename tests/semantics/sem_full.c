/* SPDX-License-Identifier: MIT */

/*
 * What is full before the segment is: fifteen keys share a bucket, and values
 * of one size share pages.  What is over goes first, then what was not used for
 * longest, and never what is kept.
 */

#include <errno.h>

#include <sojourn/collection.h>
#include <sojourn/stat.h>

#include "crash/lib_victim.h"
#include "lib_sem.h"
#include "session/handle.h"
#include "session/item.h"

static struct sojourn *s;
static struct soj_self *self;
static uint32_t collection;

static void open_with(enum sojourn_when_full when_full, bool keep,
		      uint32_t entries)
{
	struct sojourn_collection things;
	struct sojourn_options o;
	int rc;

	sem_options(&o);
	sojourn_collection_init(&things, "things");
	things.keep = keep;
	things.ttl_ms = 600000;
	o.collections = &things;
	o.collections_count = 1;
	o.when_full = when_full;
	o.entries_max = entries;
	s = sem_make(&o);
	rc = sojourn_collection_number(s, "things");
	assert_true(rc > 0);
	collection = (uint32_t)rc;
	self = soj_self_writing(s, &rc);
	assert_non_null(self);
}

/* ---- a bucket ---- */

/* The n-th of the keys that share the first bucket. */
static struct sojourn_item neighbour(unsigned n)
{
	static uint64_t key[SOJ_BUCKET_PLACES + 1];
	struct sojourn_item item = {collection, &key[n], sizeof(key[n])};
	struct soj_digest digest;

	assert_true(n <= SOJ_BUCKET_PLACES);
	for (key[n] = n > 0 ? key[n - 1] + 1 : 1;; key[n]++) {
		assert_int_equal(soj_item_digest(s, &item, &digest), 0);
		if (soj_scale(digest.word[0], s->st.seg.lay.buckets) == 0)
			return item;
	}
}

static int put(unsigned n, uint64_t ttl_ms)
{
	const struct sojourn_item item = neighbour(n);
	const struct sojourn_value v = {
		.data = "x", .data_bytes = 1, .ttl_ms = ttl_ms};

	return sojourn_put(s, &item, &v, NULL);
}

static bool is_there(unsigned n)
{
	const struct sojourn_item item = neighbour(n);
	int rc = sojourn_has(s, &item);

	assert_true(rc == 0 || rc == 1);
	return rc == 1;
}

/* All of them; but the one with that number lives for 20 s only. */
static void fill_bucket(unsigned brief)
{
	for (unsigned n = 0; n < SOJ_BUCKET_PLACES; n++) {
		assert_int_equal(put(n, n == brief ? 20000 : 0), 0);
		sem_advance(s, 1000);
	}
}

static void refused(void)
{
	uint64_t full = sem_counter(s, "full");

	expect_reason(put(SOJ_BUCKET_PLACES, 0), -ENOSPC, SOJOURN_FULL);
	assert_non_null(strstr(sojourn_error_text(), "in its bucket"));
	assert_int_equal(sem_counter(s, "full"), full + 1);
	for (unsigned n = 0; n < SOJ_BUCKET_PLACES; n++)
		assert_true(is_there(n));
}

static void bucket_refuses(void **state)
{
	struct sojourn_item item;

	(void)state;
	open_with(SOJOURN_WHEN_FULL_REJECT, false, 100);
	fill_bucket(SOJ_BUCKET_PLACES);
	refused();
	/* A place that somebody gives up is one for another. */
	item = neighbour(3);
	assert_int_equal(sojourn_remove(s, &item, 0), 1);
	assert_int_equal(put(SOJ_BUCKET_PLACES, 0), 0);
	assert_true(is_there(SOJ_BUCKET_PLACES));
	sojourn_detach(s);
}

static void bucket_ends_what_is_over(void **state)
{
	uint64_t expired;

	(void)state;
	open_with(SOJOURN_WHEN_FULL_REJECT, false, 100);
	fill_bucket(5);
	sem_advance(s, 20000);
	expired = sem_counter(s, "expirations");
	assert_int_equal(put(SOJ_BUCKET_PLACES, 0), 0);
	assert_int_equal(sem_counter(s, "expirations"), expired + 1);
	for (unsigned n = 0; n <= SOJ_BUCKET_PLACES; n++)
		assert_int_equal(is_there(n), n != 5);
	sojourn_detach(s);
}

static void bucket_evicts_the_least_used(void **state)
{
	(void)state;
	open_with(SOJOURN_WHEN_FULL_EVICT, false, 100);
	fill_bucket(SOJ_BUCKET_PLACES);
	for (unsigned n = 0; n < SOJ_BUCKET_PLACES; n++) {
		const struct sojourn_item item = neighbour(n);

		if (n != 7)
			assert_int_equal(sojourn_touch(s, &item), 0);
	}
	assert_int_equal(put(SOJ_BUCKET_PLACES, 0), 0);
	for (unsigned n = 0; n <= SOJ_BUCKET_PLACES; n++)
		assert_int_equal(is_there(n), n != 7);
	assert_int_equal(sem_counter(s, "evictions"), 1);
	sojourn_detach(s);
}

static void bucket_keeps_what_is_kept(void **state)
{
	(void)state;
	open_with(SOJOURN_WHEN_FULL_EVICT, true, 100);
	fill_bucket(SOJ_BUCKET_PLACES);
	refused();
	assert_int_equal(sem_counter(s, "evictions"), 0);
	sojourn_detach(s);
}

static void put_last(void *arg, struct report *r)
{
	(void)arg;
	r->rc = put(SOJ_BUCKET_PLACES - 1, 0);
}

/* A place whose maker stands still, and whose item was removed meanwhile: he has
 * it until he goes on, and others do with the rest. */
static void bucket_with_a_maker_who_stands(void **state)
{
	const struct plan plan = {.pause = "index.committed"};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct report *r = report_new();
		struct sojourn_item item;
		struct victim maker;

		open_with(i == 0 ? SOJOURN_WHEN_FULL_REJECT
				 : SOJOURN_WHEN_FULL_EVICT,
			  false, 100);
		for (unsigned n = 0; n < SOJ_BUCKET_PLACES - 1; n++) {
			assert_int_equal(put(n, 0), 0);
			sem_advance(s, 1000);
		}
		victim_run(&maker, r, &plan, put_last, NULL);
		assert_int_equal(maker.state, VICTIM_STOPPED);
		item = neighbour(SOJ_BUCKET_PLACES - 1);
		assert_int_equal(sojourn_remove(s, &item, 0), 1);
		if (i == 0)
			expect_reason(put(SOJ_BUCKET_PLACES, 0), -ENOSPC,
				      SOJOURN_FULL);
		else
			assert_int_equal(put(SOJ_BUCKET_PLACES, 0), 0);
		assert_int_equal(is_there(0), i == 0);
		victim_continue(&maker);
		assert_int_equal(maker.state, VICTIM_FINISHED);
		assert_int_equal(r->rc, 0);
		assert_int_equal(put(SOJ_BUCKET_PLACES, 0), 0);
		sojourn_detach(s);
		report_free(r);
	}
}

static void put_one_more(void *arg, struct report *r)
{
	(void)arg;
	r->rc = put(SOJ_BUCKET_PLACES, 0);
}

static void touch_first(void *arg, struct report *r)
{
	const struct sojourn_item item = neighbour(0);

	(void)arg;
	r->rc = sojourn_touch(s, &item);
}

/* What was over when it was seen, and is used before that can be told, is not the
 * one that was not used for longest. */
static void bucket_spares_what_is_used(void **state)
{
	const struct plan touches = {.pause = "touch.seen"};
	const struct plan puts = {.pause = "entry.expire.seen"};
	struct report *used = report_new(), *r = report_new();
	struct sojourn_item item;
	const struct sojourn_value v = {
		.data = "x", .data_bytes = 1, .idle_timeout_ms = 20000};
	struct victim user, maker;

	(void)state;
	open_with(SOJOURN_WHEN_FULL_EVICT, false, 100);
	item = neighbour(0);
	assert_int_equal(sojourn_put(s, &item, &v, NULL), 0);
	for (unsigned n = 1; n < SOJ_BUCKET_PLACES; n++) {
		sem_advance(s, 1000);
		assert_int_equal(put(n, 0), 0);
	}
	sem_advance(s, 5000);
	victim_run(&user, used, &touches, touch_first, NULL);
	assert_int_equal(user.state, VICTIM_STOPPED);
	sem_advance(s, 1500);
	victim_run(&maker, r, &puts, put_one_more, NULL);
	assert_int_equal(maker.state, VICTIM_STOPPED);
	victim_continue(&user);
	assert_int_equal(used->rc, 0);
	victim_continue(&maker);
	assert_int_equal(r->rc, 0);
	assert_true(is_there(0));
	assert_false(is_there(1));
	sojourn_detach(s);
	report_free(used);
	report_free(r);
}

/* Another subject's item leaves its place to what comes instead. */
static void bucket_of_another_subjects(void **state)
{
	const struct sojourn_value v = {.subject = "bert"};
	const struct plan plan = {.pause = "index.committed"};
	struct report *r = report_new();
	struct sojourn_item item;
	struct victim maker;

	(void)state;
	open_with(SOJOURN_WHEN_FULL_REJECT, false, 100);
	fill_bucket(SOJ_BUCKET_PLACES);
	item = neighbour(3);
	assert_int_equal(sojourn_put(s, &item, &v, NULL), 0);
	assert_int_equal(sem_count(s, "bert"), 1);
	refused();
	/* Also if its maker still is at it. */
	item = neighbour(SOJ_BUCKET_PLACES - 1);
	assert_int_equal(sojourn_remove(s, &item, 0), 1);
	victim_run(&maker, r, &plan, put_last, NULL);
	assert_int_equal(maker.state, VICTIM_STOPPED);
	assert_int_equal(sojourn_put(s, &item, &v, NULL), 0);
	assert_int_equal(sem_count(s, "bert"), 2);
	victim_continue(&maker);
	assert_int_equal(r->rc, 0);
	refused();
	sojourn_detach(s);
	report_free(r);
}

/* ---- a victim ---- */

static int put_item(uint32_t in, uint32_t key, size_t bytes, uint64_t ttl_ms)
{
	static char data[65536];
	const struct sojourn_item item = {in, &key, sizeof(key)};
	const struct sojourn_value v = {
		.data = data, .data_bytes = bytes, .ttl_ms = ttl_ms};

	return sojourn_put(s, &item, &v, NULL);
}

static bool has_item(uint32_t in, uint32_t key)
{
	const struct sojourn_item item = {in, &key, sizeof(key)};

	return sojourn_has(s, &item) == 1;
}

/* Whom it looks at is the same in each run of the test. */
static int evict_one(uint32_t class)
{
	static uint64_t seed;

	self->w.random = ++seed;
	return soj_evict_one(&s->st, &self->w, soj_seg_now_ms(&s->st.seg),
			     class);
}

/* Of the page that its value is in. */
static uint32_t class_of_item(uint32_t key)
{
	const struct sojourn_item item = {collection, &key, sizeof(key)};
	struct soj_digest digest;
	struct soj_found found;
	uint64_t word;

	assert_int_equal(soj_item_digest(s, &item, &digest), 0);
	assert_int_equal(soj_index_find(&s->st, digest, &found), 0);
	return soj_page_class(&s->st, soj_chunk_unit(soj_ctl_chunk(found.ctl)),
			      &word);
}

static void one_of_many_places_is_found(void **state)
{
	(void)state;
	open_with(SOJOURN_WHEN_FULL_EVICT, false, 10000);
	assert_int_equal(evict_one(SOJ_CLASSES), -ENOENT);
	assert_int_equal(put_item(collection, 1, 8, 0), 0);
	assert_int_equal(evict_one(SOJ_CLASSES), 0);
	assert_false(has_item(collection, 1));
	assert_int_equal(sem_counter(s, "evictions"), 1);
	assert_int_equal(evict_one(SOJ_CLASSES), -ENOENT);
	sojourn_detach(s);
}

static void over_before_used(void **state)
{
	(void)state;
	open_with(SOJOURN_WHEN_FULL_EVICT, true, 8);
	assert_int_equal(put_item(SOJOURN_COLLECTION_CSRF, 1, 8, 0), 0);
	assert_int_equal(put_item(collection, 2, 8, 0), 0);
	/* What is over is not kept, whichever is looked at first. */
	for (unsigned i = 1; i <= 8; i++) {
		assert_int_equal(put_item(collection, 3, 8, 1000), 0);
		sem_advance(s, 1000);
		assert_int_equal(evict_one(SOJ_CLASSES), 0);
		assert_int_equal(sem_counter(s, "expirations"), i);
	}
	assert_int_equal(sem_counter(s, "evictions"), 0);
	/* Of the others one is. */
	assert_int_equal(evict_one(SOJ_CLASSES), 0);
	assert_false(has_item(SOJOURN_COLLECTION_CSRF, 1));
	assert_int_equal(sem_counter(s, "evictions"), 1);
	assert_int_equal(evict_one(SOJ_CLASSES), -ENOENT);
	assert_true(has_item(collection, 2));
	sojourn_detach(s);
}

static void of_the_class_that_is_wanted(void **state)
{
	uint32_t large;

	(void)state;
	open_with(SOJOURN_WHEN_FULL_EVICT, false, 8);
	assert_int_equal(put_item(collection, 1, 8, 0), 0);
	sem_advance(s, 1);
	assert_int_equal(put_item(collection, 2, 8192, 0), 0);
	large = class_of_item(2);
	/* The other one is older. */
	assert_int_equal(evict_one(large), 0);
	assert_true(has_item(collection, 1));
	assert_false(has_item(collection, 2));
	assert_int_equal(evict_one(large), -ENOENT);
	assert_true(has_item(collection, 1));
	sojourn_detach(s);
}

/* Nothing can be evicted: the segment is full, as one that rejects. */
static void full_of_what_is_kept(void **state)
{
	static const struct {
		size_t bytes;
		uint32_t entries;
		const char *why;
	} t[] = {{8, 16, "no entry left"},
		 {65536, 1000, "no memory for the value left"}};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint32_t count = 0;
		int rc;

		open_with(SOJOURN_WHEN_FULL_EVICT, true, t[i].entries);
		while ((rc = put_item(collection, count, t[i].bytes, 0)) == 0)
			count++;
		assert_int_equal(rc, -ENOSPC);
		assert_int_equal(sojourn_reason(), SOJOURN_FULL);
		assert_non_null(strstr(sojourn_error_text(), t[i].why));
		assert_true(count >= 16);
		while (count-- > 0)
			assert_true(has_item(collection, count));
		assert_int_equal(sem_counter(s, "evictions"), 0);
		sojourn_detach(s);
	}
}

/* A helper that stands still has its role: workers end what is over all the
 * same. */
static void helper_stands_still(void **state)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	open_with(SOJOURN_WHEN_FULL_REJECT, false, 50);
	assert_true(soj_role_try(&s->st.seg, &self->w.thr));
	for (unsigned i = 0; i < 50; i++)
		sem_login(s, "anna", NULL, id);
	expect_reason(
		sojourn_session_create(
			s, &(struct sojourn_new){.subject = "anna"}, id, NULL),
		-ENOSPC, SOJOURN_FULL);
	sem_advance(s, 30 * 60000);
	/* Not more than a tenth of its time: another thread, another share. */
	self->thorough_not_before_us = 0;
	sem_login(s, "anna", NULL, id);
	soj_role_release(&s->st.seg, &self->w.thr);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bucket_refuses),
		cmocka_unit_test(bucket_ends_what_is_over),
		cmocka_unit_test(bucket_evicts_the_least_used),
		cmocka_unit_test(bucket_spares_what_is_used),
		cmocka_unit_test(bucket_keeps_what_is_kept),
		cmocka_unit_test(bucket_with_a_maker_who_stands),
		cmocka_unit_test(bucket_of_another_subjects),
		cmocka_unit_test(one_of_many_places_is_found),
		cmocka_unit_test(over_before_used),
		cmocka_unit_test(of_the_class_that_is_wanted),
		cmocka_unit_test(full_of_what_is_kept),
		cmocka_unit_test(helper_stands_still),
	};

	coverage_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
