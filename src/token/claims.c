/* SPDX-License-Identifier: MIT */

/* Judging claims. */

#include "token/claims.h"

#include <string.h>

#include "token/json.h"

const char *soj_rules_error(const struct soj_rules *rules)
{
	if (rules->iss == NULL || *rules->iss == '\0')
		return "the issuer to expect (iss) is not said";
	if (rules->aud == NULL || *rules->aud == '\0')
		return "the audience to expect (aud) is not said";
	if (rules->skew_ms > SOJOURN_TOKEN_SKEW_MS_MAX)
		return "the tolerance of clocks is above 60 s";
	if (rules->token_chars_max > SOJOURN_TOKEN_BYTES_MAX)
		return "the limit of a token's size is above 16384 bytes";
	if ((unsigned)rules->typ > SOJ_TYP_JWT)
		return "the rule for typ is neither at+jwt nor at+jwt and JWT";
	return NULL;
}

/* To the nearest millisecond: a decimal fraction is rarely a double. */
static bool date_of(const json_t *value, uint64_t *ms)
{
	if (json_is_integer(value)) {
		const json_int_t s = json_integer_value(value);

		if (s < 0 || s > SOJ_DATE_S_MAX)
			return false;
		*ms = (uint64_t)s * 1000;
		return true;
	}
	if (json_is_real(value)) {
		const double s = json_real_value(value);

		if (!(s >= 0.0 && s <= (double)SOJ_DATE_S_MAX))
			return false;
		*ms = (uint64_t)(s * 1000.0 + 0.5);
		return true;
	}
	return false;
}

static bool equals(const json_t *value, const char *text)
{
	return json_is_string(value) &&
	       strcmp(json_string_value(value), text) == 0;
}

static enum sojourn_token_reason check_iss(const json_t *json,
					   const struct soj_rules *rules)
{
	const json_t *iss = json_object_get(json, "iss");

	if (iss == NULL)
		return SOJOURN_TOKEN_ISS_MISSING;
	if (!json_is_string(iss))
		return SOJOURN_TOKEN_ISS_TYPE;
	return equals(iss, rules->iss) ? SOJOURN_TOKEN_OK : SOJOURN_TOKEN_ISS;
}

static enum sojourn_token_reason check_aud(const json_t *json,
					   const struct soj_rules *rules)
{
	const json_t *aud = json_object_get(json, "aud");
	bool ours = false;
	json_t *one;
	size_t i;

	if (aud == NULL)
		return SOJOURN_TOKEN_AUD_MISSING;
	if (json_is_string(aud))
		return equals(aud, rules->aud) ? SOJOURN_TOKEN_OK
					       : SOJOURN_TOKEN_AUD;
	if (!json_is_array(aud))
		return SOJOURN_TOKEN_AUD_TYPE;
	json_array_foreach(aud, i, one)
	{
		if (!json_is_string(one))
			return SOJOURN_TOKEN_AUD_TYPE;
		ours = ours || equals(one, rules->aud);
	}
	return ours ? SOJOURN_TOKEN_OK : SOJOURN_TOKEN_AUD;
}

/* Is a moment further ahead than clocks may differ?  Cannot overflow. */
static bool is_ahead(const struct soj_rules *rules, uint64_t ms,
		     uint64_t now_ms)
{
	return ms > now_ms && ms - now_ms > rules->skew_ms &&
	       !(rules->optional & SOJ_UNTIMED);
}

/* At exp itself it is over (RFC 7519 4.1.4). */
static bool is_over(const struct soj_rules *rules, uint64_t exp_ms,
		    uint64_t now_ms)
{
	return now_ms >= exp_ms && now_ms - exp_ms >= rules->skew_ms &&
	       !(rules->optional & SOJ_UNTIMED);
}

enum sojourn_token_reason soj_claims_times(const struct soj_rules *rules,
					   uint64_t now_unix_ms,
					   uint64_t exp_ms, uint64_t nbf_ms,
					   uint64_t iat_ms)
{
	if (is_over(rules, exp_ms, now_unix_ms))
		return SOJOURN_TOKEN_EXPIRED;
	if (is_ahead(rules, nbf_ms, now_unix_ms))
		return SOJOURN_TOKEN_NOT_YET;
	if (is_ahead(rules, iat_ms, now_unix_ms))
		return SOJOURN_TOKEN_IAT_FUTURE;
	return SOJOURN_TOKEN_OK;
}

static enum sojourn_token_reason check_times(const json_t *json,
					     const struct soj_rules *rules,
					     uint64_t now_ms,
					     struct soj_claims *claims)
{
	const json_t *exp = json_object_get(json, "exp");
	const json_t *nbf = json_object_get(json, "nbf");
	const json_t *iat = json_object_get(json, "iat");

