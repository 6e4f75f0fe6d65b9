/* SPDX-License-Identifier: MIT */

/*
 * What the library calls while it uses a spoilt segment, and what it is told of
 * clients: validators, hooks, vetoes, bindings.  Each of them looks at all that it
 * is given.
 */

#include <errno.h>
#include <sojourn/collection.h>
#include <sojourn/event.h>
#include <string.h>

#include "lib_use_impl.h"

static void read_all(const void *data, size_t data_bytes)
{
	const volatile uint8_t *at = data;

	FUZZ_CHECK(data_bytes <= SOJOURN_DATA_BYTES_MAX);
	for (size_t i = 0; i < data_bytes; i += 64)
		(void)at[i];
	if (data_bytes > 0)
		(void)at[data_bytes - 1];
}

/* Refuses now and then, and says so without an end. */
static int validator(void *arg, const void *data, size_t data_bytes, char *why,
		     size_t why_bytes)
{
	struct use *u = arg;

	read_all(data, data_bytes);
	memset(why, 'w', why_bytes);
	return ++u->asked % 8 == 7;
}

int use_veto(void *arg, const struct sojourn_info *info, const void *data,
	     size_t data_bytes)
{
	struct use *u = arg;

	use_info_is_sound(info);
	if (data)
		read_all(data, data_bytes);
	return ++u->asked % 4 == 3;
}

/* One of them calls the library in its turn. */
static void hook(void *arg, struct sojourn *s,
		 const struct sojourn_hook_call *call)
{
	struct use *u = arg;

	FUZZ_CHECK(s == u->s);
	FUZZ_CHECK(call->name[0] && sojourn_end_name(call->ended)[0]);
	FUZZ_CHECK(sojourn_reason_name(call->reason)[0]);
	FUZZ_CHECK(call->collection < SOJOURN_COLLECTIONS);
	FUZZ_CHECK(memchr(call->handle, 0, sizeof(call->handle)));
	if (strcmp(call->name, "touched") == 0)
		use_judge("touch in a hook",
			  sojourn_session_touch(s, use_id(u->asked)), NULL);
}

void use_hooked(struct use *u)
{
	static const uint32_t collections[] = {
		SOJOURN_COLLECTION_SESSION, SOJOURN_COLLECTION_REMEMBER_ME,
		SOJOURN_COLLECTION_REFRESH, SOJOURN_COLLECTION_CSRF,
		SMALL_CAPPED};
	const struct sojourn_hooks hooks = {
		.created = hook,
		.updated = hook,
		.hit = hook,
		.missed = hook,
		.touched = hook,
		.renewed = hook,
		.renewal_lost = hook,
		.renewal_failed = hook,
		.deleted = hook,
		.evicted = hook,
		.expired = hook,
		.mismatched = hook,
		.vetoed = hook,
		.invalid = hook,
		.over_cap = hook,
	};

	if (u->hooked)
		return;
	u->hooked = true;
	FUZZ_CHECK(sojourn_hooks_set(u->s, &hooks, u) == 0);
	for (size_t i = 0; i < sizeof(collections) / sizeof(collections[0]);
	     i++)
		use_judge("validator_set",
			  sojourn_validator_set(u->s, collections[i], validator,
						u),
			  NULL);
}

const struct sojourn_metadata *use_client(unsigned number)
{
	static const struct sojourn_metadata clients[] = {
		{.ip = "192.0.2.7", .user_agent = "agent"},
		{.ip = "192.0.2.7"},
		{.ip = "2001:db8::7", .user_agent = "agent"},
		{.ip = "192.0.2.7",
		 .user_agent = "an agent of more than sixteen characters",
		 .device_id = "device",
		 .device_type = "phone"},
	};

	return &clients[number % (sizeof(clients) / sizeof(clients[0]))];
}
