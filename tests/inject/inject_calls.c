/* SPDX-License-Identifier: MIT */

/*
 * Every system call of creating, attaching, first use, detaching and removing
 * a segment, of making its key file and of starting its helper fails once with
 * each of several errors, and the process is killed at each of them once.
 *
 * What must hold: a call that fails says why and leaves no descriptor, no
 * mapping and no file; reads and writes that are interrupted are made again;
 * nobody crashes or waits for ever; no helper is left without a segment; and
 * the next attempt gets what it wants.
 *
 * tests/unit/test_segment_faults.c does the same below the public functions,
 * with replaced calls.  Here nothing is replaced: what runs is the library and
 * the helper as they are shipped.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sojourn/sojourn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/secret.h"
#include "lib_trace.h"

/* Longer than any machine takes to end a helper. */
#define HELPER_END_S 60u

static char name[64], folder[64], key_folder[96], key_file[128];
static char helper[4096];
static unsigned triples, kills, violations;

/* What a child tells; shared. */
static struct said {
	int rc;
	int leaked_fds, leaked_maps;
	char text[512];
} * said;

struct scene {
	const char *name;
	void (*prepare)(struct scene *); /* in this process, before */
	int (*run)(struct scene *);      /* in the child */
	bool follow;
	unsigned calls_min; /* else this proves nothing */
	/* in the child: */
	struct sojourn *s;
};

static void violation(const struct scene *sc, const struct trace *t,
		      const char *what)
{
	violations++;
	printf("VIOLATION %s, call %u (%s), %s: %s (%d \"%s\")\n", sc->name,
	       t->nth, t->hit ? trace_name(t->call) : "none",
	       t->error == TRACE_KILL ? "killed" : strerrorname_np(t->error),
	       what, said->rc, said->text);
}

/* ---- looking ---- */

static unsigned count_files(const char *path, const char *prefix)
{
	unsigned count = 0;
	struct dirent *file;
	DIR *dir = opendir(path);

	while (dir && (file = readdir(dir)) != NULL)
		count += file->d_name[0] != '.' &&
			 strncmp(file->d_name, prefix, strlen(prefix)) == 0;
	if (dir)
		closedir(dir);
	return count;
}

static int count_fds(void)
{
	return (int)count_files("/proc/self/fd", "");
}

static int count_maps(void)
{
	char line[1024];
	int count = 0;
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps && fgets(line, sizeof(line), maps) != NULL)
		count += strstr(line, "/dev/shm/") || strstr(line, "memfd:");
	if (maps)
		fclose(maps);
	return count;
}

static unsigned segments(void)
{
	char prefix[96];

	snprintf(prefix, sizeof(prefix), "sojourn.%s", name);
	return count_files("/dev/shm", prefix);
}

/* ---- what is run ---- */

static struct sojourn_options options(enum sojourn_helper how)
{
	struct sojourn_options o;

	sojourn_options_init(&o);
	o.entries_max = 100;
	o.threads_max = 8;
	o.segment_bytes = 5u << 20;
	o.huge = SOJOURN_HUGE_ON;
	o.events_max = 64;
	o.helper = how;
	o.helper_path = helper;
	o.key_file = key_file;
	return o;
}

static int attach(struct sojourn **s, bool read_only)
{
	const struct sojourn_attach_options o = {.read_only = read_only,
						 .key_file = key_file};

	return sojourn_attach(name, &o, s);
}

/* The window, and what was left when it failed, or was given back again. */
static int windowed(struct scene *sc, int (*fn)(struct scene *),
		    void (*undo)(struct scene *))
{
	int fds = count_fds(), maps = count_maps();

	trace_window(true);
	said->rc = fn(sc);
	trace_window(false);
	if (said->rc < 0)
		snprintf(said->text, sizeof(said->text), "%s",
			 sojourn_reason() == SOJOURN_OK ? ""
							: sojourn_error_text());
	else if (undo)
		undo(sc);
	said->leaked_fds = count_fds() - fds;
	said->leaked_maps = count_maps() - maps;
	return said->rc < 0 ? 1 : 0;
}

static void give_back(struct scene *sc)
{
	sojourn_detach(sc->s);
}

static int do_create(struct scene *sc)
{
	const struct sojourn_options o = options(SOJOURN_HELPER_NONE);

	return sojourn_create(name, &o, &sc->s);
}

static int do_create_anonymous(struct scene *sc)
{
	const struct sojourn_options o = options(SOJOURN_HELPER_NONE);

	return sojourn_create(NULL, &o, &sc->s);
}

static int do_create_helped(struct scene *sc)
{
	const struct sojourn_options o = options(SOJOURN_HELPER_SPAWN);

	return sojourn_create(name, &o, &sc->s);
}

static int do_create_anonymous_helped(struct scene *sc)
{
	const struct sojourn_options o = options(SOJOURN_HELPER_SPAWN);

	return sojourn_create(NULL, &o, &sc->s);
}

static int do_attach(struct scene *sc)
{
	return attach(&sc->s, false);
}

