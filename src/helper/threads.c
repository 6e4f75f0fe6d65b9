/* SPDX-License-Identifier: MIT */

/*
 * The two threads of a helper.
 *
 * Maintenance tries for the role and, while it has it, runs passes of upkeep:
 * every ROUND_NS while there is work, that is hints, dead threads, retired
 * memory, or a section that is open and so holds an epoch back.  After BUSY_NS
 * without any it sleeps until somebody makes work or SWEEP_NS have passed; no
 * worker ever waits for it to wake.  What the hints do not say, it looks for:
 *
 *   sweep   retired memory whose thread does nothing any more.  After work
 *           within SWEEP_NS; if there was none, each time after twice as long,
 *           up to SWEEP_MAX_NS.
 *   full    everything.  It takes long in a large segment, so it comes at most
 *           every FULL_NS and takes at most 1/FULL_SHARE of the time, 1/10
 *           after a death, which may have left what only a full pass finds.
 *
 * Expiry turns the wheel while the process has the role: once a tick while
 * maintenance is awake, because then nobody says that hints came in; while
 * that sleeps, when the next timer is due, when the scrubber has a slice to
 * do, and when maintenance is woken.  A manual clock is looked at every
 * MANUAL_NS.
 *
 * No wake is lost.  Maintenance says that it is quiet after it has raised
 * helper_asleep and then seen no hint (must_not_sleep); so whoever hints later
 * wakes it (W0 to W4 in rcu/role.c), and it rouses the other thread under the
 * lock under which that decides to doze.  A worker that dies between its hint
 * and the wake is made up for when maintenance wakes by itself, in SLEEP_NS.
 *
 * Stopped and continued, or late for another reason: every pass and every step
 * starts from the words in the segment and the present time.  The role is asked
 * for in each round, so a helper that lost it, in whatever way, notices.
 *
 * Crash table: see rcu/role.c, upkeep/upkeep.c and helper/expiry.c; what is
 * here is private memory.
 */

#include <errno.h>

#include "base/fault.h"
#include "helper/helper_impl.h"
#include "upkeep/upkeep.h"

#define MS_NS      UINT64_C(1000000)
#define ROUND_NS   (1 * MS_NS)
#define BUSY_NS    (50 * MS_NS)
#define STANDBY_NS (100 * MS_NS)
#define SLEEP_NS   (1000 * MS_NS)
#define MANUAL_NS  (2 * MS_NS)

#define SWEEP_NS     (1000 * MS_NS)
#define SWEEP_MAX_NS (8000 * MS_NS)
#define FULL_NS      (1000 * MS_NS)
#define FULL_SHARE   500u

/* ---- maintenance ---- */

struct maintenance {
	struct soj_helper *h;
	struct soj_worker *w;
	struct soj_upkeep up;
	bool active;
	bool suspect;      /* a thread died since the last full pass */
	uint64_t busy_ns;  /* when there was something to do */
	uint64_t sweep_ns; /* when all state words were looked at */
	uint64_t sweep_wait_ns;
	uint64_t full_ns; /* when the last full pass ended */
	uint64_t full_took_ns;
};

/* Tells the expiry thread; true while the process has the role. */
static bool take_role(struct maintenance *m)
{
	struct soj_helper *h = m->h;
	bool active = soj_role_try(&h->st->seg, &m->w->thr);

	if (active == m->active)
		return active;
	if (active)
		SOJ_STEP("helper.role.taken");
	m->active = active;
	m->full_took_ns = 0;
	m->sweep_wait_ns = SWEEP_NS;
	m->full_ns = 0; /* at once: nobody knows what was left undone */
	pthread_mutex_lock(&h->lock);
	h->active = active;
	h->terms += active;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	return active;
}

/* From now on the expiry thread looks for hints itself. */
static void rouse_expiry(struct soj_helper *h)
{
	pthread_mutex_lock(&h->lock);
	h->quiet = false;
	if (h->dozing) {
		h->poked = true;
		pthread_cond_broadcast(&h->changed);
	}
	pthread_mutex_unlock(&h->lock);
}

/* Expelled ones hold nothing back any more. */
static bool section_open(const struct maintenance *m)
{
	const struct soj_seg *seg = &m->h->st->seg;

	for (uint32_t i = 0; i < seg->lay.slots_max; i++) {
		uint64_t word = soj_load_relaxed(&seg->slots[i].section);

		if (i != m->w->thr.slot && (word & SOJ_SECTION_ACTIVE) &&
		    !(word & SOJ_SECTION_EXPELLED))
			return true;
	}
	return false;
}

