/* SPDX-License-Identifier: MIT */

/* The numbers of a segment, from one pass over its state words. */

#include "lib_image.h"

#include <errno.h>
#include <stdlib.h>

#define X(name, help) #name,
const char *const soj_counter_names[SOJ_COUNTERS_USED] = {SOJ_COUNTERS(X)};
#undef X
#define X(name, help) help,
const char *const soj_counter_helps[SOJ_COUNTERS_USED] = {SOJ_COUNTERS(X)};
#undef X

uint64_t soj_image_lag_limit_ms(uint32_t i)
{
	if (i < 48)
		return i;
	if (i + 1 >= SOJ_LAG_BUCKETS)
		return UINT64_MAX;
	return (UINT64_C(48) << (i - 47)) - 1;
}

static int word_at(struct soj_window *win, uint64_t off, uint64_t *word)
{
	const void *at;
	int rc = soj_window_at(win, off, sizeof(*word), &at);

	if (rc == 0)
		memcpy(word, at, sizeof(*word));
	return rc;
}

static int count_entries(struct soj_image *img, struct soj_image_stat *stat)
{
	const struct soj_layout *lay = soj_image_layout(img);
	struct soj_window states, entries;
	int rc;

	rc = soj_window_init(&entries, img, lay->chunks_off);
	if (rc < 0)
		return rc;
	rc = soj_window_init(&states, img, lay->chunk_states_off);
	for (uint32_t e = 1; rc == 0 && e <= lay->entries_max; e++) {
		uint64_t state = 0, ctl = 0;

		rc = word_at(&states, lay->entry_states_off + 8ull * e, &state);
		if (rc == 0 && soj_state_phase(state) == SOJ_LIVE)
			rc = word_at(&entries,
				     lay->entries_off +
					     sizeof(struct soj_shm_entry) *
						     (uint64_t)e,
				     &ctl);
		if (soj_ctl_ended(ctl))
			stat->entries_ended++;
		else if (soj_state_phase(state) <= SOJ_RETIRED)
			stat->entries[soj_state_phase(state)]++;
	}
	soj_window_deinit(&states);
	soj_window_deinit(&entries);
	return rc;
}

static int count_page(struct soj_window *win, uint32_t unit, uint32_t class,
		      struct soj_image_stat *stat)
{
	const struct soj_layout *lay = soj_image_layout(win->img);
	const uint32_t slots = win->img->st.classes[class].page_slots;
	const void *at;
	int rc;

	rc = soj_window_at(
		win, lay->chunk_states_off + 8ull * unit * lay->unit_slots,
		8 * slots, &at);
	if (rc < 0)
		return rc;
	stat->classes[class].pages++;
	for (uint32_t s = 0; s < slots; s++) {
		uint64_t word;

		memcpy(&word, (const uint8_t *)at + 8 * s, 8);
		stat->classes[class].chunks[soj_state_phase(word) & 3]++;
	}
	return 0;
}

static int count_chunks(struct soj_image *img, struct soj_image_stat *stat)
{
	const struct soj_layout *lay = soj_image_layout(img);
	struct soj_window units, states;
	int rc;

	rc = soj_window_init(&units, img, lay->entry_free_off);
	if (rc < 0)
		return rc;
	rc = soj_window_init(&states, img, lay->units_off);
	for (uint32_t u = 0; rc == 0 && u < lay->units; u++) {
		uint64_t word = 0, off;
		uint32_t bytes;

		rc = word_at(&units, lay->units_off + 8ull * u, &word);
		if (rc < 0)
			break;
		if (soj_unit_phase(word) == SOJ_UNIT_FREE)
			stat->units_free++;
		if (soj_image_chunk_place(img, soj_chunk(u, 0), word, &off,
					  &bytes))
			rc = count_page(&states, u, soj_unit_class(word), stat);
	}
	soj_window_deinit(&states);
	soj_window_deinit(&units);
	return rc;
}

static void count_threads(struct soj_image *img, struct soj_image_stat *stat)
{
	uint64_t role = soj_load_relaxed(&img->hdr.role);
	uint32_t helper = (uint32_t)soj_field(role, 0, 12);

	for (uint32_t i = 0; i < img->hdr.slots_max; i++) {
		struct soj_shm_slot *slot = &img->slots[i];
		bool dead = soj_image_slot_dead(img, i);

		for (unsigned c = 0; c < SOJ_COUNTERS_USED; c++)
			stat->counters[c] += soj_load_relaxed(&slot->count[c]);
		stat->threads_attached += soj_image_slot_held(img, i);
		stat->threads_dead += dead;
		if (role == 0 || i != helper || !soj_image_slot_held(img, i) ||
		    soj_claim_gen(soj_load_relaxed(&slot->claim)) !=
			    soj_field(role, 12, 20))
			continue;
		stat->helper_alive = !dead;
		stat->helper_pid = soj_load_relaxed(&slot->pid);
	}
}

/* The upper end of the bucket with the value of that rank. */
static uint64_t lag_quantile(const struct soj_shm_header *hdr, uint64_t rank)
{
	uint64_t seen = 0;

	for (uint32_t i = 0; i < SOJ_LAG_BUCKETS; i++) {
		seen += soj_load_relaxed(&hdr->lag[i]);
		if (seen >= rank)
			return soj_image_lag_limit_ms(i);
	}
	return 0;
}

static void count_lag(const struct soj_image *img, struct soj_image_stat *stat)
{
	uint64_t count = 0;

	/* A damaged image may hold any numbers; the sum stays one. */
	for (uint32_t i = 0; i < SOJ_LAG_BUCKETS; i++)
		if (__builtin_add_overflow(
			    count, soj_load_relaxed(&img->hdr.lag[i]), &count))
			count = UINT64_MAX;
	stat->lag_count = count;
	if (count == 0)
		return;
	stat->lag_p50_ms = lag_quantile(&img->hdr, count - count / 2);
	stat->lag_p99_ms = lag_quantile(&img->hdr, count - count / 100);
	for (uint32_t i = 0; i < SOJ_LAG_BUCKETS; i++)
		if (soj_load_relaxed(&img->hdr.lag[i]))
			stat->lag_max_ms = soj_image_lag_limit_ms(i);
}

uint64_t soj_image_chunk_bytes(const struct soj_image *img,
			       const struct soj_image_stat *stat,
			       enum soj_phase phase)
{
	uint64_t bytes = 0;

	for (uint32_t c = 0; c < SOJ_CLASSES; c++)
		bytes += stat->classes[c].chunks[phase] *
			 img->st.classes[c].chunk_bytes;
	return bytes;
}

int soj_image_stat(struct soj_image *img, struct soj_image_stat *stat)
{
	int rc = soj_image_reload_header(img);

	memset(stat, 0, sizeof(*stat));
	if (rc == 0)
		rc = soj_image_reload_slots(img);
	if (rc == 0)
		rc = count_entries(img, stat);
	if (rc == 0)
		rc = count_chunks(img, stat);
	if (rc < 0)
		return rc;
	count_threads(img, stat);
	count_lag(img, stat);
	stat->now_ms = soj_image_now_ms(img);
	return 0;
}
