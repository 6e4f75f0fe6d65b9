/* SPDX-License-Identifier: MIT */

/*
 * S9, S10: 100,000 sessions of one subject stay usable.  What is counted is
 * steps from one session to the next, not time.
 */

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "lib_sem.h"
#include "session/session.h"
#include "store/chain.h"

#define ID   (SOJOURN_ID_CHARS_MAX + 1)
#define MANY 100000u
#define SOME 1500u
#define PAGE 1000u

static uint64_t steps;

static void count_steps(const struct soj_step *step)
{
	steps += strcmp(step->label, "chain.at") == 0;
}

static struct sojourn *make(uint32_t entries)
{
	struct sojourn_options o;

	sem_options(&o);
	o.entries_max = entries;
	o.segment_bytes = UINT64_C(128) << 20;
	return sem_make(&o);
}

/* Its number travels as its location. */
static void login(struct sojourn *s, unsigned number, char *id)
{
	char text[16];
	const struct sojourn_new n = {.subject = "anna",
				      .metadata = {.location = text}};

	snprintf(text, sizeof(text), "%u", number);
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
}

static uint8_t seen[MANY];
static unsigned tips, twice, last;
static bool sorted;

static int see(void *arg, const struct sojourn_info *info)
{
	unsigned number = (unsigned)atoi(info->metadata.location);

	(void)arg;
	if (!info->renewed) {
		tips++;
		twice += seen[number] & 2;
		sorted &= number < last;
		last = number;
	}
	seen[number] |= info->renewed ? 1 : 2;
	return 0;
}

static unsigned list_pages(struct sojourn *s, uint32_t limit, unsigned count,
			   sojourn_list_fn fn)
{
	uint64_t cursor = 0;
	unsigned pages = 0, missing = 0;

	memset(seen, 0, sizeof(seen));
	tips = twice = 0;
	last = UINT32_MAX;
	sorted = true;
	do {
		assert_true(sojourn_session_list_next(s, "anna", NULL, &cursor,
						      limit, fn, NULL) >= 0);
		pages++;
	} while (cursor != 0);
	for (unsigned i = 0; i < count; i++)
		missing += seen[i] == 0;
	assert_int_equal(missing, 0);
	assert_int_equal(twice, 0);
	return pages;
}

static void s10_many_sessions_of_one_subject(void **state)
{
	struct sojourn *s = make(MANY + 1000);
	char id[ID];
	unsigned pages;

	(void)state;
	soj_step_hook = count_steps;
	steps = 0;
	for (unsigned i = 0; i < MANY; i++)
		login(s, i, id);
	assert_int_equal(steps, 0);
	pages = list_pages(s, PAGE, MANY, see);
	assert_int_equal(tips, MANY);
	assert_true(sorted);
	assert_int_equal(pages, MANY / PAGE);
	/* A page is one walk; a full bucket, now and then, leaves an attempt
	 * that was withdrawn in the chain. */
	assert_true(steps <= (uint64_t)pages * (MANY + 100));
	steps = 0;
	assert_int_equal(sojourn_session_delete_subject(s, "anna", id),
			 MANY - 1);
	assert_int_equal(sojourn_session_delete(s, id), 1);
	assert_true(steps <= 3 * MANY);
	soj_step_hook = NULL;
	sojourn_detach(s);
	printf("S10 100,000 sessions: made without a step, %u pages, ended in "
	       "%u steps: ok\n",
	       pages, (unsigned)steps);
}

/* ---- while they are renewed ---- */

static char ids[SOME][ID];
static struct gate *listed;

static int see_and_tell(void *arg, const struct sojourn_info *info)
{
	gate_post(listed);
	return see(arg, info);
}

/* One for each that the other one has listed, while it goes on to list. */
static void renew_without_end(struct sojourn *s)
{
	struct sojourn_info info;

	for (unsigned i = 0, made = 0;; i = (i + 7) % SOME) {
		gate_wait(listed, ++made);
		if (sojourn_session_renew(s, ids[i], &info) == 0)
			strcpy(ids[i], info.new_id);
		if (i % 64 == 0)
			sem_advance(s, 1000);
	}
}

