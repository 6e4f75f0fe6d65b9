/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SHM_SEGMENT_H
#define SOJ_SHM_SEGMENT_H

/*
 * Layer 1.  Creating, attaching and removing segments, and the pointers of one
 * process into its mapping.  Everything here that is computed from the header
 * is computed once, from bounded values, into private memory.
 *
 * Not thread-safe for one struct soj_seg; the struct is constant between
 * attach and detach, and then read by all threads.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/secret.h"
#include "shm/layout.h"

struct soj_seg {
	uint8_t *base; /* NULL: not mapped */
	size_t bytes;
	int fd; /* -1: not kept */
	bool readonly;
	uint64_t device, inode; /* of the file, whatever its name is now */
	struct soj_layout lay;
	struct soj_shm_policy policy; /* private copy */
	struct soj_shm_collection collection[SOJ_COLLECTIONS]; /* too */
	uint32_t flags;        /* SOJ_SHM_*, private copy */
	uint8_t seal_salt[16]; /* private copy */
	int64_t clock_base_ms; /* private copy */
	uint32_t huge_wanted;  /* what the header is to say of them */
	uint32_t huge_pages;

	struct soj_shm_header *hdr;
	struct soj_shm_slot *slots;
	soj_word_t *entry_states;
	soj_word_t *chunk_states;
	soj_word_t *units;
	soj_word_t *entry_free;
	soj_word_t *chunk_free;
	soj_word_t *unit_free;
	soj_word_t *armed;
	soj_word_t *armed_summary;
	soj_word_t *ended;
	soj_word_t *ended_summary;
	struct soj_shm_bucket *buckets;
	soj_word_t *heads;
	struct soj_shm_entry *entries;
	struct soj_shm_event *events;
	uint8_t *chunks;
};

struct soj_seg_options {
	uint32_t entries_max;
	uint64_t segment_bytes;
	uint32_t slots_max;
	uint32_t events_max; /* 0, or a power of two */
	uint32_t flags;      /* SOJ_SHM_MANUAL_CLOCK, one of SOJ_SHM_SEAL_* */
	struct soj_shm_policy policy;
	struct soj_shm_collection collection[SOJ_COLLECTIONS];
	uint8_t key_fingerprint[16];
	gid_t group; /* (gid_t)-1: owner only, 0600; else 0660 */
	/* Processor time that pages of 2 MiB may take; 0: none are wanted. */
	uint32_t huge_ms;
};

/* Longest NAME: "/sojourn." NAME must be a file name of 255 bytes. */
#define SOJ_SEG_NAME_MAX 200u

/*
 * Limits of a policy's periods.  ttl and idle timeout are those that fit in an
 * entry (times have 41 bits, idle_ms 32); nothing else may be absurd.
 */
#define SOJ_SEG_PERIOD_MAX_MS UINT64_C(3155760000000) /* 100 years */
#define SOJ_SEG_TTL_MAX_MS    SOJ_MASK(40)            /* 34 years */
#define SOJ_SEG_IDLE_MAX_MS   SOJ_MASK(32)            /* 49 days */

/*
 * Why an operation of this file failed, in words for the user: names what,
 * the value and the rule.  Filled on every negative return; never empty then.
 * Every function here takes NULL for who does not want it.
 */
struct soj_seg_error {
	char text[512];
};

/*
 * soj_seg_create - make, fill and publish a segment, and map it
 *
 * name: [A-Za-z0-9][A-Za-z0-9._-]{0,199}, or NULL for an anonymous sealed
 * memfd (seg->fd is then kept, inherited over fork, and passed to the helper).
 * The file has no name until it is complete: a creator killed anywhere leaves
 * nothing.  Every byte is allocated, so no later access can raise SIGBUS.
 * The region contents are: all state words FREE with generation 1, hint
 * bitmaps of free entries set, units FREE, epoch 2, heads and buckets zero,
 * claim words FREE gen 1, mutexes initialised robust and process-shared.
 *
 * Returns 0, or -EINVAL (name, counts, or bytes too small: text says what is
 * needed), -EEXIST (name taken), -ENOSPC or -ENOMEM (not enough shared
 * memory), -EFBIG (RLIMIT_FSIZE), -EMFILE, -ENFILE, -EPERM/-EACCES (group),
 * -EXDEV (unshare of time without a fork), other -errno of the calls.  On
 * failure nothing is left behind.
 */
int soj_seg_create(struct soj_seg *seg, const char *name,
		   const struct soj_seg_options *opts,
		   struct soj_seg_error *err);

/*
 * soj_seg_attach - map an existing segment after checking all of it that
 * later code relies on
 *
 * Refuses: -ENOENT (no such segment), -ELOOP (symlink), -EINVAL (name, not a
 * regular file), -EACCES (owner is neither root nor the effective user, mode
 * is neither 0600 nor 0660, more than one hard link), -EPROTO (magic, version,
 * fingerprint of the layout, unknown flags), -ESTALE (made in another boot),
 * -EXDEV (other time namespace), -EBADMSG (geometry out of bounds, file size
 * differs from it, file has holes, clock base or policy absurd, header changed
 * meanwhile), -EKEYREJECTED (key fingerprint differs from *key_fingerprint;
 * NULL: not checked), -ESHUTDOWN (destroyed), other -errno.  Writes nothing.
 */
