/* SPDX-License-Identifier: MIT */

/*
 * S16: validators on write and on read, and the one for JSON shapes.  S15: many
 * reads at a time, views.
 */

#include <errno.h>

#include "crash/lib_victim.h"
#include "lib_sem.h"
#include "session/handle.h"

static struct sojourn *s;
static uint32_t carts;

static int set_up(void **state)
{
	struct sojourn_options o;

	sem_options(&o);
	o.entries_max = 200;
	o.events_max = 64;
	s = sem_make_carts(&o, &carts);
	*state = s;
	return 0;
}

static int put(const char *key, const char *text)
{
	const struct sojourn_item item = sem_item(carts, key);
	const struct sojourn_value v = {.data = text,
					.data_bytes = strlen(text)};

	return sojourn_put(s, &item, &v, NULL);
}

static int get(const char *key, char text[256])
{
	const struct sojourn_item item = sem_item(carts, key);
	size_t bytes = 255;
	int rc;

	memset(text, 0, 256);
	rc = sojourn_get(s, &item, NULL, text, &bytes, NULL);
	return rc;
}

/* ---- validators ---- */

static int no_x(void *arg, const void *data, size_t bytes, char *why,
		size_t why_bytes)
{
	++*(unsigned *)arg;
	if (bytes == 0 || memchr(data, 'x', bytes) == NULL)
		return 0;
	snprintf(why, why_bytes, "no x here");
	return 1;
}

static int append_x(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	assert_true(*bytes < capacity);
	((char *)data)[(*bytes)++] = 'x';
	return 0;
}

static void s16_checked_on_write_and_read(void **state)
{
	const struct sojourn_item a = sem_item(carts, "a");
	unsigned calls = 0;
	char text[256];

	(void)state;
	assert_int_equal(put("a", "x"), 0);
	assert_int_equal(sojourn_validator_set(s, 99, no_x, &calls), -EINVAL);
	assert_int_equal(sojourn_validator_set(s, carts, no_x, &calls), 0);
	/* What is there already is not handed out. */
	expect_reason(get("a", text), -EILSEQ, SOJOURN_INVALID_DATA);
	assert_non_null(strstr(sojourn_error_text(), "carts"));
	assert_non_null(strstr(sojourn_error_text(), "no x here"));
	assert_int_equal(text[0], 0);
	assert_int_equal(put("a", "y"), 0);
	assert_int_equal(get("a", text), 0);
	expect_reason(put("a", "yx"), -EILSEQ, SOJOURN_INVALID_DATA);
	expect_reason(put("new", "x"), -EILSEQ, SOJOURN_INVALID_DATA);
	expect_reason(sojourn_modify_item(s, &a, NULL, 8, append_x, NULL, NULL),
		      -EILSEQ, SOJOURN_INVALID_DATA);
	assert_int_equal(get("a", text), 0);
	assert_string_equal(text, "y");
	assert_int_equal(calls, 7);
	assert_int_equal(sem_counter(s, "invalid"), 4);
	/* None any more. */
	assert_int_equal(sojourn_validator_set(s, carts, NULL, NULL), 0);
	assert_int_equal(put("a", "x"), 0);
	assert_int_equal(calls, 7);
}

/* What an entry of a damaged image says of its collection decides nothing: the
 * caller's is checked.  99 is out of the bounds of everything. */
static void s16_not_the_entrys_word(void **state)
{
	static const uint32_t others[] = {SOJOURN_COLLECTION_REVOKED, 99, 255};
	unsigned calls = 0;
	char text[256];

	(void)state;
	assert_int_equal(put("a", "x"), 0);
	assert_int_equal(sojourn_validator_set(s, carts, no_x, &calls), 0);
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		for (uint32_t e = 1; e <= s->st.seg.lay.entries_max; e++)
			soj_store_relaxed(&soj_entry(&s->st, e)->misc,
					  soj_misc(others[i], 0, false, 0));
		expect_reason(get("a", text), -EILSEQ, SOJOURN_INVALID_DATA);
		assert_int_equal(calls, i + 1);
		assert_int_equal(text[0], 0);
	}
}

