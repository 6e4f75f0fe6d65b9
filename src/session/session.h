/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_SESSION_H
#define SOJ_SESSION_SESSION_H

/* Layer 5, between its own files: finding, filling, making. */

#include "session/hook.h"
#include "session/id.h"
#include "session/policy.h"

/* A session found by its id, and judged. */
struct soj_session {
	struct soj_snapshot snap;
	struct soj_cold cold;
	uint8_t subject[SOJ_SUBJECT_BYTES_MAX + 1];
	uint8_t meta[SOJ_META_BYTES_MAX];
};

/*
 * find.c: finds the session of a digest and judges it at now_ms; what is over is ended
 * (writable attach).  copy: as soj_entry_snapshot.  0, -ENOBUFS, or a reported
 * error: -ENOENT with its reason, -EBUSY, -EBADMSG.
 */
int soj_session_find(struct sojourn *s, struct soj_self *self,
		     const struct soj_digest *digest, uint64_t now_ms,
		     const struct soj_copy *copy, struct soj_snapshot *snap);

/* Renewed, and past its grace window: it leads to the new id, and nowhere else,
 * until its redelivery is over.  Who regenerates seals no new id, and whoever
 * comes then is late by any clock. */
static inline bool soj_session_late(const struct soj_snapshot *snap,
				    uint64_t now_ms)
{
	return soj_ctl_status(snap->ctl) == SOJ_RENEWED && snap->has_record &&
	       (now_ms >= snap->record.grace_until_ms ||
		snap->record.sealed_bytes == 0);
}

/* The same, and 0 or -ENOBUFS also for one that is late; to others that is
 * gone, for the reason RENEWED. */
int soj_session_find_late(struct sojourn *s, struct soj_self *self,
			  const struct soj_digest *digest, uint64_t now_ms,
			  const struct soj_copy *copy,
			  struct soj_snapshot *snap);

/* The same for who is not reading: not counted as a miss. */
int soj_session_seek(struct sojourn *s, struct soj_self *self,
		     const struct soj_digest *digest, uint64_t now_ms,
		     const struct soj_copy *copy, struct soj_snapshot *snap);

/* The same, and from a renewed one on to its living successor, as long as it
 * leads there. */
int soj_session_follow(struct sojourn *s, struct soj_self *self,
		       const struct soj_digest *digest, uint64_t now_ms,
		       const struct soj_copy *copy, struct soj_snapshot *snap);

/* For who was reading (NULL: nobody), and was told that. */
void soj_count_miss(struct soj_self *self, enum soj_status status);

/* read.c: sojourn_session_read() as a part of another call; known: the digest of the id,
 * or NULL. */
int soj_session_read(struct sojourn *s, const char *id,
		     const struct soj_digest *known,
		     const struct sojourn_read *how, void *data,
		     size_t *data_bytes, struct sojourn_info *info);

/* plain.c: a read of which nobody wants to know more than the data, in one pass.
 * 0, -ENOENT, reported; or -EAGAIN: nothing was done, read the long way. */
int soj_read_plainly(struct sojourn *s, struct soj_self *self,
		     const struct soj_digest *digest,
		     const struct sojourn_read *how, uint32_t collection,
		     void *data, size_t *data_bytes);

extern const struct sojourn_read soj_read_default;

/* read.c: the same the long way, which takes a large frame.  Not soj_done(). */
int soj_read_on(struct sojourn *s, struct soj_self *self, const char *id,
		const struct soj_digest *digest, const struct sojourn_read *how,
		void *data, size_t *data_bytes, struct sojourn_info *info);

/* Moves the access time of what lives, and was last used as `life` says. */
void soj_session_touch(struct sojourn *s, struct soj_self *self, uint64_t ref,
		       uint64_t life, uint64_t now_ms);
/* The same if that is due. */
void soj_session_touch_due(struct sojourn *s, struct soj_self *self,
			   const struct soj_snapshot *snap, uint64_t now_ms);

/*
 * Is the client where the session began?  By the rules of its collection: 0, or
 * a reported -EPERM, and what they say is done and told.  client may be NULL:
 * not looked at.  *mismatches: enum sojourn_mismatch.
 */
int soj_session_bound(struct sojourn *s, struct soj_self *self,
		      const struct soj_session *session,
		      const struct soj_digest *digest,
		      const struct sojourn_metadata *client,
		      unsigned *mismatches);
