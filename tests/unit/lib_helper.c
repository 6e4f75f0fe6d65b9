/* SPDX-License-Identifier: MIT */

#include "lib_helper.h"

#include "store/chain.h"

#include <string.h>

void scene_open(struct scene *sc, const char *name, uint32_t entries_max,
		uint32_t slots_max, uint32_t flags)
{
	scene_open_events(sc, name, entries_max, slots_max, flags, 0);
}

void scene_open_events(struct scene *sc, const char *name, uint32_t entries_max,
		       uint32_t slots_max, uint32_t flags, uint32_t events_max)
{
	struct soj_seg_options opts = shm_options();
	struct soj_seg_error err;

	memset(sc, 0, sizeof(*sc));
	sc->name = name;
	opts.entries_max = entries_max;
	opts.slots_max = slots_max;
	opts.flags = flags;
	opts.events_max = events_max;
	opts.segment_bytes = (4u << 20) + (uint64_t)entries_max * 512;
	if (soj_seg_create(&sc->st.seg, name, &opts, &err) < 0)
		fail_msg("%s", err.text);
	soj_store_init(&sc->st);
	soj_worker_init(&sc->w);
	assert_int_equal(soj_slot_claim(&sc->st.seg, &sc->w.thr), 0);
}

void scene_close(struct scene *sc)
{
	struct soj_seg_error err;

	soj_worker_deinit(&sc->st, &sc->w);
	soj_seg_detach(&sc->st.seg);
	if (sc->name)
		soj_seg_destroy(sc->name, &err);
}

void scene_clock(struct scene *sc, uint64_t now_ms)
{
	soj_store_relaxed(&sc->st.seg.hdr->manual_now_ms, now_ms);
}

static uint64_t state_of(const struct scene *sc, uint64_t ref)
{
	return soj_load_relaxed(&sc->st.seg.entry_states[soj_ref_entry(ref)]);
}

static uint32_t new_chunk(struct scene *sc, const struct soj_value *value)
{
	uint32_t chunk;

	assert_int_equal(
		soj_chunk_own(&sc->st, &sc->w,
			      soj_class_of(soj_value_chunk_bytes(value)),
			      &chunk),
		0);
	soj_chunk_write(&sc->st, chunk, value);
	return chunk;
}

static void publish_chunk(struct scene *sc, uint32_t chunk)
{
	soj_word_t *state = soj_chunk_state(&sc->st, chunk);

	assert_true(soj_state_publish(state, soj_load_relaxed(state)));
}

uint64_t scene_make_owned(struct scene *sc, const struct soj_times *times)
{
	struct soj_digest digest = {{++sc->made * UINT64_C(0x9e3779b97f4a7c15),
				     sc->made * UINT64_C(0xc2b2ae3d27d4eb4f)}};
	struct soj_value value = {.data = "value",
				  .data_bytes = 5,
				  .subject = "subject",
				  .subject_bytes = 7,
				  .version = 1};
	struct soj_shm_entry *e;
	uint64_t gen, existing;
	uint32_t idx, chunk;

	assert_int_equal(soj_entry_own(&sc->st, &sc->w, &idx), 0);
	gen = soj_state_gen(soj_load_relaxed(&sc->st.seg.entry_states[idx]));
	value.entry = idx;
	chunk = new_chunk(sc, &value);
	e = soj_entry(&sc->st, idx);
	soj_store_relaxed(&e->life, soj_life(gen, times->accessed_ms));
	soj_store_relaxed(&e->digest[0], digest.word[0]);
	soj_store_relaxed(&e->digest[1], digest.word[1]);
	soj_store_relaxed(&e->created_ms, times->created_ms);
	soj_store_relaxed(&e->expires_ms, times->expires_ms);
	soj_store_relaxed(&e->idle_ms, times->idle_ms);
	soj_store_relaxed(&e->sliding_ms, times->sliding_ms);
	soj_store_relaxed(&e->subject[0], digest.word[1]);
	soj_store_release(&e->ctl, soj_ctl_next(soj_load_relaxed(&e->ctl),
						SOJ_ACTIVE, chunk));
	assert_int_equal(soj_chain_push(&sc->st, &sc->w, idx, false), 0);
	assert_int_equal(
		soj_index_insert(&sc->st, &sc->w, digest,
				 soj_entry_place(&sc->st, soj_ref(idx, gen)),
				 NULL, &existing),
		0);
	publish_chunk(sc, chunk);
	return soj_ref(idx, gen);
}