static void s16_sessions_too(void **state)
{
	struct sojourn_new n = {
		.subject = "anna", .data = "x", .data_bytes = 1};
	char id[SOJOURN_ID_CHARS_MAX + 1], text[8] = "";
	size_t bytes = sizeof(text);
	unsigned calls = 0;

	(void)state;
	assert_int_equal(sojourn_validator_set(s, SOJOURN_COLLECTION_SESSION,
					       no_x, &calls),
			 0);
	expect_reason(sojourn_session_create(s, &n, id, NULL), -EILSEQ,
		      SOJOURN_INVALID_DATA);
	assert_int_equal(id[0], 0);
	n.data = "y";
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	expect_reason(sojourn_session_update(s, id, "x", 1, 0, NULL), -EILSEQ,
		      SOJOURN_INVALID_DATA);
	expect_reason(sojourn_session_modify(s, id, 8, append_x, NULL, NULL),
		      -EILSEQ, SOJOURN_INVALID_DATA);
	assert_int_equal(sojourn_session_read(s, id, NULL, text, &bytes, NULL),
			 0);
	assert_int_equal(sojourn_validator_set(s, 0, NULL, NULL), 0);
	assert_int_equal(sojourn_session_update(s, id, "x", 1, 0, NULL), 0);
	assert_int_equal(sojourn_validator_set(s, 0, no_x, &calls), 0);
	bytes = sizeof(text);
	expect_reason(sojourn_session_read(s, id, NULL, text, &bytes, NULL),
		      -EILSEQ, SOJOURN_INVALID_DATA);
	/* Without its data it can be read, and ended. */
	assert_int_equal(sojourn_session_read(s, id, NULL, NULL, NULL, NULL),
			 0);
	assert_int_equal(sojourn_session_delete(s, id), 1);
}

/* ---- JSON ---- */

/* The parser passes over a zero behind a number. */
static void s16_json_has_no_zero_bytes(void **state)
{
	struct sojourn_json_shape *shape;
	char why[128];

	(void)state;
	assert_int_equal(
		sojourn_json_shape_create("{\"required\": {}}", &shape), 0);
	assert_int_equal(
		sojourn_json_validator(shape, "{\"a\":1}", 7, why, sizeof(why)),
		0);
	assert_int_not_equal(sojourn_json_validator(shape, "{\"a\":1\0}", 8,
						    why, sizeof(why)),
			     0);
	assert_non_null(strstr(why, "zero"));
	sojourn_json_shape_destroy(shape);
}

static void s16_json_kinds(void **state)
{
	static const char shape_text[] =
		"{\"optional\": {\"string\": \"string\", \"integer\": "
		"\"integer\", \"number\": \"number\", \"boolean\": "
		"\"boolean\", \"null\": \"null\", \"array\": \"array\", "
		"\"object\": \"object\", \"any\": \"any\"}}";
	/* What there is, and as which kinds it passes. */
	static const struct {
		const char *value, *kinds;
	} t[] = {
		{"\"a\"", "string any"},  {"1", "integer number any"},
		{"1.5", "number any"},    {"true", "boolean any"},
		{"false", "boolean any"}, {"null", "null any"},
		{"[]", "array any"},      {"{}", "object any"},
	};
	static const char *const kinds[] = {"string",  "integer", "number",
					    "boolean", "null",    "array",
					    "object",  "any"};
	struct sojourn_json_shape *shape;
	char text[64];

	(void)state;
	assert_int_equal(sojourn_json_shape_create(shape_text, &shape), 0);
	assert_int_equal(
		sojourn_validator_set(s, carts, sojourn_json_validator, shape),
		0);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		for (size_t j = 0; j < sizeof(kinds) / sizeof(kinds[0]); j++) {
			int rc = strstr(t[i].kinds, kinds[j]) ? 0 : -EILSEQ;

			snprintf(text, sizeof(text), "{\"%s\": %s}", kinds[j],
				 t[i].value);
			if (put("a", text) != rc)
				fail_msg("%s: not %d", text, rc);
		}
	assert_int_equal(sojourn_validator_set(s, carts, NULL, NULL), 0);
	sojourn_json_shape_destroy(shape);
}

/* A refusal needs no word on why. */
static int no_word(void *arg, const void *data, size_t bytes, char *why,
		   size_t why_bytes)
{
	(void)arg;
	(void)data;
	(void)why;
	(void)why_bytes;
	return bytes > 0;
}

static void s16_refuses_without_a_word(void **state)
{
	(void)state;
	assert_int_equal(sojourn_validator_set(s, carts, no_word, NULL), 0);
	assert_int_equal(put("a", ""), 0);
	expect_reason(put("a", "x"), -EILSEQ, SOJOURN_INVALID_DATA);
	assert_non_null(strstr(sojourn_error_text(), "carts"));
}

