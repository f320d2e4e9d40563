// SPDX-License-Identifier: BSD-3-Clause
// sync/association: interleaved client mode, RFC 9769 section 2.
#include "association_world.h"

#define ORIGIN   24
#define RECEIVE  32
#define TRANSMIT 40

static struct association_options xleave_options(void)
{
	struct association_options options = world_options();

	options.xleave = true;
	return options;
}

static void open_interleaved(struct world *world, const struct association_options *options)
{
	world_open(world, options);
	world->interleaves = true;
	world->level = STAMP_KERNEL;
}

static uint64_t asked(const struct world *world, unsigned at)
{
	return world_get(world->request + at, 8);
}

static uint64_t answered(const struct world *world, unsigned at)
{
	return world_get(world->reply + at, 8);
}

// Figure 1: basic, interleaved, and basic again because the server has forgotten.
static void figure_1(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	open_interleaved(&world, &options);
	// The first request is basic: no origin, no receive timestamp.
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_int_equal(asked(&world, ORIGIN), 0);
	assert_int_equal(asked(&world, RECEIVE), 0);
	assert_int_equal(answered(&world, ORIGIN), asked(&world, TRANSMIT));
	assert_false(world.report.interleaved);
	uint64_t t2 = answered(&world, RECEIVE), t3 = world.saved[0].transmit;

	// The second names the receive timestamp of the first answer, t2, and is told t3.
	assert_int_equal(world_exchange(&world), ASSOCIATION_NOT_SAMPLED);
	assert_int_equal(asked(&world, ORIGIN), t2);
	assert_true(asked(&world, RECEIVE) != asked(&world, TRANSMIT));
	assert_int_equal(answered(&world, ORIGIN), asked(&world, RECEIVE));
	assert_int_equal(answered(&world, TRANSMIT), t3);
	assert_true(world.report.interleaved);
	uint64_t t6 = answered(&world, RECEIVE);

	// The third would be interleaved, but the server has lost t6 and t7.
	world.saved_count = 0;
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_int_equal(asked(&world, ORIGIN), t6);
	assert_int_equal(answered(&world, ORIGIN), asked(&world, TRANSMIT));
	assert_false(world.report.interleaved);
	// And it goes on.
	assert_int_equal(world_exchange(&world), ASSOCIATION_NOT_SAMPLED);
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_true(world.report.interleaved);
	world_close(&world);
}

// The sample is of the exchange before, with the transmit timestamp it really had.
static void sample_is_of_the_exchange_before(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	open_interleaved(&world, &options);
	world.ahead_ns = 77'777;
	// A basic answer takes the 8 us for a part of the way back.
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_offset(&world, -4'000);
	assert_in_range(world.sample.delay_ns, 608 * WORLD_US - 3, 608 * WORLD_US + 3);
	assert_int_equal(world_exchange(&world), ASSOCIATION_NOT_SAMPLED);
	for (unsigned i = 0; i < 50; i++) {
		int64_t arrived_ns = world.free_ns;
		int64_t out_ns = world.out_ns, back_ns = world.back_ns;

		world.out_ns = 100 * WORLD_US + (int64_t)random_below(&world.random, 1'000'000);
		world.back_ns = 100 * WORLD_US + (int64_t)random_below(&world.random, 1'000'000);
		assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
		assert_offset(&world, (out_ns - back_ns) / 2);
		assert_in_range(world.sample.delay_ns, out_ns + back_ns - 3, out_ns + back_ns + 3);
		assert_in_range(world.sample.free_ns, arrived_ns - 1'200 * WORLD_US, arrived_ns);
		assert_int_equal(world.sample.sent_by, STAMP_KERNEL);
	}
	world_close(&world);
}

// Data minimisation: what goes out tells no time, and no two requests have anything in common.
static void requests_tell_no_time(void **)
{
	struct association_options options = xleave_options();
	struct world world;
	uint64_t receive = 0;

	open_interleaved(&world, &options);
	world_exchange(&world);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t was = receive;

		world_exchange(&world);
		receive = asked(&world, RECEIVE);
		assert_true(receive != 0 && receive != was && receive != asked(&world, TRANSMIT));
		assert_true(llabs((int64_t)(receive - answered(&world, RECEIVE))) >> 32 > 1000);
	}
	world_close(&world);
}

// Section 2: after a loss the same origin is sent again; the server may still have its pair.
static void lost_request_costs_one_sample(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	open_interleaved(&world, &options);
	for (unsigned i = 0; i < 3; i++)
		world_exchange(&world);
	uint64_t receive = answered(&world, RECEIVE);

	world_lose(&world);
	assert_int_equal(asked(&world, ORIGIN), receive);
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_int_equal(asked(&world, ORIGIN), receive);
	assert_true(world.report.interleaved);
	world_close(&world);
}

static void lost_answer_costs_the_server_its_pair(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	open_interleaved(&world, &options);
	for (unsigned i = 0; i < 3; i++)
		world_exchange(&world);
	world_ask(&world);
	world_serve(&world);
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_false(world.report.interleaved);
	assert_int_equal(world_exchange(&world), ASSOCIATION_NOT_SAMPLED);
	assert_true(world.report.interleaved);
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	world_close(&world);
}

static void after_four_lost_it_begins_anew(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	open_interleaved(&world, &options);
	world_exchange(&world);
	for (unsigned i = 0; i < 4; i++) {
		world_lose(&world);
		assert_true(asked(&world, ORIGIN) != 0);
	}
	world_lose(&world);
	assert_int_equal(asked(&world, ORIGIN), 0);
	assert_int_equal(asked(&world, RECEIVE), 0);
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_int_equal(asked(&world, ORIGIN), 0);
	world_close(&world);
}

static void after_a_bad_answer_it_begins_anew(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	open_interleaved(&world, &options);
	for (unsigned i = 0; i < 3; i++)
		world_exchange(&world);
	world.leap = 3;
	assert_int_equal(world_exchange(&world), ASSOCIATION_UNSYNCHRONISED);
	world.leap = 0;
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_int_equal(asked(&world, ORIGIN), 0);
	world_close(&world);
}

static void servers_without_it_are_used_as_they_are(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	open_interleaved(&world, &options);
	world.interleaves = false;
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
		assert_false(world.report.interleaved);
		assert_offset(&world, 0);
	}
	world_close(&world);
}