	if (exp == NULL)
		return SOJOURN_TOKEN_EXP_MISSING;
	if (!date_of(exp, &claims->exp_ms))
		return SOJOURN_TOKEN_EXP_TYPE;
	if (is_over(rules, claims->exp_ms, now_ms))
		return SOJOURN_TOKEN_EXPIRED;
	if (nbf != NULL && !date_of(nbf, &claims->nbf_ms))
		return SOJOURN_TOKEN_NBF_TYPE;
	if (is_ahead(rules, claims->nbf_ms, now_ms))
		return SOJOURN_TOKEN_NOT_YET;
	if (iat == NULL)
		return rules->optional & SOJ_OPTIONAL_IAT
			       ? SOJOURN_TOKEN_OK
			       : SOJOURN_TOKEN_IAT_MISSING;
	if (!date_of(iat, &claims->iat_ms))
		return SOJOURN_TOKEN_IAT_TYPE;
	if (is_ahead(rules, claims->iat_ms, now_ms))
		return SOJOURN_TOKEN_IAT_FUTURE;
	return SOJOURN_TOKEN_OK;
}

/* A string that is not empty. */
static enum sojourn_token_reason check_name(const json_t *json,
					    const char *name, bool optional,
					    enum sojourn_token_reason missing,
					    enum sojourn_token_reason type,
					    const char **text)
{
	const json_t *value = json_object_get(json, name);

	if (value == NULL)
		return optional ? SOJOURN_TOKEN_OK : missing;
	if (!json_is_string(value) || json_string_length(value) == 0)
		return type;
	*text = json_string_value(value);
	return SOJOURN_TOKEN_OK;
}

static enum sojourn_token_reason check(const json_t *json,
				       const struct soj_rules *rules,
				       uint64_t now_ms,
				       struct soj_claims *claims)
{
	enum sojourn_token_reason reason = check_iss(json, rules);

	if (reason == SOJOURN_TOKEN_OK)
		reason = check_aud(json, rules);
	if (reason == SOJOURN_TOKEN_OK)
		reason = check_times(json, rules, now_ms, claims);
	if (reason == SOJOURN_TOKEN_OK)
		reason = check_name(json, "sub",
				    rules->optional & SOJ_OPTIONAL_SUB,
				    SOJOURN_TOKEN_SUB_MISSING,
				    SOJOURN_TOKEN_SUB_TYPE, &claims->sub);
	if (reason == SOJOURN_TOKEN_OK)
		reason = check_name(json, "jti",
				    rules->optional & SOJ_OPTIONAL_JTI,
				    SOJOURN_TOKEN_JTI_MISSING,
				    SOJOURN_TOKEN_JTI_TYPE, &claims->jti);
	return reason;
}

static enum sojourn_token_reason reason_of(enum soj_json_fault fault)
{
	switch (fault) {
	case SOJ_JSON_DUPLICATE:
		return SOJOURN_TOKEN_CLAIMS_DUPLICATE;
	case SOJ_JSON_DEPTH:
		return SOJOURN_TOKEN_CLAIMS_DEPTH;
	case SOJ_JSON_NUMBER:
		return SOJOURN_TOKEN_CLAIMS_NUMBER;
	case SOJ_JSON_MEMORY:
		return SOJOURN_TOKEN_INTERNAL;
	default:
		return SOJOURN_TOKEN_CLAIMS_JSON;
	}
}

void soj_claims_deinit(struct soj_claims *claims)
{
	json_decref(claims->json);
	memset(claims, 0, sizeof(*claims));
}

enum sojourn_token_reason soj_claims_check(const char *text, size_t bytes,
					   const struct soj_rules *rules,
					   uint64_t now_unix_ms,
					   struct soj_claims *claims)
{
	enum sojourn_token_reason reason;
	enum soj_json_fault fault;

	memset(claims, 0, sizeof(*claims));
	if (soj_rules_error(rules) != NULL)
		return SOJOURN_TOKEN_INTERNAL;
	claims->json = soj_json_parse(text, bytes, &fault);
	if (claims->json == NULL)
		return reason_of(fault);
	reason = check(claims->json, rules, now_unix_ms, claims);
	if (reason != SOJOURN_TOKEN_OK)
		soj_claims_deinit(claims);
	return reason;
}

enum sojourn_token_reason soj_token_check(const struct soj_keyset *set,
					  const struct soj_rules *rules,
					  uint64_t now_unix_ms,
					  const char *token, size_t chars,
					  struct soj_claims *claims)
{
	const size_t chars_max = rules->token_chars_max != 0
					 ? rules->token_chars_max
					 : SOJOURN_TOKEN_BYTES;
	uint8_t room[SOJ_JWS_ROOM];
	enum sojourn_token_reason reason;
	const struct soj_jwk *key;
	size_t bytes;

	memset(claims, 0, sizeof(*claims));
	reason = soj_jws_verify(set, rules->typ, chars_max, token, chars, room,
				&bytes, &key);
	if (reason == SOJOURN_TOKEN_OK)
		reason = soj_claims_check((const char *)room, bytes, rules,
					  now_unix_ms, claims);
	if (reason == SOJOURN_TOKEN_OK)
		strcpy(claims->kid, key->kid);
	return reason;
}
