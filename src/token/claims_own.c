/* SPDX-License-Identifier: MIT */

/*
 * Claims in the very form that soj_claims_make() writes, read without building
 * a tree of JSON: most tokens that are verified were made here.
 *
 *   {"iss":"I","sub":"S","aud":"A","jti":"J","sjn":"B","iat":N[,"nbf":N],"exp":N
 *   and then } or , and the caller's claims
 *
 * I and A are the rules' own, S is printable ASCII without quote and backslash,
 * J and B are base64url, N is a number of seconds without leading zero.  So what
 * is read is what any parser of JSON reads, with no name twice.  The caller's
 * claims are an object once { stands for the comma: jansson judges it as it
 * would judge the whole, and it must have none of the names above.
 *
 * Whatever has another form, or is not good, is left to the long way: this only
 * says yes.  tests/unit/test_jose_own.c holds the two together.
 */

#include <string.h>

#include "token/claims.h"
#include "token/json.h"

struct scan {
	char *at, *end;
};

static bool take(struct scan *s, const char *text)
{
	const size_t bytes = strlen(text);

	if ((size_t)(s->end - s->at) < bytes || memcmp(s->at, text, bytes) != 0)
		return false;
	s->at += bytes;
	return true;
}

static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

/* A string that has to be that one. */
static bool take_own(struct scan *s, const char *name, const char *value)
{
	for (const char *c = value; *c; c++)
		if (!is_plain(*c))
			return false;
	return take(s, name) && take(s, value) && take(s, "\"");
}

/* A string of 1 to max characters, to out with a NUL. */
static bool take_text(struct scan *s, const char *name, char *out, size_t max)
{
	size_t chars = 0;

	if (!take(s, name))
		return false;
	while (s->at < s->end && is_plain(*s->at) && chars < max)
		out[chars++] = *s->at++;
	out[chars] = 0;
	return chars > 0 && take(s, "\"");
}

static bool take_date(struct scan *s, const char *name, uint64_t *ms)
{
	int64_t seconds = 0;
	const char *begin;

	if (!take(s, name))
		return false;
	begin = s->at;
	while (s->at < s->end && *s->at >= '0' && *s->at <= '9' &&
	       s->at - begin < 12)
		seconds = seconds * 10 + (*s->at++ - '0');
	*ms = (uint64_t)seconds * 1000;
	/* What follows says that it ends here: see rest_is_good(). */
	return s->at > begin && *begin != '0' && seconds <= SOJ_DATE_S_MAX;
}

/* From the comma on. */
static bool more_is_good(struct scan *s)
{
	static const char *const names[] = {
		"iss", "sub", "aud", "exp",
		"nbf", "iat", "jti", SOJ_CLAIM_ANCHOR,
	};
	enum soj_json_fault fault;
	bool good;
	json_t *more;

	*s->at = '{';
	more = soj_json_parse(s->at, (size_t)(s->end - s->at), &fault);
	*s->at = ',';
	good = more != NULL && json_object_size(more) > 0;
	for (size_t i = 0; good && i < sizeof(names) / sizeof(*names); i++)
		good = json_object_get(more, names[i]) == NULL;
	json_decref(more);
	return good;
}

static bool rest_is_good(struct scan *s)
{
	if (s->at == s->end)
		return false;
	if (*s->at == '}')
		return s->at + 1 == s->end;
	return *s->at == ',' && more_is_good(s);
}

bool soj_claims_own(char *text, size_t bytes, const struct soj_rules *rules,
		    uint64_t now_unix_ms, struct soj_claims_own *own)
{
	struct scan s = {text, text + bytes};

	own->nbf_ms = 0;
	return soj_rules_error(rules) == NULL &&
	       take_own(&s, "{\"iss\":\"", rules->iss) &&
	       take_text(&s, ",\"sub\":\"", own->sub, sizeof(own->sub) - 1) &&
	       take_own(&s, ",\"aud\":\"", rules->aud) &&
	       take_text(&s, ",\"jti\":\"", own->jti, sizeof(own->jti) - 1) &&
	       take_text(&s, ",\"" SOJ_CLAIM_ANCHOR "\":\"", own->anchor,
			 sizeof(own->anchor) - 1) &&
	       take_date(&s, ",\"iat\":", &own->iat_ms) &&
	       (s.end - s.at < 7 || memcmp(s.at, ",\"nbf\":", 7) != 0 ||
		take_date(&s, ",\"nbf\":", &own->nbf_ms)) &&
	       take_date(&s, ",\"exp\":", &own->exp_ms) && rest_is_good(&s) &&
	       soj_claims_times(rules, now_unix_ms, own->exp_ms, own->nbf_ms,
				own->iat_ms) == SOJOURN_TOKEN_OK;
}
