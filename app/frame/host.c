// SPDX-License-Identifier: BSD-3-Clause
// What is ours on the wire, and how a frame says that it is from us.
#include "frame/host.h"

#include "base/bytes.h"
#include "frame/layout.h"

void host_prepare(struct host *host)
{
	plain_prepare(&host->plain, host);
}

uint32_t host_ipv4_broadcast(uint32_t own, uint8_t prefix_bits)
{
	uint32_t host_bits = (uint32_t)(UINT64_C(0xffffffff) >> prefix_bits);

	return host_bits > 1 ? own | host_bits : own;
}

bool host_is_ipv6_martian(const uint8_t source[16])
{
	uint64_t lower = load_be64(source + 8);

	return source[0] == 0xff
			|| (load_be64(source) == 0 && (lower <= 1 || lower >> 32 == 0xffff));
}

bool host_owns(const struct host *host, uint8_t family, const uint8_t *bytes)
{
	for (unsigned i = 0; i < host->address_count; i++) {
		const struct address *own = &host->addresses[i].address;

		if (own->family == family && memcmp(own->bytes, bytes, address_size(family)) == 0)
			return true;
	}
	return false;
}

bool host_owns_low(const struct host *host, const uint8_t low[3])
{
	bool ours = false;

	for (unsigned i = 0; i < host->address_count; i++) {
		const struct address *own = &host->addresses[i].address;

		ours |= own->family == ADDRESS_IPV6 && memcmp(own->bytes + 13, low, 3) == 0;
	}
	return ours;
}

bool host_is_in_group(const struct host *host, const uint8_t group[16])
{
	return memcmp(group, solicited_node, sizeof(solicited_node)) == 0
			&& host_owns_low(host, group + sizeof(solicited_node));
}

uint16_t host_write_tag(const struct host *host, uint8_t *frame)
{
	if (host->vlan <= 0)
		return ETHERNET_SIZE;
	store_be16(frame + ETHERNET_TYPE, ETHERTYPE_VLAN);
	store_be16(frame + ETHERNET_TYPE + 2, (uint16_t)host->vlan);
	return ETHERNET_SIZE + VLAN_TAG_SIZE;
}

void host_write_ethernet(const struct host *host, const uint8_t destination[MAC_SIZE],
		uint16_t type, uint8_t *frame, uint16_t packet_offset)
{
	memcpy(frame + ETHERNET_DESTINATION, destination, MAC_SIZE);
	memcpy(frame + ETHERNET_SOURCE, host->mac, MAC_SIZE);
	store_be16(frame + packet_offset - 2, type);
}
