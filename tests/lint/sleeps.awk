# SPDX-License-Identifier: MIT
#
# Prints the file's name for each line of code that waits for time, or spins.

FNR == 1 { reset_code() }

{ text = code($0) }

text ~ /(^|[^a-z_])((clock_)?nanosleep|u?sleep|thrd_sleep)[ \t]*\(/ ||
text ~ /(^|[^a-z_])(sched_yield|pthread_yield|thrd_yield|select)[ \t]*\(/ {
	print FILENAME
	next
}

# poll() and the like, unless they wait for ever (-1) or not at all (0).
text ~ /(^|[^a-z_])poll[ \t]*\([^;]*, *[^ ,;]*[1-9A-Z][^,;]*\)/ {
	if ($0 !~ /, -1\)/)
		print FILENAME
}
