/* SPDX-License-Identifier: MIT */

/*
 * Where a segment may be made and used: a tmpfs that is too small, a memory
 * group that is full, another user, a host whose numbers of processes come round
 * quickly, whose date is set, and whose containers have clocks of their own.
 * Each place is a process of its own, with name spaces of its own: the host's
 * date, mounts, users and numbers stay as they are.
 *
 *   inject_places [--list] [PLACE...]
 *
 * A place that this host does not let us make is told and counted as skipped.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sojourn/lock.h>
#include <sojourn/token.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define SKIPPED 77
#define NOBODY  65534u
#define DAEMON  1u
#define YEAR_S  (365 * INT64_C(86400))

/* In a place's process: what is not so ends it. */
#define MUST(what)                                                         \
	do {                                                               \
		if (!(what)) {                                             \
			printf("%s:%d: %s is not so (%s; %s)\n", __FILE__, \
			       __LINE__, #what, strerrorname_np(errno),    \
			       sojourn_error_text());                      \
			fflush(stdout);                                    \
			_exit(1);                                          \
		}                                                          \
	} while (0)

static char name[64], segment_file[128], folder[64], key_file[192];

static struct sojourn_options options(void)
{
	struct sojourn_options o;

	sojourn_options_init(&o);
	o.entries_max = 100;
	o.threads_max = 8;
	o.segment_bytes = 2u << 20;
	o.helper = SOJOURN_HELPER_NONE;
	o.key_file = key_file;
	return o;
}

static int make(const struct sojourn_options *o, struct sojourn **s)
{
	return sojourn_create(name, o, s);
}

static int attach(struct sojourn **s)
{
	const struct sojourn_attach_options o = {.key_file = key_file};

	return sojourn_attach(name, &o, s);
}

static void login(struct sojourn *s, char id[SOJOURN_ID_CHARS_MAX + 1])
{
	const struct sojourn_new n = {.subject = "anna",
				      .data = "cart",
				      .data_bytes = 4,
				      .ttl_ms = 3600000};

	MUST(sojourn_session_create(s, &n, id, NULL) == 0);
}

static int read_it(struct sojourn *s, const char *id)
{
	return sojourn_session_read(s, id, NULL, NULL, NULL, NULL);
}

static int put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool put = fd >= 0 &&
		   write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return put ? 0 : -1;
}

/* Runs fn in a child; its exit code, or -signal. */
static int apart(int (*fn)(void *arg), void *arg)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(fn(arg));
	MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* ---- too little room ---- */

static int tmpfs_of_64_kib(void)
{
	struct sojourn_options o = options();
	struct statvfs before, after;
	struct sojourn *s;

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/dev/shm", "tmpfs", 0, "size=64k") < 0)
		return SKIPPED;
	MUST(statvfs("/dev/shm", &before) == 0 &&
	     before.f_blocks * before.f_frsize == 65536);
	MUST(make(&o, &s) == -ENOSPC);
	MUST(strstr(sojourn_error_text(), "64.0 KiB free"));
	MUST(access(segment_file, F_OK) < 0);
	MUST(statvfs("/dev/shm", &after) == 0 &&
	     after.f_bfree == before.f_bfree &&
	     after.f_ffree == before.f_ffree);
	MUST(attach(&s) == -ENOENT);
	return 0;
}

static int make_too_much(void *arg)
{
	struct sojourn_options o = options();
	struct sojourn *s;

	o.segment_bytes = *(const uint64_t *)arg;
	MUST(make(&o, &s) == -ENOMEM);
	MUST(access(segment_file, F_OK) < 0);
	o.segment_bytes = 2u << 20;
	MUST(make(&o, &s) == 0);
	sojourn_detach(s);
	MUST(sojourn_destroy(name) == 0);
	return 0;
}

/* A group of 16 MiB below ours, where the kernel lets us make one. */
static int memory_group(void)
{
	const char *group = "/sys/fs/cgroup/sojourn-places";
	uint64_t bytes = 64u << 20;
	char path[128], number[32];
	int rc;

	if (access("/sys/fs/cgroup/cgroup.controllers", R_OK) < 0 ||
	    mkdir(group, 0700) < 0)
		return SKIPPED;
	snprintf(path, sizeof(path), "%s/memory.max", group);
	if (put_text(path, "16777216") < 0) {
		rmdir(group);
		return SKIPPED;
	}
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	rc = put_text(path, number) < 0 ? SKIPPED
					: apart(make_too_much, &bytes);
	put_text("/sys/fs/cgroup/cgroup.procs", number);
	rmdir(group);
	return rc;
}