static void s16_json_shapes(void **state)
{
	static const char shape_text[] =
		"{\"required\": {\"name\": \"string\", \"age\": \"integer\"},"
		" \"optional\": {\"tags\": \"array\", \"score\": \"number\","
		" \"home\": {\"required\": {\"city\": \"string\"},"
		" \"closed\": true}}, \"closed\": true, \"bytes_max\": 120}";
	static const struct {
		const char *data, *why;
	} t[] = {
		{"{\"name\":\"a\",\"age\":3}", NULL},
		{"{\"name\":\"a\",\"age\":3,\"tags\":[],\"score\":1.5,"
		 "\"home\":{\"city\":\"b\"}}",
		 NULL},
		{"{\"name\":\"a\",\"age\":3,\"score\":2}", NULL},
		{"{\"name\":\"a\"}", "age"},
		{"{\"name\":\"a\",\"age\":3.5}", "age"},
		{"{\"name\":7,\"age\":3}", "name"},
		{"{\"name\":\"a\",\"age\":3,\"other\":1}", "members"},
		{"{\"name\":\"a\",\"age\":3,\"age\":4}", "twice"},
		{"{\"name\":\"a\",\"age\":3,\"home\":{}}", "city"},
		{"{\"name\":\"a\",\"age\":3,\"home\":{\"city\":\"b\",\"x\":1}}",
		 "members"},
		{"{\"name\":\"a\",\"age\":3} x", "not JSON"},
		{"[1]", "no object"},
		{"", "not JSON"},
		{"{\"name\":\"                                             "
		 "                                                      \","
		 "\"age\":33333333333}",
		 "120"},
	};
	struct sojourn_json_shape *shape;
	char deep[5000];

	(void)state;
	assert_int_equal(sojourn_json_shape_create(shape_text, &shape), 0);
	assert_int_equal(
		sojourn_validator_set(s, carts, sojourn_json_validator, shape),
		0);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		int rc = put("a", t[i].data);

		if (rc != (t[i].why ? -EILSEQ : 0))
			fail_msg("%s: %d %s", t[i].data, rc,
				 sojourn_error_text());
		if (t[i].why && !strstr(sojourn_error_text(), t[i].why))
			fail_msg("%s: %s", t[i].data, sojourn_error_text());
	}
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = 0;
	assert_int_equal(put("a", deep), -EILSEQ);
	assert_int_equal(sojourn_validator_set(s, carts, NULL, NULL), 0);
	sojourn_json_shape_destroy(shape);
	sojourn_json_shape_destroy(NULL);
}

static void s16_bad_shapes_are_named(void **state)
{
	static const struct {
		const char *text, *why;
	} t[] = {
		{"{", "JSON"},
		{"[]", "object"},
		{"{\"needed\": {}}", "needed"},
		{"{\"required\": []}", "required"},
		{"{\"required\": {\"a\": \"strin\"}}", "\"a\""},
		{"{\"required\": {\"a\": 1}}", "\"a\""},
		{"{\"required\": {\"a\": \"any\"}, "
		 "\"optional\": {\"a\": \"any\"}}",
		 "either"},
		{"{\"closed\": 1}", "closed"},
		{"{\"bytes_max\": 1}", "bytes_max"},
		{"{\"optional\": []}", "optional"},
		{"{\"required\": {\"a\": {\"bytes_max\": 9}}}", "outermost"},
	};
	struct sojourn_json_shape *shape;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(sojourn_json_shape_create(t[i].text, &shape),
				 -EINVAL);
		assert_null(shape);
		if (!strstr(sojourn_error_text(), t[i].why))
			fail_msg("%s: %s", t[i].text, sojourn_error_text());
	}
}

/* Sixteen objects, each in the one before, in the outermost; and one more. */
static void s16_shapes_are_not_bottomless(void **state)
{
	static const char open[] = "{\"required\": {\"a\": ";
	const struct sojourn_value nothing = {.data = NULL};
	const struct sojourn_item a = sem_item(carts, "a");
	struct sojourn_json_shape *shape;
	char text[1024];

	(void)state;
	for (unsigned depth = 17; depth < 19; depth++) {
		char *at = text;

		for (unsigned i = 0; i < depth; i++)
			at = stpcpy(at, open);
		at = stpcpy(at, "\"any\"");
		for (unsigned i = 0; i < depth; i++)
			at = stpcpy(at, "}}");
		if (depth == 17) {
			assert_int_equal(
				sojourn_json_shape_create(text, &shape), 0);
			sojourn_json_shape_destroy(shape);
		}
	}
	expect_reason(sojourn_json_shape_create(text, &shape), -EINVAL,
		      SOJOURN_INVALID);
	assert_non_null(strstr(sojourn_error_text(), "16 deep"));
	/* No data is no JSON. */
	assert_int_equal(sojourn_json_shape_create("{}", &shape), 0);
	assert_int_equal(
		sojourn_validator_set(s, carts, sojourn_json_validator, shape),
		0);
	expect_reason(sojourn_put(s, &a, &nothing, NULL), -EILSEQ,
		      SOJOURN_INVALID_DATA);
	sojourn_json_shape_destroy(shape);
}

