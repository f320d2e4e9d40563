// SPDX-License-Identifier: BSD-3-Clause
#include "sync/discipline.h"
#include "sync_world.h"
#include "unit.h"

#define SECOND NS_PER_S
#define MS     INT64_C(1'000'000)
#define US     INT64_C(1'000)

static const struct discipline_options usual = {
	.selection = {
		.max_distance_s = 3,
		.max_jitter_s = 1,
		.reselect_distance_s = 1e-4,
		.stratum_weight_s = 1e-3,
		.combine_limit = 3,
		.min_sources = 1,
		.max_stratum = 15,
	},
	.servo = {
		.makestep_threshold_s = 0.1,
		.makestep_limit = 3,
		.max_slew_rate = 83333e-6,
		.max_update_skew = 1000e-6,
		.max_drift = 0.1,
	},
	.reference = { .max_clock_error_ppb = 1000 },
	.precision_s = 1e-8,
	.max_serve_distance_s = 1,
};

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

static void one_source_is_followed(void **)
{
	struct world world;

	world_open(&world, &usual, -300 * MS, 50e-6, test_seed());
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_source_is_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
