#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The command `sojourn` as a shell uses it: outputs, exit codes, texts of
# errors. Counts and contents are asserted, no times.
#
# shellcheck source=tests/e2e/lib_cli.sh
. "$(dirname "$0")/lib_cli.sh"

test_help() {
	local command option

	section help
	run 64
	says "Usage: sojourn COMMAND"
	run 0 --help
	for command in create destroy stat top dump fsck new get set touch renew \
		rm ls bench demo; do
		grep -q "^  $command " "$out" || fail "--help has no $command"
	done
	grep -q "^  77 " "$out" || fail "--help has no exit codes"
	for command in create destroy new get set touch renew rm ls bench; do
		run 0 $command --help
		grep -q "^Usage: sojourn $command " "$out" ||
			fail "$command --help"
		run 0 help $command
		run 0 $command --version
		prints "$(sojourn --version)"
		run 64 $command --bogus
		says "sojourn $command: unrecognized option"
		run 64 $command a b c
	done
	# The manual page has each of their options.
	for command in create destroy size stat top dump fsck events get set \
		touch renew rm ls put has scan count clear bench demo; do
		run 0 $command --help
		while read -r option; do
			grep -qE "Fl -$option( |$)" "$src/tools/sojourn.1" ||
				fail "sojourn.1 has no --$option of $command"
		done < <(sed -nE 's/^  .{4}--([a-z0-9-]+).*/\1/p' "$out" |
			grep -vx usage)
	done
	for command in create destroy new get set touch renew rm ls; do
		run 64 $command
		says "sojourn $command: NAME is missing" "--help"
	done
	run 0 --help
	for command in $(sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p' "$out") \
		"token create" "token verify" "token refresh" "token revoke" "token key" \
		"token key new" "token key show"; do
		# shellcheck disable=SC2086 # several words
		run 0 $command --version
		prints "$(sojourn --version)"
		# shellcheck disable=SC2086
		run 0 $command -V
		prints "$(sojourn --version)"
	done
	run 64 bogus
	says 'no command "bogus"' "--help"
	run 64 --bogus
	run 64 help bogus
	says '"help"'
}

# "COMMAND OPTION" for each that the manual page's synopsis names.
synopsis() {
	awk '/^\.Sh / { within = $2 == "SYNOPSIS" }
		!within { next }
		/^\.Cm / {
			gsub(/ Ns \| Ns Cm /, "|")
			words = split(substr($0, 5), word, " ")
			names = split(word[words], name, "|")
			before = words > 1 ? word[1] " " : ""
			if (words > 2)
				before = before word[2] " "
		}
		{
			while (match($0, /Fl -[a-z0-9-]+/)) {
				option = substr($0, RSTART + 4, RLENGTH - 4)
				for (i = 1; i <= names; i++)
					print before name[i], option
				$0 = substr($0, RSTART + RLENGTH)
			}
		}' "$src/tools/sojourn.1"
}

test_synopsis() {
	local line command option

	section synopsis of the manual page
	equal 27 "$(synopsis | grep -c '^token')"
	while read -r line; do
		command=${line% *} option=${line##* }
		# shellcheck disable=SC2086 # several words
		sojourn $command --help >"$out"
		checks=$((checks + 1))
		grep -qE "^ .* --$option([^a-z0-9-]|$)" "$out" ||
			fail "$command has no --$option"
	done < <(synopsis)
}

test_sessions() {
	local name=$prefix-sessions size form
	local id

	section data in and out
	create "$name"
	for size in 0 1 7 8 256 4096 65537 1048576; do
		head -c "$size" /dev/urandom >"$work/data"
		for form in file stdin; do
			if [ $form = file ]; then
				new "$name" --subject me --data "$work/data"
			else
				new "$name" --subject me --data - \
					<"$work/data"
			fi
			run 0 get "$name" "$id"
			same "$work/data" "$out"
			run 0 get "$name" - <<<"$id"
			same "$work/data" "$out"
			run 0 rm "$name" "$id"
		done
	done
	printf 'a\0b\0' >"$work/data"
	new "$name" --subject me --data "$work/data"
	equal 32 ${#id}
	run 0 get "$name" "$id" --subject me
	same "$work/data" "$out"
	run 1 get "$name" "$id" --subject somebody
	# Without data there is none.
	new "$name" --subject me
	run 0 get "$name" "$id"
	equal 0 "$(stat -c %s "$out")"

	section refused
	head -c 1048577 /dev/zero >"$work/data"
	run 65 new "$name" --subject me --data "$work/data"
	says "1048576 bytes"
	run 65 set "$name" "$id" --data "$work/data"
	run 66 new "$name" --subject me --data "$work/nowhere"
	says "$work/nowhere"
	run 66 set "$name" "$id" --data "$work/nowhere"
	run 64 new "$name"
	says "--subject is missing"
	run 64 new "$name" --subject ""
	run 64 new "$name" --subject "$(head -c 256 /dev/zero | tr '\0' x)"
	says "256 bytes" "1 to 255"
	run 65 new "$name" --subject me \
		--user-agent "$(head -c 2100 /dev/zero | tr '\0' x)"
	run 64 new "$name" --subject me --ttl 0
	says "--ttl 0"
	run 64 new "$name" --subject me --ttl 90
	run 64 set "$name" "$id"
	says "--data is missing"
	run 64 set "$name" "$id" --data - --if-version 0
	run 64 get "$name" "$id" --renew
	says "--json"
	run 64 get "$name" - </dev/null
	says "standard input"
	run 64 get "$name"
	says "ID is missing"
	run 64 ls "$name"
	run 64 rm "$name"
	run 64 rm "$name" "$id" --subject me
	run 64 rm "$name" "$id" --except "$id"
	run 64 rm "$name" "$id" --if-version 3
	says "--if-version" "items" "--collection"
	run 64 rm "$name" --subject me --if-version 3
	says "--if-version" "items"
	run 0 get "$name" "$id"

	section not found
	for form in x AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA "no id at all" \
		"$(head -c 300 /dev/zero | tr '\0' y)"; do
		run 1 get "$name" "$form"
		run 1 get "$name" - <<<"$form"
		run 1 set "$name" "$form" --data /dev/null
		run 1 touch "$name" "$form"
		run 1 renew "$name" "$form"
		run 1 rm "$name" "$form"
	done
	# A NUL does not end it.
	new "$name" --subject me
	for form in get touch renew rm; do
		run 1 $form "$name" - < <(printf '%s\0\n' "$id")
		says "NUL"
		if grep -qF -e "$id" "$err"; then fail "it tells the id"; fi
	done
	run 1 set "$name" - --data - < <(printf '%s\0\nx' "$id")
	run 1 get "$name" - < <(printf '\0%s\n' "$id")
	run 0 get "$name" "$id"
	run 1 rm "$name" --handle 000000000000000000000000
	run 1 rm "$name" --handle no-handle
	# No error of a command tells what an id was.
	run 0 rm "$name" "$id"
	run 1 get "$name" "$id"
	says "session"
	if grep -qF -e "$id" "$err"; then fail "an error tells the id"; fi
	run 0 destroy "$name"
}

test_dashed_id() {
	local name=$prefix-dash id='' i

	section ids that begin with a dash
	create "$name" --when-full evict
	for ((i = 0; i < 2000; i++)); do
		id=$(printf 'dash' | sojourn new "$name" --subject me --data -)
		[ "${id:0:1}" != - ] || break
	done
	# One in 64 does.
	equal - "${id:0:1}"
	run 0 get "$name" "$id"
	prints dash
	run 0 get "$name" "$id" --json
	run 0 get "$name" --json "$id"
	run 0 get "$name" -- "$id"
	run 0 get "$name" - <<<"$id"
	run 0 rm "$name" --subject me --except "$id"
	run 0 rm "$name" "$id"
	run 0 destroy "$name"
}

test_json() {
	local name=$prefix-json id

	section objects
	create "$name" --idle 10min --ttl 1h
	new "$name" --subject $'al "ice"\e[1m' --data - --ip 192.0.2.7 \
		--device-name 'A phone' --device-type mobile --location K \
		--user-agent UA --device-id D --device-os O --device-client C \
		--ttl 30min <<<'{"cart":[1,2]}'
	run 0 get "$name" "$id" --json
	equal 1 "$(wc -l <"$out")"
	json .subject '"al \"ice\"\u001b[1m"'
	json .data '"{\"cart\":[1,2]}\n"'
	json 'has("data_base64")' false
	json 'has("new_id")' false
	json .bytes 15
	json .version 1
	json .renewals 0
	json .renewed false
	json .idle_timeout_ms 600000
	json '.metadata | [.ip, .user_agent, .location, .device_id]' \
		'["192.0.2.7","UA","K","D"]'
	json '.metadata | [.device_name, .device_type, .device_client,
		.device_os]' '["A phone","mobile","C","O"]'
	json '.expires_unix_ms - .created_unix_ms' 1800000
	json '.deadline_unix_ms - .accessed_unix_ms' 600000
	json '.handle | length' 24
	json '.log_hash | length' 16
	grep -qF -e "$id" "$out" && fail "the object has the id"
	run 0 set "$name" "$id" --data - < <(printf 'a\0b')
	prints 2
	run 0 get "$name" "$id" --json
	json .data_base64 '"YQBi"'
	json 'has("data")' false
	json .version 2
	run 0 set "$name" "$id" --data - < <(printf '\xff')
	run 0 get "$name" "$id" --json
	json .data_base64 '"/w=="'
	run 0 set "$name" "$id" --data /dev/null
	run 0 get "$name" "$id" --json
	json .data '""'
	new "$name" --subject bob --idle 0
	run 0 get "$name" "$id" --json
	json .idle_timeout_ms null
	json .metadata.ip null
	run 0 destroy "$name"
}

test_set() {
	local name=$prefix-set id wins i code

	section versions
	create "$name"
	new "$name" --subject me
	run 0 set "$name" "$id" --data - --if-version 1 <<<one
	prints 2
	run 65 set "$name" "$id" --data - --if-version 1 <<<two
	says "version 2" "not 1" "--if-version"
	says_not "successor"
	run 0 get "$name" "$id"
	prints one
	# The first line is the id, the rest the data.
	run 0 set "$name" - --data - < <(printf '%s\nline\n\0\n' "$id")
	prints 3
	run 0 get "$name" "$id"
	printf 'line\n\0\n' >"$work/data"
	same "$work/data" "$out"
	run 0 touch "$name" "$id"
	prints ""
	run 0 touch "$name" - <<<"$id"

	# Of eight writers that have seen the same version, one wins.
	for i in 1 2 3 4 5 6 7 8; do
		(
			sojourn set "$name" "$id" --data - --if-version 3 \
				<<<"$i" >"$work/won.$i" 2>/dev/null
			echo $? >"$work/code.$i"
		) &
	done
	wait
	wins=0
	for i in 1 2 3 4 5 6 7 8; do
		code=$(cat "$work/code.$i")
		if [ "$code" = 0 ]; then
			wins=$((wins + 1))
			run 0 get "$name" "$id"
			prints "$i"
			equal 4 "$(cat "$work/won.$i")"
		else
			equal 65 "$code"
		fi
	done
	equal 1 $wins
	run 0 destroy "$name"
}

# Made in an earlier millisecond, by the clock of the segment.
older() {
	[ "$(sojourn get "$1" "$2" --json --no-touch | jq .age_ms)" -gt 0 ]
}

test_renew() {
	local name=$prefix-renew id new i

	section renewal
	create "$name" --ttl 1h --renewal 1ms --grace-window 10min
	new "$name" --subject me --data - <<<cargo
	until_true older "$name" "$id"
	# It is due, but a get does not do it unless asked to.
	run 0 get "$name" "$id"
	run 0 get "$name" "$id" --json
	json .renewal '"none"'
	json .renewed false
	run 0 get "$name" "$id" --json --renew
	json .renewal '"won"'
	new=$(jq -r .new_id <"$out")
	equal 32 ${#new}
	run 0 get "$name" "$id" --json
	json .renewed true
	json .renewal '"done"'
	json .new_id "\"$new\""
	run 0 get "$name" "$new" --json
	json .data '"cargo\n"'
	json .renewals 1
	run 0 renew "$name" - <<<"$id"
	prints "$new"
	# What is written by the old id is read by the new one.
	run 0 set "$name" "$id" --data - <<<more
	run 0 get "$name" "$new"
	prints more

	section many renew at once
	new "$name" --subject many
	for i in 1 2 3 4 5 6 7 8; do
		sojourn renew "$name" "$id" >"$work/new.$i" 2>&1 &
	done
	wait
	new=$(cat "$work/new.1")
	equal 32 ${#new}
	for i in 2 3 4 5 6 7 8; do
		same "$work/new.1" "$work/new.$i"
	done
	run 0 ls "$name" --subject many --json
	equal "0:false 1:true" "$(jq -r '"\(1 - .renewals):\(.renewed)"' \
		<"$out" | xargs)"
	run 0 ls "$name" --subject many
	equal "STATE live renewed" "$(awk '{ print $2 }' "$out" | xargs)"
	# The old id ends the new one as well.
	run 0 rm "$name" "$id"
	run 1 get "$name" "$new"
	run 1 get "$name" "$id"
	run 1 renew "$name" "$id"
	run 1 set "$name" "$id" --data /dev/null
	run 1 touch "$name" "$id"
	run 1 rm "$name" "$id"
	run 0 destroy "$name"

	# Without a grace window the old id ends at once.
	create "$name" --grace-window 0
	new "$name" --subject me
	run 0 renew "$name" "$id"
	new=$(cat "$out")
	run 1 get "$name" "$id"
	says "renewed"
	run 0 get "$name" "$new"
	run 0 destroy "$name"
}

test_lists() {
	local name=$prefix-lists id keep handle i

	section lists
	create "$name"
	run 0 ls "$name" --subject nobody
	prints ""
	run 0 ls "$name" --subject nobody --json
	prints ""
	for i in 1 2 3 4 5; do
		new "$name" --subject me --device-name $'d e\e['"$i"
		[ $i != 3 ] || keep=$id
	done
	new "$name" --subject you
	run 0 ls "$name" --subject me
	equal 6 "$(wc -l <"$out")"
	grep -q "^HANDLE " "$out" || fail "no heading"
	equal 5 "$(grep -cF 'd\x20e\x1B[' "$out")"
	grep -q $'\e' "$out" && fail "an escape character in the list"
	run 0 ls "$name" --subject me --json
	equal 5 "$(wc -l <"$out")"
	# Newest first, and no ids.
	equal '"5" "4" "3" "2" "1"' \
		"$(jq -c '.metadata.device_name[-1:]' <"$out" | xargs -d '\n')"
	grep -qF -e "$keep" "$out" && fail "the list has an id"

	handle=$(jq -r .handle <"$out" | head -n 1)
	run 0 rm "$name" --handle "$handle"
	prints ""
	run 1 rm "$name" --handle "$handle"
	run 0 rm "$name" --subject me --except - <<<"$keep"
	prints 3
	run 0 get "$name" "$keep"
	run 0 ls "$name" --subject me --json
	equal 1 "$(wc -l <"$out")"
	# Nothing is ended if the exception is nobody's, or another's.
	run 1 rm "$name" --subject you --except "$keep"
	run 0 get "$name" "$id"
	run 0 rm "$name" --subject me
	prints 1
	run 0 rm "$name" --subject me
	prints 0
	run 1 get "$name" "$keep"
	run 0 get "$name" "$id"
	run 0 destroy "$name"
}

gone() {
	! sojourn get "$1" "$2" --no-touch >/dev/null 2>"$err"
}

test_expiry() {
	local name=$prefix-expiry id idle

	section expiry without a helper
	create "$name" --ttl 1h
	new "$name" --subject me --ttl 200ms
	idle=$(sojourn new "$name" --subject me --idle 200ms)
	# Why is said to who finds it so; then there is no such session.
	until_true gone "$name" "$id"
	says "lifetime"
	run 1 get "$name" "$id"
	until_true gone "$name" "$idle"
	says "idle"
	run 1 get "$name" "$idle"
	run 0 ls "$name" --subject me
	prints ""
	run 0 destroy "$name"
}

test_full() {
	local name=$prefix-full id first i

	section full
	run 0 create "$name" --entries 10 --bytes 8MiB --helper none
	for i in 1 2 3 4 5 6 7 8 9 10; do
		new "$name" --subject me
		[ $i != 1 ] || first=$id
	done
	run 75 new "$name" --subject me
	says "full" "--entries" "--when-full evict"
	run 0 get "$name" "$first"
	run 0 rm "$name" "$first"
	new "$name" --subject me
	run 75 new "$name" --subject me
	run 0 destroy "$name"

	run 0 create "$name" --entries 10 --bytes 8MiB --helper none \
		--when-full evict
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		new "$name" --subject me
		[ $i != 1 ] || first=$id
	done
	run 0 get "$name" "$id"
	run 0 ls "$name" --subject me --json
	checks=$((checks + 1))
	[ "$(wc -l <"$out")" -le 10 ] || fail "more sessions than entries"
	run 0 destroy "$name"
}

# An error names what was wrong, its value and what would be right, and the
# advice is about that and not about something else.
test_advice() {
	local name=$prefix-advice command

	section advice
	create "$name" --collection carts,ttl=1h
	for command in stat dump top events fsck; do
		run 66 "$command" "$name-no"
		says "$name-no" "does not exist" "/dev/shm/sojourn.*"
	done
	run 66 stat "$work/nowhere"
	says "sojourn: $work/nowhere does not exist"
	[ "$(wc -l <"$err")" -eq 1 ] || fail "a file is named twice: $(cat "$err")"

	head -c 64 /dev/zero >"$work/long.key"
	chmod 600 "$work/long.key"
	run 65 ls "$name" --subject me --key-file "$work/long.key"
	says "has 64 bytes, a key has 32" "--key-file"
	says_not "sojourn fsck"
	run 77 ls "$name" --subject me --key-file "$work/nowhere"
	says "$work/nowhere" "--key-file"
	says_not "--group"

	run 64 ls "$name" --subject ""
	says "subject has 0 bytes" "1 to 255"
	says_not "function"
	run 64 rm "$name" --subject ""
	says "subject has 0 bytes" "1 to 255"
	run 64 create "$name-2" --helper none --collection carts,keep=1
	says 'keep is "1"' "without a value"
	run 64 create "$name-2" --helper none --entries 100 --bytes 1
	says "1 bytes: too small for 100 entries" "at least"
	run 64 size 5
	says '"5" is no option'
	run 64 bench --mix 0:0
	says "--mix 0:0" "not both 0"
	run 64 bench "$name" --seal --entries 10 --seconds 1
	says "$name is there already" "--seal"

	head -c 70000 /dev/zero >"$work/large"
	run 65 token create "$name" --keys "$work/large" --issuer i \
		--audience a --subject me
	says "65536 bytes"
	says_not "session"
	sojourn token key new ES256 >"$work/es.jwk"
	run 64 token create "$name" --keys "$work/es.jwk" --issuer i \
		--audience a --subject me --ttl 1ms
	says "access_ttl_ms is --ttl"
	run 64 token key new ES256 --rsa-bits 2048
	says "--rsa-bits" "ES256"
	head -c 40 /dev/zero >"$work/raw"
	run 64 token key show "$work/raw"
	says "--alg"
	run 0 destroy "$name"
}

test_output() {
	local name=$prefix-output id

	section output that fails
	create "$name"
	new "$name" --subject me --data - <<<x
	checks=$((checks + 1))
	if [ -c /dev/full ]; then
		sojourn get "$name" "$id" >/dev/full 2>"$err"
		equal 74 $?
		says "standard output"
	fi
	run 0 destroy "$name"
}

test_help
test_synopsis
test_sessions
test_dashed_id
test_json
test_set
test_renew
test_lists
test_expiry
test_full
test_advice
test_output
finish
