/* SPDX-License-Identifier: MIT */

/*
 * Attaching to a segment, and removing one.
 *
 * Whatever is in the file was written by somebody else.  The header is read
 * with pread() into private memory and judged there, so that what was judged
 * is what is used; the layout is computed from its five counts and compared
 * with the size of the file before anything beyond the header is touched; and
 * the mapped header must still say the same.
 *
 * Attaching writes nothing, so a process killed or stopped in it leaves
 * nothing.  Crash table of soj_seg_destroy:
 *   killed after      left                              repaired by
 *   destroy.marked    a name that attach refuses        destroy, again
 *   destroy.unlinked  nothing but the mappings of who   -
 *                     is attached
 *
 * Edges
 *   tag  operation                 pairs with   so that
 *   G1   attach: load magic        create.c:G0  what was filled in is there
 *   G2   attach: load destroyed    G3           who is refused sees all that
 *   G3   destroy: store destroyed  G2           came before the end
 *   G4   destroy: xchg of asleep   -            the kernel finds 0 in what would
 *                                               sleep (W0 of role.c), or wakes
 *                                               it; either then sees destroyed
 */

#include "shm/segment_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"

/* A file that may be a segment. */
struct image {
	char what[32 + SOJ_SEG_NAME_MAX]; /* for texts */
	int fd;
	struct stat st;
	struct soj_shm_header hdr; /* private copy */
	struct soj_layout lay;
};

static int not_regular(const char *what, struct soj_seg_error *err)
{
	return soj_seg_fail(err, -EINVAL, "%s is not a regular file", what);
}

static int open_failed(const char *what, const char *path, int rc,
		       struct soj_seg_error *err)
{
	switch (rc) {
	case -ENOENT:
		return what == path
			       ? soj_seg_fail(err, rc, "%s does not exist",
					      path)
			       : soj_seg_fail(err, rc, "%s does not exist (%s)",
					      what, path);
	case -ELOOP:
		return soj_seg_fail(err, rc, "%s: %s is a symbolic link", what,
				    path);
	case -ENXIO: /* a socket */
	case -EISDIR:
		return not_regular(what, err);
	default:
		return soj_seg_fail_sys(err, rc, "%s: cannot open %s", what,
					path);
	}
}

/* O_NONBLOCK: opening a FIFO must not wait for its other end. */
static int open_image(struct image *img, const char *name, const char *path,
		      int flags, struct soj_seg_error *err)
{
	snprintf(img->what, sizeof(img->what), "segment %s", name);
	img->fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (img->fd < 0)
		return open_failed(img->what, path, -errno, err);
	img->fd = soj_seg_fd_above_stdio(img->fd);
	if (img->fd < 0)
		return open_failed(img->what, path, img->fd, err);
	return 0;
}

static int check_file(struct image *img, struct soj_seg_error *err)
{
	unsigned mode;

	if (fstat(img->fd, &img->st) < 0)
		return soj_seg_fail_sys(err, -errno, "%s: cannot stat",
					img->what);
	if (!S_ISREG(img->st.st_mode))
		return not_regular(img->what, err);
	if (img->st.st_uid != 0 && img->st.st_uid != geteuid())
		return soj_seg_fail(err, -EACCES,
				    "%s belongs to user %u; only those of "
				    "root and of user %u, who runs this, are "
				    "trusted",
				    img->what, (unsigned)img->st.st_uid,
				    (unsigned)geteuid());
	mode = img->st.st_mode & 07777u;
	if (mode != 0600 && mode != 0660)
		return soj_seg_fail(err, -EACCES,
				    "%s has mode %04o; only 0600 and 0660 are "
				    "trusted",
				    img->what, mode);
	if (img->st.st_nlink > 1)
		return soj_seg_fail(err, -EACCES,
				    "%s has %ju hard links; a segment has one "
				    "name",
				    img->what, (uintmax_t)img->st.st_nlink);
	return 0;
}

