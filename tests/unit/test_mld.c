// SPDX-License-Identifier: BSD-3-Clause
// frame/mld: queries are told apart from everything else with an extension header, and answered with
// the groups in which we are solicited.
#include "frame/neighbor.h"
#include "unit.h"
#include "wire.h"

#include <string.h>

#define ROOM      1600
#define MESSAGE   (WIRE_IP + 48)
#define QUERIER   "fe80::9"
#define ALL_NODES "ff02::1"
#define OUR_GROUP "ff02::1:ff00:10"
#define MS        UINT64_C(1'000'000)

// Of wire_host(): 2001:db8::10 and fe80::1:2:3.
static const char *const our_groups[] = { OUR_GROUP, "ff02::1:ff02:3" };

static void assert_at(const uint8_t *bytes, const char *text)
{
	struct address address = wire_address(text);

	assert_memory_equal(bytes, address.bytes, 16);
}

// Everything around the message; RFC 3810 sections 5 and 5.2.13.
static void assert_headers(const struct wire *report, const char *source, const char *destination,
		unsigned length)
{
	static const uint8_t hop_by_hop[8] = { 58, 0, 5, 2, 0, 0, 1, 0 };
	const uint8_t *ip = report->bytes + WIRE_IP;

	assert_int_equal(report->length, MESSAGE + length);
	assert_int_equal(wire_get16(report->bytes), 0x3333);
	assert_memory_equal(report->bytes + 2, wire_address(destination).bytes + 12, 4);
	assert_memory_equal(report->bytes + 6, wire_our_mac, 6);
	assert_int_equal(wire_get16(report->bytes + 12), 0x86dd);
	assert_int_equal(wire_get16(ip), 0x6000 + 46 * 64);
	assert_int_equal(wire_get16(ip + 2), 0);
	assert_int_equal(wire_get16(ip + 4), 8 + length);
	assert_int_equal(ip[6], 0);
	assert_int_equal(ip[7], 1);
	assert_at(ip + 8, source);
	assert_at(ip + 24, destination);
	assert_memory_equal(ip + 40, hop_by_hop, 8);
	assert_true(wire_checksums_are_right(report->bytes));
}

// A version 2 report of `count` records without sources.
static void assert_report(const struct wire *report, const char *source, unsigned type,
		const char *const *groups, unsigned count)
{
	const uint8_t *message = report->bytes + MESSAGE;

	assert_headers(report, source, "ff02::16", 8 + 20 * count);
	assert_int_equal(wire_get16(message), 143 * 256);
	assert_int_equal(wire_get16(message + 4), 0);
	assert_int_equal(wire_get16(message + 6), count);
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *record = message + 8 + (size_t)20 * i;

		assert_int_equal(wire_get16(record), type * 256);
		assert_int_equal(wire_get16(record + 2), 0);
		assert_at(record + 4, groups[i]);
	}
}

// RFC 2710 section 3
static void assert_report_v1(const struct wire *report, const char *group)
{
	static const uint8_t zeros[4];
	const uint8_t *message = report->bytes + MESSAGE;

	assert_headers(report, "fe80::1:2:3", group, 24);
	assert_int_equal(wire_get16(message), 131 * 256);
	assert_memory_equal(message + 4, zeros, 4);
	assert_at(message + 8, group);
}

static struct host host_with(const char *const *addresses, unsigned count)
{
	struct host host = wire_host();

	host.address_count = count;
	for (unsigned i = 0; i < count; i++)
		host.addresses[i].address = wire_address(addresses[i]);
	return host;
}

// RFC 3810 section 5.1.15: whichever of our addresses it comes to.
static void a_general_query_is_answered_with_all_groups(void **)
{
	static const char *const destinations[] = { ALL_NODES, OUR_GROUP, "ff02::1:ff02:3",
		"2001:db8::10", "fe80::1:2:3" };
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(destinations) / sizeof(destinations[0]); i++) {
		for (unsigned length = 28; length < 80; length++) {
			struct wire wire;

			wire_query(&wire, QUERIER, destinations[i], "::", length);
			assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_MLD_ANSWERED);
			assert_report(&wire, "fe80::1:2:3", 2, our_groups, 2);
		}
	}
}

