/* SPDX-License-Identifier: MIT */
#ifndef SOJ_STORE_STORE_H
#define SOJ_STORE_STORE_H

/*
 * Layer 3.  Entries and the immutable chunks that hold their values: owning,
 * publishing, finding, chaining, ending, retiring and reclaiming them.  Knows
 * deadlines as numbers, not what they mean.
 *
 *   worker.c   what a thread has of it
 *   slab.c     owning and freeing entries and chunks; magazines
 *   limbo.c    what a thread retired and will reclaim (store/limbo.h)
 *   hint.c     where to look: free, armed, ended
 *   page.c     units of the chunk area <-> pages of one class; draining
 *   chunk.c    writing and copying out what a chunk holds
 *   sealed.c   the same where values are sealed (store/sealed.h)
 *   index.c    by id: unique insert, removal, lookup
 *   chain.c    by subject: push, walk, unlink (store/chain.h)
 *   entry.c    snapshots of entries, ending and expiring them
 *   line.c     ending an entry together with its successors
 *   cap.c      how many logins a subject may have (store/cap.h)
 *   evict.c    whom to end when memory is short
 *   lock.c     locks of entries
 *   event*.c   the event ring (store/event.h)
 *
 * Every function that takes a worker must run in that worker's thread and may
 * return -ECANCELED in a forked child of it: nothing was then touched.
 */

#include "base/vault.h"
#include "rcu/rcu.h"
#include "store/limbo.h"

#define SOJ_SUBJECT_BYTES_MAX 255u
#define SOJ_META_BYTES_MAX    2048u
#define SOJ_DATA_BYTES_MAX    (1024u * 1024u)

/*
 * Classes: payloads from 64 B, eight per doubling, so at most 12.5 % apart; a
 * chunk of a class is 32 bytes larger: its head and room for a short subject.
 */
#define SOJ_CLASSES 114u

struct soj_class {
	uint32_t chunk_bytes;
	uint32_t page_units; /* units that one page takes */
	uint32_t page_slots; /* chunks in one page */
};

/* One process's view of a segment; constant after soj_store_init. */
struct soj_store {
	struct soj_seg seg;
	struct soj_class classes[SOJ_CLASSES];
	uint32_t seal_bytes; /* of each chunk; 0: values are plain */
	/* NULL: sealed values can be moved and ended, but not read. */
	const struct soj_vault *vault;
};

/* Free hints taken by this thread: a word of a bitmap. */
struct soj_magazine {
	uint64_t bits;
	uint32_t word;
};

/* A lock that the thread holds; store/lock.c. */
#define SOJ_LOCKS_MAX 32u

struct soj_held {
	uint64_t ref;
	uint64_t word; /* the lock word, but for its waited bit */
	uint64_t fence;
	struct soj_digest id; /* by which it was asked for */
};

struct soj_end_watch; /* store/event.h */

/* All of one thread.  Lives in memory that is wiped in a forked child. */
struct soj_worker {
	struct soj_thread thr;
	struct soj_magazine entries;
	struct soj_magazine chunks[SOJ_CLASSES];
	uint32_t entry_cursor;
	uint64_t random; /* for sampling */
	uint32_t pid;    /* for events, as is: */
	uint32_t source; /* enum soj_source (store/event.h) */
	const struct soj_end_watch *end_watch; /* of what is no old id */
	uint64_t spare; /* entry that eviction must leave alone; 0: none */
	struct soj_limbo limbo;  /* in limbo_room */
	struct soj_limbo *spill; /* of an upkeep that it runs; or NULL */
	uint32_t limbo_added;    /* ever */
	uint32_t limbo_lost; /* retired, but no room: found by a scan only */
	struct soj_retired limbo_room[SOJ_LIMBO_MAX];
	uint32_t held_count;
	/* One more for the successor of what a holder renews. */
	struct soj_held held[SOJ_LOCKS_MAX + 1];
};

static inline bool soj_gone(const struct soj_worker *w)
{
	return !w->thr.alive;
}

static inline bool soj_has_slot(const struct soj_worker *w)
{
	return w->thr.slot != SOJ_SLOT_NONE;
}

