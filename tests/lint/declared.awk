# SPDX-License-Identifier: MIT
#
# The names of the functions that are declared with SOJOURN_API.

FNR == 1 {
	reset_code()
	open = 0
}

{ text = code($0) }

text ~ /^[ \t]*#/ { next }

text ~ /(^|[^A-Z_])SOJOURN_API/ {
	open = 1
	all = ""
}

open { all = all " " text }

open && text ~ /;/ {
	if (match(all, /[a-z_0-9]+[ \t]*\(/)) {
		name = substr(all, RSTART, RLENGTH)
		sub(/[ \t]*\($/, "", name)
		print name
	}
	open = 0
}