static int read_header(struct image *img, struct soj_seg_error *err)
{
	uint8_t *to = (uint8_t *)&img->hdr;
	size_t used = 0;

	while (used < sizeof(img->hdr)) {
		ssize_t got = pread(img->fd, to + used, sizeof(img->hdr) - used,
				    (off_t)used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return soj_seg_fail_sys(err, -errno, "%s: cannot read",
						img->what);
		if (got == 0)
			return soj_seg_fail(err, -EBADMSG,
					    "%s has %zu bytes, less than the "
					    "header of a segment",
					    img->what, used);
		used += (size_t)got;
	}
	return 0;
}

static int check_version(const struct image *img, struct soj_seg_error *err)
{
	const struct soj_shm_header *hdr = &img->hdr;
	uint64_t magic = soj_load_relaxed(&hdr->magic);

	if (magic != SOJ_SHM_MAGIC)
		return soj_seg_fail(err, -EPROTO,
				    "%s is not a segment: magic is %016" PRIx64
				    ", not %016" PRIx64,
				    img->what, magic, SOJ_SHM_MAGIC);
	if (hdr->version_major != SOJ_SHM_VERSION_MAJOR)
		return soj_seg_fail(err, -EPROTO,
				    "%s has format version %u.%u, this build "
				    "works on version %u",
				    img->what, hdr->version_major,
				    hdr->version_minor, SOJ_SHM_VERSION_MAJOR);
	if (hdr->layout != SOJ_SHM_LAYOUT)
		return soj_seg_fail(err, -EPROTO,
				    "%s was made by a build with other sizes: "
				    "layout is %08x, not %08x",
				    img->what, hdr->layout, SOJ_SHM_LAYOUT);
	if ((hdr->flags & ~SOJ_SHM_FLAGS) ||
	    (hdr->flags & SOJ_SHM_SEALED) == SOJ_SHM_SEALED)
		return soj_seg_fail(err, -EPROTO,
				    "%s has flags 0x%x, this build knows 0x%x",
				    img->what, hdr->flags, SOJ_SHM_FLAGS);
	return 0;
}

/* A salt, if and only if values are sealed. */
static int check_seal(const struct image *img, struct soj_seg_error *err)
{
	static const uint8_t none[sizeof(img->hdr.seal_salt)];
	bool salted = memcmp(img->hdr.seal_salt, none, sizeof(none)) != 0;

	if (salted == ((img->hdr.flags & SOJ_SHM_SEALED) != 0))
		return 0;
	return soj_seg_fail(err, -EBADMSG, "%s: flags 0x%x, but values are %s",
			    img->what, img->hdr.flags,
			    salted ? "sealed" : "not sealed");
}

static int check_clock(const struct image *img, struct soj_seg_error *err)
{
	const struct soj_shm_header *hdr = &img->hdr;
	struct soj_clock_base clock;
	int rc = soj_clock_base_read(&clock, err);

	if (rc < 0)
		return rc;
	if (memcmp(hdr->boot_id, clock.boot_id, sizeof(hdr->boot_id)) != 0)
		return soj_seg_fail(err, -ESTALE,
				    "%s was made before this machine was "
				    "started: its times mean nothing now",
				    img->what);
	if (hdr->timens_offset_ms != clock.timens_offset_ms)
		return soj_seg_fail(err, -EXDEV,
				    "%s was made in another time namespace: "
				    "CLOCK_BOOTTIME differs by %" PRIi64
				    " ms there and %" PRIi64 " ms here; "
				    "containers that share a segment must "
				    "share the time namespace",
				    img->what, hdr->timens_offset_ms,
				    clock.timens_offset_ms);
	if (hdr->clock_base_ms < -1 || hdr->clock_base_ms >= clock.boottime_ms)
		return soj_seg_fail(err, -EBADMSG,
				    "%s: clock base is %" PRIi64
				    " ms, now is %" PRIi64 " ms",
				    img->what, hdr->clock_base_ms,
				    clock.boottime_ms);
	return 0;
}

static int check_geometry(struct image *img, struct soj_seg_error *err)
{
	const struct soj_shm_header *hdr = &img->hdr;
	uint64_t file_bytes = (uint64_t)img->st.st_size;

	if (soj_layout_compute(&img->lay, hdr->entries_max, hdr->units,
			       hdr->unit_slots, hdr->slots_max,
			       hdr->events_max) < 0)
		return soj_seg_fail(err, -EBADMSG,
				    "%s: impossible geometry: %u entries, %u "
				    "units of %u slots, %u threads, %u events",
				    img->what, hdr->entries_max, hdr->units,
				    hdr->unit_slots, hdr->slots_max,
				    hdr->events_max);
	if (hdr->segment_bytes != img->lay.segment_bytes)
		return soj_seg_fail(err, -EBADMSG,
				    "%s: says that it has %" PRIu64
				    " bytes, its geometry takes %" PRIu64,
				    img->what, hdr->segment_bytes,
				    img->lay.segment_bytes);
	if (img->st.st_size < 0 || file_bytes != img->lay.segment_bytes)
		return soj_seg_fail(err, -EBADMSG,
				    "%s: file has %" PRIu64
				    " bytes, its geometry takes %" PRIu64,
				    img->what, file_bytes,
				    img->lay.segment_bytes);
	if ((hdr->flags & SOJ_SHM_ANONYMOUS) && img->st.st_nlink > 0)
		return soj_seg_fail(err, -EBADMSG,
				    "%s: has a name, and says that it has none",
				    img->what);
	/* A hole is a SIGBUS to come: it needs memory when it is touched. */
	if ((uint64_t)img->st.st_blocks * 512 < file_bytes)
		return soj_seg_fail(err, -EBADMSG,
				    "%s: file has holes: %" PRIu64
				    " of %" PRIu64 " bytes are there",
				    img->what,
				    (uint64_t)img->st.st_blocks * 512,
				    file_bytes);
	return 0;
}

static int check_policy(const struct image *img, struct soj_seg_error *err)
{
	struct soj_seg_error inner = {""};

	if (soj_seg_policy_check(&img->hdr.policy, &inner) < 0 ||
	    soj_seg_collections_check(img->hdr.collection, &inner) < 0)
		return soj_seg_fail(err, -EBADMSG, "%s: %s", img->what,
				    inner.text);
	return 0;
}

/* All but access, key and end: what destroy needs to touch the mapping. */
static int check_image(struct image *img, struct soj_seg_error *err)
{
	int rc = read_header(img, err);

	if (rc == 0)
		rc = check_version(img, err);
	if (rc == 0)
		rc = check_seal(img, err);
	if (rc == 0)
		rc = check_clock(img, err);
	if (rc == 0)
		rc = check_geometry(img, err);
	if (rc == 0)
		rc = check_policy(img, err);
	return rc;
}

/* Maps what was checked, and makes sure that it is the same. */
static int map_image(struct soj_seg *seg, const struct image *img,
		     struct soj_seg_error *err)
{
	uint8_t mapped[SOJ_SEG_CONSTANT_BYTES];
	const soj_word_t *words;
	uint64_t magic;
	int rc;

	seg->lay = img->lay;
	seg->policy = img->hdr.policy;
	memcpy(seg->collection, img->hdr.collection, sizeof(seg->collection));
	seg->flags = img->hdr.flags;
	seg->clock_base_ms = img->hdr.clock_base_ms;
	memcpy(seg->seal_salt, img->hdr.seal_salt, sizeof(seg->seal_salt));
	rc = soj_seg_map(seg, img->fd, err);
	if (rc < 0)
		return rc;
	words = (void *)seg->base;
	magic = soj_load_acquire(&seg->hdr->magic); /* G1 */
	soj_copy_out(mapped, words, sizeof(mapped));
	if (magic == SOJ_SHM_MAGIC &&
	    memcmp(mapped, &img->hdr, sizeof(mapped)) == 0)
		return 0;
	soj_seg_detach(seg);
	return soj_seg_fail(err, -EBADMSG,
			    "%s was changed while it was being attached",
			    img->what);
}

static int attach_image(struct soj_seg *seg, struct image *img,
			const uint8_t *key_fingerprint,
			struct soj_seg_error *err)
{
	int rc = check_file(img, err);

	if (rc == 0)
		rc = check_image(img, err);
	if (rc < 0)
		return rc;
	/* Fingerprints are public: no need for constant time. */
	if (key_fingerprint && memcmp(key_fingerprint, img->hdr.key_fingerprint,
				      sizeof(img->hdr.key_fingerprint)) != 0)
		return soj_seg_fail(err, -EKEYREJECTED,
				    "%s was made with another key", img->what);
	rc = map_image(seg, img, err);
	if (rc < 0)
		return rc;
	SOJ_STEP("attach.mapped");
	if (soj_load_acquire(&seg->hdr->destroyed)) { /* G2 */
		soj_seg_detach(seg);
		return soj_seg_fail(err, -ESHUTDOWN, "%s was destroyed",
				    img->what);
	}
	return 0;
}

static void seg_init(struct soj_seg *seg, bool readonly)
{
	memset(seg, 0, sizeof(*seg));
	seg->fd = -1;
	seg->readonly = readonly;
}

int soj_seg_attach(struct soj_seg *seg, const char *name, bool readonly,
		   const uint8_t *key_fingerprint, struct soj_seg_error *err)
{
	char path[SOJ_SEG_PATH_BYTES];
	struct image img;
	int rc;

	seg_init(seg, readonly);
	rc = soj_seg_path(path, name, err);
	if (rc < 0)
		return rc;
	rc = open_image(&img, name, path, readonly ? O_RDONLY : O_RDWR, err);
	if (rc < 0)
		return rc;
	rc = attach_image(seg, &img, key_fingerprint, err);
	close(img.fd);
	return rc;
}

/* Whoever passed the descriptor must not be able to cut the file short. */
static int check_seals(const struct image *img, struct soj_seg_error *err)
{
	const int want = F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fcntl(img->fd, F_GET_SEALS);

	if (seals >= 0 && (seals & want) == want)
		return 0;
	if (seals < 0 && errno != EINVAL) /* that is: cannot have any */
		return soj_seg_fail_sys(err, -errno, "%s: cannot see its seals",
					img->what);
	return soj_seg_fail(err, -EACCES,
			    "%s is not sealed against a change of its size",
			    img->what);
}

int soj_seg_attach_fd(struct soj_seg *seg, int fd, bool readonly,
		      const uint8_t *key_fingerprint, struct soj_seg_error *err)
{
	struct image img;
	int rc;

	seg_init(seg, readonly);
	snprintf(img.what, sizeof(img.what), "descriptor %d", fd);
	img.fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (img.fd < 0)
		return soj_seg_fail_sys(err, -errno, "%s: cannot copy it",
					img.what);
	rc = check_seals(&img, err);
	if (rc == 0)
		rc = attach_image(seg, &img, key_fingerprint, err);
	if (rc < 0)
		close(img.fd);
	else
		seg->fd = img.fd;
	return rc;
}

/* Tells the helper and every later attach. */
static int mark_destroyed(struct image *img, struct soj_seg_error *err)
{
	struct soj_seg seg;
	int rc;

	seg_init(&seg, false);
	rc = check_image(img, NULL);
	if (rc == 0)
		rc = map_image(&seg, img, NULL);
	/* Its helper would go on for ever. */
	if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM)
		return soj_seg_fail_sys(
			err, rc, "%s: cannot mark it as destroyed", img->what);
	if (rc < 0)
		return 0; /* damaged, or of another version or time namespace,
			   * whose helper goes on until its name is gone */
	soj_store_release(&seg.hdr->destroyed, 1);    /* G3 */
	soj_xchg_acq_rel(&seg.hdr->helper_asleep, 0); /* G4 */
	syscall(SYS_futex, &seg.hdr->helper_asleep, FUTEX_WAKE, INT_MAX, NULL,
		NULL, 0);
	SOJ_STEP("destroy.marked");
	soj_seg_detach(&seg);
	return 0;
}

