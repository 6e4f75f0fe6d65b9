/* SPDX-License-Identifier: MIT */

/*
 * Expiry step by step on a manual clock: nothing here waits, everything is a
 * count or a state.
 */

#include "lib_helper.h"

#include <string.h>

#include "helper/expiry.h"

#define TICK  8u
#define NEVER (UINT64_C(1) << 40)

static struct scene sc;
static struct soj_expiry ex;

static int setup(void **state)
{
	(void)state;
	scene_open(&sc, NULL, 2000, 4, SOJ_SHM_MANUAL_CLOCK);
	scene_clock(&sc, 1000);
	assert_int_equal(soj_expiry_init(&ex, &sc.st, &sc.w, TICK), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(soj_wheel_check(&ex.wheel, NULL), 0);
	soj_expiry_deinit(&ex);
	scene_close(&sc);
	return 0;
}

/* A new process takes over: what the old one knew is gone. */
static void restart(void)
{
	soj_expiry_deinit(&ex);
	assert_int_equal(soj_expiry_init(&ex, &sc.st, &sc.w, TICK), 0);
}

static void step(uint64_t now_ms)
{
	scene_clock(&sc, now_ms);
	do {
		soj_expiry_step(&ex, now_ms);
	} while (ex.behind);
	soj_count_flush(&sc.st.seg, &sc.w.thr);
}

static struct soj_times ttl(uint64_t expires_ms)
{
	return (struct soj_times){.created_ms = 1000,
				  .accessed_ms = 1000,
				  .expires_ms = expires_ms};
}

static struct soj_times idle(uint64_t accessed_ms, uint32_t idle_ms)
{
	return (struct soj_times){.created_ms = 1000,
				  .accessed_ms = accessed_ms,
				  .expires_ms = NEVER,
				  .idle_ms = idle_ms};
}

static uint64_t make(struct soj_times times)
{
	return scene_make(&sc, &times);
}

static uint64_t tick_up(uint64_t ms)
{
	return (ms + TICK - 1) / TICK * TICK;
}

static void ends_at_its_tick_never_early(void **state)
{
	uint64_t ref[3 * TICK];

	(void)state;
	for (unsigned i = 0; i < 3 * TICK; i++)
		ref[i] = make(ttl(1001 + i));
	for (uint64_t now = 1000; now < 1001 + 5 * TICK; now++) {
		step(now);
		for (unsigned i = 0; i < 3 * TICK; i++)
			assert_int_equal(scene_status(&sc, ref[i]),
					 now >= tick_up(1001 + i)
						 ? SOJ_ENDED_EXPIRED
						 : SOJ_ACTIVE);
	}
	assert_int_equal(ex.work.fired, 3 * TICK);
	assert_int_equal(ex.work.expired, 3 * TICK);
	assert_int_equal(ex.work.rearmed, 0);
	assert_int_equal(scene_count(&sc, SOJ_COUNT_expirations), 3 * TICK);
}

static void reason_is_that_of_the_deadline(void **state)
{
	struct soj_times both = idle(1000, 100);
	uint64_t by_ttl = make(ttl(1100));
	uint64_t by_idle = make(idle(1000, 100));
	uint64_t by_grace = make(ttl(NEVER));
	uint64_t by_slide, first;

	(void)state;
	both.expires_ms = 1050;
	first = make(both);
	both = ttl(NEVER);
	both.sliding_ms = 100;
	by_slide = make(both);
	scene_renew(&sc, by_grace, 1100, true);
	step(1056);
	assert_int_equal(scene_status(&sc, first), SOJ_ENDED_EXPIRED);
	step(1099);
	assert_int_equal(ex.work.expired, 1);
	step(1104);
	assert_int_equal(scene_status(&sc, by_ttl), SOJ_ENDED_EXPIRED);
	assert_int_equal(scene_status(&sc, by_slide), SOJ_ENDED_EXPIRED);
	assert_int_equal(scene_status(&sc, by_idle), SOJ_ENDED_IDLE);
	assert_int_equal(scene_status(&sc, by_grace), SOJ_ENDED_GRACE);
	assert_int_equal(ex.work.expired, 5);
	assert_int_equal(ex.wheel.armed, 0);
}

/* The end is complete: out of the index, hinted to upkeep, final. */
static void end_is_final(void **state)
{
	uint64_t ref = make(ttl(1100));
	uint32_t idx = soj_ref_entry(ref);
	struct soj_digest digest = soj_entry_digest(&sc.st, idx);
	struct soj_found found;

	(void)state;
	assert_int_equal(soj_index_find(&sc.st, digest, &found), 0);
	step(1200);
	assert_true(soj_load_relaxed(&soj_entry(&sc.st, idx)->life) &
		    SOJ_LIFE_EXPIRED);
	assert_true(soj_index_find(&sc.st, digest, &found) < 0);
	assert_true(soj_load_relaxed(&sc.st.seg.ended[idx / 64]) >> idx % 64 &
		    1);
	step(1300);
	step(100000);
	assert_int_equal(scene_count(&sc, SOJ_COUNT_expirations), 1);
	assert_int_equal(scene_lags(&sc), 1);
}

static void lag_buckets(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 48; i++)
		assert_int_equal(soj_expiry_lag_bucket(i), i);
	for (uint32_t k = 0; k < 16; k++) {
		assert_int_equal(soj_expiry_lag_bucket(UINT64_C(48) << k),
				 48 + k);
		assert_int_equal(soj_expiry_lag_bucket((UINT64_C(96) << k) - 1),
				 48 + k);
	}
	assert_int_equal(soj_expiry_lag_bucket(UINT64_C(48) << 16), 63);
	assert_int_equal(soj_expiry_lag_bucket(UINT64_MAX), 63);
}

