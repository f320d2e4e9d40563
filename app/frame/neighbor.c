// SPDX-License-Identifier: BSD-3-Clause
// ARP, neighbour discovery, MLD and echo: is it asked rightly, is it asked of us, may we still answer.
#include "frame/neighbor.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/utc.h"
#include "frame/layout.h"

#define ARP_HARDWARE_ETHERNET 1
#define ARP_SIZES_OF_IPV4     0x0604
#define ARP_REQUEST           1
#define ARP_REPLY             2

#define ND_HOP_LIMIT       255
#define OPTION_SOURCE_MAC  1
#define OPTION_TARGET_MAC  2
#define OPTION_MAC_SIZE    8
#define ADVERTISEMENT_SIZE (SOLICITATION_SIZE + OPTION_MAC_SIZE)
#define REPORT_HEADERS     (IPV6_SIZE + HOP_BY_HOP_SIZE + 8)
#define REPORT_RECORD_SIZE 20
#define FLAG_SOLICITED     UINT32_C(0x40000000)
#define FLAG_OVERRIDE      UINT32_C(0x20000000)

// With the one tag that a frame of our own accord may have.
static_assert(ANNOUNCEMENT_SIZE == ETHERNET_SIZE + VLAN_TAG_SIZE + IPV6_SIZE + ADVERTISEMENT_SIZE);
static_assert(REPORT_SIZE
		== ETHERNET_SIZE + VLAN_TAG_SIZE + REPORT_HEADERS
				+ HOST_ADDRESSES * REPORT_RECORD_SIZE);

static const uint8_t all_nodes_mac[MAC_SIZE] = { 0x33, 0x33, 0, 0, 0, 1 };

// Whether what takes `cost_ns` is left in a bucket that gains an answer every `interval_ns`. The
// difference is signed, so that it survives the end of 64 bits.
static bool rate_cap_allows(
		struct rate_cap *cap, int64_t interval_ns, int64_t cost_ns, uint64_t now_ns)
{
	int64_t depth = RATE_CAP_BURST * interval_ns;
	int64_t debt = (int64_t)(cap->full_ns - now_ns);

	if (debt < 0)
		debt = 0;
	// Only a clock that went back makes it deeper than the bucket; do not stay silent as long.
	if (debt > depth)
		debt = depth;
	cap->full_ns = now_ns + (uint64_t)debt;
	return debt <= depth - cost_ns;
}

// Only after rate_cap_allows() at the same moment.
static void rate_cap_take(struct rate_cap *cap, int64_t cost_ns)
{
	cap->full_ns += (uint64_t)cost_ns;
}

// Writes the ARP packet that says where `sender` is.
static void write_arp(
		const struct host *host, uint16_t operation, const uint8_t sender[4], uint8_t *arp)
{
	store_be16(arp + ARP_HARDWARE, ARP_HARDWARE_ETHERNET);
	store_be16(arp + ARP_PROTOCOL, ETHERTYPE_IPV4);
	store_be16(arp + ARP_SIZES, ARP_SIZES_OF_IPV4);
	store_be16(arp + ARP_OPERATION, operation);
	memcpy(arp + ARP_SENDER_MAC, host->mac, MAC_SIZE);
	memcpy(arp + ARP_SENDER_IP, sender, 4);
}

static enum verdict judge_arp(const struct host *host, const uint8_t *arp)
{
	const uint8_t *sender_mac = arp + ARP_SENDER_MAC;

	if (load_be16(arp + ARP_HARDWARE) != ARP_HARDWARE_ETHERNET
			|| load_be16(arp + ARP_PROTOCOL) != ETHERTYPE_IPV4
			|| load_be16(arp + ARP_SIZES) != ARP_SIZES_OF_IPV4)
		return VERDICT_ARP_MALFORMED;
	// A sender with an address of ours is no question but a conflict (RFC 5227 section 2.4).
	if (load_be16(arp + ARP_OPERATION) != ARP_REQUEST
			|| !host_owns(host, ADDRESS_IPV4, arp + ARP_TARGET_IP)
			|| host_owns(host, ADDRESS_IPV4, arp + ARP_SENDER_IP))
		return VERDICT_ARP_IGNORED;
	// The reply goes there; to a group it would be a reflector.
	if (sender_mac[0] & 1 || memcmp(sender_mac, host->mac, MAC_SIZE) == 0)
		return VERDICT_BAD_SOURCE_MAC;
	return VERDICT_PENDING;
}

