/* SPDX-License-Identifier: MIT */

/* Random operations on few keys, each noted before it begins and when it has
 * returned: see lib_history.h. */

#include "histories/lib_work.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sojourn/collection.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "stress/lib_stress.h"

#define TAIL_MAX 600u
#define YIELD_IN 24u

/* For the hook, which has no argument. */
static struct work *me;
static uint64_t steps_to_live; /* 0: for ever */

struct data {
	struct value v;
	uint8_t tail[TAIL_MAX];
};

static uint64_t some(struct work *w, uint64_t below)
{
	return next_random(&w->random) % below;
}

/* Others get the processor in the middle of what is one step to nobody. */
static void on_step(const struct soj_step *step)
{
	(void)step;
	if (steps_to_live && --steps_to_live == 0)
		kill(getpid(), SIGKILL);
	if (some(me, YIELD_IN) == 0)
		sched_yield();
}

/* ---- notes ---- */

struct op *work_begin(struct work *w, enum kind kind, uint32_t key)
{
	uint64_t slot = w->notes->ops_used++;
	struct op *op = &w->notes->op[slot % BATCH_OPS];

	if (slot >= w->notes->ops_max)
		return NULL;
	op->kind = (uint8_t)kind;
	op->process = (uint8_t)w->index;
	op->key = key;
	if (key < KEYS_MAX)
		op->subject = w->notes->key[key].subject;
	op->now_ms = sojourn_now_ms(w->s);
	return op;
}

void work_go(struct work *w, struct op *op)
{
	op->begin = ++w->notes->clock;
}

void work_done(struct work *w, struct op *op, int rc)
{
	op->rc = rc;
	if (rc == -ENOSPC || rc == -EBUSY) {
		op->begin = 0;
		if (rc == -EBUSY)
			w->notes->busy++;
		else
			w->notes->full++;
		return;
	}
	if (rc < 0 && rc != -ENOENT && rc != -ESTALE && rc != -EEXIST &&
	    rc != -ECANCELED && w->notes->unexpected++ < 10)
		fprintf(stderr, "%s: %d %s\n", kind_names[op->kind], rc,
			sojourn_error_text());
	op->end = ++w->notes->clock;
}

static uint64_t hash_of(const char *id)
{
	uint64_t hash = 0xcbf29ce484222325;

	if (id[0] == '\0')
		return 0;
	for (; *id; id++)
		hash = (hash ^ (uint8_t)*id) * 0x100000001b3;
	return hash | 1;
}

/* From now on others use it. */
static void learn(struct work *w, uint32_t key, const char *id)
{
	struct key *k = &w->notes->key[key];
	uint64_t hash = hash_of(id);
	uint32_t at;

	for (at = 0; at < LINE_MAX; at++)
		if (k->id[at].hash == hash)
			return;
	at = k->ids++;
	if (at >= LINE_MAX)
		return;
	memcpy(k->id[at].text, id, sizeof(k->id[at].text));
	k->id[at].hash = hash;
}

/* ---- values ---- */

static size_t fill(struct work *w, struct data *d, uint32_t key, uint64_t tag)
{
	size_t tail = some(w, 3) ? 0 : some(w, TAIL_MAX);

	value_make(&d->v, key, tag, 0);
	memset(d->tail, (int)(tag & 0xff), tail);
	return sizeof(d->v) + tail;
}

/* The tag of it; torn ones are counted. */
static uint64_t tag_of(struct work *w, const struct data *d, size_t bytes,
		       uint32_t key)
{
	bool ok = bytes >= sizeof(d->v) && value_ok(&d->v, sizeof(d->v), key);

	for (size_t i = 0; ok && i < bytes - sizeof(d->v); i++)
		ok = d->tail[i] == (uint8_t)d->v.login;
	if (!ok) {
		w->notes->torn++;
		return UINT64_MAX;
	}
	return d->v.login;
}

static uint64_t new_tag(struct work *w)
{
	return ++w->notes->tag;
}

/* What a process remembers of a key, to ask for versions. */
static struct {
	uint64_t saw, version;
} last[KEYS_MAX];

static uint64_t wanted_version(struct work *w, uint32_t key)
{
	return some(w, 3) ? 0 : last[key].version;
}

