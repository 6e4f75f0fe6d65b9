/* SPDX-License-Identifier: MIT */

#include "lib_use.h"

#include <errno.h>
#include <sojourn/stat.h>
#include <stdlib.h>
#include <string.h>

#include "helper/expiry.h"
#include "lib_fsck.h"
#include "lib_use_impl.h"

int use_judge(const char *what, int rc, const int *more)
{
	static const int errors[] = {EINVAL,  ECANCELED, EBUSY,    EBADMSG,
				     EROFS,   EAGAIN,    ENOENT,   ENOSPC,
				     ENOBUFS, ESTALE,    EMSGSIZE, ENOTSUP,
				     EUSERS,  EPERM,     EILSEQ};
	bool known = rc >= 0;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		known |= rc == -errors[i];
	while (more && *more)
		known |= rc == -*more++;
	if (!known)
		fuzz_fail("%s: %d is no documented error", what, rc);
	if (rc < 0 &&
	    (sojourn_reason() == SOJOURN_OK || sojourn_error_text()[0] == '\0'))
		fuzz_fail("%s: %d without a reason", what, rc);
	return rc;
}

static int judged(const char *what, int rc)
{
	return use_judge(what, rc, NULL);
}

static void text_is_in(const struct sojourn_info *info, const char *text)
{
	if (text == NULL)
		return;
	FUZZ_CHECK(text >= info->text &&
		   text < info->text + sizeof(info->text));
	FUZZ_CHECK(memchr(text, 0,
			  (size_t)(info->text + sizeof(info->text) - text)));
}

void use_info_is_sound(const struct sojourn_info *info)
{
	const struct sojourn_metadata *m = &info->metadata;

	FUZZ_CHECK(strlen(info->handle) == SOJOURN_HANDLE_CHARS);
	FUZZ_CHECK(memchr(info->subject, 0, sizeof(info->subject)));
	FUZZ_CHECK(memchr(info->new_id, 0, sizeof(info->new_id)));
	FUZZ_CHECK(info->data_bytes <= SOJOURN_DATA_BYTES_MAX);
	text_is_in(info, m->ip);
	text_is_in(info, m->user_agent);
	text_is_in(info, m->location);
	text_is_in(info, m->device_id);
	text_is_in(info, m->device_name);
	text_is_in(info, m->device_type);
	text_is_in(info, m->device_client);
	text_is_in(info, m->device_os);
}

const char *use_id(unsigned number)
{
	const struct small *sm = small();
	unsigned i = number % SMALL_SESSIONS;

	return number >= 128 && sm->renewed[i][0] ? sm->renewed[i] : sm->ids[i];
}

static void read_one(struct use *u, unsigned number)
{
	const struct sojourn_read how = {
		.subject = number % 8 == 3 ? small_subject(number) : NULL,
		.no_touch = number % 8 == 4,
		.no_renew = number % 8 == 5,
		.client = number % 8 == 6 ? use_client(number / 8) : NULL,
		.veto = number % 8 == 7 ? use_veto : NULL,
		.veto_arg = u,
	};
	size_t capacity = number % 4 == 1 ? 16 : 8192, bytes = capacity;
	uint8_t *data = malloc(capacity);
	struct sojourn_info info;
	int rc;

	FUZZ_CHECK(data);
	rc = judged("read",
		    sojourn_session_read(u->s, use_id(number), &how,
					 number % 4 == 2 ? NULL : data, &bytes,
					 number % 4 == 3 ? NULL : &info));
	if ((rc == 0 || rc == -ENOBUFS) && number % 4 != 3)
		use_info_is_sound(&info);
	if (rc == 0)
		FUZZ_CHECK(bytes <= SOJOURN_DATA_BYTES_MAX);
	free(data);
}

static void update_one(struct use *u, unsigned number)
{
	static const size_t sizes[] = {0, 5, 70, 900, 9000, 70000, 1048576};
	static uint8_t data[1048576];
	uint64_t version;

	judged("update", sojourn_session_update(u->s, use_id(number), data,
						sizes[number % 7],
						number % 5 == 1, &version));
}

