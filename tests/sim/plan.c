// SPDX-License-Identifier: BSD-3-Clause
#include "plan.h"

#define NOVEMBER_2026 ((utc_t){ INT64_C(1795392000) * NS_PER_S })

static const struct association_options default_association = {
	.minpoll = 6,
	.maxpoll = 10,
	.iburst = true,
	.version = 4,
	.polltarget = 8,
	.presend = 100,
	.maxunreach = 100'000,
	.maxdelay = 3,
	.maxdelaydevratio = 10,
};

static const struct discipline_options default_discipline = {
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
		.makestep_threshold_s = 1,
		.makestep_limit = 3,
		.max_slew_rate = 83333.333e-6,
		.max_update_skew = 1000e-6,
		.max_drift = 100000e-6,
	},
	.reference = { .follow_stratum = 2, .max_clock_error_ppb = 1000 },
	.precision_s = 20e-9,
	.max_serve_distance_s = 1,
	.after_step_s = 0,
};

struct upstream_options *plan_add_upstream(struct plan *plan, unsigned host, unsigned server)
{
	struct host_options *options = &plan->hosts[host];
	struct upstream_options *upstream = &options->upstream[options->upstream_count++];

	*upstream = (struct upstream_options){
		.from = server,
		.link = { .base_s = 100e-6, .jitter_s = 10e-6 },
		.source.association = default_association,
	};
	return upstream;
}

void plan_init(struct plan *plan)
{
	*plan = (struct plan){
		.start = NOVEMBER_2026,
		.duration_s = 86400,
		.settle_s = 21600,
		.audit_s = 1,
		.server_count = 1,
		.host_count = 1,
	};
	for (unsigned i = 0; i < PLAN_SERVERS; i++)
		plan->servers[i].root_dispersion_s = 1e-6;
	for (unsigned i = 0; i < PLAN_HOSTS; i++) {
		plan->hosts[i] = (struct host_options){
			.oscillator = { .frequency = 2e-5, .wander = 1e-9 },
			.error_s = 0.3,
			.discipline = default_discipline,
			.level = STAMP_KERNEL,
			.late_s = 0.5e-3,
		};
	}
	plan_add_upstream(plan, 0, 0);
}
