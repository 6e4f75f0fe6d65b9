/* SPDX-License-Identifier: MIT */
#ifndef SOJ_RCU_RCU_H
#define SOJ_RCU_RCU_H

/*
 * Layer 2.  Cross-process read-copy-update: which threads are attached and
 * alive, who is in a read-side section, and when retired memory may be
 * reclaimed.  Knows nothing of entries, chunks or time-outs of sessions.
 *
 * slot.c: claiming and releasing thread slots, proof of death.
 * epoch.c: sections, epochs, expelling.
 * role.c: who is the helper.
 */

#include "shm/segment.h"
#include "shm/words.h"

/*
 * What one thread knows of itself, in memory that a forked child sees as
 * zeroes (MADV_WIPEONFORK): `alive` is then 0, and whatever operation the
 * parent was in the middle of must touch nothing more.
 */
struct soj_thread {
	uint32_t alive;   /* 1, or 0 in a child of the thread's process */
	uint32_t slot;    /* SOJ_SLOT_NONE: none claimed */
	uint64_t claim;   /* the claim word while held */
	uint64_t section; /* the word announced, 0 outside */
	uint32_t seq;
	uint32_t pending; /* counts not yet in the slot */
	uint64_t counted; /* bits of the counters that have some */
	uint64_t count[SOJ_COUNTERS_MAX];
};

/* ---- slot.c ---- */
void soj_thread_init(struct soj_thread *thr);

/*
 * Claims a slot for the calling thread.  0, -EAGAIN (all slots_max slots are
 * taken), -EROFS (read-only attach), -ENOTSUP (the C library gave up the
 * mutex).  Lock-free; at most slots_max attempts.
 */
int soj_slot_claim(const struct soj_seg *seg, struct soj_thread *thr);

/* Gives it back; must run in the claiming thread, outside of a section. */
void soj_slot_release(const struct soj_seg *seg, struct soj_thread *thr);

/*
 * True when it is proved that the thread that holds slot `idx` is dead;
 * *claim is then the claim word that the proof is about.  Wait-free.
 * deep: ask the kernel as well whether the thread still exists (a system call).
 */
bool soj_slot_dead(const struct soj_seg *seg, uint32_t idx, bool deep,
		   uint64_t *claim);

/* True while the claim word still is the one of a dead thread: loaded after a
 * word that names the slot as owner, it makes that word the dead thread's. */
bool soj_slot_still(const struct soj_seg *seg, uint32_t idx, uint64_t claim);

/* Does another process than that hold one?  For an instant after a claim it may
 * not be told whose it is. */
bool soj_slot_any_of_others(const struct soj_seg *seg, uint32_t pid);

/* After all words that the dead thread owned were repaired: the slot is free
 * again.  False when somebody else did it first. */
bool soj_slot_free_dead(const struct soj_seg *seg, uint32_t idx,
			uint64_t claim);

/*
 * Takes the slot over from the dead thread that `claim` is the proof about
 * (soj_slot_dead), with everything that names it: that still is the dead one's,
 * and to be repaired by the caller, to whom the slot serves meanwhile.  Then
 * soj_slot_settle(), or soj_slot_leave() if something is left.  0; -EAGAIN:
 * somebody else was faster; -EROFS, -ENOTSUP, -ECANCELED.
 */
int soj_slot_adopt(const struct soj_seg *seg, struct soj_thread *thr,
		   uint32_t idx, uint64_t claim);
/* Nothing names the slot but what the caller does from now on.  0; -ENOTSUP
 * (the image was tampered with), -ECANCELED. */
int soj_slot_settle(const struct soj_seg *seg, struct soj_thread *thr);
/* Out of an adopted slot, which stays one of the dead.  Outside of a section. */
void soj_slot_leave(const struct soj_seg *seg, struct soj_thread *thr);

/* Is the slot held by a thread of the calling process? */
bool soj_slot_is_ours(const struct soj_seg *seg, const struct soj_thread *thr,
		      uint32_t idx);