int use_append(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	(void)arg;
	FUZZ_CHECK(*data_bytes <= capacity);
	if (*data_bytes < capacity)
		((uint8_t *)data)[(*data_bytes)++] = 'm';
	return 0;
}

static void renew_one(struct use *u, unsigned number)
{
	struct sojourn_info info;

	if (judged("renew",
		   sojourn_session_renew(u->s, use_id(number), &info)) == 0)
		use_info_is_sound(&info);
}

int use_listed(void *arg, const struct sojourn_info *info)
{
	struct use *u = arg;

	use_info_is_sound(info);
	FUZZ_CHECK(++u->calls <= 4 * SMALL_ENTRIES);
	return 0;
}

static void create_one(struct use *u, unsigned number)
{
	static const size_t sizes[] = {0, 30, 300, 3000, 30000, 200000};
	static uint8_t data[200000];
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;
	struct sojourn_new n = {.subject = small_subject(number),
				.data = data,
				.data_bytes = sizes[number % 6]};

	if (judged("create",
		   sojourn_session_create(u->s, &n, id,
					  number & 1 ? &info : NULL)) == 0 &&
	    number & 1)
		use_info_is_sound(&info);
}

static void upkeep(struct use *u, bool full)
{
	int rc;
	struct soj_self *self = soj_self_writing(u->s, &rc);
	struct soj_upkeep_work work;
	struct soj_upkeep up;

	if (self == NULL)
		return;
	FUZZ_CHECK(soj_upkeep_init(&up, &u->s->st, &self->w) == 0);
	for (unsigned i = 0; i < 3; i++)
		soj_upkeep_pass(&up, &work);
	if (full)
		soj_upkeep_full(&up, &work);
	soj_upkeep_deinit(&up);
}

static void expire(struct use *u, unsigned number)
{
	int rc;
	struct soj_self *self = soj_self_writing(u->s, &rc);
	uint64_t now_ms = sojourn_now_ms(u->s);
	struct soj_expiry ex;

	if (self == NULL)
		return;
	FUZZ_CHECK(soj_expiry_init(&ex, &u->s->st, &self->w, 10) == 0);
	soj_expiry_rebuild(&ex);
	for (unsigned i = 0; i < 4; i++)
		soj_expiry_step(&ex, now_ms + i * (uint64_t)number * 1000);
	soj_expiry_scrub(&ex, SMALL_ENTRIES);
	soj_expiry_deinit(&ex);
}

static void look_at_numbers(struct use *u)
{
	struct sojourn_stat stat;

	judged("stat", sojourn_stat(u->s, &stat));
	FUZZ_CHECK(stat.counters <= SOJOURN_STAT_COUNTERS_MAX);
}

static void of_subject(struct use *u, unsigned number)
{
	const char *subject = small_subject(number);

	u->calls = 0;
	if (number % 4 == 0)
		judged("delete_subject",
		       sojourn_session_delete_subject(
			       u->s, subject,
			       number % 8 ? NULL : use_id(number)));
	else
		judged("list_subject",
		       sojourn_session_list_subject(
			       u->s, subject, use_id(number), use_listed, u));
}

static void operation(struct use *u, unsigned what, unsigned number)
{
	uint64_t version;

	if (what & 128) {
		use_more(u, what, number);
		return;
	}
	fuzz_bound("an operation on one", USE_BOUND_ONE);
	switch (what % 14) {
	case 0:
	case 1:
		read_one(u, number);
		return;
	case 2:
		update_one(u, number);
		return;
	case 3:
		judged("modify",
		       sojourn_session_modify(u->s, use_id(number), 6000,
					      use_append, NULL, &version));
		return;
	case 4:
		judged("touch", sojourn_session_touch(u->s, use_id(number)));
		return;
	case 5:
		renew_one(u, number);
		return;
	case 6:
		judged("delete", sojourn_session_delete(u->s, use_id(number)));
		return;
	case 7:
		judged("delete_handle",
		       sojourn_session_delete_handle(
			       u->s,
			       small()->handles[number % SMALL_SESSIONS]));
		return;
	default:
		break;
	}
	fuzz_bound("an operation on all", USE_BOUND_ALL);
	switch (what % 14) {
	case 8:
		of_subject(u, number);
		return;
	case 9:
		create_one(u, number);
		return;
	case 10:
		look_at_numbers(u);
		return;
	case 11:
		upkeep(u, number & 1);
		return;
	case 12:
		expire(u, number);
		return;
	default:
		if (!u->read_only)
			judged("advance",
			       sojourn_clock_advance(u->s, number * 8000));
		return;
	}
}

