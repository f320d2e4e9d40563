// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/multicast.h"

#include "frame/layout.h"

#include <rte_ethdev.h>

#include <string.h>

// RFC 2464 section 7
static struct rte_ether_addr ethernet_address(const uint8_t group[16])
{
	return (struct rte_ether_addr){ { 0x33, 0x33, group[12], group[13], group[14],
			group[15] } };
}

static bool contains(const struct rte_ether_addr *groups, unsigned count,
		const struct rte_ether_addr *group)
{
	for (unsigned i = 0; i < count; i++) {
		if (rte_is_same_ether_addr(&groups[i], group))
			return true;
	}
	return false;
}

// Listener queries come to all nodes.
unsigned multicast_list(const struct host *host, struct rte_ether_addr groups[MULTICAST_GROUPS])
{
	unsigned count = 0;

	groups[count++] = ethernet_address(all_nodes);
	for (unsigned i = 0; i < host->address_count; i++) {
		const struct address *address = &host->addresses[i].address;
		uint8_t group[16];

		if (address->family != ADDRESS_IPV6)
			continue;
		memcpy(group, solicited_node, sizeof(solicited_node));
		memcpy(group + sizeof(solicited_node), address->bytes + sizeof(solicited_node),
				sizeof(group) - sizeof(solicited_node));
		groups[count] = ethernet_address(group);
		if (!contains(groups, count, &groups[count]))
			count++;
	}
	return count;
}

int multicast_hear(uint16_t port_id, const struct host *host)
{
	struct rte_ether_addr groups[MULTICAST_GROUPS];
	unsigned count = multicast_list(host, groups);

	if (rte_eth_dev_set_mc_addr_list(port_id, groups, count) == 0
			|| rte_eth_allmulticast_enable(port_id) == 0)
		return 0;
	return rte_eth_promiscuous_enable(port_id);
}
