/* SPDX-License-Identifier: MIT */

/*
 * Making a segment.
 *
 * The file has no name while it is being made (O_TMPFILE, or a memfd), and
 * gets it by one linkat() when it is complete.  So nobody ever sees half a
 * segment, a taken name is found out by the same call that takes it, and a
 * creator that dies leaves no file that somebody would have to tell from a
 * live one: better than a temporary name, which would stay.
 *
 * Crash table
 *   killed after      left                              repaired by
 *   segment.opened    nothing: the kernel frees a file  -
 *                     without a name with its last
 *                     descriptor
 *   segment.allocated nothing                           -
 *   segment.filled    nothing                           -
 *   segment.published a complete segment, without a     any attach may use it,
 *                     helper                            a helper take the role
 * Stop table: until linkat() nobody knows the file; if the name was taken
 * meanwhile it says so, and the file goes with its descriptor.
 *
 * Edges
 *   tag  operation            pairs with   so that
 *   G0   create: store magic  attach.c:G1  who sees the magic sees all that was
 *                                          filled in
 */

#include "shm/segment_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "shm/words.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

static int check_options(const struct soj_seg_options *opts,
			 struct soj_seg_error *err)
{
	int rc;

	if ((opts->flags &
	     ~(SOJ_SHM_MANUAL_CLOCK | SOJ_SHM_SEALED | SOJ_SHM_IDS_AES)) ||
	    (opts->flags & SOJ_SHM_SEALED) == SOJ_SHM_SEALED)
		return soj_seg_fail(err, -EINVAL,
				    "segment flags are 0x%x, allowed are 0x%x "
				    "and one of 0x%x",
				    opts->flags,
				    SOJ_SHM_MANUAL_CLOCK | SOJ_SHM_IDS_AES,
				    SOJ_SHM_SEALED);
	rc = soj_seg_policy_check(&opts->policy, err);
	return rc < 0 ? rc : soj_seg_collections_check(opts->collection, err);
}

static int fit(struct soj_layout *lay, const struct soj_seg_options *opts,
	       struct soj_seg_error *err)
{
	uint64_t need_bytes = 0;
	int rc = soj_layout_fit(lay, opts->entries_max, opts->segment_bytes,
				opts->slots_max, opts->events_max, &need_bytes);

	if (rc == -ENOSPC)
		return soj_seg_fail(
			err, -EINVAL,
			"%" PRIu64 " bytes: too small for %u entries and %u "
			"threads: at least %" PRIu64 " bytes (%s) are needed",
			opts->segment_bytes, opts->entries_max, opts->slots_max,
			need_bytes, soj_size_text(need_bytes).text);
	if (rc == -EFBIG)
		return soj_seg_fail(
			err, -EINVAL,
			"%s (%" PRIu64 " bytes) is more than %u entries can "
			"use: at most %" PRIu64 " bytes (%s), as there are at "
			"most 16 GiB of values",
			soj_size_text(opts->segment_bytes).text,
			opts->segment_bytes, opts->entries_max, need_bytes,
			soj_size_text(need_bytes).text);
	if (rc < 0)
		return soj_seg_fail(
			err, rc,
			"entries are %u, allowed are 1 to %u; "
			"threads are %u, allowed are 1 to %u; "
			"events are %u, allowed are 0 and powers of "
			"two from %u to %u",
			opts->entries_max, SOJ_ENTRIES_LIMIT, opts->slots_max,
			SOJ_SLOTS_LIMIT, opts->events_max, SOJ_EVENTS_MIN,
			SOJ_EVENTS_LIMIT);
	return 0;
}

/* Where vm.memfd_noexec says so, only the first form is allowed; older
 * kernels know only the second. */
static int open_memfd(void)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("sojourn", flags | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("sojourn", flags);
	return fd;
}

