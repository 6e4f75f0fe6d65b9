/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_DEMO_HTML_H
#define SOJ_TOOLS_DEMO_HTML_H

/* The frame of the pages of `sojourn demo`, and escaping. */

#include <stdint.h>
#include <stdio.h>

struct soj_demo_request;

/*
 * Writes text so that it is only text, between tags and in quoted attributes:
 * & < > " ' become references, control characters and bytes that are not UTF-8
 * U+FFFD.  NULL writes nothing.
 */
void soj_demo_html_text(FILE *out, const char *text);

/* From the doctype to the beginning of the page's own content.  refresh_s: the
 * browser loads the page again after so many seconds; 0: it does not. */
void soj_demo_html_begin(struct soj_demo_request *r, const char *title,
			 unsigned int refresh_s);
void soj_demo_html_end(struct soj_demo_request *r);

/*
 * A form of one button that posts to `action` with the session's CSRF token,
 * and with the field `name` if that is not NULL.  look: class of the button.
 */
void soj_demo_html_button(struct soj_demo_request *r, const char *action,
			  const char *name, const char *value,
			  const char *label, const char *look);

#endif /* SOJ_TOOLS_DEMO_HTML_H */
