/* SPDX-License-Identifier: MIT */

#include "demo_http.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib_args.h"

#define BODY_BYTES_MAX 8192u
#define POST_BUFFER    1024u

static const char *const field_names[SOJ_DEMO_FIELDS] = {
	[SOJ_DEMO_FIELD_USER] = "user",
	[SOJ_DEMO_FIELD_DEVICE] = "device",
	[SOJ_DEMO_FIELD_REMEMBER] = "remember",
	[SOJ_DEMO_FIELD_REFRESH] = "refresh",
	[SOJ_DEMO_FIELD_STAY] = "stay",
	[SOJ_DEMO_FIELD_CSRF] = "csrf",
	[SOJ_DEMO_FIELD_HANDLE] = "handle",
	[SOJ_DEMO_FIELD_KEEP] = "keep",
};

const char *soj_demo_http_header(const struct soj_demo_request *r,
				 const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
					   name);
}

struct cookie_headers {
	const char *value;
	unsigned int count;
};

static enum MHD_Result count_cookie_header(void *cls, enum MHD_ValueKind kind,
					   const char *key, const char *value)
{
	struct cookie_headers *found = cls;

	(void)kind;
	if (strcasecmp(key, "Cookie") == 0) {
		found->value = value;
		found->count++;
	}
	return MHD_YES;
}

/* Browsers send one.  Of several each might look unambiguous although the same
 * name is in both, so they count as none. */
const char *soj_demo_http_cookie(const struct soj_demo_request *r)
{
	struct cookie_headers found = {NULL, 0};

	MHD_get_connection_values(r->connection, MHD_HEADER_KIND,
				  count_cookie_header, &found);
	return found.count == 1 ? found.value : NULL;
}

void soj_demo_http_client(const struct soj_demo_request *r, char *text,
			  size_t bytes)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	if (!info ||
	    getnameinfo(info->client_addr, sizeof(struct sockaddr_in), text,
			(socklen_t)bytes, NULL, 0, NI_NUMERICHOST) != 0)
		text[0] = '\0';
}

/* ---- reading a request ---- */

/* Called for each piece of each field. */
static enum MHD_Result take_field(void *cls, enum MHD_ValueKind kind,
				  const char *key, const char *filename,
				  const char *content_type,
				  const char *encoding, const char *data,
				  uint64_t offset, size_t bytes)
{
	struct soj_demo_request *r = cls;
	size_t i = 0;

	(void)kind;
	(void)filename;
	(void)content_type;
	(void)encoding;
	while (i < SOJ_DEMO_FIELDS && (!key || strcmp(key, field_names[i])))
		i++;
	if (i == SOJ_DEMO_FIELDS)
		return MHD_YES;
	/* A NUL would make two different texts look the same from here on. */
	if (offset != r->field_bytes[i] ||
	    bytes >= SOJ_DEMO_FIELD_BYTES - r->field_bytes[i] ||
	    memchr(data, '\0', bytes)) {
		r->refused = true;
		return MHD_NO;
	}
	memcpy(r->field[i] + offset, data, bytes);
	r->field_bytes[i] += bytes;
	return MHD_YES;
}

static void take_body(struct soj_demo_request *r, const char *data,
		      size_t bytes)
{
	r->body_bytes += bytes;
	if (r->body_bytes > BODY_BYTES_MAX)
		r->refused = true;
	if (r->refused)
		return;
	if (!r->post || MHD_post_process(r->post, data, bytes) != MHD_YES)
		r->refused = true;
}

static bool has_query(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value_n(c, MHD_GET_ARGUMENT_KIND, name,
					     strlen(name), NULL,
					     NULL) == MHD_YES;
}

static struct soj_demo_request *
begin(const struct soj_demo *demo, struct MHD_Connection *c, const char *method)
{
	struct soj_demo_request *r = calloc(1, sizeof(*r));
	const char *accept;

	if (!r)
		return NULL;
	r->demo = demo;
	r->connection = c;
	r->method = "";
	if (!strcmp(method, "GET") || !strcmp(method, "HEAD"))
		r->method = "GET";
	else if (!strcmp(method, "POST"))
		r->method = "POST";
	accept = soj_demo_http_header(r, "Accept");
	r->json = has_query(c, "json") ||
		  (accept && strstr(accept, "application/json"));
	r->html = !r->json && accept && strstr(accept, "text/html");
	/* NULL unless the body is of a form. */
	r->post = MHD_create_post_processor(c, POST_BUFFER, take_field, r);
	return r;
}

