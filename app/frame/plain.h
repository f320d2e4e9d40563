// SPDX-License-Identifier: BSD-3-Clause
// The plain request, which nearly all are: no VLAN tag, IPv4 without options or IPv6, UDP with 48
// octets to our NTP port. It is told by a few words, and the headers of its answer are written from
// words prepared beforehand. Whatever is not plain goes through frame_classify() and frame_turn(),
// which find and write the same in more steps.
#pragma once

#include "base/address.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "frame/layout.h"

#include <stdbool.h>
#include <stdint.h>

#define PLAIN_ADDRESSES   16
#define PLAIN_PAYLOAD     48
#define PLAIN_UDP         (UDP_SIZE + PLAIN_PAYLOAD)
#define PLAIN_IPV4_UDP_AT (ETHERNET_SIZE + IPV4_SIZE)
#define PLAIN_IPV6_UDP_AT (ETHERNET_SIZE + IPV6_SIZE)
#define PLAIN_IPV4        (PLAIN_IPV4_UDP_AT + PLAIN_UDP) // length of such a frame
#define PLAIN_IPV6        (PLAIN_IPV6_UDP_AT + PLAIN_UDP)

// One of our addresses, and what an answer from it consists of. Words are in memory order; a
// number in a name is the offset in the frame.
struct plain {
	bool ipv6;
	uint8_t family;
	uint16_t udp_at;
	uint16_t length;
	uint32_t own;       // IPv4 address
	uint32_t broadcast; // that of its subnet: nobody's source address
	uint64_t own_ipv6[2];
	uint64_t reply_0; // our MAC's first two octets, behind room for the client's
	uint64_t reply_8;
	uint64_t reply_16;
	uint16_t header_sum; // IPv4: of the header but for checksum and client
	uint16_t udp_sum;    // of what the UDP checksum covers of ours in the headers
};

// Ours on one wire.
struct plain_set {
	uint64_t mac;                       // in the upper six octets
	uint32_t ports_end;                 // UDP destination port and length
	const struct plain *ipv4_end, *end; // of
	struct plain each[PLAIN_ADDRESSES]; // IPv4 first
};

#define PLAIN_MAC_BITS UINT64_C(0x0000ffffffffffff)

// EtherType, version and header length; any DSCP.
#define PLAIN_IPV4_12_BITS UINT32_C(0x00ffffff)
#define PLAIN_IPV4_12      UINT32_C(0x00450008)
#define PLAIN_IPV4_16      ((IPV4_SIZE + PLAIN_UDP) << 8) // total length
// No fragment, UDP; "don't fragment" and TTL may be any.
#define PLAIN_IPV4_20_BITS UINT32_C(0xff00ff3f)
#define PLAIN_IPV4_20      ((uint32_t)PROTOCOL_UDP << 24)
// EtherType, version; any class and flow label.
#define PLAIN_IPV6_12_BITS UINT32_C(0x00f0ffff)
#define PLAIN_IPV6_12      UINT32_C(0x0060dd86)
#define PLAIN_IPV6_18      (PLAIN_UDP << 8) // payload length

// By the first octet of an IPv4 address: whether nobody may be answered there (RFC 1122 section
// 3.2.1.3).
extern const bool plain_nobody[256];

static inline const struct plain *plain_find_ipv4(const struct plain_set *set, const uint8_t *at)
{
	uint32_t source = load_word32(at + 26), destination = load_word32(at + 30);
	const struct plain *found = NULL;

	if (load_word16(at + 16) != PLAIN_IPV4_16
			|| (load_word32(at + 20) & PLAIN_IPV4_20_BITS) != PLAIN_IPV4_20
			|| load_word32(at + 36) != set->ports_end || load_word16(at + 34) == 0
			|| plain_nobody[at[26]])
		return NULL;
	for (const struct plain *own = set->each; own < set->ipv4_end; own++) {
		if (source == own->own || source == own->broadcast)
			return NULL;
		if (destination == own->own)
			found = own;
	}
	return found;
}

// As plain_find_ipv4().
const struct plain *plain_find_ipv6(const struct plain_set *set, const uint8_t *at);

// Whether the frame of `length` bytes at `at` is a plain request, as far as headers tell. Returns
// what its answer consists of, or NULL.
static inline const struct plain *plain_find(
		const struct plain_set *set, const uint8_t *at, uint16_t length)
{
	if (length < PLAIN_IPV4)
		return NULL;
	uint64_t from = load_word64(at + ETHERNET_SOURCE) << 16;

	if (load_word64(at) << 16 != set->mac || from == set->mac || (at[ETHERNET_SOURCE] & 1))
		return NULL;
	uint32_t start = load_word32(at + 12);

	if ((start & PLAIN_IPV4_12_BITS) == PLAIN_IPV4_12)
		return plain_find_ipv4(set, at);
	if ((start & PLAIN_IPV6_12_BITS) == PLAIN_IPV6_12 && length >= PLAIN_IPV6)
		return plain_find_ipv6(set, at);
	return NULL;
}

