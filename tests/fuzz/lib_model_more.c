/* SPDX-License-Identifier: MIT */

/* Counts, locks, remembered logins and eviction beside the model. */

#include "lib_model.h"

#include <errno.h>
#include <string.h>

#include "lib/counter.h"

#define WINDOW_MS 10000u /* of "remember-me" */

/* ---- counts ---- */

void model_count(struct model *m, unsigned which)
{
	const char *subject = which & 1 ? model_subject_name(which / 2) : NULL;
	struct sojourn_filter filter = {.subject = subject};
	unsigned logins = 0, items = 0;
	int rc;

	if (m->evicts)
		return;
	for (unsigned i = 0; i < m->logins; i++)
		logins += model_login_lives(m, &m->login[i]) &&
			  (subject == NULL ||
			   m->login[i].subject == which / 2 % MODEL_SUBJECTS);
	model_compare("count", m, sojourn_count(m->s, &filter), logins);
	for (unsigned i = 0; i < MODEL_ITEMS; i++)
		items += m->item[i].there && m->now_ms < m->item[i].expires_ms;
	rc = sojourn_collection_number(m->s, "revoked");
	FUZZ_CHECK(rc > 0);
	filter = (struct sojourn_filter){.collection = (uint32_t)rc};
	model_compare("count of items", m, sojourn_count(m->s, &filter), items);
}

/* ---- locks ---- */

/* Where it is now is where it is locked; a lock keeps nothing alive. */
void model_lock(struct model *m, unsigned which)
{
	struct model_login *l;
	uint64_t fence = 0;
	unsigned number;
	int want = 0;

	if (m->evicts || m->locks == MODEL_LOCKS ||
	    !model_pick(m, which, &number))
		return;
	l = &m->login[m->id[number].login];
	if (!model_id_lives(m, number))
		want = -ENOENT;
	else if (l->locked)
		want = -EDEADLK;
	model_compare(
		"lock", m,
		sojourn_session_lock(m->s, m->id[number].id, 0, 0, &fence),
		want);
	if (want < 0)
		return;
	model_compare("fence rises", m, fence > l->fence, true);
	l->fence = fence;
	l->locked = true;
	m->locks++;
}

/* Writes under it first, now and then. */
void model_unlock(struct model *m, unsigned which)
{
	struct model_login *l;
	const char *id;
	unsigned number;
	uint64_t version;
	int rc;

	if (m->evicts || !model_pick(m, which, &number))
		return;
	l = &m->login[m->id[number].login];
	if (!l->locked)
		return;
	id = m->id[l->current].id;
	if (which & 64) {
		int want = model_login_lives(m, l) ? 0 : -ENOENT;

		rc = sojourn_session_update_locked(m->s, id, l->fence, "u", 1,
						   &version);
		/* It may be known that it was there: then the fence is over. */
		if (want == 0 || rc != -ESTALE)
			model_compare("locked update", m, rc, want);
		if (want == 0) {
			l->version++;
			l->data = 'u';
			l->data_bytes = 1;
			model_touched(m, l);
			model_compare("its version", m, (int64_t)version,
				      (int64_t)l->version);
		}
	}
	rc = sojourn_session_unlock(m->s, id, l->fence);
	if (model_login_lives(m, l) || rc != -ESTALE)
		model_compare("unlock", m, rc, 0);
	/* Of one that has ended another's may be meant that has ended, too. */
	if (model_login_lives(m, l))
		model_compare("unlock again", m,
			      sojourn_session_unlock(m->s, id, l->fence),
			      -ESTALE);
	l->locked = false;
	m->locks--;
}

/* ---- remembered logins ---- */

static void begin(struct model *m)
{
	const struct sojourn_new n = {.subject = "remembered"};
	struct model_family *f = &m->family[m->families];

	if (m->families == MODEL_FAMILIES)
		return;
	model_compare("remember", m,
		      sojourn_remember_create(m->s, &n, f->token[0], NULL), 0);
	f->tokens = 1;
	m->families++;
}

/* Used, and still answered: among the last, of those whose window was open at
 * each use since, and is. */
static bool answered(const struct model *m, const struct model_family *f,
		     unsigned token)
{
	return f->tokens - 1 - token <= MODEL_USED_MAX &&
	       m->now_ms < f->until_ms[token];
}

static void use(struct model *m, struct model_family *f, unsigned token)
{
	const bool valid = token + 1 == f->tokens;
	char next[SOJOURN_REMEMBER_CHARS + 1];
	struct sojourn_info info;
	int want = 0, rc;

	if (f->ended)
		want = -ENOENT;
	else if (!valid && !answered(m, f, token))
		want = -EPERM;
	rc = sojourn_remember_use(m->s, f->token[token], NULL, next, NULL, NULL,
				  &info);
	model_compare("use of a token", m, rc, want);
	f->ended |= want < 0;
	if (want < 0)
		return;
	if (valid) {
		f->until_ms[token] = m->now_ms + WINDOW_MS;
		memcpy(f->token[f->tokens++], next, sizeof(next));
	}
	model_compare("rotated", m, info.renewal,
		      valid ? SOJOURN_RENEWAL_WON : SOJOURN_RENEWAL_DONE);
	model_compare("rotations", m, info.renewals, f->tokens - 1);
	model_compare("what follows", m, strcmp(next, f->token[f->tokens - 1]),
		      0);
}

void model_remember(struct model *m, unsigned which)
{
	struct model_family *f;

	if (m->evicts)
		return;
	if (m->families == 0 || which % 16 == 0) {
		begin(m);
		return;
	}
	f = &m->family[which % m->families];
	if (which % 16 == 1) {
		model_compare("forget", m,
			      sojourn_remember_forget(m->s, f->token[0]),
			      !f->ended);
		f->ended = true;
	} else if (f->tokens < MODEL_TOKENS) {
		/* The valid one, or one of a few before. */
		use(m, f,
		    f->tokens - 1 -
			    (which & 128 ? which / 16 % 8 % f->tokens : 0));
	}
}

/* ---- eviction ---- */

/* Time that goes on would make a login that was evicted one that expired. */
void model_look_for(struct model *m, unsigned number)
{
	static const struct sojourn_read how = {.no_touch = true};
	int rc;

	if (!m->evicts || !model_id_lives(m, number))
		return;
	rc = sojourn_session_read(m->s, m->id[number].id, &how, NULL, NULL,
				  NULL);
	if (rc == 0)
		return;
	model_compare("one that may be evicted", m, rc, -ENOENT);
	m->login[m->id[number].login].ended = true;
	m->evicted++;
}

void model_look_for_all(struct model *m)
{
	for (unsigned i = 0; m->evicts && i < m->ids; i++)
		model_look_for(m, i);
}

/* After everything was read. */
void model_evicted(struct model *m)
{
	if (m->evicts)
		model_compare("evictions", m, (int64_t)m->evicted,
			      (int64_t)counter_of(m->s, "evictions"));
}