static void a_query_for_a_group_of_ours_is_answered_with_it(void **)
{
	struct host host = wire_host();

	for (unsigned i = 0; i < 2; i++) {
		struct wire wire;

		wire_query(&wire, QUERIER, our_groups[i], our_groups[i], 28);
		assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_MLD_ANSWERED);
		assert_report(&wire, "fe80::1:2:3", 2, &our_groups[i], 1);
	}
}

// RFC 3810 section 6.3: who hears everybody includes each that is named.
static void sources_asked_for_are_listened_to(void **)
{
	struct host host = wire_host();

	for (unsigned sources = 1; sources <= 89; sources++) {
		struct wire wire;

		wire_query(&wire, QUERIER, OUR_GROUP, OUR_GROUP, 28 + 16 * sources + 3);
		wire_put16(wire.bytes + MESSAGE + 26, sources);
		for (unsigned i = 0; i < 16 * sources + 3; i++)
			wire.bytes[MESSAGE + 28 + i] = (uint8_t)(i * 7 + sources);
		wire_seal(&wire);
		uint8_t asked[16 * 89];

		memcpy(asked, wire.bytes + MESSAGE + 28, sizeof(asked));
		assert_int_equal(wire_answer(&host, &wire, wire.length), VERDICT_MLD_ANSWERED);
		assert_headers(&wire, "fe80::1:2:3", "ff02::16", 28 + 16 * sources);
		assert_int_equal(wire.bytes[MESSAGE], 143);
		assert_int_equal(wire_get16(wire.bytes + MESSAGE + 6), 1);
		assert_int_equal(wire_get16(wire.bytes + MESSAGE + 8), 1 * 256);
		assert_int_equal(wire_get16(wire.bytes + MESSAGE + 10), sources);
		assert_at(wire.bytes + MESSAGE + 12, OUR_GROUP);
		assert_memory_equal(wire.bytes + MESSAGE + 28, asked, (size_t)16 * sources);
	}
}

// RFC 3810 section 8.2.1
static void version_1_is_answered_in_its_form(void **)
{
	struct host host = wire_host();

	for (unsigned i = 0; i < 2; i++) {
		struct neighbor neighbor = { 0 };
		struct wire wire;

		wire_query(&wire, QUERIER, our_groups[i], our_groups[i], 24);
		struct frame frame = wire_receive(&wire, ROOM);

		assert_int_equal(frame_classify(&host, &frame), VERDICT_PENDING);
		assert_int_equal(
				neighbor_answer(&neighbor, &host, &frame, 0), VERDICT_MLD_ANSWERED);
		memcpy(wire.bytes, frame.start, frame.length);
		wire.length = frame.length;
		assert_report_v1(&wire, our_groups[i]);
		assert_int_equal(neighbor_report_owed(&neighbor, &host, wire.bytes), 0);
		free(frame.start);
	}
}

// Answers the query and leaves the answer in its place.
static void answer_into(struct neighbor *neighbor, const struct host *host, struct wire *wire)
{
	struct frame frame = wire_receive(wire, ROOM);

	assert_int_equal(frame_classify(host, &frame), VERDICT_PENDING);
	assert_int_equal(neighbor_answer(neighbor, host, &frame, 0), VERDICT_MLD_ANSWERED);
	memcpy(wire->bytes, frame.start, frame.length);
	wire->length = frame.length;
	free(frame.start);
}

