// SPDX-License-Identifier: BSD-3-Clause
// frame/ answers for a handful of addresses. Of the millions here the one that is asked for is found
// first, and then is the host's only one.
#include "timeball-bench/neighbors.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "frame/frame.h"
#include "frame/layout.h"
#include "timeball-bench/reply.h"

#define ARP_REPLY             2
#define ND_HOP_LIMIT          255
#define OPTION_SOURCE_MAC     1
#define OPTION_MAC_SIZE       8
#define SOLICITATION_LENGTH   (SOLICITATION_SIZE + OPTION_MAC_SIZE)
#define ADVERTISEMENT_MINIMUM (ETHERNET_SIZE + IPV6_SIZE + SOLICITATION_SIZE)

static_assert(QUESTION_SIZE >= ANNOUNCEMENT_SIZE);

static struct host host_with(const struct neighbors *neighbors, const struct address *address)
{
	struct host host = {
		.addresses = { { .address = *address,
				.prefix_bits = (uint8_t)address_bits(address->family) } },
		.address_count = 1,
		.vlan = neighbors->vlan,
	};

	memcpy(host.mac, neighbors->mac, MAC_SIZE);
	return host;
}

static uint16_t write_solicitation(
		const struct neighbors *neighbors, const struct address *target, uint8_t *frame)
{
	const struct address *own = &neighbors->own[FAMILY_IPV6].address;
	struct host host = host_with(neighbors, own);
	uint16_t offset = host_write_tag(&host, frame);
	uint8_t *ip = frame + offset, *icmp = ip + IPV6_SIZE, *option = icmp + SOLICITATION_SIZE;
	uint8_t group_mac[MAC_SIZE] = { 0x33, 0x33, 0xff };

	memset(ip, 0, IPV6_SIZE + SOLICITATION_LENGTH);
	memcpy(group_mac + 3, target->bytes + 13, 3);
	host_write_ethernet(&host, group_mac, ETHERTYPE_IPV6, frame, offset);
	ip[0] = 0x60;
	store_be16(ip + IPV6_PAYLOAD_LENGTH, SOLICITATION_LENGTH);
	ip[IPV6_NEXT_HEADER] = PROTOCOL_ICMPV6;
	ip[IPV6_HOP_LIMIT] = ND_HOP_LIMIT;
	memcpy(ip + IPV6_SOURCE, own->bytes, 16);
	memcpy(ip + IPV6_DESTINATION, solicited_node, sizeof(solicited_node));
	memcpy(ip + IPV6_DESTINATION + sizeof(solicited_node), target->bytes + 13, 3);
	icmp[ICMP_TYPE] = ICMPV6_SOLICITATION;
	memcpy(icmp + ICMP_TARGET, target->bytes, 16);
	option[0] = OPTION_SOURCE_MAC;
	option[1] = 1; // in units of 8 bytes
	memcpy(option + 2, neighbors->mac, MAC_SIZE);
	uint64_t sum = checksum_pseudo(ip + IPV6_SOURCE, IPV6_ADDRESSES_SIZE, PROTOCOL_ICMPV6,
			SOLICITATION_LENGTH);
	uint16_t checksum = (uint16_t)~checksum_fold(checksum_add(sum, icmp, SOLICITATION_LENGTH));

	memcpy(icmp + ICMP_CHECKSUM, &checksum, sizeof(checksum));
	return offset + IPV6_SIZE + SOLICITATION_LENGTH;
}

uint16_t neighbors_ask(const struct neighbors *neighbors, const struct address *target,
		uint8_t question[QUESTION_SIZE])
{
	if (target->family == ADDRESS_IPV6)
		return write_solicitation(neighbors, target, question);
	struct host host = host_with(neighbors, &neighbors->own[FAMILY_IPV4].address);
	uint16_t length = neighbor_announce(&host, 0, question);
	// An announcement is a request for one's own address (RFC 5227).
	uint16_t offset = neighbors->vlan > 0 ? ETHERNET_SIZE + VLAN_TAG_SIZE : ETHERNET_SIZE;

	memcpy(question + offset + ARP_TARGET_IP, target->bytes, 4);
	return length;
}

