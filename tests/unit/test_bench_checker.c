// SPDX-License-Identifier: BSD-3-Clause
#include "bench_world.h"

// One thing that a server, or what lies before it, can do wrong.
struct fault {
	enum outcome outcome;
	void (*spoil)(struct flight *flight);
	bool after_sealing; // the checksum is not made right again
	bool ipv4_only;
	bool not_interleaved;
};

static uint8_t *ntp_of(struct flight *flight)
{
	return flight->frame + flight->ntp;
}

static void shift_stamp(struct flight *flight, unsigned at, int64_t ns)
{
	uint8_t *stamp = ntp_of(flight) + at;
	int64_t shift = (int64_t)((__int128)ns * (INT64_C(1) << 32) / NS_PER_S);

	store_be64(stamp, load_be64(stamp) + (uint64_t)shift);
}

static void break_ip_length(struct flight *flight)
{
	unsigned at = flight->family == FAMILY_IPV4 ? 2 : 4;

	store_be16(flight->frame + flight->ip + at, 1000);
}

static void break_udp_length(struct flight *flight)
{
	store_be16(flight->frame + flight->udp + 4, 57);
}

static void fragment(struct flight *flight)
{
	store_be16(flight->frame + flight->ip + 6, 0x2000);
}

static void break_ip_sum(struct flight *flight)
{
	flight->frame[flight->ip + 8]--;
}

static void break_udp_sum(struct flight *flight)
{
	ntp_of(flight)[NTP_REFERENCE_TIME] ^= 1;
}

static void change_source(struct flight *flight)
{
	flight->frame[flight->ip + (flight->family == FAMILY_IPV4 ? 15 : 23)] ^= 1;
}

static void change_port(struct flight *flight)
{
	store_be16(flight->frame + flight->udp, 124);
}

static void shorten(struct flight *flight)
{
	store_be16(flight->frame + flight->udp + 4, 8 + 44);
}

static void lengthen(struct flight *flight)
{
	unsigned at = flight->family == FAMILY_IPV4 ? 2 : 4;
	uint8_t *ip_length = flight->frame + flight->ip + at;

	store_be16(ip_length, load_be16(ip_length) + 4);
	store_be16(flight->frame + flight->udp + 4, 8 + 52);
	memset(flight->frame + flight->length, 0, 4);
	flight->length += 4;
}

static void change_mode(struct flight *flight)
{
	ntp_of(flight)[0] = 0x25;
}

static void change_version(struct flight *flight)
{
	ntp_of(flight)[0] = 0x1c;
}

static void change_origin(struct flight *flight)
{
	ntp_of(flight)[NTP_ORIGIN + 7] ^= 1;
}

static void kiss(struct flight *flight)
{
	ntp_of(flight)[NTP_STRATUM] = 0;
	memcpy(ntp_of(flight) + NTP_REFERENCE_ID, "RATE", 4);
}

static void disown(struct flight *flight)
{
	ntp_of(flight)[0] |= 0xc0;
	ntp_of(flight)[NTP_STRATUM] = 0;
}

static void come_late(struct flight *flight)
{
	flight->arrived = flight->slot->intended_ticks + WORLD_TIMEOUT + 1;
}

static void clear_receive(struct flight *flight)
{
	store_be64(ntp_of(flight) + NTP_RECEIVE, 0);
}

static void clear_transmit(struct flight *flight)
{
	store_be64(ntp_of(flight) + NTP_TRANSMIT, 0);
}

static void swap_stamps(struct flight *flight)
{
	shift_stamp(flight, NTP_TRANSMIT, -IN_SERVER_NS - 10);
}

static void stay_long(struct flight *flight)
{
	shift_stamp(flight, NTP_TRANSMIT, TO_SERVER_NS + FROM_SERVER_NS + 200);
}

static void receive_early(struct flight *flight)
{
	shift_stamp(flight, NTP_RECEIVE, -TO_SERVER_NS - 200);
}

