// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flow.h"

#include "base/log.h"
#include "dataplane/interface.h"
#include "dataplane/port.h"
#include "frame/layout.h"

#include <rte_ethdev.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VLAN_ID_MASK     0x0fff
#define GROUP_LOW_OFFSET sizeof(solicited_node)

struct kernel {
	struct interface_address *addresses;
	unsigned count;
};

bool flow_is_needed(const char *driver)
{
	static const char *const bifurcated[] = { "mlx5_pci", "mlx5_auxiliary", "net_mlx4" };

	for (size_t i = 0; i < sizeof(bifurcated) / sizeof(bifurcated[0]); i++) {
		if (strcmp(driver, bifurcated[i]) == 0)
			return true;
	}
	return false;
}

// The whole of a field in `spec`.
static void match(struct flow_pattern *pattern, void *field, const void *value, size_t size)
{
	ptrdiff_t offset = (uint8_t *)field - (uint8_t *)&pattern->spec;

	memcpy(field, value, size);
	memset((uint8_t *)&pattern->mask + offset, 0xff, size);
}

// Appends the item whose header is at `spec`.
static void append(struct flow_pattern *pattern, enum rte_flow_item_type type, const void *spec)
{
	ptrdiff_t offset = (const uint8_t *)spec - (const uint8_t *)&pattern->spec;
	struct rte_flow_item *item = pattern->items;

	static_assert(RTE_FLOW_ITEM_TYPE_END == 0);
	while (item->type != RTE_FLOW_ITEM_TYPE_END)
		item++;
	*item = (struct rte_flow_item){
		.type = type,
		.spec = spec,
		.mask = (const uint8_t *)&pattern->mask + offset,
	};
}

// Drivers take a pattern without a VLAN for frames of every VLAN and of none.
static void append_vlan(struct flow_pattern *pattern, int vlan)
{
	if (vlan <= 0)
		return;
	pattern->spec.vlan.hdr.vlan_tci = rte_cpu_to_be_16((uint16_t)vlan);
	pattern->mask.vlan.hdr.vlan_tci = RTE_BE16(VLAN_ID_MASK);
	append(pattern, RTE_FLOW_ITEM_TYPE_VLAN, &pattern->spec.vlan);
}

static void write_arp(struct flow_pattern *pattern, const struct host *host,
		const struct address *address)
{
	struct flow_headers *spec = &pattern->spec;
	rte_be16_t type = RTE_BE16(ETHERTYPE_ARP);
	void *field = &spec->ethernet.hdr.ether_type;

	if (host->vlan > 0)
		field = (uint8_t *)&spec->vlan + offsetof(struct rte_vlan_hdr, eth_proto);
	match(pattern, field, &type, sizeof(type));
	append(pattern, RTE_FLOW_ITEM_TYPE_ETH, &spec->ethernet);
	append_vlan(pattern, host->vlan);
	match(pattern, &spec->arp.tpa, address->bytes, sizeof(spec->arp.tpa));
	append(pattern, RTE_FLOW_ITEM_TYPE_ARP_ETH_IPV4, &spec->arp);
}

// The group is in the Ethernet address by its last four bytes (RFC 2464 section 7).
static void find_group(const struct address *address, uint8_t group[16], uint8_t mac[MAC_SIZE])
{
	memcpy(group, solicited_node, sizeof(solicited_node));
	memcpy(group + GROUP_LOW_OFFSET, address->bytes + GROUP_LOW_OFFSET, 16 - GROUP_LOW_OFFSET);
	memset(mac, 0x33, 2);
	memcpy(mac + 2, group + 12, 4);
}

static void write_ip(struct flow_pattern *pattern, const struct host *host,
		const struct address *address, bool to_group)
{
	struct flow_headers *spec = &pattern->spec;
	uint8_t mac[MAC_SIZE], group[16];

	memcpy(mac, host->mac, sizeof(mac));
	if (to_group)
		find_group(address, group, mac);
	// The type is in what follows, and mlx4 takes none here; but it wants the address.
	match(pattern, &spec->ethernet.hdr.dst_addr, mac, sizeof(mac));
	append(pattern, RTE_FLOW_ITEM_TYPE_ETH, &spec->ethernet);
	append_vlan(pattern, host->vlan);
	if (address->family == ADDRESS_IPV4) {
		match(pattern, &spec->ipv4.hdr.dst_addr, address->bytes, 4);
		append(pattern, RTE_FLOW_ITEM_TYPE_IPV4, &spec->ipv4);
	} else {
		match(pattern, &spec->ipv6.hdr.dst_addr, to_group ? group : address->bytes, 16);
		append(pattern, RTE_FLOW_ITEM_TYPE_IPV6, &spec->ipv6);
	}
}

