// SPDX-License-Identifier: BSD-3-Clause
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int address_parse(const char *text, struct address *address)
{
	struct address parsed = { 0 };

	if (inet_pton(AF_INET, text, parsed.bytes) == 1)
		parsed.family = ADDRESS_IPV4;
	else if (inet_pton(AF_INET6, text, parsed.bytes) == 1)
		parsed.family = ADDRESS_IPV6;
	else
		return -EINVAL;
	*address = parsed;
	return 0;
}

const char *address_print(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
	int family = address->family == ADDRESS_IPV4 ? AF_INET : AF_INET6;

	if (address->family == ADDRESS_NONE
			|| !inet_ntop(family, address->bytes, text, ADDRESS_TEXT_SIZE))
		snprintf(text, ADDRESS_TEXT_SIZE, "none");
	return text;
}

const char *subnet_print(const struct subnet *subnet, char text[SUBNET_TEXT_SIZE])
{
	char address[ADDRESS_TEXT_SIZE];

	snprintf(text, SUBNET_TEXT_SIZE, "%s/%u", address_print(&subnet->address, address),
			subnet->prefix_bits);
	return text;
}

unsigned address_bits(uint8_t family)
{
	return (unsigned)address_size(family) * 8;
}

size_t address_size(uint8_t family)
{
	switch (family) {
	case ADDRESS_IPV4:
		return 4;
	case ADDRESS_IPV6:
		return 16;
	default:
		return 0;
	}
}

bool address_equals(const struct address *a, const struct address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, address_size(a->family)) == 0;
}

void subnet_mask(struct subnet *subnet)
{
	size_t whole = subnet->prefix_bits / 8;
	unsigned rest = subnet->prefix_bits % 8;

	for (size_t i = whole; i < sizeof(subnet->address.bytes); i++) {
		unsigned keep = i == whole ? 0xff00U >> rest : 0;

		subnet->address.bytes[i] &= (uint8_t)keep;
	}
}
