#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs the Debian packages that are missing. Never a time daemon: those evict each other (peers.sh).
# Usage: packages.sh [build|run|check|lab|bench|fresh]...   (the first four without arguments)
. "$(dirname "$0")/lib.sh"

packages_for() {
	case $1 in
	build) say clang gcc libbpf-dev libc6-dev meson ninja-build pkgconf libdpdk-dev libjansson-dev libnuma-dev nettle-dev ;;
	run) say iproute2 kmod python3 ;;
	check) say binutils clang clang-format libclang-rt-14-dev libcmocka-dev shellcheck universal-ctags ;;
	bench) say dpdk-dev gnuplot-nox iproute2 nftables procps python3-scapy ;;
	lab) say cpio dpdk-dev ethtool gnuplot-nox iproute2 iputils-ping netbase nftables python3-scapy qemu-system-x86 strace ;;
	fresh) say debootstrap ;;
	-h | --help) usage >&2 && return 1 ;;
	*) die "no package list named $1" ;;
	esac
}

apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

[ $# -gt 0 ] || set -- build run check lab
wanted=
for purpose; do
	wanted+=" $(packages_for "$purpose")" || exit
done

command -v dpkg-query >/dev/null || die "not a Debian system; needed here:$wanted"
# shellcheck disable=SC2086 # a list of words, here and below
installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
	sed -n 's/ installed$//p') || true
# shellcheck disable=SC2086
missing=$(printf '%s\n' $wanted | sort -u | grep -vxF "$installed" | xargs) || true
[ -n "$missing" ] || exit 0

[ "$(id -u)" = 0 ] || die "missing packages; as root: apt-get install --no-install-recommends $missing"
say "installing $missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt update >"$log" 2>&1 || warn "apt-get update failed, trying with the package lists there are"
# shellcheck disable=SC2086
if ! apt install --no-install-recommends $missing >>"$log" 2>&1; then
	tail -n 30 "$log" >&2
	die "apt-get could not install: $missing"
fi
