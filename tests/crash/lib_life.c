/* SPDX-License-Identifier: MIT */

/*
 * Killed while making, attaching or removing a segment that has a name: at any
 * time the name leads to a whole segment or to none, a key file is whole or
 * not there, and the next one who tries gets what it wants.
 */

#include "crash/lib_life.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash/lib_world.h"

struct life {
	char name[64];
	char folder[64];
	char key_file[96];
};

int life_create(const char *name, const char *key_file, struct sojourn **s)
{
	struct sojourn_options o;

	sojourn_options_init(&o);
	o.entries_max = 16;
	o.threads_max = 4;
	o.segment_bytes = 1u << 20;
	o.helper = SOJOURN_HELPER_NONE;
	o.key_file = key_file;
	return sojourn_create(name, &o, s);
}

static int life_attach(const struct life *l, struct sojourn **s)
{
	const struct sojourn_attach_options o = {.key_file = l->key_file};

	return sojourn_attach(l->name, &o, s);
}

static void run_life(void *arg, struct report *r)
{
	struct life *l = arg;
	struct sojourn *s;

	r->rc = life_create(l->name, l->key_file, &s);
	if (r->rc < 0)
		return;
	sojourn_detach(s);
	r->rc = life_attach(l, &s);
	if (r->rc < 0)
		return;
	sojourn_detach(s);
	r->rc = sojourn_destroy(l->name);
}

/* Makes a session and reads it: a whole segment. */
static void use(struct sojourn *s)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	const struct sojourn_new n = {.subject = "anna"};

	if (sojourn_session_create(s, &n, id, NULL) < 0 ||
	    sojourn_session_read(s, id, NULL, NULL, NULL, NULL) < 0)
		failed("a segment that cannot be used: %s",
		       sojourn_error_text());
	sojourn_detach(s);
}

static unsigned files_in(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *d;
	unsigned files = 0;

	while (dir && (d = readdir(dir)) != NULL)
		files += d->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return files;
}

/* What the victim left, then the same again by the survivor. */
static void survive_life(const struct life *l, const struct report *r)
{
	struct sojourn *s;
	struct stat st;
	int rc = life_attach(l, &s);
	bool whole = passed(r, "segment.published") != 0;
	bool removed = passed(r, "destroy.marked") != 0;

	if (removed ? rc != -ENOENT && rc != -ESHUTDOWN
		    : rc != (whole ? 0 : -ENOENT))
		failed("attach: %d %s", rc, sojourn_error_text());
	if (rc == 0)
		use(s);
	if (stat(l->key_file, &st) == 0 && st.st_size != SOJ_KEY_BYTES)
		failed("a key file of %u bytes", (unsigned)st.st_size);
	rc = sojourn_destroy(l->name);
	if (rc < 0 && rc != -ENOENT)
		failed("destroy: %d %s", rc, sojourn_error_text());
	rc = life_create(l->name, l->key_file, &s);
	if (rc == 0)
		use(s);
	else
		failed("create again: %d %s", rc, sojourn_error_text());
	if (sojourn_destroy(l->name) < 0)
		failed("destroy again: %s", sojourn_error_text());
	unlink(l->key_file);
	if (files_in(l->folder) != 0)
		failed("files are left in the key's folder");
}

static bool life_begin(struct life *l)
{
	snprintf(l->folder, sizeof(l->folder), "/tmp/crash-XXXXXX");
	if (mkdtemp(l->folder) == NULL) {
		failed("no folder for a key file");
		return false;
	}
	snprintf(l->name, sizeof(l->name), "crash-%d", getpid());
	snprintf(l->key_file, sizeof(l->key_file), "%s/key", l->folder);
	return true;
}

void life_points(struct report *r)
{
	struct life l;
	struct victim v;

	if (!life_begin(&l))
		return;
	for (uint32_t nth = 1;; nth++) {
		const struct plan plan = {.fault = FAULT_KILL, .nth = nth};

		trying("a segment's life, killed at step %u", nth);
		victim_run(&v, r, &plan, run_life, &l);
		trying("a segment's life, killed at step %u (%s)", nth,
		       step_name(r, nth));
		if (v.state == VICTIM_BROKEN || (r->finished && r->rc < 0))
			failed("the victim returned %d", r->rc);
		survive_life(&l, r);
		if (v.state != VICTIM_KILLED)
			break;
	}
	rmdir(l.folder);
}

/* What either may be told when both are at it. */
static bool is_an_answer(int rc)
{
	return rc == 0 || rc == -EEXIST || rc == -ENOENT || rc == -ESHUTDOWN ||
	       rc == -EBUSY;
}

static void rival(const struct life *l)
{
	struct sojourn *s;
	int rc = life_attach(l, &s);

	if (rc == 0)
		use(s);
	else if (!is_an_answer(rc))
		failed("attach: %d %s", rc, sojourn_error_text());
	rc = life_create(l->name, l->key_file, &s);
	if (rc == 0)
		use(s);
	else if (!is_an_answer(rc))
		failed("create: %d %s", rc, sojourn_error_text());
	rc = sojourn_destroy(l->name);
	if (!is_an_answer(rc))
		failed("destroy: %d %s", rc, sojourn_error_text());
}

void life_stops(struct report *r)
{
	struct life l;
	struct victim v;

	if (!life_begin(&l))
		return;
	for (uint32_t nth = 1;; nth++) {
		const struct plan plan = {.fault = FAULT_STOP, .nth = nth};

		trying("a segment's life, stopped at step %u", nth);
		victim_run(&v, r, &plan, run_life, &l);
		if (v.state != VICTIM_STOPPED)
			break;
		trying("a segment's life, stopped at step %u (%s)", nth,
		       step_name(r, nth));
		rival(&l);
		victim_continue(&v);
		if (v.state != VICTIM_FINISHED || !is_an_answer(r->rc))
			failed("the victim, continued, returned %d", r->rc);
		(void)!sojourn_destroy(l.name);
		unlink(l.key_file);
		if (files_in(l.folder) != 0)
			failed("files are left in the key's folder");
	}
	(void)!sojourn_destroy(l.name);
	unlink(l.key_file);
	rmdir(l.folder);
}
