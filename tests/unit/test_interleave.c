// SPDX-License-Identifier: BSD-3-Clause
// Interleaved mode (RFC 9769) over server/client_table: the stamp of an answer is given to the very
// address, in the same epoch, once, and exactly. I-numbers are the test catalogue's.
#include "clients.h"
#include "server/interleave.h"

static const struct rate_limit_options generous_limit = { -2, 255, 2, 0, 32, 128 };
static const struct rate_limit_options default_limit = { 3, 8, 2, 0, 32, 128 };

#define CLIENT ipv4(0xc0000201)
#define OTHER  ipv4(0xc0000202)
#define ANYODD UINT64_C(0x1234567890abcdef)

static struct world open_world(void)
{
	struct world world;

	world_open(&world, &default_limit, 1000, 1);
	return world;
}

// I1, I2
static void the_third_exchange_is_interleaved(void **)
{
	struct world world = open_world();
	struct answer first = ask(&world, CLIENT, 0);
	struct answer second = ask(&world, CLIENT, first.receive);

	assert_int_equal(first.departed, 0);
	assert_int_equal(second.departed, 0);
	for (unsigned i = 0; i < 20; i++) {
		struct answer next = ask(&world, CLIENT, second.receive);

		assert_int_equal(next.departed, second.transmit);
		second = next;
		world_wait(&world, 8);
	}
	world_close(&world);
}

// I3
static void a_stamp_is_used_once(void **)
{
	struct world world = open_world();
	struct answer first = ask(&world, CLIENT, ANYODD);

	assert_int_equal(ask(&world, CLIENT, first.receive).departed, first.transmit);
	assert_int_equal(ask(&world, CLIENT, first.receive).departed, 0);
	assert_int_equal(ask(&world, CLIENT, first.receive).departed, 0);
	world_close(&world);
}

// I4, I5, I7, I8
static void what_cannot_be_interleaved_has_no_origin(void **)
{
	uint8_t payload[NTP_HEADER_SIZE] = { 0 };

	store_be64(payload + NTP_ORIGIN, ANYODD);
	store_be64(payload + NTP_TRANSMIT, 7);
	assert_int_equal(interleave_origin(4, payload), ANYODD);
	for (uint8_t version = 0; version < 4; version++)
		assert_int_equal(interleave_origin(version, payload), 0);
	store_be64(payload + NTP_RECEIVE, 7);
	assert_int_equal(interleave_origin(4, payload), 0);
	store_be64(payload + NTP_RECEIVE, 8);
	assert_int_equal(interleave_origin(4, payload), ANYODD);
	store_be64(payload + NTP_ORIGIN, ANYODD - 1);
	assert_int_equal(interleave_origin(4, payload), 0);
	store_be64(payload + NTP_ORIGIN, 0);
	assert_int_equal(interleave_origin(4, payload), 0);
}

// I5, I7: and they keep nothing either.
static void our_transmit_timestamp_and_zero_match_nothing(void **)
{
	struct world world = open_world();
	struct answer first = ask(&world, CLIENT, ANYODD);
	struct answer second = ask(&world, CLIENT, first.transmit);
	struct answer third = ask(&world, CLIENT, 0);

	assert_int_equal(second.departed, 0);
	assert_int_equal(third.departed, 0);
	assert_int_equal(ask(&world, CLIENT, second.receive).departed, 0);
	assert_int_equal(ask(&world, CLIENT, third.receive).departed, 0);
	world_close(&world);
}

// I6
static void another_address_gets_nothing_and_takes_nothing(void **)
{
	const struct rate_limit_options limits[] = { generous_limit, { 3, 100, 2, 0, 24, 64 },
		{ 12, 255, 2, 0, 32, 128 } };
	const struct address pairs[][2] = { { CLIENT, OTHER }, { ipv6(1, 2), ipv6(1, 3) },
		{ ipv6(1, 2), ipv6(3, 2) }, { ipv4(9), ipv6(0, 9) }, { ipv6(9, 0), ipv4(9) } };

	for (unsigned i = 0; i < 3 * sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct world world;

		world_open(&world, &limits[i % 3], 100, i);
		struct answer mine = ask(&world, pairs[i / 3][0], ANYODD);

		ask(&world, pairs[i / 3][1], ANYODD);
		assert_int_equal(ask(&world, pairs[i / 3][1], mine.receive).departed, 0);
		assert_int_equal(
				ask(&world, pairs[i / 3][0], mine.receive).departed, mine.transmit);
		world_close(&world);
	}
}

#define MANY 400'000

