#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

mapfile -t list < <(files src include tools bench tests -- '*.c' '*.h' |
	grep -vx 'src/base/atomic.h')
scan orders.awk "${list[@]}"
