#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A process that handled ids, tokens and keys dies and dumps its core. Neither
# that, nor the segment, nor what the helper, the audit log, the tools and /proc
# show has any of them.
#
# shellcheck source=tests/e2e/lib_cli.sh
. "$(dirname "$0")/lib_cli.sh"

# Where the kernel puts cores is the host's affair: it has to be a plain file
# beside the process.
case $(cat /proc/sys/kernel/core_pattern) in
*/* | \|*)
	echo "skipped: cores do not go to the working folder" >&2
	exit 77
	;;
esac

for program in secrets_victim secrets_find sojournd; do
	[ -x "$bin/$program" ] || cmake --build "${SOJOURN_BUILD:?}" \
		--target $program >"$out" 2>&1 || cat "$out"
done

web=$prefix-web
key=$XDG_STATE_HOME/sojourn/$web.key
[ "$(id -u)" -ne 0 ] || key=/var/lib/sojourn/$web.key
hits=0
searched=0

# look WHERE: what is there besides the list must have nothing of it.
look() {
	local found files=("$1"/*)

	checks=$((checks + 1))
	searched=$((searched + ${#files[@]}))
	if ! "$bin/secrets_find" "$1.list" "${files[@]}" >"$out" 2>"$err"; then
		fail "$(head -n 20 "$out" "$err")"
	fi
	found=$(sed -n 's/.* files, \([0-9]*\) found$/\1/p' "$out")
	hits=$((hits + ${found:-1}))
}

# proc_of PID DIR: what everybody may see of a process.
proc_of() {
	local file

	for file in cmdline environ maps comm stack; do
		cat "/proc/$1/$file" >"$2/$file" 2>/dev/null
	done
	ls -l "/proc/$1/fd" >"$2/fd"
}

# victim PROGRAM DIR: dies, having told DIR.list; its core is in DIR, the
# segment in DIR-segment.
# With a third word, of a segment that seals.
victim() {
	mkdir -p "$2" "$2-segment"
	( # whose stderr has the word that it was killed
		cd "$2" || exit
		"$bin/$1" "$web" "$key" "$2.list" ${3:+"$3"} \
			>"$2/said" 2>&1
		exit $?
	) 2>/dev/null
	equal 134 $?
	mv "$2"/core* "$2/the-core"
	cp "/dev/shm/sojourn.$web" "$2-segment"
	cp "$2.list" "$2-segment.list"
	# As token.h says, libcrypto has what signs wherever malloc() puts it.
	sed -i '/^hmac /d; /^signing-key /d' "$2.list"
	checks=$((checks + 1))
	[ -s "$2/the-core" ] || fail "no core: $(cat "$2/said")"
}

section "core and segment"
run 0 create "$web" --entries 200 --bytes 16MiB --helper none --update-events
"$bin/sojournd" --foreground --audit "$work/audit" "$web" \
	2>"$work/helper-said" &
helper=$!
victim secrets_victim "$work/one"
look "$work/one"
look "$work/one-segment"

section "what is told"
mkdir "$work/told" && cp "$work/one-segment.list" "$work/told.list"
until_true grep -qs ended "$work/audit"
cp "$work/audit" "$work/helper-said" "$work/told"
proc_of $helper "$work/told"
for way in "ls --subject anna" "ls --subject anna --json" "scan" "scan --json" \
	"events" "events --json" "stat" "stat --json" "stat --prometheus" \
	"dump" "dump --json" "dump --reveal" "fsck" "fsck --json"; do
	read -r -a words <<<"$way"
	run 0 "${words[0]}" "$web" "${words[@]:1}"
	cp "$out" "$work/told/${way// /_}"
	[ -s "$out" ] || fail "$way tells nothing"
done
look "$work/told"
kill $helper
wait $helper

section "and it is looked for"
# found BUG WHERE: planted, it is found there.
found() {
	local dir=$work/$1

	SOJ_PLANT=$1 victim secrets_planted "$dir"
	checks=$((checks + 1))
	"$bin/secrets_find" "$dir.list" "$dir$2"/* >"$out" 2>"$err"
	[ $? -eq 1 ] || fail "$1 is not found"
	echo "$1: $(head -n 1 "$out")"
}

if [ -x "$bin/secrets_planted" ]; then
	found SECRET_KEPT ""
	found SECRET_STORED -segment
fi
run 0 destroy "$web"

section "a segment that seals"
for seal in aes256gcm xchacha20; do
	[ $seal = xchacha20 ] || grep -qw aes /proc/cpuinfo || continue
	run 0 create "$web" --entries 200 --bytes 16MiB --helper none \
		--update-events --seal=$seal
	"$bin/sojournd" --foreground --audit "$work/audit-$seal" "$web" \
		2>"$work/helper-$seal" &
	helper=$!
	victim secrets_victim "$work/$seal" sealed
	look "$work/$seal"
	look "$work/$seal-segment"
	mkdir "$work/told-$seal"
	cp "$work/$seal.list" "$work/told-$seal.list"
	until_true grep -qs ended "$work/audit-$seal"
	cp "$work/audit-$seal" "$work/helper-$seal" "$work/told-$seal"
	proc_of $helper "$work/told-$seal"
	for way in events "events --json" stat "stat --json" fsck "fsck --json"; do
		read -r -a words <<<"$way"
		run 0 "${words[0]}" "$web" "${words[@]:1}"
		cp "$out" "$work/told-$seal/${way// /_}"
	done
	look "$work/told-$seal"
	kill $helper
	wait $helper
	run 0 destroy "$web"
done

echo "result secret_files=$searched secret_checks=$checks" \
	"violations=$((failures + hits))"
finish
