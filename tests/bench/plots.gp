# SPDX-License-Identifier: BSD-3-Clause
# Draws what compare.py has written into the current folder.
lines(file) = int(system("wc -l <".file))
set datafile separator "\t"
set style fill solid 0.6 border
set grid ytics
set key top left

set terminal svg size 1100,560 noenhanced background "white"
set output "ratios.svg"
set title "timeball against testpmd and chronyd (more is better)"
set ylabel "times as fast"
set yrange [0:*]
set offsets 0.5, 0.5, graph 0.15, 0
set boxwidth 0.5
set xtics rotate by -20 font ",9"
set bmargin 7
set rmargin 12
if (lines("ratios.tsv") > 0) plot "ratios.tsv" using 0:3:(0.5):xtic(2) with boxes lc rgb "#4c78a8" title "measured, with least and most", \
     "" using 0:3:4:5 with yerrorbars lc rgb "black" pt -1 notitle, \
     "" using 0:6 with points pt 9 ps 1.3 lc rgb "#e45756" title "floor", \
     "" using 0:7 with points pt 11 ps 1.3 lc rgb "#54a24b" title "goal"

set output "ticks.svg"
set title "Without a kernel: TSC ticks a frame (less is better)"
set ylabel "ticks"
if (lines("ticks.tsv") > 0) plot "ticks.tsv" using 0:2:(0.5):xtic(1) with boxes lc rgb "#4c78a8" title "median, with least and most", \
     "" using 0:2:3:4 with yerrorbars lc rgb "black" pt -1 notitle

set output "veth.svg"
set title "On a veth pair, client and server on one core: ns a request (less is better)"
set ylabel "ns"
if (lines("veth.tsv") > 0) plot "veth.tsv" using 0:2:(0.5):xtic(1) with boxes lc rgb "#4c78a8" title "median, with least and most", \
     "" using 0:2:3:4 with yerrorbars lc rgb "black" pt -1 notitle

set output "round-trip.svg"
set title "Round trip with one request on its way"
set ylabel "us"
set xlabel "part of the requests that took less"
set xtics norotate font ",10"
set logscale y
set yrange [*:*]
set grid xtics
unset offsets
servers = "chronyd af_packet af_xdp"
if (lines("round-trip-chronyd.tsv") > 0) plot for [server in servers] "round-trip-".server.".tsv" using 0:($2 / 1000):xtic(1) with linespoints lw 2 title server
