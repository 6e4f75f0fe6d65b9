/* SPDX-License-Identifier: MIT */

#include "explore/lib_between.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "crash/lib_ops.h"

struct world w;
struct soj_store *st;
struct soj_worker *me;
uint64_t ref;
struct soj_shm_entry *e;

static struct {
	const volatile void *at; /* NULL: nobody comes */
	unsigned kinds;
	uint32_t nth;
	void (*fn)(void);
	soj_word_t *word;
	uint64_t put;
	const char *label;
	bool private;
	unsigned times;
} other;

static void come(void)
{
	other.at = NULL;
	other.private = false;
	other.label = NULL;
	other.times++;
	if (other.fn)
		other.fn();
	else
		atomic_store(other.word, other.put);
}

static bool is_private(const volatile void *addr)
{
	const uint8_t *byte = (const uint8_t *)(uintptr_t)addr;

	return byte < st->seg.base || byte >= st->seg.base + st->seg.bytes;
}

void between_point(const volatile void *addr, int kind)
{
	if (addr == NULL ||
	    !(other.private ? is_private(addr) : addr == other.at))
		return;
	if ((other.kinds >> kind & 1) && --other.nth == 0)
		come();
}

void before_private(unsigned kinds, uint32_t nth, void (*fn)(void))
{
	before_call(NULL, kinds, nth, fn);
	other.private = true;
}

static void hook(const struct soj_step *passed)
{
	if (other.label && strcmp(passed->label, other.label) == 0)
		come();
}

void at_step(const char *label, void (*fn)(void))
{
	before_call(NULL, 0, 1, fn);
	other.label = label;
	soj_step_hook = hook;
}

void before_access(soj_word_t *word, unsigned kinds, uint32_t nth, uint64_t put)
{
	before_call(word, kinds, nth, NULL);
	other.word = word;
	other.put = put;
}

void before_write(soj_word_t *word, uint64_t put)
{
	before_access(word, ACCESS_WRITE, 1, put);
}

void before_write_nth(soj_word_t *word, uint32_t nth, uint64_t put)
{
	before_access(word, ACCESS_WRITE, nth, put);
}

void before_call(const volatile void *word, unsigned kinds, uint32_t nth,
		 void (*fn)(void))
{
	other.word = NULL;
	other.label = NULL;
	other.private = false;
	other.kinds = kinds;
	other.nth = nth;
	other.fn = fn;
	other.times = 0;
	other.at = word;
}

bool came(void)
{
	other.at = NULL;
	other.private = false;
	other.label = NULL;
	return other.times == 1;
}

void expect_kept(int line)
{
	if (!came())
		failed("line %d: nobody came in between", line);
	else if (load(other.word) != other.put)
		failed("line %d: %016" PRIx64 " was overwritten", line,
		       other.put);
}

void between_begin(uint32_t cap)
{
	const struct world_options o = {.entries = 24, .cap = cap};
	int rc;

	if (!world_make(&w, &o))
		return;
	prepare_people(&w);
	st = &w.s->st;
	me = &soj_self_writing(w.s, &rc)->w;
	ref = ref_of(&w, w.known[w.bystander].id);
	e = soj_entry(st, soj_ref_entry(ref));
}

uint64_t load(soj_word_t *word)
{
	return soj_load_acquire(word);
}

soj_word_t *state_word(uint32_t idx)
{
	return &st->seg.entry_states[idx];
}

uint32_t own_entry(void)
{
	uint32_t idx = 0;

	MUST(soj_entry_own(st, me, &idx) == 0);
	return idx;
}

uint32_t own_chunk(uint32_t class)
{
	uint32_t chunk = 0;

	MUST(soj_chunk_own(st, me, class, &chunk) == 0);
	return chunk;
}

uint64_t ctl_next(enum soj_status status)
{
	uint64_t ctl = load(&e->ctl);

	return soj_ctl_next(ctl, status, soj_ctl_chunk(ctl));
}

uint64_t passed_on(uint64_t state)
{
	return soj_state(SOJ_OWNED, OTHER, soj_state_gen(state) + 1);
}

uint64_t held_claim(uint32_t gen)
{
	return soj_claim(SOJ_CLAIM_HELD, gen, 1, 77);
}

uint32_t entry_of(unsigned which)
{
	return soj_ref_entry(ref_of(&w, w.known[which].id));
}
