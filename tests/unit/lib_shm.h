/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_SHM_H
#define SOJ_TESTS_LIB_SHM_H

/* What the tests of src/shm share. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/segment.h"

/* "test-PID-SUFFIX", in one of 8 buffers that take turns. */
const char *shm_name(const char *suffix);
/* The file of a segment; the same for buffers. */
const char *shm_path(const char *name);
/* Removes whatever this process's tests left behind. */
int shm_teardown(void **state);
/* How many files of this process's tests there are. */
unsigned shm_files(void);
/* Descriptors that are open, and mappings of segments. */
unsigned shm_descriptors(void);
unsigned shm_mappings(void);

/* 1000 entries in 4 MiB, 16 threads, valid policy. */
struct soj_seg_options shm_options(void);
/* Creates one and detaches again. */
void shm_make(const char *name);

/*
 * Runs fn in a forked child; returns its exit code, or minus the signal that
 * killed it.  What must hold in a child is CHECKed: an assertion of the test
 * library would jump into the parent's copy.
 */
int in_child(int (*fn)(const void *arg), const void *arg);

#define CHECK(what)                                                            \
	do {                                                                   \
		if (!(what)) {                                                 \
			print_error("%s:%d: %s\n", __FILE__, __LINE__, #what); \
			return 1;                                              \
		}                                                              \
	} while (0)

/* Exit code of a child that was not allowed to set the scene. */
#define CHILD_SKIPPED 77
/* Asserts that the child saw what it should, or skips the test. */
void child_passes(int (*fn)(const void *arg), const void *arg);

/* Private mounts for this process; false when that is not allowed. */
bool private_mounts(void);
/* Puts a text in the place of a file of /proc, in private mounts. */
bool pretend_file(const char *path, const char *text);

#endif /* SOJ_TESTS_LIB_SHM_H */
