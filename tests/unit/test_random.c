// SPDX-License-Identifier: BSD-3-Clause
// base/random: bits that look random to whoever does not look closely.
#include "unit.h"

#define ROUNDS 200'000

// Each bit is one half of the time, and the same half of the time as the one after it, as the next
// number's bit, and as the bit from another seed (which is a random number as well).
static void all_bits_are_fair(void **)
{
	uint64_t random = test_seed(), other = random_next(&random), last = 0;
	unsigned ones[4][64] = { 0 };

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t bits = random_next(&random);
		uint64_t words[4] = { bits, bits ^ (bits << 1 | bits >> 63), bits ^ last,
			bits ^ random_next(&other) };

		for (unsigned word = 0; word < 4; word++) {
			for (unsigned bit = 0; bit < 64; bit++)
				ones[word][bit] += words[word] >> bit & 1;
		}
		last = bits;
	}
	// A deviation is 224. Seven of them in any of 256 counts: one false alarm in 10^9 runs.
	for (unsigned word = 0; word < 4; word++) {
		for (unsigned bit = 0; bit < 64; bit++)
			assert_in_range(ones[word][bit], ROUNDS / 2 - 1570, ROUNDS / 2 + 1570);
	}
}

// The state is a sum of one odd number, so that the first to come again is the 2^64th.
static void no_seed_leads_into_a_short_cycle(void **)
{
	static const uint64_t seeds[] = { 0, 1, UINT64_MAX, UINT64_C(0x8000'0000'0000'0000) };

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		uint64_t random = seeds[i], fixed, steps = 1;

		// Brent: the number kept moves on at each power of two.
		fixed = random_next(&random);
		for (unsigned limit = 1; limit < ROUNDS; steps++) {
			assert_true(random_next(&random) != fixed);
			if (steps < limit)
				continue;
			fixed = random_next(&random);
			limit *= 2;
			steps = 0;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_bits_are_fair),
		cmocka_unit_test(no_seed_leads_into_a_short_cycle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
