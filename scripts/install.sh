#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs timeball as a service of systemd, or takes it out again. Starts and enables nothing by itself.
# Usage: install.sh [--prefix FOLDER] [--without-iommu] [--no-build]   (/usr/local without)
#        install.sh --remove [--prefix FOLDER]
#   --without-iommu  also installs the drop-in for cards that have no IOMMU before them (docs/hardware.md)
#   --no-build       installs what was built before
# /etc/timeball/timeball.conf is written only if there is none, and stays at --remove if it was changed.
# With $DESTDIR everything goes below that folder, and the running system is left alone.
. "$(dirname "$0")/lib.sh"

prefix=/usr/local
remove=
no_build=
without_iommu=
while [ $# -gt 0 ]; do
	case $1 in
	--prefix)
		prefix=${2-}
		[[ $prefix = /?* ]] || die "--prefix needs a folder, from the root on"
		shift
		;;
	--remove) remove=1 ;;
	--no-build) no_build=1 ;;
	--without-iommu) without_iommu=1 ;;
	-h | --help) usage && exit ;;
	*) usage >&2 && exit 1 ;;
	esac
	shift
done
destination=${DESTDIR-}
configuration=/etc/timeball/timeball.conf
drop_in=/etc/systemd/system/timeball.service.d/without-iommu.conf

# Prints what goes where: mode, source in this tree, target.
files() {
	local name
	say "755 $1 $prefix/sbin/timeballd"
	say "755 $1-serve $prefix/sbin/timeballd-serve"
	say "755 ${1%/*/*}/timeball-bench/timeball-bench $prefix/sbin/timeball-bench"
	for name in ask bind-nic.sh hugepages.sh kernel-args.sh; do
		say "755 scripts/$name $prefix/lib/timeball/scripts/$name"
	done
	say "644 scripts/lib.sh $prefix/lib/timeball/scripts/lib.sh"
	say "644 docs/man/timeballd.8 $prefix/share/man/man8/timeballd.8"
	say "644 docs/man/timeball-bench.8 $prefix/share/man/man8/timeball-bench.8"
	say "644 docs/man/timeball.conf.5 $prefix/share/man/man5/timeball.conf.5"
	say "644 config/timeball.conf $prefix/share/doc/timeball/timeball.conf"
	for name in config/examples/*.conf docs/hardware.md LICENSE README.md; do
		say "644 $name $prefix/share/doc/timeball/${name#*/}"
	done
	# These have one place each, whatever the prefix.
	say "644 config/systemd/timeball.service /etc/systemd/system/timeball.service"
	say "644 config/systemd/timeball-hugepages.service /etc/systemd/system/timeball-hugepages.service"
	say "644 config/50-timeball.list /usr/lib/systemd/ntp-units.d/50-timeball.list"
	say "644 config/sysusers.conf /usr/lib/sysusers.d/timeball.conf"
	say "644 config/tmpfiles.conf /usr/lib/tmpfiles.d/timeball.conf"
}

# Units name the prefix, all else is copied as it is.
put() {
	local mode=$1 source=$2 target=$destination$3
	mkdir -p "${target%/*}"
	# Beside it first: a program that runs cannot be written over.
	case $source in
	config/systemd/*) sed "s,/usr/local/,$prefix/,g" "$source" >"$target.new" ;;
	*) cp "$source" "$target.new" ;;
	esac
	chmod "$mode" "$target.new"
	mv "$target.new" "$target"
}

# Removes a file, and the folders of ours that this leaves empty.
take_out() {
	local folder=$1
	rm -f "$destination$1"
	while folder=${folder%/*} && [[ $folder = */timeball* ]]; do
		rmdir "$destination$folder" 2>/dev/null || break
	done
}

# Is this the system that runs here?
is_live() {
	[ -z "$destination" ] && [ -d /run/systemd/system ]
}

install_all() {
	local mode source target
	if [ -z "$no_build" ]; then
		need_packages build run
		"$root/scripts/build.sh"
	fi
	while read -r mode source target; do
		put "$mode" "$source" "$target"
	done < <(files "$build/app/timeballd/timeballd")
	[ -e "$destination$configuration" ] || put 644 config/timeball.conf "$configuration"
	[ -z "$without_iommu" ] || put 644 config/systemd/without-iommu.conf "$drop_in"
	if is_live; then
		systemd-sysusers
		systemd-tmpfiles --create "/usr/lib/tmpfiles.d/timeball.conf"
		systemctl daemon-reload
	fi
	printf '%s\n' "Installed. Now:" \
		"  1. $configuration says what is served; timeballd -p checks it" \
		"  2. $prefix/lib/timeball/scripts/kernel-args.sh prints what the kernel should be told at boot" \
		"  3. systemctl enable --now timeball-hugepages timeball"
}

remove_all() {
	local target pristine=$destination$prefix/share/doc/timeball/timeball.conf
	if is_live; then
		systemctl disable --quiet --now timeball timeball-hugepages 2>/dev/null || true
		"$root/scripts/bind-nic.sh" undo || warn "not all network cards are back with the kernel"
	fi
	if cmp -s "$pristine" "$destination$configuration"; then
		take_out "$configuration"
	elif [ -e "$destination$configuration" ]; then
		say "$configuration was changed, it stays"
	fi
	while read -r _ _ target; do
		take_out "$target"
	done < <(files -)
	take_out "$drop_in"
	! is_live || systemctl daemon-reload
}

cd "$root"
[ -n "$destination" ] || need_root
if [ -n "$remove" ]; then
	remove_all
else
	install_all
fi
