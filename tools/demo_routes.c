/* SPDX-License-Identifier: MIT */

/*
 * What `sojourn demo` answers.
 *
 * Cross-site requests.  The cookie is SameSite=Lax, so other sites' forms come
 * without it.  On top of that whatever changes something needs the session's
 * CSRF token, which forms carry as a field and programs as the X-CSRF-Token
 * header.  A login has no session to compare with: there the browser's own
 * Sec-Fetch-Site is heeded, as for every other POST.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sojourn/stat.h>

#include "demo_api.h"
#include "demo_http.h"
#include "demo_remember.h"
#include "demo_views.h"
#include "lib_args.h"
#include "lib_text.h"

#define USER_BYTES_MAX 64u
#define STAY_MS_MIN    1000u
#define STAY_MS_MAX    60000u
#define DEVICES_MAX    1000u

enum {
	NEEDS_SESSION = 1 << 0,
	LOOKS_FOR_SESSION = 1 << 1,
	NEEDS_CSRF = 1 << 2,
	NO_RENEWAL = 1 << 3, /* the session is about to end */
	JSON_UNLESS_HTML = 1 << 4,
	IS_API = 1 << 5,  /* JSON always; no cookies */
	FORGETS = 1 << 6, /* the browser, also when its session is over */
};

struct route {
	const char *path;
	const char *method;
	void (*answer)(struct soj_demo_request *r);
	unsigned int flags;
};

/* ---- replies ---- */

static void message(struct soj_demo_request *r, unsigned int status,
		    const char *title, const char *text)
{
	r->reply.status = status;
	if (r->json)
		soj_demo_json_text(r, status < 400 ? "done" : "error", text);
	else
		soj_demo_page_message(r, title, text);
}

/* See other: the browser gets the page by GET, so a reload repeats nothing. */
static void see(struct soj_demo_request *r, const char *location)
{
	r->reply.status = MHD_HTTP_SEE_OTHER;
	r->reply.location = location;
}

/* What went wrong in the library.  Details go to our log only. */
static void failed(struct soj_demo_request *r, int rc)
{
	switch (rc) {
	case -ENOSPC:
		r->reply.retry_later = true;
		message(r, MHD_HTTP_SERVICE_UNAVAILABLE, "Full",
			"All places for sessions are taken. Nobody was logged "
			"out for you; please try again later.");
		return;
	case -EAGAIN:
	case -EBUSY:
		r->reply.retry_later = true;
		message(r, MHD_HTTP_SERVICE_UNAVAILABLE, "Busy",
			"Too many requests at a time. Please try again.");
		return;
	case -ENOENT:
		soj_demo_session_clear_cookie(r);
		message(r, MHD_HTTP_UNAUTHORIZED, "Logged out",
			"Your session has ended. Please log in again.");
		return;
	case -EUSERS:
		message(r, MHD_HTTP_FORBIDDEN, "Too many devices",
			"You are logged in on as many devices as you may be. "
			"Please log out on one of them first.");
		return;
	case -EPROTO:
		message(r, MHD_HTTP_CONFLICT, "Not ours",
			"This session belongs to another program.");
		return;
	case -EBADMSG:
		r->reply.check = "torn";
		break;
	}
	soj_args_complain("demo: %s %s: %s: %s", r->method, r->path,
			  sojourn_strerror(rc), sojourn_error_text());
	message(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "Error",
		"Something is wrong here, and the server's log says what.");
}

/* ---- pages ---- */

static void answer_home(struct soj_demo_request *r)
{
	if (r->json)
		soj_demo_json_home(r);
	else if (r->session.present)
		soj_demo_page_profile(r);
	else
		soj_demo_page_home(r);
}

static void answer_profile(struct soj_demo_request *r)
{
	if (r->json)
		soj_demo_json_profile(r);
	else
		soj_demo_page_profile(r);
}

static void answer_health(struct soj_demo_request *r)
{
	if (r->json)
		soj_demo_json_text(r, "status", "ok");
	else
		message(r, MHD_HTTP_OK, "Health", "This worker is well.");
}

