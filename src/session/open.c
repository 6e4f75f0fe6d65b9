/* SPDX-License-Identifier: MIT */

/* Creating, attaching and destroying: options, key, segment, helper. */

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session/handle.h"
#include "session/policy.h"

#define PATH_BYTES      4096u
#define HUGE_FROM_BYTES (UINT64_C(32) << 20)
#define HUGE_AUTO_MS    1000u

static int report_seg(int rc, const struct soj_seg_error *err)
{
	enum sojourn_reason reason;

	soj_report_errno(rc); /* finds the reason */
	reason = sojourn_reason();
	/* These two are about sessions there. */
	if (rc == -EPERM)
		reason = SOJOURN_SYSTEM;
	if (rc == -ESTALE)
		reason = SOJOURN_INVALID;
	return soj_report(rc, reason, "%s", err->text);
}

static int find_group(const char *name, gid_t *gid)
{
	struct group group, *found = NULL;
	char *buf;
	int rc;

	*gid = (gid_t)-1;
	if (name == NULL)
		return 0;
	buf = malloc(65536);
	if (buf == NULL)
		return soj_report_errno(-ENOMEM);
	rc = getgrnam_r(name, &group, buf, 65536, &found);
	if (found)
		*gid = found->gr_gid;
	free(buf);
	if (rc != 0 || found == NULL)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "group is %s, but must be the name of a "
				  "group of this host",
				  name);
	return 0;
}

static int key_path(const char *name, const char *key_file, char *path)
{
	int rc;

	if (key_file) {
		if (strlen(key_file) >= PATH_BYTES)
			return soj_report(-EINVAL, SOJOURN_INVALID,
					  "key_file is too long");
		strcpy(path, key_file);
		return 0;
	}
	rc = soj_keyfile_default_path(path, PATH_BYTES, name);
	return rc < 0 ? soj_report(rc, SOJOURN_SYSTEM,
				   "no place for the key file is known: set "
				   "key_file, HOME or XDG_STATE_HOME")
		      : 0;
}

struct creation {
	const char *name;
	const struct sojourn_options *o;
	struct soj_seg_options seg;
	char helper[PATH_BYTES];
	char key_path[PATH_BYTES];
	uint8_t master[SOJ_KEY_BYTES];
};

static int check_name(const char *name)
{
	struct soj_seg_error err;
	int rc = name ? soj_seg_name_check(name, &err) : 0;

	return rc < 0 ? report_seg(rc, &err) : 0;
}

static enum soj_cipher cipher_of(uint32_t flags)
{
	return flags & SOJ_SHM_SEAL_AES       ? SOJ_CIPHER_AES256GCM
	       : flags & SOJ_SHM_SEAL_XCHACHA ? SOJ_CIPHER_XCHACHA20
					      : SOJ_CIPHER_NONE;
}

/* One of SOJ_SHM_SEAL_*, or 0. */
static uint32_t seal_flag(enum sojourn_seal seal)
{
	if (seal == SOJOURN_SEAL_OFF)
		return 0;
	return seal == SOJOURN_SEAL_AES256GCM ||
			       (seal == SOJOURN_SEAL_ON &&
				soj_cipher_here(SOJ_CIPHER_AES256GCM))
		       ? SOJ_SHM_SEAL_AES
		       : SOJ_SHM_SEAL_XCHACHA;
}

static int check_cipher(uint32_t flags)
{
	enum soj_cipher cipher = cipher_of(flags);

	if (cipher != SOJ_CIPHER_NONE && !soj_cipher_here(cipher))
		return soj_report(-ENOTSUP, SOJOURN_SYSTEM,
				  "values are sealed by %s, for which this "
				  "processor has no instructions (AES and "
				  "PCLMUL): create the segment with "
				  "XChaCha20-Poly1305",
				  soj_cipher_name(cipher));
	if ((flags & SOJ_SHM_IDS_AES) && !soj_mac_here())
		return soj_report(-ENOTSUP, SOJOURN_SYSTEM,
				  "ids are digested by AES-128, for which this "
				  "processor has no instructions: create the "
				  "segment on one that has none");
	return 0;
}

