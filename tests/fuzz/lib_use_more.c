/* SPDX-License-Identifier: MIT */

/*
 * Uses a spoilt segment by what is more than sessions: items, counters, views,
 * locks, values computed once, remembered logins, tokens, events, scans.
 */

#include <errno.h>
#include <sojourn/event.h>
#include <sojourn/lock.h>
#include <stdlib.h>
#include <string.h>

#include "lib_use_impl.h"

static const int of_items[] = {EEXIST, ERANGE, 0};
static const int of_locks[] = {ETIMEDOUT, EDEADLK, ENOLCK, 0};
static const int of_tokens[] = {EACCES, 0};
static const int of_lists[] = {ENOMEM, 0};

/* ---- items ---- */

struct named {
	struct sojourn_item item;
	uint8_t key;
};

/* Mostly of those that are there; few are of another collection. */
static void name(struct named *n, unsigned number)
{
	n->key = (uint8_t)(number % (SMALL_ITEMS + 2));
	n->item.collection = number % 11 == 10  ? number % 7
			     : number % 11 == 9 ? SMALL_CAPPED
						: SOJOURN_COLLECTION_CSRF;
	n->item.key = &n->key;
	n->item.key_bytes = 1;
}

static void write_item(struct use *u, const struct named *n, unsigned number)
{
	static const size_t sizes[] = {7, 0, 70, 900, 9000, 200000};
	static uint8_t data[200000];
	static const struct sojourn_metadata metadata = {.ip = "192.0.2.9"};
	const struct sojourn_value v = {
		.data = data,
		.data_bytes = sizes[number % 6],
		.subject = number & 1 ? small_subject(number) : NULL,
		.metadata = number & 2 ? &metadata : NULL,
		.keep_periods = number & 4,
		.if_exists = number % 5 == 1,
		.if_version = number % 5 == 2,
	};
	const struct sojourn_value plain = {.data = data, .data_bytes = 7};
	uint64_t version;

	if (number & 64)
		use_judge("add", sojourn_add(u->s, &n->item, &plain, &version),
			  of_items);
	else
		use_judge("put", sojourn_put(u->s, &n->item, &v, &version),
			  of_items);
}

static void read_item(struct use *u, const struct named *n, unsigned number)
{
	size_t capacity = number % 4 == 1 ? 3 : 8192, bytes = capacity;
	uint8_t *data = malloc(capacity), other[128];
	const struct sojourn_read how = {
		.client = number & 8 ? use_client(number / 16) : NULL,
	};
	struct sojourn_info info, infos[2];
	struct sojourn_one many[] = {
		{.id = use_id(number), .info = &infos[0]},
		{.item = n->item, .data = data, .info = &infos[1]},
		{.id = use_id(number + 1), .data = other},
		{.item = n->item, .data = other},
	};
	int rc;

	FUZZ_CHECK(data);
	rc = use_judge("get",
		       sojourn_get(u->s, &n->item, &how, data, &bytes, &info),
		       NULL);
	if (rc == 0 || rc == -ENOBUFS)
		use_info_is_sound(&info);
	FUZZ_CHECK(rc < 0 || bytes <= capacity);
	FUZZ_CHECK(use_judge("has", sojourn_has(u->s, &n->item), NULL) <= 1);
	many[1].data_bytes = capacity;
	many[2].data_bytes = many[3].data_bytes = sizeof(other);
	rc = use_judge("get_many", sojourn_get_many(u->s, many, 4, &how), NULL);
	FUZZ_CHECK(rc <= 4);
	FUZZ_CHECK(many[2].rc < 0 || many[2].data_bytes <= sizeof(other));
	for (unsigned i = 0; i < 2 && rc > 0; i++)
		if (many[i].rc == 0)
			use_info_is_sound(many[i].info);
	use_judge("touch item", sojourn_touch(u->s, &n->item), NULL);
	free(data);
}

