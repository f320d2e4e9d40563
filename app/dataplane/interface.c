// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/interface.h"

#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PCI_PATH "/sys/bus/pci/devices/%.*s/%s"

static int ask(const char *interface, unsigned long what, struct ifreq *request)
{
	int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error;

	if (probe < 0)
		return -errno;
	snprintf(request->ifr_name, sizeof(request->ifr_name), "%s", interface);
	error = ioctl(probe, what, request) ? -errno : 0;
	close(probe);
	return error;
}

bool interface_is_running(const char *interface)
{
	struct ifreq request = { 0 };

	return ask(interface, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP)
			&& (request.ifr_flags & IFF_RUNNING);
}

bool interface_is_up(const char *interface)
{
	struct ifreq request = { 0 };

	return ask(interface, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
}

unsigned interface_index(const char *interface)
{
	struct ifreq request = { 0 };

	return ask(interface, SIOCGIFINDEX, &request) == 0 ? (unsigned)request.ifr_ifindex : 0;
}

unsigned interface_queues(const char *interface)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq request = { .ifr_data = (void *)&channels };

	if (ask(interface, SIOCETHTOOL, &request))
		return 1;
	// Without combined channels DPDK takes the first queue.
	unsigned taken = channels.max_combined ? channels.combined_count : 1;
	unsigned receiving = channels.rx_count + channels.combined_count;

	return receiving > taken ? 0 : taken;
}

int interface_hear_multicast(const char *interface)
{
	struct packet_mreq wish = {
		.mr_ifindex = (int)if_nametoindex(interface),
		.mr_type = PACKET_MR_ALLMULTI,
	};
	int membership = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int error;

	if (membership < 0)
		return -errno;
	if (setsockopt(membership, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &wish, sizeof(wish)) == 0)
		return membership;
	error = -errno;
	close(membership);
	return error;
}

unsigned interface_list_on(const char *device, char (*names)[IF_NAMESIZE], unsigned size)
{
	const struct dirent *entry;
	char path[128];
	unsigned count = 0;

	snprintf(path, sizeof(path), PCI_PATH, (int)strcspn(device, ","), device, "net");
	DIR *folder = opendir(path);

	while (folder && count < size && (entry = readdir(folder))) {
		if (entry->d_name[0] != '.')
			snprintf(names[count++], IF_NAMESIZE, "%.*s", IF_NAMESIZE - 1,
					entry->d_name);
	}
	if (folder)
		closedir(folder);
	return count;
}

bool interface_is_virtual_function(const char *device)
{
	char path[128];

	snprintf(path, sizeof(path), PCI_PATH, (int)strcspn(device, ","), device, "physfn");
	return access(path, F_OK) == 0;
}

int interface_xdp_program(unsigned index, uint32_t *program)
{
	uint32_t found = 0;
	int error = bpf_xdp_query_id((int)index, 0, &found);

	if (!error)
		*program = found;
	return error;
}

void interface_driver_of(const char *device, char *name, size_t size)
{
	char path[128], target[256] = "";

	snprintf(path, sizeof(path), PCI_PATH, (int)strcspn(device, ","), device, "driver");
	if (readlink(path, target, sizeof(target) - 1) < 0)
		target[0] = '\0';
	snprintf(name, size, "%s", basename(target));
}

static uint8_t count_bits(const uint8_t *mask, size_t size)
{
	unsigned bits = 0;

	for (size_t i = 0; i < size; i++)
		bits += (unsigned)__builtin_popcount(mask[i]);
	return (uint8_t)bits;
}

static bool read_subnet(const struct ifaddrs *entry, struct subnet *subnet)
{
	const void *address, *mask;

	*subnet = (struct subnet){ 0 };
	if (!entry->ifa_addr || !entry->ifa_netmask)
		return false;
	switch (entry->ifa_addr->sa_family) {
	case AF_INET:
		subnet->address.family = ADDRESS_IPV4;
		address = &((const struct sockaddr_in *)(const void *)entry->ifa_addr)->sin_addr;
		mask = &((const struct sockaddr_in *)(const void *)entry->ifa_netmask)->sin_addr;
		break;
	case AF_INET6:
		subnet->address.family = ADDRESS_IPV6;
		address = &((const struct sockaddr_in6 *)(const void *)entry->ifa_addr)->sin6_addr;
		mask = &((const struct sockaddr_in6 *)(const void *)entry->ifa_netmask)->sin6_addr;
		break;
	default:
		return false;
	}
	size_t size = address_size(subnet->address.family);

	memcpy(subnet->address.bytes, address, size);
	subnet->prefix_bits = count_bits(mask, size);
	return true;
}

int interface_list_addresses(struct interface_address **addresses)
{
	struct interface_address *list;
	struct ifaddrs *entries;
	size_t entry_count = 0;
	int count = 0;

	if (getifaddrs(&entries))
		return -errno;
	for (const struct ifaddrs *entry = entries; entry; entry = entry->ifa_next)
		entry_count++;
	list = calloc(entry_count + 1, sizeof(*list));
	for (const struct ifaddrs *entry = entries; entry && list; entry = entry->ifa_next) {
		if (!read_subnet(entry, &list[count].subnet))
			continue;
		snprintf(list[count].interface, sizeof(list[count].interface), "%.*s",
				(int)strcspn(entry->ifa_name, ":"), entry->ifa_name);
		count++;
	}
	freeifaddrs(entries);
	if (!list)
		return -ENOMEM;
	*addresses = list;
	return count;
}
