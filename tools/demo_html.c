/* SPDX-License-Identifier: MIT */

#include "demo_html.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "demo_http.h"
#include "lib_text.h"

static const char style[] =
	":root{color-scheme:light dark;--ink:#1d2433;--soft:#5d6880;"
	"--line:#dfe4ec;--paper:#fff;--ground:#f3f5f9;--accent:#2456c9;"
	"--onaccent:#fff;--warm:#b3412e;--tint:#e8eefb}\n"
	"@media(prefers-color-scheme:dark){:root{--ink:#e6eaf2;--soft:#9aa6bd;"
	"--line:#303a4d;--paper:#1a2130;--ground:#121722;--accent:#7ea6ff;"
	"--onaccent:#101622;--warm:#f08a75;--tint:#24304a}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0;background:var(--ground);color:var(--ink);"
	"font:16px/1.55 system-ui,sans-serif}\n"
	"header,main,footer{max-width:56rem;margin:0 auto;padding:0 1.25rem}\n"
	"header{display:flex;flex-wrap:wrap;align-items:center;gap:.4rem "
	"1.4rem;"
	"padding-top:1.4rem;padding-bottom:1.4rem}\n"
	"header b{font-size:1.2rem;letter-spacing:.01em;margin-right:auto}\n"
	"a{color:var(--accent);text-decoration:none}a:hover"
	"{text-decoration:underline}\n"
	"nav{display:flex;flex-wrap:wrap;gap:.4rem 1.2rem}\n"
	"nav a[aria-current]{color:var(--ink);font-weight:600}\n"
	"section{background:var(--paper);border:1px solid var(--line);"
	"border-radius:12px;padding:1.3rem 1.5rem;margin-bottom:1.2rem;"
	"overflow-x:auto}\n"
	"h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 1.1rem}"
	"h2{font-size:1.05rem;margin:0 0 .8rem}p{margin:0 0 1rem}"
	"p:last-child{margin-bottom:0}\n"
	".soft,footer{color:var(--soft)}footer{font-size:.88rem;"
	"padding-bottom:2.5rem}\n"
	".number{font-size:3.2rem;line-height:1.1;font-weight:650;"
	"font-variant-numeric:tabular-nums;margin:0 0 1rem}\n"
	".grid{display:grid;gap:0 1.2rem;grid-template-columns:"
	"repeat(auto-fit,minmax(17rem,1fr))}\n"
	".tiles{display:grid;gap:.9rem;grid-template-columns:"
	"repeat(auto-fit,minmax(9.5rem,1fr))}\n"
	".tiles div{background:var(--ground);border-radius:9px;"
	"padding:.7rem .9rem}.tiles b{display:block;font-size:1.35rem;"
	"font-variant-numeric:tabular-nums}\n"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem "
	"1.4rem;"
	"margin:0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\n"
	"table{border-collapse:collapse;width:100%}th{text-align:left;"
	"font-weight:500;color:var(--soft);font-size:.88rem}\n"
	"th,td{padding:.55rem .9rem .55rem 0;border-bottom:1px solid "
	"var(--line);vertical-align:middle}tr:last-child td{border-bottom:0}\n"
	"td.n{text-align:right;font-variant-numeric:tabular-nums}"
	"td:last-child,th:last-child{padding-right:0}\n"
	"td.name{overflow-wrap:anywhere;min-width:9rem}\n"
	"tr.old td{color:var(--soft)}code{font-size:.9em}\n"
	".tag{background:var(--tint);color:var(--accent);border-radius:99px;"
	"padding:.1rem .6rem;font-size:.8rem;white-space:nowrap}\n"
	"label{display:block;margin-bottom:.9rem;font-size:.9rem;"
	"color:var(--soft)}\n"
	"input,select,button{font:inherit;color:inherit;border-radius:8px;"
	"border:1px solid var(--line);padding:.5rem .8rem}\n"
	"input,select{display:block;width:100%;margin-top:.25rem;"
	"background:var(--ground);color:var(--ink)}\n"
	"button{background:var(--paper);cursor:pointer;white-space:nowrap}"
	".check input{display:inline;width:auto}"
	"button.main{background:var(--accent);border-color:var(--accent);"
	"color:var(--onaccent);font-weight:600}"
	"button.warn{color:var(--warm)}button.small{padding:.2rem .65rem;"
	"font-size:.88rem;color:var(--warm)}\n"
	"button:hover{filter:brightness(1.07)}"
	":focus-visible{outline:3px solid var(--accent);outline-offset:2px}\n"
	".row{display:flex;flex-wrap:wrap;gap:.7rem;margin-bottom:1.5rem}"
	"form{margin:0}\n"
	"@media(max-width:40rem){.wide{display:none}section{padding:1rem}"
	"th,td{padding-right:.5rem}td.name{min-width:6rem}}\n";

