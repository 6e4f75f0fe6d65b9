/* SPDX-License-Identifier: MIT */

/*
 * Thread slots: who is attached, and who is dead.
 *
 * Each slot has a robust process-shared mutex, held by its thread for as long
 * as it is attached.  When the thread dies, however it dies, the kernel sets
 * FUTEX_OWNER_DIED in the mutex word.  That bit, under a claim word that says
 * HELD, is the proof of death; slowness proves nothing.
 *
 * Trap.  The kernel also marks the mutex that a dying thread was *about to*
 * lock, if the thread number in it is the dying thread's; numbers of two pid
 * namespaces coincide.  So nobody ever locks or tries a mutex that somebody
 * may hold: the claim word is CASed first, and only its winner touches the
 * mutex.  Watchers read the word with plain loads, and the reaper leaves the
 * marked mutex to the slot's next claimer.
 *
 *   claim word        mutex     meaning
 *   FREE(g)           any       nobody has the slot; a mark is left over
 *   BUSY(g,ns,tid)    any       tid is locking or unlocking: hands off
 *   HELD(g,ns,tid)    tid       attached
 *   HELD(g,ns,tid)    marked    dead: whatever it OWNED may be repaired, then
 *                               HELD(g) -> FREE(g+1) by exact CAS
 *   MEND(g,ns,tid)    tid       adopted from a dead thread, whose leavings tid
 *                               repairs; marked: dead, as HELD is
 *   MEND(g,0,0)       any       left again with leavings: counts as dead
 *
 * Adopting.  Repair needs a slot, and the dead may have them all.  So who has
 * none takes one over from a thread that is proved dead: the dead one's claim
 * -> BUSY(g+1) by exact CAS, mutex locked, -> MEND, and now it has a slot to
 * repair with.  What names the slot stays the dead one's as long as the claim
 * is MEND: to others it is nobody's at work, since all who ask whether a holder
 * lives want HELD; and when the adopter dies too it is repaired by whoever
 * reaps or adopts the slot next, by the same rules, since words say what they
 * are and not who wrote them.  Only when nothing of the dead is left does MEND
 * become HELD (soj_slot_settle); if that cannot be brought about now, the slot
 * is left as MEND of nobody (soj_slot_leave).  The adopter repairs as any
 * repairer does: what it takes over has a new generation, so neither a late
 * reaper's CAS nor its own hits the wrong one though both say "slot s".
 *
 * Crash table (killed after the step)
 *   claim FREE->BUSY       BUSY with an unlocked mutex: no kernel mark.  Freed
 *                          by the second proof (below) from the same pid
 *                          namespace; elsewhere one slot stays taken.
 *   mutex locked           BUSY, marked by the kernel: as above
 *   BUSY->HELD             HELD, marked: reaped
 *   release HELD->BUSY     owns nothing any more; as BUSY above
 *   release unlocked       as above
 *   BUSY->FREE(g+1)        done
 *   reaper after repair    HELD(g), marked: the next reaper repairs nothing
 *                          and frees it
 *   adopt: section closed  still the first dead one's
 *   adopt ->BUSY, locked   BUSY with leavings: as BUSY above, and who frees it
 *                          has repaired them before, as for any dead thread
 *   adopt BUSY->MEND       MEND, marked: dead with leavings, reaped or adopted
 *   settle: words cleared  as above, no leavings
 *   settle MEND->HELD      HELD, marked: as any
 *   leave                  as release; at its end MEND of nobody
 *
 * Stop table.  A reaper that is stopped may find the slot reaped and in use
 * again when it goes on.  It loads the word that names the slot as owner,
 * then checks the claim word (soj_slot_still), then does the exact CAS: had
 * the slot been freed before the word was loaded, the check fails; if after,
 * the word has another generation and the CAS fails.  Adopting counts as
 * freeing: the claim word is another.  Of two adopters one has the exact CAS.
 * An adopter that is stopped keeps its slot, with what is left there, as it
 * would keep what it owned itself; the other slots of the dead are adopted.
 *
 * Second proof, for deaths that the kernel could not mark (a thread killed by
 * the out-of-memory reaper, or between CAS and lock): in the same pid
 * namespace a thread number that does not exist is a dead thread.  A reused
 * number looks alive; that is the harmless direction.
 *
 * The gap that stays: BUSY, of another pid namespace.  The mark in its mutex may
 * be its holder's or one left over from before, the number means nothing here,
 * and however long it stays BUSY, a stopped thread would look the same.  To take
 * it on suspicion would be to lock a mutex that a living thread may hold.  So
 * the slot stays taken, and what an adopter killed there had found in it stays
 * unrepaired, until somebody of that namespace comes; or of a later one: when
 * all in a namespace are dead the kernel gives its number to another, where the
 * second proof is as good, for nobody can live under the number's old meaning.
 *
 * Edges
 *   C0  cas of claim: claim, release, reap,     C0, C1  a new holder sees what
 *       adopt, settle; of section: reap             the reaper repaired
 *   C1  look at claim: load                     C0
 *   C2  look at the mutex word: load            -   the kernel wrote the mark
 *                                                   after the thread's last
 *                                                   store
 *   C3  reap, adopt: load of section            -   epoch.c R0: a new holder's
 *                                                   section comes with his
 *                                                   claim
 *
 * Progress: claim, adopt and release lock-free, the rest wait-free.
 */

