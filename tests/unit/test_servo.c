// SPDX-License-Identifier: BSD-3-Clause
#include "sync/servo.h"
#include "unit.h"

#include <math.h>

#define START ((utc_t){ INT64_C(1795392000) * NS_PER_S }) // 2026-11-23

static const struct servo_options usual = {
	.max_slew_rate = 0.083333,
	.max_update_skew = 1e-3,
	.max_drift = 0.1,
};

// A clock that does as it is told, and UTC: ahead of it by `error_ns` when free time was 0, and
// growing away from free time by `drift`.
struct world {
	struct servo servo;
	struct timeline timeline;
	int64_t free_ns;
	double error_ns;
	double drift;
	int64_t wake_free_ns;
};

static void world_init(struct world *world, const struct servo_options *options, double error_ns,
		double drift)
{
	*world = (struct world){ .error_ns = error_ns, .drift = drift, .wake_free_ns = INT64_MAX };
	servo_init(&world->servo, options, 0);
	timeline_init(&world->timeline, START, 0);
}

static double error_now(const struct world *world)
{
	int64_t corrected = timeline_correction_ns(&world->timeline, world->free_ns) - START.ns;

	return world->error_ns + world->drift * (double)world->free_ns - (double)corrected;
}

static void perform(struct world *world, const struct servo_command *command)
{
	utc_t now = timeline_local(&world->timeline, world->free_ns);

	world->wake_free_ns = command->wake_free_ns;
	if (command->verdict != SERVO_ADJUST)
		return;
	if (command->step_ns)
		timeline_step(&world->timeline, now, command->step_ns);
	timeline_set_frequency(
			&world->timeline, utc_add(now, command->step_ns), command->frequency);
}

static struct servo_command update(struct world *world, double offset_sd_ns)
{
	struct estimate estimate = {
		.offset_ns = START.ns
				+ llround(world->error_ns + world->drift * (double)world->free_ns),
		.frequency = world->drift,
		.offset_sd_ns = offset_sd_ns,
		.frequency_sd = 1e-9,
	};
	struct servo_command command =
			servo_update(&world->servo, &world->timeline, &estimate, world->free_ns);

	perform(world, &command);
	return command;
}

static struct servo_command wake(struct world *world, int64_t late_ns)
{
	world->free_ns = world->wake_free_ns + late_ns;
	struct servo_command command =
			servo_continue(&world->servo, &world->timeline, world->free_ns);

	perform(world, &command);
	return command;
}

