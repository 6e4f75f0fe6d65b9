/* SPDX-License-Identifier: MIT */

/*
 * Words of the segment that somebody tampered with: an index, a number or a
 * length out of range, or a line or chain that leads back to itself.  Whatever
 * an operation answers, it ends, and it stays inside the segment.
 *
 *   crash_found_image [--list] [CASE...]
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crash/lib_found.h"
#include "crash/lib_ops.h"
#include "store/chain.h"

#define ENTRY_OUT SOJ_MASK(SOJ_ENTRY_BITS) /* 512 MiB behind the states */
#define CLASS_OUT 200u

static struct soj_shm_entry *old_entry(struct world *w)
{
	return soj_entry(&w->s->st, soj_ref_entry(ref_of(
					    w, w->known[w->target].old_id[0])));
}

static struct soj_shm_entry *new_entry(struct world *w)
{
	return soj_entry(&w->s->st,
			 soj_ref_entry(ref_of(w, w->known[w->target].id)));
}

/* ---- what is written ---- */

static soj_word_t *record(struct world *w)
{
	struct soj_chunk_view view = {0};

	if (!soj_chunk_look(
		    &w->s->st,
		    chunk_of(w, ref_of(w, w->known[w->target].old_id[0])),
		    &view) ||
	    view.record_bytes == 0)
		failed("the renewed session has no record");
	return view.record;
}

static void successor_out(struct world *w)
{
	soj_store_relaxed(&record(w)[0], soj_ref(ENTRY_OUT, 0));
}

static void successor_just_out(struct world *w)
{
	soj_store_relaxed(&record(w)[0],
			  soj_ref(w->s->st.seg.lay.entries_max + 1, 0));
}

static void successor_none(struct world *w)
{
	soj_store_relaxed(&record(w)[0], 0);
}

static void successor_itself(struct world *w)
{
	soj_store_relaxed(&record(w)[0],
			  ref_of(w, w->known[w->target].old_id[0]));
}

static void sealed_too_long(struct world *w)
{
	struct soj_shm_record copy;
	soj_word_t *words = record(w);

	soj_copy_out(&copy, words, sizeof(copy));
	copy.sealed_bytes = UINT32_MAX;
	soj_copy_in(words, &copy, sizeof(copy));
}

static void predecessor_out(struct world *w)
{
	soj_store_relaxed(&new_entry(w)->predecessor, soj_ref(ENTRY_OUT, 0));
}

static void predecessor_itself(struct world *w)
{
	soj_store_relaxed(&new_entry(w)->predecessor,
			  ref_of(w, w->known[w->target].id));
}

static void set_chunk(struct world *w, struct soj_shm_entry *e, uint32_t chunk)
{
	uint64_t ctl = soj_load_acquire(&e->ctl);

	(void)w;
	soj_store_release(&e->ctl,
			  soj_ctl_next(ctl, soj_ctl_status(ctl), chunk));
}

static void chunk_out(struct world *w)
{
	set_chunk(w, new_entry(w), SOJ_CHUNK_NONE);
	set_chunk(w, old_entry(w), SOJ_CHUNK_NONE);
}

static void chunk_in_unit_out(struct world *w)
{
	set_chunk(w, new_entry(w), soj_chunk(w->s->st.seg.lay.units, 0));
	set_chunk(w, old_entry(w), soj_chunk(0, 0x7ff));
}

/* The last unit is the first one of a page of nine; its chunk is as long as
 * can be, and the session's. */
static void page_over_the_end(struct world *w)
{
	uint32_t last = w->s->st.seg.lay.units - 1, bytes;
	struct soj_shm_entry *e = new_entry(w);
	soj_word_t *words;
	uint64_t word;

	words = (soj_word_t *)(void *)(w->s->st.seg.chunks +
				       (uint64_t)last * SOJ_UNIT_BYTES);
	soj_store_relaxed(&words[0], soj_chunk_head0(1000000, 4, 0, 0));
	soj_store_relaxed(
		&words[1],
		soj_chunk_head1(
			soj_ref_entry(ref_of(w, w->known[w->target].id)), 1));
	soj_store_release(&w->s->st.seg.units[last],
			  soj_unit(SOJ_UNIT_ACTIVE, SOJ_CLASSES - 1, 0, 0, 7));
	soj_store_release(soj_chunk_state(&w->s->st, soj_chunk(last, 0)),
			  soj_state(SOJ_LIVE, 0, 3));
	set_chunk(w, e, soj_chunk(last, 0));
	MUST(soj_chunk_words(&w->s->st, soj_chunk(last, 0), &bytes) == NULL);
	MUST(soj_page_class(&w->s->st, last, &word) == SOJ_CLASSES);
}

