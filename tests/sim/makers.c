// SPDX-License-Identifier: BSD-3-Clause
#include "makers.h"

#include <math.h>

#define US 1e-6
#define MS 1e-3

// One server on one link, from the numbers; the base of most.
void make_one_server(const struct scenario_numbers *numbers, struct plan *plan)
{
	struct upstream_options *upstream = &plan->hosts[0].upstream[0];

	plan->duration_s = 50'000;
	plan->settle_s = 10'000;
	if (numbers->minpoll < 0) {
		plan->duration_s = 5000;
		plan->settle_s = 1000;
	}
	plan->hosts[0].oscillator.wander = numbers->wander;
	upstream->link.jitter = numbers->jitter;
	upstream->link.jitter_s = numbers->jitter_s;
	// Normal noise wants room below the mean.
	upstream->link.base_s = fmax(100 * US, 10 * numbers->jitter_s);
	upstream->source.association.minpoll = numbers->minpoll;
	upstream->source.association.maxpoll = numbers->maxpoll;
	plan->audit_s = fmin(fmax(ldexp(0.5, numbers->minpoll), 0.5), 8);
}

void make_nic(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->hosts[0].level = STAMP_HARDWARE;
	plan->hosts[0].stamp_s = 10e-9;
	plan->servers[0].stamp_s = 10e-9;
	plan->hosts[0].upstream[0].link.base_s = 2 * US;
	plan->hosts[0].discipline.precision_s = 10e-9;
}

void make_frequency_error(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->hosts[0].oscillator.frequency = numbers->number;
}

void make_temperature(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->hosts[0].oscillator.swing = numbers->number;
	plan->hosts[0].oscillator.swing_period_s = 7200;
}

// Of two oscillators in a row, or a busy server: noise on the stamps themselves.
void make_daemon_stamps(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->hosts[0].level = STAMP_DAEMON;
	plan->hosts[0].stamp_s = numbers->number;
}

void make_asymmetric(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->hosts[0].upstream[0].link.jitter_back_s = numbers->number;
}

void make_spikes(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->hosts[0].upstream[0].link.spike_probability = numbers->number;
	plan->hosts[0].upstream[0].link.spike_s = 10 * MS;
}

void make_loss(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	// Of exchanges, so of each way a little less.
	plan->hosts[0].upstream[0].link.loss = 1 - sqrt(1 - numbers->number);
}

void make_seldom_up(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->hosts[0].upstream[0].link.period_s = 10'000;
	plan->hosts[0].upstream[0].link.up_s = numbers->number;
	// Twenty gaps: a few random walks tell little.
	plan->duration_s = 200'000;
	plan->settle_s = 10'000;
	plan->audit_s = 4;
}

void make_cold(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->duration_s = 3600;
	plan->settle_s = 1800;
	plan->audit_s = 0.05;
	plan->hosts[0].error_s = numbers->number;
	plan->hosts[0].discipline.servo.makestep_threshold_s = 0.1;
}

void make_cold_slew_only(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_cold(numbers, plan);
	plan->hosts[0].discipline.servo.makestep_threshold_s = 0;
	plan->duration_s = 7200;
	plan->settle_s = 5400;
	plan->audit_s = 0.2;
}

void make_holdover(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->duration_s = 86'400 + numbers->number;
	plan->settle_s = 86'400;
	plan->hold_from_s = 86'400;
	plan->hosts[0].upstream[0].link.cut_from_s = 86'400;
	plan->hosts[0].upstream[0].link.cut_until_s = 1e9;
	plan->audit_s = 2;
}

