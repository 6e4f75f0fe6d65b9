#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# No branch and no address depends on a secret where one is compared.

set -euo pipefail
bin=${SOJOURN_BIN:?names the folder of the executables}
[ -x "$bin/secret_branches" ] || cmake --build "${SOJOURN_BUILD:?}" \
	--target secret_branches >/dev/null

"$bin/secret_branches"
