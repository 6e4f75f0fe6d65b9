/* SPDX-License-Identifier: MIT */

#include "session/glob.h"

#include <errno.h>
#include <string.h>

static void set_bit(uint64_t *words, unsigned bit)
{
	words[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* What stands between the brackets; returns what follows, NULL: no end. */
static const char *class_of(struct soj_glob *g, const char *p)
{
	bool in[256] = {false}, negated = *p == '!' || *p == '^';
	const char *first = p += negated;

	for (; *p != ']' || p == first; p++) {
		unsigned from, to;

		if (*p == '\\' && p[1])
			p++;
		if (*p == 0)
			return NULL;
		from = to = (unsigned char)*p;
		if (p[1] == '-' && p[2] && p[2] != ']') {
			p += 2;
			if (*p == '\\' && p[1])
				p++;
			to = (unsigned char)*p;
		}
		for (unsigned c = from; c <= to; c++)
			in[c] = true;
	}
	for (unsigned c = 1; c < 256; c++)
		if (in[c] != negated)
			set_bit(g->takes[c], g->atoms);
	return p + 1;
}

int soj_glob_compile(struct soj_glob *g, const char *pattern, const char **why)
{
	const char *p = pattern;

	memset(g, 0, sizeof(*g));
	while (*p) {
		if (*p == '*') {
			set_bit(g->stays, g->atoms);
			p++;
			continue;
		}
		if (g->atoms == SOJ_GLOB_CHARS_MAX) {
			*why = "longer than 255 characters";
			return -EINVAL;
		}
		if (*p == '[') {
			p = class_of(g, p + 1);
			if (p == NULL) {
				*why = "a [ without its ]";
				return -EINVAL;
			}
		} else if (*p == '?') {
			for (unsigned c = 1; c < 256; c++)
				set_bit(g->takes[c], g->atoms);
			p++;
		} else {
			p += *p == '\\' && p[1];
			set_bit(g->takes[(unsigned char)*p], g->atoms);
			p++;
		}
		g->atoms++;
	}
	return 0;
}

bool soj_glob_match(const struct soj_glob *g, const char *text)
{
	/* Bit i: so far i atoms have matched. */
	uint64_t now[SOJ_GLOB_WORDS] = {1};

	for (; *text; text++) {
		const uint64_t *takes = g->takes[(unsigned char)*text];
		uint64_t carry = 0, any = 0;

		for (unsigned i = 0; i < SOJ_GLOB_WORDS; i++) {
			uint64_t step = now[i] & takes[i];

			now[i] = (now[i] & g->stays[i]) | step << 1 | carry;
			carry = step >> 63;
			any |= now[i];
		}
		if (any == 0)
			return false;
	}
	return now[g->atoms / 64] >> g->atoms % 64 & 1;
}