static void remember(uint32_t key, const struct op *op)
{
	if (op->version)
		last[key].version = op->version;
	if (op->saw && op->kind == READ)
		last[key].saw = op->saw;
}

bool work_lies(struct work *w, enum plant plant)
{
	return w->plant == plant && some(w, 20) == 0;
}

struct changing {
	struct work *w;
	struct op *op;
};

static int change(void *arg, void *data, size_t *bytes, size_t capacity)
{
	struct changing *c = arg;

	c->op->saw = *bytes ? tag_of(c->w, data, *bytes, c->op->key) : 0;
	if (capacity < sizeof(struct data))
		return -EIO;
	*bytes = fill(c->w, data, c->op->key, c->op->tag);
	return 0;
}

/* ---- sessions ---- */

static void replace_key(struct work *w, unsigned place);

static void read_session(struct work *w, struct op *op, const char *id)
{
	const struct sojourn_read how = {.no_renew = true};
	struct sojourn_info info = {0};
	size_t bytes = sizeof(struct data);
	struct data d;
	int rc;

	work_go(w, op);
	rc = sojourn_session_read(w->s, id, &how, &d, &bytes, &info);
	if (rc == 0) {
		op->saw = tag_of(w, &d, bytes, op->key);
		op->version = info.version;
		op->renewed = info.renewed;
		op->new_id = hash_of(info.new_id);
		if (op->now_ms >= info.expires_ms)
			w->notes->late++;
		if (work_lies(w, PLANT_STALE_READ) && last[op->key].saw)
			op->saw = last[op->key].saw;
	} else if (work_lies(w, PLANT_FORGOTTEN_ID)) {
		rc = 0;
	}
	work_done(w, op, rc);
	if (rc == 0 && info.new_id[0])
		learn(w, op->key, info.new_id);
}

static void write_session(struct work *w, struct op *op, const char *id)
{
	struct changing c = {w, op};
	struct data d;
	size_t bytes = 0;
	int rc;

	op->tag = new_tag(w);
	if (op->kind == UPDATE) {
		op->if_version = wanted_version(w, op->key);
		bytes = fill(w, &d, op->key, op->tag);
	}
	work_go(w, op);
	if (op->kind == MODIFY) {
		rc = sojourn_session_modify(w->s, id, sizeof(d), change, &c,
					    &op->version);
	} else if (work_lies(w, PLANT_LOST_UPDATE) && last[op->key].version) {
		op->if_version = 0;
		op->version = last[op->key].version + 1;
		rc = 0;
	} else {
		rc = sojourn_session_update(w->s, id, &d, bytes, op->if_version,
					    &op->version);
	}
	if (rc != 0 && rc != -ESTALE)
		op->version = 0;
	work_done(w, op, rc);
}

static uint64_t grace_ms(const struct work *w)
{
	return w->never ? GRACE_MS : LONG_GRACE_MS;
}

static void renew_session(struct work *w, struct op *op, const char *id)
{
	struct sojourn_info info = {0};
	int rc;

	work_go(w, op);
	if (op->kind == RENEW)
		rc = sojourn_session_renew(w->s, id, &info);
	else if (work_lies(w, PLANT_KEPT_ID))
		rc = snprintf(info.new_id, sizeof(info.new_id), "never") < 0;
	else
		rc = sojourn_session_regenerate(w->s, id, &info);
	if (rc == 0) {
		op->new_id = hash_of(info.new_id);
		op->renewed = info.renewal == SOJOURN_RENEWAL_DONE;
		if (op->new_id)
			op->late_ms = sojourn_now_ms(w->s) + grace_ms(w);
	}
	work_done(w, op, rc);
	if (rc == 0 && info.new_id[0])
		learn(w, op->key, info.new_id);
}

static void delete_session(struct work *w, struct op *op, const char *id)
{
	int rc = 1;

	work_go(w, op);
	if (!work_lies(w, PLANT_UNDELETED))
		rc = sojourn_session_delete(w->s, id);
	work_done(w, op, rc);
}

void work_subject(char *name, size_t bytes, unsigned batch, uint32_t subject)
{
	snprintf(name, bytes, "somebody %u %u", batch, subject);
}