static void what_does_not_fit_into_one_report_of_version_1_is_owed(void **)
{
	struct host host = wire_host();

	for (unsigned tags = 0; tags <= 2; tags++) {
		struct neighbor neighbor = { 0 };
		struct wire wire, second;

		wire_query(&wire, QUERIER, ALL_NODES, "::", 24);
		for (unsigned i = 0; i < tags; i++)
			wire_tag(&wire, 0x88a8, 0xa005 + i);
		answer_into(&neighbor, &host, &wire);
		memset(second.bytes, 0xee, sizeof(second.bytes));
		second.length = neighbor_report_owed(&neighbor, &host, second.bytes);
		assert_int_equal(second.length, wire.length);
		assert_true(wire_untag(&second, tags) == wire_untag(&wire, tags));
		assert_report_v1(&wire, our_groups[0]);
		assert_report_v1(&second, our_groups[1]);
		assert_int_equal(neighbor_report_owed(&neighbor, &host, second.bytes), 0);
	}
}

static void nothing_is_owed_for_addresses_that_have_gone(void **)
{
	struct host host = wire_host();
	struct neighbor neighbor = { 0 };
	struct wire wire;

	wire_query(&wire, QUERIER, ALL_NODES, "::", 24);
	answer_into(&neighbor, &host, &wire);
	host.address_count = 2;
	assert_int_equal(neighbor_report_owed(&neighbor, &host, wire.bytes), 0);
	assert_int_equal(neighbor.owed.groups, 0);
}

// Solicited-node groups have only the last three bytes of an address.
static void a_group_is_reported_once(void **)
{
	static const char *const addresses[] = { "2001:db8::1:10", "192.0.2.1", "fd00::1:10",
		"fd00::2:10", "2001:db8:1::2:10", "fd00:1::1:10" };
	static const char *const groups[] = { "ff02::1:ff01:10", "ff02::1:ff02:10" };
	struct host host = host_with(addresses, 6);
	struct neighbor neighbor = { 0 };
	struct wire wire;

	wire.length = neighbor_report(&host, wire.bytes);
	assert_report(&wire, "fe80::ff:fe00:1", 4, groups, 2);
	wire_query(&wire, QUERIER, ALL_NODES, "::", 28);
	answer_into(&neighbor, &host, &wire);
	assert_report(&wire, "fe80::ff:fe00:1", 2, groups, 2);
	wire_query(&wire, QUERIER, ALL_NODES, "::", 24);
	answer_into(&neighbor, &host, &wire);
	assert_at(wire.bytes + MESSAGE + 8, groups[0]);
	assert_int_equal(neighbor_report_owed(&neighbor, &host, wire.bytes), 86);
	assert_at(wire.bytes + MESSAGE + 8, groups[1]);
	assert_int_equal(neighbor_report_owed(&neighbor, &host, wire.bytes), 0);
}

static void as_many_groups_as_addresses_fit(void **)
{
	struct host host = wire_host();
	struct wire wire;

	host.address_count = HOST_ADDRESSES;
	for (unsigned i = 0; i < HOST_ADDRESSES; i++) {
		host.addresses[i].address = wire_address("2001:db8::");
		host.addresses[i].address.bytes[15] = (uint8_t)(i + 1);
	}
	host.vlan = 7;
	wire.length = neighbor_report(&host, wire.bytes);
	assert_int_equal(wire.length, REPORT_SIZE);
	wire_untag(&wire, 1);
	assert_true(wire_checksums_are_right(wire.bytes));
	assert_int_equal(wire_get16(wire.bytes + MESSAGE + 6), HOST_ADDRESSES);
}

static void without_ipv6_there_is_nothing_to_report(void **)
{
	static const char *const addresses[] = { "192.0.2.10", "198.51.100.77" };
	struct host host = host_with(addresses, 2);
	struct wire wire;

	assert_int_equal(neighbor_report(&host, wire.bytes), 0);
	for (unsigned length = 24; length <= 28; length += 4) {
		wire_query(&wire, QUERIER, ALL_NODES, "::", length);
		assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ICMP_IGNORED);
	}
}

