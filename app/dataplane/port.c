// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port.h"

#include "base/log.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS            1024
#define MBUFS_PER_QUEUE        4096
#define MBUF_CACHE             256
#define ANNOUNCEMENTS          2   // RFC 5227 ANNOUNCE_NUM
#define ANNOUNCEMENT_SPACING_S 2.0 // and ANNOUNCE_INTERVAL

static int fail(int error, const char *what, char *problem, size_t size)
{
	snprintf(problem, size, "%s: %s", what, strerror(-error));
	return error;
}

static void remember_names(struct port *port, const char *device)
{
	const char *interface = strstr(device, "iface=");
	size_t length = strcspn(device, ",");

	snprintf(port->name, sizeof(port->name), "%.*s", (int)length, device);
	if (interface) {
		interface += strlen("iface=");
		snprintf(port->interface, sizeof(port->interface), "%.*s",
				(int)strcspn(interface, ","), interface);
	}
}

static bool is_driven_by(const struct rte_eth_dev_info *info, const char *driver)
{
	return strcmp(info->driver_name, driver) == 0;
}

static int configure(struct port *port, const struct rte_eth_dev_info *info)
{
	uint64_t rss = info->flow_type_rss_offloads
			& (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER
					| RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6
					| RTE_ETH_RSS_NONFRAG_IPV6_OTHER);
	struct rte_eth_conf conf = {
		.rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM,
		.txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
	};

	// On addresses only, so that a client always meets the same worker whatever its port.
	if (port->queue_count > 1 && rss) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = rss;
	}
	return rte_eth_dev_configure(
			port->id, (uint16_t)port->queue_count, (uint16_t)port->queue_count, &conf);
}

static int set_up_queues(struct port *port, unsigned node)
{
	uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;
	int error = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);

	for (uint16_t i = 0; i < port->queue_count && !error; i++) {
		error = rte_eth_rx_queue_setup(port->id, i, rx, node, NULL, port->pool);
		if (!error)
			error = rte_eth_tx_queue_setup(port->id, i, tx, node, NULL);
		port->queues[i].port = port;
		port->queues[i].number = i;
	}
	return error;
}

// Solicitations come to a multicast address each of our IPv6 addresses has of its own.
static int hear_multicast(const struct port *port)
{
	for (unsigned i = 0; i < port->host.address_count; i++) {
		if (port->host.addresses[i].address.family != ADDRESS_IPV6)
			continue;
		if (rte_eth_allmulticast_enable(port->id) == 0)
			return 0;
		return rte_eth_promiscuous_enable(port->id);
	}
	return 0;
}

// A TAP port has the address of the kernel's end of it. We are the other end, a host of our own.
static int find_mac(struct port *port, const struct rte_eth_dev_info *info)
{
	struct rte_ether_addr mac;
	int error = rte_eth_macaddr_get(port->id, &mac);

	if (error)
		return error;
	if (is_driven_by(info, "net_tap"))
		mac.addr_bytes[RTE_ETHER_ADDR_LEN - 1] ^= 1;
	memcpy(port->host.mac, mac.addr_bytes, sizeof(port->host.mac));
	return 0;
}

static int start(struct port *port, char *problem, size_t size)
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
	port->host.takes_unfinished_checksums =
			is_driven_by(&info, "net_af_packet") || is_driven_by(&info, "net_tap");
	port->pool = rte_pktmbuf_pool_create(port->name, port->queue_count * MBUFS_PER_QUEUE - 1,
			MBUF_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, node);
	if (!port->pool)
		return fail(-rte_errno, "no memory for packet buffers", problem, size);
	error = configure(port, &info);
	if (error)
		return fail(error, "cannot configure", problem, size);
	error = set_up_queues(port, (unsigned)node);
	if (error)
		return fail(error, "cannot set up its queues", problem, size);
	error = find_mac(port, &info);
	if (error)
		return fail(error, "has no Ethernet address", problem, size);
	error = rte_eth_dev_start(port->id);
	if (error)
		return fail(error, "cannot start", problem, size);
	error = hear_multicast(port);
	if (error)
		log_warn("port %s: cannot receive multicast, IPv6 neighbours may not find it: %s",
				port->name, strerror(-error));
	return 0;
}

