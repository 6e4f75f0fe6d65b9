/* SPDX-License-Identifier: MIT */

/*
 * Rotating tokens: each use of a token replaces it, exactly once, whoever
 * races for it; a token that comes back after that ends all of its family.
 *
 * A token is {family 24 bytes, proof 16 bytes}, both random.  A family is one
 * entry, found by the digest of the family's name; neither the name nor a
 * proof is stored.  The entry's data begins with
 *   head    digest of the valid token, count of rotations
 *   used    up to four tokens used of late: digest, end of the window, and the
 *           proof that followed it, sealed under the used token itself
 * and then comes the caller's data.  One entry for a family, not one for each
 * token that was used up: a family costs the same after a thousand rotations,
 * a token of any age is known for used up (it names the family, but does not
 * prove to be the valid one), and ending the family is ending one entry: by a
 * logout everywhere, by a cap or by time, as for any session.
 *
 *   1. Snapshot of the entry; time judges it as it judges sessions.
 *   2. The token is the valid one: write a chunk with the digest of a new
 *      proof, this token as the newest of the used ones, and CAS ctl from
 *      exactly the word of the snapshot (change.c).  That CAS decides.  Lost:
 *      from 1.
 *      It is a used one, its window open when the call began, or when this
 *      call saw it good before: unseal what followed it, from window to
 *      window, up to the valid one.  That is the answer: parallel requests of
 *      one browser all get the same token.  The last one used has, as long as
 *      its successor was not used, redelivery_ms more than its window.
 *      It is not even a used one, and this call saw it good before: others
 *      went on without this one until what followed was forgotten.  There is
 *      no answer, and no thief.
 *      Else: end the family, CAS of ctl to ended(reused).  Lost: from 1.
 *
 * Guarantees
 *   G1  of all uses of one token at most one rotates: each is a CAS from a word
 *       of ctl under which that token was valid.
 *   G2  once a window is over, its token is not accepted by anyone, and who
 *       presents it ends the family.
 *   G3  a use after the family ended (logout, reuse, time) gives no token: its
 *       CAS fails, as that of any writer (change.c).
 *   G4  how long comparing takes does not tell where a token differs.
 * Progress: lock-free; a lost CAS is another's rotation, or a relocation.
 *
 * Crash table (killed after the step)
 *   chunk written          the family is as it was: the token still is valid
 *   ctl decided            rotated, the answer lost: whoever comes with the
 *                          used token in its window is given the same successor
 *   ended(reused)          over for everyone; upkeep does the rest
 *   create                 the family is withdrawn: its token was told to
 *                          nobody (create.c)
 * Stop table: stopped before the CAS: it fails, and the token is judged by the
 * time at which the call began, and by what it saw, so it is no thief's for having
 * been stopped.  The same over the calls of one refresh (soj_rotate_seen).
 * Stopped before the CAS that then succeeds: the window counts from before, and
 * may be over as it begins; a late second use then ends the family, which errs
 * on the safe side.
 *
 * No ordered access is made here: the edges are change.c's and entry.c's.
 */

#include "session/rotate_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "store/event.h"

#define PROOF_SEALED (SOJ_ROTATE_PROOF_BYTES + SOJ_SEAL_BYTES)

/* ---- what lies before the caller's data; part of the format ---- */

struct head {
	uint8_t valid[SOJ_DIGEST_BYTES]; /* digest of the whole token */
	uint32_t rotations;
	uint32_t used_count;
};

struct used {
	uint8_t digest[SOJ_DIGEST_BYTES];
	uint64_t until_ms; /* end of the window */
	uint64_t nonce;
	uint8_t sealed[PROOF_SEALED]; /* what followed */
};

struct family {
	struct head head;
	struct used used[SOJ_ROTATE_USED_MAX]; /* the newest first */
};

_Static_assert(sizeof(struct head) == 24, "head moved: bump the version");
_Static_assert(sizeof(struct used) == 64, "used moved: bump the version");
_Static_assert(sizeof(struct family) <=
		       SOJ_DATA_BYTES_MAX - SOJ_ROTATE_DATA_MAX,
	       "a full family leaves less room than promised");

static size_t family_bytes(const struct head *head)
{
	return sizeof(*head) + head->used_count * sizeof(struct used);
}

