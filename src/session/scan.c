/* SPDX-License-Identifier: MIT */

/*
 * Scan, count, clear and prune: over all entries, by their place.
 *
 * An entry keeps its place for its life, so a scan by place that goes on where
 * it stopped meets each entry that is there all the time exactly once, whatever
 * comes and goes meanwhile; the cursor is the last place.  Nothing is held
 * between two entries: each is copied for itself (store/entry.c).
 *
 * A login that is renewed during a scan moves to another place, and may do so
 * from behind the cursor to before it.  The old id is still there in its grace
 * window, and is met as renewed; clear ends the whole line of what it meets,
 * whether or not that window is over.  When there is no grace window the old
 * entry may be gone before it is met: so clear looks again for successors that
 * were made since it began, until it finds none.
 *
 * A successor that is still being made is there once its predecessor names it:
 * that decided about the renewal (renew.c), wherever its maker stands.
 *
 * Crash table: clear killed between two entries: the others live; the call was
 * not acknowledged.  Killed inside a line: upkeep completes it.
 * Stop table: expelled from the section of an entry: what it ended is ended,
 * but the line behind it may have changed place: clear begins again.
 *
 * Marks of revoked tokens are not cleared, by no filter: who clears all logins
 * must not make valid what was revoked.
 *
 * Edges
 *   S1  load of a state    store/slab.c S0
 */

#include <errno.h>
#include <sojourn/stat.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "session/glob.h"
#include "session/item.h"

/* Each ends who was renewed during the one before. */
#define RENEWED_PASSES 8u

/* A filter, made ready. */
struct sieve {
	struct sojourn *s;
	uint32_t collection;
	bool has_subject;
	struct soj_digest subject;
	struct soj_glob *glob; /* NULL: none */
	bool by_handle;
	uint64_t now_ms;
	/* clear */
	bool lines;   /* for the whole line's sake, also what answers no more */
	bool renewed; /* only what was renewed since now_ms */
	bool busy;    /* the last one changed at each look: it may pass */
};

static int sieve_init(struct sieve *f, struct sojourn *s,
		      const struct sojourn_filter *filter)
{
	const char *why;
	int rc = 0;

	*f = (struct sieve){.s = s,
			    .collection = filter->collection,
			    .by_handle = filter->match_handle,
			    .now_ms = soj_seg_now_ms(&s->st.seg)};
	if (filter->collection != SOJOURN_COLLECTION_ANY)
		rc = soj_collection_check(s, filter->collection);
	f->has_subject = filter->subject != NULL;
	if (rc == 0 && f->has_subject)
		rc = soj_subject_check(filter->subject);
	if (rc < 0)
		return rc;
	if (f->has_subject)
		f->subject = soj_subject_digest(s, filter->subject);
	if (filter->match == NULL)
		return 0;
	f->glob = malloc(sizeof(*f->glob));
	if (f->glob == NULL)
		return soj_report_errno(-ENOMEM);
	if (soj_glob_compile(f->glob, filter->match, &why) == 0)
		return 0;
	free(f->glob);
	f->glob = NULL;
	return soj_report(-EINVAL, SOJOURN_INVALID,
			  "match is \"%.40s\", which is %s", filter->match,
			  why);
}

static bool passes(const struct sieve *f, const struct soj_session *one)
{
	char handle[SOJOURN_HANDLE_CHARS + 1];

	if ((f->collection != SOJOURN_COLLECTION_ANY &&
	     f->collection != soj_misc_collection(one->cold.misc)) ||
	    (f->has_subject &&
	     !soj_digest_equal(f->subject, one->cold.subject)))
		return false;
	if (f->glob == NULL)
		return true;
	if (!f->by_handle)
		return soj_glob_match(f->glob, (const char *)one->subject);
	soj_handle_text(&f->s->st, one->snap.ref, handle);
	return soj_glob_match(f->glob, handle);
}

