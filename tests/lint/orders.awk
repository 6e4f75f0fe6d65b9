# SPDX-License-Identifier: MIT
#
# Atomics only through base/atomic.h: there the order is in the operation's name
# and every access is a point where the explorer can switch and the crash tests
# can kill. An operation that goes round it is invisible to both.

FNR == 1 {
	reset_code()
	shipped = FILENAME !~ /(^|\/)tests\//
}

{
	text = code($0)
	if (text ~ /memory_order_/)
		report(FILENAME, FNR, "memory_order_ outside base/atomic.h")
	if (text ~ /__(atomic|sync|c11_atomic)_/)
		report(FILENAME, FNR, "compiler atomics outside base/atomic.h")
	if (shipped && (text ~ op() || text ~ /^#[ \t]*include.*<stdatomic\.h>/))
		report(FILENAME, FNR, "C11 atomics outside base/atomic.h")
}

END { exit bad }

function op() {
	return "(^|[^a-zA-Z0-9_])atomic_(load|store|exchange|fetch|compare|" \
	       "thread_fence|signal_fence)"
}
