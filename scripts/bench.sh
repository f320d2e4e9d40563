#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Measures timeball beside testpmd and chronyd and prints one table: floor, goal, measured, verdict.
# Usage: bench.sh [--rounds N] [--seconds S] [--only EXPRESSION]
#   --rounds   how often everything is measured, in rotating order (5)
#   --seconds  for each arm in each round (2)
#   --only     measures what matches, as tests/bench/compare.py names it
# All data and pictures go to build/bench. A figure below its floor is told and is no failure; what could
# not be measured is one. Takes about a minute a round, both of the first two cores, and the last.
. "$(dirname "$0")/lib.sh"

case ${1-} in -h | --help) usage && exit ;; esac
need_root
need_packages build run bench
native=$build/native
"$root/scripts/build.sh" "$native" -Dcpu=native
peers=$("$root/scripts/peers.sh" chrony)

# Ours for as long as this lasts, whatever others have reserved. Where the kernel has none to give, the
# table says that it was measured without.
pages=/proc/sys/vm/nr_hugepages
wanted=${HUGEPAGES:-1280}
added=0
child=
give_back() {
	local now
	[ -z "$child" ] || stop_child "$child" || true
	now=$(cat "$pages")
	[ "$added" -le 0 ] || echo $((now > added ? now - added : 0)) >"$pages"
}
trap give_back EXIT
trap 'exit 130' INT TERM HUP
before=$(cat "$pages")
room=$(awk '/^MemAvailable/ { print int($2 / 2048 / 2) }' /proc/meminfo)
if [ "$wanted" -le "$room" ] && echo $((before + wanted)) >"$pages" 2>/dev/null; then
	added=$(($(cat "$pages") - before))
fi

/usr/bin/python3 -B "$root/tests/bench/compare.py" "$native" --output "$build/bench" --peers "$peers" "$@" &
child=$!
status=0
wait $child || status=$?
child=
exit $status
