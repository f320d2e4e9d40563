// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/clients.h"

#include "base/bytes.h"

#define GOLDEN_RATIO 0.6180339887498949

static uint32_t common_factor(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static uint32_t stride_for(uint32_t count)
{
	uint32_t stride = (uint32_t)((double)count * GOLDEN_RATIO);

	if (stride == 0)
		stride = 1;
	while (common_factor(count, stride) != 1)
		stride++;
	return stride;
}

uint32_t clients_room(const struct subnet *prefix)
{
	unsigned host_bits = address_bits(prefix->address.family) - prefix->prefix_bits;

	if (host_bits > 24)
		return CLIENTS_MAX;
	uint32_t addresses = UINT32_C(1) << host_bits;

	return addresses > 2 ? addresses - 2 : 1;
}

static void range_init(struct client_range *range, const struct subnet *prefix, uint32_t count)
{
	struct subnet network = *prefix;
	size_t size = address_size(prefix->address.family);

	subnet_mask(&network);
	*range = (struct client_range){
		.family = network.address.family,
		.count = count,
		.stride = stride_for(count),
	};
	memcpy(range->base, network.address.bytes, sizeof(range->base));
	range->low = load_be32(range->base + size - 4);
	if (prefix->prefix_bits < address_bits(range->family) - 1)
		range->low++; // the first is the network's, or the anycast address of its routers
}

void clients_init(struct clients *clients, const struct subnet prefixes[FAMILIES], uint32_t count)
{
	*clients = (struct clients){ 0 };
	for (unsigned i = 0; i < FAMILIES; i++) {
		if (prefixes[i].address.family == ADDRESS_NONE)
			continue;
		range_init(&clients->ranges[i], &prefixes[i], count);
		clients->ranges[i].first = clients->count;
		clients->count += count;
	}
}

void client_address(const struct client_range *range, uint32_t client, struct address *address)
{
	*address = (struct address){ .family = range->family };
	memcpy(address->bytes, range->base, sizeof(address->bytes));
	store_be32(address->bytes + address_size(range->family) - 4, range->low + client);
}

bool client_find(const struct client_range *range, const uint8_t *address, uint32_t *client)
{
	size_t upper = address_size(range->family) - 4;

	if (range->count == 0 || memcmp(range->base, address, upper) != 0)
		return false;
	uint32_t found = load_be32(address + upper) - range->low;

	if (found >= range->count)
		return false;
	*client = found;
	return true;
}
