#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

mapfile -t list < <(files src include tools bench -- '*.c' '*.h')
scan layers.awk "${list[@]}"
