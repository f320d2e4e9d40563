#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Prints the kernel command line that a configuration wants, and why. Changes nothing.
# Usage: kernel-args.sh [--line] [FILE]   (/etc/timeball/timeball.conf without)
#   --line  nothing but the arguments, in one line
. "$(dirname "$0")/lib.sh"

only_line=
config=/etc/timeball/timeball.conf
for word; do
	case $word in
	--line) only_line=1 ;;
	-h | --help) usage && exit ;;
	-*) usage >&2 && exit 1 ;;
	*) config=$word ;;
	esac
done

line=()

# want ARGUMENT WHY...
want() {
	local argument=$1 there=
	line+=("$argument")
	[ -z "$only_line" ] || return 0
	! tr ' ' '\n' </proc/cmdline | grep -qxF -- "$argument" || there=' (there already)'
	printf '%s%s\n    %s\n' "$argument" "$there" "${*:2}"
}

# Prints the numbers of a list such as 1-3,5, each on its line.
numbers() {
	tr ',' '\n' <<<"$1" | awk -F- 'NF { for (i = $1; i <= $NF; i++) print i + 0 }'
}

# The opposite.
list() {
	sort -n | awk '
		function flush() { if (n++) printf ","; printf first == last ? first : first "-" last }
		NR > 1 && $1 == last + 1 { last = $1; next }
		NR > 1 { flush() }
		{ first = last = $1 }
		END { if (NR) flush() }'
}

want_isolation() {
	local workers=$1 others
	others=$(numbers "$(cat /sys/devices/system/cpu/possible)" | grep -vxF "$(numbers "$workers")" | list)
	[ -n "$others" ] || die "the workers have all CPUs of this machine: leave one to everything else"
	! numbers "$workers" | grep -qx 0 ||
		die "CPU 0 is a worker: the kernel needs it itself, name another (cores … workers …)"
	want "isolcpus=managed_irq,domain,$workers" \
		"the workers' CPUs: the scheduler puts nothing else there, nor do drivers their interrupts"
	want "nohz_full=$workers" "no timer tick while a worker is alone on its CPU"
	want "rcu_nocbs=$workers" "what the kernel puts off until later (RCU callbacks) is done on other CPUs"
	want "irqaffinity=$others" "interrupts go to the other CPUs"
}

want_hugepages() {
	local nodes pages
	pages=$((($(memory_wanted <<<"$effective") + 1) / 2))
	nodes=$(find /sys/devices/system/node -maxdepth 1 -name 'node[0-9]*' 2>/dev/null | wc -l)
	[ "$nodes" -gt 0 ] || nodes=1
	want "hugepages=$((pages * nodes))" \
		"$pages pages of 2 MB for each NUMA node, set aside before memory is fragmented; without this" \
		"timeball-hugepages.service asks for 128 early in the boot"
}

want_iommu() {
	if grep -q GenuineIntel /proc/cpuinfo; then
		want intel_iommu=on "vfio-pci holds a card to the memory that is timeball's (firmware: VT-d)"
	elif [ -z "$only_line" ]; then
		say "(IOMMU)"
		say "    nothing to say: Linux uses it unasked once the firmware has it on (AMD: AMD-Vi, IOMMU)"
	fi
	want iommu=pt "the kernel's own devices are spared the IOMMU's translation"
}

[ -r "$config" ] || die "cannot read $config"
effective=$("$(timeballd_path)" -p -f "$config")
workers=$(awk '$1 == "cores" { for (i = 2; i < NF; i++) if ($i == "workers") print $(i + 1) }' <<<"$effective")
if [ -n "$workers" ]; then
	want_isolation "$workers"
else
	warn "$config names no CPUs for workers, none is isolated: say for example \"cores control 0 workers 1\""
fi
grep -q '^ealarg --no-huge' <<<"$effective" || want_hugepages
[ -z "$(pci_devices <<<"$effective")" ] || want_iommu
if [ -n "$only_line" ]; then
	say "${line[*]}"
else
	printf "%s\n" "" "In one line (Debian: GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub and reboot):" \
		"" "${line[*]}"
fi