int port_open(struct port *port, const struct port_options *options, char *problem, size_t size)
{
	*port = (struct port){ .host = *options->host, .queue_count = options->queues };
	remember_names(port, options->device);
	int error = rte_eth_dev_get_port_by_name(port->name, &port->id);

	if (error)
		return fail(error, "DPDK knows no such port", problem, size);
	error = start(port, problem, size);
	if (error)
		port_close(port);
	return error;
}

void port_close(struct port *port)
{
	int error = rte_eth_dev_stop(port->id);

	if (error)
		log_warn("port %s: does not stop: %s", port->name, strerror(-error));
	// Virtual ports would leave it on at the kernel's interface.
	if (rte_eth_promiscuous_get(port->id) == 1)
		rte_eth_promiscuous_disable(port->id);
	rte_eth_dev_close(port->id);
	rte_mempool_free(port->pool);
	port->pool = NULL;
}

// A virtual port's own idea of its link does not follow the kernel interface it stands on.
static bool interface_is_running(const char *interface)
{
	struct ifreq request = { 0 };
	int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool running;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	running = probe >= 0 && ioctl(probe, SIOCGIFFLAGS, &request) == 0
			&& (request.ifr_flags & IFF_UP) && (request.ifr_flags & IFF_RUNNING);
	if (probe >= 0)
		close(probe);
	return running;
}

static bool link_is_up(const struct port *port)
{
	struct rte_eth_link link = { 0 };

	if (port->interface[0])
		return interface_is_running(port->interface);
	return rte_eth_link_get_nowait(port->id, &link) == 0 && link.link_status;
}

void port_watch_link(struct port *port, double uptime_s)
{
	bool up = link_is_up(port);

	if (up != port->link_up) {
		log_info("port %s: link %s", port->name, up ? "up" : "down");
		port->link_up = up;
		port->announcements_due = up ? ANNOUNCEMENTS : 0;
		port->next_announcement_s = uptime_s;
	}
	if (port->announcements_due && uptime_s >= port->next_announcement_s) {
		atomic_fetch_add_explicit(&port->announcements, 1, memory_order_relaxed);
		port->announcements_due--;
		port->next_announcement_s = uptime_s + ANNOUNCEMENT_SPACING_S;
	}
}

int port_node(const struct port *port)
{
	return rte_eth_dev_socket_id(port->id);
}

void port_count(const struct port *port, struct port_counters *counters)
{
	*counters = (struct port_counters){ 0 };
	for (unsigned i = 0; i < port->queue_count; i++) {
		const struct queue *queue = &port->queues[i];

		counters->received += atomic_load_explicit(&queue->received, memory_order_relaxed);
		counters->announced +=
				atomic_load_explicit(&queue->announced, memory_order_relaxed);
		for (int v = 0; v < VERDICT_COUNT; v++)
			counters->verdicts[v] += atomic_load_explicit(
					&queue->verdicts[v], memory_order_relaxed);
	}
}

void port_log_counters(const struct port *port)
{
	struct port_counters counters;
	struct rte_eth_stats stats = { 0 };
	char line[1000];
	size_t used = 0;

	port_count(port, &counters);
	for (int v = 0; v < VERDICT_COUNT && used < sizeof(line); v++) {
		if (counters.verdicts[v])
			used += (size_t)snprintf(line + used, sizeof(line) - used, " %s=%lu",
					verdict_name(v), counters.verdicts[v]);
	}
	log_info("counters %s: received=%lu%.*s announced=%lu", port->name, counters.received,
			(int)used, line, counters.announced);
	rte_eth_stats_get(port->id, &stats);
	log_info("port %s: ipackets=%lu imissed=%lu ierrors=%lu rx_nombuf=%lu opackets=%lu oerrors=%lu",
			port->name, stats.ipackets, stats.imissed, stats.ierrors, stats.rx_nombuf,
			stats.opackets, stats.oerrors);
}
