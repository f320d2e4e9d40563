// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/shared.h"

#include "base/log.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

unsigned shared_pick(const struct interface_address *list, unsigned count, const char *interface,
		struct subnet own[HOST_ADDRESSES])
{
	unsigned found = 0;

	for (unsigned i = 0; i < count; i++) {
		if (strcmp(list[i].interface, interface) != 0)
			continue;
		if (found < HOST_ADDRESSES)
			own[found] = list[i].subnet;
		found++;
	}
	return found;
}

static bool holds(const struct subnet *subnets, unsigned count, const struct address *address)
{
	for (unsigned i = 0; i < count; i++) {
		if (address_equals(&subnets[i].address, address))
			return true;
	}
	return false;
}

static bool same(const struct host *host, const struct subnet *own, unsigned count)
{
	if (host->address_count != count)
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (host->addresses[i].prefix_bits != own[i].prefix_bits
				|| !address_equals(&host->addresses[i].address, &own[i].address))
			return false;
	}
	return true;
}

// The worker takes an address before the program sends it there, and gives it up after.
static int change(struct shared *shared, const struct subnet *own, unsigned count)
{
	const struct host *before = port_host(shared->port);
	int error = 0;

	for (unsigned i = 0; i < before->address_count && !error; i++) {
		const struct address *address = &before->addresses[i].address;

		if (!holds(own, count, address))
			error = xdp_filter_drop(&shared->filter, address);
	}
	if (!error)
		error = port_set_addresses(shared->port, own, count);
	for (unsigned i = 0; i < count && !error; i++)
		error = xdp_filter_add(&shared->filter, &own[i].address);
	return error;
}

static void warn_of_number(const struct shared *shared)
{
	const struct port *port = shared->port;

	if (shared->found == 0)
		log_warn("port %s: %s has no address, nothing is served", port->name,
				port->interface);
	if (shared->found > HOST_ADDRESSES)
		log_warn("port %s: %s has %u addresses, only the first %u are served", port->name,
				port->interface, shared->found, HOST_ADDRESSES);
}

// Returns 1 when the addresses have changed, 0 when not, or -errno.
static int refresh(struct shared *shared)
{
	struct interface_address *list;
	struct subnet own[HOST_ADDRESSES];
	int listed = interface_list_addresses(&list);
	unsigned count;
	int error;

	if (listed < 0)
		return listed;
	shared->found = shared_pick(list, (unsigned)listed, shared->port->interface, own);
	free(list);
	count = shared->found < HOST_ADDRESSES ? shared->found : HOST_ADDRESSES;

	shared->stale = false;
	if (same(port_host(shared->port), own, count))
		return 0;
	error = change(shared, own, count);
	shared->stale = error == -EAGAIN;
	return error ? error : 1;
}

static int open_events(void)
{
	struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	int events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int error;

	if (events < 0 || bind(events, (struct sockaddr *)&groups, sizeof(groups)) == 0)
		return events < 0 ? -errno : events;
	error = -errno;
	close(events);
	return error;
}

int shared_open(struct shared *shared, struct port *port, uint16_t ntp_port)
{
	int error;

	*shared = (struct shared){ .events = open_events() };
	if (shared->events < 0)
		return shared->events;
	error = xdp_filter_open(&shared->filter, port->interface, ntp_port);
	if (error) {
		close(shared->events);
		return error;
	}
	shared->port = port;
	error = refresh(shared);
	if (error < 0) {
		shared_close(shared);
		return error;
	}
	warn_of_number(shared);
	return 0;
}

// What the messages say does not matter, nor how many were lost: all is read again.
static bool told_of_change(int events)
{
	char message[8192];
	bool told = false;

	while (recv(events, message, sizeof(message), 0) > 0 || errno == ENOBUFS)
		told = true;
	return told;
}

void shared_watch(struct shared *shared)
{
	const struct port *port = shared->port;
	char text[PORT_ADDRESSES_TEXT_SIZE];
	int changed;

	if (!port)
		return;
	shared->stale |= told_of_change(shared->events);
	if (!shared->stale)
		return;
	changed = refresh(shared);
	if (changed == 1) {
		log_info("port %s: now serving%s", port->name, port_print_addresses(port, text));
		warn_of_number(shared);
	} else if (changed < 0 && changed != -EAGAIN) {
		log_error("port %s: cannot follow the addresses of %s: %s", port->name,
				port->interface, strerror(-changed));
	}
}

void shared_close(struct shared *shared)
{
	if (!shared->port)
		return;
	xdp_filter_close(&shared->filter);
	close(shared->events);
	shared->port = NULL;
}
