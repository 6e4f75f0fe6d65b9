# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What ctest's report says, for the scripts that run it.

# count FILE NAME: an attribute of the test suite.
count() {
	grep -o " $2=\"[0-9]*\"\|^[[:space:]]*$2=\"[0-9]*\"" "$1" | head -n 1 |
		tr -cd 0-9
}

# slowest FILE: which ten tests took longest.
slowest() {
	echo "The slowest tests, in seconds:"
	sed -n 's/.*<testcase name="\([^"]*\)".* time="\([0-9.e+-]*\)".*/\2 \1/p' \
		"$1" | sort -gr | head -n 10 |
		awk '{ printf "%8.1f  %s\n", $1, $2 }'
}