static bool full_is_due(const struct maintenance *m, uint64_t now_ns)
{
	uint64_t rest = m->full_took_ns * (m->suspect ? 10 : FULL_SHARE);

	return now_ns - m->full_ns >= soj_max(FULL_NS, rest);
}

static bool any_work(const struct soj_upkeep_work *work)
{
	return work->left || work->repaired || work->expelled ||
	       work->retired || work->reclaimed || work->scrubbed;
}

/* True: there was work, or there soon is. */
static bool full_pass(struct maintenance *m, uint64_t now_ns)
{
	struct soj_upkeep_work work = {0};

	soj_upkeep_full(&m->up, &work);
	m->full_ns = soj_helper_mono_ns();
	m->full_took_ns = m->full_ns - now_ns;
	m->sweep_ns = m->full_ns;
	m->suspect = false;
	return any_work(&work);
}

static bool sweep(struct maintenance *m, uint64_t now_ns)
{
	bool left = false;

	m->sweep_ns = now_ns;
	if (soj_upkeep_reclaim(&m->up, &left) > 0 || left)
		return true;
	m->sweep_wait_ns = soj_min(2 * m->sweep_wait_ns, SWEEP_MAX_NS);
	return false;
}

static bool upkeep_round(struct maintenance *m, uint64_t now_ns)
{
	struct soj_upkeep_work work = {0};
	struct soj_seg *seg = &m->h->st->seg;
	bool busy;

	soj_store_relaxed(&seg->hdr->helper_beat_ms, soj_seg_now_ms(seg));
	soj_upkeep_pass(&m->up, &work);
	m->suspect |= work.repaired > 0;
	busy = any_work(&work);
	if (full_is_due(m, now_ns))
		busy |= full_pass(m, now_ns);
	else if (now_ns - m->sweep_ns >= m->sweep_wait_ns)
		busy |= sweep(m, now_ns);
	if (busy)
		m->sweep_wait_ns = SWEEP_NS;
	soj_count_flush(seg, &m->w->thr);
	return busy || section_open(m);
}

/* Asked after it is known that workers see the helper asleep. */
static bool must_not_sleep(void *arg)
{
	struct soj_helper *h = arg;
	bool hinted = soj_upkeep_hinted(h->st) || soj_expiry_hinted(h->st);
	bool stop;

	pthread_mutex_lock(&h->lock);
	stop = h->stop[SOJ_HELPER_MAINTENANCE];
	h->quiet = !stop && !hinted;
	pthread_mutex_unlock(&h->lock);
	return stop || hinted;
}

static void sleep_until_work(struct maintenance *m)
{
	uint64_t before_ns = soj_helper_mono_ns();
	uint64_t now_ns;

	soj_helper_sleep(&m->h->st->seg, SLEEP_NS / MS_NS, must_not_sleep,
			 m->h);
	rouse_expiry(m->h);
	now_ns = soj_helper_mono_ns();
	/* Who was woken stays up a while: waking it costs a worker a call. */
	if (now_ns - before_ns < SLEEP_NS)
		m->busy_ns = now_ns;
}

static bool wait_until(struct soj_helper *h, uint64_t mono_ns)
{
	bool go_on;

	pthread_mutex_lock(&h->lock);
	while (!h->stop[SOJ_HELPER_MAINTENANCE] &&
	       soj_helper_mono_ns() < mono_ns)
		soj_helper_wait_until(h, mono_ns);
	go_on = !h->stop[SOJ_HELPER_MAINTENANCE];
	pthread_mutex_unlock(&h->lock);
	return go_on;
}

static void maintain(struct maintenance *m)
{
	struct soj_helper *h = m->h;
	uint64_t round_ns;

	do {
		uint64_t now_ns = soj_helper_mono_ns();

		soj_add_relaxed(&h->rounds[SOJ_HELPER_MAINTENANCE], 1);
		SOJ_STEP("helper.round");
		round_ns = now_ns + ROUND_NS;
		if (!take_role(m)) {
			round_ns = now_ns + STANDBY_NS;
			continue;
		}
		if (upkeep_round(m, now_ns))
			m->busy_ns = now_ns;
		else if (now_ns - m->busy_ns >= BUSY_NS)
			sleep_until_work(m);
	} while (wait_until(h, round_ns));
}

/* What has passed, or now passes, its grace period need not wait for the next
 * helper. */