/* One use. */
struct rotation {
	struct sojourn *s;
	struct soj_self *self;
	uint32_t collection;
	const char *token;
	struct soj_digest family_digest;
	struct soj_rotate_seen seen;
	const struct sojourn_metadata *client;
	bool bound;        /* the client was looked at */
	unsigned mismatch; /* and so much of it differs */
	bool look_only;
	char successor[SOJ_ROTATE_CHARS + 1];
	struct soj_session old;
	struct family family;
	uint8_t *data; /* all of it, the family's part included */
	size_t capacity;
	size_t own_bytes; /* the family's part */
};

/* ---- finding a family ---- */

/* The head of the data, checked.  False: that is no family's. */
static bool parse(struct rotation *r)
{
	const size_t bytes = r->old.snap.data_bytes;
	struct family *f = &r->family;

	memset(f, 0, sizeof(*f));
	if (bytes < sizeof(f->head))
		return false;
	memcpy(&f->head, r->data, sizeof(f->head));
	if (f->head.used_count > SOJ_ROTATE_USED_MAX ||
	    family_bytes(&f->head) > bytes)
		return false;
	r->own_bytes = family_bytes(&f->head);
	memcpy(f->used, r->data + sizeof(f->head),
	       r->own_bytes - sizeof(f->head));
	return true;
}

/* A copy of the whole entry; grows the buffer as needed. */
static int look(struct rotation *r)
{
	for (unsigned tries = 0; tries < SOJ_TRIES_MAX; tries++) {
		const struct soj_copy copy = {.cold = &r->old.cold,
					      .subject = r->old.subject,
					      .meta = r->old.meta,
					      .data = r->data,
					      .data_capacity = r->capacity};
		int rc = soj_session_find(r->s, r->self, &r->family_digest,
					  soj_seg_now_ms(&r->s->st.seg), &copy,
					  &r->old.snap);

		if (rc == 0)
			return parse(r) ? 0 : soj_report_errno(-EBADMSG);
		if (rc != -ENOBUFS)
			return rc;
		soj_wipe(r->data, r->capacity);
		free(r->data);
		r->capacity = r->old.snap.data_bytes;
		r->data = malloc(r->capacity + 1);
		if (r->data == NULL)
			return soj_report_errno(-ENOMEM);
	}
	return soj_report_errno(-EBUSY);
}

/* ---- judging a token ---- */

/* The used one with that digest, SOJ_ROTATE_USED_MAX if there is none.  Looks
 * at all of them, whichever it is. */
static unsigned find_used(const struct family *f,
			  const uint8_t digest[SOJ_DIGEST_BYTES])
{
	unsigned found = SOJ_ROTATE_USED_MAX;

	for (unsigned i = SOJ_ROTATE_USED_MAX; i-- > 0;)
		if (soj_equal(f->used[i].digest, digest, SOJ_DIGEST_BYTES) &
		    (i < f->head.used_count))
			found = i;
	return found;
}

static bool window_open(const struct rotation *r, unsigned idx)
{
	const struct soj_shm_collection *c =
		soj_collection(&r->s->st.seg, r->collection);
	uint64_t until_ms = r->family.used[idx].until_ms;

	/* What followed it was not used yet: the answer may have been lost. */
	if (idx == 0 && c->grace_window_ms > 0)
		until_ms += c->redelivery_ms;
	return r->seen.good || r->seen.began_ms < until_ms;
}

/* What followed the token used[idx], until the valid one: to r->successor. */
static bool follow(struct rotation *r, unsigned idx)
{
	uint8_t digest[SOJ_DIGEST_BYTES], proof[SOJ_ROTATE_PROOF_BYTES];
	bool valid = false;

	memcpy(r->successor, r->token, SOJ_ROTATE_CHARS + 1);
	for (unsigned step = 0; step < SOJ_ROTATE_USED_MAX; step++) {
		const struct used *u = &r->family.used[idx];

		if (!soj_unseal(&r->s->keys, r->successor, SOJ_ROTATE_CHARS,
				u->nonce, u->sealed, sizeof(u->sealed), proof))
			break;
		soj_rotate_text(r->successor + SOJ_ROTATE_FAMILY_CHARS,
				SOJ_ROTATE_PROOF_CHARS, proof, sizeof(proof));
		soj_rotate_token_digest(r->s, r->successor, digest);
		valid = soj_equal(digest, r->family.head.valid, sizeof(digest));
		if (valid)
			break;
		idx = find_used(&r->family, digest);
		if (idx == SOJ_ROTATE_USED_MAX)
			break;
	}
	soj_wipe(proof, sizeof(proof));
	return valid;
}

