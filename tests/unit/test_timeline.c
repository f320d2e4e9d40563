// SPDX-License-Identifier: BSD-3-Clause
#include "sync/timeline.h"
#include "unit.h"

#define START ((utc_t){ INT64_C(1795392000) * NS_PER_S }) // 2026-11-23

static void clock_left_alone_shows_free_time(void **)
{
	struct timeline timeline;

	timeline_init(&timeline, START, 0);
	for (int64_t gone = -NS_PER_S; gone < 10 * NS_PER_S; gone += 333'333'333) {
		utc_t local = utc_add(START, gone);

		assert_int_equal(timeline_free_ns(&timeline, local), gone);
		assert_int_equal(timeline_local(&timeline, gone).ns, local.ns);
		assert_int_equal(timeline_correction_ns(&timeline, gone), START.ns);
	}
	assert_int_equal(timeline.epoch, 0);
}

static void frequency_is_of_free_time(void **)
{
	struct timeline timeline;

	timeline_init(&timeline, START, 0.1);
	assert_int_equal(timeline_free_ns(&timeline, utc_add(START, 11 * NS_PER_S)), 10 * NS_PER_S);
	timeline_set_frequency(&timeline, utc_add(START, 11 * NS_PER_S), -0.1);
	assert_true(timeline_frequency(&timeline) == -0.1);
	assert_int_equal(timeline_free_ns(&timeline, utc_add(START, 20 * NS_PER_S)), 20 * NS_PER_S);
	assert_int_equal(timeline_local(&timeline, 30 * NS_PER_S).ns,
			utc_add(START, 29 * NS_PER_S).ns);
	// What was before keeps its slope.
	assert_int_equal(timeline_free_ns(&timeline, utc_add(START, 11 * NS_PER_S / 2)),
			5 * NS_PER_S);
	assert_int_equal(timeline_correction_ns(&timeline, 5 * NS_PER_S), START.ns + NS_PER_S / 2);
}

// A day of corrections several times a second, against arithmetic with eleven more bits.
static void corrections_do_not_add_up_to_error(void **)
{
	uint64_t random = test_seed();
	struct timeline timeline;
	utc_t local = START;
	long double free_ns = 0;
	double frequency = 2e-5;

	timeline_init(&timeline, local, frequency);
	for (unsigned i = 0; i < 400'000; i++) {
		int64_t gone = (int64_t)random_below(&random, 400'000'000);

		local = utc_add(local, gone);
		free_ns += (long double)gone / (1 + (long double)frequency);
		long double error = (long double)timeline_free_ns(&timeline, local) - free_ns;

		assert_true(error < 0.6L && error > -0.6L);
		frequency = ((double)random_below(&random, 2001) - 1000) * 1e-7;
		timeline_set_frequency(&timeline, local, frequency);
	}
	assert_true(free_ns > 7e13L);
}

static void stamps_of_the_past_are_told_by_what_held_then(void **)
{
	uint64_t random = test_seed();
	struct timeline timeline;
	utc_t local[TIMELINE_SEGMENTS + 10] = { START };
	int64_t free_ns[TIMELINE_SEGMENTS + 10] = { 0 };
	unsigned last = TIMELINE_SEGMENTS + 9;

	timeline_init(&timeline, START, 0.01);
	for (unsigned i = 1; i <= last; i++) {
		local[i] = utc_add(local[i - 1], 1 + (int64_t)random_below(&random, NS_PER_S));
		free_ns[i] = timeline_free_ns(&timeline, local[i]);
		timeline_set_frequency(&timeline, local[i],
				((double)random_below(&random, 200) - 100) * 1e-3);
	}
	for (unsigned i = last; i > last - TIMELINE_SEGMENTS; i--) {
		assert_in_range(timeline_free_ns(&timeline, local[i]) - free_ns[i] + 1, 0, 2);
		assert_in_range(timeline_local(&timeline, free_ns[i]).ns - local[i].ns + 1, 0, 2);
	}
	// Older ones by the oldest slope that is known.
	const struct timeline_segment *oldest =
			&timeline.segments[(timeline.newest + 1) % TIMELINE_SEGMENTS];
	utc_t before = utc_add(oldest->local, -NS_PER_S);
	double expected = (double)oldest->free_ns - NS_PER_S / (1 + oldest->frequency);
	double found = (double)timeline_free_ns(&timeline, before);

	assert_true(found - expected < 2 && expected - found < 2);
}

