/* SPDX-License-Identifier: MIT */

/*
 * The timing wheel of the helper.  Levels, costs and invariants I1 to I6 are
 * specified in wheel.h.
 *
 * Sources: G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels"
 * (1987), scheme 7; the occupancy word per level is the idea of wahern's
 * timeout.c, filing by distance that of Linux before 4.8.
 *
 * How time moves.  An advance goes from one tick with something to do to the
 * next: the earliest start of an occupied slot over all levels.  Because it
 * stops at each of them, no slot's start is ever passed with timers in it,
 * which is what keeps I3 true.  At a stop, whole slots are taken over in O(1):
 * that of level 0 is due, those above go to the cascade list.  Then the
 * cascade list is filed anew, then what is due is fired; each of the two can be
 * interrupted when the budget is used up, and time stands still until both are
 * done.  Timers with a tick equal to their slot's start go straight from the
 * cascade list to the due list, so the order of ticks is kept.
 */

#include "helper/wheel.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static uint32_t slot_head(uint32_t level, uint64_t block)
{
	return SOJ_WHEEL_SLOT0 + level * SOJ_WHEEL_SLOTS +
	       (uint32_t)(block % SOJ_WHEEL_SLOTS);
}

/* The tick's number counted in slots of this level. */
static uint64_t block_of(uint64_t tick, uint32_t level)
{
	return tick >> (SOJ_WHEEL_LEVEL_BITS * level);
}

static uint64_t tick_of(const struct soj_wheel *w, uint64_t deadline_ms)
{
	return deadline_ms / w->tick_ms + (deadline_ms % w->tick_ms != 0);
}

static bool list_empty(const struct soj_wheel *w, uint32_t head)
{
	return w->nodes[head].next == head;
}

static void list_init(struct soj_wheel *w, uint32_t head)
{
	w->nodes[head].next = head;
	w->nodes[head].prev = head;
}

static void list_append(struct soj_wheel *w, uint32_t head, uint32_t node)
{
	uint32_t last = w->nodes[head].prev;

	w->nodes[node].next = head;
	w->nodes[node].prev = last;
	w->nodes[last].next = node;
	w->nodes[head].prev = node;
}

static void slot_mark_empty(struct soj_wheel *w, uint32_t head)
{
	uint32_t level = (head - SOJ_WHEEL_SLOT0) / SOJ_WHEEL_SLOTS;
	uint32_t slot = (head - SOJ_WHEEL_SLOT0) % SOJ_WHEEL_SLOTS;

	w->occupied[level] &= ~(UINT64_C(1) << slot);
	if (w->occupied[level] == 0)
		w->levels &= ~(UINT32_C(1) << level);
}

/*
 * Nothing says which list a node is on.  None has to: if both neighbours are
 * the same node, that is the head, and its number names the slot.
 */
static void node_unlink(struct soj_wheel *w, uint32_t node)
{
	uint32_t next = w->nodes[node].next;
	uint32_t prev = w->nodes[node].prev;

	/* the round of run_due() ends one earlier, not never */
	if (node == w->due_stop)
		w->due_stop = prev;
	w->nodes[next].prev = prev;
	w->nodes[prev].next = next;
	w->nodes[node].next = SOJ_WHEEL_NIL;
	w->nodes[node].prev = SOJ_WHEEL_NIL;
	if (next == prev && next >= SOJ_WHEEL_SLOT0 && next < SOJ_WHEEL_ENTRY0)
		slot_mark_empty(w, next);
}

/* File a node that is on no list, by the distance to its tick (I3, I4). */
static void node_file(struct soj_wheel *w, uint32_t node)
{
	uint64_t tick = tick_of(w, w->nodes[node].deadline_ms);
	uint32_t level;
	uint64_t block;

	if (tick <= w->now_tick) {
		list_append(w, SOJ_WHEEL_DUE, node);
		return;
	}
	level = (63u - (uint32_t)__builtin_clzll(tick - w->now_tick)) /
		SOJ_WHEEL_LEVEL_BITS;
	block = block_of(tick, level);
	list_append(w, slot_head(level, block), node);
	w->occupied[level] |= UINT64_C(1) << (block % SOJ_WHEEL_SLOTS);
	w->levels |= UINT32_C(1) << level;
}

