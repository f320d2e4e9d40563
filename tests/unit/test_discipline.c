// SPDX-License-Identifier: BSD-3-Clause
#include "sync/discipline.h"
#include "sync_world.h"
#include "unit.h"

#define SECOND NS_PER_S
#define MS     INT64_C(1'000'000)
#define US     INT64_C(1'000)

static const struct world_server good = {
	.delay_ns = 200 * US,
	.jitter_ns = 20 * US,
	.stratum = 1,
};

static struct source_options source_at(uint32_t refid)
{
	return (struct source_options){
		.association = {
			.minpoll = 4,
			.maxpoll = 4,
			.iburst = true,
			.version = 4,
			.polltarget = 8,
			.presend = 100,
			.maxunreach = 100000,
			.maxdelay = 3,
		},
		.refid = refid,
	};
}

static unsigned add(struct world *world, const struct world_server *server)
{
	struct source_options options = source_at(0x0a000001 + world->server_count);

	return world_add_server(world, server, &options);
}

static char letter(const struct world *world, unsigned source)
{
	struct source_report report;

	discipline_describe(world->discipline, source, world_clock(world), &report);
	return report.letter;
}

static struct reference reference_of(const struct world *world)
{
	return discipline_reference(world->discipline, world_clock(world));
}

// Until the first source has given so many samples.
static void run_until(struct world *world, unsigned samples)
{
	struct source_report report = { .samples = 0 };

	while (report.samples < samples) {
		world_run(world, 0.001);
		discipline_describe(world->discipline, 0, world_clock(world), &report);
	}
}

static void one_source_is_followed(void **)
{
	struct world world;

	world_open(&world, &world_usual, -300 * MS, 50e-6, test_seed());
	add(&world, &good);
	world_run(&world, 5);
	assert_int_equal(world.steps, 1);
	assert_in_range(llabs(world_error_ns(&world)), 0, MS);
	world_run(&world, 3600);
	assert_int_equal(world.steps, 1);
	assert_in_range(llabs(world_error_ns(&world)), 0, 60 * US);

	struct reference reference = reference_of(&world);

	assert_int_equal(reference.stratum, 2);
	assert_int_equal(reference.refid, 0x0a000001);
	assert_int_equal(reference.leap, NTP_LEAP_NONE);
	// The round trip is 400 us or more; what is claimed is half of it and little else.
	assert_in_range(reference.root_delay_ns, 380 * US, 500 * US);
	assert_in_range(reference_distance_ns(&reference), 200 * US, 400 * US);
	assert_in_range(reference.root_dispersion_rate_ppb, 1000, 5000);
	assert_in_range(utc_diff_ns(world_clock(&world), reference.time), 0, 17 * SECOND);
	assert_int_equal(world.wrong, 0);
	assert_true(world.claims > world.answers * 9 / 10);
	assert_int_equal(letter(&world, 0), '*');
	discipline_close(world.discipline);
}

// Two lie by half a second, each in its own way; three are honest, one of them far away.
static void liars_among_a_majority_are_named(void **)
{
	struct world_server late = good, fast = good, far = good;
	struct world world;

	late.error_ns = -500 * MS;
	fast.error_ns = 300 * MS;
	fast.frequency = 2e-6;
	far.delay_ns = 5 * MS;
	far.jitter_ns = MS;
	world_open(&world, &world_usual, 30 * SECOND, -20e-6, test_seed());
	add(&world, &late);
	add(&world, &good);
	add(&world, &fast);
	add(&world, &far);
	add(&world, &good);
	world_run(&world, 4000);
	assert_int_equal(world.wrong, 0);
	assert_true(world.claims > world.answers * 9 / 10);
	assert_int_equal(letter(&world, 0), 'x');
	assert_int_equal(letter(&world, 2), 'x');
	assert_true(letter(&world, 1) == '*' || letter(&world, 4) == '*');
	assert_int_equal(letter(&world, 3), 'D');
	assert_in_range(llabs(world_error_ns(&world)), 0, 60 * US);
	discipline_close(world.discipline);
}

