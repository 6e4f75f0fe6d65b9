/* SPDX-License-Identifier: MIT */

/*
 * Sets that are published while others verify: a reader always has a whole set,
 * never waits for a reload, and a forked child can reload whatever the parent's
 * other threads were doing.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sojourn/sojourn.h>

#include "base/atomic.h"
#include "lib_jose.h"
#include "token/keys.h"

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}"
#define CLAIMS                                                             \
	"{\"iss\":\"https://id.example\",\"aud\":\"api.example\",\"exp\":" \
	"1700000060,\"iat\":1700000000,\"sub\":\"alice\",\"jti\":\"t1\"}"
#define READERS 3
#define RELOADS 60

static struct soj_keyring ring;
static char token[1024];
static soj_word_t stop, verified;

static struct soj_keyset *new_set(void)
{
	struct soj_keyset *set = jose_set(jose_hs256());

	strcpy(token, jose_token(set->keys[0], HEADER, CLAIMS));
	return set;
}

static void *reader(void *arg)
{
	uintptr_t bad = 0;

	(void)arg;
	while (soj_load_relaxed(&stop) == 0) {
		const struct soj_keyset *set = soj_keyset_enter(&ring);

		if (jose_check(set, token) != SOJOURN_TOKEN_OK)
			bad++;
		soj_keyset_exit(&ring);
		soj_add_relaxed(&verified, 1);
	}
	return (void *)bad;
}

static void test_readers(void **state)
{
	pthread_t threads[READERS];
	void *bad;

	(void)state;
	soj_store_relaxed(&stop, 0);
	assert_int_equal(soj_keyring_init(&ring, new_set()), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, reader, NULL), 0);
	/* Until readers have been at it as well, however slow they start. */
	for (int i = 0; i < RELOADS || soj_load_relaxed(&verified) < RELOADS;
	     i++)
		soj_keyset_replace(&ring, jose_set(jose_hs256()));
	soj_store_relaxed(&stop, 1);
	for (int i = 0; i < READERS; i++) {
		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
	assert_true(soj_load_relaxed(&verified) > 0);
	soj_keyring_deinit(&ring);
}

/* ---- a section that stays open ---- */

static sem_t entered, leave;

static void *stay(void *arg)
{
	const struct soj_keyset *set = soj_keyset_enter(&ring);
	uintptr_t reason;

	(void)arg;
	sem_post(&entered);
	sem_wait(&leave);
	/* the set it took, though another one was published meanwhile */
	reason = jose_check(set, token);
	soj_keyset_exit(&ring);
	return (void *)reason;
}

static void *synchronize(void *arg)
{
	struct soj_keyset *old = arg;

	soj_keyset_synchronize(&ring);
	soj_keyset_destroy(old);
	soj_store_relaxed(&stop, 1);
	return NULL;
}

static void test_section_holds(void **state)
{
	pthread_t staying, publishing;
	struct soj_keyset *old;
	void *reason;

	(void)state;
	soj_store_relaxed(&stop, 0);
	sem_init(&entered, 0, 0);
	sem_init(&leave, 0, 0);
	assert_int_equal(soj_keyring_init(&ring, new_set()), 0);
	pthread_create(&staying, NULL, stay, NULL);
	sem_wait(&entered);
	old = soj_keyset_publish(&ring, jose_set(jose_hs256()));
	pthread_create(&publishing, NULL, synchronize, old);
	/* this thread is not held up by the grace period that has begun */
	for (int i = 0; i < 1000; i++) {
		const struct soj_keyset *set = soj_keyset_enter(&ring);

		assert_ptr_not_equal(set, old);
		assert_int_equal(jose_check(set, token), SOJOURN_TOKEN_OK);
		soj_keyset_exit(&ring);
	}
	assert_int_equal(soj_load_relaxed(&stop), 0);
	sem_post(&leave);
	pthread_join(staying, &reason);
	assert_int_equal((uintptr_t)reason, SOJOURN_TOKEN_OK);
	pthread_join(publishing, NULL);
	assert_int_equal(soj_load_relaxed(&stop), 1);
	soj_keyring_deinit(&ring);
}

static void test_fork(void **state)
{
	pthread_t staying;
	void *reason;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(soj_keyring_init(&ring, new_set()), 0);
	pthread_create(&staying, NULL, stay, NULL);
	sem_wait(&entered);
	pid = fork();
	if (pid == 0) {
		/* would wait for a thread that is not here, for ever */
		alarm(100);
		soj_keyset_replace(&ring, jose_set(jose_hs256()));
		_exit(jose_check(soj_keyset_enter(&ring), token) ==
				      SOJOURN_TOKEN_OK
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	sem_post(&leave);
	pthread_join(staying, &reason);
	assert_int_equal((uintptr_t)reason, SOJOURN_TOKEN_OK);
	soj_keyset_replace(&ring, jose_set(jose_hs256()));
	soj_keyring_deinit(&ring);
}

/* A reload that fails leaves the keys as they were. */
static void test_public(void **state)
{
	struct sojourn_key key = {
		.form = SOJOURN_KEY_RAW,
		.alg = SOJOURN_TOKEN_HS256,
		.kid = "k1",
		.text = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
		.text_bytes = 32,
	};
	struct sojourn_keys *keys;
	const struct soj_keyset *before;

	(void)state;
	assert_int_equal(sojourn_keys_create(&key, 1, NULL, false, &keys), 0);
	before = keys->ring.current;
	key.text_bytes = 31;
	assert_int_equal(sojourn_keys_reload(keys, &key, 1, NULL, false),
			 -EINVAL);
	assert_non_null(strstr(sojourn_error_text(), "32 to 512 bytes"));
	assert_ptr_equal(keys->ring.current, before);
	key.text_bytes = 32;
	key.kid = "k2";
	assert_int_equal(sojourn_keys_reload(keys, &key, 1, NULL, false), 0);
	assert_string_equal(keys->ring.current->keys[0]->kid, "k2");
	sojourn_keys_destroy(keys);
	sojourn_keys_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readers),
		cmocka_unit_test(test_section_holds),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_public),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