static int compare_tags(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

// I6: a record has 32 bits of an IPv6 address's hash, but which line it is in takes others.
static void ipv6_addresses_of_the_same_tag_are_two(void **)
{
	const struct rate_limit_options by_prefix = { 3, 100, 2, 0, 24, 64 };
	uint64_t *tags = malloc(MANY * sizeof(*tags));
	unsigned pairs = 0;
	struct world world;

	assert_non_null(tags);
	world_open(&world, &by_prefix, 1000, 1);
	for (uint64_t i = 0; i < MANY; i++)
		tags[i] = client_name(world.table, false, 1, i).hash << 32 | i;
	qsort(tags, MANY, sizeof(*tags), compare_tags);
	for (unsigned i = 1; i < MANY; i++) {
		if (tags[i] >> 32 != tags[i - 1] >> 32)
			continue;

		struct address mine = ipv6(1, (uint32_t)tags[i]);
		struct answer answer = ask(&world, mine, ANYODD);

		assert_int_equal(ask(&world, ipv6(1, (uint32_t)tags[i - 1]), answer.receive)
						 .departed,
				0);
		assert_int_equal(ask(&world, mine, answer.receive).departed, answer.transmit);
		world_wait(&world, 100);
		pairs++;
	}
	assert_in_range(pairs, 1, 100); // 19 expected
	world_close(&world);
	free(tags);
}

// I9: RFC 9769 section 2, a lost request and a lost answer.
static void after_a_loss_it_goes_on(void **)
{
	struct world world = open_world();
	struct answer first = ask(&world, CLIENT, ANYODD);

	// The request was lost: the client refers to the same answer again.
	world_wait(&world, 64);
	struct answer second = ask(&world, CLIENT, first.receive);

	assert_int_equal(second.departed, first.transmit);
	// Its answer was lost: the client knows the first only, which is used up, and starts over.
	world_wait(&world, 64);
	struct answer third = ask(&world, CLIENT, first.receive);

	assert_int_equal(third.departed, 0);
	assert_int_equal(ask(&world, CLIENT, third.receive).departed, third.transmit);
	// An answer that was never sent has no departure.
	struct answer unsent = world_exchange(&world, CLIENT, ANYODD, true);

	assert_int_equal(ask(&world, CLIENT, unsent.receive).departed, 0);
	world_close(&world);
}

// I11: another worker has another table.
static void another_worker_answers_in_basic_mode(void **)
{
	struct world here = open_world(), there;

	world_open(&there, &default_limit, 1000, 2);
	struct answer first = ask(&here, CLIENT, ANYODD);

	there.now = here.now + NTP_SECOND;
	assert_int_equal(ask(&there, CLIENT, first.receive).departed, 0);
	world_close(&here);
	world_close(&there);
}

static void clients_behind_one_address_do_not_disturb_each_other(void **)
{
	const struct address addresses[] = { CLIENT, ipv6(1, 2) };
	struct answer last[40];
	struct world world;

	world_open(&world, &generous_limit, 4000, 1);
	for (unsigned family = 0; family < 2; family++) {
		for (unsigned i = 0; i < 40; i++)
			last[i] = ask(&world, addresses[family], ANYODD + 2 * i);
		for (unsigned round = 0; round < 20; round++) {
			for (unsigned i = 0; i < 40; i++) {
				struct answer next =
						ask(&world, addresses[family], last[i].receive);

				assert_int_equal(next.departed, last[i].transmit);
				last[i] = next;
				// One in basic mode between them.
				assert_int_equal(ask(&world, addresses[family], 0).departed, 0);
				world_wait(&world, 1);
			}
			world_wait(&world, 1000);
		}
	}
	assert_int_equal(replaced(&world), 0);
	world_close(&world);
}

static void stamps_of_another_epoch_match_nothing(void **)
{
	const int64_t steps[] = { -3600, -1, 0, 1, 3600 };

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct world world = open_world();
		struct answer spilled = ask(&world, CLIENT, ANYODD);
		struct answer own = ask(&world, CLIENT, ANYODD);

		world.now += (uint64_t)steps[i] << 32;
		world.epoch++;
		assert_int_equal(ask(&world, CLIENT, own.receive).departed, 0);
		assert_int_equal(ask(&world, CLIENT, spilled.receive).departed, 0);

		struct answer after = ask(&world, CLIENT, ANYODD);

		world_wait(&world, 100);
		assert_int_equal(ask(&world, CLIENT, after.receive).departed, after.transmit);
		// Not even when the clock comes round to the old time.
		world.now = own.receive + NTP_SECOND;
		assert_int_equal(ask(&world, CLIENT, own.receive).departed, 0);
		world_close(&world);
	}
}

