/* SPDX-License-Identifier: MIT */

/*
 * What takes longer when there are more sessions: filling a segment, attaching
 * to it, a new helper (which builds its timers from the entries),
 * fsck, dump and stat.
 *
 *	bench_growth SESSIONS FOLDER
 *
 * Prints "WHAT<tab>SESSIONS<tab>MILLISECONDS" lines.  The key file goes to
 * FOLDER; the commands are those beside this program.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "helper/expiry.h"
#include "session/handle.h"

#define VALUE_BYTES 256u

static uint64_t sessions;
static char name[64], key_file[512], here[512];

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void say(const char *what, double begin_ms)
{
	printf("%s\t%" PRIu64 "\t%.2f\n", what, sessions, now_ms() - begin_ms);
	fflush(stdout);
}

static int fail(const char *what)
{
	fprintf(stderr, "bench_growth: %s: %s\n", what, sojourn_error_text());
	return -1;
}

static int make(struct sojourn **s)
{
	struct sojourn_options o;

	sojourn_options_init(&o);
	o.entries_max = (uint32_t)sessions + 1024;
	o.segment_bytes = (UINT64_C(32) << 20) + sessions * 560;
	o.ttl_ms = 3600000;
	o.idle_timeout_ms = 1800000;
	o.helper = SOJOURN_HELPER_EXTERNAL;
	o.key_file = key_file;
	return sojourn_create(name, &o, s) < 0 ? fail("create") : 0;
}

static int fill(struct sojourn *s, char *id)
{
	char subject[32], data[VALUE_BYTES] = "";
	const struct sojourn_new what = {
		.subject = subject,
		.data = data,
		.data_bytes = sizeof(data),
	};

	for (uint64_t i = 0; i < sessions; i++) {
		snprintf(subject, sizeof(subject), "u%" PRIu64, i);
		if (sojourn_session_create(s, &what, id, NULL) < 0)
			return fail("a session");
	}
	return 0;
}

static int attach_and_read(const char *id)
{
	const struct sojourn_attach_options how = {.key_file = key_file};
	char data[VALUE_BYTES];
	size_t bytes = sizeof(data);
	struct sojourn *s;
	double begin_ms = now_ms();

	if (sojourn_attach(name, &how, &s) < 0)
		return fail("attach");
	say("attach", begin_ms);
	if (sojourn_session_read(s, id, NULL, data, &bytes, NULL) < 0)
		return fail("the first read");
	say("attach and read", begin_ms);
	sojourn_detach(s);
	return 0;
}

static int build_timers(struct sojourn *s)
{
	struct soj_self *self = soj_self(s);
	struct soj_expiry ex;
	double begin_ms = now_ms();
	uint64_t armed;

	if (soj_expiry_init(&ex, &s->st, &self->w, 8) < 0)
		return fail("the timers");
	armed = soj_expiry_rebuild(&ex);
	say("timers", begin_ms);
	soj_expiry_deinit(&ex);
	if (armed == sessions)
		return 0;
	fprintf(stderr, "bench_growth: %" PRIu64 " timers\n", armed);
	return -1;
}

/* Runs "HERE/PROGRAM [VERB] NAME" with its output thrown away. */
static int run(char *program, char *verb)
{
	char *const argv[] = {program, verb ? verb : name, verb ? name : NULL,
			      NULL};
	const double begin_ms = now_ms();
	char path[600];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", here, program);
	pid = fork();
	if (pid == 0) {
		const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDOUT_FILENO);
		execv(path, argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	say(verb ? verb : program, begin_ms);
	if (status == 0)
		return 0;
	fprintf(stderr, "bench_growth: %s: status %x\n", path, status);
	return -1;
}

static int commands(void)
{
	char tool[] = "sojourn", helper[] = "sojournd";
	char verbs[3][8] = {"fsck", "dump", "stat"};

	for (unsigned i = 0; i < 3; i++)
		if (run(tool, verbs[i]) < 0)
			return -1;
	/* Its first process ends when the helper is at work. */
	return run(helper, NULL);
}

int main(int argc, char **argv)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s;
	double begin_ms;
	int rc;

	if (argc != 3) {
		fprintf(stderr, "usage: bench_growth SESSIONS FOLDER\n");
		return 64;
	}
	sessions = strtoull(argv[1], NULL, 10);
	snprintf(name, sizeof(name), "bench-growth.%d", (int)getpid());
	snprintf(key_file, sizeof(key_file), "%s/%s.key", argv[2], name);
	if (readlink("/proc/self/exe", here, sizeof(here) - 1) < 0)
		return 1;
	dirname(here);
	begin_ms = now_ms();
	if (make(&s) < 0)
		return 1;
	say("create", begin_ms);
	begin_ms = now_ms();
	rc = fill(s, id);
	if (rc == 0)
		say("fill", begin_ms);
	if (rc == 0)
		rc = build_timers(s);
	if (rc == 0)
		rc = attach_and_read(id);
	if (rc == 0)
		rc = commands();
	if (sojourn_destroy(name) < 0)
		rc = fail("destroy");
	sojourn_detach(s);
	unlink(key_file);
	return rc < 0;
}
