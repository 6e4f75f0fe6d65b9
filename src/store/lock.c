/* SPDX-License-Identifier: MIT */

/*
 * Locks of entries, with fencing.
 *
 * lock = {slot, waited, count, until}.  Free: slot is SOJ_SLOT_NONE.  Everyone
 * may change it, by CAS of the exact word; whoever fills or wipes the entry
 * stores a free one with the next count.
 *
 *   take   CAS a free word, or one whose holder is dead or late, to {my slot,
 *          count + 1, until}; then CAS ctl to the same status and chunk with
 *          the next version; then look at the word again.  Only then it is
 *          taken.  The fence is that version, with the entry's generation and
 *          the login's renewals above it.
 *   write  load ctl, then the lock word: it must be the one that this thread
 *          took (or, without a lock, held by nobody); then CAS ctl.  So who
 *          looked before the lock was taken over fails at ctl, which the taker
 *          has moved on, and who looks after it sees another word.
 *   give   CAS my word to a free one; futex wake if it said `waited`.
 *   wait   CAS `waited` into the word, then futex wait on its low half, in
 *          slices, and look again.
 *
 * Whose a word is.  A word with slot s was put there by a thread that held s,
 * and each thread remembers which words it put (soj_worker.held, private,
 * wiped in a forked child).  So "mine" means: my slot, and the word that I
 * remember.  It cannot be mistaken for a later holder of the slot's, or an
 * earlier one's, because a slot changes hands only when no lock word names it:
 *   - a thread that gives up its slot gives its locks back first;
 *   - repair frees the lock words that name a dead thread's slot, and then the
 *     slot.  A thread says in slot.locks, before its first CAS, that there may
 *     be some, so that most deaths cost no scan.
 * And a word that names a slot which nobody holds is nobody's.
 *
 * Death is the kernel's mark (rcu/slot.c), which a waiter looks at before each
 * sleep: of 50 ms at most.  No time-out takes a lock from a living thread that
 * did not agree to it (until = 0).
 *
 * No wake-up is lost.  `waited` is set, and the word given back, by CAS of the
 * same word.  If the give comes first, the waiter's CAS fails and it looks
 * again.  If `waited` comes first the giver sees it, changes the word, wakes;
 * and futex wait compares the low half (slot, waited, 19 bits of count) in the
 * kernel, under the lock that the wake takes.  Were the same low half there
 * again, it would be a held word with `waited`, whose giver wakes.  The giver
 * wakes one: a waiter that slept takes the lock with `waited` set, so its give
 * wakes the next.  A waiter killed between its wake-up and its CAS takes one
 * wake-up along: the others find out when their slice ends.
 *
 * Crash table (killed after the step)
 *   remembered, slot.locks   nothing is taken; one scan for nothing
 *   word taken               names a dead slot: free for all
 *   ctl moved on             as above; the version is one that nobody uses
 *   word given               the sleepers' slices end
 *   repair, some freed       the next repair frees the rest, then the slot
 * Stop table
 *   before the CAS of a word fails: each taking changes count, wiping too.  If
 *                            it is the same word after 2^24 takings, then it
 *                            is free or its holder lost, as it was
 *   holder                   until its hold time is over, then taken over: its
 *                            CAS of ctl, or its look at the word, fails
 *   between word and ctl     as a holder; taken over meanwhile: its version is
 *                            one more, and the look at the word tells it
 *   repairer                 loads the word, then the claim: slot.c
 *
 * Edges
 *   K0  take, give, wait, repair: cas of lock  K0, K1
 *   K1  load of lock                           K0      after ctl: see write
 *   E0  take: cas of ctl                       store/entry.c E1
 *   E1  load of ctl, life                      store/entry.c E0
 *   S1  load of a state                        store/slab.c S0
 *   C1  load of a claim                        rcu/slot.c C0
 *
 * tests/model/lock.pml is a model of this, with variants that fail.
 *
 * Progress: take and give lock-free; wait blocks for at most the time given.
 */

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "store/event.h"

#define COUNT_BITS 24u
#define UNTIL_BITS 27u
/* And one for each end that is rounded. */
#define AHEAD_TICKS (SOJ_HOLD_MAX_MS / SOJ_LOCK_TICK_MS + 2)

static soj_word_t *lock_of(const struct soj_store *st, uint64_t ref)
{
	return &soj_entry(st, soj_ref_entry(ref))->lock;
}

/* The half with slot, waited and the low bits of count. */
static soj_half_t *futex_of(soj_word_t *lock)
{
	const size_t high = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0;

	return (soj_half_t *)((uintptr_t)lock + high);
}

static bool same_holder(uint64_t a, uint64_t b)
{
	return ((a ^ b) & ~SOJ_LOCK_WAITED) == 0;
}