static void lag_is_counted(void **state)
{
	(void)state;
	make(ttl(1008)); /* on a tick: no lag */
	make(ttl(1010));
	make(ttl(1011));
	step(1008);
	assert_int_equal(scene_lag(&sc, 0), 1);
	step(1016);
	assert_int_equal(scene_lag(&sc, 5), 1);
	assert_int_equal(scene_lag(&sc, 6), 1);
	make(ttl(2000));
	make(ttl(2040));
	step(2000 + 48 * 4); /* late */
	assert_int_equal(scene_lag(&sc, 50), 1);
	assert_int_equal(scene_lag(&sc, 49), 1);
	assert_int_equal(scene_lags(&sc), 5);
}

static void touched_ones_are_armed_again(void **state)
{
	uint64_t ref = make(idle(1000, 400));
	struct soj_times slide = ttl(NEVER);
	uint64_t sliding;

	(void)state;
	slide.sliding_ms = 400;
	sliding = make(slide);
	for (uint64_t now = 1000; now < 5000; now += 100) {
		scene_touch(&sc, ref, now);
		scene_touch(&sc, sliding, now);
		step(now);
	}
	assert_int_equal(scene_status(&sc, ref), SOJ_ACTIVE);
	assert_int_equal(scene_status(&sc, sliding), SOJ_ACTIVE);
	/* A timer that fires early is set to the deadline, not polled. */
	assert_in_range(ex.work.rearmed, 2, 30);
	assert_int_equal(ex.work.rearmed, ex.work.fired);
	step(4900 + 399);
	assert_int_equal(ex.work.expired, 0);
	step(tick_up(4900 + 400));
	assert_int_equal(scene_status(&sc, ref), SOJ_ENDED_IDLE);
	assert_int_equal(scene_status(&sc, sliding), SOJ_ENDED_EXPIRED);
}

/* One look at a bit that somebody set when it was renewed is not its end. */
static void expired_bit_of_a_renewed_one(void **state)
{
	uint64_t ref = make(ttl(100000));
	struct soj_shm_entry *e = soj_entry(&sc.st, soj_ref_entry(ref));

	(void)state;
	scene_renew(&sc, ref, 3000, true);
	soj_store_relaxed(&e->life,
			  soj_load_relaxed(&e->life) | SOJ_LIFE_EXPIRED);
	step(2000);
	assert_int_equal(scene_status(&sc, ref), SOJ_RENEWED);
	step(3000);
	assert_int_equal(scene_status(&sc, ref), SOJ_ENDED_GRACE);
}

static void nearer_deadline_is_kept(void **state)
{
	uint64_t ref = make(ttl(100000));

	(void)state;
	step(2000);
	scene_renew(&sc, ref, 3000, true);
	step(2008);
	assert_int_equal(soj_wheel_deadline_ms(&ex.wheel, soj_ref_entry(ref)),
			 3000);
	assert_int_equal(scene_status(&sc, ref), SOJ_RENEWED);
	step(2999);
	assert_int_equal(scene_status(&sc, ref), SOJ_RENEWED);
	step(3000);
	assert_int_equal(scene_status(&sc, ref), SOJ_ENDED_GRACE);
	assert_int_equal(scene_lag(&sc, 0), 1);
}

