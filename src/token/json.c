/* SPDX-License-Identifier: MIT */

#include "token/json.h"

#include <stdbool.h>
#include <string.h>

/* Exact for valid JSON; of an invalid text it says anything, and jansson then
 * refuses what it let through. */
static bool is_deep(const char *text, size_t bytes)
{
	size_t depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < bytes; i++) {
		const char c = text[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++depth > SOJ_JSON_DEPTH_MAX)
				return true;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

/* The usual text has few brackets at all, and counting them is quick. */
static bool has_many_brackets(const char *text, size_t bytes)
{
	size_t count = 0;

	for (size_t i = 0; i < bytes; i++)
		count += (text[i] | 0x20) == '{';
	return count > SOJ_JSON_DEPTH_MAX;
}

static enum soj_json_fault fault_of(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_out_of_memory:
	case json_error_unknown: /* it failed without a word */
		return SOJ_JSON_MEMORY;
	case json_error_stack_overflow:
		return SOJ_JSON_DEPTH;
	case json_error_duplicate_key:
		return SOJ_JSON_DUPLICATE;
	case json_error_numeric_overflow:
		return SOJ_JSON_NUMBER;
	default:
		return SOJ_JSON_SYNTAX;
	}
}

json_t *soj_json_parse(const char *text, size_t bytes,
		       enum soj_json_fault *fault)
{
	json_error_t error;
	json_t *json = NULL;

	/* jansson 2.14 passes over a zero byte behind a number: it takes what
	 * it puts back for an empty buffer */
	*fault = SOJ_JSON_SYNTAX;
	if (bytes > 0 && memchr(text, '\0', bytes) != NULL)
		return NULL;
	*fault = SOJ_JSON_DEPTH;
	if (has_many_brackets(text, bytes) && is_deep(text, bytes))
		return NULL;
	/* For want of memory it may say that the text is wrong, though not if
	 * there is none at its begin. */
	for (unsigned i = 0; i < 2 && json == NULL; i++) {
		memset(&error, 0, sizeof(error));
		json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
	}
	if (json == NULL) {
		*fault = fault_of(&error);
		return NULL;
	}
	*fault = SOJ_JSON_OK;
	if (!json_is_object(json)) {
		*fault = SOJ_JSON_SYNTAX;
		json_decref(json);
		json = NULL;
	}
	return json;
}