// A departure learnt after a step belongs to a stamp from before it.
static void a_departure_learnt_after_a_step_is_not_kept(void **)
{
	struct world world = open_world();
	struct address address = CLIENT;
	struct client client;
	ntp64_t departed;

	client_table_begin(world.table, &world.limit, world.now, 1);
	client_table_expect(world.table, &address, ANYODD, &client);
	assert_int_equal(client_table_admit(world.table, &client, &departed), RATE_ANSWER);
	client_table_issue(world.table, &client, world.now | 1);
	client_table_begin(world.table, &world.limit, world.now + 1, 2);
	client_table_remember(world.table, &client, (world.now | 1) + 1001);
	assert_int_equal(client.record->stamp, 0);
	world_close(&world);
}

// The record has a part of the timestamp only; the rest is told by the times.
static void every_bit_of_the_origin_counts(void **)
{
	const struct rate_limit_options limits[] = { default_limit, { 12, 255, 2, 0, 32, 128 },
		{ -19, 255, 2, 0, 32, 128 }, { 6, 11, 2, 0, 32, 128 }, { 3, 8, 2, 0, 24, 64 } };
	const double ages[] = { 0, 1, 63, 500, 900, 1023, 1024, 1025, 2048, 5000, 50'000 };
	uint64_t random = test_seed();

	for (unsigned i = 0; i < 5 * 11 * 2; i++) {
		const struct rate_limit_options *options = &limits[i % 5];
		struct answer answer;
		struct world world;

		world_open(&world, options, 1000, random_next(&random));
		world.limit.leak_mask = 0; // all are answered
		world.now += random_next(&random) >> 8;
		answer = ask(&world, CLIENT, ANYODD);
		// The other half: one whose stamp has left the client's record.
		if (i >= 5 * 11)
			ask(&world, CLIENT, 0);
		world_wait(&world, ages[i / 5 % 11]);
		world.delay = 0; // what follows leaves no stamps
		for (unsigned bit = 0; bit < 64; bit++)
			assert_int_equal(ask(&world, CLIENT, answer.receive ^ UINT64_C(1) << bit)
							 .departed,
					0);
		for (int64_t seconds = -11'000; seconds < 11'000; seconds++) {
			ntp64_t origin = answer.receive + ((uint64_t)seconds << 32);

			if (seconds != 0)
				assert_int_equal(ask(&world, CLIENT, origin).departed, 0);
		}
		// The count of 2^-14 s comes round after 18 hours: what is older than 9 is not believed.
		bool kept = options->interval >= -5 || ages[i / 5 % 11] < 32'000;

		assert_int_equal(ask(&world, CLIENT, answer.receive).departed,
				kept ? answer.transmit : 0);
		world_close(&world);
	}
}

static void departures_are_exact_or_not_kept(void **)
{
	const uint32_t delays[] = { 3, 5, 0xffff, 0x10001, 0xfffffd, 0xffffff };
	const uint32_t others[] = { 0, UINT32_MAX, 1, 0x1000003, 0x2000001, 0x80000001 };
	struct world world;

	world_open(&world, NULL, 1000, 1);
	for (unsigned i = 0; i < 6; i++) {
		world.delay = delays[i];
		struct answer kept = ask(&world, CLIENT, ANYODD);

		world.delay = others[i];
		struct answer other = ask(&world, CLIENT, kept.receive);

		assert_int_equal(other.departed, kept.transmit);
		assert_int_equal(ask(&world, CLIENT, other.receive).departed, 0);
	}
	// Never late: an even one is a unit early.
	world.delay = 1000;
	struct answer even = ask(&world, CLIENT, ANYODD);

	assert_int_equal(ask(&world, CLIENT, even.receive).departed, even.transmit - 1);
	world_close(&world);
}

// The victim of somebody else's requests keeps its stamp (CVE-2016-7426, B4).
static void a_refused_request_takes_nothing(void **)
{
	struct world world = open_world();
	struct answer mine = ask(&world, CLIENT, ANYODD);

	world.limit.leak_mask = UINT32_MAX;
	while (ask(&world, CLIENT, 0).decision == RATE_ANSWER)
		;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(ask(&world, CLIENT, mine.receive).decision, RATE_DROP);
	world_wait(&world, 8);
	assert_int_equal(ask(&world, CLIENT, mine.receive).departed, mine.transmit);
	world_close(&world);
}

// One address with ever more stamps takes a record of four from the others, not all.
static void stamps_crowd_out_stamps(void **)
{
	unsigned known = 0;
	struct world world;

	world_open(&world, NULL, 64, 1);
	for (uint32_t i = 0; i < 1000; i++)
		ask(&world, ipv4(i), 0);
	world_wait(&world, 10);
	for (unsigned i = 0; i < 100'000; i++)
		ask(&world, ipv4(1'000'000), ANYODD);
	for (unsigned i = 0; i < 256; i++)
		known += (world.table->lines[i / 4][i % 4].who >> RATE_TIME_BITS & 3)
				== CLIENT_IPV4;
	assert_in_range(known, 192, 193);
	world_close(&world);
}

#define BURST 40

// A burst of requests; each answer is received at the burst's time + 2 × its place, and sent 1001 later.
struct burst {
	struct client clients[BURST];
	ntp64_t departed[BURST];
	ntp64_t receive;
};

static void run_burst(struct world *world, struct burst *burst, const struct address *addresses,
		const ntp64_t *origins)
{
	world->now += 1000;
	burst->receive = world->now | 1;
	client_table_begin(world->table, &world->limit, world->now, world->epoch);
	for (unsigned i = 0; i < BURST; i++)
		client_table_expect(world->table, &addresses[i], origins[i], &burst->clients[i]);
	for (unsigned i = 0; i < BURST; i++) {
		assert_int_equal(client_table_admit(world->table, &burst->clients[i],
						 &burst->departed[i]),
				RATE_ANSWER);
		client_table_issue(world->table, &burst->clients[i], burst->receive + 2 * i);
	}
	for (unsigned i = 0; i < BURST; i++)
		client_table_remember(
				world->table, &burst->clients[i], burst->receive + 2 * i + 1001);
}

// All from one address: nothing is lost, but no more lines than that are waited for.
static void a_burst_of_one_address_keeps_all_and_searches_for_few(void **)
{
	struct address addresses[BURST];
	ntp64_t origins[BURST];
	struct burst first, second;
	struct world world;
	unsigned found = 0;

	world_open(&world, NULL, 4000, 1);
	for (unsigned i = 0; i < BURST; i++) {
		addresses[i] = CLIENT;
		origins[i] = ANYODD;
	}
	run_burst(&world, &first, addresses, origins);
	for (unsigned i = 0; i < BURST; i++)
		origins[i] = first.receive + 2 * i;
	run_burst(&world, &second, addresses, origins);
	for (unsigned i = 0; i < BURST; i++) {
		ntp64_t departed = first.receive + 2 * i + 1001;

		found += second.departed[i] == departed;
		if (second.departed[i] != departed)
			assert_int_equal(ask(&world, CLIENT, origins[i]).departed, departed);
		assert_int_equal(ask(&world, CLIENT, second.receive + 2 * i).departed,
				second.receive + 2 * i + 1001);
	}
	assert_int_equal(found, CLIENT_SEARCHES);
	world_close(&world);
}

// Records change hands between admit() and remember().
static void a_burst_larger_than_the_table_mixes_nothing_up(void **)
{
	struct address addresses[BURST];
	ntp64_t origins[BURST];
	unsigned found = 0;

	for (unsigned i = 0; i < BURST; i++) {
		addresses[i] = ipv4(1 + i);
		origins[i] = ANYODD;
	}
	for (unsigned asker = 0; asker < BURST; asker++) {
		for (unsigned owner = 0; owner < BURST; owner++) {
			struct burst burst;
			struct world world;
			ntp64_t departed;

			world_open(&world, NULL, 2, 1);
			run_burst(&world, &burst, addresses, origins);
			departed = ask(&world, addresses[asker], burst.receive + 2 * owner)
						   .departed;
			if (departed != 0) {
				assert_int_equal(asker, owner);
				assert_int_equal(departed, burst.receive + 2 * owner + 1001);
				found++;
			}
			world_close(&world);
		}
	}
	assert_int_equal(found, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_third_exchange_is_interleaved),
		cmocka_unit_test(a_stamp_is_used_once),
		cmocka_unit_test(what_cannot_be_interleaved_has_no_origin),
		cmocka_unit_test(our_transmit_timestamp_and_zero_match_nothing),
		cmocka_unit_test(another_address_gets_nothing_and_takes_nothing),
		cmocka_unit_test(ipv6_addresses_of_the_same_tag_are_two),
		cmocka_unit_test(after_a_loss_it_goes_on),
		cmocka_unit_test(another_worker_answers_in_basic_mode),
		cmocka_unit_test(clients_behind_one_address_do_not_disturb_each_other),
		cmocka_unit_test(stamps_of_another_epoch_match_nothing),
		cmocka_unit_test(a_departure_learnt_after_a_step_is_not_kept),
		cmocka_unit_test(every_bit_of_the_origin_counts),
		cmocka_unit_test(departures_are_exact_or_not_kept),
		cmocka_unit_test(a_refused_request_takes_nothing),
		cmocka_unit_test(stamps_crowd_out_stamps),
		cmocka_unit_test(a_burst_of_one_address_keeps_all_and_searches_for_few),
		cmocka_unit_test(a_burst_larger_than_the_table_mixes_nothing_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
