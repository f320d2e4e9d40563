// SPDX-License-Identifier: BSD-3-Clause
// What is told of a campaign, as JSON.
#pragma once

#include "timeball-bench/campaign.h"

// Writes to `path`, or to standard output for "-". Returns 0 or -errno.
int json_write(const struct campaign *campaign, const char *path);
