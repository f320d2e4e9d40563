// SPDX-License-Identifier: BSD-3-Clause
// frame/classify: each frame under its own name, none read beyond its end. Letters and numbers name
// the test catalogue's rows.
#include "unit.h"
#include "wire.h"

#include <string.h>

struct row {
	const char *what;
	enum wire_example base;
	struct {
		uint16_t at;
		uint8_t value;
	} edits[6]; // ended by a zero offset
	bool seal;  // make the checksums right again
	int16_t longer;
	enum verdict verdict;
};

static void check_rows(const struct row *rows, size_t count)
{
	struct host host = wire_host();

	for (size_t i = 0; i < count; i++) {
		struct wire wire;

		wire_example(rows[i].base, &wire);
		for (unsigned e = 0; rows[i].edits[e].at > 0; e++)
			wire.bytes[rows[i].edits[e].at] = rows[i].edits[e].value;
		if (rows[i].seal)
			wire_seal(&wire);
		wire.length = (uint16_t)(wire.length + rows[i].longer);
		enum verdict verdict = wire_classify(&host, &wire);

		if (verdict != rows[i].verdict)
			fail_msg("%s: %s, not %s", rows[i].what, verdict_name(verdict),
					verdict_name(rows[i].verdict));
	}
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

// P7 (F29)
static void ethernet_must_be_for_us_and_from_another(void **)
{
	static const struct row rows[] = {
		{ "too short for Ethernet", WIRE_NTP4, {}, false, -77, VERDICT_RUNT },
		{ "just Ethernet", WIRE_NTP4, {}, false, -76, VERDICT_RUNT },
		{ "another's", WIRE_NTP4, { { 5, 2 } }, false, 0, VERDICT_FOREIGN_MAC },
		{ "another's, first half the same", WIRE_NTP4, { { 4, 2 } }, false, 0,
				VERDICT_FOREIGN_MAC },
		{ "from a group", WIRE_NTP4, { { 6, 3 } }, false, 0, VERDICT_BAD_SOURCE_MAC },
		{ "from ourselves", WIRE_NTP4, { { 11, 1 } }, false, 0, VERDICT_BAD_SOURCE_MAC },
		{ "ARP from ourselves", WIRE_ARP, { { 11, 1 } }, false, 0, VERDICT_BAD_SOURCE_MAC },
		{ "LLDP", WIRE_NTP4, { { 12, 0x88 }, { 13, 0xcc } }, false, 0,
				VERDICT_FOREIGN_ETHERTYPE },
		{ "802.3 length", WIRE_NTP4, { { 12, 0x00 }, { 13, 0x26 } }, false, 0,
				VERDICT_FOREIGN_ETHERTYPE },
		{ "short ARP", WIRE_ARP, {}, false, -19, VERDICT_RUNT },
		{ "ARP without padding", WIRE_ARP, {}, false, -18, VERDICT_PENDING },
	};

	CHECK_ROWS(rows);
}

static void only_our_ethernet_groups_are_heard(void **)
{
	static const struct {
		uint8_t mac[6];
		enum verdict arp, solicitation, ntp;
	} rows[] = {
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, VERDICT_PENDING, VERDICT_PENDING,
				VERDICT_IP_MULTICAST },
		{ { 0x33, 0x33, 0, 0, 0, 1 }, VERDICT_PENDING, VERDICT_PENDING,
				VERDICT_IP_MULTICAST },
		{ { 0x33, 0x33, 0xff, 0, 0, 0x10 }, VERDICT_PENDING, VERDICT_PENDING,
				VERDICT_IP_MULTICAST },
		{ { 0x33, 0x33, 0xff, 2, 0, 3 }, VERDICT_PENDING, VERDICT_PENDING,
				VERDICT_IP_MULTICAST },
		{ { 0x33, 0x33, 0xff, 2, 0, 4 }, VERDICT_FOREIGN_MAC, VERDICT_FOREIGN_MAC,
				VERDICT_FOREIGN_MAC },
		{ { 0x33, 0x33, 0, 0, 0, 2 }, VERDICT_FOREIGN_MAC, VERDICT_FOREIGN_MAC,
				VERDICT_FOREIGN_MAC },
		{ { 0x33, 0x33, 0, 0, 1, 1 }, VERDICT_FOREIGN_MAC, VERDICT_FOREIGN_MAC,
				VERDICT_FOREIGN_MAC },
		{ { 0x01, 0x00, 0x5e, 0, 1, 1 }, VERDICT_FOREIGN_MAC, VERDICT_FOREIGN_MAC,
				VERDICT_FOREIGN_MAC },
		{ { 0x01, 0x80, 0xc2, 0, 0, 0 }, VERDICT_FOREIGN_MAC, VERDICT_FOREIGN_MAC,
				VERDICT_FOREIGN_MAC },
	};
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire arp, solicitation, ntp4, ntp6;

		wire_example(WIRE_ARP, &arp);
		wire_example(WIRE_SOLICITATION, &solicitation);
		wire_example(WIRE_NTP4, &ntp4);
		wire_example(WIRE_NTP6, &ntp6);
		memcpy(arp.bytes, rows[i].mac, 6);
		memcpy(solicitation.bytes, rows[i].mac, 6);
		memcpy(ntp4.bytes, rows[i].mac, 6);
		memcpy(ntp6.bytes, rows[i].mac, 6);
		assert_int_equal(wire_classify(&host, &arp), rows[i].arp);
		assert_int_equal(wire_classify(&host, &solicitation), rows[i].solicitation);
		assert_int_equal(wire_classify(&host, &ntp4), rows[i].ntp);
		assert_int_equal(wire_classify(&host, &ntp6), rows[i].ntp);
	}
}

