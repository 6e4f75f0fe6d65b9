/* SPDX-License-Identifier: MIT */

/* Opening an image for a command: or the reason on stderr and an exit code. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib_args.h"
#include "lib_image.h"

int soj_image_unlock(struct soj_image *img, const char *key_file,
		     struct soj_vault *vault)
{
	uint8_t master[SOJ_KEY_BYTES];
	enum soj_cipher cipher = img->hdr.flags & SOJ_SHM_SEAL_AES
					 ? SOJ_CIPHER_AES256GCM
					 : SOJ_CIPHER_XCHACHA20;
	struct soj_seg_error err;
	struct soj_keys keys;
	int rc = soj_secret_init();

	if (rc == 0 && !soj_cipher_here(cipher))
		rc = -ENOTSUP;
	if (rc < 0) {
		soj_args_complain("%s: this processor cannot do %s", key_file,
				  soj_cipher_name(cipher));
		return EX_UNAVAILABLE;
	}
	rc = soj_keyfile_load(key_file, false, (gid_t)-1, master, &err);
	if (rc < 0) {
		soj_args_complain("%s", err.text);
		return soj_args_exit(rc);
	}
	soj_keys_derive(&keys, master);
	if (memcmp(keys.fingerprint, img->hdr.key_fingerprint,
		   sizeof(keys.fingerprint)) == 0) {
		soj_vault_init(vault, cipher, master, img->hdr.seal_salt);
		img->st.vault = vault;
	} else {
		soj_args_complain("%s: not the key of this segment", key_file);
		rc = EX_NOPERM;
	}
	soj_wipe(&keys, sizeof(keys));
	soj_wipe(master, sizeof(master));
	return rc;
}

int soj_image_failed(int error, const char *name_or_path)
{
	soj_args_complain("%s: cannot be read: %s", name_or_path,
			  strerror(-error));
	return soj_args_exit(error == -ENODATA ? -EIO : error);
}

int soj_image_refused(int error, const char *name_or_path,
		      const struct soj_seg_error *err)
{
	soj_args_complain("%s", err->text);
	if (error == -ENOENT && strchr(name_or_path, '/') == NULL)
		fputs("  /dev/shm/sojourn.* are the segments that there are; "
		      "a file is a word with a '/'.\n",
		      stderr);
	/* Whatever it is, it is no segment. */
	return soj_args_exit(error == -EINVAL ? -ENOENT : error);
}

int soj_image_need(struct soj_image *img, const char *name_or_path)
{
	struct soj_seg_error err;
	struct soj_image_flaw flaw;
	int rc = soj_image_open(img, name_or_path, &err);

	if (rc < 0)
		return soj_image_refused(rc, name_or_path, &err);
	rc = soj_image_load(img, &flaw);
	if (rc == 0)
		return 0;
	soj_args_complain("%s: %s", name_or_path, flaw.text);
	if (rc == -EBADMSG)
		fputs("  \"sojourn fsck\" says more.\n", stderr);
	soj_image_close(img);
	return soj_args_exit(rc == -ENODATA ? -EIO : rc);
}
