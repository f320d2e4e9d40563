// SPDX-License-Identifier: BSD-3-Clause
// Loss, latency and accuracy by rate as a picture. gnuplot draws it, a child that we hand a script
// with the data in it.
#pragma once

#include "timeball-bench/campaign.h"

#include <stdbool.h>
#include <stddef.h>

// Whether there is a gnuplot to be run.
bool plot_is_possible(void);
// Writes `path`, .svg or .png. Returns 0, or -errno with one line for the operator.
int plot_write(const struct campaign *campaign, const char *path, char *problem, size_t size);
