// SPDX-License-Identifier: BSD-3-Clause
// sync/association: a request, its answer, and what is believed of it.
#include "association_world.h"

static void request_says_nothing_of_us(void **)
{
	struct association_options options = world_options();
	struct world world;
	uint64_t seen[3];

	for (uint8_t version = 1; version <= 4; version++) {
		options.version = version;
		world_open(&world, &options);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
			assert_int_equal(world.request[0], version << 3 | 3);
			assert_int_equal(world.request[2], 6);
			seen[i] = world_get(world.request + 40, 8);
			memset(world.request + 40, 0, 8);
			world.request[0] = world.request[2] = 0;
			for (unsigned at = 0; at < 48; at++)
				assert_int_equal(world.request[at], 0);
		}
		assert_true(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != 0);
		world_close(&world);
	}
}

static void transmit_timestamp_is_never_zero(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	association_on_timer(world.association, &world.timeline, world.action.wake_free_ns, 0,
			&world.action);
	assert_true(world_get(world.action.packet + 40, 8) != 0);
	// An answer to a request without one is none.
	world.length = 48;
	memcpy(world.reply, world.action.packet, 48);
	world.reply[0] = 0x24;
	assert_int_equal(world_receive(&world), ASSOCIATION_BOGUS);
	world_close(&world);
}

static void sample_is_what_the_clocks_say(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world.ahead_ns = -123'456'789;
	world_ask(&world);
	int64_t asked_ns = world.free_ns;

	world_serve(&world);
	assert_int_equal(world_receive(&world), ASSOCIATION_SAMPLE);
	assert_offset(&world, 0);
	assert_in_range(world.sample.delay_ns, 600 * WORLD_US - 2, 600 * WORLD_US + 2);
	assert_int_equal(world.sample.free_ns, (asked_ns + world.free_ns) / 2);
	// 2^-23 s, 100 ns, and 15 ppm of 620 µs.
	assert_in_range(world.sample.dispersion_ns, 119 + 100 + 9, 119 + 100 + 10);
	assert_int_equal(world.sample.stratum, 1);
	assert_int_equal(world.sample.refid, WORLD_REFID);
	assert_int_equal(world.sample.leap, NTP_LEAP_NONE);
	assert_int_equal(world.sample.root_delay_ns, 1953125);
	assert_int_equal(world.sample.root_dispersion_ns, 976562);
	assert_int_equal(world.sample.sent_by, STAMP_DAEMON);
	// The server says that it was set 10 s before.
	int64_t age_ns = utc_diff_ns(timeline_local(&world.timeline, world.free_ns),
			world.sample.reference_time);

	assert_in_range(age_ns, 10'123 * WORLD_MS, 10'125 * WORLD_MS);
	world_close(&world);
}

// Half of what the ways differ by goes into the offset (RFC 5905 section 8), with the server's sign.
static void asymmetric_link_is_seen_with_its_sign(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world.out_ns += 100 * WORLD_US;
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_offset(&world, 50 * WORLD_US);
	world_close(&world);
	// chrony.conf(5): for packets to the source that take 100 µs more the correction is -0.00005.
	options.offset = -0.00005;
	world_open(&world, &options);
	world.out_ns += 100 * WORLD_US;
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_offset(&world, 0);
	world_close(&world);
}