// P1, P2, P5, P6 (F21, F22, F25, F26)
static void ipv4_headers_must_be_plain_and_true(void **)
{
	static const struct row rows[] = {
		{ "header cut", WIRE_NTP4, {}, false, -57, VERDICT_RUNT },
		{ "version 6 in IPv4's type", WIRE_NTP4, { { 14, 0x65 } }, true, 0,
				VERDICT_IP_MALFORMED },
		{ "version 0", WIRE_NTP4, { { 14, 0x05 } }, true, 0, VERDICT_IP_MALFORMED },
		{ "IHL 0", WIRE_NTP4, { { 14, 0x40 } }, true, 0, VERDICT_IP_MALFORMED },
		{ "IHL 4", WIRE_NTP4, { { 14, 0x44 } }, true, 0, VERDICT_IP_MALFORMED },
		{ "IHL 6", WIRE_NTP4, { { 14, 0x46 } }, true, 0, VERDICT_IP_OPTIONS },
		{ "IHL 15", WIRE_NTP4, { { 14, 0x4f } }, true, 0, VERDICT_IP_OPTIONS },
		{ "IHL beyond the frame", WIRE_NTP4, { { 14, 0x4f }, { 17, 58 } }, false, -18,
				VERDICT_IP_MALFORMED },
		{ "IHL beyond the packet", WIRE_NTP4, { { 14, 0x46 }, { 17, 23 } }, false, 0,
				VERDICT_IP_MALFORMED },
		{ "total below the header", WIRE_NTP4, { { 17, 19 } }, true, 0,
				VERDICT_IP_MALFORMED },
		{ "total beyond the frame", WIRE_NTP4, { { 17, 77 } }, false, 0,
				VERDICT_IP_MALFORMED },
		{ "total far beyond the frame", WIRE_NTP4, { { 16, 0xff } }, false, 0,
				VERDICT_IP_MALFORMED },
		{ "frame cut behind the header", WIRE_NTP4, {}, false, -1, VERDICT_IP_MALFORMED },
		{ "first fragment", WIRE_NTP4, { { 20, 0x20 } }, true, 0, VERDICT_IP_FRAGMENT },
		{ "middle fragment", WIRE_NTP4, { { 20, 0x20 }, { 21, 8 } }, true, 0,
				VERDICT_IP_FRAGMENT },
		{ "last fragment", WIRE_NTP4, { { 21, 1 } }, true, 0, VERDICT_IP_FRAGMENT },
		{ "last fragment far out", WIRE_NTP4, { { 20, 0x10 } }, true, 0,
				VERDICT_IP_FRAGMENT },
		{ "unfragmentable", WIRE_NTP4, { { 20, 0x40 } }, true, 0, VERDICT_PENDING },
		{ "checksum", WIRE_NTP4, { { 24, 1 } }, false, 0, VERDICT_IP_CHECKSUM },
		{ "time to live", WIRE_NTP4, { { 22, 60 } }, false, 0, VERDICT_IP_CHECKSUM },
		{ "padded", WIRE_NTP4, {}, false, 40, VERDICT_PENDING },
		{ "TCP", WIRE_NTP4, { { 23, 6 } }, true, 0, VERDICT_IP_PROTOCOL },
		{ "ICMPv6 on IPv4", WIRE_NTP4, { { 23, 58 } }, true, 0, VERDICT_IP_PROTOCOL },
	};

	CHECK_ROWS(rows);
}

