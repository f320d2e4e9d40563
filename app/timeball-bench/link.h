// SPDX-License-Identifier: BSD-3-Clause
// The DPDK port that the load goes through. One core's.
#pragma once

#include "frame/host.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

struct link {
	uint16_t id; // DPDK's
	bool open;
	uint8_t mac[MAC_SIZE];
	bool is_kernels; // its other end is the kernel's, which leaves checksums to be finished
	char interface[IF_NAMESIZE]; // the kernel's that it stands on, or ""
	bool was_promiscuous;
	int multicast; // descriptor by which a kernel interface hears all of it, or -1
	struct rte_mempool *pool;
};

// What the port lost on its own, to be compared with what it had lost before.
struct link_losses {
	uint64_t missed; // here, but there was no room
	uint64_t errors;
	uint64_t send_errors;
};

// Opens the port that EAL made of `device`. Returns 0, or -errno with one line for the operator.
int link_open(struct link *link, const char *device, char *problem, size_t size);
void link_close(struct link *link);
bool link_is_up(const struct link *link);
// Sends one frame of our own accord; whether it was taken.
bool link_send(struct link *link, const uint8_t *frame, uint16_t length);
void link_read_losses(const struct link *link, struct link_losses *losses);
