/* SPDX-License-Identifier: MIT */

/*
 * Access tokens of a segment: options, and the making of pairs.
 *
 * The claim "sjn" binds a token to its login, to its place in the orders of
 * revocations and to the segment:
 *
 *   base64url(anchor 16 | mark for the anchor 8 | mark for the subject 8 |
 *             tag of the segment 8), numbers big-endian
 *
 * The anchor of a pair is the keyed digest under which the refresh token's
 * family is found: 128 bits that look random to all without the segment's key
 * and do not lead back to the token.  So the family of an access token, and the
 * anchor of a refresh token, are found without a table.  An access token that
 * has no refresh token has a random one.
 *
 * Two clocks: iat, nbf and exp are Unix time, as who reads a token has no other
 * clock; the marks are of the segment's, which nobody can step (revoke.c).
 *
 * A pair is made in this order: the marks, then the family, then the access
 * token.  With the marks first, a token that is issued while all of its subject
 * is revoked is refused if its family is ended (refresh.c).  All that can be
 * wrong with the claims is found before the family is made.
 *
 * Crash table: killed before the answer: a family whose token nobody knows; it
 * ends with its time.  Stop table: nothing is held; a mark only gets older, and
 * an older one is refused earlier.
 */

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fault.h"
#include "session/rotate.h"
#include "token/keys.h"
#include "token/tokens.h"

static_assert(SOJOURN_REFRESH_CHARS == SOJ_ROTATE_CHARS, "length of a token");
static_assert(SOJOURN_ANCHOR_CHARS == SOJ_B64_CHARS(SOJ_ANCHOR_BYTES),
	      "length of an anchor");
static_assert(SOJ_ANCHOR_BYTES == sizeof(struct soj_digest),
	      "an anchor is a digest");
static_assert(SOJOURN_CLAIMS_BYTES_MAX < SOJ_JWS_ROOM, "claims fit");

#define JTI_BYTES 12u

/* ---- options ---- */

void sojourn_token_options_init(struct sojourn_token_options *o)
{
	*o = (struct sojourn_token_options){
		.access_ttl_ms = 600000,
		.skew_ms = 5000,
		.token_bytes_max = SOJOURN_TOKEN_BYTES,
	};
}

/* What a token's life may be longer than its ttl: exp is a whole second.  By as
 * much nbf may come later. */
#define ROUNDING_MS 1000u
static_assert(SOJOURN_TOKEN_TTL_MS_MIN >= ROUNDING_MS, "no ttl is less");

static int check_options(const struct sojourn *s,
			 const struct sojourn_token_options *o)
{
	const struct soj_rules rules = {
		.iss = o->issuer,
		.aud = o->audience,
		.skew_ms = o->skew_ms,
		.token_chars_max = o->token_bytes_max,
	};
	const uint64_t kept_ms = soj_revocation_ms(s);
	const char *why = soj_rules_error(&rules);

	if (why)
		return soj_report(-EINVAL, SOJOURN_INVALID, "%s", why);
	if (o->access_ttl_ms < SOJOURN_TOKEN_TTL_MS_MIN ||
	    o->access_ttl_ms > kept_ms ||
	    kept_ms - o->access_ttl_ms <
		    SOJOURN_TOKEN_SKEW_MS_MAX + ROUNDING_MS)
		return soj_report(
			-EINVAL, SOJOURN_INVALID,
			"access_ttl_ms is %llu, but must be at least %u, and "
			"with %u for skew at most %llu, the ttl of the "
			"collection revoked",
			(unsigned long long)o->access_ttl_ms,
			SOJOURN_TOKEN_TTL_MS_MIN,
			SOJOURN_TOKEN_SKEW_MS_MAX + ROUNDING_MS,
			(unsigned long long)kept_ms);
	return 0;
}