static enum verdict answer_arp(struct neighbor *neighbor, const struct host *host,
		struct frame *frame, uint64_t now_ns)
{
	int64_t interval = NS_PER_S / NEIGHBOR_ANSWERS_PER_S;
	uint8_t *arp = frame->start + frame->ip_offset;
	enum verdict verdict = judge_arp(host, arp);
	uint8_t asked[4];

	if (verdict != VERDICT_PENDING)
		return verdict;
	if (!rate_cap_allows(&neighbor->resolution, interval, interval, now_ns))
		return VERDICT_NEIGHBOR_LIMITED;
	rate_cap_take(&neighbor->resolution, interval);
	host_write_ethernet(
			host, arp + ARP_SENDER_MAC, ETHERTYPE_ARP, frame->start, frame->ip_offset);
	memcpy(asked, arp + ARP_TARGET_IP, sizeof(asked));
	// Sender's hardware and protocol address become the target's (RFC 826, "Packet Reception").
	memcpy(arp + ARP_TARGET_MAC, arp + ARP_SENDER_MAC, MAC_SIZE + sizeof(asked));
	write_arp(host, ARP_REPLY, asked, arp);
	frame_set_end(frame, frame->ip_offset + ARP_SIZE);
	return VERDICT_ARP_ANSWERED;
}

struct advertisement {
	uint32_t flags;
	uint8_t target[16];
	uint8_t destination[16];
	uint8_t destination_mac[MAC_SIZE];
};

// RFC 4861 section 4.4. Router flag never set: we forward nothing. Returns where it ends.
static uint16_t write_advertisement(const struct host *host,
		const struct advertisement *advertisement, uint8_t *frame, uint16_t ip_offset)
{
	uint8_t *ip = frame + ip_offset, *icmp = ip + IPV6_SIZE;
	uint8_t *option = icmp + SOLICITATION_SIZE;

	host_write_ethernet(host, advertisement->destination_mac, ETHERTYPE_IPV6, frame, ip_offset);
	store_be32(ip, UINT32_C(6) << 28 | (uint32_t)host->dscp << 22);
	store_be16(ip + IPV6_PAYLOAD_LENGTH, ADVERTISEMENT_SIZE);
	ip[IPV6_NEXT_HEADER] = PROTOCOL_ICMPV6;
	ip[IPV6_HOP_LIMIT] = ND_HOP_LIMIT;
	memcpy(ip + IPV6_SOURCE, advertisement->target, 16);
	memcpy(ip + IPV6_DESTINATION, advertisement->destination, 16);
	store_be32(icmp, (uint32_t)ICMPV6_ADVERTISEMENT << 24);
	store_be32(icmp + ICMP_FLAGS, advertisement->flags);
	memcpy(icmp + ICMP_TARGET, advertisement->target, 16);
	option[0] = OPTION_TARGET_MAC;
	option[1] = 1; // in units of 8 bytes
	memcpy(option + 2, host->mac, MAC_SIZE);
	uint64_t sum = checksum_pseudo(
			ip + IPV6_SOURCE, IPV6_ADDRESSES_SIZE, PROTOCOL_ICMPV6, ADVERTISEMENT_SIZE);
	uint16_t checksum = (uint16_t)~checksum_fold(checksum_add(sum, icmp, ADVERTISEMENT_SIZE));

	memcpy(icmp + ICMP_CHECKSUM, &checksum, sizeof(checksum));
	return ip_offset + IPV6_SIZE + ADVERTISEMENT_SIZE;
}

