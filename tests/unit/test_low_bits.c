// SPDX-License-Identifier: BSD-3-Clause
// server/reply: the random bits of timestamps over many bursts (W13). Each is as likely as any other
// wherever the request is in its burst, whatever the others' are.
#include "ask.h"
#include "unit.h"

#define PRECISION  -24 // seven bits are left to chance
#define CELLS      128
#define DEPARTS_NS 1'000'000

struct tally {
	struct asked *asked;
	int64_t moment_ns;
	uint8_t payloads[REQUESTS][NTP_HEADER_SIZE];
	unsigned bursts, replies;
	// Of the burst, and the one before.
	uint8_t receive[2][REQUESTS], transmit[2][REQUESTS];
	uint32_t receives[REQUESTS][CELLS], transmits[REQUESTS][CELLS];
	uint32_t differences[REQUESTS][CELLS], changes[REQUESTS][CELLS];
	uint32_t both[CELLS * CELLS], neighbors[2][CELLS * CELLS], bursts_apart[2][CELLS * CELLS];
};

static int set_up(void **state)
{
	const struct acl_rule rule = { .allow = true };
	struct tally *tally = calloc(1, sizeof(*tally));

	assert_non_null(tally);
	tally->asked = ask_open(&rule, 1);
	tally->asked->responder.random = test_seed();
	tally->moment_ns = ASK_MOMENT;
	serving_set_unsynchronised(&tally->asked->serving, PRECISION);
	*state = tally;
	return 0;
}

static int tear_down(void **state)
{
	struct tally *tally = *state;

	ask_close(tally->asked);
	free(tally);
	return 0;
}

// What of a timestamp is not its moment's, without the lowest bit.
static uint8_t bits_of_receive(const struct requests *requests, unsigned i)
{
	return (uint8_t)((requests->receive[i] - utc_to_ntp64(requests->received[i]) - 1) >> 1
			& (CELLS - 1));
}

static uint8_t bits_of_transmit(const struct requests *requests, unsigned i, int64_t departs_ns)
{
	uint64_t now = utc_to_ntp64((utc_t){ departs_ns });

	return (uint8_t)((now - load_be64(requests->payload[i] + NTP_TRANSMIT)) >> 1 & (CELLS - 1));
}

static void answer_burst(struct tally *tally, unsigned count, int64_t apart_ns)
{
	struct ask_burst *burst = &tally->asked->burst;

	burst->count = 0;
	burst->tell_plain = true;
	tally->moment_ns += 10'000'000;
	for (unsigned i = 0; i < count; i++) {
		tally->payloads[i][0] = ntp_flags(NTP_LEAP_NONE, 4, NTP_MODE_CLIENT);
		ask_add(burst, tally->payloads[i], NTP_HEADER_SIZE, &tally->asked->client,
				tally->moment_ns + i * apart_ns);
	}
	ask_answer(tally->asked);
	ask_stamp(tally->asked, tally->moment_ns + DEPARTS_NS);
	assert_int_equal(burst->reply_count, count);
	memcpy(tally->receive[1], tally->receive[0], sizeof(tally->receive[0]));
	memcpy(tally->transmit[1], tally->transmit[0], sizeof(tally->transmit[0]));
	for (unsigned i = 0; i < count; i++) {
		tally->receive[0][i] = bits_of_receive(&burst->replies, i);
		tally->transmit[0][i] =
				bits_of_transmit(&burst->replies, i, tally->moment_ns + DEPARTS_NS);
	}
	tally->bursts++;
	tally->replies += count;
}

static void count_burst(struct tally *tally, unsigned count)
{
	const uint8_t *receive = tally->receive[0], *transmit = tally->transmit[0];
	const uint8_t *before = tally->receive[1], *sent_before = tally->transmit[1];

	for (unsigned i = 0; i < count; i++) {
		// A burst of one has the one before for a neighbour.
		unsigned r = receive[i], t = transmit[i];
		unsigned next_r = i + 1 < count ? receive[i + 1] : before[0];
		unsigned next_t = i + 1 < count ? transmit[i + 1] : sent_before[0];

		tally->receives[i][r]++;
		tally->transmits[i][t]++;
		tally->differences[i][(r - t) % CELLS]++;
		tally->changes[i][(r - before[i]) % CELLS]++;
		tally->both[r * CELLS + t]++;
		tally->neighbors[0][r * CELLS + next_r]++;
		tally->neighbors[1][t * CELLS + next_t]++;
		tally->bursts_apart[0][r * CELLS + before[i]]++;
		tally->bursts_apart[1][t * CELLS + before[i]]++;
	}
}

