// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/link.h"

#include "dataplane/interface.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DESCRIPTORS   4096
#define MBUFS         16383
#define MBUF_CACHE    256
#define NO_DESCRIPTOR (-1)
#define QUEUE         0

static int fail(int error, const char *what, char *problem, size_t size)
{
	snprintf(problem, size, "%s: %s", what, strerror(-error));
	return error;
}

static bool is_driven_by(const struct rte_eth_dev_info *info, const char *driver)
{
	return strcmp(info->driver_name, driver) == 0;
}

static int set_up(struct link *link)
{
	struct rte_eth_conf conf = { 0 };
	uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;
	unsigned node = (unsigned)rte_eth_dev_socket_id(link->id);
	int error = rte_eth_dev_configure(link->id, 1, 1, &conf);

	if (!error)
		error = rte_eth_dev_adjust_nb_rx_tx_desc(link->id, &rx, &tx);
	if (!error)
		error = rte_eth_rx_queue_setup(link->id, QUEUE, rx, node, NULL, link->pool);
	if (!error)
		error = rte_eth_tx_queue_setup(link->id, QUEUE, tx, node, NULL);
	return error;
}

// A solicitation for any of millions of clients comes to a group of its own.
static void hear_multicast(struct link *link)
{
	if (link->interface[0])
		link->multicast = interface_hear_multicast(link->interface);
	if (link->multicast < 0 && rte_eth_allmulticast_enable(link->id))
		rte_eth_promiscuous_enable(link->id);
}

static int find_mac(struct link *link, const struct rte_eth_dev_info *info)
{
	struct rte_ether_addr mac;
	int error = rte_eth_macaddr_get(link->id, &mac);

	if (error)
		return error;
	// A TAP port has the address of the kernel's end of it. We are the other end.
	if (is_driven_by(info, "net_tap"))
		mac.addr_bytes[RTE_ETHER_ADDR_LEN - 1] ^= 1;
	memcpy(link->mac, mac.addr_bytes, sizeof(link->mac));
	return 0;
}

int link_open(struct link *link, const char *device, char *problem, size_t size)
{
	struct rte_eth_dev_info info;
	char name[64];
	int error;

	*link = (struct link){ .multicast = NO_DESCRIPTOR };
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
	error = rte_eth_dev_get_port_by_name(name, &link->id);
	if (!error)
		error = rte_eth_dev_info_get(link->id, &info);
	if (error)
		return fail(error, "DPDK knows no such port", problem, size);
	link->open = true;
	bool on_interface =
			is_driven_by(&info, "net_af_packet") || is_driven_by(&info, "net_af_xdp");

	link->is_kernels = on_interface || is_driven_by(&info, "net_tap");
	if (!on_interface || !if_indextoname(info.if_index, link->interface))
		link->interface[0] = '\0';
	link->was_promiscuous = rte_eth_promiscuous_get(link->id) == 1;
	link->pool = rte_pktmbuf_pool_create("bench", MBUFS, MBUF_CACHE, 0,
			RTE_MBUF_DEFAULT_BUF_SIZE, rte_eth_dev_socket_id(link->id));
	if (!link->pool)
		return fail(-rte_errno, "no memory for packet buffers", problem, size);
	error = set_up(link);
	if (!error)
		error = find_mac(link, &info);
	if (!error)
		error = rte_eth_dev_start(link->id);
	if (error)
		return fail(error, "cannot set up the port", problem, size);
	hear_multicast(link);
	return 0;
}

void link_close(struct link *link)
{
	if (!link->open)
		return;
	rte_eth_dev_stop(link->id);
	// Virtual ports would leave it on at the kernel's interface.
	if (!link->was_promiscuous && rte_eth_promiscuous_get(link->id) == 1)
		rte_eth_promiscuous_disable(link->id);
	rte_eth_dev_close(link->id);
	rte_mempool_free(link->pool);
	if (link->multicast >= 0)
		close(link->multicast);
	link->open = false;
}

bool link_is_up(const struct link *link)
{
	struct rte_eth_link state = { 0 };

	return rte_eth_link_get_nowait(link->id, &state) == 0 && state.link_status;
}

bool link_send(struct link *link, const uint8_t *frame, uint16_t length)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(link->pool);

	if (!mbuf)
		return false;
	memcpy(rte_pktmbuf_append(mbuf, length), frame, length);
	if (rte_eth_tx_burst(link->id, QUEUE, &mbuf, 1) == 1)
		return true;
	rte_pktmbuf_free(mbuf);
	return false;
}

// How many frames the kernel has seen arrive. AF_PACKET ports do not tell what did not fit into their
// ring, but the rest of these did not.
static uint32_t count_arrived(const char *interface)
{
	struct ifaddrs *all, *one;
	uint32_t count = 0;

	if (getifaddrs(&all))
		return 0;
	for (one = all; one; one = one->ifa_next) {
		if (one->ifa_addr && one->ifa_addr->sa_family == AF_PACKET && one->ifa_data
				&& strcmp(one->ifa_name, interface) == 0)
			count = ((const struct rtnl_link_stats *)one->ifa_data)->rx_packets;
	}
	freeifaddrs(all);
	return count;
}

void link_read_losses(const struct link *link, struct link_losses *losses)
{
	struct rte_eth_stats now = { 0 };
	uint32_t arrived = link->interface[0] ? count_arrived(link->interface) : 0;

	rte_eth_stats_get(link->id, &now);
	losses->missed = link->interface[0] ? arrived - (uint32_t)now.ipackets
					    : now.imissed + now.rx_nombuf;
	losses->errors = now.ierrors;
	losses->send_errors = now.oerrors;
}
