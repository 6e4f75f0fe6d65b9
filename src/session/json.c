/* SPDX-License-Identifier: MIT */

/* A validator for JSON: which members an object must and may have. */

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/item.h"

#define DEPTH_MAX 16u /* of objects in objects */

enum kind { STRING, INTEGER, NUMBER, BOOLEAN, NIL, ARRAY, OBJECT, ANY, KINDS };

static const char *const kind_names[KINDS] = {"string",  "integer", "number",
					      "boolean", "null",    "array",
					      "object",  "any"};

struct shape;

struct field {
	char *name;
	enum kind kind;
	struct shape *inside; /* of an OBJECT; NULL: any */
	bool required;
};

struct shape {
	bool closed;
	size_t bytes_max; /* of the text; 0: none */
	size_t count;
	struct field *field;
};

struct sojourn_json_shape {
	struct shape top;
};

static bool is_kind(const json_t *value, enum kind kind)
{
	switch (kind) {
	case STRING:
		return json_is_string(value);
	case INTEGER:
		return json_is_integer(value);
	case NUMBER:
		return json_is_number(value);
	case BOOLEAN:
		return json_is_boolean(value);
	case NIL:
		return json_is_null(value);
	case ARRAY:
		return json_is_array(value);
	case OBJECT:
		return json_is_object(value);
	default:
		return true;
	}
}

/* ---- the description ---- */

static void shape_free(struct shape *shape)
{
	for (size_t i = 0; i < shape->count; i++) {
		free(shape->field[i].name);
		if (shape->field[i].inside) {
			shape_free(shape->field[i].inside);
			free(shape->field[i].inside);
		}
	}
	free(shape->field);
}

static int bad(const char *where, const char *rule)
{
	return soj_report(-EINVAL, SOJOURN_INVALID,
			  "the shape's \"%.40s\" must be %s", where, rule);
}

static int shape_of(struct shape *shape, json_t *text, unsigned depth);

static int field_of(struct field *field, const char *name, json_t *type,
		    unsigned depth)
{
	const char *word = json_string_value(type);

	field->name = strdup(name);
	if (field->name == NULL)
		return soj_report_errno(-ENOMEM);
	if (json_is_object(type)) {
		field->kind = OBJECT;
		field->inside = calloc(1, sizeof(*field->inside));
		return field->inside ? shape_of(field->inside, type, depth + 1)
				     : soj_report_errno(-ENOMEM);
	}
	while (word && field->kind < KINDS &&
	       strcmp(kind_names[field->kind], word) != 0)
		field->kind++;
	if (word && field->kind < KINDS)
		return 0;
	return bad(name, "string, integer, number, boolean, null, array, "
			 "object, any or the shape of an object");
}

static int fields_of(struct shape *shape, json_t *list, bool required,
		     unsigned depth)
{
	const size_t had = shape->count;
	const char *name;
	struct field *more;
	json_t *type;

	if (list == NULL)
		return 0;
	if (!json_is_object(list))
		return bad(required ? "required" : "optional",
			   "an object of names and types");
	more = realloc(shape->field,
		       (had + json_object_size(list) + 1) * sizeof(*more));
	if (more == NULL)
		return soj_report_errno(-ENOMEM);
	shape->field = more;
	json_object_foreach(list, name, type)
	{
		struct field *field = &shape->field[shape->count++];
		int rc;

		*field = (struct field){.required = required};
		rc = field_of(field, name, type, depth);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < had; i++)
			if (strcmp(shape->field[i].name, name) == 0)
				return bad(name, "either required or optional");
	}
	return 0;
}

