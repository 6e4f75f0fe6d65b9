#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `sojourn stat`, `dump` and `fsck`: what they show, what they keep to
# themselves, what they say of damaged images, and that they change nothing.
#
# shellcheck source=tests/e2e/lib_cli.sh
. "$(dirname "$0")/lib_cli.sh"

# code CODE WORD...: as run, but with a bound in time, and without looking at
# stderr: fsck tells on stdout.
code() {
	local wanted=$1 found

	shift
	checks=$((checks + 1))
	timeout 60 "$bin/sojourn" "$@" >"$out" 2>"$err"
	found=$?
	[ $found -eq "$wanted" ] && return
	fail "exit code $found, not $wanted: sojourn $*"
	cat "$out" "$err"
}

has() {
	checks=$((checks + 1))
	grep -qE -e "$1" "$out" || fail "no line like $1 in: $(cat "$out")"
}

hasnt() {
	local text

	for text; do
		checks=$((checks + 1))
		! grep -qF -e "$text" "$out" || fail "\"$text\" is shown"
	done
}

# codes FILTER WANTED: of the sums that fsck --json ends with.
sums() {
	equal "$2" "$(tail -n 1 "$out" | jq -c "$1")"
}

# Seven sessions of three subjects: one renewed, one updated, one deleted; by its
# handle, which leaves it to upkeep, so that it is still to be seen.
fill() {
	local i

	create "$1" --ttl 30min --idle 10min --grace-window 1min
	for i in 1 2 3 4 5 6; do
		echo "secret-value-$i" | sojourn new "$1" --data - \
			--subject "person-$((i % 3))" >"$work/id$i"
	done
	printf 'secret\0\377\n' |
		sojourn new "$1" --subject "person-0" --data - >"$work/id7"
	sojourn renew "$1" - <"$work/id1" >"$work/id8"
	echo "secret-value-new" >"$work/data"
	sojourn set "$1" - --data "$work/data" <"$work/id2" >/dev/null
	sojourn rm "$1" --handle \
		"$(sojourn get "$1" - --json --no-touch <"$work/id3" | jq -r .handle)"
}

test_top() {
	local name=$prefix-top line pid made=7 sum=0

	section top
	fill "$name"
	run 0 top "$name" --count 1
	has "^$name, .* old: 7 of "
	has "^  creates +[0-9.]+ +7 "
	has "since it was made"
	hasnt misses_idle "$(printf '\033')"
	run 0 top "$name" --count 2 --interval 1ms
	has "since the last look"
	equal 2 "$(grep -c "^$name, " "$out")"
	run 0 top "$name" --count 1 --json
	equal '[7,1,1]' \
		"$(jq -c '.changes | [.creates, .deletes, .updates]' "$out")"
	equal true "$(jq '.since_ms > 0 and .per_second.creates > 0' "$out")"
	# All that is done shows once, whenever it looks.
	mkfifo "$work/top"
	"$bin/sojourn" top "$name" --interval 5ms --json >"$work/top" &
	pid=$!
	exec 7<"$work/top"
	while [ "$sum" -lt 9 ] && read -r line <&7; do
		sum=$((sum + $(jq .changes.creates <<<"$line")))
		if [ "$sum" -lt "$made" ] || [ "$made" -eq 9 ]; then
			continue
		fi
		sojourn new "$name" --subject late >/dev/null
		made=$((made + 1))
	done
	equal 9 "$sum"
	# It goes when the segment does, and says so in its exit code.
	sojourn destroy "$name"
	cat <&7 >/dev/null
	exec 7<&-
	wait $pid
	equal 0 $?
	run 64 top "$name" --interval 0
	says "--interval 0: at least 1ms"
	run 66 top "$name"
}

