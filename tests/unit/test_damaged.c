/* SPDX-License-Identifier: MIT */

/* Numbers of a damaged segment that lead out of it, or out of what a thread
 * keeps: they are told for nothing, and nothing is read or written there. */

#include <errno.h>
#include <string.h>

#include "lib_handle.h"
#include "lib_store.h"
#include "session/handle.h"
#include <sojourn/collection.h>
#include <sojourn/event.h>

#define SUBJECT   "anna"
#define NO_ENTRY  ((UINT32_C(1) << SOJ_ENTRY_BITS) - 1)
#define KEY_BYTES 1u

static struct sojourn *s;

static int set_up(void **state)
{
	struct sojourn_options o;

	handle_options(&o, 4u << 20);
	return handle_set_up(&o, &s, state);
}

/* The value that the first entry has becomes a shorter one behind a record that
 * leads to `successor`, as only one that was renewed has. */
static void give_record(uint64_t successor)
{
	struct soj_shm_record record = {.successor = successor,
					.grace_until_ms = UINT32_MAX};
	uint64_t ctl = soj_load_relaxed(&soj_entry(&s->st, 1)->ctl), head;
	uint32_t bytes;
	soj_word_t *words = soj_chunk_words(&s->st, soj_ctl_chunk(ctl), &bytes);

	assert_non_null(words);
	head = soj_load_relaxed(&words[0]);
	soj_store_relaxed(
		&words[0],
		soj_chunk_head0(soj_head_data_bytes(head) - sizeof(record),
				soj_head_subject_bytes(head),
				soj_head_meta_bytes(head), sizeof(record)));
	soj_copy_in(words + SOJ_CHUNK_HEAD_BYTES / 8, &record, sizeof(record));
}

static int look(void *arg, const struct sojourn_info *info)
{
	memcpy(arg, info, sizeof(*info));
	return 0;
}

/* Of a session that lives and has one, whose successor is none. */
static void successor_is_none(void **state)
{
	static const char data[300];
	const struct sojourn_new n = {
		.subject = SUBJECT, .data = data, .data_bytes = sizeof(data)};
	const struct sojourn_filter all = {.collection =
						   SOJOURN_COLLECTION_ANY};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;
	uint64_t cursor = 0;

	(void)state;
	assert_int_equal(sojourn_session_create(s, &n, id, &info), 0);
	give_record(soj_ref(NO_ENTRY, 1));
	memset(info.successor, 'x', sizeof(info.successor));
	assert_int_equal(
		sojourn_session_list_subject(s, SUBJECT, NULL, look, &info), 1);
	assert_string_equal(info.successor, "");
	memset(info.successor, 'x', sizeof(info.successor));
	assert_int_equal(sojourn_scan(s, &all, &cursor, 10, look, &info), 1);
	assert_string_equal(info.successor, "");
	assert_int_equal(sojourn_session_read(s, id, NULL, NULL, NULL, &info),
			 -ENOENT);
}

static void items_successor_is_none(void **state)
{
	static const char data[300];
	const struct sojourn_item key = {SOJOURN_COLLECTION_CSRF, "k",
					 KEY_BYTES};
	const struct sojourn_value v = {.data = data,
					.data_bytes = sizeof(data)};
	struct sojourn_info info;

	(void)state;
	assert_int_equal(sojourn_put(s, &key, &v, NULL), 0);
	give_record(soj_ref(NO_ENTRY, 1));
	memset(info.successor, 'x', sizeof(info.successor));
	assert_int_equal(sojourn_get(s, &key, NULL, NULL, NULL, &info), 0);
	assert_string_equal(info.successor, "");
}

/* Renewed, and no record says to what: whatever stood in the caller's memory is
 * not taken for one. */
static void renewed_to_nothing(void **state)
{
	const struct sojourn_new n = {.subject = SUBJECT};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct soj_snapshot snap;
	uint64_t tip = 1, ref;

	(void)state;
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	ref = soj_ref(1, 1);
	assert_int_equal(soj_entry_look(&s->st, ref, NULL, NULL, &snap), 0);
	assert_false(snap.has_record);
	snap.record.successor = ref;
	assert_int_equal(soj_line_status(&s->st, &snap, &tip),
			 SOJ_ENDED_DELETED);
	assert_int_equal(tip, 0);
}

