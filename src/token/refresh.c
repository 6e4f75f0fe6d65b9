/* SPDX-License-Identifier: MIT */

/*
 * Refreshing, and revoking.
 *
 * The refresh token is a rotating token (session/rotate.c) of the collection
 * "refresh"; what is kept with its family are the claims of the login.
 *
 *   refresh   1. look whether the token may be used, whose it is, the claims
 *             2. marks m of the new access token (revoke.c)
 *             3. make the access token
 *             4. rotate: that decides, and fails if the family has ended
 *   revoke a login      1. mark its anchor, for ever   2. end its family
 *   revoke a subject    1. mark   2. end its families   3. mark again
 *   restrict            1. mark
 *
 * Why a subject is marked again: a refresh that read its mark after step 1, and
 * rotated before step 2 came to its family, has an access token that the first
 * mark lets pass.  Its m was read before step 3, so the second refuses it.  Who
 * rotates after step 2 gets an error.  Why it is marked before: a segment that
 * is full is found out before anything has ended.  With a mark for ever no
 * second one is needed, and none is for a login with no family.
 *
 * The token comes back after it was used: the anchor is marked for ever first,
 * then the family is ended, so that what was killed between is completed by
 * whoever comes with a token of the family.
 *
 * Crash table (killed after the step)
 *   look, mark, access made    nothing has changed: the token can be used
 *   rotated                    as in rotate.c: it is answered again in its
 *                              window, with an access token of its own
 *   anchor marked              no access token of the login passes; who uses
 *                              the refresh token ends the family.  The call was
 *                              not acknowledged: if nobody does either for as
 *                              long as the mark is kept, the family lives
 *   subject marked once        restricted: tokens issued before are refused
 *   families ended             and those of a refresh that ran at the time pass
 *                              until they expire: call again
 * Stop table: stopped between look and rotation, or kept by the caller's function
 * for claims: the rotation judges the token by what the look saw.  Stopped with
 * an old mark: the access token is refused the earlier.
 *
 * Traps that this avoids: refresh tokens that do not rotate; a logout that
 * misses the refresh that runs at the time (mark first, then families, and no
 * more).
 */

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "session/rotate.h"
#include "store/event.h"
#include "token/keys.h"
#include "token/tokens.h"

/* ---- events ---- */

/* The refresh token's entry; 0: there is none, or no more. */
static uint64_t family_of(const struct sojourn_tokens *t,
			  const struct soj_anchor *anchor)
{
	struct soj_found found;

	return soj_index_find(&t->s->st, soj_token_digest(anchor), &found) == 0
		       ? found.ref
		       : 0;
}

/* family: as it was before it was ended. */
static void tell(struct sojourn_tokens *t, enum soj_event_type type,
		 const struct soj_anchor *anchor, uint64_t family,
		 const char *subject)
{
	struct soj_self *self = soj_self(t->s);
	struct soj_event_what what = {
		.type = type,
		.collection = SOJ_COLLECTION_REFRESH,
		.ref = family,
		.detail = {soj_tokens_unix_ms(t) & SOJ_MASK(48)},
	};

	if (self == NULL || soj_gone(&self->w))
		return;
	if (subject && subject[0])
		what.subject = soj_subject_digest(t->s, subject);
	if (anchor)
		what.digest = soj_token_digest(anchor);
	self->w.source = SOJ_SOURCE_TOKEN;
	soj_event_tell(&t->s->st, &self->w, &what);
}

/* ---- whose a token is ---- */

struct login {
	struct soj_anchor anchor;
	uint64_t family;
	char subject[SOJ_SUBJECT_BYTES_MAX + 1]; /* "": not known */
};

/* The family may have ended, but is still known.  1; 0: there is none. */
static int login_of_refresh(struct sojourn_tokens *t, const char *refresh,
			    struct login *login)
{
	const struct soj_copy copy = {.subject = (uint8_t *)login->subject};
	struct soj_digest digest;
	struct soj_snapshot snap;
	struct soj_found found;
	int rc = -ENOENT;

