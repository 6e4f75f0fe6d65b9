/* SPDX-License-Identifier: MIT */
#ifndef SOJ_UPKEEP_REPAIR_H
#define SOJ_UPKEEP_REPAIR_H

/* Layer 4.  Between the files of upkeep only. */

#include "upkeep/upkeep.h"

/* Claim words of threads that are proved dead, by slot; 0: not dead. */
struct soj_dead {
	uint64_t claim[SOJ_SLOTS_LIMIT];
};

/* Repairs after all threads that are proved dead; returns how many slots this
 * call freed.  One scan of the state words, whatever their number. */
uint32_t soj_upkeep_reap(struct soj_upkeep *up, bool deep);

/*
 * After soj_slot_adopt(): repairs all that names the slot, and makes it the
 * caller's; if it cannot, the caller has no slot.  Of `up` it uses st, w and
 * dead.  0; -EAGAIN: something is left to repair; -ENOTSUP, -ECANCELED.
 */
int soj_upkeep_mend(struct soj_upkeep *up);

#endif /* SOJ_UPKEEP_REPAIR_H */
