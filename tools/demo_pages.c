/* SPDX-License-Identifier: MIT */

#include "demo_views.h"

#include <stdio.h>

#include "demo_html.h"
#include "demo_http.h"
#include "lib_text.h"

#define REFRESH_S 2u

static void put_ago(struct soj_demo_request *r, uint64_t ms)
{
	uint64_t now = sojourn_now_ms(r->demo->segment);
	char text[SOJ_TEXT_NUMBER_CHARS];

	if (now < ms + 1000)
		fputs("just now", r->reply.out);
	else
		fprintf(r->reply.out, "%s ago",
			soj_text_duration(text, (now - ms) / 1000 * 1000));
}

static void put_in(struct soj_demo_request *r, uint64_t ms)
{
	uint64_t now = sojourn_now_ms(r->demo->segment);
	char text[SOJ_TEXT_NUMBER_CHARS];

	if (ms <= now)
		fputs("now", r->reply.out);
	else
		fprintf(r->reply.out, "in %s",
			soj_text_duration(text,
					  (ms - now + 999) / 1000 * 1000));
}

/* ---- log in ---- */

void soj_demo_page_home(struct soj_demo_request *r)
{
	FILE *out = r->reply.out;

	soj_demo_html_begin(r, "Log in", 0);
	fprintf(out,
		"<h1>One login, %u processes</h1>\n<div class=\"grid\">"
		"<section><h2>Log in</h2>\n"
		"<form method=\"post\" action=\"/login\">"
		"<label>Name (any, there is no password)"
		"<input name=\"user\" required maxlength=\"64\" "
		"autocomplete=\"username\" autofocus></label>\n"
		"<label>Device (empty: as your browser says)"
		"<input name=\"device\" maxlength=\"80\"></label>\n"
		"<label>Stay<select name=\"stay\">"
		"<option value=\"\">as long as usual</option>"
		"<option value=\"1min\">a minute</option>"
		"<option value=\"10s\">ten seconds</option></select></label>\n"
		"<label class=\"check\"><input type=\"checkbox\" "
		"name=\"remember\" value=\"1\"> Remember me here</label>\n"
		"<button class=\"main\">Log in</button></form></section>\n",
		r->demo->workers);
	fputs("<section><h2>What to look at</h2>\n"
	      "<p>Each page is served by some worker process, named at its "
	      "foot. None of them remembers you: your session is in shared "
	      "memory, where all of them find it at once.</p>\n"
	      "<p>Count with one worker and go on with another. Log in with a "
	      "second browser and end it from the first. Kill a worker, or the "
	      "helper: nobody is logged out.</p>\n"
	      "<p>When a session reaches its renewal age, the next request "
	      "gets "
	      "a new id in its cookie, and only one of all that race for "
	      "it.</p></section></div>\n",
	      out);
	soj_demo_html_end(r);
}

/* ---- profile ---- */

static void put_counter(struct soj_demo_request *r)
{
	const struct soj_demo_data *data = &r->session.data;
	FILE *out = r->reply.out;

	fprintf(out,
		"<section><h2>Counter in the session</h2>"
		"<p class=\"number\">%llu</p>\n",
		(unsigned long long)data->counter);
	soj_demo_html_button(r, "/counter", NULL, NULL, "Count one more",
			     "main");
	if (data->trail[0] != 0) {
		fputs("<br><p class=\"soft\">Counted by workers", out);
		for (size_t i = 0; i < SOJ_DEMO_TRAIL && data->trail[i]; i++)
			fprintf(out, "%s %u", i ? "," : "", data->trail[i]);
		fputs(", newest first</p>", out);
	}
	fputs("</section>\n", out);
}

