// SPDX-License-Identifier: BSD-3-Clause
// frame/classify on what no table lists: every cut, every flipped byte, random damage. Letters and
// numbers name the test catalogue's rows.
#include "unit.h"
#include "wire.h"

#include <string.h>

static void what_asks_of_us_is_pending(void **)
{
	static const struct {
		enum wire_example base;
		uint8_t kind;
		uint16_t payload_offset, payload_length, port;
		const char *source;
	} rows[] = {
		{ WIRE_NTP4, FRAME_NTP, WIRE_UDP4 + 8, WIRE_NTP, 40000, "192.0.2.1" },
		{ WIRE_NTP6, FRAME_NTP, WIRE_UDP6 + 8, WIRE_NTP, 40000, "2001:db8::1" },
		{ WIRE_ECHO4, FRAME_ECHO, WIRE_UDP4, 64, 0, "192.0.2.1" },
		{ WIRE_ECHO6, FRAME_ECHO, WIRE_UDP6, 64, 0, "2001:db8::1" },
		{ WIRE_SOLICITATION, FRAME_SOLICITATION, WIRE_UDP6, 32, 0, "2001:db8::1" },
		{ WIRE_ARP, FRAME_ARP, WIRE_IP, 28, 0, "192.0.2.1" },
		{ WIRE_QUERY, FRAME_MLD_QUERY, WIRE_UDP6 + 8, 28, 0, "fe80::9" },
	};
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct address source = wire_address(rows[i].source);
		struct wire wire;

		wire_example(rows[i].base, &wire);
		struct frame frame = wire_receive(&wire, wire.length);

		memset(&frame.source, 0xee, sizeof(frame.source));
		assert_int_equal(frame_classify(&host, &frame), VERDICT_PENDING);
		assert_int_equal(frame.kind, rows[i].kind);
		assert_int_equal(frame.ip_offset, WIRE_IP);
		assert_int_equal(frame.payload_offset, rows[i].payload_offset);
		assert_int_equal(frame.payload_length, rows[i].payload_length);
		assert_int_equal(frame.source_port, rows[i].port);
		assert_memory_equal(&frame.source, &source, sizeof(source));
		free(frame.start);
	}
}

// W23, W24
static void the_length_is_the_one_of_udp(void **)
{
	struct host host = wire_host();

	for (enum wire_example base = WIRE_NTP4; base <= WIRE_NTP6; base++) {
		for (uint16_t length = 0; length <= WIRE_NTP; length++) {
			struct wire wire;

			wire_example(base, &wire);
			wire_put16(wire.bytes + wire_transport(wire.bytes) + 4, 8U + length);
			wire_seal(&wire);
			wire.length += 9;
			struct frame frame = wire_receive(&wire, wire.length);

			assert_int_equal(frame_classify(&host, &frame), VERDICT_PENDING);
			assert_int_equal(frame.payload_length, length);
			free(frame.start);
		}
	}
}

// P5 (F25): what the port knows is believed, but for a checksum that must not be absent.
static void verified_checksums_are_not_summed_again(void **)
{
	struct host host = wire_host();

	for (enum wire_example base = WIRE_NTP4; base <= WIRE_NTP6; base++) {
		struct wire wire;

		wire_example(base, &wire);
		wire.bytes[wire_checksum_at(wire.bytes)] ^= 0x55;
		struct frame frame = wire_receive(&wire, wire.length);

		assert_int_equal(frame_classify(&host, &frame), VERDICT_UDP_CHECKSUM);
		frame.checksum_known_good = true;
		assert_int_equal(frame_classify(&host, &frame), VERDICT_PENDING);
		wire_put16(frame.start + wire_checksum_at(wire.bytes), 0);
		assert_int_equal(frame_classify(&host, &frame),
				base == WIRE_NTP4 ? VERDICT_PENDING : VERDICT_UDP_CHECKSUM);
		frame.start[WIRE_IP + 8] ^= 1;
		frame.ip_checksum_known_good = true;
		if (base == WIRE_NTP4)
			assert_int_equal(frame_classify(&host, &frame), VERDICT_PENDING);
		frame.ip_checksum_known_good = false;
		if (base == WIRE_NTP4)
			assert_int_equal(frame_classify(&host, &frame), VERDICT_IP_CHECKSUM);
		free(frame.start);
	}
}

// P5: a local sender's kernel leaves the pseudo-header's sum, not complemented.
static void unfinished_checksums_pass_only_where_expected(void **)
{
	for (enum wire_example base = WIRE_NTP4; base <= WIRE_NTP6; base++) {
		struct host host = wire_host();
		struct wire wire;

		wire_example(base, &wire);
		uint8_t *field = wire.bytes + wire_checksum_at(wire.bytes);
		unsigned unfinished = wire_pseudo_sum(wire.bytes);

		wire_put16(field, unfinished);
		assert_int_equal(wire_classify(&host, &wire), VERDICT_UDP_CHECKSUM);
		host.takes_unfinished_checksums = true;
		assert_int_equal(wire_classify(&host, &wire), VERDICT_PENDING);
		for (unsigned other = 1; other <= 0xffff; other++) {
			wire_put16(field, other);
			bool right = wire_checksums_are_right(wire.bytes);

			assert_int_equal(wire_classify(&host, &wire),
					other == unfinished || right ? VERDICT_PENDING
								     : VERDICT_UDP_CHECKSUM);
		}
	}
}

