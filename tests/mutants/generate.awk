# SPDX-License-Identifier: MIT
#
# Small changes of C sources, so many of all that there are, the same ones for
# the same seed:
#
#	awk -v count=N -v seed=S -f tests/lint/code.awk -f generate.awk FILE...
#
# Prints rows as those of the tables, without who must find them: a comparison
# flipped, a bound moved by one, a condition turned round, an "and" made an "or",
# an answer the other one, a call left out. Names are "FILE FUNCTION: CHANGE: TEXT",
# without numbers of lines: a list of them outlives changes elsewhere.

function add(what, edit,    text) {
	text = $0
	gsub(/^[ \t]+|[ \t]*\/\*.*$/, "", text)
	text = FILENAME " " func_name ": " what ": " text
	# The second such line of the function, and so on.
	if (++met[text] > 1)
		text = text " #" met[text]
	row[rows++] = "mutant " text "\n" \
		"kind generated\nwhy one of many\nfile " FILENAME "\n" \
		"edit " FNR edit "\nby some\n"
}

# The first of each operator in the line.
function flip(from, to) {
	if (index(line, " " from " "))
		add(from " becomes " to, "s/ " pattern(from) " / " \
			replacement(to) " /")
}

function pattern(text) {
	gsub(/[*.]/, "\\\\&", text)
	return text
}

function replacement(text) {
	gsub(/&/, "\\\\\\&", text)
	return text
}

FNR == 1 {
	reset_code()
	func_name = ""
}
{ line = code($0) }
/^[a-z].*\(/ {
	func_name = line
	sub(/\(.*/, "", func_name)
	sub(/.*[ *]/, "", func_name)
}
# Bodies only; and nothing that counts, orders, wipes, fetches ahead, labels or
# checks itself: other rows are about that.
!/^\t/ || line !~ /[a-z]/ || /\\$/ { next }
line ~ /["#]|assert|SOJ_(STEP|PLANT)|soj_(count|fence)|wipe|[Pp]refetch/ { next }
{
	flip("<", "<=")
	flip(">", ">=")
	flip("<=", "<")
	flip(">=", ">")
	flip("==", "!=")
	flip("!=", "==")
	flip("&&", "||")
	flip("||", "&&")
	flip("+ 1", "+ 2")
	flip("- 1", "- 2")
}
line ~ /^\t+(if|while) \(!/ { add("is turned round", "s/ (!/ (!!/") }
line ~ /^\t+return true;/ { add("answers no", "s/return true/return false/") }
line ~ /^\t+return false;/ { add("answers yes", "s/return false/return true/") }
line ~ /^\t+soj_[a-z_]+\(.*\);[ \t]*$/ { add("is left out", "s/soj_.*/;/") }

# From 0 on, below n; rand() differs from awk to awk.
function draw(n) {
	random = random * 16807 % 2147483647
	return random % n
}

END {
	random = seed % 2147483646 + 1
	draw(1)
	draw(1)
	for (i = 0; i < count && i < rows; i++) {
		at = i + draw(rows - i)
		print row[at]
		row[at] = row[i]
	}
}
