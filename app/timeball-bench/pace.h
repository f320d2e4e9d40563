// SPDX-License-Identifier: BSD-3-Clause
// When requests are meant to leave. An open loop: the times are laid down beforehand, and neither a
// slow server nor a stall of our own moves them.
#pragma once

#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

#define PACE_FRACTION_BITS 20 // of a tick
#define PACE_QUANTILE_BITS 12
#define PACE_UNIT_BITS     16 // a quantile of 1 << 16 is the mean gap

struct pace {
	uint64_t start_ticks;
	uint64_t elapsed;  // of the next request since the start, with fraction
	uint64_t interval; // mean gap, with fraction
	uint64_t end;      // no request from here on, with fraction
	bool exponential;
	uint64_t random;
	uint32_t quantiles[1 << PACE_QUANTILE_BITS]; // of the gap
};

struct pace_options {
	double rate_hz;
	double ticks_per_s;
	double duration_s;
	bool exponential; // gaps of a Poisson process, else all the same
	uint64_t seed;
};

// The longest time that fits is 2^43 ticks, 56 minutes at 2.6 GHz.
void pace_init(struct pace *pace, const struct pace_options *options, uint64_t start_ticks);

// When the next request is meant to leave.
static inline uint64_t pace_next_ticks(const struct pace *pace)
{
	return pace->start_ticks + (pace->elapsed >> PACE_FRACTION_BITS);
}

static inline bool pace_is_over(const struct pace *pace)
{
	return pace->elapsed >= pace->end;
}

static inline bool pace_is_due(const struct pace *pace, uint64_t now_ticks)
{
	return !pace_is_over(pace) && (int64_t)(now_ticks - pace_next_ticks(pace)) >= 0;
}

static inline void pace_advance(struct pace *pace)
{
	uint64_t gap = pace->interval;

	if (pace->exponential) {
		uint64_t row = random_next(&pace->random) >> (64 - PACE_QUANTILE_BITS);

		gap = (uint64_t)(((unsigned __int128)gap * pace->quantiles[row]) >> PACE_UNIT_BITS);
	}
	pace->elapsed += gap;
}

// How many requests the rest of the time would have had at the mean gap.
uint64_t pace_left(const struct pace *pace);