int soj_seg_attach(struct soj_seg *seg, const char *name, bool readonly,
		   const uint8_t *key_fingerprint, struct soj_seg_error *err);

/*
 * The same for an inherited descriptor (anonymous segments); fd is dup'ed.
 * -EACCES also when it is not sealed against a change of its size.
 */
int soj_seg_attach_fd(struct soj_seg *seg, int fd, bool readonly,
		      const uint8_t *key_fingerprint,
		      struct soj_seg_error *err);

/* 0, or -EINVAL with a text that names the value and its range. */
int soj_seg_policy_check(const struct soj_shm_policy *policy,
			 struct soj_seg_error *err);
/* The same for SOJ_COLLECTIONS of them; number 0 must be defined. */
int soj_seg_collections_check(const struct soj_shm_collection *collections,
			      struct soj_seg_error *err);
/* 0, or -EINVAL with the rule for names in *err (may be NULL). */
int soj_seg_name_check(const char *name, struct soj_seg_error *err);

/*
 * Has a segment that is there already in pages of 2 MiB where the kernel can,
 * and says in the header how many.  Blocking: copies all of it once.
 */
void soj_seg_huge(struct soj_seg *seg);

/* Unmaps.  Robust mutexes of this process must have been unlocked before. */
void soj_seg_detach(struct soj_seg *seg);

/*
 * Takes fd and returns it, or a copy above 2 in its place: what a host prints
 * to a closed stdout must not end up in a segment, a key or a pipe of ours.
 * Returns -errno after closing fd.
 */
int soj_seg_fd_above_stdio(int fd);

/* Is that still the name of its file?  It may have been removed, and be the name
 * of another segment by now. */
bool soj_seg_is_named(const struct soj_seg *seg, const char *name);

/*
 * Sets header.destroyed, so that the helper ends and attach refuses, and
 * removes the name.  Processes that are attached keep their mapping.  What
 * attach refuses is removed as well if it is a regular file of this user; the
 * bytes of what is no segment of this format are left alone.
 * Returns 0, -ENOENT, -EACCES (not ours), -ELOOP, -EINVAL (name, no regular
 * file), -EBUSY (another destroyer holds it), -EMFILE, -ENFILE and -ENOMEM (it
 * cannot be marked, and nothing was done), other -errno.
 */
int soj_seg_destroy(const char *name, struct soj_seg_error *err);
/* The same of that one only: -ENOENT if another segment has the name. */
int soj_seg_destroy_only(const struct soj_seg *seg, const char *name,
			 struct soj_seg_error *err);

/*
 * Opens a segment, or any file that holds an image of one, for inspection by
 * pread: checks nothing but that it is a regular file.  name_or_path: a path
 * if it contains a '/', else a segment name.  Returns a descriptor or -errno.
 */
int soj_seg_open_inspect(const char *name_or_path, struct soj_seg_error *err);

/* The rules of a collection; those of number 0 if it is none. */
static inline const struct soj_shm_collection *
soj_collection(const struct soj_seg *seg, uint32_t number)
{
	return &seg->collection[number < SOJ_COLLECTIONS &&
						seg->collection[number].flags
					? number
					: 0];
}

/* Points seg's region pointers into base according to seg->lay. */
void soj_seg_point(struct soj_seg *seg);

/*
 * The clock of the segment, in ms, starting at 1: CLOCK_BOOTTIME less the
 * base, or the manual clock.
 */
uint64_t soj_seg_now_ms(const struct soj_seg *seg);

/*
 * keyfile.c: the master key of a named segment.
 * Default path: /var/lib/sojourn/NAME.key for root, else
 * $XDG_STATE_HOME/sojourn/NAME.key or ~/.local/state/sojourn/NAME.key.
 */
int soj_keyfile_default_path(char *path, size_t path_bytes, const char *name);
/*
 * Reads the key, or with `create` makes a new random one (0600, or 0640 with
 * group) when the file does not exist; written to a private name, synced and
 * linked, so that no half-written key is ever seen.  32 raw bytes.  Folders
 * that are missing are made: 0700, or 0750 with group.  With `create`, several
 * at once get the same key.
 * Returns 0, -ENOENT, -EACCES (owner, mode or a second hard link lets others
 * in), -EBADMSG (wrong size, or all zero), -ELOOP (symlink), -EINVAL (not a
 * regular file), other -errno; key is then wiped or untouched.
 */
int soj_keyfile_load(const char *path, bool create, gid_t group,
		     uint8_t key[SOJ_KEY_BYTES], struct soj_seg_error *err);

#endif /* SOJ_SHM_SEGMENT_H */
