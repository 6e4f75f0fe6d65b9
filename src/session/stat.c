/* SPDX-License-Identifier: MIT */

/* Numbers of a segment: one scan of the state words and the slots. */

#include <sojourn/stat.h>
#include <string.h>

#include "session/handle.h"

static const struct sojourn_counter counter_names[] = {
#define X(name, help) {#name, help, 0},
	SOJ_COUNTERS(X)
#undef X
};

static_assert(SOJ_LAG_BUCKETS == SOJOURN_STAT_LAGS, "lag histogram");
static_assert(SOJ_COUNTERS_USED <= SOJOURN_STAT_COUNTERS_MAX, "counters");

static void add_entries(const struct soj_store *st, struct sojourn_stat *stat)
{
	for (uint32_t e = 1; e <= st->seg.lay.entries_max; e++)
		switch (soj_state_phase(
			soj_load_relaxed(&st->seg.entry_states[e]))) {
		case SOJ_LIVE:
			stat->entries_live += soj_ctl_readable(
				soj_load_relaxed(&soj_entry(st, e)->ctl));
			break;
		case SOJ_OWNED:
			stat->entries_owned++;
			break;
		case SOJ_FREE:
			stat->entries_free++;
			break;
		default:
			break;
		}
	stat->entries_retired = stat->entries_max - stat->entries_live -
				stat->entries_owned - stat->entries_free;
}

static void add_page(const struct soj_store *st, uint32_t unit, uint32_t class,
		     struct sojourn_stat *stat)
{
	const uint64_t bytes = st->classes[class].chunk_bytes;

	for (uint32_t s = 0; s < st->classes[class].page_slots; s++)
		switch (soj_state_phase(soj_load_relaxed(
			soj_chunk_state(st, soj_chunk(unit, s))))) {
		case SOJ_RETIRED:
			stat->chunk_bytes_retired += bytes;
			break;
		case SOJ_FREE:
			stat->chunk_bytes_free += bytes;
			break;
		default:
			stat->chunk_bytes_live += bytes;
			break;
		}
}

static void add_slots(const struct soj_seg *seg, struct sojourn_stat *stat)
{
	for (uint32_t i = 0; i < seg->lay.slots_max; i++) {
		uint64_t claim = soj_load_relaxed(&seg->slots[i].claim);
		uint64_t dead;

		if (soj_claim_phase(claim) != SOJ_CLAIM_FREE)
			stat->threads_attached++;
		if (soj_slot_dead(seg, i, false, &dead))
			stat->threads_dead++;
		for (unsigned c = 0; c < SOJ_COUNTERS_USED; c++)
			stat->counter[c].value +=
				soj_load_relaxed(&seg->slots[i].count[c]);
	}
}

int sojourn_stat(struct sojourn *s, struct sojourn_stat *stat)
{
	const struct soj_store *st = &s->st;
	const struct soj_seg *seg = &st->seg;
	struct soj_self *self = soj_self(s);

	memset(stat, 0, sizeof(*stat));
	if (self && !soj_gone(&self->w))
		soj_count_flush(seg, &self->w.thr);
	memcpy(stat->counter, counter_names, sizeof(counter_names));
	stat->counters = SOJ_COUNTERS_USED;
	stat->now_ms = soj_seg_now_ms(seg);
	stat->segment_bytes = seg->bytes;
	stat->entries_max = seg->lay.entries_max;
	stat->huge_pages_wanted = soj_load_relaxed(&seg->hdr->huge_wanted);
	stat->huge_pages = soj_load_relaxed(&seg->hdr->huge_pages);
	stat->threads_max = seg->lay.slots_max;
	stat->chunk_bytes = (uint64_t)seg->lay.units * SOJ_UNIT_BYTES;
	stat->epoch = soj_load_relaxed(&seg->hdr->epoch);
	stat->helper_alive = soj_role_held(seg);
	stat->helper_beat_ms = soj_load_relaxed(&seg->hdr->helper_beat_ms);
	add_entries(st, stat);
	for (uint32_t u = 0; u < seg->lay.units; u++) {
		uint64_t word;
		uint32_t class = soj_page_class(st, u, &word);

		if (class < SOJ_CLASSES)
			add_page(st, u, class, stat);
		else if (soj_unit_phase(word) == SOJ_UNIT_FREE)
			stat->chunk_bytes_free += SOJ_UNIT_BYTES;
	}
	add_slots(seg, stat);
	for (unsigned i = 0; i < SOJ_LAG_BUCKETS; i++)
		stat->lag[i] = soj_load_relaxed(&seg->hdr->lag[i]);
	return soj_ok();
}
