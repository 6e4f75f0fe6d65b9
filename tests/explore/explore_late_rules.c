/* SPDX-License-Identifier: MIT */

/*
 * As explore_late.  Here: what is left of rules that others rely on, when
 * somebody dies or comes right there: lines of renewals, caps, what was retired
 * and nobody lists, timers, revocations, guesses of where a chunk lies, and what
 * is freed in this process.
 *
 *   explore_late_rules [--list] [CASE...]
 */

#include <errno.h>
#include <linux/futex.h>
#include <malloc.h>
#include <sojourn/collection.h>
#include <sojourn/event.h>
#include <sojourn/remember.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* First: parameters of its functions are named as what is declared there. */
#include "store/plain_read.h"

#include "explore/lib_between.h"
#include "helper/expiry.h"
#include "lib/heap.h"
#include "session/hook.h"
#include "store/event.h"
#include "store/fetch.h"
#include "token/revoke.h"
#include "token/sig.h"
#include "upkeep/upkeep.h"

#define CAP 3u /* as many as anna has logins */

void soj_explore_point(const volatile void *addr, int kind)
{
	between_point(addr, kind);
}

static void begin(void)
{
	between_begin(CAP);
}

/* ---- lines and caps ---- */

static uint64_t renew(void)
{
	struct sojourn_info info;

	MUST(sojourn_session_renew(w.s, w.known[w.bystander].id, &info) == 0);
	return ref_of(&w, info.new_id);
}

/* The old id says what has become of the new one. */
static void lines_end(void)
{
	uint64_t old = ref, tip = renew(), met;
	struct soj_snapshot snap;

	MUST(soj_line_holds(st, tip, &met) == SOJ_HELD_BY_PREDECESSOR);
	MUST(soj_line_holds(st, old, &met) == SOJ_HELD_NOT && met == tip);
	MUST(soj_entry_snapshot(st, old, NULL, NULL, &snap) == 0);
	MUST(soj_line_status(st, &snap, &met) == SOJ_ACTIVE && met == tip);
	e = soj_entry(st, soj_ref_entry(tip));
	soj_store_release(&e->ctl, ctl_next(SOJ_ENDED_EVICTED));
	MUST(soj_line_status(st, &snap, &met) == SOJ_ENDED_EVICTED);
}

/* What is handed down is older than the use that comes meanwhile. */
static void late_heirs(void)
{
	const uint64_t from = ref_of(&w, w.known[w.target].id);
	const uint64_t used_ms = soj_life_accessed_ms(load(&e->life));

	soj_store_release(&e->predecessor, from);
	soj_store_release(&soj_entry(st, soj_ref_entry(from))->life,
			  soj_life(soj_ref_gen(from), used_ms + 5));
	before_write(&e->life, soj_life(soj_ref_gen(ref), used_ms + 7));
	MUST(!soj_entry_hand_down(st, ref));
	EXPECT_KEPT();
	MUST(!soj_entry_hand_down(st, ref));
	MUST(soj_life_accessed_ms(load(&e->life)) == used_ms + 7);
}

/* A login whose maker died takes nobody's place. */
static void dead_makers(void)
{
	const struct sojourn_new n = {.subject = "anna"};
	struct soj_shm_slot *slot = &st->seg.slots[OTHER];
	soj_half_t *mutex = (soj_half_t *)(void *)&slot->life;
	soj_word_t *state = state_word(soj_ref_entry(ref));
	char id[SOJOURN_ID_CHARS_MAX + 1];

	MUST(sojourn_session_create(w.s, &n, id, NULL) == -EUSERS);
	soj_store_release(&slot->claim, held_claim(3));
	soj_store_release(mutex, 77 | FUTEX_OWNER_DIED);
	soj_store_release(
		state, soj_state(SOJ_OWNED, OTHER, soj_state_gen(load(state))));
	MUST(sojourn_session_create(w.s, &n, id, NULL) == 0);
}

/* ---- memory and time ---- */

