// SPDX-License-Identifier: BSD-3-Clause
// Requests as frames: a template for each family, in which only what differs is filled in and summed.
#pragma once

#include "base/address.h"
#include "base/utc.h"
#include "frame/host.h"
#include "frame/layout.h"
#include "ntp/packet.h"

#include <stdint.h>

#define REQUEST_SIZE_MAX (ETHERNET_SIZE + VLAN_TAG_SIZE + IPV6_SIZE + UDP_SIZE + NTP_HEADER_SIZE)

// What all requests over a family share.
struct request_route {
	uint8_t own_mac[MAC_SIZE];
	uint8_t next_mac[MAC_SIZE]; // the server's, or a gateway's
	uint16_t vlan;              // 0: no tag
	struct address server;
	uint16_t server_port;
	uint8_t version; // of NTP
};

struct request_template {
	uint8_t bytes[REQUEST_SIZE_MAX];
	uint16_t length;
	uint16_t ip_offset;
	uint16_t udp_offset;
	uint64_t ip_sum;  // of the IPv4 header without source address and checksum
	uint64_t udp_sum; // of pseudo-header and datagram without what request_write() fills in
};

struct request {
	const struct address *client;
	uint16_t port;
	ntp64_t origin; // as they go on the wire
	ntp64_t receive;
	ntp64_t transmit;
};

void request_template_init(struct request_template *request, const struct request_route *route);
// Writes a frame of template->length bytes.
void request_write(const struct request_template *request_template, const struct request *request,
		uint8_t *frame);