test_stat() {
	local name=$prefix-stat

	section stat
	fill "$name"
	run 0 stat "$name"
	has "^segment +$name, "
	has "^entries +7 live, 1 ended, 0 owned, 0 retired, 192 free$"
	has "^helper +none yet$"
	has "^policy +when full reject, ttl 30min, idle 10min, renewal off, "
	has "^  creates +7  sessions created$"
	run 0 stat "$name" --json
	json '[.segment, .entries.max, .entries.live, .entries.ended]' \
		"[\"$name\",200,7,1]"
	json '.counters | [.creates, .renewals_won, .updates, .deletes]' \
		'[7,1,1,1]'
	json '[.threads.attached, .threads.dead, .helper.alive]' '[0,0,false]'
	json '[.policy.ttl_ms, .policy.when_full]' '[1800000,"reject"]'
	json '.segment_bytes' "$(stat -c %s "/dev/shm/sojourn.$name")"
	json '.chunk_bytes | .all > .live and .live > 0 and .retired > 0' true
	json '[.classes[].live] | add' 8
	json '.helper.lag.buckets | length' 64
	run 0 stat "$name" --prometheus
	has "^sojourn_entries\{segment=\"$name\",state=\"live\"\} 7$"
	has "^sojourn_creates_total\{segment=\"$name\"\} 7$"
	has "^# TYPE sojourn_expiry_lag_seconds histogram$"
	# Each sample is of the metric whose type was told last.
	equal "" "$(awk '/^# TYPE/ { type = $3; next } /^#/ { next }
		index($1, type) != 1 || NF != 2' "$out")"
	run 64 stat
	run 64 stat "$name" --json --prometheus
	run 64 stat "$name" more
	run 66 stat "$name-no"
	says "$name-no"
}

test_dump() {
	local name=$prefix-dump i digest

	section dump
	fill "$name"
	run 0 dump "$name"
	equal 9 "$(wc -l <"$out")" # a heading besides
	has "^DIGEST +SUBJECT +STATE "
	has "^[0-9a-f]{16} [0-9a-f]{16} live +.* 17 +2 +0 -$"
	has "^[0-9a-f]{16} [0-9a-f]{16} renewed .* 0/[0-9]+$"
	has "^[0-9a-f]{16} [0-9a-f]{16} deleted "
	hasnt person secret
	run 0 dump "$name" --json
	equal 8 "$(wc -l <"$out")"
	hasnt person secret
	for i in 1 2 3 4 5 6 7 8; do
		hasnt "$(cat "$work/id$i")"
	done
	equal '{"deleted":1,"live":6,"renewed":1}' "$(jq -sc 'group_by(.state)
		| map({key: .[0].state, value: length}) | from_entries' "$out")"
	equal true "$(jq -sc 'map({key: "\(.entry)", value: .}) | from_entries
		as $all | all(.[]; .successor == null or
		($all["\(.successor)"] | .renewals == 1))' "$out")"
	equal true "$(jq -sc 'all(.[] | select(.state == "live");
		.expires_in_ms > 0 and .expires_in_ms <= 600000)' "$out")"

	section dump of some
	run 0 dump "$name" --subject person-1 --json
	equal 3 "$(wc -l <"$out")"
	digest=$(jq -r .subject_digest "$out" | sort -u)
	equal 32 "${#digest}"
	run 0 dump "$name" --subject-digest "${digest:0:9}" --json
	equal 3 "$(wc -l <"$out")"
	equal "$digest" "$(jq -r .subject_digest "$out" | sort -u)"
	run 0 dump "$name" --subject nobody
	prints ""
	run 64 dump "$name" --subject-digest xyz
	run 64 dump "$name" --subject-digest ""

	section dump of what is sealed
	run 0 create "$name-sealed" --entries 200 --bytes 16MiB --helper none \
		--seal --key-file "$work/sealed.key"
	run 0 new "$name-sealed" --key-file "$work/sealed.key" --subject person-1
	run 0 dump "$name-sealed" --subject person-1 --json \
		--key-file "$work/sealed.key"
	equal 1 "$(wc -l <"$out")"
	digest=$(jq -r .subject_digest "$out")
	run 77 dump "$name-sealed" --subject person-1
	prints ""
	says "is sealed" "--key-file"
	run 0 dump "$name-sealed" --subject-digest "$digest" --json
	equal 1 "$(wc -l <"$out")"

	section dump that reveals
	run 0 dump "$name" --reveal
	has "^[0-9a-f]{16} person-2 .* secret-value-new\\\\x0a$"
	has ' secret\\x00\\xff\\x0a$'
	hasnt "$(cat "$work/id5")"
	run 0 dump "$name" --reveal --json
	equal '"c2VjcmV0AP8K"' "$(jq -c 'select(.data_base64).data_base64' \
		"$out")"
	equal 7 "$(jq -c 'select(.data).subject' "$out" | wc -l)"

	section dump that leads to rm
	run 0 dump "$name" --subject person-2 --json
	run 0 rm "$name" --handle "$(jq -r 'select(.version == 2).handle' \
		"$out")"
	run 1 get "$name" "$(cat "$work/id2")"
	checks=$((checks + 1))
	sojourn dump "$name" | head -n 1 >"$out"
	[ "${PIPESTATUS[0]}" -ne 139 ] || fail "dump into a closed pipe"
	run 64 dump
	run 66 dump "$name-no"
}

