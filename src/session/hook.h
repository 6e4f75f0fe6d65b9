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
 * type: about an entry, or about none in particular of a collection.
 */
void soj_tell_of(struct sojourn *s, struct soj_self *self, uint64_t ref,
		 enum soj_event_type type, uint64_t detail);
void soj_tell_in(struct sojourn *s, struct soj_self *self, uint32_t collection,
		 enum soj_event_type type, uint64_t detail);

/*
 * Last thing that a public call does: runs the hooks for what was noted, and
 * returns rc.  Nothing may be held, and the thread's part is not to be used
 * afterwards.
 */
int soj_done(struct sojourn *s, int rc);

/* For a thread's part that begins or ends. */
void soj_notes_init(struct soj_self *self);
void soj_notes_free(struct soj_self *self);
void soj_hooks_free(struct sojourn *s);

#endif /* SOJ_SESSION_HOOK_H */
