/* SPDX-License-Identifier: MIT */

/*
 * Sealed values: nothing of them is in the segment, everything works as with
 * plain ones, and what is not what was sealed there does not open.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sojourn/collection.h>
#include <sojourn/sojourn.h>
#include <sojourn/stat.h>

#include "lib_fsck.h"
#include "session/handle.h"
#include "session/id.h"
#include "store/sealed.h"

#define ID_BYTES (SOJOURN_ID_CHARS_MAX + 1)
#define SECRET   "a value that is nobody's business: "
#define SUBJECT  "subject-of-the-test"
#define AGENT    "agent of the test/1.0"
#define VALUE    256u

static const enum sojourn_seal ciphers[] = {SOJOURN_SEAL_ON,
					    SOJOURN_SEAL_XCHACHA20};

static struct sojourn *open_sealed(enum sojourn_seal seal)
{
	struct sojourn_collection carts;
	struct sojourn_options o;
	struct sojourn *s;

	sojourn_collection_init(&carts, "carts");
	sojourn_options_init(&o);
	o.entries_max = 500;
	o.segment_bytes = 16 << 20;
	o.threads_max = 8;
	o.helper = SOJOURN_HELPER_NONE;
	o.manual_clock = true;
	o.collections = &carts;
	o.collections_count = 1;
	o.seal = seal;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	return s;
}

static void fill(uint8_t value[VALUE], unsigned number)
{
	memset(value, 'a' + (int)(number % 26), VALUE);
	memcpy(value, SECRET, strlen(SECRET));
}

static void login(struct sojourn *s, unsigned number, size_t bytes,
		  char id[ID_BYTES])
{
	uint8_t value[VALUE];
	struct sojourn_new n = {.subject = SUBJECT,
				.data = value,
				.data_bytes = bytes,
				.metadata = {.user_agent = AGENT}};

	fill(value, number);
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
}

static void reads(struct sojourn *s, const char *id, unsigned number)
{
	uint8_t value[VALUE], want[VALUE];
	size_t bytes = sizeof(value);
	struct sojourn_info info;

	fill(want, number);
	assert_int_equal(
		sojourn_session_read(s, id, NULL, value, &bytes, &info), 0);
	assert_int_equal(bytes, VALUE);
	assert_memory_equal(value, want, VALUE);
	assert_string_equal(info.subject, SUBJECT);
	assert_string_equal(info.metadata.user_agent, AGENT);
}

static bool segment_has(const struct sojourn *s, const char *text)
{
	return memmem(s->st.seg.base, s->st.seg.bytes, text, strlen(text));
}

static void is_hidden(const struct sojourn *s)
{
	assert_false(segment_has(s, SECRET));
	assert_false(segment_has(s, SUBJECT));
	assert_false(segment_has(s, AGENT));
	assert_false(segment_has(s, "aaaaaaaaaaaa"));
}

/* ---- everything works ---- */

static int append(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	assert_true(*data_bytes < capacity);
	((uint8_t *)data)[(*data_bytes)++] = *(const uint8_t *)arg;
	return 0;
}

static int look(void *arg, const void *data, size_t bytes, uint64_t version)
{
	uint8_t want[VALUE];

	(void)version;
	fill(want, *(const unsigned *)arg);
	assert_int_equal(bytes, VALUE);
	assert_memory_equal(data, want, VALUE);
	return 7;
}

static int count_subject(void *arg, const struct sojourn_info *info)
{
	assert_string_equal(info->subject, SUBJECT);
	assert_string_equal(info->metadata.user_agent, AGENT);
	++*(unsigned *)arg;
	return 0;
}

