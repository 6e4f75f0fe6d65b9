/* SPDX-License-Identifier: MIT */

/* The reasons for which a token is refused, in words.  The texts name rules and
 * never what stood in the token. */

#include <stddef.h>

#include <sojourn/token.h>

static const struct {
	enum sojourn_token_reason reason;
	const char *name, *text;
} reasons[] = {
	{SOJOURN_TOKEN_OK, "ok", "the token is good"},
	{SOJOURN_TOKEN_INTERNAL, "internal",
	 "the token could not be judged: out of memory, invalid rules, or "
	 "libcrypto failed"},
	{SOJOURN_TOKEN_TOO_LONG, "too_long",
	 "the token is longer than the limit"},
	{SOJOURN_TOKEN_PARTS, "parts",
	 "the token is not three parts with two dots between"},
	{SOJOURN_TOKEN_HEADER_BASE64, "header_base64",
	 "the header is not canonical base64url without padding"},
	{SOJOURN_TOKEN_HEADER_JSON, "header_json",
	 "the header is not one JSON object"},
	{SOJOURN_TOKEN_HEADER_DUPLICATE, "header_duplicate",
	 "the header has a name twice"},
	{SOJOURN_TOKEN_HEADER_DEPTH, "header_depth",
	 "the header has more than 32 levels"},
	{SOJOURN_TOKEN_ALG_MISSING, "alg_missing",
	 "the header has no alg, or it is not a string"},
	{SOJOURN_TOKEN_ALG_NONE, "alg_none",
	 "the token is not signed: alg is none"},
	{SOJOURN_TOKEN_ALG_UNKNOWN, "alg_unknown",
	 "alg is none of HS, RS, PS, ES with 256, 384, 512 and EdDSA"},
	{SOJOURN_TOKEN_CRIT, "crit",
	 "crit demands an extension, and none is known here"},
	{SOJOURN_TOKEN_TYP, "typ",
	 "typ is not at+jwt: this is no access token"},
	{SOJOURN_TOKEN_KID_INVALID, "kid_invalid",
	 "kid is not 1 to 128 letters, digits or -._~:/+=@"},
	{SOJOURN_TOKEN_KID_MISSING, "kid_missing",
	 "the header has no kid, and there are several keys"},
	{SOJOURN_TOKEN_KEY_UNKNOWN, "key_unknown",
	 "no key of the set has the token's kid"},
	{SOJOURN_TOKEN_ALG_MISMATCH, "alg_mismatch",
	 "alg is not the algorithm of the key"},
	{SOJOURN_TOKEN_SIGNATURE_BASE64, "signature_base64",
	 "the signature is not canonical base64url without padding"},
	{SOJOURN_TOKEN_SIGNATURE_SIZE, "signature_size",
	 "the signature is not as long as those of the key"},
	{SOJOURN_TOKEN_SIGNATURE, "signature",
	 "the signature does not fit the token and the key"},
	{SOJOURN_TOKEN_CLAIMS_BASE64, "claims_base64",
	 "the claims are not canonical base64url without padding"},
	{SOJOURN_TOKEN_CLAIMS_JSON, "claims_json",
	 "the claims are not one JSON object"},
	{SOJOURN_TOKEN_CLAIMS_DUPLICATE, "claims_duplicate",
	 "the claims have a name twice"},
	{SOJOURN_TOKEN_CLAIMS_DEPTH, "claims_depth",
	 "the claims have more than 32 levels"},
	{SOJOURN_TOKEN_CLAIMS_NUMBER, "claims_number",
	 "the claims have a number out of range"},
	{SOJOURN_TOKEN_ISS_MISSING, "iss_missing", "iss is missing"},
	{SOJOURN_TOKEN_ISS_TYPE, "iss_type", "iss is not a string"},
	{SOJOURN_TOKEN_ISS, "iss", "iss is not the issuer that is expected"},
	{SOJOURN_TOKEN_AUD_MISSING, "aud_missing", "aud is missing"},
	{SOJOURN_TOKEN_AUD_TYPE, "aud_type",
	 "aud is neither a string nor an array of strings"},
	{SOJOURN_TOKEN_AUD, "aud", "the token is for another audience"},
	{SOJOURN_TOKEN_EXP_MISSING, "exp_missing", "exp is missing"},
	{SOJOURN_TOKEN_EXP_TYPE, "exp_type",
	 "exp is not a number of seconds in the years 1970 to 9999"},
	{SOJOURN_TOKEN_EXPIRED, "expired", "the token has expired (exp)"},
	{SOJOURN_TOKEN_NBF_TYPE, "nbf_type",
	 "nbf is not a number of seconds in the years 1970 to 9999"},
	{SOJOURN_TOKEN_NOT_YET, "not_yet", "the token is not valid yet (nbf)"},
	{SOJOURN_TOKEN_IAT_MISSING, "iat_missing", "iat is missing"},
	{SOJOURN_TOKEN_IAT_TYPE, "iat_type",
	 "iat is not a number of seconds in the years 1970 to 9999"},
	{SOJOURN_TOKEN_IAT_FUTURE, "iat_future",
	 "the token was issued in the future (iat)"},
	{SOJOURN_TOKEN_SUB_MISSING, "sub_missing", "sub is missing"},
	{SOJOURN_TOKEN_SUB_TYPE, "sub_type",
	 "sub is not a string, or is empty"},
	{SOJOURN_TOKEN_JTI_MISSING, "jti_missing", "jti is missing"},
	{SOJOURN_TOKEN_JTI_TYPE, "jti_type",
	 "jti is not a string, or is empty"},
	{SOJOURN_TOKEN_ANCHOR, "anchor",
	 "the token has no claim of this library, or one that is none"},
	{SOJOURN_TOKEN_SEGMENT, "segment",
	 "the token was issued in another segment, or before the segment was "
	 "made anew"},
	{SOJOURN_TOKEN_TOO_OLD, "too_old",
	 "the token is older than revocations are kept"},
	{SOJOURN_TOKEN_REVOKED, "revoked", "the token's login was revoked"},
	{SOJOURN_TOKEN_RESTRICTED, "restricted",
	 "the tokens that the login had were revoked after this one was "
	 "issued"},
	{SOJOURN_TOKEN_SUBJECT, "subject",
	 "all tokens of the subject were revoked after this one was issued"},
	{SOJOURN_TOKEN_BUSY, "busy",
	 "it could not be told whether the token was revoked: try again"},
};

#define REASONS (sizeof(reasons) / sizeof(reasons[0]))

const char *sojourn_token_reason_name(enum sojourn_token_reason reason)
{
	for (size_t i = 0; i < REASONS; i++)
		if (reasons[i].reason == reason)
			return reasons[i].name;
	return "unknown";
}

const char *sojourn_token_reason_text(enum sojourn_token_reason reason)
{
	for (size_t i = 0; i < REASONS; i++)
		if (reasons[i].reason == reason)
			return reasons[i].text;
	return "unknown reason";
}