// P3 (F23)
static void ipv6_headers_must_be_plain_and_true(void **)
{
	static const struct row rows[] = {
		{ "header cut", WIRE_NTP6, {}, false, -57, VERDICT_RUNT },
		{ "version 4 in IPv6's type", WIRE_NTP6, { { 14, 0x40 } }, false, 0,
				VERDICT_IP_MALFORMED },
		{ "payload beyond the frame", WIRE_NTP6, { { 19, 57 } }, false, 0,
				VERDICT_IP_MALFORMED },
		{ "frame cut behind the header", WIRE_NTP6, {}, false, -1, VERDICT_IP_MALFORMED },
		{ "hop by hop", WIRE_NTP6, { { 20, 0 } }, false, 0, VERDICT_IP_EXTENSION },
		{ "routing", WIRE_NTP6, { { 20, 43 } }, false, 0, VERDICT_IP_EXTENSION },
		{ "fragment", WIRE_NTP6, { { 20, 44 } }, false, 0, VERDICT_IP_FRAGMENT },
		{ "ESP", WIRE_NTP6, { { 20, 50 } }, false, 0, VERDICT_IP_EXTENSION },
		{ "AH", WIRE_NTP6, { { 20, 51 } }, false, 0, VERDICT_IP_EXTENSION },
		{ "no next header", WIRE_NTP6, { { 20, 59 } }, false, 0, VERDICT_IP_EXTENSION },
		{ "destination options", WIRE_NTP6, { { 20, 60 } }, false, 0,
				VERDICT_IP_EXTENSION },
		{ "mobility", WIRE_NTP6, { { 20, 135 } }, false, 0, VERDICT_IP_EXTENSION },
		{ "HIP", WIRE_NTP6, { { 20, 139 } }, false, 0, VERDICT_IP_EXTENSION },
		{ "shim6", WIRE_NTP6, { { 20, 140 } }, false, 0, VERDICT_IP_EXTENSION },
		{ "TCP", WIRE_NTP6, { { 20, 6 } }, false, 0, VERDICT_IP_PROTOCOL },
		{ "ICMP of IPv4", WIRE_NTP6, { { 20, 1 } }, false, 0, VERDICT_IP_PROTOCOL },
		{ "traffic class and label", WIRE_NTP6, { { 14, 0x6f }, { 15, 0xff } }, false, 0,
				VERDICT_PENDING },
		{ "jumbogram's length", WIRE_NTP6, { { 19, 0 } }, false, 0, VERDICT_UDP_MALFORMED },
		{ "padded", WIRE_NTP6, {}, false, 40, VERDICT_PENDING },
	};

	CHECK_ROWS(rows);
}

