// SPDX-License-Identifier: BSD-3-Clause
// ntp/packet: what is a request, and what is none. Letters and numbers name the test catalogue's rows.
#include "base/bytes.h"
#include "base/random.h"
#include "ntp/packet.h"
#include "unit.h"

#include <string.h>

#define CLIENT_PORT  40000
#define SIZE_MAX_UDP 9000

// Parses a copy that ends where the allocation ends, so that a sanitizer sees one octet too many.
static enum verdict parse_copy(const uint8_t *octets, size_t length, uint16_t port, uint8_t *reply)
{
	uint8_t *copy = malloc(length ? length : 1);

	assert_non_null(copy);
	memcpy(copy, octets, length);

	enum verdict verdict = ntp_request_parse(copy, length, port, reply);

	free(copy);
	return verdict;
}

static enum verdict parse_zeros(uint8_t version, uint8_t mode, size_t length)
{
	uint8_t octets[SIZE_MAX_UDP] = { ntp_flags(NTP_LEAP_NONE, version, mode) };
	uint8_t reply;

	return parse_copy(octets, length, CLIENT_PORT, &reply);
}

// A version 4 request: fields of the given lengths (0 ends the list), then a MAC.
static size_t compose(uint8_t *octets, const uint16_t *fields, size_t mac_length)
{
	size_t length = NTP_HEADER_SIZE;

	memset(octets, 0, NTP_HEADER_SIZE);
	octets[0] = ntp_flags(NTP_LEAP_NONE, 4, NTP_MODE_CLIENT);
	for (; *fields; fields++) {
		memset(octets + length, 0x5a, *fields);
		store_be16(octets + length + 2, *fields);
		length += *fields;
	}
	memset(octets + length, 0xa5, mac_length);
	return length + mac_length;
}

static enum verdict parse_composed(const uint16_t *fields, size_t mac_length)
{
	uint8_t octets[SIZE_MAX_UDP];
	uint8_t reply;

	return parse_copy(octets, compose(octets, fields, mac_length), CLIENT_PORT, &reply);
}

// W1, W2
static void versions_1_to_4_are_taken_and_no_other(void **)
{
	for (uint8_t version = 0; version < 8; version++) {
		uint8_t octets[NTP_HEADER_SIZE] = { ntp_flags(0, version, NTP_MODE_CLIENT) };
		uint8_t reply = 0;
		enum verdict verdict = parse_copy(octets, sizeof(octets), CLIENT_PORT, &reply);

		if (version < 1 || version > 4) {
			assert_int_equal(verdict, VERDICT_NTP_VERSION);
			continue;
		}
		assert_int_equal(verdict, VERDICT_PENDING);
		assert_int_equal(reply >> 3, version);
		assert_int_equal(reply & 7, NTP_MODE_SERVER);
	}
}

// W3, and W9 for the leap bits
static void only_clients_and_active_peers_are_requests(void **)
{
	for (unsigned flags = 0; flags < 256; flags++) {
		uint8_t octets[NTP_HEADER_SIZE] = { (uint8_t)flags };
		uint8_t reply = 0;
		unsigned version = flags >> 3 & 7, mode = flags & 7;
		enum verdict verdict = parse_copy(octets, sizeof(octets), CLIENT_PORT, &reply);

		if (version < 1 || version > 4) {
			assert_int_equal(verdict, VERDICT_NTP_VERSION);
		} else if (mode == 3 || (mode == 0 && version == 1)) {
			assert_int_equal(verdict, VERDICT_PENDING);
			assert_int_equal(reply & 7, 4);
		} else if (mode == 1) {
			assert_int_equal(verdict, VERDICT_PENDING);
			assert_int_equal(reply & 7, 2);
		} else {
			assert_int_equal(verdict, VERDICT_NTP_MODE);
		}
	}
}

