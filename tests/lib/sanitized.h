/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_SANITIZED_H
#define SOJ_TESTS_LIB_SANITIZED_H

/*
 * SANITIZED: the test is built with a sanitizer that brings an allocator,
 * memory and descriptors of its own (UBSan brings none).
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif /* SOJ_TESTS_LIB_SANITIZED_H */
