// SPDX-License-Identifier: BSD-3-Clause
// MLD without state or timers: every query is answered at once, which is within any maximum response
// delay, and in the version it came in. We listen to every source, always.
#include "frame/mld.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "frame/layout.h"

#define HOP_LIMIT           1
#define OPTION_PAD_1        0
#define OPTION_PAD_N        1
#define OPTION_ROUTER_ALERT 5
#define ROUTER_ALERT_MLD    0

#define QUERY_SIZE_V1     24 // a report's too
#define QUERY_SIZE        28 // sources not counted
#define QUERY_GROUP       8
#define QUERY_SOURCES     26 // how many; they follow the query
#define MESSAGE_SIZE      8  // of a report; records not counted
#define RECORD_SIZE       20 // sources not counted
#define RECORD_SOURCES    2  // how many
#define RECORD_GROUP      4
#define SOURCE_SIZE       16
#define MODE_IS_INCLUDE   1
#define MODE_IS_EXCLUDE   2
#define CHANGE_TO_EXCLUDE 4

// A report on one group is as long as the query for it, and its sources stand where the query's do.
static_assert(MESSAGE_SIZE + RECORD_SIZE == QUERY_SIZE);
static_assert(sizeof((struct mld_tags){ 0 }.bytes) == VLAN_TAGS * VLAN_TAG_SIZE);

static bool is_zero(const uint8_t address[16])
{
	return (load_be64(address) | load_be64(address + 8)) == 0;
}

static bool is_link_local(const uint8_t address[16])
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

// RFC 3810 section 5: the option is there in every message, with the value of RFC 2711.
static bool alerts_routers(struct bytes options)
{
	bool alerts = false;

	while (options.left > 0) {
		uint8_t type = bytes_take_u8(&options);

		if (type == OPTION_PAD_1)
			continue;
		uint8_t length = bytes_take_u8(&options);
		const uint8_t *data = bytes_take(&options, length);

		if (type == OPTION_ROUTER_ALERT && data && length == 2)
			alerts = load_be16(data) == ROUTER_ALERT_MLD;
		else if (type != OPTION_PAD_N)
			return false;
	}
	return alerts && !options.failed;
}

bool mld_is_query(const uint8_t *packet, unsigned length)
{
	if (length < HOP_BY_HOP_SIZE + ICMP_SIZE)
		return false;
	// Its next header, and its length in units of 8 bytes behind the first.
	if (packet[0] != PROTOCOL_ICMPV6 || packet[1] != 0)
		return false;
	return packet[HOP_BY_HOP_SIZE + ICMP_TYPE] == ICMPV6_MLD_QUERY
			&& alerts_routers(bytes_of(packet + 2, HOP_BY_HOP_SIZE - 2));
}

// Whether the address is of IPv6 and none before it has the same group.
static bool begins_group(const struct host *host, unsigned index)
{
	const struct address *own = &host->addresses[index].address;

	if (own->family != ADDRESS_IPV6)
		return false;
	for (unsigned i = 0; i < index; i++) {
		const struct address *other = &host->addresses[i].address;

		if (other->family == ADDRESS_IPV6
				&& memcmp(other->bytes + 13, own->bytes + 13, 3) == 0)
			return false;
	}
	return true;
}

static uint16_t groups_of(const struct host *host)
{
	unsigned groups = 0;

	static_assert(HOST_ADDRESSES <= 16);
	for (unsigned i = 0; i < host->address_count; i++)
		groups |= (unsigned)begins_group(host, i) << i;
	return (uint16_t)groups;
}

static void write_group(const struct host *host, unsigned index, uint8_t group[16])
{
	memcpy(group, solicited_node, sizeof(solicited_node));
	memcpy(group + sizeof(solicited_node), host->addresses[index].address.bytes + 13, 3);
}

// A link-local address of ours, else the one a host makes of its MAC (RFC 4291 appendix A) although
// we do not answer to it: routers discard what comes from another (RFC 3810 section 5.2.13), some
// switches too what comes from :: (RFC 3590), and nobody asks where a reporter is.
static void write_source(const struct host *host, uint8_t source[16])
{
	for (unsigned i = 0; i < host->address_count; i++) {
		const struct address *own = &host->addresses[i].address;

		if (own->family == ADDRESS_IPV6 && is_link_local(own->bytes)) {
			memcpy(source, own->bytes, 16);
			return;
		}
	}
	memset(source, 0, 16);
	source[0] = 0xfe;
	source[1] = 0x80;
	memcpy(source + 8, host->mac, 3);
	source[8] ^= 2;
	source[11] = 0xff;
	source[12] = 0xfe;
	memcpy(source + 13, host->mac + 3, 3);
}

