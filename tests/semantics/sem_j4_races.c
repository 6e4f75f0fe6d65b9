/* SPDX-License-Identifier: MIT */

/*
 * J4, J6: revocations and what runs at the same time, in other processes and
 * at each step.  The naive designs: a list in each process; a subject that is
 * marked before its refresh tokens end, and not after.
 */

#include <errno.h>
#include <pthread.h>

#include <sojourn/collection.h>

#include "base/fault.h"
#include "lib_tok.h"

#define DAY 86400000u

static void shared_barrier(pthread_barrier_t *barrier, unsigned count)
{
	pthread_barrierattr_t attr;

	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(barrier, &attr, count);
}

/* ---- revoked in one process, verified next in another ---- */

#define ROUNDS 100000u

struct two {
	struct tok w;
	pthread_barrier_t barrier;
	unsigned accepted, refused, naive_accepted;
	char revoked[2][ACCESS], good[2][ACCESS];
};

/* One of the four ways, by turns. */
static int revoke_somehow(struct tok *w, unsigned round, const char *access)
{
	switch (round % 4) {
	case 0:
		return sojourn_token_revoke(w->t, access) == 1 ? 0 : -1;
	case 1:
		return sojourn_token_restrict(w->t, access) == 1 ? 0 : -1;
	case 2:
		return sojourn_token_restrict_subject(w->t, "anna");
	default:
		return sojourn_token_revoke_subject(w->t, "anna");
	}
}

static int issue(struct tok *w, const char *subject, char access[ACCESS])
{
	const struct sojourn_token_new n = {.subject = subject};
	size_t bytes = ACCESS;

	return sojourn_token_create(w->t, &n, access, &bytes, NULL, NULL);
}

static int revoker(struct two *two)
{
	int rc = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct tok *w = &two->w;

		rc |= issue(w, "anna", two->revoked[i % 2]);
		rc |= issue(w, "otto", two->good[i % 2]);
		rc |= tok_reason(w, two->revoked[i % 2]) != SOJOURN_TOKEN_OK;
		rc |= revoke_somehow(w, i, two->revoked[i % 2]);
		/* Round i is read while round i + 1 is made. */
		pthread_barrier_wait(&two->barrier);
		/* Entries of tokens revoked one by one are due. */
		if (i % 500 == 499) {
			pthread_barrier_wait(&two->barrier);
			tok_advance(w, DAY);
			rc |= sojourn_prune(w->s) < 0;
		}
	}
	return rc;
}

static int verifier(struct two *two)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		const char *naive_list[1] = {""};

		pthread_barrier_wait(&two->barrier);
		two->accepted += tok_reason(&two->w, two->revoked[i % 2]) ==
				 SOJOURN_TOKEN_OK;
		two->refused += tok_reason(&two->w, two->good[i % 2]) !=
				SOJOURN_TOKEN_OK;
		/* The broadcast has not come yet. */
		two->naive_accepted +=
			strcmp(naive_list[0], two->revoked[i % 2]) != 0;
		if (i % 500 == 499)
			pthread_barrier_wait(&two->barrier);
	}
	return 0;
}

static int revoker_or_verifier(unsigned i, void *arg)
{
	return i == 0 ? revoker(arg) : verifier(arg);
}

static void j4_trap_lists_in_each_process(void **state)
{
	struct two *two = sem_shared(sizeof(*two));

	(void)state;
	tok_make(&two->w);
	shared_barrier(&two->barrier, 2);
	sem_workers(2, revoker_or_verifier, two);
	printf("J4: %u times revoked in one process, %u accepted in the other, "
	       "%u good ones refused, %u accepted with lists in each: ok\n",
	       ROUNDS, two->accepted, two->refused, two->naive_accepted);
	assert_int_equal(two->accepted, 0);
	assert_int_equal(two->refused, 0);
	assert_int_equal(two->naive_accepted, ROUNDS);
	tok_end(&two->w);
	sem_unshare(two, sizeof(*two));
}

/* ---- logins and logouts of one subject in eight processes ---- */

#define WORKERS 8u
#define BATCHES 3000u
#define LOGOUTS 2u