// RFC 3810 section 5.2.13: a link-local address, whichever we have; RFC 4291 appendix A.
static void reports_come_from_a_link_local_address(void **)
{
	static const struct {
		const char *addresses[3], *source;
		uint8_t mac[6];
	} rows[] = {
		{ { "2001:db8::1", "fe80::5", "fe80::6" }, "fe80::5", { 2, 0, 0, 0, 0, 1 } },
		{ { "febf::5", "fe80::6", "::9" }, "febf::5", { 2, 0, 0, 0, 0, 1 } },
		{ { "fec0::5", "fd00::6", "2001:db8::1" }, "fe80::ff:fe00:1",
				{ 2, 0, 0, 0, 0, 1 } },
		{ { "fe40::5", "ff80::6", "192.0.2.1" }, "fe80::1034:56ff:fe78:9abc",
				{ 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc } },
		{ { "254.128.0.1", "2001:db8::1", "::9" }, "fe80::21b:21ff:fe01:203",
				{ 0x00, 0x1b, 0x21, 0x01, 0x02, 0x03 } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct host host = host_with(rows[i].addresses, 3);
		struct wire wire;

		memcpy(host.mac, rows[i].mac, 6);
		assert_true(neighbor_report(&host, wire.bytes) > 0);
		assert_at(wire.bytes + WIRE_IP + 8, rows[i].source);
		assert_memory_equal(wire.bytes + 6, rows[i].mac, 6);
		assert_true(wire_checksums_are_right(wire.bytes));
	}
}

static void the_first_report_changes_to_listening(void **)
{
	struct host host = wire_host();
	struct wire wire;

	memset(wire.bytes, 0xee, sizeof(wire.bytes));
	wire.length = neighbor_report(&host, wire.bytes);
	assert_report(&wire, "fe80::1:2:3", 4, our_groups, 2);
}

struct edit {
	const char *what;
	uint8_t at, value;
	enum verdict verdict;
};

// P3: with anything but this hop-by-hop header it is a packet with extension headers like others.
static void only_a_query_with_a_router_alert_passes(void **)
{
	static const struct {
		const char *what;
		uint8_t header[8];
		enum verdict verdict;
	} rows[] = {
		{ "as Linux sends it", { 58, 0, 5, 2, 0, 0, 1, 0 }, VERDICT_MLD_ANSWERED },
		{ "padding first", { 58, 0, 1, 0, 5, 2, 0, 0 }, VERDICT_MLD_ANSWERED },
		{ "single paddings", { 58, 0, 0, 5, 2, 0, 0, 0 }, VERDICT_MLD_ANSWERED },
		{ "no alert", { 58, 0, 1, 4, 0, 0, 0, 0 }, VERDICT_IP_EXTENSION },
		{ "no option but padding", { 58, 0, 0, 0, 0, 0, 0, 0 }, VERDICT_IP_EXTENSION },
		{ "alert for RSVP", { 58, 0, 5, 2, 0, 1, 1, 0 }, VERDICT_IP_EXTENSION },
		{ "alert of no size", { 58, 0, 5, 0, 1, 2, 0, 0 }, VERDICT_IP_EXTENSION },
		{ "alert of four", { 58, 0, 5, 4, 0, 0, 0, 0 }, VERDICT_IP_EXTENSION },
		{ "alert cut", { 58, 0, 1, 1, 0, 5, 2, 0 }, VERDICT_IP_EXTENSION },
		{ "alert cut at its size", { 58, 0, 1, 3, 0, 0, 0, 5 }, VERDICT_IP_EXTENSION },
		{ "padding beyond the header", { 58, 0, 5, 2, 0, 0, 1, 1 }, VERDICT_IP_EXTENSION },
		{ "padding cut", { 58, 0, 5, 2, 0, 0, 0, 1 }, VERDICT_IP_EXTENSION },
		{ "another option", { 58, 0, 5, 2, 0, 0, 194, 0 }, VERDICT_IP_EXTENSION },
		{ "longer header", { 58, 1, 5, 2, 0, 0, 1, 0 }, VERDICT_IP_EXTENSION },
		{ "longest header", { 58, 255, 5, 2, 0, 0, 1, 0 }, VERDICT_IP_EXTENSION },
		{ "UDP", { 17, 0, 5, 2, 0, 0, 1, 0 }, VERDICT_IP_EXTENSION },
		{ "another header", { 0, 0, 5, 2, 0, 0, 1, 0 }, VERDICT_IP_EXTENSION },
		{ "destination options", { 60, 0, 5, 2, 0, 0, 1, 0 }, VERDICT_IP_EXTENSION },
	};
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire wire;

		wire_query(&wire, QUERIER, ALL_NODES, "::", 28);
		memcpy(wire.bytes + WIRE_IP + 40, rows[i].header, 8);
		enum verdict verdict = wire_answer(&host, &wire, ROOM);

		if (verdict != rows[i].verdict)
			fail_msg("%s: %s", rows[i].what, verdict_name(verdict));
	}
}

