/* SPDX-License-Identifier: MIT */

/*
 * Uses everything that comes with a secret, tells which ones these were, and
 * aborts: secrets_victim NAME KEYFILE LIST [sealed].  What it leaves in its
 * core, in the segment NAME and in whatever was told about it, is looked
 * through by tests/e2e/secrets.sh.
 *
 * Its own copies are in one place that is not dumped: what is found elsewhere
 * has been left there by the library.  So nothing here goes through stdio, and
 * no secret is in a variable of its own.
 *
 * sealed: of a segment whose values are; then subjects, metadata and values are
 * secrets as well.  (Access tokens are left out: they show whose they are.)
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sojourn/collection.h>
#include <sojourn/lock.h>
#include <sojourn/remember.h>
#include <sojourn/token.h>

#include "base/bits.h"
#include "base/fault.h"
#include "base/secret.h"

#define IDS       8u
#define ID_ROOM   (SOJOURN_ID_CHARS_MAX + 1)
#define LIST_ROOM 65536u
#define LABELS    4u
#define VALUES    12u
#define TEXT_ROOM 40u

struct mine {
	char id[IDS][ID_ROOM];
	char csrf[2][SOJOURN_CSRF_CHARS + 1];
	char remember[3][SOJOURN_REMEMBER_CHARS + 1];
	char refresh[3][SOJOURN_REFRESH_CHARS + 1];
	char access[3][SOJOURN_TOKEN_BYTES];
	char never[ID_ROOM]; /* an id that nobody was given */
	uint8_t hmac[48];
	char jwk[4096];
	char private_part[44]; /* of the key that signs */
	uint8_t master[SOJ_KEY_BYTES];
	struct soj_keys keys;
	struct sojourn_info info;
	char data[4096];
	char claims[SOJOURN_CLAIMS_BYTES_MAX];
	char list[LIST_ROOM];
	size_t listed;
	/* Of the sealed scene. */
	char label[LABELS][TEXT_ROOM]; /* subject, ip, user agent, device */
	char value[VALUES][TEXT_ROOM];
};

static struct mine *mine;
static struct sojourn *s;

/* what: one of the calls below, which has to give rc. */
static void need(int rc, int wanted, const char *what)
{
	if (rc == wanted)
		return;
	dprintf(2, "%s: %d, not %d: %s\n", what, rc, wanted,
		sojourn_error_text());
	_exit(1);
}
#define NEED(wanted, call) need(call, wanted, #call)

/* ---- the list ---- */

static void list_add(const char *text)
{
	size_t bytes = strlen(text);

	if (mine->listed + bytes > LIST_ROOM)
		_exit(1);
	memcpy(mine->list + mine->listed, text, bytes);
	mine->listed += bytes;
}

static void tell_text(const char *name, const char *value)
{
	list_add(name);
	list_add(" text ");
	list_add(value);
	list_add("\n");
}

static void tell_bytes(const char *name, const uint8_t *value, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";

	list_add(name);
	list_add(" hex ");
	for (size_t i = 0; i < bytes; i++) {
		char digit[2] = {digits[value[i] >> 4], 0};

		list_add(digit);
		digit[0] = digits[value[i] & 15];
		list_add(digit);
	}
	list_add("\n");
}

static void list_all(void)
{
	tell_bytes("master", mine->master, sizeof(mine->master));
	tell_bytes("key-id", mine->keys.id, 16);
	tell_bytes("key-id-usual", mine->keys.id_usual, 16);
	tell_bytes("key-subject", mine->keys.subject, 16);
	tell_bytes("key-log", mine->keys.log, 16);
	tell_bytes("key-renewal", mine->keys.renewal, 32);
	tell_bytes("key-token", mine->keys.token, 16);
	tell_bytes("key-csrf", mine->keys.csrf, 32);
	for (unsigned i = 0; i < 6; i++)
		tell_text("id", mine->id[i]);
	tell_text("guessed-id", mine->never);
	for (unsigned i = 0; i < 2; i++) {
		tell_text("csrf", mine->csrf[i]);
		tell_text("remember-me", mine->remember[i]);
		tell_text("refresh", mine->refresh[i]);
		/* The second half: without it the first is of no use, and
		 * libcrypto leaves that on the stack. */
		tell_text("signature", strrchr(mine->access[i], '.') + 1 + 44);
	}
	tell_bytes("hmac", mine->hmac, sizeof(mine->hmac));
	tell_text("signing-key", mine->private_part);
}

static void list_sealed(void)
{
	static const char *const labels[LABELS] = {"subject", "ip",
						   "user-agent", "device"};

	for (unsigned i = 0; i < LABELS; i++)
		tell_text(labels[i], mine->label[i]);
	for (unsigned i = 0; i < VALUES; i++)
		tell_text("value", mine->value[i]);
}

