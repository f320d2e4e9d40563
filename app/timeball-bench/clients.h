// SPDX-License-Identifier: BSD-3-Clause
// The clients that are played: client i of a family has the address i after the first of its prefix.
// They are visited in an order that jumps about, each once a round.
#pragma once

#include "base/address.h"

#include <stdbool.h>
#include <stdint.h>

#define CLIENTS_MAX (UINT32_C(1) << 24) // of a family

enum family_index {
	FAMILY_IPV4,
	FAMILY_IPV6,
	FAMILIES,
};

struct client_range {
	uint8_t family;  // enum address_family
	uint32_t count;  // 0: nobody asks over this family
	uint32_t first;  // number of client 0 among the clients of all families
	uint32_t stride; // of the walk, without a common factor with `count`
	uint32_t low;    // last four bytes of client 0's address, host order
	uint8_t base[16];
};

struct clients {
	struct client_range ranges[FAMILIES];
	uint32_t count; // of all
};

// Whose turn it is.
struct client_walk {
	uint32_t client; // in its range
	uint32_t round;  // how often all have been visited
};

// How many clients a prefix has room for, CLIENTS_MAX at most: without its first and last address.
uint32_t clients_room(const struct subnet *prefix);
// `prefixes` by family, with room for `count` each. A prefix without a family is not used.
void clients_init(struct clients *clients, const struct subnet prefixes[FAMILIES], uint32_t count);
// Fills `address` in.
void client_address(const struct client_range *range, uint32_t client, struct address *address);
// Whether these bytes are a client's address; then fills in whose.
bool client_find(const struct client_range *range, const uint8_t *address, uint32_t *client);

static inline void client_walk_next(const struct client_range *range, struct client_walk *walk)
{
	// With the stride coprime to it, `count` steps visit all and end where they began.
	walk->client += range->stride;
	if (walk->client >= range->count)
		walk->client -= range->count;
	walk->round += walk->client == 0;
}