static int another(const struct image *img, struct soj_seg_error *err)
{
	return soj_seg_fail(err, -ENOENT,
			    "%s was removed by another process, and a new one "
			    "has its name",
			    img->what);
}

/*
 * Two destroyers and a creator must not meet so that the second one removes
 * the new segment: under the lock of the old file, the name must still be its
 * name.  A destroyer that was stopped while it held the lock is not waited for.
 */
static int unlink_image(const struct image *img, const char *path,
			struct soj_seg_error *err)
{
	struct stat now;

	if (flock(img->fd, LOCK_EX | LOCK_NB) < 0)
		return soj_seg_fail_sys(
			err, -errno == -EWOULDBLOCK ? -EBUSY : -errno,
			"%s: another process is removing it", img->what);
	if (lstat(path, &now) < 0)
		return open_failed(img->what, path, -errno, err);
	if (now.st_dev != img->st.st_dev || now.st_ino != img->st.st_ino)
		return another(img, err);
	if (unlink(path) < 0)
		return soj_seg_fail_sys(err, -errno, "%s: cannot remove %s",
					img->what, path);
	SOJ_STEP("destroy.unlinked");
	return 0;
}

/* only: NULL, or the segment that it must be. */
static int destroy(const struct soj_seg *only, const char *name,
		   struct soj_seg_error *err)
{
	char path[SOJ_SEG_PATH_BYTES];
	struct image img;
	int rc = soj_seg_path(path, name, err);