static int open_unnamed(const char *name, struct soj_seg_error *err)
{
	int fd = name ? open(SOJ_SEG_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
		      : open_memfd();

	fd = fd < 0 ? -errno : soj_seg_fd_above_stdio(fd);
	if (fd == -EMFILE)
		return soj_seg_fail_sys(err, fd,
					"cannot make a segment: all file "
					"descriptors of this process are in "
					"use (ulimit -n)");
	if (fd < 0)
		return soj_seg_fail_sys(err, fd, "cannot make a segment in %s",
					name ? SOJ_SEG_DIR : "memory");
	return fd;
}

/* The exact mode, whatever the umask; a memfd starts with 0777. */
static int set_access(int fd, gid_t group, struct soj_seg_error *err)
{
	bool shared = group != (gid_t)-1;

	if (shared && fchown(fd, (uid_t)-1, group) < 0)
		return soj_seg_fail_sys(err, -errno,
					"cannot give the segment to group %u",
					(unsigned)group);
	if (fchmod(fd, shared ? 0660 : 0600) < 0)
		return soj_seg_fail_sys(err, -errno,
					"cannot set the mode of the segment");
	return 0;
}

static void fill_words(soj_word_t *words, uint64_t count, uint64_t value)
{
	for (uint64_t i = 0; i < count; i++)
		soj_store_relaxed(&words[i], value);
}

/* One bit per entry that exists: 1 to entries_max. */
static void fill_entry_hints(struct soj_seg *seg)
{
	uint64_t bits = (uint64_t)seg->lay.entries_max + 1;
	uint32_t last = seg->lay.entry_hint_words - 1;
	uint64_t word;

	fill_words(seg->entry_free, last, UINT64_MAX);
	word = bits % 64 ? SOJ_MASK(bits % 64) : UINT64_MAX;
	soj_store_relaxed(&seg->entry_free[last], word);
	word = soj_load_relaxed(&seg->entry_free[0]);
	soj_store_relaxed(&seg->entry_free[0], word & ~UINT64_C(1));
}

static int fill_slots(struct soj_seg *seg, struct soj_seg_error *err)
{
	pthread_mutexattr_t attr;
	int rc = -pthread_mutexattr_init(&attr);

	if (rc < 0)
		return soj_seg_fail_sys(err, rc, "cannot make mutexes");
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	for (uint32_t i = 0; rc == 0 && i < seg->lay.slots_max; i++) {
		struct soj_shm_slot *slot = &seg->slots[i];

		soj_store_relaxed(&slot->claim,
				  soj_claim(SOJ_CLAIM_FREE, 1, 0, 0));
		rc = -pthread_mutex_init(&slot->life, &attr);
	}
	pthread_mutexattr_destroy(&attr);
	if (rc < 0)
		return soj_seg_fail_sys(err, rc, "cannot make mutexes");
	return 0;
}

static int fill_header(struct soj_seg *seg, const struct soj_seg_options *opts,
		       struct soj_seg_error *err)
{
	struct soj_shm_header *hdr = seg->hdr;
	struct soj_clock_base clock;
	struct timespec now;
	int rc = soj_clock_base_read(&clock, err);

	if (rc < 0)
		return rc;
	clock_gettime(CLOCK_REALTIME, &now);
	hdr->version_major = SOJ_SHM_VERSION_MAJOR;
	hdr->version_minor = SOJ_SHM_VERSION_MINOR;
	hdr->layout = SOJ_SHM_LAYOUT;
	hdr->segment_bytes = seg->lay.segment_bytes;
	memcpy(hdr->boot_id, clock.boot_id, sizeof(hdr->boot_id));
	hdr->clock_base_ms = clock.boottime_ms - 1;
	hdr->timens_offset_ms = clock.timens_offset_ms;
	hdr->created_unix_ms =
		(uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	hdr->entries_max = seg->lay.entries_max;
	hdr->units = seg->lay.units;
	hdr->unit_slots = seg->lay.unit_slots;
	hdr->slots_max = seg->lay.slots_max;
	hdr->events_max = seg->lay.events_max;
	hdr->flags = seg->flags;
	memcpy(hdr->key_fingerprint, opts->key_fingerprint,
	       sizeof(hdr->key_fingerprint));
	if (seg->flags & SOJ_SHM_SEALED)
		soj_random(seg->seal_salt, sizeof(seg->seal_salt));
	memcpy(hdr->seal_salt, seg->seal_salt, sizeof(hdr->seal_salt));
	hdr->policy = opts->policy;
	memcpy(hdr->collection, opts->collection, sizeof(hdr->collection));
	soj_store_relaxed(&hdr->huge_wanted, seg->huge_wanted);
	soj_store_relaxed(&hdr->huge_pages, seg->huge_pages);
	soj_store_relaxed(&hdr->event_next, 1);
	soj_store_relaxed(&hdr->epoch, 2);
	soj_store_relaxed(&hdr->manual_now_ms, 1);
	seg->policy = opts->policy;
	memcpy(seg->collection, opts->collection, sizeof(seg->collection));
	seg->clock_base_ms = hdr->clock_base_ms;
	return 0;
}

/* A fresh file is zero: only what is something else is written. */
static int fill(struct soj_seg *seg, const struct soj_seg_options *opts,
		struct soj_seg_error *err)
{
	const struct soj_layout *lay = &seg->lay;
	int rc = fill_header(seg, opts, err);

	if (rc < 0)
		return rc;
	rc = fill_slots(seg, err);
	if (rc < 0)
		return rc;
	fill_words(seg->entry_states, (uint64_t)lay->entries_max + 1,
		   soj_state(SOJ_FREE, 0, 1));
	fill_words(seg->chunk_states, (uint64_t)lay->units * lay->unit_slots,
		   soj_state(SOJ_FREE, 0, 1));
	fill_words(seg->units, lay->units, soj_unit(SOJ_UNIT_FREE, 0, 0, 0, 1));
	fill_entry_hints(seg);
	soj_store_release(&seg->hdr->magic, SOJ_SHM_MAGIC); /* G0 */
	return 0;
}

static int taken(const char *name, const char *path, struct soj_seg_error *err)
{
	return soj_seg_fail(err, -EEXIST, "segment %s exists already (%s)",
			    name, path);
}

/* Who comes late needs no memory to be told so: only the link decides, but there
 * may not be room for two. */
static bool is_taken(const char *name, const char *path)
{
	struct stat st;

	return name && lstat(path, &st) == 0;
}

/* A file gets its name, a memfd its seals. */
static int publish(int fd, const char *name, const char *path,
		   struct soj_seg_error *err)
{
	char link[32];
	int rc;

	if (!name) {
		if (fcntl(fd, F_ADD_SEALS,
			  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
			return 0;
		return soj_seg_fail_sys(err, -errno, "cannot seal a memfd");
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	rc = -errno;
	if (rc == -EEXIST)
		return taken(name, path, err);
	return soj_seg_fail_sys(err, rc, "cannot give a segment the name %s",
				path);
}

static int build(struct soj_seg *seg, int fd, const char *name,
		 const char *path, const struct soj_seg_options *opts,
		 struct soj_seg_error *err)
{
	int rc = set_access(fd, opts->group, err);

	if (rc < 0)
		return rc;
	rc = soj_seg_allocate(seg, fd, name ? SOJ_SEG_DIR : NULL, opts->huge_ms,
			      err);
	if (rc < 0)
		return rc;
	SOJ_STEP("segment.allocated");
	rc = soj_seg_map(seg, fd, err);
	if (rc < 0)
		return rc;
	rc = fill(seg, opts, err);
	if (rc < 0)
		return rc;
	SOJ_STEP("segment.filled");
	rc = publish(fd, name, path, err);
	if (rc < 0)
		return rc;
	SOJ_STEP("segment.published");
	return 0;
}

int soj_seg_create(struct soj_seg *seg, const char *name,
		   const struct soj_seg_options *opts,
		   struct soj_seg_error *err)
{
	char path[SOJ_SEG_PATH_BYTES] = "";
	int fd, rc;

	memset(seg, 0, sizeof(*seg));
	seg->fd = -1;
	rc = name ? soj_seg_path(path, name, err) : 0;
	if (rc < 0)
		return rc;
	rc = check_options(opts, err);
	if (rc < 0)
		return rc;
	rc = fit(&seg->lay, opts, err);
	if (rc < 0)
		return rc;
	if (is_taken(name, path))
		return taken(name, path, err);
	fd = open_unnamed(name, err);
	if (fd < 0)
		return fd;
	SOJ_STEP("segment.opened");
	seg->flags = opts->flags | (name ? 0 : SOJ_SHM_ANONYMOUS);
	rc = build(seg, fd, name, path, opts, err);
	/* By who took the memory. */
	if ((rc == -ENOSPC || rc == -ENOMEM) && is_taken(name, path))
		rc = taken(name, path, err);
	if (rc < 0 || name)
		close(fd);
	else
		seg->fd = fd;
	if (rc < 0)
		soj_seg_detach(seg);
	return rc;
}
