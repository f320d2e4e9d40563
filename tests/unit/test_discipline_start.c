// SPDX-License-Identifier: BSD-3-Clause
// sync/discipline: how it begins, with drift files that are wrong and answers that come late.
#include "sync/discipline.h"
#include "sync_world.h"
#include "unit.h"

#define SECOND NS_PER_S
#define MS     INT64_C(1'000'000)
#define US     INT64_C(1'000)
#define SEEDS  20

static struct source_options source_at(uint32_t refid, int poll, bool iburst)
{
	return (struct source_options){
		.association = {
			.minpoll = poll,
			.maxpoll = poll,
			.iburst = iburst,
			.version = 4,
			.polltarget = 8,
			.presend = 100,
			.maxunreach = 100000,
			.maxdelay = 3,
		},
		.refid = refid,
	};
}

static void add(struct world *world, const struct world_server *server, int poll, bool iburst)
{
	struct source_options options = source_at(0x0a000001 + world->server_count, poll, iburst);

	world_add_server(world, server, &options);
}

static struct source_report report_of(const struct world *world)
{
	struct source_report report;

	discipline_describe(world->discipline, 0, world_clock(world), &report);
	return report;
}

// Until the first source has given so many samples.
static void run_until(struct world *world, unsigned samples)
{
	while (report_of(world).samples < samples)
		world_run(world, 0.05);
}

static int64_t estimate_error_ns(const struct world *world)
{
	const struct timeline *timeline = discipline_timeline(world->discipline);
	int64_t free_ns = timeline_free_ns(timeline, world_clock(world));
	int64_t true_ns = timeline_correction_ns(timeline, free_ns) - world_error_ns(world);

	return llabs(report_of(world).estimate.offset_ns - true_ns);
}

static void expect_estimate(const struct world *world, int64_t most_ns, uint64_t seed)
{
	int64_t error_ns = estimate_error_ns(world);

	if (error_ns > most_ns)
		fail_msg("seed %" PRIu64 ", sample %u: estimate wrong by %lld ns, at most %lld",
				seed, report_of(world).samples, (long long)error_ns,
				(long long)most_ns);
}

// The clock gains 20 ppm; the file says `file`, and that this is sure.
static unsigned start_with_file(double file, int poll, bool iburst, uint64_t seed)
{
	const struct world_server server = {
		.delay_ns = 200 * US,
		.jitter_ns = 20 * US,
		.stratum = 1,
	};
	struct discipline_options options = world_usual;
	struct world world;

	options.initial_frequency = -file;
	options.initial_skew = 1e-8;
	world_open(&world, &options, 0, 20e-6, seed);
	add(&world, &server, poll, iburst);
	run_until(&world, 4);
	expect_estimate(&world, 180 * US, seed);
	for (unsigned samples = 8; samples < 40; samples++) {
		run_until(&world, samples);
		expect_estimate(&world, 100 * US, seed);
	}
	unsigned wrong = world.wrong;

	discipline_close(world.discipline);
	return wrong;
}

static void wrong_drift_files_are_found_out(void **)
{
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < SEEDS; i++, seed++) {
		for (unsigned iburst = 0; iburst < 2; iburst++) {
			assert_int_equal(start_with_file(120e-6, 4, iburst, seed), 0);
			assert_int_equal(start_with_file(-80e-6, 6, iburst, seed), 0);
			assert_int_equal(start_with_file(50e-6, 6, iburst, seed), 0);
			// Beyond what is believed of any clock: claims are wrong until the second answer.
			start_with_file(1020e-6, 6, iburst, seed);
			start_with_file(-980e-6, 4, iburst, seed);
		}
	}
}

// A machine under load stamps its first answers late: what is good then counts at once.
static void late_first_answers_are_soon_forgotten(void **)
{
	static const struct {
		unsigned late;
		int poll;
		bool iburst, file;
	} cases[] = {
		{ 4, 1, true, true },
		{ 4, 6, true, false },
		{ 1, 1, true, false },
		{ 4, 4, false, false },
		{ 6, 6, true, false },
		{ 10, 1, false, true },
	};
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < SEEDS * sizeof(cases) / sizeof(cases[0]); i++, seed++) {
		unsigned which = i % (sizeof(cases) / sizeof(cases[0])), late = cases[which].late;
		struct world_server server = { .delay_ns = 15 * US, .jitter_ns = US, .stratum = 1 };
		struct discipline_options options = world_usual;
		struct world world;

		options.initial_frequency = -20e-6;
		options.initial_skew = cases[which].file ? 1e-7 : 0;
		world_open(&world, &options, 0, 20e-6, seed);
		add(&world, &server, cases[which].poll, cases[which].iburst);
		for (unsigned sample = 1; sample <= late; sample++) {
			world.servers[0].late_ns = 3500 * US
					+ (int64_t)(random_next(&world.random) % (1500 * US));
			run_until(&world, sample);
			assert_true(estimate_error_ns(&world) > MS);
		}
		world.servers[0].late_ns = 0;
		run_until(&world, late + 1);
		expect_estimate(&world, 250 * US, seed);
		run_until(&world, late + 4);
		expect_estimate(&world, 250 * US, seed);
		run_until(&world, late + 9);
		expect_estimate(&world, 50 * US, seed);
		assert_int_equal(world.wrong, 0);
		discipline_close(world.discipline);
	}
}

