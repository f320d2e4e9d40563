// SPDX-License-Identifier: BSD-3-Clause
// server/responder: its receive and transmit timestamps. Never early on receive, never late on
// transmit, unique, ordered, told apart by their lowest bit, and random below the precision.
#include "ask.h"
#include "unit.h"

#define NOW_NS ASK_MOMENT
#define ERA_NS INT64_C(2085978496'000000000) // 2036-02-07 06:28:16 UTC, where NTP's seconds wrap

static int set_up(void **state)
{
	const struct acl_rule rule = { .allow = true };

	*state = ask_open(&rule, 1);
	return 0;
}

static int tear_down(void **state)
{
	ask_close(*state);
	return 0;
}

// Answers a request that came at `received_ns` and returns the receive timestamp given out.
static ntp64_t receive(struct asked *asked, int64_t received_ns)
{
	assert_int_equal(ask_one(asked, NTP_HEADER_SIZE, received_ns), VERDICT_ANSWERED);
	return asked->burst.replies.receive[0];
}

// Stamps the reply, which then has the receive timestamp said to be given out.
static ntp64_t stamp(struct asked *asked, int64_t departs_ns)
{
	ask_stamp(asked, departs_ns);
	assert_true(load_be64(asked->reply + NTP_RECEIVE) == asked->burst.replies.receive[0]);
	return load_be64(asked->reply + NTP_TRANSMIT);
}

// How much later a timestamp is than a moment, in units of 2^-32 s / 10^9, exactly.
static __int128 exact_error(ntp64_t stamp, int64_t moment_ns)
{
	const int64_t ntp_to_unix_s = 2208988800;
	int64_t seconds = moment_ns / NS_PER_S, rest = moment_ns % NS_PER_S;
	// The stamp against the moment's whole second, which is where the era cancels.
	int64_t ahead = (int64_t)(stamp - ((uint64_t)(seconds + ntp_to_unix_s) << 32));

	return (__int128)ahead * NS_PER_S - ((__int128)rest << 32);
}

// What 2^precision s is in the same units; two units of 2^-32 s are the least, as the lowest bit
// is not for the time.
static __int128 exact_precision(int precision)
{
	return (__int128)NS_PER_S << (precision < -31 ? 1 : 32 + precision);
}