// W15, W16, W19
static const struct {
	const char *from, *to;
	enum verdict verdict;
} journeys[] = {
	{ "192.0.2.1", "192.0.2.10", VERDICT_PENDING },
	{ "8.8.8.8", "192.0.2.10", VERDICT_PENDING },
	{ "8.8.8.8", "198.51.100.77", VERDICT_PENDING },
	{ "203.0.113.7", "203.0.113.6", VERDICT_PENDING }, // RFC 3021: a peer, no broadcast
	{ "10.255.255.255", "10.9.8.7", VERDICT_PENDING },
	{ "198.51.100.95", "192.0.2.10", VERDICT_PENDING }, // of another /28
	{ "192.0.2.0", "192.0.2.10", VERDICT_PENDING },
	{ "192.0.2.1", "192.0.2.11", VERDICT_IP_FOREIGN },
	{ "192.0.2.1", "203.0.113.7", VERDICT_IP_FOREIGN },
	{ "192.0.2.1", "0.0.0.0", VERDICT_IP_FOREIGN },
	{ "127.0.0.1", "192.0.2.11", VERDICT_IP_FOREIGN },
	{ "192.0.2.1", "192.0.2.255", VERDICT_IP_MULTICAST },
	{ "192.0.2.1", "198.51.100.79", VERDICT_IP_MULTICAST },
	{ "192.0.2.1", "255.255.255.255", VERDICT_IP_MULTICAST },
	{ "0.0.0.0", "255.255.255.255", VERDICT_IP_MULTICAST },
	{ "192.0.2.1", "224.0.1.1", VERDICT_IP_MULTICAST },
	{ "192.0.2.1", "239.255.255.255", VERDICT_IP_MULTICAST },
	{ "0.0.0.0", "192.0.2.10", VERDICT_IP_SOURCE },
	{ "0.1.2.3", "192.0.2.10", VERDICT_IP_SOURCE },
	{ "127.0.0.1", "192.0.2.10", VERDICT_IP_SOURCE },
	{ "127.255.255.254", "192.0.2.10", VERDICT_IP_SOURCE },
	{ "224.0.0.1", "192.0.2.10", VERDICT_IP_SOURCE },
	{ "239.1.1.1", "192.0.2.10", VERDICT_IP_SOURCE },
	{ "240.0.0.1", "192.0.2.10", VERDICT_IP_SOURCE },
	{ "255.255.255.255", "192.0.2.10", VERDICT_IP_SOURCE },
	{ "192.0.2.10", "192.0.2.10", VERDICT_IP_SOURCE },
	{ "10.9.8.7", "192.0.2.10", VERDICT_IP_SOURCE },
	{ "192.0.2.255", "192.0.2.10", VERDICT_IP_SOURCE },
	{ "198.51.100.79", "192.0.2.10", VERDICT_IP_SOURCE },
	{ "2001:db8::1", "2001:db8::10", VERDICT_PENDING },
	{ "fe80::9", "fe80::1:2:3", VERDICT_PENDING },
	{ "2001:db8::1", "2001:db8::11", VERDICT_IP_FOREIGN },
	{ "2001:db8::1", "::", VERDICT_IP_FOREIGN },
	{ "2001:db8::1", "ff02::1", VERDICT_IP_MULTICAST },
	{ "2001:db8::1", "ff02::1:ff00:10", VERDICT_IP_MULTICAST },
	{ "2001:db8::1", "ff0e::101", VERDICT_IP_MULTICAST },
	{ "::", "2001:db8::10", VERDICT_IP_SOURCE },
	{ "::1", "2001:db8::10", VERDICT_IP_SOURCE },
	{ "::2", "2001:db8::10", VERDICT_PENDING },
	{ "::ffff:192.0.2.1", "2001:db8::10", VERDICT_IP_SOURCE },
	{ "ff02::1", "2001:db8::10", VERDICT_IP_SOURCE },
	{ "2001:db8::10", "2001:db8::10", VERDICT_IP_SOURCE },
	{ "fe80::1:2:3", "2001:db8::10", VERDICT_IP_SOURCE },
};

static void addresses_are_judged(void **)
{
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(journeys) / sizeof(journeys[0]); i++) {
		struct wire udp, echo;

		wire_udp(&udp, journeys[i].from, journeys[i].to, WIRE_NTP);
		wire_echo(&echo, journeys[i].from, journeys[i].to, 8);
		if (wire_classify(&host, &udp) != journeys[i].verdict
				|| wire_classify(&host, &echo) != journeys[i].verdict)
			fail_msg("%s > %s: %s, not %s", journeys[i].from, journeys[i].to,
					verdict_name(wire_classify(&host, &udp)),
					verdict_name(journeys[i].verdict));
	}
}

static void what_is_wrong_inside_does_not_hide_whom_it_is_for(void **)
{
	static const struct row rows[] = {
		{ "foreign, another port", WIRE_NTP4, { { 33, 11 }, { WIRE_UDP4 + 3, 80 } }, true,
				0, VERDICT_IP_FOREIGN },
		{ "foreign, TCP", WIRE_NTP4, { { 33, 11 }, { 23, 6 } }, true, 0,
				VERDICT_IP_FOREIGN },
		{ "foreign, UDP length", WIRE_NTP6, { { 53, 0x11 }, { WIRE_UDP6 + 5, 1 } }, false,
				0, VERDICT_IP_FOREIGN },
		{ "foreign, UDP checksum", WIRE_NTP6, { { 53, 0x11 } }, false, 0,
				VERDICT_IP_FOREIGN },
	};

	CHECK_ROWS(rows);
}

