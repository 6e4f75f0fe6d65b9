/* SPDX-License-Identifier: MIT */

#include "explore/lib_coroutine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/sanitized.h"

#define STACK_BYTES (1024u * 1024u)

/* ---- switching ---- */

static struct coroutine *starting;

static void begin(void)
{
	struct coroutine *co = starting;

	co->fn(co->arg);
	co->finished = 1;
	coroutine_yield(co);
	abort(); /* resumed after its end */
}

#if defined(__x86_64__)

/* Keeps what the ABI lets a callee rely on, on the stack that is left. */
void coroutine_switch(void **save, void *load);
__asm__(".text\n"
	".globl coroutine_switch\n"
	".type coroutine_switch, @function\n"
	"coroutine_switch:\n"
	"	endbr64\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size coroutine_switch, .-coroutine_switch\n");

static void prepare(struct coroutine *co)
{
	uint8_t *top = co->stack + STACK_BYTES - 64;
	void *entry = (void *)(uintptr_t)begin;

	/* A return address, then six registers. */
	top -= 8;
	memset(top, 0, 8);
	memcpy(top - 8, &entry, 8);
	memset(top - 56, 0, 48);
	co->sp = top - 56;
}

void coroutine_resume(struct coroutine *co)
{
	starting = co;
	coroutine_switch(&co->resumer_sp, co->sp);
}

void coroutine_yield(struct coroutine *co)
{
	coroutine_switch(&co->sp, co->resumer_sp);
}

#else

#include <ucontext.h>

/* Where no switch was written: slower, as each saves the signal mask. */
static void prepare(struct coroutine *co)
{
	if (co->sp == NULL) {
		co->sp = calloc(1, sizeof(ucontext_t));
		co->resumer_sp = calloc(1, sizeof(ucontext_t));
	}
	getcontext(co->sp);
	((ucontext_t *)co->sp)->uc_stack.ss_sp = co->stack;
	((ucontext_t *)co->sp)->uc_stack.ss_size = STACK_BYTES;
	makecontext(co->sp, begin, 0);
}

void coroutine_resume(struct coroutine *co)
{
	starting = co;
	swapcontext(co->resumer_sp, co->sp);
}

void coroutine_yield(struct coroutine *co)
{
	swapcontext(co->sp, co->resumer_sp);
}

#endif

void coroutine_start(struct coroutine *co, void (*fn)(void *arg), void *arg)
{
	if (co->stack == NULL) {
		co->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (co->stack == MAP_FAILED)
			abort();
	}
	co->fn = fn;
	co->arg = arg;
	co->finished = 0;
	prepare(co);
}

/* ---- memory ---- */

int coroutine_memory;

#if SANITIZED
void coroutine_forget(void)
{
}
#else

#define AREA_BYTES (16u * 1024u * 1024u)

static _Alignas(16) uint8_t area[AREA_BYTES];
static size_t area_used;

/* The allocator of the C library, under the names that it has for those who
 * put another in front. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void __libc_free(void *p);

void coroutine_forget(void)
{
	area_used = 0;
}

static int in_area(const void *p)
{
	return (const uint8_t *)p >= area &&
	       (const uint8_t *)p < area + AREA_BYTES;
}

/* Its size is in the 16 bytes before it. */
static void *take(size_t bytes)
{
	uint8_t *p = area + area_used + 16;
	size_t need = 16 + ((bytes + 15) & ~(size_t)15);

	if (bytes > AREA_BYTES || need > AREA_BYTES - area_used)
		return NULL;
	area_used += need;
	memcpy(p - 16, &bytes, sizeof(bytes));
	return p;
}

void *malloc(size_t bytes)
{
	return coroutine_memory ? take(bytes) : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	void *p;

	if (!coroutine_memory)
		return __libc_calloc(count, bytes);
	p = take(count * bytes);
	return p ? memset(p, 0, count * bytes) : NULL;
}

void *realloc(void *old, size_t bytes)
{
	size_t had = 0;
	void *p;

	if (!coroutine_memory && !in_area(old))
		return __libc_realloc(old, bytes);
	if (old != NULL && !in_area(old))
		abort(); /* a coroutine would lose what is not its own */
	p = take(bytes);
	if (p && old) {
		memcpy(&had, (uint8_t *)old - 16, sizeof(had));
		memcpy(p, old, had < bytes ? had : bytes);
	}
	return p;
}

void free(void *p)
{
	if (!in_area(p))
		__libc_free(p);
}
#endif
