/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_TEXT_H
#define SOJ_TOOLS_LIB_TEXT_H

/* Text for people and terminals. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * The character at the start of text: returns how many bytes it has, 0 if they
 * are not UTF-8 (RFC 3629: no overlong form, no surrogate, at most U+10FFFF).
 */
size_t soj_text_utf8(const void *text, size_t bytes, uint32_t *code);
/* Valid UTF-8 without NUL. */
bool soj_text_is_utf8(const void *text, size_t bytes);
/*
 * Whether a terminal shows the character and does nothing else: no control
 * character, nothing invisible, nothing that turns the direction of writing.
 */
bool soj_text_is_plain(uint32_t code);

/*
 * Prints a string from elsewhere in one column of a line: backslash, blanks,
 * what is not plain and what is not UTF-8 go byte by byte as \xHH, so that
 * nobody's subject or user agent can write to the operator's terminal, or
 * split a line.
 * An empty or NULL string prints as "-".
 */
void soj_text_put(FILE *out, const char *text);

#define SOJ_TEXT_NUMBER_CHARS 32u
/* "5ms", "2.5s", "31min", "1h30min", "8d": two units at most, rounded down. */
const char *soj_text_duration(char text[SOJ_TEXT_NUMBER_CHARS], uint64_t ms);
/* "100 B", "64 KiB", "1.5 GiB". */
const char *soj_text_size(char text[SOJ_TEXT_NUMBER_CHARS], uint64_t bytes);

#endif /* SOJ_TOOLS_LIB_TEXT_H */
