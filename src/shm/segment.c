/* SPDX-License-Identifier: MIT */

/*
 * What creating and attaching have in common: names, limits, the mapping.
 * create.c makes segments, attach.c checks and removes them, clock.c tells
 * their time, room.c finds memory for them.
 */

#include "shm/segment_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void __attribute__((format(printf, 4, 0)))
fill_error(struct soj_seg_error *err, int rc, bool sys, const char *format,
	   va_list args)
{
	size_t used;

	if (!err)
		return;
	vsnprintf(err->text, sizeof(err->text), format, args);
	used = strlen(err->text);
	if (sys) {
		errno = -rc;
		snprintf(err->text + used, sizeof(err->text) - used, ": %m");
	}
}

int soj_seg_fail(struct soj_seg_error *err, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fill_error(err, rc, false, format, args);
	va_end(args);
	return rc;
}

int soj_seg_fail_sys(struct soj_seg_error *err, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fill_error(err, rc, true, format, args);
	va_end(args);
	return rc;
}

/* Not isalnum(): what is a letter must not depend on the locale. */
static bool name_byte(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9');
}

int soj_seg_name_check(const char *name, struct soj_seg_error *err)
{
	size_t bytes = strlen(name);

	if (bytes == 0)
		return soj_seg_fail(err, -EINVAL, "segment name is empty");
	if (bytes > SOJ_SEG_NAME_MAX)
		return soj_seg_fail(err, -EINVAL,
				    "segment name has %zu bytes, the most "
				    "is %u",
				    bytes, SOJ_SEG_NAME_MAX);
	for (size_t i = 0; i < bytes; i++) {
		if (name_byte(name[i]) || (i > 0 && strchr("._-", name[i])))
			continue;
		/* The byte in hex: the name may be anything, even escapes. */
		return soj_seg_fail(err, -EINVAL,
				    "segment name has byte 0x%02x at offset "
				    "%zu; it takes letters, digits, '.', '_' "
				    "and '-', and begins with a letter or "
				    "digit",
				    (unsigned char)name[i], i);
	}
	return 0;
}

int soj_seg_path(char path[SOJ_SEG_PATH_BYTES], const char *name,
		 struct soj_seg_error *err)
{
	int rc = soj_seg_name_check(name, err);

	if (rc < 0)
		return rc;
	snprintf(path, SOJ_SEG_PATH_BYTES, SOJ_SEG_PREFIX "%s", name);
	return 0;
}

struct limits {
	const char *name;
	uint64_t value, min, max;
};

static int check_limits(const char *what, const struct limits *rows,
			size_t count, struct soj_seg_error *err)
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i].value >= rows[i].min &&
		    rows[i].value <= rows[i].max)
			continue;
		return soj_seg_fail(err, -EINVAL,
				    "%s: %s is %" PRIu64
				    ", allowed are %" PRIu64 " to %" PRIu64,
				    what, rows[i].name, rows[i].value,
				    rows[i].min, rows[i].max);
	}
	return 0;
}

int soj_seg_policy_check(const struct soj_shm_policy *policy,
			 struct soj_seg_error *err)
{
	const struct limits rows[] = {
		{"lease_ms", policy->lease_ms, 256, 3600000},
		{"expel_after_ms", policy->expel_after_ms, 1, 3600000},
		{"when_full", policy->when_full, SOJ_FULL_REJECT,
		 SOJ_FULL_EVICT},
		{"id_bytes", policy->id_bytes, 16, 48},
	};

	return check_limits("policy", rows, sizeof(rows) / sizeof(rows[0]),
			    err);
}

/* What may be in the text of an error, and is all that sojourn_create() lets
 * into a name. */
static bool collection_name_ok(const char name[32])
{
	size_t chars = strnlen(name, 32);

	for (size_t i = 0; i < chars; i++)
		if (!name_byte(name[i]) && !strchr("._-", name[i]))
			return false;
	return chars > 0 && chars < 32;
}

static int check_collection(const struct soj_shm_collection *c, uint32_t number,
			    struct soj_seg_error *err)
{
	const struct limits rows[] = {
		{"ttl_ms", c->ttl_ms, 1, SOJ_SEG_TTL_MAX_MS},
		{"idle_ms", c->idle_ms, 0, SOJ_SEG_IDLE_MAX_MS},
		{"renewal_ms", c->renewal_ms, 0, SOJ_SEG_PERIOD_MAX_MS},
		{"grace_window_ms", c->grace_window_ms, 0,
		 SOJ_SEG_PERIOD_MAX_MS},
		{"redelivery_ms", c->redelivery_ms, 0, UINT32_MAX},
		{"max_lifetime_ms", c->max_lifetime_ms, 0,
		 SOJ_SEG_PERIOD_MAX_MS},
		{"cap", c->cap, 0, SOJ_ENTRIES_LIMIT},
		{"flags", c->flags, SOJ_COLLECTION_DEFINED,
		 SOJ_COLLECTION_FLAGS},
		{"cap_policy", c->cap_policy, SOJ_CAP_REJECT,
		 SOJ_CAP_EXCLUSIVE},
		{"device_policy", c->device_policy, SOJ_BINDING_IGNORE,
		 SOJ_BINDING_DELETE},
		{"ip_policy", c->ip_policy, SOJ_BINDING_IGNORE,
		 SOJ_BINDING_DELETE},
		{"user_agent_policy", c->user_agent_policy, SOJ_BINDING_IGNORE,
		 SOJ_BINDING_DELETE},
		{"ip4_prefix_bits", c->ip4_prefix_bits, 1, 32},
		{"ip6_prefix_bits", c->ip6_prefix_bits, 1, 128},
	};
	char what[64];

