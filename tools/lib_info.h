/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_INFO_H
#define SOJ_TOOLS_LIB_INFO_H

/* A session's struct sojourn_info for people and programs. */

#include <sojourn/sojourn.h>

#include "lib_json.h"

/*
 * All of *info as members of the object that is open: handle, subject,
 * collection, times (as Unix time in ms, and as age and what is left), version,
 * renewals, metadata.  What is not known or has no end is null; the new id of a
 * renewal is there only if info has it.
 */
void soj_info_json(struct soj_json *j, const struct sojourn *s,
		   const struct sojourn_info *info);

/*
 * A listing on stdout: a heading and one line each, or one JSON object each.
 * soj_info_list_put() is what walks of sessions call, with the list; nonzero
 * (stop) when nothing can be written any more.
 */
struct soj_info_list {
	struct sojourn *s;
	bool json;
	bool headed;
};

int soj_info_list_put(void *list, const struct sojourn_info *info);

/* "none", "won", "done", "here" or "elsewhere". */
const char *soj_info_renewal_name(enum sojourn_renewal renewal);

#endif /* SOJ_TOOLS_LIB_INFO_H */
