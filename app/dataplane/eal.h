// SPDX-License-Identifier: BSD-3-Clause
// DPDK's environment: one lcore for control, one for each worker, and nothing left behind at exit.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct eal_options {
	unsigned control_cpu;
	const unsigned *worker_cpus; // lcore i + 1 runs on worker_cpus[i]; may share the control CPU
	unsigned worker_count;
	const char *const *devices; // as in `serve`: PCI addresses or vdevs with arguments
	unsigned device_count;
	const char *const *arguments; // `ealarg`, word by word
	unsigned argument_count;
	unsigned memory_mb;
	unsigned later_mb; // that memory_get() will be asked for
};

// Returns 0, or -errno with one line for the operator in `problem`. The calling thread becomes the
// control lcore and is pinned to its CPU. Can be done once in a process.
int eal_start(const struct eal_options *options, char *problem, size_t size);
void eal_stop(void);

bool eal_has_hugepages(void);
