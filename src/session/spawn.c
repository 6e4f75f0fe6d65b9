/* SPDX-License-Identifier: MIT */

/*
 * Starting sojournd.  It makes itself a daemon and its first process returns
 * when the helper is ready, so the spawned child is waited for at once and no
 * zombie is left to the host program.
 */

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/handle.h"

#define HELPER "sojournd"

static bool usable(const char *path)
{
	return access(path, X_OK) == 0;
}

static bool beside_program(char *path, size_t path_bytes)
{
	ssize_t n = readlink("/proc/self/exe", path, path_bytes - 1);
	char *slash;

	if (n <= 0)
		return false;
	path[n] = 0;
	slash = strrchr(path, '/');
	if (slash == NULL ||
	    (size_t)(slash + 1 - path) + sizeof(HELPER) > path_bytes)
		return false;
	strcpy(slash + 1, HELPER);
	return usable(path);
}

static bool in_search_path(char *path, size_t path_bytes)
{
	const char *dir = secure_getenv("PATH");

	while (dir && *dir) {
		size_t n = strcspn(dir, ":");

		if (n > 0 &&
		    (size_t)snprintf(path, path_bytes, "%.*s/%s", (int)n, dir,
				     HELPER) < path_bytes &&
		    usable(path))
			return true;
		dir += n + (dir[n] == ':');
	}
	return false;
}

int soj_helper_find(const char *wanted, char *path, size_t path_bytes)
{
	const char *fixed =
		wanted ? wanted : secure_getenv("SOJOURN_HELPER_PATH");

	if (fixed) {
		if (strlen(fixed) < path_bytes && usable(fixed)) {
			strcpy(path, fixed);
			return 0;
		}
		return soj_report(-ENOENT, SOJOURN_INVALID,
				  "helper_path is %s, but must be the sojournd "
				  "program",
				  fixed);
	}
	if (beside_program(path, path_bytes))
		return 0;
#ifdef SOJOURN_HELPER_INSTALL_PATH
	if (usable(SOJOURN_HELPER_INSTALL_PATH) &&
	    sizeof(SOJOURN_HELPER_INSTALL_PATH) <= path_bytes) {
		strcpy(path, SOJOURN_HELPER_INSTALL_PATH);
		return 0;
	}
#endif
	if (in_search_path(path, path_bytes))
		return 0;
	return soj_report(
		-ENOENT, SOJOURN_INVALID,
		"sojournd was not found beside this program, as "
		"installed, or in PATH: set helper_path, or helper to "
		"external or none");
}

/* posix_spawn takes strings that it does not change, but says so to nobody. */
static int spawn(pid_t *pid, const char *const argv[],
		 const posix_spawn_file_actions_t *actions)
{
	const union {
		const char *const *in;
		char *const *out;
	} args = {.in = argv};

	return posix_spawn(pid, argv[0], actions, NULL, args.out, environ);
}

/* Descriptors of the child: 3 the segment, 4 the life pipe. */
static int spawn_with(int seg_fd, int life_fd, const char *path, pid_t *pid)
{
	const char *argv[] = {path, "--fd", "3", "--life-fd", "4", NULL};
	posix_spawn_file_actions_t actions;
	int rc;

	posix_spawn_file_actions_init(&actions);
	rc = posix_spawn_file_actions_adddup2(&actions, seg_fd, 3);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, life_fd, 4);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&actions, 5);
	if (rc == 0)
		rc = spawn(pid, argv, &actions);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

static int spawn_anonymous(struct sojourn *s, const char *path, pid_t *pid)
{
	int life[2], seg_fd, life_fd, rc;

	if (pipe2(life, O_CLOEXEC) != 0)
		return errno;
	/* Not what the host prints to. */
	life[1] = soj_seg_fd_above_stdio(life[1]);
	if (life[1] < 0) {
		close(life[0]);
		return -life[1];
	}
	/* Above 4, so that neither is in the other's way. */
	seg_fd = fcntl(s->st.seg.fd, F_DUPFD_CLOEXEC, 5);
	life_fd = fcntl(life[0], F_DUPFD_CLOEXEC, 5);
	rc = seg_fd < 0 || life_fd < 0 ? errno
				       : spawn_with(seg_fd, life_fd, path, pid);
	if (seg_fd >= 0)
		close(seg_fd);
	if (life_fd >= 0)
		close(life_fd);
	close(life[0]);
	if (rc != 0)
		close(life[1]);
	else
		s->life_fd = life[1];
	return rc;
}

static int spawn_named(const char *name, const char *path, pid_t *pid)
{
	const char *argv[] = {path, name, NULL};
	posix_spawn_file_actions_t actions;
	int rc;

	posix_spawn_file_actions_init(&actions);
	rc = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (rc == 0)
		rc = spawn(pid, argv, &actions);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

int soj_helper_spawn(struct sojourn *s, const char *name, const char *path)
{
	pid_t pid = 0;
	int status = 0, rc;

	rc = name ? spawn_named(name, path, &pid)
		  : spawn_anonymous(s, path, &pid);
	if (rc != 0)
		return soj_report(-rc, SOJOURN_SYSTEM, "cannot start %s: %s",
				  path, strerrordesc_np(rc));
	while (waitpid(pid, &status, 0) < 0) {
		if (errno == EINTR)
			continue;
		/* The host ignores SIGCHLD: judge by what the helper did. */
		if (soj_role_held(&s->st.seg))
			return 0;
		return soj_report(-ECHILD, SOJOURN_SYSTEM,
				  "%s ended without taking its role", path);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return soj_report(-ECHILD, SOJOURN_SYSTEM, "%s failed with status %d",
			  path,
			  WIFEXITED(status) ? WEXITSTATUS(status)
					    : 128 + WTERMSIG(status));
}
