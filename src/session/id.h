/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_ID_H
#define SOJ_SESSION_ID_H

/*
 * Layer 5.  Session ids and handles.
 *
 * An id is base64url text of random bytes.  The segment knows only its keyed
 * 128-bit digest (SipHash-2-4-128 of the text), so whoever reads the segment
 * learns no id, and nobody without the key can make colliding ones.
 */

#include <sojourn/sojourn.h>

#include "session/handle.h"

void soj_id_make(const struct sojourn *s, char id[SOJOURN_ID_CHARS_MAX + 1]);

/* False: not the text of any id (wrong length or characters). */
bool soj_id_digest(const struct sojourn *s, const char *id,
		   struct soj_digest *digest);

struct soj_digest soj_subject_digest(const struct sojourn *s,
				     const char *subject);

/* A handle is the entry's reference and 48 bits of its digest, in hex. */
void soj_handle_text(const struct soj_store *st, uint64_t ref,
		     char text[SOJOURN_HANDLE_CHARS + 1]);
/* 0 if it is no handle, or no longer one of an entry. */
uint64_t soj_handle_ref(const struct soj_store *st, const char *text);

#endif /* SOJ_SESSION_ID_H */