/* In a child, so that the registers of this process keep nothing of it. */
static void write_list(const char *path, void (*list)(void))
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600), status = 1;
	pid_t child = fork();

	if (child == 0) {
		list();
		_exit(write(fd, mine->list, mine->listed) !=
		      (ssize_t)mine->listed);
	}
	if (fd < 0 || child < 0 || waitpid(child, &status, 0) != child ||
	    status != 0)
		_exit(1);
	close(fd);
}

/* ---- what is done ---- */

static void use_keys(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, mine->master, SOJ_KEY_BYTES) != SOJ_KEY_BYTES)
		_exit(1);
	close(fd);
	soj_keys_derive(&mine->keys, mine->master);
}

static int change(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	(void)arg;
	(void)capacity;
	memset(data, 'm', 8);
	*data_bytes = 8;
	return 0;
}

static int seen(void *arg, const struct sojourn_info *info)
{
	(void)arg;
	(void)info;
	return 0;
}

static void use_sessions(void)
{
	static const struct sojourn_new login = {
		.subject = "anna", .data = "cart=3", .data_bytes = 6};
	size_t bytes = sizeof(mine->data);
	uint64_t version, fence;

	for (unsigned i = 0; i < 4; i++)
		NEED(0, sojourn_session_create(s, &login, mine->id[i], NULL));
	NEED(0, sojourn_session_read(s, mine->id[0], NULL, mine->data, &bytes,
				     &mine->info));
	NEED(0,
	     sojourn_session_update(s, mine->id[0], "cart=4", 6, 0, &version));
	NEED(-ESTALE,
	     sojourn_session_update(s, mine->id[0], "cart=5", 6, 1, &version));
	NEED(0, sojourn_session_modify(s, mine->id[0], 64, change, NULL, NULL));
	NEED(0, sojourn_session_touch(s, mine->id[0]));
	NEED(0, sojourn_session_lock(s, mine->id[0], 0, 10000, &fence));
	sojourn_session_unlock(s, mine->id[0], fence);
	/* The new ones are told once more, under the old ones. */
	NEED(0, sojourn_session_renew(s, mine->id[0], &mine->info));
	strcpy(mine->id[4], mine->info.new_id);
	bytes = sizeof(mine->data);
	NEED(0, sojourn_session_read(s, mine->id[0], NULL, mine->data, &bytes,
				     &mine->info));
	NEED(0, sojourn_session_regenerate(s, mine->id[1], &mine->info));
	strcpy(mine->id[5], mine->info.new_id);
	NEED(1, sojourn_session_delete(s, mine->id[2]));
	if (sojourn_session_list_subject(s, "anna", mine->id[4], seen, NULL) <
	    0)
		_exit(1);
	/* Errors say what was asked for, but not that. */
	NEED(-ENOENT,
	     sojourn_session_read(s, mine->id[2], NULL, NULL, NULL, NULL));
	NEED(-ENOENT,
	     sojourn_session_read(s, mine->never, NULL, NULL, NULL, NULL));
	dprintf(2, "%s\n", sojourn_error_text());
}

static void use_remember_me(void)
{
	static const struct sojourn_new login = {.subject = "anna"};

	NEED(0, sojourn_remember_create(s, &login, mine->remember[0], NULL));
	NEED(0, sojourn_remember_use(s, mine->remember[0], NULL,
				     mine->remember[1], NULL, NULL, NULL));
	/* Asked for once more, it is the same that is told. */
	NEED(0, sojourn_remember_use(s, mine->remember[0], NULL,
				     mine->remember[2], NULL, NULL, NULL));
	for (unsigned i = 0; i < 2; i++) {
		NEED(0, sojourn_csrf_token(s, mine->id[4], mine->csrf[i]));
		NEED(0, sojourn_csrf_check(s, mine->id[4], mine->csrf[i]));
	}
	NEED(-EPERM, sojourn_csrf_check(s, mine->id[3], mine->csrf[0]));
}

static void verify(struct sojourn_tokens *tokens, const char *access)
{
	size_t bytes = sizeof(mine->claims);

	NEED(0, sojourn_token_verify(tokens, access, strlen(access),
				     mine->claims, &bytes, NULL));
}

