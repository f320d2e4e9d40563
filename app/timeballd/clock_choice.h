// SPDX-License-Identifier: BSD-3-Clause
// Which clock is the one truth, by configuration and command line.
#pragma once

#include "config/config.h"
#include "timing/local_clock.h"

#include <stddef.h>

// Opens it; not where another daemon steers the clock that is to be ours. Returns 0, or -errno with one
// line for the operator in `problem`.
int clock_choose(struct local_clock *clock, const struct config *config, bool software,
		char *problem, size_t size);