static int shape_of(struct shape *shape, json_t *text, unsigned depth)
{
	json_t *closed = json_object_get(text, "closed");
	json_t *bytes_max = json_object_get(text, "bytes_max");
	const char *name;
	json_t *value;
	int rc;

	if (!json_is_object(text) || depth > DEPTH_MAX)
		return bad("description", "an object, at most 16 deep");
	json_object_foreach(text, name, value)
	{
		if (strcmp(name, "required") && strcmp(name, "optional") &&
		    strcmp(name, "closed") && strcmp(name, "bytes_max"))
			return bad(name, "required, optional, closed or "
					 "bytes_max");
	}
	if (closed && !json_is_boolean(closed))
		return bad("closed", "true or false");
	if (bytes_max && (depth > 0 || json_integer_value(bytes_max) < 2))
		return bad("bytes_max", "a number from 2, and outermost");
	shape->closed = json_is_true(closed);
	shape->bytes_max = (size_t)json_integer_value(bytes_max);
	rc = fields_of(shape, json_object_get(text, "required"), true, depth);
	if (rc == 0)
		rc = fields_of(shape, json_object_get(text, "optional"), false,
			       depth);
	return rc;
}

int sojourn_json_shape_create(const char *description,
			      struct sojourn_json_shape **out)
{
	struct sojourn_json_shape *shape = calloc(1, sizeof(*shape));
	json_error_t error;
	json_t *text;
	int rc;

	*out = NULL;
	if (shape == NULL)
		return soj_report_errno(-ENOMEM);
	text = json_loads(description, JSON_REJECT_DUPLICATES, &error);
	rc = text ? shape_of(&shape->top, text, 0)
		  : soj_report(-EINVAL, SOJOURN_INVALID,
			       "the shape must be JSON: %s, at byte %d",
			       error.text, error.position);
	json_decref(text);
	if (rc < 0) {
		sojourn_json_shape_destroy(shape);
		return rc;
	}
	*out = shape;
	return soj_ok();
}

void sojourn_json_shape_destroy(struct sojourn_json_shape *shape)
{
	if (shape == NULL)
		return;
	shape_free(&shape->top);
	free(shape);
}

/* ---- data ---- */

static bool fits(const struct shape *shape, const json_t *data, char *why,
		 size_t why_bytes)
{
	size_t known = 0;

	for (size_t i = 0; i < shape->count; i++) {
		const struct field *field = &shape->field[i];
		const json_t *value = json_object_get(data, field->name);

		if (value == NULL && field->required) {
			snprintf(why, why_bytes, "\"%.60s\" is missing",
				 field->name);
			return false;
		}
		known += value != NULL;
		if (value && !is_kind(value, field->kind)) {
			snprintf(why, why_bytes, "\"%.60s\" must be %s",
				 field->name, kind_names[field->kind]);
			return false;
		}
		if (value && field->inside &&
		    !fits(field->inside, value, why, why_bytes))
			return false;
	}
	if (!shape->closed || known == json_object_size(data))
		return true;
	snprintf(why, why_bytes, "it has members that the shape has not");
	return false;
}

int sojourn_json_validator(void *shape, const void *data, size_t data_bytes,
			   char *why, size_t why_bytes)
{
	const struct shape *top = &((struct sojourn_json_shape *)shape)->top;
	json_error_t error;
	json_t *text;
	bool ok;

	if (top->bytes_max && data_bytes > top->bytes_max) {
		snprintf(why, why_bytes,
			 "it has %zu bytes, but at most %zu "
			 "are allowed",
			 data_bytes, top->bytes_max);
		return -1;
	}
	/* jansson 2.14 passes over a zero byte behind a number. */
	if (data_bytes > 0 && memchr(data, 0, data_bytes)) {
		snprintf(why, why_bytes, "it is not JSON: it has a zero byte");
		return -1;
	}
	text = json_loadb(data ? data : "", data_bytes, JSON_REJECT_DUPLICATES,
			  &error);
	/* The parser's own text may quote the data. */
	if (text == NULL)
		snprintf(why, why_bytes,
			 "it is not JSON, or names a member twice: at byte %d",
			 error.position);
	else if (!json_is_object(text))
		snprintf(why, why_bytes, "it is no object");
	ok = json_is_object(text) && fits(top, text, why, why_bytes);
	json_decref(text);
	return ok ? 0 : -1;
}