void soj_store_init(struct soj_store *st); /* st->seg is mapped */
void soj_worker_init(struct soj_worker *w);
/* Gives hints back and the slot; the worker can be used again. */
void soj_worker_deinit(struct soj_store *st, struct soj_worker *w);

static inline struct soj_shm_entry *soj_entry(const struct soj_store *st,
					      uint32_t idx)
{
	return &st->seg.entries[idx];
}

static inline bool soj_entry_idx_ok(const struct soj_store *st, uint32_t idx)
{
	return idx >= 1 && idx <= st->seg.lay.entries_max;
}

/* ---- slab.c ---- */

/* FREE -> OWNED by me.  0, -ENOSPC, -EAGAIN (no thread slot), -ECANCELED. */
int soj_entry_own(struct soj_store *st, struct soj_worker *w, uint32_t *idx);
int soj_chunk_own(struct soj_store *st, struct soj_worker *w, uint32_t class,
		  uint32_t *chunk);

/* The same without making a new page: for moving chunks out of one. */
int soj_chunk_own_in_pages(struct soj_store *st, struct soj_worker *w,
			   uint32_t class, uint32_t *chunk);

/* The state word of a chunk number; NULL if it is out of range. */
soj_word_t *soj_chunk_state(const struct soj_store *st, uint32_t chunk);

/* The words of a chunk and how many bytes it has, by its page's class; NULL if
 * the number is out of range or its unit is no page. */
soj_word_t *soj_chunk_words(const struct soj_store *st, uint32_t chunk,
			    uint32_t *chunk_bytes);

/* Mine, never published: wiped and FREE again. */
void soj_chunk_abandon(struct soj_store *st, struct soj_worker *w,
		       uint32_t chunk);
void soj_entry_abandon(struct soj_store *st, struct soj_worker *w,
		       uint32_t idx);

/*
 * Changes nothing but the version of ctl: of those who saw it before, none ends or
 * writes it any more.  False: it has ended.  A login in a collection with a cap is
 * acknowledged after that and no sooner, having gone LIVE (cap.c).
 */
bool soj_entry_confirm(struct soj_store *st, struct soj_worker *w,
		       uint64_t ref);

/* OWNED -> LIVE, from exactly `owned`. */
bool soj_state_publish(soj_word_t *state, uint64_t owned);

/* LIVE or OWNED -> RETIRED, from exactly `was`, which the caller loaded before
 * the CAS that unlinked it; goes to the worker's limbo. */
bool soj_chunk_retire(struct soj_store *st, struct soj_worker *w,
		      uint32_t chunk, uint64_t was);
bool soj_entry_retire(struct soj_store *st, struct soj_worker *w, uint32_t idx,
		      uint64_t was);

/* RETIRED, exactly `was`, and past its grace period -> wiped and FREE. */
bool soj_chunk_reclaim(struct soj_store *st, struct soj_worker *w,
		       uint32_t chunk, uint64_t was, uint64_t epoch);
bool soj_entry_reclaim(struct soj_store *st, struct soj_worker *w, uint32_t idx,
		       uint64_t was, uint64_t epoch);

/* The same, and it is the caller's, wiped; a chunk if it is of the class. */
bool soj_chunk_reuse(struct soj_store *st, struct soj_worker *w, uint32_t class,
		     uint32_t chunk, uint64_t was, uint64_t epoch);
bool soj_entry_reuse(struct soj_store *st, struct soj_worker *w, uint32_t idx,
		     uint64_t was, uint64_t epoch);

/* Sets the free hint of what is FREE; idempotent.  The `missing` ones look
 * first, so that a scan does not write to what is in order. */
void soj_chunk_hint_free(struct soj_store *st, uint32_t chunk);
void soj_entry_hint_free(struct soj_store *st, uint32_t idx);
void soj_chunk_hint_missing(struct soj_store *st, uint32_t chunk);
void soj_entry_hint_missing(struct soj_store *st, uint32_t idx);

/* Repair: what a dead thread OWNED, exactly `was`.  An entry that nobody can
 * reach is taken over, wiped and FREE; so is a chunk, or it is retired. */
bool soj_chunk_take_over(struct soj_store *st, struct soj_worker *w,
			 uint32_t chunk, uint64_t was);
