// SPDX-License-Identifier: BSD-3-Clause
// sync/association: how often it asks, and what makes it ask more or less often.
#include "association_world.h"

// Asks, is answered, and says how long until the next request, from this one.
static double seconds_to_next(struct world *world)
{
	world_ask(world);
	int64_t asked_ns = world->free_ns;

	world_serve(world);
	world_receive(world);
	return (double)(world->action.wake_free_ns - asked_ns) / NS_PER_S;
}

static void assert_seconds(double found, double wanted)
{
	if (found < wanted * 0.999999 || found > wanted * 1.0157)
		fail_msg("%g s instead of %g", found, wanted);
}

static void intervals_are_minpoll_and_a_little(void **)
{
	struct association_options options = world_options();
	double shortest = 100, longest = 0;
	struct world world;

	world_open(&world, &options);
	assert_in_range(world_until_wake(&world), 0, NS_PER_S / 10);
	for (unsigned i = 0; i < 200; i++) {
		double seconds = seconds_to_next(&world);

		assert_seconds(seconds, 64);
		shortest = fmin(shortest, seconds);
		longest = fmax(longest, seconds);
	}
	// Clients that started together do not stay together.
	assert_true(longest - shortest > 0.9);
	world_close(&world);
}

static void early_timer_sends_nothing(void **)
{
	struct association_options options = world_options();
	struct association_action action;
	struct world world;

	world_open(&world, &options);
	world_exchange(&world);
	association_on_timer(world.association, &world.timeline, world.action.wake_free_ns - 1, 7,
			&action);
	assert_int_equal(action.send_length, 0);
	assert_int_equal(action.wake_free_ns, world.action.wake_free_ns);
	association_describe(world.association, &world.report);
	assert_int_equal(world.report.reach, 1);
	// Free time fell back by an hour: nobody waits that long.
	association_on_timer(world.association, &world.timeline,
			world.action.wake_free_ns - 3600 * NS_PER_S, 7, &action);
	assert_int_equal(action.send_length, 48);
	world_close(&world);
}

static void late_timer_does_not_catch_up(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world_exchange(&world);
	world.action.wake_free_ns += 10'000 * NS_PER_S;
	assert_seconds(seconds_to_next(&world), 64);
	assert_seconds(seconds_to_next(&world), 64);
	world_close(&world);
}

static void iburst_ends_with_four_samples(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.iburst = true;
	world_open(&world, &options);
	for (unsigned i = 0; i < 3; i++) {
		assert_seconds(seconds_to_next(&world), 2);
		assert_true(world.report.in_burst);
	}
	assert_seconds(seconds_to_next(&world), 64);
	assert_false(world.report.in_burst);
	assert_in_range(world.free_ns, 7 * NS_PER_S, 7 * NS_PER_S + 300 * WORLD_MS);
	assert_int_equal(world.report.reach, 0xf);
	world_close(&world);
}

// Four may be too few to last until the next.
static void iburst_goes_on_while_more_is_wanted(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.iburst = true;
	world_open(&world, &options);
	association_set_burst_hint(world.association, true);
	for (unsigned i = 0; i < 5; i++)
		assert_seconds(seconds_to_next(&world), 2);
	association_set_burst_hint(world.association, false);
	assert_seconds(seconds_to_next(&world), 64);
	world_close(&world);
	world_open(&world, &options);
	association_set_burst_hint(world.association, true);
	for (unsigned i = 0; i < 7; i++)
		assert_seconds(seconds_to_next(&world), 2);
	assert_seconds(seconds_to_next(&world), 64);
	world_close(&world);
}

static void iburst_ends_with_eight_requests(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.iburst = true;
	world_open(&world, &options);
	world.leap = 3;
	for (unsigned i = 0; i < 7; i++)
		assert_seconds(seconds_to_next(&world), 2);
	assert_seconds(seconds_to_next(&world), 64);
	assert_seconds(seconds_to_next(&world), 64);
	world_close(&world);
	// Every second one is lost.
	world_open(&world, &options);
	for (unsigned i = 0; i < 3; i++) {
		world_lose(&world);
		assert_seconds(seconds_to_next(&world), 2);
	}
	world_lose(&world);
	assert_seconds(seconds_to_next(&world), 64);
	assert_int_equal(world.report.reach, 0x55);
	world_close(&world);
}

