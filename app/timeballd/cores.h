// SPDX-License-Identifier: BSD-3-Clause
// Which CPU does what: `cores`, or a sensible choice among those we are allowed.
#pragma once

#include "config/config.h"

#include <sched.h>
#include <stddef.h>

#define CORES_ANY_NODE (-1)

struct cores {
	unsigned control;
	unsigned workers[CONFIG_CORES];
	unsigned worker_count; // never more than are wanted
};

// What there is to choose from, and for what.
struct cores_host {
	cpu_set_t allowed;
	int (*node_of_cpu)(int cpu); // NUMA node, or negative
	int nodes[CONFIG_CORES];     // that each worker's port is on, or CORES_ANY_NODE
	unsigned worker_count;       // that are wanted
};

// Control gets the first allowed CPU, workers others, on the nodes of their ports as far as they go;
// with a single CPU they share it. Returns 0, or -EINVAL with one line in `problem` when `wanted`
// names a CPU that is not allowed.
int cores_choose(struct cores *cores, const struct config_cores *wanted,
		const struct cores_host *host, char *problem, size_t size);
// NUMA node, or negative where there is none.
int cores_node_of_cpu(int cpu);
// NUMA node of a device as in `serve`, read from the folder where sysfs is mounted: a PCI card's, and
// CORES_ANY_NODE for all else.
int cores_node_of_device(const char *sysfs, const char *device);
