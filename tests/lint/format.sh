#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# Another version formats a few constructs otherwise.
tool=clang-format-14
command -v $tool >/dev/null || tool=clang-format
need $tool

mapfile -t list < <(files src include tools tests bench -- '*.c' '*.h')
[ ${#list[@]} -gt 0 ] || fail "no file to look at in $src_root"
"$tool" --dry-run -Werror --ferror-limit=5 "${list[@]}"
