// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port_device.h"

#include "base/log.h"
#include "dataplane/flow.h"
#include "dataplane/interface.h"
#include "dataplane/memory.h"
#include "dataplane/multicast.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DESCRIPTORS     1024
#define MBUFS_PER_QUEUE 4096
#define MBUF_CACHE      256

static int fail(int error, const char *what, char *problem, size_t size)
{
	snprintf(problem, size, "%s: %s", what, strerror(-error));
	return error;
}

static bool is_driven_by(const struct rte_eth_dev_info *info, const char *driver)
{
	return strcmp(info->driver_name, driver) == 0;
}

// Who filters VLANs whether asked or not, so that one must be asked for.
static bool filters_vlans(const struct port *port, const struct rte_eth_dev_info *info)
{
	return interface_is_virtual_function(port->device) || is_driven_by(info, "net_virtio");
}

static int configure(
		struct port *port, const struct host *host, const struct rte_eth_dev_info *info)
{
	// No VLAN strip: tags stay where frame/ looks for them. No scatter: a card drops, and counts as
	// an error, what is longer than its MTU; ports that know none deliver it in segments.
	struct rte_eth_conf conf = {
		.rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM,
		.txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
		.intr_conf.rmv = (*info->dev_flags & RTE_ETH_DEV_INTR_RMV) != 0,
	};

	if (host->vlan > 0 && filters_vlans(port, info))
		conf.rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
	port->hashes_addresses = port->queue_count > 1 && rss_ask(info, &conf);
	return rte_eth_dev_configure(
			port->id, (uint16_t)port->queue_count, (uint16_t)port->queue_count, &conf);
}

// DPDK 22.11's AF_XDP driver, when a queue fails, frees its memory and yet would write there at closing.
// A try that fails sooner, for the smallness of its buffers, makes it forget.
static void forget_queue(const struct port *port, uint16_t queue, uint16_t size, unsigned node)
{
	struct rte_mempool *small =
			rte_pktmbuf_pool_create("small", 1, 0, 0, RTE_PKTMBUF_HEADROOM, (int)node);

	if (small)
		rte_eth_rx_queue_setup(port->id, queue, size, node, NULL, small);
	rte_mempool_free(small);
}

static int set_up_queues(struct port *port, unsigned node)
{
	uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;
	int error = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);

	for (uint16_t i = 0; i < port->queue_count && !error; i++) {
		error = rte_eth_rx_queue_setup(port->id, i, rx, node, NULL, port->pool);
		if (error && port->on_xdp)
			forget_queue(port, i, rx, node);
		if (!error)
			error = rte_eth_tx_queue_setup(port->id, i, tx, node, NULL);
		port->queues[i].port = port;
		port->queues[i].number = i;
	}
	return error;
}

// The device's word is not taken for it.
static void expect_hash(struct port *port, const struct rte_eth_dev_info *info)
{
	int error;

	if (!port->hashes_addresses)
		return;
	error = rss_read_key(port->id, info, &port->rss_key);
	if (error)
		log_warn("port %s: cannot check that it hashes addresses alone (%s): if it does not, a client's requests may meet several workers",
				port->name, strerror(-error));
	for (unsigned i = 0; i < port->queue_count && !error; i++)
		port->queues[i].rss.left = RSS_FRAMES;
}

static bool has_ipv6(const struct host *host)
{
	for (unsigned i = 0; i < host->address_count; i++) {
		if (host->addresses[i].address.family == ADDRESS_IPV6)
			return true;
	}
	return false;
}

static void hear_vlan(const struct port *port, const struct host *host)
{
	int error;

	if (!(rte_eth_dev_get_vlan_offload(port->id) & RTE_ETH_VLAN_FILTER_OFFLOAD))
		return;
	error = rte_eth_dev_vlan_filter(port->id, (uint16_t)host->vlan, 1);
	if (error)
		log_warn("port %s: does not let VLAN %d in: %s", port->name, host->vlan,
				strerror(-error));
}

// Solicitations come to a multicast address each of our IPv6 addresses has of its own. A shared
// port's are the kernel's business.
static int hear_multicast(
		struct port *port, const struct host *host, const struct rte_eth_dev_info *info)
{
	if (port->shared || !has_ipv6(host))
		return 0;
	if (is_driven_by(info, "net_af_packet") || is_driven_by(info, "net_af_xdp")) {
		port->multicast = interface_hear_multicast(port->interface);
		return RTE_MIN(port->multicast, 0);
	}
	return multicast_hear(port->id, host);
}

// A TAP port has the address of the kernel's end of it. We are the other end, a host of our own.
static int find_mac(const struct port *port, const struct rte_eth_dev_info *info, struct host *host)
{
	struct rte_ether_addr mac;
	int error = rte_eth_macaddr_get(port->id, &mac);

	if (error)
		return error;
	if (is_driven_by(info, "net_tap"))
		mac.addr_bytes[RTE_ETHER_ADDR_LEN - 1] ^= 1;
	memcpy(host->mac, mac.addr_bytes, sizeof(host->mac));
	return 0;
}

