/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_ROTATE_H
#define SOJ_SESSION_ROTATE_H

/*
 * Layer 5.  Rotating tokens: families of tokens of which one is valid at a
 * time, and each use replaces it.  Remember-me and refresh tokens are made of
 * them, each in a collection of its own, whose rules hold: ttl, sliding, idle
 * timeout, maximum lifetime, cap, and grace_window_ms, in which a token just
 * used still leads to its successor.  The protocol is in rotate.c.
 */

#include <sojourn/sojourn.h>

#include "session/session.h"

/* base64url of 24 bytes that name the family, then of 16 that prove. */
#define SOJ_ROTATE_FAMILY_CHARS 32u
#define SOJ_ROTATE_PROOF_CHARS  22u
#define SOJ_ROTATE_CHARS        (SOJ_ROTATE_FAMILY_CHARS + SOJ_ROTATE_PROOF_CHARS)
#define SOJ_ROTATE_PROOF_BYTES  16u

/* Rotations that are remembered while their windows are open. */
#define SOJ_ROTATE_USED_MAX 4u

/* The most that a caller's data may have; its value holds ours as well. */
#define SOJ_ROTATE_DATA_MAX (SOJ_DATA_BYTES_MAX - 512u)

/*
 * Begins a family of the collection and writes its first token, which is kept
 * nowhere else.  info may be NULL.  Errors as sojourn_session_create().
 */
int soj_rotate_create(struct sojourn *s, uint32_t collection,
		      const struct sojourn_new *what,
		      char token[SOJ_ROTATE_CHARS + 1],
		      struct sojourn_info *info);

/* What one request has seen of a token, over several calls; begins as zeros. */
struct soj_rotate_seen {
	uint64_t began_ms; /* by the segment's clock */
	bool good;         /* valid, or its window open */
};

/*
 * Uses a token up, and gives its successor.  client (may be NULL): who asks,
 * for the collection's rules on bindings.  data: a buffer of *data_bytes
 * bytes, or NULL; *data_bytes (may be NULL) becomes the length of the data.
 * info (may be NULL): `renewal` is WON if this call rotated, DONE if another
 * had; `renewals` counts the rotations; new_id is "".
 * 0; -EPERM, reason REUSED: the token was used before, or never made, and the
 * family has been ended (info tells whose it was); -EPERM, reason BINDING
 * (info->mismatch; nothing was rotated); -ENOENT and its reason: no such family,
 * or over; -ENOBUFS, -EILSEQ, -ENOSPC (nothing was rotated).
 * -ECANCELED, reason SUPERSEDED: the token was good when *seen (or this call)
 * began, and so many others were used since that what followed it is forgotten:
 * nobody's theft.  seen NULL: of this call only.
 * successor NULL: only looks whether the token may be used, and what goes with
 * it; the same results, but nothing is rotated, and reuse ends nothing.
 */
int soj_rotate_use(struct sojourn *s, uint32_t collection, const char *token,
		   const struct sojourn_metadata *client,
		   struct soj_rotate_seen *seen,
		   char successor[SOJ_ROTATE_CHARS + 1], void *data,
		   size_t *data_bytes, struct sojourn_info *info);

/* The digest under which the family of a token is found.  False: no text of a
 * token. */
bool soj_rotate_digest(const struct sojourn *s, uint32_t collection,
		       const char *token, struct soj_digest *digest);

/* Ends the family of a token, whether or not it is the valid one.  1, 0 (there
 * is none), or an error. */
int soj_rotate_revoke(struct sojourn *s, uint32_t collection,
		      const char *token);

#endif /* SOJ_SESSION_ROTATE_H */
