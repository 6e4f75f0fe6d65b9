# SPDX-License-Identifier: MIT
#
# Every ordered atomic carries an edge tag, and no tag is lonely.
#
# An edge table stands in a comment at the head of a file, from a line that
# begins with "Edges" or with these columns up to the empty line below its rows,
# columns separated by two or more spaces:
#
#	tag  operation                  pairs with  so that
#	R0   enter: store pinned        A1, A2      ...
#	S1   publish: cas ctl           index.c:L0  ...
#
# A partner in another file is written index.c:L0, index.c L0 or L0 (index.c), or
# the operation ends with (index.c).
# The tag of an operation is on its statement, or opens the comment right above
# it: `/* R0 */`, `/* R0: why */`, `/* R0, A1: why */`.
#
# Checked: each ordered operation has a tag, and each tag in front of or behind
# code an ordered operation, of a kind that its row names (load, store, cas,
# xchg, or, and, add, fence); each tag of an operation is a row;
# each row is used by an operation and has a partner; the partner is a row, and
# names this row back if it is in the same table (one side of an edge may have
# partners in many files). A lone "-" is a partner outside of this program: the
# kernel.

FNR == 1 {
	finish()
	file = FILENAME
	base = file
	sub(/^.*\//, "", base)
	reset_code()
	rows = last = 0
	split("", used)
	split("", taken)
	split("", raw)
	split("", text)
	heading = 0
}

{
	was_comment = in_comment
	raw[FNR] = $0
	text[FNR] = code($0)
	last = FNR
	if (was_comment)
		table_line($0)
	else
		heading = 0
}

END {
	finish()
	check_partners()
	exit bad
}

# Only the column of partners matters; the reason may name any tag.
function table_line(s,    col, n, row) {
	gsub(/\t/, "        ", s)
	if (s ~ /^ *\* +(Edges|tag  +operation)/)
		heading = 1
	else if (heading == 2 && s ~ /^ *\* *$/)
		heading = 0
	if (!heading || s !~ /^ *\* +[A-Z][0-9]+  +[^ ]/)
		return
	sub(/^ *\* +/, "", s)
	n = split(s, col, /  +/)
	row = col[1]
	heading = 2
	if ((file, row) in table)
		report(file, FNR, "edge " row " has two rows")
	# An operation that fills its column leaves one space.
	if (n == 2 || col[3] !~ /(^|[ :])[A-Z][0-9]+([ ,]|$)/)
		if (match(col[2], /( [^ ]*[A-Z][0-9]+,?)+$/))
			col[3] = substr(col[2], RSTART)
	table[file, row] = partners(col[3], col[2])
	operation[file, row] = col[2]
	sub(/\([a-z0-9_\/]+\.[ch]\)$/, "", operation[file, row])
	place[file, row] = FNR
	owner[base, row] = owner[layer_of(file) "/" base, row] = file
	order[++total] = file SUBSEP row
	rowname[++rows] = row
}

# "L0, file.c:L1" from any of the ways to write it, separated by a space.
function partners(s, operation,    home, part, n, k, out) {
	home = ""
	if (match(operation, /\([a-z0-9_\/]+\.[ch]\)$/))
		home = substr(operation, RSTART + 1, RLENGTH - 2) ":"
	if (s ~ /^ *- *$/)
		return "-"
	gsub(/[ ,]+/, " ", s)
	out = ""
	n = split(s, part, " ")
	for (k = 1; k <= n; k++) {
		if (part[k] ~ /^[a-z0-9_\/]+\.[ch]:?$/ && \
		    part[k + 1] ~ /^[A-Z][0-9]+$/) {
			sub(/:$/, "", part[k])
			part[k + 1] = part[k] ":" part[k + 1]
			continue
		}
		if (part[k + 1] ~ /^\([a-z0-9_\/]+\.[ch]\)$/) {
			part[k] = substr(part[k + 1], 2, \
					 length(part[k + 1]) - 2) ":" part[k]
			k++
			out = out " " part[k - 1]
		} else if (part[k] ~ /^[A-Z][0-9]+$/) {
			out = out " " home part[k]
		} else if (part[k] ~ /:[A-Z][0-9]+$/) {
			out = out " " part[k]
		}
	}
	return out
}

function finish(    n, i) {
	for (n = 1; n <= last; n++)
		if (text[n] ~ ordered() && text[n] !~ /^[ \t]*#/)
			check_operation(n)
	for (n = 1; n <= last; n++)
		if (!(n in taken) && text[n] ~ /[^ \t]/ && tags_in(raw[n]) != "")
			report(file, n, "tag " tags_in(raw[n]) \
			       " on no ordered operation")
	for (i = 1; i <= rows; i++)
		if (!(rowname[i] in used))
			report(file, place[file, rowname[i]], \
			       "edge " rowname[i] " has no operation")
	last = rows = 0
}

function ordered() {
	return "soj_(load_acquire|store_release|(xchg|cas|or|and|add)_acq_rel" \
	       "|fence_(seq_cst(_after_rmw)?|acquire|release))[ \t]*\\("
}

# What the rows call the operation of a line.
function kind_of(s) {
	match(s, ordered())
	s = substr(s, RSTART + 4, RLENGTH - 4)
	sub(/_.*$/, "", s)
	return s
}

function check_operation(n,    tags, part, count, i, kind, row) {
	tags = tags_below(n)
	if (tags == "")
		tags = tags_above(n)
	if (tags == "") {
		report(file, n, "ordered atomic without an edge tag")
		return
	}
	count = split(tags, part, " ")
	kind = kind_of(text[n])
	for (i = 1; i <= count; i++) {
		used[part[i]] = 1
		row = operation[file, part[i]]
		if (row != "" && row !~ ("(^|[^a-z])" kind "($|[^a-z])"))
			report(file, n, "edge " part[i] " is no " kind ": " row)
		if (!((file, part[i]) in table))
			report(file, n, "tag " part[i] \
			       " is not in the edge table")
	}
}

# The statement of line n, to its end and at most three lines on.
function tags_below(n,    k, tags) {
	for (k = n; k <= n + 3 && k <= last; k++) {
		# The next operation's tag is its own.
		if (k > n && text[k] ~ ordered())
			break
		tags = tags_in(raw[k])
		if (tags != "")
			taken[k] = 1
		if (tags != "" || text[k] ~ /[;{}][ \t]*$/)
			return tags
	}
	return ""
}

# Up over the statement's earlier lines, then the comment that ends there.
function tags_above(n,    k, low) {
	k = n - 1
	while (k > n - 5 && k > 0 && text[k] ~ /[^ \t]/ && \
	       text[k] !~ /[;{}:][ \t]*$/)
		k--
	if (k < 1 || text[k] ~ /[^ \t]/ || raw[k] !~ /\*\/[ \t]*$/)
		return ""
	for (low = k - 20; k > low && k > 0; k--)
		if (raw[k] ~ /\/\*/) {
			taken[k] = 1
			return tags_in(raw[k] == "" ? "" : \
				       raw[k] ~ /\/\*[ \t]*$/ ? \
				       "/*" substr(raw[k + 1], \
					index(raw[k + 1], "*") + 1) : raw[k])
		}
	return ""
}

# The tags that open a comment in this line, separated by a space.
function tags_in(s,    out, tag) {
	if (!match(s, /\/\* +[A-Z][0-9]+([,:. *]|$)/))
		return ""
	s = substr(s, RSTART + 2)
	out = ""
	while (match(s, /^(,| |and )*[A-Z][0-9]+/)) {
		tag = substr(s, 1, RLENGTH)
		sub(/^(,| |and )*/, "", tag)
		out = out (out == "" ? "" : " ") tag
		s = substr(s, RLENGTH + 1)
	}
	return out
}

function check_partners(    i, key, part, n, k) {
	for (i = 1; i <= total; i++) {
		split(order[i], key, SUBSEP)
		n = split(table[key[1], key[2]], part, " ")
		for (k = 1; k <= n; k++)
			if (part[k] != "-")
				check_pair(key[1], key[2], part[k])
		if (n == 0)
			report(key[1], place[key[1], key[2]], \
			       "edge " key[2] " pairs with nothing")
	}
}

function check_pair(here, tag, partner,    name) {
	if (partner ~ /:/) {
		name = partner
		sub(/:.*$/, "", name)
		sub(/^.*:/, "", partner)
		if (!((name, partner) in owner) && !names(here, partner, tag))
			report(here, place[here, tag], "edge " tag \
			       ": no row " partner " in " name)
	} else if (!((here, partner) in table)) {
		report(here, place[here, tag], \
		       "edge " tag ": no row " partner " in this table")
	} else if (!names(here, partner, tag)) {
		report(here, place[here, partner], \
		       "edge " partner " does not name " tag " back")
	}
}

function names(here, partner, tag) {
	return (here, partner) in table && \
	       (table[here, partner] " ") ~ ("[ :]" tag " ")
}
