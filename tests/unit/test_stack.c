/* SPDX-License-Identifier: MIT */

/*
 * What making and opening a segment, and sessions in it, leave behind: see
 * lib_stack.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sojourn/stat.h>
#include <string.h>

#include "lib_stack.h"
#include "shm/segment.h"

/* ---- the segment ---- */

static void enter(void)
{
	const struct sojourn_attach_options o = {.key_file = key_file};

	my.rc = sojourn_attach(name, &o, &s);
}

static void leave(void)
{
	sojourn_detach(s);
	my.rc = 0;
}

static void derive_sealing(void)
{
	static struct soj_vault vault;

	soj_vault_init(&vault, SOJ_CIPHER_XCHACHA20, my.master, my.sample[2]);
	memcpy(my.sealing, vault.expanded, sizeof(my.sealing));
	soj_vault_wipe(&vault);
	my.rc = 0;
}

static void derive_keys(void)
{
	soj_keys_derive(&my.keys, my.master);
	my.rc = 0;
}

static void make_key_file(void)
{
	struct soj_seg_error err;

	my.rc = soj_keyfile_load(other_key_file, true, (gid_t)-1, my.other_key,
				 &err);
}

static void learn_key_file(void)
{
	is_secret("another key file", my.other_key, sizeof(my.other_key));
}

static void learn_sealing(void)
{
	is_secret("another key of values", my.sealing, sizeof(my.sealing));
}

#define NONCE UINT64_C(77)

static uint8_t box[STACK_TEXT + SOJ_SEAL_BYTES];

static void seal_text(void)
{
	soj_seal(&my.keys, my.sample[0], 32, NONCE, my.sample[1], 32, box);
	my.rc = 0;
}

static void open_text(void)
{
	my.rc = soj_unseal(&my.keys, my.sample[0], 32, NONCE, box,
			   32 + SOJ_SEAL_BYTES, my.data)
			? 0
			: -EBADMSG;
}

/* As base/secret.c makes it. */
static void learn_seal(void)
{
	static crypto_generichash_state state;
	const uint64_t nonce = NONCE;

	crypto_generichash_init(&state, my.keys.renewal, 32, 32);
	crypto_generichash_update(&state, (const uint8_t *)&nonce, 8);
	crypto_generichash_update(&state, my.sample[0], 32);
	crypto_generichash_final(&state, my.seal, 32);
	is_secret("the key of a new id", my.seal, 32);
	is_secret("what is sealed", my.sample[1], 32);
	is_secret("what seals", my.sample[0], 32);
}

/* ---- sessions ---- */

static void learn_first(void)
{
	is_secret_id("an id", my.id[0]);
}

static void learn_second(void)
{
	is_secret_id("another id", my.id[1]);
}

static void login(void)
{
	const struct sojourn_new n = stack_login();

	my.rc = sojourn_session_create(s, &n, my.id[0], NULL);
}

/* By itself: what follows in a login goes deeper. */
static void make_id(void)
{
	soj_id_make(s, soj_self(s), my.id[4]);
	my.rc = 0;
}

/* Nor is it in the store of random bytes that it comes from. */
static void learn_made(void)
{
	const struct soj_self *self = soj_self(s);
	const uint8_t *raw = is_secret_id("an id just made", my.id[4]);

	assert_null(
		memmem(self->random, sizeof(self->random), raw, STACK_PART));
}

static void login_and_look(void)
{
	const struct sojourn_new n = stack_login();

	my.rc = sojourn_session_create(s, &n, my.id[1], &my.info);
}

static void read_it(void)
{
	my.rc = sojourn_session_read(s, my.id[0], NULL, my.data, &my.bytes,
				     &my.info);
}

static void read_there(void)
{
	const struct sojourn_metadata client = stack_metadata();
	const struct sojourn_read how = {.subject = my.subject,
					 .client = &client};

	my.rc = sojourn_session_read(s, my.id[0], &how, my.data, &my.bytes,
				     NULL);
}

static void update(void)
{
	my.rc = sojourn_session_update(s, my.id[0], my.value[1], STACK_TEXT - 1,
				       0, NULL);
}

static void modify(void)
{
	my.rc = sojourn_session_modify(s, my.id[0], 64, stack_value,
				       my.value[2], NULL);
}

static int see(void *arg, const struct sojourn_info *info)
{
	(void)arg;
	(void)info;
	return 0;
}

static int see_data(void *arg, const void *data, size_t bytes, uint64_t version)
{
	(void)arg;
	(void)data;
	(void)version;
	return bytes > 0;
}