void flow_write(struct flow_pattern *pattern, const struct host *host,
		const struct address *address, enum flow_kind kind)
{
	struct flow_headers *spec = &pattern->spec;
	rte_be16_t ntp_port = rte_cpu_to_be_16(host->ntp_port);
	uint8_t solicitation = ICMPV6_SOLICITATION;

	memset(pattern, 0, sizeof(*pattern));
	if (kind != FLOW_NTP && address->family == ADDRESS_IPV4) {
		write_arp(pattern, host, address);
		return;
	}
	write_ip(pattern, host, address, kind == FLOW_NEIGHBOR_GROUP);
	if (kind == FLOW_NTP) {
		match(pattern, &spec->udp.hdr.dst_port, &ntp_port, sizeof(ntp_port));
		append(pattern, RTE_FLOW_ITEM_TYPE_UDP, &spec->udp);
	} else {
		match(pattern, &spec->icmp6.type, &solicitation, sizeof(solicitation));
		append(pattern, RTE_FLOW_ITEM_TYPE_ICMP6, &spec->icmp6);
	}
}

static const char *reason(const struct rte_flow_error *why)
{
	return why->message ? why->message : "the driver does not say why";
}

int flow_isolate(uint16_t port_id, const char *driver, char *problem, size_t size)
{
	struct rte_flow_error why = { 0 };
	int error = flow_is_needed(driver) ? rte_flow_isolate(port_id, 1, &why) : 0;

	if (error)
		snprintf(problem, size, "would take from the kernel more than NTP: %s (%s)",
				reason(&why), strerror(-error));
	return error;
}

static int create(const struct port *port, const struct host *host, const struct address *address,
		enum flow_kind kind, struct rte_flow_error *why)
{
	static const struct rte_flow_attr ingress = { .ingress = 1 };
	uint16_t queues[PORT_QUEUES];
	// By addresses alone, as everywhere.
	struct rte_flow_action_rss all = {
		.types = RTE_ETH_RSS_IP,
		.queue_num = port->queue_count,
		.queue = queues,
	};
	struct rte_flow_action_queue first = { 0 };
	struct rte_flow_action actions[] = {
		{ RTE_FLOW_ACTION_TYPE_QUEUE, &first },
		{ RTE_FLOW_ACTION_TYPE_END, NULL },
	};
	struct flow_pattern pattern;

	for (uint16_t i = 0; i < port->queue_count; i++)
		queues[i] = i;
	if (kind == FLOW_NTP && port->queue_count > 1)
		actions[0] = (struct rte_flow_action){ RTE_FLOW_ACTION_TYPE_RSS, &all };
	flow_write(&pattern, host, address, kind);
	*why = (struct rte_flow_error){ 0 };
	return rte_flow_create(port->id, &ingress, pattern.items, actions, why) ? 0 : -rte_errno;
}

static bool kernel_has(const struct kernel *kernel, const struct address *address)
{
	for (unsigned i = 0; i < kernel->count; i++) {
		if (address_equals(&kernel->addresses[i].subnet.address, address))
			return true;
	}
	return false;
}

// Its questions would be taken with ours.
static bool kernel_is_in_group(const struct kernel *kernel, const struct address *address)
{
	for (unsigned i = 0; i < kernel->count; i++) {
		const struct address *kernels = &kernel->addresses[i].subnet.address;

		if (kernels->family == ADDRESS_IPV6
				&& memcmp(kernels->bytes + GROUP_LOW_OFFSET,
						   address->bytes + GROUP_LOW_OFFSET,
						   16 - GROUP_LOW_OFFSET)
						== 0)
			return true;
	}
	return false;
}

static void take_neighbors(const struct port *port, const struct host *host,
		const struct address *address, const struct kernel *kernel)
{
	struct rte_flow_error why = { .message = "it has an address in the same multicast group" };
	char text[ADDRESS_TEXT_SIZE];
	int error = 0;

	if (address->family == ADDRESS_IPV6)
		error = kernel_is_in_group(kernel, address)
				? -EADDRINUSE
				: create(port, host, address, FLOW_NEIGHBOR_GROUP, &why);
	if (!error)
		error = create(port, host, address, FLOW_NEIGHBOR, &why);
	if (error)
		log_warn("port %s: the kernel keeps neighbours' questions for %s, and answers them only if it has that address on this card too: %s",
				port->name, address_print(address, text), reason(&why));
}

int flow_take(const struct port *port, const struct host *host, char *problem, size_t size)
{
	struct kernel kernel;
	int error = interface_list_addresses(&kernel.addresses);

	if (error < 0) {
		snprintf(problem, size, "addresses of the kernel: %s", strerror(-error));
		return error;
	}
	kernel.count = (unsigned)error;
	error = 0;
	for (unsigned i = 0; i < host->address_count && !error; i++) {
		const struct address *address = &host->addresses[i].address;
		char text[ADDRESS_TEXT_SIZE];
		struct rte_flow_error why;

		error = create(port, host, address, FLOW_NTP, &why);
		if (error)
			snprintf(problem, size, "the card takes no rule for NTP to %s: %s (%s)",
					address_print(address, text), reason(&why),
					strerror(-error));
		else if (!kernel_has(&kernel, address))
			take_neighbors(port, host, address, &kernel);
	}
	free(kernel.addresses);
	return error;
}
