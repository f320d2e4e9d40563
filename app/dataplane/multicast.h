// SPDX-License-Identifier: BSD-3-Clause
// The multicast frames that IPv6 needs, and where possible no others, past a card's address filter.
#pragma once

#include "frame/host.h"

#include <rte_ether.h>

#include <stdint.h>

#define MULTICAST_GROUPS (1 + HOST_ADDRESSES)

// Lists the Ethernet addresses of the groups that the host is in, each once. Returns their number.
unsigned multicast_list(const struct host *host, struct rte_ether_addr groups[MULTICAST_GROUPS]);
// Opens the started port's filter no wider than it must be. Returns 0, or -errno when it stays shut.
int multicast_hear(uint16_t port_id, const struct host *host);
