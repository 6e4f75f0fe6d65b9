/* SPDX-License-Identifier: MIT */
#ifndef SOJOURN_LOCK_H
#define SOJOURN_LOCK_H

/*
 * Locks: requests that read a session, think, and write it back, one after the
 * other; and values that one process computes while the others wait.
 *
 * Caveats first
 *  - These are the only calls that wait for another process, and only for as
 *    long as they are told to.
 *  - A lock belongs to the thread that took it.  It ends when the thread gives
 *    it back, detaches or ends; a thread that was killed, however, loses it at
 *    once: the kernel says so, and no time-out plays a part.
 *  - A thread that stands still keeps its lock until hold_max_ms is over.  Then
 *    another may take it, and what the late one writes is refused: its fence is
 *    over.  No lock is ever taken for granted because a wait was in vain.
 *  - A lock does not keep a session alive: it can be deleted, touched, expire
 *    or be evicted, and then it is over for the holder, too.
 *  - Waiters are served in no particular order.
 *
 * While a session is locked, by a living thread within its hold time,
 * sojourn_session_update() and sojourn_session_modify() refuse to write it,
 * whoever calls (-EBUSY, SOJOURN_LOCKED), and only the thread that holds the
 * lock can renew it: its lock then goes along to the new id, with the same
 * fence.  A read of another thread by which it would be renewed does not.
 */

#include <sojourn/collection.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the segment's clock; rounded up to the next multiple of 256 ms. */
#define SOJOURN_HOLD_MAX_MS 86400000u

/*
 * Takes the lock of a session.
 *
 * timeout_ms: how long to wait for it, by CLOCK_MONOTONIC; 0: not at all;
 * SOJOURN_OFF: without limit.
 * hold_max_ms: after which it may be taken over; 0: never while this thread
 * lives; at most SOJOURN_HOLD_MAX_MS.
 * *fence: what the calls below want to see, and what may be handed to others
 * who are written to under the lock: it rises with each taking of the lock of a
 * login, also across its renewals (until 16,383 of them, or 2^32 changes of a
 * session).
 *
 * 0; -ENOENT as sojourn_session_read(), also when it ends while waiting;
 * -EBUSY with SOJOURN_LOCKED (timeout_ms is 0, and another has it); -ETIMEDOUT
 * with SOJOURN_TIMED_OUT; -EDEADLK (this thread has it); -ENOLCK (this thread
 * has 32); -EINVAL; -EROFS.  Two threads that want each other's second lock
 * wait until a timeout.  Lock-free while nobody else has it, else sleeps.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_lock(struct sojourn *s, const char *id, uint64_t timeout_ms,
		     uint64_t hold_max_ms, uint64_t *fence);

/*
 * Gives it back, and wakes one who waits.  id: any id of the login; it may have
 * ended.  0; -ENOENT (nothing can have that id); -ESTALE (this thread does not
 * hold it with that fence: it was taken over, or given back before).  Lock-free.
 */
SOJOURN_API int sojourn_session_unlock(struct sojourn *s, const char *id,
				       uint64_t fence);

/*
 * sojourn_session_update() and sojourn_session_modify() by the thread that
 * holds the lock.  Errors as theirs, and -ESTALE if the fence is over: nothing
 * was written then, and another may have the lock.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_update_locked(struct sojourn *s, const char *id, uint64_t fence,
			      const void *data, size_t data_bytes,
			      uint64_t *version);
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_modify_locked(struct sojourn *s, const char *id, uint64_t fence,
			      size_t capacity, sojourn_modify_fn fn, void *arg,
			      uint64_t *version);

/* ---- values that are computed once ---- */

/*
 * Computes a value: writes it to data, which has room for `capacity` bytes,
 * and its length to *data_bytes; 0, or a negative errno to give up.  May take
 * long, call the library (though not for the same item) and fork.
 */
typedef int (*sojourn_compute_fn)(void *arg, void *data, size_t *data_bytes,
				  size_t capacity);

struct sojourn_flight {
	sojourn_compute_fn compute;
	void *arg;
	const struct sojourn_value *value; /* subject, metadata and periods of
					      what is made; NULL: none, the
					      collection's */
	uint64_t timeout_ms;  /* to wait for who computes it; 0: not at all;
				 SOJOURN_OFF: without limit */
	uint64_t hold_max_ms; /* after which a slow one no longer keeps others
				 from computing it; 0: never while it lives.
				 Not for longer than the ttl of "flight", from
				 the first attempt on (1 hour) */
};

/*
 * Reads an item, or computes and puts it if there is none, once for all
 * processes: one computes while the others wait for what it makes.  Of one that
 * dies, or gives up, or is too slow, the next one takes over.
 *
 * data: a buffer of *data_bytes bytes; *data_bytes becomes the length of the
 * value.  *made (may be NULL): this call computed it.
 * 0; -EBUSY with SOJOURN_LOCKED (timeout_ms is 0, and another computes it);
 * -ETIMEDOUT with SOJOURN_TIMED_OUT; -EDEADLK (this very thread computes it);
 * -ENOLCK (the thread holds 32 locks); -ENOBUFS (there is one that does not fit
 * the buffer: *data_bytes says what is needed); what compute returned; -EINVAL;
 * else as sojourn_get() and sojourn_add().
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_get_or_create(struct sojourn *s, const struct sojourn_item *item,
		      const struct sojourn_flight *flight, void *data,
		      size_t *data_bytes, bool *made);

#ifdef __cplusplus
}
#endif

#endif /* SOJOURN_LOCK_H */
