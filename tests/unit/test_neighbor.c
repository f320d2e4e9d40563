// SPDX-License-Identifier: BSD-3-Clause
// frame/neighbor: what is owed to the link is given, and to whom it is owed.
// Letters and numbers name the test catalogue's rows.
#include "frame/neighbor.h"
#include "unit.h"
#include "wire.h"

#include <string.h>

#define ROOM 1600

static void assert_mac_pair(const uint8_t *frame, const uint8_t *destination)
{
	assert_memory_equal(frame, destination, 6);
	assert_memory_equal(frame + 6, wire_our_mac, 6);
}

static void assert_zero(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		assert_int_equal(bytes[i], 0);
}

static void assert_arp_reply(const struct wire *reply, const char *asker, const char *asked)
{
	static const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, 2 };
	const uint8_t *arp = reply->bytes + WIRE_IP;

	assert_int_equal(wire_get16(reply->bytes + 12), 0x0806);
	assert_memory_equal(arp, head, sizeof(head));
	assert_memory_equal(arp + 8, wire_our_mac, 6);
	assert_memory_equal(arp + 14, wire_address(asked).bytes, 4);
	assert_memory_equal(arp + 18, wire_peer_mac, 6);
	assert_memory_equal(arp + 24, wire_address(asker).bytes, 4);
}

// P8: request, and RFC 5227's probe.
static void arp_requests_and_probes_are_answered(void **)
{
	static const char *const rows[][2] = {
		{ "192.0.2.1", "192.0.2.10" },
		{ "0.0.0.0", "192.0.2.10" },
		{ "203.0.113.7", "203.0.113.6" },
		{ "172.16.0.1", "10.9.8.7" },
	};
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned unicast = 0; unicast < 2; unicast++) {
			struct wire wire;

			wire_arp(&wire, 1, rows[i][0], rows[i][1]);
			memset(wire.bytes + 42, 0xee, 18);
			if (unicast)
				memcpy(wire.bytes, wire_our_mac, 6);
			assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ARP_ANSWERED);
			assert_mac_pair(wire.bytes, wire_peer_mac);
			assert_arp_reply(&wire, rows[i][0], rows[i][1]);
			assert_int_equal(wire.length, 60);
			assert_zero(wire.bytes + 42, 18);
		}
	}
}

static void arp_without_padding_is_answered_within_its_room(void **)
{
	struct host host = wire_host();

	for (uint16_t room = 42; room < 64; room++) {
		struct wire wire;

		wire_arp(&wire, 1, "192.0.2.1", "192.0.2.10");
		wire.length = 42;
		assert_int_equal(wire_answer(&host, &wire, room), VERDICT_ARP_ANSWERED);
		assert_int_equal(wire.length, room < 60 ? 42 : 60);
		assert_arp_reply(&wire, "192.0.2.1", "192.0.2.10");
	}
}

// A relay may send for another card: the answer goes to the card that asks.
static void arp_is_answered_to_the_hardware_address_inside(void **)
{
	static const uint8_t other[6] = { 0x02, 0, 0, 0, 0, 0x55 };
	struct host host = wire_host();
	struct wire wire;

	wire_arp(&wire, 1, "192.0.2.1", "192.0.2.10");
	memcpy(wire.bytes + WIRE_IP + 8, other, 6);
	assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ARP_ANSWERED);
	assert_mac_pair(wire.bytes, other);
	assert_memory_equal(wire.bytes + WIRE_IP + 18, other, 6);
}

struct edit {
	const char *what;
	uint8_t at, value;
	enum verdict verdict;
};

