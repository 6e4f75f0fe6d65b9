/* SPDX-License-Identifier: MIT */

/*
 * Views: the caller's function looks at the data where it lies.
 *
 * A chunk never changes once it is published, and is not reused before every
 * section has ended that was open when it was replaced; so inside a section the
 * data of the ctl that was seen there stands still.  A section that lasts too
 * long is expelled: then memory may have been reused under the function's
 * eyes, and the call says -ESTALE.  The memory stays mapped whatever happens,
 * and its length is bounded by the chunk's class (store/chunk.c).
 *
 * Of a sealed value the function sees a private copy, opened, and wiped after.
 *
 * Who is refused by a rule on clients is so before the function sees anything, by
 * the metadata of that very ctl; what the rule says of him, which may be to end
 * the item, is done behind the section, as sections do not nest.  A session's id
 * is read first (read.c), which does all that at once: an id never is another's.
 *
 * Crash table: killed in the function: upkeep sees a dead thread's section.
 * Killed behind the section: what a rule says of who was refused is done for the
 * next one who is.
 * Stop table: stopped in it: expelled; it holds back nothing.
 *
 * Edges
 *   E2  locate: fence before the second look at ctl    store/slab.c S2
 */

#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "session/item.h"
#include "store/event.h"

struct view {
	sojourn_view_fn fn;
	void *arg;
	uint32_t collection;
	const struct sojourn_read *how;
	const struct sojourn_metadata
		*client; /* NULL: asked before, or never */
	bool met;        /* there is one, of that subject */
};

/* Where the data of an entry lies, of exactly that ctl.  -EAGAIN: it changed. */
static int locate(const struct soj_store *st, const struct soj_snapshot *snap,
		  struct soj_chunk_view *chunk)
{
	if (!soj_chunk_look(st, soj_ctl_chunk(snap->ctl), chunk))
		return -EAGAIN;
	soj_fence_acquire(); /* E2 */
	return soj_load_relaxed(
		       &soj_entry(st, soj_ref_entry(snap->ref))->ctl) ==
			       snap->ctl
		       ? 0
		       : -EAGAIN;
}

/* What the caller's function is shown. */
struct shown {
	const void *data;
	size_t bytes;
	uint64_t version;
	uint8_t *opened; /* a copy, to be wiped; or NULL */
	size_t room;
};

static void unshow(struct shown *shown)
{
	if (shown->opened)
		soj_wipe(shown->opened, shown->room);
	free(shown->opened);
	shown->opened = NULL;
}

/* One look; -EAGAIN: it changed. */
static int show(struct sojourn *s, struct soj_self *self,
		const struct soj_digest *digest, uint64_t now_ms,
		const struct soj_copy *copy, struct soj_snapshot *snap,
		struct shown *shown)
{
	struct soj_chunk_view chunk;
	int rc = soj_session_follow(s, self, digest, now_ms, copy, snap);

	if (rc == -ENOBUFS) {
		unshow(shown);
		shown->room = snap->data_bytes + 1;
		shown->opened = malloc(shown->room);
		return shown->opened ? -EAGAIN : soj_report_errno(-ENOMEM);
	}
	if (rc < 0)
		return rc;
	if (s->st.seal_bytes) {
		*shown = (struct shown){shown->opened, snap->data_bytes,
					snap->version, shown->opened,
					shown->room};
		return 0;
	}
	rc = locate(&s->st, snap, &chunk);
	if (rc == 0)
		*shown = (struct shown){
			.data = (const void *)(uintptr_t)chunk.data,
			.bytes = chunk.data_bytes,
			.version = chunk.version,
		};
	return rc;
}

/* In a section: may it be seen, and what does the function say? */
static int call(struct sojourn *s, struct soj_self *self, struct view *v,
		const struct soj_session *found, const struct shown *shown)
{
	struct soj_outside outside;
	unsigned policy;
	int rc;

	if (v->how && v->how->subject &&
	    !soj_digest_equal(soj_subject_digest(s, v->how->subject),
			      found->cold.subject))
		return soj_report_ended(SOJ_NONE);
	v->met = true;
	if (soj_session_mismatch(s, found, v->client, &policy) &&
	    policy >= SOJ_BINDING_REJECT)
		return -EPERM; /* said behind the section */
	SOJ_STEP("view.located");
	rc = soj_validate(s, self, v->collection, shown->data, shown->bytes);
	if (rc < 0)
		return rc;
	soj_outside_begin(self, &outside);
	rc = v->fn(v->arg, shown->data, shown->bytes, shown->version);
	return soj_outside_end(self, &outside) ? rc : -ECANCELED;
}

