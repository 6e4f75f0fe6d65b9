/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_RULES_H
#define SOJ_TOOLS_LIB_RULES_H

/* The rules of collections as a segment's header has them. */

#include "lib_image.h"
#include "lib_json.h"

/*
 * The rules of the collection `session` that are not periods, as members of
 * the object that is open.
 */
void soj_rules_json(struct soj_json *j, const struct soj_shm_header *hdr);

/* An array `collections` with one object for each that the segment has. */
void soj_rules_json_collections(struct soj_json *j,
				const struct soj_shm_header *hdr);

/*
 * What soj_rules_json() shows, as far as it is set: ", sliding, ip reject".
 * Then a line for each other collection.
 */
void soj_rules_put(FILE *out, const struct soj_shm_header *hdr);
void soj_rules_put_collections(FILE *out, const struct soj_shm_header *hdr);

#endif /* SOJ_TOOLS_LIB_RULES_H */
