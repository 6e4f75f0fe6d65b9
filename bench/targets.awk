# SPDX-License-Identifier: MIT
#
# What Sojourn is to reach, what it reached in this run, and the data of the
# plots.  After report.awk, which has read the results.

# Ratio of two medians of rates at the main load; -1: not measured.
function ratio(mix, a, b) {
	return quotient(rate_of(mix, a), rate_of(mix, b))
}

function quotient(a, b) {
	return a < 0 || b <= 0 ? -1 : a / b
}

function rate_of(mix, who,    key) {
	key = load_at[1] SUBSEP mix SUBSEP who
	return key in count ? median(sorted(rate, key, count[key])) : -1
}

function quantile_of(mix, who, i,    key) {
	key = load_at[1] SUBSEP mix SUBSEP who
	if (!(key in count))
		return -1
	return median(sorted(quantile, key SUBSEP i, count[key]))
}

function at_least(item, text, want, value) {
	row(item, text, ">= " want, value, value >= want, "")
}

function at_most(item, text, want, value) {
	row(item, text, "<= " want, value, value <= want, "")
}

# A rate beside a peer's, and what the sketch has in that place: more than that
# is not to be had here.
function beside(item, text, want, mix, peer,    value, most) {
	value = ratio(mix, "sojourn", peer)
	most = ratio(mix, peer == "sketch" ? "limit-2" : "sketch", peer)
	beyond += most >= 0 && value >= 0 && want > most
	row(item, text, ">= " want, value, value >= want,
	    most < 0 ? "" : three(most))
}

function row(item, text, want, value, met, most) {
	if (value < 0) {
		printf "| %s | %s | %s | - | %s | not measured |\n", item, text,
			want, most
		return
	}
	wanted++
	reached += met
	printf "| %s | %s | %s | %s | %s | %s |\n", item, text, want,
		three(value), most, met ? "yes" : "**no**"
}

function targets(    me, zipf, uniform) {
	me = "sojourn"
	zipf = "get zipf 2"
	uniform = "get uniform 2"
	print "\n## Targets\n"
	print "| | Sojourn, two processes | wanted | measured | best case | met |"
	rule(6)
	beside(1, "get zipf / 64 locks", 1.3, zipf, "rwlock-64")
	beside(1, "get uniform / 64 locks", 1.05, uniform, "rwlock-64")
	beside(1, "get zipf / LMDB", 3.5, zipf, "lmdb")
	beside(1, "get zipf / APCu", 2, zipf, "apcu")
	beside(1, "get zipf / memcached", 40, zipf, "memcached")
	beside(1, "get zipf / Redis", 120, zipf, "redis")
	beside(1, "get zipf / best-case sketch", 0.9, zipf, "sketch")
	beside(1, "get uniform / best-case sketch", 0.9, uniform, "sketch")
	beside(2, "95:5 / 64 locks", 1.2, "95:5 zipf 2", "rwlock-64")
	beside(2, "50:50 / 64 locks", 1.5, "50:50 zipf 2", "rwlock-64")
	beside(2, "95:5 / cds_lfht memb", 2, "95:5 zipf 2", "lfht-memb")
	beside(2, "50:50 / cds_lfht memb", 2, "50:50 zipf 2", "lfht-memb")
	beside(3, "churn / 64 locks", 1, "churn uniform 2", "rwlock-64")
	beside(3, "churn / memcached", 10, "churn uniform 2", "memcached")
	at_least(4, "one hot session: two processes / twice one", 0.9,
		 quotient(rate_of("hot zipf 2", me), 2 * rate_of("hot zipf 1", me)))
	at_most(5, "cost of a miss / of a hit", 0.6,
		quotient(rate_of(uniform, me), rate_of("miss uniform 2", me)))
	at_least(5, "get_many of 16 / single gets", 1.8,
		 quotient(rate_of("many uniform 2", me), rate_of(uniform, me)))
	at_most(6, "p99.9 of gets under 50:50, us", 2,
		quotient(quantile_of("50:50 zipf 2", me, 12), 1000))
	at_most(6, "the longest of them / the longest turn of the empty loop", 1,
		quotient(quantile_of("50:50 zipf 2", me, 13),
			 quantile_of(zipf, "loop", 13)))
	at_least(7, "sealed / plain get zipf, by id", 0.35,
		 ratio(zipf, "sojourn-sealed", "sojourn-id"))
	at_most(8, "bytes per session of 256 bytes, by id", 480,
		memory["sojourn-id", load_at[1]] > 0 ? \
			memory["sojourn-id", load_at[1]] : -1)
	at_most(9, "dump: time per session, 10 M / 100 k", 2,
		quotient(each("dump", 10000000), each("dump", 100000)))
	at_most(9, "fsck: the same", 2,
		quotient(each("fsck", 10000000), each("fsck", 100000)))
	at_most(9, "timers of a new helper: the same", 4,
		quotient(each("timers", 10000000), each("timers", 100000)))
	at_most(10, "1 M sessions ending within 1 s: all memory back, ms", 1200,
		"reclaimed" in found ? found["reclaimed"] : -1)
	at_most(10, "p99.9 of gets meanwhile, us", 10,
		"p99.9" in found ? found["p99.9"] / 1000 : -1)
	at_most(10, "idle helper beside 1 M sessions, % of a core", 0.5,
		"idle" in found ? found["idle"] : -1)
	at_least(11, "pages of 2 MiB / of 4 KiB, get uniform, by id", 1,
		 ratio(uniform, "sojourn-id", "sojourn-4k"))
	printf "\n%d of %d met. Best case is what the sketch has in Sojourn's place, " \
	       "and beside the sketch\ntwo dependent misses: %d of the targets are " \
	       "beyond that on this machine.\nItem 9's bounds allow for what no longer " \
	       "fits the caches.\n", reached, wanted, beyond
}

