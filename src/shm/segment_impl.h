/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SHM_SEGMENT_IMPL_H
#define SOJ_SHM_SEGMENT_IMPL_H

/* What the files behind shm/segment.h share; nobody else includes it. */

#include <stdarg.h>

#include "shm/segment.h"

/*
 * The file system of POSIX shared memory.  The object "/sojourn.NAME" of
 * shm_open() is a file here; it is opened by path because shm_open() can
 * neither make a file without a name nor refuse to wait for a FIFO.
 */
#define SOJ_SEG_DIR        "/dev/shm"
#define SOJ_SEG_PREFIX     SOJ_SEG_DIR "/sojourn."
#define SOJ_SEG_PATH_BYTES (sizeof(SOJ_SEG_PREFIX) + SOJ_SEG_NAME_MAX)
/* Bytes of the header that never change: identity, geometry, policy. */
#define SOJ_SEG_CONSTANT_BYTES offsetof(struct soj_shm_header, epoch)

/* ---- segment.c ---- */

/* Fills err, which may be NULL, and returns rc, so that a failing line reads
 * `return soj_seg_fail(err, -EINVAL, ...)`. */
int soj_seg_fail(struct soj_seg_error *err, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same, followed by what the system says about rc. */
int soj_seg_fail_sys(struct soj_seg_error *err, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int soj_seg_path(char path[SOJ_SEG_PATH_BYTES], const char *name,
		 struct soj_seg_error *err);
/*
 * Maps seg->lay.segment_bytes of fd and points seg into it.  Never in a core
 * dump: the mapping is full of other people's sessions.
 */
int soj_seg_map(struct soj_seg *seg, int fd, struct soj_seg_error *err);
/* Reads a small text file whole; the number of bytes or -errno. */
int soj_seg_read_text(const char *path, char *text, size_t text_bytes);

/* ---- huge.c ---- */

/* Maps a file where pages of 2 MiB can be had; MAP_FAILED. */
void *soj_seg_map_aligned(int fd, size_t bytes, int prot);
/* Has a file that is empty yet begun with pages of 2 MiB, as far as possible
 * in that much processor time; seg->huge_wanted and huge_pages say how far. */
void soj_seg_huge_begin(struct soj_seg *seg, int fd, uint32_t max_ms);

/* ---- clock.c ---- */

/* What tells whether two processes mean the same instant by the same time. */
struct soj_clock_base {
	uint8_t boot_id[16];
	int64_t timens_offset_ms; /* of CLOCK_BOOTTIME */
	int64_t boottime_ms;
};

int soj_clock_base_read(struct soj_clock_base *clock,
			struct soj_seg_error *err);

/* ---- room.c ---- */

/* dir: the file system's mount point, NULL for a memfd. */
int soj_seg_room_check(int fd, const char *dir, uint64_t bytes,
		       struct soj_seg_error *err);
/* Allocates all of the file: no access through a mapping can fail later. */
int soj_seg_allocate(struct soj_seg *seg, int fd, const char *dir,
		     uint32_t huge_ms, struct soj_seg_error *err);
/* "256.0 MiB" */
struct soj_size_text {
	char text[24];
};
struct soj_size_text soj_size_text(uint64_t bytes);

#endif /* SOJ_SHM_SEGMENT_IMPL_H */
