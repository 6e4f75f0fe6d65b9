/* SPDX-License-Identifier: MIT */

/* Slab, pages, index, chains, snapshots: the store without sessions. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib_store.h"
#include "store/chain.h"
#include "store/plain_read.h"
#include "upkeep/upkeep.h"

static struct soj_store *st;
static struct soj_worker *w;

static int open_store(void **state)
{
	(void)state;
	return store_set_up(&st, &w, 2000, 16 << 20);
}

static void classes_hold_what_they_promise(void **state)
{
	uint32_t last = 0;

	(void)state;
	for (uint64_t bytes = 1; bytes <= SOJ_DATA_BYTES_MAX + 3000;
	     bytes += 1 + bytes / 50) {
		uint32_t c = soj_class_of(bytes);

		assert_true(c < SOJ_CLASSES);
		assert_true(st->classes[c].chunk_bytes >= bytes);
		assert_true(c == 0 || st->classes[c - 1].chunk_bytes < bytes);
		assert_true(c >= last);
		last = c;
	}
	assert_int_equal(st->classes[0].chunk_bytes, 64 + 32);
	assert_int_equal(soj_class_of(UINT64_C(1) << 22), SOJ_CLASSES);
	for (uint32_t c = 0; c < SOJ_CLASSES; c++) {
		const struct soj_class *k = &st->classes[c];

		assert_true((uint64_t)k->page_slots * k->chunk_bytes <=
			    (uint64_t)k->page_units * SOJ_UNIT_BYTES);
		/* Payloads are at most 12.5 % apart. */
		if (c > 0)
			assert_true(
				(uint64_t)(st->classes[c].chunk_bytes - 32) *
					8 <=
				(uint64_t)(st->classes[c - 1].chunk_bytes -
					   32) *
					9);
	}
}

static void generations_rise_with_reuse(void **state)
{
	uint32_t idx, again;
	uint64_t gen;

	(void)state;
	assert_int_equal(soj_entry_own(st, w, &idx), 0);
	gen = soj_state_gen(st->seg.entry_states[idx]);
	soj_entry_abandon(st, w, idx);
	assert_int_equal(soj_state_phase(st->seg.entry_states[idx]), SOJ_FREE);
	assert_int_equal(soj_state_gen(st->seg.entry_states[idx]), gen + 1);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(soj_entry_own(st, w, &again), 0);
	assert_int_equal(soj_entry_own(st, w, &again), -ENOSPC);
}

/* Hints in an idle thread's magazine must not look like a full segment. */
static void hints_are_only_hints(void **state)
{
	struct soj_worker *idle = worker_open(st);
	uint32_t idx, count = 0;

	(void)state;
	assert_int_equal(soj_entry_own(st, idle, &idx), 0);
	while (soj_entry_own(st, w, &idx) == 0)
		count++;
	assert_int_equal(count, 1999);
	worker_close(st, idle);
}

static void retired_waits_for_the_grace_period(void **state)
{
	struct soj_worker *reader = worker_open(st);
	uint64_t ref = put(st, w, digest_of(1), digest_of(100), "abc", 3);
	uint32_t idx = soj_ref_entry(ref);
	uint64_t was = state_of_entry(st, ref), retired;

	(void)state;
	soj_section_enter(&st->seg, &reader->thr);
	assert_true(soj_entry_retire(st, w, idx, was));
	retired = state_of_entry(st, ref);
	assert_int_equal(soj_state_phase(retired), SOJ_RETIRED);
	assert_false(soj_entry_retire(st, w, idx, was));
	for (int i = 0; i < 5; i++)
		soj_epoch_advance(&st->seg);
	assert_false(
		soj_entry_reclaim(st, w, idx, retired, soj_epoch(&st->seg)));
	assert_true(soj_section_exit(&st->seg, &reader->thr));
	for (int i = 0; i < 2; i++)
		soj_epoch_advance(&st->seg);
	assert_true(
		soj_entry_reclaim(st, w, idx, retired, soj_epoch(&st->seg)));
	assert_int_equal(soj_state_phase(state_of_entry(st, ref)), SOJ_FREE);
	worker_close(st, reader);
}

