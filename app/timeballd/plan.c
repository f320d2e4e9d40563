// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/plan.h"

#include "dataplane/port.h"
#include "drivers/xdp/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERFACES_ON_A_CARD 16

static bool is_driven_by(const struct config_serve *serve, const char *driver)
{
	return strncmp(serve->device, driver, strlen(driver)) == 0;
}

// The value of ",name=" in a device's arguments, or NULL; it ends at the next comma.
static const char *argument(const char *device, const char *name)
{
	const char *found = strstr(device, name);

	return found ? found + strlen(name) : NULL;
}

void plan_begin(struct plan *plan, const struct config_serve *serve)
{
	const char *interface = argument(serve->device, ",iface=");

	*plan = (struct plan){
		.queues = serve->workers,
		.claim = -1,
		.xdp = is_driven_by(serve, "net_af_xdp"),
	};
	snprintf(plan->device, sizeof(plan->device), "%s", serve->device);
	if (interface && (plan->xdp || is_driven_by(serve, "net_af_packet")))
		snprintf(plan->interface, sizeof(plan->interface), "%.*s",
				(int)strcspn(interface, ","), interface);
}

// Frames come by any of the interface's queues, so all of them are served.
static int count_queues(struct plan *plan, const struct config_serve *serve,
		const struct plan_host *host, char *problem, size_t size)
{
	const char *written = argument(serve->device, ",queue_count=");

	plan->queues = written ? (unsigned)strtoul(written, NULL, 10) : host->queues;
	if (!written && host->queues == 0) {
		snprintf(problem, size,
				"%s has several receive queues apart from transmit queues, of which DPDK takes one: `ethtool -L %s rx 1`",
				plan->interface, plan->interface);
		return -EINVAL;
	}
	if (plan->queues == 0 || plan->queues > PORT_QUEUES) {
		snprintf(problem, size,
				"%s has %u queues, and 1 to %u can be served: `ethtool -L %s combined %u`",
				plan->interface, plan->queues, PORT_QUEUES, plan->interface,
				PORT_QUEUES);
		return -EINVAL;
	}
	if (serve->workers > plan->queues) {
		snprintf(problem, size, "workers %u: %s has %u queue(s)", serve->workers,
				plan->interface, plan->queues);
		return -EINVAL;
	}
	return 0;
}

static int write_device(struct plan *plan, const struct config_serve *serve,
		const struct plan_host *host, char *problem, size_t size)
{
	char queues[32] = "", program[64] = "";
	int used;

	if (!argument(serve->device, ",queue_count="))
		snprintf(queues, sizeof(queues), ",queue_count=%u", plan->queues);
	if (serve->shared)
		snprintf(program, sizeof(program), ",xdp_prog=%s", host->filter_path);
	used = snprintf(plan->device, sizeof(plan->device), "%s%s%s", serve->device, queues,
			program);
	if (used < (int)sizeof(plan->device))
		return 0;
	snprintf(problem, size, "arguments of the device are too long");
	return -E2BIG;
}

// The kernel deals frames out to all queue pairs there are: one that nobody polls swallows its share.
static int check_pairs(const struct config_serve *serve, char *problem, size_t size)
{
	const char *written = argument(serve->device, ",qpairs=");
	unsigned pairs = written ? (unsigned)strtoul(written, NULL, 10) : 1;

	if (pairs == serve->workers)
		return 0;
	snprintf(problem, size,
			"workers %u: net_af_packet wants as many queue pairs, and has %u: write `,qpairs=%u` after the interface",
			serve->workers, pairs, serve->workers);
	return -EINVAL;
}

static bool is_link_local(const struct address *address)
{
	return address->family == ADDRESS_IPV6 && address->bytes[0] == 0xfe
			&& (address->bytes[1] & 0xc0) == 0x80;
}

static bool serves(const struct config_serve *serve, const struct address *address)
{
	for (unsigned i = 0; i < serve->address_count; i++) {
		if (address_equals(&serve->addresses[i].address, address))
			return true;
	}
	return false;
}

static bool is_kept(const struct plan_host *host, const char *interface)
{
	for (unsigned i = 0; i < host->kept_count; i++) {
		if (strcmp(host->kept[i], interface) == 0)
			return true;
	}
	return false;
}

