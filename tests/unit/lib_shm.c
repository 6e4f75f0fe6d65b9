/* SPDX-License-Identifier: MIT */

#include "lib_shm.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of the test, also in its children. */
static pid_t owner;

static void __attribute__((constructor)) remember_owner(void)
{
	owner = getpid();
}

const char *shm_name(const char *suffix)
{
	static char names[8][256];
	static unsigned turn;
	char *name = names[turn++ % 8];

	snprintf(name, sizeof(names[0]), "test-%d-%s", (int)owner, suffix);
	return name;
}

const char *shm_path(const char *name)
{
	static char paths[8][300];
	static unsigned turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof(paths[0]), "/dev/shm/sojourn.%s", name);
	return path;
}

static unsigned walk_files(bool remove_them)
{
	char prefix[64];
	unsigned count = 0;
	struct dirent *file;
	DIR *dir = opendir("/dev/shm");

	assert_non_null(dir);
	snprintf(prefix, sizeof(prefix), "sojourn.test-%d-", (int)owner);
	while ((file = readdir(dir)) != NULL) {
		if (strncmp(file->d_name, prefix, strlen(prefix)) != 0)
			continue;
		count++;
		if (remove_them)
			unlinkat(dirfd(dir), file->d_name, 0);
	}
	closedir(dir);
	return count;
}

int shm_teardown(void **state)
{
	(void)state;
	walk_files(true);
	return 0;
}

unsigned shm_files(void)
{
	return walk_files(false);
}

unsigned shm_descriptors(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

unsigned shm_mappings(void)
{
	char line[1024];
	unsigned count = 0;
	FILE *maps = fopen("/proc/self/maps", "re");

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, "/dev/shm/") || strstr(line, "memfd:sojourn"))
			count++;
	}
	fclose(maps);
	return count;
}

struct soj_seg_options shm_options(void)
{
	struct soj_seg_options opts = {
		.entries_max = 1000,
		.segment_bytes = 4 << 20,
		.slots_max = 16,
		.policy =
			{
				.lease_ms = 5000,
				.expel_after_ms = 100,
				.when_full = SOJ_FULL_EVICT,
				.id_bytes = 32,
			},
		.collection = {[0] = {.name = "session",
				      .ttl_ms = 3600000,
				      .idle_ms = 600000,
				      .renewal_ms = 300000,
				      .grace_window_ms = 10000,
				      .max_lifetime_ms = 86400000,
				      .flags = SOJ_COLLECTION_DEFINED,
				      .ip4_prefix_bits = 32,
				      .ip6_prefix_bits = 128}},
		.key_fingerprint = "fingerprint 123",
		.group = (gid_t)-1,
	};

	return opts;
}

void shm_make(const char *name)
{
	struct soj_seg_options opts = shm_options();
	struct soj_seg_error err;
	struct soj_seg seg;

	if (soj_seg_create(&seg, name, &opts, &err) < 0)
		fail_msg("%s", err.text);
	soj_seg_detach(&seg);
}

int in_child(int (*fn)(const void *arg), const void *arg)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* The test library's handlers would go on as the parent. */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		_exit(fn(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void child_passes(int (*fn)(const void *arg), const void *arg)
{
	int code = in_child(fn, arg);

	if (code == CHILD_SKIPPED)
		skip();
	assert_int_equal(code, 0);
}

bool private_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

bool pretend_file(const char *path, const char *text)
{
	char own[] = "/dev/shm/sojourn-pretend.XXXXXX";
	int fd = mkstemp(own);
	bool done = fd >= 0 &&
		    write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
		    mount(own, path, NULL, MS_BIND, NULL) == 0;

	if (fd >= 0) {
		close(fd);
		unlink(own);
	}
	return done;
}
