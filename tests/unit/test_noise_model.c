// SPDX-License-Identifier: BSD-3-Clause
// The closed forms against integrals done the slow way, and against arguments at which careless
// formulae overflow or cancel.
#include "sync/noise_model.h"
#include "unit.h"

#include <math.h>

#define STEPS 20000

static double normal_density(double x, double deviation)
{
	return exp(-x * x / deviation / deviation / 2) / deviation / sqrt(2 * M_PI);
}

static double wait_density(unsigned stages, double scale, double x)
{
	return x <= 0 ? 0 : pow(x / scale, stages - 1) * exp(-x / scale) / scale / tgamma(stages);
}

// Evidence, mean and variance of the belief N(0, deviation^2) after the value `error`.
static void integrate(
		const struct noise_model *noise, double error, double deviation, double found[3])
{
	double low = -9 * deviation, high = fmin(9 * deviation, error), step = (high - low) / STEPS;
	double sums[3] = { 0 };

	for (int i = 0; i < STEPS; i++) {
		double x = low + (i + 0.5) * step;
		double p = normal_density(x, deviation)
				* wait_density(noise->stages, noise->scale, error - x);

		sums[0] += p * step;
		sums[1] += p * step * x;
		sums[2] += p * step * x * x;
	}
	found[0] = sums[0];
	found[1] = sums[1] / sums[0];
	found[2] = sums[2] / sums[0] - found[1] * found[1];
}

static void expect_near(double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance))
		fail_msg("%.9g, expected %.9g", found, expected);
}

static void test_moments_are_those_of_the_integral(void **)
{
	static const double deviations[] = { 0.05, 0.3, 1, 4, 20 },
			    errors[] = { -2, -0.5, 0, 1, 3, 6 };

	for (unsigned stages = 1; stages <= 6; stages++) {
		for (int i = 0; i < 5 * 6; i++) {
			struct noise_model noise = { stages, 2, 0 };
			double deviation = deviations[i / 6], expected[3];
			// In terms of what is likely at all.
			double error = errors[i % 6] * (deviation + (errors[i % 6] > 0));
			struct noise_lesson lesson =
					noise_model_weigh(&noise, error, deviation * deviation);
			double believed = 1 - lesson.outlier;

			integrate(&noise, error, deviation, expected);
			if (believed < 0.9999)
				continue;
			expect_near(lesson.log_evidence, log(expected[0]), 1e-3);
			expect_near(deviation * deviation * lesson.gradient, expected[1],
					1e-3 * deviation);
			expect_near(deviation * deviation - pow(deviation, 4) * lesson.curvature,
					expected[2], 1e-3 * deviation * deviation);
		}
	}
}

static void test_normal_noise_is_a_kalman_update(void **)
{
	struct noise_model noise = { NOISE_NORMAL, 3, 0 };
	struct noise_lesson lesson = noise_model_weigh(&noise, 2, 16);

	expect_near(16 * lesson.gradient, 2 * 16 / 25.0, 1e-5);
	expect_near(16 - 256 * lesson.curvature, 16 * 9 / 25.0, 1e-3);
	expect_near(lesson.log_evidence, log(normal_density(2, 5)), 1e-5);
}

static void test_impossible_values_teach_nothing(void **)
{
	for (unsigned stages = 0; stages <= 2; stages++) {
		struct noise_model noise = { stages, 1000, 1 };
		struct noise_lesson early = noise_model_weigh(&noise, -1e6, 100);
		struct noise_lesson late = noise_model_weigh(&noise, 1e8, 100);

		expect_near(early.outlier, 1, 1e-6);
		expect_near(late.outlier, 1, 1e-6);
		expect_near(10 * early.gradient, 0, 1e-6);
		expect_near(10 * late.gradient, 0, 1e-6);
		assert_true(isfinite(early.log_evidence) && isfinite(late.log_evidence));
	}
}

// No belief becomes wider than its doubt about an outlier can make it, none negative.
static void test_any_argument_gives_a_belief(void **)
{
	uint64_t random = test_seed();

	for (int i = 0; i < 200000; i++) {
		struct noise_model noise = {
			(unsigned)random_below(&random, 5),
			pow(10, (double)random_below(&random, 120) / 10 - 1),
			pow(10, (double)random_below(&random, 100) / 10 - 2),
		};
		double deviation = pow(10, (double)random_below(&random, 160) / 10 - 2);
		double error = pow(10, (double)random_below(&random, 180) / 10 - 2)
				* (random_below(&random, 2) ? 1 : -1);
		double variance = deviation * deviation;
		struct noise_lesson lesson = noise_model_weigh(&noise, error, variance);

		if (!isfinite(lesson.log_evidence) || !isfinite(lesson.gradient)
				|| !isfinite(lesson.curvature)
				|| !(lesson.curvature * variance <= 1 + 1e-9)
				|| !(lesson.outlier >= 0 && lesson.outlier <= 1))
			fail_msg("stages %u scale %g blur %g error %g deviation %g", noise.stages,
					noise.scale, noise.blur, error, deviation);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moments_are_those_of_the_integral),
		cmocka_unit_test(test_normal_noise_is_a_kalman_update),
		cmocka_unit_test(test_impossible_values_teach_nothing),
		cmocka_unit_test(test_any_argument_gives_a_belief),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
