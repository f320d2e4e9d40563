// SPDX-License-Identifier: BSD-3-Clause
// Serving needs DPDK, whose libraries do things when they are loaded that a client has no use for.
// So two programs are made of main.c: timeballd-serve has the server in itself (serve_here.c), and timeballd
// becomes timeballd-serve (serve_elsewhere.c).
#pragma once

#include "config/config.h"
#include "timeballd/options.h"

// Before anything is opened, locked or logged. `argv` is main()'s. Returns the exit status.
int serve_start(const struct options *options, struct config *config, char **argv);
