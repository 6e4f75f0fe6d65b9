#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `sojourn create` and `destroy`: what they make, what they refuse, keys, and
# the helper.
#
# shellcheck source=tests/e2e/lib_cli.sh
. "$(dirname "$0")/lib_cli.sh"

test_create() {
	local name=$prefix-create inode

	section create, destroy
	run 0 create "$name" --entries 1000 --bytes 20MiB --helper none
	grep -qE "^$name entries=1000 bytes=[0-9]+ key-file=[^ ]+ helper=none$" \
		"$out" || fail "printed $(cat "$out")"
	equal 600 "$(stat -c %a "/dev/shm/sojourn.$name")"
	equal "$(stat -c %s "/dev/shm/sojourn.$name")" \
		"$(sed 's/.*bytes=\([0-9]*\).*/\1/' "$out")"
	equal "32 600" \
		"$(stat -c '%s %a' "$(sed 's/.*key-file=\([^ ]*\).*/\1/' "$out")")"

	inode=$(stat -c %i "/dev/shm/sojourn.$name")
	run 73 create "$name" --entries 1000 --helper none
	says "$name" "exists already" "sojourn destroy"
	equal "$inode" "$(stat -c %i "/dev/shm/sojourn.$name")"
	run 0 destroy "$name"
	prints ""
	run 66 destroy "$name"
	says "$name" "does not exist"
	run 66 get "$name" someid
	says "$name" "does not exist" "sojourn create"
	run 66 ls "$name" --subject me

	run 0 create "$name" --helper none --group "$(id -gn)" \
		--entries 100 --bytes 8MiB --key-file "$work/group.key"
	equal 660 "$(stat -c %a "/dev/shm/sojourn.$name")"
	equal 640 "$(stat -c %a "$work/group.key")"
	run 0 destroy "$name"
}

# Each wrong option is named with its value and the rule, and nothing is made.
test_create_refuses() {
	local name=$prefix-refused words

	section create with bad options
	while read -r words; do
		# shellcheck disable=SC2086 # several words
		run 64 create "$name" --helper none --entries 100 --bytes 8MiB \
			$words
		# shellcheck disable=SC2086
		set -- $words
		says "${1#--}" "$2"
	done <<-'WORDS'
		--ttl 30
		--ttl 1.5h
		--ttl -5s
		--idle soon
		--entries 0
		--entries 67108863
		--entries 1e6
		--threads-max 0
		--threads-max 4095
		--id-bytes 15
		--id-bytes 49
		--bytes 16M
		--bytes 99999999999999999999
		--when-full maybe
		--helper perhaps
	WORDS
	run 64 create "$name" --entries 100 --bytes 8MiB --threads-max 2
	says "threads_max is 2" "--threads-max" "at least 3"
	run 64 create "$name" --helper none --ttl 0
	says "--ttl"
	run 64 create "$name" --helper none --ttl 1h --idle 1h
	says "idle_timeout_ms is 3600000" "--idle" "less than"
	run 64 create "$name" --helper none --ttl 1h --renewal 2h
	says "renewal_ms is 7200000" "--renewal"
	run 64 create "$name" --helper none --ttl 1s --grace-window 1s
	says "grace_window_ms is 1000" "--grace-window"
	run 64 create "$name" --helper none --ttl 2h --max-lifetime 1h
	says "max_lifetime_ms is 3600000" "--max-lifetime"
	run 64 create "$name" --helper none --entries 1000000 --bytes 1MiB
	says "too small" "1000000 entries" "are needed"
	run 64 create
	run 64 create "$name" "$name"
	run 64 create "-x"
	run 64 create "a/b" --key-file "$work/k"
	equal "" "$(find /dev/shm -name "sojourn.$name*")"

	# Shared memory of its own, as a container has it.
	if unshare -m true 2>/dev/null; then
		checks=$((checks + 1))
		# shellcheck disable=SC2016 # the inner shell expands it
		unshare -m sh -c 'mount -t tmpfs -o size=8m tmpfs /dev/shm &&
			"$@"; code=$?; ls -A /dev/shm; exit $code' sh \
			"$bin/sojourn" create "$name" --helper none \
			--entries 1000 --bytes 64MiB >"$out" 2>"$err"
		equal 73 $?
		says "shared memory" "--bytes" "/dev/shm"
		prints ""
	fi
}

