// SPDX-License-Identifier: BSD-3-Clause
// The kernel's interface that a virtual port stands on, as the kernel sees it.
#pragma once

#include "base/address.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One of the kernel's addresses, of whatever interface.
struct interface_address {
	char interface[IF_NAMESIZE]; // without an IPv4 label's ":..."
	struct subnet subnet;        // unmasked
};

bool interface_is_running(const char *interface);
// Whether it is switched on, with or without a link.
bool interface_is_up(const char *interface);
// The kernel's number for it, another each time that it is made; 0 when there is none.
unsigned interface_index(const char *interface);
// Number of its queues that both receive and transmit, which are all that DPDK's AF_XDP takes; 1 where
// the driver knows no queues; 0 where others receive too.
unsigned interface_queues(const char *interface);
// Makes the interface receive all multicast while the descriptor that is returned is open, which
// the kernel closes if we die. Returns -errno when it cannot.
int interface_hear_multicast(const char *interface);
// Fills in the kernel's interfaces on a PCI device, whose arguments may follow. Returns how many
// there are, `size` at most.
unsigned interface_list_on(const char *device, char (*names)[IF_NAMESIZE], unsigned size);
// Whether it is a PCI device, whose arguments may follow, and a virtual function.
bool interface_is_virtual_function(const char *device);
// Tells which XDP program is attached to the interface with that index, by the kernel's number for
// programs; 0: none. Returns 0 or -errno.
int interface_xdp_program(unsigned index, uint32_t *program);
// Fills in the name of the kernel's driver of a PCI device, or "".
void interface_driver_of(const char *device, char *name, size_t size);
// Lists the IP addresses of all interfaces. Returns their number and an array to be freed, or -errno.
int interface_list_addresses(struct interface_address **addresses);
