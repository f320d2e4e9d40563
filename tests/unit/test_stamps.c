// SPDX-License-Identifier: BSD-3-Clause
// server/responder: its receive and transmit timestamps. Never early on receive, never late on
// transmit, unique, ordered, told apart by their lowest bit, and random below the precision.
#include "base/bytes.h"
#include "server/acl.h"
#include "server/responder.h"
#include "unit.h"

#include <string.h>

#define NOW_NS INT64_C(1772323200'500000000)
#define ERA_NS INT64_C(2085978496'000000000) // 2036-02-07 06:28:16 UTC, where NTP's seconds wrap

struct bench {
	_Alignas(64) uint8_t acl_memory[1024];
	struct policy policy;
	struct serving serving;
	struct responder responder;
};

static int set_up(void **state)
{
	const struct acl_rule rule = { .allow = true };
	struct bench *bench = aligned_alloc(64, sizeof(*bench));

	assert_true(bench && acl_size(&rule, 1) <= sizeof(bench->acl_memory));
	memset(bench, 0, sizeof(*bench));
	bench->policy.access = acl_build(bench->acl_memory, &rule, 1);
	serving_set_unsynchronised(&bench->serving, -25);
	responder_init(&bench->responder, 1);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

// Answers a request that came at `received_ns` and returns the receive timestamp given out.
static ntp64_t answer(struct bench *bench, int64_t received_ns, uint8_t reply[NTP_HEADER_SIZE])
{
	static const struct address client = { ADDRESS_IPV4, { 192, 0, 2, 99 } };
	static const uint8_t payload[NTP_HEADER_SIZE] = { 4 << 3 | NTP_MODE_CLIENT };
	const struct request request = { payload, sizeof(payload), 123, &client, { received_ns } };

	assert_int_equal(responder_answer(&bench->responder, &bench->policy, &bench->serving,
					 &request, reply),
			VERDICT_ANSWERED);
	return load_be64(reply + NTP_RECEIVE);
}

static ntp64_t receive(struct bench *bench, int64_t received_ns)
{
	uint8_t reply[NTP_HEADER_SIZE];

	return answer(bench, received_ns, reply);
}

static ntp64_t stamp(struct bench *bench, uint8_t reply[NTP_HEADER_SIZE], int64_t departs_ns)
{
	ntp64_t stamped = responder_stamp(&bench->responder, reply, (utc_t){ departs_ns });

	assert_true(load_be64(reply + NTP_TRANSMIT) == stamped);
	return stamped;
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
	struct bench *bench = *state;
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 200'000; round++) {
		int precision = (int)random_below(&random, 40) - 40;
		int64_t moment_ns = random_moment(&random);

		serving_set_unsynchronised(&bench->serving, (int8_t)precision);
		bench->serving.epoch++;

		__int128 error = exact_error(receive(bench, moment_ns), moment_ns);

		assert_true(error >= 0);
		assert_true(error <= exact_precision(precision));
	}
}

static void transmit_is_never_late_nor_earlier_than_the_precision(void **state)
{
	struct bench *bench = *state;
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 200'000; round++) {
		int precision = (int)random_below(&random, 40) - 40;
		int64_t moment_ns = random_moment(&random);
		uint8_t reply[NTP_HEADER_SIZE];

		serving_set_unsynchronised(&bench->serving, (int8_t)precision);
		bench->serving.epoch++;
		answer(bench, moment_ns - 3 * NS_PER_S, reply);

		ntp64_t stamped = stamp(bench, reply, moment_ns);
		__int128 error = exact_error(stamped, moment_ns);

		// At the era's first moment 0 is what the rules of rounding ask for; it is kept free.
		assert_true(error <= 0 || stamped == 2);
		assert_true(-error <= exact_precision(precision));
	}
}

static void odd_precisions_are_taken_for_the_nearest_that_makes_sense(void **state)
{
	struct bench *bench = *state;

	for (int precision = INT8_MIN; precision <= INT8_MAX; precision++) {
		int sane = precision > 0 ? 0 : precision;

		serving_set_unsynchronised(&bench->serving, (int8_t)precision);
		bench->serving.epoch++;

		__int128 error = exact_error(receive(bench, NOW_NS), NOW_NS);

		assert_true(error >= 0 && error <= exact_precision(sane));
	}
}

