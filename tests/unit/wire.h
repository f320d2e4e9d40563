// SPDX-License-Identifier: BSD-3-Clause
// Frames as other hosts put them on a wire, made and checked without the code under test.
#pragma once

#include "base/address.h"
#include "frame/neighbor.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_SIZE 2048
#define WIRE_IP   14
#define WIRE_UDP4 (WIRE_IP + 20)
#define WIRE_UDP6 (WIRE_IP + 40)
#define WIRE_NTP  48

struct wire {
	uint8_t bytes[WIRE_SIZE];
	uint16_t length;
};

static const uint8_t wire_our_mac[6] = { 0x02, 0, 0, 0, 0, 0x01 };
static const uint8_t wire_peer_mac[6] = { 0x02, 0, 0, 0, 0, 0x99 };
// The source link-layer address option of a solicitation.
static const uint8_t wire_mac_option[8] = { 1, 1, 0x02, 0, 0, 0, 0, 0x99 };

static inline struct address wire_address(const char *text)
{
	struct address address = { 0 };

	if (address_parse(text, &address) < 0)
		abort();
	return address;
}

static inline struct host wire_host(void)
{
	static const struct {
		const char *text;
		uint8_t prefix_bits;
	} addresses[] = {
		{ "192.0.2.10", 24 },
		{ "2001:db8::10", 64 },
		{ "203.0.113.6", 31 },
		{ "198.51.100.77", 28 },
		{ "fe80::1:2:3", 64 },
		{ "10.9.8.7", 32 },
	};
	struct host host = { .ntp_port = 123, .dscp = 46, .vlan = HOST_ANY_VLAN };

	memcpy(host.mac, wire_our_mac, sizeof(host.mac));
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		host.addresses[i].address = wire_address(addresses[i].text);
		host.addresses[i].prefix_bits = addresses[i].prefix_bits;
		host.address_count++;
	}
	return host;
}

static inline unsigned wire_get16(const uint8_t *at)
{
	return at[0] * 256U + at[1];
}

static inline void wire_put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value / 256);
	at[1] = (uint8_t)value;
}

// RFC 1071 word by word, with the carry brought round each time. Returns the sum, not complemented.
static inline unsigned wire_sum(unsigned sum, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i += 2) {
		sum += bytes[i] * 256U + (i + 1 < length ? bytes[i + 1] : 0U);
		sum = sum % 65536 + sum / 65536;
	}
	return sum;
}

static inline bool wire_is_ipv4(const uint8_t *frame)
{
	return wire_get16(frame + 12) == 0x0800;
}

// The size of a hop-by-hop header, which is that of a listener query where there is one.
static inline unsigned wire_hop_by_hop(const uint8_t *frame)
{
	return !wire_is_ipv4(frame) && frame[WIRE_IP + 6] == 0 ? 8 : 0;
}

// Of an untagged frame without options or other extension headers.
static inline uint8_t wire_protocol(const uint8_t *frame)
{
	if (wire_hop_by_hop(frame) > 0)
		return frame[WIRE_IP + 40];
	return frame[WIRE_IP + (wire_is_ipv4(frame) ? 9 : 6)];
}

static inline unsigned wire_transport(const uint8_t *frame)
{
	return WIRE_IP + (wire_is_ipv4(frame) ? 20 : 40) + wire_hop_by_hop(frame);
}

static inline unsigned wire_transport_length(const uint8_t *frame)
{
	if (wire_is_ipv4(frame))
		return wire_get16(frame + WIRE_IP + 2) - 20;
	return wire_get16(frame + WIRE_IP + 4) - wire_hop_by_hop(frame);
}

static inline unsigned wire_checksum_at(const uint8_t *frame)
{
	return wire_transport(frame) + (wire_protocol(frame) == 17 ? 6 : 2);
}

static inline unsigned wire_pseudo_sum(const uint8_t *frame)
{
	const uint8_t *ip = frame + WIRE_IP;
	unsigned length = wire_transport_length(frame);

	if (wire_protocol(frame) == 1)
		return 0;
	if (wire_protocol(frame) == 17)
		length = wire_get16(frame + wire_transport(frame) + 4);
	unsigned sum = wire_is_ipv4(frame) ? wire_sum(0, ip + 12, 8) : wire_sum(0, ip + 8, 32);
	uint8_t rest[4] = { (uint8_t)(length / 256), (uint8_t)length, 0, wire_protocol(frame) };

	return wire_sum(sum, rest, sizeof(rest));
}

// All of what the transport checksum covers, itself included: 0xffff when it is right.
static inline unsigned wire_transport_sum(const uint8_t *frame)
{
	unsigned at = wire_transport(frame), length = wire_transport_length(frame);

	if (wire_protocol(frame) == 17)
		length = wire_get16(frame + at + 4);
	return wire_sum(wire_pseudo_sum(frame), frame + at, length);
}

static inline bool wire_checksums_are_right(const uint8_t *frame)
{
	if (wire_is_ipv4(frame) && wire_sum(0, frame + WIRE_IP, 20) != 0xffff)
		return false;
	return wire_transport_sum(frame) == 0xffff;
}