static void delete_all(struct work *w, uint32_t subject)
{
	struct op *op = work_begin(w, DELETE_SUBJECT, KEYS_MAX);
	char name[64];

	if (op == NULL)
		return;
	op->subject = subject;
	work_subject(name, sizeof(name), w->batch, subject);
	work_go(w, op);
	work_done(w, op, sojourn_session_delete_subject(w->s, name, NULL));
}

static void make_session(struct work *w, uint32_t key, unsigned place)
{
	struct op *op = work_begin(w, CREATE, key);
	char name[64], id[SOJOURN_ID_CHARS_MAX + 1], number[16];
	struct data d;
	struct sojourn_new n = {
		.subject = name, .data = &d, .metadata.device_id = number};
	struct sojourn_info info = {0};
	int rc;

	if (op == NULL)
		return;
	work_subject(name, sizeof(name), w->batch, op->subject);
	snprintf(number, sizeof(number), "%u", key);
	op->tag = new_tag(w);
	n.data_bytes = fill(w, &d, key, op->tag);
	work_go(w, op);
	rc = sojourn_session_create(w->s, &n, id, &info);
	op->version = info.version;
	op->new_id = rc == 0 ? hash_of(id) : 0;
	work_done(w, op, rc);
	if (rc < 0)
		return;
	learn(w, key, id);
	w->notes->place[place] = key;
}

static enum kind session_kind(struct work *w, const struct key *k)
{
	unsigned what = (unsigned)some(w, 100);

	if (what < 22)
		return UPDATE;
	if (what < 38)
		return MODIFY;
	if (what < 50 && k->ids < LINE_MAX / 2)
		return what < 42 ? REGENERATE : RENEW;
	return what < 54 ? DELETE : READ;
}

/* -1: nothing was done. */
static int use_session(struct work *w, uint32_t key)
{
	struct key *k = &w->notes->key[key];
	uint32_t ids = k->ids < LINE_MAX ? k->ids : LINE_MAX;
	uint32_t at = some(w, 2) ? ids - 1 : (uint32_t)some(w, ids);
	const char *id = k->id[at].text;
	struct op *op;

	if (some(w, 60) == 0) {
		delete_all(w, k->subject);
		return 0;
	}
	if (some(w, 30) == 0) {
		work_list(w, k->subject);
		return 0;
	}
	if (k->id[at].hash == 0)
		return -1;
	op = work_begin(w, session_kind(w, k), key);
	if (op == NULL)
		return -1;
	op->id = k->id[at].hash;
	if (op->kind == READ)
		read_session(w, op, id);
	else if (op->kind == UPDATE || op->kind == MODIFY)
		write_session(w, op, id);
	else if (op->kind == DELETE)
		delete_session(w, op, id);
	else
		renew_session(w, op, id);
	remember(key, op);
	return op->end ? op->rc : 0;
}

/* ---- items ---- */

static void put_item(struct work *w, struct op *op,
		     const struct sojourn_item *item)
{
	struct changing c = {w, op};
	struct data d;
	struct sojourn_value v = {.data = &d};
	int rc;

	op->tag = new_tag(w);
	if (op->kind != ADD)
		op->if_exists = some(w, 3) == 0;
	if (op->kind == PUT)
		op->if_version = wanted_version(w, op->key);
	v.if_exists = op->if_exists;
	v.if_version = op->if_version;
	v.data_bytes = fill(w, &d, op->key, op->tag);
	work_go(w, op);
	if (op->kind == PUT)
		rc = sojourn_put(w->s, item, &v, &op->version);
	else if (op->kind == ADD)
		rc = sojourn_add(w->s, item, &v, &op->version);
	else
		rc = sojourn_modify_item(
			w->s, item,
			op->if_exists ? NULL : &(struct sojourn_value){0},
			sizeof(d), change, &c, &op->version);
	if (rc == -ENOENT)
		op->version = 0;
	work_done(w, op, rc);
}

static void get_item(struct work *w, struct op *op,
		     const struct sojourn_item *item)
{
	struct sojourn_info info = {0};
	size_t bytes = sizeof(struct data);
	struct data d;
	int64_t number;
	int rc;

	work_go(w, op);
	rc = sojourn_get(w->s, item, NULL, &d, &bytes, &info);
	if (rc == 0 && w->notes->key[op->key].is_count) {
		memcpy(&number, &d, sizeof(number));
		op->saw = bytes == sizeof(number) ? (uint64_t)number : 0;
	} else if (rc == 0) {
		op->saw = tag_of(w, &d, bytes, op->key);
	}
	if (rc == 0)
		op->version = info.version;
	work_done(w, op, rc);
}

