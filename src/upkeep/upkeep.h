/* SPDX-License-Identifier: MIT */
#ifndef SOJ_UPKEEP_UPKEEP_H
#define SOJ_UPKEEP_UPKEEP_H

/*
 * Layer 4.  The work that nobody waits for: repair after dead threads, advance
 * epochs, expel, unlink and retire what ended, reclaim what is retired, find
 * what hints lost.  The helper runs it all the time, a worker short of memory
 * runs a pass.  Every step is an exact CAS, so any number of threads may be at
 * it, and each may die or stop anywhere.
 */

#include "store/event.h"

struct soj_dead; /* upkeep/repair.h */

/* An ended entry on its way out. */
struct soj_pending {
	uint32_t idx;
	uint32_t head;
	uint64_t state;     /* as loaded before the sweep */
	uint64_t successor; /* that its record names; 0: none */
	uint32_t next;      /* its place in the group, + 1; 0: not there */
	bool may;           /* be unlinked */
	bool met;           /* still linked */
	bool held;          /* by nothing but its predecessor */
	bool gone;
};

/* Private to one thread. */
struct soj_upkeep {
	struct soj_store *st;
	struct soj_worker *w; /* of the calling thread; it has a slot */
	struct soj_watch *watch;
	struct soj_dead *dead;
	struct soj_event_watch events;
	struct soj_limbo spill; /* room for all that one pass retires */
	struct soj_pending *pending;
	struct soj_pending *sorted; /* as many, for sorting */
	uint32_t pending_max;
	uint32_t pending_count;
};

/* 0 or -ENOMEM. */
int soj_upkeep_init(struct soj_upkeep *up, struct soj_store *st,
		    struct soj_worker *w);
void soj_upkeep_deinit(struct soj_upkeep *up);

/*
 * soj_slot_claim() that frees a slot of the dead if there is no other, or takes
 * one over and repairs what its thread left: O(entries + chunks) then.  0,
 * -EAGAIN (living threads have all slots; or what a dead one left cannot be
 * repaired now), -EROFS, -ENOMEM, -ENOTSUP, -ECANCELED.
 */
int soj_upkeep_claim(struct soj_store *st, struct soj_worker *w);

/* What a pass did; `left` says that another one soon has work. */
struct soj_upkeep_work {
	uint32_t repaired; /* dead threads */
	uint32_t expelled;
	uint32_t retired;   /* entries */
	uint32_t reclaimed; /* entries and chunks */
	uint32_t scrubbed;  /* leftovers found, by a full pass only */
	bool left;
};

/* Cheap: hints only.  Reap, expel, advance, unlink, retire. */
void soj_upkeep_pass(struct soj_upkeep *up, struct soj_upkeep_work *work);

/* Looks at every state word, unit and bucket: what is RETIRED past its grace
 * period is reclaimed, what the hints lost is found.  O(entries + chunks). */
void soj_upkeep_full(struct soj_upkeep *up, struct soj_upkeep_work *work);

/* Reclaims RETIRED words past their grace; the middle part of a full pass. */
uint32_t soj_upkeep_reclaim(struct soj_upkeep *up, bool *left);

/* Entry, then chunk: of one that ended, is out of its chain, and had that state
 * before it was taken out.  False: somebody else was faster. */
bool soj_upkeep_retire(struct soj_store *st, struct soj_worker *w, uint32_t idx,
		       uint64_t was);

/*
 * Ends what was seen in the section that the caller is in, if it is a line by
 * itself; and does upkeep's part of that, but for soj_upkeep_retire() with
 * *state (0: not now) after the section.  False: nothing was done.
 */
bool soj_upkeep_end_alone(struct soj_store *st, struct soj_worker *w,
			  const struct soj_snapshot *snap,
			  const struct soj_cold *cold, enum soj_status reason,
			  uint64_t *state);

/* Are there hints of ended entries?  For deciding whether to sleep. */
bool soj_upkeep_hinted(const struct soj_store *st);

#endif /* SOJ_UPKEEP_UPKEEP_H */
