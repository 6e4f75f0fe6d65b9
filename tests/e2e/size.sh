#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `sojourn size`, and `create --seal`: what is predicted is what is made, and
# what is sealed is shown to who has the key.
#
# shellcheck source=tests/e2e/lib_cli.sh
. "$(dirname "$0")/lib_cli.sh"

# What size says is what create takes and what stat shows, to 2 %.
test_size() {
	local name=$prefix-size predicted is

	section size
	run 0 size --entries 20000 --value 1KiB --threads-max 64 --json
	predicted=$(jq .segment_bytes "$out")
	run 0 size --entries 20000 --value 1KiB --threads-max 64
	says_out "--entries 20000 --bytes $predicted --threads-max 64"
	# shellcheck disable=SC2046 # several words
	run 0 $(sed -n 's/^create *sojourn //p' "$out" | sed "s/NAME/$name/") \
		--helper none
	run 0 stat "$name" --json
	is=$(jq .segment_bytes "$out")
	if [ $((is * 100)) -lt $((predicted * 98)) ] ||
		[ $((is * 100)) -gt $((predicted * 102)) ]; then
		fail "$predicted bytes predicted, $is are there"
	fi
	run 0 destroy "$name"
	run 64 size --entries 60000000 --value 4KiB
	says "16 GiB"
	run 64 size --events 65
	says "power of two"
}

# Nothing of a sealed session is shown, or in the segment, but with the key.
test_seal() {
	local name=$prefix-seal cipher id secret=secret-of-the-session

	for cipher in on xchacha20; do
		section create --seal=$cipher
		run 0 create "$name" --entries 100 --bytes 8MiB --helper none \
			--seal=$cipher --key-file "$work/key"
		id=$(printf %s "$secret" | sojourn new "$name" --subject anna \
			--data - --key-file "$work/key")
		equal "$secret" \
			"$(sojourn get "$name" "$id" --key-file "$work/key")"
		grep -qF "$secret" "/dev/shm/sojourn.$name" &&
			fail "the value is in the segment"
		grep -qF anna "/dev/shm/sojourn.$name" &&
			fail "the subject is in the segment"
		run 0 stat "$name"
		says_out "sealed by"
		run 0 dump "$name" --reveal --json
		equal true "$(jq .sealed "$out")"
		says_not "$secret"
		run 0 dump "$name" --reveal
		says_out "(sealed)"
		says_not "$secret"
		run 0 dump "$name" --reveal --json --key-file "$work/key"
		equal "anna $secret" "$(jq -r '.subject + " " + .data' "$out")"
		run 0 events "$name" --json
		says_not "$secret"
		run 0 fsck "$name" --key-file "$work/key"
		head -c 32 /dev/urandom >"$work/other"
		chmod 600 "$work/other"
		run 77 fsck "$name" --key-file "$work/other"
		says "not the key"
		run 0 destroy "$name"
	done
	run 64 create "$name" --seal=rot13
	says "--seal rot13"
}

says_out() {
	grep -qF -- "$1" "$out" || fail "no \"$1\" in $(cat "$out")"
}

test_size
test_seal
finish
