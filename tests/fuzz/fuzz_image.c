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

#include "lib_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	use_spoilt(data, size);
	return 0;
}
