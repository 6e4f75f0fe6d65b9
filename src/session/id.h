/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_ID_H
#define SOJ_SESSION_ID_H

/*
 * Layer 5.  Session ids and handles.
 *
 * An id is base64url text of random bytes.  The segment knows only its keyed
 * 128-bit digest, so whoever reads the segment learns no id, and nobody without
 * the key can make colliding ones.  It is SipHash-2-4-128 of the text; of the 32
 * characters that ids have by default, where the processor that made the segment
 * has instructions for AES, it is what base/mac.h says, under another key.
 */

#include <sojourn/sojourn.h>

#include "session/handle.h"

/* self: the caller's, as it was when the call began: who was forked since then
 * must not come by another on the way.  NULL: the kernel is asked. */
void soj_id_make(const struct sojourn *s, struct soj_self *self,
		 char id[SOJOURN_ID_CHARS_MAX + 1]);

/* False: not the text of any id (wrong length or characters). */
bool soj_id_digest(const struct sojourn *s, const char *id,
		   struct soj_digest *digest);

#define SOJ_ID_CHARS_USUAL 32u /* of 24 bytes, the default */

/*
 * Strict base64url: exactly `chars` characters of the alphabet that make
 * exactly `bytes` bytes, with no low bits left over.
 */
bool soj_id_decode(const char *text, size_t chars, uint8_t *raw, size_t bytes);

/*
 * The digest of a key in a collection: of a caller's (SOJ_KEY_CALLERS), or one
 * of this library's own uses, which no caller's key can be.  It never is the
 * digest of a session id.
 */
enum soj_key_kind {
	SOJ_KEY_CALLERS,
	SOJ_KEY_RANDOM,
	SOJ_KEY_FLIGHT,
	SOJ_KEY_MARK,
	SOJ_KEY_VERIFIED,
};
#define SOJ_KEY_LENGTH_MAX 1024u

struct soj_digest soj_key_digest(const struct sojourn *s, uint32_t collection,
				 enum soj_key_kind kind, const void *key,
				 size_t key_bytes);

/* 0 or a reported -EINVAL. */
int soj_subject_check(const char *subject);
struct soj_digest soj_subject_digest(const struct sojourn *s,
				     const char *subject);

/* A handle is the entry's reference and 48 bits of its digest, in hex; "" of a
 * reference that is none, as a damaged record may have it. */
void soj_handle_text(const struct soj_store *st, uint64_t ref,
		     char text[SOJOURN_HANDLE_CHARS + 1]);
/* 0 if it is no handle, or no longer one of an entry. */
uint64_t soj_handle_ref(const struct soj_store *st, const char *text);

#endif /* SOJ_SESSION_ID_H */