/* Move all of a slot to the end of the due or the cascade list. */
static void slot_take(struct soj_wheel *w, uint32_t level, uint64_t block)
{
	uint32_t from = slot_head(level, block);
	uint32_t to = level == 0 ? SOJ_WHEEL_DUE : SOJ_WHEEL_CASCADE;
	uint32_t first = w->nodes[from].next;
	uint32_t last = w->nodes[from].prev;
	uint32_t tail = w->nodes[to].prev;

	assert(first != from);
	w->nodes[tail].next = first;
	w->nodes[first].prev = tail;
	w->nodes[last].next = to;
	w->nodes[to].prev = last;
	list_init(w, from);
	slot_mark_empty(w, from);
}

/*
 * The next occupied block of a level.  Its slots hold the blocks
 * now + 1 .. now + 64 (I3), so the rotated word gives them in order.
 */
static uint64_t level_next_block(const struct soj_wheel *w, uint32_t level)
{
	uint64_t first = block_of(w->now_tick, level) + 1;
	uint32_t shift = (uint32_t)(first % SOJ_WHEEL_SLOTS);
	uint64_t word = w->occupied[level];

	assert(word != 0);
	word = word >> shift | word << (-shift & (SOJ_WHEEL_SLOTS - 1));
	return first + (uint64_t)__builtin_ctzll(word);
}

static bool next_tick(const struct soj_wheel *w, uint64_t *tick)
{
	uint64_t best = UINT64_MAX;

	for (uint32_t set = w->levels; set != 0; set &= set - 1) {
		uint32_t level = (uint32_t)__builtin_ctz(set);
		uint64_t start = level_next_block(w, level)
				 << (SOJ_WHEEL_LEVEL_BITS * level);

		if (start < best)
			best = start;
	}
	*tick = best;
	return w->levels != 0;
}

/* Go to the next tick with something to do, if there is one by @target. */
static bool step(struct soj_wheel *w, uint64_t target)
{
	uint64_t tick;

	assert(list_empty(w, SOJ_WHEEL_CASCADE));
	if (!next_tick(w, &tick) || tick > target) {
		if (target > w->now_tick)
			w->now_tick = target;
		return false;
	}
	for (uint32_t set = w->levels; set != 0; set &= set - 1) {
		uint32_t level = (uint32_t)__builtin_ctz(set);
		uint64_t block = level_next_block(w, level);

		if (block << (SOJ_WHEEL_LEVEL_BITS * level) == tick)
			slot_take(w, level, block);
	}
	w->now_tick = tick;
	w->ticks++;
	return true;
}

/* Both return false when the budget ended before the list did. */
static bool run_cascade(struct soj_wheel *w, uint64_t budget,
			struct soj_wheel_pass *pass)
{
	while (!list_empty(w, SOJ_WHEEL_CASCADE)) {
		uint32_t node = w->nodes[SOJ_WHEEL_CASCADE].next;

		if (pass->fired + pass->moved >= budget)
			return false;
		node_unlink(w, node);
		node_file(w, node);
		w->moved++;
		pass->moved++;
	}
	return true;
}

/*
 * Fires what is due at the start of the round.  What the callback arms into
 * the past joins the list behind due_stop and waits, so the round ends.
 */
