/* SPDX-License-Identifier: MIT */

/*
 * As explore_late: somebody else comes right before a single access.  Here:
 * events, locks, upkeep, and the calls of sessions and items.
 *
 *   explore_late_calls [--list] [CASE...]
 */

#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <sojourn/collection.h>
#include <sojourn/event.h>
#include <sojourn/lock.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crash/lib_ops.h"
#include "explore/lib_between.h"
#include "session/id.h"
#include "session/policy.h"
#include "store/cap.h"
#include "store/event.h"
#include "upkeep/repair.h"

void soj_explore_point(const volatile void *addr, int kind)
{
	between_point(addr, kind);
}

/* Whom the library wakes. */
static unsigned wakes;

long syscall(long number, ...)
{
	long (*real)(long number, ...) = NULL;
	long a[6];
	va_list args;

	va_start(args, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_futex && a[1] == FUTEX_WAKE)
		wakes++;
	*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void begin(void)
{
	between_begin(0);
}

static uint64_t life_over(void)
{
	return load(&e->life) | SOJ_LIFE_EXPIRED;
}

/* The other one's slot: of a thread that lives, or of one that is dead. */
static uint64_t other_thread(bool dead)
{
	struct soj_shm_slot *slot = &st->seg.slots[OTHER];
	soj_half_t *mutex = (soj_half_t *)(void *)&slot->life;

	soj_store_release(&slot->claim, held_claim(3));
	soj_store_release(mutex, dead ? 77 | FUTEX_OWNER_DIED : 77);
	return held_claim(3);
}

/* ---- events ---- */

static struct soj_shm_event *record;

static void look_at_next(void)
{
	record = &st->seg.events[soj_event_place(st->seg.lay.events_max,
						 soj_event_next(&st->seg))];
}

static void tell(void)
{
	const struct soj_event_what what = {.type = SOJ_EVENT_INVALID};

	soj_event_tell(st, me, &what);
}

/* The ring went round meanwhile. */
static void overtake(void)
{
	atomic_store(&record->word,
		     soj_event(soj_event_next(&st->seg) + 1024, 0));
	atomic_store(&record->payload[3], UINT64_MAX);
}

static void late_tellers(void)
{
	soj_word_t *hint = &st->seg.hdr->event_next;

	before_write(hint, load(hint) + 10);
	tell();
	EXPECT_KEPT();
	look_at_next();
	before_write(&record->word,
		     soj_event(soj_event_next(&st->seg) + 1024, 0));
	tell();
	EXPECT_KEPT();
	look_at_next();
	before_call(&record->payload[3], ACCESS_WRITE, 1, overtake);
	tell();
	MUST(came());
	MUST(load(&record->payload[3]) == UINT64_MAX);
}

static void late_stages(void)
{
	const uint64_t gen = soj_ref_gen(ref);
	uint64_t next;

	/* Meant; told */
	for (uint32_t nth = 1; nth <= 2; nth++) {
		soj_store_release(&e->event,
				  soj_told(SOJ_TOLD_NOTHING, gen, 0));
		next = soj_event_next(&st->seg);
		before_write_nth(
			&e->event, nth,
			soj_told(nth == 1 ? SOJ_TOLD_MADE : SOJ_TOLD_ENDED, gen,
				 0));
		soj_event_made(st, me, ref, true);
		EXPECT_KEPT();
		MUST(soj_event_next(&st->seg) == next + nth - 1);
	}
	/* That the record is not needed any more: it is another's by then. */
	soj_store_release(&e->event, soj_told(SOJ_TOLD_NOTHING, gen, 0));
	look_at_next();
	before_write_nth(&record->payload[0], 2, UINT64_MAX);
	soj_event_made(st, me, ref, true);
	EXPECT_KEPT();
	/* Withdrawn; that it was made is told after all, so its end is. */
	soj_store_release(&e->event, soj_told(SOJ_TOLD_NOTHING, gen, 0));
	soj_store_release(&e->ctl, ctl_next(SOJ_ENDED_WITHDRAWN));
	next = soj_event_next(&st->seg);
	before_write(&e->event, soj_told(SOJ_TOLD_MADE, gen, 0));
	soj_event_ended(st, me, ref, true);
	MUST(came() && soj_event_next(&st->seg) == next + 1);
}

/* ---- locks ---- */

static void late_lockers(void)
{
	const struct soj_lock_wish wish = {.now_ms = 1};
	uint64_t claims[8] = {0}, word = soj_lock(OTHER, 9, 0);
	struct soj_held *held;

	/* Given back before the waiter says that he waits. */
	soj_store_release(&e->lock, word);
	before_write(&e->lock, soj_lock(SOJ_SLOT_NONE, 9, 0));
	soj_lock_wait(st, me, ref, word, 0);
	EXPECT_KEPT();
	/* Taken by another before it is cleared. */
	soj_store_release(&e->lock, word);
	before_write(&e->lock, soj_lock(4, 10, 0));
	MUST(!soj_lock_clear(st, me, ref, word));
	EXPECT_KEPT();
	soj_store_release(&e->lock, word);
	claims[OTHER] = other_thread(true);
	soj_store_release(&st->seg.slots[OTHER].locks, 1);
	before_write(&e->lock, soj_lock(4, 10, 0));
	soj_locks_repair(st, me, claims);
	EXPECT_KEPT();
	/* Ended before who took it has moved its ctl on. */
	soj_store_release(&e->lock, soj_lock(SOJ_SLOT_NONE, 10, 0));
	before_write(&e->ctl, ctl_next(SOJ_ENDED_DELETED));
	MUST(soj_lock_take(st, me, ref, &wish, &held, &word) == -EAGAIN);
	EXPECT_KEPT();
}

static void end_with_lock(void)
{
	atomic_store(&e->ctl, ctl_next(SOJ_ENDED_DELETED));
	atomic_store(&e->lock, soj_lock(SOJ_SLOT_NONE, 11, 0));
}

/* Ended after it was found, and its lock is nobody's: it has ended. */
static void late_holders(void)
{
	const char *id = w.known[w.bystander].id;
	uint64_t fence;

	MUST(sojourn_session_lock(w.s, id, 0, 0, &fence) == 0);
	before_call(&e->lock, ACCESS_LOAD, 1, end_with_lock);
	MUST(sojourn_session_update_locked(w.s, id, fence, "x", 1, NULL) ==
	     -ENOENT);
	MUST(came());
}

/* One call for each who sleeps, and none when nobody does. */
static void wakers(void)
{
	const struct soj_lock_wish wish = {.now_ms = 1};
	const struct sojourn_new n = {.subject = "late"};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;
	struct soj_held *held;
	uint64_t word;

	for (unsigned waited = 0; waited < 2; waited++) {
		MUST(soj_lock_take(st, me, ref, &wish, &held, &word) == 0);
		if (waited)
			atomic_fetch_or(&e->lock, SOJ_LOCK_WAITED);
		wakes = 0;
		MUST(soj_lock_give(st, me, held, false));
		MUST(wakes == waited);
	}
	for (unsigned asleep = 0; asleep < 2; asleep++) {
		soj_store_release(&st->seg.hdr->helper_asleep, asleep);
		wakes = 0;
		MUST(sojourn_session_create(w.s, &n, id, &info) == 0);
		MUST(wakes == asleep);
		MUST(soj_load_acquire(&st->seg.hdr->helper_asleep) == 0);
		soj_store_release(&st->seg.hdr->helper_asleep, asleep);
		wakes = 0;
		MUST(sojourn_session_delete_handle(w.s, info.handle) == 1);
		MUST(wakes == asleep);
	}
	/* Who leaves nothing to the helper does not wake it. */
	soj_store_release(&st->seg.hdr->helper_asleep, 0);
	MUST(sojourn_session_create(w.s, &n, id, &info) == 0);
	soj_store_release(&st->seg.hdr->helper_asleep, 1);
	wakes = 0;
	MUST(sojourn_session_delete(w.s, id) == 1);
	MUST(wakes == 0);
}

/* ---- entries ---- */

static void late_confirmers(void)
{
	before_write(&e->ctl, ctl_next(SOJ_ENDED_DELETED));
	MUST(!soj_entry_confirm(st, me, ref));
	EXPECT_KEPT();
	MUST(!soj_entry_confirm(st, me, ref));
}

/* What is copied is in use by others before the copy is done. */
static void torn_copies(void)
{
	uint64_t chunk = soj_ctl_chunk(load(&e->ctl));
	soj_word_t *state = soj_chunk_state(st, (uint32_t)chunk);
	struct soj_snapshot snap;

	before_access(&e->ctl, ACCESS_LOAD, 2, ctl_next(SOJ_ACTIVE));
	MUST(soj_entry_snapshot(st, ref, NULL, NULL, &snap) == -EAGAIN);
	MUST(came());
	soj_store_release(&e->ctl, ctl_next(SOJ_ENDED_DELETED));
	MUST(soj_entry_snapshot(st, ref, NULL, NULL, &snap) == 0);
	before_access(state, ACCESS_LOAD, 2,
		      soj_state(SOJ_LIVE, 0, soj_state_gen(load(state)) + 1));
	MUST(soj_entry_snapshot(st, ref, NULL, NULL, &snap) == -ENOENT);
	MUST(came());
}

/* LIVE, but the entry has another one: who moved it died. */
static void relocate_stray(void)
{
	uint32_t chunk = own_chunk(0);
	const struct soj_value v = {
		.data = "x", .data_bytes = 1, .entry = soj_ref_entry(ref)};
	soj_word_t *state = soj_chunk_state(st, chunk);
	uint64_t ctl = load(&e->ctl);

	MUST(soj_chunk_write(st, chunk, &v) == 0);
	MUST(soj_state_publish(state, load(state)));
	MUST(soj_chunk_relocate(st, me, chunk) == -EAGAIN);
	MUST(load(&e->ctl) == ctl);
}

/* ---- repair and upkeep ---- */

static struct soj_upkeep up;

/* As if its maker had died before he made it LIVE. */
static void make_owned(soj_word_t **state)
{
	*state = state_word(soj_ref_entry(ref));
	MUST(soj_upkeep_init(&up, st, me) == 0);
	other_thread(true);
	soj_store_release(*state, soj_state(SOJ_OWNED, OTHER,
					    soj_state_gen(load(*state))));
}

static soj_word_t *owned;

/* Repaired, and somebody else's by now. */
static void pass_on(void)
{
	atomic_store(owned, passed_on(*owned));
	atomic_store(&e->ctl, ctl_next(SOJ_ACTIVE));
}

static void late_repairers(void)
{
	uint64_t ctl = load(&e->ctl), was;

	make_owned(&owned);
	was = load(owned);
	/* Another thread's slot when the state was loaded */
	before_access(&st->seg.slots[OTHER].claim, ACCESS_LOAD, 3,
		      held_claim(4));
	soj_upkeep_reap(&up, false);
	MUST(came() && load(owned) == was && load(&e->ctl) == ctl);
	/* LIVE by another repairer, before the second look */
	other_thread(true);
	before_access(owned, ACCESS_LOAD, 3,
		      soj_state(SOJ_LIVE, 0, soj_state_gen(was)));
	soj_upkeep_reap(&up, false);
	EXPECT_KEPT();
	MUST(load(&e->ctl) == ctl);
	/* And before it is withdrawn */
	make_owned(&owned);
	before_call(&e->ctl, ACCESS_WRITE, 1, pass_on);
	soj_upkeep_reap(&up, false);
	MUST(came() && soj_ctl_status(load(&e->ctl)) == SOJ_ACTIVE);
	MUST(load(owned) == passed_on(was));
}

static void late_menders(void)
{
	static struct soj_worker adopter;
	uint64_t claim = other_thread(true);
	uint64_t gen = soj_ref_gen(ref);

	soj_worker_init(&adopter);
	MUST(soj_upkeep_init(&up, st, &adopter) == 0);
	MUST(soj_slot_adopt(&st->seg, &adopter.thr, OTHER, claim) == 0);
	soj_store_release(&e->renew, soj_renew(gen, OTHER, 5));
	before_write(&e->renew, soj_renew(gen, 4, 5));
	MUST(soj_upkeep_mend(&up) == 0);
	EXPECT_KEPT();
	/* That somebody had it is not forgotten. */
	soj_store_release(&e->renew, soj_renew(gen, OTHER, 5));
	MUST(soj_upkeep_mend(&up) == 0);
	MUST(load(&e->renew) == soj_renew_dropped(gen));
}

/* Who finds no slot frees all that the dead have, not only the one he needs. */
static void claimers_free(void)
{
	static struct soj_worker claimer;
	const struct soj_seg *seg = &st->seg;

	for (uint32_t i = 0; i < seg->lay.slots_max; i++) {
		soj_half_t *mutex = (soj_half_t *)(void *)&seg->slots[i].life;

		if (i == me->thr.slot)
			continue;
		soj_store_release(&seg->slots[i].claim, held_claim(3));
		soj_store_release(mutex, 77 | FUTEX_OWNER_DIED);
	}
	soj_worker_init(&claimer);
	MUST(soj_upkeep_claim(st, &claimer) == 0);
	for (uint32_t i = 0; i < seg->lay.slots_max; i++)
		if (i != me->thr.slot && i != claimer.thr.slot)
			MUST(soj_claim_phase(load(&seg->slots[i].claim)) ==
			     SOJ_CLAIM_FREE);
}

static soj_word_t *chunk_state;

static void reuse_chunk(void)
{
	atomic_store(chunk_state,
		     soj_state(SOJ_LIVE, 0, soj_state_gen(*chunk_state) + 1));
}

/* The chunk of what is retired is another entry's by now. */
static void late_retirers(void)
{
	soj_word_t *state = &st->seg.entry_states[soj_ref_entry(ref)];

	chunk_state = soj_chunk_state(st, soj_ctl_chunk(load(&e->ctl)));
	at_step("slab.entry.retired", reuse_chunk);
	world_delete(&w, w.bystander, false);
	MUST(came() && soj_state_phase(load(state)) == SOJ_RETIRED);
	MUST(soj_state_phase(load(chunk_state)) == SOJ_LIVE);
}

/* ---- calls ---- */

static int renew(struct sojourn_info *info)
{
	return sojourn_session_renew(w.s, w.known[w.bystander].id, info);
}

static uint64_t flag_of_other(void)
{
	uint64_t now_ms = soj_seg_now_ms(&st->seg);

	return soj_renew(soj_ref_gen(ref), OTHER,
			 soj_lease_until(&st->seg.policy, now_ms));
}

static void take_flag(void)
{
	atomic_store(&e->ctl, ctl_next(SOJ_ACTIVE));
	atomic_store(&e->renew, flag_of_other());
}

static void late_renewers(void)
{
	struct sojourn_info info;

	other_thread(false);
	before_write(&e->renew, flag_of_other());
	MUST(renew(&info) == 0 && info.renewal == SOJOURN_RENEWAL_ELSEWHERE);
	EXPECT_KEPT();
	/* It failed, and its lease was over: it drops the flag of nobody. */
	soj_store_release(&e->renew,
			  soj_renew(soj_ref_gen(ref), SOJ_SLOT_NONE, 0));
	before_call(&e->ctl, ACCESS_WRITE, 1, take_flag);
	MUST(renew(&info) == 0 && info.renewal == SOJOURN_RENEWAL_ELSEWHERE);
	MUST(came() && load(&e->renew) == flag_of_other());
	/* The flag of another login. */
	soj_store_release(&e->renew,
			  soj_renew(soj_ref_gen(ref) + 1, SOJ_SLOT_NONE, 0));
	MUST(renew(&info) == -EBUSY);
	/* It ended meanwhile: that he had the flag is not forgotten. */
	soj_store_release(&e->renew, soj_renew_never(soj_ref_gen(ref)));
	before_write(&e->ctl, ctl_next(SOJ_ENDED_DELETED));
	MUST(renew(&info) == -ENOENT);
	EXPECT_KEPT();
	MUST(load(&e->renew) == soj_renew_dropped(soj_ref_gen(ref)));
}

static void late_touchers(void)
{
	world_advance(&w, 5000);
	before_write(&e->life, life_over());
	MUST(sojourn_session_read(w.s, w.known[w.bystander].id, NULL, NULL,
				  NULL, NULL) == 0);
	EXPECT_KEPT();
}

static const struct sojourn_item item = {
	.collection = SOJOURN_COLLECTION_CSRF, .key = "late", .key_bytes = 4};

static int put(void)
{
	const struct sojourn_value v = {
		.data = "x", .data_bytes = 1, .ttl_ms = 10000};

	return sojourn_put(w.s, &item, &v, NULL);
}

static void find_item(void)
{
	struct sojourn_info info;
	size_t none = 0;

	MUST(put() == 0);
	MUST(sojourn_get(w.s, &item, NULL, NULL, &none, &info) == 0);
	ref = soj_handle_ref(st, info.handle);
	e = soj_entry(st, soj_ref_entry(ref));
}

/* The old value's time is over before the new one's writer is done. */
static void outlive(void)
{
	world_advance(&w, 20000);
	before_write(&e->life, life_over());
}

static void late_puts(void)
{
	find_item();
	world_advance(&w, 5000);
	before_write(&e->life, life_over());
	MUST(put() == 0);
	EXPECT_KEPT();
	find_item();
	before_call(&e->ctl, ACCESS_WRITE, 1, outlive);
	MUST(put() == 0);
	EXPECT_KEPT();
}

static bool is_mine(soj_word_t *state)
{
	return soj_state_phase(load(state)) == SOJ_OWNED &&
	       soj_state_aux(load(state)) == me->thr.slot;
}

static unsigned mine_owned(void)
{
	const struct soj_layout *lay = &st->seg.lay;
	unsigned count = 0;

	for (uint32_t i = 1; i <= lay->entries_max; i++)
		count += is_mine(state_word(i));
	for (uint64_t i = 0; i < (uint64_t)lay->units * lay->unit_slots; i++)
		count += is_mine(&st->seg.chunk_states[i]);
	return count;
}

/* What was made for a change that came too late is free again. */
static void losers_give_back(void)
{
	struct sojourn_info info;

	before_write(&e->ctl, ctl_next(SOJ_ACTIVE));
	MUST(soj_chunk_relocate(st, me, soj_ctl_chunk(load(&e->ctl))) ==
	     -EAGAIN);
	EXPECT_KEPT();
	MUST(mine_owned() == 0);
	before_write(&e->ctl, ctl_next(SOJ_ACTIVE));
	MUST(sojourn_session_update(w.s, w.known[w.bystander].id, "x", 1, 0,
				    NULL) == 0);
	MUST(came() && mine_owned() == 0);
	before_write(&e->ctl, ctl_next(SOJ_ACTIVE));
	MUST(renew(&info) == 0 && info.renewal == SOJOURN_RENEWAL_WON);
	MUST(came() && mine_owned() == 0);
}

static void end_made(void)
{
	for (uint32_t i = 1; i <= st->seg.lay.entries_max; i++)
		if (soj_state_phase(load(state_word(i))) == SOJ_OWNED)
			e = soj_entry(st, i);
	atomic_store(&e->ctl, ctl_next(SOJ_ENDED_DELETED));
}

static void late_makers(void)
{
	const struct sojourn_new n = {.subject = "late"};
	static const char large[200000];
	const struct sojourn_new too_large = {
		.subject = "late", .data = large, .data_bytes = sizeof(large)};
	char id[SOJOURN_ID_CHARS_MAX + 1];

	/* Ended by a logout everywhere, say, before its maker is done. */
	at_step("create.chunk.live", end_made);
	MUST(sojourn_session_create(w.s, &n, id, NULL) == -ECANCELED);
	MUST(came());
	/* No room for the value */
	for (uint32_t u = 0; u < st->seg.lay.units; u++)
		if (soj_unit_phase(load(&st->seg.units[u])) == SOJ_UNIT_FREE)
			soj_store_release(
				&st->seg.units[u],
				soj_unit(SOJ_UNIT_OWNED, 0, OTHER, 0, 9));
	MUST(sojourn_session_create(w.s, &too_large, id, NULL) == -ENOSPC);
	MUST(mine_owned() == 0);
}

/* ---- all ---- */

#define CASES(X)            \
	X(late_tellers)     \
	X(late_stages)      \
	X(late_lockers)     \
	X(late_holders)     \
	X(wakers)           \
	X(late_confirmers)  \
	X(torn_copies)      \
	X(relocate_stray)   \
	X(late_repairers)   \
	X(late_menders)     \
	X(claimers_free)    \
	X(late_retirers)    \
	X(late_renewers)    \
	X(late_touchers)    \
	X(late_puts)        \
	X(losers_give_back) \
	X(late_makers)

FOUND_MAIN(CASES)
