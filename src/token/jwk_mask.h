/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_JWK_MASK_H
#define SOJ_TOKEN_JWK_MASK_H

/*
 * Layer 6.  Keeps secrets out of jansson.
 *
 * A JSON parser copies strings into memory that it frees without wiping.  So
 * before a JWK is parsed, the value of each member that may be secret ("d",
 * "k", "p", ...) is replaced in a copy of the text by a number of the same
 * length: "#000017####".  The parser sees that, and the value itself is taken
 * from the caller's text.
 *
 * Only strings are recognised, by their quotes.  In valid JSON these are the
 * strings; an invalid text is refused by the parser afterwards.  A name that is
 * written with escapes is not recognised, and then its value is no number of
 * that form and is refused, as it is when it is too short to be a secret.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOJ_MASKS_MAX 512u

struct soj_mask {
	const char *text; /* the caller's */
	size_t count;
	struct {
		uint32_t at, chars;
	} values[SOJ_MASKS_MAX];
};

/* copy: of text, is changed. */
void soj_mask_apply(struct soj_mask *mask, const char *text, char *copy,
		    size_t bytes);
/* The value that a masked one stands for; false if it is none. */
bool soj_mask_value(const struct soj_mask *mask, const char *masked,
		    size_t masked_chars, const char **value, size_t *chars);

#endif /* SOJ_TOKEN_JWK_MASK_H */
