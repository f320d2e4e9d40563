// SPDX-License-Identifier: BSD-3-Clause
// Everything that a campaign needs, from the port to the tables, opened and closed as one.
#pragma once

#include "timeball-bench/generator.h"
#include "timeball-bench/options.h"

#include <stdatomic.h>
#include <stddef.h>

struct bench {
	const struct options *options;
	struct clients clients;
	struct neighbors neighbors;
	struct receiver receiver;
	struct link link;
	struct timebase timebase;
	struct progress progress;
	struct generator generator;
	void *memory; // of the generator's tables
	size_t memory_size;
	bool eal_running;
};

// Opens the port, finds the server. Returns 0, or -errno with one line for the operator. `bench` is
// zero before, and is to be closed in any case.
int bench_open(struct bench *bench, const struct options *options, const atomic_bool *stop,
		char *problem, size_t size);
void bench_close(struct bench *bench);