void scene_settle(struct scene *sc, uint64_t ref)
{
	assert_true(soj_entry_go_live(&sc->st, ref, state_of(sc, ref)));
}

uint64_t scene_make(struct scene *sc, const struct soj_times *times)
{
	uint64_t ref = scene_make_owned(sc, times);

	scene_settle(sc, ref);
	return ref;
}

void scene_renew(struct scene *sc, uint64_t ref, uint64_t grace_until_ms,
		 bool hint)
{
	struct soj_shm_record record = {.grace_until_ms = grace_until_ms};
	struct soj_value value = {.data = "value",
				  .data_bytes = 5,
				  .record = &record,
				  .version = 2,
				  .entry = soj_ref_entry(ref)};
	struct soj_shm_entry *e = soj_entry(&sc->st, soj_ref_entry(ref));
	uint64_t ctl = soj_load_relaxed(&e->ctl);
	uint64_t was =
		soj_load_relaxed(soj_chunk_state(&sc->st, soj_ctl_chunk(ctl)));
	uint32_t chunk = new_chunk(sc, &value);
	uint64_t next = soj_ctl_next(ctl, SOJ_RENEWED, chunk);

	assert_true(soj_cas_acq_rel(&e->ctl, &ctl, next));
	publish_chunk(sc, chunk);
	assert_true(soj_chunk_retire(&sc->st, &sc->w, soj_ctl_chunk(ctl), was));
	if (hint)
		soj_hint_armed(&sc->st, soj_ref_entry(ref));
}

void scene_touch(struct scene *sc, uint64_t ref, uint64_t accessed_ms)
{
	struct soj_shm_entry *e = soj_entry(&sc->st, soj_ref_entry(ref));
	uint64_t life = soj_load_relaxed(&e->life);

	assert_true(soj_cas_acq_rel(&e->life, &life,
				    soj_life(soj_life_gen(life), accessed_ms)));
}

enum soj_status scene_status(const struct scene *sc, uint64_t ref)
{
	return soj_ctl_status(
		soj_load_relaxed(&soj_entry(&sc->st, soj_ref_entry(ref))->ctl));
}

enum soj_phase scene_phase(const struct scene *sc, uint64_t ref)
{
	return soj_state_phase(state_of(sc, ref));
}

uint64_t scene_count(const struct scene *sc, enum soj_counter counter)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < sc->st.seg.lay.slots_max; i++)
		sum += soj_load_relaxed(&sc->st.seg.slots[i].count[counter]);
	return sum;
}

uint64_t scene_lag(const struct scene *sc, uint32_t bucket)
{
	return soj_load_relaxed(&sc->st.seg.hdr->lag[bucket]);
}

uint64_t scene_lags(const struct scene *sc)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < SOJ_LAG_BUCKETS; i++)
		sum += scene_lag(sc, i);
	return sum;
}

uint32_t scene_role_slot(const struct scene *sc)
{
	return (uint32_t)soj_field(soj_load_relaxed(&sc->st.seg.hdr->role), 0,
				   12);
}

pid_t scene_helper(const struct scene *sc)
{
	uint32_t slot = scene_role_slot(sc);

	if (!soj_role_held(&sc->st.seg) || slot >= sc->st.seg.lay.slots_max)
		return 0;
	return (pid_t)sc->st.seg.slots[slot].pid;
}

uint32_t scene_attached(const struct scene *sc)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sc->st.seg.lay.slots_max; i++)
		count += soj_claim_phase(soj_load_relaxed(
				 &sc->st.seg.slots[i].claim)) != SOJ_CLAIM_FREE;
	return count;
}
