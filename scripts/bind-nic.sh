#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Takes network cards from the kernel for DPDK, and gives them back.
# Usage: bind-nic.sh [--driver vfio-pci|uio_pci_generic] ADDRESS|INTERFACE...
#        bind-nic.sh [--driver NAME] -c FILE      takes those that a configuration serves, if any
#        bind-nic.sh status
#        bind-nic.sh taken ADDRESS                succeeds if it was taken from here
#        bind-nic.sh undo [ADDRESS|INTERFACE]...  gives back what was taken (all of it without arguments)
# ADDRESS is a PCI address, 0000:03:00.0 or 03:00.0. A card that the host itself needs is refused. The driver
# that a card had before is recorded in /run/timeball/nics until undo. All is checked before any is taken.
. "$(dirname "$0")/lib.sh"

record=/run/timeball/nics
# A record outlives what it tells where /run is on a disk, as in a chroot.
boot=$(cat /proc/sys/kernel/random/boot_id)
driver=vfio-pci
insists= # on the driver

# A symbolic link's target without its folder, or a dash.
target_of() {
	if [ -e "$1" ]; then
		basename "$(realpath "$1")"
	else
		say -
	fi
}

driver_of() {
	target_of "/sys/bus/pci/devices/$1/driver"
}

group_of() {
	target_of "/sys/bus/pci/devices/$1/iommu_group"
}

is_for_user_space() {
	case $1 in
	vfio-pci | uio_pci_generic | igb_uio) true ;;
	*) false ;;
	esac
}

# Free for DPDK as it is.
is_free() {
	local has
	has=$(driver_of "$1")
	[ "$has" = "$driver" ] || { [ -z "$insists" ] && is_for_user_space "$has"; }
}

# NVIDIA's and Microsoft's stay with the kernel: DPDK's driver works beside it, on flows of its own.
is_bifurcated() {
	case $(driver_of "$1") in
	mlx4_core | mlx5_core | mana) return ;;
	esac
	[ "$(cat "/sys/bus/pci/devices/$1/vendor")" = 0x15b3 ]
}

# Prints the interfaces that the kernel has on a device.
interfaces_of() {
	local path
	for path in "/sys/bus/pci/devices/$1"/net/* "/sys/bus/pci/devices/$1"/virtio*/net/*; do
		[ ! -e "$path" ] || say "${path##*/}"
	done
}

# Prints the address of a card taken from here that was the interface $1.
was_interface() {
	awk -v boot="$boot" -v interface="$1" '$1 == boot {
		for (i = 4; i <= NF; i++)
			if ($i == interface)
				print $2
	}' "$record" 2>/dev/null
}