// Writes all headers around the `length` bytes of the message, and its checksum, which is still 0.
// Returns the frame's length.
static uint16_t seal(const struct host *host, const uint8_t destination[16], uint16_t length,
		uint8_t *frame, uint16_t ip_offset)
{
	static const uint8_t hop_by_hop[HOP_BY_HOP_SIZE] = { PROTOCOL_ICMPV6, 0,
		OPTION_ROUTER_ALERT, 2, 0, ROUTER_ALERT_MLD, OPTION_PAD_N, 0 };
	uint8_t *ip = frame + ip_offset, *message = ip + IPV6_SIZE + HOP_BY_HOP_SIZE;
	uint8_t mac[MAC_SIZE] = { 0x33, 0x33 }; // RFC 2464 section 7

	memcpy(mac + 2, destination + 12, 4);
	host_write_ethernet(host, mac, ETHERTYPE_IPV6, frame, ip_offset);
	store_be32(ip, UINT32_C(6) << 28 | (uint32_t)host->dscp << 22);
	store_be16(ip + IPV6_PAYLOAD_LENGTH, (uint16_t)(HOP_BY_HOP_SIZE + length));
	ip[IPV6_NEXT_HEADER] = PROTOCOL_HOP_BY_HOP;
	ip[IPV6_HOP_LIMIT] = HOP_LIMIT;
	write_source(host, ip + IPV6_SOURCE);
	memcpy(ip + IPV6_DESTINATION, destination, 16);
	memcpy(ip + IPV6_SIZE, hop_by_hop, sizeof(hop_by_hop));
	uint64_t sum = checksum_pseudo(
			ip + IPV6_SOURCE, IPV6_ADDRESSES_SIZE, PROTOCOL_ICMPV6, length);
	uint16_t checksum = (uint16_t)~checksum_fold(checksum_add(sum, message, length));

	memcpy(message + ICMP_CHECKSUM, &checksum, sizeof(checksum));
	return (uint16_t)(message - frame + length);
}

static uint16_t seal_v2(
		const struct host *host, uint16_t length, uint8_t *frame, uint16_t ip_offset)
{
	// All routers that understand version 2 (RFC 3810 section 5.2.14).
	static const uint8_t all_routers[16] = { 0xff, 2, [15] = 0x16 };

	return seal(host, all_routers, length, frame, ip_offset);
}

static void write_head(unsigned records, uint8_t *message)
{
	store_be64(message, (uint64_t)ICMPV6_MLD_REPORT << 56 | records);
}

// Returns the message's length.
static uint16_t write_all(const struct host *host, uint8_t type, uint16_t groups, uint8_t *message)
{
	uint8_t *record = message + MESSAGE_SIZE;

	write_head((unsigned)__builtin_popcount(groups), message);
	for (; groups != 0; groups &= (uint16_t)(groups - 1), record += RECORD_SIZE) {
		store_be32(record, (uint32_t)type << 24);
		write_group(host, (unsigned)__builtin_ctz(groups), record + RECORD_GROUP);
	}
	return (uint16_t)(record - message);
}

// Made of the query in its place. RFC 3810 sections 6.2 and 6.3: of the sources that it names, those
// we listen to, which are all of them.
static uint16_t write_one(uint16_t sources, uint8_t *message)
{
	uint8_t *record = message + MESSAGE_SIZE;

	memmove(record + RECORD_GROUP, message + QUERY_GROUP, 16);
	write_head(1, message);
	record[0] = sources > 0 ? MODE_IS_INCLUDE : MODE_IS_EXCLUDE;
	record[1] = 0;
	store_be16(record + RECORD_SOURCES, sources);
	return (uint16_t)(QUERY_SIZE + sources * SOURCE_SIZE);
}

// RFC 2710 section 3, to the group itself. Returns the frame's length.
static uint16_t write_v1(const struct host *host, const uint8_t group[16], uint8_t *frame,
		uint16_t ip_offset)
{
	uint8_t *message = frame + ip_offset + IPV6_SIZE + HOP_BY_HOP_SIZE;

	store_be64(message, (uint64_t)ICMPV6_MLD_REPORT_V1 << 56);
	memcpy(message + QUERY_GROUP, group, 16);
	return seal(host, group, QUERY_SIZE_V1, frame, ip_offset);
}

static bool is_v1(const struct frame *frame)
{
	return frame->payload_length == QUERY_SIZE_V1;
}

static bool is_general(const struct frame *frame)
{
	return is_zero(frame->start + frame->payload_offset + QUERY_GROUP);
}

static unsigned count_sources(const struct frame *frame)
{
	if (is_v1(frame))
		return 0;
	return load_be16(frame->start + frame->payload_offset + QUERY_SOURCES);
}