static void better_stamps_replace_worse_ones(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world_ask(&world);
	struct association_stamp stamp = { utc_add(WORLD_START, world.free_ns + 7 * WORLD_US), 0,
		STAMP_HARDWARE };

	association_on_sent(world.association, &stamp);
	stamp.level = STAMP_KERNEL;
	stamp.local = utc_add(stamp.local, -3 * WORLD_US);
	association_on_sent(world.association, &stamp);
	// Of something else, or of before a step.
	stamp.level = STAMP_HARDWARE;
	stamp.local = utc_add(stamp.local, 2 * NS_PER_S);
	association_on_sent(world.association, &stamp);
	stamp.local = utc_add(stamp.local, -2 * NS_PER_S);
	stamp.epoch = 1;
	association_on_sent(world.association, &stamp);
	world_serve(&world);
	world.level = STAMP_KERNEL;
	assert_int_equal(world_receive(&world), ASSOCIATION_SAMPLE);
	assert_int_equal(world.sample.sent_by, STAMP_HARDWARE);
	assert_int_equal(world.sample.received_by, STAMP_KERNEL);
	assert_offset(&world, -3'500);
	assert_in_range(world.sample.delay_ns, 593 * WORLD_US - 2, 593 * WORLD_US + 2);
	assert_int_equal(world.report.sent_by[STAMP_HARDWARE], 1);
	assert_int_equal(world.report.received_by[STAMP_KERNEL], 1);
	world_close(&world);
}

static void slewed_clock_does_not_show(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	timeline_set_frequency(&world.timeline, utc_add(WORLD_START, NS_PER_S / 2), 0.05);
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_offset(&world, 0);
	assert_in_range(world.sample.delay_ns, 600 * WORLD_US - 3, 600 * WORLD_US + 3);
	world_close(&world);
}

static void only_one_answer_is_taken(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world.length = 48;
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	int64_t wake_ns = world.action.wake_free_ns;

	assert_int_equal(world_receive(&world), ASSOCIATION_DUPLICATE);
	world.reply[47] ^= 1;
	assert_int_equal(world_receive(&world), ASSOCIATION_DUPLICATE);
	assert_int_equal(world.action.wake_free_ns, wake_ns);
	assert_int_equal(world.report.counters[ASSOCIATION_SAMPLE], 1);
	assert_int_equal(world.report.counters[ASSOCIATION_DUPLICATE], 2);
	// The next request makes the old answer bogus.
	world_ask(&world);
	assert_int_equal(world_receive(&world), ASSOCIATION_BOGUS);
	world_serve(&world);
	assert_int_equal(world_receive(&world), ASSOCIATION_SAMPLE);
	world_close(&world);
}

static void nothing_is_taken_that_was_not_asked_for(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world_serve(&world);
	world.reply[0] = 0x24;
	assert_int_equal(world_receive(&world), ASSOCIATION_BOGUS); // to a request of zeros
	world.free_ns = NS_PER_S;
	world_ask(&world);
	world_serve(&world);
	for (unsigned bit = 0; bit < 64; bit++) {
		world.reply[24 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(world_receive(&world), ASSOCIATION_BOGUS);
		world.reply[24 + bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	// None of them has spent the request.
	assert_int_equal(world_receive(&world), ASSOCIATION_SAMPLE);
	assert_int_equal(world.report.genuine, 1);
	assert_int_equal(world.report.received, 66);
	// What was asked before a new start is nothing that is waited for.
	world_ask(&world);
	world_serve(&world);
	association_start(world.association, world.free_ns, &world.action);
	assert_int_equal(world_receive(&world), ASSOCIATION_BOGUS);
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	world_close(&world);
}

static void late_answers_are_bogus(void **)
{
	struct association_options options = world_options();
	uint8_t late[48];
	struct world world;

	world_open(&world, &options);
	world_ask(&world);
	world_serve(&world);
	memcpy(late, world.reply, 48);
	world_ask(&world);
	memcpy(world.reply, late, 48);
	assert_int_equal(world_receive(&world), ASSOCIATION_BOGUS);
	world_serve(&world);
	assert_int_equal(world_receive(&world), ASSOCIATION_SAMPLE);
	assert_int_equal(world.report.reach, 1); // and the first request has no answer
	world_close(&world);
}

static enum association_verdict receive_changed(unsigned at, unsigned octets, uint64_t value)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world.own_refids[0] = 0x0a000001;
	world.own_refids[1] = 0x0a000002;
	world.own_refid_count = 2;
	world_ask(&world);
	world_serve(&world);
	world_put(world.reply + at, octets, value);
	world_receive(&world);
	// Whether the operator sees a reachable server.
	assert_int_equal(world.report.reach & 1,
			world.verdict == ASSOCIATION_SAMPLE || world.verdict == ASSOCIATION_LOOP
					|| world.verdict == ASSOCIATION_DELAYED);
	world_close(&world);
	return world.verdict;
}

static void versions_and_modes_are_checked(void **)
{
	for (unsigned flags = 0; flags < 256; flags++) {
		unsigned version = flags >> 3 & 7;
		enum association_verdict verdict = receive_changed(0, 1, flags);

		if ((flags & 7) != 4 || version < 1 || version > 4)
			assert_int_equal(verdict, ASSOCIATION_MALFORMED);
		else if (flags >> 6 == 3)
			assert_int_equal(verdict, ASSOCIATION_UNSYNCHRONISED);
		else
			assert_int_equal(verdict, ASSOCIATION_SAMPLE);
	}
}

static void servers_without_time_are_not_believed(void **)
{
	for (unsigned stratum = 0; stratum < 256; stratum++)
		assert_int_equal(receive_changed(1, 1, stratum),
				stratum >= 1 && stratum <= 15 ? ASSOCIATION_SAMPLE
							      : ASSOCIATION_UNSYNCHRONISED);
	// Root distance: half the delay and the dispersion make 16 s.
	assert_int_equal(receive_changed(4, 8, UINT64_C(0x001fff0000000040)), ASSOCIATION_SAMPLE);
	assert_int_equal(receive_changed(4, 8, UINT64_C(0x001fff0000008000)),
			ASSOCIATION_UNSYNCHRONISED);
	assert_int_equal(receive_changed(4, 8, UINT64_C(0x00000000000fffff)), ASSOCIATION_SAMPLE);
	assert_int_equal(receive_changed(4, 8, UINT64_C(0x0000000000100000)),
			ASSOCIATION_UNSYNCHRONISED);
	assert_int_equal(receive_changed(4, 8, UINT64_MAX), ASSOCIATION_UNSYNCHRONISED);
	// No receive, no transmit timestamp; receive after transmit.
	assert_int_equal(receive_changed(32, 8, 0), ASSOCIATION_UNSYNCHRONISED);
	assert_int_equal(receive_changed(40, 8, 0), ASSOCIATION_UNSYNCHRONISED);
	assert_int_equal(receive_changed(32, 4, WORLD_START_S + WORLD_UNIX_S + 2),
			ASSOCIATION_UNSYNCHRONISED);
	// Its clock was set after it answered, or it does not say when.
	assert_int_equal(receive_changed(16, 4, WORLD_START_S + WORLD_UNIX_S + 2),
			ASSOCIATION_UNSYNCHRONISED);
	assert_int_equal(receive_changed(16, 8, 0), ASSOCIATION_SAMPLE);
}

static void loops_are_seen(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world.own_refids[0] = 0x0a000001;
	world.own_refids[1] = 0x0a000002;
	world.own_refid_count = 2;
	world.refid = 0x0a000002;
	// A primary server's refid is no address.
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	world.stratum = 2;
	assert_int_equal(world_exchange(&world), ASSOCIATION_LOOP);
	assert_true(world.action.replace);
	assert_int_equal(world.report.tests, 0x3fe);
	world.refid = 0x0a000003;
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_false(world.action.replace);
	assert_int_equal(world.report.tests, 0x3ff);
	assert_int_equal(world.report.reach, 7);
	world_close(&world);
}

// RFC 7822: what is unknown is skipped; a MAC means a key, and we gave none.
static void extension_fields_are_skipped_and_keys_refused(void **)
{
	static const struct {
		uint16_t fields[4];
		unsigned rest;
		enum association_verdict verdict;
	} cases[] = {
		{ { 28 }, 0, ASSOCIATION_SAMPLE }, { { 32, 16, 28 }, 0, ASSOCIATION_SAMPLE },
		{ { 16, 28 }, 0, ASSOCIATION_SAMPLE }, { { 1020 }, 0, ASSOCIATION_SAMPLE },
		{ { 16 }, 0, ASSOCIATION_MALFORMED }, // shorter than it may be alone
		{ { 0 }, 4, ASSOCIATION_MALFORMED },  // crypto-NAK
		{ { 0 }, 20, ASSOCIATION_MALFORMED }, // MD5
		{ { 0 }, 24, ASSOCIATION_MALFORMED }, // SHA1
		{ { 28 }, 20, ASSOCIATION_MALFORMED }, { { 30 }, 0, ASSOCIATION_MALFORMED },
		{ { 28 }, 1, ASSOCIATION_MALFORMED },
		{ { 0 }, 28, ASSOCIATION_MALFORMED }, // a field of length 0
	};
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world_ask(&world);
		world_serve(&world);
		for (const uint16_t *field = cases[i].fields; *field; field++) {
			memset(world.reply + world.length, 0x77, *field);
			world_put(world.reply + world.length + 2, 2, *field);
			world.length += *field;
		}
		memset(world.reply + world.length, 0, cases[i].rest);
		world.length += cases[i].rest;
		assert_int_equal(world_receive(&world), cases[i].verdict);
	}
	// A field that ends outside.
	world_ask(&world);
	world_serve(&world);
	world_put(world.reply + 50, 2, 32);
	world.length += 28;
	assert_int_equal(world_receive(&world), ASSOCIATION_MALFORMED);
	for (world.length = 0; world.length < 48; world.length++)
		assert_int_equal(world_receive(&world), ASSOCIATION_MALFORMED);
	assert_int_equal(world_receive(&world), ASSOCIATION_SAMPLE);
	world_close(&world);
}

static void version_3_has_no_extension_fields(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.version = 3;
	world_open(&world, &options);
	world_ask(&world);
	world_serve(&world);
	world_put(world.reply + 50, 2, 28);
	world.length += 28;
	assert_int_equal(world_receive(&world), ASSOCIATION_MALFORMED);
	world.length -= 28;
	assert_int_equal(world_receive(&world), ASSOCIATION_SAMPLE);
	world_close(&world);
}

static void stamps_of_two_epochs_are_no_sample(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world_ask(&world);
	utc_t before = timeline_local(&world.timeline, world.free_ns);

	timeline_step(&world.timeline, before, 5 * NS_PER_S);
	world_serve(&world);
	assert_int_equal(world_receive(&world), ASSOCIATION_NOT_SAMPLED);
	assert_int_equal(world.report.reach, 1);
	// Our own step is none in free time.
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_offset(&world, 0);
	// The clock is set when both stamps have been taken.
	world_ask(&world);
	world_serve(&world);
	struct association_stamp stamp = world_own_stamp(&world, world.free_ns);

	timeline_step(&world.timeline, stamp.local, -NS_PER_S);
	assert_int_equal(association_on_reply(world.association, &world.timeline, world.reply, 48,
					 &stamp, NULL, 0, &world.sample, &world.action),
			ASSOCIATION_NOT_SAMPLED);
	world_ask(&world);
	world_serve(&world);
	stamp.local = timeline_local(&world.timeline, world.free_ns);
	assert_int_equal(association_on_reply(world.association, &world.timeline, world.reply, 48,
					 &stamp, NULL, 0, &world.sample, &world.action),
			ASSOCIATION_NOT_SAMPLED);
	world_close(&world);
}

// 2036, 2104, and a clock that starts in 1970.
static void eras_do_not_matter(void **)
{
	static const int64_t moments_s[] = { 2085978496 - 1, 2085978496, 6380945791, 0, 86400 };
	struct association_options options = world_options();

	for (unsigned i = 0; i < sizeof(moments_s) / sizeof(moments_s[0]); i++) {
		struct world world;
		bool unset = moments_s[i] < 1'000'000'000;

		world_open(&world, &options);
		timeline_init(&world.timeline, (utc_t){ moments_s[i] * NS_PER_S }, 0);
		// The server is right: 0.7 s ahead, or in 2040.
		world.ahead_ns = (unset ? INT64_C(2209032000) - WORLD_START_S
					: moments_s[i] - WORLD_START_S)
						* NS_PER_S
				+ 700 * WORLD_MS;
		assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
		assert_offset(&world, 0);
		world_close(&world);
	}
}

static void minstratum_is_what_it_counts_as(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.minstratum = 4;
	world_open(&world, &options);
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_int_equal(world.sample.stratum, 4);
	world.stratum = 7;
	assert_int_equal(world_exchange(&world), ASSOCIATION_SAMPLE);
	assert_int_equal(world.sample.stratum, 7);
	world_close(&world);
}

static void reports_count_everything(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	association_describe(world.association, &world.report);
	assert_false(world.report.answered);
	for (unsigned i = 0; i < 5; i++)
		world_exchange(&world);
	world_lose(&world);
	world_lose(&world);
	world.leap = 3;
	assert_int_equal(world_exchange(&world), ASSOCIATION_UNSYNCHRONISED);
	world.leap = 0;
	world_exchange(&world);
	assert_int_equal(world.report.reach, 0xf1);
	assert_int_equal(association_reach(world.association), 0xf1);
	assert_int_equal(world.report.sent, 9);
	assert_int_equal(world.report.received, 7);
	assert_int_equal(world.report.genuine, 7);
	assert_int_equal(world.report.counters[ASSOCIATION_SAMPLE], 6);
	assert_int_equal(world.report.counters[ASSOCIATION_UNSYNCHRONISED], 1);
	assert_true(world.report.answered);
	assert_int_equal(world.report.answer.stratum, 1);
	assert_int_equal(world.report.answer.precision, WORLD_PRECISION);
	assert_in_range(world.report.response_time_ns, 20 * WORLD_US - 2, 20 * WORLD_US + 2);
	assert_int_equal(world.report.last_received.local.ns,
			timeline_local(&world.timeline, world.free_ns).ns);
	assert_int_equal(world.report.tests, 0x3ff);
	world_close(&world);
}

static void tests_are_told_as_chronyc_shows_them(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	world.leap = 3;
	assert_int_equal(world_exchange(&world), ASSOCIATION_UNSYNCHRONISED);
	assert_int_equal(world.report.tests, 0x3d0); // 111 101 0000
	world.leap = 0;
	world.root_dispersion = 0x00200000;
	assert_int_equal(world_exchange(&world), ASSOCIATION_UNSYNCHRONISED);
	assert_int_equal(world.report.tests, 0x3e0); // 111 110 0000
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_says_nothing_of_us),
		cmocka_unit_test(transmit_timestamp_is_never_zero),
		cmocka_unit_test(sample_is_what_the_clocks_say),
		cmocka_unit_test(asymmetric_link_is_seen_with_its_sign),
		cmocka_unit_test(better_stamps_replace_worse_ones),
		cmocka_unit_test(slewed_clock_does_not_show),
		cmocka_unit_test(only_one_answer_is_taken),
		cmocka_unit_test(nothing_is_taken_that_was_not_asked_for),
		cmocka_unit_test(late_answers_are_bogus),
		cmocka_unit_test(versions_and_modes_are_checked),
		cmocka_unit_test(servers_without_time_are_not_believed),
		cmocka_unit_test(loops_are_seen),
		cmocka_unit_test(extension_fields_are_skipped_and_keys_refused),
		cmocka_unit_test(version_3_has_no_extension_fields),
		cmocka_unit_test(stamps_of_two_epochs_are_no_sample),
		cmocka_unit_test(eras_do_not_matter),
		cmocka_unit_test(minstratum_is_what_it_counts_as),
		cmocka_unit_test(reports_count_everything),
		cmocka_unit_test(tests_are_told_as_chronyc_shows_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