// Five servers of which `count` tell the truth. Each of the others lies in its own way.
void make_five_servers(const struct scenario_numbers *numbers, struct plan *plan)
{
	static const struct server_options lies[] = {
		{ .error_s = 0.5, .root_dispersion_s = 1e-6 },
		{ .error_s = -0.02, .root_dispersion_s = 1e-6 },
		{ .error_s = 0.1, .drift = 3e-6, .root_dispersion_s = 1e-6 },
	};

	make_one_server(numbers, plan);
	plan->server_count = 5;
	for (unsigned i = 1; i < 5; i++) {
		struct upstream_options *upstream = plan_add_upstream(plan, 0, i);

		upstream->link = plan->hosts[0].upstream[0].link;
		upstream->source.association = plan->hosts[0].upstream[0].source.association;
	}
	for (unsigned i = numbers->count; i < 5; i++)
		plan->servers[i] = lies[i - numbers->count];
}

// A lone server that was wrong and comes right at once: nobody else could have told.
void make_server_steps(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->duration_s = 20'000;
	plan->from_s = 10'000;
	plan->settle_s = 15'000;
	plan->servers[0].error_s = -numbers->number;
	plan->servers[0].step_at_s = 10'000;
	plan->servers[0].step_s = numbers->number;
	plan->audit_s = 0.2;
	plan->hosts[0].error_s = -numbers->number;
	plan->hosts[0].discipline.servo.makestep_limit = -1;
}

void make_external_step(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->duration_s = 20'000;
	plan->from_s = 10'000;
	plan->settle_s = 15'000;
	plan->audit_s = 0.1;
	plan->hosts[0].step_at_s = 10'000;
	plan->hosts[0].step_s = numbers->number;
	plan->hosts[0].discipline.servo.makestep_limit = -1;
}

void make_suspend(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->duration_s = 20'000;
	plan->hosts[0].sleep_at_s = 10'000;
	plan->hosts[0].sleep_s = numbers->number;
	plan->from_s = 10'000 + numbers->number;
	plan->settle_s = 17'000;
	plan->audit_s = 0.1;
	plan->hosts[0].discipline.servo.makestep_limit = -1;
}

void make_restart(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->duration_s = 12'000;
	plan->from_s = 10'000;
	plan->settle_s = 10'060;
	plan->audit_s = 0.05;
	plan->hosts[0].error_s = numbers->number;
	plan->hosts[0].boot_at_s = 10'000;
	plan->hosts[0].discipline.servo.makestep_threshold_s = 0.1;
}

void make_one_way(const struct scenario_numbers *numbers, struct plan *plan)
{
	struct link_options *link = &plan->hosts[0].upstream[0].link;

	make_one_server(numbers, plan);
	plan->hosts[0].oscillator.frequency = 1e-4;
	link->base_s = fabs(numbers->number) / 2;
	link->asymmetry_s = numbers->number;
}

// A way out of 5 ms more for a while: whoever believes the middle is off by half of that.
void make_detour(const struct scenario_numbers *numbers, struct plan *plan)
{
	struct link_options *link = &plan->hosts[0].upstream[0].link;

	make_one_server(numbers, plan);
	link->detour_from_s = 15'000;
	link->detour_until_s = 30'000;
	link->detour_s = numbers->number;
}

void make_restart_warmer(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_restart(numbers, plan);
	plan->hosts[0].oscillator.jump_at_s = 10'000;
	plan->hosts[0].oscillator.jump = 2e-5;
	plan->settle_s = 10'600;
}

void make_daemon_restart(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_restart(numbers, plan);
	plan->hosts[0].oscillator.frequency = numbers->number;
	plan->hosts[0].error_s = 0.3;
	plan->hosts[0].daemon_only = true;
	plan->settle_s = 10'000;
}

void make_frequency_jump(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->duration_s = 20'000;
	plan->from_s = 10'000;
	plan->settle_s = 11'000;
	plan->audit_s = 0.5;
	plan->hosts[0].oscillator.jump_at_s = 10'000;
	plan->hosts[0].oscillator.jump = numbers->number;
}

void make_busy_host(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->hosts[0].late_s = numbers->number;
}

void make_gentle(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->hosts[0].discipline.servo.correction_time_ratio = numbers->number;
}

