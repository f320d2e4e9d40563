// SPDX-License-Identifier: BSD-3-Clause
#include "sync/bound.h"
#include "unit.h"

#include <math.h>

#define US INT64_C(1'000)
#define MS INT64_C(1'000'000)

// `lead_ns` of the way there more than of the way back is what the offset is wrong by, twice.
static struct sample sample_at(double seconds, double offset_ns, int64_t there_ns, int64_t back_ns)
{
	return (struct sample){
		.free_ns = llround(seconds * NS_PER_S),
		.offset_ns = llround(offset_ns) + (there_ns - back_ns) / 2,
		.delay_ns = there_ns + back_ns,
	};
}

static void first_sample_leaves_half_its_round_trip(void **)
{
	struct sample sample = sample_at(10, 5e9, 300 * US, 100 * US);
	struct bound bound;

	sample.root_delay_ns = 80 * US;
	sample.root_dispersion_ns = 7 * US;
	sample.dispersion_ns = US;
	bound_init(&bound, 0.1, 1e-6);
	assert_false(bound.known);
	assert_true(bound_add(&bound, &sample));
	assert_true(bound.known);
	struct bound_interval at = bound_at(&bound, sample.free_ns);

	assert_in_range(at.high_ns - sample.offset_ns, 248 * US, 248 * US + 10);
	assert_in_range(sample.offset_ns - at.low_ns, 248 * US, 248 * US + 10);
	// Any clock may run away by a tenth: nothing is known of this one.
	at = bound_at(&bound, sample.free_ns + NS_PER_S);
	assert_in_range(at.high_ns - sample.offset_ns, 100 * MS, 101 * MS);
}

static void spikes_of_either_way_narrow_the_bound_together(void **)
{
	struct bound bound;

	bound_init(&bound, 0.1, 1e-6);
	bound_set_frequency(&bound, 0, 0, 0);
	for (int i = 0; i < 20; i++) {
		struct sample sample = sample_at(
				i, 0, i % 2 ? 100 * US : 900 * US, i % 2 ? 900 * US : 100 * US);

		assert_true(bound_add(&bound, &sample));
	}
	struct bound_interval at = bound_at(&bound, 19 * NS_PER_S);

	// No sample left less than +-500 us.
	assert_in_range(at.high_ns, 100 * US, 103 * US);
	assert_in_range(-at.low_ns, 100 * US, 103 * US);
}

static double exponential(uint64_t *random)
{
	return -log(((double)(random_next(random) >> 11) + 1) * 0x1p-53);
}

static double gaussian(uint64_t *random)
{
	return sqrt(2 * exponential(random))
			* cos(2 * M_PI * (double)(random_next(random) >> 11) * 0x1p-53);
}

struct link {
	double poll_s;
	int64_t delay_ns, jitter_ns;
	double wander; // per sqrt(s)
	bool told;     // the bound is told of the wander
};

// The truth is never outside, asymmetric spikes, unknown frequency and wander or not. Returns the width and
// growth that are left at the end.
static struct bound_interval follow(const struct link *link, double duration_s, uint64_t *random)
{
	double frequency = (double)(int64_t)random_below(random, 200'000) * 1e-9 - 1e-4;
	double offset_ns = 3e9, seconds = 0;
	struct bound bound;

	bound_init(&bound, 0.1, 1e-6);
	if (link->told)
		bound_set_wander(&bound, link->wander);
	while (seconds < duration_s) {
		double step_s = link->poll_s * (0.5 + exponential(random));

		for (int part = 0; part < 4; part++) {
			offset_ns += frequency * step_s / 4 * NS_PER_S;
			frequency += link->wander * sqrt(step_s / 4) * gaussian(random);
			seconds += step_s / 4;
			if (!bound.known)
				continue;
			struct bound_interval at = bound_at(&bound, llround(seconds * NS_PER_S));

			assert_true((double)at.low_ns <= offset_ns);
			assert_true((double)at.high_ns >= offset_ns);
		}
		int64_t there_ns = link->delay_ns
				+ llround((double)link->jitter_ns * exponential(random));
		int64_t back_ns = link->delay_ns
				+ llround((double)link->jitter_ns * exponential(random));
		struct sample sample = sample_at(seconds, offset_ns, there_ns, back_ns);

		bound_add(&bound, &sample);
	}
	assert_int_equal(bound.conflicts, 0);
	return bound_at(&bound, bound.free_ns);
}

static void truth_is_never_outside(void **)
{
	static const struct link links[] = {
		{ 1, 50 * US, 1 * US, 1e-9, false },
		{ 2, 100 * US, 100 * US, 1e-9, false },
		{ 16, 5 * MS, 10 * MS, 1e-9, false },
		{ 64, 200 * US, 10 * US, 1e-9, false },
		{ 1024, 20 * MS, MS, 1e-9, false },
		{ 16, 100 * US, 10 * US, 1e-7, true },
		{ 64, 100 * US, 10 * US, 1e-7, true },
	};
	uint64_t random = test_seed();

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		for (int round = 0; round < 20; round++)
			follow(&links[i], 500 * links[i].poll_s, &random);
	}
}

