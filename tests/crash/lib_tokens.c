/* SPDX-License-Identifier: MIT */

/*
 * Operations with rotating tokens.  The model is one family, of a subject of
 * its own: w->token is the token that the victim uses, w->rotated what the
 * survivor got for it meanwhile.
 */

#include <errno.h>
#include <sojourn/remember.h>
#include <string.h>

#include "crash/lib_ops.h"

#define DATA "what goes with it"

void prepare_family(struct world *w)
{
	const struct sojourn_new n = {
		.subject = "dora", .data = DATA, .data_bytes = sizeof(DATA)};

	prepare_people(w);
	if (sojourn_remember_create(w->s, &n, w->token, NULL) < 0)
		failed("remember: %s", sojourn_error_text());
}

/* ---- what victims do ---- */

void run_use_token(void *arg, struct report *r)
{
	struct world *w = arg;
	struct sojourn_info info = {0};

	r->rc = sojourn_remember_use(w->s, w->token, NULL, r->id, NULL, NULL,
				     &info);
	r->renewal = info.renewal;
}

/* Of the family, but never the valid one. */
static void stolen(const struct world *w, char token[64])
{
	strcpy(token, w->token);
	token[40] = token[40] == 'A' ? 'B' : 'A';
}

void run_use_stolen(void *arg, struct report *r)
{
	struct world *w = arg;
	char token[64];

	stolen(w, token);
	r->rc = sojourn_remember_use(w->s, token, NULL, r->id, NULL, NULL,
				     NULL);
}

void run_forget_token(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_remember_forget(w->s, w->token);
}

/* ---- what the survivor does meanwhile ---- */

void meddle_use_token(struct world *w)
{
	int rc = sojourn_remember_use(w->s, w->token, NULL, w->rotated, NULL,
				      NULL, NULL);

	if (rc < 0)
		failed("use: %d %s", rc, sojourn_error_text());
}

void world_end_family(struct world *w)
{
	int rc = sojourn_session_delete_subject(w->s, "dora", NULL);

	if (rc < 0)
		failed("delete all of dora: %d %s", rc, sojourn_error_text());
	if (sojourn_remember_use(w->s, w->token, NULL, w->token, NULL, NULL,
				 NULL) != -ENOENT)
		failed("a token outlives the logout everywhere");
	w->token[0] = 0;
}

void meddle_end_family(struct world *w)
{
	world_end_family(w);
}

/* ---- what must have come of it ---- */

/* The family is over: no token of it is any good. */
static void is_over(struct world *w)
{
	char next[64];

	if (sojourn_remember_use(w->s, w->rotated[0] ? w->rotated : w->token,
				 NULL, next, NULL, NULL, NULL) != -ENOENT)
		failed("a token of a family that ended is good");
}

/*
 * The survivor uses the same token.  `used`: somebody has, so it gets what the
 * others got; else it is the one who rotates.  Then what it got rotates too.
 */
static void goes_on(struct world *w, bool used, char next[64])
{
	struct sojourn_info info = {0};
	char data[sizeof(DATA)];
	size_t bytes = sizeof(data);
	int rc = sojourn_remember_use(w->s, w->token, NULL, next, data, &bytes,
				      &info);

	if (rc < 0 || bytes != sizeof(data) || memcmp(data, DATA, bytes) != 0) {
		failed("use: %d %s", rc, sojourn_error_text());
		return;
	}
	if (info.renewal != (used ? SOJOURN_RENEWAL_DONE : SOJOURN_RENEWAL_WON))
		failed("use of a token that was %s: outcome %d",
		       used ? "used" : "not used", info.renewal);
	if (w->rotated[0] && strcmp(next, w->rotated) != 0)
		failed("use: not the token that followed");
	rc = sojourn_remember_use(w->s, next, NULL, w->rotated, NULL, NULL,
				  &info);
	if (rc < 0 || info.renewal != SOJOURN_RENEWAL_WON || info.renewals != 2)
		failed("use of the next token: %d %s", rc,
		       sojourn_error_text());
}

void judge_use_token(struct world *w, const struct report *r)
{
	bool other = w->rotated[0] != 0;
	char next[64];

	if (w->token[0] == 0) { /* ended while it stood */
		if (r->finished && r->rc != -ENOENT)
			failed("used after the end: %d", r->rc);
		return;
	}
	goes_on(w, other || passed(r, "update.published"), next);
	if (!r->finished)
		return;
	if (r->rc != 0 || strcmp(r->id, next) != 0 ||
	    r->renewal != (other ? SOJOURN_RENEWAL_DONE : SOJOURN_RENEWAL_WON))
		failed("the victim's use returned %d, outcome %d", r->rc,
		       r->renewal);
}

/* Continued when the family had moved on: what it got leads to the valid one. */
void resume_token(struct world *w, const struct report *r)
{
	char next[64];

	if (w->token[0] == 0) {
		if (r->rc != -ENOENT)
			failed("used after the end: %d", r->rc);
		return;
	}
	if (r->rc != 0 || sojourn_remember_use(w->s, r->id, NULL, next, NULL,
					       NULL, NULL) != 0)
		failed("the victim, continued, returned %d, and its token is "
		       "no good: %s",
		       r->rc, sojourn_error_text());
}

static void judge_end(struct world *w, const struct report *r, int want)
{
	char next[64];

	if (r->finished && r->rc != want)
		failed("the victim's call returned %d instead of %d", r->rc,
		       want);
	if (passed(r, "entry.ended"))
		is_over(w);
	else
		goes_on(w, w->rotated[0] != 0, next);
}

void judge_use_stolen(struct world *w, const struct report *r)
{
	judge_end(w, r, -EPERM);
}

void judge_forget_token(struct world *w, const struct report *r)
{
	judge_end(w, r, 1);
}