static void owned_ones_wait_for_their_maker(void **state)
{
	struct soj_times times = ttl(1100);
	uint64_t ref = scene_make_owned(&sc, &times);

	(void)state;
	soj_hint_armed(&sc.st, soj_ref_entry(ref));
	step(1500);
	assert_int_equal(soj_expiry_rebuild(&ex), 0);
	soj_expiry_scrub(&ex, 2000);
	step(1600);
	assert_int_equal(scene_status(&sc, ref), SOJ_ACTIVE);
	assert_int_equal(ex.work.fired, 0);
	scene_settle(&sc, ref);
	step(1601);
	assert_int_equal(scene_status(&sc, ref), SOJ_ENDED_EXPIRED);
}

static void ended_by_others_is_not_counted(void **state)
{
	uint64_t ref = make(ttl(1100));
	uint64_t ctl;

	(void)state;
	step(1000);
	ctl = soj_load_relaxed(&soj_entry(&sc.st, soj_ref_entry(ref))->ctl);
	assert_true(soj_entry_end(&sc.st, &sc.w, ref, ctl, SOJ_ENDED_DELETED));
	step(1200);
	assert_int_equal(scene_status(&sc, ref), SOJ_ENDED_DELETED);
	assert_int_equal(ex.work.dropped, 1);
	assert_int_equal(ex.work.expired, 0);
	assert_int_equal(scene_lags(&sc), 0);
	assert_int_equal(ex.wheel.armed, 0);
}

/* A reader judged it, set the bit, and was killed. */
static void expired_bit_is_carried_out(void **state)
{
	uint64_t ref = make(idle(1000, 100));
	struct soj_shm_entry *e = soj_entry(&sc.st, soj_ref_entry(ref));

	(void)state;
	soj_store_relaxed(&e->life,
			  soj_load_relaxed(&e->life) | SOJ_LIFE_EXPIRED);
	step(1001);
	assert_int_equal(scene_status(&sc, ref), SOJ_ENDED_EXPIRED);
	assert_int_equal(scene_lag(&sc, 0), 1);
}

static void rebuild_finds_all(void **state)
{
	uint64_t ref[1500];

	(void)state;
	for (unsigned i = 0; i < 1500; i++) {
		struct soj_times times = ttl(NEVER);

		if (i % 3 == 0)
			times.expires_ms = 2000 + i;
		else if (i % 3 == 1)
			times.idle_ms = 1000 + i;
		ref[i] = make(times);
		if (i % 3 == 2)
			scene_renew(&sc, ref[i], 2000 + i, true);
	}
	step(1500);
	assert_int_equal(ex.work.hinted, 1500);
	assert_false(soj_expiry_hinted(&sc.st));
	restart();
	assert_int_equal(ex.wheel.armed, 0);
	assert_int_equal(soj_expiry_rebuild(&ex), 1500);
	for (uint64_t now = 1501; now < 2000 + 1500 + TICK; now += 3) {
		step(now);
		for (unsigned i = 0; i < 1500; i++)
			assert_int_equal(
				soj_ctl_ended(soj_load_relaxed(
					&soj_entry(&sc.st,
						   soj_ref_entry(ref[i]))
						 ->ctl)),
				2000 + i <= now / TICK * TICK);
	}
	assert_int_equal(ex.work.expired, 1500);
	assert_int_equal(scene_count(&sc, SOJ_COUNT_expirations), 1500);
}

/* Hints taken by a helper that was killed before it armed them. */
static void lose_hints(void)
{
	for (uint32_t i = 0; i < sc.st.seg.lay.entry_summary_words; i++)
		soj_store_relaxed(&sc.st.seg.armed_summary[i], 0);
	for (uint32_t i = 0; i < sc.st.seg.lay.entry_hint_words; i++)
		soj_store_relaxed(&sc.st.seg.armed[i], 0);
}