static void without_a_majority_nobody_is_followed(void **)
{
	struct world world;

	world_open(&world, &world_usual, 30 * SECOND, -20e-6, test_seed());
	for (unsigned i = 0; i < 5; i++) {
		struct world_server server = good;

		server.error_ns = i < 2 ? 0 : i * 100 * MS;
		add(&world, &server);
	}
	world_run(&world, 2000);
	assert_int_equal(world.claims, 0);
	assert_int_equal(world.steps, 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(letter(&world, i), 'x');
	discipline_close(world.discipline);
}

static void silent_upstream_is_held_over_until_too_far(void **)
{
	struct discipline_options options = world_usual;
	struct world world;

	options.max_serve_distance_s = 0.02;
	world_open(&world, &options, 0, 30e-6, test_seed());
	add(&world, &good);
	world_run(&world, 3000);
	struct reference before = reference_of(&world);

	world.servers[0].silent = true;
	world_run(&world, 2000);
	struct reference after = reference_of(&world);

	assert_int_equal(letter(&world, 0), 'S');
	assert_int_equal(after.stratum, before.stratum);
	assert_int_equal(after.refid, before.refid);
	assert_int_equal(after.root_delay_ns, before.root_delay_ns);
	// At most one answer was on its way.
	assert_in_range(utc_diff_ns(after.time, before.time), 0, 17 * SECOND);
	// By maxclockerror at least, and little more.
	assert_in_range(after.root_dispersion_ns - before.root_dispersion_ns, 1900 * US, 8 * MS);
	world_run(&world, 20000);
	assert_int_equal(reference_of(&world).leap, NTP_LEAP_UNSYNCHRONISED);
	world.servers[0].silent = false;
	world_run(&world, 60);
	assert_int_equal(reference_of(&world).stratum, 2);
	assert_int_equal(letter(&world, 0), '*');
	assert_int_equal(world.wrong, 0);
	discipline_close(world.discipline);
}

static void step_of_ours_is_followed_by_silence(void **)
{
	struct discipline_options options = world_usual;
	struct world world;

	options.after_step_s = 5;
	world_open(&world, &options, -10 * SECOND, 0, test_seed());
	add(&world, &good);
	while (world.steps == 0)
		world_run(&world, 0.1);
	while (world.true_ns < world.last_step_ns + 4 * SECOND) {
		world_run(&world, 0.1);
		assert_int_equal(reference_of(&world).leap, NTP_LEAP_UNSYNCHRONISED);
	}
	world_run(&world, 2);
	assert_int_equal(reference_of(&world).stratum, 2);
	assert_int_equal(world.wrong, 0);
	discipline_close(world.discipline);
}

// From the command to its deed the clock may be on either side.
static void nothing_is_claimed_while_a_step_is_under_way(void **)
{
	struct discipline_command command = { 0 };
	struct association_action action = { 0 };
	struct discipline_options options = world_usual;
	struct world world;

	options.initial_skew = 1e-7; // what is known of the frequency lets one answer suffice
	world_open(&world, &options, -500 * MS, 0, test_seed());
	add(&world, &good);
	struct association *association = discipline_association(world.discipline, 0);
	struct association_stamp stamp;

	world.true_ns = world.servers[0].wake_ns;
	discipline_on_poll(world.discipline, 0, world_clock(&world), 1, &action, &command);
	stamp = world_stamp(&world);
	association_on_sent(association, &stamp);
	world_answer(&world, 0, &action, &command);
	assert_int_not_equal(command.clock.step_ns, 0);
	assert_int_equal(reference_of(&world).leap, NTP_LEAP_UNSYNCHRONISED);
	world_obey(&world, &command);
	assert_int_equal(reference_of(&world).stratum, 2);
	discipline_close(world.discipline);
}

static void jump_by_others_drops_all_that_was_known(void **)
{
	struct world world;

	for (int sign = -1; sign <= 1; sign += 2) {
		world_open(&world, &world_usual, 0, 30e-6, test_seed());
		add(&world, &good);
		add(&world, &good);
		add(&world, &good);
		world_run(&world, 1000);
		unsigned wrong = world.wrong;

		world_jump(&world, sign * 3600 * SECOND);
		assert_int_equal(reference_of(&world).leap, NTP_LEAP_UNSYNCHRONISED);
		world_run(&world, 20);
		// Steps are used up or not, the claim is honest or not made.
		assert_int_equal(world.wrong, wrong);
		world_run(&world, 80000);
		assert_int_equal(world.wrong, wrong);
		assert_in_range(llabs(world_error_ns(&world)), 0, 100 * US);
		assert_int_equal(reference_of(&world).stratum, 2);
		discipline_close(world.discipline);
	}
}

static void local_and_upstream_take_turns(void **)
{
	struct discipline_options options = world_usual;
	struct world world;

	options.reference.local = (struct reference_local){
		.enabled = true,
		.stratum = 10,
		.distance = 0.01,
	};
	world_open(&world, &options, 50 * MS, 30e-6, test_seed());
	world_run(&world, 1);
	assert_int_equal(reference_of(&world).refid, REFID_LOCAL);
	// Upstream appears. One answer says that the clock is off by more than `distance`, and not how fast it
	// goes: nothing is claimed until there is another.
	add(&world, &good);
	run_until(&world, 1);
	assert_int_equal(reference_of(&world).leap, NTP_LEAP_UNSYNCHRONISED);
	assert_in_range(llabs(world_error_ns(&world)), 40 * MS, 51 * MS);
	world_run(&world, 1.2);
	assert_int_equal(reference_of(&world).leap, NTP_LEAP_UNSYNCHRONISED);
	run_until(&world, 2);
	unsigned wrong = world.wrong;

	assert_int_equal(reference_of(&world).refid, 0x0a000001);
	world_run(&world, 3000);
	assert_int_equal(reference_of(&world).refid, 0x0a000001);
	assert_int_equal(world.wrong, wrong);
	world.servers[0].silent = true;
	world_run(&world, 20000);
	assert_int_equal(reference_of(&world).refid, REFID_LOCAL);
	assert_int_equal(reference_of(&world).stratum, 10);
	// Wrong only in what `local` decrees to be true.
	world.servers[0].silent = false;
	world_run(&world, 100);
	assert_int_equal(reference_of(&world).refid, 0x0a000001);
	discipline_close(world.discipline);
}

static void drift_file_is_set_at_once_and_used(void **)
{
	struct discipline_options options = world_usual;
	struct world world;

	options.initial_frequency = -150e-6;
	options.initial_skew = 1e-7;
	world_open(&world, &options, 20 * MS, 150e-6, test_seed());
	assert_true(fabs(timeline_frequency(discipline_timeline(world.discipline)) + 150e-6)
			< 1e-12);
	add(&world, &good);
	world_run(&world, 8);
	assert_in_range(llabs(world_error_ns(&world)), 0, 100 * US);
	assert_int_equal(world.wrong, 0);
	discipline_close(world.discipline);
}

static void nobody_can_be_synchronised_to_stratum_15(void **)
{
	struct world_server server = good;
	struct world world;

	server.stratum = 15;
	world_open(&world, &world_usual, 20 * MS, 0, test_seed());
	add(&world, &server);
	world_run(&world, 100);
	assert_int_equal(letter(&world, 0), '*');
	assert_int_equal(world.claims, 0);
	assert_int_equal(reference_of(&world).leap, NTP_LEAP_UNSYNCHRONISED);
	discipline_close(world.discipline);
}

static void unreachable_witnesses_keep_a_liar_out(void **)
{
	struct world_server liar = good;
	struct world world;

	liar.error_ns = 20 * MS;
	world_open(&world, &world_usual, 20 * MS, 10e-6, test_seed());
	add(&world, &good);
	add(&world, &good);
	add(&world, &liar);
	world_run(&world, 1000);
	assert_int_equal(letter(&world, 2), 'x');
	world.servers[0].silent = world.servers[1].silent = true;
	world_run(&world, 3000);
	assert_int_equal(letter(&world, 0), 'S');
	assert_int_equal(letter(&world, 2), 'x');
	assert_int_equal(world.wrong, 0);
	assert_in_range(llabs(world_error_ns(&world)), 0, 500 * US);
	discipline_close(world.discipline);
}

static void tracking_tells_what_was_done(void **)
{
	struct discipline_tracking tracking;
	struct world world;

	world_open(&world, &world_usual, 20 * MS, 40e-6, test_seed());
	discipline_track(world.discipline, world_clock(&world), &tracking);
	assert_false(tracking.synchronised);
	assert_int_equal(tracking.selected, -1);
	add(&world, &good);
	world_run(&world, 2000);
	discipline_track(world.discipline, world_clock(&world), &tracking);
	assert_true(tracking.synchronised);
	assert_int_equal(tracking.selected, 0);
	assert_int_equal(tracking.stratum, 2);
	assert_int_equal(tracking.refid, 0x0a000001);
	assert_true(fabs(tracking.frequency + 40e-6) < 1e-6);
	assert_true(fabs(tracking.update_interval_s - 16) < 2);
	assert_true(fabs(tracking.current_correction_s * 1e9 + (double)world_error_ns(&world))
			< 60e3);
	assert_true(tracking.rms_offset_s > 0 && tracking.rms_offset_s < 1e-3);
	assert_true(tracking.updates > 100);
	discipline_close(world.discipline);
}

static void source_that_is_removed_is_forgotten(void **)
{
	struct world world;

	world_open(&world, &world_usual, 20 * MS, 40e-6, test_seed());
	unsigned first = add(&world, &good), second = add(&world, &good);

	world_run(&world, 1000);
	discipline_remove(world.discipline, first);
	world.servers[first].wake_ns = INT64_MAX;
	world_run(&world, 100);
	assert_int_equal(letter(&world, second), '*');
	assert_int_equal(reference_of(&world).refid, 0x0a000002);
	assert_int_equal(add(&world, &good), first);
	world_run(&world, 100);
	assert_true(letter(&world, first) == '*' || letter(&world, first) == '+');
	assert_int_equal(world.wrong, 0);
	discipline_close(world.discipline);
}

// Between two looks of control workers go on with the rate they were given: it is the clock's course that
// counts, not only what is unknown of it.
static void growth_counts_the_clocks_own_course(void **)
{
	for (int sign = -1; sign <= 1; sign += 2) {
		struct discipline_options options = world_usual;
		struct world world;

		options.servo.max_update_skew = -1; // the frequency is never corrected
		world_open(&world, &options, 0, sign * 50e-6, test_seed());
		add(&world, &good);
		world_run(&world, 3000);
		// Late between two polls, the clock is far on one side and leaves it further behind.
		int64_t most_ppb = 0, furthest_ns = 0;

		for (int i = 0; i < 64; i++) {
			struct reference reference = reference_of(&world);

			if (llabs(world_error_ns(&world)) > furthest_ns) {
				furthest_ns = llabs(world_error_ns(&world));
				most_ppb = reference.root_dispersion_rate_ppb;
			}
			world_run(&world, 0.25);
		}
		assert_in_range(most_ppb, 49'000, 60'000);
		assert_int_equal(world.wrong, 0);
		discipline_close(world.discipline);
	}
}

// Each round trip is long by another way's fault: together they prove more than the shortest does.
static void spiky_link_is_claimed_for_less_than_its_delay(void **)
{
	struct world_server server = good;
	struct world world;
	bool less = false;

	server.delay_ns = 20 * US;
	server.jitter_ns = 20 * MS;
	world_open(&world, &world_usual, 0, 10e-6, test_seed());
	add(&world, &server);
	world_run(&world, 100);
	for (int i = 0; i < 300; i++) {
		struct source_report report;

		world_run(&world, 16);
		discipline_describe(world.discipline, 0, world_clock(&world), &report);
		less |= reference_of(&world).root_delay_ns < report.last.delay_ns / 4;
		assert_true(reference_of(&world).root_dispersion_ns >= 0);
	}
	assert_true(less);
	assert_int_equal(world.wrong, 0);
	discipline_close(world.discipline);
}

static void clock_that_is_off_by_a_twentieth_is_caught(void **)
{
	struct world world;

	world_open(&world, &world_usual, 0, 0.05, test_seed());
	add(&world, &good);
	world_run(&world, 200);
	assert_in_range(llabs(world_error_ns(&world)), 0, 500 * US);
	assert_int_equal(world.wrong, 0);
	discipline_close(world.discipline);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_source_is_followed),
		cmocka_unit_test(liars_among_a_majority_are_named),
		cmocka_unit_test(without_a_majority_nobody_is_followed),
		cmocka_unit_test(silent_upstream_is_held_over_until_too_far),
		cmocka_unit_test(step_of_ours_is_followed_by_silence),
		cmocka_unit_test(nothing_is_claimed_while_a_step_is_under_way),
		cmocka_unit_test(jump_by_others_drops_all_that_was_known),
		cmocka_unit_test(local_and_upstream_take_turns),
		cmocka_unit_test(drift_file_is_set_at_once_and_used),
		cmocka_unit_test(nobody_can_be_synchronised_to_stratum_15),
		cmocka_unit_test(unreachable_witnesses_keep_a_liar_out),
		cmocka_unit_test(tracking_tells_what_was_done),
		cmocka_unit_test(source_that_is_removed_is_forgotten),
		cmocka_unit_test(growth_counts_the_clocks_own_course),
		cmocka_unit_test(spiky_link_is_claimed_for_less_than_its_delay),
		cmocka_unit_test(clock_that_is_off_by_a_twentieth_is_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
