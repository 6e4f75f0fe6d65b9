/* SPDX-License-Identifier: MIT */

/*
 * The sojournd program: how it starts, what it says, why it ends.
 */

#include "lib_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "store/event.h"

static char program[4096];
static struct scene sc;
static int ears = -1; /* hears what it tells its service manager */
static pid_t child;   /* what the test has started, 0: reaped */

static int setup(void **state)
{
	(void)state;
	child = 0;
	scene_open(&sc, shm_name("d"), 1000, 16, 0);
	return 0;
}

static int setup_anonymous(void **state)
{
	(void)state;
	child = 0;
	scene_open(&sc, NULL, 1000, 16, 0);
	return 0;
}

static int teardown(void **state)
{
	pid_t helper = scene_helper(&sc);

	(void)state;
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	/* A daemon is not our child: the segment tells who it is. */
	if (helper > 0 && helper != getpid())
		kill(helper, SIGKILL);
	if (ears >= 0)
		close(ears);
	ears = -1;
	scene_close(&sc);
	return 0;
}

/* Starts it with up to five arguments; errors go to err_fd if >= 0. */
static pid_t start(int err_fd, const char *const *args)
{
	char *argv[8] = {program};
	pid_t pid;

	for (unsigned i = 0; i < 6 && args[i]; i++)
		argv[i + 1] = strdup(args[i]);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (err_fd >= 0)
			dup2(err_fd, STDERR_FILENO);
		execv(program, argv);
		_exit(127);
	}
	for (unsigned i = 1; i < 8; i++)
		free(argv[i]);
	return child = pid;
}

#define START(...) start(-1, (const char *const[]){__VA_ARGS__, NULL})

/* Its exit code, or minus the signal. */
static int result(void)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	child = 0;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* The exit code, and the error text it must contain. */
static void fails(int code, const char *text, const char *const *args)
{
	char said[2048] = "";
	size_t used = 0;
	ssize_t got;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	start(ends[1], args);
	close(ends[1]);
	while ((got = read(ends[0], said + used, sizeof(said) - 1 - used)) > 0)
		used += (size_t)got;
	close(ends[0]);
	assert_int_equal(result(), code);
	if (!strstr(said, text))
		fail_msg("\"%s\" does not contain \"%s\"", said, text);
}

#define FAILS(code, text, ...) \
	fails(code, text, (const char *const[]){__VA_ARGS__, NULL})

/* ---- what it tells a service manager ---- */

static int listen_at(const char *address)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t bytes = strlen(address);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(un.sun_path, address, bytes);
	if (address[0] == '@')
		un.sun_path[0] = 0;
	assert_int_equal(
		bind(fd, (struct sockaddr *)&un,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				 bytes)),
		0);
	setenv("NOTIFY_SOCKET", address, 1);
	return fd;
}

/* Readable when that process has ended, whoever's child it is. */
static int end_of(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	assert_true(fd >= 0);
	return fd;
}

/* Until there is something to hear, or nobody is left to say it. */
static void listen_to_child(int fd)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
			       {.fd = end_of(child), .events = POLLIN}};

	assert_true(poll(fds, 2, -1) > 0);
	close(fds[1].fd);
	if (fds[0].revents == 0)
		fail_msg("it has ended");
}

/* Waits for a message that contains the text. */
static void hears(int fd, const char *text)
{
	char said[1024];

	for (unsigned i = 0; i < 100; i++) {
		ssize_t got;

		listen_to_child(fd);
		got = recv(fd, said, sizeof(said) - 1, 0);
		assert_true(got >= 0);
		said[got] = 0;
		if (strstr(said, text))
			return;
	}
	fail_msg("never heard %s", text);
}

/* Starts one that tells how it is; where, listen_at() has set. */
static void start_watched(void)
{
	setenv("WATCHDOG_USEC", "1000", 1);
	START("--foreground", sc.name);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
}

/* Starts one that serves, and tells at ears that it does: each round that both
 * of its threads have made, among others. */