// W4
static void version_1_without_a_mode_is_a_client_unless_it_is_a_server(void **)
{
	const uint8_t octets[NTP_HEADER_SIZE] = { ntp_flags(0, 1, 0) };
	uint8_t reply;

	assert_int_equal(parse_copy(octets, 48, 123, &reply), VERDICT_NTP_MODE);
	assert_int_equal(parse_copy(octets, 48, 122, &reply), VERDICT_PENDING);
	assert_int_equal(parse_copy(octets, 48, 124, &reply), VERDICT_PENDING);
	assert_int_equal(parse_zeros(2, 0, 48), VERDICT_NTP_MODE);
}

// W17: other modes do not look at the port
static void a_client_may_ask_from_the_ntp_port(void **)
{
	const uint8_t octets[NTP_HEADER_SIZE] = { ntp_flags(0, 4, NTP_MODE_CLIENT) };
	uint8_t reply;

	assert_int_equal(parse_copy(octets, 48, 123, &reply), VERDICT_PENDING);
}

// W5, whatever the octets say
static void shorter_than_a_header_is_short(void **)
{
	for (size_t length = 0; length < NTP_HEADER_SIZE; length++) {
		for (unsigned flags = 0; flags < 256; flags++) {
			uint8_t octets[NTP_HEADER_SIZE] = { (uint8_t)flags };
			uint8_t reply;

			assert_int_equal(parse_copy(octets, length, CLIENT_PORT, &reply),
					VERDICT_NTP_SHORT);
		}
	}
}

// W6
static void lengths_that_are_no_multiple_of_four_are_ragged(void **)
{
	for (size_t length = NTP_HEADER_SIZE; length < 200; length++) {
		for (uint8_t version = 1; version <= 4; version++) {
			enum verdict verdict = parse_zeros(version, NTP_MODE_CLIENT, length);

			assert_int_equal(verdict == VERDICT_NTP_RAGGED, length % 4 != 0);
		}
	}
}

// B4: control and private packets of every length
static void control_packets_are_never_requests(void **)
{
	for (size_t length = 1; length <= 1500; length++) {
		for (uint8_t version = 0; version < 8; version++) {
			assert_int_not_equal(parse_zeros(version, 6, length), VERDICT_PENDING);
			assert_int_not_equal(parse_zeros(version, 7, length), VERDICT_PENDING);
		}
	}
}

// W7, E3
static void tails_too_short_for_a_field_are_macs(void **)
{
	for (uint8_t version = 1; version <= 4; version++) {
		for (size_t tail = 4; tail <= 24; tail += 4)
			assert_int_equal(parse_zeros(version, NTP_MODE_CLIENT, 48 + tail),
					VERDICT_NTP_KEY);
	}
	assert_int_equal(parse_zeros(4, NTP_MODE_CLIENT, 48 + 28), VERDICT_NTP_EXTENSION);
}

// E8
static void before_version_4_any_tail_is_a_mac(void **)
{
	const uint16_t field[] = { 28, 0 };
	uint8_t octets[SIZE_MAX_UDP];
	size_t length = compose(octets, field, 0);
	uint8_t reply;

	for (uint8_t version = 1; version <= 3; version++) {
		octets[0] = ntp_flags(NTP_LEAP_NONE, version, NTP_MODE_CLIENT);
		assert_int_equal(parse_copy(octets, length, CLIENT_PORT, &reply), VERDICT_NTP_KEY);
		assert_int_equal(parse_zeros(version, NTP_MODE_CLIENT, 1400), VERDICT_NTP_KEY);
	}
	octets[0] = ntp_flags(NTP_LEAP_NONE, 4, NTP_MODE_CLIENT);
	assert_int_equal(parse_copy(octets, length, CLIENT_PORT, &reply), VERDICT_PENDING);
}