static int do_attach_read_only(struct scene *sc)
{
	return attach(&sc->s, true);
}

static int do_use(struct scene *sc)
{
	const struct sojourn_new n = {.subject = "alice"};
	struct sojourn_info info;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	int rc = sojourn_session_create(sc->s, &n, id, &info);

	if (rc == 0)
		rc = sojourn_session_renew(sc->s, id, &info);
	return rc < 0 ? rc : sojourn_session_delete(sc->s, info.new_id);
}

static int do_detach(struct scene *sc)
{
	sojourn_detach(sc->s);
	return 0;
}

static int do_destroy(struct scene *sc)
{
	(void)sc;
	return sojourn_destroy(name);
}

static int run_create(struct scene *sc)
{
	return windowed(sc, do_create, give_back);
}

static int run_create_anonymous(struct scene *sc)
{
	return windowed(sc, do_create_anonymous, give_back);
}

static int run_create_helped(struct scene *sc)
{
	return windowed(sc, do_create_helped, give_back);
}

static int run_create_anonymous_helped(struct scene *sc)
{
	return windowed(sc, do_create_anonymous_helped, give_back);
}

static int run_attach(struct scene *sc)
{
	return windowed(sc, do_attach, give_back);
}

static int run_attach_read_only(struct scene *sc)
{
	return windowed(sc, do_attach_read_only, give_back);
}

static int run_use(struct scene *sc)
{
	int rc = attach(&sc->s, false);

	return rc < 0 ? 2 : windowed(sc, do_use, NULL);
}

static int run_detach(struct scene *sc)
{
	int rc = attach(&sc->s, false), fds = count_fds();

	if (rc < 0 || do_use(sc) < 0)
		return 2;
	rc = windowed(sc, do_detach, NULL);
	/* It keeps no descriptor, so there is none to be had back. */
	said->leaked_fds = count_fds() - fds;
	said->leaked_maps = count_maps();
	return rc;
}

static int run_destroy(struct scene *sc)
{
	return windowed(sc, do_destroy, NULL);
}

/* Becomes the helper, whose words come through said->text. */
static int errors_fd;

static int run_helper(struct scene *sc)
{
	(void)sc;
	dup2(errors_fd, STDERR_FILENO);
	execl(helper, helper, name, (char *)NULL);
	return 2;
}

/* ---- before and after, in this process ---- */

static void nothing(struct scene *sc)
{
	(void)sc;
}

static void make(struct scene *sc)
{
	if (do_create(sc) < 0) {
		printf("create: %s\n", sojourn_error_text());
		exit(1);
	}
	sojourn_detach(sc->s);
}

static void interrupt(int signal)
{
	(void)signal;
}

/* What the last attempt left ends by itself: a helper that never does is what
 * the alarm is for. */
static bool children_end(void)
{
	const struct sigaction act = {.sa_handler = interrupt};

	sigaction(SIGALRM, &act, NULL);
	alarm(HELPER_END_S);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return alarm(0) > 0 && errno == ECHILD;
}

static void check_file(const struct scene *sc, const struct trace *t,
		       bool killed)
{
	bool makes = sc->prepare == nothing, removes = sc->run == run_destroy;
	struct sojourn *s;
	int rc;

	if (makes && !killed && said->rc < 0 && segments() != 0)
		violation(sc, t, "a failed create left a file");
	if (removes && !killed && (said->rc == 0) != (segments() == 0))
		violation(sc, t, "removed is not what it said");
	if (segments() > 1)
		violation(sc, t, "more than one file");
	if (segments() == 0)
		return;
	rc = attach(&s, false);
	if (rc == 0)
		sojourn_detach(s);
	else if (rc != -ESHUTDOWN || !removes)
		violation(sc, t, sojourn_error_text());
	if (sojourn_destroy(name) < 0)
		violation(sc, t, "what is left cannot be removed");
}

static void check_child(const struct scene *sc, const struct trace *t)
{
	bool again = t->hit && t->error == EINTR &&
		     strstr(" read pread64 write pwrite64 fallocate wait4 ",
			    trace_name(t->call)) != NULL;

	if (WIFSIGNALED(t->status)) {
		if (t->error != TRACE_KILL || WTERMSIG(t->status) != SIGKILL)
			violation(sc, t, "died of a signal");
		return;
	}
	if (WEXITSTATUS(t->status) == 2)
		violation(sc, t, "could not be prepared");
	else if (WEXITSTATUS(t->status) != 0 && said->text[0] == '\0')
		violation(sc, t, "failed without a word");
	if (again && WEXITSTATUS(t->status) != 0)
		violation(sc, t, "interrupted, and not made again");
	if (said->leaked_fds > 0)
		violation(sc, t, "a descriptor is left open");
	if (said->leaked_maps > 0 && t->call != SYS_munmap)
		violation(sc, t, "a mapping is left");
}

/* What the helper printed; EOF comes when the last that has it ends or lets go
 * of it. */
static void hear(int fd)
{
	size_t used = 0;
	ssize_t got;

	while (used < sizeof(said->text) - 1 &&
	       (got = read(fd, said->text + used,
			   sizeof(said->text) - 1 - used)) > 0)
		used += (size_t)got;
	said->text[used] = '\0';
}

