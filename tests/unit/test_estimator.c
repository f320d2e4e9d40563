// SPDX-License-Identifier: BSD-3-Clause
// The estimator against clocks and links whose truth is known, and against absurd samples.
// tests/sim/estimate measures how good it is; here it must be right.
#include "sync/estimator.h"
#include "unit.h"

#include <math.h>
#include <string.h>

// A clock 20 ppm slow whose frequency does not wander, a link of 200 us with exponential waits.
struct world {
	struct estimator *estimator;
	uint64_t random;
	int64_t s;
	double offset_ns, frequency; // truth
	double base_ns, wait_ns[2];
};

static double uniform(uint64_t *random)
{
	return ((double)(random_next(random) >> 11) + 0.5) * 0x1p-53;
}

static struct estimator *make(double skew)
{
	struct estimator *estimator = malloc(estimator_size());
	struct estimator_options options = { .wander = 1e-9, .max_skew = skew, .precision_ns = 30 };

	assert_non_null(estimator);
	estimator_init(estimator, &options);
	return estimator;
}

static struct world start(uint64_t seed)
{
	return (struct world){
		.estimator = make(500e-6),
		.random = seed,
		.offset_ns = 5e9,
		.frequency = 20e-6,
		.base_ns = 200e3,
		.wait_ns = { 10e3, 10e3 },
	};
}

static void stop(struct world *world)
{
	free(world->estimator);
}

static bool add(struct estimator *estimator, int64_t free_ns, double offset_ns, double delay_ns)
{
	struct sample sample = {
		.free_ns = free_ns,
		.offset_ns = llround(offset_ns),
		.delay_ns = llround(delay_ns),
	};

	return estimator_add(estimator, &sample);
}

static double wait_ns(struct world *world, int way)
{
	return -world->wait_ns[way] * log(uniform(&world->random));
}

// One sample every two seconds, one of them now. Returns how many were left out.
static unsigned watch(struct world *world, unsigned samples)
{
	unsigned left_out = 0;

	while (samples-- > 0) {
		double there = wait_ns(world, 0), back = wait_ns(world, 1);

		world->s += 2;
		world->offset_ns += 2e9 * world->frequency;
		left_out += !add(world->estimator, world->s * NS_PER_S,
				world->offset_ns + (there - back) / 2,
				world->base_ns + there + back);
	}
	return left_out;
}

static struct estimate ask(const struct world *world)
{
	struct estimate estimate;

	assert_true(estimator_at(world->estimator, world->s * NS_PER_S, &estimate));
	return estimate;
}

static void expect_near(double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance))
		fail_msg("%.12g, expected %.12g +- %g", found, expected, tolerance);
}

static void expect_offset(const struct world *world, double tolerance_ns)
{
	expect_near((double)ask(world).offset_ns, world->offset_ns, tolerance_ns);
}

static void test_knows_nothing_at_first(void **)
{
	struct estimator *estimator = make(500e-6);
	struct estimate estimate;

	assert_false(estimator_at(estimator, 0, &estimate));
	assert_int_equal(estimator_samples(estimator), 0);
	free(estimator);
}

static void test_one_sample_is_an_offset(void **)
{
	struct world world = start(test_seed());
	struct estimate estimate;

	watch(&world, 1);
	estimate = ask(&world);
	expect_offset(&world, 200e3);
	assert_true(estimate.offset_sd_ns > 1000 && estimate.offset_sd_ns < 400e3);
	expect_near(estimate.frequency, 0, 1e-6);
	assert_true(estimate.frequency_sd >= 400e-6);
	assert_int_equal(estimator_samples(world.estimator), 1);
	stop(&world);
}

static void test_four_samples_are_of_use(void **)
{
	struct world world = start(test_seed());
	struct estimate estimate;

	watch(&world, 4);
	estimate = ask(&world);
	expect_offset(&world, 100e3);
	expect_near(estimate.frequency, world.frequency, 50e-6);
	expect_near((double)estimate.offset_ns, world.offset_ns, 10 * estimate.offset_sd_ns);
	stop(&world);
}

// Of so few samples the noise is guessed, and the doubt must say so.
static void test_first_deviations_are_honest(void **)
{
	uint64_t random = test_seed();
	int within = 0, beyond = 0;

	for (int i = 0; i < 400; i++) {
		struct world world = start(random_next(&random));
		struct estimate estimate;
		double error;

		watch(&world, 4);
		estimate = ask(&world);
		error = fabs((double)estimate.offset_ns - world.offset_ns);
		within += error <= estimate.offset_sd_ns;
		beyond += error > 3 * estimate.offset_sd_ns;
		stop(&world);
	}
	assert_in_range(within, 400 * 0.78, 400 * 0.96);
	assert_in_range(beyond, 0, 400 * 0.025);
}