// P8
static void arp_that_asks_nothing_of_ours_is_ignored(void **)
{
	static const struct {
		const char *what, *sender, *target;
		unsigned operation;
	} rows[] = {
		{ "another's", "192.0.2.1", "192.0.2.11", 1 },
		{ "the peer of a /31", "192.0.2.1", "203.0.113.7", 1 },
		{ "a reply", "192.0.2.1", "192.0.2.10", 2 },
		{ "RARP", "192.0.2.1", "192.0.2.10", 3 },
		{ "operation 257", "192.0.2.1", "192.0.2.10", 0x101 },
		{ "another's announcement", "192.0.2.1", "192.0.2.1", 1 },
		{ "an announcement of ours", "192.0.2.10", "192.0.2.10", 1 },
		{ "who has ours asks for another of ours", "192.0.2.10", "10.9.8.7", 1 },
	};
	static const struct edit edits[] = {
		{ "hardware", WIRE_IP + 1, 6, VERDICT_ARP_MALFORMED },
		{ "protocol", WIRE_IP + 3, 1, VERDICT_ARP_MALFORMED },
		{ "hardware size", WIRE_IP + 4, 8, VERDICT_ARP_MALFORMED },
		{ "protocol size", WIRE_IP + 5, 16, VERDICT_ARP_MALFORMED },
		{ "group sender", WIRE_IP + 8, 3, VERDICT_BAD_SOURCE_MAC },
		{ "our card as sender", WIRE_IP + 13, 1, VERDICT_BAD_SOURCE_MAC },
	};
	struct host host = wire_host();
	struct wire wire;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		wire_arp(&wire, rows[i].operation, rows[i].sender, rows[i].target);
		if (wire_answer(&host, &wire, ROOM) != VERDICT_ARP_IGNORED)
			fail_msg("%s", rows[i].what);
	}
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		wire_arp(&wire, 1, "192.0.2.1", "192.0.2.10");
		wire.bytes[edits[i].at] = edits[i].value;
		if (wire_answer(&host, &wire, ROOM) != edits[i].verdict)
			fail_msg("%s", edits[i].what);
	}
}

static void assert_advertisement(const struct host *host, const struct wire *reply, unsigned flags,
		const char *to, const char *target)
{
	const uint8_t *ip = reply->bytes + WIRE_IP, *icmp = ip + 40;
	struct address asked = wire_address(target), asker = wire_address(to);

	assert_int_equal(reply->length, 86);
	assert_int_equal(wire_get16(reply->bytes + 12), 0x86dd);
	assert_int_equal(wire_get16(ip), 0x6000 + host->dscp * 64U);
	assert_int_equal(wire_get16(ip + 2), 0);
	assert_int_equal(wire_get16(ip + 4), 32);
	assert_int_equal(ip[6], 58);
	assert_int_equal(ip[7], 255);
	assert_memory_equal(ip + 8, asked.bytes, 16);
	assert_memory_equal(ip + 24, asker.bytes, 16);
	assert_int_equal(icmp[0], 136);
	assert_int_equal(icmp[1], 0);
	assert_int_equal(icmp[4], flags);
	assert_zero(icmp + 5, 3);
	assert_memory_equal(icmp + 8, asked.bytes, 16);
	assert_int_equal(icmp[24], 2);
	assert_int_equal(icmp[25], 1);
	assert_memory_equal(icmp + 26, wire_our_mac, 6);
	assert_true(wire_checksums_are_right(reply->bytes));
}

// P9: RFC 4861 section 7.2.4
static void solicitations_are_answered_to_who_asks(void **)
{
	static const struct {
		const char *from, *target, *to;
		unsigned options;
	} rows[] = {
		{ "2001:db8::1", "2001:db8::10", NULL, 8 },
		{ "2001:db8::1", "2001:db8::10", NULL, 0 },
		{ "fe80::9", "fe80::1:2:3", NULL, 8 },
		{ "fe80::9", "2001:db8::10", NULL, 8 },
		{ "2001:db8::1", "2001:db8::10", "2001:db8::10", 8 },
		{ "2001:db8::1", "2001:db8::10", "2001:db8::10", 0 },
		{ "2001:db8::1", "2001:db8::10", "fe80::1:2:3", 8 },
	};
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire wire;

		wire_solicitation(&wire, rows[i].from, rows[i].target, wire_mac_option,
				rows[i].options);
		if (rows[i].to) {
			struct address to = wire_address(rows[i].to);

			memcpy(wire.bytes, wire_our_mac, 6);
			memcpy(wire.bytes + WIRE_IP + 24, to.bytes, 16);
			wire_seal(&wire);
		}
		assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ND_ANSWERED);
		assert_mac_pair(wire.bytes, wire_peer_mac);
		assert_advertisement(&host, &wire, 0x60, rows[i].from, rows[i].target);
	}
}

