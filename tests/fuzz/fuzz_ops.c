/* SPDX-License-Identifier: MIT */

/*
 * Sequences of operations on sessions, items, locks and remembered logins, with
 * time going by and upkeep in between, beside a plain model of what they mean: a
 * login has data, a version and deadlines, and ids that lead to it; an item has
 * them under its key.  What the library answers must be what the model says, each
 * time; the lists and the counts, too; and at the end fsck finds nothing.
 *
 * The first bytes choose the rules of the segment.
 *
 * options: -max_len=400
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib_fsck.h"
#include "lib_model.h"

static void one(struct model *m, struct fuzz_in *in)
{
	unsigned what = (unsigned)fuzz_take(in, 1);
	unsigned which = (unsigned)fuzz_take(in, 1);

	switch (what % 20) {
	case 0:
	case 1:
		model_create(m, which);
		break;
	case 2:
	case 3:
	case 4:
		model_read(m, which);
		break;
	case 5:
		model_update(m, which, (unsigned)fuzz_take(in, 1));
		break;
	case 6:
		model_modify(m, which);
		break;
	case 7:
		model_touch(m, which);
		break;
	case 8:
		model_renew(m, which);
		break;
	case 9:
		model_delete(m, which);
		break;
	case 10:
		model_subject(m, which);
		break;
	case 11:
	case 12:
		model_advance(m, (uint64_t)which << what / 20);
		break;
	case 13:
		model_upkeep(m, which);
		break;
	case 14:
		model_count(m, which);
		break;
	case 15:
		model_lock(m, which);
		break;
	case 16:
		model_unlock(m, which);
		break;
	case 17:
	case 18:
		model_remember(m, which);
		break;
	default:
		model_item(m, which, (unsigned)fuzz_take(in, 1));
		break;
	}
}

static void check_image(struct model *m)
{
	struct soj_fsck_report rep;
	struct soj_image img;

	soj_image_of_memory(&img, m->s->st.seg.base, m->s->st.seg.bytes);
	FUZZ_CHECK(soj_fsck(&img, &rep, false) == 0);
	if (rep.corrupt)
		fuzz_fail("fsck: %s %s %s",
			  soj_fsck_kinds[rep.list[0].code].name,
			  rep.list[0].place, rep.list[0].words);
	soj_fsck_free(&rep);
	soj_image_close(&img);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	static struct model m;

	fuzz_random(3);
	model_open(&m, &in);
	for (unsigned i = 0; i < 100 && in.left > 0; i++)
		one(&m, &in);
	model_all(&m);
	model_evicted(&m);
	check_image(&m);
	model_close(&m);
	return 0;
}
