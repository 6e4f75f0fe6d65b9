/* SPDX-License-Identifier: MIT */

#include "lib_model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "helper/expiry.h"

#define DATA_MAX 300u

void model_compare(const char *what, const struct model *m, int64_t got,
		   int64_t want)
{
	if (got != want)
		fuzz_fail("%s at %llu ms: %lld, but the model says %lld (%s)",
			  what, (unsigned long long)m->now_ms, (long long)got,
			  (long long)want, sojourn_error_text());
}

const char *model_subject_name(unsigned number)
{
	static const char *const names[MODEL_SUBJECTS] = {"alice", "bob", "c"};

	return names[number % MODEL_SUBJECTS];
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void model_open(struct model *m, struct fuzz_in *in)
{
	struct sojourn_options o;
	unsigned rules = (unsigned)fuzz_take(in, 1);

	memset(m, 0, sizeof(*m));
	sojourn_options_init(&o);
	m->evicts = rules & 32;
	o.entries_max = m->evicts ? 24 : 300;
	o.when_full =
		m->evicts ? SOJOURN_WHEN_FULL_EVICT : SOJOURN_WHEN_FULL_REJECT;
	o.threads_max = 4;
	o.segment_bytes = 2u << 20;
	o.events_max = rules & 1 ? 64 : 0;
	o.helper = SOJOURN_HELPER_NONE;
	o.manual_clock = true;
	m->ttl_ms = o.ttl_ms = 10000;
	m->idle_ms = o.idle_timeout_ms = rules & 2 ? 3200 : 0;
	m->grace_ms = o.grace_window_ms = rules & 4 ? 2000 : 0;
	m->late_ms = o.redelivery_ms = rules & 16 ? 3000 : 0;
	m->max_ms = o.max_lifetime_ms = rules & 8 ? 25000 : 0;
	if (sojourn_create(NULL, &o, &m->s) < 0)
		fuzz_fail("create: %s", sojourn_error_text());
	m->now_ms = sojourn_now_ms(m->s);
}

void model_close(struct model *m)
{
	sojourn_detach(m->s);
}

/* ---- what is alive ---- */

bool model_login_lives(const struct model *m, const struct model_login *l)
{
	return !l->ended && m->now_ms < l->expires_ms &&
	       (m->idle_ms == 0 || m->now_ms < l->accessed_ms + m->idle_ms);
}

/* An old id answers in its grace window while what it leads to lives, and
 * within it, of the ids in between. */
bool model_id_lives(const struct model *m, unsigned number)
{
	const struct model_id *i = &m->id[number];
	const struct model_login *l = &m->login[i->login];

	if (!model_login_lives(m, l))
		return false;
	return l->current == number ||
	       (m->now_ms < i->grace_until_ms && m->now_ms < i->expires_ms);
}

/* After the grace window an old id is good for deletion, as long as it is
 * answered with the new one. */
static bool id_deletes(const struct model *m, unsigned number)
{
	const struct model_id *i = &m->id[number];
	uint64_t late_ms = m->grace_ms ? m->late_ms : 0;

	return model_id_lives(m, number) ||
	       (model_login_lives(m, &m->login[i->login]) &&
		m->login[i->login].current != number &&
		m->now_ms < i->grace_until_ms + late_ms &&
		m->now_ms < i->expires_ms);
}

void model_touched(struct model *m, struct model_login *l)
{
	uint64_t interval = m->idle_ms ? least(1000, m->idle_ms / 64) : 1000;

	if (m->now_ms > l->accessed_ms &&
	    m->now_ms - l->accessed_ms >= interval)
		l->accessed_ms = m->now_ms;
}

bool model_pick(struct model *m, unsigned which, unsigned *number)
{
	*number = m->ids ? which % m->ids : 0;
	if (m->ids > 0)
		model_look_for(m, *number);
	return m->ids > 0;
}

/* ---- operations on sessions ---- */

void model_create(struct model *m, unsigned which)
{
	uint8_t data[DATA_MAX];
	struct sojourn_new n = {.subject = model_subject_name(which),
				.data = data};
	struct model_login *l = &m->login[m->logins];
	struct model_id *i = &m->id[m->ids];

	if (m->logins == MODEL_LOGINS || m->ids == MODEL_IDS)
		return;
	memset(data, (int)which, sizeof(data));
	n.data_bytes = which % (DATA_MAX + 1);
	model_compare("create", m,
		      sojourn_session_create(m->s, &n, i->id, NULL), 0);
	i->login = m->logins++;
	*l = (struct model_login){
		.subject = which % MODEL_SUBJECTS,
		.data = (uint8_t)which,
		.data_bytes = (unsigned)n.data_bytes,
		.version = 1,
		.accessed_ms = m->now_ms,
		.expires_max_ms =
			m->max_ms ? m->now_ms + m->max_ms : UINT64_MAX,
		.current = m->ids++,
	};
	l->expires_ms = least(m->now_ms + m->ttl_ms, l->expires_max_ms);
	if (m->evicts)
		model_compare("the newest", m,
			      sojourn_session_read(m->s, i->id, NULL, NULL,
						   NULL, NULL),
			      0);
}

void model_read(struct model *m, unsigned which)
{
	struct sojourn_read how = {.no_touch = which & 128};
	uint8_t data[DATA_MAX];
	size_t bytes = sizeof(data);
	struct sojourn_info info;
	struct model_login *l;
	unsigned number;
	int rc;

	if (!model_pick(m, which & 127, &number))
		return;
	l = &m->login[m->id[number].login];
	rc = sojourn_session_read(m->s, m->id[number].id, &how, data, &bytes,
				  &info);
	model_compare("read", m, rc, model_id_lives(m, number) ? 0 : -ENOENT);
	if (rc < 0)
		return;
	model_compare("bytes", m, (int64_t)bytes, l->data_bytes);
	for (size_t i = 0; i < bytes; i++)
		model_compare("data", m, data[i], l->data);
	model_compare("version", m, (int64_t)info.version, (int64_t)l->version);
	model_compare("subject", m,
		      strcmp(info.subject, model_subject_name(l->subject)), 0);
	model_compare("renewed", m, info.renewed, l->current != number);
	if (info.renewed && m->id[number].next == l->current)
		model_compare("new id", m,
			      strcmp(info.new_id, m->id[l->current].id), 0);
	if (!info.renewed) {
		model_compare("renewals", m, info.renewals, l->renewals);
		model_compare("accessed", m, (int64_t)info.accessed_ms,
			      (int64_t)l->accessed_ms);
		model_compare("expires", m, (int64_t)info.expires_ms,
			      (int64_t)l->expires_ms);
	}
	if (!how.no_touch)
		model_touched(m, l);
}

void model_update(struct model *m, unsigned which, unsigned how)
{
	uint8_t data[DATA_MAX];
	size_t bytes = how % (DATA_MAX + 1);
	struct model_login *l;
	uint64_t version = 0, wanted;
	unsigned number;
	int want = 0;

	if (!model_pick(m, which, &number))
		return;
	l = &m->login[m->id[number].login];
	wanted = how % 4 == 0 ? l->version : how % 4 == 1 ? l->version + 1 : 0;
	if (l->locked)
		wanted = 0;
	memset(data, (int)how, sizeof(data));
	if (!model_id_lives(m, number))
		want = -ENOENT;
	else if (l->locked)
		want = -EBUSY;
	else if (wanted && wanted != l->version)
		want = -ESTALE;
	model_compare("update", m,
		      sojourn_session_update(m->s, m->id[number].id, data,
					     bytes, wanted, &version),
		      want);
	if (want == -ENOENT || want == -EBUSY)
		return;
	if (want == 0) {
		l->version++;
		l->data = (uint8_t)how;
		l->data_bytes = (unsigned)bytes;
		model_touched(m, l);
	}
	model_compare("version", m, (int64_t)version, (int64_t)l->version);
}

static int add_one(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	uint8_t *bytes = data;

	if (*data_bytes < capacity)
		bytes[(*data_bytes)++] = *(uint8_t *)arg;
	return 0;
}

void model_modify(struct model *m, unsigned which)
{
	struct model_login *l;
	uint64_t version;
	unsigned number;
	int want;

	if (!model_pick(m, which, &number))
		return;
	l = &m->login[m->id[number].login];
	want = !model_id_lives(m, number) ? -ENOENT : l->locked ? -EBUSY : 0;
	model_compare("modify", m,
		      sojourn_session_modify(m->s, m->id[number].id, DATA_MAX,
					     add_one, &l->data, &version),
		      want);
	if (want < 0)
		return;
	l->version++;
	l->data_bytes += l->data_bytes < DATA_MAX;
	model_touched(m, l);
}

void model_touch(struct model *m, unsigned which)
{
	unsigned number;
	bool lives;

	if (!model_pick(m, which, &number))
		return;
	lives = model_id_lives(m, number);
	model_compare("touch", m, sojourn_session_touch(m->s, m->id[number].id),
		      lives ? 0 : -ENOENT);
	if (lives)
		model_touched(m, &m->login[m->id[number].login]);
}

void model_renew(struct model *m, unsigned which)
{
	struct sojourn_info info;
	struct model_login *l;
	struct model_id *old;
	unsigned number;
	int rc;

	if (m->evicts || !model_pick(m, which, &number) || m->ids == MODEL_IDS)
		return;
	old = &m->id[number];
	l = &m->login[old->login];
	rc = sojourn_session_renew(m->s, old->id, &info);
	model_compare("renew", m, rc, model_id_lives(m, number) ? 0 : -ENOENT);
	if (rc < 0)
		return;
	if (l->current != number) {
		model_compare("renewal", m, info.renewal, SOJOURN_RENEWAL_DONE);
		model_compare("its id", m,
			      strcmp(info.new_id, m->id[old->next].id), 0);
		return;
	}
	model_compare("renewal", m, info.renewal, SOJOURN_RENEWAL_WON);
	strcpy(m->id[m->ids].id, info.new_id);
	m->id[m->ids].login = old->login;
	old->grace_until_ms = m->now_ms + m->grace_ms;
	old->expires_ms = l->expires_ms;
	old->next = l->current = m->ids++;
	l->renewals++;
	l->accessed_ms = m->now_ms;
	l->expires_ms = least(m->now_ms + m->ttl_ms, l->expires_max_ms);
}

void model_delete(struct model *m, unsigned which)
{
	unsigned number;
	bool lives;

	if (!model_pick(m, which, &number))
		return;
	lives = id_deletes(m, number);
	model_compare("delete", m,
		      sojourn_session_delete(m->s, m->id[number].id), lives);
	if (lives)
		m->login[m->id[number].login].ended = true;
}

/* ---- of a subject, and time ---- */

static int counted(void *arg, const struct sojourn_info *info)
{
	unsigned *count = arg;

	count[info->renewed ? 1 : 0]++;
	return 0;
}

static void list_subject(struct model *m, unsigned subject)
{
	unsigned found[2] = {0, 0}, lives = 0, old = 0;

	model_look_for_all(m);
	model_compare("list", m,
		      sojourn_session_list_subject(m->s,
						   model_subject_name(subject),
						   NULL, counted, found) >= 0,
		      true);
	for (unsigned i = 0; i < m->ids; i++) {
		const struct model_login *l = &m->login[m->id[i].login];

		if (l->subject != subject || !model_id_lives(m, i))
			continue;
		lives += l->current == i;
		old += l->current != i;
	}
	model_compare("living sessions", m, found[0], lives);
	model_compare("old ids", m, found[1], old);
}

void model_subject(struct model *m, unsigned which)
{
	unsigned subject = which % MODEL_SUBJECTS, ended = 0, number;
	const char *except = NULL;
	int rc;

	if (which & 64) {
		list_subject(m, subject);
		return;
	}
	if ((which & 32) && model_pick(m, which, &number) &&
	    model_id_lives(m, number) &&
	    m->login[m->id[number].login].subject == subject)
		except = m->id[number].id;
	model_look_for_all(m);
	rc = sojourn_session_delete_subject(m->s, model_subject_name(subject),
					    except);
	for (unsigned i = 0; i < m->logins; i++) {
		struct model_login *l = &m->login[i];

		if (l->subject != subject || !model_login_lives(m, l) ||
		    (except && i == m->id[number].login))
			continue;
		l->ended = true;
		ended++;
	}
	model_compare("delete of a subject", m, rc, ended);
}

void model_advance(struct model *m, uint64_t ms)
{
	model_look_for_all(m);
	model_compare("advance", m, sojourn_clock_advance(m->s, ms), 0);
	m->now_ms += ms;
	model_compare("clock", m, (int64_t)sojourn_now_ms(m->s),
		      (int64_t)m->now_ms);
}

void model_upkeep(struct model *m, unsigned how)
{
	int rc;
	struct soj_self *self = soj_self_writing(m->s, &rc);
	struct soj_upkeep_work work;
	struct soj_upkeep up;
	struct soj_expiry ex;

	FUZZ_CHECK(self && soj_upkeep_init(&up, &m->s->st, &self->w) == 0);
	if (how & 1) {
		FUZZ_CHECK(soj_expiry_init(&ex, &m->s->st, &self->w, 10) == 0);
		soj_expiry_rebuild(&ex);
		soj_expiry_step(&ex, m->now_ms);
		soj_expiry_deinit(&ex);
	}
	for (unsigned i = 0; i < 1 + how / 16; i++)
		soj_upkeep_pass(&up, &work);
	if (how & 2)
		soj_upkeep_full(&up, &work);
	soj_upkeep_deinit(&up);
}

/* ---- items ---- */

static void item_read(struct model *m, const struct sojourn_item *key,
		      struct model_item *item)
{
	uint8_t data[DATA_MAX];
	size_t bytes = sizeof(data);
	struct sojourn_info info;
	int rc = sojourn_get(m->s, key, NULL, data, &bytes, &info);

	model_compare("get", m, rc, item->there ? 0 : -ENOENT);
	model_compare("has", m, sojourn_has(m->s, key), item->there);
	if (rc < 0)
		return;
	model_compare("item's bytes", m, (int64_t)bytes, item->data_bytes);
	for (size_t i = 0; i < bytes; i++)
		model_compare("item's data", m, data[i], item->data);
	model_compare("item's version", m, (int64_t)info.version,
		      (int64_t)item->version);
	model_compare("item's end", m, (int64_t)info.expires_ms,
		      (int64_t)item->expires_ms);
}

static void item_write(struct model *m, const struct sojourn_item *key,
		       struct model_item *item, unsigned how)
{
	uint8_t data[DATA_MAX];
	struct sojourn_value v = {.data = data,
				  .data_bytes = how % (DATA_MAX + 1),
				  .ttl_ms = 500u * (how % 16 + 1)};
	bool add = how & 16;
	uint64_t version = 0;
	int rc, want = 0;

	memset(data, (int)how, sizeof(data));
	v.if_exists = !add && (how & 32);
	if (add && item->there)
		want = -EEXIST;
	if (v.if_exists && !item->there)
		want = -ENOENT;
	rc = add ? sojourn_add(m->s, key, &v, &version)
		 : sojourn_put(m->s, key, &v, &version);
	model_compare(add ? "add" : "put", m, rc, want);
	if (rc < 0)
		return;
	FUZZ_CHECK(version > 0 && (!item->there || version > item->version));
	*item = (struct model_item){
		.there = true,
		.data = (uint8_t)how,
		.data_bytes = (unsigned)v.data_bytes,
		.version = version,
		.expires_ms = m->now_ms + v.ttl_ms,
	};
}

void model_item(struct model *m, unsigned which, unsigned how)
{
	unsigned number = which % MODEL_ITEMS;
	struct model_item *item = &m->item[number];
	uint8_t name = (uint8_t)number;
	struct sojourn_item key = {.key = &name, .key_bytes = 1};
	int rc = sojourn_collection_number(m->s, "revoked");

	FUZZ_CHECK(rc > 0);
	key.collection = (uint32_t)rc;
	item->there = item->there && m->now_ms < item->expires_ms;
	switch (which / MODEL_ITEMS % 4) {
	case 0:
		item_read(m, &key, item);
		break;
	case 1:
		model_compare("remove", m, sojourn_remove(m->s, &key, 0),
			      item->there);
		item->there = false;
		break;
	default:
		item_write(m, &key, item, how);
		break;
	}
}

void model_all(struct model *m)
{
	for (unsigned i = 0; i < m->ids; i++)
		model_read(m, i < 128 ? i | 128 : i);
	for (unsigned i = 0; i < MODEL_SUBJECTS; i++)
		list_subject(m, i);
	for (unsigned i = 0; i < MODEL_ITEMS; i++)
		model_item(m, i, 0);
}
