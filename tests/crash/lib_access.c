/* SPDX-License-Identifier: MIT */

/*
 * Operations with access tokens.  The model is one login of "dora": a pair, of
 * which both are good, or neither (revoked), or the refresh token only
 * (restricted).  Never the access token only: who is revoked is locked out.
 */

#include <errno.h>
#include <sojourn/collection.h>
#include <sojourn/token.h>
#include <string.h>
#include <sys/mman.h>

#include "crash/lib_ops.h"

#define DAY_MS UINT64_C(86400000)

static struct sojourn_keys *keys;
static struct sojourn_tokens *tokens;

struct pair {
	char access[1024];
	char refresh[SOJOURN_REFRESH_CHARS + 1];
};

/* What was there before, and what victims got: they write, all see. */
static struct pair before, *got;

static void open_tokens(struct world *w)
{
	static const char secret[] = "0123456789abcdef0123456789abcdef";
	const struct sojourn_key key = {.form = SOJOURN_KEY_RAW,
					.alg = SOJOURN_TOKEN_HS256,
					.kid = "k",
					.text = secret,
					.text_bytes = 32};
	struct sojourn_token_options o;

	if (got == NULL) {
		got = mmap(NULL, sizeof(*got), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (got == MAP_FAILED ||
		    sojourn_keys_create(&key, 1, NULL, false, &keys) < 0)
			failed("keys: %s", sojourn_error_text());
	}
	memset(got, 0, sizeof(*got));
	sojourn_tokens_close(tokens);
	sojourn_token_options_init(&o);
	o.issuer = "https://id.example";
	o.audience = "api.example";
	if (sojourn_tokens_open(w->s, keys, &o, &tokens) < 0)
		failed("tokens: %s", sojourn_error_text());
}

static int create(struct pair *pair)
{
	const struct sojourn_token_new n = {
		.subject = "dora", .claims = "{\"n\":1}", .claims_bytes = 7};
	size_t bytes = sizeof(pair->access);

	return sojourn_token_create(tokens, &n, pair->access, &bytes,
				    pair->refresh, NULL);
}

static int refresh(const char *token, struct pair *pair)
{
	size_t bytes = sizeof(pair->access);

	return sojourn_token_refresh(tokens, token, NULL, pair->access, &bytes,
				     pair->refresh, NULL);
}

static bool is_good(const char *access)
{
	return sojourn_token_verify(tokens, access, strlen(access), NULL, NULL,
				    NULL) == 0;
}

void prepare_no_pair(struct world *w)
{
	prepare_people(w);
	open_tokens(w);
}

void prepare_pair(struct world *w)
{
	prepare_no_pair(w);
	if (create(&before) < 0 || !is_good(before.access))
		failed("a pair: %s", sojourn_error_text());
}

/* ---- what victims do ---- */

void run_create_pair(void *arg, struct report *r)
{
	(void)arg;
	r->rc = create(got);
}

void run_refresh(void *arg, struct report *r)
{
	(void)arg;
	r->rc = refresh(before.refresh, got);
}

/* Of the login, but never its valid one. */
void run_refresh_stolen(void *arg, struct report *r)
{
	char token[SOJOURN_REFRESH_CHARS + 1];

	(void)arg;
	strcpy(token, before.refresh);
	token[40] = token[40] == 'A' ? 'B' : 'A';
	r->rc = refresh(token, got);
}

void run_revoke_login(void *arg, struct report *r)
{
	(void)arg;
	r->rc = sojourn_token_revoke(tokens, before.access);
}

void run_restrict_login(void *arg, struct report *r)
{
	(void)arg;
	r->rc = sojourn_token_restrict(tokens, before.access);
}

void run_revoke_all(void *arg, struct report *r)
{
	(void)arg;
	r->rc = sojourn_token_revoke_subject(tokens, "dora");
}

/* ---- what must have come of it ---- */

/* Whatever was interrupted: the next logout and the next login do their work. */
static void goes_on(void)
{
	struct pair after;

	if (sojourn_token_revoke_subject(tokens, "dora") < 0)
		failed("revoke all of dora: %s", sojourn_error_text());
	if ((got->access[0] && is_good(got->access)) ||
	    (before.access[0] && is_good(before.access)) ||
	    (before.refresh[0] && refresh(before.refresh, &after) == 0) ||
	    (got->refresh[0] && refresh(got->refresh, &after) == 0))
		failed("a token outlives the logout everywhere");
	if (create(&after) < 0 || !is_good(after.access))
		failed("a login after the logout: %s", sojourn_error_text());
	if (sojourn_token_revoke_subject(tokens, "dora") != 1)
		failed("dora has more than the last login");
	memset(&before, 0, sizeof(before));
}

void judge_create_pair(struct world *w, const struct report *r)
{
	struct pair next;

	(void)w;
	if (r->finished && (r->rc != 0 || !is_good(got->access) ||
			    refresh(got->refresh, &next) != 0))
		failed("the victim's pair is not good: %d", r->rc);
	goes_on();
}

void judge_refresh(struct world *w, const struct report *r)
{
	struct pair next;
	int rc = refresh(before.refresh, &next);

	(void)w;
	if (rc < 0 || !is_good(next.access) || !is_good(before.access))
		failed("refresh after the victim: %d %s", rc,
		       sojourn_error_text());
	if (r->finished && (r->rc != 0 || !is_good(got->access) ||
			    strcmp(next.refresh, got->refresh) != 0))
		failed("the victim's refresh returned %d", r->rc);
	goes_on();
}

void resume_refresh(const struct report *r)
{
	struct pair next;

	if (r->rc == 0 &&
	    (is_good(got->access) || refresh(got->refresh, &next) == 0))
		failed("a refresh that went on survived the logout");
}

/* marked: the access token is refused by now. */
static void judge_end(const struct report *r, bool finished, int want,
		      bool marked, bool refreshes)
{
	const bool access = is_good(before.access);
	struct pair next;
	bool good;

	if (finished && r->rc != want)
		failed("the victim's call returned %d instead of %d", r->rc,
		       want);
	if ((finished || marked) && access)
		failed("an access token that was revoked is good");
	good = refresh(before.refresh, &next) == 0;
	if (good && !is_good(next.access))
		failed("a refreshed token is not good");
	if (access && !good)
		failed("the access token outlives its refresh token");
	if (finished && good != refreshes)
		failed("the refresh token is %s", good ? "good" : "not good");
	goes_on();
}

static void judge_label(const struct report *r, int want, const char *marked,
			bool refreshes)
{
	judge_end(r, r->finished, want, r->finished || passed(r, marked),
		  refreshes);
}

void judge_refresh_stolen(struct world *w, const struct report *r)
{
	(void)w;
	judge_label(r, -EPERM, "token.over.marked", false);
}

void judge_revoke_login(struct world *w, const struct report *r)
{
	(void)w;
	judge_label(r, 1, "token.revoke.marked", false);
}

void judge_restrict_login(struct world *w, const struct report *r)
{
	(void)w;
	judge_label(r, 1, "token.restrict.marked", true);
}

void judge_revoke_all(struct world *w, const struct report *r)
{
	(void)w;
	judge_label(r, 1, "token.subject.marked", false);
}

/* ---- by images, which have no labels, and one after the other ---- */

bool access_check_end(const struct report *r, bool finished, int want,
		      bool marked, bool refreshes)
{
	const struct pair kept = before;
	const bool refused = !is_good(before.access);

	judge_end(r, finished, want, marked, refreshes);
	before = kept;
	return refused;
}

void access_check_pair(struct world *w, const struct report *r, bool finished)
{
	struct report now = *r;
	const struct pair kept = before;

	now.finished = finished;
	if (before.refresh[0])
		judge_refresh(w, &now);
	else
		judge_create_pair(w, &now);
	before = kept;
}

/* ---- in the end ---- */

/* No handle ends a revocation, so marks are let run out, after all else ended. */
void access_drain(struct world *w)
{
	const struct sojourn_filter revoked = {
		.collection = SOJOURN_COLLECTION_REVOKED};
	struct sojourn_stat stat;
	int64_t marks;

	if (tokens == NULL)
		return;
	if (sojourn_session_delete_subject(w->s, "dora", NULL) < 0)
		failed("drain of tokens: %s", sojourn_error_text());
	world_upkeep(w);
	marks = sojourn_count(w->s, &revoked);
	if (marks < 0 || sojourn_stat(w->s, &stat) < 0)
		failed("count marks: %s", sojourn_error_text());
	else if (stat.entries_live != (uint64_t)marks)
		failed("%u entries live, of which %u are marks",
		       (unsigned)stat.entries_live, (unsigned)marks);
	world_advance(w, 2 * DAY_MS);
	if (sojourn_prune(w->s) != marks)
		failed("not all of %u marks ran out", (unsigned)marks);
}
