/* SPDX-License-Identifier: MIT */

/*
 * How many logins of one subject there may be in a collection.
 *
 * Login numbers (chain.c) say who came first.  A login counts once, whatever
 * it was renewed to; what is over by time does not count, and its end is made
 * final here, so that no late touch brings it back into the count.
 *
 * Rejecting (soj_cap_admit).  A maker that is on the chain, but not in the id
 * index, counts the logins with lower numbers: those that live, and those in
 * the making by a living thread.  As many as the cap: it withdraws.  Everybody
 * who has a lower number was on the chain before, so
 *  1. of all logins that live, the one with the highest number saw the others:
 *     there are never more than the cap;
 *  2. the lowest number sees nobody: one gets in.
 * One in the making for longer than the lease, on which it depends, is ended.
 * Its maker must not answer "made" after that, so his answer is itself a CAS
 * of ctl, made after he has made the entry LIVE (soj_entry_confirm), and the
 * ender's is from a ctl that he loaded before he saw the entry OWNED.
 *
 * Ending older ones (soj_cap_enforce).  A login must not end others before it
 * lives itself.  Its maker stores it as its slot's intent, makes it LIVE and
 * confirms that, then counts all that are LIVE and ends what lies behind the
 * newest `cap` of them, itself included if that is where it is; then he clears
 * the intent, and only then answers.  Of all logins that were answered, the one
 * that became LIVE last saw the others: again there are never more than the
 * cap.  Nobody ends the highest number for the cap, so there is always one.
 * "Exclusive" ends all with lower numbers, those in the making too.
 *
 * A login counts from its CAS to LIVE on, answered or not: others that came
 * meanwhile may have ended themselves for its sake.  So one whose maker died
 * after that CAS is not taken back, though nobody has its id: it is carried on
 * with, and where logins are rejected it keeps its place until it runs out or
 * its subject is logged out.  To take it back, others would have to tell it from
 * those that were answered, by a look at all slots at each login; and it would
 * make a window smaller that cannot be closed: who dies with the id in hand, and
 * has told it to nobody, leaves the same.
 *
 * Crash table (killed after the step)
 *   counted              OWNED: withdrawn by repair, nobody was ended
 *   intent stored        as above; repair finds nothing LIVE to carry on with
 *   in the index         the same; but under a caller's key repair makes it LIVE
 *   entry LIVE           repair enforces the cap for it (upkeep/repair.c)
 *   some were ended      repair ends the rest: the same rule over again
 *   intent cleared       done; nobody was told the id, it expires
 *   confirmed            as above
 * Stop table: who is stopped before he is LIVE does not count where older ones
 * are ended, and counts the others when he goes on; where logins are rejected
 * he counts until the lease is over, and is told "superseded" after that.
 * Expelled from a section of the walk: counts again.
 *
 * Edges
 *   I0  intent: store                 I1
 *   I1  intent: load                  I0     of a slot whose thread is dead
 *   K2  load of a chain's head        chain.c K0
 *   S1  load of a state               slab.c S0
 *
 * Progress: O(entries of the subject's chain), lock-free but for being
 * expelled.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "store/cap.h"
#include "store/chain.h"

/* Times that a count is begun again before it is given up. */
#define TRIES_MAX 1000u

#define LOOKS_PER_SECTION 4096u /* below a millisecond */

/* A login met, alive or in the making. */
struct login {
	uint64_t number;
	uint64_t ref;
	uint64_t ctl;
	uint64_t since_ms;
	bool flying; /* its maker, alive, has not made it LIVE */
};

struct census {
	struct soj_store *st;
	struct soj_worker *w;
	struct soj_digest subject;
	uint32_t collection;
	uint64_t now_ms;
	uint64_t mine; /* login number */
	struct login *login;
	size_t count, capacity;
	int error;
	/* Of the walk that goes on; references, as an entry that was passed may be
	 * another's by the next. */
	uint64_t stop_at, first;
	size_t count_before;
	/* ending */
	uint64_t below;
	enum soj_status reason;
	bool flying_too;
	int ended;
};

/* ---- walking ---- */

static void begin_walk(void *arg)
{
	struct census *c = arg;

	c->first = 0;
	c->count = c->count_before;
	c->error = 0;
}

/* All of a chain, and then what came in meanwhile, until nothing did: who is
 * renewed during a walk has a successor in front of where it began.  In short
 * sections: a subject may have any number of items in other collections. */