bool soj_entry_take_over(struct soj_store *st, struct soj_worker *w,
			 uint32_t idx, uint64_t was);

/* Hints for the helper: `armed` when a deadline came into being or moved
 * nearer, `ended` when something is to be unlinked and retired. */
void soj_hint_armed(struct soj_store *st, uint32_t idx);
void soj_hint_ended(struct soj_store *st, uint32_t idx);

/* ---- page.c ---- */

/* Smallest class that holds chunk_bytes, head included; SOJ_CLASSES if none. */
uint32_t soj_class_of(uint64_t chunk_bytes);

/* Makes a page of the class from free units and fills the magazine.
 * 0, -ENOSPC, -ECANCELED. */
int soj_page_new(struct soj_store *st, struct soj_worker *w, uint32_t class);

/* The class of the page that the unit is the first unit of; SOJ_CLASSES if it
 * is not.  *word is the unit word seen. */
uint32_t soj_page_class(const struct soj_store *st, uint32_t unit,
			uint64_t *word);

/*
 * Moves all chunks of one page of another class out of the way and frees its
 * units.  Best effort: 0 when a page was freed, -EBUSY when none could be,
 * -EAGAIN when somebody else had chosen the same one and was faster.
 */
int soj_page_drain(struct soj_store *st, struct soj_worker *w, uint32_t class);

/* Moves one LIVE chunk to another place: copy, CAS ctl, retire.  0, -EAGAIN
 * (it changed), -ENOSPC, -ECANCELED. */
int soj_chunk_relocate(struct soj_store *st, struct soj_worker *w,
		       uint32_t chunk);

/* Units that dead threads left half-way; `slot` OWNED and DRAINING words go
 * back, orphaned PARTs are freed.  Returns how many words were changed. */
uint32_t soj_units_repair(struct soj_store *st, uint32_t slot, uint64_t claim);

/* ---- chunk.c ---- */

/* What goes into a chunk. */
struct soj_value {
	const void *data;
	uint32_t data_bytes;
	const void *subject;
	uint32_t subject_bytes;
	const void *meta;
	uint32_t meta_bytes;
	const struct soj_shm_record *record; /* NULL: none */
	const struct soj_shm_times *times;   /* NULL: none; not both */
	uint64_t version;
	uint32_t entry;
	uint32_t seal_bytes;      /* the store's */
	uint64_t gen;             /* of the entry, and its digest: what a */
	struct soj_digest digest; /* sealed value is bound to */
};

uint64_t soj_value_chunk_bytes(const struct soj_value *v);
/* The chunk is OWNED by the caller, was asked for with that size, and is
 * written once.  0; -EBADMSG: the segment is corrupt there; -ENOMEM. */
int soj_chunk_write(struct soj_store *st, uint32_t chunk,
		    const struct soj_value *v);

/* Lengths of a chunk, checked against its class. */
struct soj_chunk_view {
	soj_word_t *record, *seal, *subject, *meta, *data;
	uint32_t record_bytes, subject_bytes, meta_bytes, data_bytes;
	uint32_t entry;
	uint64_t version;
};

/* False: the lengths do not fit (being overwritten, or corrupt). */
bool soj_chunk_look(const struct soj_store *st, uint32_t chunk,
		    struct soj_chunk_view *view);

/* ---- index.c ---- */

struct soj_snapshot;

static inline uint64_t soj_place_of(uint32_t entry, uint64_t gen,
				    struct soj_digest digest)
{
	return soj_place(soj_ref(entry, gen),
			 (uint32_t)(digest.word[1] & 0xffff));
}

/*
 * Commits a place word for the digest.  0; -EEXIST (a readable entry has that
 * digest: *existing is its reference); -EXFULL (bucket full: another id, or
 * eviction); -ECANCELED.  instead (may be NULL): what has the digest, and is ended
 * once there is a place; -EAGAIN: it has changed.
 */
int soj_index_insert(struct soj_store *st, struct soj_worker *w,
		     struct soj_digest digest, uint64_t place,
		     const struct soj_snapshot *instead, uint64_t *existing);

/* Removes the word, committed or (by its owner only) reserved.  Idempotent.
 * True if it was committed and this call removed it. */