static void serve(void)
{
	char address[300];

	snprintf(address, sizeof(address), "@%s.served", sc.name);
	ears = listen_at(address);
	start_watched();
	hears(ears, "READY=1");
	assert_int_equal(scene_helper(&sc), child);
}

#define EVENTUALLY(what) \
	while (!(what))  \
	hears(ears, "WATCHDOG=1")

/* A daemon tells nobody what it does, and is no child of ours: two minutes of
 * looking, if each nap takes what it says. */
static void look_for_expirations(uint64_t count)
{
	const struct timespec nap = {.tv_nsec = 5000000};

	for (unsigned i = 0; i < 18000; i++) {
		if (scene_count(&sc, SOJ_COUNT_expirations) == count)
			return;
		nanosleep(&nap, NULL);
	}
	fail_msg("the daemon has ended nothing");
}

/* fd: of end_of(), from when it lived. */
static void await_end(int fd)
{
	struct pollfd end = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&end, 1, -1), 1);
	close(fd);
}

static uint64_t make(uint64_t expires_ms)
{
	const struct soj_times times = {
		.created_ms = 1, .accessed_ms = 1, .expires_ms = expires_ms};

	return scene_make(&sc, &times);
}

static void sigterm_is_a_clean_end(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		serve();
		assert_int_equal(scene_attached(&sc), 3);
		kill(child, signals[i]);
		assert_int_equal(result(), 0);
		close(ears);
		ears = -1;
		/* Given back by itself: nobody else is there to reap. */
		assert_int_equal(scene_attached(&sc), 1);
		assert_int_equal(scene_role_slot(&sc), SOJ_SLOT_NONE);
	}
}

static void sighup_is_no_end(void **state)
{
	(void)state;
	serve();
	kill(child, SIGHUP);
	make(soj_seg_now_ms(&sc.st.seg) + 1);
	EVENTUALLY(scene_count(&sc, SOJ_COUNT_expirations) == 1);
	kill(child, SIGTERM);
	assert_int_equal(result(), 0);
}

/* A shell starts what runs in the background with SIGINT ignored. */
static void ignored_signals_are_heard(void **state)
{
	(void)state;
	signal(SIGINT, SIG_IGN);
	serve();
	signal(SIGINT, SIG_DFL);
	kill(child, SIGINT);
	assert_int_equal(result(), 0);
}

static void destroyed_segment_is_the_end(void **state)
{
	struct soj_seg_error err;

	(void)state;
	serve();
	assert_int_equal(soj_seg_destroy(sc.name, &err), 0);
	assert_int_equal(result(), 0);
	assert_int_equal(scene_attached(&sc), 1);
}

/* By rm, or by who cleans up behind a user: it stays for those who are there. */
static void removed_segment_is_the_end(void **state)
{
	(void)state;
	serve();
	assert_int_equal(unlink(shm_path(sc.name)), 0);
	make(soj_seg_now_ms(&sc.st.seg) + 1);
	EVENTUALLY(scene_count(&sc, SOJ_COUNT_expirations) == 1);
	for (unsigned i = 0; i < 8; i++)
		hears(ears, "WATCHDOG=1");
	soj_worker_deinit(&sc.st, &sc.w);
	assert_int_equal(result(), 0);
	soj_worker_init(&sc.w);
	assert_int_equal(soj_slot_claim(&sc.st.seg, &sc.w.thr), 0);
}

static void daemon_is_ready_when_its_parent_ends(void **state)
{
	pid_t helper, parent;
	int end;
	char path[64], target[64] = "";
	struct soj_seg_error err;

	(void)state;
	parent = START("--tick", "4ms", sc.name);
	assert_int_equal(result(), 0);
	helper = scene_helper(&sc);
	assert_true(helper > 0 && helper != parent);
	assert_int_equal(scene_attached(&sc), 3);
	/* Another session and group, no terminal, no directory. */
	assert_int_not_equal(getsid(helper), getsid(0));
	assert_int_not_equal(getsid(helper), helper);
	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)helper);
	assert_int_equal(readlink(path, target, sizeof(target) - 1), 1);
	assert_string_equal(target, "/");
	for (unsigned fd = 0; fd < 3; fd++) {
		memset(target, 0, sizeof(target));
		snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)helper, fd);
		assert_true(readlink(path, target, sizeof(target) - 1) > 0);
		assert_string_equal(target, "/dev/null");
	}
	make(soj_seg_now_ms(&sc.st.seg) + 1);
	look_for_expirations(1);
	end = end_of(helper);
	assert_int_equal(soj_seg_destroy(sc.name, &err), 0);
	await_end(end);
	assert_int_equal(scene_attached(&sc), 1);
}

