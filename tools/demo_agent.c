/* SPDX-License-Identifier: MIT */

#include "demo_agent.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* What to look for and what it means.  The first match counts: browsers name
 * those whose pages they want to be served as well. */
struct sign {
	const char *text;
	const char *meaning;
};

static const struct sign clients[] = {
	{"Edg/", "Edge"},        {"OPR/", "Opera"},
	{"Firefox/", "Firefox"}, {"Chromium/", "Chromium"},
	{"Chrome/", "Chrome"},   {"Safari/", "Safari"},
	{"curl/", "curl"},       {"Wget/", "Wget"},
	{"ApacheBench/", "ab"},  {NULL, NULL},
};

static const struct sign systems[] = {
	{"Android", "Android"}, {"iPhone", "iPhone"},  {"iPad", "iPad"},
	{"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"},
	{"Linux", "Linux"},     {NULL, NULL},
};

static const char *meaning_of(const struct sign *signs, const char *text)
{
	for (; signs->text; signs++)
		if (strstr(text, signs->text))
			return signs->meaning;
	return NULL;
}

/* Only printable ASCII is taken over; others become '?'. */
static void take_text(char *out, size_t bytes, const char *in)
{
	size_t i;

	for (i = 0; in[i] && i < bytes - 1; i++)
		out[i] = in[i] >= ' ' && in[i] <= '~' ? in[i] : '?';
	out[i] = '\0';
}

void soj_demo_agent_parse(struct soj_demo_agent *agent, const char *header)
{
	take_text(agent->text, sizeof(agent->text), header ? header : "");
	agent->client = meaning_of(clients, agent->text);
	agent->os = meaning_of(systems, agent->text);
	if (agent->client && agent->os)
		snprintf(agent->name, sizeof(agent->name), "%s on %s",
			 agent->client, agent->os);
	else if (agent->client || agent->os)
		snprintf(agent->name, sizeof(agent->name), "%s",
			 agent->client ? agent->client : agent->os);
	else
		snprintf(agent->name, sizeof(agent->name), "unknown device");
}