/* When a call began and ended, in one order for all. */
struct span {
	unsigned begin, end;
};

struct crowd {
	struct tok w;
	pthread_barrier_t barrier;
	_Atomic(unsigned) ticket;
	_Atomic(unsigned) survived, refused, unsteady, overlapped;
	struct span span[WORKERS];
};

static void judge(struct crowd *c, unsigned i, const char *access)
{
	const struct span *mine = &c->span[i];
	bool before = false, after = true;
	bool good = tok_reason(&c->w, access) == SOJOURN_TOKEN_OK;

	for (unsigned l = 0; l < LOGOUTS; l++) {
		before |= mine->end < c->span[l].begin;
		after &= mine->begin > c->span[l].end;
	}
	if (before && good)
		atomic_fetch_add(&c->survived, 1);
	if (after && !good)
		atomic_fetch_add(&c->refused, 1);
	if (!before && !after)
		atomic_fetch_add(&c->overlapped, 1);
	if ((tok_reason(&c->w, access) == SOJOURN_TOKEN_OK) != good)
		atomic_fetch_add(&c->unsteady, 1);
}

static int one_of_the_crowd(unsigned i, void *arg)
{
	struct crowd *c = arg;
	char access[ACCESS];
	int rc = 0;

	for (unsigned n = 0; n < BATCHES; n++) {
		pthread_barrier_wait(&c->barrier);
		c->span[i].begin = atomic_fetch_add(&c->ticket, 1);
		if (i < LOGOUTS)
			rc |= sojourn_token_revoke_subject(c->w.t, "anna") < 0;
		else
			rc |= issue(&c->w, "anna", access) < 0;
		c->span[i].end = atomic_fetch_add(&c->ticket, 1);
		pthread_barrier_wait(&c->barrier);
		if (i >= LOGOUTS)
			judge(c, i, access);
	}
	return rc;
}

/* The clock stands still all the time. */
static bool crowd_is_wrong(bool tell)
{
	struct crowd *c = sem_shared(sizeof(*c));
	bool wrong;

	tok_make(&c->w);
	shared_barrier(&c->barrier, WORKERS);
	sem_workers(WORKERS, one_of_the_crowd, c);
	if (tell)
		printf("J6: %u tokens beside %u logouts, %u at the same time, "
		       "%u survived, %u refused, %u unsteady: ok\n",
		       BATCHES * (WORKERS - LOGOUTS), BATCHES * LOGOUTS,
		       atomic_load(&c->overlapped), atomic_load(&c->survived),
		       atomic_load(&c->refused), atomic_load(&c->unsteady));
	wrong = atomic_load(&c->survived) || atomic_load(&c->refused) ||
		atomic_load(&c->unsteady);
	tok_end(&c->w);
	sem_unshare(c, sizeof(*c));
	return wrong;
}

static void j6_race_of_issue_and_logout(void **state)
{
	const enum soj_plant before = soj_plant;

	(void)state;
	assert_false(crowd_is_wrong(true));
	soj_plant = SOJ_PLANT_TOKEN_ISSUE_BLIND;
	assert_true(crowd_is_wrong(false));
	soj_plant = SOJ_PLANT_TOKEN_MARK_FALLS;
	assert_true(crowd_is_wrong(false));
	soj_plant = before;
}

/* ---- at each step of a call, another is made by another thread ---- */

static struct tok world;
static struct pair owned, got;
static int got_rc;

static _Thread_local bool watched;
static unsigned steps, fire_at;
static void *(*other)(void *arg);

static void at_step(const struct soj_step *step)
{
	pthread_t thread;

	(void)step;
	if (!watched || ++steps != fire_at)
		return;
	pthread_create(&thread, NULL, other, NULL);
	pthread_join(thread, NULL);
}

static int refresh(void)
{
	size_t bytes = sizeof(got.access);

	got_rc = sojourn_token_refresh(world.t, owned.refresh, NULL, got.access,
				       &bytes, got.refresh, NULL);
	return got_rc;
}

