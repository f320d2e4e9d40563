// SPDX-License-Identifier: BSD-3-Clause
#include "timing/time_page.h"
#include "unit.h"

#include <string.h>

static void reading_before_anything_was_published_says_so(void **)
{
	_Alignas(64) struct latch latch = { 0 };
	struct time_page page;

	assert_false(time_page_read(&latch, &page));
}

static void what_was_published_is_read(void **)
{
	_Alignas(64) struct latch latch = { 0 };
	struct time_page written = {
		.expires_ticks = 7, .epoch = 3, .head = "0123456789abcdefghijklm"
	};
	struct time_page page;

	time_page_publish(&latch, &written);
	assert_true(time_page_read(&latch, &page));
	assert_memory_equal(&page, &written, sizeof(page));
}

static void map_goes_both_ways_from_its_reference(void **)
{
	struct time_map map = {
		.ticks = 1000, .utc = { 5000 }, .ns_per_tick = time_rate_from_double(0.5)
	};

	assert_int_equal(time_map_utc(&map, 1000).ns, 5000);
	assert_int_equal(time_map_utc(&map, 1010).ns, 5005);
	assert_int_equal(time_map_utc(&map, 990).ns, 4995);
}

static void map_survives_a_counter_that_wraps(void **)
{
	struct time_map map = {
		.ticks = UINT64_MAX - 9, .utc = { 0 }, .ns_per_tick = time_rate_from_double(1)
	};

	assert_int_equal(time_map_utc(&map, 10).ns, 20);
}

// T14: no overflow however old the page, against long double arithmetic.
static void map_is_right_years_from_its_reference(void **)
{
	uint64_t random = test_seed();

	for (int i = 0; i < 100000; i++) {
		double rate = 0.1 + (double)random_below(&random, 1000000) / 1e5;
		int64_t ticks = (int64_t)(random_next(&random) >> 5) - (INT64_C(1) << 58);
		struct time_map map = { .ticks = 77, .ns_per_tick = time_rate_from_double(rate) };
		long double expected = (long double)ticks * (long double)map.ns_per_tick
				/ (long double)(1ULL << TIME_MAP_SHIFT);
		int64_t got = time_map_utc(&map, 77 + (uint64_t)ticks).ns;

		if (expected > -9e18L && expected < 9e18L)
			assert_true(llabs(got - (int64_t)expected) <= 1);
	}
}

static void page_expires_when_its_time_has_come(void **)
{
	struct time_page page = { .expires_ticks = 100 };

	assert_false(time_page_expired(&page, 99));
	assert_true(time_page_expired(&page, 100));
	page.expires_ticks = 5; // beyond the wrap
	assert_false(time_page_expired(&page, UINT64_MAX));
}

static void dispersion_grows_with_age_and_never_below_the_start(void **)
{
	struct time_page page = {
		.map = { .ticks = 1000 },
		.dispersion_ns = 500,
		.dispersion_rate = time_rate_from_double(0.001),
	};
	int64_t before = 0;

	assert_int_equal(time_page_dispersion_ns(&page, 0), 500);
	assert_int_equal(time_page_dispersion_ns(&page, 1000), 500);
	for (uint64_t ticks = 1000; ticks < 1000000; ticks += 777) {
		int64_t now = time_page_dispersion_ns(&page, ticks);

		assert_true(now >= before);
		assert_true(now >= 500 + (int64_t)(ticks - 1000) / 1000);
		before = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_before_anything_was_published_says_so),
		cmocka_unit_test(what_was_published_is_read),
		cmocka_unit_test(map_goes_both_ways_from_its_reference),
		cmocka_unit_test(map_survives_a_counter_that_wraps),
		cmocka_unit_test(map_is_right_years_from_its_reference),
		cmocka_unit_test(page_expires_when_its_time_has_come),
		cmocka_unit_test(dispersion_grows_with_age_and_never_below_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