static void no_other_icmp_has_an_extension_header(void **)
{
	struct host host = wire_host();

	for (unsigned type = 0; type < 256; type++) {
		struct wire wire;

		wire_query(&wire, QUERIER, ALL_NODES, "::", 28);
		wire.bytes[MESSAGE] = (uint8_t)type;
		wire_seal(&wire);
		assert_int_equal(wire_answer(&host, &wire, ROOM),
				type == 130 ? VERDICT_MLD_ANSWERED : VERDICT_IP_EXTENSION);
	}
}

// RFC 3810 section 6.2
static void a_query_without_the_header_is_no_query(void **)
{
	struct host host = wire_host();
	struct wire wire;

	wire_echo(&wire, QUERIER, "2001:db8::10", 20);
	wire.bytes[WIRE_UDP6] = 130;
	wire.bytes[WIRE_IP + 7] = 1;
	wire_seal(&wire);
	assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ICMP_IGNORED);
	wire_echo(&wire, QUERIER, ALL_NODES, 20);
	wire.bytes[WIRE_UDP6] = 130;
	wire_seal(&wire);
	assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_IP_MULTICAST);
}

// RFC 3810 sections 5.1.14, 5.1.15 and 6.2
static void queries_come_from_a_neighbour_to_us(void **)
{
	static const struct {
		const char *from, *to;
		enum verdict verdict;
	} rows[] = {
		{ "fe80::", ALL_NODES, VERDICT_MLD_ANSWERED },
		{ "febf::1", ALL_NODES, VERDICT_MLD_ANSWERED },
		{ "fec0::1", ALL_NODES, VERDICT_IP_SOURCE },
		{ "fe7f::1", ALL_NODES, VERDICT_IP_SOURCE },
		{ "2001:db8::1", ALL_NODES, VERDICT_IP_SOURCE },
		{ "2001:db8::1", "2001:db8::10", VERDICT_IP_SOURCE },
		{ "::", ALL_NODES, VERDICT_IP_SOURCE },
		{ "::1", ALL_NODES, VERDICT_IP_SOURCE },
		{ "ff02::1", ALL_NODES, VERDICT_IP_SOURCE },
		{ "fe80::1:2:3", ALL_NODES, VERDICT_IP_SOURCE }, // our own
		{ QUERIER, "ff01::1", VERDICT_IP_MULTICAST },
		{ QUERIER, "ff05::1", VERDICT_IP_MULTICAST },
		{ QUERIER, "ff02::2", VERDICT_IP_MULTICAST },
		{ QUERIER, "ff02::1:ff00:11", VERDICT_IP_MULTICAST },
		{ QUERIER, "ff05::1:ff00:10", VERDICT_IP_MULTICAST },
		{ QUERIER, "2001:db8::11", VERDICT_IP_FOREIGN },
	};
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire wire;

		wire_query(&wire, rows[i].from, rows[i].to, "::", 28);
		// Past the Ethernet filter, whose business it is not to know groups.
		memcpy(wire.bytes, wire_our_mac, 6);
		enum verdict verdict = wire_answer(&host, &wire, ROOM);

		if (verdict != rows[i].verdict)
			fail_msg("%s > %s: %s", rows[i].from, rows[i].to, verdict_name(verdict));
	}
}