static void digest_rules(struct sojourn_tokens *t)
{
	const uint64_t numbers[2] = {t->rules.token_chars_max, t->rules.typ};
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, sizeof(t->rules_digest));
	/* With their NUL, so that they cannot run into each other. */
	crypto_generichash_update(&state, (const uint8_t *)t->rules.iss,
				  strlen(t->rules.iss) + 1);
	crypto_generichash_update(&state, (const uint8_t *)t->rules.aud,
				  strlen(t->rules.aud) + 1);
	crypto_generichash_update(&state, (const uint8_t *)numbers,
				  sizeof(numbers));
	crypto_generichash_final(&state, t->rules_digest,
				 sizeof(t->rules_digest));
}

int sojourn_tokens_open(struct sojourn *s, struct sojourn_keys *keys,
			const struct sojourn_token_options *options,
			struct sojourn_tokens **out)
{
	struct sojourn_tokens *t;
	int rc;

	*out = NULL;
	if (s == NULL || keys == NULL || options == NULL)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "segment, keys or options are NULL");
	rc = check_options(s, options);
	if (rc < 0)
		return rc;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return soj_report_errno(-ENOMEM);
	t->s = s;
	t->keys = keys;
	t->o = *options;
	t->issuer = strdup(options->issuer);
	t->audience = strdup(options->audience);
	if (t->issuer == NULL || t->audience == NULL) {
		sojourn_tokens_close(t);
		return soj_report_errno(-ENOMEM);
	}
	t->rules.iss = t->issuer;
	t->rules.aud = t->audience;
	t->rules.skew_ms = t->o.skew_ms;
	t->rules.token_chars_max = t->o.token_bytes_max ? t->o.token_bytes_max
							: SOJOURN_TOKEN_BYTES;
	t->segment_tag = soj_segment_tag(s);
	digest_rules(t);
	*out = t;
	return soj_ok();
}

void sojourn_tokens_close(struct sojourn_tokens *t)
{
	if (t == NULL)
		return;
	free(t->issuer);
	free(t->audience);
	free(t);
}