/* Moves private counts to the slot, if the thread has one. */
void soj_count_flush(const struct soj_seg *seg, struct soj_thread *thr);

static_assert(SOJ_COUNTERS_MAX <= 64, "a bit for each counter");

static inline void soj_count(struct soj_thread *thr, enum soj_counter counter)
{
	thr->count[counter]++;
	thr->counted |= UINT64_C(1) << counter;
	thr->pending++;
}

/* After so many of them they should go to the slot. */
#define SOJ_COUNTS_PENDING 256u

/* soj_count() of a hit, for which no bit is needed: they are always looked at.
 * Should all go to the slot now? */
static inline bool soj_count_hit(struct soj_thread *thr)
{
	thr->count[SOJ_COUNT_hits]++;
	return ++thr->pending >= SOJ_COUNTS_PENDING;
}

/* ---- epoch.c ---- */

/* Reentrant by no means: one section per thread.  The thread has a slot.  In a
 * forked child it does nothing, and the section is not valid. */
void soj_section_enter(const struct soj_seg *seg, struct soj_thread *thr);

/* False: expelled meanwhile, nothing learned in the section is to be used. */
bool soj_section_exit(const struct soj_seg *seg, struct soj_thread *thr);

/* Still in, and not expelled?  To ask before each CAS made in a section. */
bool soj_section_valid(const struct soj_seg *seg, const struct soj_thread *thr);

uint64_t soj_epoch(const struct soj_seg *seg);

/* The stamp for what has just been unlinked, by a CAS of somebody. */
uint64_t soj_epoch_retire(const struct soj_seg *seg);

/* Advances by at most one; returns the epoch after the call.  Anybody may. */
uint64_t soj_epoch_advance(const struct soj_seg *seg);

/*
 * Has a grace period passed between the stamp (low bits) and `epoch`?  A stamp
 * may be newer than an epoch that was loaded before a scan: half of the range
 * is past, half is future.  What is not reclaimed for 2^23 epochs (hours
 * without any upkeep) waits for as many more.  By an epoch that was loaded before
 * the stamp it is a guess, as one may have stood still for 2^23 epochs in between.
 */
static inline bool soj_gp_elapsed(uint64_t epoch, uint32_t stamp)
{
	uint64_t since = (epoch - stamp) & SOJ_MASK(SOJ_AUX_BITS);

	return since >= 2 && since < UINT64_C(1) << (SOJ_AUX_BITS - 1);
}

/* What a process remembers to see who stands still: private, any size. */
struct soj_watch {
	uint32_t slots_max;
	struct {
		uint64_t section;
		uint64_t since_ms;
	} slot[];
};

struct soj_watch *soj_watch_new(uint32_t slots_max);

/*
 * Expels sections that stand unchanged for policy.expel_after_ms; except_slot
 * (the caller's own) is spared.  Returns how many.  Two watchers are harmless.
 */
uint32_t soj_expel(const struct soj_seg *seg, struct soj_watch *watch,
		   uint64_t now_ms, uint32_t except_slot);

/* ---- role.c ---- */

/* True when the calling thread (which has a slot) now has the helper role:
 * it had it, it was free, or its holder is proved dead. */
bool soj_role_try(const struct soj_seg *seg, const struct soj_thread *thr);
void soj_role_release(const struct soj_seg *seg, const struct soj_thread *thr);
/* Is a living thread the helper? */
bool soj_role_held(const struct soj_seg *seg);

/*
 * For whoever made work, by a read-modify-write: wakes the helper if it sleeps.
 * One load of a word that hardly changes; a system call only when it sleeps.
 */
void soj_helper_wake(const struct soj_seg *seg);
/*
 * For the helper: sleeps at most timeout_ms or until woken.  Declares itself
 * asleep, then asks `work` once more (it returns true if there is some), then
 * waits.  Blocking; the only wait in the library, and nobody waits for it.
 */
void soj_helper_sleep(const struct soj_seg *seg, uint64_t timeout_ms,
		      bool (*work)(void *arg), void *arg);

#endif /* SOJ_RCU_RCU_H */
