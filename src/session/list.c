/* SPDX-License-Identifier: MIT */

/*
 * Listing the sessions of a subject, in pages, the newest login first.
 *
 * A page is picked in one walk through the subject's chain: the highest login
 * numbers below the cursor, as many as are wanted.  A number stays what it is
 * when its login is renewed, although the successor goes to the head of the
 * chain: so nothing that lives throughout is missed or listed again, and
 * nothing has to be held from one page to the next.  What was picked is looked
 * at again when its turn comes, and looked for again if it was renewed until
 * then; all that is stored is a page of references.
 *
 * A login may be renewed, and its old id be over, while the walk goes past
 * both.  So a successor that is still being made is picked in any case, and
 * whether it is there asked when its turn comes; and entries come in at the
 * head only, so what came in meanwhile is walked, too, until nothing did.
 * Where others come in all the time that is given up; what is there is listed.
 *
 * No ordered access is decided here: crash and stop leave nothing.
 *
 * Edges
 *   K2  load of a chain's head   store/chain.c K0
 *   S1  load of a state          store/slab.c S0
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "session/session.h"
#include "store/chain.h"

#define LIMIT_MAX         100000u
#define LIMIT_DEFAULT     1000u
#define LOOKS_PER_SECTION 4096u
#define AGAIN_MAX         5u
#define WALKS_MAX         100u

struct picked {
	uint64_t login;
	uint64_t ref;
	uint32_t renewals;
};

struct page {
	struct sojourn *s;
	struct soj_digest subject;
	uint64_t below; /* login number; those are wanted */
	uint32_t limit; /* logins */
	struct picked *pick;
	size_t count, capacity;
	bool more; /* there are others for another page */
	int error;
	/* References: where the next walk ends, and at the head of this one. */
	uint64_t stop_at, first;
	/* telling */
	uint64_t current;
	sojourn_list_fn fn;
	void *arg;
	bool stopped;
};

/* ---- picking ---- */

/* Of one login the newest id. */
static int newest_first(const void *a, const void *b)
{
	const struct picked *p = a, *q = b;

	if (p->login != q->login)
		return p->login < q->login ? 1 : -1;
	if (p->renewals != q->renewals)
		return p->renewals < q->renewals ? 1 : -1;
	return p->ref < q->ref ? -1 : p->ref > q->ref;
}

/* Leaves the newest `limit` logins, each with all of its ids, in order; what
 * two walks met once. */
static void trim(struct page *p)
{
	size_t count = p->count, kept = 0;
	uint32_t logins = 0;

	if (count == 0)
		return;
	qsort(p->pick, count, sizeof(p->pick[0]), newest_first);
	for (size_t i = 0; i < count; i++) {
		const struct picked *last = kept ? &p->pick[kept - 1] : NULL;

		if (last && p->pick[i].ref == last->ref)
			continue;
		logins += last == NULL || p->pick[i].login != last->login;
		if (logins > p->limit) {
			/* From now on older ones need not be picked. */
			p->more = true;
			break;
		}
		p->pick[kept++] = p->pick[i];
	}
	p->count = kept;
}

static bool make_room(struct page *p)
{
	size_t capacity = p->capacity ? 2 * p->capacity : 64;
	struct picked *more;

	if (p->count < p->capacity)
		return true;
	if (p->count >= 2 * (size_t)p->limit)
		trim(p);
	if (p->count < p->capacity / 2 + p->capacity / 4)
		return true;
	more = realloc(p->pick, capacity * sizeof(*more));
	if (more == NULL) {
		p->error = -ENOMEM;
		return false;
	}
	p->pick = more;
	p->capacity = capacity;
	return true;
}

/* May it be there when its turn comes?  A new login in the making is known to
 * nobody yet. */
static bool may_be_there(struct soj_store *st, uint32_t idx, uint64_t state)
{
	return soj_session_is_there(st, idx, state) ||
	       (soj_state_phase(state) == SOJ_OWNED &&
		soj_load_relaxed(&soj_entry(st, idx)->predecessor) != 0);
}