/* Does it answer to those who ask for it? */
static bool answers(const struct sieve *f, const struct soj_session *one)
{
	const struct soj_snapshot *snap = &one->snap;
	bool renewed = soj_ctl_status(snap->ctl) == SOJ_RENEWED;

	if (!soj_ctl_readable(snap->ctl) ||
	    soj_times_judge(&snap->times, f->now_ms) != SOJ_ACTIVE)
		return false;
	if (!renewed)
		return !(snap->life & SOJ_LIFE_EXPIRED);
	return snap->has_record && !soj_session_late(snap, f->now_ms) &&
	       soj_line_status(&f->s->st, snap, NULL) == SOJ_ACTIVE;
}

/* Does it lead to a login that is to be cleared, or is it one? */
static bool has_line(const struct sieve *f, const struct soj_session *one)
{
	enum soj_status status = soj_ctl_status(one->snap.ctl);

	if (soj_misc_collection(one->cold.misc) == SOJ_COLLECTION_REVOKED)
		return false;
	/* Whatever its birth is dated: its renewer may have begun long ago. */
	if (f->renewed && soj_misc_renewals(one->cold.misc) == 0)
		return false;
	/* An old handle names nothing any more. */
	if (!f->by_handle && one->snap.has_record &&
	    (status == SOJ_RENEWED || status == SOJ_ENDED_GRACE))
		return true;
	return answers(f, one);
}

bool soj_session_is_there(struct soj_store *st, uint32_t idx, uint64_t state)
{
	uint64_t ref = soj_ref(idx, soj_state_gen(state));
	uint64_t before;

	if (soj_state_phase(state) != SOJ_OWNED)
		return soj_state_phase(state) == SOJ_LIVE;
	before = soj_load_relaxed(&soj_entry(st, idx)->predecessor);
	if (before != 0 && soj_line_names(st, before, ref) != 1)
		return false;
	if (before != 0) {
		if (!st->seg.readonly)
			soj_entry_hand_down(st, ref);
		return true;
	}
	return soj_misc_keyed(soj_load_relaxed(&soj_entry(st, idx)->misc)) &&
	       soj_index_committed(st, soj_entry_digest(st, idx),
				   soj_entry_place(st, ref));
}

/* Looks at one place: is it one of those? */
static bool look(struct sieve *f, uint32_t idx, struct soj_session *one)
{
	struct soj_store *st = &f->s->st;
	const struct soj_copy copy = {
		.cold = &one->cold, .subject = one->subject, .meta = one->meta};
	uint64_t state = soj_load_acquire(&st->seg.entry_states[idx]); /* S1 */
	uint64_t misc;
	int rc;

	f->busy = false;
	if (soj_state_phase(state) == SOJ_FREE ||
	    soj_state_phase(state) == SOJ_RETIRED)
		return false;
	/* As far as that can be trusted; passes() looks at the copy. */
	misc = soj_load_relaxed(&soj_entry(st, idx)->misc);
	if ((f->collection != SOJOURN_COLLECTION_ANY &&
	     f->collection != soj_misc_collection(misc)) ||
	    !soj_session_is_there(st, idx, state))
		return false;
	rc = soj_entry_look(st, soj_ref(idx, soj_state_gen(state)), NULL, &copy,
			    &one->snap);
	f->busy = rc == -EBUSY;
	return rc == 0 && passes(f, one) &&
	       (f->lines ? has_line(f, one) : answers(f, one));
}

/* ---- scan and count ---- */

int sojourn_scan(struct sojourn *s, const struct sojourn_filter *filter,
		 uint64_t *cursor, uint32_t limit, sojourn_list_fn fn,
		 void *arg)
{
	const uint32_t last = s->st.seg.lay.entries_max;
	struct soj_session one;
	struct sojourn_info info;
	struct sieve f;
	int calls = 0;
	int rc = sieve_init(&f, s, filter);

	if (rc < 0)
		return rc;
	soj_ok();
	while (*cursor < last) {
		const uint32_t idx = (uint32_t)*cursor + 1;
		const bool passed = look(&f, idx, &one);

		if (f.busy) {
			/* The next call begins with it. */
			rc = calls > 0 ? 0 : soj_report_errno(-EBUSY);
			break;
		}
		*cursor = idx;
		if (!passed)
			continue;
		soj_info_clear(&info);
		soj_info_fill(s, &one, &info);
		calls++;
		if (fn(arg, &info) != 0 || (uint32_t)calls == limit)
			break;
	}
	if (*cursor >= last)
		*cursor = 0;
	soj_open_wipe(s, &one, sizeof(one));
	soj_open_wipe(s, &info, sizeof(info));
	free(f.glob);
	return rc < 0 ? rc : calls;
}

