/* SPDX-License-Identifier: MIT */

/*
 * Marks: when tokens were issued, and up to when they are refused, in one order
 * that is finer than any clock.
 *
 *   mark   ms of the segment's clock 44 | count 20
 *
 * An anchor (the login) and a subject may each have a mark M in the segment, an
 * item of the collection "revoked".  A token carries two marks m, one in the
 * order of its anchor, one in that of its subject: it is refused if either is
 * m <= M.  An anchor may also be refused for good.  In each order:
 *
 *   to issue     m  = max(now, M + 1)
 *   to revoke    M' = max(now, M + 1), by read-modify-write of the item
 *
 * A. A token whose issue returned before a revocation began is refused: its now
 *    and the M it saw are not later than those of the revocation, since the
 *    clock is one for all processes and M only rises; so m <= M'.
 * B. A token whose issue began after a revocation returned is accepted: it saw
 *    M >= M', so m >= M' + 1.  In the same millisecond as well.
 * One that was issued while the revocation ran is refused or accepted, and
 * stays so: M does not change until the next revocation.
 *
 * One mark for both orders would break A: above the M of the subject it could
 * be far above what revoking the anchor makes of the same millisecond.
 *
 * How long: an item lives for soj_revocation_ms() from its last change, and a
 * token whose mark is older than that is refused.  So when an item is gone,
 * whatever it refused is refused for its age, by the same clock, however the
 * Unix time of its exp was stepped meanwhile; and the marks that it held lie
 * before now << 20, so new ones need not know them.  The collection is never
 * evicted.  The count cannot run into the next millisecond: that would take a
 * million revocations of one subject in one.
 *
 * Which clock: the segment's, as it cannot be stepped.  It begins anew with
 * each segment, so tokens also carry a tag of theirs: those of another segment
 * are refused, since what was revoked in it is not known any more.
 *
 * Crash table: killed before the put: nothing is revoked, nothing was
 * acknowledged; after it: revoked.  Stop table: a writer that comes late
 * repeats its read-modify-write, and M does not fall.
 *
 * Traps that this avoids: marks of whole seconds (a login in the second of the
 * logout is refused, or a token from right before it accepted); lists in each
 * process (who missed the broadcast accepts the token); a mark kept as long as
 * one token lives (its sibling lives longer).
 */

#include "token/revoke.h"

#include <errno.h>
#include <sojourn/token.h>
#include <string.h>

#include "base/fault.h"
#include "session/item.h"
#include "session/policy.h"

#define COUNT_BITS 20u
#define FOREVER    1u

/* The value of an item; part of the format. */
struct mark {
	uint64_t mark;
	uint64_t flags;
};

uint64_t soj_revocation_ms(const struct sojourn *s)
{
	return soj_collection(&s->st.seg, SOJ_COLLECTION_REVOKED)->ttl_ms;
}

uint64_t soj_segment_tag(const struct sojourn *s)
{
	const struct soj_shm_header *hdr = s->st.seg.hdr;
	struct {
		uint64_t created_unix_ms;
		int64_t clock_base_ms;
		uint8_t boot_id[16];
	} text = {hdr->created_unix_ms, s->st.seg.clock_base_ms, {0}};

	memcpy(text.boot_id, hdr->boot_id, sizeof(text.boot_id));
	return soj_digest(s->keys.token, &text, sizeof(text)).word[0];
}

static uint64_t now_mark(const struct sojourn *s)
{
	return soj_seg_now_ms(&s->st.seg) << COUNT_BITS;
}

/* ---- where marks are ---- */

static struct soj_digest anchor_digest(const struct sojourn *s,
				       const struct soj_anchor *anchor)
{
	uint8_t key[1 + SOJ_ANCHOR_BYTES] = "A";

	memcpy(key + 1, anchor->bytes, SOJ_ANCHOR_BYTES);
	return soj_key_digest(s, SOJ_COLLECTION_REVOKED, SOJ_KEY_MARK, key,
			      sizeof(key));
}

static struct soj_digest subject_digest(const struct sojourn *s,
					const char *subject)
{
	uint8_t key[1 + SOJ_SUBJECT_BYTES_MAX] = "S";
	size_t bytes = strnlen(subject, SOJ_SUBJECT_BYTES_MAX);

	memcpy(key + 1, subject, bytes);
	return soj_key_digest(s, SOJ_COLLECTION_REVOKED, SOJ_KEY_MARK, key,
			      1 + bytes);
}

/* 0: there is one; -ENOENT: none; -EBUSY, -EBADMSG: it cannot be told. */
static int mark_get(struct sojourn *s, struct soj_digest digest,
		    struct mark *mark)
{
	const struct soj_copy copy = {.data = mark,
				      .data_capacity = sizeof(*mark)};

