/* SPDX-License-Identifier: MIT */

/*
 * Verifying access tokens: signature, claims, segment, and then whether the
 * token was revoked, always in this order and always to the end: what is cached
 * (verified.c) stands for the first three only.
 */

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "token/keys.h"
#include "token/tokens.h"

int soj_token_refused(enum sojourn_token_reason reason)
{
	return soj_report(-EACCES, SOJOURN_REFUSED, "%s",
			  sojourn_token_reason_text(reason));
}

void soj_token_tell(const struct soj_verified *v,
		    struct sojourn_token_info *info)
{
	info->reason = SOJOURN_TOKEN_OK;
	memcpy(info->subject, v->subject, sizeof(info->subject));
	info->anchor[soj_b64_encode(v->anchor.bytes, SOJ_ANCHOR_BYTES,
				    info->anchor)] = 0;
	info->issued_unix_ms = v->iat_ms;
	info->not_before_unix_ms = v->nbf_ms;
	info->expires_unix_ms = v->exp_ms;
}

static uint64_t get_be64(const uint8_t *in)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | in[i];
	return value;
}

/* What the claim says that binds the token to the segment.  text may be NULL. */
static enum sojourn_token_reason read_binding(const struct sojourn_tokens *t,
					      const char *text, const char *sub,
					      struct soj_verified *v)
{
	uint8_t raw[SOJ_B64_BYTES(SOJ_B64_CHARS(SOJ_BINDING_BYTES))];
	size_t bytes;

	if (text == NULL || strlen(text) != SOJ_B64_CHARS(SOJ_BINDING_BYTES) ||
	    !soj_b64_decode(text, SOJ_B64_CHARS(SOJ_BINDING_BYTES), raw,
			    &bytes) ||
	    strlen(sub) >= sizeof(v->subject))
		return SOJOURN_TOKEN_ANCHOR;
	if (get_be64(raw + 32) != t->segment_tag)
		return SOJOURN_TOKEN_SEGMENT;
	memcpy(v->anchor.bytes, raw, SOJ_ANCHOR_BYTES);
	v->marks.anchor = get_be64(raw + 16);
	v->marks.subject = get_be64(raw + 24);
	memset(v->subject, 0, sizeof(v->subject));
	strcpy(v->subject, sub);
	return SOJOURN_TOKEN_OK;
}

/* v->claims, of which the signature is good. */
static enum sojourn_token_reason read_claims(const struct sojourn_tokens *t,
					     const struct soj_rules *rules,
					     struct soj_verified *v)
{
	const uint64_t now_ms = soj_tokens_unix_ms(t);
	enum sojourn_token_reason reason;
	struct soj_claims_own own;
	struct soj_claims claims;

	if (soj_claims_own((char *)v->claims, v->claims_bytes, rules, now_ms,
			   &own)) {
		v->exp_ms = own.exp_ms;
		v->nbf_ms = own.nbf_ms;
		v->iat_ms = own.iat_ms;
		return read_binding(t, own.anchor, own.sub, v);
	}
	reason = soj_claims_check((const char *)v->claims, v->claims_bytes,
				  rules, now_ms, &claims);
	if (reason != SOJOURN_TOKEN_OK)
		return reason;
	v->exp_ms = claims.exp_ms;
	v->nbf_ms = claims.nbf_ms;
	v->iat_ms = claims.iat_ms;
	reason = read_binding(t,
			      json_string_value(json_object_get(
				      claims.json, SOJ_CLAIM_ANCHOR)),
			      claims.sub, v);
	soj_claims_deinit(&claims);
	return reason;
}

enum sojourn_token_reason soj_token_read(const struct sojourn_tokens *t,
					 const struct soj_rules *rules,
					 const struct soj_keyset *set,
					 const char *token, size_t chars,
					 struct soj_verified *v)
{
	enum sojourn_token_reason reason;
	const struct soj_jwk *key;
	size_t bytes;

	reason = soj_jws_verify(set, rules->typ, rules->token_chars_max, token,
				chars, v->claims, &bytes, &key);
	if (reason != SOJOURN_TOKEN_OK)
		return reason;
	v->claims_bytes = bytes;
	return read_claims(t, rules, v);
}

/* The same, or from what is kept of another call. */
static enum sojourn_token_reason
read_or_remember(struct sojourn_tokens *t, const char *token, size_t chars,
		 struct soj_verified *v, bool *cached)
{
	const struct soj_keyset *set = soj_keyset_enter(&t->keys->ring);
	enum sojourn_token_reason reason;

	*cached = false;
	if (t->o.cache && chars <= t->rules.token_chars_max) {
		soj_verified_key(t, set, token, chars, v->key);
		*cached = soj_verified_get(t, v);
	}
	if (*cached)
		reason = soj_claims_times(&t->rules, soj_tokens_unix_ms(t),
					  v->exp_ms, v->nbf_ms, v->iat_ms);
	else
		reason = soj_token_read(t, &t->rules, set, token, chars, v);
	soj_keyset_exit(&t->keys->ring);
	return reason;
}

static enum sojourn_token_reason check_mark(struct sojourn_tokens *t,
					    const struct soj_verified *v)
{
	switch (soj_mark_check(t->s, &v->anchor, v->subject, &v->marks)) {
	case SOJ_MARKED_GOOD:
		return SOJOURN_TOKEN_OK;
	case SOJ_MARKED_OLD:
		return SOJOURN_TOKEN_TOO_OLD;
	case SOJ_MARKED_REVOKED:
		return SOJOURN_TOKEN_REVOKED;
	case SOJ_MARKED_RESTRICTED:
		return SOJOURN_TOKEN_RESTRICTED;
	case SOJ_MARKED_SUBJECT:
		return SOJOURN_TOKEN_SUBJECT;
	default:
		return SOJOURN_TOKEN_BUSY;
	}
}

/* What the caller wants of the claims. */
static int give_claims(const struct soj_verified *v, char *claims,
		       size_t *bytes)
{
	const size_t room = bytes ? *bytes : 0;

	if (bytes == NULL)
		return 0;
	*bytes = v->claims_bytes;
	if (claims == NULL)
		return 0;
	if (v->claims_bytes >= room)
		return soj_report(-ENOBUFS, SOJOURN_TOO_LARGE,
				  "the buffer is too small for the claims");
	memcpy(claims, v->claims, v->claims_bytes);
	claims[v->claims_bytes] = 0;
	return 0;
}

int sojourn_token_verify(struct sojourn_tokens *t, const char *token,
			 size_t chars, char *claims, size_t *bytes,
			 struct sojourn_token_info *info)
{
	enum sojourn_token_reason reason = SOJOURN_TOKEN_PARTS;
	struct soj_verified v;
	bool cached = false;
	int rc;

	if (info)
		memset(info, 0, sizeof(*info));
	if (token)
		reason = read_or_remember(t, token, chars, &v, &cached);
	if (reason == SOJOURN_TOKEN_OK &&
	    !(cached && SOJ_PLANT(TOKEN_CACHE_FINAL)))
		reason = check_mark(t, &v);
	if (reason != SOJOURN_TOKEN_OK) {
		if (info)
			info->reason = reason;
		return soj_done(t->s, soj_token_refused(reason));
	}
	if (t->o.cache && !cached)
		soj_verified_put(t, &v, soj_tokens_unix_ms(t));
	if (info) {
		soj_token_tell(&v, info);
		info->cached = cached;
	}
	rc = give_claims(&v, claims, bytes);
	if (cached)
		soj_open_wipe(t->s, &v, sizeof(v));
	return soj_done(t->s, rc < 0 ? rc : soj_ok());
}
