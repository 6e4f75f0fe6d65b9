/* SPDX-License-Identifier: MIT */

/*
 * No image crashes or hangs the inspection tools: truncated, uniform, and with
 * bits, bytes, words and pages spoilt at random.  SOJOURN_FUZZ_IMAGES and
 * SOJOURN_FUZZ_SEED run more of them, or one again.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/random.h"
#include "lib_violation.h"

/* An image that is read for ever is an image that hangs. */
#define SECONDS_MAX 600

static uint64_t rng;

static uint64_t below(uint64_t count)
{
	return soj_scale(random_next(&rng), count);
}

/* Every reader that there is.  Returns how many findings fsck had. */
static uint64_t read_all(const void *base, size_t bytes, bool online)
{
	static struct soj_image_stat stat;
	struct soj_image img;
	struct soj_image_flaw flaw;
	struct soj_fsck_report rep;
	struct soj_image_entry e;
	uint64_t findings;

	soj_image_of_memory(&img, base, bytes);
	img.live = online;
	assert_int_equal(soj_fsck(&img, &rep, online), 0);
	findings = rep.corrupt + rep.repairable + rep.unsettled;
	assert_true(soj_fsck_exit(&rep) == 0 || findings > 0);
	soj_fsck_free(&rep);
	soj_image_close(&img);

	soj_image_of_memory(&img, base, bytes);
	if (soj_image_load(&img, &flaw) == 0) {
		assert_int_equal(soj_image_stat(&img, &stat), 0);
		for (uint32_t i = 0; i <= img.hdr.entries_max; i++) {
			int rc = soj_image_entry(&img, i, true, &e);

			/* Nothing that would be outside of the image. */
			assert_true(rc == 0 || rc == -ENOENT || rc == -EAGAIN);
			if (rc < 0)
				continue;
			assert_non_null(
				soj_image_status_name(soj_ctl_status(e.ctl)));
			free(e.data);
		}
		soj_image_now_ms(&img);
	} else {
		assert_int_not_equal(flaw.text[0], '\0');
		assert_true(findings > 0);
	}
	soj_image_close(&img);
	return findings;
}

/* ---- what random words look like ---- */

static uint64_t random_word(const struct picture *p)
{
	uint32_t idx = (uint32_t)below(p->st.seg.lay.entries_max + 3);
	uint32_t gen = (uint32_t)below(4);

	switch (below(12)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return random_next(&rng);
	case 3:
		return soj_state((enum soj_phase)below(5), below(10), gen);
	case 4:
		return soj_link(idx, below(100), below(2));
	case 5:
		return soj_place(soj_ref(idx, gen), (uint32_t)below(65536));
	case 6:
		return soj_ctl(
			(enum soj_status)below(16),
			soj_chunk((uint32_t)below(p->st.seg.lay.units + 2),
				  (uint32_t)below(100)),
			(uint32_t)below(9));
	case 7:
		return soj_unit((enum soj_unit_phase)below(6),
				(uint32_t)below(SOJ_CLASSES + 1),
				(uint32_t)below(9), (uint32_t)below(17), gen);
	case 8:
		return soj_chunk_head0((uint32_t)below(1 << 21),
				       (uint32_t)below(300),
				       (uint32_t)below(3000),
				       below(2) ? 112 : (uint32_t)below(200));
	case 9:
		return soj_claim((enum soj_claim_phase)below(4), gen, 1,
				 (uint32_t)below(3));
	case 10:
		return soj_section(below(9), (uint32_t)below(9)) ^ below(4);
	default:
		return UINT64_C(1) << below(64);
	}
}