static void test_finds_what_there_is(void **)
{
	struct world world = start(test_seed());
	struct estimate estimate;

	assert_true(watch(&world, 2000) <= 2);
	estimate = ask(&world);
	expect_offset(&world, 1500);
	expect_near(estimate.frequency, world.frequency, 50e-9);
	expect_near(estimate.jitter_ns, 7071, 2000);
	assert_true(estimate.wander < 3e-9);
	assert_int_equal(estimator_samples(world.estimator), 2000);
	stop(&world);
}

static void test_doubt_grows_with_time(void **)
{
	struct world world = start(test_seed());
	struct estimate now, later;

	watch(&world, 500);
	now = ask(&world);
	assert_true(estimator_at(world.estimator, (world.s + 4000) * NS_PER_S, &later));
	expect_near((double)(later.offset_ns - now.offset_ns), now.frequency * 4000e9, 2);
	assert_true(later.offset_sd_ns > 10 * now.offset_sd_ns);
	assert_true(later.offset_sd_ns < 3
					* hypot(4000e9 * now.frequency_sd,
							now.wander * 1e9
									* sqrt(4000.0 * 4000 * 4000
											/ 3)));
	assert_true(later.frequency_sd > now.frequency_sd);
	stop(&world);
}

// The deviation it claims is neither empty nor a lie.
static void test_deviation_is_honest(void **)
{
	struct world world = start(test_seed());
	int within = 0, beyond = 0;

	watch(&world, 100);
	for (int i = 0; i < 4000; i++) {
		struct estimate estimate;
		double error;

		// A wander of 1e-8 per sqrt(s), by twelve uniform deviates.
		for (int j = 0; j < 12; j++)
			world.frequency += 1e-8 * M_SQRT2 * (uniform(&world.random) - 0.5);
		watch(&world, 1);
		estimate = ask(&world);
		error = fabs((double)estimate.offset_ns - world.offset_ns);
		within += error <= estimate.offset_sd_ns;
		beyond += error > 3 * estimate.offset_sd_ns;
	}
	assert_in_range(within, 4000 * 0.5, 4000 * 0.9);
	assert_in_range(beyond, 0, 4000 * 0.02);
	expect_near(log10(ask(&world).wander), -8, 0.5);
	stop(&world);
}

static void test_leaves_out_a_spike(void **)
{
	struct world world = start(test_seed());
	double before;

	watch(&world, 500);
	before = (double)ask(&world).offset_ns;
	assert_false(add(
			world.estimator, world.s * NS_PER_S, world.offset_ns + 1e9, world.base_ns));
	expect_near((double)ask(&world).offset_ns, before, 100);
	watch(&world, 1);
	expect_offset(&world, 3000);
	stop(&world);
}

static void test_survives_changes_of_route(void **)
{
	static const double changes[] = { 1e6, 40e3, -20e3, -150e3 };
	struct world world = start(test_seed());

	watch(&world, 1000);
	for (int i = 0; i < 4; i++) {
		world.base_ns += changes[i];
		watch(&world, 20);
		expect_offset(&world, 30e3);
		watch(&world, 400);
		expect_offset(&world, 3000);
	}
	stop(&world);
}

static void test_follows_a_source_that_steps(void **)
{
	static const double steps[] = { 1e6, -1e9, 1e14 };
	struct world world = start(test_seed());

	watch(&world, 1000);
	for (int i = 0; i < 3; i++) {
		double before = world.offset_ns;

		world.offset_ns += steps[i];
		assert_int_equal(watch(&world, 4), 4);
		expect_near((double)ask(&world).offset_ns, before + 8e9 * world.frequency, 10e3);
		watch(&world, 1);
		expect_offset(&world, 30e3);
		watch(&world, 400);
		expect_offset(&world, 3000);
	}
	stop(&world);
}

static void test_follows_a_frequency_that_jumps(void **)
{
	static const double jumps[] = { 1e-6, -100e-6 };
	struct world world = start(test_seed());

	watch(&world, 1000);
	for (int i = 0; i < 2; i++) {
		world.frequency += jumps[i];
		watch(&world, 30);
		expect_offset(&world, 30e3);
		watch(&world, 2000);
		expect_offset(&world, 3000);
		expect_near(ask(&world).frequency, world.frequency, 100e-9);
	}
	stop(&world);
}

static void test_notices_that_a_link_is_quiet(void **)
{
	struct world world = start(test_seed());

	world.wait_ns[0] = world.wait_ns[1] = 100e6;
	watch(&world, 500);
	assert_true(ask(&world).jitter_ns > 10e6);
	world.wait_ns[0] = world.wait_ns[1] = 10e3;
	watch(&world, 60);
	expect_near(ask(&world).jitter_ns, 7071, 6000);
	expect_offset(&world, 30e3);
	stop(&world);
}