	if (soj_token_family(t, refresh, &login->anchor, &digest))
		rc = soj_index_find(&t->s->st, digest, &found);
	if (rc == -ENOENT) {
		soj_report_ended(SOJ_NONE);
		return 0;
	}
	if (rc < 0)
		return soj_report_errno(rc);
	rc = soj_entry_look(&t->s->st, found.ref, &digest, &copy, &snap);
	/* Only an event wants to know it. */
	login->subject[rc == 0 ? snap.subject_bytes : 0] = 0;
	return 1;
}

/* 1, or -EACCES.  It may have expired, or have been revoked. */
static int login_of_access(struct sojourn_tokens *t, const char *token,
			   struct login *login)
{
	struct soj_rules rules = t->rules;
	enum sojourn_token_reason reason;
	struct soj_verified v;

	rules.optional |= SOJ_UNTIMED;
	reason = soj_token_read(t, &rules, soj_keyset_enter(&t->keys->ring),
				token, strlen(token), &v);
	soj_keyset_exit(&t->keys->ring);
	if (reason != SOJOURN_TOKEN_OK)
		return soj_token_refused(reason);
	login->anchor = v.anchor;
	memcpy(login->subject, v.subject, sizeof(login->subject));
	return 1;
}

static int login_of(struct sojourn_tokens *t, const char *token,
		    struct login *login)
{
	int rc;

	if (token == NULL)
		return soj_token_refused(SOJOURN_TOKEN_PARTS);
	rc = strchr(token, '.') ? login_of_access(t, token, login)
				: login_of_refresh(t, token, login);
	if (rc > 0)
		login->family = family_of(t, &login->anchor);
	return rc;
}

/* ---- revoking ---- */

static int revoke(struct sojourn_tokens *t, const char *token)
{
	struct login login;
	struct soj_digest digest;
	int rc = login_of(t, token, &login);

	if (rc <= 0)
		return rc;
	rc = soj_mark_anchor(t->s, &login.anchor, true);
	if (rc < 0)
		return rc;
	SOJ_STEP("token.revoke.marked");
	digest = soj_token_digest(&login.anchor);
	rc = soj_session_delete_named(t->s, &digest);
	if (rc < 0)
		return rc;
	SOJ_STEP("token.revoke.ended");
	tell(t, SOJ_EVENT_TOKEN_REVOKED, &login.anchor, login.family,
	     login.subject);
	soj_ok();
	return 1;
}

int sojourn_token_revoke(struct sojourn_tokens *t, const char *token)
{
	return soj_done(t->s, revoke(t, token));
}

static int restrict_one(struct sojourn_tokens *t, const char *token)
{
	struct login login;
	int rc = login_of(t, token, &login);

	if (rc <= 0)
		return rc;
	rc = soj_mark_anchor(t->s, &login.anchor, false);
	if (rc < 0)
		return rc;
	SOJ_STEP("token.restrict.marked");
	tell(t, SOJ_EVENT_TOKEN_RESTRICTED, &login.anchor, login.family,
	     login.subject);
	soj_ok();
	return 1;
}

int sojourn_token_restrict(struct sojourn_tokens *t, const char *token)
{
	return soj_done(t->s, restrict_one(t, token));
}

static int revoke_subject(struct sojourn_tokens *t, const char *subject)
{
	int rc = soj_subject_check(subject), ended;

	if (rc == 0)
		rc = soj_mark_subject(t->s, subject);
	if (rc < 0)
		return rc;
	SOJ_STEP("token.subject.marked");
	ended = soj_session_delete_subject_in(t->s, subject,
					      SOJ_COLLECTION_REFRESH);
	if (ended < 0)
		return ended;
	SOJ_STEP("token.subject.ended");
	rc = SOJ_PLANT(TOKEN_MARK_ONCE) ? 0 : soj_mark_subject(t->s, subject);
	if (rc < 0)
		return rc;
	SOJ_STEP("token.subject.again");
	tell(t, SOJ_EVENT_TOKENS_REVOKED, NULL, 0, subject);
	soj_ok();
	return ended;
}

