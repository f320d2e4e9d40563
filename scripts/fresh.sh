#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The acceptance test of launch.sh and test.sh: in a new Debian 12 tree with only git and ca-certificates,
# a clone of HEAD must answer an NTP query within five minutes of launch.sh, and test.sh must pass.
# Usage: fresh.sh
. "$(dirname "$0")/lib.sh"

tree=$build/fresh
address=198.18.123.1

in_tree=(chroot "$tree" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin)

launch() {
	local log=$build/fresh-launch.log start=$SECONDS pid answer
	"${in_tree[@]}" /timeball/scripts/launch.sh >"$log" 2>&1 &
	pid=$!
	until answer=$("${in_tree[@]}" /timeball/scripts/ask $address 2>&1); do
		if [ $((SECONDS - start)) -gt 300 ] || ! kill -0 "$pid" 2>/dev/null; then
			tail -n 40 "$log" >&2
			die "no time from launch.sh after $((SECONDS - start)) s"
		fi
		sleep 1
	done
	say "$answer" "($((SECONDS - start)) s after launch.sh was started)"
	kill "$pid"
	wait "$pid" || die "launch.sh ended with status $?"
	[ ! -e /sys/class/net/timeball0 ] || die "launch.sh left timeball0 behind"
}

inside() {
	mount -t proc proc "$tree/proc"
	mount --rbind /sys "$tree/sys"
	mount --rbind /dev "$tree/dev"
	launch
	"${in_tree[@]}" /timeball/scripts/test.sh
}

if [ "${1-}" = --inside ]; then
	inside
	exit
fi
[ $# = 0 ] || { usage >&2 && exit 1; }
need_root
need_packages fresh
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
[ -n "$mirror" ] || die "apt has no mirror of Debian 12 here (apt-get update?)"

trap 'rm -rf --one-file-system "$tree"' EXIT
rm -rf --one-file-system "$tree"
mkdir -p "$build"
debootstrap --variant=minbase --include=git,ca-certificates bookworm "$tree" "$mirror" \
	>"$build/fresh-debootstrap.log" || die "debootstrap failed, see $build/fresh-debootstrap.log"
git -c safe.directory='*' clone -q "$root" "$tree/timeball"
# Mounts and processes of its own: both end with it, whatever happens.
unshare --mount --pid --fork --kill-child "$0" --inside