static int in_child(void *arg)
{
	struct scene *sc = arg;

	return sc->run(sc);
}

/* Returns whether the nth call was reached. */
static bool attempt(struct scene *sc, unsigned nth, int error)
{
	struct trace t = {.nth = nth, .error = error, .follow = sc->follow};
	int ends[2] = {-1, -1};
	bool killed;

	memset(said, 0, sizeof(*said));
	sc->prepare(sc);
	if (sc->follow && pipe2(ends, O_CLOEXEC) < 0)
		exit(1);
	errors_fd = ends[1];
	trace_run(&t, in_child, sc);
	if (sc->follow) {
		close(ends[1]);
		if (WIFEXITED(t.status) && WEXITSTATUS(t.status) != 0)
			hear(ends[0]);
		close(ends[0]);
		said->rc = WIFEXITED(t.status) ? -WEXITSTATUS(t.status) : -1;
	}
	killed = t.error == TRACE_KILL && t.hit;
	check_child(sc, &t);
	check_file(sc, &t, killed);
	if (!children_end()) {
		violation(sc, &t, "a helper is left");
		exit(1);
	}
	/* The next attempt, by which the key file is judged, too. */
	make(sc);
	if (sojourn_destroy(name) < 0)
		violation(sc, &t, "the next one could not be removed");
	if (count_files(key_folder, "") > 1)
		violation(sc, &t, "something is left beside the key");
	unlink(key_file);
	rmdir(key_folder);
	return t.hit;
}

static struct scene scenes[] = {
	{"create", nothing, run_create, false, 20, NULL},
	{"create anonymous", nothing, run_create_anonymous, false, 10, NULL},
	{"attach", make, run_attach, false, 10, NULL},
	{"attach read-only", make, run_attach_read_only, false, 10, NULL},
	{"first use", make, run_use, false, 2, NULL},
	{"detach", make, run_detach, false, 2, NULL},
	{"destroy", make, run_destroy, false, 8, NULL},
	{"create with helper", nothing, run_create_helped, false, 24, NULL},
	{"create anonymous with helper", nothing, run_create_anonymous_helped,
	 false, 18, NULL},
	{"helper", make, run_helper, true, 20, NULL},
};

static const int errors[] = {ENOMEM, EMFILE, ENFILE, ENOSPC,
			     EINTR,  EACCES, EIO,    TRACE_KILL};

#define SCENES (sizeof(scenes) / sizeof(scenes[0]))
#define ERRORS (sizeof(errors) / sizeof(errors[0]))

/* In the quick run each call fails in two ways, another two the next. */
static bool wanted(bool full, unsigned nth, size_t error)
{
	return full || errors[error] == TRACE_KILL ||
	       (error + nth) % (ERRORS - 1) < 2;
}

/* Returns how many calls there are. */
static unsigned all_of(struct scene *sc, bool full)
{
	bool hit = true;
	unsigned nth = 0;

	while (hit) {
		nth++;
		for (size_t k = 0; k < ERRORS && hit; k++) {
			if (!wanted(full, nth, k))
				continue;
			hit = attempt(sc, nth, errors[k]);
			triples += hit;
			kills += hit && errors[k] == TRACE_KILL;
		}
	}
	if (nth <= sc->calls_min) {
		violations++;
		printf("VIOLATION %s: only %u calls\n", sc->name, nth - 1);
	}
	return nth - 1;
}

static int set_up(void)
{
	const char *bin = getenv("SOJOURN_BIN");

	if (bin == NULL || soj_secret_init() < 0) {
		printf("SOJOURN_BIN names no folder with sojournd\n");
		return 64;
	}
	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(helper, sizeof(helper), "%s/sojournd", bin);
	snprintf(name, sizeof(name), "test-inject-%d", (int)getpid());
	snprintf(folder, sizeof(folder), "/tmp/sojourn-inject.XXXXXX");
	if (said == MAP_FAILED || mkdtemp(folder) == NULL)
		return 1;
	snprintf(key_folder, sizeof(key_folder), "%s/keys", folder);
	snprintf(key_file, sizeof(key_file), "%s/a.key", key_folder);
	/* Whose parents were killed come here. */
	return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	bool full = argc > 1 && strcmp(argv[1], "--full") == 0;
	const char *only =
		argc == 3 && strcmp(argv[1], "--only") == 0 ? argv[2] : NULL;
	int rc = set_up();

	if (argc > 1 && only == NULL && !full) {
		printf("usage: inject_calls [--full | --only SCENE]\n");
		return 64;
	}
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < SCENES; i++) {
		if (only && strcmp(only, scenes[i].name) != 0)
			continue;
		printf("%-30s %3u calls\n", scenes[i].name,
		       all_of(&scenes[i], full || only));
		fflush(stdout);
	}
	rmdir(folder);
	printf("result inject_triples=%u inject_kills=%u violations=%u\n",
	       triples, kills, violations);
	return violations > 0;
}