// E4: a lying length in a tail of 28 octets, and in one of 56
static void a_field_length_must_be_right(void **)
{
	static const struct {
		uint16_t length;
		enum verdict in_28, in_56;
	} rows[] = {
		{ 0, VERDICT_NTP_EXTENSION, VERDICT_NTP_EXTENSION },
		{ 1, VERDICT_NTP_EXTENSION, VERDICT_NTP_EXTENSION },
		{ 3, VERDICT_NTP_EXTENSION, VERDICT_NTP_EXTENSION },
		{ 4, VERDICT_NTP_EXTENSION, VERDICT_NTP_EXTENSION },
		{ 8, VERDICT_NTP_EXTENSION, VERDICT_NTP_EXTENSION },
		{ 12, VERDICT_NTP_EXTENSION, VERDICT_NTP_EXTENSION },
		{ 15, VERDICT_NTP_EXTENSION, VERDICT_NTP_EXTENSION },
		{ 16, VERDICT_NTP_KEY, VERDICT_NTP_EXTENSION },
		{ 27, VERDICT_NTP_EXTENSION, VERDICT_NTP_EXTENSION },
		{ 28, VERDICT_PENDING, VERDICT_NTP_EXTENSION },
		{ 29, VERDICT_NTP_EXTENSION, VERDICT_NTP_EXTENSION },
		{ 32, VERDICT_NTP_EXTENSION, VERDICT_NTP_KEY },
		{ 56, VERDICT_NTP_EXTENSION, VERDICT_PENDING },
		{ 60, VERDICT_NTP_EXTENSION, VERDICT_NTP_EXTENSION },
		{ 65532, VERDICT_NTP_EXTENSION, VERDICT_NTP_EXTENSION },
		{ 65535, VERDICT_NTP_EXTENSION, VERDICT_NTP_EXTENSION },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t octets[NTP_HEADER_SIZE + 56] = { ntp_flags(0, 4, NTP_MODE_CLIENT) };
		uint8_t reply;

		store_be16(octets + NTP_HEADER_SIZE + 2, rows[i].length);
		assert_int_equal(parse_copy(octets, 48 + 28, CLIENT_PORT, &reply), rows[i].in_28);
		assert_int_equal(parse_copy(octets, 48 + 56, CLIENT_PORT, &reply), rows[i].in_56);
	}
}

// E5
static void unknown_fields_are_skipped(void **)
{
	uint16_t sixty[61] = { 0 };

	for (size_t i = 0; i < 60; i++)
		sixty[i] = 28;
	assert_int_equal(parse_composed((const uint16_t[]){ 28, 0 }, 0), VERDICT_PENDING);
	assert_int_equal(parse_composed((const uint16_t[]){ 16, 28, 0 }, 0), VERDICT_PENDING);
	assert_int_equal(parse_composed((const uint16_t[]){ 1400, 0 }, 0), VERDICT_PENDING);
	assert_int_equal(parse_composed(sixty, 0), VERDICT_PENDING);
}

// RFC 7822 section 7.5: the last field without a MAC has 28 octets or more
static void a_last_field_below_28_octets_is_taken_for_a_mac(void **)
{
	for (uint16_t last = 16; last <= 24; last += 4)
		assert_int_equal(parse_composed((const uint16_t[]){ 28, last, 0 }, 0),
				VERDICT_NTP_KEY);
}

// E7, while there are no keys
static void fields_with_a_mac_want_a_key(void **)
{
	for (size_t mac = 4; mac <= 24; mac += 4) {
		assert_int_equal(parse_composed((const uint16_t[]){ 16, 0 }, mac), VERDICT_NTP_KEY);
		assert_int_equal(parse_composed((const uint16_t[]){ 28, 16, 0 }, mac),
				VERDICT_NTP_KEY);
	}
}

static void too_many_fields_are_refused(void **)
{
	uint16_t fields[67] = { 0 };

	for (size_t i = 0; i < 63; i++)
		fields[i] = 16;
	fields[63] = 28;
	assert_int_equal(parse_composed(fields, 0), VERDICT_PENDING);
	fields[63] = 16;
	fields[64] = 28;
	assert_int_equal(parse_composed(fields, 0), VERDICT_NTP_EXTENSION);
}

// B4: every truncation of a valid packet, and nothing but a whole number of fields passes
static void every_truncation_is_judged(void **)
{
	const uint16_t fields[] = { 32, 16, 64, 28, 0 };
	uint8_t octets[SIZE_MAX_UDP];
	size_t whole = compose(octets, fields, 0);
	unsigned taken = 0;

	for (size_t length = 0; length <= whole; length++) {
		uint8_t reply;

		if (parse_copy(octets, length, CLIENT_PORT, &reply) == VERDICT_PENDING)
			taken++;
	}
	// Whole fields end at 48, 80, 96, 160 and 188; the 16 octets up to 96 look like a MAC.
	assert_int_equal(taken, 4);
}

