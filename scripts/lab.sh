#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The how-to's three hosts as network namespaces on one bridge: timeballd serves 192.168.1.10 through
# DPDK to two stock chronyd clients. Prints what each thinks of the server; fails unless both select it.
# Usage: lab.sh [--shell]
#   --shell  afterwards opens a shell to look around; leaving it ends the lab
#
# A namespace here is a sleeping process and nothing else. With no names and no mounts, labs can run side
# by side, in a chroot too (where `ip netns exec` cannot), and vanish even when this script is killed.
. "$(dirname "$0")/lib.sh"

[ $# = 0 ] || [ "$*" = --shell ] || { usage >&2 && exit 1; }

server=192.168.1.10
lab=
children=()
declare -A host

# start LOG COMMAND...: runs a command that ends when this script does.
start() {
	local log=$1
	shift
	setpriv --pdeathsig KILL "$@" >"$log" 2>&1 </dev/null &
	children+=($!)
}

# Makes a namespace and the command $lab/NAME that runs others in it.
add_host() {
	local name=$1
	start /dev/null unshare --net sleep infinity
	host[$name]=$!
	for _ in {1..50}; do
		[ "$(readlink "/proc/${host[$name]}/ns/net")" = "$(readlink /proc/$$/ns/net)" ] || break
		sleep 0.1
	done
	printf '#!/bin/sh\nexec nsenter --net=/proc/%s/ns/net "$@"\n' "${host[$name]}" >"$lab/$name"
	chmod +x "$lab/$name"
	"$lab/$name" ip link set lo up
}

# Plugs a host into the switch. No address from the kernel: what is wanted is given by hand.
plug() {
	local name=$1
	"$lab/switch" ip link add "$name" type veth peer name eth0 netns "${host[$name]}"
	"$lab/switch" ip link set "$name" master bridge up
	"$lab/$name" ip link set eth0 addrgenmode none up
}

start_server() {
	local free
	free=$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)
	cat >"$lab/timeball.conf" <<-EOF
		serve net_af_packet0,iface=eth0 address $server/24
		allow 192.168.1.0/24
		local stratum 10
		pidfile $lab/timeballd.pid
	EOF
	[ "${free:-0}" -ge 128 ] || say "ealarg --no-huge" >>"$lab/timeball.conf"
	start "$lab/server.log" "$lab/server" "$build/app/timeballd/timeballd" -d -x -f "$lab/timeball.conf"
}

start_client() {
	local name=$1 address=$2
	"$lab/$name" ip address add "$address/24" dev eth0
	mkdir -m 750 "$lab/$name.run"
	cat >"$lab/$name.conf" <<-EOF
		server $server iburst
		pidfile $lab/$name.run/chronyd.pid
		bindcmdaddress $lab/$name.run/chronyd.sock
		cmdport 0
	EOF
	start "$lab/$name.log" "$lab/$name" "$peers/chronyd" -d -x -f "$lab/$name.conf"
}

ask() {
	"$peers/chronyc" -h "$lab/$1.run/chronyd.sock" "${@:2}"
}

selected() {
	ask "$1" -c sources 2>/dev/null | grep -qF "^,*,$server,"
}

wait_for_clients() {
	local deadline=$((SECONDS + 30))
	until selected client1 && selected client2; do
		[ "$SECONDS" -lt "$deadline" ] || return
		sleep 0.5
	done
}

show_logs() {
	local name
	for name in server client1 client2; do
		say "--- $name"
		tail -n 20 "$lab/$name.log"
	done
}

look_around() {
	cat <<-EOF
		The lab is up until you leave this shell. Commands run on a host by its name:
		    client1 chronyc -h $lab/client1.run/chronyd.sock sources
		    client2 $root/scripts/ask $server
		    client2 ip -stats link show eth0
		Configuration and logs are in $lab.
	EOF
	PATH=$lab:$peers:$PATH PS1='lab$ ' bash --norc -i || true
}

clean_up() {
	trap '' INT TERM HUP
	local child
	for child in "${children[@]}"; do
		kill "$child" 2>/dev/null || true
	done
	wait
	rm -rf "$lab"
}

need_root
need_packages build run
"$root/scripts/build.sh"
peers=$("$root/scripts/peers.sh" chrony)

trap clean_up EXIT
trap 'exit 130' INT TERM HUP
# Short: chronyc's socket lives there, and a socket's path has an end.
lab=$(mktemp -d /tmp/timeball-lab.XXXXXX)
add_host switch
"$lab/switch" ip link add bridge type bridge
"$lab/switch" ip link set bridge up
for name in server client1 client2; do
	add_host "$name"
	plug "$name"
done
start_server
start_client client1 192.168.1.11
start_client client2 192.168.1.12

status=0
wait_for_clients || status=1
for name in client1 client2; do
	say "--- $name"
	ask "$name" sources || status=1
	ask "$name" tracking || status=1
done
if [ "$status" != 0 ]; then
	show_logs
	warn "the clients have not both selected $server within 30 s"
fi
[ "${1-}" != --shell ] || look_around
exit $status
