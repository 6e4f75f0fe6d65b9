/* SPDX-License-Identifier: MIT */

/* What a thread retired comes back by itself: however much it is, and to who
 * needs the like, without a detour. */

#include <stdlib.h>
#include <string.h>

#include "lib_store.h"
#include "upkeep/upkeep.h"

/* More than a thread's own limbo has room for, an entry and a chunk each. */
#define ENTRIES (SOJ_LIMBO_MAX / 2 + 1000)

static struct soj_store *st;
static struct soj_worker *w;

static int open_store(void **state)
{
	(void)state;
	return store_set_up(&st, &w, ENTRIES + 100, 16 << 20);
}

/* Nothing is left to a scan of all state words. */
static void a_pass_keeps_what_it_retires(void **state)
{
	uint64_t *ref = calloc(ENTRIES, sizeof(*ref));
	struct soj_upkeep_work work;
	struct soj_worker *reader = worker_open(st);
	struct soj_upkeep up;

	(void)state;
	for (uint64_t i = 0; i < ENTRIES; i++)
		ref[i] = put(st, w, digest_of(i), digest_of(i), "v", 1);
	for (uint64_t i = 0; i < ENTRIES; i++)
		assert_true(
			soj_entry_end(st, w, ref[i],
				      soj_entry(st, soj_ref_entry(ref[i]))->ctl,
				      SOJ_ENDED_DELETED));
	assert_int_equal(soj_upkeep_init(&up, st, w), 0);
	soj_section_enter(&st->seg, &reader->thr);
	soj_upkeep_pass(&up, &work);
	assert_true(up.spill.count > 0);
	assert_true(work.left);
	assert_true(soj_section_exit(&st->seg, &reader->thr));
	for (int i = 0; i < 5; i++) {
		soj_upkeep_pass(&up, &work);
		assert_int_equal(work.reclaimed, 0); /* by a scan */
		assert_int_equal(w->limbo_lost, 0);
	}
	assert_false(work.left);
	assert_null(w->spill);
	for (uint64_t i = 0; i < ENTRIES; i++)
		assert_int_equal(soj_state_phase(state_of_entry(st, ref[i])),
				 SOJ_FREE);
	soj_upkeep_deinit(&up);
	worker_close(st, reader);
	free(ref);
}

static uint32_t retired_chunk(const char *text, uint32_t bytes)
{
	const struct soj_value v = {.data = text, .data_bytes = bytes};
	uint32_t chunk;
	uint64_t owned;

	assert_int_equal(soj_chunk_own(st, w,
				       soj_class_of(soj_value_chunk_bytes(&v)),
				       &chunk),
			 0);
	assert_int_equal(soj_chunk_write(st, chunk, &v), 0);
	owned = soj_load_acquire(soj_chunk_state(st, chunk));
	assert_true(soj_state_publish(soj_chunk_state(st, chunk), owned));
	assert_true(soj_chunk_retire(
		st, w, chunk, soj_load_acquire(soj_chunk_state(st, chunk))));
	return chunk;
}

static void let_grace_pass(void)
{
	soj_epoch_advance(&st->seg);
	soj_epoch_advance(&st->seg);
}

static void who_replaces_takes_its_own_again(void **state)
{
	const char text[] = "a value that is to be seen by nobody any more";
	const uint32_t class = soj_class_of(sizeof(text) + 16);
	uint32_t chunk = retired_chunk(text, sizeof(text)), next, bytes;
	uint64_t was = soj_load_acquire(soj_chunk_state(st, chunk)), now;
	soj_word_t *words;

	(void)state;
	assert_false(soj_limbo_reuse(st, w, class, &next));
	assert_int_equal(soj_chunk_own(st, w, class, &next), 0);
	assert_int_not_equal(next, chunk); /* its grace period is not over */
	soj_chunk_abandon(st, w, next);
	let_grace_pass();
	assert_int_equal(soj_chunk_own(st, w, class, &next), 0);
	assert_int_equal(next, chunk);
	now = soj_load_acquire(soj_chunk_state(st, chunk));
	assert_int_equal(
		now, soj_state(SOJ_OWNED, w->thr.slot, soj_state_gen(was) + 1));
	words = soj_chunk_words(st, chunk, &bytes);
	for (uint32_t i = 0; i < bytes / 8; i++)
		assert_int_equal(words[i], 0);
	assert_int_equal(soj_limbo_waiting(w), 0);
	soj_chunk_abandon(st, w, chunk);
}

/* To look whether the epoch can move is to look at every thread's slot: not
 * with each value, however many wait. */
