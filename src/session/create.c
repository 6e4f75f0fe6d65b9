/* SPDX-License-Identifier: MIT */

/*
 * Creating sessions.
 *
 * What is left when the worker is killed after each step; "repair" is
 * upkeep/repair.c, for all of them nothing was acknowledged:
 *   entry owned            OWNED by the dead, ctl NONE: freed
 *   chunk owned            not named by any ctl: freed
 *   filled, ctl live       OWNED, not indexed: withdrawn
 *   pushed on the chain    the same; walkers skip what is OWNED
 *   admitted by the cap    the same
 *   another's item ended   the same; the key has none (item.c)
 *   committed in the index readable, but its id was told to nobody: withdrawn;
 *                          under a caller's key everybody knows it: made LIVE
 *   chunk LIVE             the same
 *   entry LIVE             the session exists; nobody has its id, it expires;
 *                          upkeep tells the event of it.
 *                          With an intent: repair ends for it whom it leaves
 *                          no room for (store/cap.c)
 * Stop table: stopped after a step for as long as you like, then continued
 *   entry, chunk owned     nobody reaps what a living thread owns; nobody
 *                          needs it
 *   ctl live, on the chain skipped by lists; delete-all ends its ctl, the
 *                          maker sees that below and withdraws
 *   committed              readable by id; under a key, others settle it in
 *                          the maker's place, whose CAS of the state then
 *                          fails on its phase or generation
 *   entry LIVE             may be over and its entry in use anew: life has
 *                          another generation, no event is told
 *   intent set             not dead, so nobody carries on for it: the cap is
 *                          kept before the call returns, which it has not
 * Ended before it was LIVE (delete-all does not wait for logins in flight):
 * the maker sees the ended ctl after the CAS to LIVE and removes the index
 * word; the ender, who sees OWNED, leaves that to it.
 *
 * Edges
 *   E0  birth: cas of ctl                           store/entry.c E1
 *   E1  load of ctl                                 store/entry.c E0
 *   S1  load of a state                             store/slab.c S0
 *   E6  settle: fence between state and ctl         store/entry.c E4
 */

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "session/meta.h"
#include "session/session.h"
#include "store/cap.h"
#include "store/chain.h"
#include "store/fetch.h"

/* ---- making an entry ---- */

/* Free, or held by its maker, who holds its predecessor's. */
static uint64_t birth_lock(struct sojourn *s, struct soj_self *self,
			   uint64_t ref, const struct soj_birth *b)
{
	uint64_t lock = soj_lock_look(&s->st, ref);

	if (b->held)
		return soj_lock_inherit(&s->st, &self->w, ref, b->held);
	return soj_lock(SOJ_SLOT_NONE, soj_lock_count(lock) + 1, 0);
}

static bool fill_entry(struct sojourn *s, struct soj_self *self, uint32_t idx,
		       uint64_t gen, uint32_t chunk, const struct soj_birth *b)
{
	struct soj_shm_entry *e = soj_entry(&s->st, idx);
	uint64_t ctl = soj_load_relaxed(&e->ctl);
	uint64_t lock = birth_lock(s, self, soj_ref(idx, gen), b);

	soj_store_relaxed(&e->life, soj_life(gen, b->now_ms));
	soj_store_relaxed(&e->digest[0], b->digest.word[0]);
	soj_store_relaxed(&e->digest[1], b->digest.word[1]);
	soj_store_relaxed(&e->renew, soj_renew_never(gen));
	soj_store_relaxed(&e->created_ms, b->now_ms);
	soj_store_relaxed(&e->expires_ms, b->life.expires_ms);
	soj_store_relaxed(&e->idle_ms, b->life.idle_ms);
	soj_store_relaxed(&e->sliding_ms, b->life.sliding_ms);
	soj_store_relaxed(&e->subject[0], b->subject.word[0]);
	soj_store_relaxed(&e->subject[1], b->subject.word[1]);
	soj_store_relaxed(&e->login, b->login);
	soj_store_relaxed(&e->event, soj_told(SOJ_TOLD_NOTHING, gen, 0));
	soj_store_relaxed(&e->lock, lock);
	soj_store_relaxed(&e->predecessor, b->predecessor);
	soj_store_relaxed(&e->misc, soj_misc(b->collection, b->renewals,
					     b->keyed, b->life.expires_max_ms));
	SOJ_STEP("create.filled");
	if (soj_gone(&self->w) ||
	    !soj_cas_acq_rel(&e->ctl, &ctl, /* E0 */
			     soj_ctl_next(ctl, SOJ_ACTIVE, chunk)))
		return false;
	SOJ_STEP("create.ctl");
	return true;
}