static void keys_are_unique(void **state)
{
	uint64_t ref = put(st, w, digest_of(1), digest_of(100), "abc", 3);
	uint64_t owned, existing = 0, other;
	struct soj_found found;

	(void)state;
	other = make_owned(st, w, digest_of(1), digest_of(100), "x", 1, &owned);
	assert_int_equal(soj_index_insert(st, w, digest_of(1),
					  soj_entry_place(st, other), NULL,
					  &existing),
			 -EEXIST);
	assert_int_equal(existing, ref);
	/* The place that it had reserved was given back. */
	for (uint32_t p = 0, used = 0; p < SOJ_BUCKET_PLACES; p++) {
		used += !soj_place_empty(
			st->seg.buckets[soj_scale(digest_of(1).word[0],
						  st->seg.lay.buckets)]
				.place[p]);
		assert_true(used <= 1);
	}
	assert_int_equal(soj_index_find(st, digest_of(1), &found), 0);
	assert_int_equal(found.ref, ref);
	assert_true(soj_index_remove(st, w, digest_of(1),
				     soj_entry_place(st, ref)));
	assert_false(soj_index_remove(st, w, digest_of(1),
				      soj_entry_place(st, ref)));
	assert_int_equal(soj_index_find(st, digest_of(1), &found), -ENOENT);
}

/* A bucket takes 15; the next gets an error of its own. */
static void a_full_bucket_says_so(void **state)
{
	struct soj_digest d = digest_of(7);
	uint64_t owned, existing, ref;

	(void)state;
	for (uint64_t i = 0; i < SOJ_BUCKET_PLACES; i++) {
		d.word[1] = i * 65537;
		put(st, w, d, digest_of(100), "", 0);
	}
	d.word[1] = 999;
	ref = make_owned(st, w, d, digest_of(100), "", 0, &owned);
	assert_int_equal(soj_index_insert(st, w, d, soj_entry_place(st, ref),
					  NULL, &existing),
			 -EXFULL);
}

static bool count(void *arg, uint32_t idx)
{
	(void)idx;
	(*(int *)arg)++;
	return true;
}

static void count_anew(void *arg)
{
	*(int *)arg = 0;
}

static int chain_length(struct soj_digest subject)
{
	uint64_t head;
	int n = 0;
	const struct soj_walk walk = {count_anew, count, &n, 8};

	assert_int_equal(
		soj_chain_walk(st, w, soj_head_of(st, subject), &head, &walk),
		0);
	return n;
}

static void ended_entries_leave_by_upkeep(void **state)
{
	struct soj_upkeep_work work;
	struct soj_upkeep up;
	uint64_t ref[100];

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		ref[i] = put(st, w, digest_of(i), digest_of(100), "v", 1);
	assert_int_equal(chain_length(digest_of(100)), 100);
	for (int i = 0; i < 100; i += 3) {
		uint64_t ctl = soj_entry(st, soj_ref_entry(ref[i]))->ctl;

		assert_true(
			soj_entry_end(st, w, ref[i], ctl, SOJ_ENDED_DELETED));
		assert_false(
			soj_entry_end(st, w, ref[i], ctl, SOJ_ENDED_DELETED));
	}
	assert_int_equal(soj_upkeep_init(&up, st, w), 0);
	for (int i = 0; i < 4; i++)
		soj_upkeep_pass(&up, &work);
	assert_int_equal(chain_length(digest_of(100)), 66);
	for (int i = 0; i < 100; i++)
		assert_int_equal(soj_state_phase(state_of_entry(st, ref[i])),
				 i % 3 ? SOJ_LIVE : SOJ_FREE);
	soj_upkeep_deinit(&up);
}

static void login_numbers_follow_the_order(void **state)
{
	uint64_t last = 0;

	(void)state;
	for (uint64_t i = 0; i < 50; i++) {
		uint64_t ref = put(st, w, digest_of(i), digest_of(100), "", 0);
		uint64_t login = soj_entry(st, soj_ref_entry(ref))->login;

		assert_true(login > last);
		last = login;
	}
}