static inline void plain_source(
		const struct plain *plain, const uint8_t *at, struct address *source)
{
	source->family = plain->family;
	if (plain->ipv6) {
		memcpy(source->bytes, at + 22, 16);
		return;
	}
	store_word64(source->bytes, load_word32(at + 26)); // and zeros
	store_word64(source->bytes + 8, 0);
}

// Whether the IPv4 header's and the UDP checksum of a plain request are right.
static inline bool plain_is_intact(const struct plain *plain, const uint8_t *at)
{
	const uint8_t *udp = at + plain->udp_at;
	size_t size = plain->ipv6 ? IPV6_ADDRESSES_SIZE : IPV4_ADDRESSES_SIZE;
	uint64_t sum = checksum_pseudo(udp - size, size, PROTOCOL_UDP, PLAIN_UDP);

	if (!plain->ipv6 && checksum_fold(checksum_add(0, at + ETHERNET_SIZE, IPV4_SIZE)) != 0xffff)
		return false;
	// RFC 768, RFC 8200 section 8.1: absent on IPv4 only.
	if (load_word16(udp + UDP_CHECKSUM) == 0)
		return !plain->ipv6;
	return checksum_fold(checksum_add(sum, udp, PLAIN_UDP)) == 0xffff;
}

// The sum of what the UDP checksum covers, given that of the payload; of a request turned already.
uint64_t plain_udp_sum(const struct plain *plain, const uint8_t *payload, uint64_t sum);

static inline uint64_t plain_turn_ipv4(const struct plain *plain, uint8_t *at, uint64_t sum)
{
	uint64_t addresses = load_word64(at + 26);
	uint32_t ports = load_word32(at + 34);
	uint32_t client = (uint32_t)addresses;

	store_word64(at, (load_word64(at + 6) & PLAIN_MAC_BITS) | plain->reply_0);
	store_word64(at + 8, plain->reply_8);
	store_word64(at + 16, plain->reply_16);
	store_word16(at + 24, (uint16_t)~checksum_fold(plain->header_sum + (uint64_t)client));
	store_word64(at + 26, addresses >> 32 | addresses << 32);
	store_word32(at + 34, ports >> 16 | ports << 16);
	return checksum_add_word(sum, (uint64_t)plain->udp_sum + client + (uint16_t)ports);
}

static inline uint64_t plain_turn_ipv6(const struct plain *plain, uint8_t *at, uint64_t sum)
{
	uint64_t client[2] = { load_word64(at + 22), load_word64(at + 30) };
	uint32_t ports = load_word32(at + 54);

	store_word64(at, (load_word64(at + 6) & PLAIN_MAC_BITS) | plain->reply_0);
	store_word64(at + 8, plain->reply_8);
	store_word64(at + 16, plain->reply_16);
	store_word64(at + 22, plain->own_ipv6[0]);
	store_word64(at + 30, plain->own_ipv6[1]);
	store_word64(at + 38, client[0]);
	store_word64(at + 46, client[1]);
	store_word32(at + 54, ports >> 16 | ports << 16);
	sum = checksum_add_word(checksum_add_word(sum, client[0]), client[1]);
	return checksum_add_word(sum, (uint64_t)plain->udp_sum + (uint16_t)ports);
}

// Turns the headers round in place. Takes the sum of what is known of the payload and returns it with
// that of all else that the UDP checksum covers.
static inline uint64_t plain_turn(const struct plain *plain, uint8_t *payload, uint64_t sum)
{
	return plain->ipv6 ? plain_turn_ipv6(plain, payload - PLAIN_IPV6_UDP_AT - UDP_SIZE, sum)
			   : plain_turn_ipv4(plain, payload - PLAIN_IPV4_UDP_AT - UDP_SIZE, sum);
}

// Writes the UDP checksum of a turned frame, given the sum of all that it covers.
static inline void plain_seal(uint8_t *payload, uint64_t sum)
{
	uint16_t checksum = (uint16_t)~checksum_fold(sum);

	// RFC 768: 0 would mean none.
	store_word16(payload - UDP_SIZE + UDP_CHECKSUM, checksum ? checksum : 0xffff);
}

struct host;

// Fills in `set` with what the host's addresses make plain. A host of one VLAN has nothing plain.
void plain_prepare(struct plain_set *set, const struct host *host);
