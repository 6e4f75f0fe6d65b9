/* SPDX-License-Identifier: MIT */

/*
 * Judging a header.  "jku", "x5u", "jwk", "x5c" and whatever else it has are
 * not looked at: a token does not say with which key to verify it, it only
 * picks one of ours.
 */

#include <string.h>

#include "token/json.h"
#include "token/jws.h"

/* RFC 2045: names of media types are compared without regard to case. */
static bool same_name(const char *a, const char *lower)
{
	for (; *a != '\0' && *lower != '\0'; a++, lower++) {
		const char c = *a >= 'A' && *a <= 'Z' ? (char)(*a | 0x20) : *a;

		if (c != *lower)
			return false;
	}
	return *a == *lower;
}

static const char *string_of(const json_t *header, const char *name)
{
	return json_string_value(json_object_get(header, name));
}

static bool typ_good(const json_t *header, enum soj_typ typ)
{
	const char *text = string_of(header, "typ");

	if (typ == SOJ_TYP_ANY)
		return true;
	if (json_object_get(header, "typ") == NULL)
		return typ == SOJ_TYP_JWT;
	if (text == NULL)
		return false;
	if (same_name(text, "at+jwt") || same_name(text, "application/at+jwt"))
		return true;
	return typ == SOJ_TYP_JWT &&
	       (same_name(text, "jwt") || same_name(text, "application/jwt"));
}

static enum sojourn_token_reason judge_alg(const json_t *header,
					   const struct soj_alg **alg)
{
	const char *name = string_of(header, "alg");

	if (name == NULL)
		return SOJOURN_TOKEN_ALG_MISSING;
	if (same_name(name, "none"))
		return SOJOURN_TOKEN_ALG_NONE;
	*alg = soj_alg_by_name(name);
	return *alg != NULL ? SOJOURN_TOKEN_OK : SOJOURN_TOKEN_ALG_UNKNOWN;
}

static enum sojourn_token_reason judge_kid(const struct soj_keyset *set,
					   const json_t *header,
					   const struct soj_jwk **key)
{
	const json_t *kid = json_object_get(header, "kid");
	const size_t chars = json_string_length(kid);

	if (kid == NULL) {
		if (set->count != 1)
			return SOJOURN_TOKEN_KID_MISSING;
		*key = set->keys[0];
		return SOJOURN_TOKEN_OK;
	}
	if (!json_is_string(kid) ||
	    !soj_kid_valid(json_string_value(kid), chars))
		return SOJOURN_TOKEN_KID_INVALID;
	*key = soj_keyset_find(set, json_string_value(kid), chars);
	return *key != NULL ? SOJOURN_TOKEN_OK : SOJOURN_TOKEN_KEY_UNKNOWN;
}

static enum sojourn_token_reason judge(const struct soj_keyset *set,
				       enum soj_typ typ, const json_t *header,
				       const struct soj_jwk **key)
{
	const struct soj_alg *alg = NULL;
	enum sojourn_token_reason reason = judge_alg(header, &alg);

	if (reason != SOJOURN_TOKEN_OK)
		return reason;
	if (json_object_get(header, "crit") != NULL)
		return SOJOURN_TOKEN_CRIT;
	if (!typ_good(header, typ))
		return SOJOURN_TOKEN_TYP;
	reason = judge_kid(set, header, key);
	if (reason == SOJOURN_TOKEN_OK && (*key)->alg != alg)
		reason = SOJOURN_TOKEN_ALG_MISMATCH;
	return reason;
}

static enum sojourn_token_reason reason_of(enum soj_json_fault fault)
{
	switch (fault) {
	case SOJ_JSON_DUPLICATE:
		return SOJOURN_TOKEN_HEADER_DUPLICATE;
	case SOJ_JSON_DEPTH:
		return SOJOURN_TOKEN_HEADER_DEPTH;
	case SOJ_JSON_MEMORY:
		return SOJOURN_TOKEN_INTERNAL;
	default:
		return SOJOURN_TOKEN_HEADER_JSON;
	}
}

enum sojourn_token_reason soj_jws_header(const struct soj_keyset *set,
					 enum soj_typ typ, const char *header,
					 size_t chars,
					 uint8_t room[SOJ_JWS_ROOM],
					 const struct soj_jwk **key)
{
	enum sojourn_token_reason reason;
	enum soj_json_fault fault;
	json_t *json;
	size_t bytes;

	*key = NULL;
	if (!soj_b64_decode(header, chars, room, &bytes))
		return SOJOURN_TOKEN_HEADER_BASE64;
	json = soj_json_parse((const char *)room, bytes, &fault);
	if (json == NULL)
		return reason_of(fault);
	reason = judge(set, typ, json, key);
	json_decref(json);
	if (reason != SOJOURN_TOKEN_OK)
		*key = NULL;
	return reason;
}