static uint64_t given_back(uint64_t word)
{
	return soj_lock(SOJ_SLOT_NONE, soj_lock_count(word), 0);
}

/* Never 0: the word 0 is that of an entry that was never used. */
static uint64_t next_count(uint64_t word)
{
	uint64_t count = soj_lock_count(word) + 1;

	return count & SOJ_MASK(COUNT_BITS) ? count : 1;
}

uint64_t soj_lock_look(const struct soj_store *st, uint64_t ref)
{
	return soj_load_acquire(lock_of(st, ref)); /* K1 */
}

/* Ticks go round after 397 days; 0 stands for none.  What is further ahead than
 * anybody may hold one is long over. */
uint64_t soj_lock_until(uint64_t now_ms, uint64_t hold_max_ms)
{
	uint64_t tick = (now_ms + hold_max_ms + SOJ_LOCK_TICK_MS - 1) /
			SOJ_LOCK_TICK_MS;

	if (hold_max_ms == 0)
		return 0;
	tick &= SOJ_MASK(UNTIL_BITS);
	return tick ? tick : 1;
}

/* From a dead or late holder in that slot. */
static void recovered(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		      uint32_t slot)
{
	soj_count(&w->thr, SOJ_COUNT_locks_recovered);
	soj_event_tell_of(st, w, ref, SOJ_EVENT_LOCK_RECOVERED, SOJ_NONE, slot);
}

static bool late(uint64_t word, uint64_t now_ms)
{
	uint64_t until = soj_lock_until_tick(word);
	uint64_t since =
		(now_ms / SOJ_LOCK_TICK_MS - until) & SOJ_MASK(UNTIL_BITS);

	return until != 0 && since < (UINT64_C(1) << UNTIL_BITS) - AHEAD_TICKS;
}

enum soj_lock_state soj_lock_judge(const struct soj_store *st, uint64_t word,
				   uint64_t now_ms)
{
	const struct soj_seg *seg = &st->seg;
	uint32_t slot = soj_lock_slot(word);
	uint64_t claim;

	if (slot == SOJ_SLOT_NONE)
		return SOJ_LOCK_FREE;
	if (slot >= seg->lay.slots_max || late(word, now_ms))
		return SOJ_LOCK_LOST;
	if (SOJ_PLANT(LOCK_OF_THE_DEAD))
		return SOJ_LOCK_HELD;
	claim = soj_load_acquire(&seg->slots[slot].claim); /* C1 */
	return soj_claim_phase(claim) == SOJ_CLAIM_HELD &&
			       !soj_slot_dead(seg, slot, true, &claim)
		       ? SOJ_LOCK_HELD
		       : SOJ_LOCK_LOST;
}

/* ---- what this thread holds ---- */

static struct soj_held *find(struct soj_worker *w, uint64_t ref)
{
	for (uint32_t i = 0; i < w->held_count; i++)
		if (w->held[i].ref == ref)
			return &w->held[i];
	return NULL;
}

struct soj_held *soj_lock_mine(struct soj_worker *w, uint64_t ref,
			       uint64_t word)
{
	struct soj_held *held = find(w, ref);

	return held && same_holder(held->word, word) ? held : NULL;
}

/* Last of all: as long as the slot says so, repair looks. */
static void forget(struct soj_store *st, struct soj_worker *w,
		   struct soj_held *held)
{
	if (w->held_count == 0) /* this is a forked child */
		return;
	*held = w->held[--w->held_count];
	if (w->held_count == 0 && soj_has_slot(w))
		soj_store_relaxed(&st->seg.slots[w->thr.slot].locks, 0);
}

/* First of all. */
static struct soj_held *remember(struct soj_store *st, struct soj_worker *w,
				 uint64_t ref, uint64_t word)
{
	struct soj_held *held = &w->held[w->held_count++];

	*held = (struct soj_held){.ref = ref, .word = word};
	soj_store_relaxed(&st->seg.slots[w->thr.slot].locks, 1);
	return held;
}

/* For one more, of `most`?  What was taken from this thread, or went with its
 * entry, needs no room. */
static bool has_room(struct soj_store *st, struct soj_worker *w, uint32_t most)
{
	for (uint32_t i = w->held_count; i-- > 0;)
		if (w->held_count >= most &&
		    !same_holder(soj_lock_look(st, w->held[i].ref),
				 w->held[i].word))
			forget(st, w, &w->held[i]);
	return w->held_count < most;
}

/* ---- taking ---- */