/* ---- many ---- */

#define MANY 50u

static void s15_get_many(void **state)
{
	static char keys[MANY][16], data[MANY][16];
	static struct sojourn_info infos[MANY];
	struct sojourn_one list[MANY] = {0};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	uint64_t misses;
	int want = 0;

	(void)state;
	sem_login(s, "anna", "login", id);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(keys[i], sizeof(keys[i]), "key%u", i);
		if (i % 3)
			assert_int_equal(put(keys[i], keys[i]), 0);
		list[i].item = sem_item(carts, keys[i]);
		list[i].data = data[i];
		list[i].data_bytes = i == 40 ? 2 : sizeof(data[i]);
		list[i].info = &infos[i];
		want += i % 3 != 0;
	}
	list[3].id = id;
	list[6].id = "not an id";
	list[9].item.collection = 0;
	/* In the place of two that were there. */
	misses = sem_counter(s, "misses");
	assert_int_equal(sojourn_get_many(s, list, MANY, NULL), want + 1 - 1);
	/* Each third but the login and what cannot be asked for. */
	assert_int_equal(sem_counter(s, "misses"), misses + (MANY + 2) / 3 - 2);
	for (unsigned i = 0; i < MANY; i++) {
		if (i == 3) {
			assert_int_equal(list[i].rc, 0);
			assert_string_equal(infos[i].subject, "anna");
			assert_memory_equal(data[i], "login", 5);
		} else if (i == 9) {
			assert_int_equal(list[i].rc, -EINVAL);
			assert_int_equal(list[i].reason, SOJOURN_INVALID);
		} else if (i == 40) {
			assert_int_equal(list[i].rc, -ENOBUFS);
			assert_int_equal(list[i].data_bytes, 5);
		} else if (i % 3 == 0) {
			assert_int_equal(list[i].rc, -ENOENT);
			assert_int_equal(list[i].reason, SOJOURN_NOT_FOUND);
		} else {
			assert_int_equal(list[i].rc, 0);
			assert_int_equal(list[i].data_bytes, strlen(keys[i]));
			assert_memory_equal(data[i], keys[i], strlen(keys[i]));
			assert_int_equal(infos[i].data_bytes, strlen(keys[i]));
		}
	}
	assert_int_equal(sojourn_get_many(s, list, 0, NULL), 0);
}

/* ---- views ---- */

struct looked {
	char text[16];
	uint64_t version;
	int answer;
};

static int look(void *arg, const void *data, size_t bytes, uint64_t version)
{
	struct looked *l = arg;

	assert_true(bytes < sizeof(l->text));
	memcpy(l->text, data, bytes);
	l->text[bytes] = 0;
	l->version = version;
	return l->answer;
}

