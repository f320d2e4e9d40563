#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds timeball and serves time with it until stopped (Ctrl-C), then undoes what it did.
# Usage: launch.sh [-c FILE] [--no-huge] [--driver NAME] [--no-build] [-- timeballd options]
#   -c FILE        configuration instead of config/timeball.conf, which serves on a TAP port of this host
#   --no-huge      run without hugepages: slower, for hosts and containers that cannot reserve any
#   --driver NAME  for the PCI devices that the configuration serves, instead of vfio-pci (bind-nic.sh)
#   --no-build     take the timeballd that is there, install nothing
. "$(dirname "$0")/lib.sh"

config=$root/config/timeball.conf
no_huge=
no_build=
driver=
while [ $# -gt 0 ]; do
	case $1 in
	-c)
		[ $# -ge 2 ] || die "-c needs a file"
		config=$(realpath "$2")
		shift
		;;
	--no-huge) no_huge=1 ;;
	--no-build) no_build=1 ;;
	--driver)
		[ $# -ge 2 ] || die "--driver needs a name"
		driver=$2
		shift
		;;
	-h | --help) usage && exit ;;
	--) break ;;
	*) usage >&2 && exit 1 ;;
	esac
	shift
done
[ "${1-}" != -- ] || shift

daemon=
stopping=
reserved=
scratch=
taps=()
taken=()

# Prints interface and address for each TAP port in the configuration on standard input.
tap_ports() {
	awk 'tolower($1) == "serve" && $2 ~ /^net_tap/ && match($2, /iface=[^,]+/) {
		interface = substr($2, RSTART + 6, RLENGTH - 6)
		for (i = 3; i < NF; i++)
			if ($i == "address")
				print interface, $(i + 1)
	}'
}

# A range that the host already sends elsewhere would be lost to it.
refuse_if_taken() {
	local interface=$1 address=$2 family=-4 route
	[ ! -e "/sys/class/net/$interface" ] || die "interface $interface exists: is timeballd running already?"
	[ -c /dev/net/tun ] || die "no /dev/net/tun for a TAP port: modprobe tun, or pass the device into this container"
	[[ $address != *:* ]] || family=-6
	route=$({
		ip $family route show table all to root "$address"
		ip $family route show table all to match "$address"
	} | grep -v '^default ' | head -n 1) || true
	[ -z "$route" ] || die "this host already routes $address ($route): serve another range ($config)"
}

# Prints the address next to the server's own, for the host's end of the TAP.
neighbour_of() {
	/usr/bin/python3 -c 'import ipaddress, sys
served = ipaddress.ip_interface(sys.argv[1])
host = served.ip + 1
if host not in served.network or host == served.network.broadcast_address:
    host = served.ip - 1
print(f"{host}/{served.network.prefixlen}")' "$1"
}

reserve_hugepages() {
	[ -s /run/timeball/hugepages ] || reserved=1
	"$root/scripts/hugepages.sh" setup --memory "$1" ||
		die "without hugepages: $0 --no-huge"
}

# Takes the network cards that the configuration names; those taken before stay so at the end.
take_nics() {
	local address nics ours=()
	mapfile -t nics < <(pci_devices)
	[ ${#nics[@]} -gt 0 ] || return 0
	for address in "${nics[@]}"; do
		"$root/scripts/bind-nic.sh" taken "$address" 2>/dev/null || ours+=("$address")
	done
	"$root/scripts/bind-nic.sh" ${driver:+--driver "$driver"} "${nics[@]}"
	taken=("${ours[@]}")
}

# Waits for the port that timeballd creates, and gives the host an address on it.
join() {
	local interface=$1 address=$2
	for _ in {1..300}; do
		[ -z "$stopping" ] && kill -0 "$daemon" 2>/dev/null || return 0
		if [ -e "/sys/class/net/$interface" ]; then
			ip address replace "$(neighbour_of "$address")" dev "$interface"
			ip link set "$interface" up
			say "Ask for the time with:  $root/scripts/ask ${address%/*}"
			return
		fi
		sleep 0.1
	done
	warn "timeballd has not created $interface"
}

clean_up() {
	trap '' INT TERM HUP
	[ -z "$daemon" ] || stop_child "$daemon" || true
	for tap in "${taps[@]}"; do
		ip link delete "${tap% *}" 2>/dev/null || true
	done
	[ ${#taken[@]} = 0 ] || "$root/scripts/bind-nic.sh" undo "${taken[@]}" || true
	[ -z "$reserved" ] || "$root/scripts/hugepages.sh" undo
	[ -z "$scratch" ] || rm -f "$scratch"
}

need_root
[ -r "$config" ] || die "cannot read $config"
if [ -z "$no_build" ]; then
	need_packages build run
	build=$build/native # for this machine's CPU; what runs on any has the folder above
	"$root/scripts/build.sh" "$build" -Dcpu=native
fi
timeballd=$(timeballd_path)

effective=$("$timeballd" -p -f "$config" "$@")
mapfile -t taps < <(tap_ports <<<"$effective")
for tap in "${taps[@]}"; do
	# shellcheck disable=SC2086 # interface and address
	refuse_if_taken $tap
done

trap 'stopping=1; [ -z "$daemon" ] || kill "$daemon" 2>/dev/null' INT TERM HUP
trap clean_up EXIT
take_nics <<<"$effective"
if [ -n "$no_huge" ]; then
	scratch=$build/launch.$$.conf
	printf 'include %s\nealarg --no-huge\n' "$config" >"$scratch"
	config=$scratch
else
	reserve_hugepages "$(memory_wanted <<<"$effective")"
fi
[ -z "$stopping" ] || exit 1

# Should this script be killed, timeballd stops too.
setpriv --pdeathsig TERM "$timeballd" -d -f "$config" "$@" &
daemon=$!
for tap in "${taps[@]}"; do
	# shellcheck disable=SC2086 # interface and address
	join $tap
done

status=0
wait "$daemon" || status=$?
if [ -n "$stopping" ]; then
	status=0
	stop_child "$daemon" || status=$?
else
	warn "timeballd ended by itself, status $status"
fi
daemon=
exit $status
