/* SPDX-License-Identifier: MIT */

#include "demo_session.h"

#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sojourn/cookie.h>

#include "demo_agent.h"
#include "demo_http.h"
#include "lib_args.h"

static const char magic[8] = {'S', 'O', 'J', 'D', 'E', 'M', 'O', '1'};

/* ---- data ---- */

static void data_checksum(const struct soj_demo_data *data, uint8_t sum[16])
{
	crypto_generichash(sum, 16, (const unsigned char *)data,
			   offsetof(struct soj_demo_data, checksum), NULL, 0);
}

static void data_seal(struct soj_demo_data *data)
{
	for (size_t i = 0; i < sizeof(data->filler) / sizeof(uint64_t); i++)
		data->filler[i] = data->counter;
	data_checksum(data, data->checksum);
}

static void data_init(struct soj_demo_data *data)
{
	memset(data, 0, sizeof(*data));
	memcpy(data->magic, magic, sizeof(magic));
	data_seal(data);
}

/* 0, -EPROTO if it was not made by us, or -EBADMSG if it was, but is torn. */
static int data_check(const struct soj_demo_data *data, size_t bytes)
{
	uint8_t sum[sizeof(data->checksum)];

	if (bytes != sizeof(*data) || memcmp(data->magic, magic, sizeof(magic)))
		return -EPROTO;
	data_checksum(data, sum);
	return memcmp(sum, data->checksum, sizeof(sum)) ? -EBADMSG : 0;
}

/* ---- cookie ---- */

static void describe_cookie(const struct soj_demo_request *r,
			    struct sojourn_cookie *cookie)
{
	*cookie = (struct sojourn_cookie){
		.name = r->demo->cookie_name,
		.value = r->session.id,
		.path = "/",
		.secure = r->demo->tls_terminated,
		.http_only = true,
		.same_site = SOJOURN_SAME_SITE_LAX,
	};
}

/* No Max-Age: how long a session lasts is decided in the segment, where it may
 * get longer with each use, and not by what a browser was told at login. */
static void set_cookie(struct soj_demo_request *r)
{
	struct sojourn_cookie cookie;

	describe_cookie(r, &cookie);
	if (sojourn_cookie_format(r->reply.set_cookie,
				  sizeof(r->reply.set_cookie), &cookie,
				  NULL) != 0)
		soj_args_complain("demo: cookie: %s",
				  sojourn_cookie_strerror(&cookie));
}

void soj_demo_session_clear_cookie(struct soj_demo_request *r)
{
	struct sojourn_cookie cookie;

	describe_cookie(r, &cookie);
	if (sojourn_cookie_format_clear(r->reply.set_cookie,
					sizeof(r->reply.set_cookie), &cookie,
					NULL) != 0)
		soj_args_complain("demo: cookie: %s",
				  sojourn_cookie_strerror(&cookie));
}

int soj_demo_session_cookie(const struct soj_demo_request *r, const char *name,
			    char *text, size_t text_bytes)
{
	const char *header = soj_demo_http_cookie(r);
	const char *value;
	size_t bytes;

	if (!header || sojourn_cookie_find(header, strlen(header), name, &value,
					   &bytes) != 0)
		return -ENOENT;
	if (bytes == 0 || bytes >= text_bytes)
		return -EINVAL;
	memcpy(text, value, bytes);
	text[bytes] = '\0';
	return 0;
}

static int cookie_id(const struct soj_demo_request *r,
		     char id[SOJOURN_ID_CHARS_MAX + 1])
{
	return soj_demo_session_cookie(r, r->demo->cookie_name, id,
				       SOJOURN_ID_CHARS_MAX + 1);
}

/* ---- operations ---- */

static int read_session(struct soj_demo_request *r, bool renew)
{
	struct soj_demo_session *session = &r->session;
	struct sojourn_read how = {.no_renew = !renew};
	size_t bytes = sizeof(session->data);
	int rc;

	rc = sojourn_session_read(r->demo->segment, session->id, &how,
				  &session->data, &bytes, &session->info);
	if (rc == -ENOBUFS)
		return -EPROTO;
	return rc ? rc : data_check(&session->data, bytes);
}

/* The answer that told the new id was lost, and the grace window of the old one
 * is over: the new one is told once more. */
static bool told_again(const struct soj_demo_session *session, int rc)
{
	return rc == -ENOENT && sojourn_reason() == SOJOURN_RENEWED &&
	       session->info.renewal == SOJOURN_RENEWAL_DONE;
}

/*
 * Whether this call renewed the session or another one did: from here on the
 * new id is the session's, and it may already be further than what the old one
 * showed.  Of an old id that is told again the new one may be old, too.
 */
