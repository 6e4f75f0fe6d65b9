/* SPDX-License-Identifier: MIT */

/*
 * Somebody else writes to the segment while it is used: the patches of the
 * input are made before such and such access of the library, so that what was
 * checked differs from what is used next, and a finding is found again from
 * its input.  What must hold is what fuzz_image.c says.
 *
 * options: -max_len=900 -len_control=0
 *
 * Left alone are the mutexes of the thread slots: the C library follows the
 * pointers in one that is held, and no check of ours comes in between.
 */

#include <string.h>

#include "lib_use.h"

static struct {
	struct patch list[PATCHES_MAX];
	unsigned count, next;
} patches;

static bool of_mutex(const struct patch *p)
{
	const uint64_t slots = small()->st.seg.lay.slots_off;
	uint64_t end = p->off + p->bytes, in_slot;

	if (end <= slots || p->off >= small()->st.seg.lay.entry_states_off)
		return false;
	in_slot = (p->off - slots) % sizeof(struct soj_shm_slot);
	return in_slot + p->bytes > offsetof(struct soj_shm_slot, life) &&
	       in_slot < offsetof(struct soj_shm_slot, pid);
}

/* Makes the next one, and sees to it that the one after comes, too. */
static void flip(void)
{
	const struct patch *p = &patches.list[patches.next++];

	if (!of_mutex(p))
		patch_apply(p);
	if (patches.next < patches.count)
		fuzz_interrupt(patches.list[patches.next].after + 1u, flip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};

	small();
	small_restore();
	fuzz_random(2);
	patches.next = 0;
	patches.count = (unsigned)fuzz_below(&in, PATCHES_MAX);
	for (unsigned i = 0; i < patches.count; i++)
		patch_take(&in, &patches.list[i]);
	if (patches.count > 0)
		fuzz_interrupt(patches.list[0].after + 1u, flip);
	use_segment(&in, true);
	fuzz_interrupt(0, NULL);
	return 0;
}
