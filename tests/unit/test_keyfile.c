/* SPDX-License-Identifier: MIT */

/* Key files: made once, trusted only when nobody else could have. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_shm.h"

#define NO_GROUP ((gid_t)-1)

static char dir[64];

/* A path in the folder of the test, in one of 4 buffers. */
static const char *at(const char *file)
{
	static char paths[4][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", dir, file);
	return path;
}

static void load(const char *path, bool create, uint8_t key[SOJ_KEY_BYTES])
{
	struct soj_seg_error err;

	if (soj_keyfile_load(path, create, NO_GROUP, key, &err) < 0)
		fail_msg("%s", err.text);
}

static void expect_refused(const char *path, int want, const char *word)
{
	static const uint8_t zero[SOJ_KEY_BYTES];
	unsigned descriptors = shm_descriptors();

	/* What is there is not replaced, even if a new one may be made. */
	for (int create = 0; create < 2; create++) {
		struct soj_seg_error err = {""};
		uint8_t key[SOJ_KEY_BYTES] = {0};
		int rc = soj_keyfile_load(path, create, NO_GROUP, key, &err);

		if (rc != want)
			fail_msg("%d, not %d: %s", rc, want, err.text);
		if (strstr(err.text, word) == NULL)
			fail_msg("no \"%s\" in \"%s\"", word, err.text);
		/* Nothing of what was read is left behind. */
		assert_memory_equal(key, zero, sizeof(key));
		assert_int_equal(shm_descriptors(), descriptors);
		assert_int_equal(
			soj_keyfile_load(path, create, NO_GROUP, key, NULL),
			want);
	}
}

static void write_key(const char *path, const void *data, size_t bytes,
		      mode_t mode)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, bytes), bytes);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void made_once_and_kept(void **state)
{
	const char *path = at("once.key");
	uint8_t key[SOJ_KEY_BYTES], again[SOJ_KEY_BYTES], file[64];
	struct soj_seg_error err;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(soj_keyfile_load(path, false, NO_GROUP, key, &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(access(path, F_OK), -1);
	load(path, true, key);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	load(path, false, again);
	assert_memory_equal(key, again, sizeof(key));
	load(path, true, again);
	assert_memory_equal(key, again, sizeof(key));
	/* Raw bytes, and no others. */
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, file, sizeof(file)), SOJ_KEY_BYTES);
	close(fd);
	assert_memory_equal(key, file, sizeof(key));
	/* Another file is another key. */
	load(at("other.key"), true, again);
	assert_memory_not_equal(key, again, sizeof(key));
}

static void mode_is_exact_under_any_umask(void **state)
{
	static const mode_t masks[] = {0, 022, 077, 0777};
	uint8_t key[SOJ_KEY_BYTES];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		gid_t group = i % 2 ? getegid() : NO_GROUP;
		mode_t old = umask(masks[i / 2]);
		struct soj_seg_error err;
		char name[32], path[PATH_MAX];
		struct stat st;
		int rc;

		snprintf(name, sizeof(name), "mode%u/sub/a.key", i);
		snprintf(path, sizeof(path), "%s", at(name));
		rc = soj_keyfile_load(path, true, group, key, &err);
		umask(old);
		if (rc < 0)
			fail_msg("%s", err.text);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, i % 2 ? 0640 : 0600);
		/* The folders that were missing are as closed as the key. */
		*strrchr(path, '/') = '\0';
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, i % 2 ? 0750 : 0700);
		*strrchr(path, '/') = '\0';
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, i % 2 ? 0750 : 0700);
	}
	assert_int_equal(chmod(dir, 0755), 0);
	load(at("plain.key"), true, key);
	assert_int_equal(access(dir, F_OK), 0);
}

static int group_reads(const void *arg)
{
	uint8_t key[SOJ_KEY_BYTES];
	struct soj_seg_error err = {""};

	CHECK(setgid(12345) == 0 && setuid(65534) == 0);
	if (soj_keyfile_load(arg, false, NO_GROUP, key, &err) < 0) {
		print_error("%s\n", err.text);
		return 1;
	}
	return 0;
}

static int stranger_reads(const void *arg)
{
	uint8_t key[SOJ_KEY_BYTES];
	struct soj_seg_error err = {""};

	CHECK(setgid(54321) == 0 && setuid(65534) == 0);
	CHECK(soj_keyfile_load(arg, true, NO_GROUP, key, &err) == -EACCES);
	CHECK(err.text[0] != '\0');
	return 0;
}

