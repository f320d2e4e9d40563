// SPDX-License-Identifier: BSD-3-Clause
// Cards whose kernel driver stays (bifurcated): rules in the card hand over our addresses' NTP, and
// neighbours' questions unless the kernel has the address too. All else remains the kernel's.
#pragma once

#include "base/address.h"

#include <rte_flow.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_ITEMS 5 // Ethernet, VLAN, IP, UDP or ICMPv6, end

struct host;
struct port;

enum flow_kind {
	FLOW_NTP,
	FLOW_NEIGHBOR,       // ARP that asks for the address, or a solicitation sent to it
	FLOW_NEIGHBOR_GROUP, // a solicitation sent to an IPv6 address's group
};

struct flow_headers {
	struct rte_flow_item_eth ethernet;
	struct rte_flow_item_vlan vlan;
	struct rte_flow_item_arp_eth_ipv4 arp;
	struct rte_flow_item_ipv4 ipv4;
	struct rte_flow_item_ipv6 ipv6;
	struct rte_flow_item_udp udp;
	struct rte_flow_item_icmp6 icmp6;
};

// Points into itself: not to be copied.
struct flow_pattern {
	struct rte_flow_item items[FLOW_ITEMS];
	struct flow_headers spec, mask;
};

// Whether DPDK's driver of this name works beside the kernel's.
bool flow_is_needed(const char *driver);
// Writes what frames of the kind have in common, for one of the host's addresses.
void flow_write(struct flow_pattern *pattern, const struct host *host,
		const struct address *address, enum flow_kind kind);
// Before the port is configured: it receives what rules say and nothing else, if it needs that.
// Returns 0, or -errno with one line for the operator in `problem`.
int flow_isolate(uint16_t port_id, const char *driver, char *problem, size_t size);
// Gives the started port its rules, which go when it is closed. Neighbours' questions that the card
// cannot tell apart are left to the kernel, and that is logged. Returns as flow_isolate() does.
int flow_take(const struct port *port, const struct host *host, char *problem, size_t size);