	if (rc < 0)
		return rc;
	rc = open_image(&img, name, path, O_RDWR, err);
	if (rc < 0)
		return rc;
	/* check_file() also trusts root's: those are not ours to remove. */
	if (fstat(img.fd, &img.st) < 0) {
		rc = soj_seg_fail_sys(err, -errno, "%s: cannot stat", img.what);
	} else if (!S_ISREG(img.st.st_mode)) {
		rc = not_regular(img.what, err);
	} else if (img.st.st_uid != geteuid()) {
		rc = soj_seg_fail(err, -EACCES,
				  "%s belongs to user %u; only that user can "
				  "remove it",
				  img.what, (unsigned)img.st.st_uid);
	} else if (only && (img.st.st_dev != only->device ||
			    img.st.st_ino != only->inode)) {
		rc = another(&img, err);
	} else {
		rc = mark_destroyed(&img, err);
		if (rc == 0)
			rc = unlink_image(&img, path, err);
	}
	close(img.fd);
	return rc;
}

int soj_seg_destroy(const char *name, struct soj_seg_error *err)
{
	return destroy(NULL, name, err);
}

int soj_seg_destroy_only(const struct soj_seg *seg, const char *name,
			 struct soj_seg_error *err)
{
	return destroy(seg, name, err);
}

int soj_seg_open_inspect(const char *name_or_path, struct soj_seg_error *err)
{
	char path[SOJ_SEG_PATH_BYTES];
	bool is_path = strchr(name_or_path, '/') != NULL;
	const char *file = is_path ? name_or_path : path;
	struct stat st;
	int fd, rc;

	rc = is_path ? 0 : soj_seg_path(path, name_or_path, err);
	if (rc < 0)
		return rc;
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
				(is_path ? 0 : O_NOFOLLOW));
	fd = fd < 0 ? -errno : soj_seg_fd_above_stdio(fd);
	if (fd < 0)
		return open_failed(name_or_path, file, fd, err);
	if (fstat(fd, &st) < 0)
		rc = soj_seg_fail_sys(err, -errno, "%s: cannot stat", file);
	else if (!S_ISREG(st.st_mode))
		rc = not_regular(file, err);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}
