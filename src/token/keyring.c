/* SPDX-License-Identifier: MIT */

/* The current set of keys under liburcu; the contract is in keyset.h. */

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <urcu-bp.h>

#include "base/atomic.h"
#include "token/keyset.h"

#ifdef SOJ_TSAN
/* liburcu is not instrumented: this is what its grace period orders. */
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#define TSAN_ACQUIRE(p) __tsan_acquire(p)
#define TSAN_RELEASE(p) __tsan_release(p)
#else
#define TSAN_ACQUIRE(p) ((void)(p))
#define TSAN_RELEASE(p) ((void)(p))
#endif

static int hooks_rc;

/*
 * Only a signal handler can fork in a section.  liburcu's hook would then wait
 * for a publisher that waits for that section, so it is left out: the child of
 * such a fork may only exec or _exit (sojourn.h).
 */
static _Thread_local bool in_section;

static void before_fork(void)
{
	in_section = urcu_bp_read_ongoing();
	if (!in_section)
		urcu_bp_before_fork();
}

static void after_fork_parent(void)
{
	if (!in_section)
		urcu_bp_after_fork_parent();
}

static void after_fork_child(void)
{
	if (!in_section)
		urcu_bp_after_fork_child();
}

static void install_hooks(void)
{
	hooks_rc = -pthread_atfork(before_fork, after_fork_parent,
				   after_fork_child);
}

int soj_keyring_init(struct soj_keyring *ring, struct soj_keyset *set)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install_hooks);
	ring->current = set;
	return hooks_rc;
}

void soj_keyring_deinit(struct soj_keyring *ring)
{
	soj_keyset_destroy(ring->current);
	ring->current = NULL;
}

const struct soj_keyset *soj_keyset_enter(const struct soj_keyring *ring)
{
	struct soj_keyset *set;

	urcu_bp_read_lock();
	set = rcu_dereference(ring->current);
	TSAN_ACQUIRE(set);
	return set;
}

void soj_keyset_exit(const struct soj_keyring *ring)
{
	TSAN_RELEASE((void *)(uintptr_t)ring);
	urcu_bp_read_unlock();
}

struct soj_keyset *soj_keyset_publish(struct soj_keyring *ring,
				      struct soj_keyset *set)
{
	TSAN_RELEASE(set);
	return rcu_xchg_pointer(&ring->current, set);
}

void soj_keyset_synchronize(struct soj_keyring *ring)
{
	/* would wait for the caller itself */
	assert(!urcu_bp_read_ongoing());
	urcu_bp_synchronize_rcu();
	TSAN_ACQUIRE(ring);
}

void soj_keyset_replace(struct soj_keyring *ring, struct soj_keyset *set)
{
	struct soj_keyset *old = soj_keyset_publish(ring, set);

	soj_keyset_synchronize(ring);
	soj_keyset_destroy(old);
}
