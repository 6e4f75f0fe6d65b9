/* SPDX-License-Identifier: MIT */

/*
 * Chains by subject: one singly linked list per head, through the entries.
 *
 * Push at the head by CAS; removal by marking the victim's own link and then
 * swinging its predecessor past it (T. Harris, "A Pragmatic Implementation of
 * Non-Blocking Linked-Lists", 2001), so two removers are harmless.  Links and
 * heads carry a version of their own that is never reset: a link of a reused
 * entry never looks like the one that was read.  Walkers are in a section, so
 * nothing that they can reach is reused unless they were expelled; then the
 * walk says so and its result is dropped.
 *
 * The order of a chain never changes, and entries come in at the head only:
 * what follows a node, marked or not, is what followed it before.  Hence a
 * complete walk that did not meet an entry proves that it is out for good, if
 * its maker was done pushing when the walk began (its state was LIVE).
 *
 * The login number of an entry is the version of the head that its push
 * replaced, plus one: unique and rising within a chain.
 *
 * Crash table
 *   link stored, not pushed   not in the chain; repair withdraws the entry
 *   pushed                    in the chain, OWNED: repair decides
 *   marked                    still linked; the next sweep swings
 *   swung                     out, LIVE and ended: the next sweep does not meet
 *                             it, and upkeep retires it
 * Stop table: each CAS is exact and on a version; a sweeper that was expelled
 * asks soj_section_valid() between its load and its CAS.
 *
 * Edges
 *   K0  push: cas of head                      K2  the entry's fields are seen
 *   K1  mark, swing: cas of link or head       K2
 *   K2  load of link or head                   K0, K1, K3
 *   K3  push: store of own link                K2  released again by K0
 *   E1  load of ctl (entry.c)                  E0
 *   S1  load of a state (slab.c)               S0
 *
 * Progress: push lock-free; walk O(length) and never more than entries_max
 * steps; sweep lock-free.
 */

#include <errno.h>

#include "base/fault.h"
#include "store/chain.h"
#include "store/fetch.h"

/* How many nodes a walker passes between two looks at its section word. */
#define CHECK_EVERY 64u
/* A chain that changes all the time is left to another pass. */
#define SWEEPS_MAX 64u
/* Times that a long walk begins again.  Each time it has done a section's work,
 * so one that ends what it meets gets through any chain. */
#define TRIES 100000u

int soj_chain_push(struct soj_store *st, struct soj_worker *w, uint32_t idx,
		   bool inherit_login)
{
	struct soj_shm_entry *e = soj_entry(st, idx);
	soj_word_t *head =
		&st->seg.heads[soj_head_of(st, soj_entry_subject(st, idx))];
	uint64_t own = soj_load_relaxed(&e->link);
	uint64_t first = soj_load_acquire(head); /* K2 */
	uint64_t next;

	do {
		if (soj_gone(w))
			return -ECANCELED;
		if (!inherit_login)
			soj_store_relaxed(&e->login,
					  soj_link_version(first) + 1);
		own = soj_link(soj_link_entry(first), soj_link_version(own) + 1,
			       false);
		soj_store_release(&e->link, own); /* K3 */
		SOJ_STEP("chain.linked");
		next = soj_link(idx, soj_link_version(first) + 1, false);
	} while (!soj_cas_acq_rel(head, &first, next)); /* K0 */
	SOJ_STEP("chain.pushed");
	return 0;
}

/* ---- walking ---- */

/* Where a walk pauses: an entry that is LIVE. */
struct finger {
	uint32_t idx; /* 0: at the head */
	uint64_t state;
};

/*
 * In a new section: the link to go on with.  An entry that still is the same
 * and is not marked is in the chain now, so what it leads to cannot be reused
 * while this section lasts.  False: it may be out of the chain.
 */
static bool resume(const struct soj_store *st, const struct finger *f,
		   uint64_t *link)
{
	*link = soj_load_acquire(&soj_entry(st, f->idx)->link); /* K2 */
	return !(*link & SOJ_LINK_MARK) &&
	       soj_load_acquire(&st->seg.entry_states[f->idx]) == /* S1 */
		       f->state;
}

/* A good place to pause: what has ended may be out of the chain soon. */
static bool will_stay(const struct soj_store *st, uint32_t idx, uint64_t state,
		      bool any)
{
	return soj_state_phase(state) == SOJ_LIVE &&
	       (any || soj_ctl_status(soj_load_relaxed(
			       &soj_entry(st, idx)->ctl)) == SOJ_ACTIVE);
}

/* One section of it.  1: done; 0: it pauses at *f; an error. */
static int walk_part(struct soj_store *st, struct soj_worker *w,
		     const struct soj_walk *walk, struct finger *f,
		     uint64_t link, uint32_t *steps)
{
	for (uint32_t here = 1; *steps <= st->seg.lay.entries_max; here++) {
		uint32_t idx = soj_link_entry(link);
		uint64_t state;

		if (idx == 0)
			return 1;
		if (!soj_entry_idx_ok(st, idx))
			return soj_section_valid(&st->seg, &w->thr) ? -EBADMSG
								    : -ESTALE;
		SOJ_STEP("chain.at");
		++*steps;
		if (!walk->fn(walk->arg, idx))
			return 1;
		state = soj_load_acquire(&st->seg.entry_states[idx]); /* S1 */
		link = soj_load_acquire(&soj_entry(st, idx)->link);   /* K2 */
		if (here >= walk->per_section &&
		    will_stay(st, idx, state, here >= 2 * walk->per_section)) {
			f->idx = idx;
			f->state = state;
			return 0;
		}
	}
	return soj_section_valid(&st->seg, &w->thr) ? -EBADMSG : -ESTALE;
}