static bool pick(void *arg, uint32_t idx)
{
	struct page *p = arg;
	struct soj_store *st = &p->s->st;
	uint64_t state = soj_load_acquire(&st->seg.entry_states[idx]); /* S1 */
	uint64_t ref = soj_ref(idx, soj_state_gen(state));
	uint64_t login;

	if (ref == p->stop_at)
		return false;
	if (p->first == 0)
		p->first = ref;
	if (!soj_digest_equal(soj_entry_subject(st, idx), p->subject) ||
	    !may_be_there(st, idx, state))
		return true;
	login = soj_load_relaxed(&soj_entry(st, idx)->login);
	if (login >= p->below ||
	    soj_ctl_ended(soj_load_relaxed(&soj_entry(st, idx)->ctl)))
		return true;
	if (!make_room(p))
		return false;
	p->pick[p->count++] =
		(struct picked){.login = login,
				.ref = ref,
				.renewals = soj_misc_renewals(soj_load_relaxed(
					&soj_entry(st, idx)->misc))};
	return true;
}

static void begin(void *arg)
{
	struct page *p = arg;

	p->first = 0;
}

static int pick_page(struct page *p, struct soj_self *self)
{
	const struct soj_walk walk = {.begin = begin,
				      .fn = pick,
				      .arg = p,
				      .per_section = LOOKS_PER_SECTION};
	struct soj_store *st = &p->s->st;
	const uint32_t chain = soj_head_of(st, p->subject);
	uint64_t head = 0;

	p->count = 0;
	p->more = false;
	p->stop_at = 0;
	for (unsigned walks = 0; walks < WALKS_MAX; walks++) {
		int rc = soj_chain_walk(st, &self->w, chain, &head, &walk);

		if (rc < 0 || p->error < 0)
			return p->error < 0 ? p->error : rc;
		if (soj_load_acquire(&st->seg.heads[chain]) == head) /* K2 */
			break;
		p->stop_at = p->first ? p->first : p->stop_at;
	}
	trim(p);
	return 0;
}

/* ---- telling ---- */

/* True if the reference still is a living session of the subject. */
static bool look(struct page *p, uint64_t ref, struct soj_session *one)
{
	struct soj_copy copy = {
		.cold = &one->cold, .subject = one->subject, .meta = one->meta};
	struct soj_store *st = &p->s->st;
	uint64_t now_ms = soj_seg_now_ms(&st->seg);
	uint32_t idx = soj_ref_entry(ref);
	uint64_t state = soj_load_acquire(&st->seg.entry_states[idx]); /* S1 */

	return soj_session_is_there(st, idx, state) &&
	       soj_entry_look(st, ref, NULL, &copy, &one->snap) == 0 &&
	       soj_ctl_readable(one->snap.ctl) &&
	       !soj_session_late(&one->snap, now_ms) &&
	       (!(one->snap.life & SOJ_LIFE_EXPIRED) ||
		soj_ctl_status(one->snap.ctl) == SOJ_RENEWED) &&
	       soj_digest_equal(one->cold.subject, p->subject) &&
	       (soj_ctl_status(one->snap.ctl) != SOJ_RENEWED ||
		soj_line_status(st, &one->snap, NULL) == SOJ_ACTIVE) &&
	       soj_times_judge(&one->snap.times, now_ms) == SOJ_ACTIVE;
}

/* True if it was told, and is what its login is now. */
static bool tell(struct page *p, uint64_t ref, int *calls)
{
	struct soj_session one;
	struct sojourn_info info;
	bool is_now = false;

	soj_info_clear(&info);
	if (p->stopped || !look(p, ref, &one))
		goto out_wipe;
	soj_info_fill(p->s, &one, &info);
	info.current = ref == p->current;
	++*calls;
	p->stopped = p->fn(p->arg, &info) != 0;
	is_now = !info.renewed;

out_wipe:
	soj_open_wipe(p->s, &one, sizeof(one));
	soj_open_wipe(p->s, &info, sizeof(info));
	return is_now;
}