/* ---- another user ---- */

static void become(uid_t uid)
{
	MUST(setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 &&
	     setresuid(uid, uid, uid) == 0);
}

static unsigned mode_of(const char *path, uid_t owner)
{
	struct stat st;

	MUST(stat(path, &st) == 0 && st.st_uid == owner);
	return st.st_mode & 07777;
}

static int foreigner(void *arg)
{
	struct sojourn_options o = options();
	struct sojourn *s;

	become(*(const uid_t *)arg);
	MUST(attach(&s) == -EACCES);
	MUST(sojourn_destroy(name) == -EACCES);
	MUST(make(&o, &s) < 0);
	return 0;
}

/* Its own segment and key, by the default paths of a user. */
static int as_nobody(void *arg)
{
	struct sojourn_options o = options();
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s;

	(void)arg;
	become(NOBODY);
	umask(0);
	setenv("XDG_STATE_HOME", folder, 1);
	o.key_file = NULL;
	MUST(make(&o, &s) == 0);
	login(s, id);
	sojourn_detach(s);
	MUST(mode_of(segment_file, NOBODY) == 0600);
	MUST(mode_of(key_file, NOBODY) == 0600);
	MUST(attach(&s) == 0);
	MUST(read_it(s, id) == 0);
	sojourn_detach(s);
	return 0;
}

static int other_users(void)
{
	struct sojourn_options o = options();
	uid_t uid = NOBODY;
	struct sojourn *s;

	if (geteuid() != 0)
		return SKIPPED;
	/* What root made is nobody's business. */
	MUST(make(&o, &s) == 0);
	sojourn_detach(s);
	MUST(mode_of(segment_file, 0) == 0600 && mode_of(key_file, 0) == 0600);
	MUST(apart(foreigner, &uid) == 0);
	MUST(sojourn_destroy(name) == 0 && unlink(key_file) == 0);
	/* Nor the other way round: root does not trust what a user made. */
	MUST(chown(folder, NOBODY, NOBODY) == 0);
	snprintf(key_file, sizeof(key_file), "%s/sojourn/%s.key", folder, name);
	MUST(apart(as_nobody, NULL) == 0);
	uid = DAEMON;
	MUST(apart(foreigner, &uid) == 0);
	MUST(attach(&s) == -EACCES);
	MUST(strstr(sojourn_error_text(), "65534") &&
	     strstr(sojourn_error_text(), ".key") == NULL);
	MUST(unlink(segment_file) == 0);
	return 0;
}

/* ---- a number that comes again ---- */

static int pipes[2];

/* Takes the lock of a session, says so, and never gives it back. */
static int hold_lock(struct sojourn *s, const char *id)
{
	uint64_t fence;
	char done = 1;

	MUST(sojourn_session_lock(s, id, 0, 0, &fence) == 0);
	MUST(write(pipes[1], &done, 1) == 1);
	for (;;)
		pause();
}

/* A stranger with the number of one that is gone: it does not know the library,
 * nor the C library of it. */
static pid_t stranger_with(pid_t number)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&number,
		.set_tid_size = 1,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	while (pid == 0)
		syscall(SYS_pause);
	return (pid_t)pid;
}

/* A worker with such a number, that takes the lock of a session. */
static pid_t worker_with(pid_t number, struct sojourn *s, const char *id)
{
	char last[32];
	pid_t pid;

	snprintf(last, sizeof(last), "%d", (int)number - 1);
	if (put_text("/proc/sys/kernel/ns_last_pid", last) < 0)
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(hold_lock(s, id));
	return pid;
}

static pid_t killed_holder(struct sojourn *s, const char *id)
{
	pid_t pid = fork();
	char done;

	if (pid == 0)
		_exit(hold_lock(s, id));
	MUST(pid > 0 && read(pipes[0], &done, 1) == 1);
	MUST(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	return pid;
}

static int needs_slot(void *arg)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];

	login(arg, id);
	return 0;
}