static void group_may_read(void **state)
{
	const char *path = at("shared/group.key");
	uint8_t key[SOJ_KEY_BYTES];
	struct soj_seg_error err;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(soj_keyfile_load(path, true, 12345, key, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, 12345);
	child_passes(group_reads, path);
	child_passes(stranger_reads, path);
}

static void wrong_contents(void **state)
{
	const char *path = at("contents.key");
	uint8_t bytes[SOJ_KEY_BYTES + 1];

	(void)state;
	memset(bytes, 'k', sizeof(bytes));
	write_key(path, bytes, 0, 0600);
	expect_refused(path, -EBADMSG, "0 bytes");
	write_key(path, bytes, SOJ_KEY_BYTES - 1, 0600);
	expect_refused(path, -EBADMSG, "31 bytes");
	write_key(path, bytes, SOJ_KEY_BYTES + 1, 0600);
	expect_refused(path, -EBADMSG, "33 bytes");
	memset(bytes, 0, sizeof(bytes));
	write_key(path, bytes, SOJ_KEY_BYTES, 0600);
	expect_refused(path, -EBADMSG, "zeroes");
	bytes[31] = 1;
	write_key(path, bytes, SOJ_KEY_BYTES, 0600);
	load(path, false, bytes);
}

static void wrong_modes(void **state)
{
	static const mode_t bad[] = {0644, 0604, 0601,  0602,  0660,  0620,
				     0650, 0700, 04600, 02600, 01600, 0777};
	static const mode_t good[] = {0600, 0400, 0640, 0440};
	const char *path = at("modes.key");
	uint8_t key[SOJ_KEY_BYTES];

	(void)state;
	load(path, true, key);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(chmod(path, bad[i]), 0);
		expect_refused(path, -EACCES, "mode");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(chmod(path, good[i]), 0);
		load(path, false, key);
	}
}

static void not_a_plain_file(void **state)
{
	const char *path = at("target.key");
	const char *other = at("odd.key");
	uint8_t key[SOJ_KEY_BYTES];

	(void)state;
	load(path, true, key);
	assert_int_equal(symlink(path, other), 0);
	expect_refused(other, -ELOOP, "symbolic link");
	assert_int_equal(unlink(other), 0);
	assert_int_equal(symlink("nowhere", other), 0);
	expect_refused(other, -ELOOP, "symbolic link");
	assert_int_equal(access(at("nowhere"), F_OK), -1);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(link(path, other), 0);
	expect_refused(path, -EACCES, "hard links");
	assert_int_equal(unlink(other), 0);
	assert_int_equal(mkfifo(other, 0600), 0);
	expect_refused(other, -EINVAL, "regular");
	assert_int_equal(unlink(other), 0);
	assert_int_equal(mkdir(other, 0700), 0);
	expect_refused(other, -EINVAL, "regular");
	assert_int_equal(rmdir(other), 0);
}

static void wrong_owner(void **state)
{
	const char *path = at("owner.key");
	uint8_t key[SOJ_KEY_BYTES];

	(void)state;
	if (geteuid() != 0)
		skip();
	load(path, true, key);
	assert_int_equal(chown(path, 65534, 0), 0);
	expect_refused(path, -EACCES, "belongs to user 65534;");
	assert_int_equal(chown(path, 0, 0), 0);
	load(path, false, key);
}

static void no_place_for_it(void **state)
{
	struct soj_seg_error err;
	uint8_t key[SOJ_KEY_BYTES];
	char path[PATH_MAX + 100];

	(void)state;
	load(at("file"), true, key);
	assert_int_equal(
		soj_keyfile_load(at("file/a.key"), true, NO_GROUP, key, &err),
		-ENOTDIR);
	assert_int_not_equal(err.text[0], '\0');
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	path[0] = '/';
	assert_int_equal(soj_keyfile_load(path, true, NO_GROUP, key, &err),
			 -ENAMETOOLONG);
	assert_int_not_equal(err.text[0], '\0');
}

/* A name without a folder is in the working directory. */
static int make_in_cwd(const void *arg)
{
	uint8_t key[SOJ_KEY_BYTES];
	struct soj_seg_error err = {""};

	CHECK(chdir(arg) == 0);
	if (soj_keyfile_load("cwd.key", true, NO_GROUP, key, &err) < 0 ||
	    soj_keyfile_load("b/c/cwd.key", true, NO_GROUP, key, &err) < 0) {
		print_error("%s\n", err.text);
		return 1;
	}
	return 0;
}

static void relative_paths(void **state)
{
	(void)state;
	child_passes(make_in_cwd, dir);
	assert_int_equal(access(at("cwd.key"), F_OK), 0);
	assert_int_equal(access(at("b/c/cwd.key"), F_OK), 0);
}