static int prepare(struct creation *c)
{
	int rc = check_name(c->name);

	if (rc == 0)
		rc = soj_policy_check(c->o);
	if (rc < 0)
		return rc;
	rc = soj_secret_init();
	if (rc < 0)
		return soj_report_errno(rc);
	c->seg.entries_max = c->o->entries_max;
	c->seg.segment_bytes = c->o->segment_bytes;
	c->seg.slots_max = c->o->threads_max;
	c->seg.events_max = c->o->events_max;
	c->seg.flags = seal_flag(c->o->seal);
	rc = check_cipher(c->seg.flags);
	if (rc < 0)
		return rc;
	if (soj_mac_here())
		c->seg.flags |= SOJ_SHM_IDS_AES;
	if (c->o->manual_clock)
		c->seg.flags |= SOJ_SHM_MANUAL_CLOCK;
	if (c->o->huge == SOJOURN_HUGE_ON)
		c->seg.huge_ms = UINT32_MAX;
	else if (c->o->huge == SOJOURN_HUGE_AUTO &&
		 c->o->segment_bytes >= HUGE_FROM_BYTES)
		c->seg.huge_ms = HUGE_AUTO_MS;
	soj_policy_of(c->o, &c->seg.policy, c->seg.collection);
	rc = find_group(c->o->group, &c->seg.group);
	if (rc < 0)
		return rc;
	if (c->o->helper == SOJOURN_HELPER_SPAWN)
		return soj_helper_find(c->o->helper_path, c->helper,
				       sizeof(c->helper));
	return 0;
}

static int make_key(struct creation *c)
{
	struct soj_seg_error err;
	struct soj_keys keys;
	int rc;

	if (c->name == NULL) {
		soj_random(c->master, sizeof(c->master));
	} else {
		rc = key_path(c->name, c->o->key_file, c->key_path);
		if (rc < 0)
			return rc;
		rc = soj_keyfile_load(c->key_path, true, c->seg.group,
				      c->master, &err);
		if (rc < 0)
			return report_seg(rc, &err);
	}
	soj_keys_derive(&keys, c->master);
	memcpy(c->seg.key_fingerprint, keys.fingerprint,
	       sizeof(keys.fingerprint));
	soj_wipe(&keys, sizeof(keys));
	return 0;
}

static int create_segment(struct creation *c, struct sojourn *s)
{
	struct soj_seg_error err;
	int rc = soj_seg_create(&s->st.seg, c->name, &c->seg, &err);

	if (rc < 0)
		return report_seg(rc, &err);
	rc = soj_handle_open(s, c->master);
	if (rc < 0)
		soj_report_errno(rc);
	else if (c->o->helper == SOJOURN_HELPER_SPAWN)
		rc = soj_helper_spawn(s, c->name, c->helper);
	if (rc < 0 && c->name)
		(void)soj_seg_destroy_only(&s->st.seg, c->name, &err);
	return rc;
}

int sojourn_create(const char *name, const struct sojourn_options *options,
		   struct sojourn **out)
{
	struct creation *c = calloc(1, sizeof(*c));
	struct sojourn *s = NULL;
	int rc;

	*out = NULL;
	if (c == NULL)
		return soj_report_errno(-ENOMEM);
	c->name = name;
	c->o = options;
	rc = prepare(c);
	if (rc < 0)
		goto out_free;
	rc = make_key(c);
	if (rc < 0)
		goto out_free;
	rc = soj_handle_new(&s);
	if (rc < 0)
		soj_report_errno(rc);
	else
		rc = create_segment(c, s);
	if (rc < 0) {
		if (s)
			soj_handle_free(s);
		goto out_free;
	}
	*out = s;
	soj_ok();
out_free:
	soj_wipe(c, sizeof(*c));
	free(c);
	return rc;
}

