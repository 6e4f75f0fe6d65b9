/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BASE_ATOMIC_H
#define SOJ_BASE_ATOMIC_H

/*
 * Layer 0.  The only file that may name memory_order_*, and the only way to
 * touch a word of the segment.
 *
 * The order is part of the operation's name: a reviewer sees every order in
 * the diff, and `grep soj_store_release` finds one side of every edge.  There
 * is no seq_cst load or store.  soj_fence_seq_cst() and, where all stores that
 * it orders were read-modify-writes, soj_fence_seq_cst_after_rmw() serve
 * store->load (Dekker) edges only; soj_fence_acquire() and soj_fence_release() serve the
 * optimistic copy-out only (its loads and stores are relaxed, word by word).
 *
 * Every access passes SOJ_POINT, so that a schedule explorer can switch, and a
 * crash injector can kill, before each single access of the shipped source.
 */

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SOJ_CACHELINE_BYTES 64u

typedef _Atomic(uint64_t) soj_word_t;
typedef _Atomic(uint32_t) soj_half_t;

/* Atomics live in memory mapped by several processes: they must be lock-free
 * (hence address-free, C17 7.17.5 p3) and have no padding. */
static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
	      "shared-memory atomics must be lock-free");
static_assert(sizeof(soj_word_t) == 8 && alignof(soj_word_t) == 8,
	      "soj_word_t must be a plain 8-byte word");
static_assert(sizeof(soj_half_t) == 4, "soj_half_t must be a plain word");

#ifdef SOJ_EXPLORE
void soj_explore_point(const volatile void *addr, int kind);
/* Has the access that comes next an order?  For who asks, and clears it. */
extern _Thread_local int soj_explore_ordered;
#define SOJ_POINT(p, kind) soj_explore_point((p), (kind))
#define SOJ_POINT_ORDERED(p, kind) \
	(soj_explore_ordered = 1, soj_explore_point((p), (kind)))
#else
#define SOJ_POINT(p, kind)         ((void)0)
#define SOJ_POINT_ORDERED(p, kind) ((void)0)
#endif

/* Kinds of access, for the explorer. */
enum {
	SOJ_POINT_LOAD,
	SOJ_POINT_STORE,
	SOJ_POINT_RMW,
	SOJ_POINT_FENCE_ACQUIRE,
	SOJ_POINT_FENCE_RELEASE,
	SOJ_POINT_FENCE_SEQ_CST
};

#define soj_load_relaxed(p)            \
	(SOJ_POINT(p, SOJ_POINT_LOAD), \
	 atomic_load_explicit((p), memory_order_relaxed))
#define soj_load_acquire(p)                    \
	(SOJ_POINT_ORDERED(p, SOJ_POINT_LOAD), \
	 atomic_load_explicit((p), memory_order_acquire))
#define soj_store_relaxed(p, v)         \
	(SOJ_POINT(p, SOJ_POINT_STORE), \
	 atomic_store_explicit((p), (v), memory_order_relaxed))
#define soj_store_release(p, v)                 \
	(SOJ_POINT_ORDERED(p, SOJ_POINT_STORE), \
	 atomic_store_explicit((p), (v), memory_order_release))
#define soj_xchg_acq_rel(p, v)                \
	(SOJ_POINT_ORDERED(p, SOJ_POINT_RMW), \
	 atomic_exchange_explicit((p), (v), memory_order_acq_rel))
#define soj_add_relaxed(p, v)         \
	(SOJ_POINT(p, SOJ_POINT_RMW), \
	 atomic_fetch_add_explicit((p), (v), memory_order_relaxed))
#define soj_add_acq_rel(p, v)                 \
	(SOJ_POINT_ORDERED(p, SOJ_POINT_RMW), \
	 atomic_fetch_add_explicit((p), (v), memory_order_acq_rel))
#define soj_or_acq_rel(p, v)                  \
	(SOJ_POINT_ORDERED(p, SOJ_POINT_RMW), \
	 atomic_fetch_or_explicit((p), (v), memory_order_acq_rel))
#define soj_and_acq_rel(p, v)                 \
	(SOJ_POINT_ORDERED(p, SOJ_POINT_RMW), \
	 atomic_fetch_and_explicit((p), (v), memory_order_acq_rel))
/* On failure *exp is reloaded with acquire; never compare-and-forget. */
#define soj_cas_acq_rel(p, exp, v)                \
	(SOJ_POINT_ORDERED(p, SOJ_POINT_RMW),     \
	 atomic_compare_exchange_strong_explicit( \
		 (p), (exp), (v), memory_order_acq_rel, memory_order_acquire))