/* More is retired than a thread can list: upkeep finds it by its state. */
static void full_limbo(void)
{
	struct soj_upkeep_work work;
	struct soj_upkeep up;
	uint32_t idx = own_entry();

	me->limbo.count = me->limbo.max;
	MUST(soj_entry_retire(st, me, idx, load(state_word(idx))));
	MUST(me->limbo.count == me->limbo.max && me->limbo_lost == 1);
	MUST(soj_upkeep_init(&up, st, me) == 0);
	for (unsigned i = 0; i < 3; i++)
		soj_upkeep_pass(&up, &work);
	MUST(soj_state_phase(load(state_word(idx))) == SOJ_FREE);
	soj_upkeep_deinit(&up);
}

#define TICK_MS 8u

static unsigned changes;

/* It changes before every look. */
static void change(void)
{
	atomic_store(&e->ctl, ctl_next(SOJ_ACTIVE));
	if (++changes < 10000)
		before_call(&e->ctl, ACCESS_LOAD, 1, change);
}

/* What could not be judged at its deadline is judged a tick later. */
static void timers_retry(void)
{
	uint64_t deadline_ms = soj_load_acquire(&e->expires_ms);
	struct soj_expiry ex;

	MUST(soj_expiry_init(&ex, st, me, TICK_MS) == 0);
	soj_expiry_rebuild(&ex);
	/* The scrubber, which would find it as well, has done its share. */
	soj_expiry_step(&ex, deadline_ms - TICK_MS);
	before_call(&e->ctl, ACCESS_LOAD, 1, change);
	soj_expiry_step(&ex, deadline_ms + TICK_MS);
	MUST(changes > 1 && ex.work.retried == 1);
	before_call(NULL, 0, 1, NULL);
	MUST(soj_ctl_status(load(&e->ctl)) == SOJ_ACTIVE);
	soj_expiry_step(&ex, deadline_ms + 3 * TICK_MS);
	MUST(soj_ctl_ended(load(&e->ctl)));
	soj_expiry_deinit(&ex);
}

/* Whoever took the record died: nobody else can fill it. */
static void lost_events(void)
{
	const struct soj_seg *seg = &st->seg;
	uint64_t seq = soj_event_next(seg), oldest = 1;
	struct soj_upkeep_work work;
	struct soj_event event;
	struct soj_upkeep up;

	MUST(soj_upkeep_init(&up, st, me) == 0);
	soj_store_release(
		&seg->events[soj_event_place(seg->lay.events_max, seq)].word,
		soj_event(seq, 0));
	soj_store_release(&seg->hdr->event_next, seq + 1);
	soj_upkeep_pass(&up, &work);
	MUST(work.left && soj_event_read(seg, seq, &event, &oldest) == -EAGAIN);
	world_advance(&w, seg->policy.expel_after_ms + 1);
	soj_upkeep_pass(&up, &work);
	MUST(soj_event_read(seg, seq, &event, &oldest) == 0);
	MUST(event.type == SOJ_EVENT_LOST);
	soj_upkeep_deinit(&up);
}

/* ---- revocations ---- */

/* A mark that cannot be read: then no token of its login is good. */
static void marks_in_doubt(void)
{
	const struct soj_anchor anchor = {{1}};
	struct soj_marks marks;
	uint32_t bytes;
	soj_word_t *words;

	MUST(soj_mark_new(w.s, NULL, "anna", &marks) == 0);
	MUST(soj_mark_check(w.s, &anchor, "anna", &marks) == SOJ_MARKED_GOOD);
	MUST(soj_mark_anchor(w.s, &anchor, false) == 0);
	MUST(soj_mark_check(w.s, &anchor, "anna", &marks) ==
	     SOJ_MARKED_RESTRICTED);
	for (uint32_t i = 1; i <= st->seg.lay.entries_max; i++)
		if (soj_state_phase(load(state_word(i))) == SOJ_LIVE &&
		    soj_misc_collection(load(&soj_entry(st, i)->misc)) ==
			    SOJOURN_COLLECTION_REVOKED)
			e = soj_entry(st, i);
	words = soj_chunk_words(st, soj_ctl_chunk(load(&e->ctl)), &bytes);
	soj_store_release(&words[0], soj_chunk_head0(bytes, 0, 0, 0));
	MUST(soj_mark_check(w.s, &anchor, "anna", &marks) ==
	     SOJ_MARKED_UNKNOWN);
}

/* ---- what is freed in this process ---- */

