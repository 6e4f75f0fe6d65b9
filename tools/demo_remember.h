/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_DEMO_REMEMBER_H
#define SOJ_TOOLS_DEMO_REMEMBER_H

/*
 * "Remember me" of `sojourn demo`: a second cookie that outlives the session,
 * and logs the browser in again when it comes without one.
 */

#include <stdbool.h>

struct soj_demo_request;

/* After a login: begins a family and sets its cookie, if the form asks for it.
 * What the browser had before is forgotten.  0, or as
 * sojourn_remember_create(). */
int soj_demo_remember_login(struct soj_demo_request *r);

/*
 * For a request without a session: uses the token it came with, if any, and
 * logs in.  0 (session.present tells); -EPERM: the token was used before, all
 * logins of its user were ended; or as sojourn_session_create().
 */
int soj_demo_remember_use(struct soj_demo_request *r);

/* Ends the family of the request's token, and its cookie. */
void soj_demo_remember_forget(struct soj_demo_request *r);

/*
 * Logging out all others ends all families, this browser's too.  Before it:
 * is this browser remembered?  After it, if so: it gets a new family.
 */
bool soj_demo_remember_known(struct soj_demo_request *r);
int soj_demo_remember_again(struct soj_demo_request *r);

#endif /* SOJ_TOOLS_DEMO_REMEMBER_H */