/* ctl of the entry that ref names, while it lives; 0. */
static uint64_t live_ctl(const struct soj_store *st, uint64_t ref)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	uint64_t ctl = soj_load_acquire(&e->ctl);   /* E1 */
	uint64_t life = soj_load_acquire(&e->life); /* E1 */

	return soj_ctl_status(ctl) == SOJ_ACTIVE &&
			       soj_life_gen(life) == soj_ref_gen(ref)
		       ? ctl
		       : 0;
}

enum soj_status soj_entry_over(const struct soj_store *st, uint64_t ref)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	uint64_t ctl = soj_load_acquire(&e->ctl);   /* E1 */
	uint64_t life = soj_load_acquire(&e->life); /* E1 */

	return soj_ctl_ended(ctl) && soj_life_gen(life) == soj_ref_gen(ref)
		       ? soj_ctl_status(ctl)
		       : SOJ_NONE;
}

bool soj_entry_lives(const struct soj_store *st, uint64_t ref)
{
	return live_ctl(st, ref) != 0;
}

/* Moves ctl on, so that nobody who looked at it before can change it.  The
 * version reached; false: the entry is over. */
static bool bump(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		 uint32_t *version)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	uint64_t ctl;

	while ((ctl = live_ctl(st, ref)) != 0 && !soj_gone(w)) {
		uint64_t next =
			soj_ctl_next(ctl, SOJ_ACTIVE, soj_ctl_chunk(ctl));

		*version = soj_ctl_version(next);
		if (SOJ_PLANT(LOCK_NO_BUMP) ||
		    soj_cas_acq_rel(&e->ctl, &ctl, next)) /* E0 */
			return true;
	}
	return false;
}

/* Rises with each taking of the lock of a login, also from renewal to renewal:
 * renewals 14 | generation 18 | version 32. */
static uint64_t fence_of(const struct soj_store *st, uint64_t ref,
			 uint32_t renewals, uint32_t version)
{
	uint64_t state =
		soj_load_acquire(/* S1 */
				 &st->seg.entry_states[soj_ref_entry(ref)]);

	return (uint64_t)renewals << 50 |
	       (soj_state_gen(state) & SOJ_MASK(18)) << 32 | version;
}

/* Is the word to be had?  0, or why not. */
static int may_take(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		    const struct soj_lock_wish *wish, uint64_t word)
{
	struct soj_held *old = find(w, ref);

	/* The word is of this entry only if the entry lives after it was
	 * loaded. */
	if (live_ctl(st, ref) == 0)
		return -EAGAIN;
	if (old && same_holder(old->word, word))
		return -EDEADLK;
	if (soj_lock_slot(word) != w->thr.slot &&
	    soj_lock_judge(st, word, wish->now_ms) == SOJ_LOCK_HELD)
		return -EBUSY;
	if (old) /* it was taken from this thread before */
		forget(st, w, old);
	return has_room(st, w, SOJ_LOCKS_MAX) ? 0 : -ENOLCK;
}

int soj_lock_take(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		  const struct soj_lock_wish *wish, struct soj_held **held,
		  uint64_t *word)
{
	soj_word_t *lock = lock_of(st, ref);
	uint64_t was = soj_load_acquire(lock), mine; /* K1 */
	uint32_t version = 0;
	int rc = may_take(st, w, ref, wish, was);

	*word = was;
	if (rc < 0)
		return rc;
	mine = soj_lock(w->thr.slot, next_count(was), wish->until_tick);
	*held = remember(st, w, ref, mine);
	(*held)->id = wish->id;
	SOJ_STEP("lock.seen");
	if (soj_gone(w))
		return -ECANCELED;
	if (!soj_cas_acq_rel(lock, &was, /* K0 */
			     mine | (was & SOJ_LOCK_WAITED) |
				     (wish->slept ? SOJ_LOCK_WAITED : 0))) {
		forget(st, w, *held);
		return -EAGAIN;
	}
	SOJ_STEP("lock.word");
	if (soj_lock_slot(was) != SOJ_SLOT_NONE) {
		recovered(st, w, ref, soj_lock_slot(was));
	}
	if (!bump(st, w, ref, &version) ||
	    !same_holder(soj_load_acquire(lock), mine)) { /* K1 */
		if (soj_gone(w))
			return -ECANCELED;
		soj_lock_give(st, w, *held, true);
		return -EAGAIN;
	}
	SOJ_STEP("lock.taken");
	(*held)->fence = fence_of(st, ref, wish->renewals, version);
	soj_count(&w->thr, SOJ_COUNT_locks);
	return 0;
}