static int walk_all(struct census *c, bool (*fn)(void *arg, uint32_t idx))
{
	const struct soj_walk walk = {.begin = begin_walk,
				      .fn = fn,
				      .arg = c,
				      .per_section = LOOKS_PER_SECTION};
	struct soj_store *st = c->st;
	uint32_t head = soj_head_of(st, c->subject);

	c->stop_at = 0;
	for (unsigned walks = 0; walks < TRIES_MAX; walks++) {
		uint64_t seen;
		int rc;

		c->count_before = c->count;
		rc = soj_chain_walk(st, c->w, head, &seen, &walk);
		SOJ_STEP("cap.walked");
		if (c->error < 0)
			return c->error;
		if (rc < 0)
			return rc;
		if (c->first)
			c->stop_at = c->first;
		if (soj_load_acquire(&st->seg.heads[head]) == seen) /* K2 */
			return 0;
	}
	return -EBUSY;
}

/* False: the walk has come to where the one before began. */
static bool step_on(struct census *c, uint64_t ref)
{
	if (ref == c->stop_at)
		return false;
	if (c->first == 0)
		c->first = ref;
	return true;
}

static uint64_t state_of(const struct census *c, uint32_t idx)
{
	return soj_load_acquire(&c->st->seg.entry_states[idx]); /* S1 */
}

/* Begins it all again when it was expelled in the middle of a line. */
static int undisturbed(struct census *c, int (*fn)(struct census *c))
{
	int rc = -ESTALE;

	for (unsigned tries = 0; rc == -ESTALE && tries < TRIES_MAX; tries++) {
		c->count = 0;
		rc = fn(c);
	}
	return rc == -ESTALE ? -EBUSY : rc;
}

/* ---- who is there ---- */

/* A snapshot of one of the subject's in the collection: 0, else skip it. */
static int look(struct census *c, uint64_t ref, struct soj_cold *cold,
		struct soj_snapshot *snap)
{
	const struct soj_copy copy = {.cold = cold};
	int rc = soj_entry_look(c->st, ref, NULL, &copy, snap);

	if (rc == -EBUSY)
		c->error = -EBUSY;
	else if (rc == 0 && (!soj_digest_equal(cold->subject, c->subject) ||
			     soj_misc_collection(cold->misc) != c->collection))
		rc = -ENOENT;
	return rc;
}

/* Readable and not renewed: does it live?  1, 0, -EAGAIN (it changed). */
static int lives(struct census *c, const struct soj_snapshot *snap)
{
	enum soj_status verdict = soj_times_judge(&snap->times, c->now_ms);

	if (verdict == SOJ_ACTIVE && (snap->life & SOJ_LIFE_EXPIRED))
		verdict = SOJ_ENDED_EXPIRED;
	if (verdict == SOJ_ACTIVE)
		return 1;
	if (!soj_entry_expire(c->st, c->w, snap->ref, snap->ctl, snap->life,
			      verdict))
		return -EAGAIN;
	soj_count(&c->w->thr, SOJ_COUNT_expirations);
	return 0;
}

/* Its line leads somewhere else: does it live there? */
static int line_lives(struct census *c, const struct soj_snapshot *snap)
{
	struct soj_snapshot tip;
	struct soj_cold cold;
	uint64_t ref;

	if (!snap->has_record ||
	    soj_line_status(c->st, snap, &ref) != SOJ_ACTIVE)
		return 0;
	if (ref == 0)
		return 1; /* it changes all the time */
	/* OWNED yet, it is judged by its last use all the same: lives(). */
	if (look(c, ref, &cold, &tip) != 0 ||
	    soj_ctl_status(tip.ctl) != SOJ_ACTIVE)
		return -EAGAIN;
	return lives(c, &tip);
}

/* Dead before it was LIVE, a login with a random id is withdrawn by repair, for
 * certain: it does not count. */
static bool will_be_withdrawn(const struct census *c, uint32_t idx,
			      uint64_t state, const struct soj_cold *cold)
{
	const struct soj_seg *seg = &c->st->seg;
	uint32_t slot = soj_state_aux(state);
	uint64_t claim;

	return !soj_misc_keyed(cold->misc) && slot < seg->lay.slots_max &&
	       slot != c->w->thr.slot &&
	       soj_slot_dead(seg, slot, true, &claim) &&
	       state_of(c, idx) == state && soj_slot_still(seg, slot, claim);
}

/*
 * A successor that nobody is led to: as long as its predecessor lives its login
 * does, and is counted here, too.  For that may be renewed to it and be gone before
 * the walk, which came past this first, gets there; and nothing new comes in.
 */
static int predecessor_lives(struct census *c, uint32_t idx, uint64_t state,
			     uint64_t ref)
{
	struct soj_snapshot snap;
	struct soj_cold cold;

	if (look(c, ref, &cold, &snap) == 0) {
		if (soj_ctl_status(snap.ctl) == SOJ_ACTIVE)
			return lives(c, &snap);
		/* Renewed by now; to this one? */
		if (soj_line_names(c->st, ref,
				   soj_ref(idx, soj_state_gen(state))) == 1)
			return -EAGAIN;
	}
	return state_of(c, idx) == state ? 0 : -EAGAIN;
}

