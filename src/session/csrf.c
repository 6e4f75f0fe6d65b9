/* SPDX-License-Identifier: MIT */

/*
 * CSRF tokens: base64url of {mask 32 bytes, mask xor proof}, where proof is a
 * keyed BLAKE2b-256 of the session id under a key of its own.
 *
 * The mask is random for each token, so that a page never shows the same bytes
 * twice: a secret that is, compressed together with what an attacker chooses,
 * can be guessed by the length of the answer (BREACH).  The proof depends on
 * nothing but key and id, so there is nothing to store, to expire, or to race
 * for; it is bound to the id, so renewal changes it, and another login's token
 * does not fit.
 */

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include <sojourn/remember.h>

#include "session/id.h"

#define PROOF_BYTES 32u
#define VARIANT     sodium_base64_VARIANT_URLSAFE_NO_PADDING

static_assert(SOJOURN_CSRF_CHARS + 1 ==
		      sodium_base64_ENCODED_LEN(2 * PROOF_BYTES, VARIANT),
	      "length of a token");

static int proof_of(const struct sojourn *s, const char *session_id,
		    uint8_t proof[PROOF_BYTES])
{
	struct soj_digest digest;

	if (session_id == NULL || !soj_id_digest(s, session_id, &digest))
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "session_id is not the text of an id: 22 to "
				  "64 letters, digits, '-' and '_'");
	crypto_generichash(proof, PROOF_BYTES, (const uint8_t *)session_id,
			   strlen(session_id), s->keys.csrf,
			   sizeof(s->keys.csrf));
	soj_wipe_calls();
	return 0;
}

static void mask(uint8_t raw[2 * PROOF_BYTES])
{
	for (unsigned i = 0; i < PROOF_BYTES; i++)
		raw[PROOF_BYTES + i] ^= raw[i];
}

int sojourn_csrf_token(const struct sojourn *s, const char *session_id,
		       char token[SOJOURN_CSRF_CHARS + 1])
{
	uint8_t raw[2 * PROOF_BYTES];
	int rc;

	token[0] = 0;
	rc = proof_of(s, session_id, raw + PROOF_BYTES);
	if (rc < 0)
		return rc;
	soj_random(raw, PROOF_BYTES);
	mask(raw);
	sodium_bin2base64(token, SOJOURN_CSRF_CHARS + 1, raw, sizeof(raw),
			  VARIANT);
	soj_wipe(raw, sizeof(raw));
	return soj_ok();
}

/* False: not the text of any token. */
static bool decode(const char *token, uint8_t raw[2 * PROOF_BYTES])
{
	return token &&
	       strnlen(token, SOJOURN_CSRF_CHARS + 1) == SOJOURN_CSRF_CHARS &&
	       soj_id_decode(token, SOJOURN_CSRF_CHARS, raw, 2 * PROOF_BYTES);
}

int sojourn_csrf_check(const struct sojourn *s, const char *session_id,
		       const char *token)
{
	uint8_t proof[PROOF_BYTES], raw[2 * PROOF_BYTES];
	bool same;
	int rc = proof_of(s, session_id, proof);

	if (rc < 0)
		return rc;
	same = decode(token, raw);
	if (same) {
		mask(raw);
		same = soj_equal(raw + PROOF_BYTES, proof, PROOF_BYTES);
		soj_wipe(raw, sizeof(raw));
	}
	soj_wipe(proof, sizeof(proof));
	if (same)
		return soj_ok();
	return soj_report(-EPERM, SOJOURN_INVALID,
			  "the CSRF token was not made for this session id");
}
