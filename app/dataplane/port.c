// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port.h"

#include "base/log.h"
#include "dataplane/flow.h"
#include "dataplane/interface.h"
#include "dataplane/multicast.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DESCRIPTORS     1024
#define MBUFS_PER_QUEUE 4096
#define MBUF_CACHE      256
#define NO_DESCRIPTOR   (-1)

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
	// No VLAN strip: tags stay where frame/ looks for them. No scatter: a card drops, and counts as
	// an error, what is longer than its MTU; ports that know none deliver it in segments.
	struct rte_eth_conf conf = {
		.rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM,
		.txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
		.intr_conf.rmv = (*info->dev_flags & RTE_ETH_DEV_INTR_RMV) != 0,
	};

	port->hashes_addresses = port->queue_count > 1 && rss_ask(info, &conf);
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

// On EAL's own thread.
static int note_event(uint16_t, enum rte_eth_event_type, void *device_event, void *)
{
	atomic_store_explicit((_Atomic bool *)device_event, true, memory_order_relaxed);
	return 0;
}

// Devices that have no such events take the wish all the same.
static void hear_events(struct port *port)
{
	atomic_store_explicit(&port->device_event, false, memory_order_relaxed);
	rte_eth_dev_callback_register(
			port->id, RTE_ETH_EVENT_INTR_RESET, note_event, &port->device_event);
	rte_eth_dev_callback_register(
			port->id, RTE_ETH_EVENT_INTR_RMV, note_event, &port->device_event);
}

static void ignore_events(struct port *port)
{
	rte_eth_dev_callback_unregister(
			port->id, RTE_ETH_EVENT_INTR_RESET, note_event, &port->device_event);
	rte_eth_dev_callback_unregister(
			port->id, RTE_ETH_EVENT_INTR_RMV, note_event, &port->device_event);
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
	port->keeps_unsent = is_driven_by(&info, "net_af_packet");
	error = flow_isolate(port->id, info.driver_name, problem, size);
	if (error)
		return error;
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
	error = find_mac(port, &info, host);
	if (error)
		return fail(error, "has no Ethernet address", problem, size);
	error = rte_eth_dev_start(port->id);
	if (error)
		return fail(error, "cannot start", problem, size);
	expect_hash(port, &info);
	if (flow_is_needed(info.driver_name))
		return flow_take(port, host, problem, size);
	error = hear_multicast(port, host, &info);
	if (error)
		log_warn("port %s: cannot receive multicast, IPv6 neighbours may not find it: %s",
				port->name, strerror(-error));
	return 0;
}

// What is in the device's books is carried over, and it may be stopped or closed only once.
static void close_device(struct port *port)
{
	int error;

	if (!port->open)
		return;
	port_read_statistics(port, &port->before);
	port->open = false;
	ignore_events(port);
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
	port->multicast = NO_DESCRIPTOR;
}

static int open_device(struct port *port, struct host *host, char *problem, size_t size)
{
	int error = rte_eth_dev_get_port_by_name(port->name, &port->id);

	if (error)
		return fail(error, "DPDK knows no such port", problem, size);
	port->open = true;
	error = start(port, host, problem, size);
	if (error)
		return error;
	hear_events(port);
	return 0;
}

int port_open(struct port *port, const struct port_options *options, char *problem, size_t size)
{
	struct host *host = malloc(sizeof(*host));

	if (!host)
		return fail(-ENOMEM, "host", problem, size);
	*host = *options->host;
	*port = (struct port){
		.device = options->device,
		.own = host,
		.shared = options->shared,
		.queue_count = options->queues,
		.multicast = NO_DESCRIPTOR,
	};
	remember_names(port, options->device);
	int error = open_device(port, host, problem, size);

	if (error)
		port_close(port);
	else
		published_swap(&port->host, host);
	return error;
}

const struct host *port_host(const struct port *port)
{
	return port->own;
}

const char *port_print_addresses(const struct port *port, char text[PORT_ADDRESSES_TEXT_SIZE])
{
	const struct host *host = port_host(port);
	char address[SUBNET_TEXT_SIZE];
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < host->address_count; i++)
		used += (size_t)snprintf(text + used, PORT_ADDRESSES_TEXT_SIZE - used, " %s",
				subnet_print(&host->addresses[i], address));
	return text;
}

bool port_is_left(struct port *port)
{
	for (unsigned i = 0; i < port->queue_count; i++) {
		if (!published_left_behind(&port->host, &port->queues[i].host_seen))
			return false;
	}
	return true;
}

