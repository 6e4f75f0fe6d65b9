/* SPDX-License-Identifier: MIT */

/*
 * Every system call of create, attach, destroy and key files fails once, with
 * each of several errors; and at each of them the process is killed once, or
 * something happens to the file in between.
 */

#include "lib_faults.h"

#include <dirent.h>
#include <stdlib.h>

/* The operations.  check() judges what run() left, and takes it away. */
struct op {
	const char *name;
	void (*prepare)(void);
	int (*run)(struct soj_seg_error *err);
	void (*check)(int rc);
	unsigned calls_min; /* else the replacing did not work */
};

static char name[256];
static char key_dir[64];
static char key_path[96];
static struct soj_seg seg, anon;

static void nothing(void)
{
}

static int create_named(struct soj_seg_error *err)
{
	struct soj_seg_options opts = shm_options();

	opts.group = getegid();
	return soj_seg_create(&seg, name, &opts, err);
}

static int create_anonymous(struct soj_seg_error *err)
{
	struct soj_seg_options opts = shm_options();

	return soj_seg_create(&seg, NULL, &opts, err);
}

static void check_seg(int rc)
{
	assert_true((rc == 0) == (seg.base != NULL));
	if (rc == 0)
		assert_int_equal(soj_load_relaxed(&seg.hdr->magic),
				 SOJ_SHM_MAGIC);
	else
		assert_int_equal(seg.fd, -1);
	soj_seg_detach(&seg);
}