// Both, so that the server's own stamps are in order.
static void stamp_late(struct flight *flight)
{
	shift_stamp(flight, NTP_RECEIVE, IN_SERVER_NS + FROM_SERVER_NS + 200);
	shift_stamp(flight, NTP_TRANSMIT, IN_SERVER_NS + FROM_SERVER_NS + 200);
}

static void transmit_late(struct flight *flight)
{
	shift_stamp(flight, NTP_TRANSMIT, FROM_SERVER_NS + 200);
}

static const struct fault faults[] = {
	{ OUTCOME_MALFORMED, break_ip_length, false, false, false },
	{ OUTCOME_MALFORMED, break_udp_length, true, false, false },
	{ OUTCOME_MALFORMED, fragment, false, true, false },
	{ OUTCOME_IP_CHECKSUM, break_ip_sum, true, true, false },
	{ OUTCOME_UDP_CHECKSUM, break_udp_sum, true, false, false },
	{ OUTCOME_SOURCE_ADDRESS, change_source, false, false, false },
	{ OUTCOME_SOURCE_PORT, change_port, false, false, false },
	{ OUTCOME_SIZE, shorten, false, false, false },
	{ OUTCOME_SIZE, lengthen, false, false, false },
	{ OUTCOME_MODE, change_mode, false, false, false },
	{ OUTCOME_VERSION, change_version, false, false, false },
	{ OUTCOME_ORIGIN, change_origin, false, false, false },
	{ OUTCOME_KISS, kiss, false, false, false },
	{ OUTCOME_UNSYNCHRONISED, disown, false, false, false },
	{ OUTCOME_LATE, come_late, false, false, false },
	{ OUTCOME_NO_STAMP, clear_receive, false, false, false },
	{ OUTCOME_NO_STAMP, clear_transmit, false, false, false },
	{ OUTCOME_DISORDER, swap_stamps, false, false, false },
	{ OUTCOME_RESIDENCE, stay_long, false, false, false },
	{ OUTCOME_RECEIVE_OUTSIDE, receive_early, false, false, true },
	{ OUTCOME_RECEIVE_OUTSIDE, stamp_late, false, false, true },
	{ OUTCOME_TRANSMIT_OUTSIDE, transmit_late, false, false, false },
};

static struct flight exchange(struct world *world, enum family_index family, bool interleaved)
{
	struct flight flight = world_ask(world, family, 3, interleaved);

	world_answer(world, &flight);
	return flight;
}

static void right_replies_are_good(void **)
{
	for (uint16_t vlan = 0; vlan < 10; vlan += 9) {
		struct world world;

		world_open(&world, vlan);
		for (unsigned i = 0; i < 40; i++) {
			struct flight flight = exchange(&world, i % FAMILIES, i % 4 < 2);

			assert_int_equal(world_judge(&world, &flight), OUTCOME_GOOD);
		}
		// Every second exchange of a family asked so, and all but the first were ready to.
		assert_int_equal(world.tally->good[MODE_INTERLEAVED], 18);
		assert_int_equal(world.tally->good[MODE_BASIC], 22);
		assert_int_equal(world.tally->fell_back, 0);
		assert_int_equal(world.tally->latency.max,
				TO_SERVER_NS + IN_SERVER_NS + FROM_SERVER_NS);
		world_close(&world);
	}
}

static void measures_each_mode_by_its_own_reply(void **)
{
	struct world world;

	world_open(&world, 0);
	for (unsigned i = 0; i < 3; i++) {
		struct flight flight = exchange(&world, FAMILY_IPV4, true);

		assert_int_equal(world_judge(&world, &flight), OUTCOME_GOOD);
	}
	for (enum reply_mode mode = 0; mode < MODES; mode++) {
		assert_in_range(-moments_mean(&world.tally->offset[mode]), FROM_SERVER_NS - 1,
				FROM_SERVER_NS + 1);
		assert_in_range(moments_mean(&world.tally->residence[mode]), IN_SERVER_NS - 1,
				IN_SERVER_NS + 1);
	}
	assert_int_equal(world.tally->good[MODE_INTERLEAVED], 2);
	world_close(&world);
}

