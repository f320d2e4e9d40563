// SPDX-License-Identifier: BSD-3-Clause
// All workers: which CPUs they want, what they are given, and whether they still go round.
#pragma once

#include "base/latch.h"
#include "base/published.h"
#include "config/config.h"
#include "timeballd/clients.h"
#include "timeballd/cores.h"
#include "timeballd/ports.h"
#include "timeballd/pulse.h"
#include "timing/counter.h"

#include <stdbool.h>
#include <stddef.h>

// Control's, all of it.
struct workers {
	unsigned cpus[CONFIG_CORES];
	struct worker *list[CONFIG_CORES]; // each in memory of its own near its CPU
	struct pulse pulses[CONFIG_CORES];
	struct published *policy;
	unsigned count;   // in the list
	unsigned running; // of these
};

struct workers_options {
	const struct config *config;
	const struct cores *cores;
	const struct counter *counter;
	const struct latch *page;
	struct published *policy;
	struct ports *ports;
	const struct clients *clients; // whose tables the workers get, in their order
};

// Fills in how many workers the ports want, and near which.
void workers_want(const struct config *config, struct cores_host *host);
// Deals the ports' queues out and starts the workers. Returns 0, or -errno with one line for the operator
// in `problem`; some may then be running.
int workers_start(struct workers *workers, const struct workers_options *options, char *problem,
		size_t size);
// True once no worker can hold a policy that was swapped out so far.
bool workers_left_behind(struct workers *workers);
// Some times a second: whether all workers have gone round their loop of late. Says once when one has
// not for 2 s, and when it does again.
bool workers_go_round(struct workers *workers, double uptime_s);
// Stops and forgets them.
void workers_stop(struct workers *workers);
