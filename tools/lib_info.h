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

/* One line of columns; the heading that goes with it. */
void soj_info_heading(FILE *out);
void soj_info_line(FILE *out, const struct sojourn *s,
		   const struct sojourn_info *info);

/* "none", "won", "done", "here" or "elsewhere". */
const char *soj_info_renewal_name(enum sojourn_renewal renewal);

#endif /* SOJ_TOOLS_LIB_INFO_H */