/* One that signs, and another that only verifies: an HMAC secret. */
static struct sojourn_keys *make_keys(void)
{
	size_t bytes = sizeof(mine->jwk);
	struct sojourn_key source[2] = {
		{.form = SOJOURN_KEY_JWK, .text = mine->jwk},
		{.form = SOJOURN_KEY_RAW,
		 .alg = SOJOURN_TOKEN_HS256,
		 .kid = "two",
		 .text = mine->hmac,
		 .text_bytes = sizeof(mine->hmac)},
	};
	struct sojourn_keys *keys;

	NEED(0, sojourn_key_generate(SOJOURN_TOKEN_EDDSA, 0, "one", mine->jwk,
				     &bytes));
	memcpy(mine->private_part, strstr(mine->jwk, "\"d\":\"") + 5, 43);
	source[0].text_bytes = bytes;
	soj_random(mine->hmac, sizeof(mine->hmac));
	NEED(0, sojourn_keys_create(source, 2, "one", false, &keys));
	return keys;
}

static void use_tokens(void)
{
	static const struct sojourn_token_new what = {.subject = "anna"};
	struct sojourn_token_options o;
	struct sojourn_tokens *tokens;
	size_t bytes = sizeof(mine->access[0]);

	sojourn_token_options_init(&o);
	o.issuer = "https://id.example";
	o.audience = "api.example";
	o.cache = true;
	NEED(0, sojourn_tokens_open(s, make_keys(), &o, &tokens));
	NEED(0, sojourn_token_create(tokens, &what, mine->access[0], &bytes,
				     mine->refresh[0], NULL));
	bytes = sizeof(mine->access[1]);
	NEED(0, sojourn_token_refresh(tokens, mine->refresh[0], NULL,
				      mine->access[1], &bytes, mine->refresh[1],
				      NULL));
	for (unsigned i = 0; i < 2; i++) {
		verify(tokens, mine->access[i]);
		verify(tokens, mine->access[i]); /* as another had */
	}
}

/* ---- sealed ---- */

static int set_value(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	*data_bytes = strlen(arg);
	memcpy(data, arg, soj_min(*data_bytes, capacity));
	return 0;
}

static int look(void *arg, const void *data, size_t data_bytes,
		uint64_t version)
{
	(void)arg;
	(void)data;
	(void)version;
	return data_bytes > 0;
}

static void make_texts(void)
{
	for (unsigned i = 0; i < LABELS + VALUES; i++) {
		char *text =
			i < LABELS ? mine->label[i] : mine->value[i - LABELS];

		soj_random(text, TEXT_ROOM - 1);
		for (unsigned c = 0; c < TEXT_ROOM - 1; c++)
			text[c] = (char)('a' + (text[c] & 15));
	}
}

static void read_whole(const char *id)
{
	const struct sojourn_read how = {
		.subject = mine->label[0],
		.client = &mine->info.metadata,
	};
	size_t bytes = sizeof(mine->data);

	NEED(0, sojourn_session_read(s, id, NULL, mine->data, &bytes,
				     &mine->info));
	bytes = sizeof(mine->data);
	NEED(0, sojourn_session_read(s, id, &how, mine->data, &bytes, NULL));
	bytes = 1;
	NEED(-ENOBUFS, sojourn_session_read(s, id, NULL, mine->data, &bytes,
					    &mine->info));
}

static void use_sealed_sessions(const struct sojourn_metadata *metadata)
{
	const struct sojourn_new login = {.subject = mine->label[0],
					  .metadata = *metadata,
					  .data = mine->value[0],
					  .data_bytes = TEXT_ROOM - 1};
	uint64_t version, fence;

	for (unsigned i = 0; i < 3; i++)
		NEED(0, sojourn_session_create(s, &login, mine->id[i],
					       i ? &mine->info : NULL));
	read_whole(mine->id[0]);
	NEED(0, sojourn_session_update(s, mine->id[0], mine->value[1],
				       TEXT_ROOM - 1, 0, &version));
	NEED(0, sojourn_session_modify(s, mine->id[0], 64, set_value,
				       mine->value[2], NULL));
	NEED(0, sojourn_session_lock(s, mine->id[0], 0, 10000, &fence));
	NEED(0, sojourn_session_update_locked(s, mine->id[0], fence,
					      mine->value[3], TEXT_ROOM - 1,
					      &version));
	sojourn_session_unlock(s, mine->id[0], fence);
	NEED(1, sojourn_session_view(s, mine->id[0], NULL, look, NULL));
	NEED(0, sojourn_session_renew(s, mine->id[0], &mine->info));
	read_whole(mine->id[0]);
	NEED(0, sojourn_session_regenerate(s, mine->id[1], &mine->info));
	NEED(1, sojourn_session_delete(s, mine->id[2]));
}