// P9: RFC 4862 section 5.4.3, with and without RFC 7527's nonce
static void duplicates_of_our_addresses_are_told_to_all_nodes(void **)
{
	static const uint8_t all_nodes_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t nonce[8] = { 14, 1, 1, 2, 3, 4, 5, 6 };
	struct host host = wire_host();

	for (unsigned options = 0; options <= 8; options += 8) {
		struct wire wire;

		wire_solicitation(&wire, "::", "2001:db8::10", nonce, options);
		assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ND_ANSWERED);
		assert_mac_pair(wire.bytes, all_nodes_mac);
		assert_advertisement(&host, &wire, 0x20, "ff02::1", "2001:db8::10");
	}
}

// P8 (F28): RFC 4861 section 7.1.1
static void solicitations_must_be_right(void **)
{
	static const struct edit rows[] = {
		{ "hop limit 254", WIRE_IP + 7, 254, VERDICT_ICMP_MALFORMED },
		{ "hop limit 64", WIRE_IP + 7, 64, VERDICT_ICMP_MALFORMED },
		{ "code 1", WIRE_UDP6 + 1, 1, VERDICT_ICMP_MALFORMED },
		{ "23 bytes", WIRE_IP + 5, 23, VERDICT_ICMP_MALFORMED },
		{ "8 bytes", WIRE_IP + 5, 8, VERDICT_ICMP_MALFORMED },
		{ "24 bytes", WIRE_IP + 5, 24, VERDICT_ND_ANSWERED },
		{ "option cut at its type", WIRE_IP + 5, 25, VERDICT_ICMP_MALFORMED },
		{ "option cut at its length", WIRE_IP + 5, 26, VERDICT_ICMP_MALFORMED },
		{ "option cut", WIRE_IP + 5, 31, VERDICT_ICMP_MALFORMED },
		{ "option of length zero", WIRE_UDP6 + 25, 0, VERDICT_ICMP_MALFORMED },
		{ "option beyond the end", WIRE_UDP6 + 25, 2, VERDICT_ICMP_MALFORMED },
		{ "option far beyond the end", WIRE_UDP6 + 25, 255, VERDICT_ICMP_MALFORMED },
		{ "unknown option", WIRE_UDP6 + 24, 200, VERDICT_ND_ANSWERED },
		{ "multicast target", WIRE_UDP6 + 8, 0xff, VERDICT_ICMP_MALFORMED },
		{ "another address of our group", WIRE_UDP6 + 9, 2, VERDICT_ICMP_IGNORED },
		{ "reserved bits", WIRE_UDP6 + 4, 0xff, VERDICT_ND_ANSWERED },
	};
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire wire;

		wire_solicitation(&wire, "2001:db8::1", "2001:db8::10", wire_mac_option, 8);
		wire.bytes[rows[i].at] = rows[i].value;
		wire_seal(&wire);
		enum verdict verdict = wire_answer(&host, &wire, ROOM);

		if (verdict != rows[i].verdict)
			fail_msg("%s: %s", rows[i].what, verdict_name(verdict));
	}
}

static void who_has_no_address_must_solicit_the_group_without_telling_its_card(void **)
{
	struct host host = wire_host();
	struct wire wire;

	wire_solicitation(&wire, "::", "2001:db8::10", wire_mac_option, 8);
	assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ICMP_MALFORMED);
	wire_solicitation(&wire, "::", "2001:db8::10", NULL, 0);
	memcpy(wire.bytes + WIRE_IP + 24, wire_address("2001:db8::10").bytes, 16);
	wire_seal(&wire);
	assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ICMP_MALFORMED);
}