static void put_facts(struct soj_demo_request *r)
{
	const struct soj_demo_session *session = &r->session;
	const struct sojourn_info *info = &session->info;
	FILE *out = r->reply.out;

	fputs("<section><h2>This session</h2><dl><dt>Device</dt><dd>", out);
	soj_demo_html_text(out, info->metadata.device_name);
	fputs("</dd><dt>Address</dt><dd>", out);
	soj_demo_html_text(out, info->metadata.ip);
	fputs("</dd><dt>Id given</dt><dd>", out);
	put_ago(r, info->created_ms);
	fputs("</dd><dt>Ends</dt><dd>", out);
	put_in(r, info->deadline_ms);
	fprintf(out, "</dd><dt>Ids before</dt><dd>%u%s</dd>", info->renewals,
		session->replaced ? " <span class=\"tag\">just renewed</span>"
				  : "");
	fprintf(out,
		"<dt>Data</dt><dd>%u bytes, version %llu, intact"
		"</dd><dt>Handle</dt><dd><code>%s</code></dd>"
		"<dt>In logs</dt><dd><code>%s</code></dd></dl></section>\n",
		info->data_bytes, (unsigned long long)info->version,
		info->handle, info->log_hash);
}

void soj_demo_page_profile(struct soj_demo_request *r)
{
	FILE *out = r->reply.out;

	soj_demo_html_begin(r, "Profile", 0);
	fputs("<h1>Hello, ", out);
	soj_demo_html_text(out, r->session.info.subject);
	fputs("</h1>\n<div class=\"grid\">", out);
	put_counter(r);
	put_facts(r);
	fputs("</div>\n<div class=\"row\">", out);
	soj_demo_html_button(r, "/logout", NULL, NULL, "Log out", "plain");
	soj_demo_html_button(r, "/logout-everywhere", NULL, NULL,
			     "Log out everywhere", "warn");
	fputs("</div>\n", out);
	soj_demo_html_end(r);
}

/* ---- devices ---- */

static void put_device(struct soj_demo_request *r,
		       const struct soj_demo_device *d)
{
	FILE *out = r->reply.out;

	fprintf(out, "<tr%s><td class=\"name\">",
		d->renewed ? " class=\"old\"" : "");
	soj_demo_html_text(out, *d->name ? d->name : "unknown device");
	if (d->current)
		fputs(" <span class=\"tag\">this one</span>", out);
	if (d->renewed)
		fputs(" <span class=\"tag\">former id</span>", out);
	if (d->remembers)
		fputs(" <span class=\"tag\">remembers you</span>", out);
	fputs("</td><td class=\"wide\">", out);
	soj_demo_html_text(out, d->ip);
	fputs("</td><td>", out);
	put_ago(r, d->accessed_ms);
	fputs("</td><td>", out);
	put_in(r, d->deadline_ms);
	fputs("</td><td class=\"n\">", out);
	/* What ends a former id ends the login, which has a row of its own. */
	if (!d->renewed)
		soj_demo_html_button(r, "/devices/revoke", "handle", d->handle,
				     d->remembers ? "Forget" : "Log out",
				     "small");
	fputs("</td></tr>\n", out);
}

void soj_demo_page_devices(struct soj_demo_request *r,
			   const struct soj_demo_devices *devices)
{
	FILE *out = r->reply.out;

	soj_demo_html_begin(r, "Devices", 0);
	fputs("<h1>Where ", out);
	soj_demo_html_text(out, r->session.info.subject);
	fputs(" is logged in</h1>\n<section><table><thead><tr><th>Device</th>"
	      "<th class=\"wide\">Address</th><th>Last "
	      "seen</th><th>Ends</th><th></th></tr>"
	      "</thead><tbody>\n",
	      out);
	for (size_t i = 0; i < devices->count; i++)
		put_device(r, &devices->items[i]);
	fputs("</tbody></table></section>\n<div class=\"row\">", out);
	soj_demo_html_button(r, "/logout-everywhere", "keep", "1",
			     "Log out all others", "plain");
	soj_demo_html_button(r, "/logout-everywhere", NULL, NULL,
			     "Log out everywhere", "warn");
	fputs("</div>\n", out);
	soj_demo_html_end(r);
}