static void class_out(struct world *w)
{
	uint64_t ctl = soj_load_acquire(&new_entry(w)->ctl), word;
	uint32_t unit = soj_chunk_unit(soj_ctl_chunk(ctl)), bytes;

	soj_store_release(&w->s->st.seg.units[unit],
			  soj_unit(SOJ_UNIT_ACTIVE, CLASS_OUT, 0, 0, 7));
	MUST(soj_chunk_words(&w->s->st, soj_chunk(unit, 0), &bytes) == NULL);
	MUST(soj_page_class(&w->s->st, unit, &word) == SOJ_CLASSES);
}

static void part_before_the_first(struct world *w)
{
	soj_store_release(&w->s->st.seg.units[1],
			  soj_unit(SOJ_UNIT_PART, 3, 0, 31, 7));
}

static void owned_by_no_slot(struct world *w)
{
	const struct soj_seg *seg = &w->s->st.seg;

	soj_store_release(&seg->units[1],
			  soj_unit(SOJ_UNIT_OWNED, 0, SOJ_SLOT_NONE, 0, 7));
	soj_store_release(&seg->units[2],
			  soj_unit(SOJ_UNIT_DRAINING, 3, SOJ_SLOT_NONE, 0, 7));
	soj_store_release(&seg->entry_states[12],
			  soj_state(SOJ_OWNED, SOJ_MASK(24), 7));
	soj_store_release(soj_chunk_state(&w->s->st, soj_chunk(0, 40)),
			  soj_state(SOJ_OWNED, SOJ_MASK(24), 7));
	soj_store_release(
		&new_entry(w)->renew,
		soj_renew(soj_ref_gen(ref_of(w, w->known[w->target].id)), 4000,
			  SOJ_MASK(30)));
	soj_store_release(&seg->hdr->role, soj_role(4000, 1, 1));
}

static void phases_out(struct world *w)
{
	soj_store_release(&w->s->st.seg.entry_states[12], 7);
	soj_store_release(&w->s->st.seg.units[1], UINT64_MAX);
	soj_store_release(soj_chunk_state(&w->s->st, soj_chunk(0, 40)),
			  UINT64_MAX);
	soj_store_release(&w->s->st.seg.slots[5].claim, UINT64_MAX);
	soj_store_release(&w->s->st.seg.slots[6].section, UINT64_MAX);
}

static soj_word_t *head(struct world *w)
{
	uint32_t idx = soj_ref_entry(ref_of(w, w->known[w->target].id));

	return &w->s->st.seg.heads[soj_head_of(
		&w->s->st, soj_entry_subject(&w->s->st, idx))];
}

static void head_out(struct world *w)
{
	soj_store_release(head(w), soj_link(ENTRY_OUT, 9, false));
}

static void link_out(struct world *w)
{
	soj_store_release(&new_entry(w)->link, soj_link(ENTRY_OUT, 9, false));
}

static void link_to_itself(struct world *w)
{
	uint32_t idx = soj_ref_entry(ref_of(w, w->known[w->target].id));

	soj_store_release(&new_entry(w)->link, soj_link(idx, 9, false));
}

static void places_out(struct world *w)
{
	for (uint32_t b = 0; b < w->s->st.seg.lay.buckets; b++) {
		struct soj_shm_bucket *bucket = &w->s->st.seg.buckets[b];

		for (uint32_t p = 0; p < SOJ_BUCKET_PLACES; p++)
			if (soj_load_acquire(&bucket->place[p]) == 0)
				soj_store_release(
					&bucket->place[p],
					soj_place(soj_ref(ENTRY_OUT, 1), p));
		soj_or_acq_rel(&bucket->header, SOJ_BUCKET_BITS);
	}
}

static void lengths_out(struct world *w)
{
	uint32_t bytes;
	soj_word_t *words = soj_chunk_words(
		&w->s->st, soj_ctl_chunk(soj_load_acquire(&new_entry(w)->ctl)),
		&bytes);

	soj_store_relaxed(&words[0], UINT64_MAX);
}

