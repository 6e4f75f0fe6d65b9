#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# atomic.h defines the operations; it has no edges of its own.
mapfile -t list < <(files src -- '*.c' '*.h' | grep -vx 'src/base/atomic.h')
scan edges.awk "${list[@]}"