#if defined(__SANITIZE_THREAD__)
#define SOJ_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SOJ_TSAN 1
#endif
#endif

/* Whose bytes are read one looks at each read, too. */
#if defined(__SANITIZE_ADDRESS__)
#define SOJ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SOJ_ASAN 1
#endif
#endif

#ifdef SOJ_TSAN
/*
 * ThreadSanitizer does not model fences.  An RMW on one word of the process
 * stands in for each: it orders fences totally, hence gives no false report,
 * at the price of hiding some real races.
 */
extern soj_word_t soj_tsan_fence_word;
static inline void soj_tsan_fence(void)
{
	atomic_fetch_add_explicit(&soj_tsan_fence_word, 1,
				  memory_order_seq_cst);
}
#define soj_fence_seq_cst()           soj_tsan_fence()
#define soj_fence_seq_cst_after_rmw() soj_tsan_fence()
#define soj_fence_acquire()           soj_tsan_fence()
#define soj_fence_release()           soj_tsan_fence()
#else
static inline void soj_fence_seq_cst(void)
{
	SOJ_POINT(NULL, SOJ_POINT_FENCE_SEQ_CST);
	atomic_thread_fence(memory_order_seq_cst);
}

/*
 * The same, if each store in front of it that has to be seen before what is
 * loaded behind it was a read-modify-write, or another thread's that this one
 * has seen.  On x86 those are full fences themselves (Intel SDM volume 3, "Memory
 * Ordering in P6 and More Recent Processor Families": loads pass older stores,
 * but no locked instruction), and a second one would cost as much again.
 */