bool soj_index_remove(struct soj_store *st, struct soj_worker *w,
		      struct soj_digest digest, uint64_t place);

/* Is the word committed?  For repair. */
bool soj_index_committed(const struct soj_store *st, struct soj_digest digest,
			 uint64_t place);

/*
 * Finds the entry of a digest.  0 and its reference, ctl and life; -ENOENT;
 * -EBUSY (the bucket changed under every one of many tries).  Prefers a
 * readable entry to an ended one that still has its word.  Stores nothing.
 */
struct soj_found {
	uint64_t ref;
	uint64_t ctl;
	uint64_t life;
};
int soj_index_find(const struct soj_store *st, struct soj_digest digest,
		   struct soj_found *found);

/* Clears places of a bucket that are reserved by nobody alive. */
uint32_t soj_index_scrub(struct soj_store *st, uint32_t bucket);

/* ---- entry.c ---- */

/* When an entry's time is over; see deadline() in entry.c. */
struct soj_times {
	uint64_t created_ms;
	uint64_t accessed_ms;
	uint64_t expires_ms;     /* never later than the maximum lifetime */
	uint64_t grace_until_ms; /* UINT64_MAX unless renewed; redelivery of
				    the new id included */
	uint32_t idle_ms;
	uint32_t sliding_ms;
};

/* SOJ_ACTIVE if the entry lives at now_ms, else the reason that ends it. */
enum soj_status soj_times_judge(const struct soj_times *t, uint64_t now_ms);
/* The next deadline, if it is not touched before. */
uint64_t soj_times_deadline_ms(const struct soj_times *t);

struct soj_snapshot {
	uint64_t ref;
	uint64_t ctl;
	uint64_t life;
	uint64_t renew;
	struct soj_times times;
	uint64_t version; /* user version */
	uint32_t data_bytes;
	uint32_t subject_bytes;
	uint32_t meta_bytes;
	struct soj_shm_record record; /* if the chunk has one */
	bool has_record;
	bool has_times; /* put under a caller's key: *times are the chunk's */
};

/* The entry's second cache line, for those who need it. */
struct soj_cold {
	uint64_t misc;
	uint64_t login;
	uint64_t predecessor;
	uint64_t event;
	struct soj_digest subject;
};

/* What to copy besides; NULL pointers are skipped. */
struct soj_copy {
	bool skim; /* lengths and version do not matter: they may be 0 */
	struct soj_cold *cold;
	void *data;
	size_t data_capacity;
	uint8_t *subject;    /* SOJ_SUBJECT_BYTES_MAX + 1 */
	uint8_t *meta;       /* SOJ_META_BYTES_MAX */
	struct soj_box *box; /* sealed.c only; NULL */
};

/*
 * A consistent copy of an entry at one instant, without a store, a lock or a
 * wait.  `ref` names it; digest (may be NULL) must match too.  Ended entries
 * are copied as well, until they are retired.
 * 0; -ENOENT (no longer that entry); -ENOBUFS (data longer than the capacity:
 * everything else is valid); -EAGAIN (changed meanwhile: soj_entry_look() looks
 * again, and says -EBUSY in the end); -EBADMSG (bounds violated although nothing
 * changed); of sealed values: -EBADE (does not open), -EACCES (no key).
 */
int soj_entry_snapshot(const struct soj_store *st, uint64_t ref,
		       const struct soj_digest *digest,
		       const struct soj_copy *copy, struct soj_snapshot *snap);
int soj_entry_look(const struct soj_store *st, uint64_t ref,
		   const struct soj_digest *digest, const struct soj_copy *copy,
		   struct soj_snapshot *snap);
struct soj_digest soj_entry_digest(const struct soj_store *st, uint32_t idx);
struct soj_digest soj_entry_subject(const struct soj_store *st, uint32_t idx);
uint64_t soj_entry_place(const struct soj_store *st, uint64_t ref);

/*
 * Ends an entry: CAS of ctl from exactly `ctl`.  True if this call decided it.
 * The index word goes, unless the maker still owns the entry; the rest is
 * upkeep's.
 */
bool soj_entry_end(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		   uint64_t ctl, enum soj_status reason);
/* The CAS only; soj_entry_end_finish() has to follow. */
bool soj_entry_end_ctl(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		       uint64_t ctl, enum soj_status reason);