static void there_and_back_is_the_same_moment(void **)
{
	uint64_t random = test_seed();
	struct timeline timeline;
	utc_t local = START;

	timeline_init(&timeline, local, -0.05);
	for (unsigned i = 0; i < 10'000; i++) {
		local = utc_add(local, (int64_t)random_below(&random, 1'000'000));
		utc_t stamp = utc_add(local, -(int64_t)random_below(&random, 10'000'000));
		utc_t back = timeline_local(&timeline, timeline_free_ns(&timeline, stamp));

		assert_in_range(utc_diff_ns(back, stamp) + 1, 0, 2);
		timeline_set_frequency(&timeline, local,
				((double)random_below(&random, 200) - 100) * 1e-3);
	}
}

static void step_of_ours_leaves_free_time_alone(void **)
{
	struct timeline timeline;
	utc_t before = utc_add(START, 10 * NS_PER_S);

	timeline_init(&timeline, START, 0.25);
	timeline_step(&timeline, before, -100 * NS_PER_S);
	assert_int_equal(timeline.epoch, 1);
	utc_t after = utc_add(before, -100 * NS_PER_S);

	assert_int_equal(timeline_free_ns(&timeline, after), 8 * NS_PER_S);
	assert_int_equal(timeline_free_ns(&timeline, utc_add(after, 5 * NS_PER_S)), 12 * NS_PER_S);
	assert_int_equal(timeline_local(&timeline, 12 * NS_PER_S).ns,
			utc_add(after, 5 * NS_PER_S).ns);
	assert_true(timeline_frequency(&timeline) == 0.25);
}

static void jump_of_others_takes_free_time_along(void **)
{
	struct timeline timeline;
	utc_t before = utc_add(START, 10 * NS_PER_S);

	timeline_init(&timeline, START, 0);
	timeline_set_frequency(&timeline, before, 0.25);
	int64_t correction_ns = timeline_correction_ns(&timeline, 10 * NS_PER_S);

	timeline_jump(&timeline, before, 3600 * NS_PER_S);
	assert_int_equal(timeline.epoch, 1);
	assert_int_equal(timeline_free_ns(&timeline, utc_add(before, 3600 * NS_PER_S)),
			3610 * NS_PER_S);
	assert_int_equal(timeline_correction_ns(&timeline, 3610 * NS_PER_S), correction_ns);
	assert_true(timeline_frequency(&timeline) == 0.25);
}

// Moments are modulo 2^64 ns: so are distances, in 2262 as in 1678.
static void clock_may_pass_the_end_of_its_range(void **)
{
	struct timeline timeline;
	utc_t late = { INT64_MAX - NS_PER_S };

	timeline_init(&timeline, late, 0);
	timeline_set_frequency(&timeline, utc_add(late, NS_PER_S / 2), 0.5);
	assert_int_equal(
			timeline_free_ns(&timeline, utc_add(late, 2 * NS_PER_S)), 3 * NS_PER_S / 2);
	assert_int_equal(timeline_local(&timeline, 3 * NS_PER_S / 2).ns,
			utc_add(late, 2 * NS_PER_S).ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_left_alone_shows_free_time),
		cmocka_unit_test(frequency_is_of_free_time),
		cmocka_unit_test(corrections_do_not_add_up_to_error),
		cmocka_unit_test(stamps_of_the_past_are_told_by_what_held_then),
		cmocka_unit_test(there_and_back_is_the_same_moment),
		cmocka_unit_test(step_of_ours_leaves_free_time_alone),
		cmocka_unit_test(jump_of_others_takes_free_time_along),
		cmocka_unit_test(clock_may_pass_the_end_of_its_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
