/* SPDX-License-Identifier: MIT */

/*
 * Cookie lines.  The contract is in <sojourn/cookie.h>.  Characters are judged
 * by range, never by <ctype.h>: a locale must not decide what a token is.
 */

#include <sojourn/cookie.h>

#include <errno.h>
#include <string.h>

/* RFC 9110 token character. */
static bool is_token(unsigned char ch)
{
	if ((ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') ||
	    (ch >= 'a' && ch <= 'z'))
		return true;
	return ch != '\0' && strchr("!#$%&'*+-.^_`|~", ch) != NULL;
}

static bool is_visible(unsigned char ch)
{
	return ch > 0x20 && ch < 0x7f;
}

static bool is_octet(unsigned char ch)
{
	return is_visible(ch) && ch != '"' && ch != ',' && ch != ';' &&
	       ch != '\\';
}

/* A path is compared with that of a URL, which never holds a blank. */
static bool is_path(unsigned char ch)
{
	return is_visible(ch) && ch != ';';
}

static bool all(const char *text, bool (*is)(unsigned char ch))
{
	while (*text != '\0')
		if (!is((unsigned char)*text++))
			return false;
	return true;
}

static unsigned char lower(unsigned char ch)
{
	return ch >= 'A' && ch <= 'Z' ? (unsigned char)(ch | 0x20) : ch;
}

/* @prefix is given in lower case. */
static bool has_prefix(const char *text, const char *prefix)
{
	for (; *prefix != '\0'; text++, prefix++)
		if (lower((unsigned char)*text) != (unsigned char)*prefix)
			return false;
	return true;
}

static bool is_name(const char *name)
{
	return *name != '\0' && all(name, is_token);
}

/* Letters, digits and inner hyphens in labels of 1 to 63. */
static bool is_domain(const char *domain)
{
	size_t label = 0;
	char last = '.';

	for (const char *at = domain; *at != '\0'; last = *at++) {
		unsigned char ch = lower((unsigned char)*at);

		if (ch == '.') {
			if (label == 0 || last == '-')
				return false;
			label = 0;
			continue;
		}
		if (!(ch >= 'a' && ch <= 'z') && !(ch >= '0' && ch <= '9') &&
		    !(ch == '-' && label > 0))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && last != '-';
}

/* A line that is written, or only measured while `at` is NULL. */
struct line {
	char *at;
	size_t bytes;
};

static void put(struct line *line, const char *text)
{
	size_t bytes = strlen(text);

	if (line->at != NULL)
		memcpy(line->at + line->bytes, text, bytes);
	line->bytes += bytes;
}

static void put_attr(struct line *line, const char *attr, const char *text)
{
	put(line, attr);
	put(line, text);
}

static void put_number(struct line *line, uint32_t number)
{
	char digits[11];
	char *at = digits + sizeof(digits);

	*--at = '\0';
	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	put(line, at);
}

static void put_cookie(struct line *line, const struct sojourn_cookie *c,
		       bool clear)
{
	static const char *const same_site[] = {
		[SOJOURN_SAME_SITE_LAX] = "Lax",
		[SOJOURN_SAME_SITE_STRICT] = "Strict",
		[SOJOURN_SAME_SITE_NONE] = "None",
	};

	put_attr(line, c->name, "=");
	if (!clear)
		put(line, c->value);
	if (c->path != NULL)
		put_attr(line, "; Path=", c->path);
	if (c->domain != NULL)
		put_attr(line, "; Domain=", c->domain);
	if (!clear && c->max_age_s != 0) {
		put(line, "; Max-Age=");
		put_number(line, c->max_age_s);
	}
	/* browsers obey Max-Age=0; to the grammar only Expires is proper */
	if (clear)
		put(line, "; Max-Age=0"
			  "; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
	if (c->secure)
		put(line, "; Secure");
	if (c->http_only)
		put(line, "; HttpOnly");
	put_attr(line, "; SameSite=", same_site[c->same_site]);
}

static size_t cookie_bytes(const struct sojourn_cookie *c, bool clear)
{
	struct line line = {NULL, 0};

	put_cookie(&line, c, clear);
	return line.bytes;
}

static const char *name_error(const struct sojourn_cookie *c)
{
	bool host;

	if (c->name == NULL || *c->name == '\0')
		return "the cookie has no name";
	if (!is_name(c->name))
		return "the name has a character that no token may have";
	host = has_prefix(c->name, "__host-");
	if (host && !c->secure)
		return "a __Host- cookie must be Secure";
	if (host && (c->path == NULL || strcmp(c->path, "/") != 0))
		return "a __Host- cookie must have Path=/";
	if (host && c->domain != NULL)
		return "a __Host- cookie must not have a Domain";
	if (has_prefix(c->name, "__secure-") && !c->secure)
		return "a __Secure- cookie must be Secure";
	return NULL;
}

static const char *scope_error(const struct sojourn_cookie *c)
{
	if (c->path != NULL) {
		if (*c->path != '/')
			return "the path does not begin with a slash";
		if (!all(c->path, is_path))
			return "the path has a blank, a control character, a "
			       "semicolon or a byte that is not ASCII";
		if (strlen(c->path) > SOJOURN_COOKIE_ATTR_BYTES_MAX)
			return "the path is longer than 1024 bytes";
	}
	if (c->domain != NULL) {
		if (!is_domain(c->domain))
			return "the domain is not a host name";
		if (strlen(c->domain) > SOJOURN_COOKIE_DOMAIN_BYTES_MAX)
			return "the domain is longer than 253 bytes";
	}
	if ((unsigned int)c->same_site > SOJOURN_SAME_SITE_NONE)
		return "same_site is none of lax, strict and none";
	if (c->same_site == SOJOURN_SAME_SITE_NONE && !c->secure)
		return "a cookie with SameSite=None must be Secure";
	return NULL;
}

/*
 * What setting and clearing have in common.  The length of the clearing line
 * belongs to it: what cannot be cleared must not be set.
 */
static const char *common_error(const struct sojourn_cookie *c)
{
	const char *why;

	if (c == NULL)
		return "there is no cookie";
	why = name_error(c);
	if (why == NULL)
		why = scope_error(c);
	if (why == NULL &&
	    cookie_bytes(c, true) > SOJOURN_COOKIE_LINE_BYTES_MAX)
		why = "the line that clears the cookie is longer than 4096 "
		      "bytes";
	return why;
}

const char *sojourn_cookie_strerror(const struct sojourn_cookie *c)
{
	const char *why = common_error(c);

	if (why != NULL)
		return why;
	if (c->value == NULL)
		return "the cookie has no value";
	if (!all(c->value, is_octet))
		return "the value has a character that no cookie may have";
	if (c->max_age_s > SOJOURN_COOKIE_MAX_AGE_S_MAX)
		return "the maximum age is above 400 days";
	if (cookie_bytes(c, false) > SOJOURN_COOKIE_LINE_BYTES_MAX)
		return "the line is longer than 4096 bytes";
	return NULL;
}

static int format(char *buf, size_t buf_bytes, const struct sojourn_cookie *c,
		  size_t *len, bool clear)
{
	const char *why = clear ? common_error(c) : sojourn_cookie_strerror(c);
	struct line line = {buf, 0};
	size_t bytes;

	if (len != NULL)
		*len = 0;
	if (why != NULL)
		return -EINVAL;
	bytes = cookie_bytes(c, clear);
	if (len != NULL)
		*len = bytes;
	if (buf == NULL || buf_bytes <= bytes)
		return -ENOSPC;
	put_cookie(&line, c, clear);
	buf[bytes] = '\0';
	return 0;
}

int sojourn_cookie_format(char *buf, size_t buf_bytes,
			  const struct sojourn_cookie *c, size_t *len)
{
	return format(buf, buf_bytes, c, len, false);
}

int sojourn_cookie_format_clear(char *buf, size_t buf_bytes,
				const struct sojourn_cookie *c, size_t *len)
{
	return format(buf, buf_bytes, c, len, true);
}

static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t';
}

/* *cookie-octet, or the same within a pair of double quotes. */
static bool is_value(const char *at, const char *end)
{
	if (end - at >= 2 && *at == '"' && end[-1] == '"') {
		at++;
		end--;
	}
	while (at < end)
		if (!is_octet((unsigned char)*at++))
			return false;
	return true;
}

int sojourn_cookie_find(const char *header, size_t header_bytes,
			const char *name, const char **value,
			size_t *value_bytes)
{
	const char *found = NULL, *found_end = NULL;
	size_t name_bytes;

	if (value == NULL || value_bytes == NULL)
		return -EINVAL;
	*value = NULL;
	*value_bytes = 0;
	if (name == NULL || !is_name(name) ||
	    (header == NULL && header_bytes != 0))
		return -EINVAL;
	name_bytes = strlen(name);

	while (header_bytes > 0) {
		const char *at = header;
		const char *semi = memchr(header, ';', header_bytes);
		const char *end = semi != NULL ? semi : header + header_bytes;

		header_bytes -= (size_t)(end - header);
		header = end;
		if (semi != NULL) {
			header++;
			header_bytes--;
		}
		while (at < end && is_blank(*at))
			at++;
		while (at < end && is_blank(end[-1]))
			end--;
		if ((size_t)(end - at) <= name_bytes || at[name_bytes] != '=' ||
		    memcmp(at, name, name_bytes) != 0)
			continue;
		at += name_bytes + 1;
		if (!is_value(at, end))
			continue;
		if (found != NULL)
			return -EEXIST;
		found = at;
		found_end = end;
	}
	if (found == NULL)
		return -ENOENT;
	*value = found;
	*value_bytes = (size_t)(found_end - found);
	return 0;
}
