/* SPDX-License-Identifier: MIT */

/* The model against the segment, upkeep, and the end of a world. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/lib_world.h"
#include "lib_fsck.h"

/* Passes after which upkeep should have come to rest; a section that nobody
 * leaves costs two, everything else one or two. */
#define PASSES_MAX 40u

static const struct sojourn_read look_only = {.no_touch = true,
					      .no_renew = true};

/* ---- sessions ---- */

static void verify_id(struct world *w, const struct known *k)
{
	struct sojourn_info info = {0};
	size_t bytes = sizeof(value_buffer);
	int rc = sojourn_session_read(w->s, k->id, &look_only, value_buffer,
				      &bytes, &info);

	if (rc == -ENOENT && k->fate != LIVES)
		return;
	if (rc != 0 || k->fate == GONE) {
		failed("read: %d (%s), but it %s", rc, sojourn_error_text(),
		       k->fate == GONE ? "is gone" : "lives");
		return;
	}
	if (bytes != k->bytes || !value_is(value_buffer, bytes, k->number))
		failed("read: %zu bytes, not the value %u", bytes,
		       (unsigned)k->number);
	if (info.version != k->version)
		failed("read: version %u instead of %u", (unsigned)info.version,
		       (unsigned)k->version);
	if (strcmp(info.subject, k->subject) != 0)
		failed("read: subject %s", info.subject);
	if (info.renewals != k->old_ids)
		failed("read: %u renewals instead of %u", info.renewals,
		       k->old_ids);
	if (strcmp(info.metadata.ip ? info.metadata.ip : "", "192.0.2.1") != 0)
		failed("read: the metadata changed");
}

static void verify_old_id(struct world *w, const struct known *k, unsigned old)
{
	const char *next = old + 1 < k->old_ids ? k->old_id[old + 1] : k->id;
	bool gone = k->fate == GONE || old < k->old_gone;
	struct sojourn_info info = {0};
	size_t bytes = sizeof(value_buffer);
	int rc = sojourn_session_read(w->s, k->old_id[old], &look_only,
				      value_buffer, &bytes, &info);

	if (rc == -ENOENT && (gone || k->fate == EITHER))
		return;
	if (rc != 0 || gone) {
		failed("read by an old id: %d (%s), but it %s", rc,
		       sojourn_error_text(), gone ? "is gone" : "lives");
		return;
	}
	if (bytes != k->bytes || !value_is(value_buffer, bytes, k->number) ||
	    info.version != k->version)
		failed("read by an old id: not the value");
	if (info.renewal != SOJOURN_RENEWAL_DONE ||
	    strcmp(info.new_id, next) != 0)
		failed("read by an old id: renewal outcome %d", info.renewal);
}

struct listed {
	unsigned tips, old;
	bool strange;
};

static int count_listed(void *arg, const struct sojourn_info *info)
{
	struct listed *l = arg;

	if (info->renewed)
		l->old++;
	else
		l->tips++;
	l->strange |= info->version < 1 ||
		      strcmp(info->metadata.ip ? info->metadata.ip : "",
			     "192.0.2.1") != 0;
	return 0;
}

static void verify_list(struct world *w, const char *subject)
{
	struct listed l = {0};
	unsigned least = 0, most = 0, old = 0;
	int rc = sojourn_session_list_subject(w->s, subject, NULL, count_listed,
					      &l);

	for (unsigned i = 0; i < w->count; i++) {
		const struct known *k = &w->known[i];

		if (strcmp(k->subject, subject) != 0)
			continue;
		least += k->fate == LIVES && !k->unlisted;
		most += k->fate != GONE;
		old += k->fate != GONE ? k->old_ids : 0;
	}
	if (rc < 0)
		failed("list: %d %s", rc, sojourn_error_text());
	else if (l.tips < least || l.tips > most || l.strange)
		failed("list: %u sessions%s instead of %u to %u", l.tips,
		       l.strange ? ", strange ones," : "", least, most);
	/* An old id whose session is over may be listed until upkeep ends it,
	 * never one that was over before. */
	else if (l.old > old && least == most && most == w->count)
		failed("list: %u old ids instead of %u", l.old, old);
}

void world_verify(struct world *w)
{
	items_verify(w);
	for (unsigned i = 0; i < w->count; i++) {
		const struct known *k = &w->known[i];

		if (k->id[0])
			verify_id(w, k);
		for (unsigned old = 0; old < k->old_ids; old++)
			verify_old_id(w, k, old);
	}
	for (unsigned i = 0; i < w->count; i++) {
		unsigned first = 0;

		while (strcmp(w->known[first].subject, w->known[i].subject))
			first++;
		if (first == i)
			verify_list(w, w->known[i].subject);
	}
}

