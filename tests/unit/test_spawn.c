/* SPDX-License-Identifier: MIT */

/*
 * The helper that creating a segment starts: where it is looked for, which
 * answer there is when it does not come up, and that it ends with its segment.
 *
 * Which programs there are is what access() and readlink() say here.
 */

/* The checked ones would be called in the place of those below. */
#undef _FORTIFY_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sojourn/sojourn.h>
#include <sojourn/stat.h>

#include "rcu/rcu.h"
#include "session/handle.h"

static char program[512], folder[64];

/* ---- which programs there are ---- */

static bool pretending;
static const char *there;   /* the one program; NULL: none */
static const char *running; /* this program; NULL: nobody knows */

int access(const char *path, int mode)
{
	if (!pretending)
		return (int)syscall(SYS_access, path, mode);
	if (there && strcmp(path, there) == 0)
		return 0;
	errno = ENOENT;
	return -1;
}

ssize_t readlink(const char *path, char *buf, size_t bytes)
{
	size_t n;

	if (!pretending)
		return syscall(SYS_readlink, path, buf, bytes);
	assert_string_equal(path, "/proc/self/exe");
	if (!running) {
		errno = ENOENT;
		return -1;
	}
	n = strlen(running);
	if (n > bytes)
		n = bytes;
	memcpy(buf, running, n);
	return (ssize_t)n;
}

ssize_t __readlink_chk(const char *path, char *buf, size_t bytes, size_t room);
ssize_t __readlink_chk(const char *path, char *buf, size_t bytes, size_t room)
{
	assert_true(bytes <= room);
	return readlink(path, buf, bytes);
}

/* What is found when only `only` is there; NULL: nothing, and why is said. */
static const char *find(const char *wanted, const char *only)
{
	static char path[64];
	int rc;

	there = only;
	pretending = true;
	rc = soj_helper_find(wanted, path, sizeof(path));
	pretending = false;
	if (rc == 0)
		return path;
	assert_int_equal(rc, -ENOENT);
	assert_int_equal(sojourn_reason(), SOJOURN_INVALID);
	return NULL;
}

static void as_wanted_or_not_at_all(void **state)
{
	char far[128];

	(void)state;
	running = "/opt/shop/bin/shop";
	memset(far, 'x', sizeof(far));
	far[0] = '/';
	far[sizeof(far) - 1] = 0;
	assert_string_equal(find("/a/d", "/a/d"), "/a/d");
	assert_null(find("/a/d", "/opt/shop/bin/sojournd"));
	assert_non_null(strstr(sojourn_error_text(), "helper_path is /a/d"));
	assert_null(find(far, far));

	assert_int_equal(setenv("SOJOURN_HELPER_PATH", "/b/d", 1), 0);
	assert_string_equal(find(NULL, "/b/d"), "/b/d");
	assert_string_equal(find("/a/d", "/a/d"), "/a/d");
	assert_null(find(NULL, "/opt/shop/bin/sojournd"));
	assert_int_equal(unsetenv("SOJOURN_HELPER_PATH"), 0);
}

static void beside_the_program_first(void **state)
{
	(void)state;
	assert_int_equal(setenv("PATH", "/opt/shop/bin", 1), 0);
	running = "/opt/shop/bin/shop";
	assert_string_equal(find(NULL, "/opt/shop/bin/sojournd"),
			    "/opt/shop/bin/sojournd");
	/* In PATH it is found without that. */
	running = NULL;
	assert_string_equal(find(NULL, "/opt/shop/bin/sojournd"),
			    "/opt/shop/bin/sojournd");
	running = "no-folder";
	assert_string_equal(find(NULL, "/opt/shop/bin/sojournd"),
			    "/opt/shop/bin/sojournd");
	assert_int_equal(setenv("PATH", "/bin", 1), 0);
	assert_null(find(NULL, "/opt/shop/bin/sojournd"));
	/* A place that is too long for its name is none. */
	running = "/a-folder/of-a-name/that-leaves/no-room/for-the-helper/shop";
	assert_null(find(NULL, NULL));
}

static void then_in_the_search_path(void **state)
{
	(void)state;
	running = "/opt/shop/bin/shop";
	assert_int_equal(
		setenv("PATH",
		       "::/a-folder/of-a-name/that-leaves/no-room/for-the/"
		       "helper/at-all:/one:/two:",
		       1),
		0);
	assert_string_equal(find(NULL, "/one/sojournd"), "/one/sojournd");
	assert_string_equal(find(NULL, "/two/sojournd"), "/two/sojournd");
	assert_null(find(NULL, "/three/sojournd"));
	assert_non_null(strstr(sojourn_error_text(), "in PATH"));
	assert_int_equal(unsetenv("PATH"), 0);
	assert_null(find(NULL, "/two/sojournd"));
	assert_int_equal(setenv("PATH", "/usr/bin:/bin", 1), 0);
}

/* ---- starting it ---- */

static const char *name, *key_file; /* NULL: an anonymous segment */

static int create(const char *helper, struct sojourn **s)
{
	struct sojourn_options o;

	sojourn_options_init(&o);
	o.entries_max = 100;
	o.segment_bytes = 2 << 20;
	o.threads_max = 8;
	o.helper_path = helper;
	o.key_file = key_file;
	return sojourn_create(name, &o, s);
}

