// SPDX-License-Identifier: BSD-3-Clause
// What is kept of a trial, in units of the report.
#pragma once

#include "timeball-bench/generator.h"
#include "timeball-bench/tally.h"

#include <stdbool.h>
#include <stdint.h>

enum purpose {
	PURPOSE_WARM_UP, // not measured, so that caches and neighbour tables are full
	PURPOSE_RATE,    // at a rate that was asked for
	PURPOSE_SEARCH,  // of the zero-loss search
	PURPOSE_SHARE,   // at a share of the zero-loss rate
};

struct quantiles {
	double min_us;
	double p50_us;
	double p99_us;
	double p999_us;
	double max_us;
};

struct result {
	enum purpose purpose;
	double rate_hz; // asked for
	double share;   // of the zero-loss rate
	struct run_result run;
	uint64_t sent[MODES];
	uint64_t outcomes[OUTCOME_COUNT];
	uint64_t good[MODES];
	uint64_t fell_back;
	uint64_t unfinished;
	uint64_t receive_shared;
	struct quantiles latency;
	struct quantiles lag;
	struct moments offset[MODES];
	struct moments residence[MODES];
};

// What was found to be the highest rate without loss.
struct zero_loss {
	double rate_hz;    // 0: even the lowest lost
	double failed_hz;  // lowest that failed, 0: none did
	unsigned trials;   // that the rate passed
	uint64_t requests; // in these
	uint64_t lost;     // likewise, where some loss is tolerated
	bool own_limit;    // at the rate that failed, we could not send or receive all
};

const char *purpose_name(enum purpose purpose);
void result_fill(struct result *result, const struct tally *tally, double ticks_per_s);
uint64_t result_sent(const struct result *result);
uint64_t result_failures(const struct result *result);
// Requests that did not end well, as a share of those sent.
double result_loss(const struct result *result);