/* ---- numbers ---- */

/* The lag below which `share` of the expiries stayed. */
static uint64_t lag_share(const uint64_t lag[SOJOURN_STAT_LAGS], uint64_t count,
			  double share)
{
	uint64_t seen = 0;
	uint32_t i = 0;

	for (; i < SOJOURN_STAT_LAGS - 1; i++) {
		seen += lag[i];
		if ((double)seen >= share * (double)count)
			break;
	}
	return i < 48 ? i : UINT64_C(48) << (i - 48);
}

void soj_demo_lag(const struct sojourn_stat *stat, struct soj_demo_lag *lag)
{
	lag->count = 0;
	for (uint32_t i = 0; i < SOJOURN_STAT_LAGS; i++)
		lag->count += stat->lag[i];
	lag->p50_ms = lag_share(stat->lag, lag->count, 0.50);
	lag->p99_ms = lag_share(stat->lag, lag->count, 0.99);
}

static void put_tile(FILE *out, const char *label, uint64_t value)
{
	fprintf(out, "<div><b>%llu</b>%s</div>", (unsigned long long)value,
		label);
}

static void put_counters(FILE *out, const struct sojourn_stat *stat)
{
	fputs("<section><h2>Since the segment was made</h2><table><tbody>\n",
	      out);
	for (uint32_t i = 0; i < stat->counters; i++) {
		const struct sojourn_counter *c = &stat->counter[i];

		fputs("<tr><td>", out);
		soj_demo_html_text(out, c->name);
		fputs("</td><td class=\"soft\">", out);
		soj_demo_html_text(out, c->help);
		fprintf(out, "</td><td class=\"n\">%llu</td></tr>\n",
			(unsigned long long)c->value);
	}
	fputs("</tbody></table></section>\n", out);
}

void soj_demo_page_stat(struct soj_demo_request *r,
			const struct sojourn_stat *stat)
{
	char live[SOJ_TEXT_NUMBER_CHARS], all[SOJ_TEXT_NUMBER_CHARS];
	FILE *out = r->reply.out;
	struct soj_demo_lag lag;

	soj_demo_lag(stat, &lag);
	soj_demo_html_begin(r, "Live numbers", REFRESH_S);
	fputs("<h1>The segment now</h1>\n<section><div class=\"tiles\">", out);
	put_tile(out, "sessions", stat->entries_live);
	put_tile(out, "places free", stat->entries_free);
	put_tile(out, "ended, not yet reusable", stat->entries_retired);
	put_tile(out, "threads attached", stat->threads_attached);
	fprintf(out, "<div><b>%s</b>of %s for values in use</div>",
		soj_text_size(live, stat->chunk_bytes_live),
		soj_text_size(all, stat->chunk_bytes));
	fprintf(out, "<div><b>%s</b>helper</div>",
		stat->helper_alive ? "alive" : "none");
	if (lag.count > 0)
		fprintf(out, "<div><b>%llu ms</b>expiry lag, p99 of %llu</div>",
			(unsigned long long)lag.p99_ms,
			(unsigned long long)lag.count);
	fputs("</div></section>\n", out);
	put_counters(out, stat);
	soj_demo_html_end(r);
}

/* ---- anything else ---- */

void soj_demo_page_message(struct soj_demo_request *r, const char *title,
			   const char *text)
{
	FILE *out = r->reply.out;

	soj_demo_html_begin(r, title, 0);
	fputs("<section><h1>", out);
	soj_demo_html_text(out, title);
	fputs("</h1><p>", out);
	soj_demo_html_text(out, text);
	fprintf(out, "</p><p><a href=\"%s\">%s</a></p></section>\n",
		r->session.present ? "/profile" : "/",
		r->session.present ? "Back to the profile" : "To the login");
	soj_demo_html_end(r);
}