static void the_epoch_is_not_moved_each_time(void **state)
{
	const uint64_t epoch = soj_epoch(&st->seg);
	const uint32_t times = 64 * 40;

	(void)state;
	for (uint32_t i = 0; i < times; i++)
		retired_chunk("again", 5);
	assert_true(soj_epoch(&st->seg) >= epoch + 30);
	assert_true(soj_epoch(&st->seg) <= epoch + 40);
	assert_true(soj_limbo_waiting(w) <= 4 * 64);
}

/* Who stood in a section is gone, and all that waited for him can be had: not by
 * one call, which would take as long as all of those before. */
static void what_waited_comes_back_by_and_by(void **state)
{
	struct soj_worker *reader = worker_open(st);
	uint32_t before;

	(void)state;
	soj_section_enter(&st->seg, &reader->thr);
	for (uint32_t i = 0; i < 2048; i++)
		retired_chunk("again", 5);
	assert_true(soj_section_exit(&st->seg, &reader->thr));
	let_grace_pass();
	for (before = soj_limbo_waiting(w); before > 512;) {
		uint32_t now;

		retired_chunk("again", 5);
		now = soj_limbo_waiting(w);
		assert_true(now <= before && before - now <= 256);
		before = now;
	}
	worker_close(st, reader);
}

/* What another has reclaimed meanwhile is dropped; what is of another class is
 * free for all. */
static void only_what_is_still_there_is_taken(void **state)
{
	uint32_t small = retired_chunk("x", 1), next;
	uint32_t gone = retired_chunk("y", 1), large;
	static const char big[4000];
	uint64_t word, bit;

	(void)state;
	large = retired_chunk(big, sizeof(big));
	let_grace_pass();
	word = soj_load_acquire(soj_chunk_state(st, gone));
	assert_true(soj_chunk_reclaim(st, w, gone, word, soj_epoch(&st->seg)));
	assert_true(
		soj_limbo_reuse(st, w, soj_class_of(sizeof(big) + 16), &next));
	assert_int_equal(next, large);
	assert_int_equal(soj_limbo_waiting(w), 0);
	word = soj_load_acquire(soj_chunk_state(st, small));
	assert_int_equal(soj_state_phase(word), SOJ_FREE);
	bit = (uint64_t)soj_chunk_unit(small) * st->seg.lay.unit_slots +
	      soj_chunk_slot(small);
	assert_true(st->seg.chunk_free[bit / 64] >> bit % 64 & 1);
	soj_chunk_abandon(st, w, large);
}

/* It is never empty, so it goes round; nothing is lost where it begins anew. */
static void a_ring_goes_round(void **state)
{
	const uint32_t times = 2 * SOJ_LIMBO_MAX;
	uint32_t *chunk = calloc(times, sizeof(*chunk));

	(void)state;
	for (uint32_t i = 0; i < times; i++) {
		chunk[i] = retired_chunk("again", 5);
		assert_true(soj_limbo_waiting(w) > 0);
	}
	let_grace_pass();
	soj_limbo_drain(st, w);
	assert_int_equal(soj_limbo_waiting(w), 0);
	for (uint32_t i = 0; i < times; i++)
		assert_int_equal(soj_state_phase(soj_load_acquire(
					 soj_chunk_state(st, chunk[i]))),
				 SOJ_FREE);
	free(chunk);
}

/* Its oldest was reclaimed by upkeep, and half of all stamps are used up since. */
static void who_did_nothing_for_long(void **state)
{
	const char text[] = "a value that is to be seen by nobody any more";
	uint32_t old = retired_chunk(text, sizeof(text)), chunk;
	soj_word_t *word = soj_chunk_state(st, old);

	(void)state;
	let_grace_pass();
	assert_true(soj_chunk_reclaim(st, w, old, soj_load_acquire(word),
				      soj_epoch(&st->seg)));
	assert_int_equal(soj_limbo_waiting(w), 1);
	soj_add_relaxed(&st->seg.hdr->epoch, (UINT64_C(1) << 23) + 10);
	chunk = retired_chunk(text, sizeof(text));
	let_grace_pass();
	soj_limbo_drain(st, w);
	assert_int_equal(soj_limbo_waiting(w), 0);
	assert_int_equal(
		soj_state_phase(soj_load_acquire(soj_chunk_state(st, chunk))),
		SOJ_FREE);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(name, open_store, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_pass_keeps_what_it_retires),
		T(who_replaces_takes_its_own_again),
		T(the_epoch_is_not_moved_each_time),
		T(what_waited_comes_back_by_and_by),
		T(only_what_is_still_there_is_taken),
		T(a_ring_goes_round),
		T(who_did_nothing_for_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
