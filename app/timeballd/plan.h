// SPDX-License-Identifier: BSD-3-Clause
// What a `serve` line becomes on this host: the device as DPDK is told of it, and its queues. Refuses
// what the kernel would disturb, or would be cut off by.
#pragma once

#include "config/config.h"
#include "dataplane/interface.h"

#include <net/if.h>
#include <stddef.h>

#define PLAN_DEVICE_SIZE 512

struct plan {
	char device[PLAN_DEVICE_SIZE];
	unsigned queues;
	bool xdp;  // AF_XDP, dedicated or shared
	int claim; // AF_XDP: descriptor that keeps other timeballds off, or negative
	char interface[IF_NAMESIZE]; // the kernel's, under AF_PACKET and AF_XDP, or ""
};

// What there is to know of the host.
struct plan_host {
	const struct interface_address *addresses; // the kernel's
	unsigned address_count;
	unsigned queues;                 // of the plan's interface, as interface_queues() says
	const char *filter_path;         // of our XDP program
	const char (*kept)[IF_NAMESIZE]; // the kernel's interfaces on the plan's PCI device
	unsigned kept_count;
	bool flows; // and rules in the card tell what is ours from what is theirs
};

// Fills `device`, `xdp` and `interface` from the line alone.
void plan_begin(struct plan *plan, const struct config_serve *serve);
// Completes the plan. Returns 0, or -errno with one line for the operator in `problem`.
int plan_finish(struct plan *plan, const struct config_serve *serve, const struct plan_host *host,
		char *problem, size_t size);
// Both for every `serve` line on the host as it is, where XDP programs that we left there are taken
// off. `filter_file` is to be closed once the ports are open. Returns 0, or -errno as above.
int plan_all(struct plan *plans, const struct config *config, int *filter_file, char *problem,
		size_t size);