static void use_sealed_items(const struct sojourn_metadata *metadata)
{
	const struct sojourn_item key = {
		.collection = SOJOURN_COLLECTION_CSRF,
		.key = "k",
		.key_bytes = 1,
	};
	struct sojourn_value v = {.data = mine->value[4],
				  .data_bytes = TEXT_ROOM - 1,
				  .subject = mine->label[0],
				  .metadata = metadata};
	struct sojourn_one many = {.item = key,
				   .data = mine->data,
				   .data_bytes = sizeof(mine->data),
				   .info = &mine->info};
	size_t bytes = sizeof(mine->data);

	NEED(0, sojourn_put(s, &key, &v, NULL));
	v.data = mine->value[5];
	v.metadata = NULL;
	v.subject = NULL;
	NEED(0, sojourn_put(s, &key, &v, NULL));
	NEED(0, sojourn_modify_item(s, &key, NULL, 64, set_value,
				    mine->value[6], NULL));
	NEED(0, sojourn_get(s, &key, NULL, mine->data, &bytes, &mine->info));
	NEED(1, sojourn_get_many(s, &many, 1, NULL));
	NEED(1, sojourn_view(s, &key, NULL, look, NULL));
	NEED(0, sojourn_touch(s, &key));
}

static void look_at_all(const char *current)
{
	const struct sojourn_filter filters[] = {
		{.collection = SOJOURN_COLLECTION_ANY},
		{.subject = mine->label[0]},
		{.match = "*"},
	};

	if (sojourn_session_list_subject(s, mine->label[0], current, seen,
					 NULL) < 1)
		_exit(1);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t cursor = 0;

		if (sojourn_scan(s, &filters[i], &cursor, 0, seen, NULL) < 1 ||
		    sojourn_count(s, &filters[i]) < 1)
			_exit(1);
	}
}

static void use_sealed(void)
{
	const struct sojourn_metadata metadata = {
		.ip = mine->label[1],
		.user_agent = mine->label[2],
		.device_name = mine->label[3],
	};
	const struct sojourn_new family = {.subject = mine->label[0],
					   .metadata = metadata,
					   .data = mine->value[7],
					   .data_bytes = TEXT_ROOM - 1};
	size_t bytes = sizeof(mine->data);

	make_texts();
	use_sealed_sessions(&metadata);
	use_sealed_items(&metadata);
	NEED(0, sojourn_remember_create(s, &family, mine->remember[0],
					&mine->info));
	NEED(0, sojourn_remember_use(s, mine->remember[0], &metadata,
				     mine->remember[1], mine->data, &bytes,
				     &mine->info));
	look_at_all(mine->id[0]);
}

static void plant(void)
{
#ifdef SOJ_FAULTS
	const char *bug = getenv("SOJ_PLANT");

	if (bug && strcmp(bug, "SECRET_KEPT") == 0)
		soj_plant = SOJ_PLANT_SECRET_KEPT;
	if (bug && strcmp(bug, "SECRET_STORED") == 0)
		soj_plant = SOJ_PLANT_SECRET_STORED;
#endif
}

/* Everything that a core can have, shared memory and files' pages too. */
static void want_core(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0x7f\n", 5) != 5 ||
	    setrlimit(RLIMIT_CORE, &all) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		_exit(77);
	close(fd);
}

/* The C library's last copy stays in the registers of vectors, and so in the
 * core, until its next one: copies of each length, of nothing. */
static void copy_nothing(void)
{
	static volatile size_t most = 1024;
	static uint8_t from[1024], to[1024];

	for (size_t bytes = 1; bytes <= most; bytes++)
		memmove(to, from, bytes);
	for (size_t bytes = 1; bytes <= most; bytes++)
		if (memcmp(to, from, bytes) != 0 ||
		    strnlen((char *)from, bytes) != 0)
			_exit(1);
}

int main(int argc, char **argv)
{
	struct sojourn_attach_options o = {0};

	if (argc < 4)
		return 64;
	plant();
	want_core();
	mine = mmap(NULL, sizeof(*mine), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mine == MAP_FAILED || madvise(mine, sizeof(*mine), MADV_DONTDUMP))
		return 1;
	o.key_file = argv[2];
	NEED(0, sojourn_attach(argv[1], &o, &s));
	use_keys(argv[2]);
	if (argc > 4) {
		use_sealed();
		write_list(argv[3], list_sealed);
		copy_nothing();
		abort();
	}
	memset(mine->never, 'Q', 32);
	soj_random(mine->data, 24);
	for (unsigned i = 0; i < 32; i++)
		mine->never[i] = (char)('A' + (mine->data[i % 24] & 15));
	use_sessions();
	use_remember_me();
	use_tokens();
	write_list(argv[3], list_all);
	abort();
}
