// SPDX-License-Identifier: BSD-3-Clause
// A clock, servers and the links between in true time, small enough to be seen through: what unit tests of
// the discipline drive it with. tests/sim has the large world.
#pragma once

#include "base/bytes.h"
#include "base/random.h"
#include "sync/discipline.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WORLD_SERVERS 8
#define WORLD_START   (INT64_C(1795392000) * NS_PER_S) // 2026-11-23

// What a file with nothing but `makestep 0.1 3` would say.
static const struct discipline_options world_usual = {
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
		.max_drift = 0.5,
	},
	.reference = { .max_clock_error_ppb = 1000 },
	.precision_s = 1e-8,
	.max_serve_distance_s = 1,
};

struct world_server {
	int64_t error_ns;            // its time less UTC
	double frequency;            // by which its time leaves UTC
	int64_t delay_ns, jitter_ns; // each way, the jitter one-sided
	int64_t late_ns;             // answers take so much longer, or are stamped so late
	uint8_t stratum;
	uint32_t refid;
	enum ntp_leap leap;
	bool silent;
	int64_t wake_ns; // true time
};

struct world {
	struct discipline *discipline;
	int64_t true_ns;
	double frequency; // of the clock by itself: 50e-6 gains 50 us in a second
	// The clock showed local_ns at mark_ns, and was sped up by `correction` since.
	int64_t mark_ns, local_ns;
	double correction;
	int64_t timer_ns;
	struct world_server servers[WORLD_SERVERS];
	unsigned server_count;
	uint64_t random;
	// Watched once a second.
	unsigned answers, claims, wrong;
	int64_t worst_ns;     // of the clock while something was claimed
	int64_t last_step_ns; // true time
	unsigned steps;
};

static inline utc_t world_clock(const struct world *world)
{
	double ns = (double)(world->true_ns - world->mark_ns);
	double rate = (1 + world->frequency) * (1 + world->correction) - 1;

	return (utc_t){ world->local_ns + (world->true_ns - world->mark_ns) + llround(ns * rate) };
}

static inline int64_t world_error_ns(const struct world *world)
{
	return world_clock(world).ns - world->true_ns;
}

static inline void world_set(struct world *world, int64_t step_ns, double correction)
{
	utc_t now = world_clock(world);

	world->local_ns = now.ns + step_ns;
	world->mark_ns = world->true_ns;
	world->correction = correction;
}

static inline int64_t world_true_of_free(const struct world *world, int64_t free_ns)
{
	int64_t now_free_ns = timeline_free_ns(
			discipline_timeline(world->discipline), world_clock(world));

	if (free_ns == INT64_MAX)
		return INT64_MAX;
	// A little late, as timers are.
	return world->true_ns + (free_ns - now_free_ns)
			+ (int64_t)fabs((double)(free_ns - now_free_ns) * 2 * world->frequency)
			+ 1000;
}

static inline void world_obey(struct world *world, const struct discipline_command *command)
{
	if (command->clock.verdict == SERVO_ADJUST) {
		utc_t before = world_clock(world);

		world_set(world, command->clock.step_ns, command->clock.frequency);
		discipline_did(world->discipline, before, command->clock.step_ns,
				command->clock.frequency);
		if (command->clock.step_ns) {
			world->steps++;
			world->last_step_ns = world->true_ns;
		}
	}
	world->timer_ns = world_true_of_free(world, command->wake_free_ns);
}

static inline struct association_stamp world_stamp(const struct world *world)
{
	return (struct association_stamp){
		.local = world_clock(world),
		.epoch = discipline_timeline(world->discipline)->epoch,
		.level = STAMP_KERNEL,
	};
}

static inline int64_t world_delay(struct world *world, const struct world_server *server)
{
	double draw = ((double)(random_next(&world->random) >> 11) + 1) * 0x1p-53;

	return server->delay_ns - llround((double)server->jitter_ns * log(draw));
}

static inline int64_t world_server_time(
		const struct world *world, const struct world_server *server)
{
	double grown = (double)(world->true_ns - WORLD_START) * server->frequency;

	return world->true_ns + server->error_ns + llround(grown);
}

// The request goes, the answer comes; nothing else happens to this server meanwhile.
static inline void world_answer(struct world *world, unsigned number,
		struct association_action *action, struct discipline_command *command)
{
	struct world_server *server = &world->servers[number];
	uint8_t answer[NTP_HEADER_SIZE] = { 0 };

	world->true_ns += world_delay(world, server);
	ntp64_t time = utc_to_ntp64((utc_t){ world_server_time(world, server) });

