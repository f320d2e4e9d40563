// SPDX-License-Identifier: BSD-3-Clause
// What a configuration may say but this build cannot do.
#pragma once

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

#define SUPPORTED_PORTS 16

// Follows servers and serves nobody: no `serve` line, or `port 0`. Such a process has no use for DPDK.
bool supported_is_client(const struct config *config);
// Returns 0, or -EINVAL with one line for the operator in `problem`.
int supported_check(const struct config *config, char *problem, size_t size);
