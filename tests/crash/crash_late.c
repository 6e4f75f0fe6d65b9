/* SPDX-License-Identifier: MIT */

/*
 * A moment too late: between somebody's look at a word and his CAS of it the
 * word is changed, as another thread would have.  The CAS has to fail, and
 * what the other one stored has to stay.  And what changes hands gets another
 * generation, what is freed is wiped, and versions go on.
 *
 *   crash_late [--list] [CASE...]
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "crash/lib_found.h"
#include "crash/lib_ops.h"

#define OTHER 5u /* the slot of who comes in between */

static struct world w;
static struct soj_store *st;
static struct soj_worker *me;

/* What the other one does at a label, once. */
static struct {
	const char *label;
	void (*fn)(void);
	soj_word_t *word;
	uint64_t put;
	unsigned times;
} other;

static void hook(const struct soj_step *step)
{
	if (other.times > 0 || strcmp(step->label, other.label) != 0)
		return;
	other.times++;
	if (other.fn)
		other.fn();
	if (other.word)
		soj_store_release(other.word, other.put);
}

static void between(const char *label, soj_word_t *word, uint64_t put)
{
	other.label = label;
	other.fn = NULL;
	other.word = word;
	other.put = put;
	other.times = 0;
	soj_step_hook = hook;
}

static void between_all(const char *label, void (*fn)(void))
{
	between(label, NULL, 0);
	other.fn = fn;
}

/* He came, and what he stored is there. */
static void expect_kept(const char *what)
{
	soj_step_hook = NULL;
	if (other.times != 1)
		failed("%s: nobody came to %s", what, other.label);
	if (other.word && soj_load_acquire(other.word) != other.put)
		failed("%s: %016" PRIx64 " was overwritten", what, other.put);
}

static void begin(void)
{
	const struct world_options o = {.entries = 24};
	int rc;

	if (!world_make(&w, &o))
		return;
	prepare_people(&w);
	st = &w.s->st;
	me = &soj_self_writing(w.s, &rc)->w;
}

static soj_word_t *state_word(uint32_t idx)
{
	return &st->seg.entry_states[idx];
}

static uint64_t load(soj_word_t *word)
{
	return soj_load_acquire(word);
}

/* When the grace period of what was just retired is over. */
static uint64_t two_later(void)
{
	soj_epoch_advance(&st->seg);
	return soj_epoch_advance(&st->seg);
}

static uint32_t own_entry(void)
{
	uint32_t idx = 0;

	MUST(soj_entry_own(st, me, &idx) == 0);
	return idx;
}

static uint32_t own_chunk(void)
{
	uint32_t chunk = 0;

	MUST(soj_chunk_own(st, me, 0, &chunk) == 0);
	return chunk;
}

/* Of the phase that it has, as another thread's and one generation on. */
static uint64_t passed_on(uint64_t state)
{
	return soj_state(SOJ_OWNED, OTHER, soj_state_gen(state) + 1);
}

/* ---- states ---- */

static void late_states(void)
{
	uint32_t idx = own_entry();
	uint64_t was = load(state_word(idx)), stale;

	between("slab.takeover.seen", state_word(idx), passed_on(was));
	MUST(!soj_entry_take_over(st, me, idx, was));
	expect_kept("taking over");

	stale = was;
	MUST(!soj_state_publish(state_word(idx), stale));
	expect_kept("publishing");

	idx = own_entry();
	was = load(state_word(idx));
	MUST(soj_state_publish(state_word(idx), was));
	was = load(state_word(idx));
	between("slab.retire.stamped", state_word(idx), passed_on(was));
	MUST(!soj_entry_retire(st, me, idx, was));
	expect_kept("retiring");

	idx = own_entry();
	MUST(soj_state_publish(state_word(idx), load(state_word(idx))));
	MUST(soj_entry_retire(st, me, idx, load(state_word(idx))));
	was = load(state_word(idx));
	between("slab.reclaim.seen", state_word(idx), passed_on(was));
	MUST(!soj_entry_reclaim(st, me, idx, was, two_later()));
	expect_kept("reclaiming");
}

static void take_all_entries(void)
{
	for (uint32_t e = 1; e <= st->seg.lay.entries_max; e++)
		if (soj_state_phase(load(state_word(e))) == SOJ_FREE)
			soj_store_release(
				state_word(e),
				soj_state(SOJ_OWNED, OTHER,
					  soj_state_gen(load(state_word(e)))));
}

