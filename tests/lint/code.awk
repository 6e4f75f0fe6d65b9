# SPDX-License-Identifier: MIT
#
# code(line): the line without comments and without what stands in string and
# character literals. State is kept from line to line; reset_code() at the head
# of a file. Works in mawk, which is Debian's awk.

function reset_code() {
	in_comment = 0
}

function code(s,    out, i, c, two, quote, n) {
	out = ""
	quote = ""
	n = length(s)
	for (i = 1; i <= n; i++) {
		c = substr(s, i, 1)
		two = substr(s, i, 2)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				i++
			}
		} else if (quote != "") {
			if (c == "\\") {
				i++
			} else if (c == quote) {
				out = out c
				quote = ""
			}
		} else if (two == "/*") {
			in_comment = 1
			out = out " "
			i++
		} else if (two == "//") {
			break
		} else {
			if (c == "\"" || c == "'")
				quote = c
			out = out c
		}
	}
	return out
}

function report(file, line, text) {
	print file ":" line ": " text
	bad = 1
}

# The part of a path below src/: its first folder, or "" outside src/.
function layer_of(path,    part, n, i) {
	n = split(path, part, "/")
	for (i = 1; i < n - 1; i++)
		if (part[i] == "src")
			return part[i + 1]
	return ""
}