#include "rcu/rcu.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"

static_assert(offsetof(pthread_mutex_t, __data.__lock) == 0 &&
		      sizeof(((pthread_mutex_t *)0)->__data.__lock) == 4,
	      "the robust mutex no longer begins with its futex word");

/* Asked each time: a process may move to another namespace, and a child in
 * one may have the same number as its parent. */
static uint32_t own_pidns(void)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) != 0)
		return 0;
	return (uint32_t)(st.st_ino & SOJ_MASK(20));
}

static uint32_t mutex_word(struct soj_shm_slot *slot)
{
	soj_half_t *word = (soj_half_t *)(void *)&slot->life;

	return soj_load_acquire(word); /* C2 */
}

void soj_thread_init(struct soj_thread *thr)
{
	memset(thr, 0, sizeof(*thr));
	thr->alive = 1;
	thr->slot = SOJ_SLOT_NONE;
}

static int new_mutex(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attr;
	int rc = pthread_mutexattr_init(&attr);

	if (rc == 0) {
		pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
		rc = pthread_mutex_init(mutex, &attr);
		pthread_mutexattr_destroy(&attr);
	}
	return rc;
}

/*
 * BUSY is ours: lock the mutex, which nobody else touches now.  One that is
 * still locked has a holder whose death the kernel could not mark, and that
 * was freed by the second proof.
 */
static int lock_life(struct soj_shm_slot *slot)
{
	int rc = pthread_mutex_trylock(&slot->life);

	if (rc == EOWNERDEAD)
		rc = pthread_mutex_consistent(&slot->life);
	else if (rc != 0 && new_mutex(&slot->life) == 0)
		rc = pthread_mutex_trylock(&slot->life);
	return -rc;
}

/* The word `word` of the slot is the caller's to replace: through BUSY with
 * generation `gen`, mutex locked, to `phase`. */
static int take(const struct soj_seg *seg, struct soj_thread *thr, uint32_t idx,
		uint64_t word, enum soj_claim_phase phase, uint32_t gen)
{
	struct soj_shm_slot *slot = &seg->slots[idx];
	uint32_t ns = own_pidns();
	uint32_t tid = (uint32_t)gettid();
	uint64_t busy = soj_claim(SOJ_CLAIM_BUSY, gen, ns, tid);
	uint64_t mine = soj_claim(phase, gen, ns, tid);

	if (!soj_cas_acq_rel(&slot->claim, &word, busy)) /* C0 */
		return -EAGAIN;
	SOJ_STEP("slot.claim.busy");
	if (!thr->alive)
		return -ECANCELED; /* the slot is the parent's */
	if (lock_life(slot) < 0) {
		/* Only an image that somebody tampered with gets here. */
		soj_cas_acq_rel(&slot->claim, &busy, word); /* C0 */
		return -ENOTSUP;
	}
	SOJ_STEP("slot.claim.locked");
	if (!thr->alive)
		return -ECANCELED;
	soj_store_relaxed(&slot->pid, (uint32_t)getpid());
	if (phase == SOJ_CLAIM_HELD) {
		soj_store_relaxed(&slot->intent, 0);
		soj_store_relaxed(&slot->locks, 0);
	}
	thr->slot = idx;
	thr->claim = mine;
	thr->section = 0;
	thr->seq = (uint32_t)(soj_load_relaxed(&slot->section) >> 32);
	if (!soj_cas_acq_rel(&slot->claim, &busy, mine)) { /* C0 */
		thr->slot = SOJ_SLOT_NONE;
		pthread_mutex_unlock(&slot->life);
		return -ENOTSUP;
	}
	SOJ_STEP("slot.claim.held");
	return 0;
}

