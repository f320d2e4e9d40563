// SPDX-License-Identifier: BSD-3-Clause
// What workers remember of their clients: a table for each, as `clientloglimit` and `noclientlog` say.
#pragma once

#include "config/config.h"
#include "server/client_table.h"
#include "timeballd/cores.h"

#include <stddef.h>

struct clients {
	size_t size; // of each table; 0: there are none
	unsigned count;
	const struct config_ratelimit *limit;      // of the start
	struct client_table *tables[CONFIG_CORES]; // a worker's each, or NULL
};

// How large the tables will be. Returns 0, or -EINVAL with one line in `problem`.
int clients_plan(struct clients *clients, const struct config *config, unsigned worker_count,
		char *problem, size_t size);
// Memory that clients_open() takes, in MB.
unsigned clients_megabytes(const struct clients *clients);
// Makes the tables, each on the NUMA node of its worker's CPU as far as it goes; they go with
// eal_stop(). Returns 0, or -errno with one line in `problem`.
int clients_open(struct clients *clients, const struct cores *cores, char *problem, size_t size);
// Logs what has been forgotten since the start.
void clients_log_counters(const struct clients *clients);
