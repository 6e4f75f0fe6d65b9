/* SPDX-License-Identifier: MIT */

/*
 * A program of somebody else: it sees the installed headers and library only.
 * It is compiled as C and as C++.
 */

#include <stdio.h>
#include <string.h>

#include <sojourn/version.h>

int main(void)
{
	if (strcmp(sojourn_version(), SOJOURN_VERSION) != 0) {
		fprintf(stderr, "headers are %s, the library is %s\n",
			SOJOURN_VERSION, sojourn_version());
		return 1;
	}
	puts(sojourn_version());
	return 0;
}
