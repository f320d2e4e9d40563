// SPDX-License-Identifier: BSD-3-Clause
#include "base/bytes.h"
#include "sync/reference.h"
#include "unit.h"
#define AT(seconds) ((utc_t){ INT64_C(seconds) * NS_PER_S })
#define NOVEMBER_23 AT(1795392000) // 2026-11-23
#define DECEMBER_31 AT(1798675200) // 2026-12-31

static const struct reference_options local_10 = {
	.local = { .enabled = true, .stratum = 10, .distance = 1.0 },
	.follow_stratum = 2,
	.max_clock_error_ppb = 1000,
};

static const struct local_clock_state nobody_vouches;

static struct local_clock_state vouched(int64_t max_error_ns)
{
	return (struct local_clock_state){ .vouched = true, .max_error_ns = max_error_ns };
}

static void assert_unsynchronised(struct reference reference)
{
	assert_int_equal(reference.leap, NTP_LEAP_UNSYNCHRONISED);
	assert_int_equal(reference.stratum, 0);
	assert_int_equal(reference.refid, 0);
	assert_int_equal(reference.root_delay_ns, NS_PER_S);
	assert_int_equal(reference.root_dispersion_ns, NS_PER_S);
}

static void local_is_what_chrony_says_it_is(void **)
{
	struct reference_keeper keeper;

	reference_init(&keeper, &local_10);
	for (int s = 0; s < 200; s++) {
		utc_t now = utc_add(NOVEMBER_23, s * INT64_C(1'000'000'000) + 5);
		struct reference reference = reference_update(&keeper, &nobody_vouches, now, s);
		int64_t back_ns = utc_diff_ns(now, reference.time);

		assert_int_equal(reference.leap, NTP_LEAP_NONE);
		assert_int_equal(reference.stratum, 10);
		assert_int_equal(reference.refid, 0x7f7f0101);
		assert_int_equal(reference.root_delay_ns, 0);
		assert_int_equal(reference.root_dispersion_ns, 0);
		assert_in_range(back_ns, NS_PER_S, 33 * NS_PER_S - 1);
	}
}

static void nobody_vouching_is_unsynchronised(void **)
{
	struct reference_options options = local_10;
	struct reference_keeper keeper;

	options.local.enabled = false;
	reference_init(&keeper, &options);
	assert_unsynchronised(reference_update(&keeper, &nobody_vouches, NOVEMBER_23, 1));
}

static void clock_that_was_never_set_is_not_served(void **)
{
	struct reference_keeper keeper;

	reference_init(&keeper, &local_10);
	assert_unsynchronised(reference_update(&keeper, &nobody_vouches, AT(0), 1));
	assert_unsynchronised(reference_update(&keeper, &nobody_vouches, AT(1577836799), 1));
	assert_int_equal(reference_update(&keeper, &nobody_vouches, AT(1577836800), 1).stratum, 10);
}

static void followed_clock_carries_the_kernels_error(void **)
{
	struct reference_keeper keeper;
	struct local_clock_state state = vouched(123456000);
	struct reference_options options = local_10;

	options.local.enabled = false;
	reference_init(&keeper, &options);
	struct reference reference = reference_update(&keeper, &state, NOVEMBER_23, 1);

	assert_int_equal(reference.leap, NTP_LEAP_NONE);
	assert_int_equal(reference.stratum, 2);
	assert_int_equal(reference.refid, REFID_FOLLOW);
	assert_int_equal(reference.root_dispersion_ns, 123456000);
	state.vouched = false;
	assert_unsynchronised(reference_update(&keeper, &state, NOVEMBER_23, 2));
}

static void reference_time_moves_when_the_error_falls(void **)
{
	struct reference_keeper keeper;
	struct local_clock_state state = vouched(1000);

	reference_init(&keeper, &local_10);
	assert_int_equal(reference_update(&keeper, &state, AT(1795392000), 1).time.ns,
			NOVEMBER_23.ns);
	state = vouched(6000);
	assert_int_equal(reference_update(&keeper, &state, AT(1795392016), 17).time.ns,
			NOVEMBER_23.ns);
	state = vouched(2000);
	assert_int_equal(reference_update(&keeper, &state, AT(1795392032), 33).time.ns,
			AT(1795392032).ns);
	// The clock went back: the reference time may not stay ahead of it.
	state = vouched(3000);
	assert_int_equal(reference_update(&keeper, &state, AT(1795392001), 34).time.ns,
			AT(1795392001).ns);
}

static void local_takes_over_beyond_its_distance_only(void **)
{
	struct reference_keeper keeper;
	struct local_clock_state near = vouched(900'000'000), far = vouched(1'100'000'000);

	reference_init(&keeper, &local_10);
	assert_int_equal(reference_update(&keeper, &near, NOVEMBER_23, 1).refid, REFID_FOLLOW);
	assert_int_equal(reference_update(&keeper, &far, NOVEMBER_23, 2).refid, REFID_LOCAL);
	assert_int_equal(reference_update(&keeper, &near, NOVEMBER_23, 3).refid, REFID_FOLLOW);
}

static void local_with_activate_waits_to_have_been_near_once(void **)
{
	struct reference_options options = local_10;
	struct local_clock_state near = vouched(400'000'000);
	struct reference_keeper keeper;

	options.local.activate = 0.5;
	reference_init(&keeper, &options);
	assert_unsynchronised(reference_update(&keeper, &nobody_vouches, NOVEMBER_23, 1000));
	assert_int_equal(reference_update(&keeper, &near, NOVEMBER_23, 1001).refid, REFID_FOLLOW);
	assert_int_equal(reference_update(&keeper, &nobody_vouches, NOVEMBER_23, 1002).refid,
			REFID_LOCAL);
}

static void local_waits_as_long_as_it_is_told(void **)
{
	struct reference_options options = local_10;
	struct local_clock_state near = vouched(1000);
	struct reference_keeper keeper;

	options.local.waitunsynced = 300;
	options.local.waitsynced = 100;
	reference_init(&keeper, &options);
	assert_unsynchronised(reference_update(&keeper, &nobody_vouches, NOVEMBER_23, 5000));
	assert_unsynchronised(reference_update(&keeper, &nobody_vouches, NOVEMBER_23, 5299));
	assert_int_equal(reference_update(&keeper, &nobody_vouches, NOVEMBER_23, 5300).refid,
			REFID_LOCAL);
	assert_int_equal(reference_update(&keeper, &near, NOVEMBER_23, 5400).refid, REFID_FOLLOW);
	assert_unsynchronised(reference_update(&keeper, &nobody_vouches, NOVEMBER_23, 5499));
	assert_int_equal(reference_update(&keeper, &nobody_vouches, NOVEMBER_23, 5500).refid,
			REFID_LOCAL);
}

static void leap_is_announced_on_the_last_day_of_a_month_only(void **)
{
	struct reference_keeper keeper;
	struct local_clock_state state = vouched(1000);

	state.insert_leap = true;
	reference_init(&keeper, &local_10);
	assert_int_equal(reference_update(&keeper, &state, NOVEMBER_23, 1).leap, NTP_LEAP_NONE);
	assert_int_equal(reference_update(&keeper, &state, DECEMBER_31, 1).leap, NTP_LEAP_INSERT);
	state.insert_leap = false;
	state.delete_leap = true;
	assert_int_equal(reference_update(&keeper, &state, DECEMBER_31, 1).leap, NTP_LEAP_DELETE);
	state.leap_in_progress = true;
	assert_unsynchronised(reference_update(&keeper, &state, DECEMBER_31, 1));
}

static struct reference_upstream upstream_at(int64_t distance_ns)
{
	return (struct reference_upstream){
		.known = true,
		.claim = {
			.stratum = 3,
			.refid = 0x0a000001,
			.root_delay_ns = distance_ns,
			.root_dispersion_ns = distance_ns - distance_ns / 2,
			.root_dispersion_rate_ppb = 1000,
			.time = NOVEMBER_23,
			.as_of = NOVEMBER_23,
		},
	};
}

static void upstream_is_claimed_within_the_serving_distance(void **)
{
	struct reference_options options = { .max_serve_distance_ns = 100'000'000 };
	struct reference_upstream upstream = upstream_at(100'000'000);
	struct reference_keeper keeper;

	reference_init(&keeper, &options);
	struct reference reference = reference_choose(&keeper, &upstream, NOVEMBER_23, 1);

	assert_int_equal(reference.stratum, 3);
	assert_int_equal(reference.refid, 0x0a000001);
	assert_int_equal(reference_distance_ns(&reference), 100'000'000);
	upstream.claim.root_dispersion_ns++;
	assert_unsynchronised(reference_choose(&keeper, &upstream, NOVEMBER_23, 2));
	upstream.claim.root_dispersion_ns--;
	upstream.unsettled = true;
	assert_unsynchronised(reference_choose(&keeper, &upstream, NOVEMBER_23, 3));
	upstream.unsettled = false;
	upstream.claim.stratum = 16;
	assert_unsynchronised(reference_choose(&keeper, &upstream, NOVEMBER_23, 4));
	upstream.claim.stratum = 15;
	assert_int_equal(reference_choose(&keeper, &upstream, NOVEMBER_23, 5).stratum, 15);
	assert_unsynchronised(reference_choose(&keeper, &upstream, AT(1577836799), 6));
	upstream.known = false;
	assert_unsynchronised(reference_choose(&keeper, &upstream, NOVEMBER_23, 7));
}

static void upstreams_leap_is_announced_on_the_last_day_only(void **)
{
	struct reference_options options = { 0 };
	struct reference_upstream upstream = upstream_at(1000);
	struct reference_keeper keeper;

	reference_init(&keeper, &options);
	upstream.claim.leap = NTP_LEAP_INSERT;
	assert_int_equal(reference_choose(&keeper, &upstream, NOVEMBER_23, 1).leap, NTP_LEAP_NONE);
	assert_int_equal(
			reference_choose(&keeper, &upstream, DECEMBER_31, 2).leap, NTP_LEAP_INSERT);
}

// What is claimed with local at 10, at 1 s, of an upstream.
static uint32_t refid_beside_local(const struct reference_upstream *upstream)
{
	struct reference_keeper keeper;

	reference_init(&keeper, &local_10);
	keeper.options.max_serve_distance_ns = 2 * NS_PER_S;
	return reference_choose(&keeper, upstream, NOVEMBER_23, 1).refid;
}

static void local_does_not_claim_what_is_being_put_right(void **)
{
	struct reference_upstream upstream = upstream_at(1'100'000'000);

	// Lost, and too far by now.
	assert_int_equal(refid_beside_local(&upstream), REFID_LOCAL);
	// Measured and near, only the clock is far.
	upstream.measured = true;
	upstream.offset_ns = -1'090'000'000;
	upstream.distance_ns = 10'000'000;
	assert_int_equal(refid_beside_local(&upstream), 0x0a000001);
	upstream.claim.root_dispersion_ns = 3 * NS_PER_S;
	assert_int_equal(refid_beside_local(&upstream), 0);
	// Measured, but itself too far to be of use: local's turn, if the clock is about right.
	upstream.distance_ns = 1'100'000'000;
	assert_int_equal(refid_beside_local(&upstream), 0);
	upstream.offset_ns = 9'000'000;
	assert_int_equal(refid_beside_local(&upstream), REFID_LOCAL);
	upstream.unsettled = true;
	assert_int_equal(refid_beside_local(&upstream), 0);
}

static void head_is_in_wire_order(void **)
{
	struct reference reference = {
		.leap = NTP_LEAP_INSERT,
		.stratum = 2,
		.refid = 0x01020304,
		.root_delay_ns = NS_PER_S / 2,
		.root_dispersion_ns = NS_PER_S,
		.time = AT(1795392000),
	};
	uint8_t head[NTP_HEAD_SIZE];

	reference_write_head(&reference, -26, head);
	assert_int_equal(head[0], 0x40);
	assert_int_equal(head[1], 2);
	assert_int_equal(head[2], 0);
	assert_int_equal((int8_t)head[3], -26);
	assert_int_equal(load_be32(head + 4), 0x8000);
	assert_int_equal(load_be32(head + 8), 0); // of the moment, not of the head
	assert_int_equal(load_be32(head + 12), 0x01020304);
	assert_int_equal(load_be64(head + 16) >> 32, 1795392000 + 2208988800);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_is_what_chrony_says_it_is),
		cmocka_unit_test(nobody_vouching_is_unsynchronised),
		cmocka_unit_test(clock_that_was_never_set_is_not_served),
		cmocka_unit_test(followed_clock_carries_the_kernels_error),
		cmocka_unit_test(reference_time_moves_when_the_error_falls),
		cmocka_unit_test(local_takes_over_beyond_its_distance_only),
		cmocka_unit_test(local_with_activate_waits_to_have_been_near_once),
		cmocka_unit_test(local_waits_as_long_as_it_is_told),
		cmocka_unit_test(leap_is_announced_on_the_last_day_of_a_month_only),
		cmocka_unit_test(upstream_is_claimed_within_the_serving_distance),
		cmocka_unit_test(upstreams_leap_is_announced_on_the_last_day_only),
		cmocka_unit_test(local_does_not_claim_what_is_being_put_right),
		cmocka_unit_test(head_is_in_wire_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