// All of them tell the truth but for the last, which lies, or creeps away by `number`.
void make_some_servers(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->server_count = numbers->count;
	for (unsigned i = 1; i < numbers->count; i++) {
		struct upstream_options *upstream = plan_add_upstream(plan, 0, i);

		upstream->link = plan->hosts[0].upstream[0].link;
		upstream->source.association = plan->hosts[0].upstream[0].source.association;
	}
	if (numbers->number < 1e-3)
		plan->servers[numbers->count - 1].drift = numbers->number;
	else
		plan->servers[numbers->count - 1].error_s = numbers->number;
}

// The way changes from one end of what its delay allows to the other.
void make_one_way_five(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_five_servers(numbers, plan);
	for (unsigned i = 0; i < 5; i++) {
		struct link_options *link = &plan->hosts[0].upstream[i].link;

		link->base_s = (i + 1) * MS;
		link->asymmetry_s = (i % 2 ? 2 : -2) * link->base_s;
	}
}

// Two hosts that ask each other; only the one that is not watched has a server, and loses it.
void make_loop(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->host_count = 2;
	plan->watched = 1;
	plan->hosts[0].upstream[0].link.cut_from_s = numbers->number;
	plan->hosts[0].upstream[0].link.cut_until_s = 1e9;
	plan->hosts[1].oscillator.frequency = -1e-5;
	plan->hosts[1].upstream_count = 0;
	for (unsigned i = 0; i < 2; i++) {
		struct upstream_options *upstream = plan_add_upstream(plan, i, 1 - i);

		upstream->is_host = true;
		upstream->link = plan->hosts[0].upstream[0].link;
		upstream->link.cut_until_s = 0;
		upstream->source.association = plan->hosts[0].upstream[0].source.association;
	}
}

void make_silent(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->server_count = 2;
	struct upstream_options *upstream = plan_add_upstream(plan, 0, 1);

	upstream->link = plan->hosts[0].upstream[0].link;
	upstream->link.base_s *= 2;
	upstream->source.association = plan->hosts[0].upstream[0].source.association;
	plan->servers[0].silent_from_s = numbers->number;
	plan->servers[0].silent_until_s = 1e9;
}

void make_serve_distance(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_holdover(numbers, plan);
	plan->hosts[0].discipline.max_serve_distance_s = 2 * MS;
}

void make_holdover_temperature(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_holdover(numbers, plan);
	plan->hosts[0].oscillator.swing = 4e-7;
	plan->hosts[0].oscillator.swing_period_s = 20'000;
}

// A server whose transmit stamps are early by `number` unless it may tell them later.
void make_interleaved(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->servers[0].transmit_early_s = numbers->number;
	plan->hosts[0].upstream[0].source.association.xleave = true;
}

void make_era(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->start = (utc_t){ (INT64_C(2085978496) - 5000) * NS_PER_S }; // 2036-02-07 06:28:16
	plan->duration_s = 10'000;
	plan->settle_s = 2000;
}

// An ideal server, two timeballs in a row, and one more that is watched.
void make_chain(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_one_server(numbers, plan);
	plan->host_count = numbers->count;
	plan->watched = numbers->count - 1;
	for (unsigned i = 1; i < numbers->count; i++) {
		plan->hosts[i].start_s = 10 * i;
		plan->hosts[i].oscillator.frequency = -1e-5 * i;
		plan->hosts[i].oscillator.wander = numbers->wander;
		plan->hosts[i].upstream_count = 0;
		struct upstream_options *upstream = plan_add_upstream(plan, i, i - 1);

		upstream->is_host = true;
		upstream->link = plan->hosts[0].upstream[0].link;
		upstream->source.association = plan->hosts[0].upstream[0].source.association;
	}
}

void make_chain_one_way(const struct scenario_numbers *numbers, struct plan *plan)
{
	make_chain(numbers, plan);
	for (unsigned i = 0; i < numbers->count; i++) {
		plan->hosts[i].upstream[0].link.base_s = numbers->number / 2;
		plan->hosts[i].upstream[0].link.asymmetry_s = numbers->number;
	}
}