/* ---- the segment ---- */

void world_fsck(struct world *w, bool repaired)
{
	struct soj_fsck_report rep = {0};
	struct soj_image_flaw flaw;
	struct soj_image img;

	soj_image_of_memory(&img, w->s->st.seg.base, w->s->st.seg.bytes);
	img.st.vault = w->s->st.vault;
	if (soj_image_load(&img, &flaw) < 0) {
		failed("image: %s", flaw.text);
	} else if (soj_fsck(&img, &rep, false) < 0) {
		failed("fsck has no memory");
	} else if (rep.corrupt || (repaired && rep.repairable)) {
		for (uint32_t i = 0; i < rep.listed && i < 3; i++)
			failed("fsck: %s at %s: %s",
			       soj_fsck_kinds[rep.list[i].code].name,
			       rep.list[i].place, rep.list[i].words);
	}
	soj_fsck_free(&rep);
	soj_image_close(&img);
}

static bool idle(const struct soj_upkeep_work *work)
{
	return !work->left && !work->repaired && !work->expelled &&
	       !work->retired && !work->reclaimed && !work->scrubbed;
}

void world_upkeep(struct world *w)
{
	struct soj_upkeep_work work;
	unsigned quiet = 0;

	world_self(w);
	for (unsigned i = 0; i < PASSES_MAX; i++) {
		soj_upkeep_full(&w->up, &work);
		quiet = idle(&work) ? quiet + 1 : 0;
		if (quiet == 2)
			return;
		/* What waits for time only: a writer of half an event. */
		if (w->standing || i >= 4)
			world_advance(w, w->s->st.seg.policy.expel_after_ms);
	}
	failed("upkeep does not come to rest: left %d repaired %u expelled %u "
	       "retired %u reclaimed %u scrubbed %u",
	       work.left, work.repaired, work.expelled, work.retired,
	       work.reclaimed, work.scrubbed);
}

void world_settle(struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct known *k = &w->known[i];

		if (k->fate == EITHER)
			k->fate = k->later;
		k->unlisted = false;
	}
	w->in_flight = 0;
}

static void must_be_empty(struct world *w, uint32_t slots_lost)
{
	struct sojourn_stat stat;

	if (sojourn_stat(w->s, &stat) < 0) {
		failed("stat: %s", sojourn_error_text());
		return;
	}
	if (stat.entries_free != stat.entries_max)
		failed("after the drain %u of %u entries are free, %u live, "
		       "%u retired, %u owned",
		       (unsigned)stat.entries_free, (unsigned)stat.entries_max,
		       (unsigned)stat.entries_live,
		       (unsigned)stat.entries_retired,
		       (unsigned)stat.entries_owned);
	if (stat.chunk_bytes_live || stat.chunk_bytes_retired)
		failed("after the drain %u bytes of chunks are in use, "
		       "%u retired",
		       (unsigned)stat.chunk_bytes_live,
		       (unsigned)stat.chunk_bytes_retired);
	if (stat.threads_attached != 1 + slots_lost || stat.threads_dead)
		failed("after the drain %u slots are taken, %u by dead threads",
		       stat.threads_attached, stat.threads_dead);
	for (uint32_t u = 0; u < w->s->st.seg.lay.units; u++) {
		uint64_t word = soj_load_relaxed(&w->s->st.seg.units[u]);

		if (soj_unit_phase(word) == SOJ_UNIT_OWNED ||
		    soj_unit_phase(word) == SOJ_UNIT_DRAINING)
			failed("after the drain unit %u is in phase %d", u,
			       soj_unit_phase(word));
	}
}

void world_drain(struct world *w, uint32_t slots_lost)
{
	world_self(w);
	w->full = false;
	items_drain(w);
	for (unsigned i = 0; i < w->count; i++) {
		if (w->known[i].fate == GONE)
			continue;
		world_delete_subject(w, w->known[i].subject, -1);
	}
	if (w->token[0])
		world_end_family(w);
	access_drain(w);
	if (w->has_sleeper) {
		victim_kill(&w->sleeper);
		w->has_sleeper = false;
	}
	world_upkeep(w);
	world_verify(w);
	must_be_empty(w, slots_lost);
	world_fsck(w, true);
	world_events(w, true);
	/* And it can be used again. */
	w->count = 0;
	if (world_create(w, "anew", 100) == 0) {
		world_verify(w);
		world_delete(w, 0, false);
	}
}

void world_end(struct world *w)
{
	world_verify(w);
	world_upkeep(w);
	world_settle(w);
	world_fsck(w, true);
	world_verify(w);
	world_drain(w, 0);
	world_free(w);
}