static int claim_one(const struct soj_seg *seg, struct soj_thread *thr,
		     uint32_t idx)
{
	uint64_t word = soj_load_acquire(&seg->slots[idx].claim); /* C1 */

	if (soj_claim_phase(word) != SOJ_CLAIM_FREE)
		return -EAGAIN;
	return take(seg, thr, idx, word, SOJ_CLAIM_HELD, soj_claim_gen(word));
}

int soj_slot_claim(const struct soj_seg *seg, struct soj_thread *thr)
{
	const uint32_t slots_max = seg->lay.slots_max;
	int rc = -EAGAIN;

	if (seg->readonly)
		return -EROFS;
	for (uint32_t i = 0; i < slots_max; i++) {
		int one = claim_one(seg, thr, i);

		if (one == 0 || one == -ECANCELED)
			return one;
		if (one != -EAGAIN)
			rc = one;
	}
	return rc;
}

/* Out of the slot; `after` is what its claim is then. */
static void give_up(const struct soj_seg *seg, struct soj_thread *thr,
		    uint64_t after)
{
	struct soj_shm_slot *slot;
	uint64_t word = thr->claim;
	uint64_t busy;

	if (!thr->alive || thr->slot == SOJ_SLOT_NONE)
		return;
	slot = &seg->slots[thr->slot];
	assert(thr->section == 0);
	soj_count_flush(seg, thr);
	busy = soj_claim(SOJ_CLAIM_BUSY, soj_claim_gen(word),
			 soj_claim_pidns(word), soj_claim_tid(word));
	thr->slot = SOJ_SLOT_NONE;
	if (!soj_cas_acq_rel(&slot->claim, &word, busy)) /* C0 */
		return;
	SOJ_STEP("slot.release.busy");
	pthread_mutex_unlock(&slot->life);
	SOJ_STEP("slot.release.unlocked");
	soj_cas_acq_rel(&slot->claim, &busy, after); /* C0 */
}

void soj_slot_release(const struct soj_seg *seg, struct soj_thread *thr)
{
	uint32_t gen = soj_claim_gen(thr->claim);

	give_up(seg, thr, soj_claim(SOJ_CLAIM_FREE, gen + 1, 0, 0));
}

/* Second proof: see the head. */
static bool thread_is_gone(uint64_t claim)
{
	if (soj_claim_tid(claim) == 0 ||
	    kill((pid_t)soj_claim_tid(claim), 0) == 0 || errno != ESRCH)
		return false;
	/* Not found: that means something in the same namespace only. */
	return soj_claim_pidns(claim) != 0 &&
	       soj_claim_pidns(claim) == own_pidns();
}

/* An adopter could not repair all, and went. */
static bool left_by_all(uint64_t claim)
{
	return soj_claim_phase(claim) == SOJ_CLAIM_MEND &&
	       soj_claim_tid(claim) == 0;
}

bool soj_slot_dead(const struct soj_seg *seg, uint32_t idx, bool deep,
		   uint64_t *claim)
{
	struct soj_shm_slot *slot = &seg->slots[idx];
	uint64_t word = soj_load_acquire(&slot->claim); /* C1 */
	bool dead = false;

	if (soj_claim_phase(word) == SOJ_CLAIM_FREE)
		return false;
	if (soj_claim_phase(word) != SOJ_CLAIM_BUSY)
		dead = (mutex_word(slot) & FUTEX_OWNER_DIED) != 0 ||
		       left_by_all(word) || SOJ_PLANT(REAP_UNPROVED);
	if (!dead && deep)
		dead = thread_is_gone(word);
	/* The mark must be of this holder, not of one that came before. */
	if (!dead || !soj_slot_still(seg, idx, word))
		return false;
	*claim = word;
	return true;
}

bool soj_slot_still(const struct soj_seg *seg, uint32_t idx, uint64_t claim)
{
	return soj_load_acquire(&seg->slots[idx].claim) == claim; /* C1 */
}

/* The dead one's section, lest it hold epochs back.  False: the slot is not
 * the dead one's any more. */