static void check_fault(const struct fault *fault, enum family_index family, bool interleaved)
{
	struct world world;

	world_open(&world, 0);
	struct flight before = exchange(&world, family, false);

	assert_int_equal(world_judge(&world, &before), OUTCOME_GOOD);
	struct flight flight = exchange(&world, family, interleaved);

	fault->spoil(&flight);
	if (!fault->after_sealing)
		flight_seal(&flight);
	enum outcome outcome = world_judge(&world, &flight);

	if (outcome != fault->outcome)
		fail_msg("%s, family %d, interleaved %d: found %s", outcome_name(fault->outcome),
				family, interleaved, outcome_name(outcome));
	assert_int_equal(world.tally->good[MODE_BASIC] + world.tally->good[MODE_INTERLEAVED], 1);
	// It ended the request, and the client goes on asking.
	assert_int_equal(world_judge(&world, &flight), OUTCOME_DUPLICATE);
	world.now += WORLD_TIMEOUT + 1;
	flight = exchange(&world, family, interleaved);
	assert_int_equal(world_judge(&world, &flight), OUTCOME_GOOD);
	world_close(&world);
}

static void faults_are_named(void **)
{
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		for (enum family_index family = 0; family < FAMILIES; family++) {
			if (faults[i].ipv4_only && family != FAMILY_IPV4)
				continue;
			check_fault(&faults[i], family, false);
			if (!faults[i].not_interleaved)
				check_fault(&faults[i], family, true);
		}
	}
}

static void absent_checksum_is_wrong_on_ipv6_only(void **)
{
	struct world world;

	world_open(&world, 0);
	for (enum family_index family = 0; family < FAMILIES; family++) {
		struct flight flight = exchange(&world, family, false);

		store_be16(flight.frame + flight.udp + 6, 0);
		assert_int_equal(world_judge(&world, &flight),
				family == FAMILY_IPV4 ? OUTCOME_GOOD : OUTCOME_UDP_CHECKSUM);
	}
	world_close(&world);
}

static void unfinished_checksum_is_taken_where_a_kernel_leaves_it(void **)
{
	for (int taken = 0; taken < 2; taken++) {
		struct world world;

		world_open(&world, 0);
		world.receiver.takes_unfinished_checksums = taken;
		struct flight flight = exchange(&world, FAMILY_IPV4, false);
		uint32_t sum = plain_sum(flight.frame + flight.udp - 8, 8, 17 + 56);

		store_be16(flight.frame + flight.udp + 6, (uint16_t)sum);
		assert_int_equal(world_judge(&world, &flight),
				taken ? OUTCOME_GOOD : OUTCOME_UDP_CHECKSUM);
		assert_int_equal(world.tally->unfinished, taken);
		world_close(&world);
	}
}

static void repeated_receive_stamps_are_named(void **)
{
	struct world world;

	world_open(&world, 0);
	struct flight first = exchange(&world, FAMILY_IPV4, false);
	struct flight second = exchange(&world, FAMILY_IPV4, false);

	memcpy(ntp_of(&second) + NTP_RECEIVE, ntp_of(&first) + NTP_RECEIVE, 8);
	flight_seal(&second);
	assert_int_equal(world_judge(&world, &first), OUTCOME_GOOD);
	assert_int_equal(world_judge(&world, &second), OUTCOME_RECEIVE_REPEATED);
	// Another client may be told the same; that is noted.
	world.now = first.slot->intended_ticks;
	struct flight other = world_ask(&world, FAMILY_IPV4, 5, false);

	world_answer(&world, &other);
	assert_int_equal(world_judge(&world, &other), OUTCOME_GOOD);
	assert_int_equal(world.tally->receive_shared, 1);
	world_close(&world);
}