/* On the chain, and not in the index: may it be, and what is to be done for it
 * (store/cap.c)? */
static int admit(struct sojourn *s, struct soj_self *self,
		 const struct soj_birth *birth, struct soj_made *made)
{
	const struct soj_shm_collection *c =
		soj_collection(&s->st.seg, birth->collection);
	bool login = birth->predecessor == 0 &&
		     (birth->subject.word[0] | birth->subject.word[1]) != 0;

	made->capped = login && (c->cap > 0 || birth->exclusive);
	if (!made->capped)
		return 0;
	if (birth->exclusive || c->cap_policy != SOJ_CAP_REJECT) {
		made->intent = soj_intent(made->ref, birth->exclusive);
		return 0;
	}
	made->admitted = true;
	return soj_cap_admit(&s->st, &self->w, made->ref,
			     soj_seg_now_ms(&s->st.seg));
}

static int report_over_cap(struct sojourn *s, struct soj_self *self,
			   const struct soj_birth *birth)
{
	const struct soj_shm_collection *c =
		soj_collection(&s->st.seg, birth->collection);

	const struct soj_event_what what = {.type = SOJ_EVENT_OVER_CAP,
					    .collection = birth->collection,
					    .subject = birth->subject,
					    .detail = {c->cap}};

	soj_count(&self->w.thr, SOJ_COUNT_cap_rejected);
	soj_event_tell(&s->st, &self->w, &what);
	soj_note(s, self,
		 &(struct soj_note){.hook = SOJ_HOOK_OVER_CAP,
				    .collection = birth->collection,
				    .detail = c->cap});
	return soj_report(-EUSERS, SOJOURN_OVER_CAP,
			  "the subject has %u sessions, as many as it may",
			  c->cap);
}

/*
 * Keys come again.  Who expects a version must not take a later value of the
 * key for the one that was removed, so versions begin where the (entry,
 * generation) that never comes again says: 36 bits of a mix of it, D. Stafford.
 */
static uint64_t first_version(uint64_t ref, uint64_t now_ms)
{
	uint64_t x = ref ^ now_ms << 48;

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return 1 + ((x ^ x >> 31) >> 28);
}

/* Its maker stood still for longer than the lease, and another has ended it. */
static bool is_late(const struct sojourn *s, const struct soj_made *made)
{
	const struct soj_shm_entry *e =
		soj_entry(&s->st, soj_ref_entry(made->ref));

	return !soj_ctl_readable(soj_load_acquire(&e->ctl)); /* E1 */
}

/* An entry, and a chunk with the value; what is made of them is not told to
 * anybody yet.  0, or a reported error, and nothing is left. */
static int own_both(struct sojourn *s, struct soj_self *self,
		    const struct soj_birth *birth, struct soj_made *made)
{
	struct soj_store *st = &s->st;
	struct soj_value value = birth->value;
	uint32_t idx;
	int rc = soj_room_entry(s, self, &idx);

	if (rc < 0)
		return rc;
	value.seal_bytes = st->seal_bytes;
	value.digest = birth->digest;
	rc = soj_room_chunk(s, self, soj_value_chunk_bytes(&value),
			    &made->chunk);
	if (rc < 0) {
		soj_entry_abandon(st, &self->w, idx);
		return rc;
	}
	made->owned = soj_load_acquire(&st->seg.entry_states[idx]); /* S1 */
	made->ref = soj_ref(idx, soj_state_gen(made->owned));
	made->chunk_owned =
		soj_load_acquire(soj_chunk_state(st, made->chunk)); /* S1 */
	value.entry = idx;
	value.gen = soj_ref_gen(made->ref);
	if (birth->keyed)
		value.version = first_version(made->ref, birth->now_ms);
	made->version = value.version;
	rc = soj_chunk_write(st, made->chunk, &value);
	if (rc < 0) {
		soj_chunk_abandon(st, &self->w, made->chunk);
		soj_entry_abandon(st, &self->w, idx);
		return soj_report_errno(rc);
	}
	made->chunk_bytes = soj_value_chunk_bytes(&value);
	SOJ_STEP("create.chunk");
	if (soj_gone(&self->w) ||
	    !fill_entry(s, self, idx, soj_state_gen(made->owned), made->chunk,
			birth))
		return soj_report_errno(-ECANCELED);
	return 0;
}

