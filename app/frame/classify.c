// SPDX-License-Identifier: BSD-3-Clause
// What a received frame is. One pass: the shape of the IP header, then its addresses, then what it
// carries, so that a frame for somebody else is counted as that and not by what is wrong inside.
#include "base/bytes.h"
#include "base/checksum.h"
#include "frame/frame.h"
#include "frame/layout.h"
#include "frame/mld.h"

#define IPV4_MORE_OR_OFFSET    0x3fff
#define IPV4_LIMITED_BROADCAST UINT32_C(0xffffffff)
#define VLAN_MASK              0x0fff
#define VLAN_RESERVED          0x0fff

static uint64_t load_mac(const uint8_t *mac)
{
	uint32_t first;
	uint16_t last;

	memcpy(&first, mac, sizeof(first));
	memcpy(&last, mac + sizeof(first), sizeof(last));
	return (uint64_t)last << 32 | first;
}

// Broadcast, or the multicast address (RFC 2464 section 7) of an IPv6 group we are in.
static bool is_our_group_mac(const struct host *host, const uint8_t mac[MAC_SIZE])
{
	static const uint8_t broadcast[MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t all_nodes_mac[MAC_SIZE] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t solicited_node_mac[] = { 0x33, 0x33, 0xff };

	if (memcmp(mac, broadcast, MAC_SIZE) == 0 || memcmp(mac, all_nodes_mac, MAC_SIZE) == 0)
		return true;
	return memcmp(mac, solicited_node_mac, sizeof(solicited_node_mac)) == 0
			&& host_owns_low(host, mac + sizeof(solicited_node_mac));
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
		uint32_t broadcast = host_ipv4_broadcast(own, subnet->prefix_bits);

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

// Solicitations come to a group of ours, listener queries to all nodes too (RFC 3810 section 5.1.15).
static bool is_asked_there(const struct host *host, uint8_t kind, const uint8_t *destination)
{
	if (kind == FRAME_MLD_QUERY && memcmp(destination, all_nodes, sizeof(all_nodes)) == 0)
		return true;
	return kind != FRAME_NONE && host_is_in_group(host, destination);
}

static enum verdict judge_ipv6_addresses(const struct host *host, const uint8_t *ip, uint8_t kind)
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
	if (!to_us && !is_asked_there(host, kind, destination))
		return VERDICT_IP_MULTICAST;
	// RFC 4862 section 5.4.2: who probes for a duplicate has no address yet.
	if (kind == FRAME_SOLICITATION && is_ipv6_unspecified(source))
		return VERDICT_PENDING;
	return from_us || host_is_ipv6_martian(source) ? VERDICT_IP_SOURCE : VERDICT_PENDING;
}

static enum verdict judge_ipv6_shape(const struct frame *frame, const uint8_t *ip)
{
	unsigned left = frame->length - frame->ip_offset;

	if (left < IPV6_SIZE)
		return VERDICT_RUNT;
	unsigned length = load_be16(ip + IPV6_PAYLOAD_LENGTH);

	if (ip[0] >> 4 != 6 || length > left - IPV6_SIZE)
		return VERDICT_IP_MALFORMED;
	switch (ip[IPV6_NEXT_HEADER]) {
	case PROTOCOL_FRAGMENT:
		return VERDICT_IP_FRAGMENT;
	case PROTOCOL_HOP_BY_HOP:
		if (mld_is_query(ip + IPV6_SIZE, length))
			return VERDICT_PENDING;
		return VERDICT_IP_EXTENSION;
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

// Which question of a neighbour's it is that may come to a group, or FRAME_NONE. Of what is left
// with a hop-by-hop header there is but one kind.
static uint8_t group_question(const uint8_t *ip, uint16_t payload_length)
{
	uint8_t protocol = ip[IPV6_NEXT_HEADER];

	if (protocol == PROTOCOL_ICMPV6 && payload_length > 0
			&& ip[IPV6_SIZE + ICMP_TYPE] == ICMPV6_SOLICITATION)
		return FRAME_SOLICITATION;
	return protocol == PROTOCOL_HOP_BY_HOP ? FRAME_MLD_QUERY : FRAME_NONE;
}

static enum verdict classify_mld_query(struct frame *frame)
{
	frame->kind = FRAME_MLD_QUERY;
	frame->payload_offset += HOP_BY_HOP_SIZE;
	frame->payload_length -= HOP_BY_HOP_SIZE;
	frame->source_port = 0;
	return VERDICT_PENDING;
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
	uint8_t kind = group_question(ip, frame->payload_length);

	verdict = judge_ipv6_addresses(host, ip, kind);
	if (verdict != VERDICT_PENDING)
		return verdict;
	if (!to_our_mac && kind == FRAME_NONE)
		return VERDICT_IP_MULTICAST;
	if (protocol == PROTOCOL_UDP)
		return classify_udp(host, frame, IPV6_ADDRESSES_SIZE);
	if (protocol == PROTOCOL_ICMPV6)
		return classify_icmp(frame);
	if (kind == FRAME_MLD_QUERY)
		return classify_mld_query(frame);
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

static bool is_tag(uint16_t type)
{
	return type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN
			|| type == ETHERTYPE_OLD_SERVICE_VLAN;
}

// Steps over the tags; `type` is then what stands behind them. A frame's VLAN is the outermost that
// is not 0: a priority tag names none (IEEE 802.1Q table 9-2).
static enum verdict step_over_tags(const struct host *host, struct frame *frame, uint16_t *type)
{
	int vlan = 0;

	for (unsigned i = 0; i < VLAN_TAGS && is_tag(*type); i++) {
		const uint8_t *tag = frame->start + frame->ip_offset;

		if (frame->length - frame->ip_offset < VLAN_TAG_SIZE)
			return VERDICT_RUNT;
		int named = load_be16(tag) & VLAN_MASK;

		if (named == VLAN_RESERVED)
			return VERDICT_VLAN_FOREIGN;
		if (vlan == 0)
			vlan = named;
		*type = load_be16(tag + 2);
		frame->ip_offset += VLAN_TAG_SIZE;
	}
	if (host->vlan != HOST_ANY_VLAN && host->vlan != vlan)
		return VERDICT_VLAN_FOREIGN;
	return is_tag(*type) ? VERDICT_TAGGED : VERDICT_PENDING;
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
	uint16_t type = load_be16(ethernet + ETHERNET_TYPE);

	frame->ip_offset = ETHERNET_SIZE;
	if (type != ETHERTYPE_IPV4 || host->vlan > 0) {
		enum verdict verdict = step_over_tags(host, frame, &type);

		if (verdict != VERDICT_PENDING)
			return verdict;
	}
	switch (type) {
	case ETHERTYPE_IPV4:
		return classify_ipv4(host, frame, to_our_mac);
	case ETHERTYPE_IPV6:
		return classify_ipv6(host, frame, to_our_mac);
	case ETHERTYPE_ARP:
		return classify_arp(frame);
	default:
		return VERDICT_FOREIGN_ETHERTYPE;
	}
}