bool neighbors_hear(const struct address *target, const uint8_t *frame, uint16_t length,
		uint8_t mac[MAC_SIZE])
{
	uint16_t type, vlan, offset = reply_find_packet(frame, length, &type, &vlan);
	const uint8_t *packet = frame + offset;
	bool heard = false;

	if (offset == 0)
		return false;
	if (type == ETHERTYPE_ARP && target->family == ADDRESS_IPV4)
		heard = length >= offset + ARP_SIZE
				&& load_be16(packet + ARP_OPERATION) == ARP_REPLY
				&& memcmp(packet + ARP_SENDER_IP, target->bytes, 4) == 0;
	else if (type == ETHERTYPE_IPV6 && target->family == ADDRESS_IPV6)
		heard = length >= offset - ETHERNET_SIZE + ADVERTISEMENT_MINIMUM
				&& packet[IPV6_NEXT_HEADER] == PROTOCOL_ICMPV6
				&& packet[IPV6_SIZE + ICMP_TYPE] == ICMPV6_ADVERTISEMENT
				&& memcmp(packet + IPV6_SIZE + ICMP_TARGET, target->bytes, 16) == 0;
	if (heard)
		memcpy(mac, frame + ETHERNET_SOURCE, MAC_SIZE);
	return heard;
}

// Whose address is asked for, by ARP, solicitation or echo request? False when it is not ours.
static bool find_asked(const struct neighbors *neighbors, const uint8_t *frame, uint16_t length,
		struct address *asked)
{
	uint16_t type, vlan, offset = reply_find_packet(frame, length, &type, &vlan);
	const uint8_t *packet = frame + offset, *bytes;
	enum family_index family = type == ETHERTYPE_IPV6 ? FAMILY_IPV6 : FAMILY_IPV4;
	uint32_t client;

	if (offset == 0 || length < offset + (family == FAMILY_IPV6 ? IPV6_SIZE : IPV4_SIZE))
		return false;
	if (type == ETHERTYPE_ARP && length >= offset + ARP_SIZE)
		bytes = packet + ARP_TARGET_IP;
	else if (type == ETHERTYPE_IPV4)
		bytes = packet + IPV4_DESTINATION;
	else if (type == ETHERTYPE_IPV6 && packet[IPV6_NEXT_HEADER] == PROTOCOL_ICMPV6
			&& length >= offset + IPV6_SIZE + SOLICITATION_SIZE
			&& packet[IPV6_SIZE + ICMP_TYPE] == ICMPV6_SOLICITATION)
		bytes = packet + IPV6_SIZE + ICMP_TARGET;
	else if (type == ETHERTYPE_IPV6)
		bytes = packet + IPV6_DESTINATION;
	else
		return false;
	const struct address *own = &neighbors->own[family].address;
	size_t size = family == FAMILY_IPV6 ? 16 : 4;

	*asked = (struct address){ .family = family == FAMILY_IPV6 ? ADDRESS_IPV6 : ADDRESS_IPV4 };
	memcpy(asked->bytes, bytes, size);
	return (own->family != ADDRESS_NONE && memcmp(own->bytes, bytes, size) == 0)
			|| client_find(&neighbors->clients->ranges[family], bytes, &client);
}

uint16_t neighbors_answer(
		const struct neighbors *neighbors, uint8_t *frame, uint16_t length, uint16_t room)
{
	struct frame answer = { .start = frame, .length = length, .room = room };
	struct neighbor no_limits = { 0 }; // on a link of our own, of a server that we load
	struct address asked;

	if (!find_asked(neighbors, frame, length, &asked))
		return 0;
	struct host host = host_with(neighbors, &asked);

	if (frame_classify(&host, &answer) != VERDICT_PENDING || answer.kind == FRAME_NTP)
		return 0;
	enum verdict verdict = neighbor_answer(&no_limits, &host, &answer, 0);

	return verdict_is_answer(verdict) ? answer.length : 0;
}