// Claimed once, and from then on.
static void claims_do_not_flicker(void **)
{
	uint64_t seed = test_seed(), random = seed;

	for (unsigned i = 0; i < 10 * SEEDS; i++, seed++) {
		struct world_server server = {
			.delay_ns = (int64_t)(20 * US
					* exp((int)random_below(&random, 1000) / 128.0)),
			.stratum = 1,
		};
		double frequency = ((int)random_below(&random, 981) - 490) * 1e-6;
		int poll = (int)random_below(&random, 5) + 3;
		int64_t error_ns = (int64_t)random_below(&random, 2 * SECOND) - SECOND;
		bool claimed = false;
		struct world world;

		server.jitter_ns = server.delay_ns / 20;
		world_open(&world, &world_usual, error_ns, frequency, seed);
		add(&world, &server, poll, random_below(&random, 2));
		while (report_of(&world).samples < 7) {
			struct reference reference;

			world_run(&world, 0.25);
			reference = discipline_reference(world.discipline, world_clock(&world));
			bool claims = reference.leap != NTP_LEAP_UNSYNCHRONISED;

			if (claimed && !claims)
				fail_msg("seed %" PRIu64 ": claimed no more at sample %u", seed,
						report_of(&world).samples);
			if (claims && report_of(&world).samples < 2)
				fail_msg("seed %" PRIu64 ": claimed by one answer", seed);
			claimed = claims;
		}
		assert_true(claimed);
		assert_int_equal(world.wrong, 0);
		discipline_close(world.discipline);
	}
}

// No belief in what clocks usually do makes claims wrong.
static void wild_clocks_are_claimed_for_what_they_are(void **)
{
	static const double frequencies[] = { 0.05, -0.05, 3e-3, -3e-3, 0.09 };
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < SEEDS; i++, seed++) {
		struct world_server server = {
			.delay_ns = 200 * US,
			.jitter_ns = 20 * US,
			.stratum = 1,
		};
		struct world world;

		world_open(&world, &world_usual, 0, frequencies[i % 5], seed);
		add(&world, &server, i % 2 ? 4 : 6, i / 5 % 2);
		run_until(&world, 20);
		if (world.wrong > 0)
			fail_msg("seed %" PRIu64 ", frequency %g: %u claims of %u are wrong", seed,
					frequencies[i % 5], world.wrong, world.claims);
		assert_true(world.claims > 0);
		discipline_close(world.discipline);
	}
}

// One of two lies by a second, and no further answers tell which: neither is followed, nothing claimed.
static void two_that_differ_are_not_followed(void **)
{
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < SEEDS; i++, seed++) {
		struct world_server good = { .delay_ns = MS, .jitter_ns = 20 * US, .stratum = 1 };
		struct world_server liar = good;
		struct world world;

		liar.error_ns = i % 2 ? SECOND : -SECOND;
		world_open(&world, &world_usual, 0, 200e-6, seed);
		add(&world, &good, 6, false);
		add(&world, &liar, 6, false);
		world_run(&world, 500);
		assert_int_equal(world.claims, 0);
		assert_int_equal(world.steps, 0);
		assert_true(timeline_frequency(discipline_timeline(world.discipline)) == 0);
		discipline_close(world.discipline);
	}
}

// The process starts anew, the clock has gone on as it was left: what was measured before is of use.
static void old_samples_save_the_first_minutes(void **)
{
	const struct world_server server = {
		.delay_ns = 200 * US,
		.jitter_ns = 20 * US,
		.stratum = 1,
	};
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < SEEDS; i++, seed++) {
		struct sample samples[SOURCE_HISTORY];
		struct world world;

		world_open(&world, &world_usual, 0, 80e-6, seed);
		add(&world, &server, 4, false);
		world_run(&world, 1500);
		const struct timeline *timeline = discipline_timeline(world.discipline);
		double frequency = timeline_frequency(timeline);
		int64_t free_ns = timeline_free_ns(timeline, world_clock(&world));
		unsigned count = discipline_samples(world.discipline, 0, samples, SOURCE_HISTORY);

		assert_int_equal(count, SOURCE_HISTORY);
		discipline_close(world.discipline);
		world.discipline =
				discipline_open(&world_usual, world_clock(&world), frequency, seed);
		for (unsigned j = 0; j < count; j++) {
			samples[j].free_ns -= free_ns;
			samples[j].offset_ns += free_ns;
		}
		world_timer(&world);
		world.server_count = 0;
		struct source_options options = source_at(0x0a000001, 4, false);

		assert_int_equal(discipline_add(world.discipline, &options), 0);
		discipline_recall(world.discipline, 0, samples, count);
		world.servers[0] = server;
		world.server_count = 1;
		world_start_server(&world, 0);
		assert_int_equal(
				discipline_reference(world.discipline, world_clock(&world)).stratum,
				0);
		run_until(&world, count + 1);
		// One answer, and all is as it was.
		assert_int_equal(
				discipline_reference(world.discipline, world_clock(&world)).stratum,
				2);
		// It would be 5e-4 without them.
		assert_true(report_of(&world).estimate.frequency_sd < 1e-6);
		expect_estimate(&world, 60 * US, seed);
		world_run(&world, 300);
		assert_in_range(llabs(world_error_ns(&world)), 0, 100 * US);
		assert_int_equal(world.wrong, 0);
		discipline_close(world.discipline);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_drift_files_are_found_out),
		cmocka_unit_test(late_first_answers_are_soon_forgotten),
		cmocka_unit_test(claims_do_not_flicker),
		cmocka_unit_test(wild_clocks_are_claimed_for_what_they_are),
		cmocka_unit_test(two_that_differ_are_not_followed),
		cmocka_unit_test(old_samples_save_the_first_minutes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
