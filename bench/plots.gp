# SPDX-License-Identifier: MIT
#
# gnuplot -e "dir='FOLDER'; what='rates'; curves=N" plots.gp

set terminal svg size 860,420 font "sans,12" background "white"
set output dir."/".what.".svg"
set grid ytics
set key top right

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
	plot dir."/rates.dat" using 2:3:4:xtic(1) title "get", \
		"" using 5:6:7 title "50:50", \
		"" using 8:9:10 title "create and delete"
}
if (what eq "times") {
	set title "How long a read takes while half of all operations write"
	set ylabel "microseconds"
	set logscale y
	set xtics ("p50" 0, "p99" 1, "p99.9" 2, "max" 3)
	set xrange [-0.1:4.6]
	set key outside right
	plot for [i=0:curves-1] dir."/times.dat" index i using 1:2 \
		with linespoints title columnheader(1)
}
if (what eq "growth") {
	set title "A read of a random session, one process"
	set ylabel "nanoseconds"
	set xlabel "sessions"
	set logscale x
	set yrange [0:*]
	set key top left
	plot dir."/growth.dat" using 1:2 with linespoints title "Sojourn", \
		"" using 1:3 with linespoints title "two dependent misses and a copy"
}
