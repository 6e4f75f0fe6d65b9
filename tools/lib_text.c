/* SPDX-License-Identifier: MIT */

#include "lib_text.h"

#include <inttypes.h>

size_t soj_text_utf8(const void *text, size_t bytes, uint32_t *code)
{
	/* The lowest character that needs i + 1 bytes. */
	static const uint32_t lowest[] = {0, 0x80, 0x800, 0x10000};
	const uint8_t *s = text;
	uint32_t c;
	size_t more;

	if (bytes == 0)
		return 0;
	c = s[0];
	if (c < 0x80)
		more = 0;
	else if (c >> 5 == 0x6)
		more = 1;
	else if (c >> 4 == 0xe)
		more = 2;
	else if (c >> 3 == 0x1e)
		more = 3;
	else
		return 0;
	if (more >= bytes)
		return 0;
	if (more > 0)
		c &= 0x3fu >> more;
	for (size_t i = 1; i <= more; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if (c < lowest[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code = c;
	return more + 1;
}

bool soj_text_is_utf8(const void *text, size_t bytes)
{
	const uint8_t *s = text;
	uint32_t code;

	while (bytes > 0) {
		size_t n = soj_text_utf8(s, bytes, &code);

		if (n == 0 || code == 0)
			return false;
		s += n;
		bytes -= n;
	}
	return true;
}

bool soj_text_is_plain(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		return false;
	/* Soft hyphen, Arabic letter mark, zero width, marks and overrides of
	 * direction, line separators, byte order mark, tags. */
	return code != 0xad && code != 0x61c && code != 0xfeff &&
	       !(code >= 0x200b && code <= 0x200f) &&
	       !(code >= 0x2028 && code <= 0x202e) &&
	       !(code >= 0x2060 && code <= 0x206f) &&
	       !(code >= 0xfff9 && code <= 0xfffb) &&
	       !(code >= 0xe0000 && code <= 0xe0fff);
}

void soj_text_put(FILE *out, const char *text)
{
	size_t bytes = 0;

	if (text == NULL || *text == '\0') {
		fputc('-', out);
		return;
	}
	while (text[bytes] != '\0')
		bytes++;
	while (bytes > 0) {
		uint32_t code = 0;
		size_t n = soj_text_utf8(text, bytes, &code);
		size_t take = n > 0 ? n : 1;

		if (n > 0 && code != ' ' && code != '\\' &&
		    soj_text_is_plain(code)) {
			fwrite(text, 1, take, out);
		} else {
			for (size_t i = 0; i < take; i++)
				fprintf(out, "\\x%02X", (unsigned char)text[i]);
		}
		text += take;
		bytes -= take;
	}
}

const char *soj_text_duration(char text[SOJ_TEXT_NUMBER_CHARS], uint64_t ms)
{
	static const struct {
		uint64_t ms;
		const char *name;
	} units[] = {
		{1, "ms"},      {1000, "s"},     {60000, "min"},
		{3600000, "h"}, {86400000, "d"},
	};
	size_t u = 0;
	uint64_t whole, rest;

	while (u + 1 < sizeof(units) / sizeof(units[0]) &&
	       ms >= units[u + 1].ms)
		u++;
	whole = ms / units[u].ms;
	rest = ms % units[u].ms;
	/* Rounded down: what is left is never promised too much. */
	if (u == 1 && whole < 10 && rest >= 100)
		snprintf(text, SOJ_TEXT_NUMBER_CHARS, "%u.%us",
			 (unsigned int)whole, (unsigned int)(rest / 100));
	else if (u > 1 && rest >= units[u - 1].ms)
		snprintf(text, SOJ_TEXT_NUMBER_CHARS, "%" PRIu64 "%s%u%s",
			 whole, units[u].name,
			 (unsigned int)(rest / units[u - 1].ms),
			 units[u - 1].name);
	else
		snprintf(text, SOJ_TEXT_NUMBER_CHARS, "%" PRIu64 "%s", whole,
			 units[u].name);
	return text;
}

const char *soj_text_size(char text[SOJ_TEXT_NUMBER_CHARS], uint64_t bytes)
{
	static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB"};
	uint32_t u = 0;
	uint64_t whole;
	unsigned int tenths = 0;

	while (u < 4 && bytes >> (10 * (u + 1)) > 0)
		u++;
	whole = bytes >> (10 * u);
	if (u > 0)
		tenths = (bytes >> (10 * (u - 1)) & 1023) * 10 / 1024;
	if (whole < 100 && tenths > 0)
		snprintf(text, SOJ_TEXT_NUMBER_CHARS, "%u.%u %s",
			 (unsigned int)whole, tenths, units[u]);
	else
		snprintf(text, SOJ_TEXT_NUMBER_CHARS, "%" PRIu64 " %s", whole,
			 units[u]);
	return text;
}
