// SPDX-License-Identifier: BSD-3-Clause
// The answer made of the request, in place.
#include "base/bytes.h"
#include "base/checksum.h"
#include "frame/frame.h"
#include "frame/layout.h"

// RFC 6864: a datagram that nobody may fragment needs no identification.
static void turn_ipv4(uint8_t *ip, uint8_t dscp, uint16_t total_length)
{
	uint32_t source = load_be32(ip + IPV4_SOURCE);
	uint32_t destination = load_be32(ip + IPV4_DESTINATION);
	uint32_t first = UINT32_C(0x45) << 24 | (uint32_t)dscp << 18 | total_length;
	uint32_t third = (uint32_t)TIME_TO_LIVE << 24 | (uint32_t)ip[IPV4_PROTOCOL] << 16;
	uint64_t sum = (uint64_t)first + IPV4_DONT_FRAGMENT + third + source + destination;

	third |= (uint16_t)~checksum_fold(sum);
	store_be32(ip, first);
	store_be32(ip + 4, IPV4_DONT_FRAGMENT);
	store_be32(ip + IPV4_TTL, third);
	store_be32(ip + IPV4_SOURCE, destination);
	store_be32(ip + IPV4_DESTINATION, source);
}

// Flow label 0: RFC 6437 section 3 lets a stateless sender leave flows unlabelled.
static void turn_ipv6(uint8_t *ip, uint8_t dscp, uint16_t payload_length)
{
	uint8_t source[16];

	memcpy(source, ip + IPV6_SOURCE, sizeof(source));
	memcpy(ip + IPV6_SOURCE, ip + IPV6_DESTINATION, sizeof(source));
	memcpy(ip + IPV6_DESTINATION, source, sizeof(source));
	store_be32(ip, UINT32_C(6) << 28 | (uint32_t)dscp << 22);
	store_be16(ip + IPV6_PAYLOAD_LENGTH, payload_length);
	ip[IPV6_HOP_LIMIT] = TIME_TO_LIVE;
}

void frame_set_end(struct frame *frame, uint16_t end)
{
	frame->length = end;
	if (end < ETHERNET_MINIMUM && frame->room >= ETHERNET_MINIMUM) {
		memset(frame->start + end, 0, ETHERNET_MINIMUM - end);
		frame->length = ETHERNET_MINIMUM;
	}
}

void frame_turn(const struct host *host, struct frame *frame, uint16_t payload_length)
{
	uint8_t *ethernet = frame->start, *ip = frame->start + frame->ip_offset;
	unsigned end = frame->payload_offset + payload_length;

	memcpy(ethernet + ETHERNET_DESTINATION, ethernet + ETHERNET_SOURCE, MAC_SIZE);
	memcpy(ethernet + ETHERNET_SOURCE, host->mac, MAC_SIZE);
	if (frame->source.family == ADDRESS_IPV4)
		turn_ipv4(ip, host->dscp, (uint16_t)(end - frame->ip_offset));
	else
		turn_ipv6(ip, host->dscp, (uint16_t)(end - frame->ip_offset - IPV6_SIZE));
	if (frame->kind == FRAME_NTP) {
		uint8_t *udp = frame->start + frame->payload_offset - UDP_SIZE;

		store_be16(udp + UDP_SOURCE_PORT, host->ntp_port);
		store_be16(udp + UDP_DESTINATION_PORT, frame->source_port);
		store_be16(udp + UDP_LENGTH, UDP_SIZE + payload_length);
	}
	frame->payload_length = payload_length;
	frame_set_end(frame, (uint16_t)end);
}

static void seal_udp(struct frame *frame)
{
	uint8_t *payload = frame->start + frame->payload_offset, *udp = payload - UDP_SIZE;
	uint16_t length = UDP_SIZE + frame->payload_length;
	size_t size = frame->source.family == ADDRESS_IPV4 ? IPV4_ADDRESSES_SIZE
							   : IPV6_ADDRESSES_SIZE;
	uint64_t sum = checksum_pseudo(udp - size, size, PROTOCOL_UDP, length);

	sum = checksum_add(sum, udp, UDP_CHECKSUM);
	sum = checksum_add(sum, payload, frame->payload_length);
	uint16_t checksum = (uint16_t)~checksum_fold(sum);

	if (checksum == 0)
		checksum = 0xffff;
	memcpy(udp + UDP_CHECKSUM, &checksum, sizeof(checksum));
}

static void seal_icmp(struct frame *frame)
{
	uint8_t *icmp = frame->start + frame->payload_offset;
	uint64_t sum = 0;

	if (frame->source.family == ADDRESS_IPV6)
		sum = checksum_pseudo(icmp - IPV6_ADDRESSES_SIZE, IPV6_ADDRESSES_SIZE,
				PROTOCOL_ICMPV6, frame->payload_length);
	store_be16(icmp + ICMP_CHECKSUM, 0);
	uint16_t checksum =
			(uint16_t)~checksum_fold(checksum_add(sum, icmp, frame->payload_length));

	memcpy(icmp + ICMP_CHECKSUM, &checksum, sizeof(checksum));
}

void frame_seal(struct frame *frame)
{
	if (frame->kind == FRAME_NTP)
		seal_udp(frame);
	else
		seal_icmp(frame);
}
