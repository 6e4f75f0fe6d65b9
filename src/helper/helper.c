/* SPDX-License-Identifier: MIT */

/*
 * Starting and stopping the helper's threads, and what they tell each other.
 *
 * Between the threads there is one mutex and one condition variable, private
 * to the process.  The maintenance thread says whether the process has the
 * role, and when it sleeps and when it wakes; the starter says when to stop.
 * Nothing else is shared: each thread has its own slot and its own struct
 * soj_worker.
 */

#include "helper/helper_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "store/event.h"

static_assert(SOJ_HELPER_TICK_MS_MAX == SOJ_WHEEL_TICK_MS_MAX,
	      "the helper promises what the wheel does not do");

uint64_t soj_helper_mono_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void soj_helper_begun(struct soj_helper *h, enum soj_helper_thread which,
		      int result)
{
	pthread_mutex_lock(&h->lock);
	h->begun[which] = true;
	h->result[which] = result;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void soj_helper_wait_until(struct soj_helper *h, uint64_t mono_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(mono_ns / 1000000000),
		.tv_nsec = (long)(mono_ns % 1000000000),
	};

	pthread_cond_timedwait(&h->changed, &h->lock, &until);
}

/* A forked child finds zeroes: the worker is then no longer alive. */
static struct soj_worker *worker_new(void)
{
	struct soj_worker *w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (w == MAP_FAILED)
		return NULL;
	if (madvise(w, sizeof(*w), MADV_WIPEONFORK) == 0) {
		soj_worker_init(w);
		w->source = SOJ_SOURCE_HELPER;
		return w;
	}
	munmap(w, sizeof(*w));
	return NULL;
}

static void helper_free(struct soj_helper *h)
{
	for (unsigned i = 0; i < SOJ_HELPER_THREADS; i++)
		if (h->worker[i])
			munmap(h->worker[i], sizeof(*h->worker[i]));
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static struct soj_helper *helper_new(struct soj_store *st,
				     const struct soj_helper_options *opts)
{
	struct soj_helper *h = calloc(1, sizeof(*h));
	pthread_condattr_t attr;

	if (!h)
		return NULL;
	h->st = st;
	h->tick_ms = opts && opts->tick_ms ? opts->tick_ms : SOJ_WHEEL_TICK_MS;
	h->slice_ms = opts ? opts->slice_ms : 0;
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->changed, &attr);
	pthread_condattr_destroy(&attr);
	for (unsigned i = 0; i < SOJ_HELPER_THREADS; i++)
		h->worker[i] = worker_new();
	if (h->worker[SOJ_HELPER_MAINTENANCE] && h->worker[SOJ_HELPER_EXPIRY])
		return h;
	helper_free(h);
	return NULL;
}

/* Starts one and waits for what it says. */
static int thread_start(struct soj_helper *h, enum soj_helper_thread which,
			void *(*run)(void *), const char *name)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&h->thread[which], NULL, run, h);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return -rc;
	pthread_setname_np(h->thread[which], name);
	pthread_mutex_lock(&h->lock);
	while (!h->begun[which])
		pthread_cond_wait(&h->changed, &h->lock);
	rc = h->result[which];
	pthread_mutex_unlock(&h->lock);
	if (rc < 0)
		pthread_join(h->thread[which], NULL);
	return rc;
}

static void thread_stop(struct soj_helper *h, enum soj_helper_thread which)
{
	pthread_mutex_lock(&h->lock);
	h->stop[which] = true;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	soj_helper_wake(&h->st->seg);
	pthread_join(h->thread[which], NULL);
}

int soj_helper_start(struct soj_helper **out, struct soj_store *st,
		     const struct soj_helper_options *opts)
{
	struct soj_helper *h;
	int rc;

	h = helper_new(st, opts);
	if (!h)
		return -ENOMEM;
	/* Expiry first: with no slot for it, the role is never taken. */
	rc = thread_start(h, SOJ_HELPER_EXPIRY, soj_helper_expire,
			  "soj-expiry");
	if (rc < 0)
		goto out_free;
	rc = thread_start(h, SOJ_HELPER_MAINTENANCE, soj_helper_maintain,
			  "soj-maintain");
	if (rc < 0)
		goto out_expiry;
	*out = h;
	return 0;

out_expiry:
	thread_stop(h, SOJ_HELPER_EXPIRY);
out_free:
	helper_free(h);
	return rc;
}

void soj_helper_stop(struct soj_helper *h)
{
	if (!h || soj_gone(h->worker[SOJ_HELPER_MAINTENANCE]))
		return;
	/* The role goes last: until then nobody else builds a wheel. */
	thread_stop(h, SOJ_HELPER_EXPIRY);
	thread_stop(h, SOJ_HELPER_MAINTENANCE);
	helper_free(h);
}

void soj_helper_status(struct soj_helper *h, struct soj_helper_status *status)
{
	pthread_mutex_lock(&h->lock);
	status->active = h->active;
	pthread_mutex_unlock(&h->lock);
	status->maintenance_rounds =
		soj_load_relaxed(&h->rounds[SOJ_HELPER_MAINTENANCE]);
	status->expiry_rounds = soj_load_relaxed(&h->rounds[SOJ_HELPER_EXPIRY]);
	status->timers = soj_load_relaxed(&h->timers);
	status->expired = soj_load_relaxed(&h->expired);
}
