/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_UPKEEP_H
#define SOJ_TESTS_UPKEEP_H

#include "session/handle.h"
#include "upkeep/upkeep.h"

/*
 * So many passes by this thread: soj_upkeep_pass(), or soj_upkeep_full(), which
 * repairs.  False: it cannot be done, for lack of a slot or of memory.
 */
static inline bool upkeep_passes(struct sojourn *s, unsigned times,
				 void (*pass)(struct soj_upkeep *up,
					      struct soj_upkeep_work *work))
{
	struct soj_upkeep_work work;
	struct soj_upkeep up;
	int rc;
	struct soj_self *self = soj_self_writing(s, &rc);

	if (self == NULL || soj_upkeep_init(&up, &s->st, &self->w) != 0)
		return false;
	while (times-- > 0)
		pass(&up, &work);
	soj_upkeep_deinit(&up);
	return true;
}

#endif /* SOJ_TESTS_UPKEEP_H */
