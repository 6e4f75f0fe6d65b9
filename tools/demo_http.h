/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_DEMO_HTTP_H
#define SOJ_TOOLS_DEMO_HTTP_H

/*
 * One HTTP request of `sojourn demo` and the reply to it: the only file of the
 * demo besides the worker that knows libmicrohttpd.  Requests of one worker are
 * answered by several threads at a time; each request belongs to one of them.
 */

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <sojourn/cookie.h>

#include "demo_server.h"
#include "demo_session.h"

/* The fields of all forms. */
enum soj_demo_field {
	SOJ_DEMO_FIELD_USER,
	SOJ_DEMO_FIELD_DEVICE,
	SOJ_DEMO_FIELD_STAY,
	SOJ_DEMO_FIELD_CSRF,
	SOJ_DEMO_FIELD_HANDLE,
	SOJ_DEMO_FIELD_KEEP,
	SOJ_DEMO_FIELD_REMEMBER,
	SOJ_DEMO_FIELD_REFRESH,
	SOJ_DEMO_FIELDS
};

#define SOJ_DEMO_FIELD_BYTES 256u

struct soj_demo_reply {
	unsigned int status;
	FILE *out; /* the body */
	char *body;
	size_t body_bytes;
	const char *location;     /* static */
	const char *allow;        /* static */
	const char *authenticate; /* static */
	const char *check;        /* static; of the session data */
	bool retry_later;
	char set_cookie[SOJOURN_COOKIE_BUF_BYTES];
	char set_remember[SOJOURN_COOKIE_BUF_BYTES]; /* demo_remember.c */
};

struct soj_demo_request {
	const struct soj_demo *demo;
	struct MHD_Connection *connection;
	const char *method; /* static; HEAD is GET here */
	const char *path;
	bool json; /* the client prefers it */
	bool html; /* the client asks for it by name */

	struct MHD_PostProcessor *post;
	size_t body_bytes;
	bool refused; /* the body is not one of our forms */
	char field[SOJ_DEMO_FIELDS][SOJ_DEMO_FIELD_BYTES];
	size_t field_bytes[SOJ_DEMO_FIELDS];

	struct soj_demo_session session;
	bool counted; /* by this very request */
	struct soj_demo_reply reply;
};

/* The callbacks for MHD_start_daemon(); cls is the struct soj_demo. */
enum MHD_Result soj_demo_http_answer(void *cls, struct MHD_Connection *c,
				     const char *url, const char *method,
				     const char *version, const char *data,
				     size_t *data_bytes, void **state);
void soj_demo_http_completed(void *cls, struct MHD_Connection *c, void **state,
			     enum MHD_RequestTerminationCode why);

/* A header of the request, or NULL. */
const char *soj_demo_http_header(const struct soj_demo_request *r,
				 const char *name);
/* The cookie header; NULL if there is none, or more than one. */
const char *soj_demo_http_cookie(const struct soj_demo_request *r);
/* The client's address as text. */
void soj_demo_http_client(const struct soj_demo_request *r, char *text,
			  size_t bytes);

/* Writes the reply; in demo_routes.c. */
void soj_demo_route(struct soj_demo_request *r);

#endif /* SOJ_TOOLS_DEMO_HTTP_H */
