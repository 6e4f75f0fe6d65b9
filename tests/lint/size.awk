# SPDX-License-Identifier: MIT
#
# Files up to 600 lines, lines up to 100 columns (80 is the formatter's affair;
# a long string may pass it), functions up to 70 lines between their braces.

FNR == 1 { begin = 0 }

FNR == 601 { report(FILENAME, FNR, "more than 600 lines: is there a seam?") }

{
	columns = width($0)
	if (columns > 100)
		report(FILENAME, FNR, columns " columns")
}

FILENAME ~ /\.[ch]$/ && /^\{/ { begin = FNR }

FILENAME ~ /\.[ch]$/ && /^\}/ {
	if (begin && FNR - begin > 70)
		report(FILENAME, begin, "a function of " FNR - begin " lines")
	begin = 0
}

END { exit bad }

# UTF-8 continuation bytes take no column.
function width(s,    i, n, c, columns) {
	if (s !~ /\t/ && length(s) <= 100)
		return length(s)
	n = length(s)
	columns = 0
	for (i = 1; i <= n; i++) {
		c = substr(s, i, 1)
		if (c == "\t")
			columns += 8 - columns % 8
		else if (c < "\200" || c >= "\300")
			columns++
	}
	return columns
}