/* Process 1 of a name space: the dead one's lock and its slot are free at once,
 * whoever has its number now. */
static int numbered(void *arg)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s = arg;
	pid_t dead, stranger;
	uint64_t fence;

	MUST(pipe2(pipes, O_CLOEXEC) == 0);
	for (unsigned i = 0; i < 20; i++) {
		login(s, id);
		dead = killed_holder(s, id);
		stranger = stranger_with(dead);
		if (stranger < 0)
			return SKIPPED;
		MUST(stranger == dead && kill(dead, 0) == 0);
		MUST(sojourn_session_lock(s, id, 0, 0, &fence) == 0);
		MUST(sojourn_session_unlock(s, id, fence) == 0);
		/* There are two slots, and this process has one. */
		MUST(apart(needs_slot, s) == 0);
		MUST(kill(stranger, SIGKILL) == 0 &&
		     waitpid(stranger, NULL, 0) == stranger);
	}
	return 0;
}

/* And if the one with its number is a worker, that one is not taken for dead. */
static int numbered_worker(void *arg)
{
	char id[SOJOURN_ID_CHARS_MAX + 1], done;
	struct sojourn *s = arg;
	pid_t dead, worker;
	uint64_t fence;

	MUST(pipe2(pipes, O_CLOEXEC) == 0);
	for (unsigned i = 0; i < 20; i++) {
		login(s, id);
		dead = killed_holder(s, id);
		worker = worker_with(dead, s, id);
		if (worker < 0)
			return SKIPPED;
		MUST(worker == dead && read(pipes[0], &done, 1) == 1);
		MUST(sojourn_session_lock(s, id, 0, 0, &fence) == -EBUSY);
		MUST(kill(worker, SIGKILL) == 0 &&
		     waitpid(worker, NULL, 0) == worker);
		MUST(sojourn_session_lock(s, id, 0, 0, &fence) == 0);
		MUST(sojourn_session_unlock(s, id, fence) == 0);
	}
	return 0;
}

static int numbers_come_again(void)
{
	struct sojourn_options o = options();
	struct sojourn *s;
	int rc;

	o.threads_max = 2;
	MUST(sojourn_create(NULL, &o, &s) == 0);
	if (unshare(CLONE_NEWPID) < 0)
		return SKIPPED;
	rc = apart(numbered, s);
	sojourn_detach(s);
	return rc;
}

static int numbers_of_workers(void)
{
	struct sojourn_options o = options();
	struct sojourn *s;

	o.threads_max = 3;
	MUST(sojourn_create(NULL, &o, &s) == 0);
	if (unshare(CLONE_NEWPID) < 0)
		return SKIPPED;
	return apart(numbered_worker, s);
}

/* ---- clocks ---- */

static struct {
	int64_t step_s;
	unsigned asked;
} date;

/* All who ask here for the date get one that is set as this test likes; the
 * other clocks go on. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, ts);

	if (rc == 0 && clock == CLOCK_REALTIME) {
		ts->tv_sec += date.step_s;
		date.asked++;
	}
	return rc;
}

static struct sojourn_tokens *tokens_of(struct sojourn *s)
{
	const struct sojourn_key key = {
		.form = SOJOURN_KEY_RAW,
		.alg = SOJOURN_TOKEN_HS256,
		.text = "of thirty-two bytes and no secret",
		.text_bytes = 32};
	struct sojourn_token_options o;
	struct sojourn_tokens *t;
	struct sojourn_keys *keys;

	sojourn_token_options_init(&o);
	o.issuer = o.audience = "i";
	MUST(sojourn_keys_create(&key, 1, NULL, false, &keys) == 0);
	MUST(sojourn_tokens_open(s, keys, &o, &t) == 0);
	return t;
}

/* Sessions do not know the date; an access token, which says until when it is
 * good, does: by that one sees that the date has been set. */
