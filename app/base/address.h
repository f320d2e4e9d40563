// SPDX-License-Identifier: BSD-3-Clause
// IP addresses and subnets as values: comparing, masking, reading and printing them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum address_family {
	ADDRESS_NONE = 0,
	ADDRESS_IPV4 = 4,
	ADDRESS_IPV6 = 6,
};

struct address {
	uint8_t family;    // enum address_family
	uint8_t bytes[16]; // network order; IPv4 uses the first four, the rest are zero
};

struct subnet {
	struct address address; // bits beyond prefix_bits may be set: an interface address keeps them
	uint8_t prefix_bits;
};

#define ADDRESS_TEXT_SIZE 46
#define SUBNET_TEXT_SIZE  (ADDRESS_TEXT_SIZE + 4)

// Reads a numeric address exactly as inet_pton takes it. Returns 0 or -EINVAL.
int address_parse(const char *text, struct address *address);
// Fills `text` and returns it.
const char *address_print(const struct address *address, char text[ADDRESS_TEXT_SIZE]);
const char *subnet_print(const struct subnet *subnet, char text[SUBNET_TEXT_SIZE]);

// 32 or 128 (0 for ADDRESS_NONE).
unsigned address_bits(uint8_t family);
size_t address_size(uint8_t family); // 4 or 16 bytes
bool address_equals(const struct address *a, const struct address *b);
// Clears the bits beyond prefix_bits.
void subnet_mask(struct subnet *subnet);