static void strays_are_named(void **)
{
	struct world world;

	world_open(&world, 0);
	struct flight flight = exchange(&world, FAMILY_IPV6, false);
	struct flight stray = flight;

	store_be16(stray.frame + stray.udp + 2, PENDING_PORT + 3);
	flight_seal(&stray);
	assert_int_equal(world_judge(&world, &stray), OUTCOME_UNASKED);
	store_be16(stray.frame + stray.udp + 2, PENDING_PORT + 4);
	flight_seal(&stray);
	assert_int_equal(world_judge(&world, &stray), OUTCOME_UNASKED);
	store_be16(stray.frame + stray.udp + 2, 1000);
	flight_seal(&stray);
	assert_int_equal(world_judge(&world, &stray), OUTCOME_UNASKED);
	stray = flight;
	stray.frame[stray.ip + 24 + 15] = WORLD_CLIENTS + 1;
	assert_int_equal(world_judge(&world, &stray), OUTCOME_FOREIGN);
	assert_int_equal(world_judge(&world, &flight), OUTCOME_GOOD);
	assert_int_equal(world_judge(&world, &flight), OUTCOME_DUPLICATE);
	// A trial later.
	struct flight old = exchange(&world, FAMILY_IPV6, false);

	world.checker->start_ticks = world.now;
	assert_int_equal(world_judge(&world, &old), OUTCOME_EXPIRED);
	world_close(&world);
}

// With four slots, the fifth request of a client takes the place of its first.
static void reply_to_a_slot_before_leaves_its_successor_alone(void **)
{
	struct world world;

	world_open(&world, 0);
	struct flight first = exchange(&world, FAMILY_IPV4, false);

	world.rounds[first.client] = 1 << WORLD_TAG_BITS;
	struct flight successor = exchange(&world, FAMILY_IPV4, false);

	assert_ptr_equal(first.slot, successor.slot);
	assert_int_equal(world_judge(&world, &first), OUTCOME_EXPIRED);
	assert_int_equal(world_judge(&world, &successor), OUTCOME_GOOD);
	world_close(&world);
}

static void wrong_vlan_is_named(void **)
{
	struct world world;

	world_open(&world, 7);
	struct flight flight = exchange(&world, FAMILY_IPV4, false);

	flight.frame[15] ^= 1;
	assert_int_equal(world_judge(&world, &flight), OUTCOME_VLAN);
	world_close(&world);
}

// A basic request beside an interleaved one does not take away what that one is about.
static void requests_under_way_do_not_mix(void **)
{
	struct world world;

	world_open(&world, 0);
	struct flight first = exchange(&world, FAMILY_IPV4, true);

	assert_int_equal(world_judge(&world, &first), OUTCOME_GOOD);
	struct flight interleaved = exchange(&world, FAMILY_IPV4, true);
	struct flight basic = exchange(&world, FAMILY_IPV4, true);

	assert_true(interleaved.slot->interleaved);
	assert_false(basic.slot->interleaved);
	assert_int_equal(world_judge(&world, &basic), OUTCOME_GOOD);
	assert_int_equal(world_judge(&world, &interleaved), OUTCOME_GOOD);
	assert_int_equal(world.tally->good[MODE_INTERLEAVED], 1);
	world_close(&world);
}

// Its client has given up on it and goes on, so that what it is about is gone.
static void late_reply_of_interleaved_mode_is_only_late(void **)
{
	struct world world;

	world_open(&world, 0);
	struct flight first = exchange(&world, FAMILY_IPV4, true);

	assert_int_equal(world_judge(&world, &first), OUTCOME_GOOD);
	struct flight late = exchange(&world, FAMILY_IPV4, true);

	world.now += WORLD_TIMEOUT;
	struct flight next = exchange(&world, FAMILY_IPV4, true);

	assert_true(late.slot->interleaved && next.slot->interleaved);
	assert_int_equal(world_judge(&world, &next), OUTCOME_GOOD);
	assert_int_equal(world.tally->fell_back, 1); // the server knows of a reply after that
	// Even if its clock says otherwise.
	assert_int_equal(world_judge(&world, &late), OUTCOME_LATE);
	assert_int_equal(world_judge(&world, &late), OUTCOME_DUPLICATE);
	struct flight last = exchange(&world, FAMILY_IPV4, true);

	assert_int_equal(world_judge(&world, &last), OUTCOME_GOOD);
	assert_int_equal(world.tally->good[MODE_INTERLEAVED], 1);
	world_close(&world);
}