// All the noise is on one way: the offset is still not off by half of it.
static void test_sees_through_one_sided_noise(void **)
{
	struct world world = start(test_seed());

	world.wait_ns[0] = 100e3;
	world.wait_ns[1] = 100;
	watch(&world, 3000);
	expect_offset(&world, 5000);
	stop(&world);
}

static void test_takes_a_known_frequency(void **)
{
	struct world world = start(test_seed());
	struct estimate estimate;

	estimator_set_frequency(world.estimator, world.frequency, 1e-9);
	watch(&world, 3);
	estimate = ask(&world);
	expect_near(estimate.frequency, world.frequency, 500e-9);
	assert_true(estimate.frequency_sd < 1e-6);
	watch(&world, 100);
	world.frequency = -30e-6;
	estimator_set_frequency(world.estimator, world.frequency, 1e-8);
	expect_near(ask(&world).frequency, world.frequency, 1e-12);
	assert_true(watch(&world, 20) <= 1);
	expect_offset(&world, 30e3);
	stop(&world);
}

static void test_same_samples_give_the_same(void **)
{
	uint64_t seed = test_seed();
	struct world a = start(seed), b = start(seed);
	struct estimate of_a, of_b;

	watch(&a, 300);
	watch(&b, 300);
	of_a = ask(&a);
	of_b = ask(&b);
	assert_memory_equal(&of_a, &of_b, sizeof(of_a));
	stop(&a);
	stop(&b);
}

static int64_t random_interval(uint64_t *random)
{
	static const int64_t scales[] = { 0, 1, 1000, 1'000'000, NS_PER_S, 1000 * NS_PER_S,
		INT64_C(10'000'000) * NS_PER_S };

	return scales[random_below(random, 7)] * (int64_t)random_below(random, 16);
}

static void expect_belief(const struct estimator *estimator, int64_t free_ns)
{
	struct estimate estimate;

	if (!estimator_at(estimator, free_ns, &estimate))
		return;
	if (!isfinite(estimate.frequency) || !(estimate.offset_sd_ns > 0)
			|| !isfinite(estimate.offset_sd_ns) || !(estimate.frequency_sd > 0)
			|| !isfinite(estimate.frequency_sd) || !(estimate.jitter_ns > 0)
			|| !(estimate.wander > 0))
		fail_msg("frequency %g +- %g, offset +- %g, jitter %g, wander %g",
				estimate.frequency, estimate.frequency_sd, estimate.offset_sd_ns,
				estimate.jitter_ns, estimate.wander);
}

// Whatever comes, what is believed stays a number, and sane samples bring it back.
static void test_absurd_samples_do_no_lasting_harm(void **)
{
	uint64_t random = test_seed();

	for (int i = 0; i < 30; i++) {
		struct world world = start(random_next(&random));
		int64_t free_ns = 0;

		for (int j = 0; j < 40; j++) {
			double sign = random_below(&random, 2) ? 1 : -1;
			double offset = sign * (double)random_interval(&random);

			free_ns += random_interval(&random);
			if (random_below(&random, 20) == 0)
				estimator_set_frequency(world.estimator, sign * 0.05,
						random_below(&random, 2) ? 0 : 0.1);
			add(world.estimator, free_ns, offset,
					(double)(random_interval(&random) % (16 * NS_PER_S)));
			expect_belief(world.estimator, free_ns);
			expect_belief(world.estimator, free_ns + random_interval(&random));
		}
		world.s = free_ns / NS_PER_S + 1;
		watch(&world, 200);
		expect_offset(&world, 100e3);
		stop(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_knows_nothing_at_first),
		cmocka_unit_test(test_one_sample_is_an_offset),
		cmocka_unit_test(test_four_samples_are_of_use),
		cmocka_unit_test(test_first_deviations_are_honest),
		cmocka_unit_test(test_finds_what_there_is),
		cmocka_unit_test(test_doubt_grows_with_time),
		cmocka_unit_test(test_deviation_is_honest),
		cmocka_unit_test(test_leaves_out_a_spike),
		cmocka_unit_test(test_survives_changes_of_route),
		cmocka_unit_test(test_follows_a_source_that_steps),
		cmocka_unit_test(test_follows_a_frequency_that_jumps),
		cmocka_unit_test(test_notices_that_a_link_is_quiet),
		cmocka_unit_test(test_sees_through_one_sided_noise),
		cmocka_unit_test(test_takes_a_known_frequency),
		cmocka_unit_test(test_same_samples_give_the_same),
		cmocka_unit_test(test_absurd_samples_do_no_lasting_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
