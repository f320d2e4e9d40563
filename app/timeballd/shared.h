// SPDX-License-Identifier: BSD-3-Clause
// A port shared with the kernel: it serves the addresses that its interface has, and follows them.
#pragma once

#include "dataplane/interface.h"
#include "dataplane/port.h"
#include "drivers/xdp/filter.h"

struct shared {
	struct port *port; // NULL: no shared port
	struct xdp_filter filter;
	int events;     // netlink: the kernel's addresses change
	bool stale;     // they have, and were not read since
	unsigned found; // addresses of the interface, HOST_ADDRESSES of them served
};

// Puts the addresses of `interface` that are in the list into `own`, as many as there is room for.
// Returns how many it has.
unsigned shared_pick(const struct interface_address *list, unsigned count, const char *interface,
		struct subnet own[HOST_ADDRESSES]);
// The port was opened without addresses; from now on requests to those of its interface come to it.
// Returns 0 or -errno.
int shared_open(struct shared *shared, struct port *port, uint16_t ntp_port);
// Looks whether they have changed; some times a second, on the ports thread.
void shared_watch(struct shared *shared);
void shared_close(struct shared *shared); // one that was never opened is fine
