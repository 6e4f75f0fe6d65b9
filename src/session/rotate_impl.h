/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_ROTATE_IMPL_H
#define SOJ_SESSION_ROTATE_IMPL_H

/* Layer 5, between rotate.c and rotate_text.c: the texts of tokens. */

#include "session/rotate.h"

#define SOJ_ROTATE_FAMILY_BYTES 24u

/* base64url and a NUL. */
void soj_rotate_text(char *text, size_t chars, const uint8_t *raw,
		     size_t bytes);
/* A new proof, which is written behind the family's name as well. */
void soj_rotate_proof(char token[SOJ_ROTATE_CHARS + 1],
		      uint8_t proof[SOJ_ROTATE_PROOF_BYTES]);
/* Of a family's name, which the token begins with. */
struct soj_digest soj_rotate_family(const struct sojourn *s,
				    uint32_t collection, const char *token);
/* Of the whole token. */
void soj_rotate_token_digest(const struct sojourn *s, const char *token,
			     uint8_t out[SOJ_DIGEST_BYTES]);
/* False: not the text of any token, and so no family is named by it. */
bool soj_rotate_is_token(const char *token);

#endif /* SOJ_SESSION_ROTATE_IMPL_H */