/* A program in the helper's place that does only that. */
static int create_with(const char *does, struct sojourn **s)
{
	char path[128];
	FILE *script;
	int rc;

	snprintf(path, sizeof(path), "%s/helper", folder);
	script = fopen(path, "we");
	assert_non_null(script);
	fprintf(script, "%s\n", does);
	assert_int_equal(fclose(script), 0);
	assert_int_equal(chmod(path, 0700), 0);
	rc = create(path, s);
	unlink(path);
	return rc;
}

static void fails_with(const char *does, int error, const char *why)
{
	struct sojourn *s = NULL;

	assert_int_equal(create_with(does, &s), error);
	assert_int_equal(sojourn_reason(), SOJOURN_SYSTEM);
	if (!strstr(sojourn_error_text(), why))
		fail_msg("\"%s\" does not say \"%s\"", sojourn_error_text(),
			 why);
	assert_null(s);
}

static void says_why_it_did_not_start(void **state)
{
	(void)state;
	fails_with("#!/bin/sh\nexit 3", -ECHILD, "failed with status 3");
	fails_with("#!/bin/sh\nkill -9 $$", -ECHILD, "failed with status 137");
	fails_with("#!/no/such/program", -ENOENT, "cannot start");
}

/* While its helper failed to start, somebody else made one of that name. */
static void removes_only_its_own(void **state)
{
	char key[128], own[64], does[1600];
	struct sojourn_attach_options o = {.key_file = key};
	const int length = (int)strlen(program) - 1; /* of the tool's path */
	struct sojourn *s = NULL;
	int rc;

	(void)state;
	snprintf(key, sizeof(key), "%s/key", folder);
	snprintf(own, sizeof(own), "spawn-%d", (int)getpid());
	snprintf(does, sizeof(does),
		 "#!/bin/sh\n\"%.*s\" destroy %s\n\"%.*s\" create %s "
		 "--entries 100 --bytes 4MiB --key-file %s --helper none\n"
		 "exit 3",
		 length, program, own, length, program, own, key);
	name = own;
	key_file = key;
	rc = create_with(does, &s);
	name = key_file = NULL;
	assert_int_equal(rc, -ECHILD);
	assert_int_equal(sojourn_attach(own, &o, &s), 0);
	sojourn_detach(s);
	assert_int_equal(sojourn_destroy(own), 0);
	assert_int_equal(unlink(key), 0);
}

/* Who ignores SIGCHLD is not told how its children end. */
static void judged_by_what_it_does(void **state)
{
	struct sojourn *s;

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	fails_with("#!/bin/sh\nexit 0", -ECHILD, "without taking its role");
	assert_int_equal(create(program, &s), 0);
	assert_true(soj_role_held(&s->st.seg));
	sojourn_detach(s);
	signal(SIGCHLD, SIG_DFL);
}

/* What the host prints goes nowhere, and not to the helper. */
static void not_what_the_host_prints_to(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct sojourn *s;

		close(STDIN_FILENO);
		close(STDOUT_FILENO);
		if (create(program, &s) != 0)
			_exit(1);
		_exit(s->life_fd > STDERR_FILENO ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void interrupted(int signo)
{
	(void)signo;
}

/* A signal that comes while the helper starts ends nothing; and the helper
 * ends with the last process of an anonymous segment. */
static void begins_and_ends_with_the_segment(void **state)
{
	const struct sigaction act = {.sa_handler = interrupted};
	char does[640];
	struct sojourn *s;
	unsigned ended = 0;
	int rc, status, ends[2];
	char none;

	(void)state;
	/* It is nobody's child: so it becomes ours. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(sigaction(SIGUSR1, &act, NULL), 0);
	assert_int_equal(pipe(ends), 0);
	/* Above what the helper is given, and closed by what starts it. */
	assert_int_equal(fcntl(ends[1], F_DUPFD, 64), 64);
	snprintf(does, sizeof(does),
		 "#!/bin/sh\n[ ! -e /proc/$$/fd/64 ] || exit 9\n"
		 "kill -USR1 $PPID\nexec \"%s\" \"$@\"",
		 program);
	rc = create_with(does, &s);
	close(64);
	close(ends[1]);
	assert_int_equal(rc, 0);
	assert_true(soj_role_held(&s->st.seg));
	assert_int_equal(read(ends[0], &none, 1), 0);
	close(ends[0]);
	sojourn_detach(s);
	/* It alone: what started it was waited for. */
	while (waitpid(-1, &status, 0) > 0)
		ended += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	assert_int_equal(errno, ECHILD);
	assert_int_equal(ended, 1);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static int make_folder(void **state)
{
	const char *bin = getenv("SOJOURN_BIN");

	(void)state;
	snprintf(program, sizeof(program), "%s/sojournd", bin ? bin : ".");
	strcpy(folder, "/tmp/test-spawn-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_wanted_or_not_at_all),
		cmocka_unit_test(beside_the_program_first),
		cmocka_unit_test(then_in_the_search_path),
		cmocka_unit_test(says_why_it_did_not_start),
		cmocka_unit_test(removes_only_its_own),
		cmocka_unit_test(judged_by_what_it_does),
		cmocka_unit_test(not_what_the_host_prints_to),
		cmocka_unit_test(begins_and_ends_with_the_segment),
	};

	unsetenv("SOJOURN_HELPER_PATH");
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
