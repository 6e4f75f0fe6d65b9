/* SPDX-License-Identifier: MIT */

#include "lib_json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lib_text.h"

void soj_json_init(struct soj_json *j, FILE *out)
{
	*j = (struct soj_json){.out = out};
}

static void put_text(struct soj_json *j, const void *text, size_t bytes)
{
	const uint8_t *s = text;

	fputc('"', j->out);
	while (bytes > 0) {
		uint32_t code = 0xfffd;
		size_t n = soj_text_utf8(s, bytes, &code);

		if (n == 0) {
			fputs("\xef\xbf\xbd", j->out);
			n = 1;
		} else if (code == '"' || code == '\\') {
			fputc('\\', j->out);
			fputc((int)code, j->out);
		} else if (code == '\n') {
			fputs("\\n", j->out);
		} else if (code > 0xffff && !soj_text_is_plain(code)) {
			fprintf(j->out, "\\u%04x\\u%04x",
				0xd800u + ((code - 0x10000) >> 10),
				0xdc00u + (code & 0x3ffu));
		} else if (!soj_text_is_plain(code)) {
			fprintf(j->out, "\\u%04x", code);
		} else {
			fwrite(s, 1, n, j->out);
		}
		s += n;
		bytes -= n;
	}
	fputc('"', j->out);
}

/* What comes before every value: a comma if one is due, and its name. */
static void begin(struct soj_json *j, const char *key)
{
	const uint32_t bit = j->depth > 0 ? 1u << (j->depth - 1) : 0;

	if (j->depth == 0) {
		assert(key == NULL);
		return;
	}
	assert((key == NULL) == ((j->arrays & bit) != 0));
	if (j->nonempty & bit)
		fputc(',', j->out);
	j->nonempty |= bit;
	if (key != NULL) {
		put_text(j, key, strlen(key));
		fputc(':', j->out);
	}
}

static void end(struct soj_json *j)
{
	if (j->depth == 0)
		fputc('\n', j->out);
}

static void open_level(struct soj_json *j, const char *key, bool array)
{
	begin(j, key);
	assert(j->depth < SOJ_JSON_DEPTH_MAX);
	j->nonempty &= ~(1u << j->depth);
	j->arrays &= ~(1u << j->depth);
	j->arrays |= (uint32_t)array << j->depth;
	j->depth++;
	fputc(array ? '[' : '{', j->out);
}

void soj_json_object(struct soj_json *j, const char *key)
{
	open_level(j, key, false);
}

void soj_json_array(struct soj_json *j, const char *key)
{
	open_level(j, key, true);
}

void soj_json_close(struct soj_json *j)
{
	assert(j->depth > 0);
	j->depth--;
	fputc(j->arrays >> j->depth & 1 ? ']' : '}', j->out);
	end(j);
}

void soj_json_string(struct soj_json *j, const char *key, const char *value)
{
	if (value == NULL)
		soj_json_null(j, key);
	else
		soj_json_string_n(j, key, value, strlen(value));
}

void soj_json_string_n(struct soj_json *j, const char *key, const void *value,
		       size_t bytes)
{
	begin(j, key);
	put_text(j, value, bytes);
	end(j);
}

void soj_json_base64(struct soj_json *j, const char *key, const void *value,
		     size_t bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const uint8_t *s = value;

	begin(j, key);
	fputc('"', j->out);
	for (size_t i = 0; i < bytes; i += 3) {
		const size_t left = bytes - i;
		uint32_t three = (uint32_t)s[i] << 16;

		if (left > 1)
			three |= (uint32_t)s[i + 1] << 8;
		if (left > 2)
			three |= s[i + 2];
		fputc(digits[three >> 18], j->out);
		fputc(digits[three >> 12 & 63], j->out);
		fputc(left > 1 ? digits[three >> 6 & 63] : '=', j->out);
		fputc(left > 2 ? digits[three & 63] : '=', j->out);
	}
	fputc('"', j->out);
	end(j);
}

void soj_json_u64(struct soj_json *j, const char *key, uint64_t value)
{
	begin(j, key);
	fprintf(j->out, "%" PRIu64, value);
	end(j);
}

void soj_json_i64(struct soj_json *j, const char *key, int64_t value)
{
	begin(j, key);
	fprintf(j->out, "%" PRId64, value);
	end(j);
}

void soj_json_double(struct soj_json *j, const char *key, double value,
		     int decimals)
{
	char text[512];
	char *last;

	if (!isfinite(value)) {
		soj_json_null(j, key);
		return;
	}
	assert(decimals >= 0 && decimals <= 17);
	/* The program never calls setlocale(), so the point is a point. */
	snprintf(text, sizeof(text), "%.*f", decimals, value);
	if (decimals > 0) {
		last = text + strlen(text) - 1;
		while (*last == '0')
			*last-- = '\0';
		if (*last == '.')
			*last = '\0';
	}
	begin(j, key);
	fputs(strcmp(text, "-0") == 0 ? "0" : text, j->out);
	end(j);
}

void soj_json_bool(struct soj_json *j, const char *key, bool value)
{
	begin(j, key);
	fputs(value ? "true" : "false", j->out);
	end(j);
}

void soj_json_null(struct soj_json *j, const char *key)
{
	begin(j, key);
	fputs("null", j->out);
	end(j);
}
