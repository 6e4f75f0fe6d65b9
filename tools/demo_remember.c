/* SPDX-License-Identifier: MIT */

#include "demo_remember.h"

#include <errno.h>
#include <string.h>

#include <sojourn/cookie.h>
#include <sojourn/remember.h>

#include "demo_http.h"
#include "lib_args.h"

#define MAX_AGE_S (30u * 24 * 3600) /* as long as a family lasts */

/* token: "" to have the cookie forgotten. */
static void set_cookie(struct soj_demo_request *r, const char *token)
{
	const struct sojourn_cookie cookie = {
		.name = r->demo->remember_name,
		.value = token,
		.path = "/",
		.max_age_s = MAX_AGE_S,
		.secure = r->demo->tls_terminated,
		.http_only = true,
		.same_site = SOJOURN_SAME_SITE_LAX,
	};
	char *out = r->reply.set_remember;
	int rc = *token ? sojourn_cookie_format(out, SOJOURN_COOKIE_BUF_BYTES,
						&cookie, NULL)
			: sojourn_cookie_format_clear(
				  out, SOJOURN_COOKIE_BUF_BYTES, &cookie, NULL);

	if (rc != 0)
		soj_args_complain("demo: cookie: %s",
				  sojourn_cookie_strerror(&cookie));
}

/* The request's token; false: it has none, or what can be none. */
static bool cookie_token(struct soj_demo_request *r,
			 char token[SOJOURN_REMEMBER_CHARS + 1])
{
	int rc = soj_demo_session_cookie(r, r->demo->remember_name, token,
					 SOJOURN_REMEMBER_CHARS + 1);

	if (rc == -EINVAL)
		set_cookie(r, "");
	return rc == 0;
}

int soj_demo_remember_again(struct soj_demo_request *r)
{
	const struct sojourn_info *session = &r->session.info;
	const struct sojourn_new what = {.subject = session->subject,
					 .metadata = session->metadata};
	char token[SOJOURN_REMEMBER_CHARS + 1];
	int rc = sojourn_remember_create(r->demo->segment, &what, token, NULL);

	if (rc == 0)
		set_cookie(r, token);
	return rc;
}

int soj_demo_remember_login(struct soj_demo_request *r)
{
	soj_demo_remember_forget(r);
	if (*r->field[SOJ_DEMO_FIELD_REMEMBER] == '\0')
		return 0;
	return soj_demo_remember_again(r);
}

/* Somebody has used it before this browser, or before whoever sent it now:
 * nobody can tell who of them is the user. */
static int stolen(struct soj_demo_request *r, const char *subject)
{
	int rc =
		sojourn_session_delete_subject(r->demo->segment, subject, NULL);

	if (rc < 0)
		soj_args_complain("demo: the logins of a stolen token were not "
				  "ended: %s",
				  sojourn_error_text());
	return -EPERM;
}

int soj_demo_remember_use(struct soj_demo_request *r)
{
	char token[SOJOURN_REMEMBER_CHARS + 1];
	struct sojourn_info info;
	int rc;

	if (!cookie_token(r, token))
		return 0;
	rc = sojourn_remember_use(r->demo->segment, token, NULL, token, NULL,
				  NULL, &info);
	if (rc == -EPERM || rc == -ENOENT)
		set_cookie(r, "");
	if (rc == -EPERM)
		return stolen(r, info.subject);
	if (rc != 0)
		return rc == -ENOENT ? 0 : rc;
	set_cookie(r, token);
	return soj_demo_session_login(
		r, info.subject,
		info.metadata.device_name ? info.metadata.device_name : "", 0);
}

void soj_demo_remember_forget(struct soj_demo_request *r)
{
	char token[SOJOURN_REMEMBER_CHARS + 1];

	if (!cookie_token(r, token))
		return;
	if (sojourn_remember_forget(r->demo->segment, token) < 0)
		soj_args_complain("demo: a token was not forgotten: %s",
				  sojourn_error_text());
	set_cookie(r, "");
}

bool soj_demo_remember_known(struct soj_demo_request *r)
{
	char token[SOJOURN_REMEMBER_CHARS + 1];
	struct sojourn_info info;

	return cookie_token(r, token) &&
	       sojourn_remember_use(r->demo->segment, token, NULL, token, NULL,
				    NULL, &info) == 0 &&
	       strcmp(info.subject, r->session.info.subject) == 0;
}
