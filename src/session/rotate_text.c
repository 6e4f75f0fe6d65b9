/* SPDX-License-Identifier: MIT */

/* The texts of rotating tokens, and the digests that stand for them. */

#include <sodium.h>
#include <string.h>

#include "session/rotate_impl.h"

void soj_rotate_text(char *text, size_t chars, const uint8_t *raw, size_t bytes)
{
	sodium_bin2base64(text, chars + 1, raw, bytes,
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

void soj_rotate_proof(char token[SOJ_ROTATE_CHARS + 1],
		      uint8_t proof[SOJ_ROTATE_PROOF_BYTES])
{
	soj_random(proof, SOJ_ROTATE_PROOF_BYTES);
	soj_rotate_text(token + SOJ_ROTATE_FAMILY_CHARS, SOJ_ROTATE_PROOF_CHARS,
			proof, SOJ_ROTATE_PROOF_BYTES);
}

struct soj_digest soj_rotate_family(const struct sojourn *s,
				    uint32_t collection, const char *token)
{
	return soj_key_digest(s, collection, SOJ_KEY_RANDOM, token,
			      SOJ_ROTATE_FAMILY_CHARS);
}

void soj_rotate_token_digest(const struct sojourn *s, const char *token,
			     uint8_t out[SOJ_DIGEST_BYTES])
{
	struct soj_digest d =
		soj_digest(s->keys.token, token, SOJ_ROTATE_CHARS);

	memcpy(out, d.word, SOJ_DIGEST_BYTES);
}

/* False: not the text of any token, and so no family is named by it. */
bool soj_rotate_is_token(const char *token)
{
	uint8_t raw[SOJ_ROTATE_FAMILY_BYTES];
	bool is = token &&
		  strnlen(token, SOJ_ROTATE_CHARS + 1) == SOJ_ROTATE_CHARS &&
		  soj_id_decode(token, SOJ_ROTATE_FAMILY_CHARS, raw,
				SOJ_ROTATE_FAMILY_BYTES) &&
		  soj_id_decode(token + SOJ_ROTATE_FAMILY_CHARS,
				SOJ_ROTATE_PROOF_CHARS, raw,
				SOJ_ROTATE_PROOF_BYTES);

	soj_wipe(raw, sizeof(raw));
	return is;
}

bool soj_rotate_digest(const struct sojourn *s, uint32_t collection,
		       const char *token, struct soj_digest *digest)
{
	if (!soj_rotate_is_token(token))
		return false;
	*digest = soj_rotate_family(s, collection, token);
	return true;
}
