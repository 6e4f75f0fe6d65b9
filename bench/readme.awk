# SPDX-License-Identifier: MIT
#
# The README's part of the results, in file `readme`.  After report.awk and
# targets.awk.

function readme_part(    list, names, k, m, s, who, cell, one, both, helper) {
	if (readme == "")
		return
	k = split("get zipf 2,get uniform 2,95:5 zipf 2,50:50 zipf 2," \
		  "churn uniform 2", list, ",")
	printf "| million operations/s | get, zipf | get, uniform | 95:5 | 50:50 | " \
	       "create, delete | bytes each |\n|---|---|---|---|---|---|---|\n" > readme
	for (s = 1; s <= who_count[load_at[1]]; s++) {
		who = who_at[load_at[1], s]
		if (who == "loop" || who == "limit-1")
			continue
		printf "| %s |", who > readme
		for (m = 1; m <= k; m++) {
			cell = rate_of(list[m], who)
			printf " %s |", cell < 0 ? "-" : three(cell / 1e6) > readme
		}
		printf " %s |\n", memory_cell(who SUBSEP load_at[1]) > readme
	}
	one = rate_of("get uniform 1", "sojourn")
	both = rate_of("get uniform 2", "sojourn")
	if (one > 0 && both > 0)
		readme_model(one, both)
	close(readme)
}

# Lines that a read of 256 bytes fetches: one of the index, two of the entry,
# five of the value.
function readme_model(one, both,    n, share, rate, text) {
	share = both / (2 * one)
	if (share > 1)
		share = 1
	for (n = 8; n <= 128; n *= 4) {
		rate = n * one * share / 1e6
		text = text sprintf("%s%d cores %s M/s (%s GB/s of memory)", \
			n > 8 ? ", " : "", n, three(rate), three(rate * 512 / 1000))
	}
	printf "\n**More cores, by a model.** A read stores nothing that others read, so " \
	       "what limits it is\nmemory: about 8 lines (512 bytes) for each. One process " \
	       "does %s M random gets a\nsecond here, two do %.2f of twice that. If each " \
	       "further core does as well, and the\nmemory gives so much: %s.\n" \
	       "Values of sessions that fit the caches cost less; more than one socket " \
	       "costs more.\n", three(one / 1e6), share, text > readme
	if ("reclaimed" in found && found["reclaimed"] > 0)
		printf "What does not grow with the cores is the one helper: here it ended " \
		       "a million\nsessions in %s s, %s a second, which is what may end by " \
		       "time, on average, on a\nhost of any size. Deletions and updates are " \
		       "the workers' own, but for the reclaiming.\n", \
			three(found["reclaimed"] / 1000), \
			three(1e6 / found["reclaimed"] * 1000) > readme
	if (found["end"] > 0 && found["unlink"] > 0)
		printf "With a core for each of its two threads: %s M/s, for an end takes " \
		       "%s us of the\none and %s us of the other.\n", \
			three(1000 / (found["end"] > found["unlink"] ? \
				      found["end"] : found["unlink"])), \
			three(found["end"] / 1000), \
			three(found["unlink"] / 1000) > readme
}
