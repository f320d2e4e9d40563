#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Reserves hugepages for DPDK, and gives them back.
# Usage: hugepages.sh setup [--size 2M|1G] [--pages N | --memory MB] [--node N]
#        hugepages.sh status
#        hugepages.sh undo
# setup sees to it that so many pages are free on each NUMA node (or on the one named; default 128
# pages of 2M). What it had to add is recorded in /run/timeball/hugepages until undo takes it away.
. "$(dirname "$0")/lib.sh"

record=/run/timeball/hugepages
# A record outlives the pages where /run is on a disk, as in a chroot.
boot=$(cat /proc/sys/kernel/random/boot_id)

# Prints node and folder for each NUMA node with memory; a kernel without NUMA counts as node 0.
node_folders() {
	local size=$1 node found=
	for node in /sys/devices/system/node/node[0-9]*; do
		[ -d "$node/hugepages/hugepages-${size}kB" ] || continue
		found=1
		grep -q 'MemTotal: *0 kB' "$node/meminfo" || say "${node##*node} $node/hugepages/hugepages-${size}kB"
	done
	if [ -z "$found" ] && [ -d "/sys/kernel/mm/hugepages/hugepages-${size}kB" ]; then
		say "0 /sys/kernel/mm/hugepages/hugepages-${size}kB"
	fi
}

# Prints how many pages setup has added in a folder.
added_in() {
	awk -v boot="$boot" -v folder="$1" '$1 == boot && $2 == folder { added = $4 } END { print added + 0 }' \
		"$record" 2>/dev/null || say 0
}

# remember FOLDER BEFORE ADDED
remember() {
	awk -v boot="$boot" -v folder="$1" -v before="$2" -v added="$3" '
		$1 != boot { next }
		$2 == folder { $4 += added; seen = 1 }
		{ print }
		END { if (!seen) print boot, folder, before, added }' "$record" >"$record.new"
	mv "$record.new" "$record"
}

# Changes the number of pages in a folder by some and prints the change that the kernel made.
change() {
	local folder=$1 by=$2 before after want
	before=$(cat "$folder/nr_hugepages")
	want=$((before + by > 0 ? before + by : 0))
	echo "$want" >"$folder/nr_hugepages" ||
		die "cannot write $folder/nr_hugepages (in a container, reserve on the host)"
	after=$(cat "$folder/nr_hugepages")
	if [ "$after" -lt "$want" ] && [ -w /proc/sys/vm/compact_memory ]; then
		echo 1 >/proc/sys/vm/compact_memory
		echo "$want" >"$folder/nr_hugepages"
		after=$(cat "$folder/nr_hugepages")
	fi
	say $((after - before))
}

setup() {
	local size=2048 pages='' memory='' only='' node folder before free got found='' room short='' taken=()
	while [ $# -gt 0 ]; do
		case $1 in
		--size)
			case ${2-} in
			2M) size=2048 ;;
			1G) size=1048576 ;;
			*) die "--size is 2M or 1G" ;;
			esac
			;;
		--pages) pages=${2-} ;;
		--memory) memory=${2-} ;;
		--node) only=${2-} ;;
		*) die "unknown option $1" ;;
		esac
		[[ $1 = --size || ${2-} =~ ^[0-9]+$ ]] || die "$1 needs a number"
		shift 2
	done
	[ -z "$pages" ] || [ -z "$memory" ] || die "--pages and --memory exclude each other"
	[ -z "$memory" ] || pages=$(((memory * 1024 + size - 1) / size))
	pages=${pages:-128}

	while read -r node folder; do
		[ -z "$only" ] || [ "$node" = "$only" ] || continue
		found=1
		before=$(cat "$folder/nr_hugepages")
		free=$(cat "$folder/free_hugepages")
		[ "$free" -lt "$pages" ] || continue
		short="node $node: asked for $pages free pages of $((size / 1024)) MB"
		# The kernel would hand out the last page, and leave nothing for the rest of the machine.
		room=$(awk -v size="$size" '/^MemAvailable/ { print int($2 / size) }' /proc/meminfo)
		if [ "$room" -le $((pages - free)) ]; then
			short+=", there is room for $((free + room))"
			break
		fi
		got=$(change "$folder" $((pages - free)))
		taken+=("$folder $before $got")
		if [ "$got" -lt $((pages - free)) ]; then
			short+=", the kernel gave $((free + got))"
			break
		fi
		short=
	done < <(node_folders "$size")
	[ -n "$found" ] || die "no hugepages of $((size / 1024)) MB here${only:+ on node $only}"

	for node in "${taken[@]}"; do
		read -r folder before got <<<"$node"
		if [ -n "$short" ]; then
			change "$folder" "-$got" >/dev/null
		else
			remember "$folder" "$before" "$got"
		fi
	done
	[ -z "$short" ] ||
		die "$short; put back what it took. Ask for less, free memory, or reserve at boot (hugepages=)"
}

# Never goes below what setup found, should somebody else have lowered the number since.
undo() {
	local boot_then folder before added now
	while read -r boot_then folder before added; do
		[ "$boot_then" = "$boot" ] || continue
		now=$(cat "$folder/nr_hugepages")
		[ $((now - added)) -ge "$before" ] || added=$((now - before))
		[ "$added" -le 0 ] || change "$folder" "-$added" >/dev/null
	done <"$record"
	rm -f "$record"
}

status() {
	local size node folder
	printf '%-5s %6s %7s %7s %7s %s\n' node size pages free in-use added-here
	for size in 2048 1048576; do
		while read -r node folder; do
			local total free
			total=$(cat "$folder/nr_hugepages")
			free=$(cat "$folder/free_hugepages")
			printf '%-5s %5sM %7s %7s %7s %s\n' "$node" $((size / 1024)) "$total" "$free" \
				$((total - free)) "$(added_in "$folder")"
		done < <(node_folders "$size")
	done
}

case ${1-} in
setup | undo)
	need_root
	mkdir -p "${record%/*}"
	exec 9>"$record.lock"
	flock 9
	touch "$record"
	"$@"
	;;
status) status ;;
-h | --help) usage ;;
*) usage >&2 && exit 1 ;;
esac