static void everything(struct use *u)
{
	static const uint8_t once[] = {10, 11, 12, 9, 9, 8, 13, 12, 11, 10};

	for (unsigned i = 0; i < SMALL_SESSIONS; i++)
		operation(u, i, u->read_only ? 8 * i : i);
	if (!u->read_only)
		use_hooked(u);
	for (unsigned i = 0; i < 3 * USE_MORE; i++)
		use_more(u, i, i / USE_MORE * 67 + 8 * (i % USE_MORE));
	for (unsigned i = 0; i < sizeof(once) && !u->read_only; i++)
		operation(u, once[i], 2 * i + 1);
	for (unsigned i = 0; i < SMALL_SESSIONS && u->read_only; i++)
		operation(u, 0, i);
}

void use_segment(struct fuzz_in *in, bool all)
{
	struct use u = {.in = in, .read_only = true};
	unsigned count = 0;

	fuzz_bound("attach", USE_BOUND_ONE);
	if (small_attach(true, &u.s) == 0) {
		if (all)
			everything(&u);
		use_end(&u);
	}
	u.read_only = false;
	fuzz_bound("attach", USE_BOUND_ONE);
	if (small_attach(false, &u.s) < 0)
		return;
	if (in->left < 2 && all)
		everything(&u);
	while (in->left >= 2 && count++ < 64) {
		unsigned what = (unsigned)fuzz_take(in, 1);

		operation(&u, what, (unsigned)fuzz_take(in, 1));
	}
	use_end(&u);
}

void use_tools(bool online)
{
	static struct soj_image_stat stat;
	const struct small *sm = small();
	struct soj_fsck_report rep;
	struct soj_image_flaw flaw;
	struct soj_image_entry e;
	struct soj_image img;

	fuzz_bound("the tools", USE_BOUND_ALL);
	soj_image_of_memory(&img, sm->image, sm->bytes);
	img.st.vault = small_sealed ? &sm->vault : NULL;
	img.live = online;
	FUZZ_CHECK(soj_fsck(&img, &rep, online) == 0);
	soj_fsck_free(&rep);
	soj_image_close(&img);
	soj_image_of_memory(&img, sm->image, sm->bytes);
	img.st.vault = small_sealed ? &sm->vault : NULL;
	if (soj_image_load(&img, &flaw) == 0) {
		FUZZ_CHECK(soj_image_stat(&img, &stat) == 0);
		for (uint32_t i = 0; i <= img.hdr.entries_max; i++)
			if (soj_image_entry(&img, i, true, &e) == 0) {
				FUZZ_CHECK(soj_image_status_name(
					soj_ctl_status(e.ctl)));
				free(e.data);
			}
	} else {
		FUZZ_CHECK(flaw.text[0]);
	}
	soj_image_close(&img);
}

/* ---- a whole input ---- */

static void raw(struct fuzz_in *in)
{
	const struct small *sm = small();
	uint64_t off = 8 * fuzz_below(in, sm->bytes / 8);
	size_t bytes = soj_min(in->left, sm->bytes - off);

	memcpy(sm->image + off, in->at, bytes);
	in->at += bytes;
	in->left -= bytes;
}

void use_spoilt(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	unsigned mode = (unsigned)fuzz_take(&in, 1);

	small();
	small_restore();
	fuzz_random(2);
	if (mode & 1) {
		raw(&in);
	} else {
		for (unsigned i = 0; i < (mode >> 1) % 16; i++) {
			struct patch p;

			patch_take(&in, &p);
			patch_apply(&p);
		}
	}
	if (!(mode & 32))
		use_tools(false);
	use_segment(&in, !(mode & 128));
	if (!(mode & 64))
		use_tools(false);
}