/* Whoever has no slot owns nothing, and no class holds more than the largest. */
static void all_is_for_who_has_a_slot(void **state)
{
	struct soj_worker *other = worker_open(st);
	uint32_t chunk, idx;

	(void)state;
	assert_int_equal(soj_chunk_own(st, other, SOJ_CLASSES, &chunk),
			 -EMSGSIZE);
	assert_int_equal(soj_chunk_own_in_pages(st, other, SOJ_CLASSES, &chunk),
			 -EMSGSIZE);
	assert_int_equal(soj_chunk_own(st, other, 0, &chunk), 0);
	soj_worker_deinit(st, other);
	soj_worker_init(other);
	assert_int_equal(soj_chunk_own(st, other, 0, &chunk), -EAGAIN);
	assert_int_equal(soj_chunk_own_in_pages(st, other, 0, &chunk), -EAGAIN);
	assert_int_equal(soj_entry_own(st, other, &idx), -EAGAIN);
	worker_close(st, other);
}

/* What a page is being made of is given back for its dead maker alone. */
static void parts_go_with_their_maker(void **state)
{
	struct soj_worker *other = worker_open(st);
	const uint32_t last = st->seg.lay.units - 1;
	soj_word_t *first = &st->seg.units[last - 1];
	soj_word_t *part = &st->seg.units[last];
	const uint64_t was = soj_unit(SOJ_UNIT_PART, 0, 0, 1, 9);
	uint32_t idx, slot;

	(void)state;
	assert_int_equal(soj_entry_own(st, other, &idx), 0);
	slot = other->thr.slot;
	soj_store_relaxed(first, soj_unit(SOJ_UNIT_OWNED, 0, slot, 0, 9));
	soj_store_relaxed(part, was);
	/* Somebody else's death; and his, who had the slot before. */
	assert_int_equal(soj_units_repair(st, w->thr.slot, w->thr.claim), 0);
	assert_int_equal(soj_units_repair(st, slot, other->thr.claim + 4), 0);
	assert_int_equal(soj_load_relaxed(part), was);
	assert_int_equal(soj_units_repair(st, slot, other->thr.claim), 2);
	assert_int_equal(soj_unit_phase(soj_load_relaxed(part)), SOJ_UNIT_FREE);
	assert_int_equal(soj_unit_phase(soj_load_relaxed(first)),
			 SOJ_UNIT_FREE);
	soj_entry_abandon(st, other, idx);
	worker_close(st, other);
}

