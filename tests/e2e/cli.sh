#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The command `sojourn` as a shell uses it: outputs, exit codes, texts of
# errors. Counts and contents are asserted, no times.

set -uo pipefail
export LC_ALL=C

src=${SOJOURN_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${SOJOURN_BIN:-$src/build/release/bin}
for tool in jq cmp pgrep; do
	command -v $tool >/dev/null && continue
	echo "skipped: $tool is not installed" >&2
	exit 77
done

work=$(mktemp -d "${TMPDIR:-/tmp}/sojourn-cli.XXXXXX")
export XDG_STATE_HOME=$work/state
mkdir -m 700 "$XDG_STATE_HOME"
prefix=sojtest-$$
failures=0
checks=0
out=$work/out
err=$work/err

sojourn() {
	"$bin/sojourn" "$@"
}

clean_up() {
	local segment

	for segment in /dev/shm/sojourn."$prefix"*; do
		[ -e "$segment" ] || continue
		sojourn destroy "${segment#/dev/shm/sojourn.}" 2>/dev/null ||
			rm -f "$segment"
	done
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

section() {
	echo "== $*"
}

fail() {
	failures=$((failures + 1))
	echo "FAILED at line ${BASH_LINENO[1]}: $*"
}

# run CODE WORD...: the command ends with that code. Its output is in $out,
# what it says on stderr in $err; exit code 0 says nothing there.
run() {
	local wanted=$1 code

	shift
	checks=$((checks + 1))
	"$bin/sojourn" "$@" >"$out" 2>"$err"
	code=$?
	if [ $code -ne "$wanted" ]; then
		fail "exit code $code, not $wanted: sojourn $*"
		cat "$err"
	elif [ $code -eq 0 ] && [ -s "$err" ]; then
		fail "stderr is not empty: sojourn $*"
		cat "$err"
	elif [ $code -ne 0 ] && ! [ -s "$err" ]; then
		fail "no word on stderr: sojourn $*"
	fi
}

# says TEXT...: the last command's stderr has each of them.
says() {
	local text

	for text; do
		checks=$((checks + 1))
		grep -qF -e "$text" "$err" && continue
		fail "stderr does not have \"$text\":"
		cat "$err"
	done
}

# prints TEXT: the last command's output is that line.
prints() {
	checks=$((checks + 1))
	[ "$(cat "$out")" = "$1" ] || fail "printed $(cat "$out"), not $1"
}

# equal WANTED FOUND
equal() {
	checks=$((checks + 1))
	[ "$1" = "$2" ] || fail "\"$2\", not \"$1\""
}

# json FILTER WANTED: of the object that was printed last.
json() {
	local found

	checks=$((checks + 1))
	found=$(jq -c "$1" <"$out")
	[ "$found" = "$2" ] || fail "$1 is $found, not $2"
}

# same FILE FILE
same() {
	checks=$((checks + 1))
	cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

# until_true COMMAND...: for at most half a minute.
until_true() {
	local i

	checks=$((checks + 1))
	for ((i = 0; i < 600; i++)); do
		"$@" && return
		sleep 0.05
	done
	fail "never: $*"
}

# create NAME WORD...: a small segment without helper.
create() {
	run 0 create "$1" --entries 200 --bytes 16MiB --helper none "${@:2}"
}

new() {
	run 0 new "$@"
	id=$(cat "$out")
}

test_help() {
	local command

	section help
	run 64
	says "Usage: sojourn COMMAND"
	run 0 --help
	for command in create destroy stat dump fsck new get set touch renew \
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
	for command in create destroy new get set touch renew rm ls; do
		run 64 $command
		says "sojourn $command: NAME is missing" "--help"
	done
	run 64 bogus
	says 'no command "bogus"' "--help"
	run 64 --bogus
	run 64 help bogus
	says '"help"'
}

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
	json .metadata '{"ip":"192.0.2.7","user_agent":"UA","location":"K","device_id":"D","device_name":"A phone","device_type":"mobile","device_client":"C","device_os":"O"}'
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
	says "version 2" "not 1"
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

test_renew() {
	local name=$prefix-renew id new i

	section renewal
	create "$name" --ttl 1h --renewal 1ms --grace-window 10min
	new "$name" --subject me --data - <<<cargo
	sleep 0.01
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
	run 0 create "$name" --entries 1000 --bytes 16MiB --helper external
	equal "" "$(helper_of "$name")"
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

has_sessions() {
	[ -n "$(sojourn ls "$1" --subject "$2")" ]
}

test_bench() {
	local name=$prefix-bench id pid word

	section bench on a segment of its own
	run 0 bench --workers 2 --entries 5000 --seconds 1 --json
	equal 1 "$(wc -l <"$out")"
	json '[.lost, .torn, .foreign, .full, .crashed_workers, .errors]' \
		'[0,0,0,0,0,0]'
	json '[.workers, .entries, .value_bytes, .zipf]' '[2,5000,256,0.99]'
	json '.segment | [.temporary, .entries_max, .entries_live]' \
		'[true,5000,5000]'
	json '.reads.count > 0 and .updates.count > 0' true
	json '[.reads, .updates | .p50_ns <= .p99_ns and .p99_ns <= .p999_ns
		and .p999_ns <= .max_ns
		and ([.histogram[][1]] | add) == .count]' '[true,true]'
	run 0 bench "$name" --workers 3 --entries 2000 --value 1000 --mix 1:1 \
		--zipf 0 --seconds 1
	grep -q "^lost 0, torn 0, foreign 0," "$out" || fail "$(cat "$out")"
	for word in "bytes per session" p99.9 operations/s "by worker" "#####"; do
		grep -qF -e "$word" "$out" || fail "the report has no $word"
	done
	run 66 destroy "$name"
	run 0 bench --entries 1 --value 16 --workers 2 --seconds 1 --mix 0:1
	run 64 bench --mix 95
	run 64 bench --mix 0:0
	run 64 bench --zipf 1
	run 64 bench --value 15
	run 64 bench --workers 0
	run 64 bench --seconds 0

	section bench on a given segment
	create "$name"
	new "$name" --subject me --data - <<<mine
	run 0 bench "$name" --entries 199 --seconds 1 --workers 2
	run 0 bench "$name" --entries 199 --seconds 1 --workers 2
	run 0 get "$name" "$id"
	prints mine
	run 0 ls "$name" --subject bench7
	prints ""
	run 75 bench "$name" --entries 200 --seconds 1
	says "199" "too little for 200"
	run 0 get "$name" "$id"

	section bench that is interrupted
	"$bin/sojourn" bench "$name" --entries 150 --seconds 86400 \
		>"$out" 2>"$err" &
	pid=$!
	until_true has_sessions "$name" bench7
	sleep 0.3
	kill -TERM $pid
	wait $pid
	equal 143 $?
	run 0 ls "$name" --subject bench7
	prints ""
	run 0 destroy "$name"
	"$bin/sojourn" bench "$name" --entries 1000 --seconds 86400 \
		>"$out" 2>"$err" &
	pid=$!
	until_true test -e "/dev/shm/sojourn.$name"
	sleep 0.3
	kill -TERM $pid
	wait $pid
	equal 143 $?
	run 66 destroy "$name"
	equal "" "$(pgrep -f "sojourn bench $name")"
}

test_help
test_create
test_create_refuses
test_sessions
test_dashed_id
test_json
test_set
test_renew
test_lists
test_expiry
test_full
test_keys
test_helper
test_output
test_bench

echo "$checks checks, $failures failed"
[ $failures -eq 0 ]