static int follow_renewal(struct soj_demo_request *r)
{
	struct soj_demo_session *session = &r->session;
	int rc;

	session->renewal = session->info.renewal;
	if (session->renewal != SOJOURN_RENEWAL_WON &&
	    session->renewal != SOJOURN_RENEWAL_DONE)
		return 0;
	session->replaced = true;
	do {
		memcpy(session->id, session->info.new_id, sizeof(session->id));
		rc = read_session(r, false);
	} while (told_again(session, rc));
	return rc;
}

int soj_demo_session_load(struct soj_demo_request *r, bool renew)
{
	struct soj_demo_session *session = &r->session;
	int rc = cookie_id(r, session->sent_id);

	if (rc == -ENOENT)
		return 0;
	memcpy(session->id, session->sent_id, sizeof(session->id));
	if (rc == 0)
		rc = read_session(r, renew);
	if (rc == 0 || told_again(session, rc))
		rc = follow_renewal(r);
	/* The client is not told why: that is the segment's business. */
	if (rc == -ENOENT || rc == -EINVAL) {
		soj_demo_session_clear_cookie(r);
		return 0;
	}
	if (rc != 0)
		return rc;
	session->present = true;
	if (session->replaced)
		set_cookie(r);
	return 0;
}

int soj_demo_session_login(struct soj_demo_request *r, const char *subject,
			   const char *device, uint64_t ttl_ms)
{
	struct soj_demo_session *session = &r->session;
	struct soj_demo_agent agent;
	char ip[64];
	struct sojourn_new what = {
		.subject = subject,
		.data = &session->data,
		.data_bytes = sizeof(session->data),
		.ttl_ms = ttl_ms,
		.idle_timeout_ms = ttl_ms ? SOJOURN_OFF : 0,
	};
	int rc;

	soj_demo_agent_parse(&agent, soj_demo_http_header(r, "User-Agent"));
	soj_demo_http_client(r, ip, sizeof(ip));
	what.metadata.ip = ip;
	what.metadata.user_agent = agent.text;
	what.metadata.device_name = *device ? device : agent.name;
	what.metadata.device_client = agent.client;
	what.metadata.device_os = agent.os;
	data_init(&session->data);
	rc = sojourn_session_create(r->demo->segment, &what, session->id,
				    &session->info);
	if (rc != 0)
		return rc;
	/* The id changes at login, and the one from before ends. */
	if (cookie_id(r, session->sent_id) == 0 &&
	    sojourn_session_delete(r->demo->segment, session->sent_id) < 0)
		soj_args_complain("demo: the session before a login was not "
				  "ended: %s",
				  sojourn_error_text());
	session->present = true;
	set_cookie(r);
	return 0;
}

static int add_one(void *arg, void *bytes, size_t *data_bytes, size_t capacity)
{
	struct soj_demo_data *result = arg;
	struct soj_demo_data data;
	int rc;

	if (capacity < sizeof(data))
		return -EPROTO;
	memcpy(&data, bytes, sizeof(data));
	rc = data_check(&data, *data_bytes);
	if (rc != 0)
		return rc;
	data.counter++;
	memmove(data.trail + 1, data.trail,
		sizeof(data.trail) - sizeof(data.trail[0]));
	data.trail[0] = (uint32_t)getpid();
	data_seal(&data);
	memcpy(bytes, &data, sizeof(data));
	*result = data;
	return 0;
}

int soj_demo_session_count(struct soj_demo_request *r)
{
	struct soj_demo_session *session = &r->session;

	return sojourn_session_modify(r->demo->segment, session->id,
				      sizeof(session->data), add_one,
				      &session->data, &session->info.version);
}

bool soj_demo_session_csrf_ok(const struct soj_demo_request *r)
{
	const char *token = soj_demo_http_header(r, "X-CSRF-Token");

	if (!token)
		token = r->field[SOJ_DEMO_FIELD_CSRF];
	/* What the form was made for was the id in the cookie, even if this
	 * request has just renewed it. */
	return sojourn_csrf_check(r->demo->segment, r->session.sent_id,
				  token) == 0;
}

void soj_demo_session_csrf(const struct soj_demo_request *r,
			   char token[SOJOURN_CSRF_CHARS + 1])
{
	token[0] = '\0';
	if (r->session.present &&
	    sojourn_csrf_token(r->demo->segment, r->session.id, token) != 0)
		soj_args_complain("demo: %s", sojourn_error_text());
}

const char *
soj_demo_session_renewal_name(const struct soj_demo_session *session)
{
	static const char *const names[] = {
		[SOJOURN_RENEWAL_NONE] = "none",
		[SOJOURN_RENEWAL_WON] = "won",
		[SOJOURN_RENEWAL_DONE] = "done",
		[SOJOURN_RENEWAL_HERE] = "here",
		[SOJOURN_RENEWAL_ELSEWHERE] = "elsewhere",
	};

	return session->present ? names[session->renewal] : NULL;
}

void soj_demo_session_wipe(struct soj_demo_session *session)
{
	sodium_memzero(session, sizeof(*session));
}
