/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_DEMO_SESSION_H
#define SOJ_TOOLS_DEMO_SESSION_H

/*
 * The session of a request of `sojourn demo`: cookie, renewal, CSRF token and
 * the session's data.  All of it lives in the segment, nothing in the worker.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sojourn/remember.h>

struct soj_demo_request;

#define SOJ_DEMO_TRAIL 8u

/*
 * The data of a session.  The checksum is over all that precedes it, and the
 * filler repeats the counter, so that a value of which one part is older than
 * another would not add up.
 */
struct soj_demo_data {
	char magic[8];
	uint64_t counter;
	uint32_t trail[SOJ_DEMO_TRAIL]; /* pids that counted, newest first */
	uint64_t filler[22];
	uint8_t checksum[16];
};

_Static_assert(sizeof(struct soj_demo_data) == 240,
	       "no padding: all bytes are covered by the checksum");

struct soj_demo_session {
	bool present;
	bool replaced; /* the request's id is not `id` any more */
	enum sojourn_renewal renewal;
	char sent_id[SOJOURN_ID_CHARS_MAX + 1]; /* the request's */
	char id[SOJOURN_ID_CHARS_MAX + 1];      /* to be used from now on */
	struct soj_demo_data data;
	struct sojourn_info info;
};

/*
 * Finds the session that the request's cookie names and reads it, which renews
 * it if that is due and `renew` allows it; a new id is set in the reply's
 * cookie.  An id that leads nowhere is cleared there.
 * 0 (session.present tells), -EPROTO (a session of another program),
 * -EBADMSG (its data do not add up), or as sojourn_session_read().
 */
int soj_demo_session_load(struct soj_demo_request *r, bool renew);

/* Logs in: a new session, with its cookie in the reply.  One that the request
 * came with is ended.  0, or as sojourn_session_create(). */
int soj_demo_session_login(struct soj_demo_request *r, const char *subject,
			   const char *device, uint64_t ttl_ms);

/* Adds 1 to the counter, whoever else does.  0, or as
 * sojourn_session_modify(). */
int soj_demo_session_count(struct soj_demo_request *r);

/* The reply tells the browser to forget the cookie. */
void soj_demo_session_clear_cookie(struct soj_demo_request *r);

/* Whether the request carries a CSRF token of the id that it came with: in the
 * X-CSRF-Token header or in the form. */
bool soj_demo_session_csrf_ok(const struct soj_demo_request *r);

/* A CSRF token of the session, another one each time; "" without a session. */
void soj_demo_session_csrf(const struct soj_demo_request *r,
			   char token[SOJOURN_CSRF_CHARS + 1]);

/* A cookie of the request: 0, -ENOENT without one, -EINVAL if it is longer than
 * bytes - 1. */
int soj_demo_session_cookie(const struct soj_demo_request *r, const char *name,
			    char *text, size_t bytes);

/* "none", "won", "done", "here", "elsewhere"; NULL without a session. */
const char *
soj_demo_session_renewal_name(const struct soj_demo_session *session);

void soj_demo_session_wipe(struct soj_demo_session *session);

#endif /* SOJ_TOOLS_DEMO_SESSION_H */
