// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/pulse.h"
#include "unit.h"

#define LOOK_S 0.05

// Looks for `duration_s` and returns how often there was news.
static unsigned look(struct pulse *pulse, bool came_round, double *now_s, double duration_s)
{
	double until_s = *now_s + duration_s;
	unsigned news = 0;

	while (*now_s < until_s) {
		*now_s += LOOK_S;
		news += pulse_look(pulse, came_round, *now_s);
	}
	return news;
}

static void a_worker_that_goes_round_is_not_lost(void **)
{
	struct pulse pulse = { 0 };
	double now_s = 5000;

	assert_int_equal(look(&pulse, true, &now_s, 100), 0);
	// Now and then a look comes too early.
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(look(&pulse, false, &now_s, 1), 0);
		assert_int_equal(look(&pulse, true, &now_s, LOOK_S), 0);
	}
	assert_false(pulse.lost);
}

static void one_that_does_not_for_two_seconds_is_lost_and_found_once(void **)
{
	struct pulse pulse = { 0 };
	double now_s = 5000;

	look(&pulse, true, &now_s, 1);
	assert_int_equal(look(&pulse, false, &now_s, 1.9), 0);
	assert_false(pulse.lost);
	assert_int_equal(look(&pulse, false, &now_s, 0.2), 1);
	assert_true(pulse.lost);
	assert_int_equal(look(&pulse, false, &now_s, 100), 0);
	assert_true(pulse.lost);
	assert_true(pulse_look(&pulse, true, now_s));
	assert_false(pulse.lost);
	assert_int_equal(look(&pulse, true, &now_s, 10), 0);
	// And it can be lost again, after as long.
	assert_int_equal(look(&pulse, false, &now_s, 1.9), 0);
	assert_int_equal(look(&pulse, false, &now_s, 0.2), 1);
}

static void one_that_never_came_round_is_lost(void **)
{
	struct pulse pulse = { 0 };
	double now_s = 5000;

	assert_int_equal(look(&pulse, false, &now_s, 1.9), 0);
	assert_int_equal(look(&pulse, false, &now_s, 0.2), 1);
	assert_true(pulse.lost);
}

static void what_passes_while_nobody_looks_counts_for_little(void **)
{
	struct pulse pulse = { 0 };
	double now_s = 5000;

	look(&pulse, true, &now_s, 1);
	for (unsigned i = 0; i < 19; i++) {
		now_s += 3600;
		assert_false(pulse_look(&pulse, false, now_s));
	}
	assert_false(pulse.lost);
	// But for something.
	for (unsigned i = 0; i < 3; i++) {
		now_s += 3600;
		pulse_look(&pulse, false, now_s);
	}
	assert_true(pulse.lost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_that_goes_round_is_not_lost),
		cmocka_unit_test(one_that_does_not_for_two_seconds_is_lost_and_found_once),
		cmocka_unit_test(one_that_never_came_round_is_lost),
		cmocka_unit_test(what_passes_while_nobody_looks_counts_for_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
