/* SPDX-License-Identifier: MIT */
#ifndef SOJ_STORE_CAP_H
#define SOJ_STORE_CAP_H

/* Layer 3.  How many logins a subject may have; the protocol is in cap.c.
 * `now_ms` is the time at which the others are judged. */

#include "store/store.h"

/*
 * May the login `ref`, which the caller OWNS and has pushed on its chain, be
 * made, where logins over the cap are rejected?  0; -EUSERS; -EBUSY, -ENOMEM,
 * -ECANCELED.
 */
int soj_cap_admit(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		  uint64_t now_ms);

/* What the calling thread is about to do; 0: done.  Before its entry is made
 * LIVE, so that repair carries on with it if the thread dies. */
void soj_cap_intend(struct soj_store *st, const struct soj_worker *w,
		    uint64_t intent);
uint64_t soj_cap_intent(const struct soj_store *st, uint32_t slot);

/*
 * Confirms the login of the intent, if it is LIVE, and ends those that it
 * leaves no room for; itself, if newer ones leave none to it.  Idempotent.  0,
 * -EBUSY, -ENOMEM, -ECANCELED.
 */
int soj_cap_enforce(struct soj_store *st, struct soj_worker *w, uint64_t intent,
		    uint64_t now_ms);

#endif /* SOJ_STORE_CAP_H */
