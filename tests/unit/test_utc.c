// SPDX-License-Identifier: BSD-3-Clause
// base/utc: moments and their wire forms, across NTP's eras and POSIX's 2038.
#include "base/utc.h"
#include "unit.h"

#define SECOND INT64_C(1'000'000'000)

static utc_t at(int64_t seconds, int64_t ns)
{
	return (utc_t){ seconds * SECOND + ns };
}

static utc_t random_moment(uint64_t *random)
{
	// All that 64 bits of nanoseconds hold, but for the half era at each end that `near` may need.
	return (utc_t){ (int64_t)random_next(random) / 4 };
}

static void known_moments_have_their_wire_form(void **)
{
	static const struct {
		int64_t seconds, ns;
		ntp64_t stamp;
	} rows[] = {
		{ 0, 0, UINT64_C(0x83aa7e80'00000000) },
		{ 0, 500'000'000, UINT64_C(0x83aa7e80'80000000) },
		{ -1, 250'000'000, UINT64_C(0x83aa7e7f'40000000) },
		{ -2208988800, 0, 0 }, // 1900-01-01
		{ 1772323200, 0, UINT64_C(0xed4e0000'00000000) },
		// 2036-02-07 06:28:16, era 1
		{ 2085978495, 999'999'999, UINT64_C(0xffffffff'fffffffb) },
		{ 2085978496, 0, 0 },
		{ 2085978496, 1, 4 },
		// 2038-01-19 03:14:08, where 32 signed bits of POSIX end
		{ 2147483647, 0, UINT64_C(0x03aa7e7f'00000000) },
		{ 2147483648, 0, UINT64_C(0x03aa7e80'00000000) },
		// 2104-02-26 09:42:24, half an era later
		{ 4233462143, 0, UINT64_C(0x7fffffff'00000000) },
		{ 4233462144, 0, UINT64_C(0x80000000'00000000) },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		utc_t moment = at(rows[i].seconds, rows[i].ns);

		assert_true(utc_to_ntp64(moment) == rows[i].stamp);
		assert_int_equal(utc_from_ntp64(rows[i].stamp, moment).ns, moment.ns);
	}
}

// 0 <= moment - stamp < 2^-32 s, computed exactly
static void to_ntp64_rounds_down(void **)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 200'000; round++) {
		utc_t moment = random_moment(&random);

		if (round % 2)
			moment.ns = moment.ns / SECOND * SECOND - 5 + (int64_t)(round % 10);

		ntp64_t stamp = utc_to_ntp64(moment);
		uint32_t rest_ns;
		int64_t seconds = utc_seconds(moment, &rest_ns);
		__int128 exact = (__int128)(seconds + 2208988800) * SECOND * (INT64_C(1) << 32)
				+ ((__int128)rest_ns << 32);
		__int128 era = (__int128)1 << 64;
		__int128 rest = exact - (__int128)stamp * SECOND;

		// Whole eras apart.
		rest %= era * SECOND;
		if (rest < 0)
			rest += era * SECOND;
		assert_true(rest < SECOND);
	}
}

static void seconds_are_rounded_down(void **)
{
	static const struct {
		int64_t ns, seconds;
		uint32_t rest_ns;
	} rows[] = {
		{ 0, 0, 0 },
		{ 1, 0, 1 },
		{ -1, -1, 999'999'999 },
		{ -SECOND, -1, 0 },
		{ -SECOND - 1, -2, 999'999'999 },
		{ INT64_MAX, 9223372036, 854775807 },
		{ INT64_MIN, -9223372037, 145224192 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t rest_ns;

		assert_int_equal(utc_seconds((utc_t){ rows[i].ns }, &rest_ns), rows[i].seconds);
		assert_int_equal(rest_ns, rows[i].rest_ns);
	}
}

static void a_moment_survives_the_round_trip(void **)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 200'000; round++) {
		utc_t moment = random_moment(&random);
		// Up to 68 years off, which is what half an era allows.
		int64_t off_ns = (int64_t)random_below(&random, 2 * INT64_C(2147483640) * SECOND)
				- INT64_C(2147483640) * SECOND;
		utc_t near = utc_add(moment, off_ns);

		assert_int_equal(utc_from_ntp64(utc_to_ntp64(moment), near).ns, moment.ns);
	}
}

static void the_era_is_the_one_nearest(void **)
{
	const utc_t before = at(2085978490, 0), after = at(2085978502, 0);

	// Fraction 0.9999999999 s rounds up into the next second, and here into the next era.
	assert_int_equal(utc_from_ntp64(UINT64_MAX, before).ns, at(2085978496, 0).ns);
	assert_int_equal(utc_from_ntp64(UINT64_MAX, after).ns, at(2085978496, 0).ns);
	assert_int_equal(utc_from_ntp64(UINT64_C(5) << 32, before).ns, at(2085978501, 0).ns);
	assert_int_equal(
			utc_from_ntp64(UINT64_C(0xfffffffb) << 32, after).ns, at(2085978491, 0).ns);
	// The same stamp 136 years apart.
	assert_int_equal(utc_from_ntp64(UINT64_C(5) << 32, at(-2208988800, 0)).ns,
			at(-2208988795, 0).ns);
	assert_int_equal(utc_from_ntp64(UINT64_C(5) << 32, at(6380945792, 0)).ns,
			at(6380945797, 0).ns);
}

static void from_ntp64_rounds_to_the_nearest(void **)
{
	// A nanosecond is 4.29 units of 2^-32 s.
	assert_int_equal(utc_from_ntp64(2, at(2085978496, 0)).ns, at(2085978496, 0).ns);
	assert_int_equal(utc_from_ntp64(3, at(2085978496, 0)).ns, at(2085978496, 1).ns);
	assert_int_equal(utc_from_ntp64(6, at(2085978496, 0)).ns, at(2085978496, 1).ns);
	assert_int_equal(utc_from_ntp64(7, at(2085978496, 0)).ns, at(2085978496, 2).ns);
}

static void sums_and_differences_wrap(void **)
{
	assert_int_equal(utc_add((utc_t){ INT64_MAX }, 1).ns, INT64_MIN);
	assert_int_equal(utc_diff_ns((utc_t){ INT64_MIN }, (utc_t){ INT64_MAX }), 1);
	assert_int_equal(utc_diff_ns(at(5, 0), at(7, 0)), -2 * SECOND);
	assert_int_equal(utc_add(at(5, 0), -SECOND).ns, at(4, 0).ns);
}

static void short_format_rounds_up(void **)
{
	static const struct {
		int64_t ns;
		uint32_t interval;
	} rows[] = {
		{ INT64_MIN, 0 },
		{ -SECOND, 0 },
		{ -20'000, 0 },
		{ -1, 0 },
		{ 0, 0 },
		{ 1, 1 },
		{ 15258, 1 },
		{ 15259, 2 },
		{ 500'000'000, 0x8000 },
		{ 500'000'001, 0x8001 },
		{ SECOND, 0x10000 },
		{ 65535 * SECOND - 1, 0xffff0000 },
		{ 65535 * SECOND + 1, UINT32_MAX },
		{ INT64_MAX, UINT32_MAX },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ns_to_ntp32(rows[i].ns), rows[i].interval);
}

static void short_format_covers_what_it_was_made_of(void **)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 200'000; round++) {
		int64_t ns = (int64_t)random_below(&random, 65535 * SECOND);

		if (round % 2)
			ns %= 10'000'000;

		uint32_t interval = ns_to_ntp32(ns);

		assert_true(ns_from_ntp32(interval) >= ns);
		assert_true(interval == 0 || ns_from_ntp32(interval - 1) < ns);
	}
	assert_int_equal(ns_from_ntp32(0), 0);
	assert_int_equal(ns_from_ntp32(0x10000), SECOND);
	assert_int_equal(ns_from_ntp32(UINT32_MAX), 65535'999'984'741);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_moments_have_their_wire_form),
		cmocka_unit_test(to_ntp64_rounds_down),
		cmocka_unit_test(seconds_are_rounded_down),
		cmocka_unit_test(a_moment_survives_the_round_trip),
		cmocka_unit_test(the_era_is_the_one_nearest),
		cmocka_unit_test(from_ntp64_rounds_to_the_nearest),
		cmocka_unit_test(sums_and_differences_wrap),
		cmocka_unit_test(short_format_rounds_up),
		cmocka_unit_test(short_format_covers_what_it_was_made_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