# Of a copy that is another segment's, and of one that cannot be kept: both are
# told, and neither hides what was found.
test_fsck_of_another() {
	local name=$1 copy=$2 old=$work/old bad=$work/bad

	section fsck since another segment
	sojourn create "$name" --entries 100 >/dev/null
	run 65 fsck "$name" --since "$copy"
	says "no copy of $name" "--save"
	has "^clean$"
	# Each hour, and in between it was made anew.
	run 0 fsck "$name" --save "$old"
	sojourn destroy "$name"
	sojourn create "$name" --entries 100 >/dev/null
	run 65 fsck "$name" --since "$old" --save "$old"
	run 0 fsck "$name" --since "$old" --save "$old"
	cp "/dev/shm/sojourn.$name" "$bad"
	sojourn destroy "$name"
	printf 'x' | dd of="$bad" bs=1 conv=notrunc status=none \
		seek=$(($(stat -c %s "$bad") - 1))
	run 4 fsck "$bad" --since "$copy"
	has "unit.dirty"
	says "no copy of $bad"
	run 4 fsck "$bad" --since "$copy.none"
	has "unit.dirty"
	says "$copy.none"
	run 4 fsck "$bad" --since "$old" --save "$work/none/words"
	says "is corrupt" "cannot save"
	# A byte that is to be zero does not make another segment of it.
	printf 'x' | dd of="$bad" bs=1 seek=104 conv=notrunc status=none
	run 4 fsck "$bad" --since "$old" --json
	sums .codes '{"header.reserved":1,"unit.dirty":1}'
}