static void relocation_keeps_the_value(void **state)
{
	uint8_t in[1000], out[1000];
	struct soj_copy copy = {.data = out, .data_capacity = sizeof(out)};
	struct soj_snapshot snap;
	uint64_t ref;
	uint32_t chunk;

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	ref = put(st, w, digest_of(1), digest_of(2), in, sizeof(in));
	chunk = soj_ctl_chunk(soj_entry(st, soj_ref_entry(ref))->ctl);
	assert_int_equal(soj_chunk_relocate(st, w, chunk), 0);
	assert_int_not_equal(
		soj_ctl_chunk(soj_entry(st, soj_ref_entry(ref))->ctl), chunk);
	assert_int_equal(soj_entry_snapshot(st, ref, NULL, &copy, &snap), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(snap.version, 1);
	assert_int_equal(soj_chunk_relocate(st, w, chunk), -EAGAIN);
}

/* All memory in pages of small chunks, most of them free: a large value still
 * finds room, because pages can be emptied. */
static void pages_change_their_class(void **state)
{
	struct soj_digest subject = digest_of(9);
	uint64_t ref[2000];
	uint8_t data[3000] = {0};
	struct soj_upkeep_work work;
	struct soj_upkeep up;
	uint32_t chunk, n = 0;

	(void)state;
	/* Fill every unit with 1-KiB chunks. */
	for (; n < 2000; n++)
		ref[n] = put(st, w, digest_of(n), subject, data, 1000);
	while (soj_page_new(st, w, soj_class_of(1024)) == 0)
		;
	for (uint32_t i = 0; i < n; i++)
		if (i % 8)
			assert_true(soj_entry_end(
				st, w, ref[i],
				soj_entry(st, soj_ref_entry(ref[i]))->ctl,
				SOJ_ENDED_DELETED));
	assert_int_equal(soj_upkeep_init(&up, st, w), 0);
	for (int i = 0; i < 5; i++)
		soj_upkeep_full(&up, &work);
	assert_int_equal(soj_chunk_own(st, w, soj_class_of(3000), &chunk),
			 -ENOSPC);
	assert_int_equal(soj_page_drain(st, w, soj_class_of(3000)), 0);
	assert_int_equal(soj_chunk_own(st, w, soj_class_of(3000), &chunk), 0);
	for (uint32_t i = 0; i < n; i += 8) {
		struct soj_copy copy = {.data = data,
					.data_capacity = sizeof(data)};
		struct soj_snapshot snap;

		assert_int_equal(
			soj_entry_snapshot(st, ref[i], NULL, &copy, &snap), 0);
	}
	soj_upkeep_deinit(&up);
}

/* Not inline: the compiler would warn of sizes that it cannot know. */
static __attribute__((noinline)) int plain_read(const struct soj_plain *want,
						struct soj_digest d)
{
	struct soj_plain_seen seen;

	return soj_plain_read(st, soj_plain_begin(st, d.word[0]), d, 1, want,
			      &seen);
}

/* What changes while a plain read copies is seen: here the copy itself goes
 * over the words that are looked at again. */
static void plain_reads_look_again(void **state)
{
	const struct soj_digest d = digest_of(5);
	const uint64_t ref = put(st, w, d, digest_of(6), "8 bytes!", 8);
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	struct soj_shm_bucket *b = soj_plain_begin(st, d.word[0]);
	soj_word_t *words[] = {&e->ctl, &b->header};
	char data[8];
	struct soj_plain want = {.data = data, .data_capacity = sizeof(data)};

	(void)state;
	assert_int_equal(plain_read(&want, d), 0);
	assert_memory_equal(data, "8 bytes!", 8);
	for (size_t i = 0; i < 2; i++) {
		uint64_t was = soj_load_relaxed(words[i]);

		want.data = words[i];
		assert_int_equal(plain_read(&want, d), -EAGAIN);
		/* Nor is there anything left of what was copied. */
		assert_int_equal(soj_load_relaxed(words[i]), 0);
		soj_store_relaxed(words[i], was);
	}
}

static void free_memory_is_zero(void **state)
{
	uint64_t ref = put(st, w, digest_of(1), digest_of(2), "secret!!", 8);
	uint32_t chunk = soj_ctl_chunk(soj_entry(st, soj_ref_entry(ref))->ctl);
	struct soj_upkeep_work work;
	struct soj_upkeep up;
	uint32_t bytes;
	soj_word_t *words;

	(void)state;
	assert_true(soj_entry_end(st, w, ref,
				  soj_entry(st, soj_ref_entry(ref))->ctl,
				  SOJ_ENDED_DELETED));
	assert_int_equal(soj_upkeep_init(&up, st, w), 0);
	for (int i = 0; i < 4; i++)
		soj_upkeep_pass(&up, &work);
	words = soj_chunk_words(st, chunk, &bytes);
	for (uint32_t i = 0; i < bytes / 8; i++)
		assert_int_equal(words[i], 0);
	soj_upkeep_deinit(&up);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(name, open_store, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(classes_hold_what_they_promise),
		T(generations_rise_with_reuse),
		T(hints_are_only_hints),
		T(retired_waits_for_the_grace_period),
		T(keys_are_unique),
		T(a_full_bucket_says_so),
		T(ended_entries_leave_by_upkeep),
		T(login_numbers_follow_the_order),
		T(all_is_for_who_has_a_slot),
		T(parts_go_with_their_maker),
		T(relocation_keeps_the_value),
		T(pages_change_their_class),
		T(plain_reads_look_again),
		T(free_memory_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
