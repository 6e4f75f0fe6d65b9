/* SPDX-License-Identifier: MIT */

#include "lib_stack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <sodium.h>

#include "lib/heap.h"

#define STACK_BYTES (256u << 10)
#define SECRETS     48u

static _Alignas(64) uint8_t stack[STACK_BYTES];
static const uint8_t *heap;
static ucontext_t here, there;

struct stack_texts my;
struct sojourn *s;
char name[64], key_file[80], other_key_file[96];

static struct {
	const char *name;
	const void *what;
	size_t bytes;
} secret[SECRETS];
static unsigned secrets, raws;

/* ---- looking ---- */

void is_secret(const char *called, const void *what, size_t bytes)
{
	assert_true(secrets < SECRETS && bytes >= STACK_PART);
	secret[secrets].name = called;
	secret[secrets].what = what;
	secret[secrets++].bytes = bytes;
}

void is_secret_text(const char *called, const char *text)
{
	is_secret(called, text, strlen(text));
}

const uint8_t *is_secret_id(const char *called, const char *text)
{
	uint8_t *raw = my.raw[raws];
	size_t bytes = 0;

	assert_true(raws++ < 16);
	is_secret_text(called, text);
	if (sodium_base642bin(raw, sizeof(my.raw[0]), text, strlen(text), NULL,
			      &bytes, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0)
		is_secret(called, raw, bytes);
	return raw;
}

/* 1: in what the call left, at any place; says so. */
static unsigned left(const char *call, unsigned which)
{
	const uint8_t *what = secret[which].what;

	for (size_t at = 0; at + STACK_PART <= secret[which].bytes; at += 4) {
		const uint8_t *hit =
			memmem(stack, sizeof(stack), what + at, STACK_PART);

		if (hit == NULL && !in_heap(heap, what + at, STACK_PART))
			continue;
		printf("%s FAILED: leaves %s, from byte %zu on, ", call,
		       secret[which].name, at);
		if (hit)
			printf("%zu bytes below\n",
			       (size_t)(stack + sizeof(stack) - hit));
		else
			printf("in the heap\n");
		return 1;
	}
	return 0;
}

static unsigned found(const char *call)
{
	unsigned count = 0;

	for (unsigned i = 0; i < secrets; i++)
		count += left(call, i);
	return count;
}

/* What was copied last is in the registers of vectors, which the loader puts on
 * the stack when a function is called for the first time. */
static void forget_copies(void)
{
	static uint8_t nothing[2][512];

	for (size_t bytes = 1; bytes <= sizeof(nothing[0]); bytes++)
		if (memcmp(memmove(nothing[0], nothing[1], bytes), nothing[1],
			   bytes) != 0)
			abort();
}

static void on_stack(void (*fn)(void))
{
	memset(stack, 0xa5, sizeof(stack));
	forget_copies();
	assert_int_equal(getcontext(&there), 0);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof(stack);
	there.uc_link = &here;
	makecontext(&there, fn, 0);
	assert_int_equal(swapcontext(&here, &there), 0);
}

static unsigned run(const struct call *call)
{
	my.rc = -1000;
	my.bytes = sizeof(my.data);
	on_stack(call->fn);
	if (my.rc != call->rc)
		printf("%s: %d: %s\n", call->name, my.rc, sojourn_error_text());
	assert_int_equal(my.rc, call->rc);
	if (call->learn)
		call->learn();
	return found(call->name);
}

void none_leaves(const struct call *call, size_t count)
{
	unsigned all = 0;

	for (size_t i = 0; i < count; i++)
		all += run(&call[i]);
	assert_int_equal(all, 0);
}

/* ---- calls and what they take ---- */

void stack_make(void)
{
	struct sojourn_options o;

	sojourn_options_init(&o);
	o.entries_max = 100;
	o.segment_bytes = 16 << 20;
	o.threads_max = 8;
	o.helper = SOJOURN_HELPER_NONE;
	o.key_file = key_file;
	o.seal = SOJOURN_SEAL_XCHACHA20;
	my.rc = sojourn_create(name, &o, &s);
}

void stack_learn_keys(void)
{
	int fd = open(key_file, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, my.master, sizeof(my.master)),
			 sizeof(my.master));
	close(fd);
	soj_keys_derive(&my.keys, my.master);
	secrets = 0;
	is_secret("the key file", my.master, sizeof(my.master));
	is_secret("the key of ids", my.keys.id, 16);
	is_secret("the key of usual ids", my.keys.id_usual, 16);
	is_secret("the key of subjects", my.keys.subject, 16);
	is_secret("the key of logs", my.keys.log, 16);
	is_secret("the key of renewals", my.keys.renewal, 32);
	is_secret("the key of tokens", my.keys.token, 16);
	is_secret("the key of forms", my.keys.csrf, 32);
	memcpy(my.values, s->vault.expanded, sizeof(my.values));
	is_secret("the key of values", my.values, sizeof(my.values));
}

void stack_make_texts(void)
{
	char *const text[] = {my.subject,  my.agent,    my.device,
			      my.value[0], my.value[1], my.value[2]};
	static const char *const called[] = {"the subject",    "the user agent",
					     "the device",     "a value",
					     "the next value", "a key"};

	for (unsigned i = 0; i < 6; i++) {
		soj_random(text[i], STACK_TEXT - 1);
		for (unsigned c = 0; c < STACK_TEXT - 1; c++)
			text[i][c] = (char)('a' + (text[i][c] & 15));
		is_secret_text(called[i], text[i]);
	}
}

struct sojourn_metadata stack_metadata(void)
{
	return (struct sojourn_metadata){.user_agent = my.agent,
					 .device_name = my.device};
}

struct sojourn_new stack_login(void)
{
	return (struct sojourn_new){.subject = my.subject,
				    .metadata = stack_metadata(),
				    .data = my.value[0],
				    .data_bytes = STACK_TEXT - 1};
}

int stack_value(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)capacity;
	*bytes = STACK_TEXT - 1;
	memcpy(data, arg, STACK_TEXT - 1);
	return 0;
}

/* ---- the test ---- */

int stack_set_up(void **state)
{
	(void)state;
	heap = heap_begin();
	soj_random(my.sample, sizeof(my.sample));
	snprintf(name, sizeof(name), "sojtest-stack-%d", (int)getpid());
	snprintf(key_file, sizeof(key_file), "/tmp/%s.key", name);
	snprintf(other_key_file, sizeof(other_key_file), "%s.other", key_file);
	return 0;
}

int stack_tear_down(void **state)
{
	(void)state;
	sojourn_detach(s);
	unlink(key_file);
	unlink(other_key_file);
	return sojourn_destroy(name);
}

int stack_run(const struct CMUnitTest *tests, size_t count)
{
#ifndef _FORTIFY_SOURCE
	/* As it goes with what is not for use: see the head. */
	printf("SKIPPED TEST: not as it is released\n");
	return 0;
#endif
	return _cmocka_run_group_tests("stack", tests, count, stack_set_up,
				       stack_tear_down);
}
