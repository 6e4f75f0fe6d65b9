#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A lint is trusted because it fails on a planted violation: each gets a small
# clean tree, must pass, gets one violation, and must fail with that complaint.
#
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tree=$tmp/tree
failed=0
count=0
source='#include <string.h>
int sojourn_call(char *v) { char b[9]; strcpy(b, v); return b[1]; }'

# put FILE: standard input, without the margin.
put() {
	sed 's/^|//' >"$tree/$1"
}

# A tree that every lint accepts, with a table of two edges in rcu.c and one
# edge from store.c to it.
clean() {
	rm -rf "$tree"
	mkdir -p "$tree"/{src/{base,rcu,store,helper},include/sojourn,tools} \
		"$tree"/tests/{lint,unit} "$tree"/build/{lib,include}
	cp "$src_root/.clang-format" "$tree/"
	put src/base/atomic.h <<-'C'
		|#ifndef A_H
		|#define A_H
		|#define soj_load_acquire(p) __atomic_load_n(p, 2)
		|#endif
	C
	put src/rcu/rcu.h <<-'C'
		|#ifndef R_H
		|#define R_H
		|#include "base/atomic.h"
		|/* A session may be named in a comment, and a wheel too. */
		|int soj_rcu_enter(int *word);
		|#endif
	C
	put src/rcu/rcu.c <<-'C'
		|/*
		| * Edges
		| *   tag  operation          pairs with   so that
		| *   R0   enter: load        R1           it sees what R1 wrote
		| *   R1   exit: store        R0, store/store.c:S0
		| *                                        this text names R9
		| *
		| *   I1   not an edge
		| */
		|#include "rcu/rcu.h"
		|
		|int soj_rcu_enter(int *word)
		|{
		|	int seen = soj_load_acquire(word); /* R0 */
		|
		|	/* R1: a reason,
		|	 * in two lines. */
		|	soj_store_release(word, seen + 1000 * 1000 * 1000 + seen +
		|					1000 * 1000 * 1000 * 10);
		|	return seen;
		|}
	C
	put src/store/store.c <<-'C'
		|/*
		| *   tag  operation          pairs with
		| *   S0   look: load         rcu.c:R1
		| */
		|#include "rcu/rcu.h"
		|
		|int soj_store_look(int *word)
		|{
		|	if (soj_rcu_enter(word) == 1000 * 1000 * 1000 &&
		|	    soj_load_acquire(word) > 1000) /* S0 */
		|		return 1;
		|	return 0;
		|}
	C
	put src/helper/wheel.c <<-'C'
		|int soj_wheel_ticks;
	C
	put include/sojourn/api.h <<-'C'
		|#ifndef API_H
		|#define API_H
		|#define SOJOURN_API __attribute__((visibility("default")))
		|SOJOURN_API int sojourn_call(int value);
		|#endif
	C
	cat >"$tree/tools/run.sh" <<-'C'
		#!/bin/sh
		echo "$1"
	C
	echo sojourn_call >"$tree/tests/lint/exports.txt"
	put tests/unit/test_wait.c <<-'C'
		|/* usleep(1) is what it does not do; poll() it may, without end. */
		|int test_wait(void)
		|{
		|	return poll(0, 0, -1);
		|}
	C
	library "$source"
}

# library SOURCE [FLAG...]: the build tree of a hardened build.
library() {
	local build=$tree/build

	printf '%s\n' SOJ_HARDEN:BOOL=ON CMAKE_BUILD_TYPE:STRING=Release \
		>"$build/CMakeCache.txt"
	echo "$1" | gcc -c -fPIC -O2 -fstack-protector-all \
		-D_FORTIFY_SOURCE=2 "${@:2}" -x c -o "$build/one.o" -
	rm -f "$build/lib/libsojourn.a"
	ar rc "$build/lib/libsojourn.a" "$build/one.o"
	gcc -shared -Wl,-z,relro,-z,now "${@:2}" \
		-o "$build/lib/libsojourn.so" "$build/one.o"
}

lint() {
	SOJOURN_SRC=$tree SOJOURN_BUILD=$tree/build \
		bash "$lint_dir/$1.sh" >"$tmp/out" 2>&1
}

wrong() {
	echo "selftest: $*"
	sed 's/^/	/' "$tmp/out"
	failed=$((failed + 1))
}

# expect LINT COMPLAINT: what was planted since clean is found.
expect() {
	local status=0

	count=$((count + 1))
	lint "$1" || status=$?
	if [ $status -eq 77 ]; then
		echo "selftest: $1 skipped"
	elif [ $status -eq 0 ]; then
		wrong "$1 passed on a planted violation: $2"
	elif ! grep -qE -e "$2" "$tmp/out"; then
		wrong "$1 failed, but not with: $2"
	fi
	clean
}

add() {
	printf '%s\n' "${@:2}" >>"$tree/$1"
}

edit() {
	sed -i "$2" "$tree/$1"
}

clean
for name in layers edges orders size format words shell sleeps headers \
	exports hardening; do
	status=0
	lint $name || status=$?
	[ $status -eq 0 ] || [ $status -eq 77 ] ||
		wrong "$name fails on the clean tree"
done

add src/rcu/rcu.c '#include "store/store.h"'
expect layers 'rcu includes "store/store.h"'
add src/rcu/rcu.c '#include "rcu.h"'
expect layers 'does not name its layer'
add src/rcu/rcu.c '#include <sojourn/sojourn.h>'
expect layers 'includes <sojourn/sojourn.h>'
add src/store/store.c 'int soj_store_session(void);'
expect layers 'names a session'
add src/store/store.c 'int wheel_slots;'
expect layers 'knows the wheel'
mkdir "$tree/src/bindings"
add src/bindings/x.c '#include "base/atomic.h"'
expect layers 'a binding includes'
mkdir "$tree/src/misc"
add src/misc/x.c 'int x;'
expect layers 'is no layer'

