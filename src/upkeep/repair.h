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

#endif /* SOJ_UPKEEP_REPAIR_H */
