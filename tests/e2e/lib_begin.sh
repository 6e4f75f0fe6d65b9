# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# How every scenario begins: where the programs are, a folder of its own for
# files and keys, and a count of what failed. A scenario has
# a clean_up of its own, if more is to be done.

set -uo pipefail
export LC_ALL=C

src=${SOJOURN_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
# shellcheck disable=SC2034 # the scenarios use it
bin=${SOJOURN_BIN:-$src/build/release/bin}
work=$(mktemp -d "${TMPDIR:-/tmp}/sojourn-e2e.XXXXXX")
export XDG_STATE_HOME=$work/state
mkdir -m 700 "$XDG_STATE_HOME"
# shellcheck disable=SC2034
failures=0

clean_up() {
	:
}
trap 'clean_up; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# needs PROGRAM...: the scenario is skipped without them.
needs() {
	local program

	for program; do
		command -v "$program" >/dev/null && continue
		echo "skipped: $program is not installed" >&2
		exit 77
	done
}

section() {
	echo "== $*"
}
