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
 * Crash table: killed in the function: upkeep sees a dead thread's section.
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
static int call(struct sojourn *s, struct soj_self *self, const struct view *v,
		struct soj_digest subject, const struct shown *shown)
{
	int rc;

	if (v->how && v->how->subject &&
	    !soj_digest_equal(soj_subject_digest(s, v->how->subject), subject))
		return soj_report_ended(SOJ_NONE);
	SOJ_STEP("view.located");
	rc = soj_validate(s, self, v->collection, shown->data, shown->bytes);
	return rc < 0 ? rc
		      : v->fn(v->arg, shown->data, shown->bytes,
			      shown->version);
}

/* In a section. */
static int look(struct sojourn *s, struct soj_self *self,
		const struct soj_digest *digest, uint64_t now_ms,
		const struct view *v, struct soj_snapshot *snap)
{
	struct shown shown = {.opened = NULL};
	struct soj_cold cold;
	uint8_t none[1]; /* asks for the data, and how much it is */
	int rc = -EAGAIN;

	for (unsigned i = 0; rc == -EAGAIN && i < SOJ_TRIES_MAX; i++) {
		const struct soj_copy copy = {
			.cold = &cold,
			.data = !s->st.seal_bytes ? NULL
				: shown.opened    ? shown.opened
						  : none,
			.data_capacity = shown.opened ? shown.room : 0,
		};

		rc = show(s, self, digest, now_ms, &copy, snap, &shown);
	}
	if (rc == 0)
		rc = call(s, self, v, cold.subject, &shown);
	else if (rc == -EAGAIN)
		rc = soj_report_errno(-EBUSY);
	unshow(&shown);
	return rc;
}
static int view(struct sojourn *s, const struct soj_digest *digest,
		const struct view *v)
{
	const uint64_t now_ms = soj_seg_now_ms(&s->st.seg);
	struct soj_snapshot snap;
	struct soj_self *self;
	uint64_t claim;
	bool valid;
	int rc;

	if (v->fn == NULL)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "fn is NULL, but must be a function");
	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	self->w.source = SOJ_SOURCE_READ;
	soj_ok();
	claim = self->w.thr.claim;
	soj_section_enter(&s->st.seg, &self->w.thr);
	rc = look(s, self, digest, now_ms, v, &snap);
	/* The function may have forked: the section is its parent's, then. */
	if (soj_gone(&self->w) || self->w.thr.claim != claim)
		return soj_report_errno(-ECANCELED);
	valid = soj_section_exit(&s->st.seg, &self->w.thr);
	if (!valid)
		rc = soj_report(-ESTALE, SOJOURN_STALE,
				"the function took too long: what it saw may "
				"have been overwritten meanwhile");
	if (rc == 0) {
		if (!v->how || !v->how->no_touch)
			soj_session_touch_due(s, self, &snap, now_ms);
		if (v->collection != SOJ_COLLECTION_SESSION)
			soj_count(&self->w.thr, SOJ_COUNT_hits);
	}
	soj_self_flush(s, self);
	return soj_done(s, rc);
}

int sojourn_view(struct sojourn *s, const struct sojourn_item *item,
		 const struct sojourn_read *how, sojourn_view_fn fn, void *arg)
{
	const struct view v = {.fn = fn,
			       .arg = arg,
			       .collection = item->collection,
			       .how = how};
	struct soj_digest digest;
	int rc = soj_item_digest(s, item, &digest);

	return rc < 0 ? rc : view(s, &digest, &v);
}

int sojourn_session_view(struct sojourn *s, const char *id,
			 const struct sojourn_read *how, sojourn_view_fn fn,
			 void *arg)
{
	const struct view v = {.fn = fn,
			       .arg = arg,
			       .collection = SOJ_COLLECTION_SESSION,
			       .how = how};
	struct soj_digest digest;
	/* All that a read checks; what it counts and touches is the view's. */
	int rc = sojourn_session_read(s, id, how, NULL, NULL, NULL);

	if (rc < 0)
		return rc;
	if (!soj_id_digest(s, id, &digest))
		return soj_report_ended(SOJ_NONE);
	return view(s, &digest, &v);
}