static void queries_must_be_right(void **)
{
	static const struct edit rows[] = {
		{ "hop limit 0", WIRE_IP + 7, 0, VERDICT_ICMP_MALFORMED },
		{ "hop limit 2", WIRE_IP + 7, 2, VERDICT_ICMP_MALFORMED },
		{ "hop limit 255", WIRE_IP + 7, 255, VERDICT_ICMP_MALFORMED },
		{ "any code", MESSAGE + 1, 7, VERDICT_MLD_ANSWERED },
		{ "no delay", MESSAGE + 4, 0, VERDICT_MLD_ANSWERED },
		{ "reserved bits", MESSAGE + 6, 0xff, VERDICT_MLD_ANSWERED },
		{ "flags and robustness", MESSAGE + 24, 0xff, VERDICT_MLD_ANSWERED },
		{ "a source that is not there", MESSAGE + 27, 1, VERDICT_ICMP_MALFORMED },
		{ "4096 sources", MESSAGE + 26, 16, VERDICT_ICMP_MALFORMED },
		{ "another group", MESSAGE + 23, 0x11, VERDICT_ICMP_IGNORED },
		{ "a wider group", MESSAGE + 9, 5, VERDICT_ICMP_IGNORED },
		{ "all but general", MESSAGE + 8, 0, VERDICT_ICMP_IGNORED },
	};
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire wire;

		wire_query(&wire, QUERIER, OUR_GROUP, OUR_GROUP, 28);
		wire.bytes[rows[i].at] = rows[i].value;
		wire_seal(&wire);
		enum verdict verdict = wire_answer(&host, &wire, ROOM);

		if (verdict != rows[i].verdict)
			fail_msg("%s: %s", rows[i].what, verdict_name(verdict));
	}
}

static void groups_that_nobody_joins_are_not_reported(void **)
{
	static const char *const groups[] = { ALL_NODES, "ff02::16", "ff02::101", "2001:db8::10",
		"fe80::1:2:3", "ff02::1:ff00:0", "::1", "::ffff:ffff:ffff:ffff" };
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		for (unsigned length = 24; length <= 28; length += 4) {
			struct wire wire;

			wire_query(&wire, QUERIER, ALL_NODES, groups[i], length);
			assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ICMP_IGNORED);
		}
	}
}

// RFC 3810 section 8.1: 24 octets are version 1, 28 and more version 2.
static void the_length_tells_the_version(void **)
{
	struct host host = wire_host();

	for (unsigned length = 0; length <= 40; length++) {
		struct wire wire;

		wire_query(&wire, QUERIER, ALL_NODES, "::", 40);
		wire_put16(wire.bytes + WIRE_IP + 4, 8 + length);
		wire_seal(&wire);
		enum verdict verdict = wire_answer(&host, &wire, ROOM);
		unsigned type = wire.bytes[MESSAGE];

		if (length < 8) {
			assert_int_equal(verdict, VERDICT_IP_EXTENSION);
		} else if (length != 24 && length < 28) {
			assert_int_equal(verdict, VERDICT_ICMP_MALFORMED);
		} else {
			assert_int_equal(verdict, VERDICT_MLD_ANSWERED);
			assert_int_equal(type, length == 24 ? 131 : 143);
		}
	}
}

static void a_general_query_names_no_sources(void **)
{
	struct host host = wire_host();
	struct wire wire;

	wire_query(&wire, QUERIER, ALL_NODES, "::", 44);
	wire.bytes[MESSAGE + 27] = 1;
	wire_seal(&wire);
	assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ICMP_MALFORMED);
}

