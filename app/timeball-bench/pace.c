// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/pace.h"

#include <math.h>

#define ROWS (1 << PACE_QUANTILE_BITS)
#define UNIT (1 << PACE_UNIT_BITS)

// The exponential distribution cut into ROWS gaps of equal likelihood, each the middle of its cut, and
// scaled so that their mean is that of all.
static void fill_quantiles(struct pace *pace)
{
	double sum = 0;

	for (int i = 0; i < ROWS; i++)
		sum += -log((i + 0.5) / ROWS);
	for (int i = 0; i < ROWS; i++)
		pace->quantiles[i] = (uint32_t)lround(-log((i + 0.5) / ROWS) * ROWS / sum * UNIT);
}

void pace_init(struct pace *pace, const struct pace_options *options, uint64_t start_ticks)
{
	double unit = 1 << PACE_FRACTION_BITS;

	*pace = (struct pace){
		.start_ticks = start_ticks,
		.interval = (uint64_t)ceil(options->ticks_per_s * unit / options->rate_hz),
		.end = (uint64_t)(options->ticks_per_s * unit * options->duration_s),
		.exponential = options->exponential,
		.random = options->seed,
	};
	if (pace->exponential)
		fill_quantiles(pace);
}

uint64_t pace_left(const struct pace *pace)
{
	return pace_is_over(pace) ? 0 : (pace->end - pace->elapsed - 1) / pace->interval + 1;
}
