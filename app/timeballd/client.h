// SPDX-License-Identifier: BSD-3-Clause
// timeballd that serves nobody: the clock, sources and the control loop, on one thread and without DPDK.
#pragma once

#include "base/address.h"
#include "config/config.h"
#include "timeballd/notify.h"

#include <stdbool.h>
#include <stddef.h>

struct client;

enum client_mode {
	CLIENT_STEERS,
	CLIENT_SETS_ONCE,   // -q
	CLIENT_PRINTS_ONCE, // -Q
};

struct client_options {
	const struct config *config;
	enum address_family family; // of resolved host names; ADDRESS_NONE: any
	bool software_clock;        // -x
	enum client_mode mode;
	double exit_after_s;   // 0: never
	struct notify *notify; // told that the control loop turns
};

// Begins to ask. Returns 0, or -errno with one line for the operator in `problem`.
int client_open(struct client **client, const struct client_options *options, char *problem,
		size_t size);
// Until a signal, the time to exit, or done. Returns the exit status.
int client_run(struct client *client);
void client_close(struct client *client); // NULL and half-opened are fine
