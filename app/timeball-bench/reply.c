// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/reply.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "frame/layout.h"

#define VLAN_MASK                0xfff
#define IPV4_FRAGMENTED          0x3fff // more fragments, or an offset
#define ICMP_UNREACHABLE         3
#define ICMPV6_UNREACHABLE       1
#define IPV6_DESTINATION_ADDRESS (IPV6_SOURCE + 16)

// A packet taken apart as far as its IP header goes.
struct packet {
	const uint8_t *ip;
	const uint8_t *source;
	size_t addresses_size;
	const uint8_t *payload;
	uint16_t length; // of the payload, by the IP header but never beyond the frame
	uint8_t protocol;
	enum family_index family;
};

static bool is_tag(uint16_t type)
{
	return type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN
			|| type == ETHERTYPE_OLD_SERVICE_VLAN;
}

uint16_t reply_find_packet(
		const uint8_t *frame, uint16_t length, uint16_t *ethertype, uint16_t *vlan)
{
	uint16_t offset = ETHERNET_SIZE;

	if (length < ETHERNET_SIZE)
		return 0;
	*ethertype = load_be16(frame + ETHERNET_TYPE);
	*vlan = 0;
	for (unsigned i = 0; i < VLAN_TAGS && is_tag(*ethertype); i++) {
		if (length < offset + VLAN_TAG_SIZE)
			return 0;
		if (*vlan == 0)
			*vlan = load_be16(frame + offset) & VLAN_MASK;
		*ethertype = load_be16(frame + offset + 2);
		offset += VLAN_TAG_SIZE;
	}
	return offset;
}

static bool open_ipv4(const uint8_t *ip, unsigned left, struct packet *packet, enum outcome *flaw)
{
	if (left < IPV4_SIZE || ip[0] >> 4 != 4)
		return false;
	unsigned header = (ip[0] & 0xf) * 4, total = load_be16(ip + IPV4_TOTAL_LENGTH);

	if (header < IPV4_SIZE || header > left)
		return false;
	if (total < header || total > left || load_be16(ip + IPV4_FRAGMENT) & IPV4_FRAGMENTED)
		*flaw = OUTCOME_MALFORMED;
	else if (checksum_fold(checksum_add(0, ip, header)) != 0xffff)
		*flaw = OUTCOME_IP_CHECKSUM;
	*packet = (struct packet){
		.ip = ip,
		.source = ip + IPV4_SOURCE,
		.addresses_size = IPV4_ADDRESSES_SIZE,
		.payload = ip + header,
		.length = (uint16_t)((total < left && total >= header ? total : left) - header),
		.protocol = ip[IPV4_PROTOCOL],
		.family = FAMILY_IPV4,
	};
	return true;
}

static bool open_ipv6(const uint8_t *ip, unsigned left, struct packet *packet, enum outcome *flaw)
{
	if (left < IPV6_SIZE || ip[0] >> 4 != 6)
		return false;
	unsigned length = load_be16(ip + IPV6_PAYLOAD_LENGTH);

	left -= IPV6_SIZE;
	if (length > left)
		*flaw = OUTCOME_MALFORMED;
	*packet = (struct packet){
		.ip = ip,
		.source = ip + IPV6_SOURCE,
		.addresses_size = IPV6_ADDRESSES_SIZE,
		.payload = ip + IPV6_SIZE,
		.length = (uint16_t)(length < left ? length : left),
		.protocol = ip[IPV6_NEXT_HEADER],
		.family = FAMILY_IPV6,
	};
	return true;
}

// A checksum that is only the pseudo-header's sum is good where a local kernel may have left it so.
static bool udp_checksum_is_good(const struct receiver *receiver, const struct packet *packet,
		uint16_t length, bool *unfinished)
{
	const uint8_t *udp = packet->payload;
	uint64_t sum = checksum_pseudo(
			packet->source, packet->addresses_size, PROTOCOL_UDP, length);
	uint16_t field;

	memcpy(&field, udp + UDP_CHECKSUM, sizeof(field));
	if (field == 0)
		return packet->family == FAMILY_IPV4; // RFC 8200 section 8.1
	*unfinished = receiver->takes_unfinished_checksums && field == checksum_fold(sum);
	return *unfinished || checksum_fold(checksum_add(sum, udp, length)) == 0xffff;
}

static enum outcome judge_udp(
		const struct receiver *receiver, const struct packet *packet, struct reply *reply)
{
	const uint8_t *udp = packet->payload;
	const struct address *server = &receiver->servers[packet->family];
	uint16_t length = load_be16(udp + UDP_LENGTH);

	if (length < UDP_SIZE || length > packet->length)
		return OUTCOME_MALFORMED;
	if (!udp_checksum_is_good(receiver, packet, length, &reply->unfinished))
		return OUTCOME_UDP_CHECKSUM;
	if (memcmp(packet->source, server->bytes, packet->addresses_size / 2) != 0)
		return OUTCOME_SOURCE_ADDRESS;
	if (load_be16(udp + UDP_SOURCE_PORT) != receiver->server_port)
		return OUTCOME_SOURCE_PORT;
	reply->ntp = udp + UDP_SIZE;
	reply->ntp_length = length - UDP_SIZE;
	return OUTCOME_GOOD;
}

static bool is_unreachable(const struct packet *packet)
{
	uint8_t type = packet->length > 0 ? packet->payload[ICMP_TYPE] : 0;

	return (packet->protocol == PROTOCOL_ICMP && type == ICMP_UNREACHABLE)
			|| (packet->protocol == PROTOCOL_ICMPV6 && type == ICMPV6_UNREACHABLE);
}

static enum reply_kind parse_packet(
		const struct receiver *receiver, const struct packet *packet, struct reply *reply)
{
	const struct client_range *range = &receiver->clients->ranges[packet->family];
	const uint8_t *destination = packet->source + packet->addresses_size / 2;

	if (!client_find(range, destination, &reply->client))
		return REPLY_FOREIGN;
	reply->client += range->first;
	if (is_unreachable(packet))
		return REPLY_UNREACHABLE;
	if (packet->protocol != PROTOCOL_UDP)
		return REPLY_FOREIGN;
	if (packet->length < UDP_SIZE) {
		reply->flaw = OUTCOME_MALFORMED;
		return REPLY_UDP;
	}
	reply->port = load_be16(packet->payload + UDP_DESTINATION_PORT);
	if (reply->flaw == OUTCOME_GOOD)
		reply->flaw = judge_udp(receiver, packet, reply);
	return REPLY_UDP;
}

enum reply_kind reply_parse(const struct receiver *receiver, const uint8_t *frame, uint16_t length,
		struct reply *reply)
{
	uint16_t type, vlan, offset = reply_find_packet(frame, length, &type, &vlan);
	struct packet packet;

	*reply = (struct reply){ .flaw = OUTCOME_GOOD };
	if (offset == 0 || memcmp(frame + ETHERNET_DESTINATION, receiver->mac, MAC_SIZE) != 0)
		return REPLY_FOREIGN;
	const uint8_t *ip = frame + offset;
	unsigned left = length - offset;

	if (!(type == ETHERTYPE_IPV4 && open_ipv4(ip, left, &packet, &reply->flaw))
			&& !(type == ETHERTYPE_IPV6 && open_ipv6(ip, left, &packet, &reply->flaw)))
		return REPLY_FOREIGN;
	enum reply_kind kind = parse_packet(receiver, &packet, reply);

	if (kind == REPLY_UDP && reply->flaw == OUTCOME_GOOD && vlan != receiver->vlan)
		reply->flaw = OUTCOME_VLAN;
	return kind;
}