static bool icmp_checksum_is_good(const struct frame *frame)
{
	const uint8_t *icmp = frame->start + frame->payload_offset;
	const uint8_t *ip = frame->start + frame->ip_offset;
	uint64_t sum = 0;

	if (frame->checksum_known_good)
		return true;
	if (frame->source.family == ADDRESS_IPV6)
		sum = checksum_pseudo(ip + IPV6_SOURCE, IPV6_ADDRESSES_SIZE, PROTOCOL_ICMPV6,
				frame->payload_length);
	return checksum_fold(checksum_add(sum, icmp, frame->payload_length)) == 0xffff;
}

// Walks the options. RFC 4861 section 7.1.1: none of length zero; section 4.3: who has no address
// yet must not tell where it is.
static bool options_are_good(struct bytes options, bool from_unspecified)
{
	while (options.left > 0) {
		uint8_t type = bytes_take_u8(&options);
		uint8_t units = bytes_take_u8(&options);

		if (units == 0 || (type == OPTION_SOURCE_MAC && from_unspecified))
			return false;
		bytes_take(&options, units * 8U - 2);
	}
	return !options.failed;
}

static bool is_unspecified(const struct address *address)
{
	return (load_be64(address->bytes) | load_be64(address->bytes + 8)) == 0;
}

// RFC 4861 section 7.1.1, all but the checksum.
static bool solicitation_is_good(const struct frame *frame)
{
	const uint8_t *ip = frame->start + frame->ip_offset;
	const uint8_t *icmp = frame->start + frame->payload_offset;
	bool from_unspecified = is_unspecified(&frame->source);

	if (ip[IPV6_HOP_LIMIT] != ND_HOP_LIMIT || frame->payload_length < SOLICITATION_SIZE)
		return false;
	if (icmp[ICMP_CODE] != 0 || icmp[ICMP_TARGET] == 0xff)
		return false;
	if (from_unspecified && ip[IPV6_DESTINATION] != 0xff)
		return false;
	return options_are_good(bytes_of(icmp + SOLICITATION_SIZE,
						frame->payload_length - SOLICITATION_SIZE),
			from_unspecified);
}

// The answer goes to the Ethernet address the solicitation came from, not to the one in its
// option: nothing is looked up and nothing kept.
static struct advertisement advertisement_for(const struct frame *frame)
{
	const uint8_t *icmp = frame->start + frame->payload_offset;
	struct advertisement advertisement = { .flags = FLAG_OVERRIDE };

	memcpy(advertisement.target, icmp + ICMP_TARGET, 16);
	if (is_unspecified(&frame->source)) {
		// RFC 4861 section 7.2.4: to all nodes, not solicited.
		memcpy(advertisement.destination, all_nodes, 16);
		memcpy(advertisement.destination_mac, all_nodes_mac, MAC_SIZE);
		return advertisement;
	}
	advertisement.flags |= FLAG_SOLICITED;
	memcpy(advertisement.destination, frame->source.bytes, 16);
	memcpy(advertisement.destination_mac, frame->start + ETHERNET_SOURCE, MAC_SIZE);
	return advertisement;
}

static enum verdict answer_solicitation(struct neighbor *neighbor, const struct host *host,
		struct frame *frame, uint64_t now_ns)
{
	int64_t interval = NS_PER_S / NEIGHBOR_ANSWERS_PER_S;

	if (!solicitation_is_good(frame)
			|| frame->room < frame->ip_offset + IPV6_SIZE + ADVERTISEMENT_SIZE)
		return VERDICT_ICMP_MALFORMED;
	// Another address of the same solicited-node group.
	if (!host_owns(host, ADDRESS_IPV6, frame->start + frame->payload_offset + ICMP_TARGET))
		return VERDICT_ICMP_IGNORED;
	if (!rate_cap_allows(&neighbor->resolution, interval, interval, now_ns))
		return VERDICT_NEIGHBOR_LIMITED;
	if (!icmp_checksum_is_good(frame))
		return VERDICT_ICMP_MALFORMED;
	rate_cap_take(&neighbor->resolution, interval);
	struct advertisement advertisement = advertisement_for(frame);

