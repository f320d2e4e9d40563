#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Configures the build folder when that has not been done, and compiles.
# Usage: build.sh [FOLDER [meson setup options]]
. "$(dirname "$0")/lib.sh"

folder=${1:-$build}
[ -f "$folder/build.ninja" ] || meson setup "$folder" "$root" "${@:2}"
quiet=
[ -t 1 ] || quiet=1 # a log wants the errors only
ninja -C "$folder" ${quiet:+--quiet}