static void sources_end_with_the_message(void **)
{
	struct host host = wire_host();

	for (unsigned length = 28; length < 100; length++) {
		for (unsigned sources = 0; sources < 6; sources++) {
			struct wire wire;

			wire_query(&wire, QUERIER, OUR_GROUP, OUR_GROUP, length);
			wire_put16(wire.bytes + MESSAGE + 26, sources);
			wire_seal(&wire);
			assert_int_equal(wire_answer(&host, &wire, wire.length),
					28 + 16 * sources > length ? VERDICT_ICMP_MALFORMED
								   : VERDICT_MLD_ANSWERED);
		}
	}
}

static void a_query_is_summed_unless_the_port_did(void **)
{
	struct host host = wire_host();

	for (unsigned at = MESSAGE + 1; at < MESSAGE + 28; at++) {
		struct wire wire;

		if (at >= MESSAGE + 26 || (at >= MESSAGE + 8 && at < MESSAGE + 24))
			continue;
		wire_query(&wire, QUERIER, ALL_NODES, "::", 28);
		wire.bytes[at] ^= 1;
		assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ICMP_MALFORMED);

		struct neighbor neighbor = { 0 };
		struct frame frame = wire_receive(&wire, ROOM);

		frame.checksum_known_good = true;
		assert_int_equal(frame_classify(&host, &frame), VERDICT_PENDING);
		assert_int_equal(
				neighbor_answer(&neighbor, &host, &frame, 0), VERDICT_MLD_ANSWERED);
		assert_true(wire_checksums_are_right(frame.start));
		free(frame.start);
	}
}

static void a_report_needs_its_room(void **)
{
	struct host host = wire_host();

	for (unsigned tags = 0; tags <= 2; tags++) {
		for (uint16_t room = 98; room < 130; room++) {
			struct wire wire;

			wire_query(&wire, QUERIER, ALL_NODES, "::", 28);
			for (unsigned i = 0; i < tags; i++)
				wire_tag(&wire, 0x8100, 7);
			// Two records of 20 behind 8.
			assert_int_equal(wire_answer(&host, &wire, room),
					room < MESSAGE + 48 + 4 * tags ? VERDICT_ICMP_MALFORMED
								       : VERDICT_MLD_ANSWERED);
		}
	}
}

// How many of `count` queries are answered.
static unsigned answered(
		struct neighbor *neighbor, const struct wire *wire, unsigned count, uint64_t now_ns)
{
	struct host host = wire_host();
	unsigned answers = 0;

	for (unsigned i = 0; i < count; i++) {
		struct frame frame = wire_receive(wire, ROOM);

		assert_int_equal(frame_classify(&host, &frame), VERDICT_PENDING);
		enum verdict verdict = neighbor_answer(neighbor, &host, &frame, now_ns);

		assert_true(verdict == VERDICT_NEIGHBOR_LIMITED || verdict == VERDICT_MLD_ANSWERED);
		answers += verdict == VERDICT_MLD_ANSWERED;
		free(frame.start);
	}
	return answers;
}

