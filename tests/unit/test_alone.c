/* SPDX-License-Identifier: MIT */

/* Who ends what is a line by itself takes it out himself, and has its memory for
 * the next one; what he cannot do is left to upkeep, with a hint. */

#include <errno.h>

#include "lib_store.h"
#include "store/chain.h"
#include "upkeep/upkeep.h"

#define ENTRIES 4096u

static struct soj_store *st;
static struct soj_worker *w;

static int open_store(void **state)
{
	(void)state;
	return store_set_up(&st, &w, ENTRIES, 16 << 20);
}

static uint64_t login(uint64_t number, uint64_t subject)
{
	return put(st, w, digest_of(number), digest_of(subject), "v", 1);
}

static uint32_t chunk_of(uint64_t ref)
{
	return soj_ctl_chunk(
		soj_load_acquire(&soj_entry(st, soj_ref_entry(ref))->ctl));
}

/* As a deleter does; true: he did it alone.  *left: and retired it. */
static bool end_it(uint64_t ref, bool *left)
{
	const struct soj_copy copy = {.cold = &(struct soj_cold){0},
				      .skim = true};
	struct soj_snapshot snap;
	uint64_t state = 0;
	bool done;

	soj_section_enter(&st->seg, &w->thr);
	assert_int_equal(soj_entry_look(st, ref, NULL, &copy, &snap), 0);
	done = soj_upkeep_end_alone(st, w, &snap, copy.cold, SOJ_ENDED_DELETED,
				    &state);
	assert_true(soj_section_exit(&st->seg, &w->thr));
	*left = state == 0;
	if (state)
		assert_true(
			soj_upkeep_retire(st, w, soj_ref_entry(ref), state));
	return done;
}

static enum soj_phase phase_of(uint64_t ref)
{
	return soj_state_phase(state_of_entry(st, ref));
}

static enum soj_phase chunk_phase(uint32_t chunk)
{
	return soj_state_phase(soj_load_acquire(soj_chunk_state(st, chunk)));
}

static void let_grace_pass(void)
{
	soj_epoch_advance(&st->seg);
	soj_epoch_advance(&st->seg);
}

static void its_memory_serves_the_next(void **state)
{
	const uint64_t ref = login(1, 1);
	const uint32_t chunk = chunk_of(ref);
	struct soj_found found;
	uint64_t next;
	bool left;

	(void)state;
	assert_true(end_it(ref, &left));
	assert_false(left);
	assert_false(soj_upkeep_hinted(st));
	assert_int_equal(soj_index_find(st, digest_of(1), &found), -ENOENT);
	assert_int_equal(
		soj_link_entry(soj_load_acquire(
			&st->seg.heads[soj_head_of(st, digest_of(1))])),
		0);
	assert_int_equal(phase_of(ref), SOJ_RETIRED);
	assert_int_equal(chunk_phase(chunk), SOJ_RETIRED);
	next = login(2, 1);
	assert_int_not_equal(soj_ref_entry(next), soj_ref_entry(ref));
	assert_int_not_equal(chunk_of(next), chunk);
	let_grace_pass();
	next = login(3, 1);
	assert_int_equal(soj_ref_entry(next), soj_ref_entry(ref));
	assert_int_equal(soj_ref_gen(next), soj_ref_gen(ref) + 1);
	assert_int_equal(chunk_of(next), chunk);
	assert_int_equal(soj_limbo_waiting(w), 0);
}

/* What somebody reads in a section is not used again before he is out. */
static void not_before_its_readers_are_gone(void **state)
{
	struct soj_worker *reader = worker_open(st);
	const uint64_t ref = login(1, 1);
	bool left;

	(void)state;
	soj_section_enter(&st->seg, &reader->thr);
	assert_true(end_it(ref, &left));
	for (unsigned i = 2; i < 300; i++) {
		const uint64_t next = login(i, 1);

		assert_int_not_equal(soj_ref_entry(next), soj_ref_entry(ref));
		soj_epoch_advance(&st->seg);
	}
	assert_int_equal(phase_of(ref), SOJ_RETIRED);
	assert_true(soj_section_exit(&st->seg, &reader->thr));
	worker_close(st, reader);
}

/* Those in front of it and behind it stay in the chain, also what has ended: it
 * may have to stay for others' sake. */