/* To where others find it, as far as it may be.  0 or an error. */
static int enter(struct sojourn *s, struct soj_self *self,
		 const struct soj_birth *birth, struct soj_made *made)
{
	struct soj_store *st = &s->st;
	uint64_t existing;
	int rc = 0;

	/* What belongs to nobody is on no chain. */
	if (birth->value.subject_bytes > 0)
		rc = soj_chain_push(st, &self->w, soj_ref_entry(made->ref),
				    birth->predecessor != 0);
	if (rc == 0)
		rc = admit(s, self, birth, made);
	/* From then on others may make it LIVE, if it has a key. */
	if (rc == 0 && made->intent)
		soj_cap_intend(st, &self->w, made->intent);
	if (rc == 0 && made->admitted && birth->instead && is_late(s, made))
		rc = -ECANCELED;
	if (rc == 0)
		rc = soj_index_insert(st, &self->w, birth->digest,
				      soj_entry_place(st, made->ref),
				      birth->instead, &existing);
	return rc;
}

int soj_session_make(struct sojourn *s, struct soj_self *self,
		     const struct soj_birth *birth, struct soj_made *made)
{
	struct soj_store *st = &s->st;
	int rc;

	soj_index_prefetch(st, birth->digest);
	soj_prefetch(&st->seg.heads[soj_head_of(st, birth->subject)]);
	soj_event_prefetch(st);
	made->intent = 0;
	made->capped = made->admitted = false;
	made->error = 0;
	rc = own_both(s, self, birth, made);
	if (rc < 0)
		return rc;
	rc = enter(s, self, birth, made);
	if (rc < 0) {
		if (made->intent)
			soj_cap_intend(st, &self->w, 0);
		made->intent = 0;
		soj_session_withdraw(s, self, made);
	} else {
		soj_index_hint(st, &self->w, birth->digest, made->ref,
			       made->chunk, made->chunk_bytes);
	}
	if (rc == -EUSERS)
		return report_over_cap(s, self, birth);
	if (rc == -ECANCELED && !soj_gone(&self->w))
		return soj_report(rc, SOJOURN_SUPERSEDED,
				  "it was ended while it was being made");
	return rc < 0 ? soj_report_errno(rc) : 0;
}

/* LIVE: what the cap asks for before it may be acknowledged. */
static bool keep_cap(struct sojourn *s, struct soj_self *self,
		     struct soj_made *made)
{
	struct soj_store *st = &s->st;
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(made->ref));

	if (made->intent == 0)
		return soj_entry_confirm(st, &self->w, made->ref);
	made->error = soj_cap_enforce(st, &self->w, made->intent,
				      soj_seg_now_ms(&st->seg));
	SOJ_STEP("create.enforced");
	if (made->error < 0) {
		uint64_t ctl = soj_load_acquire(&e->ctl); /* E1 */

		while (soj_ctl_readable(ctl) && !soj_gone(&self->w) &&
		       !soj_entry_end(st, &self->w, made->ref, ctl,
				      SOJ_ENDED_WITHDRAWN))
			ctl = soj_load_acquire(&e->ctl); /* E1 */
	}
	return made->error == 0 &&
	       soj_ctl_readable(soj_load_acquire(&e->ctl)); /* E1 */
}

bool soj_session_settle(struct sojourn *s, struct soj_self *self,
			struct soj_made *made)
{
	struct soj_shm_entry *e = soj_entry(&s->st, soj_ref_entry(made->ref));
	bool lives = false;
	uint64_t ctl;