// What it is worth: half the least round trip, and after an hour not much more growth than maxclockerror.
static void bound_is_narrow_all_the_same(void **)
{
	static const struct link link = { 16, 100 * US, 50 * US, 1e-10, false };
	uint64_t random = test_seed();
	struct bound_interval at = follow(&link, 8192, &random);

	assert_in_range(at.high_ns - at.low_ns, 200 * US, 500 * US);
	assert_true(at.fastest - at.slowest >= 2e-6);
	assert_true(at.fastest - at.slowest <= 3.5e-6);
}

static void contradiction_begins_anew_and_is_told(void **)
{
	struct bound bound;

	bound_init(&bound, 0.1, 1e-6);
	for (int i = 0; i < 100; i++) {
		struct sample sample = sample_at(16 * i, 0, 100 * US, 100 * US);

		assert_true(bound_add(&bound, &sample));
	}
	struct sample stepped = sample_at(1600, 1e9, 100 * US, 100 * US);

	assert_false(bound_add(&bound, &stepped));
	assert_int_equal(bound.conflicts, 1);
	struct bound_interval at = bound_at(&bound, stepped.free_ns);

	assert_in_range(at.low_ns, NS_PER_S - 101 * US, NS_PER_S);
	// A step says nothing of the frequency: what was known of it holds, with some doubt.
	assert_true(at.fastest < 2e-4 && at.slowest > -2e-4);
	for (int i = 1; i < 400; i++) {
		struct sample sample = sample_at(1600 + 16 * i, 1e9, 100 * US, 100 * US);

		assert_true(bound_add(&bound, &sample));
	}
	at = bound_at(&bound, (1600 + 16 * 399) * NS_PER_S);
	assert_true(at.fastest < 1.2e-6 && at.slowest > -1.2e-6);
}

static void wrong_word_of_the_frequency_is_not_believed_for_long(void **)
{
	struct bound bound;

	bound_init(&bound, 0.1, 1e-6);
	bound_set_frequency(&bound, 0, 9e-5, 1.1e-4);
	for (int i = 0; i < 20; i++) {
		struct sample sample = sample_at(16 * i, 0, 100 * US, 100 * US);

		bound_add(&bound, &sample);
	}
	struct bound_interval at = bound_at(&bound, 16 * 19 * NS_PER_S);

	assert_true(at.low_ns <= 0 && at.high_ns >= 0);
	assert_true(at.slowest <= 0 && at.fastest >= 0);
}

// Samples of `frequency`, a good link's, `poll_s` apart.
static int64_t feed(
		struct bound *bound, double *offset_ns, double frequency, double poll_s, int count)
{
	double seconds = (double)bound->free_ns / NS_PER_S;

	for (int i = 0; i < count; i++) {
		seconds += poll_s;
		*offset_ns += frequency * poll_s * NS_PER_S;
		struct sample sample = sample_at(seconds, *offset_ns, 10 * US, 10 * US);

		bound_add(bound, &sample);
	}
	return bound->free_ns;
}

static void frequency_that_changes_is_found_again(void **)
{
	double offset_ns = 0;
	struct bound bound;

	bound_init(&bound, 0.1, 1e-6);
	feed(&bound, &offset_ns, 1e-5, 16, 200);
	// By little more than maxclockerror: old proofs and new ones leave nearly nothing, which is too little.
	feed(&bound, &offset_ns, 1.17e-5, 16, 20);
	struct bound_interval at = bound_at(&bound, bound.free_ns);

	assert_true(at.fastest - at.slowest >= 2e-6);
	assert_true(at.slowest < 1.17e-5 && at.fastest > 1.17e-5);
	// By much more: contradicted once or twice, then the old proofs are given up.
	feed(&bound, &offset_ns, 5e-5, 16, 20);
	assert_in_range(bound.conflicts, 1, 2);
	at = bound_at(&bound, bound.free_ns);
	assert_true(at.slowest < 5e-5 && at.fastest > 5e-5);
	assert_true(at.fastest - at.slowest < 4e-6);
}

// A machine that warms up: never contradicted, but old means say less and less of now.
static void frequency_that_drifts_is_followed(void **)
{
	double offset_ns = 0, frequency = 1e-5;
	struct bound bound;

	bound_init(&bound, 0.1, 1e-6);
	for (int i = 0; i < 400; i++) {
		frequency += 16 * 1.5e-9; // maxclockerror in 11 minutes
		feed(&bound, &offset_ns, frequency, 16, 1);
		if (i < 10)
			continue;
		struct bound_interval at = bound_at(&bound, bound.free_ns);

		assert_true(at.slowest < frequency && at.fastest > frequency);
	}
	assert_int_equal(bound.conflicts, 0);
}