test_keys() {
	local name=$prefix-keys id

	section keys
	create "$name" --key-file "$work/one.key"
	run 0 new "$name" --subject me --key-file "$work/one.key"
	id=$(cat "$out")
	run 0 get "$name" "$id" --key-file "$work/one.key"
	run 0 ls "$name" --subject me --key-file "$work/one.key"
	head -c 32 /dev/urandom >"$work/two.key"
	chmod 600 "$work/two.key"
	run 77 get "$name" "$id" --key-file "$work/two.key"
	says "key" "--key-file"
	chmod 644 "$work/one.key"
	run 77 get "$name" "$id" --key-file "$work/one.key"
	run 0 destroy "$name"
	# A key file that is there is used again.
	chmod 600 "$work/two.key"
	cp -p "$work/two.key" "$work/two.copy"
	create "$name" --key-file "$work/two.key"
	same "$work/two.key" "$work/two.copy"
	run 0 destroy "$name"
}

# That there is no key is no matter of the helper.
test_no_key() {
	local name=$prefix-nokey as=() helper key

	section keys that cannot be made
	for helper in none spawn; do
		for key in /proc/nope/x ""; do
			run 66 create "$name" --helper $helper --entries 100 \
				--bytes 8MiB --key-file "$key"
			says "key" "--key-file"
			says_not sojournd
		done
	done
	# Root's default needs no HOME.
	[ "$(id -u)" -ne 0 ] || as=(setpriv --reuid 65534 --clear-groups)
	if "${as[@]}" test -x "$bin/sojourn" 2>/dev/null; then
		"${as[@]}" env -u HOME -u XDG_STATE_HOME "$bin/sojourn" create \
			"$name" --helper none --entries 100 --bytes 8MiB \
			>"$out" 2>"$err"
		equal 66 $?
		says "HOME" "--key-file"
		says_not sojournd
	fi
	run 66 destroy "$name"
}

helper_of() {
	pgrep -f "sojournd( .*)? $1\$"
}

has_helper() {
	helper_of "$1" >/dev/null
}

has_no_helper() {
	! has_helper "$1"
}

test_helper() {
	local name=$prefix-helper id

	section helper
	run 0 create "$name" --entries 1000 --bytes 16MiB
	grep -q "helper=spawn$" "$out" || fail "printed $(cat "$out")"
	until_true has_helper "$name"
	equal 1 "$(helper_of "$name" | wc -l)"
	new "$name" --subject me --data - <<<kept
	kill -KILL "$(helper_of "$name")"
	until_true has_no_helper "$name"
	run 0 get "$name" "$id"
	prints kept
	run 0 new "$name" --subject me
	run 0 rm "$name" --subject me
	prints 2
	run 0 destroy "$name"

	run 0 create "$name" --entries 1000 --bytes 16MiB --helper spawn
	until_true has_helper "$name"
	run 0 destroy "$name"
	until_true has_no_helper "$name"

	SOJOURN_HELPER_PATH=$work/nowhere run 69 create "$name" \
		--entries 1000 --bytes 16MiB
	says "helper" "--helper"
	run 66 destroy "$name"
	echo "#!$work/nowhere" >"$work/sojournd"
	chmod +x "$work/sojournd"
	SOJOURN_HELPER_PATH=$work/sojournd run 69 create "$name" \
		--entries 1000 --bytes 16MiB
	says "$work/sojournd" "--helper"
	run 66 destroy "$name"
	run 0 create "$name" --entries 1000 --bytes 16MiB --helper external
	equal "" "$(helper_of "$name")"
	run 0 destroy "$name"
}

# What a policy asks for, changed by what comes after it, and kept.
test_rules() {
	local name=$prefix-rules id other

	section rules
	run 0 create "$name" --entries 100 --bytes 8MiB --helper none \
		--policy owasp-high --ip reject --ip4-prefix 24 \
		--per-subject-max 2 --when-over reject --redelivery 10s \
		--events 64
	run 0 new "$name" --subject anna --ip 192.0.2.1
	id=$(cat "$out")
	run 0 new "$name" --subject anna
	other=$(cat "$out")
	run 77 get "$name" "$id" --ip 198.51.100.1
	says "began elsewhere" "ip"
	run 0 get "$name" "$id" --ip 192.0.2.77
	run 75 new "$name" --subject anna
	says "as many as it may"
	run 0 rm "$name" "$other"
	run 0 new "$name" --subject anna
	run 0 destroy "$name"
	run 64 create "$name" --helper none --policy strict
	says "strict" "owasp-low"
	run 64 create "$name" --helper none --when-over evict-oldest
	says "per_subject_max is 0" "--per-subject-max"
	run 64 create "$name" --helper none --ip forbid
	says "forbid" "reject"
}

test_create
test_create_refuses
test_rules
test_keys
test_no_key
test_helper
finish