static int date_is_set(void)
{
	static const int64_t steps[] = {YEAR_S, -YEAR_S, 30 * YEAR_S, 1, 0};
	const struct sojourn_token_new pair = {.subject = "anna"};
	struct sojourn_options o = options();
	char id[SOJOURN_ID_CHARS_MAX + 1], access[1024];
	struct sojourn_tokens *t;
	size_t bytes = sizeof(access);
	struct sojourn_info info;
	struct sojourn *s;
	uint64_t now_ms;

	MUST(sojourn_create(NULL, &o, &s) == 0);
	t = tokens_of(s);
	login(s, id);
	MUST(sojourn_token_create(t, &pair, access, &bytes, NULL, NULL) == 0);
	now_ms = sojourn_now_ms(s);
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int verified;

		date.step_s = steps[i];
		MUST(sojourn_session_read(s, id, NULL, NULL, NULL, &info) == 0);
		/* An hour's session, and a test of seconds. */
		MUST(info.expires_ms == info.created_ms + 3600000);
		MUST(sojourn_now_ms(s) >= now_ms &&
		     sojourn_now_ms(s) < now_ms + 3600000);
		MUST(sojourn_prune(s) == 0);
		verified = sojourn_token_verify(t, access, bytes, NULL, NULL,
						NULL);
		MUST(verified == (steps[i] > 1 || steps[i] < 0 ? -EACCES : 0));
	}
	MUST(date.asked > 0);
	return 0;
}

static int in_other_time(void *arg)
{
	struct sojourn *s;

	(void)arg;
	MUST(attach(&s) == -EXDEV);
	return 0;
}

static int time_name_space(void)
{
	struct sojourn_options o = options();
	struct sojourn *s;
	int rc;

	MUST(make(&o, &s) == 0);
	sojourn_detach(s);
	if (unshare(CLONE_NEWTIME) < 0 ||
	    put_text("/proc/self/timens_offsets", "boottime 100000 0\n") < 0)
		rc = SKIPPED;
	else
		rc = apart(in_other_time, NULL);
	/* The file is as it was, for those of its own time. */
	MUST(access(segment_file, F_OK) == 0);
	return rc;
}

/* ---- all of them ---- */

static const struct place {
	const char *name;
	int (*run)(void);
} places[] = {
	{"tmpfs of 64 KiB", tmpfs_of_64_kib},
	{"memory group", memory_group},
	{"other users", other_users},
	{"numbers come again", numbers_come_again},
	{"numbers of workers come again", numbers_of_workers},
	{"date is set", date_is_set},
	{"time name space", time_name_space},
};

#define PLACES (sizeof(places) / sizeof(places[0]))

static int run_place(void *arg)
{
	return ((const struct place *)arg)->run();
}

static void clean_up(void)
{
	char path[192];

	unlink(segment_file);
	unlink(key_file);
	snprintf(path, sizeof(path), "%s/sojourn/%s.key", folder, name);
	unlink(path);
	snprintf(path, sizeof(path), "%s/sojourn", folder);
	rmdir(path);
	rmdir(folder);
}

/* 0, SKIPPED, or what it ended with. */
static int try_place(const struct place *place)
{
	int rc;

	snprintf(name, sizeof(name), "test-places-%d", (int)getpid());
	snprintf(segment_file, sizeof(segment_file), "/dev/shm/sojourn.%s",
		 name);
	snprintf(folder, sizeof(folder), "/tmp/sojourn-places.XXXXXX");
	if (mkdtemp(folder) == NULL || chmod(folder, 0755) < 0)
		return 1;
	snprintf(key_file, sizeof(key_file), "%s/a.key", folder);
	rc = apart(run_place, (void *)(uintptr_t)place);
	clean_up();
	printf("%-30s %s\n", place->name,
	       rc == 0         ? "ok"
	       : rc == SKIPPED ? "SKIPPED TEST: not on this host"
			       : "VIOLATION");
	return rc;
}

static bool wanted(const char *place, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(place, argv[i]) == 0)
			return true;
	return argc == 1;
}

int main(int argc, char **argv)
{
	unsigned tried = 0, skipped = 0, violations = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < PLACES; i++) {
		int rc;

		if (argc == 2 && strcmp(argv[1], "--list") == 0) {
			puts(places[i].name);
			continue;
		}
		if (!wanted(places[i].name, argc, argv))
			continue;
		rc = try_place(&places[i]);
		tried++;
		skipped += rc == SKIPPED;
		violations += rc != 0 && rc != SKIPPED;
	}
	printf("result inject_places=%u inject_places_skipped=%u "
	       "violations=%u\n",
	       tried - skipped, skipped, violations);
	return violations > 0;
}
