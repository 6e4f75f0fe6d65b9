/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_DEMO_API_H
#define SOJ_TOOLS_DEMO_API_H

/*
 * The part of `sojourn demo` for programs: access tokens in place of cookies.
 * One JSON object is the answer to everything.
 *
 *   POST /api/login              user=NAME         -> access, refresh
 *   POST /api/refresh            refresh=TOKEN     -> access, refresh
 *   GET  /api/me                 Bearer            -> claims
 *   POST /api/logout             Bearer            this login
 *   POST /api/logout-everywhere  Bearer            all of its subject
 */

struct sojourn_keys;
struct sojourn_tokens;
struct soj_demo;
struct soj_demo_request;

/* For the master, before it forks: a new key, that all workers inherit, and the
 * tokens of the segment.  0, or a negative errno value. */
int soj_demo_api_open(struct soj_demo *demo);
void soj_demo_api_close(struct soj_demo *demo);

void soj_demo_api_login(struct soj_demo_request *r);
void soj_demo_api_refresh(struct soj_demo_request *r);
void soj_demo_api_me(struct soj_demo_request *r);
void soj_demo_api_logout(struct soj_demo_request *r);
void soj_demo_api_logout_everywhere(struct soj_demo_request *r);

#endif /* SOJ_TOOLS_DEMO_API_H */