int sojourn_token_revoke_subject(struct sojourn_tokens *t, const char *subject)
{
	return soj_done(t->s, revoke_subject(t, subject));
}

static int restrict_subject(struct sojourn_tokens *t, const char *subject)
{
	int rc = soj_subject_check(subject);

	if (rc == 0)
		rc = soj_mark_subject(t->s, subject);
	if (rc < 0)
		return rc;
	tell(t, SOJ_EVENT_TOKENS_RESTRICTED, NULL, 0, subject);
	return soj_ok();
}

int sojourn_token_restrict_subject(struct sojourn_tokens *t,
				   const char *subject)
{
	return soj_done(t->s, restrict_subject(t, subject));
}

/* ---- refreshing ---- */

struct refreshing {
	struct sojourn_tokens *t;
	const char *refresh;
	const struct sojourn_metadata *client;
	struct soj_issue issue;
	uint64_t family_ref;
	struct soj_rotate_seen seen;
	struct sojourn_info family;
	unsigned mismatch;
	char kept[SOJ_JWS_ROOM];
	size_t kept_bytes;
	char claims[SOJOURN_CLAIMS_BYTES_MAX];
};

/* The claims of the new token.  0 or a reported error. */
static int choose_claims(struct refreshing *r,
			 const struct sojourn_token_info *info)
{
	const struct sojourn_token_options *o = &r->t->o;
	size_t bytes = sizeof(r->claims);
	int rc;

	r->issue.claims = r->kept;
	r->issue.claims_bytes = r->kept_bytes;
	if (o->claims) {
		rc = o->claims(o->claims_arg, info, r->kept, r->kept_bytes,
			       r->claims, &bytes);
		if (rc < 0)
			return soj_report(rc, SOJOURN_INVALID,
					  "the caller's function for claims "
					  "gave up");
		if (bytes > sizeof(r->claims))
			return soj_report(-EINVAL, SOJOURN_INVALID,
					  "the caller's function for claims "
					  "left %zu bytes in a buffer of %zu",
					  bytes, sizeof(r->claims));
		r->issue.claims = r->claims;
		r->issue.claims_bytes = bytes;
	}
	if (r->issue.claims_bytes == 0)
		r->issue.claims = NULL;
	return 0;
}

/* The access token that goes with the rotation to come. */
static int prepare(struct refreshing *r, char *access, size_t *bytes,
		   struct sojourn_token_info *info)
{
	struct sojourn_token_info about = {.rotations = r->family.renewals};
	int rc;

	r->issue.subject = r->family.subject;
	memcpy(about.subject, r->family.subject, sizeof(about.subject));
	memcpy(about.handle, r->family.handle, sizeof(about.handle));
	about.anchor[soj_b64_encode(r->issue.anchor.bytes, SOJ_ANCHOR_BYTES,
				    about.anchor)] = 0;
	rc = soj_mark_new(r->t->s, &r->issue.anchor, r->issue.subject,
			  &r->issue.marks);
	SOJ_STEP("token.refresh.mark");
	if (rc == 0)
		rc = choose_claims(r, &about);
	if (rc == 0)
		rc = soj_token_issue(r->t, &r->issue, access, bytes, info);
	return rc;
}

/* Nothing of the login is to be good any more. */
static int mark_over(struct refreshing *r)
{
	int rc = soj_mark_anchor(r->t->s, &r->issue.anchor, true);

	SOJ_STEP("token.over.marked");
	return rc;
}

static int reused(struct refreshing *r, int marked)
{
	tell(r->t, SOJ_EVENT_TOKEN_REVOKED, &r->issue.anchor, r->family_ref,
	     r->family.subject);
	return soj_report(-EPERM, SOJOURN_REUSED, "%s",
			  marked < 0 ? "the token was used before: its login "
				       "is over, but for want of room in the "
				       "segment its access tokens last until "
				       "they expire"
				     : "the token was used before: all tokens "
				       "of its login are void now");
}