	if (soj_gone(&self->w))
		return false;
	soj_state_publish(soj_chunk_state(&s->st, made->chunk),
			  made->chunk_owned);
	SOJ_STEP("create.chunk.live");
	soj_entry_go_live(&s->st, made->ref, made->owned);
	soj_fence_seq_cst_after_rmw();   /* E6 */
	ctl = soj_load_acquire(&e->ctl); /* E1 */
	/* Somebody else may have made it LIVE long ago, and it be over. */
	if (soj_ctl_readable(ctl) &&
	    soj_life_gen(soj_load_acquire(&e->life)) == /* E1 */
		    soj_ref_gen(made->ref)) {
		soj_event_made(&s->st, &self->w, made->ref, true);
		lives = !made->capped || keep_cap(s, self, made);
	}
	if (made->intent)
		soj_cap_intend(&s->st, &self->w, 0);
	if (!lives)
		soj_entry_end_finish(&s->st, &self->w, made->ref);
	else if (soj_load_relaxed(&e->predecessor) == 0)
		soj_note_of(s, self, SOJ_HOOK_CREATED, made->ref, 0);
	return lives;
}

void soj_session_withdraw(struct sojourn *s, struct soj_self *self,
			  struct soj_made *made)
{
	struct soj_shm_entry *e = soj_entry(&s->st, soj_ref_entry(made->ref));
	uint64_t ctl = soj_load_acquire(&e->ctl); /* E1 */
	struct soj_held *held = soj_lock_mine(&self->w, made->ref,
					      soj_lock_look(&s->st, made->ref));

	if (held) /* that it was born with */
		soj_lock_give(&s->st, &self->w, held, true);
	if (SOJ_PLANT(WITHDRAW_SKIPPED))
		ctl = 0;
	/* ctl is that of the entry made as long as the state is ours; when
	 * others have settled it, it is no longer ours to take back. */
	while (soj_ctl_readable(ctl) &&
	       soj_load_acquire(
		       &s->st.seg.entry_states[/* S1 */
					       soj_ref_entry(made->ref)]) ==
		       made->owned &&
	       !soj_gone(&self->w) &&
	       !soj_entry_end(&s->st, &self->w, made->ref, ctl,
			      SOJ_ENDED_WITHDRAWN))
		ctl = soj_load_acquire(&e->ctl); /* E1 */
	SOJ_STEP("withdraw.ended");
	soj_session_settle(s, self, made);
}

/* ---- create ---- */

/* Tells about a session just made: no use of it, so neither hit nor touch. */
static int read_info(struct sojourn *s, struct soj_self *self, const char *id,
		     const struct soj_digest *digest, struct sojourn_info *info)
{
	struct soj_session session;
	struct soj_copy copy = {.cold = &session.cold,
				.subject = session.subject,
				.meta = session.meta};
	int rc = soj_session_find(s, self, digest, soj_seg_now_ms(&s->st.seg),
				  &copy, &session.snap);

	if (rc == 0)
		soj_info_fill(s, &session, info);
	soj_label_wipe(s, session.subject, session.meta);
	if (rc < 0)
		return rc;
	sojourn_log_hash(s, id, info->log_hash);
	info->current = true;
	return soj_ok();
}

static int check_new(const struct sojourn_new *n)
{
	const int rc = soj_subject_check(n->subject);

	if (rc < 0)
		return rc;
	if (n->data == NULL && n->data_bytes > 0)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "data is NULL, but data_bytes is %zu",
				  n->data_bytes);
	if (n->data_bytes > SOJ_DATA_BYTES_MAX)
		return soj_report(-EMSGSIZE, SOJOURN_TOO_LARGE,
				  "the data has %zu bytes, but at most 1048576 "
				  "are allowed",
				  n->data_bytes);
	return 0;
}

/* Tries names until one can be had; the new entry lives and has room. */
static int make_named(struct sojourn *s, struct soj_self *self,
		      struct soj_birth *birth, soj_name_fn name, void *arg)
{
	struct soj_made made;
	int rc = -EXFULL;

	/* A full bucket asks for another name; a taken one does not happen. */
	for (unsigned tries = 0; tries < 8; tries++) {
		name(s, self, birth->collection, arg, &birth->digest);
		rc = soj_session_make(s, self, birth, &made);
		if (rc != -EXFULL && rc != -EEXIST)
			break;
	}
	if (rc == -EXFULL || rc == -EEXIST)
		return soj_report_errno(-ENOSPC);
	if (rc < 0)
		return rc;
	if (soj_session_settle(s, self, &made))
		return 0;
	if (soj_gone(&self->w))
		return soj_report_errno(-ECANCELED);
	if (made.error < 0)
		return soj_report_errno(made.error);
	return soj_report(-ECANCELED, SOJOURN_SUPERSEDED,
			  "the session was ended while it was being created");
}

