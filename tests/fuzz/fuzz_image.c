/* SPDX-License-Identifier: MIT */

/*
 * A segment's image, spoilt: attached read-only and writable, used by every
 * operation, upkeep, expiry and the tools.  Nothing may crash, read or write
 * outside, return what no header names, or take more than a bounded number of
 * accesses.
 *
 * options: -max_len=400 -len_control=0
 *
 * The input: a byte, even: so many patches (patch_take()), then operations;
 * odd: an offset, then bytes that go there as they are.  The byte's upper bits
 * leave out the tools before and after, or what is done without operations.
 */

#include <string.h>

#include "lib_use.h"

static void raw(struct fuzz_in *in)
{
	const struct small *sm = small();
	uint64_t off = 8 * fuzz_below(in, sm->bytes / 8);
	size_t bytes = soj_min(in->left, sm->bytes - off);

	memcpy(sm->image + off, in->at, bytes);
	in->at += bytes;
	in->left -= bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	unsigned mode = (unsigned)fuzz_take(&in, 1);

	small();
	small_restore();
	fuzz_random(2);
	if (mode & 1) {
		raw(&in);
	} else {
		for (unsigned i = 0; i < (mode >> 1) % 16; i++) {
			struct patch p;

			patch_take(&in, &p);
			patch_apply(&p);
		}
	}
	if (!(mode & 32))
		use_tools(false);
	use_segment(&in, !(mode & 128));
	if (!(mode & 64))
		use_tools(false);
	return 0;
}
