// SPDX-License-Identifier: BSD-3-Clause
// The map against a world whose true time is known: a counter of 2.596 GHz that steps by 10 ns, a
// clock that can be stepped and slewed, readings that take 25 to 40 ns and now and then far longer.
#include "timing/map_tracker.h"
#include "unit.h"

#include <math.h>

#define TICKS_PER_NS 2.596
#define QUANTUM      26
#define BEGINNING    ((utc_t){ INT64_C(1'700'000'000) * NS_PER_S })

// All reads pass time, so the world is what they share.
static struct {
	double true_ns; // since the world's beginning
	double clock_rate;
	double clock_ns; // of the clock under test at rate_since, since BEGINNING
	double rate_since;
	uint64_t random;
} world;

static void pass(double ns)
{
	world.true_ns += ns;
}

static double clock_ns_at(double true_ns)
{
	return world.clock_ns + (true_ns - world.rate_since) * world.clock_rate;
}

static void set_clock(double step_ns, double rate)
{
	world.clock_ns = clock_ns_at(world.true_ns) + step_ns;
	world.rate_since = world.true_ns;
	world.clock_rate = rate;
}

static uint64_t ticks_at(double true_ns)
{
	uint64_t ticks = (uint64_t)(true_ns * TICKS_PER_NS);

	return ticks - ticks % QUANTUM;
}

static uint64_t read_counter(void)
{
	pass(10);
	return ticks_at(world.true_ns);
}

static void pass_reading_time(void)
{
	// One reading in sixteen is interrupted for up to 10 us.
	if (random_below(&world.random, 16) == 0)
		pass((double)random_below(&world.random, 10000));
	pass(25 + (double)random_below(&world.random, 15));
}

static int64_t read_raw(void)
{
	pass_reading_time();
	return (int64_t)world.true_ns;
}

static utc_t read_clock(const struct local_clock *)
{
	pass_reading_time();
	return utc_add(BEGINNING, (int64_t)clock_ns_at(world.true_ns));
}

static int read_state(const struct local_clock *, struct local_clock_state *state)
{
	*state = (struct local_clock_state){ .rate = world.clock_rate };
	return 0;
}

static void sleep_ns(int64_t ns)
{
	pass((double)ns);
}

static const struct counter counter = { "world", read_counter, read_raw };
static const struct local_clock_driver driver = { .now = read_clock, .state = read_state };
static const struct local_clock local_clock = { .driver = &driver };

static struct map_tracker start(uint64_t seed)
{
	struct map_tracker tracker;

	world.true_ns = 1e9;
	world.clock_ns = 0;
	world.rate_since = world.true_ns;
	world.clock_rate = 1 + 12e-6;
	world.random = seed;
	assert_int_equal(map_tracker_init(&tracker, &counter, &local_clock, sleep_ns), 0);
	return tracker;
}

// What the map says now against the clock's truth.
static double map_error(const struct map_tracker *tracker)
{
	uint64_t ticks = (uint64_t)(world.true_ns * TICKS_PER_NS);
	int64_t mapped_ns = utc_diff_ns(time_map_utc(&tracker->map, ticks), BEGINNING);

	return (double)mapped_ns - clock_ns_at(world.true_ns);
}

static void map_follows_a_steady_clock_within_its_own_error(void **)
{
	struct map_tracker tracker = start(test_seed());
	double squares = 0;
	int updates = 5000;

	for (int i = 0; i < updates; i++) {
		map_tracker_update(&tracker, world.clock_rate);
		pass(4e6);
		double error = map_error(&tracker);

		assert_true(fabs(error)
				<= (double)tracker.error_ns + 4e6 * tracker.rate_error + 10);
		squares += error * error;
	}
	print_message("map error %.2f ns rms\n", sqrt(squares / updates));
	assert_true(sqrt(squares / updates) < 8);
	assert_int_equal(tracker.epoch, 1);
}

static void rate_is_measured_to_parts_in_a_billion(void **)
{
	struct map_tracker tracker = start(test_seed());

	for (int i = 0; i < 5000; i++) {
		map_tracker_update(&tracker, world.clock_rate);
		pass(4e6);
	}
	assert_true(fabs(tracker.raw_ns_per_tick * TICKS_PER_NS - 1) < 2e-8);
	assert_true(fabs(tracker.raw_ns_per_tick * TICKS_PER_NS - 1) <= tracker.rate_error);
}

