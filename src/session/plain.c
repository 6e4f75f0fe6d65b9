/* SPDX-License-Identifier: MIT */

/*
 * Reads that ask for nothing but the data, of what lives: the short way.  It is
 * a part of the long one (read.c, get.c), which is taken for everything else:
 * by who wants to know more than the data, asks from elsewhere, has hooks or a
 * validator, or finds anything but an entry that lives and is no old id.
 */

#include "store/plain.h"

#include <errno.h>

#include "session/binding.h"
#include "session/session.h"

static bool suits(struct sojourn *s, const struct sojourn_read *how,
		  uint32_t collection)
{
	return how->subject == NULL && how->veto == NULL && !soj_hooked(s) &&
	       soj_load_relaxed(&s->validator[collection]) == NULL;
}

int soj_read_plainly(struct sojourn *s, struct soj_self *self,
		     const struct soj_digest *digest,
		     const struct sojourn_read *how, uint32_t collection,
		     void *data, size_t *data_bytes)
{
	uint8_t meta[SOJ_PLAIN_META_BYTES];
	const struct soj_plain want = {
		.data = data_bytes ? data : NULL,
		.data_capacity = data_bytes ? *data_bytes : 0,
		.meta = how->client ? meta : NULL,
	};
	struct soj_snapshot snap;
	uint64_t now_ms;
	int rc;

	if (self == NULL)
		return -EAGAIN;
	self->w.source = SOJ_SOURCE_READ;
	if (!suits(s, how, collection))
		return -EAGAIN;
	now_ms = soj_seg_now_ms(&s->st.seg);
	rc = soj_plain_read(&s->st, *digest, now_ms, &want, &snap);
	if (rc == -EAGAIN)
		return rc;
	if (rc < 0) {
		soj_count(&self->w.thr, SOJ_COUNT_misses);
		soj_report_ended(SOJ_NONE);
	} else {
		if (how->client &&
		    !soj_binding_same(soj_collection(&s->st.seg, collection),
				      meta, snap.meta_bytes, how->client)) {
			if (want.data)
				soj_wipe(data, snap.data_bytes);
			return -EAGAIN;
		}
		if (data_bytes)
			*data_bytes = snap.data_bytes;
		if (!how->no_touch && soj_touch_due(&snap.times, now_ms))
			soj_session_touch_due(s, self, &snap, now_ms);
		soj_count(&self->w.thr, SOJ_COUNT_hits);
		soj_ok();
	}
	soj_self_flush(s, self);
	return rc;
}
