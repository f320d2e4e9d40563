// SPDX-License-Identifier: BSD-3-Clause
// base/checksum: the fast sum against RFC 1071 done word by word.
#include "base/checksum.h"
#include "unit.h"
#include "wire.h"

#include <string.h>

// Folded, and in the order a reader of the wire sees it.
static unsigned fast_sum(const uint8_t *bytes, size_t length)
{
	uint16_t folded = checksum_fold(checksum_add(0, bytes, length));
	uint8_t stored[2];

	memcpy(stored, &folded, sizeof(stored));
	return wire_get16(stored);
}

static void the_example_of_rfc_1071_sums_right(void **)
{
	static const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	assert_int_equal(fast_sum(example, sizeof(example)), 0xddf2);
}

static void an_odd_byte_is_the_upper_half_of_a_word(void **)
{
	static const uint8_t odd[] = { 0x12, 0x34, 0x56 };

	assert_int_equal(fast_sum(odd, sizeof(odd)), 0x1234 + 0x5600);
}

static void nothing_sums_to_zero(void **)
{
	assert_int_equal(fast_sum((const uint8_t *)"", 0), 0);
	assert_int_equal(checksum_fold(0), 0);
}

static void carries_survive_the_longest_packet(void **)
{
	static uint8_t ones[65535];

	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(fast_sum(ones, sizeof(ones) - 1), 0xffff);
	assert_int_equal(fast_sum(ones, sizeof(ones)), wire_sum(0, ones, sizeof(ones)));
	assert_int_equal(checksum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(checksum_fold(UINT64_C(0xffff'ffff'0001)), 1);
}

static void any_bytes_at_any_place_sum_as_the_slow_way(void **)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 20'000; round++) {
		size_t length = random_below(&random, round % 8 ? 200 : 2000);
		size_t skew = random_below(&random, 8);
		uint8_t *memory = malloc(skew + length + 1);

		assert_non_null(memory);
		for (size_t i = 0; i < skew + length; i++)
			memory[i] = (uint8_t)random_next(&random);
		uint8_t *exact = malloc(length ? length : 1);

		assert_non_null(exact);
		memcpy(exact, memory + skew, length);
		assert_int_equal(fast_sum(exact, length), wire_sum(0, exact, length));
		assert_int_equal(fast_sum(memory + skew, length), wire_sum(0, exact, length));
		free(exact);
		free(memory);
	}
}

static void sums_of_even_parts_add_up(void **)
{
	uint64_t random = test_seed();
	uint8_t bytes[256];

	for (unsigned round = 0; round < 5'000; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)random_next(&random);
		size_t length = random_below(&random, sizeof(bytes) + 1);
		size_t part = random_below(&random, length / 2 + 1) * 2;
		uint64_t sum = checksum_add(
				checksum_add(0, bytes, part), bytes + part, length - part);

		assert_int_equal(checksum_fold(sum), checksum_fold(checksum_add(0, bytes, length)));
	}
}

// RFC 1071 section 2: numbers of 16 bits, and what comes out at the top is added at the bottom.
static unsigned slow_fold(unsigned __int128 sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)sum;
}

// Mostly zeros and ones, where carries go far.
static uint64_t random_word(uint64_t *random)
{
	uint64_t word = random_next(random);

	for (unsigned i = 0; i < 4; i++) {
		uint64_t part = UINT64_C(0xffff) << 16 * i;

		if (random_below(random, 3) == 0)
			word = random_below(random, 2) ? word | part : word & ~part;
	}
	return word;
}

static void words_add_up_as_the_slow_way(void **)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 300'000; round++) {
		uint64_t sum = random_word(&random), word = random_word(&random);

		assert_int_equal(checksum_fold(sum), slow_fold(sum));
		assert_int_equal(checksum_fold(checksum_add_word(sum, word)),
				slow_fold((unsigned __int128)sum + word));
	}
	for (uint64_t sum = 0; sum <= UINT64_C(0x3'0000); sum++)
		assert_int_equal(checksum_fold(sum), slow_fold(sum));
}

static void pseudo_headers_are_those_of_both_families(void **)
{
	struct wire wire;
	const char *const pairs[][2] = {
		{ "192.0.2.1", "192.0.2.10" },
		{ "2001:db8::1", "2001:db8::10" },
	};

	for (unsigned i = 0; i < 2; i++) {
		size_t size = i == 0 ? 8 : 32;
		uint8_t stored[2];

		wire_udp(&wire, pairs[i][0], pairs[i][1], 301);
		uint16_t folded = checksum_fold(checksum_pseudo(
				wire.bytes + wire_transport(wire.bytes) - size, size, 17, 309));

		memcpy(stored, &folded, sizeof(stored));
		assert_int_equal(wire_get16(stored), wire_pseudo_sum(wire.bytes));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_1071_sums_right),
		cmocka_unit_test(an_odd_byte_is_the_upper_half_of_a_word),
		cmocka_unit_test(nothing_sums_to_zero),
		cmocka_unit_test(carries_survive_the_longest_packet),
		cmocka_unit_test(any_bytes_at_any_place_sum_as_the_slow_way),
		cmocka_unit_test(sums_of_even_parts_add_up),
		cmocka_unit_test(words_add_up_as_the_slow_way),
		cmocka_unit_test(pseudo_headers_are_those_of_both_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