static void announced_change_of_rate_is_followed_at_once(void **)
{
	struct map_tracker tracker = start(test_seed());

	for (int i = 0; i < 500; i++) {
		set_clock(0, 1 + ((int)random_below(&world.random, 1000) - 500) * 1e-6);
		map_tracker_update(&tracker, world.clock_rate);
		pass(4e6);
		// 2 us would be the error had the old rate been kept.
		assert_true(fabs(map_error(&tracker)) < 100);
	}
}

// Our own change: at once, and without owning up to an error that was none.
static void our_own_change_of_rate_is_no_jump(void **)
{
	static const double frequencies[] = { 1e-3, -1e-3, 0.08, -0.08, 0, 1e-9 };
	struct map_tracker tracker = start(test_seed());

	for (int i = 0; i < 600; i++) {
		map_tracker_update(&tracker, world.clock_rate);
		pass(4e6);
		if (i % 10)
			continue;
		map_tracker_update(&tracker, world.clock_rate);
		set_clock(0, 1 + frequencies[i / 10 % 6]);
		pass(3000); // as long as the driver may take
		map_tracker_change(&tracker, world.clock_rate, false);
		assert_true(fabs(map_error(&tracker)) <= (double)tracker.error_ns + 1);
		pass(4e6);
		assert_true(fabs(map_error(&tracker))
				<= (double)tracker.error_ns + 4e6 * tracker.rate_error + 1);
		// A jump would have been 240 ns at 0.08.
		assert_true(tracker.error_ns < 100);
	}
	assert_int_equal(tracker.epoch, 1);
}

static void our_own_step_is_counted_however_small(void **)
{
	struct map_tracker tracker = start(test_seed());
	static const double steps[] = { 1, -50, 1e9, -3e15 };

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint64_t epoch = tracker.epoch;

		map_tracker_update(&tracker, world.clock_rate);
		set_clock(steps[i], world.clock_rate);
		map_tracker_change(&tracker, world.clock_rate, true);
		assert_int_equal(tracker.epoch, epoch + 1);
		assert_true(fabs(map_error(&tracker)) <= (double)tracker.error_ns + 1);
		pass(4e6);
		map_tracker_update(&tracker, world.clock_rate);
		assert_int_equal(tracker.epoch, epoch + 1);
		assert_true(fabs(map_error(&tracker)) < 100);
	}
}

static void step_is_followed_and_counted(void **)
{
	struct map_tracker tracker = start(test_seed());
	static const double steps[] = { 1e6, -1e6, 1e9, -3e9, 200e3, -200e3 };
	uint64_t epoch = tracker.epoch;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		pass(4e6);
		map_tracker_update(&tracker, world.clock_rate);
		assert_int_equal(tracker.epoch, epoch);
		set_clock(steps[i], world.clock_rate);
		map_tracker_update(&tracker, world.clock_rate);
		assert_int_equal(tracker.epoch, ++epoch);
		assert_true(fabs(map_error(&tracker)) < 100);
	}
}

static void unannounced_slew_is_followed_and_owned_up_to(void **)
{
	struct map_tracker tracker = start(test_seed());
	double told = world.clock_rate;

	set_clock(0, told + 400e-6);
	for (int i = 0; i < 100; i++) {
		pass(4e6); // 1.6 us go unnoticed each time
		map_tracker_update(&tracker, told);
		assert_true(fabs(map_error(&tracker)) < 100);
	}
	assert_true(tracker.error_ns >= 1600);
	assert_int_equal(tracker.epoch, 1);
}

static void precision_is_the_counters_step(void **)
{
	struct map_tracker tracker = start(test_seed());

	// 10 ns are between 2^-27 (7.5 ns) and 2^-26 s.
	assert_int_equal(map_tracker_precision(&tracker), -26);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_follows_a_steady_clock_within_its_own_error),
		cmocka_unit_test(rate_is_measured_to_parts_in_a_billion),
		cmocka_unit_test(announced_change_of_rate_is_followed_at_once),
		cmocka_unit_test(our_own_change_of_rate_is_no_jump),
		cmocka_unit_test(our_own_step_is_counted_however_small),
		cmocka_unit_test(step_is_followed_and_counted),
		cmocka_unit_test(unannounced_slew_is_followed_and_owned_up_to),
		cmocka_unit_test(precision_is_the_counters_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
