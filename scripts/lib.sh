# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the scripts share. Sourced; sets root (the source tree) and build (the build folder, $BUILD).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(realpath -m "${BUILD:-$root/build}")
# Debian's own tools first: they are the ones packages.sh installs. A chroot often lacks the sbins.
export root build PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH" LC_ALL=C.UTF-8

say() {
	printf '%s\n' "$*"
}

warn() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	warn "$@"
	exit 1
}

# Prints the comment that opens the script.
usage() {
	awk 'NR > 2 { if (!sub(/^# ?/, "")) exit; print }' "$0"
}

need_root() {
	[ "$(id -u)" = 0 ] || die "needs root: sudo $0"
}

need_packages() {
	"$root/scripts/packages.sh" "$@"
}

# The server of the build folder, or else the one that is installed.
timeballd_path() {
	if [ -x "$build/app/timeballd/timeballd" ]; then
		say "$build/app/timeballd/timeballd"
	elif [ -x "$root/../../sbin/timeballd" ]; then # as install.sh lays it out
		realpath "$root/../../sbin/timeballd"
	else
		command -v timeballd || die "no timeballd: scripts/build.sh"
	fi
}

# Prints the PCI addresses served by the configuration on standard input, as `timeballd -p` prints it.
pci_devices() {
	awk 'tolower($1) == "serve" && $2 ~ /^([0-9a-fA-F]+:)?[0-9a-fA-F]+:[0-9a-fA-F]+\.[0-7](,|$)/ {
		sub(/,.*/, "", $2)
		print $2
	}'
}

# Prints how many MB of hugepages the configuration on standard input wants, as `timeballd -p` prints it:
# for the ports' queues, and for what each worker remembers of clients. 256 at least.
memory_wanted() {
	awk 'BEGIN { table = -1 }
	tolower($1) == "serve" {
		workers = 1
		for (i = 3; i < NF; i++)
			if (tolower($i) == "workers")
				workers = $(i + 1)
		own = workers
		# Of AF_XDP all queues of the interface are taken.
		if ($2 ~ /^net_af_xdp/ && match($2, /,queue_count=[0-9]+/))
			own = substr($2, RSTART + 13, RLENGTH - 13)
		else if ($2 ~ /^net_af_xdp/ && match($2, /,iface=[^,]+/)) {
			list = "find /sys/class/net/" substr($2, RSTART + 7, RLENGTH - 7) "/queues/ -name \"rx-*\" 2>/dev/null"
			for (found = 0; (list | getline name) > 0;)
				found++
			close(list)
			own = found > workers ? found : workers
		}
		queues += own
		all += workers
	}
	tolower($1) == "clientloglimit" { table = $2 / 1048576 }
	tolower($1) == "noclientlog" { none = 1 }
	END {
		tables = none ? 0 : table < 0 ? 64 * all : table
		wanted = int(32 + 16 * queues + tables + 2 * all + 0.999)
		print wanted < 256 ? 256 : wanted
	}'
}

# Ends a child by SIGTERM, after ten seconds by SIGKILL; returns its exit status.
stop_child() {
	local pid=$1
	kill "$pid" 2>/dev/null || true
	for _ in {1..100}; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	if kill -KILL "$pid" 2>/dev/null; then
		warn "process $pid did not stop on SIGTERM, killed"
	fi
	wait "$pid"
}