int sojourn_count(struct sojourn *s, const struct sojourn_filter *filter)
{
	struct soj_session one;
	struct sieve f;
	int count = 0;
	int rc = sieve_init(&f, s, filter);

	if (rc < 0)
		return rc;
	for (uint32_t idx = 1; rc == 0 && idx <= s->st.seg.lay.entries_max;
	     idx++) {
		count += look(&f, idx, &one) &&
			 soj_ctl_status(one.snap.ctl) == SOJ_ACTIVE;
		rc = f.busy ? soj_report_errno(-EBUSY) : 0;
	}
	soj_open_wipe(s, &one, sizeof(one));
	free(f.glob);
	if (rc < 0)
		return rc;
	soj_ok();
	return count;
}

/* ---- numbers about sessions ---- */

struct census {
	struct sojourn_session_stat *stat;
	uint64_t *subject; /* half of the digest of each login's */
	uint64_t age_ms;   /* of all */
};

static int by_value(const void *a, const void *b)
{
	const uint64_t *p = a, *q = b;

	return *p < *q ? -1 : *p > *q;
}

static bool add_login(struct census *c, const struct soj_session *one,
		      uint64_t now_ms)
{
	const struct soj_times *t = &one->snap.times;
	const uint64_t count = c->stat->total;

	/* Room for the next power of two. */
	if ((count & (count - 1)) == 0) {
		uint64_t *more = realloc(c->subject, soj_max(16, 2 * count) *
							     sizeof(*more));

		if (more == NULL)
			return false;
		c->subject = more;
	}
	c->subject[c->stat->total++] = one->cold.subject.word[0];
	c->age_ms += now_ms - soj_min(now_ms, t->created_ms);
	c->stat->active +=
		now_ms - soj_min(now_ms, t->accessed_ms) < SOJOURN_ACTIVE_MS;
	return true;
}

static void sum_up(struct census *c)
{
	struct sojourn_session_stat *stat = c->stat;

	if (stat->total == 0)
		return;
	stat->age_ms = c->age_ms / stat->total;
	qsort(c->subject, stat->total, sizeof(c->subject[0]), by_value);
	for (uint64_t i = 0; i < stat->total; i++)
		stat->subjects += i == 0 || c->subject[i] != c->subject[i - 1];
}

int sojourn_session_stat(struct sojourn *s, struct sojourn_session_stat *stat)
{
	struct sieve f = {.s = s,
			  .collection = SOJOURN_COLLECTION_ANY,
			  .now_ms = soj_seg_now_ms(&s->st.seg)};
	struct census c = {.stat = stat};
	struct soj_session one;
	bool room = true;

	memset(stat, 0, sizeof(*stat));
	for (uint32_t i = 1; room && i <= s->st.seg.lay.entries_max; i++) {
		uint32_t collection;

		if (!look(&f, i, &one) ||
		    soj_ctl_status(one.snap.ctl) != SOJ_ACTIVE)
			continue;
		collection = soj_misc_collection(one.cold.misc);
		stat->entries[collection % SOJ_COLLECTIONS]++;
		if (collection == SOJ_COLLECTION_SESSION)
			room = add_login(&c, &one, f.now_ms);
	}
	soj_open_wipe(s, &one, sizeof(one));
	if (room)
		sum_up(&c);
	free(c.subject);
	return room ? soj_ok() : soj_report_errno(-ENOMEM);
}

/* ---- clear and prune ---- */

