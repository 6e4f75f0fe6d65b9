/* SPDX-License-Identifier: MIT */

/*
 * The master key of a named segment, in a file of 32 bytes.
 *
 * A new key is written to a file without a name (O_TMPFILE), synced, and gets
 * its name by linkat(): two makers agree on the first one's key, and nobody
 * reads half of one.  Where the file system cannot do that, a file with a
 * private name is renamed without replacing; a maker that is killed may then
 * leave ".sojourn-key.XXXXXXXXXXXXXXXX", which nothing ever reads.
 *
 * Crash table
 *   killed after      left                          repaired by
 *   keyfile.opened    nothing, or the private name  nobody needs to
 *   keyfile.written   the same                      nobody needs to
 *   keyfile.linked    the key, perhaps not yet on   the next maker, after a
 *                     disk                          loss of power
 * Stop table: linking does not replace, so who comes late uses the key that is
 * there by then.
 */

#include "shm/segment_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"

/* A key file on its way. */
struct draft {
	char dir[PATH_MAX];
	char link[PATH_MAX + 40]; /* what is linked or renamed */
	bool named;
	int fd;
};

static int path_format(char *path, size_t path_bytes, const char *dir,
		       const char *middle, const char *name)
{
	int used = snprintf(path, path_bytes, "%s%s/%s.key", dir, middle, name);

	return used < 0 || (size_t)used >= path_bytes ? -ENAMETOOLONG : 0;
}

int soj_keyfile_default_path(char *path, size_t path_bytes, const char *name)
{
	const char *dir;
	int rc = soj_seg_name_check(name, NULL);

	if (rc < 0)
		return rc;
	if (geteuid() == 0)
		return path_format(path, path_bytes, "/var/lib", "/sojourn",
				   name);
	/* A relative one is to be ignored, says the XDG specification. */
	dir = secure_getenv("XDG_STATE_HOME");
	if (dir && dir[0] == '/')
		return path_format(path, path_bytes, dir, "/sojourn", name);
	dir = secure_getenv("HOME");
	if (dir && dir[0] == '/')
		return path_format(path, path_bytes, dir,
				   "/.local/state/sojourn", name);
	return -ENOENT;
}

