// SPDX-License-Identifier: BSD-3-Clause
// sync/association: which round trips are believed, by the options of chrony.conf(5).
#include "association_world.h"

static enum association_verdict exchange_over(struct world *world, int64_t delay_ns)
{
	world->out_ns = delay_ns / 2;
	world->back_ns = delay_ns - delay_ns / 2;
	return world_exchange(world);
}

static void settle(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		exchange_over(world,
				600 * WORLD_US + (int64_t)random_below(&world->random, 50'000));
}

static void maxdelay_is_the_most(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.maxdelay = 0.001;
	world_open(&world, &options);
	// The exchange's own doubt of 234 ns is in its favour.
	assert_int_equal(exchange_over(&world, 1000 * WORLD_US + 200), ASSOCIATION_SAMPLE);
	assert_int_equal(exchange_over(&world, 1000 * WORLD_US + 300), ASSOCIATION_DELAYED);
	assert_int_equal(world.report.tests, 0x3f7); // A
	assert_int_equal(world.report.reach, 3);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(exchange_over(&world, 2 * WORLD_MS), ASSOCIATION_DELAYED);
	assert_int_equal(exchange_over(&world, 0), ASSOCIATION_SAMPLE);
	assert_int_equal(world.sample.delay_ns, 1);
	world_close(&world);
}

static void nothing_is_believed_after_16_s(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	assert_int_equal(exchange_over(&world, 15 * NS_PER_S), ASSOCIATION_SAMPLE);
	assert_int_equal(exchange_over(&world, 17 * NS_PER_S), ASSOCIATION_DELAYED);
	world_close(&world);
}

static void less_than_no_delay_is_refused(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	assert_int_equal(exchange_over(&world, -100), ASSOCIATION_SAMPLE);
	assert_int_equal(world.sample.delay_ns, 1);
	assert_int_equal(exchange_over(&world, -1000), ASSOCIATION_DELAYED);
	// The server's clock was set between its two stamps.
	world_ask(&world);
	world_serve(&world);
	world_put(world.reply + 40, 8, world_get(world.reply + 40, 8) + (UINT64_C(1) << 32));
	assert_int_equal(world_receive(&world), ASSOCIATION_DELAYED);
	world_close(&world);
	// It is the shortest now, and the other tests go on.
	options.maxdelayratio = 2;
	world_open(&world, &options);
	assert_int_equal(exchange_over(&world, -100), ASSOCIATION_SAMPLE);
	assert_int_equal(exchange_over(&world, 600 * WORLD_US), ASSOCIATION_DELAYED);
	world_close(&world);
}

static void maxdelayratio_is_to_the_shortest(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.maxdelayratio = 2;
	world_open(&world, &options);
	assert_int_equal(exchange_over(&world, 900 * WORLD_US), ASSOCIATION_SAMPLE);
	assert_int_equal(exchange_over(&world, 1790 * WORLD_US), ASSOCIATION_SAMPLE);
	assert_int_equal(exchange_over(&world, 600 * WORLD_US), ASSOCIATION_SAMPLE);
	assert_int_equal(exchange_over(&world, 1210 * WORLD_US), ASSOCIATION_DELAYED);
	assert_int_equal(world.report.tests, 0x3fb); // B
	assert_int_equal(exchange_over(&world, 1190 * WORLD_US), ASSOCIATION_SAMPLE);
	world_close(&world);
	options.mindelay = 0.0001;
	world_open(&world, &options);
	assert_int_equal(exchange_over(&world, 900 * WORLD_US), ASSOCIATION_DELAYED);
	assert_int_equal(exchange_over(&world, 190 * WORLD_US), ASSOCIATION_SAMPLE);
	world_close(&world);
}

// The deviation of delays even over 50 us is 14.4 us, and of measurements half of that.
static void maxdelaydevratio_is_to_the_deviation(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.maxdelaydevratio = 10;
	world_open(&world, &options);
	settle(&world, 100);
	assert_in_range(world.report.counters[ASSOCIATION_SAMPLE], 97, 100);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(exchange_over(&world, 600 * WORLD_US + 105'000),
				ASSOCIATION_DELAYED);
		assert_int_equal(world.report.tests, 0x3fd); // C
	}
	assert_int_equal(exchange_over(&world, 600 * WORLD_US + 45'000), ASSOCIATION_SAMPLE);
	world_close(&world);
}

// Eight in a row are not a queue but another way.
static void longer_way_is_accepted_in_the_end(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.maxdelaydevratio = 10;
	options.maxdelayratio = 2;
	world_open(&world, &options);
	settle(&world, 200);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(exchange_over(&world, 30 * WORLD_MS), ASSOCIATION_DELAYED);
	settle(&world, 1);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(exchange_over(&world, 30 * WORLD_MS), ASSOCIATION_DELAYED);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(exchange_over(&world, 30 * WORLD_MS), ASSOCIATION_SAMPLE);
	assert_int_equal(exchange_over(&world, 90 * WORLD_MS), ASSOCIATION_DELAYED);
	world_close(&world);
}

static void maxdelayquant_is_the_share_that_passes(void **)
{
	static const double quantiles[] = { 0.1, 0.3, 0.5, 0.9 };

	for (unsigned i = 0; i < 4; i++) {
		struct association_options options = world_options();
		double share, longest_s = 0;
		unsigned passed = 0;
		struct world world;

		options.maxdelayquant = quantiles[i];
		options.maxdelaydevratio = 0.001; // has no say beside it
		world_open(&world, &options);
		for (unsigned j = 0; j < 5000; j++) {
			double u = (double)(random_below(&world.random, 1 << 20) + 1) / (1 << 20);
			double delay_s = 1e-4 - 1e-4 * log(u);

			if (exchange_over(&world, (int64_t)(delay_s * 1e9)) == ASSOCIATION_SAMPLE) {
				passed += j >= 1000;
				longest_s = j >= 1000 ? fmax(longest_s, delay_s) : 0;
			}
		}
		share = passed / 4000.;
		// Within five deviations of what 4000 draws and a window of 128 give.
		if (fabs(share - quantiles[i]) > 0.05)
			fail_msg("%g of the samples passed instead of %g", share, quantiles[i]);
		// And these were the short ones.
		assert_true(longest_s < 1e-4 - 1e-4 * log1p(-quantiles[i]) * 2.5 + 1e-5);
		world_close(&world);
	}
}

static void maxdelayquant_follows_the_way(void **)
{
	struct association_options options = world_options();
	unsigned passed = 0;
	struct world world;

	options.maxdelayquant = 0.5;
	world_open(&world, &options);
	settle(&world, 300);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(exchange_over(&world, 30 * WORLD_MS + i), ASSOCIATION_DELAYED);
	for (unsigned i = 0; i < 328; i++) {
		int64_t delay_ns = 30 * WORLD_MS + (int64_t)random_below(&world.random, WORLD_MS);
		bool taken = exchange_over(&world, delay_ns) == ASSOCIATION_SAMPLE;

		passed += taken && i >= 128;
	}
	assert_in_range(passed, 60, 140);
	world_close(&world);
}

// chrony.conf(5): negative, the way to the source is the one that varies.
static void asymmetry_takes_the_excess_out(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.asymmetry = -0.5;
	world_open(&world, &options);
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_offset(&world, 0);
	world.out_ns += 400 * WORLD_US;
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_offset(&world, 0);
	assert_in_range(world.sample.delay_ns, 1000 * WORLD_US - 2, 1000 * WORLD_US + 2);
	world_close(&world);
	options.asymmetry = 0.25;
	options.mindelay = 0.0004;
	world_open(&world, &options);
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_offset(&world, 50 * WORLD_US);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maxdelay_is_the_most),
		cmocka_unit_test(nothing_is_believed_after_16_s),
		cmocka_unit_test(less_than_no_delay_is_refused),
		cmocka_unit_test(maxdelayratio_is_to_the_shortest),
		cmocka_unit_test(maxdelaydevratio_is_to_the_deviation),
		cmocka_unit_test(longer_way_is_accepted_in_the_end),
		cmocka_unit_test(maxdelayquant_is_the_share_that_passes),
		cmocka_unit_test(maxdelayquant_follows_the_way),
		cmocka_unit_test(asymmetry_takes_the_excess_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