/* What differs, and nothing else; *policy: the strictest rule on it. */
unsigned soj_session_mismatch(const struct sojourn *s,
			      const struct soj_session *session,
			      const struct sojourn_metadata *client,
			      unsigned *policy);

/* Before anything is known: nothing of what *info told before is left, for who
 * does not look at what the call returns.  info may be NULL. */
void soj_info_clear(struct sojourn_info *info);
/* The same for a call by id, and the id to go on with; own: to be wiped if that
 * is it.  An invalid id stays one. */
#define SOJ_OWN_ID_BYTES (SOJOURN_ID_CHARS_MAX + 2)
const char *soj_info_begin(struct sojourn_info *info, const char *id,
			   char own[SOJ_OWN_ID_BYTES]);

/* All of *info, which was cleared, but renewal, new_id, current and log_hash. */
void soj_info_fill(struct sojourn *s, const struct soj_session *session,
		   struct sojourn_info *info);

/* The new id that a renewed session's record holds for who has the old one. */
bool soj_record_open(struct sojourn *s, const char *old_id,
		     const struct soj_snapshot *snap,
		     char id[SOJOURN_ID_CHARS_MAX + 1]);

/* What was opened of a sealed value, or is to be sealed, is not left on the
 * stack. */
static inline void soj_open_wipe(const struct sojourn *s, void *what,
				 size_t bytes)
{
	if (s->st.seal_bytes)
		soj_wipe(what, bytes);
}

static inline void soj_label_wipe(const struct sojourn *s, uint8_t *subject,
				  uint8_t *meta)
{
	soj_open_wipe(s, subject, SOJ_SUBJECT_BYTES_MAX + 1);
	soj_open_wipe(s, meta, SOJ_META_BYTES_MAX);
}

/* What a new entry is made of. */
struct soj_birth {
	struct soj_digest digest;
	struct soj_digest subject;
	struct soj_value value; /* its entry is filled in */
	struct soj_lifetime life;
	uint64_t now_ms;
	uint32_t collection;
	bool exclusive; /* ends all other logins of the subject */
	bool keyed; /* its digest is of a caller's key; the version of its value
		       begins where no earlier one of that key did */
	uint64_t predecessor; /* reference; 0: a login */
	uint64_t login;       /* inherited, with a predecessor */
	uint32_t renewals;
	const struct soj_held *held; /* its lock is inherited; or NULL */
	/* What has its key, and ends for it as late as can be; or NULL. */
	const struct soj_snapshot *instead;
};

/* An entry that is OWNED by the caller, indexed and chained. */
struct soj_made {
	uint64_t ref;
	uint64_t owned; /* state word of the entry */
	uint32_t chunk;
	uint64_t chunk_owned; /* and of its chunk */
	uint64_t chunk_bytes;
	uint64_t intent;  /* others are to be ended for it; 0: none */
	bool capped;      /* its collection has a cap */
	bool admitted;    /* for which it was counted, and may be late */
	int error;        /* why it could not be settled; 0: it ended */
	uint64_t version; /* of the value */
};

/* 0; -EEXIST; -EXFULL (full bucket); -ENOSPC (no room); -EUSERS (over the
 * cap); -EAGAIN (birth->instead has changed); -ECANCELED...  Nothing is left on failure. */
int soj_session_make(struct sojourn *s, struct soj_self *self,
		     const struct soj_birth *birth, struct soj_made *made);
/* To LIVE, and what the cap says.  True: it lives; false: it was ended
 * meanwhile, or made->error. */
bool soj_session_settle(struct sojourn *s, struct soj_self *self,
			struct soj_made *made);
/* Not wanted after all. */
void soj_session_withdraw(struct sojourn *s, struct soj_self *self,
			  struct soj_made *made);

/*
 * create.c: all of a creation but its name, which `name` makes, for each
 * attempt another; *digest is that of the one it got.  own_bytes: of the data,
 * so many at its beginning are the library's, and no validator's business.
 * 0, or a reported error.
 */
typedef void (*soj_name_fn)(struct sojourn *s, struct soj_self *self,
			    uint32_t collection, void *arg,
			    struct soj_digest *digest);
int soj_session_create_in(struct sojourn *s, uint32_t collection,
			  const struct sojourn_new *what, size_t own_bytes,
			  soj_name_fn name, void *arg,
			  struct soj_digest *digest);