	answer[NTP_LEAP_VERSION_MODE] = ntp_flags(server->leap, 4, NTP_MODE_SERVER);
	answer[NTP_STRATUM] = server->stratum;
	answer[NTP_PRECISION] = (uint8_t)-28;
	store_be32(answer + NTP_ROOT_DISPERSION, ns_to_ntp32(20000));
	store_be32(answer + NTP_REFERENCE_ID, 0x47505300);
	store_be64(answer + NTP_REFERENCE_TIME, time - (UINT64_C(8) << 32));
	memcpy(answer + NTP_ORIGIN, action->packet + NTP_TRANSMIT, 8);
	store_be64(answer + NTP_RECEIVE, time);
	store_be64(answer + NTP_TRANSMIT, time + 4000);
	world->true_ns += 1000 + world_delay(world, server) + server->late_ns;
	struct association_stamp stamp = world_stamp(world);

	*action = (struct association_action){ 0 };
	discipline_on_reply(world->discipline, number, world_clock(world), answer, sizeof(answer),
			&stamp, action, command);
	server->wake_ns = world_true_of_free(world, action->wake_free_ns);
}

static inline void world_start_server(struct world *world, unsigned number)
{
	struct association_action action = { 0 };

	discipline_on_start(world->discipline, number, world_clock(world), &action);
	world->servers[number].wake_ns = world_true_of_free(world, action.wake_free_ns);
}

// Somebody else sets the clock, and it is noticed.
static inline void world_jump(struct world *world, int64_t jump_ns)
{
	utc_t before = world_clock(world);
	struct discipline_command command;

	world_set(world, jump_ns, world->correction);
	discipline_on_jump(world->discipline, before, jump_ns);
	discipline_on_timer(world->discipline, world_clock(world), &command);
	world_obey(world, &command);
	for (unsigned i = 0; i < world->server_count; i++)
		world_start_server(world, i);
}

static inline void world_poll(struct world *world, unsigned number)
{
	struct association_action action = { 0 };
	struct discipline_command command;

	discipline_on_poll(world->discipline, number, world_clock(world),
			random_next(&world->random), &action, &command);
	world_obey(world, &command);
	world->servers[number].wake_ns = world_true_of_free(world, action.wake_free_ns);
	if (!action.send_length)
		return;
	struct association_stamp stamp = world_stamp(world);

	association_on_sent(discipline_association(world->discipline, number), &stamp);
	if (world->servers[number].silent)
		return;
	world_answer(world, number, &action, &command);
	world_obey(world, &command);
}

static inline void world_timer(struct world *world)
{
	struct discipline_command command;

	discipline_on_timer(world->discipline, world_clock(world), &command);
	world_obey(world, &command);
}

// As workers do: the last claim, grown by its rate, at any moment until the next.
static inline void world_watch(struct world *world, const struct reference *reference)
{
	int64_t error_ns = llabs(world_error_ns(world));
	int64_t age_ns = utc_diff_ns(world_clock(world), reference->as_of);
	int64_t claimed_ns = reference_distance_ns(reference)
			+ age_ns * reference->root_dispersion_rate_ppb / NS_PER_S + 2;

	world->answers++;
	if (reference->leap == NTP_LEAP_UNSYNCHRONISED)
		return;
	world->claims++;
	world->wrong += error_ns > claimed_ns || reference->root_dispersion_ns < 0;
	if (error_ns > world->worst_ns)
		world->worst_ns = error_ns;
}

static inline void world_run(struct world *world, double seconds)
{
	int64_t end_ns = world->true_ns + llround(seconds * NS_PER_S);

	while (world->true_ns < end_ns) {
		struct reference reference =
				discipline_reference(world->discipline, world_clock(world));
		int64_t next_ns = world->true_ns + NS_PER_S / 4;
		int first = -1;

		for (unsigned i = 0; i < world->server_count; i++) {
			if (world->servers[i].wake_ns < next_ns) {
				next_ns = world->servers[i].wake_ns;
				first = (int)i;
			}
		}
		if (world->timer_ns < next_ns) {
			next_ns = world->timer_ns;
			first = WORLD_SERVERS;
		}
		if (next_ns > world->true_ns)
			world->true_ns = next_ns;
		world_watch(world, &reference);
		if (first == WORLD_SERVERS)
			world_timer(world);
		else if (first >= 0)
			world_poll(world, (unsigned)first);
	}
}

static inline unsigned world_add_server(struct world *world, const struct world_server *server,
		const struct source_options *options)
{
	int number = discipline_add(world->discipline, options);

	world->servers[number] = *server;
	if (world->server_count <= (unsigned)number)
		world->server_count = (unsigned)number + 1;
	world_start_server(world, (unsigned)number);
	return (unsigned)number;
}

static inline void world_open(struct world *world, const struct discipline_options *options,
		int64_t error_ns, double frequency, uint64_t random)
{
	*world = (struct world){
		.true_ns = WORLD_START,
		.mark_ns = WORLD_START,
		.local_ns = WORLD_START + error_ns,
		.frequency = frequency,
		.random = random,
	};
	world->discipline = discipline_open(options, world_clock(world), 0, random);
	world_timer(world);
}