// W17, W18, W24, P5, P6
static void udp_must_be_to_our_port_whole_and_true(void **)
{
	static const struct row rows[] = {
		{ "another port", WIRE_NTP4, { { WIRE_UDP4 + 3, 124 } }, true, 0,
				VERDICT_UDP_PORT },
		{ "another port, upper half", WIRE_NTP4, { { WIRE_UDP4 + 2, 1 } }, true, 0,
				VERDICT_UDP_PORT },
		{ "another port on IPv6", WIRE_NTP6, { { WIRE_UDP6 + 3, 124 } }, true, 0,
				VERDICT_UDP_PORT },
		{ "from port 0", WIRE_NTP4, { { WIRE_UDP4, 0 }, { WIRE_UDP4 + 1, 0 } }, true, 0,
				VERDICT_UDP_PORT },
		{ "from port 123", WIRE_NTP4, { { WIRE_UDP4, 0 }, { WIRE_UDP4 + 1, 123 } }, true, 0,
				VERDICT_PENDING },
		{ "length 0", WIRE_NTP4, { { WIRE_UDP4 + 5, 0 } }, true, 0, VERDICT_UDP_MALFORMED },
		{ "length 7", WIRE_NTP6, { { WIRE_UDP6 + 5, 7 } }, true, 0, VERDICT_UDP_MALFORMED },
		{ "length 8", WIRE_NTP6, { { WIRE_UDP6 + 5, 8 } }, true, 0, VERDICT_PENDING },
		{ "length within the packet", WIRE_NTP4, { { WIRE_UDP4 + 5, 40 } }, true, 0,
				VERDICT_PENDING },
		{ "length beyond the packet", WIRE_NTP4, { { WIRE_UDP4 + 5, 57 } }, true, 8,
				VERDICT_UDP_MALFORMED },
		{ "length far beyond", WIRE_NTP6, { { WIRE_UDP6 + 4, 0xff } }, false, 0,
				VERDICT_UDP_MALFORMED },
		{ "nothing behind IPv4", WIRE_NTP4, { { 17, 20 } }, true, -56,
				VERDICT_UDP_MALFORMED },
		{ "nothing behind IPv6", WIRE_NTP6, { { 19, 0 } }, false, -56,
				VERDICT_UDP_MALFORMED },
		{ "frame cut in UDP's header", WIRE_NTP4, { { 17, 27 } }, true, -49,
				VERDICT_UDP_MALFORMED },
		{ "packet below UDP's header", WIRE_NTP4, { { 17, 27 } }, true, 0,
				VERDICT_UDP_MALFORMED },
		{ "packet of UDP's header", WIRE_NTP4, { { 17, 28 }, { WIRE_UDP4 + 5, 8 } }, true,
				0, VERDICT_PENDING },
		{ "checksum", WIRE_NTP4, { { WIRE_UDP4 + 6, 1 } }, false, 0, VERDICT_UDP_CHECKSUM },
		{ "checksum on IPv6", WIRE_NTP6, { { WIRE_UDP6 + 6, 1 } }, false, 0,
				VERDICT_UDP_CHECKSUM },
		{ "payload", WIRE_NTP4, { { WIRE_UDP4 + 55, 1 } }, false, 0, VERDICT_UDP_CHECKSUM },
		{ "no checksum", WIRE_NTP4, { { WIRE_UDP4 + 6, 0 }, { WIRE_UDP4 + 7, 0 } }, false,
				0, VERDICT_PENDING },
		{ "no checksum on IPv6", WIRE_NTP6, { { WIRE_UDP6 + 6, 0 }, { WIRE_UDP6 + 7, 0 } },
				false, 0, VERDICT_UDP_CHECKSUM },
	};

	CHECK_ROWS(rows);
}

