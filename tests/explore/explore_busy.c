/* SPDX-License-Identifier: MIT */

/*
 * Somebody else changes a word each time that an operation looks at it: the
 * header of the bucket, the state of the entry, or its access time, as others'
 * creates, updates and reads do.  Whoever tries again has to give up some time,
 * as no operation waits for another: it says that it is busy, or does without.
 * What it had begun is taken back, or repaired, and nothing is lost.
 *
 *   explore_busy [OPERATION...]
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <sojourn/collection.h>

#include "crash/lib_ops.h"
#include "explore/lib_access.h"

/* More than there are tries in a row, each of which looks as often. */
#define CHANGES_MAX 20000u

enum words { WORD_HEADER, WORD_STATE, WORD_LIFE, WORD_KINDS };

static const char *const word_names[WORD_KINDS] = {"each bucket", "each state",
						   "each access time"};

static struct world w;

/* In shared memory, as victims are processes. */
static struct {
	_Atomic(uint32_t) changes; /* in this operation */
	bool busy;                 /* who changes things is there */
} * others;

static const struct op *op;
static enum words which;

static void change(volatile soj_word_t *word, uint64_t old, uint64_t put)
{
	atomic_compare_exchange_strong(word, &old, put);
	if (++others->changes == CHANGES_MAX)
		others->busy = false;
}

/* The word, of the kind that is wanted: its address in an array of structs. */
static bool is_member(const volatile void *addr, const void *array,
		      size_t count, size_t size, size_t member)
{
	uintptr_t at = (uintptr_t)addr, begin = (uintptr_t)array;

	return at >= begin && at < begin + count * size &&
	       (at - begin) % size == member;
}

static void change_header(volatile soj_word_t *word)
{
	uint64_t old = atomic_load(word);

	change(word, old, soj_bucket_next(old, old & SOJ_BUCKET_BITS));
}

/* Others come across it by its key: it is LIVE. */
static bool is_found(const volatile soj_word_t *member)
{
	const struct soj_seg *seg = &w.s->st.seg;
	size_t idx = ((uintptr_t)member - (uintptr_t)seg->entries) /
		     sizeof(*seg->entries);

	return soj_state_phase(atomic_load(&seg->entry_states[idx])) ==
	       SOJ_LIVE;
}

static void change_state(volatile soj_word_t *word)
{
	uint64_t old = atomic_load(word);

	if (is_found(word))
		change(word, old,
		       soj_ctl_next(old, soj_ctl_status(old),
				    soj_ctl_chunk(old)));
}

/* A use right now, or one more in the same millisecond. */
static void change_life(volatile soj_word_t *word)
{
	uint64_t now_ms = atomic_load(&w.s->st.seg.hdr->manual_now_ms);
	uint64_t old = atomic_load(word);

	if (is_found(word) && !(old & SOJ_LIFE_EXPIRED))
		change(word, old,
		       soj_life(
			       soj_life_gen(old),
			       soj_max(now_ms, soj_life_accessed_ms(old) + 1)));
}

/* The library calls it before each access; what is done here is none. */
void soj_explore_point(const volatile void *addr, int kind)
{
	volatile soj_word_t *word = (volatile soj_word_t *)(uintptr_t)addr;
	const struct soj_seg *seg;

	if (kind == SOJ_POINT_STORE || !others || !others->busy)
		return;
	seg = &w.s->st.seg;
	if (which == WORD_HEADER &&
	    is_member(addr, seg->buckets, seg->lay.buckets,
		      sizeof(*seg->buckets),
		      offsetof(struct soj_shm_bucket, header)))
		change_header(word);
	if (which == WORD_STATE &&
	    is_member(addr, seg->entries, seg->lay.entries_max + 1,
		      sizeof(*seg->entries),
		      offsetof(struct soj_shm_entry, ctl)))
		change_state(word);
	if (which == WORD_LIFE &&
	    is_member(addr, seg->entries, seg->lay.entries_max + 1,
		      sizeof(*seg->entries),
		      offsetof(struct soj_shm_entry, life)))
		change_life(word);
}

static void run_among_others(void *arg, struct report *r)
{
	others->changes = 0;
	others->busy = true;
	op->run(arg, r);
	others->busy = false;
}

/* True: it was answered with an error. */
static bool run(struct report *r)
{
	const struct plan plan = {.pause = op->pause};
	struct victim v;

	trying("%s, %s", op->name, word_names[which]);
	if (!world_make(&w, &op->world))
		return false;
	op->prepare(&w);
	world_let_go(&w);
	victim_run(&v, r, &plan, run_among_others, &w);
	if (v.state == VICTIM_STOPPED && v.paused) {
		bool still = others->busy;

		others->busy = false;
		op->meddle(&w);
		others->busy = still;
		victim_continue(&v);
	}
	if (v.state != VICTIM_FINISHED)
		failed("it is in state %d", v.state);
	others->busy = false;
	/* The model does not know which parts of it have happened then, nor
	 * that others use the sessions. */
	if (r->rc < 0 || which == WORD_LIFE) {
		world_fsck(&w, false);
		world_upkeep(&w);
		world_fsck(&w, true);
		world_free(&w);
		return r->rc < 0;
	}
	op->judge(&w, r);
	world_end(&w);
	return false;
}

/* ---- what walks over all ---- */

static int see(void *arg, const struct sojourn_info *info)
{
	(void)info;
	++*(unsigned *)arg;
	return 0;
}

/* All of them, or a word that it could not tell; then it goes on there. */
static void run_walks(void)
{
	const struct sojourn_filter all = {.collection =
						   SOJOURN_COLLECTION_SESSION};
	unsigned seen = 0, calls = 0;
	uint64_t cursor = 0;
	int rc;

	trying("walks among others");
	which = WORD_STATE;
	if (!world_make(&w, &(struct world_options){.entries = 16}))
		return;
	for (unsigned i = 0; i < 3; i++)
		world_create(&w, "anna", 100);
	others->changes = 0;
	others->busy = true;
	rc = sojourn_count(w.s, &all);
	if (rc != -EBUSY)
		failed("count: %d", rc);
	do {
		rc = sojourn_scan(w.s, &all, &cursor, 1, see, &seen);
		if (rc < 0 && rc != -EBUSY)
			failed("scan: %d", rc);
	} while (cursor != 0 || (rc < 0 && ++calls < 100));
	others->busy = false;
	if (seen != 3 || calls == 0)
		failed("%u of 3 seen, busy at %u", seen, calls);
	world_end(&w);
}

static bool is_wanted(const struct op *one, int argc, char **argv)
{
	bool wanted = argc < 2;

	for (int i = 1; i < argc; i++)
		wanted |= strcmp(argv[i], one->name) == 0;
	/* A victim that gets no slot breaks off. */
	return wanted && !one->threads &&
	       (one->run != run_full || one->world.slots != 1);
}

int main(int argc, char **argv)
{
	unsigned count = 0, refused = 0;
	struct report *r;

	others = mmap(NULL, sizeof(*others), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (others == MAP_FAILED)
		return 71;
	failures_init();
	coverage_init();
	r = report_new();
	for (unsigned i = 0; i < ops_count; i++) {
		op = &ops[i];
		if (!is_wanted(op, argc, argv))
			continue;
		for (which = 0; which < WORD_KINDS; which++, count++)
			refused += run(r);
	}
	run_walks();
	printf("result operations_among_others=%u gave_up=%u violations=%u\n",
	       count, refused, failures());
	return failures() != 0;
}