static void maintain_end(struct maintenance *m)
{
	struct soj_upkeep_work work = {0};
	bool left = false;

	for (unsigned i = 0; m->active && i < 2; i++)
		soj_upkeep_pass(&m->up, &work);
	if (m->active)
		soj_upkeep_reclaim(&m->up, &left);
	soj_upkeep_deinit(&m->up);
	SOJ_STEP("helper.role.kept");
	soj_role_release(&m->h->st->seg, &m->w->thr);
	SOJ_STEP("helper.role.released");
	soj_worker_deinit(m->h->st, m->w);
}

void *soj_helper_maintain(void *helper)
{
	struct maintenance m = {.h = helper};
	struct soj_helper *h = helper;
	int rc;

	m.w = h->worker[SOJ_HELPER_MAINTENANCE];
	rc = soj_upkeep_claim(h->st, m.w);
	if (rc == 0) {
		rc = soj_upkeep_init(&m.up, h->st, m.w);
		if (rc < 0)
			soj_worker_deinit(h->st, m.w);
	}
	if (rc == 0)
		take_role(&m);
	soj_helper_begun(h, SOJ_HELPER_MAINTENANCE, rc);
	if (rc < 0)
		return NULL;
	maintain(&m);
	maintain_end(&m);
	return NULL;
}

/* ---- expiry ---- */

static uint64_t until_next_step(const struct soj_expiry *ex, bool quiet)
{
	const struct soj_seg *seg = &ex->st->seg;
	uint64_t wait_ns =
		MS_NS * soj_expiry_wait_ms(ex, soj_seg_now_ms(seg), quiet);

	if (seg->flags & SOJ_SHM_MANUAL_CLOCK)
		wait_ns = soj_min(wait_ns, MANUAL_NS);
	return soj_helper_mono_ns() + wait_ns;
}

/* Is there something to do?  With the lock held. */
static bool expiry_due(const struct soj_helper *h, uint32_t terms,
		       uint64_t until_ns)
{
	return h->stop[SOJ_HELPER_EXPIRY] ||
	       (h->active && (h->poked || terms != h->terms ||
			      soj_helper_mono_ns() >= until_ns));
}

/*
 * Waits for the next tick, or for longer if there is no reason to, or for the
 * role.
 * False: the thread is to end.  *terms: the term that the wheel was built in.
 */
static bool expiry_wait(struct soj_helper *h, struct soj_expiry *ex,
			uint32_t *terms)
{
	bool rebuild, go_on;
	uint64_t until_ns;

	pthread_mutex_lock(&h->lock);
	h->dozing = h->quiet;
	until_ns = until_next_step(ex, h->dozing);
	while (!expiry_due(h, *terms, until_ns)) {
		if (h->active)
			soj_helper_wait_until(h, until_ns);
		else
			pthread_cond_wait(&h->changed, &h->lock);
	}
	h->dozing = false;
	h->poked = false;
	rebuild = *terms != h->terms;
	*terms = h->terms;
	go_on = !h->stop[SOJ_HELPER_EXPIRY];
	pthread_mutex_unlock(&h->lock);
	if (go_on && rebuild)
		soj_expiry_rebuild(ex);
	return go_on;
}

void *soj_helper_expire(void *helper)
{
	struct soj_helper *h = helper;
	struct soj_worker *w = h->worker[SOJ_HELPER_EXPIRY];
	struct soj_seg *seg = &h->st->seg;
	struct soj_expiry ex;
	uint32_t terms = 0;
	int rc;

	rc = soj_upkeep_claim(h->st, w);
	if (rc == 0) {
		rc = soj_expiry_init(&ex, h->st, w, h->tick_ms);
		if (rc < 0)
			soj_worker_deinit(h->st, w);
	}
	soj_helper_begun(h, SOJ_HELPER_EXPIRY, rc);
	if (rc < 0)
		return NULL;
	if (h->slice_ms)
		ex.slice_ms = h->slice_ms;
	while (expiry_wait(h, &ex, &terms)) {
		soj_expiry_step(&ex, soj_seg_now_ms(seg));
		soj_count_flush(seg, &w->thr);
		soj_store_relaxed(&h->timers, ex.wheel.armed);
		soj_store_relaxed(&h->expired, ex.work.expired);
		soj_add_relaxed(&h->rounds[SOJ_HELPER_EXPIRY], 1);
		SOJ_STEP("expiry.round");
	}
	soj_expiry_deinit(&ex);
	soj_worker_deinit(h->st, w);
	return NULL;
}
