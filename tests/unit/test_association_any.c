// SPDX-License-Identifier: BSD-3-Clause
// sync/association: what holds whatever comes in, in whatever order.
#include "association_world.h"

#define STEPS  4000
#define WORLDS 60

// Everything that decides, so that a run can be compared with its repetition.
struct tally {
	uint64_t asked, answered, samples, digest;
};

static void digest(struct tally *tally, uint64_t value)
{
	tally->digest = (tally->digest ^ value) * UINT64_C(0x100000001b3);
}

static struct association_options any_options(uint64_t *random)
{
	struct association_options options = {
		.minpoll = (int)random_below(random, 34) - 8,
		.maxpoll = (int)random_below(random, 34) - 8,
		.iburst = random_below(random, 2),
		.burst = random_below(random, 2),
		.xleave = random_below(random, 2),
		.version = (uint8_t)random_below(random, 6),
		.minstratum = (uint8_t)random_below(random, 16),
		.polltarget = (unsigned)random_below(random, 12),
		.presend = (int)random_below(random, 40),
		.maxdelay = random_below(random, 3) ? 0.003 : 0,
		.maxdelayratio = random_below(random, 2) ? 3 : 0,
		.maxdelaydevratio = random_below(random, 2) ? 10 : 0,
		.maxdelayquant = random_below(random, 4) ? 0 : 0.3,
		.precision = 1e-7,
	};

	return options;
}

// One octet is another, or a field of the reply is of no sense.
static void disturb(struct world *world)
{
	uint64_t what = random_below(&world->random, 40);

	if (what < 6)
		world->reply[random_below(&world->random, 48)] ^=
				(uint8_t)random_next(&world->random);
	else if (what < 8)
		world->length = (size_t)random_below(&world->random, 200);
	else if (what == 8)
		for (unsigned i = 0; i < 48; i++)
			world->reply[i] = (uint8_t)random_next(&world->random);
	else if (what == 9)
		memcpy(world->reply + 12, "RATE", 4);
	else if (what == 10)
		memcpy(world->reply + 12, "DENY", 4);
	if (what == 9 || what == 10)
		memcpy(world->reply, "\xe4\0\x03", 3);
}

static bool origin_matches(const struct world *world)
{
	uint64_t origin = world_get(world->reply + 24, 8);
	uint64_t receive = world_get(world->request + 32, 8);

	return world->length >= 48
			&& (origin == world_get(world->request + 40, 8)
					|| (receive != 0 && origin == receive));
}

static void receive_any(struct world *world, struct tally *tally, bool *open)
{
	static const struct sample untouched = { .free_ns = 12345, .delay_ns = -9 };

	disturb(world);
	bool genuine = *open && origin_matches(world);

	world->sample = untouched;
	world_receive(world);
	tally->answered++;
	digest(tally, world->verdict);
	digest(tally, world->action.wake_free_ns);
	assert_true(world->verdict < ASSOCIATION_VERDICTS);
	if (world->verdict != ASSOCIATION_SAMPLE) {
		assert_memory_equal(&world->sample, &untouched, sizeof(untouched));
	} else {
		assert_true(genuine);
		assert_true(world->sample.delay_ns >= 1 && world->sample.dispersion_ns > 0);
		assert_true(world->sample.stratum >= 1 && world->sample.stratum <= 15);
		assert_true(world->sample.leap != NTP_LEAP_UNSYNCHRONISED);
		tally->samples++;
		digest(tally, world->sample.offset_ns);
	}
	// Whatever the answer says, it has been given; what is none leaves the request open.
	if (world->verdict != ASSOCIATION_MALFORMED && world->verdict != ASSOCIATION_BOGUS) {
		assert_true(genuine || world->verdict == ASSOCIATION_DUPLICATE);
		*open = false;
	}
}