// F28: each report counts, so that version 1 with two groups gets half as many answers.
static void a_flood_gets_no_more_reports_than_the_rate(void **)
{
	static const struct {
		const char *group;
		unsigned length, reports;
	} rows[] = { { "::", 28, 1 }, { OUR_GROUP, 28, 1 }, { OUR_GROUP, 24, 1 }, { "::", 24, 2 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct neighbor neighbor = { 0 };
		unsigned reports = rows[i].reports;
		struct wire wire, arp;

		wire_query(&wire, QUERIER, ALL_NODES, rows[i].group, rows[i].length);
		assert_int_equal(answered(&neighbor, &wire, 150, MS), 100 / reports);
		assert_int_equal(answered(&neighbor, &wire, 9, 2 * MS - 1), 0);
		assert_int_equal(answered(&neighbor, &wire, 90, 21 * MS), 20 / reports);
		assert_int_equal(answered(&neighbor, &wire, 150, 5000 * MS), 100 / reports);
		// Solicitations and ARP share the bucket.
		wire_arp(&arp, 1, "192.0.2.1", "192.0.2.10");
		struct host host = wire_host();
		struct frame frame = wire_receive(&arp, ROOM);

		assert_int_equal(frame_classify(&host, &frame), VERDICT_PENDING);
		assert_int_equal(neighbor_answer(&neighbor, &host, &frame, 5000 * MS),
				VERDICT_NEIGHBOR_LIMITED);
		free(frame.start);
	}
}

static void reports_are_all_allowed_or_none(void **)
{
	struct neighbor neighbor = { 0 };
	struct wire one, two;

	wire_query(&one, QUERIER, ALL_NODES, "::", 28);
	wire_query(&two, QUERIER, ALL_NODES, "::", 24);
	assert_int_equal(answered(&neighbor, &one, 99, MS), 99);
	assert_int_equal(answered(&neighbor, &two, 1, MS), 0);
	assert_int_equal(answered(&neighbor, &two, 1, 2 * MS), 1);
	assert_int_equal(answered(&neighbor, &one, 1, 2 * MS), 0);
}

static void what_is_refused_costs_no_answer(void **)
{
	struct host host = wire_host();
	struct neighbor neighbor = { 0 };
	struct wire wrong[3], right;

	wire_query(&wrong[0], QUERIER, ALL_NODES, "::", 28);
	wrong[0].bytes[MESSAGE + 4] ^= 1;
	wire_query(&wrong[1], QUERIER, ALL_NODES, "ff02::101", 28);
	wire_query(&wrong[2], "2001:db8::1", ALL_NODES, "::", 24);
	for (unsigned i = 0; i < 600; i++) {
		struct frame frame = wire_receive(&wrong[i % 3], ROOM);

		assert_int_equal(frame_classify(&host, &frame), VERDICT_PENDING);
		assert_false(verdict_is_answer(neighbor_answer(&neighbor, &host, &frame, MS)));
		assert_int_equal(neighbor.owed.groups, 0);
		free(frame.start);
	}
	wire_query(&right, QUERIER, ALL_NODES, "::", 28);
	assert_int_equal(answered(&neighbor, &right, 150, MS), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_general_query_is_answered_with_all_groups),
		cmocka_unit_test(a_query_for_a_group_of_ours_is_answered_with_it),
		cmocka_unit_test(sources_asked_for_are_listened_to),
		cmocka_unit_test(version_1_is_answered_in_its_form),
		cmocka_unit_test(what_does_not_fit_into_one_report_of_version_1_is_owed),
		cmocka_unit_test(nothing_is_owed_for_addresses_that_have_gone),
		cmocka_unit_test(a_group_is_reported_once),
		cmocka_unit_test(as_many_groups_as_addresses_fit),
		cmocka_unit_test(without_ipv6_there_is_nothing_to_report),
		cmocka_unit_test(reports_come_from_a_link_local_address),
		cmocka_unit_test(the_first_report_changes_to_listening),
		cmocka_unit_test(only_a_query_with_a_router_alert_passes),
		cmocka_unit_test(no_other_icmp_has_an_extension_header),
		cmocka_unit_test(a_query_without_the_header_is_no_query),
		cmocka_unit_test(queries_come_from_a_neighbour_to_us),
		cmocka_unit_test(queries_must_be_right),
		cmocka_unit_test(groups_that_nobody_joins_are_not_reported),
		cmocka_unit_test(the_length_tells_the_version),
		cmocka_unit_test(a_general_query_names_no_sources),
		cmocka_unit_test(sources_end_with_the_message),
		cmocka_unit_test(a_query_is_summed_unless_the_port_did),
		cmocka_unit_test(a_report_needs_its_room),
		cmocka_unit_test(a_flood_gets_no_more_reports_than_the_rate),
		cmocka_unit_test(reports_are_all_allowed_or_none),
		cmocka_unit_test(what_is_refused_costs_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
