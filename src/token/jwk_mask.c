/* SPDX-License-Identifier: MIT */

#include "token/jwk_mask.h"

#include <string.h>

#define MASK_CHARS_MIN 8u
#define MASK_DIGITS    6u

/* RFC 7518 6.2.2, 6.3.2 and 6.4.1, RFC 8037 2. */
static const char *const secret_names[] = {"d",  "k",  "p", "q",
					   "dp", "dq", "qi"};

static bool is_secret(const char *name, size_t chars)
{
	for (size_t i = 0; i < sizeof(secret_names) / sizeof(*secret_names);
	     i++)
		if (strlen(secret_names[i]) == chars &&
		    memcmp(secret_names[i], name, chars) == 0)
			return true;
	return false;
}

static size_t skip_blanks(const char *text, size_t bytes, size_t at)
{
	while (at < bytes && text[at] != '\0' &&
	       strchr(" \t\r\n", text[at]) != NULL)
		at++;
	return at;
}

/* at: behind the opening quote.  Where the closing one is, or bytes. */
static size_t string_end(const char *text, size_t bytes, size_t at)
{
	while (at < bytes && text[at] != '"')
		at += text[at] == '\\' ? 2 : 1;
	return at < bytes ? at : bytes;
}

static void mask_value(struct soj_mask *mask, char *copy, size_t at,
		       size_t chars)
{
	size_t number = mask->count;

	if (chars < MASK_CHARS_MIN || mask->count == SOJ_MASKS_MAX)
		return;
	mask->values[mask->count].at = (uint32_t)at;
	mask->values[mask->count].chars = (uint32_t)chars;
	mask->count++;
	memset(copy + at, '#', chars);
	for (size_t i = MASK_DIGITS; i > 0; i--, number /= 10)
		copy[at + i] = (char)('0' + number % 10);
}

void soj_mask_apply(struct soj_mask *mask, const char *text, char *copy,
		    size_t bytes)
{
	size_t at = 0;

	mask->text = text;
	mask->count = 0;
	while (at < bytes) {
		size_t begin, end, next;

		if (text[at++] != '"')
			continue;
		begin = at;
		end = string_end(text, bytes, begin);
		at = end + 1;
		next = skip_blanks(text, bytes, at);
		if (next >= bytes || text[next] != ':' ||
		    !is_secret(text + begin, end - begin))
			continue;
		next = skip_blanks(text, bytes, next + 1);
		if (next >= bytes || text[next] != '"')
			continue;
		end = string_end(text, bytes, next + 1);
		mask_value(mask, copy, next + 1, end - (next + 1));
		at = end + 1;
	}
}

bool soj_mask_value(const struct soj_mask *mask, const char *masked,
		    size_t masked_chars, const char **value, size_t *chars)
{
	size_t number = 0;

	if (masked_chars < MASK_CHARS_MIN || masked[0] != '#')
		return false;
	for (size_t i = 1; i <= MASK_DIGITS; i++) {
		if (masked[i] < '0' || masked[i] > '9')
			return false;
		number = number * 10 + (size_t)(masked[i] - '0');
	}
	if (number >= mask->count || mask->values[number].chars != masked_chars)
		return false;
	*value = mask->text + mask->values[number].at;
	*chars = masked_chars;
	return true;
}
