// SPDX-License-Identifier: BSD-3-Clause
// Lets a plan happen.
#pragma once

#include "host.h"

struct outcome {
	struct measure measure; // of the watched host
	unsigned verdicts[PLAN_UPSTREAM][ASSOCIATION_VERDICTS];
	enum source_state states[PLAN_UPSTREAM]; // at the end
	int8_t polls[PLAN_UPSTREAM];
	bool gave_up;
	uint64_t events;
};

void world_run(const struct plan *plan, uint64_t seed, bool trace, struct outcome *outcome);
