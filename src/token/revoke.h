/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_REVOKE_H
#define SOJ_TOKEN_REVOKE_H

/*
 * Layer 6.  Revocation of access tokens in the segment: marks of anchors and of
 * subjects, which every worker looks at when it verifies a token.  What a mark
 * is, and why the order is right, is in revoke.c.
 */

#include <stdbool.h>
#include <stdint.h>

#include "session/handle.h"

#define SOJ_ANCHOR_BYTES 16u

/* Names the login that a token belongs to. */
struct soj_anchor {
	uint8_t bytes[SOJ_ANCHOR_BYTES];
};

/* The longest that an access token of the segment may live, skew included:
 * so long a revocation is kept. */
uint64_t soj_revocation_ms(const struct sojourn *s);

/* Which segment it is: differs for each that is ever made under one key. */
uint64_t soj_segment_tag(const struct sojourn *s);

/* When a token was issued, in the two orders that it is in. */
struct soj_marks {
	uint64_t anchor;
	uint64_t subject;
};

/*
 * soj_mark_new - the marks of a token that is to be issued
 *
 * To be called before the refresh token that goes with it is made or rotated.
 * anchor: NULL of a login that is just being made.
 * 0; -ENOENT, reason DELETED (the anchor was revoked); -EBUSY; -EBADMSG.
 */
int soj_mark_new(struct sojourn *s, const struct soj_anchor *anchor,
		 const char *subject, struct soj_marks *marks);

/* What became of a token since it was issued. */
enum soj_marked {
	SOJ_MARKED_GOOD,
	SOJ_MARKED_OLD,        /* what was revoked then is not known any more */
	SOJ_MARKED_REVOKED,    /* its anchor, for good */
	SOJ_MARKED_RESTRICTED, /* those of its anchor up to some time */
	SOJ_MARKED_SUBJECT,    /* all of its subject up to some time */
	SOJ_MARKED_UNKNOWN,    /* could not be told: refuse it */
};

/* Needs no thread slot, and stores nothing. */
enum soj_marked soj_mark_check(struct sojourn *s,
			       const struct soj_anchor *anchor,
			       const char *subject,
			       const struct soj_marks *marks);

/*
 * soj_mark_anchor, soj_mark_subject - refuse every token issued up to now
 * @forever: those to come as well; of an anchor
 *
 * Effective in every process when it returns 0.  -ENOSPC (no room: nothing was
 * revoked), -EBUSY, and errors as a put.
 */
int soj_mark_anchor(struct sojourn *s, const struct soj_anchor *anchor,
		    bool forever);
int soj_mark_subject(struct sojourn *s, const char *subject);

#endif /* SOJ_TOKEN_REVOKE_H */