static void change_item(struct use *u, const struct named *n, unsigned number)
{
	const struct sojourn_value absent = {.subject = small_subject(number)};
	uint64_t version;
	int64_t sum;

	switch (number % 3) {
	case 0:
		FUZZ_CHECK(use_judge("remove",
				     sojourn_remove(u->s, &n->item,
						    number % 5 == 1),
				     NULL) <= 1);
		return;
	case 1:
		use_judge("modify_item",
			  sojourn_modify_item(u->s, &n->item,
					      number & 8 ? &absent : NULL, 6000,
					      use_append, NULL, &version),
			  of_items);
		return;
	default:
		use_judge("count_add",
			  sojourn_count_add(u->s, &n->item,
					    number & 16 ? INT64_MAX : 1, number,
					    &sum),
			  of_items);
	}
}

/* What is shown may change under the eyes, but lies in the segment. */
static int look(void *arg, const void *data, size_t data_bytes,
		uint64_t version)
{
	const struct sojourn *s = arg;
	const uint8_t *at = data, *base = s->st.seg.base;

	(void)version;
	FUZZ_CHECK(data_bytes <= SOJOURN_DATA_BYTES_MAX);
	/* A sealed one is opened elsewhere. */
	FUZZ_CHECK(data_bytes == 0 || small_sealed ||
		   (at >= base && at + data_bytes <= base + s->st.seg.bytes));
	for (size_t i = 0; i < data_bytes; i += 512)
		version += ((const volatile uint8_t *)data)[i];
	return 3;
}

static void view(struct use *u, const struct named *n, unsigned number)
{
	int rc;

	if (number & 1)
		rc = sojourn_view(u->s, &n->item, NULL, look, u->s);
	else
		rc = sojourn_session_view(u->s, use_id(number), NULL, look,
					  u->s);
	FUZZ_CHECK(use_judge("view", rc, NULL) == 3 || rc < 0);
}

static int compute(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	unsigned number = *(unsigned *)arg;

	FUZZ_CHECK(capacity == 100);
	memset(data, 'c', number % 100);
	*data_bytes = number % 100;
	return number % 8 == 7 ? -EPERM : 0;
}

static void compute_once(struct use *u, const struct named *n, unsigned number)
{
	const struct sojourn_flight how = {
		.compute = compute,
		.arg = &number,
		.timeout_ms = 0,
		.hold_max_ms = number & 1 ? 1000 : 0,
	};
	uint8_t data[100];
	size_t bytes = sizeof(data);
	bool made;
	int rc = use_judge("get_or_create",
			   sojourn_get_or_create(u->s, &n->item, &how, data,
						 &bytes, &made),
			   of_locks);

	FUZZ_CHECK(rc < 0 || bytes <= sizeof(data));
}

/* ---- locks ---- */

static void lock(struct use *u, unsigned number)
{
	unsigned i = number % USE_LOCKS;
	uint64_t fence = 0;
	int rc = use_judge("lock",
			   sojourn_session_lock(u->s, use_id(number), 0,
						number & 32 ? 300 : 0, &fence),
			   of_locks);

	if (rc < 0 || u->fence[i] != 0)
		return;
	u->fence[i] = fence;
	u->locked[i] = number;
}

static void under_lock(struct use *u, unsigned number)
{
	unsigned i = number % USE_LOCKS;
	const char *id = use_id(u->fence[i] ? u->locked[i] : number);
	uint64_t version;

	switch (number / USE_LOCKS % 3) {
	case 0:
		use_judge("update_locked",
			  sojourn_session_update_locked(u->s, id, u->fence[i],
							"new", 3, &version),
			  of_locks);
		return;
	case 1:
		use_judge("modify_locked",
			  sojourn_session_modify_locked(u->s, id, u->fence[i],
							6000, use_append, NULL,
							&version),
			  of_locks);
		return;
	default:
		use_judge("unlock",
			  sojourn_session_unlock(u->s, id, u->fence[i]),
			  of_locks);
		u->fence[i] = 0;
	}
}

/* ---- families and tokens ---- */

static const char *token_of(const struct use *u, unsigned number)
{
	const struct small *sm = small();

	if (number & 64)
		return u->family[0] ? u->family : sm->rotated;
	return sm->family[number % SMALL_FAMILIES];
}