// The kernel must not answer for what is ours, nor lose what is its own. It may have our address
// where a card with flow rules leaves it everything but NTP.
static int find_conflict(const struct plan *plan, const struct config_serve *serve,
		const struct plan_host *host, char *problem, size_t size)
{
	char text[SUBNET_TEXT_SIZE];

	for (unsigned i = 0; i < host->address_count; i++) {
		const struct interface_address *kernels = &host->addresses[i];
		const struct address *address = &kernels->subnet.address;

		subnet_print(&kernels->subnet, text);
		if (serves(serve, address) && !(host->flows && is_kept(host, kernels->interface))) {
			snprintf(problem, size,
					"the kernel has %s on %s and would answer for it too: `ip address del %s dev %s`",
					text, kernels->interface, text, kernels->interface);
			return -EADDRINUSE;
		}
		if (plan->xdp && strcmp(kernels->interface, plan->interface) == 0
				&& !is_link_local(address)) {
			snprintf(problem, size,
					"%s would be cut off from the kernel, which has %s there: write `shared` instead of addresses, or `ip address del %s dev %s`",
					plan->interface, text, text, plan->interface);
			return -EADDRINUSE;
		}
	}
	return 0;
}

int plan_finish(struct plan *plan, const struct config_serve *serve, const struct plan_host *host,
		char *problem, size_t size)
{
	int error = 0;

	if (!plan->interface[0] && host->kept_count == 0)
		return 0;
	if (!serve->shared)
		error = find_conflict(plan, serve, host, problem, size);
	if (!error && !plan->xdp)
		error = check_pairs(serve, problem, size);
	if (!error && plan->xdp)
		error = count_queues(plan, serve, host, problem, size);
	if (!error && plan->xdp)
		error = write_device(plan, serve, host, problem, size);
	return error;
}

// DPDK attaches no program where one is, and a second process would take off the first one's.
static int claim_interface(struct plan *plan, bool shared, char *problem, size_t size)
{
	char name[XDP_PROGRAM_NAME_SIZE];
	int ours = xdp_filter_attached(plan->interface, name);
	int error = ours;

	plan->claim = xdp_filter_claim(plan->interface);
	if (ours < 0) {
		snprintf(problem, size, "%s: XDP: %s", plan->interface, strerror(-ours));
	} else if (plan->claim < 0 && name[0]) {
		error = plan->claim;
		snprintf(problem, size, "%s is served by another timeballd", plan->interface);
	} else if (ours) {
		error = xdp_filter_remove(plan->interface);
		if (error)
			snprintf(problem, size, "%s: cannot take the XDP program %s off: %s",
					plan->interface, name, strerror(-error));
	} else if (shared && name[0]) {
		error = -EBUSY;
		snprintf(problem, size,
				"%s has the XDP program %s already: `ip link set dev %s xdp off` takes it off",
				plan->interface, name, plan->interface);
	}
	return error;
}

static int offer_filter(
		int *filter_file, char path[XDP_FILTER_PATH_SIZE], char *problem, size_t size)
{
	if (*filter_file < 0)
		*filter_file = xdp_filter_file(path);
	if (*filter_file == -ENOSYS)
		snprintf(problem, size,
				"`shared`: built without clang, which compiles the XDP program");
	else if (*filter_file < 0)
		snprintf(problem, size, "XDP program: %s", strerror(-*filter_file));
	return *filter_file < 0 ? *filter_file : 0;
}

// The drivers whose ports dataplane/flow.h gives rules to, by the kernel's names.
static bool has_flows(const char *device)
{
	char driver[32];

	interface_driver_of(device, driver, sizeof(driver));
	return strcmp(driver, "mlx5_core") == 0 || strcmp(driver, "mlx4_core") == 0;
}

int plan_all(struct plan *plans, const struct config *config, int *filter_file, char *problem,
		size_t size)
{
	struct interface_address *addresses;
	int address_count = interface_list_addresses(&addresses);
	char path[XDP_FILTER_PATH_SIZE] = "", why[400];
	char kept[INTERFACES_ON_A_CARD][IF_NAMESIZE];
	int error = 0;

	if (address_count < 0) {
		snprintf(problem, size, "addresses of the kernel: %s", strerror(-address_count));
		return address_count;
	}
	for (unsigned i = 0; i < config->serve_count && !error; i++) {
		const struct config_serve *serve = &config->serves[i];
		struct plan *plan = &plans[i];

		plan_begin(plan, serve);
		struct plan_host host = {
			.addresses = addresses,
			.address_count = (unsigned)address_count,
			.queues = interface_queues(plan->interface),
			.filter_path = path,
			.kept = kept,
			.kept_count = interface_list_on(serve->device, kept, INTERFACES_ON_A_CARD),
			.flows = has_flows(serve->device),
		};

		if (serve->shared)
			error = offer_filter(filter_file, path, why, sizeof(why));
		if (!error)
			error = plan_finish(plan, serve, &host, why, sizeof(why));
		if (!error && plan->xdp)
			error = claim_interface(plan, serve->shared, why, sizeof(why));
		if (error)
			snprintf(problem, size, "serve %s: %s", serve->device, why);
	}
	free(addresses);
	return error;
}
