#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# All tests: installs what they need, builds, checks the tree, runs the lab (root).
. "$(dirname "$0")/lib.sh"

need_root
exec "$root/scripts/check" --lab "$@"