static int check_key_file(int fd, const char *path, struct soj_seg_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return soj_seg_fail_sys(err, -errno, "key file %s: cannot stat",
					path);
	if (!S_ISREG(st.st_mode))
		return soj_seg_fail(err, -EINVAL,
				    "key file %s is not a regular file", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return soj_seg_fail(err, -EACCES,
				    "key file %s belongs to user %u; only "
				    "those of root and of user %u, who runs "
				    "this, are trusted",
				    path, (unsigned)st.st_uid,
				    (unsigned)geteuid());
	if (st.st_mode & 07137)
		return soj_seg_fail(err, -EACCES,
				    "key file %s has mode %04o; allowed is no "
				    "more than 0640",
				    path, (unsigned)st.st_mode & 07777);
	if (st.st_nlink != 1)
		return soj_seg_fail(err, -EACCES,
				    "key file %s has %ju hard links; it must "
				    "have one name",
				    path, (uintmax_t)st.st_nlink);
	if (st.st_size != SOJ_KEY_BYTES)
		return soj_seg_fail(err, -EBADMSG,
				    "key file %s has %jd bytes, a key has %u",
				    path, (intmax_t)st.st_size, SOJ_KEY_BYTES);
	return 0;
}

static int read_key(int fd, const char *path, uint8_t key[SOJ_KEY_BYTES],
		    struct soj_seg_error *err)
{
	static const uint8_t zero[SOJ_KEY_BYTES];
	size_t used = 0;

	while (used < SOJ_KEY_BYTES) {
		ssize_t got = read(fd, key + used, SOJ_KEY_BYTES - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return soj_seg_fail_sys(
				err, -errno, "key file %s: cannot read", path);
		if (got == 0)
			return soj_seg_fail(err, -EBADMSG,
					    "key file %s has %zu bytes, a key "
					    "has %u",
					    path, used, SOJ_KEY_BYTES);
		used += (size_t)got;
	}
	/* What some file systems leave of a new file when power is lost. */
	if (soj_equal(key, zero, SOJ_KEY_BYTES))
		return soj_seg_fail(err, -EBADMSG,
				    "key file %s holds only zeroes", path);
	return 0;
}

static int load_key(const char *path, uint8_t key[SOJ_KEY_BYTES],
		    struct soj_seg_error *err)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int rc;

	if (fd < 0) {
		rc = -errno;
		return soj_seg_fail_sys(err, rc, "key file %s%s", path,
					rc == -ELOOP ? " is a symbolic link"
						     : ": cannot open");
	}
	rc = check_key_file(fd, path, err);
	if (rc == 0)
		rc = read_key(fd, path, key, err);
	close(fd);
	if (rc < 0)
		soj_wipe(key, SOJ_KEY_BYTES);
	return rc;
}

/*
 * Makes the folders that are missing.  Only those get a mode and a group:
 * what is there already is somebody's decision.
 */
static int make_folders(const char *dir, gid_t group, struct soj_seg_error *err)
{
	bool shared = group != (gid_t)-1;
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%s", dir);
	for (char *end = path; end;) {
		end = strchr(end + 1, '/');
		if (end)
			*end = '\0';
		rc = mkdir(path, 0700) < 0 ? -errno : 0;
		if (rc == 0 && ((shared && chown(path, (uid_t)-1, group) < 0) ||
				chmod(path, shared ? 0750 : 0700) < 0))
			rc = -errno;
		if (rc < 0 && rc != -EEXIST)
			return soj_seg_fail_sys(
				err, rc, "cannot make the folder %s", path);
		if (end)
			*end = '/';
	}
	return 0;
}

static int draft_folder(struct draft *draft, const char *path,
			struct soj_seg_error *err)
{
	const char *slash = strrchr(path, '/');
	size_t bytes = slash ? (size_t)(slash - path) : 0;

	if (bytes >= sizeof(draft->dir))
		return soj_seg_fail_sys(err, -ENAMETOOLONG, "key file");
	if (!slash)
		memcpy(draft->dir, ".", 2);
	else if (bytes == 0)
		memcpy(draft->dir, "/", 2);
	else
		snprintf(draft->dir, sizeof(draft->dir), "%.*s", (int)bytes,
			 path);
	return 0;
}

/* -errno, or the descriptor. */
static int draft_file(struct draft *draft)
{
	uint64_t random;
	int fd;

	draft->named = false;
	fd = open(draft->dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	/* EISDIR: a kernel that takes it for writing to a folder. */
	if (fd < 0 &&
	    (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		soj_random(&random, sizeof(random));
		snprintf(draft->link, sizeof(draft->link),
			 "%s/.sojourn-key.%016" PRIx64, draft->dir, random);
		fd = open(draft->link, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
			  0600);
		draft->named = fd >= 0;
	}
	/* What a thread of the host prints is no part of a key. */
	fd = fd < 0 ? -errno : soj_seg_fd_above_stdio(fd);
	if (fd < 0 && draft->named)
		unlink(draft->link);
	return fd;
}

static int draft_open(struct draft *draft, struct soj_seg_error *err)
{
	draft->fd = draft_file(draft);
	if (draft->fd < 0)
		return soj_seg_fail_sys(err, draft->fd,
					"cannot make a key file in %s",
					draft->dir);
	if (!draft->named)
		snprintf(draft->link, sizeof(draft->link), "/proc/self/fd/%d",
			 draft->fd);
	return 0;
}

static int draft_write(struct draft *draft, const uint8_t *key, gid_t group)
{
	bool shared = group != (gid_t)-1;
	size_t used = 0;

	if (shared && fchown(draft->fd, (uid_t)-1, group) < 0)
		return -errno;
	if (fchmod(draft->fd, shared ? 0640 : 0600) < 0)
		return -errno;
	while (used < SOJ_KEY_BYTES) {
		ssize_t put =
			write(draft->fd, key + used, SOJ_KEY_BYTES - used);

		if (put < 0 && errno != EINTR)
			return -errno;
		if (put > 0)
			used += (size_t)put;
	}
	return fsync(draft->fd) < 0 ? -errno : 0;
}

/* -EEXIST when somebody was faster. */
static int draft_publish(struct draft *draft, const char *path)
{
	int fd, rc;

	if (draft->named)
		rc = renameat2(AT_FDCWD, draft->link, AT_FDCWD, path,
			       RENAME_NOREPLACE);
	else
		rc = linkat(AT_FDCWD, draft->link, AT_FDCWD, path,
			    AT_SYMLINK_FOLLOW);
	if (rc < 0)
		return -errno;
	draft->named = false;
	SOJ_STEP("keyfile.linked");
	/* A key that is in use must not be lost with the power. */
	fd = open(draft->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int make_key(const char *path, gid_t group, struct soj_seg_error *err)
{
	struct draft draft;
	uint8_t key[SOJ_KEY_BYTES];
	int rc = draft_folder(&draft, path, err);

	if (rc == 0)
		rc = make_folders(draft.dir, group, err);
	if (rc == 0)
		rc = draft_open(&draft, err);
	if (rc != 0)
		return rc;
	SOJ_STEP("keyfile.opened");
	soj_random(key, sizeof(key));
	rc = draft_write(&draft, key, group);
	soj_wipe(key, sizeof(key));
	SOJ_STEP("keyfile.written");
	if (rc == 0)
		rc = draft_publish(&draft, path);
	close(draft.fd);
	if (draft.named)
		unlink(draft.link);
	if (rc < 0 && rc != -EEXIST)
		return soj_seg_fail_sys(err, rc, "cannot make the key file %s",
					path);
	return 0;
}

int soj_keyfile_load(const char *path, bool create, gid_t group,
		     uint8_t key[SOJ_KEY_BYTES], struct soj_seg_error *err)
{
	int rc = load_key(path, key, err);

	if (rc != -ENOENT || !create)
		return rc;
	rc = make_key(path, group, err);
	if (rc < 0)
		return rc;
	/* Whoever made it: what is in the file is the key. */
	return load_key(path, key, err);
}
