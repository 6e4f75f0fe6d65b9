/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_COLLECTION_H
#define SOJ_TOOLS_LIB_COLLECTION_H

/* Collections in the words of the commands. */

#include <sojourn/collection.h>

/*
 * Rules of a collection: "carts,ttl=1h,idle=10min,per-subject-max=5,
 * when-over=evict-oldest,quiet".  *c keeps pointers into text, which is taken
 * apart.  0, or -EINVAL with a text in `why`.
 */
int soj_collection_parse(char *text, struct sojourn_collection *c, char *why,
			 size_t why_bytes);

/* What may stand there, for help. */
#define SOJ_COLLECTION_HELP                                                 \
	"ttl, idle, renewal, grace-window, redelivery, max-lifetime (each " \
	"=D), per-subject-max=N, when-over=reject|evict-oldest|exclusive, " \
	"sliding, quiet, update-events, keep"

#endif /* SOJ_TOOLS_LIB_COLLECTION_H */