/* What one member of the chain says of its login: 1 it lives, 2 it is being
 * made, 0 it does not count, -EAGAIN look again, -ENOENT not one of these. */
static int judge(struct census *c, uint32_t idx, struct soj_cold *cold,
		 struct soj_snapshot *snap)
{
	uint64_t state = state_of(c, idx);
	bool owned = soj_state_phase(state) == SOJ_OWNED;
	uint64_t ref = soj_ref(idx, soj_state_gen(state));
	int named;

	if (!owned && soj_state_phase(state) != SOJ_LIVE)
		return -ENOENT;
	if (look(c, ref, cold, snap) != 0)
		return -ENOENT;
	if (soj_ctl_status(snap->ctl) != SOJ_ACTIVE)
		return soj_status_ends_line(soj_ctl_status(snap->ctl))
			       ? 0
			       : line_lives(c, snap);
	/* ctl first, then OWNED: see soj_entry_confirm(). */
	if (owned && state_of(c, idx) != state)
		return -EAGAIN;
	if (!owned)
		return lives(c, snap);
	if (cold->predecessor == 0)
		return will_be_withdrawn(c, idx, state, cold) ? 0 : 2;
	named = soj_line_names(c->st, cold->predecessor, ref);
	if (named < 0)
		return named == -EBUSY ? -EAGAIN : 0;
	if (named == 0)
		return predecessor_lives(c, idx, state, cold->predecessor);
	return lives(c, snap);
}

static bool add(struct census *c, const struct login *l)
{
	if (c->count == c->capacity) {
		size_t capacity = c->capacity ? 2 * c->capacity : 16;
		struct login *more =
			realloc(c->login, capacity * sizeof(*more));

		if (more == NULL) {
			c->error = -ENOMEM;
			return false;
		}
		c->login = more;
		c->capacity = capacity;
	}
	c->login[c->count++] = *l;
	return true;
}

static bool meet(void *arg, uint32_t idx)
{
	struct census *c = arg;
	const uint64_t state = state_of(c, idx);
	struct soj_snapshot snap;
	struct soj_cold cold;
	int rc = -EAGAIN;

	if (!step_on(c, soj_ref(idx, soj_state_gen(state))))
		return false;
	for (unsigned i = 0; i < TRIES_MAX && rc == -EAGAIN; i++)
		rc = judge(c, idx, &cold, &snap);
	if (rc == -EAGAIN)
		c->error = -EBUSY;
	if (c->error < 0)
		return false;
	return rc <= 0 ||
	       add(c, &(struct login){.number = cold.login,
				      .ref = snap.ref,
				      .ctl = snap.ctl,
				      .since_ms = snap.times.created_ms,
				      .flying = rc == 2});
}

/* Newest first; of one login who lives first. */
static int newest_first(const void *a, const void *b)
{
	const struct login *p = a, *q = b;

	if (p->number != q->number)
		return p->number < q->number ? 1 : -1;
	return p->flying - q->flying;
}

static int take_census(struct census *c)
{
	size_t kept = 0;
	int rc = walk_all(c, meet);

	if (rc < 0 || c->count == 0)
		return rc;
	qsort(c->login, c->count, sizeof(c->login[0]), newest_first);
	for (size_t i = 1; i < c->count; i++)
		if (c->login[i].number != c->login[kept].number)
			c->login[++kept] = c->login[i];
	c->count = kept + 1;
	return 0;
}

/* What the census is about; false: the entry is not there, or is over. */
static bool census_of(struct census *c, uint64_t ref)
{
	struct soj_cold cold;
	const struct soj_copy copy = {.cold = &cold};
	struct soj_snapshot snap;
	int rc = soj_entry_look(c->st, ref, NULL, &copy, &snap);

	if (rc == -EBUSY)
		c->error = -EBUSY;
	if (rc < 0 || !soj_ctl_readable(snap.ctl))
		return false;
	c->subject = cold.subject;
	c->collection = soj_misc_collection(cold.misc);
	c->mine = cold.login;
	return c->collection < SOJ_COLLECTIONS;
}

/* ---- rejecting ---- */

/* Those with lower numbers, and how many of them are late. */
static size_t count_older(const struct census *c, uint64_t lease_ms,
			  size_t *late)
{
	size_t older = 0;

	*late = 0;
	for (size_t i = 0; i < c->count; i++) {
		const struct login *l = &c->login[i];

		if (l->number >= c->mine)
			continue;
		if (l->flying && c->now_ms >= l->since_ms + lease_ms)
			++*late;
		else
			older++;
	}
	return older;
}

static void end_late(struct census *c, uint64_t lease_ms)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct login *l = &c->login[i];

		if (l->number < c->mine && l->flying &&
		    c->now_ms >= l->since_ms + lease_ms)
			soj_entry_end(c->st, c->w, l->ref, l->ctl,
				      SOJ_ENDED_WITHDRAWN);
	}
}

