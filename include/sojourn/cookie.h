/* SPDX-License-Identifier: MIT */
#ifndef SOJOURN_COOKIE_H
#define SOJOURN_COOKIE_H

/*
 * Cookies for session ids: writes the value of a Set-Cookie header and finds a
 * cookie in a Cookie header.  Knows nothing of segments, so it serves any text
 * that is to travel in a cookie.
 *
 * Rules are those of RFC 6265 and its revision (draft-ietf-httpbis-rfc6265bis).
 * Where a browser would silently drop a cookie or widen its scope, writing is
 * refused instead and sojourn_cookie_strerror() says why.
 *
 * All functions are pure: no allocation, no lock, no locale, no global state.
 * Any thread of any process may call them at any time, also in a signal
 * handler, on distinct or on the same (unchanging) arguments.  None waits; each
 * takes time linear in the bytes it is given.
 *
 *	struct sojourn_cookie c = {
 *		.name = "__Host-sid", .value = id, .path = "/",
 *		.secure = true, .http_only = true,
 *	};
 *	char line[SOJOURN_COOKIE_BUF_BYTES];
 *	size_t len;
 *
 *	if (sojourn_cookie_format(line, sizeof(line), &c, &len) == 0)
 *		send_header("Set-Cookie", line, len);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sojourn/export.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SOJOURN_COOKIE_LINE_BYTES_MAX   4096u
#define SOJOURN_COOKIE_BUF_BYTES        4097u /* enough for a line and NUL */
#define SOJOURN_COOKIE_ATTR_BYTES_MAX   1024u /* longer ones are ignored */
#define SOJOURN_COOKIE_DOMAIN_BYTES_MAX 253u
#define SOJOURN_COOKIE_MAX_AGE_S_MAX    UINT32_C(34560000) /* 400 days */

/* Always sent, because browsers differ in what they do without it. */
enum sojourn_same_site {
	SOJOURN_SAME_SITE_LAX = 0,    /* also when a link leads here */
	SOJOURN_SAME_SITE_STRICT = 1, /* only from pages of this site */
	SOJOURN_SAME_SITE_NONE = 2,   /* always; needs secure */
};

/*
 * One cookie.  Begin with all bytes zero: what a later version of this header
 * adds is then off.  Strings end with NUL, belong to the caller and are read
 * only during the call.
 *
 * name		1 or more token characters: letters, digits, !#$%&'*+-.^_`|~
 *		`__Host-` in front (in any case) needs secure, path "/" and no
 *		domain; `__Secure-` needs secure.
 * value	cookie octets: visible ASCII but for `"`, `,`, `;` and `\`; may
 *		be "".  Session and token ids are such.
 * path		"/..." of visible ASCII but for `;`, at most 1024 bytes; NULL
 *		leaves it out, which means the folder of the request: say "/".
 * domain	host name (letters, digits, `-` within labels of 1 to 63 bytes,
 *		no dot in front or at the end), at most 253 bytes: subdomains
 *		get the cookie too.  NULL, which is safer: this host only.
 * max_age_s	seconds, at most 400 days; 0 leaves it out: a cookie that ends
 *		with the browser's session.
 */
struct sojourn_cookie {
	const char *name;
	const char *value;
	const char *path;
	const char *domain;
	uint32_t max_age_s;
	bool secure;
	bool http_only;
	enum sojourn_same_site same_site;
};

/**
 * sojourn_cookie_format - write the value of a Set-Cookie header
 * @buf:	gets the line and a NUL, but nothing unless 0 is returned; must
 *		not overlap with the strings of @c
 * @buf_bytes:	its size; SOJOURN_COOKIE_BUF_BYTES is always enough
 * @c:		the cookie
 * @len:	gets the bytes of the line without the NUL; on -ENOSPC too, so
 *		a buffer of *len + 1 would do.  0 on -EINVAL.  May be NULL
 *
 * The line is `name=value` and then, as far as they apply and in this order,
 * Path, Domain, Max-Age, Secure, HttpOnly, SameSite.  It contains no control
 * character, so no member can smuggle in another header or attribute.
 *
 * Returns 0; -EINVAL if @c breaks a rule, which sojourn_cookie_strerror()
 * names; -ENOSPC if @buf is too small.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_cookie_format(char *buf, size_t buf_bytes,
		      const struct sojourn_cookie *c, size_t *len);

/**
 * sojourn_cookie_format_clear - write a Set-Cookie value that ends the cookie
 *
 * As sojourn_cookie_format(), but value and max_age_s are ignored: the line has
 * an empty value, `Max-Age=0` and an Expires in 1970.  Name, path and domain
 * must be those of the cookie to be ended, else the browser keeps it; secure
 * too, else it may refuse the line.  What passes sojourn_cookie_format() passes
 * here.
 *
 * This asks the browser to forget the id.  To end the session itself, delete
 * it.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_cookie_format_clear(char *buf, size_t buf_bytes,
			    const struct sojourn_cookie *c, size_t *len);

/**
 * sojourn_cookie_strerror - the first rule that @c breaks
 *
 * After -EINVAL from either function above: the reason, a static English text
 * without the cookie's content.  NULL if sojourn_cookie_format() would take @c.
 */
SOJOURN_API const char *sojourn_cookie_strerror(const struct sojourn_cookie *c);

/**
 * sojourn_cookie_find - find one cookie in a Cookie request header
 * @header:	the value of the header, not NUL-terminated, from the network;
 *		may be NULL if @header_bytes is 0
 * @header_bytes: its size
 * @name:	NUL-terminated, compared byte by byte: case matters
 * @value:	gets the address of the value within @header
 * @value_bytes: gets its size; 0 is an empty value
 *
 * Pairs are separated by `;`, blanks and tabs around a pair are dropped, the
 * first `=` ends the name.  A pair that is malformed (no `=`, blanks beside
 * the `=`, a value with bytes that are no cookie octets) is skipped: browsers
 * send what other programs stored, and that is no reason to lose a session.
 * A value in double quotes is returned with its quotes, because they are part
 * of it; `;` ends a pair within quotes too.
 *
 * The name twice is an error, whether or not the values are equal: someone with
 * a page on a sibling host or another path has planted a second cookie, and
 * either of the two may be theirs.  Answer as if there were no session.  Names
 * with `__Host-` in front cannot be planted so.
 *
 * Several Cookie headers (HTTP/2 may split them) are to be joined with "; "
 * first; one by one, a duplicate would go unnoticed.
 *
 * Returns 0; -ENOENT if there is no such cookie; -EEXIST if there are several;
 * -EINVAL if @name is not a cookie name or a pointer is missing.  On errors
 * *value is NULL and *value_bytes is 0.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_cookie_find(const char *header, size_t header_bytes, const char *name,
		    const char **value, size_t *value_bytes);

#ifdef __cplusplus
}
#endif

#endif /* SOJOURN_COOKIE_H */
