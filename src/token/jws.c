/* SPDX-License-Identifier: MIT */

#include "token/jws.h"

#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "token/sig.h"

#define SIGNATURE_CHARS_MAX SOJ_B64_CHARS(SOJ_SIGNATURE_BYTES_MAX)

/* Where the parts of a token are. */
struct parts {
	const char *header, *payload, *signature;
	size_t header_chars, payload_chars, signature_chars;
	size_t signed_chars; /* header, dot, payload */
};

/* Three parts, each of them not empty but for the payload. */
static bool split(const char *token, size_t chars, struct parts *parts)
{
	const char *end = token + chars;
	const char *dot, *second;

	dot = memchr(token, '.', chars);
	if (dot == NULL || dot == token)
		return false;
	second = memchr(dot + 1, '.', (size_t)(end - dot - 1));
	if (second == NULL || second + 1 == end ||
	    memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL)
		return false;
	parts->header = token;
	parts->header_chars = (size_t)(dot - token);
	parts->payload = dot + 1;
	parts->payload_chars = (size_t)(second - dot - 1);
	parts->signature = second + 1;
	parts->signature_chars = (size_t)(end - second - 1);
	parts->signed_chars = (size_t)(second - token);
	return true;
}

/* The last header that took the long way and was good.  The key is valid as long
 * as a set with that serial is at hand. */
static _Thread_local struct {
	uint64_t serial; /* 0: none */
	enum soj_typ typ;
	const struct soj_jwk *key;
	size_t chars;
	char text[SOJ_HEADER_CHARS_MAX];
} last;

static void remember(const struct soj_keyset *set, enum soj_typ typ,
		     const struct parts *parts, const struct soj_jwk *key)
{
	if (parts->header_chars > sizeof(last.text))
		return;
	last.serial = set->serial;
	last.typ = typ;
	last.key = key;
	last.chars = parts->header_chars;
	memcpy(last.text, parts->header, parts->header_chars);
}

static const struct soj_jwk *known_header(const struct soj_keyset *set,
					  enum soj_typ typ,
					  const struct parts *parts)
{
	if (last.serial == set->serial && last.typ == typ &&
	    last.chars == parts->header_chars &&
	    memcmp(last.text, parts->header, last.chars) == 0)
		return last.key;
	for (size_t i = 0; i < set->count; i++)
		if (set->headers[i].chars == parts->header_chars &&
		    memcmp(set->headers[i].text, parts->header,
			   parts->header_chars) == 0)
			return set->keys[i];
	return NULL;
}

static enum sojourn_token_reason check_signature(const struct soj_jwk *key,
						 const struct parts *parts)
{
	uint8_t signature[SOJ_B64_BYTES(SIGNATURE_CHARS_MAX)];
	size_t bytes;
	int rc;

	/* a longer one fits no key, but may still not be base64url */
	if (parts->signature_chars > SIGNATURE_CHARS_MAX)
		return SOJOURN_TOKEN_SIGNATURE_SIZE;
	if (!soj_b64_decode(parts->signature, parts->signature_chars, signature,
			    &bytes))
		return SOJOURN_TOKEN_SIGNATURE_BASE64;
	if (bytes != key->signature_bytes)
		return SOJOURN_TOKEN_SIGNATURE_SIZE;
	rc = soj_sig_verify(key, parts->header, parts->signed_chars, signature,
			    bytes);
	soj_wipe(signature, bytes);
	switch (rc) {
	case 0:
		return SOJOURN_TOKEN_OK;
	case -EBADMSG:
		return SOJOURN_TOKEN_SIGNATURE;
	default:
		return SOJOURN_TOKEN_INTERNAL;
	}
}

enum sojourn_token_reason
soj_jws_verify(const struct soj_keyset *set, enum soj_typ typ, size_t chars_max,
	       const char *token, size_t chars, uint8_t room[SOJ_JWS_ROOM],
	       size_t *bytes, const struct soj_jwk **key)
{
	enum sojourn_token_reason reason;
	const struct soj_jwk *found;
	struct parts parts;

	*bytes = 0;
	*key = NULL;
	if (chars > chars_max || chars > SOJOURN_TOKEN_BYTES_MAX)
		return SOJOURN_TOKEN_TOO_LONG;
	if (!split(token, chars, &parts))
		return SOJOURN_TOKEN_PARTS;
	found = known_header(set, typ, &parts);
	if (found == NULL) {
		reason = soj_jws_header(set, typ, parts.header,
					parts.header_chars, room, &found);
		if (reason != SOJOURN_TOKEN_OK)
			return reason;
		remember(set, typ, &parts, found);
	}
	reason = check_signature(found, &parts);
	if (reason != SOJOURN_TOKEN_OK)
		return reason;
	if (!soj_b64_decode(parts.payload, parts.payload_chars, room, bytes))
		return SOJOURN_TOKEN_CLAIMS_BASE64;
	*key = found;
	return SOJOURN_TOKEN_OK;
}

static const struct soj_header *header_of(const struct soj_keyset *set,
					  const struct soj_jwk *key)
{
	size_t i = 0;

	while (set->keys[i] != key)
		i++;
	return &set->headers[i];
}

int soj_jws_sign(const struct soj_keyset *set, const void *payload,
		 size_t bytes, char *token, size_t token_room, size_t *chars)
{
	uint8_t signature[SOJ_SIGNATURE_BYTES_MAX];
	const struct soj_header *header;
	size_t at;
	int rc;

	*chars = 0;
	if (set->signing == NULL)
		return -EPERM;
	if (bytes > SOJOURN_TOKEN_BYTES_MAX)
		return -EMSGSIZE;
	header = header_of(set, set->signing);
	*chars = header->chars + 1 + SOJ_B64_CHARS(bytes) + 1 +
		 SOJ_B64_CHARS(set->signing->signature_bytes);
	if (*chars > SOJOURN_TOKEN_BYTES_MAX)
		return -EMSGSIZE;
	if (*chars >= token_room)
		return -ENOSPC;
	memcpy(token, header->text, header->chars);
	at = header->chars;
	token[at++] = '.';
	at += soj_b64_encode(payload, bytes, token + at);
	rc = soj_sig_sign(set->signing, token, at, signature);
	/* The key was tried when it was loaded: what libcrypto lacks, of which
	 * it often says something else, is memory. */
	if (rc != 0)
		return rc == -EIO ? -ENOMEM : rc;
	token[at++] = '.';
	at += soj_b64_encode(signature, set->signing->signature_bytes,
			     token + at);
	/* With what is no secret it would be a token that is good. */
	soj_wipe(signature, sizeof(signature));
	token[at] = '\0';
	return 0;
}