static void solicitations_for_each_length_of_options_stay_within_the_packet(void **)
{
	uint64_t random = test_seed();
	struct host host = wire_host();

	for (unsigned round = 0; round < 50'000; round++) {
		uint8_t options[80];
		unsigned length = (unsigned)random_below(&random, sizeof(options) + 1);
		unsigned at = 0;
		bool good = true;
		struct wire wire;

		for (unsigned i = 0; i < length; i++)
			options[i] = (uint8_t)random_below(&random, 5);
		while (good && at < length) {
			good = at + 1 < length && options[at + 1] > 0
					&& at + options[at + 1] * 8U <= length;
			at += good ? options[at + 1] * 8U : 0;
		}
		wire_solicitation(&wire, "2001:db8::1", "2001:db8::10", options, length);
		uint16_t room = wire.length < 86 ? 86 : wire.length;

		assert_int_equal(wire_answer(&host, &wire, room),
				good ? VERDICT_ND_ANSWERED : VERDICT_ICMP_MALFORMED);
	}
}

static void an_advertisement_needs_its_room(void **)
{
	struct host host = wire_host();

	for (uint16_t room = 78; room < 90; room++) {
		struct wire wire;

		wire_solicitation(&wire, "2001:db8::1", "2001:db8::10", NULL, 0);
		assert_int_equal(wire.length, 78);
		assert_int_equal(wire_answer(&host, &wire, room),
				room < 86 ? VERDICT_ICMP_MALFORMED : VERDICT_ND_ANSWERED);
	}
}

static void a_solicitation_is_summed_unless_the_port_did(void **)
{
	struct host host = wire_host();
	struct wire wire;

	wire_solicitation(&wire, "2001:db8::1", "2001:db8::10", wire_mac_option, 8);
	wire.bytes[WIRE_UDP6 + 30] ^= 1;
	assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ICMP_MALFORMED);

	struct neighbor neighbor = { 0 };
	struct frame frame = wire_receive(&wire, ROOM);

	frame.checksum_known_good = true;
	assert_int_equal(frame_classify(&host, &frame), VERDICT_PENDING);
	assert_int_equal(neighbor_answer(&neighbor, &host, &frame, 0), VERDICT_ND_ANSWERED);
	assert_true(wire_checksums_are_right(frame.start));
	free(frame.start);
}

// RFC 5227 section 3, RFC 4861 section 7.2.6
static void announcements_tell_all_where_we_are(void **)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t all_nodes_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	struct host host = wire_host();

	for (unsigned i = 0; i < host.address_count; i++) {
		const struct address *own = &host.addresses[i].address;
		char text[ADDRESS_TEXT_SIZE];
		struct wire wire = { 0 };

		memset(wire.bytes, 0xee, ANNOUNCEMENT_SIZE);
		wire.length = neighbor_announce(&host, i, wire.bytes);
		if (own->family == ADDRESS_IPV6) {
			assert_mac_pair(wire.bytes, all_nodes_mac);
			assert_advertisement(
					&host, &wire, 0x20, "ff02::1", address_print(own, text));
			continue;
		}
		assert_mac_pair(wire.bytes, broadcast);
		assert_int_equal(wire.length, 60);
		assert_int_equal(wire_get16(wire.bytes + 12), 0x0806);
		assert_memory_equal(wire.bytes + 14, head, sizeof(head));
		assert_memory_equal(wire.bytes + 22, wire_our_mac, 6);
		assert_memory_equal(wire.bytes + 28, own->bytes, 4);
		assert_zero(wire.bytes + 32, 6);
		assert_memory_equal(wire.bytes + 38, own->bytes, 4);
		assert_zero(wire.bytes + 42, 18);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp_requests_and_probes_are_answered),
		cmocka_unit_test(arp_without_padding_is_answered_within_its_room),
		cmocka_unit_test(arp_is_answered_to_the_hardware_address_inside),
		cmocka_unit_test(arp_that_asks_nothing_of_ours_is_ignored),
		cmocka_unit_test(solicitations_are_answered_to_who_asks),
		cmocka_unit_test(duplicates_of_our_addresses_are_told_to_all_nodes),
		cmocka_unit_test(solicitations_must_be_right),
		cmocka_unit_test(
				who_has_no_address_must_solicit_the_group_without_telling_its_card),
		cmocka_unit_test(solicitations_for_each_length_of_options_stay_within_the_packet),
		cmocka_unit_test(an_advertisement_needs_its_room),
		cmocka_unit_test(a_solicitation_is_summed_unless_the_port_did),
		cmocka_unit_test(announcements_tell_all_where_we_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
