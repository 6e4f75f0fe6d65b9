/* SPDX-License-Identifier: MIT */

#include "lib_store.h"

#include "store/chain.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct soj_store *store_open(uint32_t entries_max, uint64_t segment_bytes)
{
	return store_open_slots(entries_max, segment_bytes, 32);
}

struct soj_store *store_open_slots(uint32_t entries_max, uint64_t segment_bytes,
				   uint32_t slots_max)
{
	struct soj_store *st = calloc(1, sizeof(*st));
	struct soj_seg_options o = {
		.entries_max = entries_max,
		.segment_bytes = segment_bytes,
		.slots_max = slots_max,
		.flags = SOJ_SHM_MANUAL_CLOCK,
		.events_max = 64,
		.policy = {.lease_ms = 2000,
			   .expel_after_ms = 50,
			   .id_bytes = 24},
		.collection = {[0] = {.name = "session",
				      .ttl_ms = 1000000,
				      .grace_window_ms = 5000,
				      .flags = SOJ_COLLECTION_DEFINED,
				      .ip4_prefix_bits = 32,
				      .ip6_prefix_bits = 128}},
		.group = (gid_t)-1,
	};
	struct soj_seg_error err;

	assert_non_null(st);
	assert_int_equal(soj_secret_init(), 0);
	if (soj_seg_create(&st->seg, NULL, &o, &err) != 0)
		fail_msg("%s", err.text);
	soj_store_init(st);
	return st;
}

void store_close(struct soj_store *st)
{
	soj_seg_detach(&st->seg);
	free(st);
}

struct soj_worker *worker_open(struct soj_store *st)
{
	struct soj_worker *w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(w, MAP_FAILED);
	assert_int_equal(madvise(w, sizeof(*w), MADV_WIPEONFORK), 0);
	soj_worker_init(w);
	assert_int_equal(soj_slot_claim(&st->seg, &w->thr), 0);
	return w;
}

void worker_close(struct soj_store *st, struct soj_worker *w)
{
	soj_worker_deinit(st, w);
	munmap(w, sizeof(*w));
}

static struct {
	struct soj_store *st;
	struct soj_worker *w;
} set_up;

int store_set_up(struct soj_store **st, struct soj_worker **w,
		 uint32_t entries_max, uint64_t segment_bytes)
{
	*st = set_up.st = store_open(entries_max, segment_bytes);
	*w = set_up.w = worker_open(set_up.st);
	return 0;
}

int store_tear_down(void **state)
{
	(void)state;
	worker_close(set_up.st, set_up.w);
	store_close(set_up.st);
	return 0;
}

void clock_pass(struct soj_store *st, uint64_t ms)
{
	soj_add_relaxed(&st->seg.hdr->manual_now_ms, ms);
}

struct soj_digest digest_of(uint64_t number)
{
	static const uint8_t key[16] = "keys of the test";

	return soj_digest(key, &number, sizeof(number));
}

uint64_t make_owned(struct soj_store *st, struct soj_worker *w,
		    struct soj_digest key, struct soj_digest subject,
		    const void *data, uint32_t data_bytes, uint64_t *owned)
{
	struct soj_value v = {
		.data = data, .data_bytes = data_bytes, .version = 1};
	struct soj_shm_entry *e;
	uint32_t idx, chunk;
	uint64_t gen;

	assert_int_equal(soj_entry_own(st, w, &idx), 0);
	assert_int_equal(soj_chunk_own(st, w,
				       soj_class_of(soj_value_chunk_bytes(&v)),
				       &chunk),
			 0);
	e = soj_entry(st, idx);
	*owned = soj_load_acquire(&st->seg.entry_states[idx]);
	gen = soj_state_gen(*owned);
	v.entry = idx;
	assert_int_equal(soj_chunk_write(st, chunk, &v), 0);
	soj_store_relaxed(&e->life, soj_life(gen, soj_seg_now_ms(&st->seg)));
	soj_store_relaxed(&e->renew, soj_renew(gen, SOJ_SLOT_NONE, 0));
	for (int i = 0; i < 2; i++) {
		soj_store_relaxed(&e->digest[i], key.word[i]);
		soj_store_relaxed(&e->subject[i], subject.word[i]);
	}
	soj_store_relaxed(&e->created_ms, soj_seg_now_ms(&st->seg));
	soj_store_relaxed(&e->expires_ms, soj_seg_now_ms(&st->seg) + 1000000);
	soj_store_release(&e->ctl, soj_ctl_next(soj_load_relaxed(&e->ctl),
						SOJ_ACTIVE, chunk));
	return soj_ref(idx, gen);
}

uint64_t put(struct soj_store *st, struct soj_worker *w, struct soj_digest key,
	     struct soj_digest subject, const void *data, uint32_t data_bytes)
{
	uint64_t owned, existing, ref;
	uint32_t chunk;

	ref = make_owned(st, w, key, subject, data, data_bytes, &owned);
	chunk = soj_ctl_chunk(
		soj_load_acquire(&soj_entry(st, soj_ref_entry(ref))->ctl));
	assert_int_equal(soj_chain_push(st, w, soj_ref_entry(ref), false), 0);
	assert_int_equal(soj_index_insert(st, w, key, soj_entry_place(st, ref),
					  NULL, &existing),
			 0);
	assert_true(soj_state_publish(
		soj_chunk_state(st, chunk),
		soj_load_acquire(soj_chunk_state(st, chunk))));
	assert_true(soj_entry_go_live(st, ref, owned));
	return ref;
}

uint64_t state_of_entry(struct soj_store *st, uint64_t ref)
{
	return soj_load_acquire(&st->seg.entry_states[soj_ref_entry(ref)]);
}
