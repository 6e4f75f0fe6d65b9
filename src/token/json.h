/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_JSON_H
#define SOJ_TOKEN_JSON_H

/*
 * Layer 6.  JSON texts as tokens and keys may have them: one object and nothing
 * after it but white space, no name twice at any level, UTF-8, no NUL, at most
 * SOJ_JSON_DEPTH_MAX levels.  jansson parses; the depth is judged before, so
 * that a text from a stranger cannot make it recurse far on a small stack.
 */

#include <jansson.h>
#include <stddef.h>

#define SOJ_JSON_DEPTH_MAX 32u

enum soj_json_fault {
	SOJ_JSON_OK,
	SOJ_JSON_SYNTAX,
	SOJ_JSON_DUPLICATE,
	SOJ_JSON_DEPTH,
	SOJ_JSON_NUMBER, /* too large for int64_t or double */
	SOJ_JSON_MEMORY,
};

/* The object, for json_decref(), or NULL and a fault. */
json_t *soj_json_parse(const char *text, size_t bytes,
		       enum soj_json_fault *fault);

#endif /* SOJ_TOKEN_JSON_H */
