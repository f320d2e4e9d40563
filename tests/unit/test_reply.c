// SPDX-License-Identifier: BSD-3-Clause
// frame/reply: the answer is the request turned round, and true by another's arithmetic. Letters and
// numbers name the test catalogue's rows.
#include "unit.h"
#include "wire.h"

#include <string.h>

#define ROOM 1600

static const char *const pairs[][2] = {
	{ "192.0.2.1", "192.0.2.10" },
	{ "10.1.2.3", "10.9.8.7" },
	{ "2001:db8::1", "2001:db8::10" },
	{ "fe80::9", "fe80::1:2:3" },
};

#define PAIRS (sizeof(pairs) / sizeof(pairs[0]))

static struct frame classified(const struct host *host, const struct wire *wire, uint16_t room)
{
	struct frame frame = wire_receive(wire, room);

	assert_int_equal(frame_classify(host, &frame), VERDICT_PENDING);
	return frame;
}

static void assert_swapped(const struct wire *request, const uint8_t *reply)
{
	const uint8_t *asked = request->bytes;
	unsigned at = wire_is_ipv4(asked) ? WIRE_IP + 12 : WIRE_IP + 8;
	unsigned size = wire_is_ipv4(asked) ? 4 : 16;

	assert_memory_equal(reply, wire_peer_mac, 6);
	assert_memory_equal(reply + 6, wire_our_mac, 6);
	assert_memory_equal(reply + 12, asked + 12, 2);
	assert_memory_equal(reply + at, asked + at + size, size);
	assert_memory_equal(reply + at + size, asked + at, size);
	if (wire_protocol(asked) == 17) {
		unsigned ports = wire_transport(asked);

		assert_memory_equal(reply + ports, asked + ports + 2, 2);
		assert_memory_equal(reply + ports + 2, asked + ports, 2);
	}
}

// W20, W21
static void assert_header_is_ours(const struct host *host, const uint8_t *reply)
{
	const uint8_t *ip = reply + WIRE_IP;
	unsigned traffic_class = host->dscp * 4U;

	if (wire_is_ipv4(reply)) {
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(ip[1], traffic_class);
		assert_int_equal(wire_get16(ip + 4), 0);
		assert_int_equal(wire_get16(ip + 6), 0x4000);
		assert_int_equal(ip[8], 64);
		return;
	}
	assert_int_equal(wire_get16(ip), 0x6000 + traffic_class * 16);
	assert_int_equal(wire_get16(ip + 2), 0);
	assert_int_equal(ip[7], 64);
}

// W19, W20
static void a_reply_is_the_request_turned_round(void **)
{
	struct host host = wire_host();

	for (size_t i = 0; i < PAIRS; i++) {
		for (unsigned dscp = 0; dscp < 64; dscp++) {
			struct wire wire;

			host.dscp = (uint8_t)dscp;
			wire_udp(&wire, pairs[i][0], pairs[i][1], 48);
			struct frame frame = classified(&host, &wire, wire.length);

			frame_turn(&host, &frame, 48);
			frame_seal(&frame);
			assert_int_equal(frame.length, wire.length);
			assert_swapped(&wire, frame.start);
			assert_header_is_ours(&host, frame.start);
			assert_int_equal(wire_transport_length(frame.start), 56);
			assert_int_equal(wire_get16(frame.start + wire_transport(wire.bytes) + 4),
					56);
			assert_true(wire_checksums_are_right(frame.start));
			assert_memory_equal(frame.start + frame.payload_offset,
					wire.bytes + frame.payload_offset, 48);
			free(frame.start);
		}
	}
}

static void sealing_twice_changes_nothing(void **)
{
	struct host host = wire_host();
	struct wire wire;

	wire_udp(&wire, "192.0.2.1", "192.0.2.10", 48);
	struct frame frame = classified(&host, &wire, wire.length);

	frame_turn(&host, &frame, 48);
	frame_seal(&frame);
	frame.start[frame.payload_offset + 40] ^= 0x5a;
	assert_false(wire_checksums_are_right(frame.start));
	frame_seal(&frame);
	assert_true(wire_checksums_are_right(frame.start));
	free(frame.start);
}

// W10, W23
static void a_shorter_payload_shortens_every_length(void **)
{
	struct host host = wire_host();

	for (size_t i = 0; i < PAIRS; i++) {
		for (uint16_t length = 0; length <= 120; length++) {
			struct wire wire;

			wire_udp(&wire, pairs[i][0], pairs[i][1], 120);
			struct frame frame = classified(&host, &wire, wire.length);
			unsigned end = frame.payload_offset + length;

			frame_turn(&host, &frame, length);
			frame_seal(&frame);
			assert_int_equal(frame.payload_length, length);
			assert_int_equal(frame.length, end < 60 ? 60 : end);
			assert_int_equal(wire_transport_length(frame.start), 8 + length);
			assert_true(wire_checksums_are_right(frame.start));
			for (unsigned at = end; at < frame.length; at++)
				assert_int_equal(frame.start[at], 0);
			free(frame.start);
		}
	}
}

