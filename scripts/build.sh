#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Configures the build folder when that has not been done or options are given, and compiles.
# Usage: build.sh [FOLDER [meson setup options]]
. "$(dirname "$0")/lib.sh"

folder=${1:-$build}
if [ ! -f "$folder/build.ninja" ]; then
	meson setup "$folder" "$root" "${@:2}"
elif [ $# -gt 1 ]; then
	meson configure "$folder" "${@:2}"
fi
quiet=
[ -t 1 ] || quiet=1 # a log wants the errors only
ninja -C "$folder" ${quiet:+--quiet}