static int attach_with(struct sojourn *s, const char *name, bool read_only,
		       bool huge, const uint8_t master[SOJ_KEY_BYTES])
{
	struct soj_seg_error err;
	struct soj_keys keys;
	int rc;

	soj_keys_derive(&keys, master);
	rc = soj_seg_attach(&s->st.seg, name, read_only, keys.fingerprint,
			    &err);
	soj_wipe(&keys, sizeof(keys));
	if (rc < 0)
		return report_seg(rc, &err);
	rc = check_cipher(s->st.seg.flags);
	if (rc < 0)
		return rc;
	if (huge)
		soj_seg_huge(&s->st.seg);
	rc = soj_handle_open(s, master);
	return rc < 0 ? soj_report_errno(rc) : 0;
}

/* Without its key a segment that is not there should be called so. */
static int no_key(const char *name, int rc, const struct soj_seg_error *key_err)
{
	struct soj_seg_error err;
	struct soj_seg seg = {.fd = -1};
	int probe = soj_seg_attach(&seg, name, true, NULL, &err);

	if (probe < 0)
		return report_seg(probe, &err);
	soj_seg_detach(&seg);
	return report_seg(rc == -ENOENT ? -EACCES : rc, key_err);
}

int sojourn_attach(const char *name,
		   const struct sojourn_attach_options *options,
		   struct sojourn **out)
{
	uint8_t master[SOJ_KEY_BYTES];
	struct soj_seg_error err;
	char *path;
	struct sojourn *s;
	int rc;

	*out = NULL;
	if (name == NULL)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "the name is NULL: an anonymous segment is "
				  "inherited, not attached");
	rc = check_name(name);
	if (rc < 0)
		return rc;
	rc = soj_secret_init();
	if (rc < 0)
		return soj_report_errno(rc);
	path = malloc(PATH_BYTES);
	if (path == NULL)
		return soj_report_errno(-ENOMEM);
	rc = key_path(name, options ? options->key_file : NULL, path);
	if (rc < 0)
		goto out_free;
	rc = soj_keyfile_load(path, false, (gid_t)-1, master, &err);
	if (rc < 0) {
		rc = no_key(name, rc, &err);
		goto out_free;
	}
	rc = soj_handle_new(&s);
	if (rc < 0) {
		soj_report_errno(rc);
		goto out_wipe;
	}
	rc = attach_with(s, name, options && options->read_only,
			 options && options->huge, master);
	if (rc < 0) {
		soj_handle_free(s);
		goto out_wipe;
	}
	*out = s;
	soj_ok();
out_wipe:
	soj_wipe(master, sizeof(master));
out_free:
	free(path);
	return rc;
}

int sojourn_destroy(const char *name)
{
	struct soj_seg_error err;
	int rc;

	if (name == NULL)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "the name is NULL: an anonymous segment goes "
				  "with its last process");
	rc = soj_seg_destroy(name, &err);
	return rc < 0 ? report_seg(rc, &err) : soj_ok();
}

int sojourn_fd(const struct sojourn *s)
{
	return s->st.seg.fd;
}

uint64_t sojourn_now_ms(const struct sojourn *s)
{
	return soj_seg_now_ms(&s->st.seg);
}

uint64_t sojourn_unix_ms(const struct sojourn *s, uint64_t ms)
{
	return s->st.seg.hdr->created_unix_ms + ms - 1;
}

int sojourn_clock_advance(struct sojourn *s, uint64_t ms)
{
	if (!(s->st.seg.flags & SOJ_SHM_MANUAL_CLOCK))
		return soj_report(
			-EINVAL, SOJOURN_INVALID,
			"the segment has a real clock: create it with "
			"manual_clock");
	if (s->st.seg.readonly)
		return soj_report_errno(-EROFS);
	if (ms > SOJ_MASK(SOJ_TIME_BITS) - soj_seg_now_ms(&s->st.seg))
		return soj_report(
			-EINVAL, SOJOURN_INVALID,
			"the clock is to advance by %llu ms, but must "
			"stay below 2199023255552",
			(unsigned long long)ms);
	soj_add_relaxed(&s->st.seg.hdr->manual_now_ms, ms);
	soj_helper_wake(&s->st.seg);
	return soj_ok();
}
