/* SPDX-License-Identifier: MIT */
#ifndef SOJ_STORE_CHAIN_H
#define SOJ_STORE_CHAIN_H

/* Layer 3.  The chains by subject; chain.c has the protocol. */

#include "store/store.h"

static inline uint32_t soj_head_of(const struct soj_store *st,
				   struct soj_digest subject)
{
	return (uint32_t)soj_scale(subject.word[0],
				   UINT64_C(1) << st->seg.lay.heads_log2);
}

/* Pushes an entry that is OWNED by the caller; stores its login number unless
 * it has one (a successor inherits it).  0, -ECANCELED. */
int soj_chain_push(struct soj_store *st, struct soj_worker *w, uint32_t idx,
		   bool inherit_login);

/*
 * Walks a chain, oldest last, in sections of its own, of about per_section entries
 * each, so that a long one is not expelled.  When its place is lost it goes on from
 * the head; begin() is called first each time.  *head_word is the head that it
 * began with.  0, -EBUSY, -EBADMSG (bounds), -ECANCELED.
 */
struct soj_walk {
	void (*begin)(void *arg);
	bool (*fn)(void *arg, uint32_t idx); /* false: done */
	void *arg;
	uint32_t per_section;
};
int soj_chain_walk(struct soj_store *st, struct soj_worker *w, uint32_t head,
		   uint64_t *head_word, const struct soj_walk *walk);

/*
 * One pass over one chain: marks and unlinks every ended entry whose state is
 * LIVE, for which may_unlink() agrees.  Afterwards each entry for which the
 * call `met` is false is out.  0, -ESTALE, -EAGAIN (it changes all the time),
 * -ECANCELED.  The caller is in a section.
 * only: the one entry that is to be taken out, and no calls are made.  The pass
 * ends with it; and after SOJ_SWEEP_STEPS others, with -EBUSY.
 */
#define SOJ_SWEEP_STEPS 8u

struct soj_sweep {
	bool (*may_unlink)(void *arg, uint32_t idx);
	void (*met)(void *arg, uint32_t idx); /* still linked */
	void *arg;
	uint32_t only; /* 0: none */
};
int soj_chain_sweep(struct soj_store *st, struct soj_worker *w, uint32_t head,
		    const struct soj_sweep *sweep);

#endif /* SOJ_STORE_CHAIN_H */