# resolve NAME [RECORDED]: prints the PCI address of what the operator named. With RECORDED it may have been
# pulled since it was taken.
resolve() {
	local name=${1,,} device
	if [[ $name =~ ^([0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$ ]]; then
		[ -n "${BASH_REMATCH[1]}" ] || name=0000:$name
	elif [ -e "/sys/class/net/$1" ]; then
		device=$(realpath "/sys/class/net/$1")/device
		[ -e "$device" ] || die "$1 is a virtual interface: serve net_af_packet0,iface=$1"
		device=$(realpath "$device")
		# A virtio interface stands on a virtio device, and that on the PCI one.
		[ "$(target_of "$device/subsystem")" != virtio ] || device=${device%/*}
		[ "$(target_of "$device/subsystem")" = pci ] ||
			die "$1 is no PCI device: serve net_af_packet0,iface=$1"
		name=${device##*/}
	elif device=$(was_interface "$1") && [ -n "$device" ]; then
		name=$device
	else
		die "$1 is neither an interface nor a PCI address ($0 status lists them)"
	fi
	if [ -e "/sys/bus/pci/devices/$name" ]; then
		[[ $(cat "/sys/bus/pci/devices/$name/class") = 0x02* ]] || die "$name is no network card"
	elif [ -z "${2-}" ] || [ -z "$(recorded "$name")" ]; then
		die "no PCI device has the address $name"
	fi
	say "$name"
}

# Prints the first route on standard input that leads over an interface.
route_over() {
	awk -v interface="$1" '{
		for (i = 1; i < NF && !found; i++)
			if ($i == "dev" && $(i + 1) == interface)
				found = $0
	}
	END { if (found) print found }'
}

# Prints the other ends of the ssh sessions that this script runs in; sudo hides its own.
ssh_peers() {
	local pid=$$
	while [ "${pid:-0}" -gt 1 ]; do
		tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | sed -n 's/^SSH_CONNECTION=\([^ ]*\) .*/\1/p' || true
		pid=$(awk '/^PPid/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || true
	done
}

# Prints what the host needs an interface for, or nothing.
use_of() {
	local interface=$1 found
	found=$({
		ip -o -4 route show table all default
		ip -o -6 route show table all default
	} 2>/dev/null | route_over "$interface")
	[ -z "$found" ] || { say "carries the host's default route ($found)" && return; }
	for found in $(ssh_peers); do
		if [ -n "$(ip -o route get "$found" 2>/dev/null | route_over "$interface")" ]; then
			say "carries your ssh session (from $found)"
			return
		fi
	done
	for found in "/sys/class/net/$interface"/upper_*; do
		[ ! -e "$found" ] || { say "has ${found##*/upper_} on top of it (bridge, bond, VLAN, ...)" && return; }
	done
	found=$(ip -o address show dev "$interface" scope global | awk '{ print $4 }' | xargs)
	[ -z "$found" ] || say "has the address $found (ip address flush dev $interface, if nothing needs it)"
}

# Prints who has the device open through a driver for user space, if anybody.
holder_of() {
	local device=/sys/bus/pci/devices/$1 node=
	case $(driver_of "$1") in
	vfio-pci) node="/dev/vfio/(noiommu-)?$(group_of "$1")" ;;
	uio_pci_generic | igb_uio) node=/dev/$(cd "$device/uio" && echo uio*) ;;
	*) return 0 ;;
	esac
	# shellcheck disable=SC2012 # the names are numbers
	{ ls -l /proc/[0-9]*/fd 2>/dev/null || true; } |
		awk -v node="^$node\$" '/^\/proc\// { split($0, path, "/") } $NF ~ node { holder = path[3] }
			END { if (holder) print holder }'
}

load_driver() {
	local kernel error
	if [ ! -d "/sys/bus/pci/drivers/$driver" ]; then
		error=$(modprobe "$driver" 2>&1) || true
	fi
	if [ ! -d "/sys/bus/pci/drivers/$driver" ]; then
		kernel=$(uname -r)
		[ -n "$(find "/lib/modules/$kernel" -name "$driver.ko*" 2>/dev/null)" ] ||
			die "this kernel ($kernel) has no module $driver: boot one that has it (Debian: apt-get install" \
				"linux-image-$(dpkg --print-architecture 2>/dev/null || say amd64))"
		die "the module $driver does not load: $error"
	fi
	# Only a soft dependency, yet nothing works without.
	[ "$driver" != vfio-pci ] || modprobe vfio_iommu_type1 2>/dev/null || true
}

# What to do about an IOMMU that is off.
advise_iommu() {
	local unsafe=/sys/module/vfio/parameters/enable_unsafe_noiommu_mode
	say "$1: the IOMMU is off, and vfio-pci needs it. One of these:"
	if grep -q AuthenticAMD /proc/cpuinfo; then
		say "  * switch it on in the firmware (AMD-Vi, IOMMU); no amd_iommu=off on the kernel command line. Reboot"
	else
		say "  * switch it on: VT-d in the firmware, intel_iommu=on iommu=pt on the kernel command line. Reboot"
	fi
	if [ -e "$unsafe" ]; then
		say "  * without its protection, the card may then write anywhere in memory: echo 1 >$unsafe"
	fi
	say "  * likewise without protection: $0 --driver uio_pci_generic $1"
}

