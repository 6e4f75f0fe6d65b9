/* SPDX-License-Identifier: MIT */

/*
 * The event ring: order, wrap, and what writers who stand still at each step
 * leave to the others.  Their words are put there by hand.
 */

#include <errno.h>
#include <pthread.h>

#include "lib_store.h"
#include "store/event.h"

static struct soj_store *st;
static struct soj_worker *w;

static int open_store(void **state)
{
	(void)state;
	return store_set_up(&st, &w, 400, 8 << 20);
}

static soj_word_t *told(uint64_t ref)
{
	return &soj_entry(st, soj_ref_entry(ref))->event;
}

static uint64_t live(uint64_t number)
{
	uint64_t ref = put(st, w, digest_of(number), digest_of(7), "x", 1);

	soj_store_relaxed(told(ref),
			  soj_told(SOJ_TOLD_NOTHING, soj_ref_gen(ref), 0));
	return ref;
}

static void end(uint64_t ref)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));

	assert_true(soj_entry_end(st, w, ref, soj_load_relaxed(&e->ctl),
				  SOJ_ENDED_DELETED));
}

static struct soj_shm_event *record(uint64_t seq)
{
	return &st->seg.events[soj_event_place(64, seq)];
}

static void tell_some(unsigned count)
{
	const struct soj_event_what what = {.type = SOJ_EVENT_CLEARED};

	for (unsigned i = 0; i < count; i++)
		soj_event_tell(st, w, &what);
}

/* How many of that type about the entry are in the ring now. */
static unsigned found(uint64_t ref, enum soj_event_type type)
{
	uint64_t next = soj_event_next(&st->seg), oldest = 1;
	unsigned count = 0;

	for (uint64_t seq = next > 64 ? next - 64 : 1; seq < next; seq++) {
		struct soj_event event;

		if (soj_event_read(&st->seg, seq, &event, &oldest) == 0)
			count += event.type == type && event.ref == ref;
	}
	return count;
}

static void test_numbers_and_wrap(void **state)
{
	struct soj_event event;
	uint64_t oldest = 1;

	(void)state;
	assert_int_equal(soj_event_read(&st->seg, 1, &event, &oldest), -EAGAIN);
	tell_some(64);
	assert_int_equal(soj_event_read(&st->seg, 1, &event, &oldest), 0);
	assert_int_equal(event.seq, 1);
	tell_some(1);
	assert_int_equal(soj_event_read(&st->seg, 1, &event, &oldest), -ESTALE);
	assert_int_equal(oldest, 2);
	assert_int_equal(soj_event_read(&st->seg, 65, &event, &oldest), 0);
	assert_int_equal(soj_event_read(&st->seg, 66, &event, &oldest),
			 -EAGAIN);
	/* A hint that lags, as one who died before he pushed it leaves it. */
	soj_store_relaxed(&st->seg.hdr->event_next, 3);
	assert_int_equal(soj_event_next(&st->seg), 66);
	tell_some(1000);
	assert_int_equal(soj_event_next(&st->seg), 1066);
}

/* Told, and called again by all who like. */
static void test_once(void **state)
{
	uint64_t ref = live(1);

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		soj_event_made(st, w, ref, i == 0);
	end(ref);
	for (unsigned i = 0; i < 3; i++)
		soj_event_ended(st, w, ref, false);
	assert_true(soj_event_settle(st, w, ref));
	assert_int_equal(found(ref, SOJ_EVENT_CREATED), 1);
	assert_int_equal(found(ref, SOJ_EVENT_ENDED), 1);
	assert_int_equal(soj_event_next(&st->seg), 3);
}

/* One who died before he told of the beginning: the ender tells both. */
static void test_end_tells_the_beginning(void **state)
{
	uint64_t ref = live(1);

	(void)state;
	end(ref);
	assert_int_equal(found(ref, SOJ_EVENT_CREATED), 1);
	assert_int_equal(found(ref, SOJ_EVENT_ENDED), 1);
}