/* From the head to the end, or until its place is lost: -ESTALE. */
static int walk_parts(struct soj_store *st, struct soj_worker *w, uint32_t head,
		      uint64_t *head_word, const struct soj_walk *walk)
{
	struct finger f = {.idx = 0};
	uint32_t steps = 0;
	int rc = 0;

	while (rc == 0) {
		uint64_t link;

		soj_section_enter(&st->seg, &w->thr);
		if (f.idx == 0)
			*head_word = link =
				soj_load_acquire(&st->seg.heads[head]); /* K2 */
		else if (!resume(st, &f, &link))
			rc = -ESTALE;
		if (rc == 0)
			rc = walk_part(st, w, walk, &f, link, &steps);
		if (!soj_section_exit(&st->seg, &w->thr))
			return soj_gone(w) ? -ECANCELED : -ESTALE;
		SOJ_STEP("chain.pause");
	}
	return rc < 0 ? rc : 0;
}

int soj_chain_walk(struct soj_store *st, struct soj_worker *w, uint32_t head,
		   uint64_t *head_word, const struct soj_walk *walk)
{
	int rc = -ESTALE;

	for (unsigned i = 0; i < TRIES && rc == -ESTALE; i++) {
		walk->begin(walk->arg);
		rc = walk_parts(st, w, head, head_word, walk);
	}
	return rc == -ESTALE ? -EBUSY : rc;
}

/* Is it the time to take the entry out, and may it be?  Then mark it. */
static uint64_t mark_if_ended(struct soj_store *st, struct soj_worker *w,
			      uint32_t idx, const struct soj_sweep *sweep)
{
	struct soj_shm_entry *e = soj_entry(st, idx);
	uint64_t link = soj_load_acquire(&e->link); /* K2 */
	uint64_t state, ctl;

	/* What nobody wants out is passed without a look at the rest of it. */
	if (sweep->only ? idx != sweep->only
			: !sweep->may_unlink(sweep->arg, idx))
		return link;
	while (!(link & SOJ_LINK_MARK)) {
		state = soj_load_acquire(&st->seg.entry_states[idx]); /* S1 */
		ctl = soj_load_acquire(&e->ctl);                      /* E1 */
		if (!soj_ctl_ended(ctl) || soj_state_phase(state) != SOJ_LIVE ||
		    !soj_section_valid(&st->seg, &w->thr))
			break;
		SOJ_STEP("chain.mark.seen");
		if (soj_cas_acq_rel(&e->link, &link, /* K1 */
				    soj_link(soj_link_entry(link),
					     soj_link_version(link) + 1,
					     true))) {
			SOJ_STEP("chain.marked");
			return soj_load_acquire(&e->link); /* K2 */
		}
	}
	return link;
}

/* One attempt; -EAGAIN: a predecessor changed, begin again. */
static int sweep_once(struct soj_store *st, struct soj_worker *w,
		      soj_word_t *head, const struct soj_sweep *sweep)
{
	const uint32_t steps_max =
		sweep->only ? SOJ_SWEEP_STEPS : st->seg.lay.entries_max;
	soj_word_t *prev = head;
	uint64_t prev_word = soj_load_acquire(prev); /* K2 */

	for (uint32_t steps = 0; steps <= steps_max; steps++) {
		uint32_t idx = soj_link_entry(prev_word);
		uint64_t link, swung;

		if (idx == 0)
			return soj_section_valid(&st->seg, &w->thr) ? 0
								    : -ESTALE;
		if (!soj_entry_idx_ok(st, idx))
			return -EBADMSG;
		if (steps % CHECK_EVERY == CHECK_EVERY - 1 &&
		    !soj_section_valid(&st->seg, &w->thr))
			return -ESTALE;
		link = mark_if_ended(st, w, idx, sweep);
		if (!(link & SOJ_LINK_MARK)) {
			if (idx == sweep->only)
				return -ESTALE;
			if (sweep->only == 0)
				sweep->met(sweep->arg, idx);
			prev = &soj_entry(st, idx)->link;
			prev_word = link;
			continue;
		}
		if (!soj_section_valid(&st->seg, &w->thr))
			return -ESTALE;
		swung = soj_link(soj_link_entry(link),
				 soj_link_version(prev_word) + 1, false);
		SOJ_STEP("chain.swing.seen");
		if (!soj_cas_acq_rel(prev, &prev_word, swung)) /* K1 */
			return -EAGAIN;
		SOJ_STEP("chain.swung");
		if (idx == sweep->only)
			return 0;
		prev_word = swung;
	}
	if (sweep->only)
		return -EBUSY;
	return soj_section_valid(&st->seg, &w->thr) ? -EBADMSG : -ESTALE;
}

int soj_chain_sweep(struct soj_store *st, struct soj_worker *w, uint32_t head,
		    const struct soj_sweep *sweep)
{
	int rc = -EAGAIN;

	for (unsigned i = 0; i < SWEEPS_MAX && rc == -EAGAIN; i++) {
		if (soj_gone(w))
			return -ECANCELED;
		rc = sweep_once(st, w, &st->seg.heads[head], sweep);
	}
	return rc;
}

void soj_chain_prefetch(const struct soj_store *st, uint32_t head, bool deep)
{
	uint32_t idx = soj_link_entry(soj_load_relaxed(&st->seg.heads[head]));

	if (deep && soj_entry_idx_ok(st, idx))
		idx = soj_link_entry(
			soj_load_relaxed(&soj_entry(st, idx)->link));
	if (soj_entry_idx_ok(st, idx))
		soj_entry_prefetch_all(st, idx);
}