/* ---- rotating ---- */

/* The family after this use: r->successor is its valid token. */
static void advance(struct rotation *r, struct family *next)
{
	const struct family *f = &r->family;
	uint64_t now_ms = soj_seg_now_ms(&r->s->st.seg);
	uint8_t proof[SOJ_ROTATE_PROOF_BYTES];
	struct used *u = &next->used[0];

	memset(next, 0, sizeof(*next));
	memcpy(r->successor, r->token, SOJ_ROTATE_FAMILY_CHARS);
	soj_rotate_proof(r->successor, proof);
	soj_rotate_token_digest(r->s, r->successor, next->head.valid);
	next->head.rotations = f->head.rotations + 1;
	next->head.used_count = 1;
	memcpy(u->digest, f->head.valid, sizeof(u->digest));
	u->until_ms =
		now_ms +
		soj_collection(&r->s->st.seg, r->collection)->grace_window_ms;
	soj_random(&u->nonce, sizeof(u->nonce));
	soj_seal(&r->s->keys, r->token, SOJ_ROTATE_CHARS, u->nonce, proof,
		 sizeof(proof), u->sealed);
	soj_wipe(proof, sizeof(proof));
	/* A call that began in an older window may still come. */
	for (unsigned i = 0; i < f->head.used_count; i++)
		if (f->used[i].until_ms > r->seen.began_ms &&
		    next->head.used_count < SOJ_ROTATE_USED_MAX)
			next->used[next->head.used_count++] = f->used[i];
}

/* 0: rotated; -EAGAIN: the entry changed; a reported error. */
static int rotate(struct rotation *r)
{
	size_t rest = r->old.snap.data_bytes - r->own_bytes, own;
	struct soj_kept kept;
	struct family next;
	uint8_t *data;
	int rc;

	advance(r, &next);
	own = family_bytes(&next.head);
	data = malloc(own + rest);
	if (data == NULL)
		return soj_report_errno(-ENOMEM);
	memcpy(data, &next, own);
	memcpy(data + own, r->data + r->own_bytes, rest);
	memcpy(kept.subject, r->old.subject, sizeof(kept.subject));
	memcpy(kept.meta, r->old.meta, r->old.snap.meta_bytes);
	SOJ_STEP("rotate.ready");
	rc = soj_session_replace(r->s, r->self, &r->old.snap, &kept, data,
				 own + rest);
	soj_wipe(data, own + rest);
	free(data);
	soj_label_wipe(r->s, kept.subject, kept.meta);
	if (rc < 0)
		return rc;
	SOJ_STEP("rotate.done");
	soj_session_touch_due(r->s, r->self, &r->old.snap,
			      soj_seg_now_ms(&r->s->st.seg));
	return 0;
}

/* -EAGAIN: the entry changed; else -EPERM, reported. */
static int reused(struct rotation *r)
{
	const struct soj_event_what what = {
		.type = SOJ_EVENT_REUSED,
		.status = SOJ_ENDED_REUSED,
		.collection = r->collection,
		.ref = r->old.snap.ref,
		.digest = r->family_digest,
		.subject = r->old.cold.subject,
	};

	if (r->look_only)
		return soj_report(-EPERM, SOJOURN_REUSED,
				  "the token was used before");
	SOJ_STEP("rotate.reused");
	if (!soj_entry_end(&r->s->st, &r->self->w, r->old.snap.ref,
			   r->old.snap.ctl, SOJ_ENDED_REUSED))
		return soj_gone(&r->self->w) ? soj_report_errno(-ECANCELED)
					     : -EAGAIN;
	soj_count(&r->self->w.thr, SOJ_COUNT_reuses);
	soj_event_tell(&r->s->st, &r->self->w, &what);
	return soj_report(-EPERM, SOJOURN_REUSED,
			  "the token was used before: all tokens that began "
			  "with its login are void now");
}

/* May this client have the data, and does the validator?  The client is looked
 * at, and told of, once. */
static int admit(struct rotation *r, size_t room)
{
	size_t bytes = r->old.snap.data_bytes - r->own_bytes;
	int rc = 0;

	if (!r->bound)
		rc = soj_session_bound(r->s, r->self, &r->old,
				       &r->family_digest, r->client,
				       &r->mismatch);
	r->bound = true;
	if (rc < 0)
		return rc;
	if (bytes > room)
		return soj_report_errno(-ENOBUFS);
	if (room == SIZE_MAX)
		return 0;
	return soj_validate(r->s, r->self, r->collection,
			    r->data + r->own_bytes, bytes);
}

