// SPDX-License-Identifier: BSD-3-Clause
#include "base/bytes.h"
#include "sync/claim.h"
#include "unit.h"

#define NOW ((utc_t){ INT64_C(1795392000) * NS_PER_S }) // 2026-11-23

static const struct reference followed = {
	.leap = NTP_LEAP_NONE,
	.stratum = 3,
	.refid = 0x0a000001,
	.root_delay_ns = 200'000,
	.root_dispersion_ns = 40'000,
	.root_dispersion_rate_ppb = 1'000'000, // 1 ms a second
	.as_of = NOW,
};

static struct time_page page_at(int64_t age_ns, const struct map_doubt *doubt)
{
	struct time_page page = {
		.map = {
			.ticks = 1000,
			.utc = utc_add(NOW, age_ns),
			.ns_per_tick = time_rate_from_double(doubt->raw_ns_per_tick),
		},
	};

	claim_write(&page, &followed, doubt, -20);
	return page;
}

// 954 ns are 2^-20 s, rounded up.
static void every_doubt_is_added(void **)
{
	const struct map_doubt doubt = { .error_ns = 300, .raw_ns_per_tick = 0.5 };
	struct time_page page = page_at(0, &doubt);

	assert_int_equal(page.map_error_ns, 300);
	assert_int_equal(page.dispersion_ns, 40'000 + 300 + 954);
	page = page_at(NS_PER_S / 2, &doubt);
	assert_int_equal(page.dispersion_ns, 40'000 + 300 + 954 + 500'000);
	// A word from a moment that is still to come has not grown.
	page = page_at(-NS_PER_S, &doubt);
	assert_int_equal(page.dispersion_ns, 40'000 + 300 + 954);
}

static void it_grows_between_pages(void **)
{
	const struct map_doubt doubt = {
		.error_ns = 300,
		.rate_error = 1e-3,
		.raw_ns_per_tick = 0.5,
	};
	struct time_page page = page_at(0, &doubt);
	int64_t grown_ns = time_page_dispersion_ns(&page, 1000 + 2 * NS_PER_S) - page.dispersion_ns;

	// 1 ms a second of the reference, and as much of the map's rate, for a second.
	assert_in_range(grown_ns, 2'000'000, 2'000'010);
}

static void head_is_the_references(void **)
{
	const struct map_doubt doubt = { .raw_ns_per_tick = 1 };
	struct time_page page = page_at(0, &doubt);
	uint8_t head[NTP_HEAD_SIZE];

	reference_write_head(&followed, -20, head);
	assert_memory_equal(page.head, head, sizeof(head));
	assert_int_equal(page.head[NTP_STRATUM], 3);
	assert_int_equal((int8_t)page.head[NTP_PRECISION], -20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_doubt_is_added),
		cmocka_unit_test(it_grows_between_pages),
		cmocka_unit_test(head_is_the_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
