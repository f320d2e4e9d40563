// SPDX-License-Identifier: BSD-3-Clause
// Who we are on one wire. Filled in before it is published, then only read.
#pragma once

#include "base/address.h"
#include "frame/plain.h"

#include <stdbool.h>
#include <stdint.h>

#define HOST_ADDRESSES 16
#define HOST_ANY_VLAN  (-1)
#define MAC_SIZE       6

struct host {
	uint8_t mac[MAC_SIZE];
	struct subnet addresses[HOST_ADDRESSES]; // unmasked: our address and its prefix
	unsigned address_count;
	uint16_t ntp_port; // host order
	uint8_t dscp;      // of what we send, 0..63
	// The one VLAN whose frames are taken, and the tag of frames of our own accord: 1..4094; 0 for
	// what is in no VLAN, untagged or priority-tagged; or HOST_ANY_VLAN, where a frame's answer has
	// the frame's tags and frames of our own accord have none.
	int vlan;
	// The port hands over what a local sender's kernel left to a NIC that does not exist: a UDP
	// checksum field holding only the pseudo-header's sum. Taken on such ports, nowhere else.
	bool takes_unfinished_checksums;
	struct plain_set plain; // host_prepare() fills it in
};

// To be called once all else is filled in, and again for a copy: `plain` points into itself. Without it
// no request counts as plain.
void host_prepare(struct host *host);

// The directed broadcast address, host order, or `own` where a subnet is too small for one (RFC 3021).
uint32_t host_ipv4_broadcast(uint32_t own, uint8_t prefix_bits);
// Addresses that no packet on a wire may come from: unspecified and loopback (RFC 4291 sections
// 2.5.2 and 2.5.3), multicast (2.7), and IPv4 in disguise (2.5.5.2), which would pass IPv4's rules.
bool host_is_ipv6_martian(const uint8_t source[16]);
// Whether `bytes` are one of our addresses.
bool host_owns(const struct host *host, uint8_t family, const uint8_t *bytes);
// Whether these are the last bytes of an IPv6 address of ours, which is all that its solicited-node
// group has of it (RFC 4291 section 2.7.1).
bool host_owns_low(const struct host *host, const uint8_t low[3]);
// Whether `group` is the solicited-node group of an address of ours.
bool host_is_in_group(const struct host *host, const uint8_t group[16]);
// Writes the tag of a frame of our own accord, if it has one. Returns where its packet starts.
uint16_t host_write_tag(const struct host *host, uint8_t *frame);
// Writes the addresses of a frame from us, and the type that stands before its packet.
void host_write_ethernet(const struct host *host, const uint8_t destination[MAC_SIZE],
		uint16_t type, uint8_t *frame, uint16_t packet_offset);