static unsigned answer_end(const struct host *host, const struct frame *frame)
{
	if (is_v1(frame))
		return frame->payload_offset + QUERY_SIZE_V1;
	if (!is_general(frame))
		return frame->payload_offset + QUERY_SIZE + count_sources(frame) * SOURCE_SIZE;
	return frame->payload_offset + MESSAGE_SIZE
			+ (unsigned)__builtin_popcount(groups_of(host)) * RECORD_SIZE;
}

enum verdict mld_judge_query(const struct host *host, const struct frame *frame)
{
	const uint8_t *group = frame->start + frame->payload_offset + QUERY_GROUP;
	unsigned length = frame->payload_length;

	// RFC 3810 sections 5.1.14 and 6.2.
	if (!is_link_local(frame->source.bytes))
		return VERDICT_IP_SOURCE;
	if (frame->start[frame->ip_offset + IPV6_HOP_LIMIT] != HOP_LIMIT)
		return VERDICT_ICMP_MALFORMED;
	// Section 8.1.
	if (length != QUERY_SIZE_V1 && length < QUERY_SIZE)
		return VERDICT_ICMP_MALFORMED;
	unsigned sources = count_sources(frame);

	if (sources > 0 && (is_general(frame) || QUERY_SIZE + sources * SOURCE_SIZE > length))
		return VERDICT_ICMP_MALFORMED;
	if (is_general(frame) ? groups_of(host) == 0 : !host_is_in_group(host, group))
		return VERDICT_ICMP_IGNORED;
	return answer_end(host, frame) > frame->room ? VERDICT_ICMP_MALFORMED : VERDICT_PENDING;
}

unsigned mld_count_reports(const struct host *host, const struct frame *frame)
{
	if (!is_v1(frame) || !is_general(frame))
		return 1;
	return (unsigned)__builtin_popcount(groups_of(host));
}

// The first group goes into the frame, the rest is owed where the query came from.
static uint16_t answer_general_v1(
		const struct host *host, const struct frame *frame, struct mld_owed *owed)
{
	uint16_t groups = groups_of(host);
	uint8_t group[16];

	write_group(host, (unsigned)__builtin_ctz(groups), group);
	owed->groups = groups & (uint16_t)(groups - 1);
	owed->tags.size = (uint8_t)(frame->ip_offset - ETHERNET_SIZE);
	memcpy(owed->tags.bytes, frame->start + ETHERNET_TYPE, owed->tags.size);
	return write_v1(host, group, frame->start, frame->ip_offset);
}

static uint16_t answer_v1(const struct host *host, const struct frame *frame, struct mld_owed *owed)
{
	uint8_t group[16];

	if (is_general(frame))
		return answer_general_v1(host, frame, owed);
	memcpy(group, frame->start + frame->payload_offset + QUERY_GROUP, sizeof(group));
	return write_v1(host, group, frame->start, frame->ip_offset);
}

static uint16_t answer_v2(const struct host *host, const struct frame *frame)
{
	uint8_t *message = frame->start + frame->payload_offset;
	uint16_t length;

	if (is_general(frame))
		length = write_all(host, MODE_IS_EXCLUDE, groups_of(host), message);
	else
		length = write_one((uint16_t)count_sources(frame), message);
	return seal_v2(host, length, frame->start, frame->ip_offset);
}

void mld_answer(const struct host *host, struct frame *frame, struct mld_owed *owed)
{
	frame->length = is_v1(frame) ? answer_v1(host, frame, owed) : answer_v2(host, frame);
}

uint16_t mld_write_report(const struct host *host, uint8_t *report)
{
	uint16_t groups = groups_of(host), ip_offset = host_write_tag(host, report);

	if (groups == 0)
		return 0;
	uint16_t length = write_all(host, CHANGE_TO_EXCLUDE, groups,
			report + ip_offset + IPV6_SIZE + HOP_BY_HOP_SIZE);

	return seal_v2(host, length, report, ip_offset);
}

uint16_t mld_write_owed(const struct host *host, struct mld_owed *owed, uint8_t *report)
{
	uint16_t ip_offset = ETHERNET_SIZE + owed->tags.size;
	// Addresses may have gone since.
	uint16_t groups = owed->groups & groups_of(host);
	uint8_t group[16];

	owed->groups = groups & (uint16_t)(groups - 1);
	if (groups == 0)
		return 0;
	write_group(host, (unsigned)__builtin_ctz(groups), group);
	memcpy(report + ETHERNET_TYPE, owed->tags.bytes, owed->tags.size);
	return write_v1(host, group, report, ip_offset);
}
