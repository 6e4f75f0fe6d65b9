/* SPDX-License-Identifier: MIT */

#include "crash/lib_watch.h"

#include <stdlib.h>

#include "store/locate.h"

static uint32_t longest(const struct soj_store *st)
{
	return st->classes[SOJ_CLASSES - 1].chunk_bytes / 8;
}

void watch_begin(struct watch *watch, struct world *w)
{
	const struct soj_store *st = &w->s->st;
	const struct soj_layout *lay = &st->seg.lay;

	*watch = (struct watch){.count = 0};
	soj_thread_init(&watch->thr);
	if (soj_slot_claim(&st->seg, &watch->thr) != 0)
		return;
	watch->on = true;
	watch->chunk = calloc(lay->entries_max + 1, sizeof(uint32_t));
	watch->copies = malloc((uint64_t)longest(st) * 8 * lay->entries_max);
	if (watch->chunk == NULL || watch->copies == NULL)
		abort();
	soj_section_enter(&st->seg, &watch->thr);
	for (uint32_t e = 1; e <= lay->entries_max; e++) {
		uint64_t ctl = soj_load_acquire(&soj_entry(st, e)->ctl);
		uint64_t *copy =
			&watch->copies[(uint64_t)longest(st) * watch->count];
		uint32_t bytes;
		soj_word_t *words;

		/* OWNED, it is its maker's, or a reclaimer's. */
		if ((!soj_ctl_readable(ctl) &&
		     soj_state_phase(soj_load_acquire(
			     &st->seg.entry_states[e])) != SOJ_LIVE) ||
		    !soj_chunk_named(st, soj_ctl_chunk(ctl)))
			continue;
		words = soj_chunk_words(st, soj_ctl_chunk(ctl), &bytes);
		for (uint32_t i = 0; i < bytes / 8; i++)
			copy[i] = soj_load_relaxed(&words[i]);
		watch->chunk[watch->count++] = soj_ctl_chunk(ctl);
	}
}

void watch_end(struct watch *watch, struct world *w)
{
	const struct soj_store *st = &w->s->st;

	if (!watch->on)
		return;
	for (uint32_t n = 0; n < watch->count; n++) {
		const uint64_t *copy =
			&watch->copies[(uint64_t)longest(st) * n];
		uint32_t bytes, changed = 0;
		soj_word_t *words =
			soj_chunk_words(st, watch->chunk[n], &bytes);

		for (uint32_t i = 0; i < bytes / 8; i++)
			changed += soj_load_relaxed(&words[i]) != copy[i];
		if (changed)
			failed("chunk %#x changed under a reader",
			       watch->chunk[n]);
	}
	if (!soj_section_exit(&st->seg, &watch->thr))
		failed("a reader was expelled, and no time has passed");
	soj_slot_release(&st->seg, &watch->thr);
	free(watch->chunk);
	free(watch->copies);
}