uint64_t soj_tokens_unix_ms(const struct sojourn_tokens *t)
{
	struct timespec now;

	if (t->o.unix_ms)
		return t->o.unix_ms(t->o.unix_arg);
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- anchors ---- */

bool soj_token_family(const struct sojourn_tokens *t, const char *refresh,
		      struct soj_anchor *anchor, struct soj_digest *digest)
{
	if (!soj_rotate_digest(t->s, SOJ_COLLECTION_REFRESH, refresh, digest))
		return false;
	memcpy(anchor->bytes, digest->word, SOJ_ANCHOR_BYTES);
	return true;
}

struct soj_digest soj_token_digest(const struct soj_anchor *anchor)
{
	struct soj_digest digest;

	memcpy(digest.word, anchor->bytes, SOJ_ANCHOR_BYTES);
	return digest;
}

static void put_be64(uint8_t *out, uint64_t value)
{
	for (unsigned i = 8; i-- > 0; value >>= 8)
		out[i] = (uint8_t)value;
}

static void write_claim(const struct sojourn_tokens *t,
			const struct soj_issue *issue,
			char text[SOJ_B64_CHARS(SOJ_BINDING_BYTES) + 1])
{
	uint8_t raw[SOJ_BINDING_BYTES];

	memcpy(raw, issue->anchor.bytes, SOJ_ANCHOR_BYTES);
	put_be64(raw + 16, issue->marks.anchor);
	put_be64(raw + 24, issue->marks.subject);
	put_be64(raw + 32, t->segment_tag);
	text[soj_b64_encode(raw, sizeof(raw), text)] = 0;
}

/* ---- issuing ---- */

static uint64_t up_to_second(uint64_t ms)
{
	return (ms + 999) / 1000 * 1000;
}

/* Signs, or says how long it would be.  0 or a reported error. */
static int sign(struct sojourn_tokens *t, const struct soj_issue *issue,
		const void *payload, size_t payload_bytes, char *access,
		size_t *bytes)
{
	const size_t room = *bytes;
	const struct soj_keyset *set = soj_keyset_enter(&t->keys->ring);
	int rc = soj_jws_sign(set, payload, payload_bytes, access,
			      issue->dry ? 0 : room, bytes);

	soj_keyset_exit(&t->keys->ring);
	if (issue->dry && rc == -ENOSPC && *bytes < room)
		rc = 0;
	if (*bytes > t->rules.token_chars_max || rc == -EMSGSIZE)
		return soj_report(-EMSGSIZE, SOJOURN_TOO_LARGE,
				  "the token would be longer than the limit of "
				  "%u bytes",
				  t->rules.token_chars_max);
	if (rc == -ENOSPC)
		return soj_report(-ENOBUFS, SOJOURN_TOO_LARGE,
				  "the buffer is too small for the token");
	if (rc == -EPERM)
		return soj_report(rc, SOJOURN_INVALID,
				  "the keys can only verify");
	return rc == 0 ? 0
		       : soj_report(rc, SOJOURN_SYSTEM,
				    "libcrypto could not sign: this process is "
				    "out of memory");
}

int soj_token_issue(struct sojourn_tokens *t, const struct soj_issue *issue,
		    char *access, size_t *bytes,
		    struct sojourn_token_info *info)
{
	const uint64_t now_ms = soj_tokens_unix_ms(t);
	const uint64_t ttl_ms =
		issue->ttl_ms ? issue->ttl_ms : t->o.access_ttl_ms;
	char anchor[SOJ_B64_CHARS(SOJ_BINDING_BYTES) + 1],
		jti[SOJ_B64_CHARS(JTI_BYTES) + 1];
	char payload[SOJ_JWS_ROOM];
	uint8_t raw[JTI_BYTES];
	struct soj_claims_new what = {
		.iss = t->rules.iss,
		.aud = t->rules.aud,
		.sub = issue->subject,
		.jti = jti,
		.anchor = anchor,
		.iat_ms = now_ms / 1000 * 1000,
		.exp_ms = up_to_second(now_ms + ttl_ms),
		.more = issue->claims,
		.more_bytes = issue->claims_bytes,
	};
	const char *why;
	size_t used;
	int rc;

	if (issue->not_before_ms)
		what.nbf_ms = up_to_second(now_ms + issue->not_before_ms);
	soj_random(raw, sizeof(raw));
	jti[soj_b64_encode(raw, sizeof(raw), jti)] = 0;
	write_claim(t, issue, anchor);
	rc = soj_claims_make(&what, payload, sizeof(payload), &used, &why);
	if (rc == -EINVAL)
		return soj_report(rc, SOJOURN_INVALID, "%s", why);
	if (rc == -ENOSPC || (rc == 0 && used > SOJOURN_CLAIMS_BYTES_MAX))
		return soj_report(-EMSGSIZE, SOJOURN_TOO_LARGE,
				  "the claims have %zu bytes, but at most %u "
				  "are allowed",
				  used, SOJOURN_CLAIMS_BYTES_MAX);
	if (rc < 0)
		return soj_report_errno(rc);
	rc = sign(t, issue, payload, used, access, bytes);
	if (rc == 0 && info) {
		struct soj_verified v = {.exp_ms = what.exp_ms,
					 .nbf_ms = what.nbf_ms,
					 .iat_ms = what.iat_ms,
					 .anchor = issue->anchor};

		strcpy(v.subject, issue->subject);
		soj_token_tell(&v, info);
	}
	return rc;
}

/* ---- pairs ---- */

static int check_new(const struct sojourn_tokens *t,
		     const struct sojourn_token_new *what)
{
	const uint64_t ttl_ms =
		what->access_ttl_ms ? what->access_ttl_ms : t->o.access_ttl_ms;
	const int rc = soj_subject_check(what->subject);

	if (rc < 0)
		return rc;
	if (what->claims == NULL && what->claims_bytes > 0)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "claims is NULL, but claims_bytes is %zu",
				  what->claims_bytes);
	/* They are kept as they came, and the next refresh reads them. */
	if (what->claims_bytes > SOJOURN_CLAIMS_BYTES_MAX)
		return soj_report(-EMSGSIZE, SOJOURN_TOO_LARGE,
				  "the claims have %zu bytes, but at most %u "
				  "are allowed",
				  what->claims_bytes, SOJOURN_CLAIMS_BYTES_MAX);
	if (what->access_ttl_ms &&
	    (what->access_ttl_ms < SOJOURN_TOKEN_TTL_MS_MIN ||
	     what->access_ttl_ms > t->o.access_ttl_ms))
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "access_ttl_ms is %llu, but must be 0 or %u "
				  "to %llu, that of the options",
				  (unsigned long long)what->access_ttl_ms,
				  SOJOURN_TOKEN_TTL_MS_MIN,
				  (unsigned long long)t->o.access_ttl_ms);
	if (what->not_before_ms > ttl_ms - ROUNDING_MS)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "not_before_ms is %llu, but must be at least "
				  "%u less than the token's ttl, which is %llu",
				  (unsigned long long)what->not_before_ms,
				  ROUNDING_MS, (unsigned long long)ttl_ms);
	return 0;
}

