// SPDX-License-Identifier: BSD-3-Clause
// Which trials are run, one after the other, and what they came to.
#pragma once

#include "timeball-bench/generator.h"
#include "timeball-bench/options.h"
#include "timeball-bench/result.h"

#include <stdbool.h>

struct campaign {
	const struct options *options;
	struct generator *generator;
	struct tally *tally;    // of the trial under way
	struct result *results; // to be freed
	unsigned result_count;
	struct zero_loss zero_loss;
	uint64_t failures; // of all trials
};

// Runs it to the end, or until it is told to stop; what is complete by then is there. Returns 0 or
// -ENOMEM.
int campaign_run(struct campaign *campaign);
