// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port.h"

#include "base/log.h"
#include "dataplane/interface.h"
#include "dataplane/memory.h"
#include "dataplane/port_device.h"

#include <rte_dev.h>
#include <rte_ethdev.h>

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static const void *publish_host(struct port *port, struct host *host)
{
	host_prepare(host);
	return published_swap(&port->host, host);
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
		.multicast = PORT_NO_DESCRIPTOR,
	};
	remember_names(port, options->device);
	int error = port_device_open(port, host, problem, size);

	if (error)
		port_close(port);
	else
		publish_host(port, host);
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
	port->retired = publish_host(port, host);
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

	port_device_close(port);
	if (!error)
		error = rte_dev_remove(info.device);
	if (error)
		log_warn("port %s: DPDK does not let go of it: %s", port->name, strerror(-error));
}

static int probe_and_open(struct port *port, struct host *host, char *problem, size_t size)
{
	int error = rte_dev_probe(port->device);

	if (error && error != -EEXIST)
		return fail(error, "not found", problem, size);
	error = port_device_open(port, host, problem, size);
	if (error && port->open)
		port_shut(port);
	return error;
}

int port_open_again(struct port *port, char *problem, size_t size)
{
	struct host *host = malloc(sizeof(*host));
	uint32_t level = rte_log_get_global_level();
	libbpf_print_fn_t print;
	int error;

	if (!host)
		return fail(-ENOMEM, "host", problem, size);
	*host = *port->own;
	// What the kernel has by now is found out as it was at the start.
	if (port->shared)
		host->address_count = 0;
	// The libraries' complaints are not wanted each time: the caller says once why it does not work.
	rte_log_set_global_level(RTE_LOG_CRIT);
	print = libbpf_set_print(NULL);
	error = probe_and_open(port, host, problem, size);
	libbpf_set_print(print);
	rte_log_set_global_level(level);
	if (error) {
		free(host);
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
	publish_host(port, host);
	return 0;
}

void port_close(struct port *port)
{
	port_device_close(port);
	memory_free(port->queues);
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

int port_node(const struct port *port)
{
	return rte_eth_dev_socket_id(port->id);
}
