/* SPDX-License-Identifier: MIT */

/*
 * As fuzz_image.c, with an image whose values are sealed.
 *
 * options: -max_len=400 -len_control=0
 */

#include "lib_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	small_sealed = true;
	use_spoilt(data, size);
	return 0;
}