static void icmp_other_than_questions_is_ignored(void **)
{
	static const struct row rows[] = {
		{ "echo reply", WIRE_ECHO4, { { WIRE_UDP4, 0 } }, true, 0, VERDICT_ICMP_IGNORED },
		{ "unreachable", WIRE_ECHO4, { { WIRE_UDP4, 3 } }, true, 0, VERDICT_ICMP_IGNORED },
		{ "ICMPv6's request on IPv4", WIRE_ECHO4, { { WIRE_UDP4, 128 } }, true, 0,
				VERDICT_ICMP_IGNORED },
		{ "solicitation on IPv4", WIRE_ECHO4, { { WIRE_UDP4, 135 } }, true, 0,
				VERDICT_ICMP_IGNORED },
		{ "echo reply on IPv6", WIRE_ECHO6, { { WIRE_UDP6, 129 } }, true, 0,
				VERDICT_ICMP_IGNORED },
		{ "packet too big", WIRE_ECHO6, { { WIRE_UDP6, 2 } }, true, 0,
				VERDICT_ICMP_IGNORED },
		{ "advertisement to us", WIRE_ECHO6, { { WIRE_UDP6, 136 } }, true, 0,
				VERDICT_ICMP_IGNORED },
		{ "IPv4's request on IPv6", WIRE_ECHO6, { { WIRE_UDP6, 8 } }, true, 0,
				VERDICT_ICMP_IGNORED },
		{ "cut", WIRE_ECHO4, { { 17, 27 } }, true, 0, VERDICT_ICMP_MALFORMED },
		{ "empty", WIRE_ECHO4, { { 17, 20 } }, true, -64, VERDICT_ICMP_MALFORMED },
		{ "empty on IPv6", WIRE_ECHO6, { { 19, 0 } }, false, -64, VERDICT_ICMP_MALFORMED },
		{ "cut solicitation", WIRE_SOLICITATION, { { 19, 7 } }, false, 0,
				VERDICT_ICMP_MALFORMED },
		{ "echo to a group", WIRE_SOLICITATION, { { WIRE_UDP6, 128 } }, true, 0,
				VERDICT_IP_MULTICAST },
		{ "advertisement to a group", WIRE_SOLICITATION, { { WIRE_UDP6, 136 } }, true, 0,
				VERDICT_IP_MULTICAST },
		{ "solicitation to all nodes", WIRE_SOLICITATION,
				{ { 49, 0 }, { 50, 0 }, { 51, 0 }, { 52, 0 }, { 53, 1 } }, true, 0,
				VERDICT_IP_MULTICAST },
		{ "solicitation to another's group", WIRE_SOLICITATION, { { 53, 0x11 } }, true, 0,
				VERDICT_IP_MULTICAST },
		{ "solicitation to a wider group", WIRE_SOLICITATION, { { 39, 5 } }, true, 0,
				VERDICT_IP_MULTICAST },
		{ "solicitation to a group alike", WIRE_SOLICITATION, { { 50, 0xfe } }, true, 0,
				VERDICT_IP_MULTICAST },
		{ "solicitation from us", WIRE_SOLICITATION, { { 37, 0x10 } }, true, 0,
				VERDICT_IP_SOURCE },
		{ "solicitation from loopback", WIRE_SOLICITATION,
				{ { 22, 0x00 }, { 23, 0x00 }, { 24, 0x00 }, { 25, 0x00 } }, true, 0,
				VERDICT_IP_SOURCE },
	};

	CHECK_ROWS(rows);
}

static void whoever_has_no_address_may_only_solicit(void **)
{
	struct host host = wire_host();
	struct wire wire;

	wire_solicitation(&wire, "::", "2001:db8::10", NULL, 0);
	assert_int_equal(wire_classify(&host, &wire), VERDICT_PENDING);
	wire.bytes[WIRE_UDP6] = 133; // a router solicitation
	wire_seal(&wire);
	assert_int_equal(wire_classify(&host, &wire), VERDICT_IP_MULTICAST);
	wire_echo(&wire, "::", "2001:db8::10", 8);
	assert_int_equal(wire_classify(&host, &wire), VERDICT_IP_SOURCE);
}

static void the_port_is_the_configured_one(void **)
{
	struct host host = wire_host();
	struct wire wire;

	host.ntp_port = 11123;
	wire_example(WIRE_NTP4, &wire);
	assert_int_equal(wire_classify(&host, &wire), VERDICT_UDP_PORT);
	wire_put16(wire.bytes + WIRE_UDP4 + 2, 11123);
	wire_seal(&wire);
	assert_int_equal(wire_classify(&host, &wire), VERDICT_PENDING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ethernet_must_be_for_us_and_from_another),
		cmocka_unit_test(only_our_ethernet_groups_are_heard),
		cmocka_unit_test(ipv4_headers_must_be_plain_and_true),
		cmocka_unit_test(ipv6_headers_must_be_plain_and_true),
		cmocka_unit_test(addresses_are_judged),
		cmocka_unit_test(what_is_wrong_inside_does_not_hide_whom_it_is_for),
		cmocka_unit_test(udp_must_be_to_our_port_whole_and_true),
		cmocka_unit_test(icmp_other_than_questions_is_ignored),
		cmocka_unit_test(whoever_has_no_address_may_only_solicit),
		cmocka_unit_test(the_port_is_the_configured_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