static void answer_stat(struct soj_demo_request *r)
{
	struct sojourn_stat *stat = malloc(sizeof(*stat));
	int rc = stat ? sojourn_stat(r->demo->segment, stat) : -ENOMEM;

	if (rc != 0)
		failed(r, rc);
	else if (r->json)
		soj_demo_json_stat(r, stat);
	else
		soj_demo_page_stat(r, stat);
	free(stat);
}

/* ---- login ---- */

/* What an act on the session came to: 0 or what it failed by. */
static void see_profile(struct soj_demo_request *r, int rc)
{
	if (rc != 0)
		failed(r, rc);
	else if (r->json)
		soj_demo_json_profile(r);
	else
		see(r, "/profile");
}

static bool is_label(const char *text, size_t bytes, size_t bytes_max)
{
	if (bytes > bytes_max || !soj_text_is_utf8(text, bytes))
		return false;
	for (size_t i = 0; i < bytes; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return true;
}

static void answer_login(struct soj_demo_request *r)
{
	const char *user = r->field[SOJ_DEMO_FIELD_USER];
	const char *device = r->field[SOJ_DEMO_FIELD_DEVICE];
	const char *stay = r->field[SOJ_DEMO_FIELD_STAY];
	uint64_t ttl_ms = 0;
	int rc;

	if (!*user || !is_label(user, strlen(user), USER_BYTES_MAX) ||
	    !is_label(device, strlen(device), SOJ_DEMO_DEVICE_NAME_BYTES - 1)) {
		message(r, MHD_HTTP_BAD_REQUEST, "Not a name",
			"A user name has 1 to 64 bytes, a device name at most "
			"80, both UTF-8 without control characters.");
		return;
	}
	if (*stay && (soj_args_duration(stay, &ttl_ms) != 0 ||
		      ttl_ms < STAY_MS_MIN || ttl_ms > STAY_MS_MAX)) {
		message(r, MHD_HTTP_BAD_REQUEST, "Not a duration",
			"A short stay is from 1s to 1min.");
		return;
	}
	rc = soj_demo_session_login(r, user, device, ttl_ms);
	/* The login holds without it. */
	if (rc == 0 && soj_demo_remember_login(r) < 0)
		soj_args_complain("demo: a login is not remembered: %s",
				  sojourn_error_text());
	see_profile(r, rc);
}

static void answer_counter(struct soj_demo_request *r)
{
	int rc = soj_demo_session_count(r);

	r->counted = rc == 0;
	see_profile(r, rc);
}

/* ---- devices ---- */

static void copy_text(char *out, size_t bytes, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	if (length >= bytes)
		length = bytes - 1;
	memcpy(out, text ? text : "", length);
	out[length] = '\0';
}

static int add_device(void *arg, const struct sojourn_info *info)
{
	struct soj_demo_devices *devices = arg;
	struct soj_demo_device *d;

	if (devices->count == DEVICES_MAX)
		return 1;
	if (devices->count == devices->capacity) {
		size_t capacity = devices->capacity * 2 + 8;

		d = reallocarray(devices->items, capacity, sizeof(*d));
		if (!d)
			return 1;
		devices->items = d;
		devices->capacity = capacity;
	}
	d = &devices->items[devices->count++];
	memcpy(d->handle, info->handle, sizeof(d->handle));
	copy_text(d->name, sizeof(d->name), info->metadata.device_name);
	copy_text(d->ip, sizeof(d->ip), info->metadata.ip);
	d->created_ms = info->created_ms;
	d->accessed_ms = info->accessed_ms;
	d->deadline_ms = info->deadline_ms;
	d->renewals = info->renewals;
	d->current = info->current;
	d->renewed = info->renewed;
	d->remembers = strcmp(info->collection, "remember-me") == 0;
	return 0;
}

static void answer_devices(struct soj_demo_request *r)
{
	struct soj_demo_devices devices = {0};
	int rc = sojourn_session_list_subject(
		r->demo->segment, r->session.info.subject, r->session.id,
		add_device, &devices);

	if (rc < 0)
		failed(r, rc);
	else if (r->json)
		soj_demo_json_devices(r, &devices);
	else
		soj_demo_page_devices(r, &devices);
	free(devices.items);
}

struct search {
	const char *handle;
	bool found;
	bool current;
};

static int look_for_handle(void *arg, const struct sojourn_info *info)
{
	struct search *search = arg;

	if (strcmp(info->handle, search->handle) != 0)
		return 0;
	search->found = true;
	search->current = info->current;
	return 1;
}

/* A handle is no secret: only those of the user's own sessions are taken. */
static void answer_revoke(struct soj_demo_request *r)
{
	struct sojourn *segment = r->demo->segment;
	struct search search = {.handle = r->field[SOJ_DEMO_FIELD_HANDLE]};
	int rc;

	rc = sojourn_session_list_subject(segment, r->session.info.subject,
					  r->session.id, look_for_handle,
					  &search);
	if (rc >= 0 && !search.found) {
		message(r, MHD_HTTP_NOT_FOUND, "No such device",
			"None of your devices has that handle.");
		return;
	}
	if (rc >= 0)
		rc = sojourn_session_delete_handle(segment, search.handle);
	if (rc < 0) {
		failed(r, rc);
		return;
	}
	/* What the browser is remembered by would log it in again at once. */
	if (search.current) {
		soj_demo_session_clear_cookie(r);
		soj_demo_remember_forget(r);
	}
	if (r->json)
		soj_demo_json_number(r, "ended", (uint64_t)rc);
	else
		see(r, search.current ? "/" : "/devices");
}

/* ---- logout ---- */

static void answer_logout(struct soj_demo_request *r)
{
	int rc;

	/* By the id that the client holds: what it was renewed to ends too, but
	 * not the other way round. */
	rc = sojourn_session_delete(r->demo->segment, r->session.sent_id);
	if (rc < 0) {
		failed(r, rc);
		return;
	}
	soj_demo_session_clear_cookie(r);
	soj_demo_remember_forget(r);
	if (r->json)
		soj_demo_json_number(r, "ended", (uint64_t)rc);
	else
		see(r, "/");
}

static void answer_logout_everywhere(struct soj_demo_request *r)
{
	bool keep = *r->field[SOJ_DEMO_FIELD_KEEP] != '\0';
	bool remembered = keep && soj_demo_remember_known(r);
	char text[80];
	int rc;

	rc = sojourn_session_delete_subject(r->demo->segment,
					    r->session.info.subject,
					    keep ? r->session.id : NULL);
	if (rc < 0) {
		failed(r, rc);
		return;
	}
	if (!keep)
		soj_demo_session_clear_cookie(r);
	if (!remembered)
		soj_demo_remember_forget(r);
	else if (soj_demo_remember_again(r) < 0)
		soj_args_complain("demo: not remembered again: %s",
				  sojourn_error_text());
	if (r->json) {
		soj_demo_json_number(r, "ended", (uint64_t)rc);
		return;
	}
	if (keep) {
		see(r, "/devices");
		return;
	}
	r->session.present = false;
	snprintf(text, sizeof(text), "%d session%s ended, in all workers.", rc,
		 rc == 1 ? "" : "s");
	message(r, MHD_HTTP_OK, "Logged out everywhere", text);
}

/* ---- which is which ---- */

static const struct route routes[] = {
	{"/", "GET", answer_home, LOOKS_FOR_SESSION},
	{"/login", "POST", answer_login, 0},
	{"/profile", "GET", answer_profile, NEEDS_SESSION},
	{"/counter", "POST", answer_counter, NEEDS_SESSION | NEEDS_CSRF},
	{"/devices", "GET", answer_devices, NEEDS_SESSION},
	{"/devices/revoke", "POST", answer_revoke, NEEDS_SESSION | NEEDS_CSRF},
	{"/logout", "POST", answer_logout,
	 NEEDS_SESSION | NEEDS_CSRF | NO_RENEWAL | FORGETS},
	{"/logout-everywhere", "POST", answer_logout_everywhere,
	 NEEDS_SESSION | NEEDS_CSRF | NO_RENEWAL},
	{"/api/login", "POST", soj_demo_api_login, IS_API},
	{"/api/refresh", "POST", soj_demo_api_refresh, IS_API},
	{"/api/me", "GET", soj_demo_api_me, IS_API},
	{"/api/logout", "POST", soj_demo_api_logout, IS_API},
	{"/api/logout-everywhere", "POST", soj_demo_api_logout_everywhere,
	 IS_API},
	{"/stat", "GET", answer_stat, JSON_UNLESS_HTML},
	{"/health", "GET", answer_health, JSON_UNLESS_HTML},
};

/* NULL after having answered. */
static const struct route *find_route(struct soj_demo_request *r)
{
	const struct route *other = NULL;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(routes[i].path, r->path) != 0)
			continue;
		if (!strcmp(routes[i].method, r->method))
			return &routes[i];
		other = &routes[i];
	}
	if (!other) {
		message(r, MHD_HTTP_NOT_FOUND, "Not found",
			"There is no such page.");
		return NULL;
	}
	r->reply.allow = !strcmp(other->method, "GET") ? "GET, HEAD" : "POST";
	message(r, MHD_HTTP_METHOD_NOT_ALLOWED, "Not this way",
		"This address does not answer that method.");
	return NULL;
}

