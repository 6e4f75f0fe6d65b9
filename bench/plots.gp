# SPDX-License-Identifier: MIT
#
# gnuplot -e "dir='FOLDER'; what='rates'; curves=N" plots.gp

set terminal svg size 860,420 font "sans,12" background "white"
set output dir."/".what.".svg"
set grid ytics
set key top right
# No two of a plot alike.
lines = "#7b1fa2 #00897b #1e88e5 #e69f00 #6d4c41 #0072b2 #d81b60 #000000 " \
	."#7cb342 #f4511e #546e7a #c0ca33"
do for [i=1:words(lines)] {
	set linetype i lc rgb word(lines, i) lw 1.5 pt i
}

if (what eq "rates") {
	set title "Operations a second, two processes (bars: median, lowest, highest round)"
	set ylabel "million/s"
	set logscale y
	set yrange [0.02:*]
	set style data histogram
	set style histogram errorbars gap 1 lw 1
	set style fill solid 0.8
	set boxwidth 0.9
	set xtics rotate by -35
	plot dir."/rates.dat" using 2:3:4:xtic(1) title "get, zipf", \
		"" using 5:6:7 title "50:50, zipf", \
		"" using 8:9:10 title "create and delete"
}
if (what eq "times") {
	set title "How long a read takes while half of all operations write"
	set ylabel "microseconds"
	set logscale y
	set xtics ("p50" 0, "p99" 1, "p99.9" 2, "max" 3)
	set xrange [-0.1:3.1]
	set key outside right
	plot for [i=0:curves-1] dir."/times.dat" index i using 1:2 \
		with linespoints lw (i == 0 ? 3 : 1.5) title columnheader(1)
}
if (what eq "growth") {
	set title "A read of a random session, one process (median, fastest, slowest round)"
	set ylabel "nanoseconds"
	set xlabel "sessions"
	set logscale x
	set format x "%.0s %c"
	set xrange [8000:12500000]
	set yrange [0:*]
	set key top left
	plot dir."/growth.dat" using 1:2:3:4 with yerrorlines title "Sojourn", \
		"" using 1:5:6:7 with yerrorlines title "two dependent misses and a copy"
}