static inline void wire_seal(struct wire *wire)
{
	uint8_t *ip = wire->bytes + WIRE_IP;
	uint8_t *field = wire->bytes + wire_checksum_at(wire->bytes);

	if (wire_is_ipv4(wire->bytes)) {
		wire_put16(ip + 10, 0);
		wire_put16(ip + 10, 0xffff - wire_sum(0, ip, 20));
	}
	wire_put16(field, 0);
	unsigned checksum = 0xffff - wire_transport_sum(wire->bytes);

	wire_put16(field, checksum == 0 && wire_protocol(wire->bytes) == 17 ? 0xffff : checksum);
}

// Ethernet and IP headers, for `length` bytes of `protocol` to follow.
static inline void wire_ip(struct wire *wire, const char *from, const char *to, unsigned protocol,
		unsigned length)
{
	struct address source = wire_address(from), destination = wire_address(to);
	bool ipv4 = source.family == ADDRESS_IPV4;
	uint8_t *ip = wire->bytes + WIRE_IP;

	memset(wire, 0, sizeof(*wire));
	memcpy(wire->bytes, wire_our_mac, 6);
	memcpy(wire->bytes + 6, wire_peer_mac, 6);
	wire_put16(wire->bytes + 12, ipv4 ? 0x0800 : 0x86dd);
	wire->length = (uint16_t)(WIRE_IP + (ipv4 ? 20 : 40) + length);
	ip[0] = ipv4 ? 0x45 : 0x60;
	if (ipv4) {
		wire_put16(ip + 2, 20 + length);
		wire_put16(ip + 4, 0xbeef);
		ip[8] = 61;
		ip[9] = (uint8_t)protocol;
		memcpy(ip + 12, source.bytes, 4);
		memcpy(ip + 16, destination.bytes, 4);
		return;
	}
	ip[1] = 0x0c; // a flow label
	ip[3] = 0x77;
	wire_put16(ip + 4, length);
	ip[6] = (uint8_t)protocol;
	ip[7] = 255;
	memcpy(ip + 8, source.bytes, 16);
	memcpy(ip + 24, destination.bytes, 16);
}

static inline void wire_udp(
		struct wire *wire, const char *from, const char *to, unsigned payload_length)
{
	wire_ip(wire, from, to, 17, 8 + payload_length);
	uint8_t *udp = wire->bytes + wire_transport(wire->bytes);

	wire_put16(udp, 40000);
	wire_put16(udp + 2, 123);
	wire_put16(udp + 4, 8 + payload_length);
	for (unsigned i = 0; i < payload_length; i++)
		udp[8 + i] = (uint8_t)(i * 7 + 0x23);
	wire_seal(wire);
}

static inline void wire_echo(
		struct wire *wire, const char *from, const char *to, unsigned data_length)
{
	wire_ip(wire, from, to, strchr(from, ':') ? 58 : 1, 8 + data_length);
	uint8_t *icmp = wire->bytes + wire_transport(wire->bytes);

	icmp[0] = strchr(from, ':') ? 128 : 8;
	wire_put16(icmp + 4, 0x1234);
	wire_put16(icmp + 6, 1);
	for (unsigned i = 0; i < data_length; i++)
		icmp[8 + i] = (uint8_t)(i + 0x61);
	wire_seal(wire);
}

// A neighbour solicitation to the solicited-node group of `target`, with `options` behind it.
static inline void wire_solicitation(struct wire *wire, const char *from, const char *target,
		const uint8_t *options, unsigned options_length)
{
	struct address asked = wire_address(target);

	wire_ip(wire, from, "ff02::1:ff00:0", 58, 24 + options_length);
	uint8_t *ip = wire->bytes + WIRE_IP, *icmp = ip + 40;

	memcpy(ip + 37, asked.bytes + 13, 3);
	wire_put16(wire->bytes, 0x3333);
	memcpy(wire->bytes + 2, ip + 36, 4);
	icmp[0] = 135;
	memcpy(icmp + 8, asked.bytes, 16);
	if (options_length > 0)
		memcpy(icmp + 24, options, options_length);
	wire_seal(wire);
}

// A multicast listener query of `length` bytes for `group`, from a querier in its usual form. Its
// Ethernet destination is that of the group it goes to.
static inline void wire_query(struct wire *wire, const char *from, const char *to,
		const char *group, unsigned length)
{
	static const uint8_t hop_by_hop[8] = { 58, 0, 5, 2, 0, 0, 1, 0 };
	struct address asked = wire_address(group);

	wire_ip(wire, from, to, 0, sizeof(hop_by_hop) + length);
	uint8_t *ip = wire->bytes + WIRE_IP, *icmp = ip + 48;

	if (ip[24] == 0xff) {
		wire_put16(wire->bytes, 0x3333);
		memcpy(wire->bytes + 2, ip + 36, 4);
	}
	ip[7] = 1;
	memcpy(ip + 40, hop_by_hop, sizeof(hop_by_hop));
	icmp[0] = 130;
	wire_put16(icmp + 4, 10000);
	memcpy(icmp + 8, asked.bytes, 16);
	if (length >= 28) {
		icmp[24] = 2;
		icmp[25] = 125;
	}
	wire_seal(wire);
}

