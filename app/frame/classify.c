// SPDX-License-Identifier: BSD-3-Clause
// What a received frame is. One pass: the shape of the IP header, then its addresses, then what it
// carries, so that a frame for somebody else is counted as that and not by what is wrong inside.
#include "base/bytes.h"
#include "frame/checksum.h"
#include "frame/frame.h"
#include "frame/layout.h"

#define IPV4_MORE_OR_OFFSET    0x3fff
#define IPV4_LIMITED_BROADCAST UINT32_C(0xffffffff)

static uint64_t load_mac(const uint8_t *mac)
{
	uint32_t first;
	uint16_t last;

	memcpy(&first, mac, sizeof(first));
	memcpy(&last, mac + sizeof(first), sizeof(last));
	return (uint64_t)last << 32 | first;
}

static bool is_our_solicited_node(const struct host *host, const uint8_t low[3])
{
	bool ours = false;

	for (unsigned i = 0; i < host->address_count; i++) {
		const struct address *own = &host->addresses[i].address;

		ours |= own->family == ADDRESS_IPV6 && memcmp(own->bytes + 13, low, 3) == 0;
	}
	return ours;
}

// Broadcast, or the multicast address (RFC 2464 section 7) of an IPv6 group we are in.
static bool is_our_group_mac(const struct host *host, const uint8_t mac[MAC_SIZE])
{
	static const uint8_t broadcast[MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t all_nodes[MAC_SIZE] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t solicited_node[] = { 0x33, 0x33, 0xff };

	if (memcmp(mac, broadcast, MAC_SIZE) == 0 || memcmp(mac, all_nodes, MAC_SIZE) == 0)
		return true;
	return memcmp(mac, solicited_node, sizeof(solicited_node)) == 0
			&& is_our_solicited_node(host, mac + sizeof(solicited_node));
}

static bool udp_checksum_is_good(
		const struct host *host, const struct frame *frame, size_t addresses_size)
{
	const uint8_t *udp = frame->start + frame->payload_offset;
	uint16_t length = load_be16(udp + UDP_LENGTH);
	uint64_t pseudo =
			checksum_pseudo(udp - addresses_size, addresses_size, PROTOCOL_UDP, length);
	uint16_t field;

	memcpy(&field, udp + UDP_CHECKSUM, sizeof(field));
	if (host->takes_unfinished_checksums && field == checksum_fold(pseudo))
		return true;
	return checksum_fold(checksum_add(pseudo, udp, length)) == 0xffff;
}

static enum verdict classify_udp(
		const struct host *host, struct frame *frame, size_t addresses_size)
{
	const uint8_t *udp = frame->start + frame->payload_offset;

	if (frame->payload_length < UDP_SIZE)
		return VERDICT_UDP_MALFORMED;
	uint16_t length = load_be16(udp + UDP_LENGTH);

	if (length < UDP_SIZE || length > frame->payload_length)
		return VERDICT_UDP_MALFORMED;
	uint16_t source_port = load_be16(udp + UDP_SOURCE_PORT);

	if (load_be16(udp + UDP_DESTINATION_PORT) != host->ntp_port || source_port == 0)
		return VERDICT_UDP_PORT;
	bool absent = load_be16(udp + UDP_CHECKSUM) == 0;

	// RFC 8200 section 8.1: never absent on IPv6, whatever a port says of it.
	if (absent && frame->source.family == ADDRESS_IPV6)
		return VERDICT_UDP_CHECKSUM;
	if (!absent && !frame->checksum_known_good
			&& !udp_checksum_is_good(host, frame, addresses_size))
		return VERDICT_UDP_CHECKSUM;
	frame->kind = FRAME_NTP;
	frame->payload_offset += UDP_SIZE;
	frame->payload_length = length - UDP_SIZE;
	frame->source_port = source_port;
	return VERDICT_PENDING;
}

static enum verdict classify_icmp(struct frame *frame)
{
	if (frame->payload_length < ICMP_SIZE)
		return VERDICT_ICMP_MALFORMED;
	uint8_t type = frame->start[frame->payload_offset + ICMP_TYPE];
	bool ipv6 = frame->source.family == ADDRESS_IPV6;

	frame->source_port = 0;
	if (type == (ipv6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO_REQUEST))
		frame->kind = FRAME_ECHO;
	else if (ipv6 && type == ICMPV6_SOLICITATION)
		frame->kind = FRAME_SOLICITATION;
	else
		return VERDICT_ICMP_IGNORED;
	return VERDICT_PENDING;
}

// The directed broadcast address, or `own` where a subnet is too small for one (RFC 3021).
static uint32_t ipv4_broadcast(uint32_t own, uint8_t prefix_bits)
{
	uint32_t host_bits = (uint32_t)(UINT64_C(0xffffffff) >> prefix_bits);

	return host_bits > 1 ? own | host_bits : own;
}

static enum verdict judge_ipv4_addresses(
		const struct host *host, uint32_t source, uint32_t destination)
{
	bool to_us = false, to_broadcast = false, from_us = false;
	uint32_t network = source >> 24;

	for (unsigned i = 0; i < host->address_count; i++) {
		const struct subnet *subnet = &host->addresses[i];

		if (subnet->address.family != ADDRESS_IPV4)
			continue;
		uint32_t own = load_be32(subnet->address.bytes);
		uint32_t broadcast = ipv4_broadcast(own, subnet->prefix_bits);

		to_us |= destination == own;
		to_broadcast |= destination == broadcast;
		from_us |= source == own || source == broadcast;
	}
	if (!to_us) {
		bool group = destination >> 28 == 0xe || destination == IPV4_LIMITED_BROADCAST;

		return group || to_broadcast ? VERDICT_IP_MULTICAST : VERDICT_IP_FOREIGN;
	}
	// RFC 1122 section 3.2.1.3; 224/4 and 240/4 hold multicast, reserved and broadcast.
	if (from_us || network == 0 || network == 127 || network >= 224)
		return VERDICT_IP_SOURCE;
	return VERDICT_PENDING;
}

static enum verdict judge_ipv4_shape(const struct frame *frame, const uint8_t *ip)
{
	unsigned left = frame->length - frame->ip_offset;

	if (left < IPV4_SIZE)
		return VERDICT_RUNT;
	unsigned total = load_be16(ip + IPV4_TOTAL_LENGTH);
	unsigned header = (ip[0] & 0xf) * 4;

	if (ip[0] >> 4 != 4 || header < IPV4_SIZE || total < header || total > left)
		return VERDICT_IP_MALFORMED;
	if (header != IPV4_SIZE)
		return VERDICT_IP_OPTIONS;
	if (load_be16(ip + IPV4_FRAGMENT) & IPV4_MORE_OR_OFFSET)
		return VERDICT_IP_FRAGMENT;
	if (!frame->ip_checksum_known_good
			&& checksum_fold(checksum_add(0, ip, IPV4_SIZE)) != 0xffff)
		return VERDICT_IP_CHECKSUM;
	return VERDICT_PENDING;
}

static enum verdict classify_ipv4(const struct host *host, struct frame *frame, bool to_our_mac)
{
	const uint8_t *ip = frame->start + frame->ip_offset;
	enum verdict verdict = judge_ipv4_shape(frame, ip);

	if (verdict != VERDICT_PENDING)
		return verdict;
	verdict = judge_ipv4_addresses(
			host, load_be32(ip + IPV4_SOURCE), load_be32(ip + IPV4_DESTINATION));
	if (verdict != VERDICT_PENDING)
		return verdict;
	if (!to_our_mac) // RFC 1122 section 3.3.6
		return VERDICT_IP_MULTICAST;
	frame->source = (struct address){ .family = ADDRESS_IPV4 };
	memcpy(frame->source.bytes, ip + IPV4_SOURCE, 4);
	frame->payload_offset = frame->ip_offset + IPV4_SIZE;
	frame->payload_length = load_be16(ip + IPV4_TOTAL_LENGTH) - IPV4_SIZE;
	if (ip[IPV4_PROTOCOL] == PROTOCOL_UDP)
		return classify_udp(host, frame, IPV4_ADDRESSES_SIZE);
	if (ip[IPV4_PROTOCOL] == PROTOCOL_ICMP)
		return classify_icmp(frame);
	return VERDICT_IP_PROTOCOL;
}

static bool is_ipv6_unspecified(const uint8_t *address)
{
	return (load_be64(address) | load_be64(address + 8)) == 0;
}

// Addresses that no packet on a wire may come from: unspecified and loopback (RFC 4291 sections
// 2.5.2 and 2.5.3), multicast (2.7), and IPv4 in disguise (2.5.5.2), which would pass IPv4's rules.
static bool is_ipv6_martian(const uint8_t *source)
{
	uint64_t lower = load_be64(source + 8);

	return source[0] == 0xff
			|| (load_be64(source) == 0 && (lower <= 1 || lower >> 32 == 0xffff));
}

// A solicited-node group (RFC 4291 section 2.7.1), the only kind that asks anything of us.
static bool is_our_group(const struct host *host, const uint8_t *destination)
{
	static const uint8_t solicited_node[13] = { 0xff, 2, [11] = 1, [12] = 0xff };

	return memcmp(destination, solicited_node, sizeof(solicited_node)) == 0
			&& is_our_solicited_node(host, destination + sizeof(solicited_node));
}

static enum verdict judge_ipv6_addresses(
		const struct host *host, const uint8_t *ip, bool solicitation)
{
	const uint8_t *source = ip + IPV6_SOURCE, *destination = ip + IPV6_DESTINATION;
	bool to_us = false, from_us = false;

	for (unsigned i = 0; i < host->address_count; i++) {
		const struct address *own = &host->addresses[i].address;

		if (own->family != ADDRESS_IPV6)
			continue;
		to_us |= memcmp(destination, own->bytes, sizeof(own->bytes)) == 0;
		from_us |= memcmp(source, own->bytes, sizeof(own->bytes)) == 0;
	}
	if (!to_us && destination[0] != 0xff)
		return VERDICT_IP_FOREIGN;
	if (!to_us && !(solicitation && is_our_group(host, destination)))
		return VERDICT_IP_MULTICAST;
	// RFC 4862 section 5.4.2: who probes for a duplicate has no address yet.
	if (solicitation && is_ipv6_unspecified(source))
		return VERDICT_PENDING;
	return from_us || is_ipv6_martian(source) ? VERDICT_IP_SOURCE : VERDICT_PENDING;
}

static enum verdict judge_ipv6_shape(const struct frame *frame, const uint8_t *ip)
{
	unsigned left = frame->length - frame->ip_offset;

	if (left < IPV6_SIZE)
		return VERDICT_RUNT;
	if (ip[0] >> 4 != 6 || load_be16(ip + IPV6_PAYLOAD_LENGTH) > left - IPV6_SIZE)
		return VERDICT_IP_MALFORMED;
	switch (ip[IPV6_NEXT_HEADER]) {
	case PROTOCOL_FRAGMENT:
		return VERDICT_IP_FRAGMENT;
	case PROTOCOL_HOP_BY_HOP:
	case PROTOCOL_ROUTING:
	case PROTOCOL_ESP:
	case PROTOCOL_AH:
	case PROTOCOL_NO_NEXT_HEADER:
	case PROTOCOL_DESTINATION_OPTIONS:
	case PROTOCOL_MOBILITY:
	case PROTOCOL_HIP:
	case PROTOCOL_SHIM6:
		return VERDICT_IP_EXTENSION;
	default:
		return VERDICT_PENDING;
	}
}

static enum verdict classify_ipv6(const struct host *host, struct frame *frame, bool to_our_mac)
{
	const uint8_t *ip = frame->start + frame->ip_offset;
	enum verdict verdict = judge_ipv6_shape(frame, ip);

	if (verdict != VERDICT_PENDING)
		return verdict;
	uint8_t protocol = ip[IPV6_NEXT_HEADER];

	frame->source.family = ADDRESS_IPV6;
	memcpy(frame->source.bytes, ip + IPV6_SOURCE, sizeof(frame->source.bytes));
	frame->payload_offset = frame->ip_offset + IPV6_SIZE;
	frame->payload_length = load_be16(ip + IPV6_PAYLOAD_LENGTH);
	bool solicitation = protocol == PROTOCOL_ICMPV6 && frame->payload_length > 0
			&& ip[IPV6_SIZE + ICMP_TYPE] == ICMPV6_SOLICITATION;

	verdict = judge_ipv6_addresses(host, ip, solicitation);
	if (verdict != VERDICT_PENDING)
		return verdict;
	if (!to_our_mac && !solicitation)
		return VERDICT_IP_MULTICAST;
	if (protocol == PROTOCOL_UDP)
		return classify_udp(host, frame, IPV6_ADDRESSES_SIZE);
	if (protocol == PROTOCOL_ICMPV6)
		return classify_icmp(frame);
	return VERDICT_IP_PROTOCOL;
}

static enum verdict classify_arp(struct frame *frame)
{
	if (frame->length - frame->ip_offset < ARP_SIZE)
		return VERDICT_RUNT;
	frame->kind = FRAME_ARP;
	frame->payload_offset = frame->ip_offset;
	frame->payload_length = ARP_SIZE;
	frame->source_port = 0;
	frame->source = (struct address){ .family = ADDRESS_IPV4 };
	memcpy(frame->source.bytes, frame->start + frame->ip_offset + ARP_SENDER_IP, 4);
	return VERDICT_PENDING;
}

enum verdict frame_classify(const struct host *host, struct frame *frame)
{
	const uint8_t *ethernet = frame->start;

	frame->kind = FRAME_NONE;
	if (frame->length < ETHERNET_SIZE)
		return VERDICT_RUNT;
	uint64_t ours = load_mac(host->mac);
	bool to_our_mac = load_mac(ethernet + ETHERNET_DESTINATION) == ours;

	if (!to_our_mac && !is_our_group_mac(host, ethernet + ETHERNET_DESTINATION))
		return VERDICT_FOREIGN_MAC;
	if (ethernet[ETHERNET_SOURCE] & 1 || load_mac(ethernet + ETHERNET_SOURCE) == ours)
		return VERDICT_BAD_SOURCE_MAC;
	frame->ip_offset = ETHERNET_SIZE;
	switch (load_be16(ethernet + ETHERNET_TYPE)) {
	case ETHERTYPE_IPV4:
		return classify_ipv4(host, frame, to_our_mac);
	case ETHERTYPE_IPV6:
		return classify_ipv6(host, frame, to_our_mac);
	case ETHERTYPE_ARP:
		return classify_arp(frame);
	case ETHERTYPE_VLAN:
	case ETHERTYPE_SERVICE_VLAN:
	case ETHERTYPE_OLD_SERVICE_VLAN:
		return VERDICT_TAGGED;
	default:
		return VERDICT_FOREIGN_ETHERTYPE;
	}
}