// W11: a million requests at equal, forward and backward times
static void no_receive_timestamp_repeats_in_an_epoch(void **state)
{
	struct bench *bench = *state;
	uint64_t random = test_seed();
	int64_t moment_ns = ERA_NS - 20'000'000;
	ntp64_t last = receive(bench, moment_ns);

	for (unsigned round = 0; round < 1'000'000; round++) {
		moment_ns += (int64_t)random_below(&random, 400) - 160;
		if (round % 100'000 == 0)
			moment_ns -= 5'000;

		ntp64_t next = receive(bench, moment_ns);

		assert_true((int64_t)(next - last) > 0);
		last = next;
	}
	assert_true(moment_ns > ERA_NS);
}

static void a_burst_of_one_moment_stays_near_it(void **state)
{
	struct bench *bench = *state;

	for (unsigned i = 0; i < 64; i++) {
		__int128 error = exact_error(receive(bench, NOW_NS), NOW_NS);

		// Each frame after the first costs two units of 2^-32 s at most.
		assert_true(error >= 0);
		assert_true(error <= exact_precision(-25) + (__int128)NS_PER_S * 2 * i);
	}
}

static void a_step_back_with_a_new_epoch_is_not_clamped(void **state)
{
	struct bench *bench = *state;

	receive(bench, NOW_NS);
	bench->serving.epoch++;
	assert_true(exact_error(receive(bench, NOW_NS - NS_PER_S), NOW_NS - NS_PER_S)
			<= exact_precision(-25));
	// An epoch is a name, not a number that grows.
	bench->serving.epoch--;
	assert_true(exact_error(receive(bench, NOW_NS - 2 * INT64_C(1'000'000'000)),
				    NOW_NS - 2 * INT64_C(1'000'000'000))
			<= exact_precision(-25));
}

static void the_first_answer_is_not_clamped(void **state)
{
	static const int64_t moments[] = { 0, NOW_NS, ERA_NS - 1, ERA_NS, ERA_NS + NOW_NS };
	struct bench *bench = *state;

	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		responder_init(&bench->responder, i);
		assert_true(exact_error(receive(bench, moments[i]), moments[i])
				<= exact_precision(-25));
	}
}

// B2.9, T19, W12: whatever the times given, transmit follows receive, and their lowest bits differ.
static void transmit_is_later_than_receive(void **state)
{
	struct bench *bench = *state;
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 300'000; round++) {
		int64_t moment_ns = random_moment(&random);
		uint8_t reply[NTP_HEADER_SIZE];

		serving_set_unsynchronised(
				&bench->serving, (int8_t)((int)random_below(&random, 30) - 33));
		bench->serving.epoch += random_below(&random, 2);

		ntp64_t received = answer(bench, moment_ns, reply);
		ntp64_t stamped = stamp(bench, reply, moment_ns + 20 - (int64_t)(round % 40));

		assert_true((int64_t)(stamped - received) > 0);
		assert_true(received != 0 && stamped != 0);
		assert_int_equal(received & 1, 1);
		assert_int_equal(stamped & 1, 0);
	}
}

// RFC 5905 section 6: 0 means unknown
static void transmit_is_never_zero(void **state)
{
	struct bench *bench = *state;
	uint8_t reply[NTP_HEADER_SIZE] = { 0 };

	reply[NTP_PRECISION] = (uint8_t)-32;
	store_be64(reply + NTP_RECEIVE, UINT64_MAX);
	assert_true(stamp(bench, reply, ERA_NS - 5) == 2);
	store_be64(reply + NTP_RECEIVE, UINT64_MAX - 8);
	assert_true(stamp(bench, reply, ERA_NS) == 2);
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
	struct bench *bench = *state;
	unsigned receives[128] = { 0 }, transmits[128] = { 0 };
	const unsigned rounds = 128 * 400;

	bench->responder.random = test_seed();
	serving_set_unsynchronised(&bench->serving, -24);
	for (unsigned round = 0; round < rounds; round++) {
		uint8_t reply[NTP_HEADER_SIZE];

		bench->serving.epoch++;
		receives[answer(bench, NOW_NS, reply) >> 1 & 127]++;
		transmits[stamp(bench, reply, NOW_NS + 10'000) >> 1 & 127]++;
	}
	// 127 degrees of freedom: 127 +- 16. Seven deviations are one false alarm in 10^9 runs.
	assert_in_range(chi_square(receives, 128, 400), 60, 240);
	assert_in_range(chi_square(transmits, 128, 400), 60, 240);
}

// No two clients can learn from each other's: the bits of an answer do not tell the next ones.
static void workers_with_other_seeds_have_other_bits(void **state)
{
	struct bench *bench = *state;
	unsigned equal = 0;

	for (unsigned seed = 0; seed < 1000; seed++) {
		bench->serving.epoch++;
		responder_init(&bench->responder, seed);
		ntp64_t one = receive(bench, NOW_NS);

		responder_init(&bench->responder, seed + 1);
		equal += receive(bench, NOW_NS) == one;
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
