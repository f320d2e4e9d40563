// SPDX-License-Identifier: BSD-3-Clause
// What the load is made of and measured with: clients, requests, pace, histogram, moments, search.
#include "bench_world.h"
#include "timeball-bench/histogram.h"
#include "timeball-bench/moments.h"
#include "timeball-bench/pace.h"
#include "timeball-bench/search.h"

#include <math.h>

static void every_client_asks_once_a_round(void **)
{
	uint64_t random = test_seed();
	uint32_t counts[] = { 1, 2, 3, 6, 10, 254, 1000, 65534, 0, 0, 0 };

	for (unsigned i = 0; i < 3; i++)
		counts[8 + i] = (uint32_t)(1 + random_below(&random, 100'000));
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct subnet prefixes[FAMILIES] = { { { ADDRESS_IPV4, { 10 } }, 8 } };
		struct clients clients;
		struct client_walk walk = { 0 };
		uint8_t *visits = calloc(counts[i], 1);

		clients_init(&clients, prefixes, counts[i]);
		assert_int_equal(clients.count, counts[i]);
		for (uint64_t n = 0; n < 2 * (uint64_t)counts[i]; n++) {
			assert_int_equal(walk.round, n / counts[i]);
			assert_true(visits[walk.client]++ <= n / counts[i]);
			client_walk_next(&clients.ranges[FAMILY_IPV4], &walk);
		}
		free(visits);
	}
}

static void addresses_lead_back_to_their_client(void **)
{
	struct subnet prefixes[FAMILIES] = {
		{ { ADDRESS_IPV4, { 10, 255, 3, 4 } }, 8 },
		{ { ADDRESS_IPV6, { 0x20, 1, 0xd, 0xb8, [15] = 9 } }, 96 },
	};
	const uint8_t first4[4] = { 10, 0, 0, 1 }, last4[4] = { 10, 255, 255, 254 };
	uint64_t random = test_seed();
	struct clients clients;

	assert_int_equal(clients_room(&prefixes[0]), CLIENTS_MAX - 2);
	assert_int_equal(clients_room(&prefixes[1]), CLIENTS_MAX);
	clients_init(&clients, prefixes, CLIENTS_MAX - 2);
	for (unsigned i = 0; i < 10'000; i++) {
		const struct client_range *range = &clients.ranges[i % FAMILIES];
		uint32_t client = (uint32_t)random_below(&random, range->count), found;
		struct address address;

		client_address(range, client, &address);
		assert_true(client_find(range, address.bytes, &found));
		assert_int_equal(found, client);
		address.bytes[0] ^= 1;
		assert_false(client_find(range, address.bytes, &found));
	}
	uint32_t found;

	assert_true(client_find(&clients.ranges[0], first4, &found));
	assert_int_equal(found, 0);
	assert_true(client_find(&clients.ranges[0], last4, &found));
	assert_int_equal(found, CLIENTS_MAX - 3);
	for (unsigned last = 0; last < 256; last += 255) {
		uint8_t edge[4] = { 10, (uint8_t)last, (uint8_t)last, (uint8_t)last };

		assert_false(client_find(&clients.ranges[0], edge, &found));
	}
}

static void small_prefixes_have_what_room_they_have(void **)
{
	struct subnet prefix = { { ADDRESS_IPV4, { 10 } }, 24 };

	assert_int_equal(clients_room(&prefix), 254);
	prefix.prefix_bits = 31;
	assert_int_equal(clients_room(&prefix), 1);
	prefix.prefix_bits = 32;
	assert_int_equal(clients_room(&prefix), 1);
	struct subnet prefixes[FAMILIES] = { prefix };
	struct clients clients;
	uint32_t found;

	clients_init(&clients, prefixes, 1);
	assert_true(client_find(&clients.ranges[0], prefix.address.bytes, &found));
}

static void requests_are_summed_right(void **)
{
	struct world world;

	world_open(&world, 0);
	// Enough for a sum or two of 0, which goes as all ones.
	for (unsigned i = 0; i < 400'000; i++) {
		struct flight flight = world_ask(&world, i % FAMILIES, i % WORLD_CLIENTS, false);
		const uint8_t *ip = flight.frame + flight.ip;

		if (flight.family == FAMILY_IPV4)
			assert_int_equal(plain_sum(ip, 20, 0), 0xffff);
		assert_int_equal(flight_udp_sum(&flight), 0xffff);
		assert_int_not_equal(load_be16(flight.frame + flight.udp + 6), 0);
		assert_int_equal(load_be16(flight.frame + flight.udp + 2), 123);
		assert_int_equal(flight.frame[flight.ntp], 0x23);
		assert_int_equal(load_be64(flight.frame + flight.ntp + NTP_ORIGIN), 0);
	}
	world_close(&world);
}

static struct pace *pace_of(double rate, double seconds, bool exponential)
{
	struct pace *pace = malloc(sizeof(*pace));
	const struct pace_options options = {
		.rate_hz = rate,
		.ticks_per_s = 2'596'132'172.0,
		.duration_s = seconds,
		.exponential = exponential,
		.seed = 7,
	};

	pace_init(pace, &options, 1'000'000);
	return pace;
}

static void constant_gaps_are_all_the_same(void **)
{
	static const double rates[] = { 1, 3, 1000, 123'457, 10e6, 100e6 };

	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		double seconds = fmax(1, 1e5 / rates[i]);
		struct pace *pace = pace_of(rates[i], fmin(seconds, 100), false);
		double wanted = rates[i] * fmin(seconds, 100);
		uint64_t count = 0;

		assert_in_range(pace_left(pace), wanted - 1, wanted + 1);
		for (; !pace_is_over(pace); count++) {
			double ideal = 1e6 + (double)count * 2'596'132'172.0 / rates[i];

			if (fabs((double)pace_next_ticks(pace) - ideal) > 2 + ideal * 1e-6)
				fail_msg("request %lu of %.0f/s at %lu, wanted %.0f", count,
						rates[i], pace_next_ticks(pace), ideal);
			pace_advance(pace);
		}
		assert_in_range(count, wanted * 0.999999 - 1, wanted);
		free(pace);
	}
}

// Mean, share above the mean (1/e) and above three times it (1/e^3).
static void exponential_gaps_are_a_poisson_process(void **)
{
	struct pace *pace = pace_of(100'000, 5, true);
	double mean = 25'961.32172;
	uint64_t count = 0, above = 0, far_above = 0, last = pace_next_ticks(pace);

	for (; !pace_is_over(pace); count++) {
		pace_advance(pace);
		double gap = (double)(pace_next_ticks(pace) - last);

		above += gap > mean;
		far_above += gap > 3 * mean;
		last = pace_next_ticks(pace);
	}
	assert_in_range(count, 496'000, 504'000);
	assert_in_range(above * 10'000 / count, 3579, 3779);
	assert_in_range(far_above * 10'000 / count, 468, 528);
	free(pace);
}

static void nothing_is_due_before_its_time(void **)
{
	struct pace *pace = pace_of(1000, 1, false);

	assert_false(pace_is_due(pace, 999'999));
	assert_true(pace_is_due(pace, 1'000'000));
	pace_advance(pace);
	assert_false(pace_is_due(pace, 1'000'000));
	// However late one looks, all that should have left is still to leave, at its own time.
	assert_true(pace_is_due(pace, UINT64_C(100'000'000'000)));
	assert_in_range(pace_next_ticks(pace), 1'000'000 + 2'596'132, 1'000'000 + 2'596'133);
	free(pace);
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static void quantiles_are_those_of_the_sorted_values(void **)
{
	enum {
		COUNT = 10'001
	};
	static const double fractions[] = { 0, 0.01, 0.5, 0.9, 0.99, 0.999, 1 };
	struct histogram *histogram = malloc(sizeof(*histogram));
	uint64_t *values = malloc(COUNT * sizeof(*values));
	uint64_t random = test_seed();

	histogram_init(histogram);
	assert_int_equal(histogram_quantile(histogram, 0.5), 0);
	for (unsigned i = 0; i < COUNT; i++) {
		values[i] = random_next(&random) >> random_below(&random, 64);
		histogram_add(histogram, values[i]);
	}
	qsort(values, COUNT, sizeof(*values), compare);
	assert_int_equal(histogram->total, COUNT);
	assert_int_equal(histogram->min, values[0]);
	assert_int_equal(histogram->max, values[COUNT - 1]);
	for (unsigned i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++) {
		unsigned rank = (unsigned)ceil(fractions[i] * COUNT);
		uint64_t exact = values[rank ? rank - 1 : 0];
		uint64_t found = histogram_quantile(histogram, fractions[i]);

		assert_true(found >= exact);
		assert_true(found - exact <= exact / 128);
		assert_true(found <= histogram->max);
	}
	free(values);
	free(histogram);
}

static void buckets_follow_each_other(void **)
{
	unsigned last = 0;

	for (uint64_t value = 1; value < UINT64_MAX / 2; value += 1 + value / 300) {
		unsigned bucket = histogram_bucket(value);

		assert_in_range(bucket, last, last + 1);
		last = bucket;
	}
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void moments_bear_a_large_offset(void **)
{
	uint64_t random = test_seed();
	struct moments moments = { 0 };
	int64_t shift = INT64_C(3'600'000'000'000'000); // clocks 1000 hours apart

	for (unsigned i = 0; i < 100'000; i++)
		moments_add(&moments, shift + (int64_t)random_below(&random, 1001));
	assert_in_range(moments_mean(&moments) - (double)shift, 490, 510);
	// Of a uniform distribution over 1000: 1000 / sqrt(12).
	assert_in_range(moments_deviation(&moments), 284, 293);
	assert_int_equal(moments.min - shift, 0);
	assert_int_equal(moments.max - shift, 1000);
}

// Runs a search against a server that loses above `limit`.
static struct search search_against(double limit, double min, double max, unsigned trials)
{
	const struct search_options options = {
		.min_rate = min,
		.max_rate = max,
		.leap = 2,
		.resolution = 0.02,
		.trials = trials,
	};
	struct search search;

	search_init(&search, &options);
	while (!search.over) {
		assert_in_range(search.rate, min - 1, max + 1);
		assert_true(search.trials < 1000);
		search_tell(&search, search.rate <= limit);
	}
	return search;
}

static void search_closes_in_on_the_limit(void **)
{
	uint64_t random = test_seed();

	for (unsigned i = 0; i < 200; i++) {
		double limit = 1000 * exp((double)random_below(&random, 8000) / 1000);
		unsigned trials = (unsigned)(1 + random_below(&random, 5));
		struct search search = search_against(limit, 1000, 20e6, trials);

		assert_true(search.passed <= limit && search.failed > limit);
		assert_true(search.failed <= search.passed * 1.02);
		assert_true(search.trials <= 30 * trials);
	}
}

static void search_says_when_there_is_no_limit_inside(void **)
{
	struct search none = search_against(500, 1000, 20e6, 3);
	struct search all = search_against(1e9, 1000, 20e6, 3);

	assert_true(none.passed == 0 && none.failed == 1000);
	assert_int_equal(none.trials, 1);
	assert_true(all.passed == 20e6 && all.failed == 0);
}

// The last of the trials counts as the first does.
static void search_wants_every_trial_to_pass(void **)
{
	const struct search_options options = { 1000, 2000, 2, 0.02, 3 };
	struct search search;

	search_init(&search, &options);
	search_tell(&search, true);
	search_tell(&search, true);
	assert_true(search.passed == 0);
	search_tell(&search, false);
	assert_true(search.over && search.passed == 0 && search.failed == 1000);
}

static void room_for_requests_under_way(void **)
{
	assert_int_equal(pending_tag_bits(10'000, 10'000), 0);
	assert_int_equal(pending_tag_bits(10'000, 10'001), 1);
	assert_int_equal(pending_tag_bits(1, 1e9), PENDING_TAG_BITS_MAX);
	assert_int_equal(pending_size(1 << 24, 0), (size_t)48 << 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_client_asks_once_a_round),
		cmocka_unit_test(addresses_lead_back_to_their_client),
		cmocka_unit_test(small_prefixes_have_what_room_they_have),
		cmocka_unit_test(requests_are_summed_right),
		cmocka_unit_test(constant_gaps_are_all_the_same),
		cmocka_unit_test(exponential_gaps_are_a_poisson_process),
		cmocka_unit_test(nothing_is_due_before_its_time),
		cmocka_unit_test(quantiles_are_those_of_the_sorted_values),
		cmocka_unit_test(buckets_follow_each_other),
		cmocka_unit_test(moments_bear_a_large_offset),
		cmocka_unit_test(search_closes_in_on_the_limit),
		cmocka_unit_test(search_says_when_there_is_no_limit_inside),
		cmocka_unit_test(search_wants_every_trial_to_pass),
		cmocka_unit_test(room_for_requests_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