static void sessions(struct sojourn *s)
{
	char id[ID_BYTES], other[ID_BYTES];
	uint8_t value[VALUE], large[70000], back[70000];
	struct sojourn_info info;
	size_t bytes = sizeof(back);
	unsigned number = 3, seen = 0;
	uint8_t plus = '+';

	login(s, 0, VALUE, id);
	login(s, 1, VALUE, other);
	reads(s, id, 0);
	fill(value, 2);
	assert_int_equal(sojourn_session_update(s, id, value, VALUE, 0, NULL),
			 0);
	reads(s, id, 2);
	assert_int_equal(
		sojourn_session_modify(s, id, VALUE + 1, append, &plus, NULL),
		0);
	fill(value, 3);
	assert_int_equal(sojourn_session_update(s, id, value, VALUE, 0, NULL),
			 0);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	reads(s, info.new_id, 3);
	reads(s, id, 3);
	assert_int_equal(
		sojourn_session_view(s, info.new_id, NULL, look, &number), 7);
	assert_int_equal(sojourn_session_list_subject(s, SUBJECT, NULL,
						      count_subject, &seen),
			 3);
	assert_int_equal(seen, 3); /* the renewed one is told too */
	reads(s, other, 1);
	is_hidden(s);
	memset(large, 'x', sizeof(large));
	assert_int_equal(
		sojourn_session_update(s, other, large, sizeof(large), 0, NULL),
		0);
	assert_int_equal(
		sojourn_session_read(s, other, NULL, back, &bytes, NULL), 0);
	assert_int_equal(bytes, sizeof(large));
	assert_memory_equal(back, large, sizeof(large));
	assert_int_equal(sojourn_session_update(s, other, NULL, 0, 0, NULL), 0);
	bytes = 1;
	assert_int_equal(
		sojourn_session_read(s, other, NULL, back, &bytes, NULL), 0);
	assert_int_equal(bytes, 0);
}

static void items(struct sojourn *s)
{
	uint32_t carts = (uint32_t)sojourn_collection_number(s, "carts");
	const struct sojourn_item cart = {carts, "key", 3};
	const struct sojourn_item counter = {carts, "counter", 7};
	uint8_t value[VALUE], back[VALUE];
	struct sojourn_value v = {.data = value, .data_bytes = VALUE};
	size_t bytes = VALUE;
	unsigned number = 5;
	int64_t n = 0;

	fill(value, number);
	assert_int_equal(sojourn_put(s, &cart, &v, NULL), 0);
	assert_int_equal(sojourn_put(s, &cart, &v, NULL), 0);
	assert_int_equal(sojourn_get(s, &cart, NULL, back, &bytes, NULL), 0);
	assert_memory_equal(back, value, VALUE);
	assert_int_equal(sojourn_view(s, &cart, NULL, look, &number), 7);
	assert_int_equal(sojourn_count_add(s, &counter, 20, 60000, &n), 0);
	assert_int_equal(sojourn_count_add(s, &counter, 3, 60000, &n), 0);
	assert_int_equal(n, 23);
	assert_int_equal(sojourn_remove(s, &cart, 0), 1);
	is_hidden(s);
}

static void all_of_it_works(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sojourn *s = open_sealed(ciphers[i]);

		sessions(s);
		items(s);
		sojourn_detach(s);
	}
}

/* The test of the test: a plain segment does show them. */
static void plain_ones_are_seen(void **state)
{
	struct sojourn *s = open_sealed(SOJOURN_SEAL_OFF);
	char id[ID_BYTES];

	(void)state;
	login(s, 0, VALUE, id);
	assert_true(segment_has(s, SECRET));
	assert_true(segment_has(s, SUBJECT));
	assert_true(segment_has(s, AGENT));
	sojourn_detach(s);
}

/* ---- what was spoilt ---- */

/* The entry of an id, and its chunk. */
struct place {
	uint64_t ref;
	uint32_t chunk;
	struct soj_digest digest;
	struct soj_chunk_view view;
	uint8_t *bytes;
	size_t data_at; /* in bytes */
	uint32_t room;
};

static void find(struct sojourn *s, const char *id, struct place *p)
{
	struct soj_found found;
	soj_word_t *words;

	assert_true(soj_id_digest(s, id, &p->digest));
	assert_int_equal(soj_index_find(&s->st, p->digest, &found), 0);
	p->ref = found.ref;
	p->chunk = soj_ctl_chunk(found.ctl);
	words = soj_chunk_words(&s->st, p->chunk, &p->room);
	assert_non_null(words);
	p->bytes = (uint8_t *)(uintptr_t)words;

	assert_true(soj_chunk_look(&s->st, p->chunk, &p->view));
	p->data_at = (size_t)(p->view.data - words) * 8;
}

