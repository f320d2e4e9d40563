// SPDX-License-Identifier: BSD-3-Clause
// What the kernel's half of the bounce generator and its loader share: the request as it is on the
// wire, and what is counted.
#pragma once

#include <stdint.h>

#define BOUNCE_SLOTS          256 // at most as many requests on their way
#define BOUNCE_FIRST_PORT     40000
#define BOUNCE_BUCKET_NS      64
#define BOUNCE_BUCKETS        32768 // about 2 ms; the last one has what took longer
#define BOUNCE_FRAME_SIZE     90
#define BOUNCE_CHECKSUM_BYTES 64 // the IP addresses, UDP and NTP, all in a row
#define BOUNCE_UDP_SIZE       56
#define BOUNCE_PROTOCOL_UDP   17
#define BOUNCE_CLIENT_MODE    0x23 // version 4

// As it is on the wire, in network byte order. Two is all the alignment an IP header can count on.
struct bounce_frame {
	uint16_t destination_mac[3], source_mac[3];
	uint16_t ethernet_type;
	uint16_t version_service, ip_length;
	uint16_t identification, fragment;
	uint16_t ttl_protocol, ip_checksum;
	uint16_t source[2], destination[2];
	uint16_t source_port, destination_port;
	uint16_t udp_length, udp_checksum;
	uint8_t flags, stratum;
	uint16_t ntp[11];
	uint16_t origin[4], received[4], transmitted[4];
} __attribute__((packed, aligned(2)));

// The request of one slot, which is its source port. The loader writes the first of each, the
// program those that follow.
struct bounce_slot {
	uint64_t cookie; // as in the packet
	uint64_t sent_ns;
	uint16_t client[2]; // address, as in the packet
	uint32_t unused;
};

struct bounce_settings {
	uint32_t network, mask; // clients are network | (anything & mask)
	uint64_t seed;
};

struct bounce_counts {
	uint64_t answers;
	uint64_t bad;            // not mode 4, or of no request that is on its way
	uint64_t unsynchronised; // answers that claim no time
	uint64_t round_trip_ns;  // sum
	uint32_t histogram[BOUNCE_BUCKETS];
};

#define BOUNCE_BE16(value) ((uint16_t)((value) << 8 | (value) >> 8))

// All but the addresses, the source port, the transmit timestamp and the checksums.
static inline void bounce_fill(struct bounce_frame *frame)
{
	frame->ethernet_type = BOUNCE_BE16(0x0800);
	frame->version_service = BOUNCE_BE16(0x4500);
	frame->ip_length = BOUNCE_BE16(BOUNCE_FRAME_SIZE - 14);
	frame->identification = 0;
	frame->fragment = BOUNCE_BE16(0x4000);
	frame->ttl_protocol = BOUNCE_BE16(64 << 8 | BOUNCE_PROTOCOL_UDP);
	frame->ip_checksum = 0;
	frame->destination_port = BOUNCE_BE16(123);
	frame->udp_length = BOUNCE_BE16(BOUNCE_UDP_SIZE);
	frame->udp_checksum = 0;
	frame->flags = BOUNCE_CLIENT_MODE;
	frame->stratum = 0;
	for (unsigned i = 0; i < 11; i++)
		frame->ntp[i] = 0;
	for (unsigned i = 0; i < 4; i++)
		frame->origin[i] = frame->received[i] = 0;
}

static inline uint16_t bounce_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