static void daemon_says_why_it_failed(void **state)
{
	char name[300];

	(void)state;
	snprintf(name, sizeof(name), "%s-none", sc.name);
	FAILS(EX_NOINPUT, "does not exist", name);
	FAILS(EX_NOINPUT, "does not exist", "--foreground", name);
	FAILS(EX_USAGE, "segment name", "no/name");
	FAILS(EX_USAGE, "which segment", "--foreground");
	FAILS(EX_USAGE, "one segment only", "a", "b");
	FAILS(EX_USAGE, "1 to 10", "--tick", "11ms", sc.name);
	FAILS(EX_USAGE, "1 to 10", "--tick", "8s", sc.name);
	FAILS(EX_USAGE, "--fd", "--fd", "x");
	FAILS(EX_USAGE, "not open", "--life-fd", "77", sc.name);
	FAILS(EX_USAGE, "descriptor 77 is not open", "--fd", "77");
	/* Nor is what it opens itself the segment. */
	for (unsigned fd = 3; fd < 7; fd++) {
		char number[4], text[64];

		fcntl((int)fd, F_SETFD, FD_CLOEXEC);
		snprintf(number, sizeof(number), "%u", fd);
		snprintf(text, sizeof(text), "descriptor %u is not open", fd);
		FAILS(EX_USAGE, text, "--fd", number);
	}
	assert_int_equal(chmod(shm_path(sc.name), 0666), 0);
	FAILS(EX_NOPERM, "mode", sc.name);
	assert_int_equal(chmod(shm_path(sc.name), 0600), 0);
}

static void no_slot_is_a_temporary_failure(void **state)
{
	struct soj_worker w[14];

	(void)state;
	for (unsigned i = 0; i < 14; i++) {
		soj_worker_init(&w[i]);
		assert_int_equal(soj_slot_claim(&sc.st.seg, &w[i].thr), 0);
	}
	FAILS(EX_TEMPFAIL, "--threads-max", sc.name);
	FAILS(EX_TEMPFAIL, "16 thread slots", "--foreground", sc.name);
	for (unsigned i = 0; i < 14; i++)
		soj_worker_deinit(&sc.st, &w[i]);
	assert_int_equal(scene_attached(&sc), 1);
}

/* The inherited segment, until the last one lets go of the pipe. */
static void life_pipe_ends_it(void **state)
{
	char seg_fd[16], life_fd[16];
	int ends[2], end;
	pid_t helper;

	(void)state;
	/* Inherited on purpose: the helper must let go of its own copy. */
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(sc.st.seg.fd, F_SETFD, 0), 0);
	snprintf(seg_fd, sizeof(seg_fd), "%d", sc.st.seg.fd);
	snprintf(life_fd, sizeof(life_fd), "%d", ends[0]);
	START("--fd", seg_fd, "--life-fd", life_fd);
	assert_int_equal(result(), 0);
	close(ends[0]);
	helper = scene_helper(&sc);
	assert_true(helper > 0);
	/* What is written there is no end. */
	assert_int_equal(write(ends[1], "x", 1), 1);
	make(soj_seg_now_ms(&sc.st.seg) + 1);
	look_for_expirations(1);
	assert_int_equal(scene_attached(&sc), 3);
	end = end_of(helper);
	close(ends[1]);
	await_end(end);
	assert_int_equal(scene_attached(&sc), 1);
}

/* ---- the service manager ---- */