static bool run_due(struct soj_wheel *w, uint64_t budget,
		    struct soj_wheel_pass *pass,
		    void (*fire)(uint32_t idx, uint64_t deadline_ms, void *arg),
		    void *arg)
{
	w->due_stop = w->nodes[SOJ_WHEEL_DUE].prev;
	while (w->due_stop != SOJ_WHEEL_DUE) {
		uint32_t node = w->nodes[SOJ_WHEEL_DUE].next;

		if (pass->fired + pass->moved >= budget)
			return false;
		node_unlink(w, node);
		w->armed--;
		w->fired++;
		pass->fired++;
		fire(node - SOJ_WHEEL_ENTRY0, w->nodes[node].deadline_ms, arg);
	}
	return true;
}

int soj_wheel_init(struct soj_wheel *w, uint32_t entries_max, uint32_t tick_ms,
		   uint64_t now_ms)
{
	size_t bytes = ((size_t)SOJ_WHEEL_ENTRY0 + entries_max) *
		       sizeof(struct soj_wheel_node);
	void *mem;

	if (entries_max == 0 || entries_max > SOJ_WHEEL_ENTRIES_MAX)
		return -EINVAL;
	if (tick_ms == 0 || tick_ms > SOJ_WHEEL_TICK_MS_MAX)
		return -EINVAL;
	mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return -ENOMEM;

	memset(w, 0, sizeof(*w));
	w->nodes = mem;
	w->nodes_bytes = bytes;
	w->entries_max = entries_max;
	w->tick_ms = tick_ms;
	w->now_tick = now_ms / tick_ms;
	w->due_stop = SOJ_WHEEL_DUE;
	for (uint32_t head = 1; head < SOJ_WHEEL_ENTRY0; head++)
		list_init(w, head);
	return 0;
}

void soj_wheel_deinit(struct soj_wheel *w)
{
	assert(!w->advancing);
	munmap(w->nodes, w->nodes_bytes);
	memset(w, 0, sizeof(*w));
}

void soj_wheel_arm(struct soj_wheel *w, uint32_t idx, uint64_t deadline_ms)
{
	uint32_t node = SOJ_WHEEL_ENTRY0 + idx;

	assert(idx < w->entries_max);
	if (w->nodes[node].next != SOJ_WHEEL_NIL)
		node_unlink(w, node);
	else
		w->armed++;
	if (idx >= w->touched)
		w->touched = idx + 1;
	w->nodes[node].deadline_ms = deadline_ms;
	node_file(w, node);
}

bool soj_wheel_disarm(struct soj_wheel *w, uint32_t idx)
{
	uint32_t node = SOJ_WHEEL_ENTRY0 + idx;

	assert(idx < w->entries_max);
	if (w->nodes[node].next == SOJ_WHEEL_NIL)
		return false;
	node_unlink(w, node);
	w->armed--;
	return true;
}

bool soj_wheel_is_armed(const struct soj_wheel *w, uint32_t idx)
{
	assert(idx < w->entries_max);
	return w->nodes[SOJ_WHEEL_ENTRY0 + idx].next != SOJ_WHEEL_NIL;
}

uint64_t soj_wheel_deadline_ms(const struct soj_wheel *w, uint32_t idx)
{
	if (!soj_wheel_is_armed(w, idx))
		return UINT64_MAX;
	return w->nodes[SOJ_WHEEL_ENTRY0 + idx].deadline_ms;
}

struct soj_wheel_pass
soj_wheel_advance(struct soj_wheel *w, uint64_t now_ms, uint64_t budget,
		  void (*fire)(uint32_t idx, uint64_t deadline_ms, void *arg),
		  void *arg)
{
	struct soj_wheel_pass pass = {0};
	uint64_t target = now_ms / w->tick_ms;

	assert(!w->advancing);
	w->advancing = true;
	do {
		if (!run_cascade(w, budget, &pass) ||
		    !run_due(w, budget, &pass, fire, arg))
			break;
	} while (step(w, target));
	w->advancing = false;
	/* step() has not returned false while a list was waiting for budget */
	pass.behind = !list_empty(w, SOJ_WHEEL_DUE) ||
		      !list_empty(w, SOJ_WHEEL_CASCADE);
	return pass;
}