/* Ends one and its line; -ESTALE: expelled in the middle of it, when it may have
 * ended something all the same, or it changed at each look. */
static int clear_one(struct sieve *f, struct soj_self *self, uint32_t idx,
		     struct soj_session *one, int *ended)
{
	struct soj_store *st = &f->s->st;
	bool valid, any = false;
	int rc = 0;

	if (!look(f, idx, one))
		return f->busy ? -ESTALE : 0;
	soj_section_enter(&st->seg, &self->w.thr);
	/* Again, now that nothing of its line can go away. */
	if (look(f, idx, one)) {
		SOJ_STEP("clear.seen");
		rc = soj_line_end(st, &self->w, one->snap.ref,
				  SOJ_ENDED_CLEARED, &one->snap, &any);
	} else if (f->busy) {
		rc = -ESTALE;
	}
	valid = soj_section_exit(&st->seg, &self->w.thr);
	SOJ_STEP("clear.one");
	if (soj_gone(&self->w))
		return -ECANCELED;
	for (int i = 0; i < rc; i++)
		soj_count(&self->w.thr, SOJ_COUNT_deletes);
	if (rc > 0 && (valid || !SOJ_PLANT(CLEAR_UNCOUNTED)))
		*ended += rc;
	return rc < 0 ? rc : valid ? 0 : -ESTALE;
}

static int clear_pass(struct sieve *f, struct soj_self *self, int *ended)
{
	struct soj_session one;
	int rc = 0;

	for (uint32_t idx = 1; rc == 0 && idx <= f->s->st.seg.lay.entries_max;
	     idx++)
		rc = clear_one(f, self, idx, &one, ended);
	soj_open_wipe(f->s, &one, sizeof(one));
	return rc;
}

/* Again for what was renewed meanwhile, but not for ever: logins that come and
 * are renewed at once are none that have to go. */
static int clear_all(struct sieve *f, struct soj_self *self, int *ended)
{
	int rc = -ESTALE;

	f->lines = true;
	f->renewed = false;
	for (unsigned i = 0; rc == -ESTALE && i < SOJ_TRIES_MAX; i++)
		rc = clear_pass(f, self, ended);
	f->renewed = true;
	for (unsigned i = 0; rc == 0 && i < RENEWED_PASSES; i++) {
		int before = *ended;

		rc = clear_pass(f, self, ended);
		if (rc == -ESTALE)
			rc = 0;
		else if (*ended == before)
			break;
	}
	return rc;
}

int sojourn_clear(struct sojourn *s, const struct sojourn_filter *filter)
{
	struct soj_self *self;
	struct sieve f;
	int ended = 0;
	int rc;

	if (filter->collection == SOJOURN_COLLECTION_REVOKED)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "collection is revoked (4), but what was "
				  "revoked stays so");
	rc = sieve_init(&f, s, filter);
	if (rc < 0)
		return rc;
	self = soj_self_writing(s, &rc);
	if (self) {
		self->w.source = SOJ_SOURCE_CLEAR;
		rc = clear_all(&f, self, &ended);
		rc = rc < 0 ? soj_report_errno(rc == -ESTALE ? -EBUSY : rc)
			    : soj_ok();
		if (ended > 0)
			soj_tell_in(s, self, f.collection, SOJ_EVENT_CLEARED,
				    (uint64_t)ended);
		if (!soj_gone(&self->w))
			soj_count_flush(&s->st.seg, &self->w.thr);
	}
	free(f.glob);
	return soj_done(s, rc < 0 ? rc : ended);
}

int sojourn_prune(struct sojourn *s)
{
	struct soj_self *self;
	uint32_t ended;
	int rc;

	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	self->w.source = SOJ_SOURCE_PRUNE;
	ended = soj_expire_all(&s->st, &self->w, soj_seg_now_ms(&s->st.seg));
	if (soj_gone(&self->w))
		return soj_report_errno(-ECANCELED);
	soj_count_flush(&s->st.seg, &self->w.thr);
	soj_ok();
	return soj_done(s, (int)ended);
}