static void version_3_stays_basic(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	options.version = 3;
	open_interleaved(&world, &options);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
		assert_int_equal(asked(&world, ORIGIN), 0);
	}
	world_close(&world);
}

// An origin of zero is the receive field of a basic request, and no answer to it.
static void zero_origin_answers_nothing(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	open_interleaved(&world, &options);
	world_ask(&world);
	world_serve(&world);
	world_put(world.reply + ORIGIN, 8, 0);
	assert_int_equal(world_receive(&world), ASSOCIATION_BOGUS);
	world_close(&world);
}

// One request is answered once, in the one mode or in the other.
static void both_modes_are_one_answer(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	open_interleaved(&world, &options);
	for (unsigned i = 0; i < 3; i++)
		world_exchange(&world);
	world_ask(&world);
	world_serve(&world);
	assert_int_equal(answered(&world, ORIGIN), asked(&world, RECEIVE));
	assert_int_equal(world_receive(&world), ASSOCIATION_SAMPLE);
	assert_int_equal(world_receive(&world), ASSOCIATION_DUPLICATE);
	world_put(world.reply + ORIGIN, 8, asked(&world, TRANSMIT));
	assert_int_equal(world_receive(&world), ASSOCIATION_DUPLICATE);
	world_close(&world);
}

static void impossible_transmit_timestamps_are_refused(void **)
{
	struct association_options options = xleave_options();
	uint64_t receive;
	struct world world;

	for (unsigned which = 0; which < 2; which++) {
		open_interleaved(&world, &options);
		for (unsigned i = 0; i < 3; i++)
			world_exchange(&world);
		receive = answered(&world, RECEIVE);
		world_ask(&world);
		world_serve(&world);
		// Before that exchange's receive timestamp; after this one's. By more than its precision.
		uint64_t more = (UINT64_C(1) << (32 + WORLD_PRECISION)) + 1;

		world_put(world.reply + TRANSMIT, 8,
				which == 0 ? receive - more : answered(&world, RECEIVE) + more);
		assert_int_equal(world_receive(&world), ASSOCIATION_UNSYNCHRONISED);
		assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
		assert_int_equal(asked(&world, ORIGIN), 0);
		world_close(&world);
	}
}

// The server's reference time may be later than a transmit timestamp of a minute ago.
static void reference_time_is_compared_with_this_answer(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	open_interleaved(&world, &options);
	for (unsigned i = 0; i < 3; i++)
		world_exchange(&world);
	world_ask(&world);
	world_serve(&world);
	world_put(world.reply + 16, 8, answered(&world, RECEIVE) - 5);
	assert_int_equal(world_receive(&world), ASSOCIATION_SAMPLE);
	assert_true(world.report.interleaved);
	world_ask(&world);
	world_serve(&world);
	world_put(world.reply + 16, 8, answered(&world, RECEIVE) + (UINT64_C(2) << 32));
	assert_int_equal(world_receive(&world), ASSOCIATION_UNSYNCHRONISED);
	world_close(&world);
}

// The kernel may be late to say when a request left; until the next it is worth having.
static void late_stamp_of_what_was_sent_still_counts(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	open_interleaved(&world, &options);
	world_exchange(&world);
	world_exchange(&world);
	world_ask(&world);
	int64_t left_ns = world.free_ns + world.sent_late_ns;

	world_serve(&world);
	assert_int_equal(world_receive(&world), ASSOCIATION_SAMPLE);
	struct association_stamp stamp = { timeline_local(&world.timeline, left_ns - 2'000), 0,
		STAMP_HARDWARE };

	association_on_sent(world.association, &stamp);
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_int_equal(world.sample.sent_by, STAMP_HARDWARE);
	assert_offset(&world, 1'000);
	world_close(&world);
}

static void steps_void_the_exchange_before(void **)
{
	struct association_options options = xleave_options();
	struct world world;

	open_interleaved(&world, &options);
	for (unsigned i = 0; i < 3; i++)
		world_exchange(&world);
	timeline_step(&world.timeline, timeline_local(&world.timeline, world.free_ns), NS_PER_S);
	assert_int_equal(world_exchange(&world), ASSOCIATION_NOT_SAMPLED);
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_offset(&world, 0);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figure_1),
		cmocka_unit_test(sample_is_of_the_exchange_before),
		cmocka_unit_test(requests_tell_no_time),
		cmocka_unit_test(lost_request_costs_one_sample),
		cmocka_unit_test(lost_answer_costs_the_server_its_pair),
		cmocka_unit_test(after_four_lost_it_begins_anew),
		cmocka_unit_test(after_a_bad_answer_it_begins_anew),
		cmocka_unit_test(servers_without_it_are_used_as_they_are),
		cmocka_unit_test(version_3_stays_basic),
		cmocka_unit_test(zero_origin_answers_nothing),
		cmocka_unit_test(both_modes_are_one_answer),
		cmocka_unit_test(impossible_transmit_timestamps_are_refused),
		cmocka_unit_test(reference_time_is_compared_with_this_answer),
		cmocka_unit_test(late_stamp_of_what_was_sent_still_counts),
		cmocka_unit_test(steps_void_the_exchange_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