static void put_char(FILE *out, const char *text, size_t bytes, uint32_t code)
{
	switch (code) {
	case '&':
		fputs("&amp;", out);
		return;
	case '<':
		fputs("&lt;", out);
		return;
	case '>':
		fputs("&gt;", out);
		return;
	case '"':
		fputs("&quot;", out);
		return;
	case '\'':
		fputs("&#39;", out);
		return;
	}
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		fputs("\xef\xbf\xbd", out);
	else
		fwrite(text, 1, bytes, out);
}

void soj_demo_html_text(FILE *out, const char *text)
{
	size_t left = text ? strlen(text) : 0;

	while (left > 0) {
		uint32_t code = 0;
		size_t bytes = soj_text_utf8(text, left, &code);

		if (bytes == 0)
			bytes = 1; /* not UTF-8: as a control character */
		put_char(out, text, bytes, code);
		text += bytes;
		left -= bytes;
	}
}

static void put_link(struct soj_demo_request *r, const char *path,
		     const char *label)
{
	fprintf(r->reply.out, "<a href=\"%s\"%s>%s</a>", path,
		r->path && !strcmp(r->path, path) ? " aria-current=\"page\""
						  : "",
		label);
}

void soj_demo_html_begin(struct soj_demo_request *r, const char *title,
			 unsigned int refresh_s)
{
	FILE *out = r->reply.out;

	fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n"
	      "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
	      "content=\"width=device-width,initial-scale=1\">\n",
	      out);
	if (refresh_s > 0)
		fprintf(out, "<meta http-equiv=\"refresh\" content=\"%u\">\n",
			refresh_s);
	fprintf(out,
		"<title>%s - Sojourn demo</title>\n<style>\n%s</style>\n"
		"</head>\n<body>\n<header><b>Sojourn demo</b><nav>",
		title, style);
	if (r->session.present) {
		put_link(r, "/profile", "Profile");
		put_link(r, "/devices", "Devices");
	} else {
		/* Most pages do not look for a session; the first does. */
		put_link(r, "/", "Home");
	}
	put_link(r, "/stat", "Live numbers");
	fputs("</nav></header>\n<main>\n", out);
}

void soj_demo_html_end(struct soj_demo_request *r)
{
	fprintf(r->reply.out,
		"</main>\n<footer>Served by worker <b>%d</b>, one of %u "
		"processes that share the segment <b>",
		(int)getpid(), r->demo->workers);
	soj_demo_html_text(r->reply.out, r->demo->name);
	fputs("</b>. Load the page again: it may be another one.</footer>\n"
	      "</body>\n</html>\n",
	      r->reply.out);
}

void soj_demo_html_button(struct soj_demo_request *r, const char *action,
			  const char *name, const char *value,
			  const char *label, const char *look)
{
	char csrf[SOJOURN_CSRF_CHARS + 1];
	FILE *out = r->reply.out;

	soj_demo_session_csrf(r, csrf);
	fprintf(out,
		"<form method=\"post\" action=\"%s\">"
		"<input type=\"hidden\" name=\"csrf\" value=\"%s\">",
		action, csrf);
	if (name) {
		fprintf(out, "<input type=\"hidden\" name=\"%s\" value=\"",
			name);
		soj_demo_html_text(out, value);
		fputs("\">", out);
	}
	fprintf(out, "<button class=\"%s\">%s</button></form>\n", look, label);
}