static inline void soj_fence_seq_cst_after_rmw(void)
{
	SOJ_POINT(NULL, SOJ_POINT_FENCE_SEQ_CST);
#ifdef __x86_64__
	atomic_signal_fence(memory_order_seq_cst);
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

static inline void soj_fence_acquire(void)
{
	SOJ_POINT(NULL, SOJ_POINT_FENCE_ACQUIRE);
	atomic_thread_fence(memory_order_acquire);
}

static inline void soj_fence_release(void)
{
	SOJ_POINT(NULL, SOJ_POINT_FENCE_RELEASE);
	atomic_thread_fence(memory_order_release);
}
#endif

/*
 * Where loads and stores of any width are ordered as those of words are, and
 * nobody looks at each single one, several words go at a time.  Each word is
 * loaded as a whole all the same; and who reads this way looks again afterwards,
 * whatever he read.
 */
#if defined(__x86_64__) && !defined(SOJ_TSAN) && !defined(SOJ_EXPLORE)
#define SOJ_WIDE 1
#include <emmintrin.h>

static inline __m128i soj_load_wide(const soj_word_t *words)
{
	return _mm_loadu_si128((const __m128i *)(uintptr_t)words);
}

/* The same from any byte on.  Words may be torn: for who compares, and then looks
 * again. */
static inline __m128i soj_load_wide_at(const soj_word_t *words, size_t byte)
{
	return _mm_loadu_si128((const __m128i *)((uintptr_t)words + byte));
}

static inline __attribute__((always_inline)) void
soj_copy_wide(uint8_t *to, const soj_word_t *words)
{
	_mm_storeu_si128((__m128i *)(void *)to, soj_load_wide(words));
}

static inline __attribute__((always_inline)) void
soj_copy_wide_four(uint8_t *to, const soj_word_t *words)
{
	soj_copy_wide(to, words);
	soj_copy_wide(to + 16, words + 2);
	soj_copy_wide(to + 32, words + 4);
	soj_copy_wide(to + 48, words + 6);
}

static inline void soj_store_wide(soj_word_t *words, __m128i value)
{
	_mm_storeu_si128((__m128i *)(uintptr_t)words, value);
}
#endif

/*
 * The data copies of the optimistic protocol: relaxed, word by word, so that a
 * racing writer is a stale read that validation throws away and never
 * undefined behaviour.  words: 8-byte aligned shared memory; bytes need not be
 * a multiple of 8, the shared side is then rounded up (chunks are).
 */
static inline __attribute__((always_inline)) void
soj_copy_out(void *dst, const soj_word_t *words, size_t bytes)
{
	uint8_t *to = dst;
	size_t i = 0; /* in bytes */

#ifdef SOJ_WIDE
	for (; i < (bytes & ~(size_t)127); i += 128) {
		soj_copy_wide_four(to + i, &words[i / 8]);
		soj_copy_wide_four(to + i + 64, &words[i / 8 + 8]);
	}
	if (i == bytes) /* as values of round sizes do */
		return;
	if (bytes & 64) {
		soj_copy_wide_four(to + i, &words[i / 8]);
		i += 64;
	}
	for (; i < (bytes & ~(size_t)15); i += 16)
		soj_copy_wide(to + i, &words[i / 8]);
#endif
	for (; i < (bytes & ~(size_t)7); i += 8) {
		uint64_t word = soj_load_relaxed(&words[i / 8]);

		__builtin_memcpy(to + i, &word, 8);
	}
	if (i < bytes) {
		uint64_t word = soj_load_relaxed(&words[i / 8]);

		__builtin_memcpy(to + i, &word, bytes % 8);
	}
}

/*
 * One to seven bytes as a word has them in memory, and zeroes.  By shifts: to load
 * a word that was just stored in parts is to wait until all stores before it,
 * to memory that is in no cache, are done.
 */
static inline uint64_t soj_last_bytes(const uint8_t *from, size_t bytes)
{
	uint64_t word = 0;

	while (bytes-- > 0)
		word = word << 8 | from[bytes];
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static inline void soj_copy_in(soj_word_t *words, const void *src, size_t bytes)
{
	const uint8_t *from = src;
	size_t i = 0;

#ifdef SOJ_WIDE
	for (; bytes >= 16; bytes -= 16, i += 2)
		soj_store_wide(
			&words[i],
			_mm_loadu_si128(
				(const __m128i *)(const void *)(from + 8 * i)));
#endif
	for (; bytes >= 8; bytes -= 8, i++) {
		uint64_t word;

		memcpy(&word, from + 8 * i, 8);
		soj_store_relaxed(&words[i], word);
	}
	if (bytes > 0)
		soj_store_relaxed(&words[i],
				  soj_last_bytes(from + 8 * i, bytes));
}

/*
 * Which of sixteen words have `tag` in their upper 16 bits: bit i says so of
 * words[i].  words: 16-byte aligned.  A hint, as loads without an order are.
 */
static inline uint32_t soj_tagged(const soj_word_t words[16], uint16_t tag)
{
#ifdef SOJ_WIDE
	const __m128i want = _mm_set1_epi16((short)tag);
	__m128i half[2];

	for (unsigned i = 0; i < 2; i++) {
		__m128 upper[2];

		for (unsigned k = 0; k < 2; k++)
			upper[k] = _mm_shuffle_ps(
				_mm_castsi128_ps(
					soj_load_wide(&words[8 * i + 4 * k])),
				_mm_castsi128_ps(soj_load_wide(
					&words[8 * i + 4 * k + 2])),
				_MM_SHUFFLE(3, 1, 3, 1));
		half[i] = _mm_cmpeq_epi16(
			_mm_packs_epi32(
				_mm_srai_epi32(_mm_castps_si128(upper[0]), 16),
				_mm_srai_epi32(_mm_castps_si128(upper[1]), 16)),
			want);
	}
	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(half[0], half[1]));
#else
	uint32_t tagged = 0;

	for (unsigned i = 0; i < 16; i++)
		tagged |= (uint32_t)(soj_load_relaxed(&words[i]) >> 48 == tag)
			  << i;
	return tagged;
#endif
}

/* For who will look there soon; of no other effect. */
static inline void soj_prefetch(const void *p)
{
	__builtin_prefetch(p);
}

/* So many lines, from one to seven, without the steps of a loop. */
static inline __attribute__((always_inline)) void
soj_prefetch_lines(const uint8_t *at, unsigned lines)
{
	soj_prefetch(at);
	switch (lines) {
	case 7:
		soj_prefetch(at + 6 * SOJ_CACHELINE_BYTES);
		__attribute__((fallthrough));
	case 6:
		soj_prefetch(at + 5 * SOJ_CACHELINE_BYTES);
		__attribute__((fallthrough));
	case 5:
		soj_prefetch(at + 4 * SOJ_CACHELINE_BYTES);
		__attribute__((fallthrough));
	case 4:
		soj_prefetch(at + 3 * SOJ_CACHELINE_BYTES);
		__attribute__((fallthrough));
	case 3:
		soj_prefetch(at + 2 * SOJ_CACHELINE_BYTES);
		__attribute__((fallthrough));
	case 2:
		soj_prefetch(at + SOJ_CACHELINE_BYTES);
	}
}

static inline void soj_zero_words(soj_word_t *words, size_t count)
{
	size_t i = 0;

#ifdef SOJ_WIDE
	for (; i + 2 <= count; i += 2)
		soj_store_wide(&words[i], _mm_setzero_si128());
#endif
	for (; i < count; i++)
		soj_store_relaxed(&words[i], 0);
}

#endif /* SOJ_BASE_ATOMIC_H */