static void test_stopped_with_a_number_in_mind(void **state)
{
	uint64_t ref = live(1);

	(void)state;
	soj_store_relaxed(told(ref),
			  soj_told(SOJ_TOLD_NOTHING, soj_ref_gen(ref), 1));
	tell_some(1); /* another took it */
	soj_event_made(st, w, ref, false);
	assert_int_equal(soj_event_entry(soj_load_relaxed(&record(2)->word)),
			 soj_ref_entry(ref));
	assert_int_equal(found(ref, SOJ_EVENT_CREATED), 1);
	assert_int_equal(soj_told_stage(soj_load_relaxed(told(ref))),
			 SOJ_TOLD_MADE);
}

/* Leaves {1, ref} placed; so many payload words are filled. */
static uint64_t placed(unsigned filled)
{
	uint64_t ref = live(1);

	soj_store_relaxed(told(ref),
			  soj_told(SOJ_TOLD_NOTHING, soj_ref_gen(ref), 1));
	soj_store_relaxed(&record(1)->word, soj_event(1, soj_ref_entry(ref)));
	for (unsigned i = 0; i < filled; i++)
		soj_store_relaxed(&record(1)->payload[6 - i],
				  UINT64_C(1) << 48 |
					  (i == 4 ? ref : 0)); /* [2] */
	return ref;
}

static void test_stopped_while_filling(void **state)
{
	(void)state;
	for (unsigned filled = 0; filled < 7; filled++) {
		uint64_t ref = placed(filled);

		end(ref);
		assert_int_equal(found(ref, SOJ_EVENT_CREATED), 1);
		assert_int_equal(found(ref, SOJ_EVENT_ENDED), 1);
		assert_int_equal(soj_event_next(&st->seg), 3);
		store_tear_down(NULL);
		open_store(NULL);
	}
}

/* His record is overwritten before anybody looked at the entry again. */
static void overwritten_before_told(unsigned filled)
{
	uint64_t ref = placed(filled);

	tell_some(64);
	assert_int_equal(soj_event_seq(soj_load_relaxed(&record(1)->word)), 65);
	assert_int_equal(soj_told_stage(soj_load_relaxed(told(ref))),
			 SOJ_TOLD_MADE);
	soj_event_made(st, w, ref, false);
	assert_int_equal(found(ref, SOJ_EVENT_CREATED), 0); /* long ago */
	end(ref);
	assert_int_equal(found(ref, SOJ_EVENT_ENDED), 1);
}

static void test_overwritten_before_told(void **state)
{
	overwritten_before_told(3);
	store_tear_down(state);
	open_store(state);
	overwritten_before_told(7);
}

/* A record says whether the entry still counts on it; then that is not asked,
 * whatever it would say. */
static void test_told_in_the_record(void **state)
{
	uint64_t ref = live(1);
	uint64_t told_1 = soj_told(SOJ_TOLD_NOTHING, soj_ref_gen(ref), 1);

	(void)state;
	soj_event_made(st, w, ref, true);
	assert_true(soj_load_relaxed(&record(1)->payload[0]) >> WHAT_TOLD & 1);
	assert_int_equal(found(ref, SOJ_EVENT_CREATED), 1);
	soj_store_relaxed(told(ref), told_1);
	tell_some(64);
	assert_true(soj_load_relaxed(told(ref)) == told_1);
}

/* Of the round before it says nothing about the record that is there. */
static void test_told_in_another_round(void **state)
{
	uint64_t ref;

	(void)state;
	soj_event_made(st, w, live(1), true);
	tell_some(63);
	ref = live(2);
	soj_store_relaxed(told(ref),
			  soj_told(SOJ_TOLD_NOTHING, soj_ref_gen(ref), 65));
	soj_store_relaxed(&record(65)->word, soj_event(65, soj_ref_entry(ref)));
	tell_some(64);
	assert_int_equal(soj_told_stage(soj_load_relaxed(told(ref))),
			 SOJ_TOLD_MADE);
}

/* A late filler of an older event put his word where the newer is half done:
 * nobody takes the mixture for an event, and its filler corrects it. */
