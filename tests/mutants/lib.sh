# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What tests/mutants/run does to one mutant.
#
# A table has one block of lines for each, with an empty line between:
#	mutant NAME       what is wrong with it
#	kind KIND         order cas recovery bound version generation wipe
#	                  deadline claim rule
#	why TEXT          what comes of it
#	file PATH         the source file that is changed, or
#	into PATH         of a header: the source file that sees it changed
#	plant BUG         what base/fault.h plants instead
#	edge TAG          of an order: the edge's tag in the file
#	in FUNCTION       where in the file; without it anywhere
#	edit SED          a command of sed; several are done one after the other
#	by TEST ARG...    the suite that must find it: an executable of the build
#	says REGEX        what it must print then (default: $says_default)
#	ends STATUS       it ends so, and prints nothing: 124 it hangs (by what
#	                  the mutant is), 134 an assertion, 139 a bad address
#	slow              not for --quick
# soj_blind_store(p, expected, v) is a CAS that does not compare, soj_cas_relaxed()
# one without an order.

says_default='FAILED|VIOLATION'
seconds_max=300
tables_dir=$(dirname "${BASH_SOURCE[0]}")
blind='(p,e,v)=((void)(e),soj_store_release((p),(v)),1)'
relaxed='(p,e,v)=(SOJ_POINT((p),SOJ_POINT_RMW),'
relaxed+='atomic_compare_exchange_strong_explicit((p),(e),(v),'
relaxed+='memory_order_relaxed,memory_order_relaxed))'

# Of each kind, and weakened orders, with --quick.
per_kind=2
orders_some=12

work=""  # a folder of its own
mode=quick
wanted=() # parts of names
blocks=()
chosen=()
sites=()
seed=0

# read_tables FILE...: blocks, each a text; none without what it needs.
read_tables() {
	local block bad=0 key

	while IFS= read -r -d '' block; do
		[ -n "$block" ] || continue
		for key in mutant kind why by; do
			[[ $'\n'$block =~ $'\n'$key" " ]] && continue
			echo "a mutant without \"$key\": ${block%%$'\n'*}" >&2
			bad=1
		done
		blocks+=("$block")
	done < <(awk '/^#/ { next } { print }' "$@" |
		awk -v RS= -v ORS='\0' '{ print }')
	[ $bad -eq 0 ]
}

# Bugs of base/fault.h that no row plants.
plants_without_row() {
	local plant

	while read -r plant; do
		grep -qE "^(# )?plant $plant(:|$)" "$@" || echo "$plant"
	done < <(sed -n 's/^\tX(\([A-Z_]*\),.*/\1/p' \
		"$SOJOURN_SRC/src/base/fault.h")
}

# load_mutant NUMBER: name, kind, file, plant, by, says, ends, slow, edits.
load_mutant() {
	local key value function=""

	# shellcheck disable=SC2034 # plant, ends and says are for run
	name='' kind='' file='' into='' plant='' by='' ends='' slow=0 edits=''
	edge=''
	# shellcheck disable=SC2034
	says=$says_default
	while read -r key value; do
		case $key in
		mutant) name=$value ;;
		kind | file | into | edge | plant | by | says | ends)
			printf -v "$key" %s "$value"
			;;
		in) function=$value ;;
		slow) slow=1 ;;
		edit)
			# The body of one function: from its head to a "}".
			[ -z "$function" ] ||
				value="/^\([a-z].*[ *]\)\?$function(/,/^}/ {"$'\n'"$value"$'\n'"}"
			edits+=$value$'\n'
			;;
		why) ;;
		*)
			echo "no such line in a table: $key $value" >&2
			exit 1
			;;
		esac
	done <<<"${blocks[$1]}"
}

# every ordered operation: FILE:LINE:TEXT
ordered_operations() {
	local order='load_acquire|store_release|fence_[a-z_]+'

	order+='|(cas|xchg|or|and|add)_acq_rel'
	(cd "$SOJOURN_SRC" && grep -rnE "soj_($order)[[:space:]]*\(" src \
		--include='*.c' --include='*.h') |
		grep -v '^src/base/atomic.h:' | LC_ALL=C sort
}

