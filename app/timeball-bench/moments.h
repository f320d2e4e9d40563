// SPDX-License-Identifier: BSD-3-Clause
// Mean, deviation and extremes of values that come one by one. Sums are taken from the first value on,
// so that a large common part, as of two clocks far apart, costs no digits.
#pragma once

#include <math.h>
#include <stdint.h>

struct moments {
	uint64_t count;
	int64_t first;
	int64_t min;
	int64_t max;
	double sum;     // of the differences to `first`
	double squares; // of them
};

static inline void moments_add(struct moments *moments, int64_t value)
{
	if (moments->count++ == 0) {
		*moments = (struct moments){ 1, value, value, value, 0, 0 };
		return;
	}
	double difference = (double)(value - moments->first);

	moments->sum += difference;
	moments->squares += difference * difference;
	moments->min = value < moments->min ? value : moments->min;
	moments->max = value > moments->max ? value : moments->max;
}

static inline double moments_mean(const struct moments *moments)
{
	if (moments->count == 0)
		return 0;
	return (double)moments->first + moments->sum / (double)moments->count;
}

// Of the sample, not of what it was taken from.
static inline double moments_deviation(const struct moments *moments)
{
	if (moments->count == 0)
		return 0;
	double mean = moments->sum / (double)moments->count;
	double variance = moments->squares / (double)moments->count - mean * mean;

	return variance > 0 ? sqrt(variance) : 0;
}