test_fsck() {
	local name=$prefix-fsck copy=$work/copy at

	section fsck that is clean
	fill "$name"
	run 0 fsck "$name"
	has "^clean$"
	run 0 fsck "$name" --json
	sums '[.result, .corrupt, .repairable, .entries.live, .entries_ended]' \
		'["clean",0,0,8,1]'
	cp "/dev/shm/sojourn.$name" "$copy"
	run 0 fsck "$copy"
	run 0 stat "$copy"
	run 0 dump "$copy"
	equal 9 "$(wc -l <"$out")"

	section fsck that is not
	# The last byte of the file is of a unit that nobody uses.
	at=$(($(stat -c %s "$copy") - 1))
	printf 'x' | dd of="$copy" bs=1 seek=$at conv=notrunc status=none
	run 4 fsck "$copy"
	has "^corrupt +unit.dirty +unit [0-9]+: "
	has "^1 corrupt, 0 repairable$"
	says "is corrupt" "sojourn destroy"
	run 4 fsck "$copy" --json
	equal '["corrupt","unit.dirty"]' \
		"$(head -n 1 "$out" | jq -c '[.severity, .code]')"
	sums .codes '{"unit.dirty":1}'
	# And the same in a segment in use.
	printf 'x' | dd of="/dev/shm/sojourn.$name" bs=1 seek=$at conv=notrunc \
		status=none
	run 4 fsck "$name"
	has "unit.dirty"
	printf '\0' | dd of="/dev/shm/sojourn.$name" bs=1 seek=$at \
		conv=notrunc status=none
	run 0 fsck "$name"
	section fsck since an earlier one
	run 0 fsck "$name" --save "$copy.words"
	equal 600 "$(stat -c %a "$copy.words")"
	run 0 fsck "$name" --since "$copy.words" --save "$copy.words"
	run 0 fsck "$name" --since "$copy"
	# The epoch is the word at 192; a byte of it that was 0 then.
	printf '\377' | dd of="$copy.words" bs=1 seek=198 conv=notrunc \
		status=none
	run 4 fsck "$name" --since "$copy.words" --json
	sums .codes '{"since.epoch":1}'
	run 0 fsck "$name" --json
	sums '[.sums.made >= .sums.made_counted, .sums.made_counted > 0]' \
		'[true,true]'
	run 66 fsck "$name" --since "$copy.none"
	run 73 fsck "$name" --save "$work/none/words"
	says "$work/none/words: cannot save"
	test_fsck_of_another "$name-2" "$copy"
	run 64 fsck
	run 64 fsck "$name" more
	run 66 fsck "$name-no"
}

# advises OFFSET WORD: the byte there is another; fsck says that, and not that
# making it anew would help.
advises() {
	cp "$work/damaged" "$work/foreign"
	printf '\377' | dd of="$work/foreign" bs=1 seek="$1" conv=notrunc \
		status=none
	run 4 fsck "$work/foreign"
	says "$2"
	checks=$((checks + 1))
	! grep -q "destroy" "$err" || fail "to be destroyed: $(cat "$err")"
}

test_foreign() {
	local name=$prefix-foreign

	section segments of another kind
	fill "$name"
	cp "/dev/shm/sojourn.$name" "$work/damaged"
	advises 0 "no segment"
	advises 8 "another version"
	advises 12 "another version"
	advises 83 "another version"
}

# What is no segment: fsck says so, the others refuse, and none of them hangs.
test_damage() {
	local file=$work/damaged name=$prefix-damage bytes
	local head=9152 # sizeof(struct soj_shm_header)
	local names=960 # offset of its collection[0].name

	section images that are none
	fill "$name"
	bytes=$(stat -c %s "/dev/shm/sojourn.$name")
	: >"$file"
	code 4 fsck "$file"
	has "header.short"
	code 65 stat "$file"
	code 65 dump "$file"
	head -c $((head - 1)) "/dev/shm/sojourn.$name" >"$file"
	code 4 fsck "$file"
	has "header.short"
	head -c $((head + 100)) "/dev/shm/sojourn.$name" >"$file"
	code 4 fsck "$file"
	has "header.size"
	head -c "$bytes" /dev/zero >"$file"
	code 4 fsck "$file"
	has "header.magic"
	code 76 stat "$file"
	tr '\0' '\377' <"$file" >"$file.ones"
	code 4 fsck "$file.ones"
	head -c "$bytes" /dev/urandom >"$file"
	code 4 fsck "$file"
	# Random behind a head that is believed.
	head -c $head "/dev/shm/sojourn.$name" |
		dd of="$file" conv=notrunc status=none
	code 4 fsck "$file"
	has "^corrupt .* and [0-9]+ more like it$"
	code 4 fsck "$file" --json
	checks=$((checks + 1))
	jq -c . "$out" >/dev/null || fail "fsck --json is no JSON"
	code 0 stat "$file"
	code 0 stat "$file" --json
	code 0 dump "$file"
	says "left out"
	# Another name of the first collection, which lives for no time: nothing
	# of it gets to a terminal.
	cp "/dev/shm/sojourn.$name" "$file"
	printf '\033]0;x\007\0\0' | dd of="$file" bs=1 seek=$names conv=notrunc \
		status=none
	printf '\0\0\0\0\0\0\0\0' | dd of="$file" bs=1 \
		seek=$((names + 32)) conv=notrunc status=none
	code 65 stat "$file"
	says "collection 0"
	equal "" "$(tr -d '[:print:]\n' <"$err")"
	code 4 fsck "$file"
	equal "" "$(tr -d '[:print:]\n' <"$out")"
	code 66 fsck "$work"
	code 66 stat "$work"
	code 66 fsck /dev/null
	code 66 fsck "$work/no-such-file"
	mkfifo "$work/fifo"
	code 66 fsck "$work/fifo"
	code 66 fsck ""
}