/* A login was renewed after it was picked: where is it now? */
static int tell_again(struct page *p, uint64_t login)
{
	struct page one = *p;
	bool left = true;
	int calls = 0, rc = 0;

	/* Until nothing of it is left: it has ended. */
	for (unsigned tries = 0; tries < AGAIN_MAX && left && calls == 0;
	     tries++) {
		struct soj_self *self = soj_self_writing(p->s, &rc);

		if (self == NULL)
			return rc;
		one.pick = NULL;
		one.capacity = 0;
		one.limit = 1;
		one.below = login + 1;
		rc = pick_page(&one, self);
		for (size_t i = 0; rc == 0 && i < one.count; i++)
			if (one.pick[i].login == login &&
			    tell(&one, one.pick[i].ref, &calls))
				break;
		left = rc == 0 && one.count > 0 && one.pick[0].login == login;
		free(one.pick);
		p->stopped = one.stopped;
	}
	return rc < 0 ? rc : calls;
}

/* Returns the number of calls; p->below becomes where to go on. */
static int tell_page(struct page *p)
{
	bool told = false;
	int calls = 0;

	for (size_t i = 0; i < p->count && !p->stopped; i++) {
		bool last = i + 1 == p->count ||
			    p->pick[i + 1].login != p->pick[i].login;

		p->below = p->pick[i].login;
		told |= tell(p, p->pick[i].ref, &calls);
		if (last && !told && !p->stopped) {
			int rc = tell_again(p, p->below);

			if (rc < 0) {
				/* The next page begins with it. */
				p->below++;
				p->more = true;
				return soj_report_errno(rc);
			}
			calls += rc;
		}
		told &= !last;
		p->more |= p->stopped && i + 1 < p->count;
	}
	return calls;
}

/* One page from *cursor on.  Calls, or a reported error. */
static int list_page(struct page *p, struct soj_self *self, uint64_t *cursor)
{
	int rc;

	p->below = *cursor ? *cursor : UINT64_MAX;
	rc = pick_page(p, self);
	if (rc < 0)
		return soj_report_errno(rc);
	soj_ok();
	rc = tell_page(p);
	*cursor = p->more ? p->below : 0;
	return rc;
}

/* ---- calls ---- */

static int begin_list(struct page *p, const char *subject,
		      const char *current_id, struct soj_self **self)
{
	struct soj_found found = {0};
	struct soj_digest digest;
	int rc = soj_subject_check(subject);

	if (rc < 0)
		return rc;
	if (p->fn == NULL)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "fn is NULL, but must be a function");
	*self = soj_self_writing(p->s, &rc);
	if (*self == NULL)
		return rc;
	(*self)->w.source = SOJ_SOURCE_LIST;
	p->subject = soj_subject_digest(p->s, subject);
	if (current_id && soj_id_digest(p->s, current_id, &digest) &&
	    soj_index_find(&p->s->st, digest, &found) == 0)
		p->current = found.ref;
	return 0;
}

int sojourn_session_list_next(struct sojourn *s, const char *subject,
			      const char *current_id, uint64_t *cursor,
			      uint32_t limit, sojourn_list_fn fn, void *arg)
{
	struct page p = {.s = s, .limit = limit, .fn = fn, .arg = arg};
	struct soj_self *self;
	int rc;

	if (cursor == NULL || limit < 1 || limit > LIMIT_MAX)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "limit is %u, but must be 1 to 100000, and "
				  "cursor not NULL",
				  limit);
	rc = begin_list(&p, subject, current_id, &self);
	if (rc == 0)
		rc = list_page(&p, self, cursor);
	free(p.pick);
	return soj_done(s, rc);
}

int sojourn_session_list_subject(struct sojourn *s, const char *subject,
				 const char *current_id, sojourn_list_fn fn,
				 void *arg)
{
	struct page p = {.s = s, .limit = LIMIT_DEFAULT, .fn = fn, .arg = arg};
	struct soj_self *self;
	uint64_t cursor = 0;
	int rc, calls = 0;

	rc = begin_list(&p, subject, current_id, &self);
	while (rc >= 0) {
		rc = list_page(&p, self, &cursor);
		calls += rc > 0 ? rc : 0;
		if (rc < 0 || cursor == 0 || p.stopped)
			break;
		/* fn may have forked: the child has a part of its own. */
		self = soj_self_writing(s, &rc);
	}
	free(p.pick);
	return soj_done(s, rc < 0 ? rc : calls);
}