# Time of an operation on all of n sessions, for each of them; -1: not measured.
function each(what, n) {
	return (what, n) in times ? times[what, n] / n : -1
}

function growth(    i, n, what, k, list, mine, limit) {
	if (!grown)
		return
	print "\n## From 10 thousand to 10 million sessions\n"
	printf "| sessions | get, ns | two misses, ns | ratio |"
	k = split("fill,attach,sojournd,timers,stat,fsck,dump", list, ",")
	for (i = 1; i <= k; i++)
		printf " %s, ms |", list[i]
	print ""
	rule(4 + k)
	for (n = 10000; n <= 10000000; n *= 10) {
		mine = growth_ns(n, "sojourn")
		limit = growth_ns(n, "limit-2")
		if (mine < 0 || limit < 0)
			continue
		printf "| %d | %s | %s | %s |", n, three(mine), three(limit),
			three(quotient(mine, limit))
		for (i = 1; i <= k; i++)
			printf " %s |", (list[i], n) in times ? \
				three(times[list[i], n]) : "-"
		print ""
		printf "%d %s %s\n", n, growth_spread(n, "sojourn"),
			growth_spread(n, "limit-2") > (plots "/growth.dat")
	}
	close(plots "/growth.dat")
	print "\n`sojournd` is a new helper's start until it is at work, `timers` " \
	      "the building of its timers."
}

function growth_ns(n, who,    key) {
	key = n SUBSEP who
	return key in grown_count ? \
		median(sorted(grown_ns, key, grown_count[key])) : -1
}

# Median, fastest and slowest round.
function growth_spread(n, who,    rounds) {
	rounds = sorted(grown_ns, n SUBSEP who, grown_count[n SUBSEP who])
	return median(rounds) " " values[1] " " values[rounds]
}

# Rows of name, median, lowest and highest for three mixes; and quantiles.
function plot_data(    s, m, who, key, n, list, file) {
	split("get zipf 2,50:50 zipf 2,churn uniform 2", list, ",")
	file = plots "/rates.dat"
	for (s = 1; s <= who_count[load_at[1]]; s++) {
		who = who_at[load_at[1], s]
		if (who == "loop")
			continue
		printf "%s", who > file
		for (m = 1; m <= 3; m++) {
			key = load_at[1] SUBSEP list[m] SUBSEP who
			n = key in count ? sorted(rate, key, count[key]) : 0
			if (n > 0)
				printf " %f %f %f", median(n) / 1e6, values[1] / 1e6,
					values[n] / 1e6 > file
			else
				printf " NaN NaN NaN" > file
		}
		print "" > file
	}
	close(file)
	file = plots "/times.dat"
	for (s = 1; s <= who_count[load_at[1]]; s++) {
		who = who_at[load_at[1], s]
		# Of what is there twice or more the first is enough to read.
		if (who ~ /^sojourn-(id|4k)$|-huge$/ ||
		    quantile_of("50:50 zipf 2", who, 10) < 0)
			continue
		printf "\"%s\"\n", who > file
		for (m = 10; m <= 13; m++)
			printf "%d %f\n", m - 10, \
				quantile_of("50:50 zipf 2", who, m) / 1000 > file
		printf "\n\n" > file
		curves++
	}
	close(file)
	print curves + 0 > (plots "/curves")
	close(plots "/curves")
}