/* All that is made has its time behind it. */
static void clock_at_its_end(struct world *w)
{
	soj_store_release(&w->s->st.seg.hdr->manual_now_ms, UINT64_MAX - 1);
}

static const struct tampering {
	const char *name;
	void (*write)(struct world *w);
} tamperings[] = {
	{"successor out of range", successor_out},
	{"successor just out of range", successor_just_out},
	{"no successor", successor_none},
	{"successor of itself", successor_itself},
	{"sealed id too long", sealed_too_long},
	{"predecessor out of range", predecessor_out},
	{"predecessor of itself", predecessor_itself},
	{"chunk out of range", chunk_out},
	{"chunk in a unit out of range", chunk_in_unit_out},
	{"page over the end", page_over_the_end},
	{"class out of range", class_out},
	{"part before the first unit", part_before_the_first},
	{"owned by no slot", owned_by_no_slot},
	{"phases out of range", phases_out},
	{"head out of range", head_out},
	{"link out of range", link_out},
	{"link to itself", link_to_itself},
	{"places out of range", places_out},
	{"lengths out of range", lengths_out},
	{"clock at its end", clock_at_its_end},
};

/* ---- what is done ---- */

static void run_read_old(void *arg, struct report *r)
{
	struct world *w = arg;
	size_t bytes = sizeof(value_buffer);
	struct sojourn_info info;

	r->rc = sojourn_session_read(w->s, w->known[w->target].old_id[0], NULL,
				     value_buffer, &bytes, &info);
}

static void run_read_none(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_read(w->s, "0123456789012345678901", NULL, NULL,
				     NULL, NULL);
}

static void run_renew_old(void *arg, struct report *r)
{
	struct world *w = arg;
	struct sojourn_info info;

	r->rc = sojourn_session_renew(w->s, w->known[w->target].old_id[0],
				      &info);
}

static void run_stat(void *arg, struct report *r)
{
	struct world *w = arg;
	static struct sojourn_stat stat;

	r->rc = sojourn_stat(w->s, &stat);
}

/* Upkeep as a worker and as the helper does it, after a grace window. */
static void run_upkeeps(void *arg, struct report *r)
{
	struct world *w = arg;

	upkeep_now(w, 3);
	world_advance(w, WORLD_GRACE_MS);
	run_expiry(w, r);
	upkeep_now(w, 6);
}

static void run_delete_upkeep(void *arg, struct report *r)
{
	run_delete_old(arg, r);
	upkeep_now(arg, 6);
}

static void run_fill(void *arg, struct report *r)
{
	struct world *w = arg;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	const struct sojourn_new n = {
		.subject = "anna", .data = value_buffer, .data_bytes = 60000};

	for (unsigned i = 0; i < 20; i++)
		r->rc = sojourn_session_create(w->s, &n, id, NULL);
}

static const struct probe {
	const char *name;
	victim_fn run;
} probes[] = {
	{"read", run_read},
	{"read by the old id", run_read_old},
	{"read of none", run_read_none},
	{"touch", run_touch},
	{"update", run_update},
	{"update by the old id", run_update_old},
	{"renew", run_renew},
	{"renew by the old id", run_renew_old},
	{"delete", run_delete},
	{"delete by the old id, and upkeep", run_delete_upkeep},
	{"delete all", run_delete_subject},
	{"list", run_list},
	{"create until full", run_fill},
	{"stat", run_stat},
	{"drain a page", run_drain_page},
	{"upkeep", run_upkeeps},
	{"put", run_put_new},
	{"get or create", run_flight},
	{"lock", run_lock_in_vain},
};

static void tampered(void)
{
	const unsigned many = sizeof(tamperings) / sizeof(tamperings[0]);
	const unsigned how = sizeof(probes) / sizeof(probes[0]);

	for (unsigned i = 0; i < many * how; i++) {
		const struct tampering *t = &tamperings[i / how];
		const struct probe *p = &probes[i % how];
		struct victim v;
		struct world w;

		found_begin(&w, NULL, NULL);
		trying("%s, %s", t->name, p->name);
		prepare_renewed(&w);
		t->write(&w);
		run_alone(&v, p->run, &w);
		report_free(v.report);
		world_free(&w);
	}
}

int main(int argc, char **argv)
{
	static const struct found_case cases[] = {
		{"tampered", tampered},
	};

	return found_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