/* Does the ctl of the entry that the chunk belongs to name it, and is that
 * entry not retired? */
bool soj_chunk_named(const struct soj_store *st, uint32_t chunk);

/* What has to follow, by one who ended it or saw it ended; also for the maker,
 * after soj_entry_go_live(): it may have been ended before. */
void soj_entry_end_finish_if_ended(struct soj_store *st, struct soj_worker *w,
				   uint64_t ref);

/* What has to follow an end that somebody else decided; idempotent. */
void soj_entry_end_finish(struct soj_store *st, struct soj_worker *w,
			  uint64_t ref);

/* The same after one's own end, for one who does upkeep's part as well, or sets
 * the hint for it.  Returns the state word to do that with; 0: it is its maker's,
 * who does the rest. */
uint64_t soj_entry_end_finish_own(struct soj_store *st, struct soj_worker *w,
				  uint64_t ref);

/*
 * Makes the end by time final, for one who saw `life` past its deadline: sets
 * the expired bit (fails if it was touched), then ends.  False: look again.
 */
bool soj_entry_expire(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		      uint64_t ctl, uint64_t life, enum soj_status reason);

/* The last use of what an entry was made from (by a renewal) is its own, too.
 * True if that was any later. */
bool soj_entry_hand_down(struct soj_store *st, uint64_t ref);

/* OWNED -> LIVE, from exactly `owned`.  Then the hints that follow. */
bool soj_entry_go_live(struct soj_store *st, uint64_t ref, uint64_t owned);
/* That in its maker's stead, who may stand still or be dead, of what others can
 * have: a successor that is named, an item under its key. */
void soj_entry_settle(struct soj_store *st, uint64_t ref);

/* ---- line.c ---- */

/*
 * Ends an entry and, if `reason` means the login, the line of its successors.
 * seen: what the caller saw, readable, in the section that it is in; the
 * record is then followed even if the entry was ended meanwhile.  NULL: it
 * only found it in that section.  Returns how many tips (readable and
 * not renewed) this call ended; -ESTALE (expelled: nothing may be reported),
 * -EBUSY, -ECANCELED.  *any (may be NULL) becomes true if the call ended any
 * member.
 */
int soj_line_end(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		 enum soj_status reason, const struct soj_snapshot *seen,
		 bool *any);

/* For upkeep: ends what directly follows an ended entry, as far as nobody has
 * begun with it.  0 or an error as soj_line_end. */
int soj_line_end_next(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		      enum soj_status reason);

/* An ended entry that neither led on nor was led to: no line is to be ended. */
bool soj_line_alone(const struct soj_store *st, uint64_t ref);

/* Does the ended entry's record still lead to something in the making (HELD; it
 * is made LIVE here if that can be), or is its predecessor still there?  Then
 * it is not yet to be retired.  *successor: that the record names, 0 if none. */
enum soj_hold { SOJ_HELD_NOT, SOJ_HELD_BY_PREDECESSOR, SOJ_HELD };
enum soj_hold soj_line_holds(struct soj_store *st, uint64_t ref,
			     uint64_t *successor);

/*
 * What became of the line of a renewed entry: SOJ_ACTIVE if its tip is
  * readable, else the reason that ended it.  An old id answers in its grace
 * window only while its successor lives.  *tip (may be NULL): the reference of
 * the readable tip, 0 if it could not be told.
 */
enum soj_status soj_line_status(const struct soj_store *st,
				const struct soj_snapshot *renewed,
				uint64_t *tip);

/* Makes the successor that a renewed entry names LIVE, if its maker has not, and
 * before that as recently used as the entry is. */
void soj_line_settle(struct soj_store *st, uint64_t successor);

/* For who counted a use of an entry that is renewed: it is one of what that leads
 * to. */
void soj_line_use(struct soj_store *st, uint64_t ref);

/* Ends the renewed entries that led to `ref`, which ended for `reason`; not if
 * they lead through it to a readable tip. */
void soj_line_end_back(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		       enum soj_status reason);