static void take_all_units(void)
{
	for (uint32_t u = 0; u < st->seg.lay.units; u++)
		if (soj_unit_phase(load(&st->seg.units[u])) == SOJ_UNIT_FREE)
			soj_store_release(
				&st->seg.units[u],
				soj_unit(SOJ_UNIT_OWNED, 0, OTHER, 0, 9));
}

static void late_owners(void)
{
	uint32_t idx;

	between_all("slab.own.seen", take_all_entries);
	MUST(soj_entry_own(st, me, &idx) == -ENOSPC);
	expect_kept("owning");
	between_all("page.unit.seen", take_all_units);
	MUST(soj_page_new(st, me, 0) == -ENOSPC);
	expect_kept("making a page");
	for (uint32_t u = 0; u < st->seg.lay.units; u++)
		MUST(soj_unit_slot(load(&st->seg.units[u])) != me->thr.slot ||
		     soj_unit_phase(load(&st->seg.units[u])) != SOJ_UNIT_OWNED);
}

/* ---- epochs and slots ---- */

static void late_epochs(void)
{
	const struct soj_seg *seg = &st->seg;
	struct soj_watch *watch = soj_watch_new(seg->lay.slots_max);
	uint64_t epoch = soj_epoch(seg);
	soj_word_t *section = &seg->slots[OTHER].section;

	between("epoch.scanned", &seg->hdr->epoch, epoch + 7);
	soj_epoch_advance(seg);
	expect_kept("the epoch");
	soj_store_release(&seg->hdr->slots_used, me->thr.slot);
	between("section.used", &seg->hdr->slots_used, OTHER + 1);
	soj_section_enter(seg, &me->thr);
	expect_kept("the slots that are looked at");
	MUST(soj_section_exit(seg, &me->thr));
	MUST(watch != NULL);
	soj_store_release(section, soj_section(epoch + 7, 1));
	MUST(soj_expel(seg, watch, 1000, me->thr.slot) == 0);
	between("expel.seen", section, soj_section(epoch + 7, 2));
	MUST(soj_expel(seg, watch, 1000000, me->thr.slot) == 0);
	expect_kept("expelling");
	free(watch);
}

static void late_reapers(void)
{
	const struct soj_seg *seg = &st->seg;
	struct soj_shm_slot *slot = &seg->slots[OTHER];
	const uint64_t held = soj_claim(SOJ_CLAIM_HELD, 3, 1, 77);
	const uint64_t next = soj_claim(SOJ_CLAIM_HELD, 4, 1, 78);

	soj_store_release(&slot->claim, held);
	between("slot.reap.section", &slot->claim, next);
	MUST(!soj_slot_free_dead(seg, OTHER, held));
	expect_kept("freeing a slot");
	/* What is freed, released or adopted has another generation. */
	MUST(soj_slot_free_dead(seg, OTHER, next));
	MUST(soj_claim_gen(load(&slot->claim)) == 5);
	MUST(soj_claim_phase(load(&slot->claim)) == SOJ_CLAIM_FREE);
}

static void slots_get_on(void)
{
	const struct soj_seg *seg = &st->seg;
	struct soj_thread thr;
	uint64_t claim;

	soj_thread_init(&thr);
	MUST(soj_slot_claim(seg, &thr) == 0);
	soj_store_release(&seg->slots[thr.slot].intent, 9);
	claim = thr.claim;
	soj_slot_release(seg, &thr);
	soj_thread_init(&thr);
	MUST(soj_slot_claim(seg, &thr) == 0);
	MUST(soj_claim_gen(thr.claim) == soj_claim_gen(claim) + 1);
	MUST(load(&seg->slots[thr.slot].intent) == 0);
	soj_slot_release(seg, &thr);
	/* One of the dead, in a section. */
	claim = soj_claim(SOJ_CLAIM_HELD, 3, 1, 77);
	soj_store_release(&seg->slots[OTHER].claim, claim);
	soj_store_release(&seg->slots[OTHER].section, soj_section(3, 1));
	soj_thread_init(&thr);
	MUST(soj_slot_adopt(seg, &thr, OTHER, claim) == 0);
	MUST(soj_claim_gen(thr.claim) == 4);
	MUST(!(load(&seg->slots[OTHER].section) & SOJ_SECTION_ACTIVE));
	MUST(soj_slot_settle(seg, &thr) == 0);
	soj_slot_release(seg, &thr);
}

/* ---- entries ---- */