static int64_t random_moment(uint64_t *random)
{
	switch (random_below(random, 3)) {
	case 0:
		return ERA_NS - 100 + (int64_t)random_below(random, 200);
	case 1: // a whole second, where a carry goes far
		return (int64_t)random_below(random, INT64_C(8'000'000'000)) * NS_PER_S;
	default:
		return (int64_t)random_below(random, INT64_C(8'000'000'000) * NS_PER_S);
	}
}

// W11, T12, T13
static void receive_is_never_early_nor_later_than_the_precision(void **state)
{
	struct asked *asked = *state;
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 200'000; round++) {
		int precision = (int)random_below(&random, 40) - 40;
		int64_t moment_ns = random_moment(&random);

		serving_set_unsynchronised(&asked->serving, (int8_t)precision);
		asked->serving.epoch++;

		__int128 error = exact_error(receive(asked, moment_ns), moment_ns);

		assert_true(error >= 0);
		assert_true(error <= exact_precision(precision));
	}
}

static void transmit_is_never_late_nor_earlier_than_the_precision(void **state)
{
	struct asked *asked = *state;
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 200'000; round++) {
		int precision = (int)random_below(&random, 40) - 40;
		int64_t moment_ns = random_moment(&random);

		serving_set_unsynchronised(&asked->serving, (int8_t)precision);
		asked->serving.epoch++;
		receive(asked, moment_ns - 3 * NS_PER_S);

		ntp64_t stamped = stamp(asked, moment_ns);
		__int128 error = exact_error(stamped, moment_ns);

		// At the era's first moment 0 is what the rules of rounding ask for; it is kept free.
		assert_true(error <= 0 || stamped == 2);
		assert_true(-error <= exact_precision(precision));
	}
}

static void odd_precisions_are_taken_for_the_nearest_that_makes_sense(void **state)
{
	struct asked *asked = *state;

	for (int precision = INT8_MIN; precision <= INT8_MAX; precision++) {
		int sane = precision > 0 ? 0 : precision;

		serving_set_unsynchronised(&asked->serving, (int8_t)precision);
		asked->serving.epoch++;

		__int128 error = exact_error(receive(asked, NOW_NS), NOW_NS);

		assert_true(error >= 0 && error <= exact_precision(sane));
	}
}

// W11: a million requests at equal, forward and backward times
static void no_receive_timestamp_repeats_in_an_epoch(void **state)
{
	struct asked *asked = *state;
	uint64_t random = test_seed();
	int64_t moment_ns = ERA_NS - 20'000'000;
	ntp64_t last = receive(asked, moment_ns);

	for (unsigned round = 0; round < 1'000'000; round++) {
		moment_ns += (int64_t)random_below(&random, 400) - 160;
		if (round % 100'000 == 0)
			moment_ns -= 5'000;

		ntp64_t next = receive(asked, moment_ns);

		assert_true((int64_t)(next - last) > 0);
		last = next;
	}
	assert_true(moment_ns > ERA_NS);
}

// W11: also in bursts, whose requests came at any times, in one epoch and of any precision
static void no_receive_timestamp_repeats_in_bursts(void **state)
{
	struct asked *asked = *state;
	struct ask_burst *burst = &asked->burst;
	static uint8_t payloads[REQUESTS][NTP_HEADER_SIZE];
	uint64_t random = test_seed();
	int64_t moment_ns = ERA_NS - 5'000'000;
	ntp64_t last = receive(asked, moment_ns);

	for (unsigned answers = 0; answers < 1'000'000; answers += burst->reply_count) {
		burst->count = 0;
		for (uint64_t left = 1 + random_below(&random, REQUESTS); left > 0; left--) {
			uint8_t *payload = payloads[burst->count];

			moment_ns += (int64_t)random_below(&random, 40) - 15;
			payload[0] = left % 8 ? 4 << 3 | NTP_MODE_CLIENT : 0;
			ask_add(burst, payload, NTP_HEADER_SIZE, &asked->client,
					moment_ns + (int64_t)random_below(&random, 300));
		}
		serving_set_unsynchronised(
				&asked->serving, (int8_t)((int)random_below(&random, 10) - 33));
		ask_answer(asked);
		for (unsigned k = 0; k < burst->reply_count; k++) {
			assert_true((int64_t)(burst->replies.receive[k] - last) > 0);
			assert_true(exact_error(burst->replies.receive[k],
						    burst->received[burst->reply[k]].ns)
					>= 0);
			last = burst->replies.receive[k];
		}
	}
	assert_true(moment_ns > ERA_NS);
}

// Replies of one burst leave together, but their random bits are their own.
static void stamps_of_a_burst_do_not_share_their_bits(void **state)
{
	struct asked *asked = *state;
	struct ask_burst *burst = &asked->burst;
	static uint8_t payloads[REQUESTS][NTP_HEADER_SIZE];
	unsigned equal = 0;

	serving_set_unsynchronised(&asked->serving, -16);
	burst->count = 0;
	for (unsigned i = 0; i < REQUESTS; i++) {
		payloads[i][0] = 4 << 3 | NTP_MODE_CLIENT;
		ask_add(burst, payloads[i], NTP_HEADER_SIZE, &asked->client, NOW_NS);
	}
	ask_answer(asked);
	assert_int_equal(burst->reply_count, REQUESTS);
	ask_stamp(asked, NOW_NS + 50'000'000);
	for (unsigned i = 1; i < REQUESTS; i++)
		equal += load_be64(payloads[i] + NTP_TRANSMIT)
				== load_be64(payloads[i - 1] + NTP_TRANSMIT);
	// One in 32768 by chance; the seed is always the same.
	assert_int_equal(equal, 0);
}

static void a_burst_of_one_moment_stays_near_it(void **state)
{
	struct asked *asked = *state;

	for (unsigned i = 0; i < 64; i++) {
		__int128 error = exact_error(receive(asked, NOW_NS), NOW_NS);

		// Each frame after the first costs two units of 2^-32 s at most.
		assert_true(error >= 0);
		assert_true(error <= exact_precision(-25) + (__int128)NS_PER_S * 2 * i);
	}
}

static void a_step_back_with_a_new_epoch_is_not_clamped(void **state)
{
	struct asked *asked = *state;

	receive(asked, NOW_NS);
	asked->serving.epoch++;
	assert_true(exact_error(receive(asked, NOW_NS - NS_PER_S), NOW_NS - NS_PER_S)
			<= exact_precision(-25));
	// An epoch is a name, not a number that grows.
	asked->serving.epoch--;
	assert_true(exact_error(receive(asked, NOW_NS - 2 * INT64_C(1'000'000'000)),
				    NOW_NS - 2 * INT64_C(1'000'000'000))
			<= exact_precision(-25));
}

static void the_first_answer_is_not_clamped(void **state)
{
	static const int64_t moments[] = { 0, NOW_NS, ERA_NS - 1, ERA_NS, ERA_NS + NOW_NS };
	struct asked *asked = *state;

	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		responder_init(&asked->responder, i, NULL);
		assert_true(exact_error(receive(asked, moments[i]), moments[i])
				<= exact_precision(-25));
	}
}

// B2.9, T19, W12: whatever the times given, transmit follows receive, and their lowest bits differ.
static void transmit_is_later_than_receive(void **state)
{
	struct asked *asked = *state;
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 300'000; round++) {
		int64_t moment_ns = random_moment(&random);

		serving_set_unsynchronised(
				&asked->serving, (int8_t)((int)random_below(&random, 30) - 33));
		asked->serving.epoch += random_below(&random, 2);

		ntp64_t received = receive(asked, moment_ns);
		int64_t left_ns = 20 - (int64_t)(round % 40);
		ntp64_t stamped = stamp(asked, moment_ns + left_ns);

		assert_true((int64_t)(stamped - received) > 0);
		// No later than it has to be.
		if (left_ns <= 0)
			assert_true(stamped == received + 1 || stamped == 2);
		assert_true(received != 0 && stamped != 0);
		assert_int_equal(received & 1, 1);
		assert_int_equal(stamped & 1, 0);
	}
}

// RFC 5905 section 6: 0 means unknown
static void transmit_is_never_zero(void **state)
{
	struct asked *asked = *state;

	serving_set_unsynchronised(&asked->serving, -32);
	receive(asked, ERA_NS - 5);
	asked->burst.replies.receive[0] = UINT64_MAX;
	assert_true(stamp(asked, ERA_NS - 5) == 2);
	asked->burst.replies.receive[0] = UINT64_MAX - 8;
	assert_true(stamp(asked, ERA_NS) == 2);
}

static double chi_square(const unsigned *counts, size_t cells, double expected)
{
	double sum = 0;

	for (size_t i = 0; i < cells; i++)
		sum += (counts[i] - expected) * (counts[i] - expected) / expected;
	return sum;
}

// W13: seven bits below the precision, 1 to 7, of one moment again and again
static void bits_below_the_precision_are_random(void **state)
{
	struct asked *asked = *state;
	unsigned receives[128] = { 0 }, transmits[128] = { 0 }, sums[128] = { 0 };
	const unsigned rounds = 128 * 400;

	asked->responder.random = test_seed();
	serving_set_unsynchronised(&asked->serving, -24);
	for (unsigned round = 0; round < rounds; round++) {
		asked->serving.epoch++;
		uint64_t received = receive(asked, NOW_NS) >> 1;
		uint64_t stamped = stamp(asked, NOW_NS + 10'000) >> 1;

		receives[received & 127]++;
		transmits[stamped & 127]++;
		sums[(received + stamped) & 127]++;
	}
	// 127 degrees of freedom: 127 +- 16. Seven deviations are one false alarm in 10^9 runs.
	assert_in_range(chi_square(receives, 128, 400), 60, 240);
	assert_in_range(chi_square(transmits, 128, 400), 60, 240);
	// What is added to one is not what is taken off the other.
	assert_in_range(chi_square(sums, 128, 400), 60, 240);
}

// No two clients can learn from each other's: the bits of an answer do not tell the next ones.
static void workers_with_other_seeds_have_other_bits(void **state)
{
	struct asked *asked = *state;
	unsigned equal = 0;

	for (unsigned seed = 0; seed < 1000; seed++) {
		asked->serving.epoch++;
		responder_init(&asked->responder, seed, NULL);
		ntp64_t one = receive(asked, NOW_NS);

		responder_init(&asked->responder, seed + 1, NULL);
		equal += receive(asked, NOW_NS) == one;
	}
	// One in 64 by chance.
	assert_in_range(equal, 0, 60);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(receive_is_never_early_nor_later_than_the_precision),
		TEST(transmit_is_never_late_nor_earlier_than_the_precision),
		TEST(odd_precisions_are_taken_for_the_nearest_that_makes_sense),
		TEST(no_receive_timestamp_repeats_in_an_epoch),
		TEST(no_receive_timestamp_repeats_in_bursts),
		TEST(stamps_of_a_burst_do_not_share_their_bits),
		TEST(a_burst_of_one_moment_stays_near_it),
		TEST(a_step_back_with_a_new_epoch_is_not_clamped),
		TEST(the_first_answer_is_not_clamped),
		TEST(transmit_is_later_than_receive),
		TEST(transmit_is_never_zero),
		TEST(bits_below_the_precision_are_random),
		TEST(workers_with_other_seeds_have_other_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
