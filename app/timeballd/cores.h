// SPDX-License-Identifier: BSD-3-Clause
// Which CPU does what: `cores`, or a sensible choice among those we are allowed.
#pragma once

#include "config/config.h"

#include <sched.h>
#include <stddef.h>

struct cores {
	unsigned control;
	unsigned workers[CONFIG_CORES];
	unsigned worker_count; // never more than there are queues
};

// Control gets the first allowed CPU, workers others, one a queue as far as they go; with a single
// CPU they share it. Returns 0, or -EINVAL with one line in `problem` when `wanted` names a CPU
// that is not allowed.
int cores_choose(struct cores *cores, const struct config_cores *wanted, const cpu_set_t *allowed,
		unsigned queues, char *problem, size_t size);
