/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BASE_FAULT_H
#define SOJ_BASE_FAULT_H

/*
 * Layer 0.  Labelled points in the protocols, for the crash and stop tests.
 *
 * SOJ_STEP("update.published") marks the instant after a step of a crash
 * table.  In the library that is shipped it is nothing.  In the build for
 * tests (SOJ_FAULTS) each label is registered in a section of its own, so a
 * test can list all of them, and calls soj_step_hook, which may SIGKILL or
 * SIGSTOP the process right there.
 */

#ifdef SOJ_FAULTS
struct soj_step {
	const char *label;
};
extern void (*soj_step_hook)(const struct soj_step *step);
extern struct soj_step __start_soj_steps[], __stop_soj_steps[];
#define SOJ_STEP(name)                                                        \
	do {                                                                  \
		static struct soj_step soj_step_                              \
			__attribute__((section("soj_steps"), used)) = {name}; \
		if (soj_step_hook)                                            \
			soj_step_hook(&soj_step_);                            \
	} while (0)
#else
#define SOJ_STEP(name) ((void)0)
#endif

#endif /* SOJ_BASE_FAULT_H */