static void touch_clock(struct world *world)
{
	utc_t local = timeline_local(&world->timeline, world->free_ns);
	int64_t by_ns = (int64_t)random_below(&world->random, 4'000'000'000) - 2'000'000'000;

	if (random_below(&world->random, 2))
		timeline_step(&world->timeline, local, by_ns);
	else
		timeline_set_frequency(&world->timeline, local, (double)by_ns * 1e-12);
}

static void ask_any(struct world *world, struct tally *tally)
{
	int64_t before_ns = world->free_ns;

	world_ask(world);
	tally->asked++;
	digest(tally, world->action.wake_free_ns);
	digest(tally, world_get(world->request + 40, 8));
	assert_true(world->action.wake_free_ns > world->free_ns);
	assert_true(world->free_ns >= before_ns);
}

static void live(struct world *world, struct tally *tally)
{
	bool open = false;

	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t what = random_below(&world->random, 100);
		uint64_t samples = tally->samples;
		int64_t asked_ns;

		if (what == 0)
			touch_clock(world);
		if (what == 1)
			association_set_poll_hint(world->association,
					ldexp(1, (int)random_below(&world->random, 30) - 5));
		if (what == 2) {
			association_start(world->association, world->free_ns, &world->action);
			open = false;
		}
		ask_any(world, tally);
		open = true;
		asked_ns = world->free_ns;
		if (what < 20)
			continue;
		world->leap = what < 24 ? 3 : (uint8_t)(what % 3);
		world->stratum = (uint8_t)(1 + what % 15);
		world->out_ns = (int64_t)random_below(&world->random, 3'000'000);
		world_serve(world);
		if (world->free_ns > world->action.wake_free_ns)
			world->free_ns = world->action.wake_free_ns;
		for (uint64_t again = 1 + what % 3; again > 0; again--)
			receive_any(world, tally, &open);
		assert_true(world->action.wake_free_ns >= asked_ns);
		assert_true(world->action.wake_free_ns - asked_ns <= NS_PER_S << 24);
		assert_true(tally->samples - samples <= 1);
		// Time passes, and a day is a long time for the timeline's int64_t.
		if (world_until_wake(world) > 40'000 * NS_PER_S || world->free_ns > 1LL << 58) {
			timeline_init(&world->timeline, WORLD_START, 0);
			world->free_ns = 0;
			association_start(world->association, 0, &world->action);
		}
	}
}

static struct tally run(uint64_t seed)
{
	struct association_options options = any_options(&seed);
	struct tally tally = { .digest = 14695981039346656037U };
	struct world world;

	world_open(&world, &options);
	world.random = seed;
	world.interleaves = seed & 1;
	world.level = seed & 2 ? STAMP_KERNEL : STAMP_DAEMON;
	association_init(world.association, &options, seed);
	association_start(world.association, world.free_ns, &world.action);
	live(&world, &tally);
	association_describe(world.association, &world.report);
	assert_int_equal(world.report.sent, tally.asked);
	assert_int_equal(world.report.received, tally.answered);
	assert_int_equal(world.report.counters[ASSOCIATION_SAMPLE], tally.samples);
	unsigned counted = 0;

	for (unsigned i = 0; i < ASSOCIATION_VERDICTS; i++)
		counted += world.report.counters[i];
	assert_int_equal(counted, tally.answered);
	world_close(&world);
	return tally;
}

static void promises_hold_and_runs_repeat(void **)
{
	uint64_t random = test_seed();
	uint64_t samples = 0, worlds_with_samples = 0;

	for (unsigned i = 0; i < WORLDS; i++) {
		uint64_t seed = random_next(&random);
		struct tally first = run(seed), second = run(seed);

		assert_memory_equal(&first, &second, sizeof(first));
		samples += first.samples;
		worlds_with_samples += first.samples > 0;
	}
	// Or nothing was tested.
	assert_true(samples > WORLDS * STEPS / 20);
	assert_true(worlds_with_samples > WORLDS * 3 / 4);
}

// Of half a million answers with an origin nobody sent, none does anything but count.
static void guessed_origins_do_nothing(void **)
{
	struct association_options options = world_options();
	struct world world;

	options.xleave = true;
	world_open(&world, &options);
	world.interleaves = true;
	world_exchange(&world);
	world_ask(&world);
	world_serve(&world);
	int64_t wake_ns = world.action.wake_free_ns;
	uint64_t origin = world_get(world.reply + 24, 8);

	for (unsigned i = 0; i < 500'000; i++) {
		uint64_t guess = random_next(&world.random);
		struct association_stamp stamp = world_own_stamp(&world, world.free_ns);

		world_put(world.reply + 24, 8, guess);
		assert_int_equal(association_on_reply(world.association, &world.timeline,
						 world.reply, 48, &stamp, NULL, 0, &world.sample,
						 &world.action),
				ASSOCIATION_BOGUS);
		assert_int_equal(world.action.wake_free_ns, wake_ns);
	}
	world_put(world.reply + 24, 8, origin);
	assert_int_equal(world_receive(&world), ASSOCIATION_NOT_SAMPLED);
	world_close(&world);
}

