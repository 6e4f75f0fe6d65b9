/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_DEMO_VIEWS_H
#define SOJ_TOOLS_DEMO_VIEWS_H

/*
 * What `sojourn demo` shows, as HTML (demo_pages.c) and as JSON (demo_json.c).
 * Views write to the reply's stream and decide nothing.  Whatever comes from a
 * client or from the segment is escaped where it is written.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sojourn/sojourn.h>
#include <sojourn/stat.h>

struct soj_demo_request;

#define SOJ_DEMO_DEVICE_NAME_BYTES 81u

/* One row of the list of devices. */
struct soj_demo_device {
	char handle[SOJOURN_HANDLE_CHARS + 1];
	char name[SOJ_DEMO_DEVICE_NAME_BYTES];
	char ip[64];
	uint64_t created_ms;
	uint64_t accessed_ms;
	uint64_t deadline_ms;
	uint32_t renewals;
	bool current;
	bool renewed;
	bool remembers; /* no session, but may become one without a login */
};

struct soj_demo_devices {
	struct soj_demo_device *items;
	size_t count;
	size_t capacity;
};

/* The lag that 99 % of the expiries did not exceed, and how many there were. */
struct soj_demo_lag {
	uint64_t count;
	uint64_t p50_ms;
	uint64_t p99_ms;
};

void soj_demo_lag(const struct sojourn_stat *stat, struct soj_demo_lag *lag);

void soj_demo_page_home(struct soj_demo_request *r);
void soj_demo_page_profile(struct soj_demo_request *r);
void soj_demo_page_devices(struct soj_demo_request *r,
			   const struct soj_demo_devices *devices);
void soj_demo_page_stat(struct soj_demo_request *r,
			const struct sojourn_stat *stat);
/* A title and a sentence; for errors and what is done. */
void soj_demo_page_message(struct soj_demo_request *r, const char *title,
			   const char *text);

void soj_demo_json_home(struct soj_demo_request *r);
void soj_demo_json_profile(struct soj_demo_request *r);
void soj_demo_json_devices(struct soj_demo_request *r,
			   const struct soj_demo_devices *devices);
void soj_demo_json_stat(struct soj_demo_request *r,
			const struct sojourn_stat *stat);
/* {"pid": ..., key: value}. */
void soj_demo_json_number(struct soj_demo_request *r, const char *key,
			  uint64_t value);
void soj_demo_json_text(struct soj_demo_request *r, const char *key,
			const char *value);

#endif /* SOJ_TOOLS_DEMO_VIEWS_H */
