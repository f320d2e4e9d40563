// SPDX-License-Identifier: BSD-3-Clause
// frame/neighbor: echoes, and the caps on all that is answered besides time. Letters and numbers
// name the test catalogue's rows.
#include "frame/neighbor.h"
#include "unit.h"
#include "wire.h"

#include <string.h>

#define ROOM     1600
#define MS       UINT64_C(1'000'000)
#define START_NS (UINT64_C(1'000'000) * MS)

static void echoes_return_what_was_sent(void **)
{
	static const struct {
		const char *from, *to;
		unsigned data;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.10", 0 },
		{ "192.0.2.1", "10.9.8.7", 1 },
		{ "192.0.2.1", "192.0.2.10", 56 },
		{ "8.8.8.8", "192.0.2.10", 1471 },
		{ "192.0.2.1", "192.0.2.10", 2000 },
		{ "2001:db8::1", "2001:db8::10", 0 },
		{ "fe80::9", "fe80::1:2:3", 57 },
		{ "2001:db8::1", "2001:db8::10", 1900 },
	};
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire wire;

		wire_echo(&wire, rows[i].from, rows[i].to, rows[i].data);
		struct wire request = wire;
		unsigned at = wire_transport(wire.bytes), v4 = wire_is_ipv4(wire.bytes);

		assert_int_equal(wire_answer(&host, &wire, 2100), VERDICT_ECHO_ANSWERED);
		assert_memory_equal(wire.bytes, wire_peer_mac, 6);
		assert_memory_equal(wire.bytes + 6, wire_our_mac, 6);
		assert_int_equal(wire.length, request.length < 60 ? 60 : request.length);
		assert_int_equal(wire.bytes[at], v4 ? 0 : 129);
		assert_int_equal(wire.bytes[at + 1], 0);
		assert_memory_equal(wire.bytes + at + 4, request.bytes + at + 4, 4 + rows[i].data);
		assert_true(wire_checksums_are_right(wire.bytes));
		assert_int_equal(wire.bytes[WIRE_IP + (v4 ? 8 : 7)], 64);
		assert_memory_equal(wire.bytes + WIRE_IP + (v4 ? 12 : 8),
				wire_address(rows[i].to).bytes, v4 ? 4 : 16);
		assert_memory_equal(wire.bytes + WIRE_IP + (v4 ? 16 : 24),
				wire_address(rows[i].from).bytes, v4 ? 4 : 16);
		assert_int_equal(wire_transport_length(wire.bytes), 8 + rows[i].data);
	}
}

static void echoes_must_be_right(void **)
{
	static const char *const pairs[][2] = {
		{ "192.0.2.1", "192.0.2.10" },
		{ "2001:db8::1", "2001:db8::10" },
	};
	struct host host = wire_host();

	for (unsigned i = 0; i < 2; i++) {
		struct wire wire;

		wire_echo(&wire, pairs[i][0], pairs[i][1], 57);
		unsigned at = wire_transport(wire.bytes);

		wire.bytes[at + 1] = 1;
		wire_seal(&wire);
		assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ICMP_MALFORMED);
		wire_echo(&wire, pairs[i][0], pairs[i][1], 57);
		for (unsigned byte = 1; byte < 65; byte++) {
			if (byte == 1)
				continue;
			wire.bytes[at + byte] ^= 0x10;
			assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ICMP_MALFORMED);
			wire.bytes[at + byte] ^= 0x10;
		}
		// An ICMP checksum is never absent, nor left to a NIC.
		wire_put16(wire.bytes + at + 2, 0);
		assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ICMP_MALFORMED);
		host.takes_unfinished_checksums = true;
		wire_put16(wire.bytes + at + 2, wire_pseudo_sum(wire.bytes));
		assert_int_equal(wire_answer(&host, &wire, ROOM), VERDICT_ICMP_MALFORMED);
	}
}

// How many of `count` are answered at `now_ns`; the rest must be `limited`.
static unsigned answered(
		struct neighbor *neighbor, const struct wire *wire, unsigned count, uint64_t now_ns)
{
	struct host host = wire_host();
	unsigned answers = 0;

	for (unsigned i = 0; i < count; i++) {
		struct frame frame = wire_receive(wire, ROOM);

		assert_int_equal(frame_classify(&host, &frame), VERDICT_PENDING);
		enum verdict limited = frame.kind == FRAME_ECHO ? VERDICT_ECHO_LIMITED
								: VERDICT_NEIGHBOR_LIMITED;
		enum verdict verdict = neighbor_answer(neighbor, &host, &frame, now_ns);

		assert_true(verdict == limited || verdict < VERDICT_TX_FULL);
		answers += verdict != limited;
		free(frame.start);
	}
	return answers;
}