/* One attempt.  room: for the data, SIZE_MAX if it is not wanted.  *outcome:
 * WON or DONE. */
static int use_once(struct rotation *r, size_t room,
		    enum sojourn_renewal *outcome)
{
	uint8_t digest[SOJ_DIGEST_BYTES];
	bool valid;
	unsigned idx;
	int rc = look(r);

	if (rc < 0)
		return rc;
	SOJ_STEP("rotate.seen");
	soj_rotate_token_digest(r->s, r->token, digest);
	valid = soj_equal(digest, r->family.head.valid, sizeof(digest));
	idx = find_used(&r->family, digest);
	if (!valid && idx == SOJ_ROTATE_USED_MAX && r->seen.good)
		return soj_report(-ECANCELED, SOJOURN_SUPERSEDED,
				  "the token was used by others meanwhile, and "
				  "what followed it as well");
	if (!valid && (idx == SOJ_ROTATE_USED_MAX || !window_open(r, idx)))
		return reused(r);
	r->seen.good = true;
	rc = admit(r, room);
	if (rc < 0)
		return rc;
	if (r->look_only)
		return 0;
	if (valid) {
		*outcome = SOJOURN_RENEWAL_WON;
		return rotate(r);
	}
	if (!follow(r, idx))
		return soj_report_errno(-EBADMSG);
	*outcome = SOJOURN_RENEWAL_DONE;
	soj_count(&r->self->w.thr, SOJ_COUNT_redelivered);
	return 0;
}

/* ---- what others call ---- */

static void fill_info(const struct rotation *r, enum sojourn_renewal outcome,
		      struct sojourn_info *info)
{
	bool won = outcome == SOJOURN_RENEWAL_WON;
	char name[SOJ_ROTATE_FAMILY_CHARS + 1] = "";

	soj_info_fill(r->s, &r->old, info);
	memcpy(name, r->token, SOJ_ROTATE_FAMILY_CHARS);
	sojourn_log_hash(r->s, name, info->log_hash);
	soj_wipe(name, sizeof(name));
	info->version += won;
	info->renewals = r->family.head.rotations + won;
	info->data_bytes -= (uint32_t)r->own_bytes;
	info->current = true;
	info->mismatch = r->mismatch;
	info->renewal = outcome;
}

static struct rotation *begin(struct sojourn *s, struct soj_self *self,
			      uint32_t collection, const char *token)
{
	struct rotation *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->s = s;
	r->self = self;
	r->collection = collection;
	r->token = token;
	r->family_digest = soj_rotate_family(s, collection, token);
	r->seen.began_ms = soj_seg_now_ms(&s->st.seg);
	r->data = malloc(1); /* never NULL: the data is wanted */
	if (r->data)
		return r;
	free(r);
	return NULL;
}

static void end(struct rotation *r)
{
	if (r->data)
		soj_wipe(r->data, r->capacity);
	free(r->data);
	soj_wipe(r, sizeof(*r));
	free(r);
}

int soj_rotate_use(struct sojourn *s, uint32_t collection, const char *token,
		   const struct sojourn_metadata *client,
		   struct soj_rotate_seen *seen,
		   char successor[SOJ_ROTATE_CHARS + 1], void *data,
		   size_t *data_bytes, struct sojourn_info *info)
{
	size_t room, bytes;
	enum sojourn_renewal outcome = SOJOURN_RENEWAL_NONE;
	struct soj_self *self;
	struct rotation *r;
	int rc = -EAGAIN;

	if (successor)
		successor[0] = 0;
	soj_info_clear(info);
	if (data_bytes == NULL)
		data = NULL;
	room = data ? *data_bytes : SIZE_MAX;
	if (!soj_rotate_is_token(token))
		return soj_report_ended(SOJ_NONE);
	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	self->w.source = SOJ_SOURCE_REMEMBER;
	r = begin(s, self, collection, token);
	if (r == NULL)
		return soj_report_errno(-ENOMEM);
	r->client = client;
	r->look_only = successor == NULL;
	if (seen && seen->good)
		r->seen = *seen;
	rc = -EAGAIN;
	for (unsigned tries = 0; rc == -EAGAIN && tries < SOJ_TRIES_MAX;
	     tries++)
		rc = use_once(r, room, &outcome);
	if (rc == -EAGAIN)
		rc = soj_report_errno(-EBUSY);
	if (seen)
		*seen = r->seen;
	bytes = r->old.snap.data_bytes - r->own_bytes;
	if (data_bytes && (rc == 0 || rc == -ENOBUFS))
		*data_bytes = bytes;
	if (info && (rc == 0 || rc == -EPERM))
		fill_info(r, outcome, info);
	if (rc == 0) {
		if (successor)
			memcpy(successor, r->successor, sizeof(r->successor));
		if (data)
			memcpy(data, r->data + r->own_bytes, bytes);
		soj_ok();
	}
	end(r);
	soj_count_flush(&s->st.seg, &self->w.thr);
	return rc;
}

