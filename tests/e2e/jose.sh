#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Access tokens and keys between this library and the npm package jose. Skipped
# only if npm cannot install it.

# shellcheck source=tests/e2e/lib_begin.sh
. "$(dirname "$0")/lib_begin.sh"
set -e
needs node npm
package=jose@5.10.0 # depends on no other package; 6 wants a newer node
echo '{"private":true}' >"$work/package.json"
if ! (cd "$work" && npm install --no-audit --no-fund --no-package-lock \
	--ignore-scripts --save-exact "$package") >"$work/log" 2>&1; then
	tail -n 5 "$work/log" >&2
	echo "skipped: npm cannot install $package" >&2
	exit 77
fi
cp "$src/tests/e2e/jose.mjs" "$work/"
node "$work/jose.mjs" "$bin/jose_peer"