static void service_manager_is_told(void **state)
{
	char path[300], address[300];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/%s.notify", sc.name);
	snprintf(address, sizeof(address), "@%s.notify", sc.name);
	for (unsigned i = 0; i < 2; i++) {
		int fd = listen_at(i ? address : path);

		START("--foreground", sc.name);
		unsetenv("NOTIFY_SOCKET");
		hears(fd, "READY=1");
		assert_true(scene_helper(&sc) == child);
		hears(fd, "STATUS=Serving segment");
		kill(child, SIGHUP);
		hears(fd, "STATUS=SIGHUP ignored");
		kill(child, SIGTERM);
		hears(fd, "STOPPING=1");
		assert_int_equal(result(), 0);
		close(fd);
	}
	unlink(path);
}

static void standby_is_told(void **state)
{
	char address[300];
	pid_t first;
	int fd;

	(void)state;
	serve();
	first = child;
	snprintf(address, sizeof(address), "@%s.standby", sc.name);
	fd = listen_at(address);
	start_watched();
	hears(fd, "STATUS=Standing by");
	hears(fd, "WATCHDOG=1");
	kill(first, SIGKILL);
	assert_int_equal(waitpid(first, NULL, 0), first);
	hears(fd, "STATUS=Serving");
	hears(fd, "WATCHDOG=1");
	assert_int_equal(scene_helper(&sc), child);
	kill(child, SIGTERM);
	assert_int_equal(result(), 0);
	close(fd);
}

/* A daemon that a library started is not the service that the library is in:
 * nothing may be said in its name. */
static void others_service_is_not_told(void **state)
{
	char address[300], said[64];
	struct soj_seg_error err;
	pid_t helper;
	int fd, end;

	(void)state;
	snprintf(address, sizeof(address), "@%s.others", sc.name);
	fd = listen_at(address);
	START(sc.name);
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(result(), 0);
	helper = scene_helper(&sc);
	end = end_of(helper);
	assert_int_equal(soj_seg_destroy(sc.name, &err), 0);
	await_end(end);
	assert_int_equal(scene_attached(&sc), 1);
	assert_int_equal(recv(fd, said, sizeof(said), MSG_DONTWAIT), -1);
	close(fd);
}

/* ---- the audit log ---- */

static int setup_with_events(void **state)
{
	(void)state;
	child = 0;
	scene_open_events(&sc, shm_name("d"), 1000, 16, 0, 64);
	return 0;
}

/* That there is no room for the log is said, and is no end. */
static void file_size_limit_is_no_end(void **state)
{
	const struct soj_event_what what = {.type = SOJ_EVENT_CLEARED};
	char address[300], path[300];
	struct rlimit before, little;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/%s.audit", sc.name);
	snprintf(address, sizeof(address), "@%s.full", sc.name);
	for (unsigned i = 0; i < 40; i++)
		soj_event_tell(&sc.st, &sc.w, &what);
	ears = listen_at(address);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	little = before;
	little.rlim_cur = 1000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	setenv("WATCHDOG_USEC", "1000", 1);
	START("--foreground", "--audit", path, sc.name);
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	unsetenv("NOTIFY_SOCKET");
	hears(ears, "File too large");
	kill(child, SIGTERM);
	assert_int_equal(result(), 0);
	unlink(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(sigterm_is_a_clean_end),
		TEST(sighup_is_no_end),
		TEST(ignored_signals_are_heard),
		TEST(destroyed_segment_is_the_end),
		TEST(removed_segment_is_the_end),
		TEST(daemon_is_ready_when_its_parent_ends),
		TEST(daemon_says_why_it_failed),
		TEST(no_slot_is_a_temporary_failure),
		cmocka_unit_test_setup_teardown(life_pipe_ends_it,
						setup_anonymous, teardown),
		TEST(service_manager_is_told),
		cmocka_unit_test_setup_teardown(file_size_limit_is_no_end,
						setup_with_events, teardown),
		TEST(standby_is_told),
		TEST(others_service_is_not_told),
	};
	const char *bin = getenv("SOJOURN_BIN");

	snprintf(program, sizeof(program), "%s/sojournd", bin ? bin : ".");
	if (access(program, X_OK) != 0) {
		fprintf(stderr, "skipped, %s was not built\n", program);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, shm_teardown);
}
