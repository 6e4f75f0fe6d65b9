/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_STACK_H
#define SOJ_TESTS_LIB_STACK_H

/*
 * What calls leave on the stack and in the heap, where the next core dump finds
 * it: nothing of ids, tokens, keys, or of what a sealed segment has in it.  Each
 * call runs on a stack of its own, which is looked through for every part of
 * every secret when it has returned.  Nothing here has a secret in a variable
 * of its own.
 *
 * What a compiler keeps where is its own affair: looked at is what is
 * released (optimised, no sanitizer).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sojourn/collection.h>
#include <sojourn/remember.h>
#include <sojourn/sojourn.h>
#include <sojourn/token.h>

#include "session/handle.h"
#include "session/id.h"

#define STACK_PART 16u /* bytes of a secret that must not be there */
#define STACK_TEXT 48u
#define TOKEN_ROOM 128u

/* All that the calls are given and give. */
struct stack_texts {
	char id[8][SOJOURN_ID_CHARS_MAX + 1];
	char csrf[SOJOURN_CSRF_CHARS + 1];
	char remember[3][TOKEN_ROOM];
	char refresh[3][TOKEN_ROOM];
	char access[SOJOURN_TOKEN_BYTES];
	char subject[STACK_TEXT], agent[STACK_TEXT], device[STACK_TEXT],
		value[3][STACK_TEXT];
	uint8_t raw[16][64], sample[3][STACK_TEXT];
	uint8_t master[SOJ_KEY_BYTES], values[32], sealing[32];
	uint8_t other_key[SOJ_KEY_BYTES];
	uint8_t seal[32], proof[32];
	struct soj_keys keys;
	struct sojourn_info info;
	char data[4096];
	size_t bytes;
	int rc;
};
extern struct stack_texts my;

/* Sealed; there from the first call, or from stack_set_up(), on. */
extern struct sojourn *s;

/* ---- looking ---- */

void is_secret(const char *called, const void *what, size_t bytes);
void is_secret_text(const char *called, const char *text);
/* The text of an id or token, and the bytes that it stands for: those. */
const uint8_t *is_secret_id(const char *called, const char *text);

/* One call, what it has to give, and what is a secret from then on. */
struct call {
	const char *name;
	void (*fn)(void);
	int rc;
	void (*learn)(void);
};

/* All of them, one after the other. */
void none_leaves(const struct call *call, size_t count);
#define NONE_LEAVES(calls) none_leaves(calls, sizeof(calls) / sizeof(*(calls)))

/* ---- calls and what they take ---- */

/* Creates the segment. */
void stack_make(void);
void stack_learn_keys(void);
/* Subject, metadata and values. */
void stack_make_texts(void);
struct sojourn_metadata stack_metadata(void);
struct sojourn_new stack_login(void);
/* Of a modify: what arg points to. */
int stack_value(void *arg, void *data, size_t *bytes, size_t capacity);

/* ---- the test ---- */

extern char name[64], key_file[80], other_key_file[96];
int stack_set_up(void **state);
int stack_tear_down(void **state);
/* Nothing is looked at in other builds. */
int stack_run(const struct CMUnitTest *tests, size_t count);

#endif /* SOJ_TESTS_LIB_STACK_H */