// What the device says of itself goes into `host`.
static int start(struct port *port, struct host *host, char *problem, size_t size)
{
	int node = rte_eth_dev_socket_id(port->id);
	struct rte_eth_dev_info info;
	int error = rte_eth_dev_info_get(port->id, &info);

	if (error)
		return fail(error, "cannot ask the device", problem, size);
	if (port->queue_count > info.max_rx_queues || port->queue_count > info.max_tx_queues) {
		snprintf(problem, size, "%u workers asked for, the device has %u queues",
				port->queue_count, RTE_MIN(info.max_rx_queues, info.max_tx_queues));
		return -EINVAL;
	}
	host->takes_unfinished_checksums = is_driven_by(&info, "net_af_packet")
			|| is_driven_by(&info, "net_af_xdp") || is_driven_by(&info, "net_tap");
	port->interface_index = info.if_index;
	port->makes_interface = is_driven_by(&info, "net_tap");
	port->on_xdp = is_driven_by(&info, "net_af_xdp");
	port->keeps_unsent = port->on_xdp || is_driven_by(&info, "net_af_packet");
	error = flow_isolate(port->id, info.driver_name, problem, size);
	if (error)
		return error;
	port->pool = rte_pktmbuf_pool_create(port->name, port->queue_count * MBUFS_PER_QUEUE - 1,
			MBUF_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, node);
	if (!port->pool)
		return fail(-rte_errno, "no memory for packet buffers", problem, size);
	error = configure(port, host, &info);
	if (error)
		return fail(error, "cannot configure", problem, size);
	error = set_up_queues(port, (unsigned)node);
	if (error)
		return fail(error, "cannot set up its queues", problem, size);
	error = find_mac(port, &info, host);
	if (error)
		return fail(error, "has no Ethernet address", problem, size);
	error = rte_eth_dev_start(port->id);
	if (error)
		return fail(error, "cannot start", problem, size);
	port->xdp_program = 0;
	if (port->on_xdp)
		interface_xdp_program(port->interface_index, &port->xdp_program);
	expect_hash(port, &info);
	hear_vlan(port, host);
	if (flow_is_needed(info.driver_name))
		return flow_take(port, host, problem, size);
	error = hear_multicast(port, host, &info);
	if (error)
		log_warn("port %s: cannot receive multicast, IPv6 neighbours may not find it: %s",
				port->name, strerror(-error));
	return 0;
}

// It may be stopped or closed only once.
void port_device_close(struct port *port)
{
	int error;

	if (!port->open)
		return;
	port_read_statistics(port, &port->before);
	port->open = false;
	device_events_ignore(&port->device_events, port->id);
	error = rte_eth_dev_stop(port->id);
	if (error)
		log_warn("port %s: does not stop: %s", port->name, strerror(-error));
	// Virtual ports would leave it on at the kernel's interface.
	if (rte_eth_promiscuous_get(port->id) == 1)
		rte_eth_promiscuous_disable(port->id);
	rte_eth_dev_close(port->id);
	// AF_XDP keeps the buffers that it was given: the next opening gets others.
	rte_mempool_free(port->pool);
	port->pool = NULL;
	if (port->multicast >= 0)
		close(port->multicast);
	port->multicast = PORT_NO_DESCRIPTOR;
	leftovers_close(&port->leftovers);
}

// mlx4 names its ports otherwise than after their PCI device.
static int find(const struct port *port, uint16_t *id)
{
	struct rte_dev_iterator iterator;
	uint16_t found;

	if (rte_eth_dev_get_port_by_name(port->name, id) == 0)
		return 0;
	RTE_ETH_FOREACH_MATCHING_DEV(found, port->name, &iterator)
	{
		rte_eth_iterator_cleanup(&iterator);
		*id = found;
		return 0;
	}
	return -ENODEV;
}

// Once: workers hold on to them.
static int make_queues(struct port *port)
{
	size_t size = port->queue_count * sizeof(*port->queues);

	if (port->queues)
		return 0;
	port->queues = memory_get(size, port_node(port));
	if (!port->queues)
		port->queues = memory_get(size, MEMORY_ANY_NODE);
	return port->queues ? 0 : -ENOMEM;
}

int port_device_open(struct port *port, struct host *host, char *problem, size_t size)
{
	struct leftovers before;
	int error = find(port, &port->id);

	if (error)
		return fail(error, "DPDK knows no such port", problem, size);
	error = make_queues(port);
	if (error)
		return fail(error, "queues", problem, size);
	port->open = true;
	leftovers_list(&before);
	error = start(port, host, problem, size);
	if (port->on_xdp) {
		leftovers_list(&port->leftovers);
		leftovers_remove(&port->leftovers, &before);
		// One that had no room in the first list would be taken for ours.
		if (before.count == LEFTOVERS)
			port->leftovers.count = 0;
	}
	if (error)
		return error;
	device_events_hear(&port->device_events, port->id);
	return 0;
}
