/* SPDX-License-Identifier: MIT */

/*
 * The handle, and what each thread keeps for it.
 *
 * A thread's part (its slot, magazines, limbo) lives in pages of its own that
 * are MADV_WIPEONFORK: in a forked child they read as zeroes, w.thr.alive is
 * 0, and the first call of the child sets the thread up again with a slot of
 * its own.  The parent's slot stays the parent's: robust mutexes are not
 * inherited.  An operation that finds itself in a child half-way (a fork in a
 * callback or a signal handler) sees alive == 0 before its next deciding CAS
 * and gives up with -ECANCELED.
 *
 * The mapping is unmapped by the last of the process's threads that had a
 * part in it, at detach or at its exit: a robust mutex must be unlocked by its
 * own thread, and before its memory goes.
 *
 * Edges
 *   P0  leave: add to threads        P0  the last one out sees what all did
 *   P1  detach: store of closed      P2
 *   P2  leave: load of closed        P1
 */

#include "session/hook.h"
#include "shm/now.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

_Thread_local struct soj_last soj_last;

static soj_word_t next_serial;

static void *wiped_pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (madvise(p, bytes, MADV_WIPEONFORK) != 0) {
		munmap(p, bytes);
		return NULL;
	}
	/* What ids will be made of is in it. */
	madvise(p, bytes, MADV_DONTDUMP);
	return p;
}

/* Last one out unmaps. */
static void leave(struct sojourn *s)
{
	if (soj_add_acq_rel(&s->process->threads, UINT32_MAX) == 1 && /* P0 */
	    soj_load_acquire(&s->closed))                             /* P2 */
		soj_handle_free(s);
}

/* Other keys' destructors may still call the library in this thread. */
static void self_unmap(struct soj_self *self)
{
	if (soj_last.self == self)
		soj_last.s = NULL;
	munmap(self, sizeof(*self));
}

static void self_release(struct soj_self *self)
{
	struct sojourn *s = self->s;
	bool counted = self->w.thr.alive;

	if (counted) {
		/* A function that looked at a value ended the thread. */
		if (self->w.thr.section != 0)
			(void)soj_section_exit(&s->st.seg, &self->w.thr);
		/* What was only counted privately goes to the segment. */
		if (self->w.thr.pending > 0 && !soj_has_slot(&self->w))
			(void)soj_slot_claim(&s->st.seg, &self->w.thr);
		soj_worker_deinit(&s->st, &self->w);
		if (self->up) {
			soj_upkeep_deinit(self->up);
			free(self->up);
		}
		soj_notes_free(self);
	}
	self_unmap(self);
	if (counted)
		leave(s);
}

/* A thread ends.  In a child that never called, the page is zero: s is NULL. */
static void self_at_exit(void *arg)
{
	struct soj_self *self = arg;

	if (self->s != NULL)
		self_release(self);
	else
		self_unmap(self);
}

static struct soj_self *self_make(struct sojourn *s, struct soj_self *self)
{
	bool fresh = self == NULL;

	if (fresh)
		self = wiped_pages(sizeof(*self));
	if (self == NULL)
		return NULL;
	soj_worker_init(&self->w);
	soj_notes_init(self);
	self->random_left = 0;
	self->s = s;
	self->up = NULL;
	if (fresh && pthread_setspecific(s->key, self) != 0) {
		self_unmap(self);
		return NULL;
	}
	soj_add_relaxed(&s->process->threads, 1);
	return self;
}

struct soj_self *soj_self_find(struct sojourn *s)
{
	struct soj_self *self = pthread_getspecific(s->key);

	if (self == NULL || !self->w.thr.alive)
		self = self_make(s, self);
	if (self == NULL)
		return NULL;
	soj_last.s = s;
	soj_last.serial = s->serial;
	soj_last.self = self;
	soj_last.ticker = soj_seg_ticker_mine();
	return self;
}

struct soj_self *soj_self_writing(struct sojourn *s, int *rc)
{
	struct soj_self *self = soj_self(s);

	*rc = 0;
	if (s->st.seg.readonly)
		*rc = -EROFS;
	else if (self == NULL)
		*rc = -ENOMEM;
	else if (!soj_has_slot(&self->w))
		*rc = soj_upkeep_claim(&s->st, &self->w);
	if (*rc < 0) {
		soj_report_errno(*rc);
		return NULL;
	}
	return self;
}

void soj_self_flush_now(struct sojourn *s, struct soj_self *self)
{
	if (s->st.seg.readonly)
		return;
	if (!soj_has_slot(&self->w) &&
	    soj_slot_claim(&s->st.seg, &self->w.thr) < 0) {
		self->w.thr.pending = 1; /* not at every read */
		return;
	}
	soj_count_flush(&s->st.seg, &self->w.thr);
}

int soj_handle_new(struct sojourn **out)
{
	struct sojourn *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		return -ENOMEM;
	/* Keys are in it. */
	madvise(s, sizeof(*s), MADV_DONTDUMP);
	s->st.seg.fd = -1;
	s->life_fd = -1;
	s->serial = soj_add_relaxed(&next_serial, 1) + 1;
	s->process = wiped_pages(sizeof(*s->process));
	if (s->process == NULL) {
		munmap(s, sizeof(*s));
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

int soj_handle_open(struct sojourn *s, const uint8_t master[SOJ_KEY_BYTES])
{
	int rc = pthread_key_create(&s->key, self_at_exit);

	if (rc != 0)
		return -ENOMEM;
	s->has_key = true;
	soj_keys_derive(&s->keys, master);
	soj_siphash_begin(&s->id_begun, s->keys.id);
	if (s->st.seg.flags & SOJ_SHM_IDS_AES)
		soj_mac_init(&s->id_mac, s->keys.id_usual);
	soj_store_init(&s->st);
	if (s->st.seg.flags & SOJ_SHM_SEALED) {
		soj_vault_init(&s->vault,
			       s->st.seg.flags & SOJ_SHM_SEAL_AES
				       ? SOJ_CIPHER_AES256GCM
				       : SOJ_CIPHER_XCHACHA20,
			       master, s->st.seg.seal_salt);
		s->st.vault = &s->vault;
	}
	return 0;
}

void soj_handle_free(struct sojourn *s)
{
	if (s->has_key)
		pthread_key_delete(s->key);
	if (s->life_fd >= 0)
		close(s->life_fd);
	if (s->st.seg.base)
		soj_seg_detach(&s->st.seg);
	munmap(s->process, sizeof(*s->process));
	soj_validators_free(s);
	soj_hooks_free(s);
	soj_wipe(&s->keys, sizeof(s->keys));
	soj_wipe(&s->id_begun, sizeof(s->id_begun));
	soj_wipe(&s->id_mac, sizeof(s->id_mac));
	soj_vault_wipe(&s->vault);
	munmap(s, sizeof(*s));
}

void sojourn_detach(struct sojourn *s)
{
	struct soj_self *self;

	if (s == NULL)
		return;
	self = pthread_getspecific(s->key);
	if (soj_last.s == s)
		soj_last.s = NULL;
	/* Count the caller in, so that the handle outlives its own part. */
	soj_add_relaxed(&s->process->threads, 1);
	if (self != NULL) {
		pthread_setspecific(s->key, NULL);
		if (self->w.thr.alive)
			self_release(self);
		else
			self_unmap(self);
	}
	soj_store_release(&s->closed, 1); /* P1 */
	leave(s);
}
