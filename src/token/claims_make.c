/* SPDX-License-Identifier: MIT */

/* Making the claims of a token. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "token/claims.h"
#include "token/json.h"

static const char *const own_names[] = {
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", SOJ_CLAIM_ANCHOR,
};

/* A text that is written as far as there is room, and measured. */
struct out {
	char *buf;
	size_t room, bytes;
};

static void put(struct out *out, const char *text, size_t bytes)
{
	if (out->bytes + bytes < out->room)
		memcpy(out->buf + out->bytes, text, bytes);
	out->bytes += bytes;
}

static void put_text(struct out *out, const char *text)
{
	put(out, text, strlen(text));
}

static int put_dump(const char *text, size_t bytes, void *out)
{
	put(out, text, bytes);
	return 0;
}

static void put_name(struct out *out, const char *name)
{
	put_text(out, out->bytes > 1 ? ",\"" : "\"");
	put_text(out, name);
	put_text(out, "\":");
}

/* -EINVAL if it is not UTF-8, which json_string() does not tell from a lack of
 * memory. */
static int put_string(struct out *out, const char *name, const char *value)
{
	json_error_t error;
	json_t *json;
	int rc;

	if (value == NULL)
		return 0;
	json = json_pack_ex(&error, 0, "s", value);
	if (json == NULL)
		return json_error_code(&error) == json_error_invalid_utf8
			       ? -EINVAL
			       : -ENOMEM;
	put_name(out, name);
	rc = json_dump_callback(json, put_dump, out, JSON_ENCODE_ANY);
	json_decref(json);
	return rc == 0 ? 0 : -ENOMEM;
}

/* Seconds, with three decimals unless they are zero. */
static void put_date(struct out *out, const char *name, uint64_t ms)
{
	char text[32];

	if (ms == 0)
		return;
	put_name(out, name);
	if (ms % 1000 == 0)
		snprintf(text, sizeof(text), "%" PRIu64, ms / 1000);
	else
		snprintf(text, sizeof(text), "%" PRIu64 ".%03u", ms / 1000,
			 (unsigned)(ms % 1000));
	put_text(out, text);
}

static const char *more_error(const json_t *more, enum soj_json_fault fault)
{
	if (fault == SOJ_JSON_DUPLICATE)
		return "the claims have a name twice";
	if (fault == SOJ_JSON_DEPTH)
		return "the claims have more than 32 levels";
	if (fault == SOJ_JSON_NUMBER)
		return "the claims have a number out of range";
	if (more == NULL)
		return "the claims are not one JSON object";
	for (size_t i = 0; i < sizeof(own_names) / sizeof(*own_names); i++)
		if (json_object_get(more, own_names[i]) != NULL)
			return "the claims have one of the names that are set "
			       "here: iss, sub, aud, exp, nbf, iat, "
			       "jti, " SOJ_CLAIM_ANCHOR;
	return NULL;
}

/* The text itself, without its braces: written anew, 0.1 would be another text.
 * It is one valid object, so the outer braces are the first and the last. */
static void put_members(struct out *out, const char *text, size_t bytes)
{
	const char *begin = (const char *)memchr(text, '{', bytes) + 1;
	const char *end = (const char *)memrchr(text, '}', bytes);

	put_text(out, out->bytes > 1 ? "," : "");
	put(out, begin, (size_t)(end - begin));
}

static int put_more(struct out *out, const struct soj_claims_new *what,
		    const char **why)
{
	enum soj_json_fault fault;
	json_t *more;

	if (what->more == NULL)
		return 0;
	more = soj_json_parse(what->more, what->more_bytes, &fault);
	if (fault == SOJ_JSON_MEMORY)
		return -ENOMEM;
	*why = more_error(more, fault);
	if (*why == NULL && json_object_size(more) > 0)
		put_members(out, what->more, what->more_bytes);
	json_decref(more);
	return *why == NULL ? 0 : -EINVAL;
}

static const char *times_error(const struct soj_claims_new *what)
{
	const uint64_t max_ms = (uint64_t)SOJ_DATE_S_MAX * 1000;

	if (what->iat_ms > max_ms || what->nbf_ms > max_ms ||
	    what->exp_ms > max_ms)
		return "a time of the token is after the year 9999";
	return NULL;
}

static int put_strings(struct out *out, const struct soj_claims_new *what)
{
	const struct {
		const char *name, *value;
	} strings[] = {
		{"iss", what->iss},
		{"sub", what->sub},
		{"aud", what->aud},
		{"jti", what->jti},
		{SOJ_CLAIM_ANCHOR, what->anchor},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(strings) / sizeof(*strings);
	     i++)
		rc = put_string(out, strings[i].name, strings[i].value);
	return rc;
}

int soj_claims_make(const struct soj_claims_new *what, char *buf,
		    size_t buf_bytes, size_t *bytes, const char **why)
{
	struct out out = {buf, buf_bytes, 0};
	int rc;

	*bytes = 0;
	*why = times_error(what);
	if (*why != NULL)
		return -EINVAL;
	*why = "iss, sub, aud, jti and the anchor must be UTF-8";
	put_text(&out, "{");
	rc = put_strings(&out, what);
	if (rc != 0)
		return rc;
	put_date(&out, "iat", what->iat_ms);
	put_date(&out, "nbf", what->nbf_ms);
	put_date(&out, "exp", what->exp_ms);
	rc = put_more(&out, what, why);
	if (rc != 0)
		return rc;
	put_text(&out, "}");
	*bytes = out.bytes;
	if (out.bytes >= buf_bytes)
		return -ENOSPC;
	buf[out.bytes] = '\0';
	return 0;
}
