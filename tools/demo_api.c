/* SPDX-License-Identifier: MIT */

#include "demo_api.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <sojourn/token.h>

#include "demo_http.h"
#include "demo_views.h"
#include "lib_args.h"
#include "lib_json.h"
#include "lib_text.h"

#define USER_BYTES_MAX 64u

/* ---- the master ---- */

int soj_demo_api_open(struct soj_demo *demo)
{
	struct sojourn_token_options o;
	static char text[8192];
	struct sojourn_key key = {.text = text, .text_bytes = sizeof(text)};
	int rc = sojourn_key_generate(SOJOURN_TOKEN_EDDSA, 0, NULL, text,
				      &key.text_bytes);

	if (rc == 0)
		rc = sojourn_keys_create(&key, 1, NULL, false, &demo->keys);
	explicit_bzero(text, sizeof(text));
	if (rc < 0)
		return rc;
	sojourn_token_options_init(&o);
	o.issuer = "sojourn demo";
	o.audience = "sojourn demo api";
	o.cache = true;
	return sojourn_tokens_open(demo->segment, demo->keys, &o,
				   &demo->tokens);
}

void soj_demo_api_close(struct soj_demo *demo)
{
	sojourn_tokens_close(demo->tokens);
	sojourn_keys_destroy(demo->keys);
}

/* ---- answers ---- */

static void begin(struct soj_demo_request *r, struct soj_json *j)
{
	soj_json_init(j, r->reply.out);
	soj_json_object(j, NULL);
	soj_json_i64(j, "pid", (int64_t)getpid());
}

static void refuse(struct soj_demo_request *r, unsigned int status,
		   const char *why)
{
	r->reply.status = status;
	soj_demo_json_text(r, "error", why);
}

static void failed(struct soj_demo_request *r, int rc)
{
	if (rc == -ENOSPC || rc == -EBUSY || rc == -EAGAIN) {
		r->reply.retry_later = true;
		refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "full or busy");
		return;
	}
	if (rc == -EUSERS) {
		refuse(r, MHD_HTTP_FORBIDDEN, "too many logins");
		return;
	}
	soj_args_complain("demo: %s %s: %s", r->method, r->path,
			  sojourn_error_text());
	refuse(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "the server's log says what");
}

/* RFC 6750 section 3. */
static void unauthorized(struct soj_demo_request *r, bool sent, const char *why)
{
	r->reply.authenticate =
		sent ? "Bearer error=\"invalid_token\"" : "Bearer";
	refuse(r, MHD_HTTP_UNAUTHORIZED, why);
}

static void tell_pair(struct soj_demo_request *r, const char *access,
		      const char *refresh,
		      const struct sojourn_token_info *info)
{
	struct soj_json j;

	begin(r, &j);
	soj_json_string(&j, "access", access);
	soj_json_string(&j, "refresh", refresh);
	soj_json_u64(&j, "expires_unix_ms", info->expires_unix_ms);
	soj_json_close(&j);
}

/* ---- the bearer ---- */

/* The request's token, NUL-terminated as headers are; NULL: none. */
static const char *bearer(const struct soj_demo_request *r)
{
	const char *header = soj_demo_http_header(r, "Authorization");

	if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0)
		return NULL;
	return header + 7 + strspn(header + 7, " ");
}

/* Answers and returns false if it is not good. */
static bool let_in(struct soj_demo_request *r, char *claims, size_t *bytes,
		   struct sojourn_token_info *info)
{
	const char *token = bearer(r);

	if (token == NULL) {
		unauthorized(r, false, "an access token is wanted");
		return false;
	}
	if (sojourn_token_verify(r->demo->tokens, token, strlen(token), claims,
				 bytes, info) == 0)
		return true;
	unauthorized(r, true, sojourn_error_text());
	return false;
}

/* ---- routes ---- */

void soj_demo_api_login(struct soj_demo_request *r)
{
	const char *user = r->field[SOJ_DEMO_FIELD_USER];
	const struct sojourn_token_new what = {.subject = user};
	char access[2048], refresh[SOJOURN_REFRESH_CHARS + 1];
	size_t bytes = sizeof(access);
	struct sojourn_token_info info;
	int rc;

	if (*user == 0 || strlen(user) > USER_BYTES_MAX ||
	    !soj_text_is_utf8(user, strlen(user))) {
		refuse(r, MHD_HTTP_BAD_REQUEST,
		       "user must have 1 to 64 bytes of UTF-8");
		return;
	}
	rc = sojourn_token_create(r->demo->tokens, &what, access, &bytes,
				  refresh, &info);
	if (rc < 0)
		failed(r, rc);
	else
		tell_pair(r, access, refresh, &info);
}

void soj_demo_api_refresh(struct soj_demo_request *r)
{
	char access[2048], next[SOJOURN_REFRESH_CHARS + 1];
	size_t bytes = sizeof(access);
	struct sojourn_token_info info;
	int rc = sojourn_token_refresh(r->demo->tokens,
				       r->field[SOJ_DEMO_FIELD_REFRESH], NULL,
				       access, &bytes, next, &info);

	if (rc == -ENOENT || rc == -EPERM)
		unauthorized(r, true, sojourn_error_text());
	else if (rc < 0)
		failed(r, rc);
	else
		tell_pair(r, access, next, &info);
}

void soj_demo_api_me(struct soj_demo_request *r)
{
	struct sojourn_token_info info;
	char claims[2048];
	size_t bytes = sizeof(claims);
	struct soj_json j;

	if (!let_in(r, claims, &bytes, &info))
		return;
	begin(r, &j);
	soj_json_string(&j, "user", info.subject);
	soj_json_string(&j, "login", info.anchor);
	soj_json_u64(&j, "expires_unix_ms", info.expires_unix_ms);
	soj_json_bool(&j, "cached", info.cached);
	soj_json_string_n(&j, "claims", claims, bytes);
	soj_json_close(&j);
}

void soj_demo_api_logout(struct soj_demo_request *r)
{
	int rc;

	if (!let_in(r, NULL, NULL, NULL))
		return;
	rc = sojourn_token_revoke(r->demo->tokens, bearer(r));
	if (rc < 0)
		failed(r, rc);
	else
		soj_demo_json_text(r, "done", "logged out");
}

void soj_demo_api_logout_everywhere(struct soj_demo_request *r)
{
	struct sojourn_token_info info;
	int rc;

	if (!let_in(r, NULL, NULL, &info))
		return;
	rc = sojourn_token_revoke_subject(r->demo->tokens, info.subject);
	if (rc < 0)
		failed(r, rc);
	else
		soj_demo_json_number(r, "ended", (uint64_t)rc);
}
