/* SPDX-License-Identifier: MIT */

#include "lib_handle.h"

void handle_options(struct sojourn_options *o, uint64_t segment_bytes)
{
	sojourn_options_init(o);
	o->entries_max = 50;
	o->segment_bytes = segment_bytes;
	o->helper = SOJOURN_HELPER_NONE;
}

int handle_set_up(const struct sojourn_options *o, struct sojourn **s,
		  void **state)
{
	int rc = sojourn_create(NULL, o, s);

	*state = rc < 0 ? NULL : *s;
	return rc;
}

int handle_tear_down(void **state)
{
	sojourn_detach(*state);
	return 0;
}