static void s15_views(void **state)
{
	const struct sojourn_read of_bert = {.subject = "bert"};
	const struct sojourn_item a = sem_item(carts, "a"),
				  b = sem_item(carts, "b");
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;
	struct looked l = {.answer = 7};
	unsigned calls = 0;

	(void)state;
	assert_int_equal(put("a", "in place"), 0);
	assert_int_equal(sojourn_view(s, &a, NULL, look, &l), 7);
	assert_string_equal(l.text, "in place");
	assert_int_equal(sojourn_view(s, &b, NULL, look, &l), -ENOENT);
	assert_int_equal(sojourn_view(s, &a, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(sojourn_view(s, &a, &of_bert, look, &l), -ENOENT);
	sem_login(s, "anna", "one", id);
	assert_int_equal(sojourn_session_view(s, id, NULL, look, &l), 7);
	assert_string_equal(l.text, "one");
	assert_int_equal(l.version, 1);
	assert_int_equal(sojourn_session_view(s, id, &of_bert, look, &l),
			 -ENOENT);
	/* An old id shows what its successor has. */
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(
		sojourn_session_update(s, info.new_id, "two", 3, 0, NULL), 0);
	assert_int_equal(sojourn_session_view(s, id, NULL, look, &l), 7);
	assert_string_equal(l.text, "two");
	assert_int_equal(sojourn_session_delete(s, id), 1);
	assert_int_equal(sojourn_session_view(s, id, NULL, look, &l), -ENOENT);
	/* The validator sees it first. */
	assert_int_equal(put("b", "x"), 0);
	assert_int_equal(sojourn_validator_set(s, carts, no_x, &calls), 0);
	expect_reason(sojourn_view(s, &b, NULL, look, &l), -EILSEQ,
		      SOJOURN_INVALID_DATA);
}

/* What a view that its function was content with leaves: a use, of what was
 * asked for by its subject, unless it is not to count as one. */
static void s15_views_are_uses(void **state)
{
	const struct sojourn_item a = sem_item(carts, "a"), none = {63, "a", 1};
	const struct sojourn_read of_anna = {.subject = "anna"},
				  aside = {.no_touch = true};
	const struct sojourn_value v = {
		.subject = "anna", .data = "x", .data_bytes = 1};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct looked l = {.answer = 0};
	struct sojourn_info info;
	uint64_t began, hits;

	(void)state;
	assert_int_equal(sojourn_put(s, &a, &v, NULL), 0);
	sem_login(s, "anna", "one", id);
	began = sojourn_now_ms(s);
	sem_advance(s, 60000);
	hits = sem_counter(s, "hits");
	assert_int_equal(sojourn_view(s, &a, &aside, look, &l), 0);
	assert_int_equal(sem_counter(s, "touches"), 0);
	assert_int_equal(sojourn_session_view(s, id, &aside, look, &l), 0);
	assert_int_equal(sojourn_session_read(s, id, &aside, NULL, NULL, &info),
			 0);
	assert_int_equal(info.accessed_ms, began);
	assert_int_equal(sem_counter(s, "hits"), hits + 3);
	assert_int_equal(sojourn_view(s, &a, &of_anna, look, &l), 0);
	assert_string_equal(l.text, "x");
	assert_int_equal(sem_counter(s, "touches"), 1);
	assert_int_equal(sojourn_session_view(s, id, &of_anna, look, &l), 0);
	assert_string_equal(l.text, "one");
	assert_int_equal(sem_counter(s, "touches"), 2);
	sem_advance(s, 60000);
	assert_int_equal(sojourn_view(s, &a, NULL, look, &l), 0);
	assert_int_equal(sem_counter(s, "touches"), 3);
	assert_int_equal(sem_counter(s, "hits"), hits + 6);
	expect_reason(sojourn_view(s, &none, NULL, look, &l), -EINVAL,
		      SOJOURN_INVALID);
}

static void view_late(void *arg, struct report *r)
{
	const struct sojourn_item a = sem_item(carts, "a");
	struct looked l = {.answer = 7};

	(void)arg;
	r->rc = sojourn_view(s, &a, NULL, look, &l);
	r->number = (uint64_t)sojourn_reason();
}

/* One that stands in a view holds no memory back, and is told so. */
static void s15_view_expelled(void **state)
{
	const struct plan plan = {.fault = FAULT_NONE, .pause = "view.located"};
	struct report *r = report_new();
	struct soj_upkeep_work work;
	struct soj_upkeep up;
	struct soj_self *self;
	struct victim victim;
	uint32_t expelled = 0;
	int rc;

	(void)state;
	assert_int_equal(put("a", "old"), 0);
	self = soj_self_writing(s, &rc);
	assert_int_equal(soj_upkeep_init(&up, &s->st, &self->w), 0);
	victim_run(&victim, r, &plan, view_late, NULL);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	assert_int_equal(put("a", "new"), 0);
	for (unsigned i = 0; i < 10; i++) {
		soj_upkeep_full(&up, &work);
		expelled += work.expelled;
		sem_advance(s, 60);
	}
	assert_int_equal(expelled, 1);
	victim_continue(&victim);
	assert_int_equal(victim.state, VICTIM_FINISHED);
	assert_int_equal(r->rc, -ESTALE);
	assert_int_equal(r->number, SOJOURN_STALE);
	report_free(r);
	soj_upkeep_deinit(&up);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, sem_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(s16_checked_on_write_and_read),
		TEST(s16_not_the_entrys_word),
		TEST(s16_sessions_too),
		TEST(s16_json_shapes),
		TEST(s16_json_kinds),
		TEST(s16_json_has_no_zero_bytes),
		TEST(s16_refuses_without_a_word),
		TEST(s16_bad_shapes_are_named),
		TEST(s16_shapes_are_not_bottomless),
		TEST(s15_get_many),
		TEST(s15_views),
		TEST(s15_views_are_uses),
		TEST(s15_view_expelled),
	};
	int failed;

	coverage_init();
	failed = cmocka_run_group_tests_name("S16", tests, NULL, NULL);
	if (failed == 0)
		printf("S16 validators, JSON shapes: ok\n"
		       "S15 many at once, views: ok\n");
	return failed;
}