static void scrubber_finds_lost_hints(void **state)
{
	uint64_t fresh, renewed = make(ttl(NEVER));
	uint64_t half;

	(void)state;
	step(1000);
	fresh = make(ttl(1100));
	scene_renew(&sc, renewed, 1100, true);
	lose_hints();
	/* Leaf without summary. */
	half = make(ttl(1100));
	soj_store_relaxed(&sc.st.seg.armed_summary[0], 0);
	step(1100 + TICK);
	assert_int_equal(scene_status(&sc, fresh), SOJ_ACTIVE);
	assert_int_equal(scene_status(&sc, half), SOJ_ACTIVE);
	/* Its share of each step adds up to a round. */
	for (uint64_t now = 1108; now <= 1108 + SOJ_EXPIRY_ROUND_MS + TICK;
	     now += TICK)
		step(now);
	assert_int_equal(scene_status(&sc, fresh), SOJ_ENDED_EXPIRED);
	assert_int_equal(scene_status(&sc, half), SOJ_ENDED_EXPIRED);
	assert_int_equal(scene_status(&sc, renewed), SOJ_ENDED_GRACE);
	assert_int_equal(ex.work.scrubbed, 3);
	assert_int_equal(scene_count(&sc, SOJ_COUNT_scrubbed), 3);
}

/* What was there before has ended, and its timer is armed for long. */
static void scrubber_is_not_misled_by_an_old_timer(void **state)
{
	uint64_t ref = make(ttl(NEVER));
	struct soj_shm_entry *e = soj_entry(&sc.st, soj_ref_entry(ref));

	(void)state;
	step(1000);
	assert_true(soj_wheel_is_armed(&ex.wheel, soj_ref_entry(ref)));
	soj_store_relaxed(&e->expires_ms, 1100);
	/* In its turn, which may be at once. */
	step(1100 + TICK);
	soj_expiry_scrub(&ex, 2000);
	assert_int_equal(ex.work.scrubbed, 1);
	step(1100 + 2 * TICK);
	assert_int_equal(scene_status(&sc, ref), SOJ_ENDED_EXPIRED);
}

static void scrubber_leaves_alone_what_is_in_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		uint64_t ref = make(ttl(NEVER));

		if (i % 2)
			scene_renew(&sc, ref, 1000 + 5000, true);
	}
	step(1000);
	assert_int_equal(soj_expiry_scrub(&ex, 3 * 2000), 0);
	assert_int_equal(ex.work.scrubbed, 0);
}

/* Stopped for hours: every tick that was missed is made up for. */
static void long_gap_is_made_up_for(void **state)
{
	const uint64_t hour = 3600000;
	uint64_t kept[100];

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		make(ttl(1000 + (i + 1) * hour / 1000));
	for (unsigned i = 0; i < 100; i++)
		kept[i] = make(ttl(1000 + 3 * hour + i));
	step(1000);
	step(1000 + 2 * hour);
	assert_int_equal(ex.work.expired, 1000);
	assert_int_equal(scene_lags(&sc), 1000);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(scene_status(&sc, kept[i]), SOJ_ACTIVE);
	assert_int_equal(ex.wheel.armed, 100);
	step(1000 + 4 * hour);
	assert_int_equal(ex.work.expired, 1100);
	assert_int_equal(ex.wheel.armed, 0);
}

static void waits_to_the_end_of_the_tick(void **state)
{
	(void)state;
	assert_int_equal(soj_expiry_wait_ms(&ex, 1000, false), TICK);
	make(ttl(100000));
	step(1001);
	assert_int_equal(soj_expiry_wait_ms(&ex, 1001, false), 7);
	assert_int_equal(soj_expiry_wait_ms(&ex, 1007, false), 1);
	assert_int_equal(soj_expiry_wait_ms(&ex, 1008, false), TICK);
}

/* If hints wake it: for the next timer, or for a slice of the scrubber's. */
static void waits_for_the_next_timer(void **state)
{
	uint64_t far, near, wait_ms;

	(void)state;
	assert_int_equal(soj_expiry_wait_ms(&ex, 1000, true),
			 SOJ_EXPIRY_SLICE_MS);
	far = make(ttl(100000));
	step(1001);
	assert_int_equal(soj_expiry_wait_ms(&ex, 1001, true),
			 SOJ_EXPIRY_SLICE_MS);
	near = make(ttl(1100));
	step(1002);
	/* In steps of what it says nothing is late, and few are in vain. */
	for (uint64_t now = 1002, steps = 0; now < 100000; now += wait_ms) {
		wait_ms = soj_expiry_wait_ms(&ex, now, true);
		assert_in_range(wait_ms, 1, SOJ_EXPIRY_SLICE_MS);
		if (now < 1104)
			assert_true(now + wait_ms <= 1104);
		assert_true(now + wait_ms <= 100000);
		step(now + wait_ms);
		assert_int_equal(scene_status(&sc, near),
				 now + wait_ms < 1104 ? SOJ_ACTIVE
						      : SOJ_ENDED_EXPIRED);
		assert_true(++steps < 100000 / SOJ_EXPIRY_SLICE_MS + 16);
	}
	assert_int_equal(scene_status(&sc, far), SOJ_ENDED_EXPIRED);
}

