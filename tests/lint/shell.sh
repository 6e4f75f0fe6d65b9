#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

need shellcheck

# Every file whose first line asks for a shell, whatever its name.
list=()
while read -r file; do
	case $(head -n 1 "$file" | tr -d '\0') in
	'#!'*sh | '# shellcheck shell='*) list+=("$file") ;;
	esac
done < <(files .ci src tools bench tests -- '*')
[ ${#list[@]} -gt 0 ] || fail "no script in $src_root"
shellcheck --external-sources --source-path="$src_root" "${list[@]}"