// W23: without room for padding the port pads.
static void padding_stays_within_the_room(void **)
{
	struct host host = wire_host();

	for (uint16_t room = 46; room < 64; room++) {
		struct wire wire;

		wire_udp(&wire, "192.0.2.1", "192.0.2.10", 4);
		struct frame frame = classified(&host, &wire, room);

		frame_turn(&host, &frame, 4);
		frame_seal(&frame);
		assert_int_equal(frame.length, room < 60 ? 46 : 60);
		for (unsigned at = 46; at < frame.length; at++)
			assert_int_equal(frame.start[at], 0);
		free(frame.start);
	}
}

// W23, W24: what lies behind the request is not sent back.
static void a_trailer_is_not_returned(void **)
{
	struct host host = wire_host();
	struct wire wire;

	wire_udp(&wire, "192.0.2.1", "192.0.2.10", 8);
	memset(wire.bytes + wire.length, 0xee, 40);
	wire.length += 40;
	struct frame frame = classified(&host, &wire, wire.length);

	assert_int_equal(frame.payload_length, 8);
	frame_turn(&host, &frame, 8);
	assert_int_equal(frame.length, 60);
	for (unsigned at = 50; at < 60; at++)
		assert_int_equal(frame.start[at], 0);
	free(frame.start);
}

// RFC 768: a checksum that comes to zero is sent as all ones.
static void a_udp_checksum_is_never_zero(void **)
{
	struct host host = wire_host();

	for (size_t i = 0; i < PAIRS; i++) {
		struct wire wire;

		wire_udp(&wire, pairs[i][0], pairs[i][1], 48);
		struct frame frame = classified(&host, &wire, wire.length);
		uint8_t *field = frame.start + wire_checksum_at(wire.bytes);

		frame_turn(&host, &frame, 48);
		wire_put16(frame.start + frame.payload_offset, 0);
		frame_seal(&frame);
		// With the old checksum as data everything sums to all ones.
		wire_put16(frame.start + frame.payload_offset, wire_get16(field));
		frame_seal(&frame);
		assert_int_equal(wire_get16(field), 0xffff);
		assert_true(wire_checksums_are_right(frame.start));
		free(frame.start);
	}
}

// The other way round, an ICMP checksum over nothing but zeros is all ones, and one that comes to
// zero stays zero (RFC 792 has no "no checksum").
static void icmp_checksums_may_be_zero(void **)
{
	struct host host = wire_host();
	struct wire wire;

	wire_echo(&wire, "192.0.2.1", "192.0.2.10", 0);
	struct frame frame = classified(&host, &wire, ROOM);
	uint8_t *icmp = frame.start + frame.payload_offset;

	frame_turn(&host, &frame, 8);
	memset(icmp, 0, 8);
	wire_put16(icmp + 2, 0x1234);
	frame_seal(&frame);
	assert_int_equal(wire_get16(icmp + 2), 0xffff);
	memset(icmp, 0xff, 8);
	frame_seal(&frame);
	assert_int_equal(wire_get16(icmp + 2), 0);
	free(frame.start);
}

// W20
static void any_request_turns_into_a_true_reply(void **)
{
	struct host host = wire_host();
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 50'000; round++) {
		const char *const *pair = pairs[random_below(&random, PAIRS)];
		uint16_t length = (uint16_t)random_below(&random, 600);
		struct wire wire;

		wire_udp(&wire, pair[0], pair[1], length);
		for (unsigned i = 0; i < length; i++)
			wire.bytes[wire.length - 1 - i] = (uint8_t)random_next(&random);
		wire_put16(wire.bytes + wire_transport(wire.bytes),
				1 + (unsigned)random_below(&random, 65535));
		wire.bytes[WIRE_IP + 1] ^= (uint8_t)random_next(&random) & 0x0f;
		wire_seal(&wire);
		struct frame frame = classified(&host, &wire, wire.length);
		uint16_t kept = (uint16_t)random_below(&random, length + 1U);

		frame_turn(&host, &frame, kept);
		for (unsigned i = 0; i < kept; i++)
			frame.start[frame.payload_offset + i] = (uint8_t)random_next(&random);
		frame_seal(&frame);
		assert_swapped(&wire, frame.start);
		assert_header_is_ours(&host, frame.start);
		assert_true(wire_checksums_are_right(frame.start));
		assert_true(frame.length <= (wire.length < 60 ? 60 : wire.length));
		free(frame.start);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_is_the_request_turned_round),
		cmocka_unit_test(sealing_twice_changes_nothing),
		cmocka_unit_test(a_shorter_payload_shortens_every_length),
		cmocka_unit_test(padding_stays_within_the_room),
		cmocka_unit_test(a_trailer_is_not_returned),
		cmocka_unit_test(a_udp_checksum_is_never_zero),
		cmocka_unit_test(icmp_checksums_may_be_zero),
		cmocka_unit_test(any_request_turns_into_a_true_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
