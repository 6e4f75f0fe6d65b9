/* SPDX-License-Identifier: MIT */

#include <sojourn/version.h>

const char *sojourn_version(void)
{
	return SOJOURN_VERSION;
}