/* Ends the grace windows of all ids that were renewed to `ref`; what somebody saw
 * by one of them he cannot change after that.  The caller is in a section.  0 or
 * an error as soj_line_end. */
int soj_line_forget(struct soj_store *st, struct soj_worker *w, uint64_t ref);

/* Is the successor `ref` named by the record of `predecessor`?  1, 0, or -EBUSY
 * (it changed each time one looked). */
int soj_line_names(const struct soj_store *st, uint64_t predecessor,
		   uint64_t ref);

/* ---- evict.c ---- */

/*
 * Ends one entry: one past its deadline if the sample has one, else the one
 * unused for longest.  0, or -ENOENT (nothing to end).  Prefers entries whose
 * chunk is of `class` (SOJ_CLASSES: any).
 */
int soj_evict_one(struct soj_store *st, struct soj_worker *w, uint64_t now_ms,
		  uint32_t class);

/* How many entries have ended and are not free yet; counts to `limit`. */
uint32_t soj_entries_ending(const struct soj_store *st, uint32_t limit);

/* Ends every entry that is past its deadline, for want of a helper; returns
 * how many.  O(entries). */
uint32_t soj_expire_all(struct soj_store *st, struct soj_worker *w,
			uint64_t now_ms);

/* ---- lock.c ---- */

enum soj_lock_state {
	SOJ_LOCK_FREE,
	SOJ_LOCK_HELD, /* by a living thread within its hold time */
	SOJ_LOCK_LOST, /* its holder is dead, or its hold time over */
};
enum soj_lock_state soj_lock_judge(const struct soj_store *st, uint64_t word,
				   uint64_t now_ms);

/* Is it that entry still, and neither renewed nor ended? */
bool soj_entry_lives(const struct soj_store *st, uint64_t ref);

/* Why it ended, while that is still to be seen; SOJ_NONE. */
enum soj_status soj_entry_over(const struct soj_store *st, uint64_t ref);

/* The lock word of an entry, now. */
uint64_t soj_lock_look(const struct soj_store *st, uint64_t ref);

/* The tick at which a hold that begins now is over; hold_max_ms 0: never. */
uint64_t soj_lock_until(uint64_t now_ms, uint64_t hold_max_ms);

struct soj_lock_wish {
	uint64_t now_ms;
	uint64_t until_tick;
	uint32_t renewals;    /* of the login, for the fence */
	bool slept;           /* others may sleep, too */
	struct soj_digest id; /* goes into the list of what is held */
};

/*
 * One attempt.  0: taken, *held says what; -EBUSY: another has it, *word is
 * the word to wait on; -EDEADLK: this thread has it; -EAGAIN: the entry or its
 * lock changed, find it again; -ENOLCK: the thread holds SOJ_LOCKS_MAX;
 * -ECANCELED.  The worker has a slot.
 */
int soj_lock_take(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		  const struct soj_lock_wish *wish, struct soj_held **held,
		  uint64_t *word);

/* Sleeps until the word may have changed, at most ms. */
void soj_lock_wait(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		   uint64_t word, uint64_t ms);

/* What this thread has of the entry, as long as `word` says so; NULL. */
struct soj_held *soj_lock_mine(struct soj_worker *w, uint64_t ref,
			       uint64_t word);

/* Gives it back and forgets it; wakes one waiter, or all.  False: it had been
 * taken from the thread before. */
bool soj_lock_give(struct soj_store *st, struct soj_worker *w,
		   struct soj_held *held, bool wake_all);

/* Frees a word that was judged to be LOST; false: it changed. */
bool soj_lock_clear(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		    uint64_t word);

/* The word that makes an entry, which the worker is filling, born with the
 * lock that it holds of another: goes into its list.  If that is full, a free
 * one. */
uint64_t soj_lock_inherit(struct soj_store *st, struct soj_worker *w,
			  uint64_t ref, const struct soj_held *from);

/* All that this thread holds, before it gives up its slot. */
void soj_locks_release(struct soj_store *st, struct soj_worker *w);

/* Frees what dead threads held: claim[] by slot, 0 = not dead.  Before their
 * slots are. */
void soj_locks_repair(struct soj_store *st, struct soj_worker *w,
		      const uint64_t *claim);

#endif /* SOJ_STORE_STORE_H */