/* Many at once: one key, and nothing else in the folder. */
static void makers_agree(void **state)
{
	enum { MAKERS = 8 };
	uint8_t keys[MAKERS][SOJ_KEY_BYTES];
	int gate[2], out[2];

	(void)state;
	assert_int_equal(mkdir(at("race"), 0700), 0);
	for (unsigned round = 0; round < 30; round++) {
		assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
		for (unsigned i = 0; i < MAKERS; i++) {
			uint8_t key[SOJ_KEY_BYTES];

			if (fork() != 0)
				continue;
			/* All at once, when the gate closes. */
			close(gate[1]);
			(void)!read(gate[0], key, 1);
			if (soj_keyfile_load(at("race/a.key"), true, NO_GROUP,
					     key, NULL) == 0)
				(void)!write(out[1], key, sizeof(key));
			_exit(0);
		}
		close(gate[0]);
		close(gate[1]);
		for (unsigned i = 0; i < MAKERS; i++)
			wait(NULL);
		assert_int_equal(read(out[0], keys, sizeof(keys)),
				 sizeof(keys));
		for (unsigned i = 1; i < MAKERS; i++)
			assert_memory_equal(keys[0], keys[i], SOJ_KEY_BYTES);
		close(out[0]);
		close(out[1]);
		assert_int_equal(unlink(at("race/a.key")), 0);
	}
	assert_int_equal(rmdir(at("race")), 0);
}

static int paths_of_a_user(const void *arg)
{
	char path[PATH_MAX];

	(void)arg;
	CHECK(geteuid() != 0 || setuid(65534) == 0);
	CHECK(setenv("XDG_STATE_HOME", "/xdg", 1) == 0);
	CHECK(setenv("HOME", "/users/u", 1) == 0);
	CHECK(soj_keyfile_default_path(path, sizeof(path), "web") == 0);
	CHECK(strcmp(path, "/xdg/sojourn/web.key") == 0);
	CHECK(setenv("XDG_STATE_HOME", "relative", 1) == 0);
	CHECK(soj_keyfile_default_path(path, sizeof(path), "web") == 0);
	CHECK(strcmp(path, "/users/u/.local/state/sojourn/web.key") == 0);
	CHECK(soj_keyfile_default_path(path, 37, "web") == -ENAMETOOLONG);
	CHECK(soj_keyfile_default_path(path, 38, "web") == 0);
	CHECK(soj_keyfile_default_path(path, sizeof(path), "../web") ==
	      -EINVAL);
	CHECK(unsetenv("XDG_STATE_HOME") == 0 && unsetenv("HOME") == 0);
	CHECK(soj_keyfile_default_path(path, sizeof(path), "web") == -ENOENT);
	return 0;
}

static int synced = -1; /* the first since it was -1 */

int fsync(int fd)
{
	if (synced < 0)
		synced = fd;
	return (int)syscall(SYS_fsync, fd);
}

static int without_stdout(const void *arg)
{
	uint8_t key[SOJ_KEY_BYTES];

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	synced = -1;
	CHECK(soj_keyfile_load(arg, true, NO_GROUP, key, NULL) == 0);
	CHECK(synced > STDERR_FILENO);
	return 0;
}

/* What is printed meanwhile is no part of the key. */
static void stdout_is_closed(void **state)
{
	(void)state;
	child_passes(without_stdout, at("stdout.key"));
	assert_int_equal(unlink(at("stdout.key")), 0);
}

static void default_paths(void **state)
{
	char path[PATH_MAX];

	(void)state;
	if (geteuid() == 0) {
		assert_int_equal(
			soj_keyfile_default_path(path, sizeof(path), "web"), 0);
		assert_string_equal(path, "/var/lib/sojourn/web.key");
	}
	child_passes(paths_of_a_user, NULL);
}

static int set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof(dir), "%.40s/sojourn-key.XXXXXX",
		 tmp ? tmp : "/tmp");
	return soj_secret_init() == 0 && mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_once_and_kept),
		cmocka_unit_test(mode_is_exact_under_any_umask),
		cmocka_unit_test(group_may_read),
		cmocka_unit_test(wrong_contents),
		cmocka_unit_test(wrong_modes),
		cmocka_unit_test(not_a_plain_file),
		cmocka_unit_test(wrong_owner),
		cmocka_unit_test(no_place_for_it),
		cmocka_unit_test(relative_paths),
		cmocka_unit_test(makers_agree),
		cmocka_unit_test(stdout_is_closed),
		cmocka_unit_test(default_paths),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