// P6: a frame cut anywhere before its packet's end wants no answer, and is not read beyond.
static void every_truncation_is_dropped(void **)
{
	struct host host = wire_host();

	for (enum wire_example base = WIRE_NTP4; base < WIRE_EXAMPLES; base++) {
		struct wire wire;

		wire_example(base, &wire);
		uint16_t whole = base == WIRE_ARP ? WIRE_IP + 28 : wire.length;

		for (wire.length = 0; wire.length < whole; wire.length++)
			assert_int_not_equal(wire_classify(&host, &wire), VERDICT_PENDING);
		for (; wire.length < whole + 100; wire.length++)
			assert_int_equal(wire_classify(&host, &wire), VERDICT_PENDING);
	}
}

// The checksums cover all of an IPv4 packet, so that no single byte can be wrong unnoticed, but for
// one that makes the checksum absent. Of IPv6 they leave out class, label and hop limit.
static void no_wrong_byte_of_a_request_goes_unnoticed(void **)
{
	struct host host = wire_host();

	for (enum wire_example base = WIRE_NTP4; base <= WIRE_NTP6; base++) {
		struct wire wire;

		wire_example(base, &wire);
		unsigned checksum_at = wire_checksum_at(wire.bytes);

		for (unsigned at = WIRE_IP; at < wire.length; at++) {
			if (base == WIRE_NTP6 && (at < WIRE_IP + 4 || at == WIRE_IP + 7))
				continue;
			for (unsigned flip = 1; flip < 256; flip++) {
				wire.bytes[at] ^= (uint8_t)flip;
				bool absent = wire_get16(wire.bytes + checksum_at) == 0;

				if (!absent)
					assert_int_not_equal(wire_classify(&host, &wire),
							VERDICT_PENDING);
				wire.bytes[at] ^= (uint8_t)flip;
			}
		}
	}
}

static void any_wrong_byte_of_any_frame_is_survived(void **)
{
	struct host host = wire_host();

	for (enum wire_example base = WIRE_ECHO4; base < WIRE_EXAMPLES; base++) {
		struct wire wire;

		wire_example(base, &wire);
		for (unsigned at = 0; at < wire.length; at++) {
			for (unsigned flip = 1; flip < 256; flip++) {
				wire.bytes[at] ^= (uint8_t)flip;
				wire_classify(&host, &wire);
				wire.bytes[at] ^= (uint8_t)flip;
			}
		}
	}
}

// What is found lies within the frame, and is found again.
static void whatever_passes_lies_within_the_frame(void **)
{
	struct host host = wire_host();
	uint64_t random = test_seed();
	unsigned pending = 0;

	for (unsigned round = 0; round < 200'000; round++) {
		struct wire wire;

		wire_example((enum wire_example)random_below(&random, WIRE_EXAMPLES), &wire);
		wire.length = (uint16_t)(wire.length + random_below(&random, 8));
		for (uint64_t edits = random_below(&random, 4); edits > 0; edits--)
			wire.bytes[random_below(&random, wire.length)] =
					(uint8_t)random_next(&random);
		if (random_below(&random, 4) == 0)
			wire.length = (uint16_t)random_below(&random, wire.length + 1U);
		struct frame frame = wire_receive(&wire, wire.length);

		frame.checksum_known_good = random_next(&random) & 1;
		frame.ip_checksum_known_good = random_next(&random) & 1;
		struct frame again = frame;
		enum verdict verdict = frame_classify(&host, &frame);

		assert_int_equal(frame_classify(&host, &again), verdict);
		if (verdict == VERDICT_PENDING) {
			pending++;
			assert_memory_equal(&again.source, &frame.source, sizeof(frame.source));
			assert_true(frame.kind != FRAME_NONE);
			assert_true(frame.ip_offset >= WIRE_IP);
			assert_true(frame.payload_offset >= frame.ip_offset);
			assert_true(frame.payload_offset + frame.payload_length <= frame.length);
		}
		free(frame.start);
	}
	assert_true(pending > 10'000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_asks_of_us_is_pending),
		cmocka_unit_test(the_length_is_the_one_of_udp),
		cmocka_unit_test(verified_checksums_are_not_summed_again),
		cmocka_unit_test(unfinished_checksums_pass_only_where_expected),
		cmocka_unit_test(every_truncation_is_dropped),
		cmocka_unit_test(no_wrong_byte_of_a_request_goes_unnoticed),
		cmocka_unit_test(any_wrong_byte_of_any_frame_is_survived),
		cmocka_unit_test(whatever_passes_lies_within_the_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