static void remember(struct use *u, unsigned number)
{
	const struct sojourn_metadata client = {.ip = "192.0.2.7"};
	const struct sojourn_new n = {.subject = small_subject(number),
				      .data = "kept",
				      .data_bytes = number & 1 ? 4 : 0};
	char token[SOJOURN_REMEMBER_CHARS + 1], data[64];
	size_t bytes = number & 2 ? 1 : sizeof(data);
	struct sojourn_info info;
	int rc;

	if (number % 8 == 6) {
		rc = use_judge("remember_create",
			       sojourn_remember_create(u->s, &n, token, &info),
			       NULL);
	} else if (number % 8 == 7) {
		rc = sojourn_remember_forget(u->s, token_of(u, number));
		FUZZ_CHECK(use_judge("remember_forget", rc, NULL) <= 1);
		return;
	} else {
		rc = sojourn_remember_use(u->s, token_of(u, number),
					  number & 4 ? &client : NULL, token,
					  data, &bytes, &info);
		use_judge("remember_use", rc, NULL);
	}
	if (rc < 0)
		return;
	FUZZ_CHECK(strlen(token) == SOJOURN_REMEMBER_CHARS);
	FUZZ_CHECK(bytes <= sizeof(data));
	use_info_is_sound(&info);
	memcpy(u->family, token, sizeof(token));
}

static void token_info_is_sound(const struct sojourn_token_info *info)
{
	FUZZ_CHECK(memchr(info->subject, 0, sizeof(info->subject)));
	FUZZ_CHECK(memchr(info->anchor, 0, sizeof(info->anchor)));
	FUZZ_CHECK(memchr(info->handle, 0, sizeof(info->handle)));
}

static void refresh(struct use *u)
{
	static char access[SOJOURN_TOKEN_BYTES_MAX + 1];
	const char *old = u->refresh[0] ? u->refresh : small()->refresh;
	size_t bytes = sizeof(access);
	struct sojourn_token_info info;
	char next[SOJOURN_REFRESH_CHARS + 1];
	int rc = use_judge("token_refresh",
			   sojourn_token_refresh(u->tokens, old, NULL, access,
						 &bytes, next, &info),
			   of_tokens);

	if (rc < 0)
		return;
	token_info_is_sound(&info);
	FUZZ_CHECK(strlen(access) == bytes);
	memcpy(u->refresh, next, sizeof(next));
}

static void of_token(struct use *u, unsigned number)
{
	const char *token = small()->access, *subject = small_subject(number);
	char claims[512];
	size_t bytes = number & 8 ? 4 : sizeof(claims);
	struct sojourn_token_info info;
	int rc;

	if (u->tokens == NULL)
		u->tokens = small_tokens(u->s);
	switch (number % 8) {
	case 0:
	case 1:
	case 2:
		rc = use_judge("token_verify",
			       sojourn_token_verify(u->tokens, token,
						    strlen(token), claims,
						    &bytes, &info),
			       of_tokens);
		FUZZ_CHECK(rc != 0 ||
			   (bytes < sizeof(claims) && strlen(claims) == bytes));
		token_info_is_sound(&info);
		return;
	case 3:
	case 4:
		refresh(u);
		return;
	case 5:
		rc = sojourn_token_revoke(u->tokens, token);
		FUZZ_CHECK(use_judge("token_revoke", rc, of_tokens) <= 1);
		return;
	case 6:
		rc = number & 8 ? sojourn_token_restrict(u->tokens, token)
				: sojourn_token_restrict_subject(u->tokens,
								 subject);
		use_judge("token_restrict", rc, of_tokens);
		return;
	default:
		use_judge("token_revoke_subject",
			  sojourn_token_revoke_subject(u->tokens, subject),
			  of_tokens);
	}
}

/* ---- what looks at all ---- */

struct heard {
	uint64_t last;
	unsigned calls;
};

