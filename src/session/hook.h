/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_HOOK_H
#define SOJ_SESSION_HOOK_H

/*
 * Layer 5.  What a call did is noted while it does it, and told to the hooks
 * of the process just before it returns: soj_done().  Without hooks a note
 * costs one load.
 */

#include <sojourn/event.h>

#include "session/handle.h"

/* Are there any? */
static inline bool soj_hooked(struct sojourn *s)
{
	return soj_load_relaxed(&s->hooks) != NULL;
}

/*
 * Notes what happened to an entry that the caller has just found or changed;
 * ref 0: none.  digest: of its id, may be NULL if ref is not 0.  The rest as
 * the hook needs it.  self may be NULL: then there are no notes.
 */
void soj_note(struct sojourn *s, struct soj_self *self,
	      const struct soj_note *note);
/* The same with what the entry itself says. */
void soj_note_of(struct sojourn *s, struct soj_self *self, enum soj_hook hook,
		 uint64_t ref, uint64_t detail);

/*
 * Tells an event (store/event.h) and notes it for the hook that goes with its
 * type: about what the caller saw, or about none in particular of a collection.
 */
void soj_tell(struct sojourn *s, struct soj_self *self,
	      const struct soj_event_what *what);
void soj_tell_in(struct sojourn *s, struct soj_self *self, uint32_t collection,
		 enum soj_event_type type, uint64_t detail);

/*
 * Last thing that a public call does: runs the hooks for what was noted, and
 * returns rc.  Nothing may be held, and the thread's part is not to be used
 * afterwards.
 */
int soj_done(struct sojourn *s, int rc);

/*
 * Around a function of the caller's that a call runs in its midst.  That may call
 * the library: those calls begin without notes, and leave the source of events as
 * it was.  And it may fork: in the child soj_outside_end() is false, the call has no
 * part there any more, even if the function has made a new one.  self may be NULL.
 */
struct soj_outside {
	uint32_t pid;
	uint32_t source;
	struct soj_note *notes;
	uint32_t notes_count, notes_room;
};
void soj_outside_begin(struct soj_self *self, struct soj_outside *o);
bool soj_outside_end(struct soj_self *self, const struct soj_outside *o);

/* For a thread's part that begins or ends. */
void soj_notes_init(struct soj_self *self);
void soj_notes_free(struct soj_self *self);
void soj_hooks_free(struct sojourn *s);

#endif /* SOJ_SESSION_HOOK_H */