static void view(void)
{
	my.rc = sojourn_session_view(s, my.id[0], NULL, see_data, NULL);
}

static const struct sojourn_item item = {SOJOURN_COLLECTION_CSRF, "key", 3};

static void put_item(void)
{
	const struct sojourn_metadata metadata = stack_metadata();
	const struct sojourn_value v = {.data = my.value[0],
					.data_bytes = STACK_TEXT - 1,
					.metadata = &metadata};

	my.rc = sojourn_put(s, &item, &v, NULL);
}

static void view_item(void)
{
	const struct sojourn_metadata client = stack_metadata();
	const struct sojourn_read how = {.client = &client};

	my.rc = sojourn_view(s, &item, &how, see_data, NULL);
}

static void list(void)
{
	my.rc = sojourn_session_list_subject(s, my.subject, my.id[0], see,
					     NULL);
}

static const struct sojourn_filter all = {
	.collection = SOJOURN_COLLECTION_SESSION, .match = "*"};

static void scan(void)
{
	uint64_t cursor = 0;

	my.rc = sojourn_scan(s, &all, &cursor, 0, see, NULL);
}

static void count(void)
{
	my.rc = sojourn_count(s, &all);
}

static void numbers(void)
{
	static struct sojourn_session_stat stat;

	my.rc = sojourn_session_stat(s, &stat);
}

static void renew(void)
{
	my.rc = sojourn_session_renew(s, my.id[0], &my.info);
}

/* By the id where the last call put it. */
static void read_in_place(void)
{
	my.rc = sojourn_session_read(s, my.info.new_id, NULL, my.data,
				     &my.bytes, &my.info);
}

static void renew_in_place(void)
{
	strcpy(my.info.new_id, my.id[2]);
	my.rc = sojourn_session_renew(s, my.info.new_id, &my.info);
}

static void learn_new(void)
{
	strcpy(my.id[2], my.info.new_id);
	is_secret_id("a new id", my.id[2]);
}

static void regenerate(void)
{
	my.rc = sojourn_session_regenerate(s, my.id[0], &my.info);
}

static void learn_newest(void)
{
	strcpy(my.id[3], my.info.new_id);
	is_secret_id("the newest id", my.id[3]);
}

static void delete (void)
{
	my.rc = sojourn_session_delete(s, my.id[3]);
}

static void delete_all(void)
{
	my.rc = sojourn_session_delete_subject(s, my.subject, my.id[1]);
}

/* ---- all of it ---- */

static void segments(void **state)
{
	static const struct call calls[] = {
		{"create", stack_make, 0, stack_learn_keys},
		{"detach", leave, 0, NULL},
		{"attach", enter, 0, stack_learn_keys},
		{"making a key file", make_key_file, 0, learn_key_file},
		{"deriving the keys", derive_keys, 0, NULL},
		{"deriving the key of values", derive_sealing, 0,
		 learn_sealing},
		{"sealing an id", seal_text, 0, learn_seal},
		{"opening it", open_text, 0, NULL},
	};

	(void)state;
	NONE_LEAVES(calls);
}

static void sessions(void **state)
{
	static const struct call calls[] = {
		{"the id", make_id, 0, learn_made},
		{"login", login, 0, learn_first},
		{"login, told", login_and_look, 0, learn_second},
		{"read", read_it, 0, NULL},
		{"read, bound", read_there, 0, NULL},
		{"update", update, 0, NULL},
		{"modify", modify, 0, NULL},
		{"view", view, 1, NULL},
		{"put an item", put_item, 0, NULL},
		{"view it", view_item, 1, NULL},
		{"list", list, 2, NULL},
		{"scan", scan, 2, NULL},
		{"count", count, 2, NULL},
		{"numbers", numbers, 0, NULL},
		{"renew", renew, 0, learn_new},
		{"read by the old id", read_it, 0, NULL},
		{"read by the new id in its place", read_in_place, 0, NULL},
		{"renew by it", renew_in_place, 0, learn_new},
		{"regenerate", regenerate, 0, learn_newest},
		{"delete", delete, 1, NULL},
		{"login", login, 0, learn_first},
		{"delete all but one", delete_all, 1, NULL},
	};

	(void)state;
	stack_make_texts();
	NONE_LEAVES(calls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments),
		cmocka_unit_test(sessions),
	};

	return stack_run(tests, sizeof(tests) / sizeof(*tests));
}