/* What a family is created with: its name comes with each attempt. */
struct naming {
	char *token;
	uint8_t *data; /* begins with the head */
};

static void name_family(struct sojourn *s, struct soj_self *self,
			uint32_t collection, void *arg,
			struct soj_digest *digest)
{
	const struct naming *n = arg;
	uint8_t raw[SOJ_ROTATE_FAMILY_BYTES], proof[SOJ_ROTATE_PROOF_BYTES];
	struct head head = {.rotations = 0};

	(void)self;
	soj_random(raw, sizeof(raw));
	soj_rotate_text(n->token, SOJ_ROTATE_FAMILY_CHARS, raw, sizeof(raw));
	soj_rotate_proof(n->token, proof);
	soj_rotate_token_digest(s, n->token, head.valid);
	memcpy(n->data, &head, sizeof(head));
	*digest = soj_rotate_family(s, collection, n->token);
	soj_wipe(raw, sizeof(raw));
	soj_wipe(proof, sizeof(proof));
}

/* Tells about a family just begun: no use of it. */
static int tell_new(struct sojourn *s, uint32_t collection, const char *token,
		    struct sojourn_info *info)
{
	struct rotation *r = begin(s, soj_self(s), collection, token);
	int rc;

	if (r == NULL)
		return soj_report_errno(-ENOMEM);
	rc = look(r);
	soj_info_clear(info);
	if (rc == 0)
		fill_info(r, SOJOURN_RENEWAL_NONE, info);
	end(r);
	return rc;
}

static int check_data(const struct sojourn_new *what)
{
	if (what->data == NULL && what->data_bytes > 0)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "data is NULL, but data_bytes is %zu",
				  what->data_bytes);
	if (what->data_bytes > SOJ_ROTATE_DATA_MAX)
		return soj_report(-EMSGSIZE, SOJOURN_TOO_LARGE,
				  "the data has %zu bytes, but at most %u are "
				  "allowed with a token",
				  what->data_bytes, SOJ_ROTATE_DATA_MAX);
	return 0;
}

int soj_rotate_create(struct sojourn *s, uint32_t collection,
		      const struct sojourn_new *what,
		      char token[SOJ_ROTATE_CHARS + 1],
		      struct sojourn_info *info)
{
	struct naming naming = {.token = token};
	struct sojourn_new whole = *what;
	struct soj_digest digest;
	int rc = check_data(what);

	token[0] = 0;
	if (rc < 0)
		return rc;
	whole.data_bytes += sizeof(struct head);
	whole.data = naming.data = malloc(whole.data_bytes);
	if (naming.data == NULL)
		return soj_report_errno(-ENOMEM);
	if (what->data_bytes)
		memcpy(naming.data + sizeof(struct head), what->data,
		       what->data_bytes);
	rc = soj_session_create_in(s, collection, &whole, sizeof(struct head),
				   name_family, &naming, &digest);
	soj_wipe(naming.data, whole.data_bytes);
	free(naming.data);
	if (rc == 0 && info) {
		rc = tell_new(s, collection, token, info);
		if (rc < 0)
			rc = soj_session_take_back(s, &digest, rc);
	}
	if (rc < 0)
		soj_wipe(token, SOJ_ROTATE_CHARS + 1);
	return rc < 0 ? rc : soj_ok();
}

int soj_rotate_revoke(struct sojourn *s, uint32_t collection, const char *token)
{
	struct soj_digest digest;

	if (soj_rotate_digest(s, collection, token, &digest))
		return soj_session_delete_named(s, &digest);
	soj_report_ended(SOJ_NONE);
	return 0;
}
