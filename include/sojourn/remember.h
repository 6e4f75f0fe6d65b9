/* SPDX-License-Identifier: MIT */
#ifndef SOJOURN_REMEMBER_H
#define SOJOURN_REMEMBER_H

/*
 * Two things that web logins need beside sessions: "remember me", and tokens
 * against cross-site request forgery.
 *
 * Remember me.  A browser that asks for it gets, with its session, a token in a
 * second, long-lived cookie.  When it comes back without a session, the token
 * is used: that gives the subject to log in, and a new token for the cookie,
 * as each can be used once.  The tokens that follow each other from one login
 * are a family.
 *  - A token that comes back after it was used has been stolen, or the one who
 *    used it was the thief: all of the family ends (-EPERM, SOJOURN_REUSED).
 *  - A browser starts with many requests at once.  For grace_window_ms of the
 *    collection "remember-me" (10 s) a used token is answered with the token
 *    that followed it, so all of them get the same, and one whose answer was
 *    lost may ask again.  redelivery_ms (none) is added for as long as the
 *    token that followed was not used.  The last four used are known for that.
 *  - The rules of the collection hold: ttl (30 days from the login; `sliding`
 *    counts from the last use), idle timeout, maximum lifetime, cap.
 *  - A family is in the list of its subject's sessions (info->collection is
 *    "remember-me"), can be ended by its handle, and ends with them: at
 *    sojourn_session_delete_subject(), also when that spares one session.
 *    Neither token nor family name is stored.
 * Conventions, threads, and the errors that all functions may return: see
 * sojourn.h.  The rotation's protocol is described in src/session/rotate.c.
 */

#include <sojourn/sojourn.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SOJOURN_REMEMBER_CHARS     54u /* letters, digits, '-', '_' */
#define SOJOURN_REMEMBER_BYTES_MAX 1048064u
#define SOJOURN_CSRF_CHARS         86u /* letters, digits, '-', '_' */

/*
 * Begins a family: the token is written to `token` and kept nowhere else.
 * Subject, data (at most SOJOURN_REMEMBER_BYTES_MAX), metadata and periods
 * (0: the collection's) as for sessions.  info may be NULL.
 * Errors as sojourn_session_create().  Lock-free.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_remember_create(struct sojourn *s, const struct sojourn_new *what,
			char token[SOJOURN_REMEMBER_CHARS + 1],
			struct sojourn_info *info);

/*
 * Uses a token, and writes the one that follows it to new_token, which may be
 * the same buffer (left alone on failure); the browser must be given it.
 * client: who asks, for the collection's rules on device, ip and user agent
 * (NULL: they are not looked at), against the metadata that the family began
 * with.  data: a buffer of *data_bytes bytes, or NULL; *data_bytes becomes the
 * length of the data.  data_bytes and info may be NULL.  info->renewal is WON
 * if this call rotated, DONE if another had; info->renewals counts the
 * rotations.
 * 0; -ENOENT with its reason (no such family, or over: expired, idle, deleted,
 * evicted, reused); -EPERM with reason REUSED (the token was used before: the
 * family has just been ended, and info tells whose it was, as sessions that the
 * thief began live on until they are ended, too); -EPERM with reason BINDING
 * (info->mismatch says what differs; the token is still unused, unless the rule
 * is to delete); -ENOBUFS (buffer too small: *data_bytes says what is needed;
 * the token is still unused); -EILSEQ (the data is wanted, and the collection's
 * validator refuses it; the same); -ENOSPC (no room to rotate; the same);
 * -ECANCELED with SOJOURN_SUPERSEDED (it was good when the call began, but others
 * used it and what followed so often meanwhile that its successor is forgotten).
 * Of all processes that use one token at a time one rotates.  Lock-free.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_remember_use(struct sojourn *s, const char *token,
		     const struct sojourn_metadata *client,
		     char new_token[SOJOURN_REMEMBER_CHARS + 1], void *data,
		     size_t *data_bytes, struct sojourn_info *info);

/*
 * Ends the family of a token, at logout.  The token need not be the last one.
 * Returns 1, or 0 if there was none (which is no error).
 */
SOJOURN_API SOJOURN_MUST_CHECK int sojourn_remember_forget(struct sojourn *s,
							   const char *token);

/*
 * Tokens against cross-site request forgery: what a form carries, and a
 * stranger's page cannot know.  They are made of the session id with a key of
 * the segment and a random mask, so each page has another (which compression
 * cannot be made to give away), nothing is stored, and any process of the
 * segment can check any.  A renewal changes the id, and with it the tokens: one
 * made for the old id goes with the old id only.
 *
 * Both are pure functions of the id: whether it is alive,
 * sojourn_session_read() tells.  -EINVAL: session_id is no text of an id.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_csrf_token(const struct sojourn *s, const char *session_id,
		   char token[SOJOURN_CSRF_CHARS + 1]);

/* 0: made for this id.  -EPERM with reason INVALID: not; -EINVAL as above.
 * Compares in constant time. */
SOJOURN_API SOJOURN_MUST_CHECK int sojourn_csrf_check(const struct sojourn *s,
						      const char *session_id,
						      const char *token);

#ifdef __cplusplus
}
#endif

#endif /* SOJOURN_REMEMBER_H */
