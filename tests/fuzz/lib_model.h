/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_MODEL_H
#define SOJ_TESTS_LIB_MODEL_H

/*
 * What sessions and items mean, as plainly as it can be said, and operations
 * that do the same to a segment and compare.  Made from the text of the public
 * headers, not from the library's source.
 */

#include <sojourn/collection.h>
#include <sojourn/lock.h>
#include <sojourn/remember.h>

#include "lib_fuzz.h"
#include "session/handle.h"

#define MODEL_LOGINS   40u
#define MODEL_IDS      120u
#define MODEL_ITEMS    8u
#define MODEL_SUBJECTS 3u
#define MODEL_FAMILIES 4u
#define MODEL_TOKENS   24u /* of a family */
#define MODEL_USED_MAX 4u  /* that a family remembers */
#define MODEL_LOCKS    8u

struct model_login {
	bool ended; /* by a caller */
	unsigned subject, data_bytes, renewals;
	uint8_t data; /* all bytes are that one */
	uint64_t version, accessed_ms, expires_ms, expires_max_ms;
	unsigned current; /* its id */
	bool locked;      /* by this thread, for as long as it likes */
	uint64_t fence;
};

struct model_id {
	char id[SOJOURN_ID_CHARS_MAX + 1];
	unsigned login;
	uint64_t grace_until_ms; /* of an old one */
	uint64_t expires_ms;     /* of an old one, its own */
	unsigned next;           /* of an old one */
};

struct model_item {
	bool there;
	uint8_t data;
	unsigned data_bytes;
	uint64_t version, expires_ms;
};

/* Tokens in the order in which they followed each other; the last is valid. */
struct model_family {
	bool ended;
	unsigned tokens;
	char token[MODEL_TOKENS][SOJOURN_REMEMBER_CHARS + 1];
	uint64_t until_ms[MODEL_TOKENS]; /* a used one's window */
};

struct model {
	struct sojourn *s;
	bool evicts; /* whoever has no room ends others: see model_evicted() */
	uint64_t evicted;
	unsigned families, locks;
	struct model_family family[MODEL_FAMILIES];
	uint64_t now_ms;
	uint64_t ttl_ms, idle_ms, grace_ms, late_ms, max_ms;
	unsigned logins, ids;
	struct model_login login[MODEL_LOGINS];
	struct model_id id[MODEL_IDS];
	struct model_item item[MODEL_ITEMS];
};

void model_open(struct model *m, struct fuzz_in *in);
void model_close(struct model *m);

/* which: a number out of the input, taken for an id, a subject or a key. */
void model_create(struct model *m, unsigned which);
void model_read(struct model *m, unsigned which);
void model_update(struct model *m, unsigned which, unsigned how);
void model_modify(struct model *m, unsigned which);
void model_touch(struct model *m, unsigned which);
void model_renew(struct model *m, unsigned which);
void model_delete(struct model *m, unsigned which);
void model_subject(struct model *m, unsigned which);
void model_item(struct model *m, unsigned which, unsigned how);
/* lib_model_more.c */
void model_count(struct model *m, unsigned which);
void model_lock(struct model *m, unsigned which);
void model_unlock(struct model *m, unsigned which);
void model_remember(struct model *m, unsigned which);
/* Of a segment that evicts: what is missing, was it counted? */
void model_evicted(struct model *m);

/* For those: */
void model_compare(const char *what, const struct model *m, int64_t got,
		   int64_t want);
const char *model_subject_name(unsigned number);
bool model_login_lives(const struct model *m, const struct model_login *l);
bool model_id_lives(const struct model *m, unsigned number);
bool model_pick(struct model *m, unsigned which, unsigned *number);
void model_touched(struct model *m, struct model_login *l);
/* In a segment that evicts: is it still there? */
void model_look_for(struct model *m, unsigned number);
void model_look_for_all(struct model *m);

void model_advance(struct model *m, uint64_t ms);
void model_upkeep(struct model *m, unsigned how);
/* Everything that there should be, and nothing else. */
void model_all(struct model *m);

#endif /* SOJ_TESTS_LIB_MODEL_H */
