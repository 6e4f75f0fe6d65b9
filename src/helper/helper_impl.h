/* SPDX-License-Identifier: MIT */
#ifndef SOJ_HELPER_IMPL_H
#define SOJ_HELPER_IMPL_H

/* Layer 6.  Between the files of the helper only. */

#include <pthread.h>

#include "helper/expiry.h"
#include "helper/helper.h"

enum soj_helper_thread {
	SOJ_HELPER_MAINTENANCE,
	SOJ_HELPER_EXPIRY,
	SOJ_HELPER_THREADS
};

struct soj_helper {
	struct soj_store *st;
	uint32_t tick_ms;
	uint32_t slice_ms;
	pthread_t thread[SOJ_HELPER_THREADS];
	struct soj_worker *worker[SOJ_HELPER_THREADS]; /* wiped in a child */

	/* `lock` guards from here to the relaxed words; it is private to the
	 * process, and no thread holds it while it works on the segment. */
	pthread_mutex_t lock;
	pthread_cond_t changed;         /* any of these, for whoever waits */
	bool begun[SOJ_HELPER_THREADS]; /* and result[] is there */
	int result[SOJ_HELPER_THREADS];
	bool stop[SOJ_HELPER_THREADS];
	bool active;    /* this process has the role */
	uint32_t terms; /* how often it has taken it: rebuild the wheel */
	bool quiet;     /* maintenance sleeps: hints wake it */
	bool dozing;    /* the expiry thread waits longer than a tick */
	bool poked;     /* and shall not */

	/* Each written by one thread, for soj_helper_status(). */
	soj_word_t rounds[SOJ_HELPER_THREADS];
	soj_word_t timers;
	soj_word_t expired;
};

/* ---- helper.c ---- */

/* CLOCK_MONOTONIC: the pace of the threads, not the time of the segment. */
uint64_t soj_helper_mono_ns(void);
/* Says how a thread's start went; soj_helper_start() waits for it. */
void soj_helper_begun(struct soj_helper *h, enum soj_helper_thread which,
		      int result);
/* Waits until then, or less; call with the lock held. */
void soj_helper_wait_until(struct soj_helper *h, uint64_t mono_ns);

/* ---- threads.c ---- */
void *soj_helper_maintain(void *helper);
void *soj_helper_expire(void *helper);

#endif /* SOJ_HELPER_IMPL_H */
