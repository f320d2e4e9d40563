// SPDX-License-Identifier: BSD-3-Clause
// Which frames a shared interface gives up: NTP requests and nothing else. One function for the
// kernel's program and for its unit test; it reads as the kernel's verifier wants it, each access
// behind a comparison with the end.
#pragma once

#include "frame/layout.h"

#include <stdbool.h>
#include <stdint.h>

// A key of the program's map of our addresses. IPv4 as ::ffff:a.b.c.d.
struct ntp_filter_address {
	uint8_t bytes[16];
};

static inline uint16_t ntp_filter_load_be16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

// The modes 1 (symmetric active) and 3 (client), and version 1, which had no modes. All others are
// what the host's own client, its query program or another daemon of the host waits for.
static inline bool ntp_filter_asks(uint8_t first_octet)
{
	uint8_t mode = first_octet & 7, version = first_octet >> 3 & 7;

	return mode == 1 || mode == 3 || (mode == 0 && version == 1);
}

static inline bool ntp_filter_udp_asks(const uint8_t *udp, const uint8_t *end, uint16_t port)
{
	return udp + UDP_SIZE + 1 <= end && ntp_filter_load_be16(udp + UDP_DESTINATION_PORT) == port
			&& ntp_filter_asks(udp[UDP_SIZE]);
}

// Whether the frame from `start` to `end` asks for the time on UDP port `port` (host order);
// if so fills `destination`, which is yet to be compared with our addresses. Tagged frames, IP
// options, fragments and extension headers are the kernel's business.
static inline bool ntp_filter_finds_request(const uint8_t *start, const uint8_t *end, uint16_t port,
		struct ntp_filter_address *destination)
{
	const uint8_t *ip = start + ETHERNET_SIZE;

	if (ip + IPV4_SIZE > end || start[ETHERNET_DESTINATION] & 1)
		return false;
	uint16_t type = ntp_filter_load_be16(start + ETHERNET_TYPE);

	*destination = (struct ntp_filter_address){ 0 };
	if (type == ETHERTYPE_IPV4) {
		if (ip[0] != 0x45 || ip[IPV4_PROTOCOL] != PROTOCOL_UDP
				|| (ntp_filter_load_be16(ip + IPV4_FRAGMENT) & 0x3fff))
			return false;
		destination->bytes[10] = destination->bytes[11] = 0xff;
		__builtin_memcpy(destination->bytes + 12, ip + IPV4_DESTINATION, 4);
		return ntp_filter_udp_asks(ip + IPV4_SIZE, end, port);
	}
	if (type != ETHERTYPE_IPV6 || ip + IPV6_SIZE > end || ip[0] >> 4 != 6
			|| ip[IPV6_NEXT_HEADER] != PROTOCOL_UDP)
		return false;
	__builtin_memcpy(destination->bytes, ip + IPV6_DESTINATION, 16);
	return ntp_filter_udp_asks(ip + IPV6_SIZE, end, port);
}