static double chi_square(const uint32_t *counts, size_t cells, double expected)
{
	double sum = 0;

	for (size_t i = 0; i < cells; i++)
		sum += (counts[i] - expected) * (counts[i] - expected) / expected;
	return sum;
}

// 127 +- 16; one false alarm in 10^10.
static void require_even(const struct tally *tally, const uint32_t counts[CELLS])
{
	assert_in_range(chi_square(counts, CELLS, (double)tally->bursts / CELLS), 50, 260);
}

// 16383 +- 181; likewise.
static void require_even_pairs(const struct tally *tally, const uint32_t counts[CELLS * CELLS])
{
	double expected = (double)tally->replies / (CELLS * CELLS);

	assert_in_range(chi_square(counts, CELLS * CELLS, expected), 15'100, 17'700);
}

static void require_random(const struct tally *tally, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		require_even(tally, tally->receives[i]);
		require_even(tally, tally->transmits[i]);
		require_even(tally, tally->differences[i]);
		require_even(tally, tally->changes[i]);
	}
	require_even_pairs(tally, tally->both);
	for (unsigned i = 0; i < 2; i++) {
		require_even_pairs(tally, tally->neighbors[i]);
		require_even_pairs(tally, tally->bursts_apart[i]);
	}
}

static void run_bursts(struct tally *tally, unsigned count, unsigned replies)
{
	// A microsecond apart nothing has to be done for timestamps to be unique.
	for (unsigned left = replies / count; left > 0; left--) {
		answer_burst(tally, count, 1000);
		count_burst(tally, count);
	}
	require_random(tally, count);
}

static void bits_of_full_bursts_are_random(void **state)
{
	run_bursts(*state, REQUESTS, 4'000'000);
}

static void bits_of_bursts_of_an_odd_count_are_random(void **state)
{
	run_bursts(*state, REQUESTS - 1, 1'000'000);
}

static void bits_of_half_bursts_are_random(void **state)
{
	run_bursts(*state, REQUESTS / 2, 1'000'000);
}

static void bits_of_bursts_of_one_are_random(void **state)
{
	run_bursts(*state, 1, 1'000'000);
}

static double distance(uint32_t seen, double expected)
{
	return (seen - expected) * (seen - expected) / expected;
}

// Requests of one moment: a timestamp is the one before's successor, unless chance puts it further on,
// which has to be as often as chance does, anywhere, and at each place in the burst.
static void bits_of_one_moment_are_random_above_those_given_out(void **state)
{
	struct tally *tally = *state;
	double expected[CELLS] = { 0 }, jumps_expected[REQUESTS] = { 0 }, sum = 0, jumps_sum = 0;
	uint32_t seen[CELLS] = { 0 }, jumps[REQUESTS] = { 0 };

	for (unsigned round = 0; round < 40'000; round++) {
		const struct requests *requests = &tally->asked->burst.replies;

		answer_burst(tally, REQUESTS, 0);
		uint64_t first = (utc_to_ntp64(requests->received[0]) + 1) | 1;

		for (unsigned i = 0, least = 0; i < REQUESTS; i++) {
			unsigned at = (unsigned)((requests->receive[i] - first) / 2);

			assert_true(at + 1 >= least && (at < CELLS || at + 1 == least));
			for (unsigned cell = least; cell < CELLS; cell++)
				expected[cell] += 1.0 / CELLS;
			jumps_expected[i] += least < CELLS ? 1 - (double)least / CELLS : 0;
			jumps[i] += at >= least;
			if (at >= least)
				seen[at]++;
			least = at + 2;
			tally->transmits[i][tally->transmit[0][i]]++;
		}
	}
	for (unsigned cell = 0; cell < CELLS; cell++)
		sum += distance(seen[cell], expected[cell]);
	assert_in_range(sum, 50, 260);
	for (unsigned i = 0; i < REQUESTS; i++) {
		require_even(tally, tally->transmits[i]);
		jumps_sum += jumps_expected[i] < 20 ? 0 : distance(jumps[i], jumps_expected[i]);
	}
	assert_in_range(jumps_sum, 0, 170);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bits_of_full_bursts_are_random),
		TEST(bits_of_bursts_of_an_odd_count_are_random),
		TEST(bits_of_half_bursts_are_random),
		TEST(bits_of_bursts_of_one_are_random),
		TEST(bits_of_one_moment_are_random_above_those_given_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
