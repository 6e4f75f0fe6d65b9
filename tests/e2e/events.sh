#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# C3 for operators: `sojourn events`, and the audit log of sojournd.
#
# shellcheck source=tests/e2e/lib_cli.sh
. "$(dirname "$0")/lib_cli.sh"

# lines FILTER WANTED: of the lines that were printed last, as one array.
lines() {
	equal "$2" "$(jq -sc "$1" <"$out")"
}

# login NAME SUBJECT: sets id.
login() {
	id=$(echo hello | sojourn new "$1" --subject "$2" --data -)
}

section "who did what"
web=$prefix-web
create "$web"
login "$web" anna
run 0 renew "$web" "$id"
run 0 rm "$web" --subject anna
run 0 events "$web" --json
lines 'map(.type)' '["created","renewed","ended"]'
lines 'map(.seq)' '[1,2,3]'
lines '.[2].reason' '"subject"'
lines '.[2].source' '"delete_subject"'
lines '.[1].before == .[0].handle and .[2].handle == .[1].handle' true
lines 'map(.subject_digest) | unique | length' 1
lines 'map(.pid) | unique | length' 3
run 0 events "$web" --json --since 3
lines 'map(.seq)' '[3]'
run 0 events "$web" --json --since 4
lines 'length' 0
run 0 events "$web"
equal 3 "$(grep -cE '^[1-3] +20[0-9-]+ [0-9:.]+ ' "$out")"
cp "/dev/shm/sojourn.$web" "$work/image"
run 0 events "$work/image" --json --follow
lines 'length' 3
run 64 events "$web" --since 0
says "--since"

section "of a copy whose next number is damaged"
# next BYTES: at 896 in the header; what is shown then, ten thousand lines of it.
next() {
	printf '%b' "$1" | dd of="$work/image" bs=1 seek=896 conv=notrunc \
		status=none
	sojourn events "$work/image" --since 1 2>"$err" | head -n 10000 >"$out"
}
next '\0\0\0\0\x40\0\0\0' # 2^38: the last there can be
equal 3 "$(grep -cE '^[1-3] +20' "$out")"
equal yes "$([ "$(wc -l <"$out")" -le 5000 ] && echo yes)"
next '\xff\xff\xff\xff\xff\xff\xff\xff'
equal 3 "$(wc -l <"$out")"

run 66 events "$prefix-none"

section "to the newest of its beginning"
busy=$prefix-busy
create "$busy" --update-events
run 0 bench "$busy" --workers 1 --entries 50 --mix 1:1 --seconds 1
run 0 events "$busy" --json
newest=$(tail -n 1 "$out" | jq .seq)
# More than its pipe holds, so that it has not come to the end by then.
equal yes "$([ "$(wc -c <"$out")" -gt 262144 ] && echo yes)"
mkfifo "$work/events"
"$bin/sojourn" events "$busy" --json >"$work/events" &
reader=$!
exec 7<"$work/events"
read -r _ <&7
login "$busy" late
cat <&7 >"$out"
exec 7<&-
wait $reader
equal 0 $?
equal "$newest" "$(tail -n 1 "$out" | jq .seq)"
run 0 events "$busy" --json --since $((newest + 1))
lines 'map(.type)' '["created"]'

section "none, and of updates"
quiet=$prefix-quiet
create "$quiet" --events 0
run 64 events "$quiet"
says "keeps no events"
run 64 create "$quiet-2" --entries 200 --bytes 16MiB --events 65
says "--events"
loud=$prefix-loud
create "$loud" --events 64 --update-events
login "$loud" anna
echo again | run 0 set "$loud" "$id" --data -
run 0 events "$loud" --json
lines 'map(.type)' '["created","updated"]'
lines '.[1].detail' 2

section "follow, and what is missed"
sojourn events "$web" --json --follow >"$work/followed" &
follower=$!
login "$web" bert
until_true grep -q '"seq":4' "$work/followed"
run 0 bench "$web" --workers 1 --entries 50 --seconds 1
run 0 destroy "$web"
wait $follower
equal 0 $?

section "audit"
run 0 create "$web" --entries 200 --bytes 16MiB --helper none
log=$work/audit.log

# audited: starts a helper; sets helper.
audited() {
	"$bin/sojournd" --foreground --audit "$log" "$web" &
	helper=$!
}

has_line() {
	grep -qs "\"seq\":$1," "$log"
}

login "$web" anna
audited
until_true has_line 1
run 0 rm "$web" "$id"
until_true has_line 2
equal 600 "$(stat -c %a "$log")"

# Moved away: the next lines are in a new file.
mv "$log" "$log.1"
kill -HUP $helper
until_true [ -s "$log" ]
login "$web" anna
until_true has_line 3
equal '["continued","created"]' "$(jq -sc 'map(.type)' "$log")"
equal '["created","ended"]' "$(jq -sc 'map(.type)' "$log.1")"

# Killed in the middle of a line; the next one goes on.
kill -KILL $helper
wait $helper 2>/dev/null
printf '{"segment":"' >>"$log"
run 0 rm "$web" "$id"
audited
until_true has_line 4
kill $helper
wait $helper
equal 0 $?
equal '[2,3,4]' "$(grep '}$' "$log" | jq -sc 'map(.seq)')"

# Two of them: one writes.
audited
first=$helper
audited
login "$web" carl
until_true has_line 5
kill -KILL $first
wait $first 2>/dev/null
run 0 rm "$web" "$id"
until_true has_line 6
kill $helper
wait $helper
equal '[2,3,4,5,6]' "$(grep '}$' "$log" | jq -sc 'map(.seq)')"

# Another segment of that name begins anew.
run 0 destroy "$web"
run 0 create "$web" --entries 200 --bytes 16MiB --helper none
login "$web" dora
audited
until_true eval "tail -n 1 '$log' | grep -q '\"seq\":1,'"
kill $helper
wait $helper
"$bin/sojournd" --foreground --audit "$work/none/x" "$web" 2>"$err"
equal 73 $?
says "--audit"
run 0 destroy "$web"

finish