/* The call leaves no copy of the value: what is freed keeps all but its first
 * words. */
#define LEAVES_NOTHING(call)                                          \
	do {                                                          \
		MUST(call);                                           \
		MUST(!in_heap(heap, value + 48, sizeof(value) - 48)); \
	} while (0)

static int keep(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	(void)arg;
	(void)data;
	(void)capacity;
	return *data_bytes > 40 ? 0 : -EBADMSG;
}

static void copies_are_wiped(void)
{
	static const struct sojourn_item item = {
		.collection = SOJOURN_COLLECTION_CSRF,
		.key = "copied",
		.key_bytes = 6};
	static uint8_t value[120];
	const struct sojourn_value v = {.data = value,
					.data_bytes = sizeof(value)};
	const struct sojourn_new family = {
		.subject = "dora", .data = value, .data_bytes = sizeof(value)};
	const char *id = w.known[w.bystander].id;
	const uint8_t *heap = heap_begin();
	char token[64], next[64];
	struct sojourn_info info;

	value_fill(value, sizeof(value), 4711);
	LEAVES_NOTHING(sojourn_session_update(w.s, id, value, sizeof(value), 0,
					      NULL) == 0);
	LEAVES_NOTHING(sojourn_put(w.s, &item, &v, NULL) == 0);
	LEAVES_NOTHING(sojourn_session_modify(w.s, id, 200, keep, NULL, NULL) ==
		       0);
	LEAVES_NOTHING(sojourn_modify_item(w.s, &item, NULL, 200, keep, NULL,
					   NULL) == 0);
	LEAVES_NOTHING(sojourn_remember_create(w.s, &family, token, NULL) == 0);
	LEAVES_NOTHING(sojourn_remember_use(w.s, token, NULL, next, NULL, NULL,
					    &info) == 0);
	LEAVES_NOTHING(renew() != 0);
}

static void look_at_window(void)
{
	struct soj_snapshot snap;

	MUST(soj_entry_snapshot(st, ref, NULL, NULL, &snap) == 0);
	MUST(snap.has_record &&
	     snap.times.grace_until_ms <= soj_seg_now_ms(&st->seg));
}

/* A regenerated id is over at once, even if its owner dies right then. */
static void no_window(void)
{
	struct sojourn_info info;

	at_step("renew.decided", look_at_window);
	MUST(sojourn_session_regenerate(w.s, w.known[w.bystander].id, &info) ==
	     0);
	MUST(came());
}

/* ---- values that somebody spoils ---- */

static int sees_all(void *arg, const void *data, size_t bytes, uint64_t version)
{
	(void)version;
	MUST(bytes == *(const uint32_t *)arg);
	return data != NULL ? 3 : -1;
}

/* Between two looks at its lengths: who is shown a value is shown all of it,
 * and nothing that lies behind it. */
static void spoilt_while_shown(void)
{
	const struct sojourn_read how = {.no_touch = true, .no_renew = true};
	const char *id = w.known[w.bystander].id;
	uint32_t bytes, times = 0;
	soj_word_t *head = soj_chunk_words(st, chunk_of(&w, ref), &bytes);
	const uint64_t good = load(head);
	int rc;

	bytes = soj_head_data_bytes(good);
	do {
		before_access(head, ACCESS_LOAD, ++times, UINT64_MAX);
		rc = sojourn_session_view(w.s, id, &how, sees_all, &bytes);
		MUST(rc == 3 || rc < 0);
		soj_store_release(head, good);
	} while (came());
	MUST(times > 2);
}

/* ---- tables of this process ---- */

static void set_hooks(void)
{
	const struct sojourn_hooks none = {0};

	MUST(sojourn_hooks_set(w.s, &none, NULL) == 0);
}

static void set_validator(void)
{
	MUST(sojourn_validator_set(w.s, 1, NULL, NULL) == 0);
}

/* As often as it takes until what is freed is used again. */
static size_t in_use(void)
{
	for (unsigned i = 0; i < 20; i++) {
		set_hooks();
		set_hooks();
		soj_hooks_free(w.s);
		w.s->hooks = NULL;
		set_validator();
		set_validator();
		soj_validators_free(w.s);
		w.s->validator[1] = NULL;
	}
	return mallinfo2().uordblks;
}