void soj_demo_http_completed(void *cls, struct MHD_Connection *c, void **state,
			     enum MHD_RequestTerminationCode why)
{
	struct soj_demo_request *r = *state;

	(void)cls;
	(void)c;
	(void)why;
	if (!r)
		return;
	if (r->post)
		MHD_destroy_post_processor(r->post);
	if (r->reply.out)
		fclose(r->reply.out);
	free(r->reply.body);
	soj_demo_session_wipe(&r->session);
	free(r);
	*state = NULL;
}

/* ---- sending the reply ---- */

/* What every reply says, whatever it is about. */
static const struct {
	const char *name;
	const char *value;
} common_headers[] = {
	/* No script, no frame, nothing from elsewhere; forms only to us. */
	{"Content-Security-Policy",
	 "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
	 "frame-ancestors 'none'; base-uri 'none'"},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Referrer-Policy", "no-referrer"},
	/* A page about a session must not be shown to the next one. */
	{"Cache-Control", "no-store"},
	{"Vary", "Accept, Cookie"},
};

static void add_header(struct MHD_Response *response, const char *name,
		       const char *value)
{
	if (value && *value)
		(void)MHD_add_response_header(response, name, value);
}

static void add_headers(const struct soj_demo_request *r,
			struct MHD_Response *response)
{
	const struct soj_demo_reply *reply = &r->reply;
	char csrf[SOJOURN_CSRF_CHARS + 1], pid[16];

	for (size_t i = 0;
	     i < sizeof(common_headers) / sizeof(common_headers[0]); i++)
		add_header(response, common_headers[i].name,
			   common_headers[i].value);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	add_header(response, "X-Worker-Pid", pid);
	add_header(response, "X-Session-Renewal",
		   soj_demo_session_renewal_name(&r->session));
	add_header(response, "X-Session-Check", reply->check);
	/* For programs, which find the next request's there whatever they
	 * asked for: it changes with the id. */
	if (r->json) {
		soj_demo_session_csrf(r, csrf);
		add_header(response, "X-CSRF-Token", csrf);
	}
	add_header(response, "Content-Type",
		   r->json ? "application/json" : "text/html; charset=utf-8");
	add_header(response, "Set-Cookie", reply->set_cookie);
	add_header(response, "Set-Cookie", reply->set_remember);
	add_header(response, "Location", reply->location);
	add_header(response, "Allow", reply->allow);
	add_header(response, "WWW-Authenticate", reply->authenticate);
	add_header(response, "Retry-After", reply->retry_later ? "1" : NULL);
	/* So that a browser's next click may go to another worker.  Programs
	 * may keep their connection. */
	if (!r->json)
		add_header(response, "Connection", "close");
}

static enum MHD_Result finish(struct soj_demo_request *r)
{
	struct soj_demo_reply *reply = &r->reply;
	struct MHD_Response *response;
	enum MHD_Result queued;
	int failed;

	reply->out = open_memstream(&reply->body, &reply->body_bytes);
	if (!reply->out)
		return MHD_NO;
	reply->status = MHD_HTTP_OK;
	soj_demo_route(r);
	failed = ferror(reply->out);
	failed |= fclose(reply->out);
	reply->out = NULL;
	if (failed)
		return MHD_NO;

	response = MHD_create_response_from_buffer(
		reply->body_bytes, reply->body, MHD_RESPMEM_MUST_FREE);
	if (!response)
		return MHD_NO;
	reply->body = NULL;
	add_headers(r, response);
	queued = MHD_queue_response(r->connection, reply->status, response);
	MHD_destroy_response(response);
	return queued;
}

/* Called when the headers are there, for each piece of the body, and when all
 * of it is there.  MHD_NO closes the connection. */
enum MHD_Result soj_demo_http_answer(void *cls, struct MHD_Connection *c,
				     const char *url, const char *method,
				     const char *version, const char *data,
				     size_t *data_bytes, void **state)
{
	struct soj_demo_request *r = *state;

	(void)version;
	if (!r) {
		*state = begin(cls, c, method);
		return *state ? MHD_YES : MHD_NO;
	}
	if (*data_bytes > 0) {
		take_body(r, data, *data_bytes);
		*data_bytes = 0;
		return MHD_YES;
	}
	r->path = url;
	return finish(r);
}
