/* SPDX-License-Identifier: MIT */

/*
 * Token bytes.  As they are; and, because no fuzzer finds a signature, with the
 * last part replaced by a good one, so that what lies behind is reached.
 *
 * Checked besides memory: nothing passes that is not signed; the short cuts for
 * headers say what the long way says; a text that is decoded and encoded again
 * is the same.
 */

#include <stdlib.h>
#include <string.h>

#include "lib_jose.h"
#include "token/sig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_base64(const char *text, size_t chars)
{
	uint8_t *out = malloc(SOJ_B64_BYTES(chars));
	char *again = malloc(chars + 4);
	size_t bytes;

	if (soj_b64_decode(text, chars, out, &bytes)) {
		MUST(bytes <= SOJ_B64_BYTES(chars));
		MUST(soj_b64_encode(out, bytes, again) == chars);
		MUST(memcmp(text, again, chars) == 0);
	}
	free(out);
	free(again);
}

static enum sojourn_token_reason check(const struct soj_keyset *set,
				       const char *token, size_t chars)
{
	struct soj_claims claims;
	enum sojourn_token_reason reason = soj_token_check(
		set, &fuzz_rules, FUZZ_NOW_MS, token, chars, &claims);

	MUST(reason != SOJOURN_TOKEN_INTERNAL);
	MUST(strcmp(sojourn_token_reason_name(reason), "unknown") != 0);
	MUST((reason == SOJOURN_TOKEN_OK) == (claims.json != NULL));
	if (reason == SOJOURN_TOKEN_OK) {
		MUST(claims.sub != NULL && claims.jti != NULL);
		MUST(claims.exp_ms + fuzz_rules.skew_ms > FUZZ_NOW_MS);
	}
	soj_claims_deinit(&claims);
	return reason;
}

/* The second time a short cut is taken, if there is one. */
static void check_header(const struct soj_keyset *set, const char *token,
			 size_t chars, size_t header_chars)
{
	uint8_t room[SOJ_JWS_ROOM];
	const struct soj_jwk *key;
	const enum sojourn_token_reason first = check(set, token, chars);
	enum sojourn_token_reason header;

	MUST(check(set, token, chars) == first);
	if (first == SOJOURN_TOKEN_TOO_LONG || first == SOJOURN_TOKEN_PARTS)
		return;
	header = soj_jws_header(set, fuzz_rules.typ, token, header_chars, room,
				&key);
	MUST((header == SOJOURN_TOKEN_OK) == (key != NULL));
	if (header != SOJOURN_TOKEN_OK)
		MUST(first == header);
	else
		MUST(first == SOJOURN_TOKEN_OK ||
		     first >= SOJOURN_TOKEN_SIGNATURE_BASE64);
}

static void check_signed(const struct soj_keyset *set, const char *token,
			 size_t chars, size_t header_chars)
{
	char *copy = malloc(chars + 64);
	uint8_t sig[32];

	memcpy(copy, token, chars);
	MUST(soj_sig_sign(set->keys[0], copy, chars, sig) == 0);
	copy[chars++] = '.';
	chars += soj_b64_encode(sig, sizeof(sig), copy + chars);
	check_header(set, copy, chars, header_chars);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const char *token = (const char *)data;
	const char *dot = bytes > 0 ? memchr(token, '.', bytes) : NULL;
	const char *second = NULL;
	size_t header_chars;

	if (bytes == 0)
		return 0;
	if (dot != NULL)
		second =
			memchr(dot + 1, '.', bytes - (size_t)(dot + 1 - token));
	check_base64(token, dot != NULL ? (size_t)(dot - token) : bytes);
	header_chars = dot != NULL ? (size_t)(dot - token) : 0;
	check_header(fuzz_set(), token, bytes, header_chars);
	check_header(fuzz_single(), token, bytes, header_chars);
	if (second == NULL)
		return 0;
	check_signed(fuzz_set(), token, (size_t)(second - token), header_chars);
	check_signed(fuzz_single(), token, (size_t)(second - token),
		     header_chars);
	return 0;
}