check_iommu() {
	local address=$1 group other other_driver unsafe=/sys/module/vfio/parameters/enable_unsafe_noiommu_mode
	group=$(group_of "$address")
	if [ "$group" = - ]; then
		[ "$(cat "$unsafe" 2>/dev/null)" = Y ] || die "$(advise_iommu "$address")"
		warn "$address: no IOMMU stands between this card and the memory"
		return
	fi
	for other in "/sys/kernel/iommu_groups/$group/devices"/*; do
		[[ $(cat "$other/class") != 0x0604* ]] || continue # bridges may stay
		other=${other##*/}
		other_driver=$(driver_of "$other")
		case " $asked $address " in *" $other "*) continue ;; esac
		case $other_driver in
		- | vfio-pci | pci-stub) ;;
		*)
			die "$address shares IOMMU group $group with $other ($other_driver), which must leave the kernel too:" \
				"name both here if it is a card to spare, else put the card in another slot," \
				"or boot with iommu=pt and take --driver uio_pci_generic"
			;;
		esac
	done
}

# Memory that the IOMMU has not been told of is out of reach, and uio tells it nothing.
check_uio() {
	local group type
	group=$(group_of "$1")
	type=$(cat "/sys/kernel/iommu_groups/$group/type" 2>/dev/null) || true
	case $type in
	'' | identity) ;;
	*) die "$1: behind an IOMMU that translates ($type) uio_pci_generic cannot work: take vfio-pci" ;;
	esac
}

# Ends the script if the host needs an interface of the device.
check_interfaces() {
	local interface use
	for interface in $(interfaces_of "$1"); do
		use=$(use_of "$interface")
		[ -z "$use" ] || die "$interface ($1) $use: it stays with the kernel"
	done
}

# On NVIDIA's, flow rules take our addresses' NTP and leave the rest to the kernel. Microsoft's has none:
# DPDK takes all that is sent to the card.
check_bifurcated() {
	local interface use
	case $(driver_of "$1") in
	mlx4_core | mlx5_core) ;;
	*) check_interfaces "$1" && return ;;
	esac
	for interface in $(interfaces_of "$1"); do
		use=$(use_of "$interface")
		case $use in
		'') ;;
		*" on top of it "*) die "$interface ($1) $use: how flow rules get on with that is not known" ;;
		*) warn "$interface ($1) $use: that stays so by flow rules, which were never tried on a real card" ;;
		esac
	done
}

# Ends the script unless the device may be taken.
check_device() {
	local address=$1 has holder
	has=$(driver_of "$address")
	if is_for_user_space "$has"; then
		holder=$(holder_of "$address")
		[ -z "$holder" ] || die "$address ($has) is in use by process $holder"
	else
		[ "$has" = - ] || [ -n "$(interfaces_of "$address")" ] ||
			die "$address: $has shows no interface here, is it in another network namespace?"
		check_interfaces "$address"
		[ "$(cat "/sys/bus/pci/devices/$address/sriov_numvfs" 2>/dev/null || say 0)" = 0 ] ||
			die "$address has virtual functions, which would go with it: serve one of those, or remove them"
	fi
	if [ "$driver" = vfio-pci ]; then
		check_iommu "$address"
	else
		check_uio "$address"
	fi
}

# hand_to DRIVER ADDRESS: a dash hands it to nobody.
hand_to() {
	local wanted=$1 address=$2 device=/sys/bus/pci/devices/$2
	if is_for_user_space "$wanted"; then
		echo "$wanted" >"$device/driver_override"
	else
		echo >"$device/driver_override"
	fi
	[ ! -e "$device/driver" ] || echo "$address" >"$device/driver/unbind"
	[ "$wanted" != - ] || return 0
	if [ -d "/sys/bus/pci/drivers/$wanted" ]; then
		echo "$address" >"/sys/bus/pci/drivers/$wanted/bind" || true
	else
		echo "$address" >/sys/bus/pci/drivers_probe || true # may load a module
	fi 2>/dev/null
	[ "$(driver_of "$address")" = "$wanted" ]
}

recorded() {
	awk -v boot="$boot" -v address="$1" '$1 == boot && $2 == address' "$record" 2>/dev/null || true
}

forget() {
	awk -v boot="$boot" -v address="$1" '$1 == boot && $2 != address' "$record" >"$record.new"
	mv "$record.new" "$record"
}

