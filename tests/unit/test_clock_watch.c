// SPDX-License-Identifier: BSD-3-Clause
// A clock set by somebody else is noticed, one that is only read slowly is not; and on the real clock
// nothing is.
#include "control/clock_watch.h"
#include "unit.h"

#define MS INT64_C(1'000'000)
#define US INT64_C(1'000)

static const utc_t epoch = { 1'800'000'000 * NS_PER_S };

// Read at `mono_ns`, taking `took_ns`, of a clock that is `ahead_ns` of where it was.
static struct clock_pair pair_at(int64_t mono_ns, int64_t took_ns, int64_t ahead_ns)
{
	return (struct clock_pair){
		.before_ns = mono_ns,
		.real = { epoch.ns + mono_ns + took_ns / 2 + ahead_ns },
		.after_ns = mono_ns + took_ns,
		.asleep_ns = 100 * NS_PER_S,
	};
}

static void steps_are_seen_once(void **)
{
	static const int64_t steps_ns[] = { 20 * US, -20 * US, MS, -NS_PER_S, 100'000 * NS_PER_S };
	struct clock_pair pair = pair_at(0, 200, 0);
	struct clock_watch watch;
	struct clock_jump jump;
	int64_t ahead_ns = 0;
	int64_t now_ns = 0;

	clock_watch_start(&watch, &pair);
	for (size_t i = 0; i < sizeof(steps_ns) / sizeof(steps_ns[0]); i++) {
		ahead_ns += steps_ns[i];
		now_ns += NS_PER_S;
		pair = pair_at(now_ns, 400, ahead_ns);
		assert_true(clock_watch_look(&watch, &pair, &jump));
		assert_in_range(jump.jump_ns - steps_ns[i] + 300, 0, 600);
		assert_int_equal(jump.asleep_ns, 0);
		assert_false(clock_watch_look(&watch, &pair, &jump));
	}
}

static void sleep_is_told_from_a_step(void **)
{
	struct clock_pair pair = pair_at(0, 200, 0);
	struct clock_watch watch;
	struct clock_jump jump;

	clock_watch_start(&watch, &pair);
	pair = pair_at(NS_PER_S, 200, 3600 * NS_PER_S);
	pair.asleep_ns += 3599 * NS_PER_S;
	assert_true(clock_watch_look(&watch, &pair, &jump));
	assert_true(jump.asleep_ns == 3599 * NS_PER_S);
	assert_in_range(jump.jump_ns - 3600 * NS_PER_S + 200, 0, 400);
}

// Interrupted readings of any length, anywhere inside: never a false alarm, and a step larger than
// what the reading leaves open is seen all the same.
static void slow_readings_are_no_steps(void **)
{
	uint64_t random = test_seed();
	struct clock_pair pair = pair_at(0, 200, 0);
	struct clock_watch watch;
	struct clock_jump jump;

	clock_watch_start(&watch, &pair);
	for (int64_t round = 1; round < 100'000; round++) {
		int64_t took_ns = (int64_t)random_below(&random, 50 * MS);
		int64_t inside_ns = (int64_t)random_below(&random, (uint64_t)took_ns + 1);

		pair = pair_at(round * NS_PER_S, took_ns, inside_ns - took_ns / 2);
		assert_false(clock_watch_look(&watch, &pair, &jump));
	}
	pair = pair_at(200'000 * NS_PER_S, 50 * MS, -51 * MS);
	assert_true(clock_watch_look(&watch, &pair, &jump));
}

static void our_own_steps_are_not_looked_for(void **)
{
	struct clock_pair pair = pair_at(0, 200, 0);
	struct clock_watch watch;
	struct clock_jump jump;

	clock_watch_start(&watch, &pair);
	pair = pair_at(NS_PER_S, 200, MS);
	clock_watch_start(&watch, &pair);
	assert_false(clock_watch_look(&watch, &pair, &jump));
}

static void the_real_clock_is_quiet(void **)
{
	struct clock_pair pair = clock_pair_read();
	struct clock_watch watch;
	struct clock_jump jump;

	assert_true(pair.after_ns >= pair.before_ns);
	clock_watch_start(&watch, &pair);
	for (int i = 0; i < 200'000; i++) {
		pair = clock_pair_read();
		assert_false(clock_watch_look(&watch, &pair, &jump));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_are_seen_once),
		cmocka_unit_test(sleep_is_told_from_a_step),
		cmocka_unit_test(slow_readings_are_no_steps),
		cmocka_unit_test(our_own_steps_are_not_looked_for),
		cmocka_unit_test(the_real_clock_is_quiet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