/* create.c: a login just made, which cannot be told about (rc, reported), so
 * nobody is to have its name: ends it.  Returns the error to answer. */
int soj_session_take_back(struct sojourn *s, const struct soj_digest *digest,
			  int rc);

/* Copies of what stays as it is when the data changes. */
struct soj_kept {
	uint8_t subject[SOJ_SUBJECT_BYTES_MAX + 1];
	uint8_t meta[SOJ_META_BYTES_MAX];
};

/*
 * change.c: replaces the data of the entry that *snap shows; periods (if
 * snap->has_times) and metadata are those of *snap and *kept.  0; -EAGAIN: it
 * changed, look again; a reported error.
 */
int soj_session_replace(struct sojourn *s, struct soj_self *self,
			const struct soj_snapshot *snap,
			const struct soj_kept *kept, const void *data,
			size_t data_bytes);

/* get.c: ends an item that was seen, and is not for that client, as long as that
 * is so.  0 or a reported error. */
int soj_item_end_seen(struct sojourn *s, struct soj_self *self,
		      const struct soj_session *seen,
		      const struct sojourn_metadata *client);

/* end.c: sojourn_session_delete() of whatever has that digest. */
int soj_session_delete_named(struct sojourn *s,
			     const struct soj_digest *digest);
/* end.c: sojourn_session_delete_subject() of one collection only. */
int soj_session_delete_subject_in(struct sojourn *s, const char *subject,
				  uint32_t collection);

/* scan.c: is it there for those who look at all?  In the making: under a
 * caller's key it is once it is in the index, though its maker may have died
 * before he could make it LIVE; a successor, when its predecessor names it, whose last
 * use is handed down to it. */
bool soj_session_is_there(struct soj_store *st, uint32_t idx, uint64_t state);

/*
 * lock.c: may the calling thread change the session that *snap shows?  fence
 * NULL: without holding its lock.  0; -EAGAIN: look again; -EBUSY (LOCKED) or
 * -ESTALE (the fence is over), reported.
 */
int soj_session_may_change(struct sojourn *s, struct soj_self *self,
			   const struct soj_snapshot *snap,
			   const uint64_t *fence);

/* It was not found by its id (rc): who holds its lock with that fence is told
 * why, as long as that is to be seen. */
int soj_session_ended_locked(struct sojourn *s, struct soj_self *self,
			     const struct soj_digest *id, uint64_t fence,
			     int rc);

/* The lock of a session or item, waiting for at most timeout_ms from the first
 * attempt on; fills in *wait. */
struct soj_lock_wait {
	uint64_t timeout_ms;
	uint64_t hold_max_ms;
	uint64_t began_ms; /* CLOCK_MONOTONIC; 0: not yet */
	uint64_t sleeps;
	unsigned races;
};
/* One attempt on the entry that *snap shows, and if another has the lock, one
 * wait.  0 and *held; -EAGAIN: find it again; a reported error. */
int soj_session_lock_once(struct sojourn *s, struct soj_self *self,
			  const struct soj_snapshot *snap,
			  const struct soj_cold *cold,
			  const struct soj_digest *id,
			  struct soj_lock_wait *wait, struct soj_held **held);
int soj_session_lock_check(const struct soj_lock_wait *wait);

/* renew.c: *info->renewal, new_id and successor say what came of it.  at_once:
 * the old id has no grace window and no redelivery. */
int soj_session_renew_id(struct sojourn *s, struct soj_self *self,
			 const char *id, const struct soj_digest *digest,
			 bool at_once, struct sojourn_info *info);

/* validate.c: does the collection's validator take the data?  0 or a reported
 * -EILSEQ, counted. */
int soj_validate(struct sojourn *s, struct soj_self *self, uint32_t collection,
		 const void *data, size_t data_bytes);

/* room.c: owning with upkeep and eviction behind it. */
int soj_room_entry(struct sojourn *s, struct soj_self *self, uint32_t *idx);
int soj_room_chunk(struct sojourn *s, struct soj_self *self, uint64_t bytes,
		   uint32_t *chunk);
/* The same for a place in the bucket of a digest that cannot be another. */
int soj_room_bucket(struct sojourn *s, struct soj_self *self,
		    const struct soj_digest *digest);

#endif /* SOJ_SESSION_SESSION_H */