static void test_late_filler(void **state)
{
	uint64_t ref, oldest = 1;
	struct soj_event event;

	(void)state;
	tell_some(64);
	ref = live(1);
	soj_store_relaxed(told(ref),
			  soj_told(SOJ_TOLD_NOTHING, soj_ref_gen(ref), 65));
	soj_store_relaxed(&record(65)->word, soj_event(65, soj_ref_entry(ref)));
	soj_store_relaxed(&record(65)->payload[0],
			  UINT64_C(2) << 48 | SOJ_EVENT_CREATED);
	assert_int_equal(soj_event_read(&st->seg, 65, &event, &oldest),
			 -EAGAIN);
	soj_event_made(st, w, ref, false);
	assert_int_equal(soj_event_read(&st->seg, 65, &event, &oldest), 0);
	assert_true(event.ref == ref);
}

static void test_lost(void **state)
{
	struct soj_event_watch watch = {0};
	struct soj_event event;
	uint64_t oldest = 1;

	(void)state;
	tell_some(1);
	soj_store_relaxed(&record(2)->word, soj_event(2, 0));
	tell_some(1);
	assert_int_equal(soj_event_read(&st->seg, 2, &event, &oldest), -EAGAIN);
	assert_true(soj_event_repair(st, w, &watch));
	clock_pass(st, 49);
	assert_true(soj_event_repair(st, w, &watch));
	assert_int_equal(soj_event_read(&st->seg, 2, &event, &oldest), -EAGAIN);
	clock_pass(st, 1);
	assert_false(soj_event_repair(st, w, &watch));
	assert_int_equal(soj_event_read(&st->seg, 2, &event, &oldest), 0);
	assert_int_equal(event.type, SOJ_EVENT_LOST);
	assert_int_equal(soj_event_read(&st->seg, 3, &event, &oldest), 0);
	assert_int_equal(event.type, SOJ_EVENT_CLEARED);
}

/* What was never LIVE before it was withdrawn is nobody's business. */
static void test_withdrawn(void **state)
{
	uint64_t ref = live(1);
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));

	(void)state;
	assert_true(soj_entry_end(st, w, ref, soj_load_relaxed(&e->ctl),
				  SOJ_ENDED_WITHDRAWN));
	assert_true(soj_event_settle(st, w, ref));
	assert_int_equal(soj_event_next(&st->seg), 1);
}

/* ---- many at once ---- */

#define ENTRIES 300u

static uint64_t refs[ENTRIES];

static void *tell_all(void *arg)
{
	struct soj_worker *mine = worker_open(st);

	(void)arg;
	for (unsigned i = 0; i < ENTRIES; i++) {
		soj_event_made(st, mine, refs[i], true);
		soj_event_ended(st, mine, refs[i], true);
	}
	worker_close(st, mine);
	return NULL;
}

static void test_all_tell_the_same(void **state)
{
	pthread_t thread[4];

	(void)state;
	for (unsigned i = 0; i < ENTRIES; i++) {
		struct soj_shm_entry *e;

		refs[i] = live(i + 1);
		e = soj_entry(st, soj_ref_entry(refs[i]));
		assert_true(soj_entry_end_ctl(st, w, refs[i],
					      soj_load_relaxed(&e->ctl),
					      SOJ_ENDED_DELETED));
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, tell_all, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(soj_event_next(&st->seg), 2 * ENTRIES + 1);
	for (unsigned i = 0; i < ENTRIES; i++)
		assert_int_equal(
			soj_told_stage(soj_load_relaxed(told(refs[i]))),
			SOJ_TOLD_ENDED);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_store, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_numbers_and_wrap),
		TEST(test_once),
		TEST(test_end_tells_the_beginning),
		TEST(test_stopped_with_a_number_in_mind),
		TEST(test_stopped_while_filling),
		TEST(test_overwritten_before_told),
		TEST(test_told_in_the_record),
		TEST(test_told_in_another_round),
		TEST(test_late_filler),
		TEST(test_lost),
		TEST(test_withdrawn),
		TEST(test_all_tell_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