static void a_drop_leaves_the_request_alone(void **)
{
	const uint8_t octets[NTP_HEADER_SIZE + 28] = { ntp_flags(0, 4, NTP_MODE_CLIENT) };
	uint8_t reply = 77;

	assert_int_equal(parse_copy(octets, 40, CLIENT_PORT, &reply), VERDICT_NTP_SHORT);
	assert_int_equal(parse_copy(octets, 52, CLIENT_PORT, &reply), VERDICT_NTP_KEY);
	assert_int_equal(parse_copy(octets, 76, CLIENT_PORT, &reply), VERDICT_NTP_EXTENSION);
	assert_int_equal(reply, 77);
}

// Packets put together at random have the verdict they were put together for.
static void random_fields_are_judged_as_composed(void **)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 20'000; round++) {
		uint16_t fields[12] = { 0 };
		size_t count = 1 + random_below(&random, 10);
		size_t mac = random_below(&random, 3) ? 0 : 4 * (1 + random_below(&random, 6));
		uint16_t lie = (uint16_t)random_next(&random);
		uint8_t octets[SIZE_MAX_UDP];
		uint8_t reply;

		for (size_t i = 0; i < count; i++)
			fields[i] = (uint16_t)(28 + 4 * random_below(&random, 100));

		size_t length = compose(octets, fields, mac);

		assert_int_equal(parse_copy(octets, length, CLIENT_PORT, &reply),
				mac ? VERDICT_NTP_KEY : VERDICT_PENDING);
		if (lie >= 16 && lie % 4 == 0 && lie <= length - NTP_HEADER_SIZE)
			continue;
		store_be16(octets + NTP_HEADER_SIZE + 2, lie);
		assert_int_equal(parse_copy(octets, length, CLIENT_PORT, &reply),
				VERDICT_NTP_EXTENSION);
	}
}

// What is known by one look is what the parser says, from whatever port; and all of mode 3 is known.
static void plain_replies_are_those_that_the_parser_gives(void **)
{
	static const uint16_t ports[] = { 1, 123, CLIENT_PORT, 65535 };

	for (unsigned i = 0; i < 4 * 256; i++) {
		uint8_t octets[NTP_HEADER_SIZE] = { (uint8_t)i };
		uint8_t plain = ntp_client_replies[octets[0]], reply = 0;
		bool asks = parse_copy(octets, sizeof(octets), ports[i / 256], &reply)
				== VERDICT_PENDING;

		if (plain)
			assert_true(asks && plain == reply);
		else
			assert_false(asks && (octets[0] & 7) == NTP_MODE_CLIENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_1_to_4_are_taken_and_no_other),
		cmocka_unit_test(only_clients_and_active_peers_are_requests),
		cmocka_unit_test(version_1_without_a_mode_is_a_client_unless_it_is_a_server),
		cmocka_unit_test(a_client_may_ask_from_the_ntp_port),
		cmocka_unit_test(shorter_than_a_header_is_short),
		cmocka_unit_test(lengths_that_are_no_multiple_of_four_are_ragged),
		cmocka_unit_test(control_packets_are_never_requests),
		cmocka_unit_test(tails_too_short_for_a_field_are_macs),
		cmocka_unit_test(before_version_4_any_tail_is_a_mac),
		cmocka_unit_test(a_field_length_must_be_right),
		cmocka_unit_test(unknown_fields_are_skipped),
		cmocka_unit_test(a_last_field_below_28_octets_is_taken_for_a_mac),
		cmocka_unit_test(fields_with_a_mac_want_a_key),
		cmocka_unit_test(too_many_fields_are_refused),
		cmocka_unit_test(every_truncation_is_judged),
		cmocka_unit_test(a_drop_leaves_the_request_alone),
		cmocka_unit_test(random_fields_are_judged_as_composed),
		cmocka_unit_test(plain_replies_are_those_that_the_parser_gives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
