# SPDX-License-Identifier: MIT
#
# Tables of results.tsv, memory.tsv and failed.tsv of bench/compare.

BEGIN { FS = "\t" }

FILENAME ~ /memory\.tsv$/ {
	memory[$1, $2 ":" $3] = $4 / $2
	next
}

FILENAME ~ /failed\.tsv$/ {
	failures[++failed] = "- **" $1 "**, " $2 ": " $3
	next
}

FILENAME ~ /times\.tsv$/ {
	times[$1, $2] = $3
	next
}

FILENAME ~ /growth\.tsv$/ {
	grown = 1
	grown_ns[$3, $2, ++grown_count[$3, $2]] = $9
	next
}

# "reclaimed: 1100 ms after", "reads meanwhile: ... p99.9 700 ns,"
FILENAME ~ /expiry\.txt$/ {
	if ($0 ~ /^reclaimed:/)
		found["reclaimed"] = number_after("reclaimed:")
	else if ($0 ~ /^reads meanwhile:/)
		found["p99.9"] = number_after("p99.9")
	else
		next
	found_text[++found_lines] = $0
	next
}

FILENAME ~ /helper\.txt$/ {
	if ($0 ~ /^idle/)
		found["idle"] = number_after("idle")
	if ($0 ~ /^each end/) {
		found["end"] = number_after("each end")
		found["unlink"] = number_after("expiry thread,")
	}
	found_text[++found_lines] = $0
	next
}

$5 != "all" {
	load = $3 ":" $4
	mix = $5 " " $6 " " $7
	if (!(load in loads)) {
		loads[load] = 1
		load_at[++load_count] = load
	}
	if (!((load, mix) in mixes)) {
		mixes[load, mix] = 1
		mix_at[load, ++mix_count[load]] = mix
	}
	if (!((load, $2) in systems)) {
		systems[load, $2] = 1
		who_at[load, ++who_count[load]] = $2
	}
	key = load SUBSEP mix SUBSEP $2
	n = ++count[key]
	rate[key, n] = $8
	mean[key, n] = $9
	for (i = 10; i <= 13; i++)
		quantile[key, i, n] = $i
	if ($2 == "sojourn" && $18 > limbo[load])
		limbo[load] = $18
}

{ verified += $14 }

END {
	targets()
	plot_data()
	for (l = 1; l <= load_count; l++)
		tables(load_at[l])
	growth()
	readme_part()
	if (found_lines) {
		print "\n## Expiry and the helper\n"
		print "A million sessions end within a second, and are gone:\n"
		for (i = 1; i <= found_lines; i++)
			print "    " found_text[i]
	}
	printf "\n%d values were looked at.\n", verified
	if (failed) {
		print "\n## Failed\n"
		for (i = 1; i <= failed; i++)
			print failures[i]
	}
}

function tables(load,    part, s, m, who, mix, title) {
	split(load, part, ":")
	printf "\n## %d sessions, values of %d bytes\n", part[1], part[2]
	title = "\n| M operations/s |"
	for (m = 1; m <= mix_count[load]; m++)
		title = title " " mix_at[load, m] " |"
	print title " bytes each |"
	rule(mix_count[load] + 2)
	for (s = 1; s <= who_count[load]; s++) {
		who = who_at[load, s]
		printf "| %s |", who
		for (m = 1; m <= mix_count[load]; m++)
			printf " %s |", rate_cell(load SUBSEP mix_at[load, m] SUBSEP who)
		printf " %s |\n", memory_cell(who SUBSEP load)
	}
	printf "\nSojourn's memory in limbo was %.1f MiB at most when a run ended.\n",
		limbo[load] / 1048576
	print "\n| p50 / p99 / p99.9 / max of reads, us |" substr(title, index(title, "/s |") + 4)
	rule(mix_count[load] + 1)
	for (s = 1; s <= who_count[load]; s++) {
		who = who_at[load, s]
		printf "| %s |", who
		for (m = 1; m <= mix_count[load]; m++)
			printf " %s |", time_cell(load SUBSEP mix_at[load, m] SUBSEP who)
		print ""
	}
}

function rule(columns,    i) {
	printf "|"
	for (i = 0; i < columns; i++)
		printf "---|"
	print ""
}

function rate_cell(key,    n, spread) {
	if (!(key in count))
		return "-"
	n = sorted(rate, key, count[key])
	spread = (values[n] - values[1]) / 2 / median(n) * 100
	return sprintf("%s ±%.0f", three(median(n) / 1e6), spread)
}

function memory_cell(key) {
	return memory[key] > 0 ? sprintf("%.0f", memory[key]) : "-"
}

function time_cell(key,    i, n, text) {
	if (!(key in count))
		return "-"
	for (i = 10; i <= 13; i++) {
		n = sorted(quantile, key SUBSEP i, count[key])
		text = text (i > 10 ? " / " : "") three(median(n) / 1000)
	}
	return text
}

# Three digits.
function three(x) {
	return sprintf(x >= 100 ? "%.0f" : x >= 10 ? "%.1f" : x >= 1 ? "%.2f" : "%.3f", x)
}

# values[1 .. n] of from[key, 1 .. n], in order; n
function sorted(from, key, n,    i, k, x) {
	for (i = 1; i <= n; i++) {
		x = from[key, i] + 0
		for (k = i - 1; k > 0 && values[k] > x; k--)
			values[k + 1] = values[k]
		values[k + 1] = x
	}
	return n
}

function median(n) {
	return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
}

function number_after(word,    text) {
	text = $0
	sub(".*" word " *", "", text)
	return text + 0
}
