/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_MODEL_H
#define SOJ_TESTS_LIB_MODEL_H

/*
 * What sessions and items mean, as plainly as it can be said, and operations
 * that do the same to a segment and compare.  Made from the text of the public
 * headers, not from the library's source.
 */

#include <sojourn/collection.h>

#include "lib_fuzz.h"
#include "session/handle.h"

#define MODEL_LOGINS   40u
#define MODEL_IDS      120u
#define MODEL_ITEMS    8u
#define MODEL_SUBJECTS 3u

struct model_login {
	bool ended; /* by a caller */
	unsigned subject, data_bytes, renewals;
	uint8_t data; /* all bytes are that one */
	uint64_t version, accessed_ms, expires_ms, expires_max_ms;
	unsigned current; /* its id */
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

struct model {
	struct sojourn *s;
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
void model_advance(struct model *m, uint64_t ms);
void model_upkeep(struct model *m, unsigned how);
/* Everything that there should be, and nothing else. */
void model_all(struct model *m);

#endif /* SOJ_TESTS_LIB_MODEL_H */