	if (!collection_name_ok(c->name))
		return soj_seg_fail(err, -EINVAL,
				    "collection %" PRIu32
				    ": its name must have 1 to %zu letters, "
				    "digits, '.', '_' and '-'",
				    number, sizeof(c->name) - 1);
	snprintf(what, sizeof(what), "collection %s", c->name);
	return check_limits(what, rows, sizeof(rows) / sizeof(rows[0]), err);
}

int soj_seg_collections_check(const struct soj_shm_collection *collections,
			      struct soj_seg_error *err)
{
	for (uint32_t i = 0; i < SOJ_COLLECTIONS; i++) {
		int rc;

		if (i > 0 && collections[i].flags == 0)
			continue;
		rc = check_collection(&collections[i], i, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void *at(const struct soj_seg *seg, uint64_t off)
{
	return seg->base + off;
}

void soj_seg_point(struct soj_seg *seg)
{
	const struct soj_layout *lay = &seg->lay;

	seg->hdr = at(seg, 0);
	seg->slots = at(seg, lay->slots_off);
	seg->entry_states = at(seg, lay->entry_states_off);
	seg->chunk_states = at(seg, lay->chunk_states_off);
	seg->units = at(seg, lay->units_off);
	seg->entry_free = at(seg, lay->entry_free_off);
	seg->chunk_free = at(seg, lay->chunk_free_off);
	seg->unit_free = at(seg, lay->unit_free_off);
	seg->armed = at(seg, lay->armed_off);
	seg->armed_summary = at(seg, lay->armed_summary_off);
	seg->ended = at(seg, lay->ended_off);
	seg->ended_summary = at(seg, lay->ended_summary_off);
	seg->buckets = at(seg, lay->buckets_off);
	seg->heads = at(seg, lay->heads_off);
	seg->entries = at(seg, lay->entries_off);
	seg->events = at(seg, lay->events_off);
	seg->chunks = at(seg, lay->chunks_off);
}

int soj_seg_map(struct soj_seg *seg, int fd, struct soj_seg_error *err)
{
	size_t bytes = (size_t)seg->lay.segment_bytes;
	int prot = seg->readonly ? PROT_READ : PROT_READ | PROT_WRITE;
	void *base = soj_seg_map_aligned(fd, bytes, prot);
	struct stat st;
	int rc;

	if (base == MAP_FAILED)
		return soj_seg_fail_sys(err, -errno, "cannot map %s",
					soj_size_text(bytes).text);
	if (madvise(base, bytes, MADV_DONTDUMP) < 0) {
		rc = soj_seg_fail_sys(err, -errno,
				      "cannot keep a segment out of core "
				      "dumps");
		munmap(base, bytes);
		return rc;
	}
	if (fstat(fd, &st) == 0) {
		seg->device = st.st_dev;
		seg->inode = st.st_ino;
	}
	seg->base = base;
	seg->bytes = bytes;
	soj_seg_point(seg);
	return 0;
}

bool soj_seg_is_named(const struct soj_seg *seg, const char *name)
{
	char path[SOJ_SEG_PATH_BYTES];
	struct stat st;

	return soj_seg_path(path, name, NULL) == 0 && lstat(path, &st) == 0 &&
	       st.st_dev == seg->device && st.st_ino == seg->inode;
}

void soj_seg_detach(struct soj_seg *seg)
{
	if (seg->base)
		munmap(seg->base, seg->bytes);
	if (seg->fd >= 0)
		close(seg->fd);
	memset(seg, 0, sizeof(*seg));
	seg->fd = -1;
}

int soj_seg_fd_above_stdio(int fd)
{
	int copy, rc;

	if (fd > STDERR_FILENO)
		return fd;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	rc = copy < 0 ? -errno : copy;
	close(fd);
	return rc;
}

int soj_seg_read_text(const char *path, char *text, size_t text_bytes)
{
	size_t used = 0;
	ssize_t got;
	int fd, rc = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		got = read(fd, text + used, text_bytes - 1 - used);
		if (got > 0)
			used += (size_t)got;
		else if (got < 0 && errno != EINTR)
			rc = -errno;
	} while (got > 0 || (got < 0 && rc == 0));
	close(fd);
	text[used] = '\0';
	return rc < 0 ? rc : (int)used;
}
