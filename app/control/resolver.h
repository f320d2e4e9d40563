// SPDX-License-Identifier: BSD-3-Clause
// Names to addresses, one name at a time, on a thread that exists as long as that takes: the loop must
// not wait for a name server. The control thread's.
#pragma once

#include "base/address.h"

#include <stdbool.h>

#define RESOLVER_ADDRESSES 32

struct resolver_address {
	struct address address;
	uint32_t scope; // interface of a link-local IPv6 address, else 0
};

struct resolver_result {
	struct resolver_address addresses[RESOLVER_ADDRESSES]; // each once
	unsigned count;
	const char *problem; // why there are none, else NULL
};

struct resolver;

// An address as it is written, also fe80::1%eth0: nobody needs to be asked. Returns 0 or -EINVAL.
int resolver_read_address(const char *text, struct resolver_address *address);
// Starts. `family`: ADDRESS_NONE for either. Returns 0 or -errno.
int resolver_start(struct resolver **resolver, const char *name, enum address_family family);
// True once it is done; `resolver` is then gone.
bool resolver_take(struct resolver *resolver, struct resolver_result *result);
// Leaves it to itself.
void resolver_abandon(struct resolver *resolver); // NULL is fine