static void s10_trap_listed_while_renewed(void **state)
{
	struct sojourn *s = make(20 * SOME);
	unsigned rounds = 0;
	pid_t pid;

	(void)state;
	for (unsigned i = 0; i < SOME; i++)
		login(s, i, ids[i]);
	listed = sem_shared(sizeof(*listed));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		renew_without_end(s);
		_exit(0);
	}
	/* By the time the ttl is over for those who were not renewed. */
	for (; rounds < 12; rounds++)
		list_pages(s, 40, SOME, see_and_tell);
	sem_end(pid);
	sojourn_detach(s);
	printf("S10-trap each is listed once while it is renewed: ok\n");
}

/* ---- expelled ---- */

static struct {
	struct sojourn *s;
	struct soj_watch *watch;
	unsigned turn;
	uint32_t expelled;
} watcher;

/* Somebody's upkeep, as if a step took 10 us. */
static void watch(const struct soj_step *step)
{
	if (strncmp(step->label, "chain.", 6) != 0 || ++watcher.turn % 1000)
		return;
	soj_step_hook = NULL;
	sem_advance(watcher.s, 10);
	watcher.expelled +=
		soj_expel(&watcher.s->st.seg, watcher.watch,
			  soj_seg_now_ms(&watcher.s->st.seg), SOJ_SLOT_NONE);
	soj_step_hook = watch;
}

/* The naive list: all of a chain in one section. */
static int walk_naively(struct sojourn *s)
{
	const struct soj_step at = {.label = "chain.naive"};
	struct soj_store *st = &s->st;
	int rc;
	struct soj_self *self = soj_self_writing(s, &rc);
	uint64_t link;

	soj_section_enter(&st->seg, &self->w.thr);
	link = soj_load_acquire(
		&st->seg.heads[soj_head_of(st, soj_subject_digest(s, "anna"))]);
	while (soj_link_entry(link)) {
		watch(&at);
		link = soj_load_acquire(
			&soj_entry(st, soj_link_entry(link))->link);
	}
	return soj_section_exit(&st->seg, &self->w.thr) ? 0 : -ESTALE;
}

static void s10_trap_expelled_for_ever(void **state)
{
	struct sojourn *s = make(25000);
	char id[ID];

	(void)state;
	for (unsigned i = 0; i < 20000; i++)
		login(s, i, id);
	watcher.s = s;
	watcher.watch = soj_watch_new(s->st.seg.lay.slots_max);
	soj_step_hook = watch;
	assert_int_equal(walk_naively(s), -ESTALE);
	assert_int_equal(watcher.expelled, 1);
	assert_int_equal(list_pages(s, PAGE, 20000, see), 20);
	assert_int_equal(sojourn_session_delete_subject(s, "anna", NULL),
			 20000);
	soj_step_hook = NULL;
	assert_int_equal(watcher.expelled, 1);
	free(watcher.watch);
	sojourn_detach(s);
	printf("S10-trap a long walk is expelled for ever: ok\n");
}

static int stop_at_once(void *arg, const struct sojourn_info *info)
{
	(void)info;
	++*(unsigned *)arg;
	return 1;
}

static void s10_cursor(void **state)
{
	struct sojourn *s = make(1000);
	uint64_t cursor = 0;
	unsigned calls = 0;
	char id[ID];

	(void)state;
	assert_int_equal(sojourn_session_list_next(s, "anna", NULL, &cursor, 10,
						   see, NULL),
			 0);
	assert_int_equal(cursor, 0);
	for (unsigned i = 0; i < 5; i++)
		login(s, i, id);
	/* Stopped by the caller's function: on from there. */
	do {
		assert_int_equal(
			sojourn_session_list_next(s, "anna", NULL, &cursor, 3,
						  stop_at_once, &calls),
			1);
	} while (cursor != 0);
	assert_int_equal(calls, 5);
	calls = 0;
	assert_int_equal(sojourn_session_list_subject(s, "anna", NULL,
						      stop_at_once, &calls),
			 1);
	expect_reason(sojourn_session_list_next(s, "anna", NULL, &cursor, 0,
						see, NULL),
		      -EINVAL, SOJOURN_INVALID);
	sojourn_detach(s);
	printf("S10 cursor and limit: ok\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s10_cursor),
		cmocka_unit_test(s10_many_sessions_of_one_subject),
		cmocka_unit_test(s10_trap_listed_while_renewed),
		cmocka_unit_test(s10_trap_expelled_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