/* All that can be had of it. */
static int open_all(struct sojourn *s, const struct place *p)
{
	static uint8_t subject[SOJ_SUBJECT_BYTES_MAX + 1];
	static uint8_t meta[SOJ_META_BYTES_MAX], data[4096];
	const struct soj_copy copy = {.subject = subject,
				      .meta = meta,
				      .data = data,
				      .data_capacity = sizeof(data)};
	struct soj_snapshot snap;
	int rc;

	memset(data, 0, sizeof(data));
	rc = soj_entry_snapshot(&s->st, p->ref, &p->digest, &copy, &snap);
	/* Whatever was decrypted of it is not left behind. */
	if (rc != 0)
		assert_null(memmem(data, sizeof(data), SECRET, 8));
	return rc;
}

static void each_bit_counts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sojourn *s = open_sealed(ciphers[i]);
		unsigned accepted = 0, tried = 0;
		char id[ID_BYTES];
		struct place p;
		size_t end;

		login(s, 0, VALUE, id);
		find(s, id, &p);
		end = p.data_at + VALUE;
		for (size_t bit = 0; bit < end * 8; bit++, tried++) {
			p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			accepted += open_all(s, &p) == 0;
			p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		assert_true(tried >= VALUE * 8 + SOJ_SHM_SEAL_BYTES * 8);
		assert_int_equal(accepted, 0);
		assert_int_equal(open_all(s, &p), 0);
		sojourn_detach(s);
	}
}

static void what_does_not_open_is_dropped(void **state)
{
	struct sojourn *s = open_sealed(SOJOURN_SEAL_ON);
	char id[ID_BYTES], other[ID_BYTES];
	uint8_t value[VALUE] = "untouched";
	size_t bytes = VALUE;
	struct sojourn_stat stat;
	struct place p;

	(void)state;
	login(s, 0, VALUE, id);
	login(s, 1, VALUE, other);
	find(s, id, &p);
	p.bytes[p.data_at + 100] ^= 1;
	/* Who does not ask for the data is not told. */
	assert_int_equal(sojourn_session_touch(s, id), 0);
	assert_int_equal(sojourn_session_read(s, id, NULL, value, &bytes, NULL),
			 -ENOENT);
	assert_int_equal(sojourn_reason(), SOJOURN_CORRUPT);
	assert_null(memmem(value, VALUE, SECRET, 8));
	bytes = VALUE;
	assert_int_equal(sojourn_session_read(s, id, NULL, value, &bytes, NULL),
			 -ENOENT);
	reads(s, other, 1);
	assert_int_equal(sojourn_session_delete(s, other), 1);
	assert_int_equal(sojourn_stat(s, &stat), 0);
	assert_int_equal(stat.counter[SOJ_COUNT_damaged].value, 1);
	sojourn_detach(s);
}

/* p's chunk gets the bytes of q's from `from` on. */
static void splice(const struct place *p, const struct place *q, size_t from)
{
	assert_int_equal(p->room, q->room);
	memcpy(p->bytes + from, q->bytes + from, p->room - from);
}

static void others_values_do_not_open(void **state)
{
	struct sojourn *s = open_sealed(SOJOURN_SEAL_ON);
	char id[ID_BYTES], other[ID_BYTES];
	uint8_t value[VALUE], *older;
	struct place p, q;
	uint64_t head1;

	(void)state;
	login(s, 0, VALUE, id);
	login(s, 1, VALUE, other);
	find(s, id, &p);
	find(s, other, &q);
	older = malloc(p.room);
	assert_non_null(older);
	memcpy(older, p.bytes, p.room);
	/* All but the back reference, which names the entry. */
	memcpy(&head1, p.bytes + 8, 8);
	splice(&p, &q, 0);
	memcpy(p.bytes + 8, &head1, 8);
	assert_int_equal(open_all(s, &p), -EBADE);
	memcpy(p.bytes, older, p.room);
	assert_int_equal(open_all(s, &p), 0);
	/* An older value under a newer head. */
	fill(value, 9);
	assert_int_equal(sojourn_session_update(s, id, value, VALUE, 0, NULL),
			 0);
	find(s, id, &p);
	assert_int_equal(open_all(s, &p), 0);
	memcpy(p.bytes + 16, older + 16, p.room - 16);
	assert_int_equal(open_all(s, &p), -EBADE);
	free(older);
	sojourn_detach(s);
}