static bool close_section(const struct soj_seg *seg, uint32_t idx,
			  uint64_t claim)
{
	struct soj_shm_slot *slot = &seg->slots[idx];
	uint64_t section = soj_load_acquire(&slot->section); /* C3 */
	uint64_t idle = section & ~SOJ_MASK(32);

	/* Word first, claim second: see the stop table. */
	if (!soj_slot_still(seg, idx, claim))
		return false;
	if (section & SOJ_SECTION_ACTIVE)
		soj_cas_acq_rel(&slot->section, &section, idle); /* C0 */
	SOJ_STEP("slot.reap.section");
	return true;
}

bool soj_slot_free_dead(const struct soj_seg *seg, uint32_t idx, uint64_t claim)
{
	return close_section(seg, idx, claim) &&
	       soj_cas_acq_rel(&seg->slots[idx].claim, &claim, /* C0 */
			       soj_claim(SOJ_CLAIM_FREE,
					 soj_claim_gen(claim) + 1, 0, 0));
}

bool soj_slot_any_of_others(const struct soj_seg *seg, uint32_t pid)
{
	for (uint32_t i = 0; i < seg->lay.slots_max; i++) {
		const struct soj_shm_slot *slot = &seg->slots[i];
		uint64_t claim = soj_load_acquire(&slot->claim); /* C1 */

		if (soj_claim_phase(claim) == SOJ_CLAIM_HELD &&
		    soj_load_relaxed(&slot->pid) != pid)
			return true;
	}
	return false;
}

int soj_slot_adopt(const struct soj_seg *seg, struct soj_thread *thr,
		   uint32_t idx, uint64_t claim)
{
	if (seg->readonly)
		return -EROFS;
	if (!thr->alive)
		return -ECANCELED;
	if (!close_section(seg, idx, claim))
		return -EAGAIN;
	return take(seg, thr, idx, claim, SOJ_CLAIM_MEND,
		    soj_claim_gen(claim) + 1);
}

int soj_slot_settle(const struct soj_seg *seg, struct soj_thread *thr)
{
	struct soj_shm_slot *slot = &seg->slots[thr->slot];
	uint64_t word = thr->claim;
	uint64_t held = soj_claim(SOJ_CLAIM_HELD, soj_claim_gen(word),
				  soj_claim_pidns(word), soj_claim_tid(word));

	if (!thr->alive)
		return -ECANCELED;
	soj_store_relaxed(&slot->intent, 0);
	soj_store_relaxed(&slot->locks, 0);
	SOJ_STEP("slot.settle.cleared");
	if (!thr->alive)
		return -ECANCELED;
	if (!soj_cas_acq_rel(&slot->claim, &word, held)) /* C0 */
		return -ENOTSUP;
	thr->claim = held;
	SOJ_STEP("slot.settled");
	return 0;
}

void soj_slot_leave(const struct soj_seg *seg, struct soj_thread *thr)
{
	uint32_t gen = soj_claim_gen(thr->claim);

	give_up(seg, thr, soj_claim(SOJ_CLAIM_MEND, gen, 0, 0));
}

bool soj_slot_is_ours(const struct soj_seg *seg, const struct soj_thread *thr,
		      uint32_t idx)
{
	const struct soj_shm_slot *slot = &seg->slots[idx];

	/* Another container may have that number for a process, too. */
	return soj_load_relaxed(&slot->pid) == (uint32_t)getpid() &&
	       soj_claim_pidns(soj_load_relaxed(&slot->claim)) ==
		       soj_claim_pidns(thr->claim);
}

void soj_count_flush(const struct soj_seg *seg, struct soj_thread *thr)
{
	struct soj_shm_slot *slot;

	if (thr->slot == SOJ_SLOT_NONE || thr->pending == 0 || !thr->alive)
		return;
	slot = &seg->slots[thr->slot];
	for (uint64_t bits = thr->counted | UINT64_C(1) << SOJ_COUNT_hits; bits;
	     bits &= bits - 1) {
		const unsigned i = soj_ctz64(bits);
		/* The only writer: a plain read, add and store will do. */
		uint64_t old = soj_load_relaxed(&slot->count[i]);

		soj_store_relaxed(&slot->count[i], old + thr->count[i]);
		thr->count[i] = 0;
	}
	thr->counted = 0;
	thr->pending = 0;
}