static void the_others_stay_in_the_chain(void **state)
{
	const uint64_t ref[3] = {login(1, 1), login(2, 1), login(3, 1)};
	const soj_word_t *head = &st->seg.heads[soj_head_of(st, digest_of(1))];
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref[2]));
	uint64_t link;
	bool left;

	(void)state;
	assert_true(soj_entry_end(st, w, ref[2], soj_load_acquire(&e->ctl),
				  SOJ_ENDED_DELETED));
	assert_true(end_it(ref[1], &left));
	assert_false(left);
	link = soj_load_acquire(head);
	assert_int_equal(soj_link_entry(link), soj_ref_entry(ref[2]));
	link = soj_load_acquire(&soj_entry(st, soj_link_entry(link))->link);
	assert_int_equal(soj_link_entry(link), soj_ref_entry(ref[0]));
	assert_int_equal(phase_of(ref[0]), SOJ_LIVE);
	assert_int_equal(phase_of(ref[2]), SOJ_LIVE);
}

/* Each look at one more is a wait for memory, and upkeep takes many at a time. */
static void far_down_a_chain_it_is_left(void **state)
{
	const uint64_t ref = login(1, 1);
	bool left;

	(void)state;
	for (unsigned i = 0; i < 2 * SOJ_SWEEP_STEPS; i++)
		login(2 + i, 1);
	assert_true(end_it(ref, &left));
	assert_true(left);
	assert_true(soj_upkeep_hinted(st));
	assert_int_equal(phase_of(ref), SOJ_LIVE);
}

/* Of a line, or in the making. */
static void what_concerns_others_is_left(void **state)
{
	const uint64_t ref = login(1, 1);
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	uint64_t owned, unborn;
	bool left;

	(void)state;
	soj_store_relaxed(&e->predecessor, ref + 1);
	assert_false(end_it(ref, &left));
	assert_int_equal(soj_ctl_status(soj_load_acquire(&e->ctl)), SOJ_ACTIVE);
	unborn = make_owned(st, w, digest_of(2), digest_of(2), "v", 1, &owned);
	assert_true(end_it(unborn, &left));
	assert_true(left);
	assert_int_equal(state_of_entry(st, unborn), owned);
	assert_false(soj_upkeep_hinted(st));
}

/* While somebody stands in a section nothing comes back: it is upkeep that sees
 * to that, and its ring is larger. */
static void a_full_limbo_takes_no_more(void **state)
{
	struct soj_worker *reader = worker_open(st);
	unsigned ended = 0;
	bool left;

	(void)state;
	soj_section_enter(&st->seg, &reader->thr);
	while (end_it(login(ended, ended), &left))
		assert_true(++ended < ENTRIES / 2);
	assert_true(ended > 100);
	assert_int_equal(w->limbo_lost, 0);
	assert_true(soj_section_exit(&st->seg, &reader->thr));
	worker_close(st, reader);
}

/* A segment in which others' limbo has what is free is not full. */
static void what_others_keep_can_be_had(void **state)
{
	struct soj_worker *other = worker_open(st);
	const uint32_t class = soj_class_of(1000);
	uint32_t idx, chunk, chunks = 0, ended;
	bool left;

	(void)state;
	for (ended = 0; ended < 200; ended++)
		assert_true(end_it(login(ended, ended), &left));
	let_grace_pass();
	for (uint32_t i = 0; i < ENTRIES; i++)
		assert_int_equal(soj_entry_own(st, other, &idx), 0);
	assert_int_equal(soj_entry_own(st, other, &idx), -ENOSPC);

	while (soj_chunk_own(st, w, class, &chunk) == 0)
		chunks++;
	assert_true(chunks > 1000);
	assert_true(soj_chunk_retire(
		st, w, chunk, soj_load_acquire(soj_chunk_state(st, chunk))));
	assert_int_equal(soj_chunk_own(st, other, class, &chunk), -ENOSPC);
	let_grace_pass();
	assert_int_equal(soj_chunk_own(st, other, class, &chunk), 0);
	worker_close(st, other);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(name, open_store, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(its_memory_serves_the_next),
		T(not_before_its_readers_are_gone),
		T(the_others_stay_in_the_chain),
		T(far_down_a_chain_it_is_left),
		T(what_concerns_others_is_left),
		T(a_full_limbo_takes_no_more),
		T(what_others_keep_can_be_had),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