// A client waits from when its request was handed over, not from when that was meant to be.
static void waiting_begins_when_a_request_leaves(void **)
{
	struct world world;

	world_open(&world, 0);
	struct flight first = exchange(&world, FAMILY_IPV4, true);

	assert_int_equal(world_judge(&world, &first), OUTCOME_GOOD);
	for (unsigned i = 0; i < 2; i++) {
		struct ask ask = {
			.client = first.client,
			.round = 10 + i,
			.intended_ticks = world.now,
			.now_ticks = world.now + 2 * WORLD_TIMEOUT,
			.timeout_ticks = WORLD_TIMEOUT,
			.interleaved = true,
		};
		struct request request;

		assert_int_equal(pending_open(&world.pending, &ask, &request)->interleaved, i == 0);
	}
	world_close(&world);
}

// Whatever arrives, the judge reads no further than the frame and every request ends at most once.
static void survives_anything(void **)
{
	uint64_t random = test_seed();
	struct world world;

	world_open(&world, 0);
	for (unsigned i = 0; i < 200'000; i++) {
		struct flight flight = world_ask(&world, i % FAMILIES,
				(uint32_t)random_below(&random, WORLD_CLIENTS), i % 3 == 0);

		world_answer(&world, &flight);
		for (uint64_t n = random_below(&random, 4); n > 0; n--)
			flight.frame[random_below(&random, flight.length)] =
					(uint8_t)random_next(&random);
		if (random_below(&random, 4) == 0)
			flight.length = (uint16_t)random_below(&random, flight.length + 1);
		uint8_t *exact = malloc(flight.length + 1); // the sanitizer watches its end

		memcpy(exact, flight.frame, flight.length);
		world.tally->outcomes[checker_judge(world.checker, exact, flight.length,
				flight.arrived, world.tally)]++;
		world.tally->sent[MODE_BASIC]++;
		free(exact);
	}
	assert_true(tally_ended(world.tally) <= tally_sent(world.tally));
	assert_int_equal(world.tally->outcomes[OUTCOME_GOOD],
			world.tally->good[MODE_BASIC] + world.tally->good[MODE_INTERLEAVED]);
	assert_true(world.tally->outcomes[OUTCOME_GOOD] > 0);
	world_close(&world);
}

static void only_what_the_server_did_wrong_is_a_failure(void **)
{
	static const enum outcome others[] = { OUTCOME_GOOD, OUTCOME_LOST, OUTCOME_EXPIRED,
		OUTCOME_UNREACHABLE, OUTCOME_NEIGHBOR, OUTCOME_FOREIGN };
	unsigned failures = 0;

	for (enum outcome i = 0; i < OUTCOME_COUNT; i++)
		failures += outcome_is_failure(i);
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(outcome_is_failure(others[i]));
	assert_int_equal(failures, OUTCOME_COUNT - sizeof(others) / sizeof(others[0]));
	assert_true(outcome_ends_request(OUTCOME_LATE));
	assert_true(outcome_ends_request(OUTCOME_TRANSMIT_OUTSIDE));
	assert_false(outcome_ends_request(OUTCOME_DUPLICATE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_replies_are_good),
		cmocka_unit_test(measures_each_mode_by_its_own_reply),
		cmocka_unit_test(faults_are_named),
		cmocka_unit_test(absent_checksum_is_wrong_on_ipv6_only),
		cmocka_unit_test(unfinished_checksum_is_taken_where_a_kernel_leaves_it),
		cmocka_unit_test(repeated_receive_stamps_are_named),
		cmocka_unit_test(strays_are_named),
		cmocka_unit_test(reply_to_a_slot_before_leaves_its_successor_alone),
		cmocka_unit_test(wrong_vlan_is_named),
		cmocka_unit_test(requests_under_way_do_not_mix),
		cmocka_unit_test(late_reply_of_interleaved_mode_is_only_late),
		cmocka_unit_test(waiting_begins_when_a_request_leaves),
		cmocka_unit_test(only_what_the_server_did_wrong_is_a_failure),
		cmocka_unit_test(survives_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