/* Used from elsewhere; the rules may have ended the family for it. */
static int from_elsewhere(struct refreshing *r, struct soj_digest digest)
{
	struct soj_found found;
	struct soj_said said;

	soj_say_keep(&said);
	if (soj_index_find(&r->t->s->st, digest, &found) != 0 ||
	    !soj_ctl_readable(found.ctl))
		(void)!mark_over(r);
	soj_say_again(&said);
	return -EPERM;
}

/* Known for used before it is rotated: see the crash table. */
static int end_reused(struct refreshing *r, char *successor)
{
	int marked = mark_over(r);
	int rc = soj_rotate_use(r->t->s, SOJ_COLLECTION_REFRESH, r->refresh,
				NULL, NULL, successor, NULL, NULL, NULL);

	if (rc == -EPERM)
		return reused(r, marked);
	return rc < 0 ? rc : soj_report_errno(-EBUSY);
}

static int rotate(struct refreshing *r, char *successor,
		  struct sojourn_token_info *info)
{
	int rc = soj_rotate_use(r->t->s, SOJ_COLLECTION_REFRESH, r->refresh,
				NULL, &r->seen, successor, NULL, NULL,
				&r->family);

	if (rc == -EPERM)
		return reused(r, mark_over(r));
	if (rc == 0 && info) {
		info->mismatch = r->mismatch;
		info->rotations = r->family.renewals;
		memcpy(info->handle, r->family.handle, sizeof(info->handle));
	}
	return rc;
}

static int refresh(struct refreshing *r, char *access, size_t *bytes,
		   char *successor, struct sojourn_token_info *info)
{
	struct sojourn *s = r->t->s;
	struct soj_digest digest;
	int rc;

	if (!soj_token_family(r->t, r->refresh, &r->issue.anchor, &digest))
		return soj_report_ended(SOJ_NONE);
	r->family_ref = family_of(r->t, &r->issue.anchor);
	r->kept_bytes = sizeof(r->kept);
	rc = soj_rotate_use(s, SOJ_COLLECTION_REFRESH, r->refresh, r->client,
			    &r->seen, NULL, r->kept, &r->kept_bytes,
			    &r->family);
	if (rc == -EPERM && sojourn_reason() == SOJOURN_REUSED)
		return end_reused(r, successor);
	if (rc == -EPERM)
		return from_elsewhere(r, digest);
	if (rc < 0)
		return rc;
	SOJ_STEP("token.refresh.seen");
	r->mismatch = r->family.mismatch;
	rc = prepare(r, access, bytes, info);
	/* Its login was revoked by one who did not come to its family. */
	if (rc == -ENOENT && sojourn_reason() == SOJOURN_DELETED) {
		soj_session_delete_named(s, &digest);
		return soj_report_ended(SOJ_ENDED_DELETED);
	}
	SOJ_STEP("token.refresh.ready");
	return rc < 0 ? rc : rotate(r, successor, info);
}

int sojourn_token_refresh(struct sojourn_tokens *t, const char *token,
			  const struct sojourn_metadata *client, char *access,
			  size_t *bytes,
			  char new_refresh[SOJOURN_REFRESH_CHARS + 1],
			  struct sojourn_token_info *info)
{
	struct refreshing r = {.t = t, .refresh = token, .client = client};
	char successor[SOJ_ROTATE_CHARS + 1];
	const size_t room = access ? *bytes : 0;
	int rc;

	if (info)
		memset(info, 0, sizeof(*info));
	rc = refresh(&r, access, bytes, successor, info);
	if (rc == 0) {
		memcpy(new_refresh, successor, sizeof(successor));
		soj_ok();
	} else {
		if (new_refresh != token)
			new_refresh[0] = 0;
		if (room)
			soj_wipe(access, room);
		if (info)
			memset(info, 0, sizeof(*info));
		/* Who is it that has been robbed? */
		if (info && rc == -EPERM) {
			info->mismatch = r.family.mismatch;
			memcpy(info->subject, r.family.subject,
			       sizeof(info->subject));
		}
	}
	soj_wipe(successor, sizeof(successor));
	soj_open_wipe(t->s, &r, sizeof(r));
	return soj_done(t->s, rc);
}
