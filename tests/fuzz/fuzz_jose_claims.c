/* SPDX-License-Identifier: MIT */

/*
 * Claims bytes.  What passes keeps every rule, judged here a second time and in
 * another way; and what is made of them is an object that is judged the same.
 */

#include <stdlib.h>
#include <string.h>

#include "lib_jose.h"
#include "token/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static double seconds(const json_t *json, const char *name)
{
	return json_number_value(json_object_get(json, name));
}

static void check_good(const json_t *json, const struct soj_claims *claims)
{
	const json_t *aud = json_object_get(json, "aud");
	const double now = (double)FUZZ_NOW_MS / 1000;
	const double skew = fuzz_rules.skew_ms / 1000.0 + 0.001;

	MUST(strcmp(json_string_value(json_object_get(json, "iss")), "i") == 0);
	if (json_is_string(aud))
		MUST(strcmp(json_string_value(aud), "a") == 0);
	else
		MUST(json_array_size(aud) > 0);
	MUST(seconds(json, "exp") > now - skew);
	MUST(seconds(json, "exp") <= (double)SOJ_DATE_S_MAX);
	MUST(seconds(json, "nbf") < now + skew);
	MUST(seconds(json, "iat") < now + skew);
	MUST(seconds(json, "iat") >= 0);
	MUST(strlen(claims->sub) > 0 && strlen(claims->jti) > 0);
}

/* As the caller's claims of a token that is made. */
static void check_made(const char *text, size_t bytes)
{
	const struct soj_claims_new what = {
		.iss = "i",
		.aud = "a",
		.sub = "s",
		.jti = "j",
		.iat_ms = FUZZ_NOW_MS,
		.exp_ms = FUZZ_NOW_MS + 1001,
		.more = text,
		.more_bytes = bytes,
	};
	struct soj_claims claims;
	enum sojourn_token_reason reason;
	const char *why = NULL;
	size_t need = 0, wrote;
	char *made;
	int rc = soj_claims_make(&what, NULL, 0, &need, &why);

	if (rc != -28) { /* ENOSPC: nothing else was wrong */
		MUST(rc == -22 && why != NULL);
		return;
	}
	made = malloc(need + 1);
	MUST(soj_claims_make(&what, made, need + 1, &wrote, &why) == 0);
	MUST(wrote == need && strlen(made) == need);
	reason =
		soj_claims_check(made, need, &fuzz_rules, FUZZ_NOW_MS, &claims);
	/* one level more than the caller's own is not there to be had */
	MUST(reason == SOJOURN_TOKEN_OK);
	MUST(claims.exp_ms == FUZZ_NOW_MS + 1001);
	soj_claims_deinit(&claims);
	free(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const char *text = (const char *)data;
	struct soj_claims claims;
	enum soj_json_fault fault;
	enum sojourn_token_reason reason = soj_claims_check(
		text, bytes, &fuzz_rules, FUZZ_NOW_MS, &claims);
	json_t *json = soj_json_parse(text, bytes, &fault);

	MUST((json == NULL) == (fault != SOJ_JSON_OK));
	MUST(reason != SOJOURN_TOKEN_INTERNAL);
	if (reason == SOJOURN_TOKEN_OK)
		check_good(json, &claims);
	soj_claims_deinit(&claims);
	json_decref(json);
	check_made(text, bytes);
	return 0;
}