int soj_cap_admit(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		  uint64_t now_ms)
{
	const uint64_t lease_ms = st->seg.policy.lease_ms;
	struct census c = {.st = st, .w = w, .now_ms = now_ms};
	size_t cap, older, late = 1;
	int rc = census_of(&c, ref) ? 0 : c.error < 0 ? c.error : -ECANCELED;

	/* Ended by somebody already: the maker will find out. */
	if (rc < 0)
		return rc == -ECANCELED && !soj_gone(w) ? 0 : rc;
	cap = soj_collection(&st->seg, c.collection)->cap;
	while (rc == 0 && late > 0) {
		rc = undisturbed(&c, take_census);
		if (rc < 0)
			break;
		SOJ_STEP("cap.counted");
		older = count_older(&c, lease_ms, &late);
		if (older >= cap)
			rc = -EUSERS;
		else if (older + late < cap)
			late = 0;
		else
			end_late(&c, lease_ms);
	}
	free(c.login);
	return rc;
}

/* ---- ending older ones ---- */

static bool end_one(void *arg, uint32_t idx)
{
	struct census *c = arg;
	uint64_t state = state_of(c, idx);
	uint64_t ref = soj_ref(idx, soj_state_gen(state));
	struct soj_snapshot snap;
	struct soj_cold cold;
	int rc;

	if (!step_on(c, ref))
		return false;
	if (look(c, ref, &cold, &snap) != 0 || cold.login >= c->below)
		return c->error == 0;
	/* In the making: its maker will count for itself. */
	if (!c->flying_too && cold.predecessor == 0 &&
	    soj_state_phase(state) == SOJ_OWNED && state_of(c, idx) == state)
		return true;
	rc = soj_line_end(c->st, c->w, ref, c->reason, NULL, NULL);
	if (rc < 0) {
		c->error = rc;
		return false;
	}
	c->ended += rc;
	SOJ_STEP("cap.ended");
	return true;
}

static int end_older(struct census *c)
{
	return walk_all(c, end_one);
}

/* Everything below which number is to be ended; 0: nothing. */
static uint64_t threshold(const struct census *c, bool exclusive)
{
	const struct soj_shm_collection *rules =
		soj_collection(&c->st->seg, c->collection);
	size_t there = 0, below_mine = 0;
	uint64_t last = 0; /* of the newest `cap` */

	for (size_t i = 0; i < c->count; i++) {
		const struct login *l = &c->login[i];

		below_mine += l->number < c->mine;
		if (l->flying)
			continue;
		there++;
		if (there == rules->cap)
			last = l->number;
	}
	if (exclusive && below_mine > 0 && last < c->mine)
		last = c->mine;
	if (exclusive)
		return last;
	if (rules->cap == 0 || there <= rules->cap)
		return 0;
	if (rules->cap_policy == SOJ_CAP_EXCLUSIVE && last < c->mine)
		last = c->mine;
	return last;
}

int soj_cap_enforce(struct soj_store *st, struct soj_worker *w, uint64_t intent,
		    uint64_t now_ms)
{
	struct census c = {.st = st, .w = w, .now_ms = now_ms};
	uint64_t ref = soj_intent_ref(intent);
	uint32_t idx = soj_ref_entry(ref);
	int rc;

	if (!soj_entry_idx_ok(st, idx) ||
	    soj_state_phase(state_of(&c, idx)) != SOJ_LIVE ||
	    !census_of(&c, ref) || !soj_entry_confirm(st, w, ref))
		return c.error;
	rc = undisturbed(&c, take_census);
	if (rc == 0) {
		SOJ_STEP("cap.census");
		c.flying_too = soj_intent_exclusive(intent);
		c.below = threshold(&c, c.flying_too);
		c.reason =
			c.flying_too || soj_collection(&st->seg, c.collection)
							->cap_policy ==
						SOJ_CAP_EXCLUSIVE
				? SOJ_ENDED_EXCLUSIVE
				: SOJ_ENDED_CAP;
		if (c.below)
			rc = undisturbed(&c, end_older);
	}
	for (int i = 0; i < c.ended; i++)
		soj_count(&w->thr, SOJ_COUNT_cap_ended);
	free(c.login);
	return rc;
}

void soj_cap_intend(struct soj_store *st, const struct soj_worker *w,
		    uint64_t intent)
{
	if (!soj_gone(w))
		soj_store_release(&st->seg.slots[w->thr.slot].intent, /* I0 */
				  intent);
	SOJ_STEP("cap.intent");
}

uint64_t soj_cap_intent(const struct soj_store *st, uint32_t slot)
{
	return soj_load_acquire(&st->seg.slots[slot].intent); /* I1 */
}