/* In a section. */
static int look(struct sojourn *s, struct soj_self *self,
		const struct soj_digest *digest, uint64_t now_ms,
		struct view *v, struct soj_session *found)
{
	struct shown shown = {.opened = NULL};
	uint8_t none[1]; /* asks for the data, and how much it is */
	int rc = -EAGAIN;

	for (unsigned i = 0; rc == -EAGAIN && i < SOJ_TRIES_MAX; i++) {
		const struct soj_copy copy = {
			.cold = &found->cold,
			.meta = v->client ? found->meta : NULL,
			.data = !s->st.seal_bytes ? NULL
				: shown.opened    ? shown.opened
						  : none,
			.data_capacity = shown.opened ? shown.room : 0,
		};

		rc = show(s, self, digest, now_ms, &copy, &found->snap, &shown);
	}
	if (rc == 0)
		rc = call(s, self, v, found, &shown);
	else if (rc == -EAGAIN)
		rc = soj_report_errno(-EBUSY);
	unshow(&shown);
	return rc;
}

/* What a rule says of who asked: it is told, and done. */
static int judge(struct sojourn *s, struct soj_self *self,
		 const struct soj_digest *digest, const struct view *v,
		 const struct soj_session *found, int rc)
{
	unsigned mismatch;
	int bound = 0;

	if (v->client && v->met)
		bound = soj_session_bound(s, self, found, digest, v->client,
					  &mismatch);
	return bound < 0 ? bound : rc;
}

static int view_found(struct sojourn *s, const struct soj_digest *digest,
		      struct view *v, struct soj_session *found)
{
	const uint64_t now_ms = soj_seg_now_ms(&s->st.seg);
	struct soj_self *self;
	uint32_t pid;
	int rc;

	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	self->w.source = SOJ_SOURCE_READ;
	soj_ok();
	pid = self->w.pid;
	soj_section_enter(&s->st.seg, &self->w.thr);
	rc = look(s, self, digest, now_ms, v, found);
	/* A function forked: the section is the parent's. */
	if (self->w.pid != pid || soj_gone(&self->w))
		return soj_report_errno(-ECANCELED);
	if (!soj_section_exit(&s->st.seg, &self->w.thr))
		rc = soj_report(-ESTALE, SOJOURN_STALE,
				"the function took too long: what it saw may "
				"have been overwritten meanwhile");
	else
		rc = judge(s, self, digest, v, found, rc);
	if (rc == 0 && (!v->how || !v->how->no_touch))
		soj_session_touch_due(s, self, &found->snap, now_ms);
	if (rc == 0 && v->collection != SOJ_COLLECTION_SESSION) {
		soj_count(&self->w.thr, SOJ_COUNT_hits);
		soj_note_of(s, self, SOJ_HOOK_HIT, found->snap.ref, 0);
	}
	soj_self_flush(s, self);
	return rc;
}

static int view(struct sojourn *s, const struct soj_digest *digest,
		struct view *v)
{
	struct soj_session found;
	int rc = view_found(s, digest, v, &found);

	soj_open_wipe(s, found.meta, sizeof(found.meta));
	return rc;
}

static int check(sojourn_view_fn fn)
{
	return fn ? 0
		  : soj_report(-EINVAL, SOJOURN_INVALID,
			       "fn is NULL, but must be a function");
}

int sojourn_view(struct sojourn *s, const struct sojourn_item *item,
		 const struct sojourn_read *how, sojourn_view_fn fn, void *arg)
{
	struct view v = {.fn = fn,
			 .arg = arg,
			 .collection = item->collection,
			 .how = how,
			 .client = how ? how->client : NULL};
	struct soj_digest digest;
	int rc = soj_item_digest(s, item, &digest);

	if (rc == 0)
		rc = check(fn);
	if (rc == 0)
		rc = soj_item_check_how(how);
	if (rc < 0)
		return rc;
	rc = view(s, &digest, &v);
	if (rc == -ENOENT && !v.met)
		soj_item_note_missed(s, item);
	return soj_done(s, rc);
}

int sojourn_session_view(struct sojourn *s, const char *id,
			 const struct sojourn_read *how, sojourn_view_fn fn,
			 void *arg)
{
	struct view v = {.fn = fn,
			 .arg = arg,
			 .collection = SOJ_COLLECTION_SESSION,
			 .how = how};
	struct soj_digest digest;
	int rc = check(fn);

	/* All that a read checks; what it counts and touches is the view's. */
	if (rc == 0)
		rc = soj_session_read(s, id, NULL, how, NULL, NULL, NULL);
	if (rc == 0 && !soj_id_digest(s, id, &digest))
		rc = soj_report_ended(SOJ_NONE);
	if (rc == 0)
		rc = view(s, &digest, &v);
	return soj_done(s, rc);
}