/* Hooks are told of a collection that there can be, whatever the entry says. */
static void told(void *arg, struct sojourn *segment,
		 const struct sojourn_hook_call *call)
{
	(void)segment;
	assert_true(call->collection < SOJOURN_COLLECTIONS);
	++*(unsigned *)arg;
}

static void collection_is_none(void **state)
{
	const struct sojourn_hooks hooks = {.touched = told,
					    .renewal_failed = told,
					    .deleted = told,
					    .hit = told};
	const struct sojourn_new n = {.subject = SUBJECT};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;
	unsigned calls = 0;

	(void)state;
	assert_int_equal(sojourn_session_create(s, &n, id, &info), 0);
	assert_int_equal(sojourn_hooks_set(s, &hooks, &calls), 0);
	soj_store_relaxed(&soj_entry(&s->st, 1)->misc,
			  soj_misc(255, 0, false, 0));
	assert_int_equal(sojourn_session_read(s, id, NULL, NULL, NULL, &info),
			 0);
	assert_string_equal(info.collection, "session");
	assert_int_equal(calls, 1);
	assert_int_equal(sojourn_session_delete(s, id), 1);
	assert_int_equal(calls, 2);
}

/* ---- the list of locks ---- */

/* As many as a thread may hold, their successors, and one more. */
#define ENTRIES (SOJ_LOCKS_MAX + 3u)

static struct soj_store *st;
static struct soj_worker *w;

static int open_store(void **state)
{
	(void)state;
	return store_set_up(&st, &w, ENTRIES, 4u << 20);
}

static uint64_t make(uint64_t number)
{
	return put(st, w, digest_of(number), digest_of(number), "v", 1);
}

static soj_word_t *lock_word(uint64_t ref)
{
	return &soj_entry(st, soj_ref_entry(ref))->lock;
}

/* A renewal under the lock `from` whose old lock was then found to be another's,
 * so that it stays in the list. */
static uint64_t inherit(uint64_t ref, const struct soj_held *from)
{
	uint64_t word = soj_lock_inherit(st, w, ref, from);

	soj_store_relaxed(lock_word(ref), word);
	return word;
}

/* However many locks went lost in renewals, the list has its end; and what was
 * lost makes room. */
static void list_of_locks_is_full(void **state)
{
	const struct soj_lock_wish wish = {.now_ms = 1};
	struct soj_held *held = NULL;
	uint64_t ref[ENTRIES], word;

	(void)state;
	for (uint32_t i = 0; i < ENTRIES; i++)
		ref[i] = make(i);
	for (uint32_t i = 0; i < SOJ_LOCKS_MAX; i++)
		assert_int_equal(
			soj_lock_take(st, w, ref[i], &wish, &held, &word), 0);
	word = inherit(ref[SOJ_LOCKS_MAX], held);
	assert_int_equal(soj_lock_slot(word), w->thr.slot);
	assert_int_equal(w->held_count, SOJ_LOCKS_MAX + 1);
	word = inherit(ref[SOJ_LOCKS_MAX + 1], held);
	assert_int_equal(soj_lock_slot(word), SOJ_SLOT_NONE);
	assert_int_equal(w->held_count, SOJ_LOCKS_MAX + 1);
	soj_store_relaxed(lock_word(ref[3]), soj_lock(SOJ_SLOT_NONE, 9, 0));
	word = inherit(ref[SOJ_LOCKS_MAX + 2], held);
	assert_int_equal(soj_lock_slot(word), w->thr.slot);
	assert_int_equal(w->held_count, SOJ_LOCKS_MAX + 1);
	assert_null(soj_lock_mine(w, ref[3], soj_lock_look(st, ref[3])));
	assert_non_null(soj_lock_mine(w, ref[SOJ_LOCKS_MAX + 2], word));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(successor_is_none, set_up,
						handle_tear_down),
		cmocka_unit_test_setup_teardown(items_successor_is_none, set_up,
						handle_tear_down),
		cmocka_unit_test_setup_teardown(renewed_to_nothing, set_up,
						handle_tear_down),
		cmocka_unit_test_setup_teardown(collection_is_none, set_up,
						handle_tear_down),
		cmocka_unit_test_setup_teardown(list_of_locks_is_full,
						open_store, store_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
