/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_ITEM_H
#define SOJ_SESSION_ITEM_H

/* Layer 5, between the files about items of collections. */

#include <sojourn/collection.h>

#include "session/session.h"

/* 0, or -EINVAL with a text that names what and the rule. */
int soj_collection_check(struct sojourn *s, uint32_t number);
int soj_item_digest(struct sojourn *s, const struct sojourn_item *item,
		    struct soj_digest *digest);

/* One write to one key, whatever its kind; see item.c. */
struct soj_write {
	struct sojourn *s;
	struct soj_self *self;
	struct soj_digest digest;
	uint32_t collection;
	bool may_make;
	bool may_replace;
	bool keep_label;   /* of an existing one: whose it is, its metadata */
	bool keep_periods; /* of an existing one, and do not touch it */
	bool touch;        /* touch it although it keeps its periods */
	bool fixed;        /* a made one has neither idle nor sliding ttl */
	uint64_t if_version;
	/* of one that is made; of a replaced one only if not NULL */
	const char *subject;
	struct soj_digest subject_digest;
	const uint8_t *meta;
	uint32_t meta_bytes;
	uint64_t ttl_ms, idle_timeout_ms;
	/*
	 * The next data is `data`.  next (may be NULL) is asked for it each
	 * time round: old is what is there, its data in buffer; NULL, nothing.
	 */
	int (*next)(struct soj_write *w, const struct soj_snapshot *old);
	void *arg;
	void *buffer;
	size_t capacity;
	const void *data;
	size_t data_bytes;
	bool refused;     /* by next or by the validator */
	uint64_t version; /* of what is there now */
};

/* What sojourn_put() and, without may_replace, sojourn_add() do; but for
 * soj_done(), as soj_item_get(). */
int soj_item_put(struct sojourn *s, const struct sojourn_item *item,
		 const struct sojourn_value *v, bool may_replace,
		 uint64_t *version);

/* get.c: how an item is asked for; that there was none, for the hooks; what
 * sojourn_get() does but for soj_done(). */
int soj_item_check_how(const struct sojourn_read *how);
void soj_item_note_missed(struct sojourn *s, const struct sojourn_item *item);
int soj_item_get(struct sojourn *s, const struct sojourn_item *item,
		 const struct soj_digest *digest,
		 const struct sojourn_read *how, void *data, size_t *data_bytes,
		 struct sojourn_info *info);

/* 0 or a reported error. */
int soj_item_write(struct soj_write *w);

#endif /* SOJ_SESSION_ITEM_H */
