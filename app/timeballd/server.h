// SPDX-License-Identifier: BSD-3-Clause
// The whole server put together: clock, publisher, ports, workers, control loop.
#pragma once

#include "base/address.h"
#include "config/config.h"
#include "timeballd/notify.h"

#include <stdbool.h>
#include <stddef.h>

struct server;

struct server_options {
	const struct config *config;
	const char *config_file; // read again for a new policy at SIGHUP; NULL: came as arguments
	enum address_family family; // of resolved host names; ADDRESS_NONE: any
	bool software_clock;        // -x
	double exit_after_s;        // 0: never
	struct notify *notify;      // told that the control loop turns
};

// Everything up to answering the first request. Returns 0, or -errno with one line for the operator
// in `problem`.
int server_open(struct server **server, const struct server_options *options, char *problem,
		size_t size);
// Serves until a signal says stop. Returns the exit status.
int server_run(struct server *server);
void server_close(struct server *server); // NULL and half-opened are fine
