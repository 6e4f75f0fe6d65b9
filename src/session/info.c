/* SPDX-License-Identifier: MIT */

/* What callers are told of a session. */

#include <string.h>

#include "session/meta.h"
#include "session/session.h"

/* The maximum lifetime counts from there, and is handed down. */
static uint64_t login_created(struct sojourn *s,
			      const struct soj_session *session)
{
	uint64_t misc = session->cold.misc;
	uint64_t most_ms = soj_collection(&s->st.seg, soj_misc_collection(misc))
				   ->max_lifetime_ms;
	uint64_t latest_ms = soj_misc_expires_max_ms(misc);

	if (soj_misc_renewals(misc) == 0)
		return session->snap.times.created_ms;
	return most_ms && latest_ms > most_ms ? latest_ms - most_ms : 0;
}

void soj_info_clear(struct sojourn_info *info)
{
	if (info)
		memset(info, 0, offsetof(struct sojourn_info, text));
}

const char *soj_info_begin(struct sojourn_info *info, const char *id,
			   char own[SOJ_OWN_ID_BYTES])
{
	/* It may be what an earlier call left in info->new_id. */
	if (info && (uintptr_t)id - (uintptr_t)info < sizeof(*info)) {
		memcpy(own, id, strnlen(id, SOJ_OWN_ID_BYTES - 1));
		own[strnlen(id, SOJ_OWN_ID_BYTES - 1)] = 0;
		id = own;
	}
	soj_info_clear(info);
	return id;
}

void soj_info_fill(struct sojourn *s, const struct soj_session *session,
		   struct sojourn_info *info)
{
	const struct soj_snapshot *snap = &session->snap;

	soj_handle_text(&s->st, snap->ref, info->handle);
	memcpy(info->subject, session->subject, snap->subject_bytes);
	info->subject[snap->subject_bytes] = 0;
	memcpy(info->collection,
	       soj_collection(&s->st.seg,
			      soj_misc_collection(session->cold.misc))
		       ->name,
	       sizeof(info->collection));
	info->created_ms = snap->times.created_ms;
	info->accessed_ms = snap->times.accessed_ms;
	info->expires_ms = snap->times.expires_ms;
	if (snap->times.sliding_ms)
		info->expires_ms = soj_min(info->expires_ms,
					   snap->times.accessed_ms +
						   snap->times.sliding_ms);
	info->deadline_ms = soj_times_deadline_ms(&snap->times);
	info->idle_timeout_ms = snap->times.idle_ms;
	info->version = snap->version;
	info->data_bytes = snap->data_bytes;
	info->renewals = soj_misc_renewals(session->cold.misc);
	info->login_created_ms = login_created(s, session);
	info->mismatch = 0;
	info->successor[0] = 0;
	if (snap->has_record)
		soj_handle_text(&s->st, snap->record.successor,
				info->successor);
	info->renewed = soj_ctl_status(snap->ctl) == SOJ_RENEWED;
	soj_meta_unpack(session->meta, snap->meta_bytes, &info->metadata,
			info->text);
}
