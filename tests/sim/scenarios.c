// SPDX-License-Identifier: BSD-3-Clause
#include "makers.h"
#include "optimum.h"
#include "scenario.h"

#include <math.h>
#include <string.h>

#define US 1e-6
#define MS 1e-3

#define EXPONENTIAL(jitter, wander, minpoll, maxpoll)                                              \
	{                                                                                          \
		JITTER_EXPONENTIAL, jitter, wander, minpoll, maxpoll, 0, 0                         \
	}
#define NUMBERS(jitter, wander, minpoll, maxpoll, number, count)                                   \
	{                                                                                          \
		JITTER_EXPONENTIAL, jitter, wander, minpoll, maxpoll, number, count                \
	}

// clang-format off
const struct scenario scenarios[] = {
	// Show 1.
	{ "exp-10us-2s", "exponential jitter", make_one_server, EXPONENTIAL(10 * US, 1e-9, 1, 1),
		OPTIMUM_EXPONENTIAL, { .rms_s = 0.64 * US, .goal_rms_s = 0.42 * US }, 4000 },
	{ "exp-100us-2s", "exponential jitter", make_one_server, EXPONENTIAL(100 * US, 1e-9, 1, 1),
		OPTIMUM_EXPONENTIAL, { .rms_s = 4 * US, .goal_rms_s = 2 * US }, 0 },
	{ "exp-1us-2s", "exponential jitter", make_one_server, EXPONENTIAL(1 * US, 1e-9, 1, 1),
		OPTIMUM_EXPONENTIAL, { .rms_s = 0.130 * US, .goal_rms_s = 0.105 * US }, 0 },
	{ "exp-10us-16s", "exponential jitter", make_one_server, EXPONENTIAL(10 * US, 1e-9, 4, 4),
		OPTIMUM_EXPONENTIAL, { .rms_s = 1.8 * US, .goal_rms_s = 1.4 * US }, 0 },
	{ "exp-100us-64s", "exponential jitter", make_one_server, EXPONENTIAL(100 * US, 1e-9, 6, 6),
		OPTIMUM_EXPONENTIAL, { .rms_s = 15 * US, .goal_rms_s = 13 * US }, 50'000 },
	{ "nic-1s", "NIC stamps of 10 ns", make_nic, EXPONENTIAL(0, 1e-9, 0, 0),
		OPTIMUM_KALMAN, { .rms_s = 15e-9, .goal_rms_s = 7e-9 }, 4000 },
	{ "nic-1s-1e-8", "NIC stamps of 10 ns", make_nic, EXPONENTIAL(0, 1e-8, 0, 0),
		OPTIMUM_KALMAN, { .rms_s = 30e-9, .goal_rms_s = 18e-9 }, 0 },
	{ "normal-10us-2s", "normal jitter", make_one_server, { JITTER_NORMAL, 10 * US, 1e-9, 1, 1, 0, 0 },
		OPTIMUM_KALMAN, { .rms_ratio = 1.15, .goal_ratio = 1 }, 4000 },
	{ "normal-100us-64s", "normal jitter", make_one_server, { JITTER_NORMAL, 100 * US, 1e-9, 6, 6, 0, 0 },
		OPTIMUM_KALMAN, { .rms_ratio = 1.15, .goal_ratio = 1 }, 0 },
	{ "two-stage-10us-2s", "two queues", make_one_server, { JITTER_TWO_STAGE, 10 * US, 1e-9, 1, 1, 0, 0 },
		OPTIMUM_KALMAN, { .rms_ratio = 1.15, .goal_ratio = 1 }, 0 },
	{ "two-stage-100us-64s", "two queues", make_one_server, { JITTER_TWO_STAGE, 100 * US, 1e-9, 6, 6, 0, 0 },
		OPTIMUM_KALMAN, { .rms_ratio = 1.15, .goal_ratio = 1 }, 0 },
	{ "auto-10us", "automatic poll", make_one_server, EXPONENTIAL(10 * US, 1e-9, 6, 10),
		OPTIMUM_EXPONENTIAL, { .rms_s = 8 * US, .goal_rms_s = 4 * US }, 50'000 },
	{ "holdover-4000", "link cut after a day", make_holdover, NUMBERS(10 * US, 1e-9, 1, 1, 4000, 0),
		OPTIMUM_WANDER, { .rms_ratio = 1.1, .goal_ratio = 1.03 }, 0 },
	{ "cold-iburst", "clock off by 10 s, may step", make_cold, NUMBERS(100 * US, 1e-9, 6, 10, 10, 0),
		OPTIMUM_NONE, { .lock_s = 5, .keep_s = 5, .lock_within_s = MS }, 3600 },

	// Cold starts, frequencies.
	{ "cold-100s-step", "clock off by 100 s, may step", make_cold, NUMBERS(10 * US, 1e-9, 4, 4, 100, 0),
		OPTIMUM_NONE, { .rms_s = 8 * US, .lock_s = 5, .keep_s = 100, .lock_within_s = MS }, 0 },
	{ "cold-100s-slew", "clock off by 100 s, slews only", make_cold_slew_only,
		NUMBERS(10 * US, 1e-9, 4, 4, 100, 0),
		OPTIMUM_NONE, { .rms_s = 8 * US, .keep_s = 1300, .lock_within_s = MS }, 7200 },
	{ "frequency-1e-4", "oscillator fast by 1e-4", make_frequency_error, NUMBERS(10 * US, 1e-9, 4, 4, 1e-4, 0),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2 }, 0 },
	{ "frequency-5e-2", "oscillator fast by 5e-2", make_frequency_error, NUMBERS(10 * US, 1e-9, 4, 4, 5e-2, 0),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2 }, 20'000 },

	// Jitter, at fixed and automatic poll.
	{ "jitter-1us", "", make_one_server, EXPONENTIAL(1 * US, 1e-9, 4, 4),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2 }, 0 },
	{ "jitter-10us", "", make_one_server, EXPONENTIAL(10 * US, 1e-9, 4, 4),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2 }, 0 },
	{ "jitter-100us", "", make_one_server, EXPONENTIAL(100 * US, 1e-9, 4, 4),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 3 }, 0 },
	{ "jitter-1ms", "", make_one_server, EXPONENTIAL(1 * MS, 1e-9, 4, 4),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 3 }, 0 },
	{ "jitter-10ms", "", make_one_server, EXPONENTIAL(10 * MS, 1e-9, 4, 4),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 4 }, 0 },
	{ "auto-1us", "automatic poll", make_one_server, EXPONENTIAL(1 * US, 1e-9, 6, 10),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2.5 }, 0 },
	{ "auto-100us", "automatic poll", make_one_server, EXPONENTIAL(100 * US, 1e-9, 6, 10),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2.5 }, 0 },
	{ "auto-1ms", "automatic poll", make_one_server, EXPONENTIAL(1 * MS, 1e-9, 6, 10),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2.5 }, 0 },
	{ "auto-10ms", "automatic poll", make_one_server, EXPONENTIAL(10 * MS, 1e-9, 6, 10),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 4 }, 0 },
	{ "auto-short", "automatic poll from 2 s", make_one_server, EXPONENTIAL(10 * US, 1e-9, 1, 10),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2.5 }, 0 },

	// Wander and temperature.
	{ "wander-1e-8", "", make_one_server, EXPONENTIAL(10 * US, 1e-8, 4, 4),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2 }, 0 },
	{ "wander-1e-7", "", make_one_server, EXPONENTIAL(10 * US, 1e-7, 4, 4),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2 }, 20'000 },
	{ "temperature", "frequency +- 1e-6 in 2 h", make_temperature, NUMBERS(10 * US, 1e-9, 4, 4, 1e-6, 0),
		OPTIMUM_NONE, { .rms_s = 6 * US }, 0 },

	// Bad links.
	{ "asymmetric-jitter", "1 ms out, 10 us back", make_asymmetric, NUMBERS(1 * MS, 1e-9, 4, 4, 10 * US, 0),
		OPTIMUM_NONE, { .rms_s = 100 * US }, 20'000 },
	{ "spikes", "one in ten waits 10 ms", make_spikes, NUMBERS(10 * US, 1e-9, 4, 4, 0.1, 0),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2.5 }, 0 },
	{ "daemon-stamps", "20 us late each", make_daemon_stamps, NUMBERS(10 * US, 1e-9, 4, 4, 20 * US, 0),
		OPTIMUM_NONE, { .rms_s = 8 * US }, 0 },
	{ "interleaved", "a busy server, xleave", make_interleaved, NUMBERS(1 * US, 1e-9, 1, 1, 50 * US, 0),
		OPTIMUM_EXPONENTIAL, { .rms_s = 0.130 * US }, 4000 },
	{ "loss-33", "a third of the exchanges is lost", make_loss, NUMBERS(10 * US, 1e-9, 4, 4, 0.33, 0),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2.5, .synchronised = 1 }, 20'000 },
	{ "seldom-up", "link up 1200 of 10000 s", make_seldom_up, NUMBERS(100 * US, 1e-9, 6, 6, 1200, 0),
		OPTIMUM_NONE, { .rms_s = 350 * US, .synchronised = 1 }, 50'000 },

	// Servers that are wrong.
	{ "3-of-5", "two liars", make_five_servers, NUMBERS(100 * US, 1e-9, 4, 4, 0, 3),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 3, .synchronised = 1 }, 5000 },
	{ "2-of-5", "three liars", make_five_servers, NUMBERS(100 * US, 1e-9, 4, 4, 0, 2),
		OPTIMUM_NONE, { .never_synchronised = true }, 5000 },
	{ "1-of-2", "one liar", make_some_servers, NUMBERS(10 * US, 1e-9, 4, 4, 0.05, 2),
		OPTIMUM_NONE, { .never_synchronised = true }, 5000 },
	{ "4-of-4", "", make_some_servers, NUMBERS(10 * US, 1e-9, 4, 4, 0, 4),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 1.5, .synchronised = 1 }, 0 },
	{ "server-steps-1ms", "the only one", make_server_steps, NUMBERS(10 * US, 1e-9, 4, 4, 1 * MS, 0),
		OPTIMUM_NONE, { .rms_s = 8 * US, .keep_s = 400, .lock_within_s = 1e-4, .may_lie = true }, 0 },
	{ "server-steps-1s", "the only one", make_server_steps, NUMBERS(10 * US, 1e-9, 4, 4, 1, 0),
		OPTIMUM_NONE, { .rms_s = 8 * US, .keep_s = 400, .lock_within_s = 1e-4, .may_lie = true }, 20'000 },
	{ "server-steps-1e5s", "the only one", make_server_steps, NUMBERS(10 * US, 1e-9, 4, 4, 1e5, 0),
		OPTIMUM_NONE, { .rms_s = 8 * US, .keep_s = 400, .lock_within_s = 1e-4, .may_lie = true }, 0 },

	// What befalls the machine.
	{ "external-step", "somebody sets the clock by 5 s", make_external_step,
		NUMBERS(10 * US, 1e-9, 4, 4, 5, 0),
		OPTIMUM_NONE, { .rms_s = 8 * US, .keep_s = 100, .lock_within_s = MS, .lying_s = 0.2 }, 20'000 },
	{ "external-step-ms", "somebody sets the clock by 2 ms", make_external_step,
		NUMBERS(10 * US, 1e-9, 4, 4, 2 * MS, 0),
		OPTIMUM_NONE, { .rms_s = 8 * US, .keep_s = 100, .lock_within_s = MS, .lying_s = 0.2 }, 0 },
	{ "suspend", "asleep for an hour", make_suspend, NUMBERS(10 * US, 1e-9, 4, 4, 3600, 0),
		OPTIMUM_NONE, { .rms_s = 8 * US, .keep_s = 100, .lock_within_s = MS, .lying_s = 0.2 }, 20'000 },
	{ "restart", "with a drift file, clock off by 0.8 s", make_restart,
		NUMBERS(10 * US, 1e-9, 4, 4, 0.8, 0),
		OPTIMUM_NONE, { .rms_s = 20 * US, .lock_s = 5, .keep_s = 100, .lock_within_s = MS }, 12'000 },
	{ "restart-warmer", "the drift file is off by 2e-5", make_restart_warmer,
		NUMBERS(10 * US, 1e-9, 4, 4, 0.8, 0),
		OPTIMUM_NONE, { .rms_s = 20 * US, .lock_s = 5, .keep_s = 100, .lock_within_s = MS }, 12'000 },
	{ "daemon-restart", "without a drift file, the clock fast by 1e-4", make_daemon_restart,
		NUMBERS(10 * US, 1e-9, 4, 4, 1e-4, 0),
		OPTIMUM_NONE, { .max_s = 100 * US, .synchronised = 0.99 }, 12'000 },
	{ "frequency-jump", "5e-6, more than maxclockerror", make_frequency_jump,
		NUMBERS(10 * US, 1e-9, 4, 4, 5e-6, 0),
		OPTIMUM_NONE, { .rms_s = 8 * US, .keep_s = 200, .lock_within_s = 1e-4, .may_lie = true }, 20'000 },
	{ "busy-host", "timers late by 50 ms", make_busy_host, NUMBERS(10 * US, 1e-9, 1, 1, 0.05, 0),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2 }, 4000 },
	{ "corrtimeratio", "3", make_gentle, NUMBERS(10 * US, 1e-9, 4, 4, 3, 0),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 4 }, 20'000 },
	{ "quiet-clock", "wander 1e-11", make_one_server, EXPONENTIAL(10 * US, 1e-11, 6, 6),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 4 }, 0 },
	{ "era", "2036-02-07", make_era, EXPONENTIAL(10 * US, 1e-9, 4, 4),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 3, .synchronised = 1 }, 10'000 },
	{ "chain", "through three servers at 2 s", make_chain, NUMBERS(10 * US, 1e-9, 1, 1, 0, 3),
		OPTIMUM_NONE, { .rms_s = 2 * US, .synchronised = 1 }, 4000 },
	// Claims, where they are hardest to keep: errors of nearly half the delay.
	{ "one-way-out", "all delay on the way out", make_one_way, NUMBERS(10 * US, 1e-9, 4, 4, 1 * MS, 0),
		OPTIMUM_NONE, { .rms_s = 600 * US, .synchronised = 1 }, 20'000 },
	{ "one-way-back", "all delay on the way back", make_one_way, NUMBERS(10 * US, 1e-8, 6, 6, -20 * MS, 0),
		OPTIMUM_NONE, { .rms_s = 11 * MS, .synchronised = 1 }, 0 },
	{ "one-way-chain", "through three servers", make_chain_one_way, NUMBERS(10 * US, 1e-9, 4, 4, 2 * MS, 3),
		OPTIMUM_NONE, { .rms_s = 3.2 * MS, .synchronised = 1 }, 20'000 },
	{ "detour", "the way out longer by 5 ms for 15000 s", make_detour, NUMBERS(10 * US, 1e-9, 4, 4, 5 * MS, 0),
		OPTIMUM_NONE, { .max_s = 2.6 * MS, .synchronised = 1 }, 50'000 },
	{ "creeping", "one of three drifts away by 1e-6", make_some_servers, NUMBERS(10 * US, 1e-9, 4, 4, 1e-6, 3),
		OPTIMUM_NONE, { .max_s = 120 * US, .synchronised = 1 }, 20'000 },
	{ "one-way-five", "five ways of the worst sort", make_one_way_five, NUMBERS(10 * US, 1e-9, 4, 4, 0, 5),
		OPTIMUM_NONE, { .rms_s = 1.1 * MS, .synchronised = 1 }, 20'000 },
	{ "long-poll", "1024 s, wander 1e-8", make_one_server, EXPONENTIAL(100 * US, 1e-8, 10, 10),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 3, .synchronised = 1 }, 0 },
	{ "fast-poll", "16 a second", make_one_server, EXPONENTIAL(10 * US, 1e-9, -4, -4),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 3, .synchronised = 1 }, 1000 },
	{ "loop", "two that ask each other lose their server", make_loop, NUMBERS(10 * US, 1e-9, 4, 4, 20'000, 0),
		OPTIMUM_NONE, { .synchronised = 1 }, 50'000 },
	{ "silent", "the better of two falls silent", make_silent, NUMBERS(10 * US, 1e-9, 4, 4, 20'000, 0),
		OPTIMUM_EXPONENTIAL, { .rms_ratio = 2, .synchronised = 1 }, 50'000 },
	{ "serve-distance", "2 ms, link cut after a day", make_serve_distance,
		NUMBERS(10 * US, 1e-9, 4, 4, 14'400, 0),
		OPTIMUM_NONE, { .max_claim_s = 2.1 * MS, .most_synchronised = 0.5 }, 0 },
	{ "holdover-warm", "link cut, frequency +- 4e-7 in 20000 s", make_holdover_temperature,
		NUMBERS(10 * US, 1e-9, 4, 4, 14'400, 0),
		OPTIMUM_NONE, { .rms_s = 14 * MS, .synchronised = 1 }, 0 },
	{ "holdover-4h", "link cut after a day", make_holdover, NUMBERS(10 * US, 1e-9, 4, 4, 14'400, 0),
		OPTIMUM_WANDER, { .rms_ratio = 1.2, .synchronised = 1 }, 0 },
};
// clang-format on

const unsigned scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);

const struct scenario *scenario_find(const char *name)
{
	for (unsigned i = 0; i < scenario_count; i++)
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	return NULL;
}

void scenario_plan(const struct scenario *scenario, double duration_s, struct plan *plan)
{
	plan_init(plan);
	scenario->make(&scenario->numbers, plan);
	if (duration_s > 0 && duration_s < plan->duration_s) {
		plan->settle_s = fmin(plan->settle_s, duration_s / 4);
		plan->duration_s = duration_s;
	}
}

double scenario_optimum_s(const struct scenario *scenario, const struct plan *plan)
{
	const struct host_options *host = &plan->hosts[plan->watched];
	const struct link_options *link = &host->upstream[0].link;
	double stamps_s = hypot(host->stamp_s, plan->servers[0].stamp_s) / sqrt(2);
	double noise_s = hypot(link_offset_deviation(link), stamps_s);
	double interval_s = ldexp(1, scenario->numbers.minpoll);
	double wander = host->oscillator.wander;

	switch (scenario->optimum) {
	case OPTIMUM_KALMAN:
		return optimum_kalman_s(interval_s, noise_s, wander);
	case OPTIMUM_EXPONENTIAL:
		return optimum_exponential_s(interval_s, link->jitter_s, wander);
	default:
		return 0;
	}
}