	for (unsigned i = 0; i < SOJ_TRIES_MAX; i++) {
		struct soj_snapshot snap;
		struct soj_found found;
		int rc = soj_index_find(&s->st, digest, &found);

		if (rc == -ENOENT)
			return rc;
		if (rc == 0)
			rc = soj_entry_snapshot(&s->st, found.ref, &digest,
						&copy, &snap);
		/* Ended or gone since: the next look finds what is there. */
		if (rc == -EBUSY || rc == -EAGAIN || rc == -ENOENT)
			continue;
		if (rc < 0 || snap.data_bytes != sizeof(*mark))
			return -EBADMSG;
		/* What has ended by time refuses nothing that still lives. */
		return soj_ctl_readable(snap.ctl) ? 0 : -ENOENT;
	}
	return -EBUSY;
}

/* ---- issuing and judging ---- */

/* The mark after that of the digest, at least *mark.  0 or an error. */
static int raise_above(struct sojourn *s, struct soj_digest digest,
		       uint64_t *mark, bool *forever)
{
	struct mark found;
	int rc = mark_get(s, digest, &found);

	if (rc == 0) {
		if (!SOJ_PLANT(TOKEN_ISSUE_BLIND))
			*mark = soj_max(*mark, found.mark + 1);
		*forever |= found.flags & FOREVER;
	}
	return rc == -ENOENT ? 0 : rc;
}

int soj_mark_new(struct sojourn *s, const struct soj_anchor *anchor,
		 const char *subject, struct soj_marks *marks)
{
	bool forever = false;
	int rc = 0;

	/* The clock first: see B. */
	marks->anchor = marks->subject = now_mark(s);
	if (anchor)
		rc = raise_above(s, anchor_digest(s, anchor), &marks->anchor,
				 &forever);
	if (rc == 0)
		rc = raise_above(s, subject_digest(s, subject), &marks->subject,
				 &forever);
	if (SOJ_PLANT(TOKEN_MARKS_MIXED))
		marks->anchor = marks->subject =
			soj_max(marks->anchor, marks->subject);
	if (rc < 0)
		return soj_report_errno(rc);
	return forever ? soj_report_ended(SOJ_ENDED_DELETED) : 0;
}

/* Both are at least the time of issue. */
static bool is_old(const struct sojourn *s, const struct soj_marks *marks)
{
	const uint64_t issued_ms =
		soj_min(marks->anchor, marks->subject) >> COUNT_BITS;

	return issued_ms + soj_revocation_ms(s) <= soj_seg_now_ms(&s->st.seg) &&
	       !SOJ_PLANT(TOKEN_AGE_UNSEEN);
}

enum soj_marked soj_mark_check(struct sojourn *s,
			       const struct soj_anchor *anchor,
			       const char *subject,
			       const struct soj_marks *marks)
{
	struct mark found;
	int rc;

	if (is_old(s, marks))
		return SOJ_MARKED_OLD;
	rc = mark_get(s, anchor_digest(s, anchor), &found);
	if (rc == 0 && (found.flags & FOREVER))
		return SOJ_MARKED_REVOKED;
	if (rc == 0 && marks->anchor <= found.mark)
		return SOJ_MARKED_RESTRICTED;
	if (rc < 0 && rc != -ENOENT)
		return SOJ_MARKED_UNKNOWN;
	rc = mark_get(s, subject_digest(s, subject), &found);
	if (rc == 0 && marks->subject <= found.mark)
		return SOJ_MARKED_SUBJECT;
	return rc == 0 || rc == -ENOENT ? SOJ_MARKED_GOOD : SOJ_MARKED_UNKNOWN;
}

/* ---- revoking ---- */

struct raise {
	struct soj_write write;
	struct mark was, mark;
	uint64_t flags;
};

static int next_mark(struct soj_write *w, const struct soj_snapshot *old)
{
	struct raise *r = w->arg;

	r->mark.mark = now_mark(w->s);
	r->mark.flags = r->flags;
	if (old && old->data_bytes == sizeof(r->was)) {
		if (!SOJ_PLANT(TOKEN_MARK_FALLS))
			r->mark.mark = soj_max(r->mark.mark, r->was.mark + 1);
		r->mark.flags |= r->was.flags;
	}
	return 0;
}

static int mark_raise(struct sojourn *s, struct soj_digest digest,
		      uint64_t flags)
{
	struct raise r = {.write = {.s = s,
				    .digest = digest,
				    .collection = SOJ_COLLECTION_REVOKED,
				    .may_make = true,
				    .may_replace = true,
				    .fixed = true,
				    .idle_timeout_ms = SOJOURN_OFF,
				    .next = next_mark,
				    .capacity = sizeof(r.was),
				    .data_bytes = sizeof(r.mark)},
			  .flags = flags};

	if (SOJ_PLANT(TOKEN_MARK_SHORT))
		r.write.ttl_ms = 60000;
	r.write.arg = &r;
	r.write.buffer = &r.was;
	r.write.data = &r.mark;
	return soj_item_write(&r.write);
}

int soj_mark_anchor(struct sojourn *s, const struct soj_anchor *anchor,
		    bool forever)
{
	return mark_raise(s, anchor_digest(s, anchor), forever ? FOREVER : 0);
}

int soj_mark_subject(struct sojourn *s, const char *subject)
{
	return mark_raise(s, subject_digest(s, subject), 0);
}