/* The value that a key had before it was removed and put again, and that of
 * another key, all else being equal. */
static void earlier_lives_do_not_open(void **state)
{
	struct sojourn *s = open_sealed(SOJOURN_SEAL_ON);
	char id[ID_BYTES];
	struct place p;
	struct soj_box box;
	uint8_t data[VALUE];

	(void)state;
	login(s, 0, VALUE, id);
	find(s, id, &p);
	box.gen = soj_ref_gen(p.ref);
	box.want_label = true;
	soj_sealed_copy(&s->st, &p.view, &box);
	soj_copy_out(data, p.view.data, VALUE);
	box.gen++;
	assert_false(soj_box_open_data(s->st.vault, &box, data, VALUE));
	box.gen--;
	for (unsigned i = 0; i < 2; i++) {
		soj_copy_out(data, p.view.data, VALUE);
		box.digest.word[i] ^= 1;
		assert_false(soj_box_open_data(s->st.vault, &box, data, VALUE));
		box.digest.word[i] ^= 1;
	}
	soj_copy_out(data, p.view.data, VALUE);
	assert_true(soj_box_open_data(s->st.vault, &box, data, VALUE));
	assert_true(soj_box_open_label(s->st.vault, &box));
	sojourn_detach(s);
}

/* Lengths with which the seal would push the data out of its chunk. */
static void seals_are_within_their_chunk(void **state)
{
	struct sojourn *s = open_sealed(SOJOURN_SEAL_ON);
	char id[ID_BYTES];
	struct place p;
	uint32_t most;
	uint64_t head;

	(void)state;
	login(s, 0, VALUE, id);
	find(s, id, &p);
	most = p.room - (uint32_t)p.data_at;
	head = soj_chunk_head0(most, p.view.subject_bytes, p.view.meta_bytes,
			       0);
	memcpy(p.bytes, &head, 8);
	assert_true(soj_chunk_look(&s->st, p.chunk, &p.view));
	head++;
	memcpy(p.bytes, &head, 8);
	assert_false(soj_chunk_look(&s->st, p.chunk, &p.view));
	sojourn_detach(s);
}

/* ---- moving, nonces, tools ---- */

static void moved_without_the_key(void **state)
{
	struct sojourn *s = open_sealed(SOJOURN_SEAL_ON);
	struct soj_store keyless = s->st;
	struct soj_self *self;
	char id[ID_BYTES];
	struct place p, q;
	int rc;

	(void)state;
	keyless.vault = NULL;
	login(s, 4, VALUE, id);
	find(s, id, &p);
	self = soj_self_writing(s, &rc);
	assert_non_null(self);
	assert_int_equal(soj_chunk_relocate(&keyless, &self->w, p.chunk), 0);
	find(s, id, &q);
	assert_int_not_equal(p.chunk, q.chunk);
	reads(s, id, 4);
	/* And that is all that can be done without. */
	rc = soj_entry_snapshot(
		&keyless, q.ref, NULL,
		&(struct soj_copy){.data = &rc, .data_capacity = 4},
		&(struct soj_snapshot){.ref = 0});
	assert_int_equal(rc, -EACCES);
	sojourn_detach(s);
}

#define SEALS 4000u

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, SOJ_NONCE_BYTES);
}