// Both stamps are the same reading, with random bits below the precision that the server claims.
static void blur(struct world *world, int precision, uint64_t *receive, uint64_t *transmit)
{
	uint64_t bits = (UINT64_C(1) << (32 + precision)) - 1;

	*receive = (*receive & ~bits) | (random_next(&world->random) & bits);
	*transmit = (*receive & ~bits) | (random_next(&world->random) & bits);
	world->reply[3] = (uint8_t)precision;
	world_put(world->reply + 32, 8, *receive);
}

// Precision as the server's header has it, and what the sample says of its own doubt.
static void assert_true_sample(const struct world *world, int precision)
{
	double doubt_ns = (double)world->sample.delay_ns / 2 + (double)world->sample.dispersion_ns;
	int64_t error_ns = world->sample.offset_ns - WORLD_START.ns - world->ahead_ns;

	assert_int_equal(world->verdict, ASSOCIATION_SAMPLE);
	if (fabs((double)error_ns) > doubt_ns + 2)
		fail_msg("precision %d: wrong by %lld ns, in doubt by %g ns", precision,
				(long long)error_ns, doubt_ns);
}

static void clocks_that_stand_still_are_believed(void **)
{
	struct association_options options = world_options();
	struct world world;
	unsigned backwards = 0;

	world_open(&world, &options);
	world.inside_ns = 0;
	for (unsigned i = 0; i < 2000; i++) {
		int precision = -6 - (int)random_below(&world.random, 24);
		uint64_t receive, transmit;

		world_ask(&world);
		world_serve(&world);
		receive = world_get(world.reply + 32, 8);
		blur(&world, precision, &receive, &transmit);
		world_put(world.reply + 16, 8, receive > transmit ? receive : transmit);
		world_put(world.reply + 40, 8, transmit);
		backwards += receive > transmit;
		world_receive(&world);
		assert_true_sample(&world, precision);
	}
	assert_in_range(backwards, 800, 1200);
	world_close(&world);
}

// The same of an exchange of which the next answer brings the transmit timestamp.
static void and_so_they_are_when_interleaved(void **)
{
	struct association_options options = world_options();
	struct world world;
	uint64_t receive, transmit = 0;

	options.xleave = true;
	world_open(&world, &options);
	world.interleaves = true;
	world.inside_ns = world.late_ns = 0;
	for (unsigned i = 0; i < 1000; i++) {
		world_ask(&world);
		world_serve(&world);
		if (transmit != 0)
			world_put(world.reply + 40, 8, transmit);
		receive = world_get(world.reply + 32, 8);
		blur(&world, -16, &receive, &transmit);
		receive |= 1; // what our server-side model takes for an interleaved request
		world_put(world.reply + 32, 8, receive);
		world.saved[world.saved_count - 1].receive = receive;
		world_receive(&world);
		if (i == 0)
			assert_int_equal(world.report.interleaved, 0);
		else if (i > 1)
			assert_true_sample(&world, -16);
	}
	assert_true(world.report.interleaved);
	world_close(&world);
}

static void no_more_than_their_precision(void **)
{
	struct association_options options = world_options();
	struct world world;

	world_open(&world, &options);
	for (int precision = -128; precision < 128; precision++) {
		int log2s = precision < -32 ? -32 : precision > -6 ? -6 : precision;
		uint64_t step = UINT64_C(1) << (32 + log2s);

		for (uint64_t less = step - (step > 1); less <= step + 1; less++) {
			world_ask(&world);
			world_serve(&world);
			world.reply[3] = (uint8_t)precision;
			world_put(world.reply + 40, 8, world_get(world.reply + 32, 8) - less);
			world_receive(&world);
			assert_int_equal(world.verdict,
					less <= step ? ASSOCIATION_SAMPLE
						     : ASSOCIATION_UNSYNCHRONISED);
		}
	}
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(promises_hold_and_runs_repeat),
		cmocka_unit_test(guessed_origins_do_nothing),
		cmocka_unit_test(clocks_that_stand_still_are_believed),
		cmocka_unit_test(and_so_they_are_when_interleaved),
		cmocka_unit_test(no_more_than_their_precision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