uint64_t soj_wheel_next_ms(const struct soj_wheel *w)
{
	uint64_t tick = w->now_tick;
	uint64_t ms;

	if (list_empty(w, SOJ_WHEEL_DUE) && list_empty(w, SOJ_WHEEL_CASCADE) &&
	    !next_tick(w, &tick))
		return UINT64_MAX;
	if (__builtin_mul_overflow(tick, (uint64_t)w->tick_ms, &ms))
		return UINT64_MAX;
	return ms;
}

/* I3 to I5 for one timer on the list of @head; the text of the breach. */
static const char *check_place(const struct soj_wheel *w, uint32_t head,
			       uint32_t node)
{
	uint64_t tick = tick_of(w, w->nodes[node].deadline_ms);
	uint32_t level = (head - SOJ_WHEEL_SLOT0) / SOJ_WHEEL_SLOTS;
	uint64_t block;

	if (head == SOJ_WHEEL_DUE)
		return tick <= w->now_tick ? NULL : "I4: due before its tick";
	if (head == SOJ_WHEEL_CASCADE)
		return tick >= w->now_tick ? NULL : "I5: cascaded too late";

	block = block_of(tick, level);
	if (slot_head(level, block) != head)
		return "I3: in the wrong slot";
	/* tick before now: the difference wraps and is far above 64 */
	if (block - block_of(w->now_tick, level) - 1 >= SOJ_WHEEL_SLOTS)
		return "I3: not within one turn of the level";
	return NULL;
}

static const char *check_list(const struct soj_wheel *w, uint32_t head,
			      uint64_t *count)
{
	uint32_t end = SOJ_WHEEL_ENTRY0 + w->touched;
	uint32_t prev = head;
	const char *why;

	for (;;) {
		uint32_t node = w->nodes[prev].next;

		if (node != head && (node < SOJ_WHEEL_ENTRY0 || node >= end))
			return "I1: next is out of range";
		/* also what keeps the walk from circling beside the head */
		if (w->nodes[node].prev != prev)
			return "I1: prev does not answer next";
		if (node == head)
			return NULL;
		++*count;
		why = check_place(w, head, node);
		if (why != NULL)
			return why;
		prev = node;
	}
}

static const char *check_occupied(const struct soj_wheel *w)
{
	for (uint32_t level = 0; level < SOJ_WHEEL_LEVELS; level++) {
		uint64_t word = 0;

		for (uint32_t slot = 0; slot < SOJ_WHEEL_SLOTS; slot++)
			if (!list_empty(w, slot_head(level, slot)))
				word |= UINT64_C(1) << slot;
		if (word != w->occupied[level])
			return "I2: occupied differs from the slots";
		if ((w->levels >> level & 1) != (word != 0))
			return "I2: levels differs from occupied";
	}
	if (w->levels >> SOJ_WHEEL_LEVELS != 0)
		return "I2: levels has a bit too many";
	return NULL;
}

static const char *check_all(const struct soj_wheel *w)
{
	uint64_t listed = 0, linked = 0;
	const char *why = check_occupied(w);

	if (why != NULL)
		return why;
	if (w->touched > w->entries_max)
		return "I6: touched is out of range";
	for (uint32_t head = 1; head < SOJ_WHEEL_ENTRY0; head++) {
		why = check_list(w, head, &listed);
		if (why != NULL)
			return why;
	}
	for (uint32_t idx = 0; idx < w->touched; idx++)
		linked += soj_wheel_is_armed(w, idx);
	if (listed != w->armed)
		return "I6: armed differs from the timers on lists";
	if (linked != w->armed)
		return "I6: an entry has links but is on no list";
	return NULL;
}

int soj_wheel_check(const struct soj_wheel *w, const char **why)
{
	const char *found = check_all(w);

	if (why != NULL)
		*why = found;
	return found == NULL ? 0 : -EUCLEAN;
}