edit src/rcu/rcu.c 's| /[*] R0 [*]/||'
expect edges 'without an edge tag'
edit src/rcu/rcu.c 's|R1: a reason|because|'
expect edges 'without an edge tag'
edit src/rcu/rcu.c 's|/[*] R0 [*]/|/* R2 */|'
expect edges 'R2 is not in the edge table'
edit src/rcu/rcu.c 's|soj_load_acquire(word)|*word|'
expect edges 'edge R0 has no operation'
edit src/store/store.c 's|soj_load_acquire(word)|soj_load_relaxed(word)|'
expect edges 'tag S0 on no ordered operation'
edit src/store/store.c 's|soj_load_acquire(word)|soj_cas_acq_rel(word)|'
expect edges 'edge S0 is no cas'
edit src/rcu/rcu.c 's|R1           it sees|nothing      it sees|'
expect edges 'edge R0 pairs with nothing'
edit src/rcu/rcu.c 's|R1           it sees|R5           it sees|'
expect edges 'no row R5 in this table'
edit src/rcu/rcu.c 's|R0, store/store.c:S0|store/store.c:S0|'
expect edges 'edge R1 does not name R0 back'
edit src/rcu/rcu.c 's|, store/store.c:S0|, S7 (store.c)|'
expect edges 'no row S7 in store.c'
edit src/rcu/rcu.c 's|, store/store.c:S0|, store.c S8|'
expect edges 'no row S8 in store.c'
edit src/store/store.c 's|look: load  |look (rcu.c)|; s|rcu.c:R1|R9|'
expect edges 'no row R9 in rcu.c'
edit src/store/store.c 's|rcu.c:R1|rcu.c:R7|'
expect edges 'no row R7 in rcu.c'
edit src/store/store.c 's|rcu.c:R1|rcu.c:R1, S0|; s|/[*] S0 [*]/||'
expect edges 'without an edge tag'

add src/store/store.c 'int order = memory_order_relaxed;'
expect orders 'memory_order_ outside'
add src/store/store.c 'int x = __atomic_load_n(&order, 0);'
expect orders 'compiler atomics'
add src/store/store.c 'int x = atomic_load(&order);'
expect orders 'C11 atomics'

for ((i = 0; i < 600; i++)); do add src/store/store.c ''; done
expect size 'more than 600 lines'
add src/store/store.c "int x;$(printf '%0101d' 0)"
expect size 'columns'
add src/store/store.c "$(printf '\t\t\t\t\t\t\t\t\t\t\t\t%s' 'int x;')"
expect size '102 columns'
add src/store/store.c '{'
for ((i = 0; i < 70; i++)); do add src/store/store.c '	f();'; done
add src/store/store.c '}'
expect size 'a function of 71 lines'

add src/store/store.c '  int   x;'
expect format 'clang-format'

mark=TO
add tools/run.sh "# ${mark}DO"
expect words 'unfinished'
add src/store/store.c '/* not ''implemented */'
expect words 'unfinished'
dir=ho
add tools/run.sh "ls /${dir}me/someone"
expect words 'one machine'

# shellcheck disable=SC2016 # the script under test expands it
add tools/run.sh 'echo $1'
expect shell 'SC2086'

add tests/unit/test_wait.c 'int test_more(void) { return usleep(20); }'
expect sleeps '^> tests/unit/test_wait.c'
add tests/unit/test_wait.c 'int test_more(void) { return poll(0, 0, 50); }'
expect sleeps '^> tests/unit/test_wait.c'
add tests/unit/test_wait.c 'void test_more(void) { sched_yield(); }'
expect sleeps '^> tests/unit/test_wait.c'
add tests/unit/run.sh 'test -e x || sle''ep 0.1'
expect sleeps '^> tests/unit/run.sh'
echo 'tests/unit/test_wait.c 1 no more' >"$tree/tests/lint/sleeps.txt"
expect sleeps '^< tests/unit/test_wait.c'

add include/sojourn/api.h 'size_t sojourn_size(void);'
expect headers 'sojourn/api.h does not compile alone: gcc'
edit include/sojourn/api.h 's/int value/int class/'
expect headers 'sojourn/api.h does not compile alone: g..'
edit include/sojourn/api.h '/API_H/d'
add include/sojourn/api.h 'struct sojourn_twice { int x; };'
expect headers 'does not compile alone'
add src/rcu/rcu.h 'uint32_t soj_rcu_count(void);'
expect headers 'rcu/rcu.h does not compile alone'

library 'int sojourn_call, sojourn_more;'
expect exports '^\+sojourn_more'
library 'int sojourn_other;'
expect exports '^-sojourn_call'
library 'int sojourn_call, soj_internal;'
expect exports 'without the prefix'
add include/sojourn/api.h 'SOJOURN_API int' 'sojourn_later(void);'
expect exports 'declared in a public header'

library "$source" -Wl,-z,norelro
expect hardening 'no read-only relocations'
library "$source" -Wl,-z,lazy
expect hardening 'bound late'
library "$source" -Wl,-z,execstack
expect hardening 'stack is executable'
library "$source" -fno-stack-protector
expect hardening 'no stack protector'
library "$source" -U_FORTIFY_SOURCE
expect hardening 'no fortified calls'

echo "$count planted violations, $failed not found as such"
[ $failed -eq 0 ]
