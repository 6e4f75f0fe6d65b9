/* SPDX-License-Identifier: MIT */

/*
 * Validators of collections: one per collection and handle, in this process
 * only.  They are replaced under the feet of who is calling them, so what was
 * replaced stays until the handle goes.
 *
 * Edges
 *   V0  set: cas of a collection's validator      V1  its fields are seen
 *   V1  load of it                                V0
 */

#include <errno.h>
#include <stdlib.h>

#include "session/item.h"

struct soj_validator {
	sojourn_validator_fn fn; /* NULL: none any more */
	void *arg;
	struct soj_validator *older;
};

int sojourn_validator_set(struct sojourn *s, uint32_t collection,
			  sojourn_validator_fn fn, void *arg)
{
	struct soj_validator *v;
	int rc = soj_collection_check(s, collection);

	if (rc < 0)
		return rc;
	v = malloc(sizeof(*v));
	if (v == NULL)
		return soj_report_errno(-ENOMEM);
	*v = (struct soj_validator){.fn = fn, .arg = arg};
	v->older = soj_load_acquire(&s->validator[collection]); /* V1 */
	while (!soj_cas_acq_rel(&s->validator[collection], &v->older,
				v)) /* V0 */
		;
	return soj_ok();
}

int soj_validate(struct sojourn *s, struct soj_self *self, uint32_t collection,
		 const void *data, size_t data_bytes)
{
	struct soj_validator *v =
		soj_load_acquire(&s->validator[collection]); /* V1 */
	struct soj_outside outside;
	char name[SOJOURN_COLLECTION_CHARS_MAX + 1];
	char why[256] = "";
	int rc;

	if (v == NULL || v->fn == NULL)
		return 0;
	soj_outside_begin(self, &outside);
	rc = v->fn(v->arg, data, data_bytes, why, sizeof(why));
	if (!soj_outside_end(self, &outside))
		return soj_report_errno(-ECANCELED);
	if (rc == 0)
		return 0;
	if (self)
		soj_count(&self->w.thr, SOJ_COUNT_invalid);
	soj_tell_in(s, self, collection, SOJ_EVENT_INVALID, 0);
	why[sizeof(why) - 1] = 0;
	if (sojourn_collection_name(s, collection, name) < 0)
		name[0] = 0;
	return soj_report(-EILSEQ, SOJOURN_INVALID_DATA,
			  "the validator of collection %s refused the data%s%s",
			  name, why[0] ? ": " : "", why);
}

void soj_validators_free(struct sojourn *s)
{
	for (uint32_t i = 0; i < SOJ_COLLECTIONS; i++) {
		struct soj_validator *v =
			soj_load_acquire(&s->validator[i]); /* V1 */

		while (v) {
			struct soj_validator *older = v->older;

			free(v);
			v = older;
		}
	}
}