static bool from_other_site(const struct soj_demo_request *r)
{
	const char *site = soj_demo_http_header(r, "Sec-Fetch-Site");

	return site && strcmp(site, "same-origin") != 0 &&
	       strcmp(site, "none") != 0;
}

/* What stands in the way of a POST; answers and returns true if anything. */
static bool refuse_post(struct soj_demo_request *r)
{
	if (r->refused) {
		message(r, MHD_HTTP_BAD_REQUEST, "Not a form",
			"The body must be a form of at most 8 KiB, each field "
			"at most 255 bytes.");
		return true;
	}
	if (from_other_site(r)) {
		message(r, MHD_HTTP_FORBIDDEN, "Refused",
			"This form was sent by another site.");
		return true;
	}
	return false;
}

/* Loads the session; answers and returns false if the route cannot be. */
static bool let_in(struct soj_demo_request *r, const struct route *route)
{
	int rc;

	if (!(route->flags & (NEEDS_SESSION | LOOKS_FOR_SESSION)))
		return true;
	rc = soj_demo_session_load(r, !(route->flags & NO_RENEWAL));
	/* Nothing but looking: a form that logs in has no token yet. */
	if (rc == 0 && !r->session.present && !strcmp(r->method, "GET"))
		rc = soj_demo_remember_use(r);
	if (rc == -EPERM) {
		message(r, MHD_HTTP_UNAUTHORIZED, "Logged out everywhere",
			"What this browser remembered you by was used from "
			"elsewhere. All your logins were ended, everywhere: "
			"please log in again.");
		return false;
	}
	if (rc != 0) {
		failed(r, rc);
		return false;
	}
	if (r->session.present)
		r->reply.check = "ok";
	else if (route->flags & NEEDS_SESSION) {
		/* Who wants to be out stays out.  The token proves that the
		 * form was ours: its check needs no session. */
		if ((route->flags & FORGETS) && soj_demo_session_csrf_ok(r))
			soj_demo_remember_forget(r);
		if (r->json)
			message(r, MHD_HTTP_UNAUTHORIZED, "", "not logged in");
		else
			see(r, "/");
		return false;
	}
	if ((route->flags & NEEDS_CSRF) && !soj_demo_session_csrf_ok(r)) {
		message(r, MHD_HTTP_FORBIDDEN, "Refused",
			"The form's token is not this session's. Go back, "
			"reload the page and try again.");
		return false;
	}
	return true;
}

void soj_demo_route(struct soj_demo_request *r)
{
	const struct route *route = find_route(r);

	if (!route)
		return;
	if ((route->flags & IS_API) ||
	    ((route->flags & JSON_UNLESS_HTML) && !r->html))
		r->json = true;
	if (!strcmp(r->method, "POST") && refuse_post(r))
		return;
	if (let_in(r, route))
		route->answer(r);
}
