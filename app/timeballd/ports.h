// SPDX-License-Identifier: BSD-3-Clause
// All ports, from opening to closing, and the thread that watches them while they serve: it closes those
// that went away, opens them again, follows the addresses of shared ones. DPDK may take seconds to
// close one, which holds up nobody but the other ports that want something of the thread.
#pragma once

#include "config/config.h"
#include "dataplane/port.h"
#include "timeballd/plan.h"

#include <stddef.h>

struct ports;

// Opens a port for every `serve` line, each with its plan, which must stay valid. Returns 0, or -errno
// with one line for the operator in `problem`.
int ports_open(struct ports **ports, const struct config *config, const struct plan *plans,
		char *problem, size_t size);
unsigned ports_count(const struct ports *ports);
// The port of that `serve` line. The thread's, but for what workers may touch.
struct port *ports_at(struct ports *ports, unsigned i);
// Starts the thread. From now on the ports are its own. Returns 0 or -errno.
int ports_watch(struct ports *ports);
// Wishes for all counters in the log. The thread writes them as soon as it gets to it.
void ports_ask_report(struct ports *ports);
// Ends the thread, reports and closes all ports; their workers must have stopped. Returns 0, or
// -ETIMEDOUT when DPDK still has not let go of one: ports, plans and EAL are then to be left alone.
// NULL is fine.
int ports_close(struct ports *ports);
