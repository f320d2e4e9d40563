// SPDX-License-Identifier: BSD-3-Clause
// server/rate_limit: tokens counted exactly, at every interval; shares of what leaks and of kisses.
#include "server/rate_limit.h"
#include "unit.h"

#include <stdbool.h>

#define ROUNDS 200'000

static struct rate_limit limit_of(int interval, int burst)
{
	struct rate_limit_options options = { (int8_t)interval, (uint8_t)burst, 2, 0, 32, 128 };
	struct rate_limit limit;

	rate_limit_init(&limit, &options);
	return limit;
}

// One that neither leaks nor kisses.
static struct rate_limit tight_limit_of(int interval, int burst)
{
	struct rate_limit limit = limit_of(interval, burst);

	limit.leak_mask = UINT32_MAX;
	return limit;
}

static unsigned count_answers(
		const struct rate_limit *limit, uint32_t now, uint32_t *due, unsigned requests)
{
	uint64_t random = 1;
	unsigned answers = 0;

	for (unsigned i = 0; i < requests; i++)
		answers += rate_limit_decide(limit, now, due, &random) == RATE_ANSWER;
	return answers;
}

// R1
static void a_burst_is_answered_then_one_per_interval(void **)
{
	for (int interval = -19; interval <= 12; interval++) {
		for (int burst = 1; burst <= 255; burst++) {
			struct rate_limit limit = tight_limit_of(interval, burst);
			uint32_t now = RATE_TIME_MASK - 5, due = now; // wraps at once

			assert_int_equal(count_answers(&limit, now, &due, 300), burst);
			now += limit.period - 1;
			assert_int_equal(count_answers(&limit, now & RATE_TIME_MASK, &due, 2), 0);
			now += 1;
			assert_int_equal(count_answers(&limit, now & RATE_TIME_MASK, &due, 2), 1);
			now += 3 * limit.period;
			assert_int_equal(count_answers(&limit, now & RATE_TIME_MASK, &due, 300),
					burst < 3 ? burst : 3);
			now += 300 * limit.period;
			assert_int_equal(count_answers(&limit, now & RATE_TIME_MASK, &due, 300),
					burst);
		}
	}
}

// The unit and the period are the interval, and its range is long.
static void an_interval_is_two_to_the_so_many_seconds(void **)
{
	for (int interval = -19; interval <= 12; interval++) {
		struct rate_limit limit = limit_of(interval, 255);
		uint64_t period = (uint64_t)limit.period << limit.unit_bits;

		assert_int_equal(period, UINT64_C(1) << (32 + (interval < -12 ? -12 : interval)));
		assert_int_equal(limit.capacity, 255 * limit.period);
		assert_int_equal(limit.poll_floor, interval);
		assert_true(limit.capacity < RATE_TIME_MASK / 1024);
		// 18 hours at least, and never more than what NTP's 64 bits hold.
		assert_in_range(limit.unit_bits + RATE_TIME_BITS, 32 + 16, 64);
	}
}

struct bucket {
	uint64_t level, when; // in units, exactly
};

static bool bucket_takes(struct bucket *bucket, const struct rate_limit *limit, uint64_t now)
{
	bucket->level += now - bucket->when;
	bucket->when = now;
	if (bucket->level > limit->capacity)
		bucket->level = limit->capacity;
	if (bucket->level < limit->period)
		return false;
	bucket->level -= limit->period;
	return true;
}

static void it_is_a_token_bucket(void **)
{
	uint64_t random = test_seed(), unused = 0;

	for (unsigned world = 0; world < 200; world++) {
		int interval = (int)random_below(&random, 32) - 19;
		struct rate_limit limit =
				tight_limit_of(interval, 1 + (int)random_below(&random, 255));
		uint64_t now = random_next(&random) >> 20;
		struct bucket bucket = { limit.capacity, now };
		uint32_t due = (uint32_t)now & RATE_TIME_MASK;

		for (unsigned i = 0; i < 2000; i++) {
			uint64_t most = random_below(&random, 50) ? limit.period + 2
								  : 2 * limit.capacity + 2;

			now += random_below(&random, most);
			// What is so long ago that it could be mistaken is not claimed.
			if (random_below(&random, 100) == 0)
				now += RATE_TIME_MASK - 4 * limit.capacity - 4;
			assert_int_equal(rate_limit_decide(&limit, (uint32_t)now & RATE_TIME_MASK,
							 &due, &unused)
							== RATE_ANSWER,
					bucket_takes(&bucket, &limit, now));
		}
	}
}