static int event(void *arg, const struct sojourn_event *e)
{
	struct heard *h = arg;

	FUZZ_CHECK(e->seq > h->last);
	h->last = e->seq;
	FUZZ_CHECK(memchr(e->handle, 0, sizeof(e->handle)));
	FUZZ_CHECK(memchr(e->before, 0, sizeof(e->before)));
	FUZZ_CHECK(sojourn_event_type_name(e->type)[0] &&
		   sojourn_end_name(e->ended)[0] &&
		   sojourn_source_name(e->source)[0]);
	/* The ring's, and those that this call itself may have helped. */
	FUZZ_CHECK(++h->calls <= 128);
	return 0;
}

static void events(struct use *u, unsigned number)
{
	struct heard h = {0, 0};
	uint64_t missed;

	if (number & 1)
		u->event = number & 2 ? 0 : UINT64_MAX;
	use_judge("events_read",
		  sojourn_events_read(u->s, &u->event, event, &h, &missed),
		  NULL);
}

static void scan(struct use *u, unsigned number)
{
	char pattern[] = "subject-[1-2]*";
	const struct sojourn_filter filter = {
		.collection = number & 1 ? SOJOURN_COLLECTION_ANY : 0,
		.subject = number & 2 ? small_subject(number) : NULL,
		.match = number & 4 ? pattern : NULL,
		.match_handle = (number & 12) == 12,
	};
	uint64_t cursor = 0;

	u->calls = 0;
	switch (number / 16 % 5) {
	case 0:
		use_judge("count", sojourn_count(u->s, &filter), of_lists);
		return;
	case 1:
		use_judge("clear", sojourn_clear(u->s, &filter), of_lists);
		return;
	case 2:
		use_judge("prune", sojourn_prune(u->s), of_lists);
		return;
	default:
		break;
	}
	for (unsigned i = 0; i == 0 || cursor != 0; i++) {
		FUZZ_CHECK(i < USE_LISTED_MAX);
		if (use_judge("scan",
			      sojourn_scan(u->s, &filter, &cursor,
					   1 + number % 9, use_listed, u),
			      of_lists) < 0)
			return;
	}
}

static void pages(struct use *u, unsigned number)
{
	uint64_t cursor = 0;

	u->calls = 0;
	for (unsigned i = 0; i == 0 || cursor != 0; i++) {
		FUZZ_CHECK(i < USE_LISTED_MAX);
		if (use_judge("list_next",
			      sojourn_session_list_next(
				      u->s, small_subject(number),
				      use_id(number), &cursor, 1 + number % 5,
				      use_listed, u),
			      of_lists) < 0)
			return;
	}
}

static void regenerate(struct use *u, unsigned number)
{
	struct sojourn_info info;

	if (use_judge("regenerate",
		      sojourn_session_regenerate(u->s, use_id(number), &info),
		      NULL) == 0)
		use_info_is_sound(&info);
}

void use_more(struct use *u, unsigned what, unsigned number)
{
	struct named n;

	name(&n, number);
	fuzz_bound("an operation on one of the others", USE_BOUND_ALL);
	switch (what % USE_MORE) {
	case 0:
	case 1:
		write_item(u, &n, number);
		return;
	case 2:
		read_item(u, &n, number);
		return;
	case 3:
	case 4:
		change_item(u, &n, number);
		return;
	case 5:
		view(u, &n, number);
		return;
	case 6:
		compute_once(u, &n, number);
		return;
	case 7:
		lock(u, number);
		return;
	case 8:
	case 9:
		under_lock(u, number);
		return;
	case 10:
		remember(u, number);
		return;
	case 11:
		of_token(u, number);
		return;
	case 12:
		events(u, number);
		return;
	case 13:
		scan(u, number);
		return;
	case 14:
		pages(u, number);
		return;
	default:
		if (number >= 192)
			use_hooked(u);
		else
			regenerate(u, number);
		return;
	}
}

void use_end(struct use *u)
{
	sojourn_tokens_close(u->tokens);
	u->tokens = NULL;
	fuzz_bound("detach", USE_BOUND_ONE);
	small_detach(u->s);
}
