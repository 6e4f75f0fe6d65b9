/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_DEMO_AGENT_H
#define SOJ_TOOLS_DEMO_AGENT_H

/* A guess at what a User-Agent header stands for: enough to recognise one's own
 * devices in a list, and nothing that is relied on. */

#define SOJ_DEMO_AGENT_BYTES 400u

struct soj_demo_agent {
	const char *client;              /* static, or NULL: not known */
	const char *os;                  /* static, or NULL */
	char name[64];                   /* "Firefox on Linux" */
	char text[SOJ_DEMO_AGENT_BYTES]; /* the header, cut; valid UTF-8 */
};

/* header may be NULL. */
void soj_demo_agent_parse(struct soj_demo_agent *agent, const char *header);

#endif /* SOJ_TOOLS_DEMO_AGENT_H */
