/* SPDX-License-Identifier: MIT */

/*
 * Hooks: what this process did, told to it.
 *
 * The table is immutable; setting hooks publishes another one by one CAS of
 * the handle's pointer.  A thread loads the pointer once for each run of notes
 * and may go on with a table that was replaced meanwhile; so tables are never
 * freed before the handle is: each leads to the one before it.
 *
 * A call in the middle of its work must not be entered again: sections do not
 * nest, and its copies would be overwritten.  So it only notes what it did, and
 * runs the hooks when all is done.  Notes are private memory of the thread.
 * The run takes all notes for its own first: a hook that calls the library
 * begins with none, and its own notes are run before its call returns.
 * For the time of a function of the caller's they are put aside: what that calls has
 * notes of its own, and the outer call's are not run while it holds something.
 * A forked child that comes back from a hook finds the thread's part wiped and
 * leaves the rest of the run to its parent.
 *
 * Ends are noted in store/entry.c by a call through the worker, for the thread
 * whose CAS decided.
 *
 * Edges
 *   O0  set: cas of the table      O1
 *   O1  load of the table          O0  the table is seen whole
 *
 * Progress: setting is lock-free; a note may allocate memory, and is left out
 * if there is none.
 */

#include "session/hook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8u

struct soj_hook_table {
	sojourn_hook_fn fn[SOJ_HOOKS_USED];
	void *arg;
	struct soj_hook_table *former;
};

static_assert(sizeof(struct sojourn_hooks) ==
		      SOJ_HOOKS_USED * sizeof(sojourn_hook_fn),
	      "enum soj_hook and struct sojourn_hooks list the same hooks");
static_assert(offsetof(struct sojourn_hooks, over_cap) ==
		      SOJ_HOOK_OVER_CAP * sizeof(sojourn_hook_fn),
	      "in the same order");

static const char *const names[] = {
	[SOJ_HOOK_CREATED] = "created",
	[SOJ_HOOK_UPDATED] = "updated",
	[SOJ_HOOK_HIT] = "hit",
	[SOJ_HOOK_MISSED] = "missed",
	[SOJ_HOOK_TOUCHED] = "touched",
	[SOJ_HOOK_RENEWED] = "renewed",
	[SOJ_HOOK_RENEWAL_LOST] = "renewal_lost",
	[SOJ_HOOK_RENEWAL_FAILED] = "renewal_failed",
	[SOJ_HOOK_DELETED] = "deleted",
	[SOJ_HOOK_EVICTED] = "evicted",
	[SOJ_HOOK_EXPIRED] = "expired",
	[SOJ_HOOK_MISMATCHED] = "mismatched",
	[SOJ_HOOK_VETOED] = "vetoed",
	[SOJ_HOOK_INVALID] = "invalid",
	[SOJ_HOOK_OVER_CAP] = "over_cap",
};

static struct soj_hook_table *table_of(struct sojourn *s)
{
	return soj_load_acquire(&s->hooks); /* O1 */
}

int sojourn_hooks_set(struct sojourn *s, const struct sojourn_hooks *hooks,
		      void *arg)
{
	static const struct sojourn_hooks none;
	struct soj_hook_table *table = calloc(1, sizeof(*table));
	struct soj_hook_table *former = table_of(s);

	if (table == NULL)
		return soj_report_errno(-ENOMEM);
	if (hooks == NULL)
		hooks = &none;
	memcpy(table->fn, hooks, sizeof(table->fn));
	table->arg = arg;
	do {
		table->former = former;
	} while (!soj_cas_acq_rel(&s->hooks, &former, table)); /* O0 */
	return soj_ok();
}

void soj_hooks_free(struct sojourn *s)
{
	struct soj_hook_table *table = table_of(s);

	while (table) {
		struct soj_hook_table *former = table->former;

		free(table);
		table = former;
	}
}

/* ---- notes ---- */

void soj_note(struct sojourn *s, struct soj_self *self,
	      const struct soj_note *note)
{
	struct soj_hook_table *table = table_of(s);

	if (table == NULL || self == NULL || soj_gone(&self->w) ||
	    table->fn[note->hook] == NULL)
		return;
	if (self->notes_count == self->notes_room) {
		uint32_t room = self->notes_room ? 2 * self->notes_room : 8;
		struct soj_note *more =
			realloc(self->notes, room * sizeof(*more));

		if (more == NULL)
			return;
		self->notes = more;
		self->notes_room = room;
	}
	self->notes[self->notes_count++] = *note;
}

void soj_note_of(struct sojourn *s, struct soj_self *self, enum soj_hook hook,
		 uint64_t ref, uint64_t detail)
{
	struct soj_note note = {.hook = hook, .ref = ref, .detail = detail};
	struct soj_event_what what;

	if (!soj_hooked(s))
		return;
	soj_event_about(&s->st, ref, &what);
	note.collection = what.collection;
	note.digest48 = what.digest.word[1];
	soj_note(s, self, &note);
}

static enum soj_hook hook_of(enum soj_event_type type)
{
	switch (type) {
	case SOJ_EVENT_MISMATCH:
		return SOJ_HOOK_MISMATCHED;
	case SOJ_EVENT_VETOED:
		return SOJ_HOOK_VETOED;
	case SOJ_EVENT_INVALID:
		return SOJ_HOOK_INVALID;
	default:
		return SOJ_HOOKS_USED;
	}
}