static int login(void)
{
	const struct sojourn_token_new n = {.subject = "anna"};
	size_t bytes = sizeof(got.access);

	got_rc = sojourn_token_create(world.t, &n, got.access, &bytes,
				      got.refresh, NULL);
	return got_rc;
}

static int logout_all(void)
{
	return sojourn_token_revoke_subject(world.t, "anna");
}

static int logout_one(void)
{
	return sojourn_token_revoke(world.t, owned.access);
}

static void *refresh_meanwhile(void *arg)
{
	refresh();
	return arg;
}

static void *logout_all_meanwhile(void *arg)
{
	assert_true(logout_all() >= 0);
	return arg;
}

static void *logout_one_meanwhile(void *arg)
{
	assert_int_equal(logout_one(), 1);
	return arg;
}

/* False: the call was over before that step. */
static bool call_with(int (*call)(void), void *(*meanwhile)(void *), unsigned n)
{
	memset(&got, 0, sizeof(got));
	got_rc = -1;
	other = meanwhile;
	steps = 0;
	fire_at = n;
	watched = true;
	soj_step_hook = at_step;
	call();
	soj_step_hook = NULL;
	watched = false;
	return steps >= n;
}

/* Is anything good of what the thief, or the owner, had or has got? */
static bool something_is_good(void)
{
	return tok_reason(&world, owned.access) == SOJOURN_TOKEN_OK ||
	       (got_rc == 0 &&
		(tok_reason(&world, got.access) == SOJOURN_TOKEN_OK ||
		 tok_use(&world, got.refresh) == 0)) ||
	       tok_use(&world, owned.refresh) == 0;
}

/* How many steps had something good afterwards; *tried: of how many. */
static unsigned leaks(int (*call)(void), void *(*meanwhile)(void *),
		      unsigned *tried)
{
	unsigned bad = 0;

	for (unsigned n = 1;; n++) {
		bool more;

		tok_make(&world);
		tok_login(&world, "anna", &owned);
		more = call_with(call, meanwhile, n);
		bad += more && something_is_good();
		tok_end(&world);
		if (!more)
			break;
		*tried = n;
	}
	return bad;
}

static void j6_trap_a_refresh_slips_into_a_logout(void **state)
{
	const enum soj_plant before = soj_plant;
	unsigned tried[5] = {0}, naive;

	(void)state;
	assert_int_equal(leaks(logout_all, refresh_meanwhile, &tried[0]), 0);
	assert_int_equal(leaks(logout_one, refresh_meanwhile, &tried[1]), 0);
	assert_int_equal(leaks(refresh, logout_all_meanwhile, &tried[2]), 0);
	assert_int_equal(leaks(refresh, logout_one_meanwhile, &tried[3]), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_true(tried[i] > 10);
	soj_plant = SOJ_PLANT_TOKEN_MARK_ONCE;
	naive = leaks(logout_all, refresh_meanwhile, &tried[4]);
	soj_plant = before;
	printf("J6: a refresh at %u steps of a logout, a logout at %u of a "
	       "refresh: ok; marked once, %u leak\n",
	       tried[0] + tried[1], tried[2] + tried[3], naive);
	assert_true(naive > 0);
}

/* A login that a logout ended is not half good. */
static void j6_a_logout_at_each_step_of_a_login(void **state)
{
	unsigned n;

	(void)state;
	for (n = 1;; n++) {
		bool more;

		tok_make(&world);
		more = call_with(login, logout_all_meanwhile, n);
		if (got_rc == 0 && tok_use(&world, got.refresh) < 0)
			assert_int_equal(tok_reason(&world, got.access),
					 SOJOURN_TOKEN_SUBJECT);
		if (got_rc < 0)
			assert_int_equal(got.access[0], 0);
		tok_end(&world);
		if (!more)
			break;
	}
	assert_true(n > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(j4_trap_lists_in_each_process),
		cmocka_unit_test(j6_race_of_issue_and_logout),
		cmocka_unit_test(j6_trap_a_refresh_slips_into_a_logout),
		cmocka_unit_test(j6_a_logout_at_each_step_of_a_login),
	};

	return cmocka_run_group_tests_name("J4, J6 races", tests, NULL, NULL);
}
