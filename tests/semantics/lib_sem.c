/* SPDX-License-Identifier: MIT */

#include "lib_sem.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "crash/lib_world.h"
#include "lib/counter.h"
#include "session/handle.h"
#include "session/id.h"

void sem_options(struct sojourn_options *o)
{
	sojourn_options_init(o);
	o->entries_max = 1000;
	o->segment_bytes = 8 << 20;
	o->threads_max = 64;
	o->manual_clock = true;
	o->helper = SOJOURN_HELPER_NONE;
}

struct sojourn *sem_make(const struct sojourn_options *o)
{
	struct sojourn_options plain;
	struct sojourn *s;

	plant_wanted();
	sem_options(&plain);
	if (sojourn_create(NULL, o ? o : &plain, &s) < 0)
		fail_msg("%s", sojourn_error_text());
	sem_advance(s, 1000);
	return s;
}

struct sojourn *sem_make_carts(struct sojourn_options *o, uint32_t *number)
{
	struct sojourn_collection carts;
	struct sojourn *s;

	sojourn_collection_init(&carts, "carts");
	o->collections = &carts;
	o->collections_count = 1;
	s = sem_make(o);
	*number = (uint32_t)sojourn_collection_number(s, "carts");
	return s;
}

int sem_tear_down(void **state)
{
	sojourn_detach(*state);
	return 0;
}

void sem_advance(struct sojourn *s, uint64_t ms)
{
	assert_int_equal(sojourn_clock_advance(s, ms), 0);
}

void sem_login(struct sojourn *s, const char *subject, const char *data,
	       char id[SOJOURN_ID_CHARS_MAX + 1])
{
	const struct sojourn_new n = {.subject = subject,
				      .data = data,
				      .data_bytes = data ? strlen(data) : 0};

	if (sojourn_session_create(s, &n, id, NULL) < 0)
		fail_msg("%s", sojourn_error_text());
}

void sem_login_from(struct sojourn *s, const struct sojourn_metadata *m,
		    char id[SOJOURN_ID_CHARS_MAX + 1])
{
	const struct sojourn_new n = {.subject = "anna",
				      .data = "data",
				      .data_bytes = 4,
				      .metadata = *m};

	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
}

int sem_look(struct sojourn *s, const char *id, struct sojourn_info *info)
{
	static const struct sojourn_read how = {.no_touch = true,
						.no_renew = true};

	return sojourn_session_read(s, id, &how, NULL, NULL, info);
}

int sem_read(struct sojourn *s, const char *id, struct sojourn_info *info)
{
	return sojourn_session_read(s, id, NULL, NULL, NULL, info);
}

static int count_one(void *arg, const struct sojourn_info *info)
{
	(void)arg;
	(void)info;
	return 0;
}

int sem_count(struct sojourn *s, const char *subject)
{
	return sojourn_session_list_subject(s, subject, NULL, count_one, NULL);
}

uint64_t sem_counter(struct sojourn *s, const char *name)
{
	const uint64_t value = counter_of(s, name);

	if (value == UINT64_MAX)
		fail_msg("there is no counter %s", name);
	return value;
}

uint32_t sem_place(struct sojourn *s, const char *id)
{
	struct sojourn_info info;

	assert_int_equal(sem_read(s, id, &info), 0);
	return soj_ref_entry(soj_handle_ref(&s->st, info.handle));
}

void *sem_shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

void sem_unshare(void *shared, size_t bytes)
{
	munmap(shared, bytes);
}

static _Thread_local struct gate *waiters;

static void tell_waiting(const struct soj_step *step)
{
	struct gate *g = waiters;

	if (!g || strcmp(step->label, "lock.waiting") != 0)
		return;
	waiters = NULL;
	gate_post(g);
}

void sem_tell_waiting(struct gate *waiting)
{
	waiters = waiting;
	soj_step_hook = tell_waiting;
}

void sem_end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

bool sem_no_room(struct gate *attempts, uint32_t before, int rc)
{
	gate_post(attempts);
	if (rc != -ENOSPC)
		return false;
	gate_wait(attempts, before + 2);
	return true;
}

void sem_workers(unsigned count, int (*fn)(unsigned i, void *arg), void *arg)
{
	struct gate *begin = sem_shared(sizeof(*begin));
	unsigned bad = 0;

	fflush(NULL);
	for (unsigned i = 0; i < count; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid > 0)
			continue;
		gate_meet(begin, count);
		_exit(fn(i, arg) == 0 ? 0 : 1);
	}
	for (unsigned i = 0; i < count; i++) {
		int status;

		assert_true(wait(&status) > 0);
		bad += !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	sem_unshare(begin, sizeof(*begin));
	assert_int_equal(bad, 0);
}