static void check_created(int rc)
{
	struct soj_seg_error err;

	check_seg(rc);
	assert_int_equal(shm_files(), rc == 0);
	if (rc < 0)
		return;
	assert_int_equal(soj_seg_attach(&seg, name, false, NULL, &err), 0);
	soj_seg_detach(&seg);
	assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static void make_named(void)
{
	shm_make(name);
}

static int attach_named(struct soj_seg_error *err)
{
	return soj_seg_attach(&seg, name, false, NULL, err);
}

static void check_attached(int rc)
{
	struct soj_seg_error err;

	check_seg(rc);
	assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static void make_anonymous(void)
{
	struct soj_seg_options opts = shm_options();

	assert_int_equal(soj_seg_create(&anon, NULL, &opts, NULL), 0);
}

static int attach_anonymous(struct soj_seg_error *err)
{
	return soj_seg_attach_fd(&seg, anon.fd, true, NULL, err);
}

static void check_attached_anonymous(int rc)
{
	check_seg(rc);
	soj_seg_detach(&anon);
}

static int destroy(struct soj_seg_error *err)
{
	return soj_seg_destroy(name, err);
}

/* Whatever happened: the next one removes it. */
static void check_destroyed(int rc)
{
	struct soj_seg_error err;

	assert_int_equal(shm_files(), rc != 0);
	if (rc < 0)
		assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static int make_key(struct soj_seg_error *err)
{
	uint8_t key[SOJ_KEY_BYTES];

	return soj_keyfile_load(key_path, true, getegid(), key, err);
}

static unsigned count_files(const char *path)
{
	unsigned count = 0;
	struct dirent *file;
	DIR *dir = opendir(path);

	while (dir && (file = readdir(dir)) != NULL)
		count += file->d_name[0] != '.' || strlen(file->d_name) > 2;
	if (dir)
		closedir(dir);
	return count;
}

/* No half key, and nothing beside it. */
static void check_key(int rc)
{
	uint8_t key[SOJ_KEY_BYTES];
	char folder[96];

	snprintf(folder, sizeof(folder), "%s/new", key_dir);
	assert_true(count_files(folder) <= 1);
	if (rc == 0 || access(key_path, F_OK) == 0) {
		assert_int_equal(
			soj_keyfile_load(key_path, false, (gid_t)-1, key, NULL),
			0);
		assert_int_equal(unlink(key_path), 0);
	}
	assert_int_equal(count_files(folder), 0);
	rmdir(folder);
}

static const struct op ops[] = {
	{"create", nothing, create_named, check_created, 20},
	{"create anonymous", nothing, create_anonymous, check_seg, 20},
	{"attach", make_named, attach_named, check_attached, 8},
	{"attach anonymous", make_anonymous, attach_anonymous,
	 check_attached_anonymous, 8},
	{"destroy", make_named, destroy, check_destroyed, 10},
	{"key file", nothing, make_key, check_key, 12},
};

static int run(const struct op *op, unsigned nth, int error,
	       struct soj_seg_error *err)
{
	int rc;

	plan.count = 0;
	plan.nth = nth;
	plan.error = error;
	plan.failed[0] = '\0';
	plan.inherited = inherited_descriptors();
	plan.armed = true;
	rc = op->run(err);
	plan.armed = false;
	return rc;
}

/* Calls that signals interrupt are made again. */
static bool repeats(const char *call)
{
	return strcmp(call, "read") == 0 || strcmp(call, "pread") == 0 ||
	       strcmp(call, "write") == 0 ||
	       strcmp(call, "posix_fallocate") == 0;
}

static void fail_at_each_call(const struct op *op, int error)
{
	unsigned failures = 0;
	unsigned nth = 0;

	do {
		struct soj_seg_error err = {""};
		unsigned descriptors = shm_descriptors();
		unsigned mappings = shm_mappings();
		int rc;

		op->prepare();
		rc = run(op, ++nth, error, &err);
		failures += rc < 0;
		if (rc < 0 && rc != -error &&
		    !(error == ENOSPC && rc == -ENOMEM))
			fail_msg("%s: %s fails with %d, result is %d: %s",
				 op->name, plan.failed, error, rc, err.text);
		if (error == EINTR && repeats(plan.failed) && rc != 0)
			fail_msg("%s: %s gives up: %s", op->name, plan.failed,
				 err.text);
		assert_true(rc == 0 || err.text[0] != '\0');
		op->check(rc);
		assert_int_equal(shm_descriptors(), descriptors);
		assert_int_equal(shm_mappings(), mappings);
		assert_int_equal(shm_files(), 0);
	} while (plan.failed[0]);
	assert_true(nth > op->calls_min);
	assert_true(failures >= op->calls_min / 4);
}

static void each_call_fails(void **state)
{
	static const int errors[] = {ENOMEM, EMFILE, ENOSPC, EINTR, EACCES};

	(void)state;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		for (size_t k = 0; k < sizeof(errors) / sizeof(errors[0]); k++)
			fail_at_each_call(&ops[i], errors[k]);
}

struct kill_at {
	const struct op *op;
	unsigned nth;
};

static int run_and_die(const void *arg)
{
	const struct kill_at *at = arg;

	return run(at->op, at->nth, 0, NULL) == 0 ? 0 : 1;
}

/* Killed there: all of it or nothing, and nothing is in the way after. */
static void killed_at_each_call(void **state)
{
	static const struct kill_at starts[] = {
		{&ops[0], 0}, {&ops[2], 0}, {&ops[4], 0}, {&ops[5], 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		struct kill_at at = starts[i];
		int code;

		do {
			struct soj_seg_error err;

			at.nth++;
			at.op->prepare();
			code = in_child(run_and_die, &at);
			if (at.op->check == check_key) {
				check_key(-1);
				continue;
			}
			assert_true(code == 0 || code == -SIGKILL);
			assert_true(shm_files() <= 1);
			if (at.op->run == create_named && shm_files() == 1) {
				assert_int_equal(attach_named(&err), 0);
				soj_seg_detach(&seg);
			}
			if (shm_files() == 1)
				assert_int_equal(soj_seg_destroy(name, &err),
						 0);
			assert_int_equal(create_named(&err), 0);
			soj_seg_detach(&seg);
			assert_int_equal(soj_seg_destroy(name, &err), 0);
		} while (code == -SIGKILL);
		assert_int_equal(code, 0);
		assert_true(at.nth > at.op->calls_min);
	}
}

/* Another thread may start a program at any time. */
static void no_descriptor_is_inherited(void **state)
{
	(void)state;
	plan.watch = true;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		struct soj_seg_error err;

		ops[i].prepare();
		assert_int_equal(run(&ops[i], 0, 0, &err), 0);
		ops[i].check(0);
	}
	plan.watch = false;
}

static void change_policy(void)
{
	uint64_t ttl_ms = 1;
	int fd = open(shm_path(name), O_RDWR);

	assert_int_equal(
		pwrite(fd, &ttl_ms, 8, offsetof(struct soj_shm_header, policy)),
		8);
	close(fd);
}

/* Valid before and after, but not what was judged. */
static void header_changes_before_it_is_mapped(void **state)
{
	struct soj_seg_error err;

	(void)state;
	make_named();
	plan.hook = change_policy;
	plan.hook_call = "mmap";
	assert_int_equal(run(&ops[2], 0, 0, &err), -EBADMSG);
	assert_null(plan.hook_call);
	assert_non_null(strstr(err.text, "changed"));
	check_seg(-EBADMSG);
	assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static void replace_segment(void)
{
	assert_int_equal(unlink(shm_path(name)), 0);
	make_named();
}

static void name_is_another_segments_by_now(void **state)
{
	struct soj_seg_error err;

	(void)state;
	make_named();
	plan.hook = replace_segment;
	plan.hook_call = "flock";
	assert_int_equal(run(&ops[4], 0, 0, &err), -ENOENT);
	assert_null(plan.hook_call);
	assert_int_equal(attach_named(&err), 0);
	soj_seg_detach(&seg);
	assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static void two_creators_meet(void **state)
{
	struct soj_seg_error err;

	(void)state;
	plan.hook = make_named;
	plan.hook_call = "linkat";
	assert_int_equal(run(&ops[0], 0, 0, &err), -EEXIST);
	check_seg(-EEXIST);
	assert_int_equal(attach_named(&err), 0);
	soj_seg_detach(&seg);
	assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static uint8_t first_key[SOJ_KEY_BYTES];

static void make_first_key(void)
{
	assert_int_equal(
		soj_keyfile_load(key_path, true, (gid_t)-1, first_key, NULL),
		0);
}

static void key_makers_meet(const char *call)
{
	uint8_t key[SOJ_KEY_BYTES];

	plan.hook = make_first_key;
	plan.hook_call = call;
	plan.nth = 0;
	plan.armed = true;
	assert_int_equal(soj_keyfile_load(key_path, true, (gid_t)-1, key, NULL),
			 0);
	plan.armed = false;
	assert_null(plan.hook_call);
	assert_memory_equal(key, first_key, sizeof(key));
	check_key(0);
}

static void two_key_makers_meet(void **state)
{
	(void)state;
	key_makers_meet("linkat");
}

/* On a file system without files without names. */
static void key_file_by_renaming(void **state)
{
	(void)state;
	plan.always = "open unnamed";
	key_makers_meet("renameat2");
	fail_at_each_call(&ops[5], EACCES);
	fail_at_each_call(&ops[5], ENOSPC);
	fail_at_each_call(&ops[5], EINTR);
	plan.always = NULL;
}

static void cut_key(void)
{
	assert_int_equal(truncate(key_path, 16), 0);
}

/* The half that was read is not left with the caller. */
static void key_is_cut_while_it_is_read(void **state)
{
	static const uint8_t zero[SOJ_KEY_BYTES];
	uint8_t key[SOJ_KEY_BYTES];
	struct soj_seg_error err;

	(void)state;
	make_first_key();
	plan.hook = cut_key;
	plan.hook_call = "read";
	plan.nth = 0;
	plan.armed = true;
	assert_int_equal(
		soj_keyfile_load(key_path, false, (gid_t)-1, key, &err),
		-EBADMSG);
	plan.armed = false;
	assert_null(plan.hook_call);
	assert_non_null(strstr(err.text, "16 bytes"));
	assert_memory_equal(key, zero, sizeof(key));
	assert_int_equal(unlink(key_path), 0);
	check_key(-1);
}

static int set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	assert_int_equal(soj_secret_init(), 0);
	snprintf(name, sizeof(name), "%s", shm_name("faults"));
	snprintf(key_dir, sizeof(key_dir), "%.40s/sojourn-key.XXXXXX",
		 tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(key_dir));
	snprintf(key_path, sizeof(key_path), "%s/new/a.key", key_dir);
	return 0;
}

static int tear_down(void **state)
{
	char folder[96];

	plan.armed = false;
	snprintf(folder, sizeof(folder), "%s/new", key_dir);
	unlink(key_path);
	rmdir(folder);
	rmdir(key_dir);
	return shm_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_fails),
		cmocka_unit_test(killed_at_each_call),
		cmocka_unit_test(no_descriptor_is_inherited),
		cmocka_unit_test(header_changes_before_it_is_mapped),
		cmocka_unit_test(name_is_another_segments_by_now),
		cmocka_unit_test(two_creators_meet),
		cmocka_unit_test(two_key_makers_meet),
		cmocka_unit_test(key_file_by_renaming),
		cmocka_unit_test(key_is_cut_while_it_is_read),
	};

	if (!CAN_REPLACE)
		return CHILD_SKIPPED;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
