/* SPDX-License-Identifier: MIT */

/*
 * The helper role: which thread does the upkeep.  It saves double work, no
 * more: every step of upkeep is safe with two at it.
 *
 * header.role = {slot, generation of its claim, term}, 0 = nobody yet.  The
 * holder is alive exactly as long as its slot is held under that claim, so the
 * role needs no lock of its own: taking it over is one exact CAS, after the
 * proof that the thread is dead or has left its slot: also the second one
 * (slot.c), as of those who wait for the role nobody reaps.
 *
 * Crash table: killed with the role: the slot is proved dead or reaped, and
 * whoever tries next takes it.  Killed between sleep flag and wait: the flag
 * stays set, the next worker spends one futile wake-up.
 * Stop table: stopped before the CAS, while others took the role: the term in
 * the word has risen, the CAS fails.  Stopped with the role: nobody takes it
 * from the living; workers do without a helper, and a second one stands by.
 *
 * Edges
 *   H0  take, give up: cas of role      H1
 *   H1  look: load of role              H0
 *   W0  sleep: xchg of asleep           W2, W4  a worker sees the flag, or the
 *   W1  sleep: fence, then look at work W3      helper sees the work
 *   W2  wake: load of asleep            W0
 *   W3  wake: fence after the work      W1
 *   W4  wake: xchg of asleep to 0       W0      one waker pays the system call
 */

#include "rcu/rcu.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"

static bool holder_lives(const struct soj_seg *seg, uint64_t role)
{
	uint32_t slot = (uint32_t)soj_field(role, 0, 12);
	uint32_t gen = (uint32_t)soj_field(role, 12, 20);
	uint64_t claim, dead;

	if (role == 0 || slot >= seg->lay.slots_max)
		return false;
	claim = soj_load_acquire(&seg->slots[slot].claim); /* H1 */
	return soj_claim_phase(claim) == SOJ_CLAIM_HELD &&
	       soj_claim_gen(claim) == gen &&
	       !soj_slot_dead(seg, slot, true, &dead);
}

static uint64_t role_of(const struct soj_thread *thr, uint32_t term)
{
	return soj_role(thr->slot, soj_claim_gen(thr->claim), term);
}

bool soj_role_try(const struct soj_seg *seg, const struct soj_thread *thr)
{
	uint64_t role = soj_load_acquire(&seg->hdr->role); /* H1 */
	uint32_t term = (uint32_t)(role >> 32);

	if (role == role_of(thr, term))
		return true;
	if (holder_lives(seg, role))
		return false;
	SOJ_STEP("role.seen");
	return soj_cas_acq_rel(&seg->hdr->role, &role, /* H0 */
			       role_of(thr, term + 1));
}

void soj_role_release(const struct soj_seg *seg, const struct soj_thread *thr)
{
	uint64_t role = soj_load_acquire(&seg->hdr->role); /* H1 */
	uint32_t term = (uint32_t)(role >> 32);

	if (role == role_of(thr, term))
		soj_cas_acq_rel(&seg->hdr->role, &role, /* H0 */
				soj_role(SOJ_SLOT_NONE, 0, term + 1));
}

bool soj_role_held(const struct soj_seg *seg)
{
	return holder_lives(seg, soj_load_acquire(&seg->hdr->role)); /* H1 */
}

void soj_helper_wake(const struct soj_seg *seg)
{
	soj_fence_seq_cst_after_rmw();                       /* W3 */
	if (soj_load_acquire(&seg->hdr->helper_asleep) == 0) /* W2 */
		return;
	if (soj_xchg_acq_rel(&seg->hdr->helper_asleep, 0) != 0) /* W4 */
		syscall(SYS_futex, &seg->hdr->helper_asleep, FUTEX_WAKE,
			INT_MAX, NULL, NULL, 0);
}

void soj_helper_sleep(const struct soj_seg *seg, uint64_t timeout_ms,
		      bool (*work)(void *arg), void *arg)
{
	struct timespec ts = {.tv_sec = (time_t)(timeout_ms / 1000),
			      .tv_nsec = (long)(timeout_ms % 1000) * 1000000};

	soj_xchg_acq_rel(&seg->hdr->helper_asleep, 1); /* W0 */
	soj_fence_seq_cst();                           /* W1 */
	if (work == NULL || !work(arg))
		syscall(SYS_futex, &seg->hdr->helper_asleep, FUTEX_WAIT, 1, &ts,
			NULL, 0);
	soj_xchg_acq_rel(&seg->hdr->helper_asleep, 0); /* W0 */
}
