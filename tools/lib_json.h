/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_JSON_H
#define SOJ_TOOLS_LIB_JSON_H

/*
 * Writes JSON (RFC 8259) to a stream, as it comes: nothing is kept, nothing is
 * allocated.  One object a line:
 *
 *	struct soj_json j;
 *
 *	soj_json_init(&j, stdout);
 *	soj_json_object(&j, NULL);
 *	soj_json_string(&j, "name", name);
 *	soj_json_array(&j, "lag");
 *	soj_json_u64(&j, NULL, 7);
 *	soj_json_close(&j);
 *	soj_json_close(&j);	(the outermost one ends the line)
 *
 * key: the member's name inside an object, NULL inside an array and outermost.
 * Strings are written as valid UTF-8 whatever they hold: a byte that is not
 * part of any becomes U+FFFD; control characters are escaped, those above
 * U+007F as well, so that the output is safe on a terminal.
 * Misuse (a key in an array, deeper than 32) is a bug and asserted.
 * Errors of the stream are left to ferror().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SOJ_JSON_DEPTH_MAX 32u

struct soj_json {
	FILE *out;
	uint32_t depth;
	uint32_t arrays;   /* bit d: level d is an array */
	uint32_t nonempty; /* bit d: level d has a member */
};

void soj_json_init(struct soj_json *j, FILE *out);

void soj_json_object(struct soj_json *j, const char *key);
void soj_json_array(struct soj_json *j, const char *key);
/* Ends the innermost object or array. */
void soj_json_close(struct soj_json *j);

/* value NULL: null. */
void soj_json_string(struct soj_json *j, const char *key, const char *value);
void soj_json_string_n(struct soj_json *j, const char *key, const void *value,
		       size_t bytes);
/* A string of standard base64 with padding (RFC 4648, 4). */
void soj_json_base64(struct soj_json *j, const char *key, const void *value,
		     size_t bytes);
void soj_json_u64(struct soj_json *j, const char *key, uint64_t value);
void soj_json_i64(struct soj_json *j, const char *key, int64_t value);
/* At most `decimals` digits after the point; what is not finite: null. */
void soj_json_double(struct soj_json *j, const char *key, double value,
		     int decimals);
void soj_json_bool(struct soj_json *j, const char *key, bool value);
void soj_json_null(struct soj_json *j, const char *key);

#endif /* SOJ_TOOLS_LIB_JSON_H */