/* Of many values, in few chunks that are used again and again. */
static void no_nonce_comes_twice(void **state)
{
	static uint8_t nonces[SEALS][SOJ_NONCE_BYTES];
	struct sojourn *s = open_sealed(SOJOURN_SEAL_ON);
	struct soj_shm_seal seal;
	uint8_t value[VALUE];
	char id[ID_BYTES];
	struct place p;

	(void)state;
	fill(value, 1);
	login(s, 0, VALUE, id);
	for (unsigned i = 0; i < SEALS; i++) {
		if (i % 16 == 0) {
			assert_int_equal(sojourn_session_delete(s, id), 1);
			login(s, i, VALUE, id);
		}
		assert_int_equal(
			sojourn_session_update(s, id, value, VALUE, 0, NULL),
			0);
		find(s, id, &p);
		soj_copy_out(&seal, p.view.seal, sizeof(seal));
		/* The last bit tells the two parts of a value apart. */
		assert_int_equal(seal.nonce[SOJ_NONCE_BYTES - 1] & 0x80, 0);
		memcpy(nonces[i], seal.nonce, SOJ_NONCE_BYTES);
	}
	qsort(nonces, SEALS, SOJ_NONCE_BYTES, by_bytes);
	for (unsigned i = 1; i < SEALS; i++)
		assert_true(by_bytes(nonces[i - 1], nonces[i]) != 0);
	sojourn_detach(s);
}

/* Else equal texts would look equal, and worse. */
static void parts_have_nonces_of_their_own(void **state)
{
	struct sojourn *s = open_sealed(SOJOURN_SEAL_ON);
	struct sojourn_new n = {.subject = "sixteen letters.",
				.data = "sixteen letters.",
				.data_bytes = 16};
	char id[ID_BYTES];
	struct place p;

	(void)state;
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	find(s, id, &p);
	assert_int_equal(p.view.subject_bytes, 16);
	assert_memory_not_equal(p.bytes + p.data_at - 16, p.bytes + p.data_at,
				16);
	sojourn_detach(s);
}

/* Two segments of one key: what one sealed is nothing to the other. */
static void each_segment_has_its_key(void **state)
{
	static const uint8_t master[SOJ_KEY_BYTES] = "a master key of the test";
	static const uint8_t salt[2][SOJ_SALT_BYTES] = {"one", "two"};
	static const uint8_t nonce[SOJ_NONCE_BYTES];
	const struct soj_vault_about about = {"about", 5};
	uint8_t text[16] = "fifteen letters", tag[SOJ_TAG_BYTES];
	struct soj_vault vault;

	(void)state;
	soj_vault_init(&vault, SOJ_CIPHER_XCHACHA20, master, salt[0]);
	soj_vault_seal(&vault, nonce, about, text, sizeof(text), text, tag);
	soj_vault_init(&vault, SOJ_CIPHER_XCHACHA20, master, salt[1]);
	assert_false(
		soj_vault_open(&vault, nonce, about, text, sizeof(text), tag));
	soj_vault_wipe(&vault);
}

static void fsck_opens_them(void **state)
{
	struct sojourn *s = open_sealed(SOJOURN_SEAL_ON);
	struct soj_fsck_report rep;
	struct soj_image img;
	char id[ID_BYTES];
	struct place p;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		login(s, i, VALUE, id);
	find(s, id, &p);
	soj_image_of_memory(&img, s->st.seg.base, s->st.seg.bytes);
	img.st.vault = s->st.vault;
	assert_int_equal(soj_fsck(&img, &rep, false), 0);
	assert_int_equal(rep.corrupt + rep.repairable, 0);
	soj_fsck_free(&rep);
	p.bytes[p.data_at] ^= 4;
	assert_int_equal(soj_fsck(&img, &rep, false), 0);
	assert_int_equal(rep.corrupt, 1);
	assert_int_equal(rep.count[SOJ_FSCK_ENTRY_SEAL], 1);
	soj_fsck_free(&rep);
	img.st.vault = NULL;
	assert_int_equal(soj_fsck(&img, &rep, false), 0);
	assert_int_equal(rep.corrupt, 0);
	soj_fsck_free(&rep);
	soj_image_close(&img);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_works),
		cmocka_unit_test(plain_ones_are_seen),
		cmocka_unit_test(each_bit_counts),
		cmocka_unit_test(what_does_not_open_is_dropped),
		cmocka_unit_test(others_values_do_not_open),
		cmocka_unit_test(earlier_lives_do_not_open),
		cmocka_unit_test(seals_are_within_their_chunk),
		cmocka_unit_test(moved_without_the_key),
		cmocka_unit_test(no_nonce_comes_twice),
		cmocka_unit_test(parts_have_nonces_of_their_own),
		cmocka_unit_test(each_segment_has_its_key),
		cmocka_unit_test(fsck_opens_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