test_hands_off() {
	local name=$prefix-hands before

	section nothing is changed, no key is needed
	fill "$name"
	before=$(sha256sum <"/dev/shm/sojourn.$name")
	mv "$XDG_STATE_HOME" "$work/elsewhere"
	run 0 stat "$name"
	run 0 stat "$name" --json
	run 0 dump "$name" --reveal
	run 0 fsck "$name"
	mv "$work/elsewhere" "$XDG_STATE_HOME"
	equal "$before" "$(sha256sum <"/dev/shm/sojourn.$name")"
	checks=$((checks + 1))
	chmod 400 "/dev/shm/sojourn.$name"
	run 0 fsck "$name"
	chmod 600 "/dev/shm/sojourn.$name"
}

has_children() {
	pgrep -P "$1" >/dev/null
}

clean() {
	sojourn fsck "$1" >"$out" 2>"$err"
}

# Two workers and their master, killed while they work.
test_killed() {
	local name=$prefix-killed pid workers

	section fsck after kills
	run 0 create "$name" --entries 2000 --bytes 16MiB --helper none
	"$bin/sojourn" bench "$name" --workers 2 --entries 1000 --mix 1:1 \
		--seconds 86400 >/dev/null 2>&1 &
	pid=$!
	until_true has_children $pid
	until_true updated "$name"
	for _ in 1 2 3 4 5; do
		code 0 stat "$name" --json
		sojourn fsck "$name" >"$out" 2>&1
		[ $? -ne 4 ] || fail "corrupt: $(cat "$out")"
		checks=$((checks + 1))
	done
	workers=$(pgrep -P $pid)
	# shellcheck disable=SC2086 # several numbers
	kill -KILL $pid $workers
	wait $pid 2>/dev/null
	code 1 fsck "$name"
	has "^repairable slot.dead +slot [0-9]+: "
	has "^0 corrupt, [1-9]"
	says "sojournd"
	run 0 stat "$name" --json
	json '.threads.dead > 0' true

	section and after the helper
	"$bin/sojournd" "$name" --foreground >/dev/null 2>&1 &
	pid=$!
	until_true clean "$name"
	run 0 stat "$name" --json
	json '[.threads.dead, .helper.alive, .helper.pid]' "[0,true,$pid]"
	json '.counters.repaired > 0' true
	kill $pid
	wait $pid
	run 0 fsck "$name"
}

test_manuals() {
	local page

	section manuals
	command -v mandoc >/dev/null || return
	for page in stat dump fsck; do
		checks=$((checks + 1))
		mandoc -T lint -W warning "$src/tools/sojourn-$page.1" ||
			fail "sojourn-$page.1"
		run 0 $page --help
		has "^Usage: sojourn $page "
	done
}

test_stat
test_top
test_dump
test_fsck
test_damage
test_foreign
test_hands_off
test_killed
test_manuals
finish