/* Makes the family, and the access token for it. */
static int create_pair(struct sojourn_tokens *t,
		       const struct sojourn_token_new *what,
		       struct soj_issue *issue, char *access, size_t *bytes,
		       char *refresh, struct sojourn_token_info *info)
{
	const struct sojourn_new family = {
		.subject = what->subject,
		.data = what->claims_bytes ? what->claims : NULL,
		.data_bytes = what->claims_bytes,
		.metadata = what->metadata,
		.ttl_ms = what->refresh_ttl_ms,
	};
	const size_t room = *bytes;
	struct sojourn_info about;
	struct soj_digest digest;
	struct soj_said said;
	int rc;

	issue->dry = true;
	rc = soj_token_issue(t, issue, NULL, bytes, NULL);
	if (rc == 0)
		rc = soj_rotate_create(t->s, SOJ_COLLECTION_REFRESH, &family,
				       refresh, &about);
	if (rc < 0)
		return rc;
	SOJ_STEP("token.family");
	soj_token_family(t, refresh, &issue->anchor, &digest);
	issue->dry = false;
	*bytes = room;
	rc = soj_token_issue(t, issue, access, bytes, info);
	if (rc == 0 && info)
		memcpy(info->handle, about.handle, sizeof(info->handle));
	if (rc == 0)
		return 0;
	soj_say_keep(&said);
	if (soj_session_delete_named(t->s, &digest) >= 0)
		soj_say_again(&said);
	soj_wipe(refresh, SOJ_ROTATE_CHARS + 1);
	return rc;
}

static int create(struct sojourn_tokens *t,
		  const struct sojourn_token_new *what, char *access,
		  size_t *bytes, char *refresh, struct sojourn_token_info *info)
{
	struct soj_issue issue = {
		.subject = what->subject,
		.claims = what->claims_bytes ? what->claims : NULL,
		.claims_bytes = what->claims_bytes,
		.ttl_ms = what->access_ttl_ms,
		.not_before_ms = what->not_before_ms,
	};
	int rc = check_new(t, what);

	if (rc == 0)
		rc = soj_mark_new(t->s, NULL, what->subject, &issue.marks);
	SOJ_STEP("token.marked");
	if (rc < 0)
		return rc;
	if (refresh)
		return create_pair(t, what, &issue, access, bytes, refresh,
				   info);
	soj_random(issue.anchor.bytes, sizeof(issue.anchor.bytes));
	return soj_token_issue(t, &issue, access, bytes, info);
}

int sojourn_token_create(struct sojourn_tokens *t,
			 const struct sojourn_token_new *what, char *access,
			 size_t *bytes, char refresh[SOJOURN_REFRESH_CHARS + 1],
			 struct sojourn_token_info *info)
{
	const size_t room = access ? *bytes : 0;
	int rc;

	if (refresh)
		refresh[0] = 0;
	if (room)
		access[0] = 0;
	if (info)
		memset(info, 0, sizeof(*info));
	rc = create(t, what, access, bytes, refresh, info);
	/* It may have been written all but for its signature. */
	if (rc < 0 && room)
		soj_wipe(access, room);
	return soj_done(t->s, rc < 0 ? rc : soj_ok());
}
