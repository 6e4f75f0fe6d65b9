/* SPDX-License-Identifier: MIT */

/*
 * Finding memory for a segment before anything is touched.
 *
 * posix_fallocate() takes pages one by one until there are none.  On a tmpfs
 * that is larger than the free memory, and for a memfd, which has no limit at
 * all, "none" means that the kernel kills somebody.  So what is free is looked
 * at first, and refused with a text that says how much there is.  The looking
 * is advice, not a reservation: the allocation still has the last word.
 */

#include "shm/segment_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#define CGROUP_DIR "/sys/fs/cgroup"
/* A signal makes the kernel give back the whole step. */
#define STEP_BYTES (UINT64_C(16) << 20)

struct soj_size_text soj_size_text(uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB",
					    "TiB", "PiB", "EiB"};
	struct soj_size_text size;
	double value = (double)bytes / 1024;
	size_t i = 0;

	for (; value >= 1024 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
		value /= 1024;
	if (bytes < 1024)
		snprintf(size.text, sizeof(size.text), "%" PRIu64 " bytes",
			 bytes);
	else
		snprintf(size.text, sizeof(size.text), "%.1f %s", value,
			 units[i]);
	return size;
}

/* The number behind a line's key, UINT64_MAX if there is no such line. */
static uint64_t line_value(const char *text, const char *key)
{
	size_t key_bytes = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, key_bytes) == 0)
			return strtoull(line + key_bytes, NULL, 10);
	}
	return UINT64_MAX;
}

/* What the machine can give without killing: an estimate of the kernel. */
static uint64_t machine_room(void)
{
	char text[4096];
	uint64_t available_kib, swap_kib;

	if (soj_seg_read_text("/proc/meminfo", text, sizeof(text)) < 0)
		return UINT64_MAX;
	available_kib = line_value(text, "MemAvailable:");
	swap_kib = line_value(text, "SwapFree:");
	if (available_kib >= UINT64_MAX / 2048)
		return UINT64_MAX;
	if (swap_kib < UINT64_MAX / 2048)
		available_kib += swap_kib;
	return available_kib * 1024;
}

static uint64_t read_number(const char *dir, const char *file)
{
	char path[512];
	char text[64];

	snprintf(path, sizeof(path), CGROUP_DIR "%s/%s", dir, file);
	if (soj_seg_read_text(path, text, sizeof(text)) <= 0 || text[0] < '0' ||
	    text[0] > '9')
		return UINT64_MAX; /* "max", or no such controller */
	return strtoull(text, NULL, 10);
}

/* Room below the limit of one control group; its page cache can go. */
static uint64_t group_room(const char *dir)
{
	char path[512];
	char text[8192];
	uint64_t max = read_number(dir, "memory.max");
	uint64_t used = read_number(dir, "memory.current");
	uint64_t cache = 0;

	if (max == UINT64_MAX || used == UINT64_MAX)
		return UINT64_MAX;
	snprintf(path, sizeof(path), CGROUP_DIR "%s/memory.stat", dir);
	if (soj_seg_read_text(path, text, sizeof(text)) > 0) {
		uint64_t active = line_value(text, "active_file ");
		uint64_t inactive = line_value(text, "inactive_file ");

		if (active < used && inactive < used)
			cache = active + inactive;
	}
	used -= soj_min(used, cache);
	return max - soj_min(max, used);
}

/* The tightest of this process's control groups (version 2). */
static uint64_t groups_room(void)
{
	char text[4096];
	char *dir, *end;
	uint64_t room = UINT64_MAX;

	if (soj_seg_read_text("/proc/self/cgroup", text, sizeof(text)) < 0)
		return UINT64_MAX;
	dir = strstr(text, "0::/");
	if (!dir || (dir != text && dir[-1] != '\n'))
		return UINT64_MAX;
	dir += 3;
	dir[strcspn(dir, "\n")] = '\0';
	if (strlen(dir) > 400 || strstr(dir, ".."))
		return UINT64_MAX; /* a group outside of what is mounted here */
	if (dir[1] == '\0')
		dir[0] = '\0';
	for (;;) {
		room = soj_min(room, group_room(dir));
		end = strrchr(dir, '/');
		if (!end)
			return room;
		*end = '\0';
	}
}

static int no_shm(const char *dir, uint64_t bytes, uint64_t room,
		  struct soj_seg_error *err)
{
	return soj_seg_fail(err, -ENOSPC,
			    "not enough shared memory: %s asked for, %s free "
			    "in %s; make it larger (mount -o remount,size=... "
			    "%s, or docker --shm-size) or give less --bytes",
			    soj_size_text(bytes).text, soj_size_text(room).text,
			    dir, dir);
}

static int no_memory(uint64_t bytes, uint64_t room, struct soj_seg_error *err)
{
	return soj_seg_fail(err, -ENOMEM,
			    "not enough memory: %s asked for, %s available "
			    "(/proc/meminfo and the memory limit of the "
			    "control group); raise that limit or give less "
			    "--bytes",
			    soj_size_text(bytes).text,
			    soj_size_text(room).text);
}

/* UINT64_MAX when it is not limited. */
static uint64_t file_system_room(int fd)
{
	struct statvfs fs;

	if (fstatvfs(fd, &fs) < 0 || fs.f_blocks == 0)
		return UINT64_MAX;
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

int soj_seg_room_check(int fd, const char *dir, uint64_t bytes,
		       struct soj_seg_error *err)
{
	struct rlimit limit;
	uint64_t room;

	/* Beyond it the kernel sends SIGXFSZ, which kills. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes)
		return soj_seg_fail(err, -EFBIG,
				    "a segment of %s is more than this "
				    "process may put into a file: %s (ulimit "
				    "-f)",
				    soj_size_text(bytes).text,
				    soj_size_text(limit.rlim_cur).text);
	room = dir ? file_system_room(fd) : UINT64_MAX;
	if (bytes > room)
		return no_shm(dir, bytes, room, err);
	room = soj_min(machine_room(), groups_room());
	if (bytes > room)
		return no_memory(bytes, room, err);
	return 0;
}

int soj_seg_allocate(struct soj_seg *seg, int fd, const char *dir,
		     uint32_t huge_ms, struct soj_seg_error *err)
{
	const uint64_t bytes = seg->lay.segment_bytes;
	uint64_t done = 0;
	int rc = soj_seg_room_check(fd, dir, bytes, err);

	if (rc < 0)
		return rc;
	if (huge_ms > 0)
		soj_seg_huge_begin(seg, fd, huge_ms);
	while (done < bytes) {
		uint64_t step = soj_min(STEP_BYTES, bytes - done);

		rc = -posix_fallocate(fd, (off_t)done, (off_t)step);
		if (rc == -EINTR)
			continue;
		if (rc == -ENOSPC && dir)
			return no_shm(dir, bytes, file_system_room(fd) + done,
				      err);
		if (rc == -ENOSPC || rc == -ENOMEM)
			return no_memory(bytes, machine_room(), err);
		if (rc < 0)
			return soj_seg_fail_sys(err, rc, "cannot allocate %s",
						soj_size_text(bytes).text);
		done += step;
	}
	return 0;
}
