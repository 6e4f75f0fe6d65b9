# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# The keepers of bench/compare: a process for each system that has its store
# loaded and does what it is told by a line (bench/peers/driver.c), and the
# servers that some of them talk to.
#
#   running   systems that are loaded and work
#
# One that does not answer within two minutes, ends, or finds a wrong value goes
# to failed-PART.tsv with the reason; the others go on.

# Of bench/compare.
: "${bin:=}" "${out:=}" "${part:=}" "${systems:=}" "${run_ms:=}"

declare -A keeper_in keeper_out keeper_pid
declare -a running server_pids

keepers_begin() {
	private=$(mktemp -d /dev/shm/sojourn-bench.XXXXXX) || exit 1
	running=()
	server_pids=()
}

keepers_end() {
	keepers_stop
	rm -rf "$private"
}

# failed SYSTEM WHAT TEXT
failed() {
	printf '%s\t%s\t%s\n' "$1" "$2" "$3" | tee -a "$out/failed-$part.tsv" >&2
}

# systems_wanted: all that there are, or those named, one a line
systems_wanted() {
	local all

	all=$("$bin/bench_peers" --list | cut -f 1)
	if php -r 'exit(extension_loaded("apcu") ? 0 : 1);' 2>/dev/null; then
		all+=$'\n'apcu
	fi
	if [ -n "$systems" ]; then
		tr ',' '\n' <<<"$systems"
	else
		echo "$all"
	fi
}

# What runs the keeper of a system.
keeper_command() {
	local system=$1 sessions=$2 bytes=$3

	command_line=("$bin/bench_peers" "$system" "$sessions" "$bytes" "$private")
	[ "$system" = apcu ] || return 0
	"$bin/bench_peers" --stream "$private/stream" "$sessions"
	command_line=(php -d apc.enable_cli=1 -d apc.ttl=0
		-d "apc.shm_size=$(((bytes + 400) * sessions / 700000 + 64))M"
		-d "apc.entries_hint=$sessions"
		bench/peers/apcu.php "$sessions" "$bytes" "$private/stream")
}

# others_close: streams of other keepers, inherited, would keep a pipe open
others_close() {
	local fd

	for fd in "${keeper_in[@]}" "${keeper_out[@]}"; do
		exec {fd}>&-
	done
}

# listening SOCKET: a server does; a file of that name may be one that is gone, or
# one that is not so far
listening() {
	awk -v socket="$1" '$4 == "00010000" && $8 == socket { found = 1 }
		END { exit !found }' /proc/net/unix
}

# server_start SYSTEM SESSIONS BYTES: the server that it talks to, if any, ready
server_start() {
	local system=$1 sessions=$2 bytes=$3 tries

	case $system in
	redis)
		(
			others_close
			exec redis-server --port 0 --dir "$private" --save '' \
				--unixsocket "$private/redis.sock" --appendonly no
		) >"$private/redis.log" 2>&1 &
		;;
	memcached)
		(
			others_close
			exec memcached -s "$private/memcached.sock" -a 0700 -M -c 512 \
				-u "$(id -un)" \
				-m $(((bytes + 200) * sessions / 500000 + 128))
		) >"$private/memcached.log" 2>&1 &
		;;
	*) return 0 ;;
	esac
	server_pids+=($!)
	echo $! >"$private/$system.pid"
	for ((tries = 0; tries < 200; tries++)); do
		! listening "$private/$system.sock" || return 0
		read -r -t 0.05 <> <(:)
	done
	failed "$system" server "$(tail -n 1 "$private/$system.log")"
	return 1
}

# keeper_start SYSTEM SESSIONS BYTES: in the background; it says when it is ready
keeper_start() {
	local system=$1 in=$private/$1.in out_fifo=$private/$1.out fd

	keeper_command "$@"
	rm -f "$in" "$out_fifo"
	mkfifo "$in" "$out_fifo" || return 1
	(
		others_close
		exec "${command_line[@]}" <"$in" >"$out_fifo" 2>"$private/$system.err"
	) &
	keeper_pid[$system]=$!
	exec {fd}>"$in"
	keeper_in[$system]=$fd
	exec {fd}<"$out_fifo"
	keeper_out[$system]=$fd
}

# last_words SYSTEM: the last that it said of errors; paths as in this tree
last_words() {
	tail -n 1 "$private/$1.err" | tr '\t' ' ' | sed "s,$PWD/,,g"
}

# keeper_answer SYSTEM WHAT: a line into `answer`
keeper_answer() {
	local system=$1

	if read -r -t 120 -u "${keeper_out[$system]}" answer; then
		return 0
	fi
	failed "$system" "$2" "$(last_words "$system" | grep . || echo 'no answer')"
	keeper_drop "$system"
	return 1
}

# keeper_ask SYSTEM COMMAND
keeper_ask() {
	echo "$2" >&"${keeper_in[$1]}"
	keeper_answer "$1" "$2"
}

# keeper_drop SYSTEM: ends it
keeper_drop() {
	local system=$1 fd other left=()

	fd=${keeper_in[$system]:-}
	[ -n "$fd" ] || return 0
	exec {fd}>&-
	fd=${keeper_out[$system]}
	exec {fd}<&-
	# The end of its input is its order to end.
	timeout 20 tail --pid="${keeper_pid[$system]}" -f /dev/null ||
		kill -KILL "${keeper_pid[$system]}" 2>/dev/null
	wait "${keeper_pid[$system]}" 2>/dev/null
	unset "keeper_in[$system]" "keeper_out[$system]" "keeper_pid[$system]"
	for other in "${running[@]}"; do
		[ "$other" = "$system" ] || left+=("$other")
	done
	running=("${left[@]}")
}

# keepers_start SESSIONS:BYTES: all wanted systems, filled
keepers_start() {
	local sessions=${1%:*} bytes=${1#*:} system line

	mapfile -t running < <(systems_wanted)
	for system in "${running[@]}"; do
		server_start "$system" "$sessions" "$bytes" || true
		keeper_start "$system" "$sessions" "$bytes"
	done
	for system in "${running[@]}"; do
		keeper_answer "$system" "load of $sessions times $bytes bytes" ||
			continue
		read -ra line <<<"$answer"
		printf '%s\t%s\t%s\t%s\t%s\n' "$system" "$sessions" "$bytes" \
			"${line[3]}" "${line[2]}" >>"$out/${memory:-memory.tsv}"
	done
}

keepers_stop() {
	local system pid

	for system in "${!keeper_in[@]}"; do
		keeper_drop "$system"
	done
	for pid in "${server_pids[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	server_pids=()
	running=()
}

# keeper_run SYSTEM SESSIONS:BYTES ROUND MIX: a line of results.tsv.  MIX is
# NAME:DISTRIBUTION:WORKERS, where the name may have a colon.
keeper_run() {
	local system=$1 load=$2 round=$3 mix=$4 name dist workers
	local -a f

	workers=${mix##*:}
	name=${mix%:*}
	dist=${name##*:}
	name=${name%:*}
	keeper_ask "$system" "run $name $dist $workers $run_ms" || return
	read -ra f <<<"$answer"
	[ "${f[0]}" != none ] || return
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$round" "$system" \
		"${load%:*}" "${load#*:}" "$name" "$dist" "$workers" \
		"${answer#*$'\t'}" >>"$out/${results:-results.tsv}"
	if [ "${f[8]}" != 0 ] || [ "${f[9]}" != 0 ] || [ "${f[10]}" != 0 ]; then
		failed "$system" "$mix" \
			"${f[8]} wrong, ${f[9]} missing, ${f[10]} errors $(last_words \
				"$system")"
	fi
}