static void count_item(struct work *w, struct op *op,
		       const struct sojourn_item *item)
{
	int64_t sum = 0;
	int rc;

	work_go(w, op);
	rc = sojourn_count_add(w->s, item, 1, 0, &sum);
	op->saw = (uint64_t)sum;
	work_done(w, op, rc);
}

static enum kind item_kind(struct work *w, const struct key *k)
{
	unsigned what = (unsigned)some(w, 100);

	if (what < 30)
		return GET;
	if (what < 36)
		return HAS;
	if (what < 48)
		return REMOVE;
	if (k->is_count)
		return COUNT_ADD;
	if (what < 58)
		return ADD;
	return what < 80 ? PUT : MODIFY_ITEM;
}

static void use_item(struct work *w, uint32_t key)
{
	const struct key *k = &w->notes->key[key];
	struct op *op = work_begin(w, item_kind(w, k), key);
	char name[64];
	const struct sojourn_item item = {
		.collection = w->collection,
		.key = name,
		.key_bytes = (size_t)snprintf(name, sizeof(name), "%u %u",
					      w->batch, key)};

	if (op == NULL)
		return;
	if (op->kind == GET) {
		get_item(w, op, &item);
	} else if (op->kind == HAS) {
		work_go(w, op);
		work_done(w, op, sojourn_has(w->s, &item));
	} else if (op->kind == REMOVE) {
		op->if_version = wanted_version(w, key);
		work_go(w, op);
		work_done(w, op, sojourn_remove(w->s, &item, op->if_version));
	} else if (op->kind == COUNT_ADD) {
		count_item(w, op, &item);
	} else {
		put_item(w, op, &item);
	}
	remember(key, op);
}

/* ---- one after the other ---- */

/* Places 0 to 2 are of logins, two of them of one subject; 3 and 4 of items,
 * and the last of a counter. */
static void replace_key(struct work *w, unsigned place)
{
	uint32_t key = w->notes->keys_used++;
	struct key *k = &w->notes->key[key];

	if (key >= KEYS_MAX) { /* then the batch is used up, too */
		w->notes->ops_used += BATCH_OPS;
		return;
	}
	k->subject = place % SUBJECTS;
	k->is_login = place < 3;
	k->is_count = place == PLACES - 1;
	if (k->is_login)
		make_session(w, key, place);
	else
		w->notes->place[place] = key;
}

static void use_place(struct work *w, unsigned place)
{
	uint32_t key = w->notes->place[place];
	struct key *k = &w->notes->key[key];

	if (key >= KEYS_MAX || k->ops++ >= KEY_OPS) {
		replace_key(w, place);
		return;
	}
	if (!k->is_login)
		use_item(w, key);
	else if (use_session(w, key) == -ENOENT && some(w, 4) == 0 &&
		 w->notes->place[place] == key)
		replace_key(w, place);
}

static void move_clock(struct work *w)
{
	struct op *op = work_begin(w, CLOCK, KEYS_MAX);

	if (op == NULL)
		return;
	work_go(w, op);
	work_done(w, op,
		  sojourn_clock_advance(w->s, 1 + some(w, GRACE_MS / 4)));
}

/* Whom the parent is to kill, at whatever instruction it then is. */
static void ask_for_a_kill(struct work *w)
{
	const uint8_t whom = (uint8_t)some(w, PROCESSES_MAX + 1);

	(void)!write(w->kill_requests, &whom, 1);
}

void work_run(struct work *w)
{
	me = w;
	soj_step_hook = on_step;
	while (w->notes->ops_used < w->notes->ops_max) {
		unsigned what = (unsigned)some(w, 100);

		steps_to_live = 0;
		if (w->one_in && some(w, 2 * w->one_in) == 0)
			steps_to_live = 1 + some(w, 60);
		else if (w->one_in && some(w, 2 * w->one_in) == 0)
			ask_for_a_kill(w);
		if (w->ages)
			work_age(w);
		else if (what < 6)
			work_look(w);
		else if (what < 8 && w->never)
			move_clock(w);
		else
			use_place(w, (unsigned)some(w, PLACES));
	}
	soj_step_hook = NULL;
}