	frame->length = write_advertisement(host, &advertisement, frame->start, frame->ip_offset);
	return VERDICT_ND_ANSWERED;
}

static enum verdict answer_echo(struct neighbor *neighbor, const struct host *host,
		struct frame *frame, uint64_t now_ns)
{
	int64_t interval = NS_PER_S / ECHO_ANSWERS_PER_S;
	uint8_t *icmp = frame->start + frame->payload_offset;

	if (icmp[ICMP_CODE] != 0)
		return VERDICT_ICMP_MALFORMED;
	// Before the checksum, so that a flood of long ones costs little.
	if (!rate_cap_allows(&neighbor->echo, interval, interval, now_ns))
		return VERDICT_ECHO_LIMITED;
	if (!icmp_checksum_is_good(frame))
		return VERDICT_ICMP_MALFORMED;
	rate_cap_take(&neighbor->echo, interval);
	frame_turn(host, frame, frame->payload_length);
	icmp[ICMP_TYPE] =
			frame->source.family == ADDRESS_IPV4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;
	frame_seal(frame);
	return VERDICT_ECHO_ANSWERED;
}

// Each report costs as much as an answer, those still owed too.
static enum verdict answer_mld_query(struct neighbor *neighbor, const struct host *host,
		struct frame *frame, uint64_t now_ns)
{
	int64_t interval = NS_PER_S / NEIGHBOR_ANSWERS_PER_S;
	enum verdict verdict = mld_judge_query(host, frame);

	if (verdict != VERDICT_PENDING)
		return verdict;
	int64_t cost = interval * mld_count_reports(host, frame);

	if (!rate_cap_allows(&neighbor->resolution, interval, cost, now_ns))
		return VERDICT_NEIGHBOR_LIMITED;
	if (!icmp_checksum_is_good(frame))
		return VERDICT_ICMP_MALFORMED;
	rate_cap_take(&neighbor->resolution, cost);
	mld_answer(host, frame, &neighbor->owed);
	return VERDICT_MLD_ANSWERED;
}

enum verdict neighbor_answer(struct neighbor *neighbor, const struct host *host,
		struct frame *frame, uint64_t now_ns)
{
	switch (frame->kind) {
	case FRAME_ARP:
		return answer_arp(neighbor, host, frame, now_ns);
	case FRAME_SOLICITATION:
		return answer_solicitation(neighbor, host, frame, now_ns);
	case FRAME_ECHO:
		return answer_echo(neighbor, host, frame, now_ns);
	case FRAME_MLD_QUERY:
		return answer_mld_query(neighbor, host, frame, now_ns);
	default:
		return VERDICT_IP_PROTOCOL;
	}
}

uint16_t neighbor_announce(
		const struct host *host, unsigned index, uint8_t announcement[ANNOUNCEMENT_SIZE])
{
	static const uint8_t broadcast[MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const struct address *own = &host->addresses[index].address;
	uint16_t offset = host_write_tag(host, announcement);
	uint8_t *arp = announcement + offset;

	if (own->family == ADDRESS_IPV6) {
		struct advertisement advertisement = { .flags = FLAG_OVERRIDE };

		memcpy(advertisement.target, own->bytes, 16);
		memcpy(advertisement.destination, all_nodes, 16);
		memcpy(advertisement.destination_mac, all_nodes_mac, MAC_SIZE);
		return write_advertisement(host, &advertisement, announcement, offset);
	}
	memset(arp, 0, ETHERNET_MINIMUM - offset);
	host_write_ethernet(host, broadcast, ETHERTYPE_ARP, announcement, offset);
	write_arp(host, ARP_REQUEST, own->bytes, arp);
	memcpy(arp + ARP_TARGET_IP, own->bytes, 4);
	return ETHERNET_MINIMUM;
}

uint16_t neighbor_report(const struct host *host, uint8_t report[REPORT_SIZE])
{
	return mld_write_report(host, report);
}

uint16_t neighbor_report_owed(
		struct neighbor *neighbor, const struct host *host, uint8_t report[REPORT_SIZE])
{
	return mld_write_owed(host, &neighbor->owed, report);
}
