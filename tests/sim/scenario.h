// SPDX-License-Identifier: BSD-3-Clause
// Worlds worth living in, each with what must hold there. tests/sim/README.md tells where the limits
// come from.
#pragma once

#include "world.h"

// What a row of the table gives to the function that makes its plan.
struct scenario_numbers {
	enum jitter jitter;
	double jitter_s; // deviation, each way
	double wander;
	int minpoll, maxpoll;
	double number; // what the kind of world has most to say about
	unsigned count;
};

enum optimum {
	OPTIMUM_NONE,
	OPTIMUM_KALMAN,      // no linear filter is better
	OPTIMUM_EXPONENTIAL, // experiments' best
	OPTIMUM_WANDER,      // an ideal clock since plan.hold_from_s
};

// 0: no limit. Of rms, all seeds together must keep to it, and each to half as much again.
struct scenario_limits {
	double rms_s;
	double goal_rms_s; // the issue's, for show
	double rms_ratio;  // to the optimum
	double goal_ratio;
	double max_s;       // of any seed, once settled
	double max_claim_s; // nobody is to be told a greater root distance with LI other than 3
	double lock_s;      // until the clock is first within lock_within_s
	double keep_s;      // until it is so for good
	double lock_within_s;
	double synchronised;      // least share of looks, once settled, with LI other than 3
	double lying_s;           // claims may be wrong for so long; 0: never
	double most_synchronised; // the greatest share
	bool never_synchronised;
	bool may_lie; // its assumptions do not hold: stated, not judged
};

struct scenario {
	const char *name;
	const char *about;
	void (*make)(const struct scenario_numbers *numbers, struct plan *plan);
	struct scenario_numbers numbers;
	enum optimum optimum;
	struct scenario_limits limits;
	double quick_s; // how long it is in the short selection; 0: not in it
};

extern const struct scenario scenarios[];
extern const unsigned scenario_count;

const struct scenario *scenario_find(const char *name);
// The scenario's plan; 0 for its own duration.
void scenario_plan(const struct scenario *scenario, double duration_s, struct plan *plan);
// Seconds; 0 when there is none.
double scenario_optimum_s(const struct scenario *scenario, const struct plan *plan);
