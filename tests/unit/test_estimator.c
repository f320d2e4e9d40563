// SPDX-License-Identifier: BSD-3-Clause
// The estimator against clocks and links whose truth is known, and against absurd samples.
#include "sync/estimator.h"
#include "unit.h"

#include <math.h>

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

static bool add(struct estimator *estimator, int64_t free_ns, double offset_ns, double delay_ns)
{
	struct sample sample = {
		.free_ns = free_ns,
		.offset_ns = llround(offset_ns),
		.delay_ns = llround(delay_ns),
	};

	return estimator_add(estimator, &sample);
}

static void test_knows_nothing_at_first(void **)
{
	struct estimator *estimator = make(500e-6);
	struct estimate estimate;

	assert_false(estimator_at(estimator, 0, &estimate));
	assert_int_equal(estimator_samples(estimator), 0);
	free(estimator);
}

static void test_finds_offset_and_frequency(void **)
{
	struct estimator *estimator = make(500e-6);
	uint64_t random = test_seed();
	struct estimate estimate;

	for (int64_t t = 0; t < 2000; t += 2) {
		double there = -1e4 * log(uniform(&random)), back = -1e4 * log(uniform(&random));

		add(estimator, t * NS_PER_S, 5e9 + 20e3 * (double)t + (there - back) / 2,
				2e5 + there + back);
	}
	assert_true(estimator_at(estimator, 2000 * NS_PER_S, &estimate));
	assert_true(fabs((double)estimate.offset_ns - 5e9 - 20e3 * 2000) < 5000);
	assert_true(fabs(estimate.frequency - 20e-6) < 0.1e-6);
	assert_true(estimate.offset_sd_ns < 10000);
	free(estimator);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_knows_nothing_at_first),
		cmocka_unit_test(test_finds_offset_and_frequency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