take() {
	local address=$1 before interface
	before=$(driver_of "$address")
	interface=$(interfaces_of "$address" | xargs)
	[ -n "$(recorded "$address")" ] || say "$boot $address $before $interface" >>"$record"
	if ! hand_to "$driver" "$address"; then
		hand_to "$before" "$address" || true
		forget "$address"
		die "$address: $driver does not take it: $(dmesg | grep -F "$address" | tail -n 1)"
	fi
	say "$address: ${interface:+$interface, }driver $before, is $driver's now (back with: $0 undo $address)"
}

bind() {
	local name address devices=()
	for name; do
		address=$(resolve "$name")
		if is_bifurcated "$address"; then
			check_bifurcated "$address"
			[ -n "$(interfaces_of "$address")" ] || die "$address needs its kernel driver (mlx5_core, or" \
				"mlx4_core): DPDK's works beside it, and never without"
			say "$address: $(driver_of "$address") keeps it, nothing to do: DPDK's driver works beside the kernel's"
		elif is_free "$address"; then
			say "$address: is $(driver_of "$address")'s already"
		else
			devices+=("$address")
		fi
	done
	[ ${#devices[@]} -gt 0 ] || return 0
	asked="${devices[*]}"
	load_driver
	for address in "${devices[@]}"; do
		check_device "$address"
	done
	for address in "${devices[@]}"; do
		take "$address"
	done
}

undo() {
	local name address before holder addresses=()
	if [ $# = 0 ]; then
		mapfile -t addresses < <(awk -v boot="$boot" '$1 == boot { print $2 }' "$record")
	fi
	for name; do
		address=$(resolve "$name" recorded)
		addresses+=("$address")
	done
	for address in "${addresses[@]}"; do
		before=$(recorded "$address" | awk '{ print $3 }')
		[ -n "$before" ] || continue
		if [ ! -e "/sys/bus/pci/devices/$address" ]; then
			forget "$address"
			say "$address: is not there any more"
			continue
		fi
		# The kernel would wait for it, for ever.
		holder=$(holder_of "$address")
		[ -z "$holder" ] || die "$address is in use by process $holder: stop that first"
		hand_to "$before" "$address" || die "$address: $before does not take it back: $(dmesg | tail -n 1)"
		forget "$address"
		say "$address: back with driver $before"
	done
}

taken() {
	local address
	address=$(resolve "$1")
	[ -n "$(recorded "$address")" ]
}

status() {
	local path address interface before use
	printf '%-13s %4s %5s %-16s %-16s %s\n' address node group driver before interface
	for path in /sys/bus/pci/devices/*; do
		[[ $(cat "$path/class") = 0x02* ]] || continue
		address=${path##*/}
		before=$(recorded "$address" | awk '{ print $3 }')
		use=
		for interface in $(interfaces_of "$address"); do
			use+="$interface $(use_of "$interface")"
		done
		! is_bifurcated "$address" || use+=" never bound: DPDK works beside the kernel"
		printf '%-13s %4s %5s %-16s %-16s %s\n' "$address" "$(cat "$path/numa_node")" "$(group_of "$address")" \
			"$(driver_of "$address")" "${before:--}" "$use"
	done
}

[ $# -gt 0 ] || { usage >&2 && exit 1; }
config=
names=()
case $1 in
status | taken | undo) ;;
*)
	while [ $# -gt 0 ]; do
		case $1 in
		--driver)
			driver=${2-}
			case $driver in
			vfio-pci | uio_pci_generic) ;;
			*) die "--driver is vfio-pci or uio_pci_generic" ;;
			esac
			insists=1
			shift
			;;
		-c)
			config=${2-}
			[ -r "$config" ] || die "cannot read ${config:-a file without a name}"
			shift
			;;
		-h | --help) usage && exit ;;
		-*) usage >&2 && exit 1 ;;
		*) names+=("$1") ;;
		esac
		shift
	done
	if [ -n "$config" ]; then
		effective=$("$(timeballd_path)" -p -f "$config")
		mapfile -t -O "${#names[@]}" names < <(pci_devices <<<"$effective")
	fi
	set -- bind "${names[@]}"
	;;
esac

case $1 in
status) status ;;
*)
	need_root
	mkdir -p "${record%/*}"
	exec 9>"$record.lock"
	flock 9
	touch "$record"
	"$@"
	;;
esac