/* Mostly where structure is; sometimes the values. */
static uint64_t random_off(const struct picture *p)
{
	const struct soj_layout *lay = &p->st.seg.lay;
	const uint64_t regions[] = {
		0,
		lay->slots_off,
		lay->entry_states_off,
		lay->chunk_states_off,
		lay->units_off,
		lay->entry_free_off,
		lay->unit_free_off,
		lay->buckets_off,
		lay->heads_off,
		lay->entries_off,
		lay->chunks_off,
		lay->segment_bytes,
	};
	size_t i = (size_t)below(sizeof(regions) / sizeof(regions[0]) - 1);
	uint64_t end = regions[i + 1];

	/* The head of the header is checked apart; few images get past it. */
	if (i == 0)
		return below(8) ? 192 + below(704) : below(192);
	if (i == 10 && below(2))
		end = regions[i] + 8 * SOJ_UNIT_BYTES;
	return regions[i] + below(end - regions[i]);
}

static void spoil(struct picture *p)
{
	uint64_t off = random_off(p);
	soj_word_t *word = (soj_word_t *)(void *)(p->base + (off & ~7ull));

	switch (below(8)) {
	case 0:
		p->base[off] ^= (uint8_t)(1u << below(8));
		break;
	case 1:
		p->base[off] = (uint8_t)random_next(&rng);
		break;
	case 2:
		soj_store_relaxed(word, soj_load_relaxed(word) ^
						UINT64_C(1) << below(64));
		break;
	case 3: /* a word of elsewhere */
		soj_store_relaxed(
			word,
			soj_load_relaxed((soj_word_t *)(void *)(p->base +
								(random_off(p) &
								 ~7ull))));
		break;
	case 4: /* a stretch of one value */
		memset(p->base + off, (int)below(256),
		       (size_t)soj_min(below(4096), p->bytes - off));
		break;
	case 5:
		soj_store_relaxed(word, soj_load_relaxed(word) + below(5) - 2);
		break;
	default:
		soj_store_relaxed(word, random_word(p));
	}
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void test_spoilt_at_random(void **state)
{
	uint64_t seed = setting("SOJOURN_FUZZ_SEED", 1);
	uint64_t images = setting("SOJOURN_FUZZ_IMAGES", 3000);
	uint64_t found = 0;
	struct picture p;

	(void)state;
	picture_copy(&p, &picture);
	for (uint64_t i = 0; i < images; i++) {
		unsigned times;

		rng = seed + i;
		times = 1 + (unsigned)below(below(4) ? 4 : 400);
		memcpy(p.base, picture.base, p.bytes);
		while (times-- > 0)
			spoil(&p);
		found += read_all(p.base, p.bytes, i % 500 == 0) > 0;
	}
	picture_free(&p);
	/* Some hit nothing that matters; most do. */
	assert_true(found > images / 2);
}

/* Every single bit of the words of one entry, its bucket and its chunk's head,
 * and of the header: one flip is never taken for clean where it matters. */
static void test_single_bits_of_structure(void **state)
{
	const struct {
		const char *what;
		soj_word_t *word;
		uint64_t bits; /* whose flips must be found */
	} words[] = {
		{"state", &picture.st.seg.entry_states[picture.live],
		 SOJ_MASK(49)}, /* references have but 22 bits of 37 */
		{"ctl", &picture.st.seg.entries[picture.live].ctl,
		 SOJ_MASK(32)},
		{"life", &picture.st.seg.entries[picture.live].life,
		 SOJ_MASK(22)},
		{"digest", &picture.st.seg.entries[picture.live].digest[0],
		 UINT64_C(1) << 63},
		{"renew", &picture.st.seg.entries[picture.live].renew,
		 SOJ_MASK(22)},
		{"link", picture_link_to(&picture, picture.live),
		 SOJ_MASK(27) & ~UINT64_C(1)},
		{"back reference", &picture_chunk(&picture, picture.live)[1],
		 SOJ_MASK(26)},
		{"free entry", &picture.st.seg.entry_states[picture.freed],
		 SOJ_MASK(49) & ~UINT64_C(1)}, /* OWNED by slot 0: in order */
		{"magic", &picture.st.seg.hdr->magic, UINT64_MAX},
	};
	struct picture p;

	(void)state;
	picture_copy(&p, &picture);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (unsigned bit = 0; bit < 64; bit++) {
			uint64_t off = (uint64_t)((uintptr_t)words[i].word -
						  (uintptr_t)picture.base);
			uint64_t flip = UINT64_C(1) << bit;
			soj_word_t *word = (soj_word_t *)(void *)(p.base + off);

			memcpy(p.base, picture.base, p.bytes);
			soj_store_relaxed(word, soj_load_relaxed(word) ^ flip);
			if (read_all(p.base, p.bytes, false) == 0 &&
			    (words[i].bits & flip))
				fail_msg("%s: bit %u", words[i].what, bit);
		}
	picture_free(&p);
}

static void test_truncated_anywhere(void **state)
{
	(void)state;
	/* In memory of exactly that size, so that a sanitizer sees beyond. */
	for (size_t bytes = 0; bytes < picture.bytes;
	     bytes += bytes < 1000 ? 1 : 65521) {
		uint8_t *cut = malloc(bytes ? bytes : 1);

		assert_non_null(cut);
		memcpy(cut, picture.base, bytes);
		assert_int_equal(read_all(cut, bytes, false), 1);
		free(cut);
	}
}

static void test_uniform(void **state)
{
	struct picture p;
	uint64_t header = offsetof(struct soj_shm_header, epoch);

	(void)state;
	picture_copy(&p, &picture);
	for (int byte = 0; byte < 256; byte++) {
		memset(p.base, byte, p.bytes);
		assert_int_equal(read_all(p.base, p.bytes, false), 1);
		/* The same behind a head that is believed. */
		memcpy(p.base, picture.base, header);
		assert_true(read_all(p.base, p.bytes, byte % 64 == 0) > 0);
	}
	picture_free(&p);
}

static void test_noise(void **state)
{
	struct picture p;
	uint64_t header = offsetof(struct soj_shm_header, epoch);

	(void)state;
	picture_copy(&p, &picture);
	for (unsigned i = 0; i < 50; i++) {
		rng = i;
		for (uint64_t off = header; off < p.bytes; off += 8) {
			uint64_t word =
				i % 2 ? random_next(&rng) : random_word(&p);

			memcpy(p.base + off, &word, 8);
		}
		assert_true(read_all(p.base, p.bytes, i % 10 == 0) > 0);
	}
	picture_free(&p);
}

/* Geometries at random that fit a file of some size: nothing is believed that
 * the size does not bear out. */
static void test_geometries(void **state)
{
	struct picture p;

	(void)state;
	picture_copy(&p, &picture);
	for (unsigned i = 0; i < 2000; i++) {
		struct soj_layout lay;
		struct soj_shm_header *hdr = p.st.seg.hdr;

		rng = i;
		hdr->entries_max = (uint32_t)below(below(2) ? 400 : 1ull << 32);
		hdr->units = (uint32_t)below(below(2) ? 30 : 1ull << 32);
		hdr->unit_slots = 64 * (uint32_t)below(below(4) ? 22 : 1 << 20);
		hdr->slots_max = (uint32_t)below(below(2) ? 10 : 1ull << 32);
		hdr->segment_bytes = p.bytes;
		if (soj_layout_compute(&lay, hdr->entries_max, hdr->units,
				       hdr->unit_slots, hdr->slots_max,
				       hdr->events_max) == 0 &&
		    lay.segment_bytes <= p.bytes) {
			hdr->segment_bytes = lay.segment_bytes;
			read_all(p.base, lay.segment_bytes, false);
		} else {
			assert_int_equal(read_all(p.base, p.bytes, false), 1);
		}
	}
	picture_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spoilt_at_random),
		cmocka_unit_test(test_single_bits_of_structure),
		cmocka_unit_test(test_truncated_anywhere),
		cmocka_unit_test(test_uniform),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_geometries),
	};

	alarm(SECONDS_MAX);
	return cmocka_run_group_tests(tests, make_picture, free_picture);
}
