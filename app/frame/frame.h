// SPDX-License-Identifier: BSD-3-Clause
// A received frame: its bytes, and what classify found in them. The bytes are the caller's buffer,
// the answer is made in the same buffer.
#pragma once

#include "base/address.h"
#include "base/verdict.h"
#include "frame/host.h"

#include <stdbool.h>
#include <stdint.h>

enum frame_kind {
	FRAME_NONE,
	FRAME_NTP,
	FRAME_ARP,
	FRAME_SOLICITATION, // IPv6 neighbour solicitation
	FRAME_ECHO,         // ICMP or ICMPv6 echo request
	FRAME_MLD_QUERY,    // multicast listener query, the one kind with an extension header
};

struct frame {
	uint8_t *start;           // Ethernet header
	uint16_t length;          // bytes of the frame, without FCS; of the reply once there is one
	uint16_t room;            // bytes of the buffer, at least `length`
	bool checksum_known_good; // the port verified the UDP (or ICMP) checksum
	bool ip_checksum_known_good;

	// Found by frame_classify().
	uint8_t kind;            // enum frame_kind
	uint16_t ip_offset;      // where the IP (or ARP) header starts, behind up to two VLAN tags
	uint16_t payload_offset; // where UDP's payload (or the ICMP header) starts
	uint16_t payload_length; // by the UDP (or IP) header; the frame may have padding behind it
	uint16_t source_port;    // host order; 0 without UDP
	struct address source;
};

// Tells what the frame is. Returns VERDICT_PENDING with the lower part of `frame` filled when it
// wants an answer, else the verdict that ends it. ARP, ICMP and MLD are only told apart here:
// neighbor_answer() looks whether they ask rightly. Never reads past `length`, never writes.
enum verdict frame_classify(const struct host *host, struct frame *frame);

// Makes the frame end after `end` bytes, padded with zeros to Ethernet's minimum if there is room.
void frame_set_end(struct frame *frame, uint16_t end);
// Turns a classified UDP or echo frame round in place: VLAN tags kept, Ethernet and IP addresses and
// UDP ports swapped, our TTL 64 (RFC 1700's default), DSCP, no fragmentation, lengths for a payload
// of `payload_length` (for ICMP: header and data), padded with zeros to Ethernet's minimum. UDP
// checksum left to frame_seal(). `payload_length` is never more than the request's.
void frame_turn(const struct host *host, struct frame *frame, uint16_t payload_length);
// Writes the UDP or ICMP checksum of a turned frame over its final bytes. Never 0 for UDP (RFC 768).
void frame_seal(struct frame *frame);