/* meta: room. */
static int create_in(struct sojourn *s, uint32_t collection,
		     const struct sojourn_new *what, size_t own_bytes,
		     soj_name_fn name, void *arg, struct soj_digest *digest,
		     uint8_t meta[SOJ_META_BYTES_MAX])
{
	struct soj_birth birth = {.now_ms = soj_seg_now_ms(&s->st.seg),
				  .collection = collection,
				  .exclusive = what->exclusive};
	struct soj_self *self;
	ssize_t meta_bytes;
	int rc = check_new(what);

	if (rc < 0)
		return rc;
	meta_bytes = soj_meta_pack(&what->metadata, meta);
	if (meta_bytes < 0)
		return soj_report(-EMSGSIZE, SOJOURN_TOO_LARGE,
				  "the metadata takes more than 2048 bytes");
	rc = soj_lifetime_begin(soj_collection(&s->st.seg, collection),
				birth.now_ms, what->ttl_ms,
				what->idle_timeout_ms, &birth.life);
	if (rc < 0)
		return rc;
	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	self->w.source = SOJ_SOURCE_CREATE;
	rc = soj_validate(s, self, collection,
			  own_bytes ? (const uint8_t *)what->data + own_bytes
				    : what->data,
			  what->data_bytes - own_bytes);
	if (rc < 0)
		return rc;
	birth.subject = soj_subject_digest(s, what->subject);
	/* Its name is made and hashed meanwhile. */
	soj_prefetch(&s->st.seg.heads[soj_head_of(&s->st, birth.subject)]);
	birth.value = (struct soj_value){
		.data = what->data,
		.data_bytes = (uint32_t)what->data_bytes,
		.subject = what->subject,
		.subject_bytes = (uint32_t)strlen(what->subject),
		.meta = meta,
		.meta_bytes = (uint32_t)meta_bytes,
		.version = 1,
	};
	rc = make_named(s, self, &birth, name, arg);
	if (rc == 0)
		soj_count(&self->w.thr, SOJ_COUNT_creates);
	soj_count_flush(&s->st.seg, &self->w.thr);
	*digest = birth.digest;
	return rc;
}

int soj_session_create_in(struct sojourn *s, uint32_t collection,
			  const struct sojourn_new *what, size_t own_bytes,
			  soj_name_fn name, void *arg,
			  struct soj_digest *digest)
{
	uint8_t meta[SOJ_META_BYTES_MAX];
	int rc = create_in(s, collection, what, own_bytes, name, arg, digest,
			   meta);

	soj_open_wipe(s, meta, sizeof(meta));
	return rc;
}

int soj_session_take_back(struct sojourn *s, const struct soj_digest *digest,
			  int rc)
{
	struct soj_said said;

	soj_say_keep(&said);
	(void)!soj_session_delete_named(s, digest);
	soj_say_again(&said);
	return rc == -ENOENT ? soj_report(-ECANCELED, SOJOURN_SUPERSEDED,
					  "the login was over before it was "
					  "told")
			     : rc;
}

/* A session's name is its id. */
static void name_by_id(struct sojourn *s, struct soj_self *self,
		       uint32_t collection, void *arg,
		       struct soj_digest *digest)
{
	char *id = arg;

	(void)collection;
	soj_id_make(s, self, id);
	soj_id_digest(s, id, digest);
}

static int create(struct sojourn *s, const struct sojourn_new *what,
		  char id[SOJOURN_ID_CHARS_MAX + 1], struct sojourn_info *info)
{
	struct soj_digest digest;
	int rc;

	id[0] = 0;
	rc = soj_session_create_in(s, SOJ_COLLECTION_SESSION, what, 0,
				   name_by_id, id, &digest);
	soj_info_clear(info); /* the subject may lie there */
	if (rc == 0 && info) {
		rc = read_info(s, soj_self(s), id, &digest, info);
		if (rc < 0)
			rc = soj_session_take_back(s, &digest, rc);
	}
	if (rc < 0)
		soj_wipe(id, SOJOURN_ID_CHARS_MAX + 1);
	return rc < 0 ? rc : soj_ok();
}

int sojourn_session_create(struct sojourn *s, const struct sojourn_new *what,
			   char id[SOJOURN_ID_CHARS_MAX + 1],
			   struct sojourn_info *info)
{
	return soj_done(s, create(s, what, id, info));
}