/* Its rounds are as long in slices as in ticks. */
static void slices_make_a_round(void **state)
{
	uint64_t lost[3], now = 1000;

	(void)state;
	step(now);
	for (unsigned i = 0; i < 3; i++)
		lost[i] = make(ttl(1100));
	lose_hints();
	for (; now < 1000 + SOJ_EXPIRY_ROUND_MS; now += ex.slice_ms)
		step(now);
	step(now);
	step(now + TICK);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(scene_status(&sc, lost[i]), SOJ_ENDED_EXPIRED);
	assert_int_equal(ex.work.scrubbed, 3);
}

/* Two at it, as when the role is taken over by mistake: each end once. */
static void two_wheels_end_each_once(void **state)
{
	struct soj_expiry other;

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		make(ttl(1100 + i));
	step(1000);
	assert_int_equal(soj_expiry_init(&other, &sc.st, &sc.w, TICK), 0);
	assert_int_equal(soj_expiry_rebuild(&other), 500);
	for (uint64_t now = 1001; now < 1700; now += 5) {
		step(now);
		soj_expiry_step(&other, now + 3);
	}
	assert_int_equal(ex.work.expired + other.work.expired, 500);
	assert_in_range(other.work.expired, 1, 499);
	soj_count_flush(&sc.st.seg, &sc.w.thr);
	assert_int_equal(scene_count(&sc, SOJ_COUNT_expirations), 500);
	soj_expiry_deinit(&other);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Whatever stands in the segment: no access out of bounds, and an end. */
static void garbage_is_survived(void **state)
{
	const struct soj_seg *seg = &sc.st.seg;
	uint64_t seed = 88172645463325252;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		make(ttl(2000 + i));
	/* Behind the last entry and the last hint there is room to the next
	 * page: whoever goes there finds something tempting. */
	soj_store_relaxed(&seg->entry_states[2001], soj_state(SOJ_LIVE, 0, 1));
	soj_store_relaxed(&seg->entries[2001].ctl, soj_ctl(SOJ_ACTIVE, 0, 1));
	soj_store_relaxed(&seg->armed[seg->lay.entry_hint_words], 1);
	for (unsigned round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < seg->lay.entry_hint_words; i++)
			soj_store_relaxed(&seg->armed[i], UINT64_MAX);
		for (uint32_t i = 0; i < seg->lay.entry_summary_words; i++)
			soj_store_relaxed(&seg->armed_summary[i], UINT64_MAX);
		for (unsigned i = 0; i < 500; i++) {
			uint32_t idx = (uint32_t)(next_random(&seed) % 2001);
			soj_word_t *words =
				(soj_word_t *)(void *)&seg->entries[idx];

			soj_store_relaxed(&words[next_random(&seed) % 16],
					  next_random(&seed));
			soj_store_relaxed(
				&seg->entry_states[idx],
				soj_state(SOJ_LIVE, 0, next_random(&seed)));
		}
		step(1000 + round * 100);
		soj_expiry_rebuild(&ex);
		soj_expiry_scrub(&ex, 2000);
		assert_int_equal(soj_wheel_check(&ex.wheel, NULL), 0);
	}
	assert_int_equal(
		soj_load_relaxed(&seg->armed[seg->lay.entry_hint_words]), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(ends_at_its_tick_never_early),
		TEST(reason_is_that_of_the_deadline),
		TEST(end_is_final),
		cmocka_unit_test(lag_buckets),
		TEST(lag_is_counted),
		TEST(touched_ones_are_armed_again),
		TEST(expired_bit_of_a_renewed_one),
		TEST(nearer_deadline_is_kept),
		TEST(owned_ones_wait_for_their_maker),
		TEST(ended_by_others_is_not_counted),
		TEST(expired_bit_is_carried_out),
		TEST(rebuild_finds_all),
		TEST(scrubber_finds_lost_hints),
		TEST(scrubber_is_not_misled_by_an_old_timer),
		TEST(scrubber_leaves_alone_what_is_in_order),
		TEST(long_gap_is_made_up_for),
		TEST(waits_to_the_end_of_the_tick),
		TEST(waits_for_the_next_timer),
		TEST(slices_make_a_round),
		TEST(two_wheels_end_each_once),
		TEST(garbage_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
