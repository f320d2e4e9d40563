// SPDX-License-Identifier: BSD-3-Clause
// A frame received, as far as NTP: is it to one of our clients, and is all below NTP as it should be?
#pragma once

#include "base/address.h"
#include "frame/host.h"
#include "timeball-bench/clients.h"
#include "timeball-bench/outcome.h"

#include <stdbool.h>
#include <stdint.h>

// Who listens, and to whom.
struct receiver {
	const struct clients *clients;
	uint8_t mac[MAC_SIZE];
	uint16_t vlan; // 0: none
	struct address servers[FAMILIES];
	uint16_t server_port;
	// The port hands over what a local kernel left to a NIC that does not exist (struct host).
	bool takes_unfinished_checksums;
};

enum reply_kind {
	REPLY_FOREIGN,     // nothing of ours
	REPLY_UDP,         // a datagram to a client, `reply` filled
	REPLY_UNREACHABLE, // ICMP says to a client that its request found nobody
};

struct reply {
	enum outcome flaw;  // GOOD, or the first that is wrong below NTP
	bool unfinished;    // its UDP checksum is the pseudo-header's
	uint32_t client;    // number among all
	uint16_t port;      // it is to, 0 when there is none
	const uint8_t *ntp; // only without a flaw
	uint16_t ntp_length;
};

// Where the packet behind a frame's tags starts, with its ethertype and the VLAN that the frame is in
// (0: none). Returns 0 for a frame too short.
uint16_t reply_find_packet(
		const uint8_t *frame, uint16_t length, uint16_t *ethertype, uint16_t *vlan);
enum reply_kind reply_parse(const struct receiver *receiver, const uint8_t *frame, uint16_t length,
		struct reply *reply);