static void late_enders(void)
{
	uint64_t ref = ref_of(&w, w.known[w.bystander].id);
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	uint64_t ctl = load(&e->ctl), life = load(&e->life), header;
	struct soj_digest digest = soj_entry_digest(st, soj_ref_entry(ref));
	uint64_t place = soj_entry_place(st, ref);
	struct soj_shm_bucket *b = &st->seg.buckets[soj_scale(
		digest.word[0], st->seg.lay.buckets)];

	between("entry.expire.seen", &e->life, life + (UINT64_C(1) << 23));
	MUST(!soj_entry_expire(st, me, ref, ctl, life, SOJ_ENDED_IDLE));
	expect_kept("expiring");
	MUST(!soj_entry_end(st, me, ref, soj_ctl_next(ctl, SOJ_ACTIVE, 0),
			    SOJ_ENDED_DELETED));
	MUST(load(&e->ctl) == ctl);
	between("relocate.copied", &e->ctl,
		soj_ctl_next(ctl, SOJ_ACTIVE, soj_ctl_chunk(ctl)));
	MUST(soj_chunk_relocate(st, me, soj_ctl_chunk(ctl)) == -EAGAIN);
	expect_kept("relocating");
	/* A neighbour in the bucket commits. */
	header = load(&b->header);
	between("index.remove.seen", &b->header,
		soj_bucket_next(header, (header & SOJ_BUCKET_BITS) |
						UINT64_C(1) << 14));
	MUST(soj_index_remove(st, me, digest, place));
	MUST(other.times == 1 && (load(&b->header) >> 14 & 1));
	header = load(&b->header);
	between("index.reserved", &b->header,
		soj_bucket_next(header, (header & SOJ_BUCKET_BITS) |
						UINT64_C(1) << 13));
	MUST(soj_index_insert(st, me, digest, place, NULL, &header) == 0);
	soj_step_hook = NULL;
	MUST(other.times == 1 && (load(&b->header) >> 13 & 1));
}

/* The place in which a hint is put is reserved. */
static void late_hints(void)
{
	uint64_t ref = ref_of(&w, w.known[w.bystander].id);
	struct soj_digest digest = soj_entry_digest(st, soj_ref_entry(ref));
	struct soj_shm_bucket *b = &st->seg.buckets[soj_scale(
		digest.word[0], st->seg.lay.buckets)];
	uint32_t p = 0;

	while (load(&b->place[p]) != soj_entry_place(st, ref))
		p++;
	MUST(p < SOJ_BUCKET_HINTED);
	between("index.hint.seen", &b->place[p + SOJ_BUCKET_HINT_AT],
		soj_place(soj_ref(1, 77), 0));
	MUST(sojourn_session_update(w.s, w.known[w.bystander].id, "x", 1, 0,
				    NULL) == 0);
	expect_kept("hinting");
}

static void late_lockers(void)
{
	uint64_t ref = ref_of(&w, w.known[w.bystander].id);
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	const struct soj_lock_wish wish = {.now_ms = 1};
	struct soj_held *held;
	uint64_t word;

	between("lock.seen", &e->lock, soj_lock(OTHER, 9, 0));
	MUST(soj_lock_take(st, me, ref, &wish, &held, &word) == -EAGAIN);
	expect_kept("locking");
}

/* The word of my entry that is being made. */
static void change_made(void)
{
	for (uint32_t e = 1; e <= st->seg.lay.entries_max; e++) {
		uint64_t state = load(state_word(e));
		struct soj_shm_entry *entry = soj_entry(st, e);

		if (soj_state_phase(state) != SOJ_OWNED ||
		    soj_state_aux(state) != me->thr.slot)
			continue;
		other.word = &entry->ctl;
		other.put = soj_ctl_next(load(&entry->ctl), SOJ_NONE,
					 SOJ_CHUNK_NONE);
	}
}

static void late_calls(void)
{
	struct known *k = &w.known[w.bystander];
	uint64_t ref = ref_of(&w, k->id);
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	const struct sojourn_new n = {.subject = "late"};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;
	uint64_t ctl;

	between_all("create.filled", change_made);
	MUST(sojourn_session_create(w.s, &n, id, NULL) < 0);
	expect_kept("filling an entry");
	/* An update goes on from what the other one has made of it. */
	ctl = load(&e->ctl);
	between("update.written", &e->ctl,
		soj_ctl_next(ctl, SOJ_ACTIVE, soj_ctl_chunk(ctl)));
	MUST(sojourn_session_update(w.s, k->id, "x", 1, 0, NULL) == 0);
	MUST(other.times == 1);
	MUST(soj_ctl_version(load(&e->ctl)) == soj_ctl_version(ctl) + 2);
	ctl = load(&e->ctl);
	between("renew.record", &e->ctl,
		soj_ctl_next(ctl, SOJ_ACTIVE, soj_ctl_chunk(ctl)));
	MUST(sojourn_session_renew(w.s, k->id, &info) == 0);
	MUST(other.times == 1);
	MUST(soj_ctl_version(load(&e->ctl)) == soj_ctl_version(ctl) + 2);
	/* Others were told that it is over. */
	ref = ref_of(&w, info.new_id);
	e = soj_entry(st, soj_ref_entry(ref));
	between("renew.record", &e->life, load(&e->life) | SOJ_LIFE_EXPIRED);
	MUST(sojourn_session_renew(w.s, info.new_id, &info) < 0);
	MUST(other.times == 1);
	MUST(sojourn_session_create(w.s, &n, id, NULL) == 0);
	e = soj_entry(st, soj_ref_entry(ref_of(&w, id)));
	between("update.retired", &e->life, load(&e->life) | SOJ_LIFE_EXPIRED);
	MUST(sojourn_session_update(w.s, id, "x", 1, 0, NULL) < 0);
	MUST(other.times == 1);
	soj_step_hook = NULL;
}