uint64_t soj_lock_inherit(struct soj_store *st, struct soj_worker *w,
			  uint64_t ref, const struct soj_held *from)
{
	const struct soj_held old = *from;
	uint64_t was = soj_load_relaxed(lock_of(st, ref));
	uint64_t word = soj_lock(soj_lock_slot(old.word), next_count(was),
				 soj_lock_until_tick(old.word));
	struct soj_held *held;

	/* A lock that went lost while its session was renewed is still there;
	 * that all are held, and one more, is so in a damaged image only. */
	if (!has_room(st, w, SOJ_LOCKS_MAX + 1))
		return soj_lock(SOJ_SLOT_NONE, next_count(was), 0);
	held = remember(st, w, ref, word);
	held->fence = old.fence;
	held->id = old.id;
	return word;
}

/* ---- waiting and giving back ---- */

void soj_lock_wait(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		   uint64_t word, uint64_t ms)
{
	const struct timespec ts = {.tv_sec = (time_t)(ms / 1000),
				    .tv_nsec = (long)(ms % 1000) * 1000000};
	soj_word_t *lock = lock_of(st, ref);

	if (soj_gone(w) ||
	    (!(word & SOJ_LOCK_WAITED) &&
	     !soj_cas_acq_rel(lock, &word, word | SOJ_LOCK_WAITED))) /* K0 */
		return;
	SOJ_STEP("lock.waiting");
	/* Woken, timed out, interrupted or never asleep: the caller looks. */
	syscall(SYS_futex, futex_of(lock), FUTEX_WAIT,
		(uint32_t)(word | SOJ_LOCK_WAITED), &ts, NULL, 0);
}

static void wake(soj_word_t *lock, uint64_t was, int count)
{
	if (was & SOJ_LOCK_WAITED)
		syscall(SYS_futex, futex_of(lock), FUTEX_WAKE, count, NULL,
			NULL, 0);
}

bool soj_lock_give(struct soj_store *st, struct soj_worker *w,
		   struct soj_held *held, bool wake_all)
{
	soj_word_t *lock = lock_of(st, held->ref);
	uint64_t word = soj_load_acquire(lock); /* K1 */
	bool given = false;

	while (!given && same_holder(word, held->word)) {
		SOJ_STEP("lock.give.seen");
		if (soj_gone(w))
			return false;
		given = soj_cas_acq_rel(lock, &word, /* K0 */
					given_back(word));
	}
	SOJ_STEP("lock.given");
	if (soj_gone(w))
		return false;
	forget(st, w, held);
	if (given)
		wake(lock, word, wake_all ? INT_MAX : 1);
	return given;
}

bool soj_lock_clear(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		    uint64_t word)
{
	soj_word_t *lock = lock_of(st, ref);
	const uint64_t held = word;

	if (soj_gone(w) ||
	    !soj_cas_acq_rel(lock, &word, given_back(word))) /* K0 */
		return false;
	SOJ_STEP("lock.cleared");
	recovered(st, w, ref, soj_lock_slot(held));
	wake(lock, word, 1);
	return true;
}

void soj_locks_release(struct soj_store *st, struct soj_worker *w)
{
	while (w->held_count > 0 && !soj_gone(w))
		soj_lock_give(st, w, &w->held[w->held_count - 1], false);
}

/* ---- repair ---- */

static bool dead_may_hold(const struct soj_seg *seg, const uint64_t *claim)
{
	for (uint32_t i = 0; i < seg->lay.slots_max; i++)
		if (claim[i] && soj_load_relaxed(&seg->slots[i].locks))
			return true;
	return false;
}

void soj_locks_repair(struct soj_store *st, struct soj_worker *w,
		      const uint64_t *claim)
{
	const struct soj_seg *seg = &st->seg;

	if (SOJ_PLANT(LOCK_OF_THE_DEAD) || !dead_may_hold(seg, claim))
		return;
	for (uint32_t e = 1; e <= seg->lay.entries_max; e++) {
		soj_word_t *lock = &soj_entry(st, e)->lock;
		uint64_t word = soj_load_acquire(lock); /* K1 */
		uint64_t state =
			soj_load_acquire(&seg->entry_states[e]); /* S1 */
		uint32_t slot = soj_lock_slot(word);

		/* Word first, claim second: see slot.c's stop table. */
		if (word == 0 || slot >= seg->lay.slots_max ||
		    claim[slot] == 0 || !soj_slot_still(seg, slot, claim[slot]))
			continue;
		SOJ_STEP("lock.repair.seen");
		/* Lost to a waiter that set its bit: so it looks again, too,
		 * and here it is still the dead one's. */
		while (soj_lock_slot(word) == slot &&
		       soj_slot_still(seg, slot, claim[slot])) {
			if (!soj_cas_acq_rel(lock, &word, /* K0 */
					     given_back(word)))
				continue;
			SOJ_STEP("lock.repaired");
			wake(lock, word, 1);
			recovered(st, w, soj_ref(e, soj_state_gen(state)),
				  slot);
			break;
		}
	}
}