/* What two set at a time is freed with the handle, all of it. */
static void late_setters(void)
{
	const size_t before = in_use();

	before_call(&w.s->hooks, ACCESS_WRITE, 1, set_hooks);
	set_hooks();
	MUST(came());
	soj_hooks_free(w.s);
	w.s->hooks = NULL;
	MUST(in_use() == before);
	before_call(&w.s->validator[1], ACCESS_WRITE, 1, set_validator);
	set_validator();
	MUST(came());
	soj_validators_free(w.s);
	w.s->validator[1] = NULL;
	MUST(in_use() == before);
}

static struct soj_jwk *mac_key;

static void verify(void)
{
	static const uint8_t nothing[32];

	MUST(soj_sig_verify(mac_key, "x", 1, nothing, 32) < 0);
}

/* While one has taken the key's context, another makes one and puts it there:
 * the first one frees his. */
static void late_verifiers(void)
{
	static const uint8_t bytes[32] = {1};
	size_t before = 0;
	const char *why;

	MUST(soj_jwk_from_raw(SOJOURN_TOKEN_HS256, NULL, bytes, sizeof(bytes),
			      &mac_key, &why) == 0);
	for (unsigned i = 0; i < 20; i++) {
		if (i == 19)
			before = mallinfo2().uordblks;
		before_private(ACCESS_WRITE, 2, verify);
		verify();
		MUST(came());
	}
	MUST(mallinfo2().uordblks == before);
	soj_jwk_destroy(mac_key);
}

/* ---- reads ---- */

/* An entry that lives, and whose chunk is not the first of its page, which lies
 * where it lies in any class. */
static uint32_t entry_not_first(void)
{
	uint32_t idx = 1;

	while (soj_ctl_status(load(&soj_entry(st, idx)->ctl)) != SOJ_ACTIVE ||
	       !soj_chunk_slot(soj_ctl_chunk(load(&soj_entry(st, idx)->ctl))))
		MUST(++idx <= st->seg.lay.entries_max);
	return idx;
}

/* The page of the chunk that a hint names becomes one of another class after it
 * was looked at, and before ctl is seen: the chunk lies elsewhere. */
static void guesses_of_before(void)
{
	const uint32_t idx = entry_not_first();
	const struct soj_digest digest = soj_entry_digest(st, idx);
	struct soj_shm_entry *it = soj_entry(st, idx);
	const uint64_t its = soj_ref(idx, soj_life_gen(load(&it->life)));
	const uint32_t chunk = soj_ctl_chunk(load(&it->ctl));
	struct soj_shm_bucket *b = soj_bucket_of(st, digest.word[0]);
	soj_word_t *unit = &st->seg.units[soj_chunk_unit(chunk)];
	const uint64_t was = load(unit);
	char data[4096];
	const struct soj_plain want = {.data = data,
				       .data_capacity = sizeof(data)};
	struct soj_plain_seen seen;
	uint32_t p = 0;

	/* No other in the bucket: here a place is not known by its tag. */
	while (load(&b->place[p]) != soj_entry_place(st, its))
		p++;
	soj_store_release(&b->header,
			  soj_bucket_next(load(&b->header), UINT64_C(1) << p));
	soj_index_hint(st, me, digest, its, chunk, 64);
	MUST(soj_plain_read(st, b, digest, 1, &want, &seen) == 0);
	before_access(unit, ACCESS_LOAD, 2,
		      soj_unit(SOJ_UNIT_ACTIVE, soj_unit_class(was) + 1, 0, 0,
			       soj_unit_gen(was) + 1));
	MUST(soj_plain_read(st, b, digest, 1, &want, &seen) == -EAGAIN);
	EXPECT_KEPT();
}

/* ---- all ---- */

#define CASES(X)              \
	X(lines_end)          \
	X(late_heirs)         \
	X(dead_makers)        \
	X(full_limbo)         \
	X(lost_events)        \
	X(timers_retry)       \
	X(marks_in_doubt)     \
	X(copies_are_wiped)   \
	X(no_window)          \
	X(spoilt_while_shown) \
	X(late_setters)       \
	X(late_verifiers)     \
	X(guesses_of_before)

FOUND_MAIN(CASES)