/* ---- what a reference, a key and a length say ---- */

static void other_keys(void)
{
	uint64_t ref = ref_of(&w, w.known[w.bystander].id);
	uint32_t idx = soj_ref_entry(ref);
	struct soj_digest digest = soj_entry_digest(st, idx);
	struct soj_digest half = digest;
	struct soj_snapshot snap;
	struct soj_found found;
	uint64_t bucket = soj_scale(digest.word[0], st->seg.lay.buckets);

	half.word[1] ^= UINT64_C(1) << 40;
	MUST(soj_entry_snapshot(st, ref, &digest, NULL, &snap) == 0);
	MUST(soj_entry_snapshot(st, ref, &half, NULL, &snap) == -ENOENT);
	MUST(soj_entry_snapshot(st, soj_ref(idx, soj_ref_gen(ref) + 1), NULL,
				NULL, &snap) == -ENOENT);
	MUST(soj_index_find(st, half, &found) == -ENOENT);
	soj_index_scrub(st, (uint32_t)bucket);
	MUST(soj_index_find(st, digest, &found) == 0);
	MUST(soj_entry_expire(st, me, ref, snap.ctl, snap.life,
			      SOJ_ENDED_IDLE));
	MUST(load(&soj_entry(st, idx)->life) & SOJ_LIFE_EXPIRED);
	MUST(soj_index_find(st, digest, &found) == -ENOENT);
}

static void bounds(void)
{
	const uint32_t units = st->seg.lay.units;
	static const char data[200];
	const struct soj_value large = {.data = data,
					.data_bytes = sizeof(data)};
	uint32_t chunk = own_chunk(), unit = soj_chunk_unit(chunk), bytes;
	struct soj_chunk_view view;
	soj_word_t *words = soj_chunk_words(st, chunk, &bytes);
	uint64_t word;

	MUST(words != NULL && bytes < 200);
	MUST(soj_chunk_write(st, chunk, &large) == -EBADMSG);
	soj_store_release(&words[0], soj_chunk_head0(bytes, 0, 0, 0));
	MUST(!soj_chunk_look(st, chunk, &view));
	MUST(soj_chunk_words(st, soj_chunk(unit, st->classes[0].page_slots),
			     &bytes) == NULL);
	MUST(soj_chunk_state(st, soj_chunk(units, 0)) == NULL);
	/* A page that would reach over the end. */
	soj_store_release(&st->seg.units[units - 1],
			  soj_unit(SOJ_UNIT_ACTIVE, SOJ_CLASSES - 1, 0, 0, 9));
	MUST(st->classes[SOJ_CLASSES - 1].page_units > 1);
	MUST(soj_page_class(st, units - 1, &word) == SOJ_CLASSES);
}

static void locks_and_units(void)
{
	uint64_t ref = ref_of(&w, w.known[w.bystander].id);
	const struct soj_lock_wish wish = {.now_ms = 1, .renewals = 3};
	uint64_t count = soj_lock_count(soj_lock_look(st, ref)), word;
	const uint64_t claim = soj_claim(SOJ_CLAIM_HELD, 3, 1, 77);
	uint32_t last = st->seg.lay.units - 1;
	struct soj_held *held = NULL;

	MUST(soj_lock_take(st, me, ref, &wish, &held, &word) == 0);
	MUST(soj_lock_count(soj_lock_look(st, ref)) == count + 1);
	MUST(held && held->fence >> 50 == 3);
	MUST(soj_lock_give(st, me, held, false));
	soj_store_release(&st->seg.slots[OTHER].claim, claim);
	soj_store_release(&st->seg.units[last],
			  soj_unit(SOJ_UNIT_OWNED, 0, OTHER, 0, 9));
	MUST(soj_units_repair(st, OTHER, claim) == 1);
	MUST(soj_unit_phase(load(&st->seg.units[last])) == SOJ_UNIT_FREE);
	MUST(soj_unit_gen(load(&st->seg.units[last])) == 10);
	/* The slot's next holder may drain the same page. */
	soj_store_release(&st->seg.units[0],
			  soj_unit(SOJ_UNIT_DRAINING, 0, OTHER, 0, 9));
	MUST(soj_units_repair(st, OTHER, claim) == 1);
	MUST(load(&st->seg.units[0]) == soj_unit(SOJ_UNIT_ACTIVE, 0, 0, 0, 10));
}

