#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Downloads other NTP daemons and clients for the tests and unpacks them, with the libraries they need,
# into build/peers. Nothing is installed: Debian's time daemons evict each other.
# Usage: peers.sh [chrony|ntpsec|openntpd|linux]...   (all but linux without arguments)
# linux is a kernel and busybox for the guests of tests/lab, in build/peers/linux.
# Prints the folder of their commands: chronyd chronyc ntpd ntpq ntpdig openntpd. As root these run
# without CAP_SYS_TIME, so that none can touch the clock.
. "$(dirname "$0")/lib.sh"

peers=$build/peers
bin=$peers/bin

download() {
	local try
	for try in first last; do
		(cd "$1" && apt-get -qq -o APT::Sandbox::User=root download "$2") && return
		[ "$try" = last ] || apt-get -qq update || true
	done
	die "cannot download the package $2"
}

installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Unpacks a package, and those of its libraries that are not installed, into $folder.
unpack() {
	local package=$1 archives=$folder/archives dependency
	mkdir -p "$archives"
	compgen -G "$archives/${package}_*" >/dev/null && return
	download "$archives" "$package"
	dpkg -x "$archives/${package}"_* "$folder"
	for dependency in $(dpkg-deb -f "$archives/${package}"_* Depends | tr ',' '\n' |
		sed 's/^ *//; s/[ :|(].*//' | grep -E '^(lib|python3-)'); do
		installed "$dependency" || unpack "$dependency"
	done
}

# command_for NAME PROGRAM [ARGUMENT]...: writes the command that runs a program of $folder.
command_for() {
	local name=$1 program=$2
	shift 2
	cat >"$bin/$name" <<-EOF
		#!/bin/sh
		folder=\$(readlink -f "\$(dirname "\$0")/../${folder##*/}")
		libraries=\$(printf '%s:' "\$folder"/lib/*-linux-gnu "\$folder"/usr/lib/*-linux-gnu)
		export LD_LIBRARY_PATH="\${libraries%:}" PYTHONPATH="\$folder/usr/lib/python3/dist-packages"
		$setting
		set -- "\$folder/$program" $* "\$@"
		[ "\$(id -u)" != 0 ] || set -- setpriv --bounding-set=-sys_time "\$@"
		exec "\$@"
	EOF
	chmod +x "$bin/$name"
}

peer_chrony() {
	unpack chrony
	# The package's own user does not exist here.
	command_for chronyd usr/sbin/chronyd -u root
	command_for chronyc usr/bin/chronyc
	"$bin/chronyd" -v && "$bin/chronyc" -v
}

peer_ntpsec() {
	unpack ntpsec
	unpack ntpsec-ntpdig
	# Its Python looks for the library beside itself, or in /usr.
	ln -sf "$folder"/usr/lib/*/ntp/libntpc.so "$folder/usr/lib/python3/dist-packages/ntp/"
	command_for ntpd usr/sbin/ntpd
	command_for ntpq usr/bin/ntpq
	command_for ntpdig usr/bin/ntpdig
	"$bin/ntpd" --version && "$bin/ntpdig" --version
}

peer_openntpd() {
	unpack openntpd
	unpack libnss-wrapper
	# It insists on a user ntpd and on files in /var: give it the one, and have the others where it is started.
	say "ntpd:x:65534:65534::$folder/empty:/bin/false" >"$folder/passwd"
	say "ntpd:x:65534:" >"$folder/group"
	mkdir -p "$folder/empty"
	sed -i 's,/var/lib/openntpd/run/,./././././././././././,; s,/var/lib/openntpd/db/,././././././././././/,' \
		"$folder/usr/sbin/ntpd"
	setting='export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD="$folder/passwd" NSS_WRAPPER_GROUP="$folder/group"'
	command_for openntpd usr/sbin/openntpd
	"$bin/openntpd" -n -f /dev/null
}

# Only unpacked: busybox-static would evict the busybox that a host boots with.
peer_linux() {
	unpack busybox-static
	unpack linux-image-cloud-amd64
	unpack "$(dpkg-deb -f "$folder"/archives/linux-image-cloud-amd64_* Depends | sed 's/[ ,].*//')"
	"$folder/bin/busybox" depmod -b "$folder" "$(ls "$folder/lib/modules")"
}

[ "${1-}" != --help ] || { usage && exit; }
[ $# -gt 0 ] || set -- chrony ntpsec openntpd
mkdir -p "$bin"
exec 9>"$peers/lock"
flock 9
for peer; do
	declare -F "peer_$peer" >/dev/null || die "no peer named $peer"
	folder=$peers/$peer
	[ -f "$folder/complete" ] && continue
	rm -rf "$folder"
	setting=
	("peer_$peer") >"$peers/$peer.log" 2>&1 || { cat "$peers/$peer.log" >&2 && die "cannot prepare $peer"; }
	touch "$folder/complete"
done
say "$bin"
