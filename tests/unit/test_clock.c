// SPDX-License-Identifier: BSD-3-Clause
// drivers/clock, as far as it can be tried without touching the machine's clock.
#include "drivers/drivers.h"
#include "unit.h"

#include <math.h>

static int64_t real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static struct local_clock open_clock(const struct local_clock_driver *driver)
{
	struct local_clock clock = { .driver = driver };

	assert_int_equal(driver->open(&clock), 0);
	return clock;
}

// The clock under test read between two readings of the machine's.
static void assert_is_at(const struct local_clock *clock, int64_t offset_ns)
{
	int64_t before = real_ns();
	int64_t now = clock->driver->now(clock).ns;
	int64_t after = real_ns();

	assert_true(now >= before + offset_ns && now <= after + offset_ns);
}

static void system_and_follow_are_the_machines_clock(void **)
{
	struct local_clock system = open_clock(&local_clock_system);
	struct local_clock follow = open_clock(&local_clock_follow);

	assert_is_at(&system, 0);
	assert_is_at(&follow, 0);
	system.driver->close(&system);
	follow.driver->close(&follow);
}

static void nobody_vouches_for_system_and_null(void **)
{
	struct local_clock system = open_clock(&local_clock_system);
	struct local_clock null = open_clock(&local_clock_null);
	struct local_clock_state state;

	assert_int_equal(system.driver->state(&system, &state), 0);
	assert_false(state.vouched);
	assert_true(fabs(state.rate - 1) < 0.11); // what tick can be set to
	assert_int_equal(null.driver->state(&null, &state), 0);
	assert_false(state.vouched);
	system.driver->close(&system);
	null.driver->close(&null);
}

static void follow_is_vouched_for_below_16_seconds_of_error(void **)
{
	struct local_clock follow = open_clock(&local_clock_follow);
	struct local_clock_state state;

	assert_int_equal(follow.driver->state(&follow, &state), 0);
	assert_int_equal(state.vouched, state.max_error_ns < INT64_C(16'000'000'000));
}

static void null_steps_when_told(void **)
{
	struct local_clock null = open_clock(&local_clock_null);

	assert_is_at(&null, 0);
	assert_int_equal(null.driver->step(&null, INT64_C(-5'000'000'000)), 0);
	assert_is_at(&null, INT64_C(-5'000'000'000));
	assert_int_equal(null.driver->step(&null, 1'000), 0);
	assert_is_at(&null, INT64_C(-4'999'999'000));
	null.driver->close(&null);
}

static void null_set_frequency(struct local_clock *null, double wished)
{
	double frequency = wished;

	assert_int_equal(null->driver->set_frequency(null, &frequency), 0);
	assert_true(frequency == wished);
}

static void null_runs_as_fast_as_told_without_a_jump(void **)
{
	struct local_clock null = open_clock(&local_clock_null);
	struct local_clock_state state;
	struct timespec pause = { 0, 20'000'000 };

	null_set_frequency(&null, 0.1);
	int64_t null_before = null.driver->now(&null).ns, real_before = real_ns();

	nanosleep(&pause, NULL);
	int64_t real_after = real_ns(), null_after = null.driver->now(&null).ns;
	double ratio = (double)(null_after - null_before) / (double)(real_after - real_before);

	assert_true(ratio > 1.0999 && ratio < 1.15);
	assert_int_equal(null.driver->state(&null, &state), 0);
	assert_true(fabs(state.rate - 1.1) < 0.01);
	assert_true(state.frequency == 0.1);
	// Slowing down again keeps what was gained.
	null_set_frequency(&null, 0);
	assert_true(null.driver->now(&null).ns - real_ns() > 1'900'000);
	null.driver->close(&null);
}

// What the kernel stamped a moment ago is told as the software clock would have shown it.
static void null_tells_stamps_of_the_kernel(void **)
{
	struct local_clock null = open_clock(&local_clock_null);
	int64_t began = real_ns();

	null.driver->step(&null, INT64_C(3'000'000'000));
	null_set_frequency(&null, 0.1);
	utc_t real = { real_ns() };
	utc_t now = null.driver->now(&null);
	utc_t stamped = null.driver->from_real(&null, real);
	utc_t earlier = null.driver->from_real(&null, utc_add(real, -1'000'000));
	int64_t took_ns = real_ns() - began;

	assert_in_range(utc_diff_ns(now, stamped), 0, 2 * took_ns);
	assert_in_range(utc_diff_ns(stamped, real), 3 * NS_PER_S, 3 * NS_PER_S + took_ns);
	assert_in_range(utc_diff_ns(stamped, earlier), 1'099'998, 1'100'002);
	null.driver->close(&null);
}

// Each time less than a nanosecond is gained; nanoseconds rounded down would leave nothing of it. Bounds,
// as the machine may take us off the CPU between any two lines.
static void null_loses_nothing_in_many_changes_of_frequency(void **)
{
	struct local_clock null = open_clock(&local_clock_null);
	double frequency = 1e-3;
	int64_t before_first_ns = real_ns();

	null_set_frequency(&null, frequency);
	int64_t after_first_ns = real_ns();

	for (int i = 0; i < 100'000; i++)
		null_set_frequency(&null, frequency);
	int64_t before_last_ns = real_ns();

	null_set_frequency(&null, 0);
	int64_t after_last_ns = real_ns();
	int64_t null_ns = null.driver->now(&null).ns;
	int64_t least_ns = (int64_t)((double)(before_last_ns - after_first_ns) * frequency);
	int64_t most_ns = (int64_t)((double)(after_last_ns - before_first_ns) * frequency);

	assert_true(least_ns > 1000);
	assert_true(null_ns - after_last_ns >= least_ns - 1);
	assert_true(null_ns - real_ns() <= most_ns + 1);
	null.driver->close(&null);
}

static void null_takes_no_frequency_beyond_its_bounds(void **)
{
	struct local_clock null = open_clock(&local_clock_null);
	double frequency = -3;

	assert_int_equal(null.driver->set_frequency(&null, &frequency), 0);
	assert_true(frequency == -local_clock_null.max_frequency);
	null.driver->close(&null);
}

static void follow_is_not_ours_to_steer(void **)
{
	assert_null(local_clock_follow.step);
	assert_null(local_clock_follow.set_frequency);
	assert_null(local_clock_follow.tell);
}

static void counter_never_goes_back(void **)
{
	const struct counter *counter = counter_choose();
	uint64_t before = counter->read();

	for (int i = 0; i < 100000; i++) {
		uint64_t now = counter->read();

		assert_true((int64_t)(now - before) >= 0);
		before = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(system_and_follow_are_the_machines_clock),
		cmocka_unit_test(nobody_vouches_for_system_and_null),
		cmocka_unit_test(follow_is_vouched_for_below_16_seconds_of_error),
		cmocka_unit_test(null_steps_when_told),
		cmocka_unit_test(null_runs_as_fast_as_told_without_a_jump),
		cmocka_unit_test(null_tells_stamps_of_the_kernel),
		cmocka_unit_test(null_loses_nothing_in_many_changes_of_frequency),
		cmocka_unit_test(null_takes_no_frequency_beyond_its_bounds),
		cmocka_unit_test(follow_is_not_ours_to_steer),
		cmocka_unit_test(counter_never_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