void soj_tell(struct sojourn *s, struct soj_self *self,
	      const struct soj_event_what *what)
{
	const struct soj_note note = {.hook = hook_of(what->type),
				      .ref = what->ref,
				      .digest48 = what->digest.word[1],
				      .collection = what->collection,
				      .detail = what->detail[0]};

	if (self == NULL)
		return;
	soj_event_tell(&s->st, &self->w, what);
	if (note.hook != SOJ_HOOKS_USED)
		soj_note(s, self, &note);
}

void soj_tell_in(struct sojourn *s, struct soj_self *self, uint32_t collection,
		 enum soj_event_type type, uint64_t detail)
{
	const struct soj_event_what what = {
		.type = type,
		.collection = collection < SOJ_COLLECTIONS ? collection : 0,
		.detail = {detail}};

	soj_tell(s, self, &what);
}

/* From store/entry.c, right before the CAS that ends the entry. */
static void before_end(struct soj_worker *w, uint64_t ref,
		       enum soj_status status)
{
	struct soj_self *self = (struct soj_self *)(void *)w;
	struct soj_event_what what;

	if (soj_gone(w))
		return;
	self->doomed.ref = 0;
	if (!soj_hooked(self->s))
		return;
	soj_event_about(&self->s->st, ref, &what);
	self->doomed = (struct soj_note){.ref = ref,
					 .status = status,
					 .collection = what.collection,
					 .digest48 = what.digest.word[1]};
}

/* It was this thread that ended it. */
static void after_end(struct soj_worker *w)
{
	struct soj_self *self = (struct soj_self *)(void *)w;

	if (soj_gone(w) || self->doomed.ref == 0)
		return;
	switch (self->doomed.status) {
	case SOJ_ENDED_EXPIRED:
	case SOJ_ENDED_IDLE:
		self->doomed.hook = SOJ_HOOK_EXPIRED;
		break;
	case SOJ_ENDED_EVICTED:
		self->doomed.hook = SOJ_HOOK_EVICTED;
		break;
	case SOJ_ENDED_WITHDRAWN:
		return;
	default:
		self->doomed.hook = SOJ_HOOK_DELETED;
	}
	soj_note(self->s, self, &self->doomed);
}

static const struct soj_end_watch end_watch = {before_end, after_end};

void soj_notes_init(struct soj_self *self)
{
	static_assert(offsetof(struct soj_self, w) == 0,
		      "a worker is the first part of its thread's");
	self->w.end_watch = &end_watch;
	self->notes = NULL;
	self->notes_count = 0;
	self->notes_room = 0;
	self->hook_depth = 0;
}

void soj_notes_free(struct soj_self *self)
{
	free(self->notes);
	self->notes = NULL;
	self->notes_count = 0;
	self->notes_room = 0;
}

void soj_outside_begin(struct soj_self *self, struct soj_outside *o)
{
	if (self == NULL)
		return;
	o->pid = self->w.pid;
	o->source = self->w.source;
	o->notes = self->notes;
	o->notes_count = self->notes_count;
	o->notes_room = self->notes_room;
	self->notes = NULL;
	self->notes_count = 0;
	self->notes_room = 0;
}

bool soj_outside_end(struct soj_self *self, const struct soj_outside *o)
{
	if (self == NULL)
		return true;
	if (self->w.pid != o->pid || soj_gone(&self->w)) {
		free(o->notes);
		return false;
	}
	soj_notes_free(self);
	self->notes = o->notes;
	self->notes_count = o->notes_count;
	self->notes_room = o->notes_room;
	self->w.source = o->source;
	return true;
}

/* ---- running ---- */

static void run_one(struct sojourn *s, const struct soj_hook_table *table,
		    const struct soj_note *note)
{
	struct sojourn_hook_call call = {
		.name = names[note->hook],
		.ended = (enum sojourn_end)note->status,
		.reason = note->reason,
		.renewal = note->renewal,
		/* As in events; a damaged entry may name any. */
		.collection = note->collection % SOJ_COLLECTIONS,
		.detail = note->detail,
	};

	if (table->fn[note->hook] == NULL)
		return;
	soj_event_handle(note->ref, note->digest48, call.handle);
	table->fn[note->hook](table->arg, s, &call);
}

static void run_all(struct sojourn *s, struct soj_self *self)
{
	const struct soj_hook_table *table = table_of(s);
	struct soj_note *notes = self->notes;
	const uint32_t count = self->notes_count;
	const uint32_t depth = self->hook_depth;
	const uint32_t pid = self->w.pid;
	struct soj_said said;

	self->notes = NULL;
	self->notes_count = 0;
	self->notes_room = 0;
	if (depth == DEPTH_MAX) {
		free(notes);
		return;
	}
	self->hook_depth = depth + 1;
	soj_say_keep(&said);
	/* In a child of this thread's process the part is wiped, or anew. */
	for (uint32_t i = 0; i < count && self->w.pid == pid; i++)
		run_one(s, table, &notes[i]);
	soj_say_again(&said);
	if (self->w.pid == pid)
		self->hook_depth = depth;
	free(notes);
}

int soj_done(struct sojourn *s, int rc)
{
	struct soj_self *self = soj_hooked(s) ? soj_self(s) : NULL;

	if (self != NULL && self->notes_count > 0)
		run_all(s, self);
	return rc;
}