// Puts a tag in front of those there are.
static inline void wire_tag(struct wire *wire, unsigned type, unsigned control)
{
	memmove(wire->bytes + 16, wire->bytes + 12, wire->length - 12U);
	wire_put16(wire->bytes + 12, type);
	wire_put16(wire->bytes + 14, control);
	wire->length += 4;
}

// Takes `count` tags away. Returns them in one number.
static inline uint64_t wire_untag(struct wire *wire, unsigned count)
{
	uint64_t tags = 0;

	for (unsigned i = 12; i < 12 + count * 4; i++)
		tags = tags << 8 | wire->bytes[i];
	wire->length = (uint16_t)(wire->length - count * 4);
	memmove(wire->bytes + 12, wire->bytes + 12 + count * 4, wire->length - 12U);
	return tags;
}

// Broadcast, padded as from a real card.
static inline void wire_arp(
		struct wire *wire, unsigned operation, const char *sender, const char *target)
{
	static const uint8_t head[6] = { 0, 1, 8, 0, 6, 4 };
	uint8_t *arp = wire->bytes + WIRE_IP;

	memset(wire, 0, sizeof(*wire));
	memset(wire->bytes, 0xff, 6);
	memcpy(wire->bytes + 6, wire_peer_mac, 6);
	wire_put16(wire->bytes + 12, 0x0806);
	memcpy(arp, head, sizeof(head));
	wire_put16(arp + 6, operation);
	memcpy(arp + 8, wire_peer_mac, 6);
	memcpy(arp + 14, wire_address(sender).bytes, 4);
	memcpy(arp + 24, wire_address(target).bytes, 4);
	wire->length = 60;
}

// A frame whose bytes are a copy with `room` bytes and not one more, so that a sanitizer sees
// every step beyond. Freed with free(frame.start).
static inline struct frame wire_receive(const struct wire *wire, uint16_t room)
{
	struct frame frame = { .length = wire->length, .room = room };

	frame.start = malloc(room);
	if (!frame.start)
		abort();
	memcpy(frame.start, wire->bytes, wire->length);
	return frame;
}

// One of each kind that wants an answer.
enum wire_example {
	WIRE_NTP4,
	WIRE_NTP6,
	WIRE_ECHO4,
	WIRE_ECHO6,
	WIRE_SOLICITATION,
	WIRE_ARP,
	WIRE_QUERY,
	WIRE_EXAMPLES,
};

static inline void wire_example(enum wire_example example, struct wire *wire)
{
	switch (example) {
	case WIRE_NTP4:
		wire_udp(wire, "192.0.2.1", "192.0.2.10", WIRE_NTP);
		break;
	case WIRE_NTP6:
		wire_udp(wire, "2001:db8::1", "2001:db8::10", WIRE_NTP);
		break;
	case WIRE_ECHO4:
		wire_echo(wire, "192.0.2.1", "192.0.2.10", 56);
		break;
	case WIRE_ECHO6:
		wire_echo(wire, "2001:db8::1", "2001:db8::10", 56);
		break;
	case WIRE_SOLICITATION:
		wire_solicitation(wire, "2001:db8::1", "2001:db8::10", wire_mac_option,
				sizeof(wire_mac_option));
		break;
	case WIRE_QUERY:
		wire_query(wire, "fe80::9", "ff02::1", "::", 28);
		break;
	default:
		wire_arp(wire, 1, "192.0.2.1", "192.0.2.10");
		break;
	}
}

// VERDICT_COUNT when classifying changed a byte.
static inline enum verdict wire_classify(const struct host *host, const struct wire *wire)
{
	struct frame frame = wire_receive(wire, wire->length);
	enum verdict verdict = frame_classify(host, &frame);

	if (memcmp(frame.start, wire->bytes, wire->length) != 0)
		verdict = VERDICT_COUNT;
	free(frame.start);
	return verdict;
}

// Classifies and answers; the answer replaces the frame. VERDICT_COUNT when what is dropped was
// changed or the answer is longer than its room.
static inline enum verdict wire_answer(const struct host *host, struct wire *wire, uint16_t room)
{
	struct neighbor neighbor = { 0 };
	struct frame frame = wire_receive(wire, room);
	enum verdict verdict = frame_classify(host, &frame);

	if (verdict == VERDICT_PENDING)
		verdict = neighbor_answer(&neighbor, host, &frame, 0);
	bool answered = verdict_is_answer(verdict);
	bool changed = memcmp(frame.start, wire->bytes, wire->length) != 0;

	if (frame.length > room || changed != answered)
		verdict = VERDICT_COUNT;
	if (answered) {
		memcpy(wire->bytes, frame.start, frame.length);
		wire->length = frame.length;
	}
	free(frame.start);
	return verdict;
}