/* ---- what is freed ---- */

static void fill_words_of(struct soj_shm_entry *e)
{
	soj_store_release(&e->expires_ms, 1);
	soj_store_release(&e->idle_ms, 1);
	soj_store_release(&e->created_ms, 1);
	soj_store_release(&e->subject[0], 1);
	soj_store_release(&e->subject[1], 1);
	soj_store_release(&e->digest[0], 1);
	soj_store_release(&e->predecessor, 1);
	soj_store_release(&e->misc, 1);
	soj_store_release(&e->login, 1);
}

static uint64_t sum_of(struct soj_shm_entry *e)
{
	return load(&e->expires_ms) | soj_load_acquire(&e->idle_ms) |
	       load(&e->created_ms) | load(&e->subject[0]) |
	       load(&e->subject[1]) | load(&e->digest[0]) |
	       load(&e->predecessor) | load(&e->misc) | load(&e->login);
}

static void freed_entries(void)
{
	uint32_t idx = own_entry();
	struct soj_shm_entry *e = soj_entry(st, idx);
	uint64_t was = load(state_word(idx)), ctl = load(&e->ctl);
	uint64_t link = load(&e->link), lock = load(&e->lock);

	fill_words_of(e);
	soj_entry_abandon(st, me, idx);
	MUST(soj_state_phase(load(state_word(idx))) == SOJ_FREE);
	MUST(soj_state_gen(load(state_word(idx))) == soj_state_gen(was) + 1);
	MUST(sum_of(e) == 0);
	MUST(soj_ctl_version(load(&e->ctl)) == soj_ctl_version(ctl) + 1);
	MUST(soj_link_version(load(&e->link)) == soj_link_version(link) + 1);
	MUST(soj_lock_count(load(&e->lock)) == soj_lock_count(lock) + 1);

	idx = own_entry();
	was = load(state_word(idx));
	MUST(soj_entry_take_over(st, me, idx, was));
	MUST(soj_state_gen(load(state_word(idx))) == soj_state_gen(was) + 1);

	idx = own_entry();
	MUST(soj_state_publish(state_word(idx), load(state_word(idx))));
	MUST(soj_entry_retire(st, me, idx, load(state_word(idx))));
	was = load(state_word(idx));
	MUST(!soj_entry_reclaim(st, me, idx, was, soj_state_aux(was) + 1));
	MUST(soj_entry_reclaim(st, me, idx, was, two_later()));
	MUST(soj_state_gen(load(state_word(idx))) == soj_state_gen(was) + 1);
}

static void freed_chunks(void)
{
	uint32_t chunk = own_chunk();
	soj_word_t *state = soj_chunk_state(st, chunk);
	uint64_t was = load(state);

	soj_chunk_abandon(st, me, chunk);
	MUST(soj_state_gen(load(state)) == soj_state_gen(was) + 1);
	chunk = own_chunk();
	state = soj_chunk_state(st, chunk);
	was = load(state);
	MUST(soj_chunk_retire(st, me, chunk, was));
	was = load(state);
	MUST(!soj_chunk_reclaim(st, me, chunk, was, soj_state_aux(was) + 1));
	MUST(soj_chunk_reclaim(st, me, chunk, was, two_later()));
	MUST(soj_state_gen(load(state)) == soj_state_gen(was) + 1);
}

/* ---- all ---- */

#define CASES(X)           \
	X(late_states)     \
	X(late_owners)     \
	X(late_epochs)     \
	X(late_reapers)    \
	X(slots_get_on)    \
	X(late_enders)     \
	X(late_hints)      \
	X(late_lockers)    \
	X(late_calls)      \
	X(other_keys)      \
	X(bounds)          \
	X(locks_and_units) \
	X(freed_entries)   \
	X(freed_chunks)

FOUND_MAIN(CASES)