// F28: every kind, over each moment a clock can show.
static void a_flood_gets_the_burst_and_then_the_rate(void **)
{
	static const uint64_t starts[] = { 0, START_NS, UINT64_C(1) << 63, UINT64_MAX - 60 * MS };
	struct wire wires[4];

	wire_arp(&wires[0], 1, "192.0.2.1", "192.0.2.10");
	wire_solicitation(&wires[1], "2001:db8::1", "2001:db8::10", wire_mac_option, 8);
	wire_echo(&wires[2], "192.0.2.1", "192.0.2.10", 56);
	wire_echo(&wires[3], "2001:db8::1", "2001:db8::10", 56);
	for (unsigned kind = 0; kind < 4; kind++) {
		for (unsigned i = 0; i < 4; i++) {
			uint64_t now = starts[i];
			struct neighbor neighbor = { .resolution = { now }, .echo = { now } };

			assert_int_equal(answered(&neighbor, &wires[kind], 150, now), 100);
			assert_int_equal(answered(&neighbor, &wires[kind], 3, now + MS - 1), 0);
			assert_int_equal(answered(&neighbor, &wires[kind], 3, now + MS), 1);
			assert_int_equal(answered(&neighbor, &wires[kind], 30, now + 11 * MS), 10);
			assert_int_equal(answered(&neighbor, &wires[kind], 150, now + 300 * MS),
					100);
			assert_int_equal(
					answered(&neighbor, &wires[kind], 150, now + 1000'000 * MS),
					100);
		}
	}
}

static void any_traffic_stays_under_the_rate(void **)
{
	uint64_t random = test_seed(), now = START_NS;
	struct neighbor neighbor = { 0 };
	struct wire wire;
	unsigned answers = 0;

	wire_arp(&wire, 1, "192.0.2.1", "192.0.2.10");
	for (unsigned round = 0; round < 100'000; round++) {
		answers += answered(&neighbor, &wire, 1, now);
		assert_true(answers <= 100 + (now - START_NS) / MS);
		now += random_below(&random, MS * 3 / 2);
	}
	// Three in four of a mean gap of 0.75 ms.
	assert_true(answers > 60'000);
}

static void echo_and_resolution_do_not_share_a_bucket(void **)
{
	struct neighbor neighbor = { 0 };
	struct wire echo, arp, solicitation;

	wire_echo(&echo, "192.0.2.1", "192.0.2.10", 56);
	wire_arp(&arp, 1, "192.0.2.1", "192.0.2.10");
	wire_solicitation(&solicitation, "2001:db8::1", "2001:db8::10", wire_mac_option, 8);
	assert_int_equal(answered(&neighbor, &echo, 150, START_NS), 100);
	assert_int_equal(answered(&neighbor, &arp, 60, START_NS), 60);
	assert_int_equal(answered(&neighbor, &solicitation, 60, START_NS), 40);
}

static void a_clock_that_goes_back_does_not_silence_us(void **)
{
	struct neighbor neighbor = { 0 };
	struct wire wire;

	wire_arp(&wire, 1, "192.0.2.1", "192.0.2.10");
	assert_int_equal(answered(&neighbor, &wire, 50, START_NS), 50);
	assert_int_equal(answered(&neighbor, &wire, 1, START_NS / 2), 0);
	assert_int_equal(answered(&neighbor, &wire, 150, START_NS / 2 + 100 * MS), 100);
}

static void what_is_refused_costs_no_answer(void **)
{
	struct host host = wire_host();
	struct neighbor neighbor = { 0 };
	struct wire wrong[3], right;

	wire_arp(&wrong[0], 1, "192.0.2.1", "192.0.2.11");
	wire_echo(&wrong[1], "192.0.2.1", "192.0.2.10", 56);
	wrong[1].bytes[WIRE_UDP4 + 20] ^= 1;
	wire_solicitation(&wrong[2], "2001:db8::1", "2001:db8::10", wire_mac_option, 8);
	wrong[2].bytes[WIRE_UDP6 + 30] ^= 1;
	for (unsigned i = 0; i < 600; i++) {
		struct frame frame = wire_receive(&wrong[i % 3], ROOM);

		assert_int_equal(frame_classify(&host, &frame), VERDICT_PENDING);
		assert_true(neighbor_answer(&neighbor, &host, &frame, START_NS) > VERDICT_TX_FULL);
		free(frame.start);
	}
	wire_arp(&right, 1, "192.0.2.1", "192.0.2.10");
	assert_int_equal(answered(&neighbor, &right, 150, START_NS), 100);
	wire_echo(&right, "192.0.2.1", "192.0.2.10", 56);
	assert_int_equal(answered(&neighbor, &right, 150, START_NS), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echoes_return_what_was_sent),
		cmocka_unit_test(echoes_must_be_right),
		cmocka_unit_test(a_flood_gets_the_burst_and_then_the_rate),
		cmocka_unit_test(any_traffic_stays_under_the_rate),
		cmocka_unit_test(echo_and_resolution_do_not_share_a_bucket),
		cmocka_unit_test(a_clock_that_goes_back_does_not_silence_us),
		cmocka_unit_test(what_is_refused_costs_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
