/* SPDX-License-Identifier: MIT */

#include "base/fault.h"

#include "base/atomic.h"

#ifdef SOJ_FAULTS
void (*soj_step_hook)(const struct soj_step *step);
enum soj_plant soj_plant;
#endif

#ifdef SOJ_TSAN
soj_word_t soj_tsan_fence_word;
#endif

#ifdef SOJ_EXPLORE
_Thread_local int soj_explore_ordered;
#endif