static void error_is_gone_after_a_sixteenth_of_the_interval(void **)
{
	struct world world;

	world_init(&world, &usual, 0, 2e-5);
	update(&world, 100);
	world.free_ns = 64 * NS_PER_S;
	world.error_ns = 10'000;
	struct servo_command command = update(&world, 100);

	assert_int_equal(command.verdict, SERVO_ADJUST);
	assert_int_equal(command.step_ns, 0);
	assert_true(fabs(command.frequency - 2e-5 - 10'000 / 4e9) < 1e-12);
	assert_in_range(command.wake_free_ns, 68 * NS_PER_S - 2, 68 * NS_PER_S + 2);
	command = wake(&world, 0);
	assert_true(fabs(error_now(&world)) <= 2);
	assert_true(command.frequency == 2e-5);
	assert_true(command.wake_free_ns == INT64_MAX);
	world.free_ns = 3600 * NS_PER_S;
	assert_true(fabs(error_now(&world)) <= 2);
}

// Half the doubt takes twice as long; a quarter and less, four times.
static void small_errors_are_removed_gently(void **)
{
	static const double errors_ns[] = { 500, 250, 10 };
	static const double took_s[] = { 8, 16, 16 };

	for (unsigned i = 0; i < 3; i++) {
		struct world world;

		world_init(&world, &usual, 0, 0);
		update(&world, 1000);
		world.free_ns = 64 * NS_PER_S;
		world.error_ns = errors_ns[i];
		double span_s = (double)(update(&world, 1000).wake_free_ns - world.free_ns) / 1e9;

		assert_true(fabs(span_s - took_s[i]) < 1e-6);
		wake(&world, 0);
		assert_true(fabs(error_now(&world)) <= 2);
	}
}

// Timers come late, by more than a short slew takes; what that overdoes is mended and ends.
static void late_timers_are_made_good(void **)
{
	uint64_t random = test_seed();

	for (unsigned i = 0; i < 1000; i++) {
		struct world world;
		double sd = 1 + (double)random_below(&random, 1000);
		unsigned stages = 0;

		world_init(&world, &usual, ((double)random_below(&random, 2001) - 1000) * 1e3,
				1e-6);
		update(&world, sd);
		while (world.wake_free_ns != INT64_MAX) {
			assert_in_range(++stages, 1, 40);
			wake(&world, (int64_t)random_below(&random, 200'000'000));
		}
		assert_true(fabs(error_now(&world)) <= sd / 32 + 3);
		assert_true(timeline_frequency(&world.timeline) == 1e-6);
	}
}

static void slews_keep_to_the_rates(void **)
{
	struct world world;

	world_init(&world, &usual, -100e9, 0);
	struct servo_command command = update(&world, 1e6);

	assert_true(command.frequency == -usual.max_slew_rate);
	wake(&world, 0);
	assert_int_equal(world.free_ns / NS_PER_S, 1200);
	assert_true(fabs(error_now(&world)) <= 2);

	// The clock as a whole does 10 % at most, however much of that its frequency takes.
	world_init(&world, &usual, 1e9, 0.05);
	command = update(&world, 1e6);
	assert_true(command.frequency == SERVO_MAX_FREQUENCY);
	wake(&world, 0);
	assert_int_equal(world.free_ns / NS_PER_S, 20);
	assert_true(fabs(error_now(&world)) <= 2);

	struct servo_options gentle = usual;

	gentle.max_slew_rate = 1e-6;
	world_init(&world, &gentle, 1e6, 1e-4);
	command = update(&world, 1e3);
	assert_true(fabs(command.frequency - 1.01e-4) < 1e-15);
}

static void steps_are_for_the_first_updates(void **)
{
	struct servo_options options = usual;
	struct world world;

	options.makestep_threshold_s = 1;
	options.makestep_limit = 2;
	world_init(&world, &options, 100e9, 1e-5);
	struct servo_command command = update(&world, 1e6);

	assert_int_equal(command.step_ns, 100 * NS_PER_S);
	assert_true(command.frequency == 1e-5);
	assert_true(command.wake_free_ns == INT64_MAX);
	assert_true(fabs(error_now(&world)) <= 2);

	// Below the threshold it slews, and that update counts too.
	world.free_ns = NS_PER_S;
	world.error_ns += 0.9e9;
	assert_int_equal(update(&world, 1e6).step_ns, 0);
	world.error_ns += 5e9;
	assert_int_equal(update(&world, 1e6).step_ns, 0);

	options.makestep_limit = -1;
	world_init(&world, &options, 0, 0);
	for (unsigned i = 0; i < 100; i++) {
		world.free_ns += 16 * NS_PER_S;
		world.error_ns -= 2e9;
		assert_int_equal(update(&world, 1e6).step_ns, -2 * NS_PER_S);
	}
	options.makestep_threshold_s = 0;
	world_init(&world, &options, 1e15, 0);
	assert_int_equal(update(&world, 1e6).step_ns, 0);
}

// maxchange 1000 1 2: the first update may do anything, two more are ignored, then it is enough.
static void changes_too_large_are_refused(void **)
{
	struct servo_options options = usual;
	struct world world;

	options.max_change_s = 1000;
	options.max_change_start = 1;
	options.max_change_ignore = 2;
	options.makestep_threshold_s = 1;
	options.makestep_limit = -1;
	world_init(&world, &options, 5000e9, 0);
	assert_int_equal(update(&world, 1e3).verdict, SERVO_ADJUST);
	world.error_ns -= 2000e9;
	world.free_ns += 16 * NS_PER_S;
	for (unsigned i = 0; i < 2; i++) {
		struct servo_command command = update(&world, 1e3);

		assert_int_equal(command.verdict, SERVO_REFUSED);
		assert_int_equal(command.step_ns, 0);
	}
	world.error_ns += 1999e9;
	assert_int_equal(update(&world, 1e3).verdict, SERVO_ADJUST);
	world.error_ns -= 1001e9;
	assert_int_equal(update(&world, 1e3).verdict, SERVO_GIVE_UP);

	options.max_change_ignore = -1;
	world_init(&world, &options, 0, 0);
	update(&world, 1e3);
	world.error_ns += 2000e9;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(update(&world, 1e3).verdict, SERVO_REFUSED);
}

// A slew under way when a change is refused still ends in time.
static void refusal_leaves_a_slew_alone(void **)
{
	struct servo_options options = usual;
	struct world world;

	options.max_change_s = 1;
	options.max_change_start = 1;
	options.max_change_ignore = -1;
	world_init(&world, &options, 1e6, 0);
	int64_t end_ns = update(&world, 1e3).wake_free_ns;

	world.error_ns += 1e10;
	world.free_ns = end_ns / 2;
	struct servo_command command = update(&world, 1e3);

	assert_int_equal(command.verdict, SERVO_REFUSED);
	assert_int_equal(command.wake_free_ns, end_ns);
	assert_true(command.frequency == timeline_frequency(&world.timeline));
}

static void doubtful_frequency_is_not_taken(void **)
{
	struct world world;
	struct estimate estimate = {
		.offset_ns = START.ns,
		.frequency = 1e-4,
		.frequency_sd = 2e-3,
	};

	world_init(&world, &usual, 0, 0);
	struct servo_command command = servo_update(&world.servo, &world.timeline, &estimate, 0);

	assert_int_equal(command.verdict, SERVO_NOTHING);
	assert_true(command.frequency == 0);
	assert_false(world.servo.frequency_known);
	estimate.frequency_sd = 1e-3;
	command = servo_update(&world.servo, &world.timeline, &estimate, 0);
	assert_true(command.frequency == 1e-4);
	assert_true(world.servo.frequency_known);
}

static void frequency_stays_within_maxdrift(void **)
{
	struct servo_options options = usual;
	struct world world;

	options.max_drift = 5e-4;
	world_init(&world, &options, 0, -1e-3);
	assert_true(update(&world, 1e3).frequency == -5e-4);
	options.max_drift = 1;
	world_init(&world, &options, 1e6, 0.2);
	struct servo_command command = update(&world, 1e3);

	assert_true(command.frequency == SERVO_MAX_FREQUENCY);
	assert_true(command.wake_free_ns == INT64_MAX);
}

// corrtimeratio: an average correction takes that many intervals, a large one less, a small one more.
static void correction_time_ratio_is_chronys(void **)
{
	struct servo_options options = usual;
	static const double errors_ns[] = { 500, 1000, 4000 };

	options.correction_time_ratio = 3;
	for (unsigned i = 0; i < 3; i++) {
		struct world world;

		world_init(&world, &options, 0, 0);
		update(&world, 1000);
		world.free_ns = 16 * NS_PER_S;
		world.error_ns = errors_ns[i];
		double took_s = (double)(update(&world, 1000).wake_free_ns - world.free_ns) / 1e9;

		assert_true(fabs(took_s - 3 * 16 * 1000 / errors_ns[i]) < 0.1);
	}
}

static void step_may_be_as_far_as_moments_go(void **)
{
	struct servo_options options = usual;
	struct world world;
	struct estimate estimate = { .frequency_sd = 1e-9 };

	options.makestep_threshold_s = 1;
	options.makestep_limit = 1;
	world_init(&world, &options, 0, 0);
	timeline_init(&world.timeline, (utc_t){ -5 * NS_PER_S }, 0); // 1969
	estimate.offset_ns = INT64_C(9'000'000'000'123'456'789);
	struct servo_command command = servo_update(&world.servo, &world.timeline, &estimate, 0);

	assert_int_equal(command.step_ns, INT64_C(9'000'000'005'123'456'789));
}

static void stop_ends_a_slew(void **)
{
	struct world world;

	world_init(&world, &usual, 1e6, 3e-6);
	update(&world, 1e3);
	world.free_ns = 10'000'000;
	struct servo_command command = servo_stop(&world.servo, &world.timeline);

	assert_int_equal(command.verdict, SERVO_ADJUST);
	assert_true(command.frequency == 3e-6);
	assert_true(command.wake_free_ns == INT64_MAX);
	perform(&world, &command);
	command = servo_continue(&world.servo, &world.timeline, NS_PER_S);
	assert_int_equal(command.verdict, SERVO_NOTHING);
	assert_true(command.wake_free_ns == INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_is_gone_after_a_sixteenth_of_the_interval),
		cmocka_unit_test(small_errors_are_removed_gently),
		cmocka_unit_test(late_timers_are_made_good),
		cmocka_unit_test(slews_keep_to_the_rates),
		cmocka_unit_test(steps_are_for_the_first_updates),
		cmocka_unit_test(changes_too_large_are_refused),
		cmocka_unit_test(refusal_leaves_a_slew_alone),
		cmocka_unit_test(doubtful_frequency_is_not_taken),
		cmocka_unit_test(frequency_stays_within_maxdrift),
		cmocka_unit_test(correction_time_ratio_is_chronys),
		cmocka_unit_test(step_may_be_as_far_as_moments_go),
		cmocka_unit_test(stop_ends_a_slew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