# weaken FILE LINE: in the copy of the sources.  Loads and stores become
# relaxed, fences nothing, read-modify-writes a plain store.
weaken() {
	sed -i -E "$2"' {
		s/soj_load_acquire\(/soj_load_relaxed(/
		t
		s/soj_store_release\(/soj_store_relaxed(/
		t
		s/soj_fence_[a-z_]+\(/(void)(/
		t
		s/soj_(cas|xchg|or|and|add)_acq_rel\(/soj_store_release(/
	}' "$work/orders/$1"
	! cmp -s "$SOJOURN_SRC/$1" "$work/orders/$1"
}

# rotate COUNT FROM: COUNT of the lines on the input, from line FROM on.
rotate() {
	awk -v count="$1" -v from="$2" '{ line[NR] = $0 }
		END {
			for (i = 0; i < count && i < NR; i++)
				print line[(from + i) % NR + 1]
		}'
}

# chosen: numbers of blocks.  A sample of each kind goes on through the table
# from commit to commit.
select_mutants() {
	local i one all=()
	local -A of_kind=()

	seed=$(git -C "$SOJOURN_SRC" rev-parse HEAD 2>/dev/null |
		cut -c 1-6)
	seed=$((16#${seed:-0}))
	for ((i = 0; i < ${#blocks[@]}; i++)); do
		load_mutant "$i"
		name_matches "$name" || continue
		all+=("$i")
		[ "$slow" -eq 1 ] || of_kind[$kind]+=$i$'\n'
	done
	if [ "$mode" = full ] || [ ${#wanted[@]} -gt 0 ]; then
		chosen=("${all[@]}")
	else
		for one in $(printf '%s\n' "${!of_kind[@]}" | LC_ALL=C sort); do
			mapfile -t all < <(printf %s "${of_kind[$one]}" |
				rotate "$per_kind" "$seed")
			chosen+=("${all[@]}")
		done
	fi
	if [ ${#wanted[@]} -eq 0 ]; then
		mapfile -t sites < <(ordered_operations)
		[ "$mode" = full ] || mapfile -t sites < <(
			printf '%s\n' "${sites[@]}" | awk -v n="$orders_some" \
				-v seed="$seed" '{ line[NR] = $0 } END {
				for (i = 0; i < n; i++)
					print line[(seed + i * int(NR / n)) % NR + 1]
			}')
	fi
}

# Generated mutants (generate.awk): each must be found by some suite, whatever it
# says then.  Those that none can find, as nothing that is promised changes, are in
# survivors.list, with the reason.  One whose code is the same is none.

# Who may find one of that file, one a line: those who find most first, and those
# who take long not at all.
suites_of() {
	local most='test_session test_store sem_sessions sem_s15_items sem_read'
	local long='jose|fsck_(fuzz|slab|meta)|helper|sojournd|wheel|day|races|many'

	long+='|s11_cap|digest|segment_faults|j1_pairs|spawn|token_memory|args'
	case $1 in
	src/rcu/*) most='test_rcu crash_slots crash_late explore_late' ;;
	src/store/event*) most='test_event test_event_numbers sem_c3_events' ;;
	src/store/cap*) most='test_session sem_s11_cap' ;;
	src/store/*) most="test_store $most" ;;
	src/session/cookie*) most='test_cookie test_cookie_find' ;;
	src/session/list*) most='sem_s9_walks sem_s10_many test_scarce' ;;
	src/session/glob*) most=sem_c6_wildcards ;;
	src/session/spawn*) most='test_spawn test_helper' ;;
	src/session/json*) most='test_json sem_s16_validators' ;;
	esac
	{
		tr ' ' '\n' <<<"$most"
		(cd "$SOJOURN_SRC/tests" && ls unit/test_*.c semantics/sem_*.c) |
			sed 's,.*/,,; s,\.c$,,' | grep -vE "$long"
		printf '%s\n' crash_late crash_found crash_found_line \
			crash_found_image crash_slots crash_second crash_sealed \
			explore_late explore_late_calls explore_late_rules \
			'crash_points --op 1' 'crash_points --op 20' \
			'crash_points --op 25' 'crash_points --op 27' \
			'explore_schedules --weak create create' \
			'explore_schedules --weak renew delete' \
			'explore_schedules --weak update upkeep'
	} | awk '!seen[$0]++'
}

# generate_table COUNT SEED: as a table
generate_table() {
	(cd "$SOJOURN_SRC" && awk -v count="$1" -v seed="$2" \
		-f tests/lint/code.awk -f tests/mutants/generate.awk \
		src/rcu/*.c src/store/*.c src/session/*.c)
}

# is_survivor NAME: is it one of those that nobody can find?
is_survivor() {
	grep -qxF -e "$1" "$tables_dir/survivors.list"
}

# What the chosen ones are run with.
build_suites() {
	local i targets=()

	for i in "${chosen[@]}"; do
		load_mutant "$i"
		mapfile -t -O "${#targets[@]}" targets < <(
			if [ "$kind" = generated ]; then
				suites_of "$file"
			else
				echo "$by"
			fi | cut -d ' ' -f 1)
	done
	mapfile -t targets < <(printf '%s\n' sojournd sojourn_tool \
		"${targets[@]}" | sort -u)
	cmake --build "$SOJOURN_BUILD" -j "$(nproc)" --target "${targets[@]}" \
		>"$work/log" 2>&1 && return
	tail -n 20 "$work/log"
	return 1
}

# run_suite SETTING "TEST ARG...": its status; what it prints is in the log.
run_suite() {
	local words=() bin=$SOJOURN_BIN

	eval "words=($2)"
	case $1 in
	MUTANT=*) bin=${1#MUTANT=} ;;
	SOJ_PLANT=*) words=(env "$1" "$bin/${words[0]}" "${words[@]:1}") ;;
	esac
	[ "${words[0]}" = env ] || words[0]=$bin/${words[0]}
	(cd "$work" && timeout --kill-after=5 "$seconds_max" "${words[@]}") \
		>"$work/log" 2>&1 </dev/null
}

# The commands that make the suite, one a line; asked for once.
commands_of() {
	local file=$work/$1.commands

	[ -f "$file" ] || ninja -C "$SOJOURN_BUILD" -t commands "$1" >"$file"
	cat "$file"
}

# apply_edits TO: $file with $edits.  False: nothing in it is to be changed.
apply_edits() {
	sed -e "$edits" "$SOJOURN_SRC/$file" >"$1" 2>/dev/null
	! cmp -s "$SOJOURN_SRC/$file" "$1"
}

# all_apply: so that a row is missed when the source changes, not when its turn
# comes.  Which lines are changed is in $work/changed, FILE:LINE each; that of a
# CAS if it is made a store.
all_apply() {
	local i bad=0 but

	for ((i = 0; i < ${#blocks[@]}; i++)); do
		load_mutant "$i"
		[ -n "$file" ] || continue
		if ! apply_edits "$work/edited"; then
			echo "$name: what is to be changed is not in $file any more"
			bad=1
		fi
		but=soj_cas_acq_rel
		[[ $edits != *soj_blind_store* ]] || but='^$'
		diff --unchanged-line-format= --new-line-format= \
			--old-line-format="$file:%dn:%L" \
			"$SOJOURN_SRC/$file" "$work/edited" | grep -v "$but"
	done >"$work/lines"
	grep -v "^[^:]*:[0-9]*:" "$work/lines"
	cut -d: -f 1,2 "$work/lines" | LC_ALL=C sort -u >"$work/changed"
	[ $bad -eq 0 ]
}

# Where every line must be changed by some row: each CAS, and each step to the
# next generation or version.
places='soj_cas_acq_rel\(|_(gen|version)\([a-z_]+\) \+ 1|\<gen \+ 1'

# unlisted: those that no row changes, FILE:LINE:TEXT.
unlisted() {
	(cd "$SOJOURN_SRC" && grep -rnE "$places" src --include='*.c') |
		awk -F: 'NR == FNR { changed[$1 ":" $2] = 1; next }
			!(($1 ":" $2) in changed)' "$work/changed" - |
		LC_ALL=C sort
}

# compile TO FROM: the suite's $compile of another source file
compile() {
	eval "$compile -w '-Dsoj_blind_store$blind' '-Dsoj_cas_relaxed$relaxed' \
		-iquote $overlay -o $1 -c $2"
}

# is_other_code: is what was compiled of $source not that of $file?
is_other_code() {
	local original=$work/original/$variant/$file.o

	if ! [ -f "$original" ]; then
		mkdir -p "$(dirname "$original")"
		mv "$source" "$work/changed.c"
		cp "$SOJOURN_SRC/$file" "$source"
		compile "$original" "$source"
		mv "$work/changed.c" "$source"
	fi
	! cmp -s "$original" "$work/mutant.o"
}

# edges_of: FILE TAG of each ordered operation of what the explorer runs.
edges_of() {
	(cd "$SOJOURN_SRC" && find src/rcu src/store src/upkeep src/session \
		-name '*.[ch]' -exec awk '
		/soj_([a-z]+_acq_rel|load_acquire|store_release|fence_[a-z_]+)\(/ {
			open = 1
		}
		open && match($0, /\/\* [A-Z][0-9]/) {
			print FILENAME, substr($0, RSTART + 3, 2)
			open = 0
		}' {} +) | LC_ALL=C sort -u
}

# unlisted_edges: those that no row leaves out and orders_unseen.list does not have;
# and those that are gone from the sources, or are in both.
unlisted_edges() {
	local i

	for ((i = 0; i < ${#blocks[@]}; i++)); do
		load_mutant "$i"
		[ -z "$edge" ] || echo "$file $edge"
	done | LC_ALL=C sort -u >"$work/edges"
	awk '/^src/ { for (i = 2; i <= NF; i++) print $1, $i }' \
		"$tables_dir/orders_unseen.list" | LC_ALL=C sort >"$work/unseen"
	LC_ALL=C sort -m "$work/edges" "$work/unseen" |
		LC_ALL=C comm -3 - <(edges_of) | sed 's/^\t*//; s/$/: its order/'
}

# make_mutant: $file with $edits, compiled and linked into the suite.
made=""
make_mutant() {
	local test=${by%% *} unit=${into:-$file} overlay=$work/none
	local source object link compile variant

	source=$work/$(basename "$unit")
	if [ -n "$into" ]; then
		# Headers are named from src on.
		overlay=$work/overlay/src
		rm -rf "$overlay"
		mkdir -p "$(dirname "$overlay/${file#src/}")"
		apply_edits "$overlay/${file#src/}"
		cp "$SOJOURN_SRC/$into" "$source"
	else
		apply_edits "$source"
	fi
	link=$(commands_of "$test" | grep -F -- " -o bin/$test " | tail -n 1)
	variant=$(grep -oE 'lib/libsojourn(_faults|_explore)?\.a' <<<"$link" |
		head -n 1 | sed -E 's,lib/lib(.*)\.a,\1,')
	case $unit in
	src/helper/*) object=sojourn_helper${variant#sojourn}.dir ;;
	*) object=${variant}_objects.dir ;;
	esac
	compile=$(commands_of "$test" | grep -F -- "-c $SOJOURN_SRC/$unit" |
		grep -F -- "-o CMakeFiles/$object/" | tail -n 1)
	if [ -z "$link" ] || [ -z "$compile" ]; then
		wrong "$name: $unit is no part of $test"
		return 1
	fi
	# -w: what a mutant leaves unused is no concern here.
	compile=$(sed -E 's,-MD -MT [^ ]+ -MF [^ ]+ ,,; s, -o [^ ]+ -c .*$,,
		s, -Werror , ,; s, -g , ,' <<<"$compile")
	link=$(sed -E "s, -o bin/[^ ]+ , $work/mutant.o -o $work/bin/$test ," \
		<<<"$link")
	if (cd "$SOJOURN_BUILD" && if [ "$made" != "$name, $variant" ]; then
		compile "$work/mutant.o" "$source" &&
			{ [ "$kind" != generated ] || is_other_code; }
	fi && eval "$link") >"$work/log" 2>&1; then
		made="$name, $variant"
		return
	fi
	made=""
	[ "$kind" = generated ] || wrong "$name: does not compile"
	return 1
}