// A server or a network that comes back is measured at once.
static void iburst_is_repeated_when_the_server_is_back(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.iburst = true;
	world_open(&world, &options);
	for (unsigned i = 0; i < 40; i++)
		world_lose(&world);
	assert_int_equal(world.report.reach, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_seconds(seconds_to_next(&world), 2);
	assert_seconds(seconds_to_next(&world), 64);
	assert_int_equal(world.report.poll, 6);
	// And a start is a start.
	world.free_ns += 5 * NS_PER_S;
	association_start(world.association, world.free_ns, &world.action);
	assert_in_range(world_until_wake(&world), 0, NS_PER_S / 10);
	assert_seconds(seconds_to_next(&world), 2);
	world_close(&world);
}

static void fast_polls_make_no_slow_bursts(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.iburst = true;
	options.minpoll = 0;
	options.maxpoll = 0;
	world_open(&world, &options);
	for (unsigned i = 0; i < 10; i++)
		assert_seconds(seconds_to_next(&world), 1);
	world_close(&world);
}

static void unanswered_polls_become_rare(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world_ask(&world);
	for (int poll = 6; poll <= 10; poll++) {
		for (unsigned i = 0; i < 8; i++) {
			int64_t asked_ns = world.free_ns;

			assert_interval(&world, asked_ns, exp2(poll));
			world_lose(&world);
			assert_int_equal(world.action.replace,
					poll > 6 || i == 7); // after eight, a pool's member goes
		}
	}
	assert_int_equal(world.report.poll, 10);
	assert_int_equal(world.request[2], 10);
	assert_int_equal(world.report.silent, 40);
	assert_seconds(seconds_to_next(&world), 64);
	assert_false(world.action.replace);
	assert_int_equal(world.report.silent, 0);
	world_close(&world);
}

// It lives, but does not know the time: soon it may.
static void unsynchronised_server_is_asked_as_before(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world.leap = 3;
	for (unsigned i = 0; i < 30; i++)
		assert_seconds(seconds_to_next(&world), 64);
	assert_int_equal(world.report.reach, 0);
	assert_true(world.action.replace);
	world_close(&world);
}

static void poll_grows_only_as_far_as_is_useful(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	for (unsigned i = 0; i < 100; i++)
		assert_seconds(seconds_to_next(&world), 64); // nothing known
	association_set_poll_hint(world.association, 300);
	for (unsigned i = 0; i < 7; i++)
		assert_seconds(seconds_to_next(&world), 64);
	for (unsigned i = 0; i < 8; i++)
		assert_seconds(seconds_to_next(&world), 128);
	for (unsigned i = 0; i < 50; i++)
		assert_seconds(seconds_to_next(&world), 256);
	assert_int_equal(world.report.poll, 8);
	// Shorter at once, but not for a trifle.
	association_set_poll_hint(world.association, 190);
	for (unsigned i = 0; i < 20; i++)
		assert_seconds(seconds_to_next(&world), 256);
	association_set_poll_hint(world.association, 170);
	assert_seconds(seconds_to_next(&world), 128);
	association_set_poll_hint(world.association, 1);
	assert_seconds(seconds_to_next(&world), 64);
	association_set_poll_hint(world.association, INFINITY);
	for (unsigned i = 0; i < 100; i++)
		seconds_to_next(&world);
	assert_seconds(seconds_to_next(&world), 1024);
	association_set_poll_hint(world.association, NAN);
	assert_seconds(seconds_to_next(&world), 1024);
	world_close(&world);
}

static void polltarget_keeps_it_short(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.polltarget = 30;
	world_open(&world, &options);
	association_set_poll_hint(world.association, 1e6);
	for (unsigned i = 0; i < 29; i++)
		assert_seconds(seconds_to_next(&world), 64);
	assert_seconds(seconds_to_next(&world), 128);
	// What gives no sample does not count.
	world.leap = 3;
	for (unsigned i = 0; i < 60; i++)
		assert_seconds(seconds_to_next(&world), 128);
	world_close(&world);
}

static void below_a_second_only_nearby(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.minpoll = -4;
	options.maxpoll = -4;
	world_open(&world, &options);
	// Not before it is known how far it is.
	world_lose(&world);
	assert_int_equal(world.report.poll, 0);
	assert_interval(&world, world.free_ns, 1);
	assert_seconds(seconds_to_next(&world), 0.0625);
	assert_int_equal(world.report.poll, -4);
	assert_seconds(seconds_to_next(&world), 0.0625);
	assert_int_equal((int8_t)world.request[2], -4);
	world.out_ns = 10 * WORLD_MS;
	assert_seconds(seconds_to_next(&world), 1);
	world.out_ns = 4 * WORLD_MS;
	world.back_ns = 5 * WORLD_MS;
	assert_seconds(seconds_to_next(&world), 0.0625);
	for (unsigned i = 0; i < 9; i++)
		world_lose(&world);
	assert_interval(&world, world.free_ns, 1);
	world_close(&world);
	// A request would overtake the answer: half of the interval is the way.
	options.minpoll = -7;
	options.maxpoll = -7;
	world_open(&world, &options);
	assert_seconds(seconds_to_next(&world), 0.0078125);
	world.out_ns = 4 * WORLD_MS;
	world.back_ns = 5 * WORLD_MS;
	assert_seconds(seconds_to_next(&world), 0.03125);
	world_close(&world);
}

static void write_kiss(struct world *world, const char *code, int poll)
{
	world_serve(world);
	world->reply[0] = 0xe4;
	world->reply[1] = 0;
	world->reply[2] = (uint8_t)poll;
	memcpy(world->reply + 12, code, 4);
}

static double seconds_after_kiss(struct world *world, const char *code, int poll)
{
	world_ask(world);
	int64_t asked_ns = world->free_ns;

	write_kiss(world, code, poll);
	assert_int_equal(world_receive(world), ASSOCIATION_KISS);
	assert_int_equal(world->report.reach & 1, 0);
	return (double)(world->action.wake_free_ns - asked_ns) / NS_PER_S;
}

static void rate_is_obeyed(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.minpoll = 2;
	options.maxpoll = 4;
	options.iburst = true;
	world_open(&world, &options);
	assert_seconds(seconds_to_next(&world), 2);
	assert_seconds(seconds_after_kiss(&world, "RATE", 2), 8); // slower by one, no burst
	assert_seconds(seconds_to_next(&world), 8);
	assert_seconds(seconds_after_kiss(&world, "RATE", 6), 64); // what it says
	assert_seconds(seconds_after_kiss(&world, "RATE", 3), 128);
	for (unsigned i = 0; i < 30; i++)
		assert_seconds(seconds_to_next(&world), 128);
	// It is for ever: neither a hint nor a server that was away brings the burst back.
	association_set_poll_hint(world.association, 1);
	assert_seconds(seconds_to_next(&world), 128);
	for (unsigned i = 0; i < 9; i++)
		world_lose(&world);
	assert_seconds(seconds_to_next(&world), 128);
	// One packet cannot silence us for days.
	assert_seconds(seconds_after_kiss(&world, "RATE", 24), 1024);
	assert_seconds(seconds_after_kiss(&world, "RATE", 127), 1024);
	assert_seconds(seconds_after_kiss(&world, "RATE", -128), 1024);
	world_close(&world);
}

static void rate_may_be_slower_than_1024_s_where_we_are(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.maxpoll = 12;
	world_open(&world, &options);
	assert_seconds(seconds_after_kiss(&world, "RATE", 24), 4096);
	world_close(&world);
}

static void unasked_kisses_are_bogus(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world_exchange(&world);
	world_ask(&world);
	write_kiss(&world, "DENY", 6);
	world.reply[24] ^= 1;
	assert_int_equal(world_receive(&world), ASSOCIATION_BOGUS);
	world.reply[24] ^= 1;
	world.reply[0] = 0x24; // leap indicator 0: not a kiss, but no time either
	assert_int_equal(world_receive(&world), ASSOCIATION_UNSYNCHRONISED);
	assert_false(world.report.denied);
	world_ask(&world);
	write_kiss(&world, "STEP", 6);
	assert_int_equal(world_receive(&world), ASSOCIATION_UNSYNCHRONISED);
	assert_seconds(seconds_to_next(&world), 64);
	world_close(&world);
}

static void denied_means_seldom(void **)
{
	static const char *const codes[] = { "DENY", "RSTR" };
	struct association_options options = world_options();
	struct world world;

	options.minpoll = 1;
	options.maxpoll = 3;
	options.iburst = true;
	options.burst = true;
	for (unsigned i = 0; i < 2; i++) {
		world_open(&world, &options);
		assert_seconds(seconds_after_kiss(&world, codes[i], 3), 1024);
		assert_true(world.report.denied);
		assert_true(world.action.replace);
		for (unsigned again = 0; again < 9; again++) {
			world_lose(&world);
			assert_interval(&world, world.free_ns, 1024);
		}
		assert_seconds(seconds_after_kiss(&world, codes[i], 3), 1024);
		// It has thought better of it.
		assert_seconds(seconds_to_next(&world), 2);
		assert_false(world.report.denied);
		assert_false(world.action.replace);
		assert_int_equal(world.report.counters[ASSOCIATION_KISS], 2);
		assert_seconds(seconds_after_kiss(&world, codes[i], 3), 1024);
		assert_seconds(seconds_to_next(&world), 2); // though it was reachable all the time
		assert_false(world.report.denied);
		world_close(&world);
	}
}

// chrony.conf(5), `burst`: up to four requests when no good measurement comes, and no more of them
// than at the shortest interval.
static void burst_gives_a_second_chance(void **)
{
	static const unsigned most[] = { 1, 2, 4, 4 };
	struct association_options options = world_options();
	struct world world;

	options.burst = true;
	world_open(&world, &options);
	association_set_poll_hint(world.association, 1e6);
	for (int longer = 0; longer < 4; longer++) {
		double interval = exp2(6 + longer);

		assert_seconds(seconds_to_next(&world), interval);
		for (unsigned i = 1; i < most[longer]; i++) {
			world_lose(&world);
			assert_interval(&world, world.free_ns, 2);
		}
		world_lose(&world);
		assert_interval(&world, world.free_ns, interval);
		if (longer > 0) {
			world_lose(&world);
			assert_interval(&world, world.free_ns, 2);
			assert_seconds(seconds_to_next(&world), interval);
		}
		while (world.report.poll < 7 + longer)
			seconds_to_next(&world);
	}
	world_close(&world);
}

static void request_ahead_wakes_the_way_up(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.presend = 6;
	world_open(&world, &options);
	for (unsigned i = 0; i < 4; i++) {
		assert_seconds(seconds_to_next(&world), 2);
		assert_int_equal(world.verdict, ASSOCIATION_NOT_SAMPLED);
		assert_int_equal(world.report.reach, (1 << i) - 1);
		assert_seconds(seconds_to_next(&world), 64);
		assert_int_equal(world.verdict, ASSOCIATION_SAMPLE);
	}
	// Lost, it does not count against the server.
	world_lose(&world);
	assert_seconds(seconds_to_next(&world), 64);
	assert_int_equal(world.report.reach, 0x1f);
	world_close(&world);
	options.presend = 7;
	world_open(&world, &options);
	assert_seconds(seconds_to_next(&world), 64);
	assert_int_equal(world.verdict, ASSOCIATION_SAMPLE);
	world_close(&world);
}

static void limits_are_brought_into_order(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.minpoll = 100;
	options.maxpoll = -100;
	world_open(&world, &options);
	world_lose(&world);
	assert_int_equal(world_until_wake(&world), NS_PER_S << 24); // and not a nanosecond more
	world_close(&world);
	options.minpoll = -100;
	world_open(&world, &options);
	assert_seconds(seconds_to_next(&world), 0.0078125);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intervals_are_minpoll_and_a_little),
		cmocka_unit_test(early_timer_sends_nothing),
		cmocka_unit_test(late_timer_does_not_catch_up),
		cmocka_unit_test(iburst_ends_with_four_samples),
		cmocka_unit_test(iburst_goes_on_while_more_is_wanted),
		cmocka_unit_test(iburst_ends_with_eight_requests),
		cmocka_unit_test(iburst_is_repeated_when_the_server_is_back),
		cmocka_unit_test(fast_polls_make_no_slow_bursts),
		cmocka_unit_test(unanswered_polls_become_rare),
		cmocka_unit_test(unsynchronised_server_is_asked_as_before),
		cmocka_unit_test(poll_grows_only_as_far_as_is_useful),
		cmocka_unit_test(polltarget_keeps_it_short),
		cmocka_unit_test(below_a_second_only_nearby),
		cmocka_unit_test(rate_is_obeyed),
		cmocka_unit_test(rate_may_be_slower_than_1024_s_where_we_are),
		cmocka_unit_test(unasked_kisses_are_bogus),
		cmocka_unit_test(denied_means_seldom),
		cmocka_unit_test(burst_gives_a_second_chance),
		cmocka_unit_test(request_ahead_wakes_the_way_up),
		cmocka_unit_test(limits_are_brought_into_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
