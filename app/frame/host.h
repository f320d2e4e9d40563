// SPDX-License-Identifier: BSD-3-Clause
// Who we are on one wire. Filled once before the port starts, then only read.
#pragma once

#include "base/address.h"

#include <stdbool.h>
#include <stdint.h>

#define HOST_ADDRESSES 16
#define MAC_SIZE       6

struct host {
	uint8_t mac[MAC_SIZE];
	struct subnet addresses[HOST_ADDRESSES]; // unmasked: our address and its prefix
	unsigned address_count;
	uint16_t ntp_port; // host order
	uint8_t dscp;      // of what we send, 0..63
	// The port hands over what a local sender's kernel left to a NIC that does not exist: a UDP
	// checksum field holding only the pseudo-header's sum. Taken on such ports, nowhere else.
	bool takes_unfinished_checksums;
};
