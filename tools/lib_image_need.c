/* SPDX-License-Identifier: MIT */

/* Opening an image for a command: or the reason on stderr and an exit code. */

#include <errno.h>
#include <stdio.h>

#include "lib_args.h"
#include "lib_image.h"

int soj_image_need(struct soj_image *img, const char *name_or_path)
{
	struct soj_seg_error err;
	struct soj_image_flaw flaw;
	int rc = soj_image_open(img, name_or_path, &err);

	if (rc < 0) {
		soj_args_complain("%s", err.text);
		/* Whatever it is, it is no segment. */
		return soj_args_exit(rc == -EINVAL ? -ENOENT : rc);
	}
	rc = soj_image_load(img, &flaw);
	if (rc == 0)
		return 0;
	soj_args_complain("%s: %s", name_or_path, flaw.text);
	if (rc == -EBADMSG)
		fputs("  \"sojourn fsck\" says more.\n", stderr);
	soj_image_close(img);
	return soj_args_exit(rc == -ENODATA ? -EIO : rc);
}