static void wander_widens_what_is_to_come(void **)
{
	double offset_ns = 0;
	struct bound calm, restless;

	bound_init(&calm, 0.1, 1e-6);
	feed(&calm, &offset_ns, 0, 16, 200);
	restless = calm;
	bound_set_wander(&restless, 1e-7);
	int64_t later_ns = calm.free_ns + 100 * NS_PER_S;
	int64_t more_ns = bound_at(&restless, later_ns).high_ns - bound_at(&calm, later_ns).high_ns;

	// 100 s of 1e-7 per sqrt(s) are 58 us, one deviation.
	assert_in_range(more_ns, 4 * 58 * US, 6 * 58 * US);
}

static void wrong_word_that_nothing_contradicts_expires(void **)
{
	struct bound bound;

	bound_init(&bound, 0.1, 1e-6);
	bound_set_frequency(&bound, 0, 5e-6, 6e-6);
	for (int i = 0; i < 6; i++) {
		struct sample sample = sample_at(1024 * i, 0, 50 * MS, 50 * MS);

		assert_true(bound_add(&bound, &sample));
	}
	assert_true(bound_at(&bound, bound.free_ns).slowest < 0);
}

static void belief_narrows_unless_it_contradicts_proof(void **)
{
	double offset_ns = 0;
	struct bound bound;

	bound_init(&bound, 0.1, 1e-6);
	feed(&bound, &offset_ns, 0, 16, 50);
	int64_t later_ns = bound.free_ns + 1000 * NS_PER_S;
	struct bound_interval proved = bound_at(&bound, later_ns);
	struct bound_interval believed = bound_believed(&bound, later_ns, -1e-7, 2e-7);

	assert_in_range(proved.high_ns, 1000 * US, 1300 * US);
	assert_in_range(believed.high_ns, 200 * US, 220 * US);
	assert_in_range(-believed.low_ns, 100 * US, 120 * US);
	believed = bound_believed(&bound, later_ns, 1e-4, 2e-4);
	assert_int_equal(believed.low_ns, proved.low_ns);
	assert_int_equal(believed.high_ns, proved.high_ns);
}

// Whoever sees the noise's share in few wide answers, or has the word of many narrow ones.
static void doubt_widens_what_is_only_believed(void **)
{
	double offset_ns = 0;
	struct bound bound;

	bound_init(&bound, 0.1, 1e-6);
	bound_set_frequency(&bound, 0, -5e-4, 5e-4);
	for (int i = 0; i < 3; i++) {
		struct sample sample = sample_at(2 * i, 6e6 * i, 50 * MS, 50 * MS);

		assert_int_equal(bound_proves_frequency(&bound), i > 1);
		assert_true(bound_add(&bound, &sample));
	}
	bound_doubt_frequency(&bound, 4e-4, 3e-3);
	assert_true(bound_at(&bound, bound.free_ns).fastest < 6e-4);
	bound_doubt_frequency(&bound, 2.8e-3, 3.2e-3);
	assert_true(bound_at(&bound, bound.free_ns).fastest > 3e-3);
	assert_true(bound_at(&bound, bound.free_ns).slowest < -5e-4);
	// Later, proof counts.
	bound_init(&bound, 0.1, 1e-6);
	bound_set_frequency(&bound, 0, -5e-4, 5e-4);
	feed(&bound, &offset_ns, 0, 16, 50);
	bound_doubt_frequency(&bound, 2.8e-3, 3.2e-3);
	assert_true(bound.prior_fastest < 6e-4);
}

// Sources are compared for a moment that some of them have answered after.
static void belief_reaches_back_as_it_reaches_on(void **)
{
	double offset_ns = 0;
	struct bound bound;

	bound_init(&bound, 0.1, 1e-6);
	feed(&bound, &offset_ns, 0, 16, 50);
	struct bound_interval now = bound_believed(&bound, bound.free_ns, -1e-7, 2e-7);
	struct bound_interval back =
			bound_believed(&bound, bound.free_ns - 1000 * NS_PER_S, -1e-7, 2e-7);

	// What gains 200 us on was 200 us lower.
	assert_in_range(now.low_ns - back.low_ns, 200 * US, 220 * US);
	assert_in_range(back.high_ns - now.high_ns, 100 * US, 120 * US);
	assert_true(fabs(back.slowest + 1e-7) < 1e-9 && fabs(back.fastest - 2e-7) < 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubt_widens_what_is_only_believed),
		cmocka_unit_test(belief_reaches_back_as_it_reaches_on),
		cmocka_unit_test(first_sample_leaves_half_its_round_trip),
		cmocka_unit_test(spikes_of_either_way_narrow_the_bound_together),
		cmocka_unit_test(truth_is_never_outside),
		cmocka_unit_test(bound_is_narrow_all_the_same),
		cmocka_unit_test(contradiction_begins_anew_and_is_told),
		cmocka_unit_test(wrong_word_of_the_frequency_is_not_believed_for_long),
		cmocka_unit_test(frequency_that_changes_is_found_again),
		cmocka_unit_test(frequency_that_drifts_is_followed),
		cmocka_unit_test(wander_widens_what_is_to_come),
		cmocka_unit_test(wrong_word_that_nothing_contradicts_expires),
		cmocka_unit_test(belief_narrows_unless_it_contradicts_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