static void a_time_that_cannot_be_is_long_ago(void **)
{
	struct rate_limit limit = tight_limit_of(3, 8);

	for (uint32_t ahead = limit.capacity + 1; ahead <= RATE_TIME_MASK;
			ahead += 1 + ahead / 64) {
		uint32_t now = 77, due = (now + ahead) & RATE_TIME_MASK;

		assert_int_equal(count_answers(&limit, now, &due, 100), 8);
	}
	for (uint32_t tokens = 0; tokens <= 8; tokens++) {
		uint32_t now = 77, due = now + (8 - tokens) * limit.period;

		assert_int_equal(count_answers(&limit, now, &due, 100), tokens);
	}
}

static void no_limit_answers_everything(void **)
{
	struct rate_limit limit;
	uint32_t due = 99;

	rate_limit_init(&limit, NULL);
	assert_int_equal(count_answers(&limit, 100, &due, 100'000), 100'000);
	assert_int_equal(due, 100);
	assert_int_equal(limit.poll_floor, INT8_MIN);
}

// Five standard deviations either way of a share of ROUNDS.
static void assert_share(unsigned count, double share)
{
	double expected = ROUNDS * share, off = count - expected;

	if (off * off > 25 * expected)
		fail_msg("%u of %u instead of %f", count, ROUNDS, expected);
}

// R2, R3
static void of_what_is_over_the_limit_a_share_leaks_and_a_share_is_kissed(void **)
{
	uint64_t random = test_seed();

	for (uint8_t leak = 1; leak <= 4; leak++) {
		for (uint8_t kod = 0; kod <= 4; kod++) {
			struct rate_limit_options options = { 3, 1, leak, kod, 32, 128 };
			unsigned counts[RATE_DROP + 1] = { 0 };
			struct rate_limit limit;
			uint32_t due = 0;

			rate_limit_init(&limit, &options);
			assert_int_equal(rate_limit_decide(&limit, 0, &due, &random), RATE_ANSWER);
			for (unsigned i = 0; i < ROUNDS; i++)
				counts[rate_limit_decide(&limit, 0, &due, &random)]++;
			double leaks = 1.0 / (1 << leak);

			assert_share(counts[RATE_ANSWER], leaks);
			assert_share(counts[RATE_KISS], kod ? (1 - leaks) / (1 << kod) : 0);
		}
	}
}

// As in chrony: the part of a token there was is lost with it.
static void a_leaked_answer_empties_the_bucket(void **)
{
	struct rate_limit limit = tight_limit_of(3, 4);
	uint32_t now = 1000, due = now;

	assert_int_equal(count_answers(&limit, now, &due, 9), 4);
	now += limit.period - 1;
	limit.leak_mask = 0;
	assert_int_equal(count_answers(&limit, now, &due, 1), 1);
	limit.leak_mask = UINT32_MAX;
	assert_int_equal(count_answers(&limit, now + limit.period - 1, &due, 1), 0);
	assert_int_equal(count_answers(&limit, now + limit.period, &due, 1), 1);
}

static void a_refused_request_costs_nothing(void **)
{
	struct rate_limit limit = tight_limit_of(0, 2);
	uint32_t now = 1000, due = now;

	assert_int_equal(count_answers(&limit, now, &due, 2), 2);

	uint32_t before = due;

	assert_int_equal(count_answers(&limit, now, &due, 100'000), 0);
	assert_int_equal(due, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_is_answered_then_one_per_interval),
		cmocka_unit_test(an_interval_is_two_to_the_so_many_seconds),
		cmocka_unit_test(it_is_a_token_bucket),
		cmocka_unit_test(a_time_that_cannot_be_is_long_ago),
		cmocka_unit_test(no_limit_answers_everything),
		cmocka_unit_test(of_what_is_over_the_limit_a_share_leaks_and_a_share_is_kissed),
		cmocka_unit_test(a_leaked_answer_empties_the_bucket),
		cmocka_unit_test(a_refused_request_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