int port_set_addresses(struct port *port, const struct subnet *addresses, unsigned count)
{
	struct host *host;

	if (port->paused || (port->retired && !port_is_left(port)))
		return -EAGAIN;
	free((void *)port->retired);
	port->retired = NULL;
	host = malloc(sizeof(*host));
	if (!host)
		return -ENOMEM;
	*host = *port_host(port);
	host->address_count = count;
	memcpy(host->addresses, addresses, count * sizeof(*addresses));
	port->own = host;
	port->retired = published_swap(&port->host, host);
	return 0;
}

void port_pause(struct port *port)
{
	port->paused = true;
	published_swap(&port->host, NULL);
}

void port_shut(struct port *port)
{
	struct rte_eth_dev_info info;
	int error = rte_eth_dev_info_get(port->id, &info);

	close_device(port);
	if (!error)
		error = rte_dev_remove(info.device);
	if (error)
		log_warn("port %s: DPDK does not let go of it: %s", port->name, strerror(-error));
}

// DPDK's complaints are not wanted each time: the caller says once why it does not work.
static int probe(const char *device)
{
	uint32_t level = rte_log_get_global_level();
	int error;

	rte_log_set_global_level(RTE_LOG_CRIT);
	error = rte_dev_probe(device);
	rte_log_set_global_level(level);
	return error == -EEXIST ? 0 : error;
}

int port_open_again(struct port *port, char *problem, size_t size)
{
	struct host *host = malloc(sizeof(*host));
	int error;

	if (!host)
		return fail(-ENOMEM, "host", problem, size);
	*host = *port->own;
	// What the kernel has by now is found out as it was at the start.
	if (port->shared)
		host->address_count = 0;
	error = probe(port->device);
	if (error)
		fail(error, "not found", problem, size);
	else
		error = open_device(port, host, problem, size);
	if (error) {
		free(host);
		if (port->open)
			port_shut(port);
		return error;
	}
	free((void *)port->own);
	free((void *)port->retired);
	port->retired = NULL;
	port->own = host;
	port->restarts++;
	for (unsigned i = 0; i < port->queue_count; i++)
		atomic_store_explicit(&port->queues[i].stranded, false, memory_order_relaxed);
	port->paused = false;
	published_swap(&port->host, host);
	return 0;
}

void port_close(struct port *port)
{
	close_device(port);
	free((void *)port->retired);
	free((void *)port->own);
}

// A virtual port's own idea of its link does not follow the kernel interface it stands on, and
// its speed is made up.
bool port_link_is_up(const struct port *port, unsigned *speed)
{
	struct rte_eth_link link = { 0 };

	*speed = 0;
	if (port->interface[0])
		return interface_is_running(port->interface);
	if (!port->open || rte_eth_link_get_nowait(port->id, &link) || !link.link_status)
		return false;
	if (link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		*speed = link.link_speed;
	return true;
}

bool port_is_stranded(const struct port *port)
{
	for (unsigned i = 0; i < port->queue_count; i++) {
		if (atomic_load_explicit(&port->queues[i].stranded, memory_order_relaxed))
			return true;
	}
	return false;
}

void port_check_hash(struct port *port)
{
	unsigned seen = 0, different = 0, without = 0;

	for (unsigned i = 0; i < port->queue_count; i++) {
		const struct rss_check *rss = &port->queues[i].rss;

		seen += atomic_load_explicit(&rss->seen, memory_order_relaxed);
		different += atomic_load_explicit(&rss->different, memory_order_relaxed);
		without += atomic_load_explicit(&rss->without, memory_order_relaxed);
	}
	if (port->hash_doubted || (different == 0 && without < RSS_FRAMES))
		return;
	port->hash_doubted = true;
	log_warn("port %s: of %u frames %u have another hash than that of their addresses, %u none: a client's requests may meet several workers, and what is known of clients is known per worker",
			port->name, seen, different, without);
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

void port_read_statistics(const struct port *port, struct port_statistics *statistics)
{
	struct rte_eth_stats now = { 0 };

	if (port->open)
		rte_eth_stats_get(port->id, &now);
	*statistics = (struct port_statistics){
		.received = port->before.received + now.ipackets,
		.missed = port->before.missed + now.imissed,
		.errors = port->before.errors + now.ierrors,
		.no_buffer = port->before.no_buffer + now.rx_nombuf,
		.sent = port->before.sent + now.opackets,
		.send_errors = port->before.send_errors + now.oerrors,
	};
}

void port_log_counters(const struct port *port)
{
	struct port_counters counters;
	struct port_statistics statistics;
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
	port_read_statistics(port, &statistics);
	log_info("port %s: ipackets=%lu imissed=%lu ierrors=%lu rx_nombuf=%lu opackets=%lu oerrors=%lu restarts=%u",
			port->name, statistics.received, statistics.missed, statistics.errors,
			statistics.no_buffer, statistics.sent, statistics.send_errors,
			port->restarts);
}
